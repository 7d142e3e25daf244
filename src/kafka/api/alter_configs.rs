//! **AlterConfigs** (33): sets the configs of a topic to exactly those of the request; the others get their defaults again.
//!
//! Kafka has deprecated it for IncrementalAlterConfigs, but sarama, kafkajs and librdkafka's older call still use it.
//!
//! How we differ from Kafka: most configs of brokers cannot be changed while the gateway runs; the refusal says which option sets
//! them. The limits stay as they are unless they are named.
//! A retention set through Kinesis is a config like the others, so it goes to its default too.
//!
//! Versions: 2 is flexible; nothing else changed.

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::Operation;
use crate::kafka::translate::{self, BrokerChange, Refusal};

/// AlterConfigs.
pub(crate) struct AlterConfigs;

impl Api for AlterConfigs {
    type Request = AlterConfigsRequest;
    type Response = AlterConfigsResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=2;

    async fn handle(cx: &Context, request: AlterConfigsRequest) -> Reply<AlterConfigsResponse> {
        let names = request.resources.iter().map(|resource| (resource.resource_type, resource.resource_name.as_str()));
        let repeated = translate::repeated(names);
        let mut responses = Vec::with_capacity(request.resources.len());
        for resource in &request.resources {
            let outcome = match repeated.contains(&(resource.resource_type, resource.resource_name.as_str())) {
                true => Err(Refusal::request("the resource is named twice in the request")),
                false => alter(cx, resource, request.validate_only).await,
            };
            responses.push(response(resource, outcome));
        }
        Reply::Send(AlterConfigsResponse::default().with_responses(responses))
    }
}

async fn alter(cx: &Context, resource: &AlterConfigsResource, validate_only: bool) -> Result<(), Refusal> {
    cx.check_configs(Operation::AlterConfigs, resource.resource_type, resource.resource_name.as_str())?;
    let configs = configs(resource)?;
    let left_out = translate::LASTING.into_iter().filter(|name| configs.iter().all(|(named, _)| named != name));
    let named = configs.iter().map(|(name, value)| (*name, BrokerChange::Set(Some(*value))));
    let named: Vec<_> = named.chain(left_out.map(|name| (name, BrokerChange::Set(None)))).collect();
    let change = |settings: &_| translate::replaced(settings, configs.iter().copied());
    translate::alter(&cx.door, (resource.resource_type, resource.resource_name.as_str()), &named, validate_only, change).await
}

/// The configs of the request; INVALID_REQUEST if one has no value or is there twice.
fn configs(resource: &AlterConfigsResource) -> Result<Vec<(&str, &str)>, Refusal> {
    translate::check_once(resource.configs.iter().map(|config| config.name.as_str()))?;
    let configs = resource.configs.iter().map(|config| (config.name.as_str(), config.value.as_deref()));
    translate::with_values(configs, ResponseError::InvalidRequest)
}

fn response(resource: &AlterConfigsResource, outcome: Result<(), Refusal>) -> AlterConfigsResourceResponse {
    let response = AlterConfigsResourceResponse::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name.clone())
        .with_error_message(None);
    match outcome {
        Ok(()) => response,
        Err(refusal) => response.with_error_code(refusal.error.code()).with_error_message(Some(refusal.words.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::messages::alter_configs_request::AlterableConfig;

    fn resource(configs: &[(&'static str, Option<&'static str>)]) -> AlterConfigsResource {
        let config = |(name, value): &(&'static str, Option<&'static str>)| {
            AlterableConfig::default().with_name((*name).into()).with_value(value.map(Into::into))
        };
        AlterConfigsResource::default().with_configs(configs.iter().map(config).collect())
    }

    #[test]
    fn a_config_needs_a_value_and_is_there_once() {
        assert_eq!(configs(&resource(&[("a", Some("1")), ("b", Some(""))])), Ok(vec![("a", "1"), ("b", "")]));
        for (wrong, words) in [
            (resource(&[("a", Some("1")), ("a", Some("2"))]), "the config \"a\" is there more than once"),
            (resource(&[("a", None)]), "the config \"a\" has no value"),
        ] {
            assert_eq!(configs(&wrong), Err(Refusal::request(words)));
        }
    }
}
