//! **IncrementalAlterConfigs** (44): changes single configs of a topic: set, delete, append to a list, subtract from it (KIP-339).
//!
//! How we differ from Kafka: most configs of brokers cannot be changed while the gateway runs; the refusal says which option sets
//! them.
//! An unknown operation is an INVALID_REQUEST, in words; Kafka says UNKNOWN_SERVER_ERROR, which tells a client nothing, and some
//! of them try again. As in Kafka, deleting a config of a topic that does not exist changes nothing and is no error: tools take
//! configs back that older brokers knew.
//!
//! Versions: 1 is flexible; nothing else changed.

use std::ops::RangeInclusive;

use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::Operation;
use crate::kafka::translate::{self, BrokerChange, Change, Refusal, ResourceType, quoted};

/// IncrementalAlterConfigs.
pub(crate) struct IncrementalAlterConfigs;

impl Api for IncrementalAlterConfigs {
    type Request = IncrementalAlterConfigsRequest;
    type Response = IncrementalAlterConfigsResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=1;

    async fn handle(cx: &Context, request: IncrementalAlterConfigsRequest) -> Reply<IncrementalAlterConfigsResponse> {
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
        Reply::Send(IncrementalAlterConfigsResponse::default().with_responses(responses))
    }
}

async fn alter(cx: &Context, resource: &AlterConfigsResource, validate_only: bool) -> Result<(), Refusal> {
    cx.check_configs(Operation::AlterConfigs, resource.resource_type, resource.resource_name.as_str())?;
    let changes = changes(resource)?;
    if ResourceType::of(resource.resource_type)? == ResourceType::Group {
        return translate::alter_group(&cx.door, &resource.resource_name, &changes, validate_only).await;
    }
    let named: Vec<_> = changes.iter().map(of_broker).collect();
    let change = |settings: &_| translate::changed(settings, &changes);
    translate::alter(&cx.door, (resource.resource_type, resource.resource_name.as_str()), &named, validate_only, change).await
}

/// What a change is if the resource is a broker.
fn of_broker<'a>(change: &Change<'a>) -> (&'a str, BrokerChange<'a>) {
    match *change {
        Change::Set(name, value) => (name, BrokerChange::Set(Some(value))),
        Change::Delete(name) => (name, BrokerChange::Set(None)),
        Change::Append(name, _) | Change::Subtract(name, _) => (name, BrokerChange::Extend),
    }
}

/// The changes of the request; INVALID_REQUEST if a config is there twice, lacks its value or has an unknown operation.
fn changes(resource: &AlterConfigsResource) -> Result<Vec<Change<'_>>, Refusal> {
    translate::check_once(resource.configs.iter().map(|config| config.name.as_str()))?;
    resource.configs.iter().map(change).collect()
}

fn change(config: &AlterableConfig) -> Result<Change<'_>, Refusal> {
    let name = config.name.as_str();
    let value = || {
        let missing = || Refusal::request(format!("the config {} has no value; only a deletion needs none", quoted(name)));
        config.value.as_deref().ok_or_else(missing)
    };
    match config.config_operation {
        0 => Ok(Change::Set(name, value()?)),
        1 => Ok(Change::Delete(name)),
        2 => Ok(Change::Append(name, value()?)),
        3 => Ok(Change::Subtract(name, value()?)),
        other => Err(Refusal::request(format!(
            "the operation for the config {} is {other}; 0 (set), 1 (delete), 2 (append) and 3 (subtract) are accepted",
            quoted(name)
        ))),
    }
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

    fn resource(configs: &[(&'static str, i8, Option<&'static str>)]) -> AlterConfigsResource {
        let config = |(name, operation, value): &(&'static str, i8, Option<&'static str>)| {
            AlterableConfig::default()
                .with_name((*name).into())
                .with_config_operation(*operation)
                .with_value(value.map(Into::into))
        };
        AlterConfigsResource::default().with_configs(configs.iter().map(config).collect())
    }

    #[test]
    fn each_operation_has_its_number() {
        let all = [("a", 0, Some("1")), ("b", 1, None), ("c", 2, Some("2")), ("d", 3, Some("3")), ("e", 1, Some("ignored"))];
        assert_eq!(
            changes(&resource(&all)).unwrap(),
            [
                Change::Set("a", "1"),
                Change::Delete("b"),
                Change::Append("c", "2"),
                Change::Subtract("d", "3"),
                Change::Delete("e")
            ]
        );
    }

    #[test]
    fn a_change_that_makes_no_sense_is_an_invalid_request() {
        for (wrong, words) in [
            (resource(&[("a", 0, Some("1")), ("a", 1, None)]), "the config \"a\" is there more than once"),
            (resource(&[("a", 0, None)]), "the config \"a\" has no value"),
            (resource(&[("a", 2, None)]), "the config \"a\" has no value"),
            (resource(&[("a", 4, Some("1"))]), "the operation for the config \"a\" is 4;"),
            (resource(&[("a", -1, Some("1"))]), "is -1;"),
        ] {
            let refusal = changes(&wrong).unwrap_err();
            assert_eq!(refusal.error, kafka_protocol::ResponseError::InvalidRequest);
            assert!(refusal.words.contains(words), "{}", refusal.words);
        }
    }
}
