//! **DescribeConfigs** (32): the configs of topics and of the broker, with their sources, synonyms and documentation.
//!
//! How we differ from Kafka: a topic also shows the stream behind it (`kinesis.stream.arn` and others, read-only); of the
//! configs of the broker only the limits and what is stored and shown can be changed; a value that depends on the client's way here
//! (`advertised.listeners`) is the one it sees. Loggers and client metrics have no configs and are answered with none.
//!
//! Versions: 1 brought sources and synonyms (KIP-226) · 3 brought types and documentation (KIP-569) · 4 is flexible.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::Operation;
use crate::kafka::translate::{self, Refusal, ResourceType, Shown, Synonym};
use crate::model::StreamName;

/// DescribeConfigs.
pub(crate) struct DescribeConfigs;

/// Resources in one answer: each takes some 16 KiB in the making. *Ours*.
const RESOURCES_MAX: usize = 2_000;

impl Api for DescribeConfigs {
    type Request = DescribeConfigsRequest;
    type Response = DescribeConfigsResponse;

    const VERSIONS: RangeInclusive<i16> = 1..=4;
    const IS_BULKY: bool = true;

    async fn handle(cx: &Context, request: DescribeConfigsRequest) -> Reply<DescribeConfigsResponse> {
        let detail = Detail { synonyms: request.include_synonyms, documentation: request.include_documentation };
        // An answer is hundreds of times as long as its question, so each resource is answered once.
        let mut answered = BTreeSet::new();
        let fresh = |resource: &&DescribeConfigsResource| {
            answered.insert((resource.resource_type, resource.resource_name.as_str().to_owned()))
        };
        let resources = request.resources.iter().filter(fresh).enumerate().map(|(number, resource)| {
            let described = if number < RESOURCES_MAX { describe(cx, resource) } else { Err(too_many()) };
            answer(resource, described, detail)
        });
        Reply::Send(DescribeConfigsResponse::default().with_results(resources.collect()))
    }
}

fn too_many() -> Refusal {
    Refusal::request(format!("at most {RESOURCES_MAX} resources are described in one request; ask for the others in another"))
}

/// What a client wants to know besides values.
#[derive(Clone, Copy)]
struct Detail {
    synonyms: bool,
    documentation: bool,
}

fn describe(cx: &Context, resource: &DescribeConfigsResource) -> Result<Vec<Shown>, Refusal> {
    let (config, name) = (&cx.door.config, resource.resource_name.as_str());
    cx.check_configs(Operation::DescribeConfigs, resource.resource_type, name)?;
    match ResourceType::of(resource.resource_type)? {
        ResourceType::Topic => {
            StreamName::new(name)?;
            let stream = translate::topic(&cx.door, name)?;
            let arn = format!("{}{name}", config.arn_prefix);
            Ok(translate::show_topic(&arn, &stream.settings(), stream.open_shards(), cx.door.log.env().limits.get()))
        }
        // What all brokers have in common is what was set for all at run time: nothing.
        ResourceType::Broker if name.is_empty() => Ok(Vec::new()),
        ResourceType::Broker => {
            translate::check_broker(config, name)?;
            let (host, port) = cx.endpoint();
            let (limits, way) = (cx.door.log.env().limits.get(), (cx.session.listener().protocol(), host.as_str(), port));
            Ok(translate::show_broker(config, limits, &cx.door.broker.set(), way))
        }
        ResourceType::BrokerLogger => translate::check_broker(config, name).map(|()| Vec::new()),
        ResourceType::ClientMetrics | ResourceType::Group if name.is_empty() => {
            Err(Refusal::request("the name of the resource is empty; a name is needed"))
        }
        ResourceType::ClientMetrics => Ok(Vec::new()),
        ResourceType::Group => Ok(translate::show_group(&cx.door.group_configs.own(name))),
    }
}

fn answer(resource: &DescribeConfigsResource, outcome: Result<Vec<Shown>, Refusal>, detail: Detail) -> DescribeConfigsResult {
    let result = DescribeConfigsResult::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name.clone())
        .with_error_message(Some(StrBytes::default()));
    match outcome {
        Ok(shown) => {
            let wanted = shown.into_iter().filter(|shown| is_wanted(resource, shown.name));
            result.with_configs(wanted.map(|shown| config_result(shown, detail)).collect())
        }
        Err(refusal) => result.with_error_code(refusal.error.code()).with_error_message(Some(refusal.words.into())),
    }
}

/// No list of keys means all of them, and so does an empty one, as in Kafka.
fn is_wanted(resource: &DescribeConfigsResource, name: &str) -> bool {
    resource.configuration_keys.as_ref().is_none_or(|keys| keys.is_empty() || keys.iter().any(|key| key.as_str() == name))
}

fn config_result(shown: Shown, detail: Detail) -> DescribeConfigsResourceResult {
    let synonyms = if detail.synonyms { shown.synonyms.into_iter().map(synonym).collect() } else { Vec::new() };
    DescribeConfigsResourceResult::default()
        .with_name(shown.name.into())
        .with_value(Some(shown.value.into()))
        .with_read_only(shown.read_only)
        .with_config_source(shown.source as i8)
        .with_synonyms(synonyms)
        .with_config_type(shown.kind as i8)
        .with_documentation(detail.documentation.then(|| shown.documentation.into()))
}

fn synonym(synonym: Synonym) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym::default()
        .with_name(synonym.name.into())
        .with_value(Some(synonym.value.into()))
        .with_source(synonym.source as i8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Limits, Settings};
    use bytes::BytesMut;
    use kafka_protocol::protocol::{Decodable, Encodable};

    const EVERYTHING: Detail = Detail { synonyms: true, documentation: true };
    const VALUES: Detail = Detail { synonyms: false, documentation: false };

    fn resource(keys: Option<&[&'static str]>) -> DescribeConfigsResource {
        DescribeConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name("orders".into())
            .with_configuration_keys(keys.map(|keys| keys.iter().map(|key| (*key).into()).collect()))
    }

    fn topic() -> Vec<Shown> {
        let settings = translate::replaced(&Settings::default(), [("cleanup.policy", "compact")]).unwrap();
        translate::show_topic("orders", &settings, 2, Limits::off())
    }

    #[test]
    fn keys_choose_configs_and_no_keys_choose_all() {
        let names = |keys| -> Vec<String> {
            let result = answer(&resource(keys), Ok(topic()), VALUES);
            result.configs.iter().map(|config| config.name.to_string()).collect()
        };
        assert_eq!(names(Some(&["retention.ms", "no.such", "cleanup.policy"])), ["cleanup.policy", "retention.ms"]);
        assert_eq!(names(Some(&["no.such"])), Vec::<String>::new());
        assert_eq!(names(None).len(), topic().len());
        assert_eq!(names(Some(&[])).len(), topic().len());
    }

    #[test]
    fn synonyms_and_documentation_are_told_to_those_who_ask() {
        let all = answer(&resource(Some(&["cleanup.policy"])), Ok(topic()), EVERYTHING);
        let policy = &all.configs[0];
        assert_eq!(policy.value.as_deref(), Some("compact"));
        assert_eq!((policy.config_source, policy.config_type, policy.read_only, policy.is_sensitive), (1, 7, false, false));
        let synonyms: Vec<_> = policy.synonyms.iter().map(|s| (s.name.as_str(), s.value.as_deref(), s.source)).collect();
        assert_eq!(synonyms, [("cleanup.policy", Some("compact"), 1), ("log.cleanup.policy", Some("delete"), 5)]);
        assert!(policy.documentation.as_ref().is_some_and(|words| !words.is_empty()));

        let values = answer(&resource(Some(&["cleanup.policy"])), Ok(topic()), VALUES);
        assert!(values.configs[0].synonyms.is_empty());
        assert_eq!(values.configs[0].documentation, None);
    }

    #[test]
    fn every_version_of_the_answer_can_be_written() {
        let known = answer(&resource(None), Ok(topic()), EVERYTHING);
        let unknown = answer(&resource(None), Err(Refusal::unknown_topic("orders")), EVERYTHING);
        let response = DescribeConfigsResponse::default().with_results(vec![known, unknown]);
        for version in DescribeConfigs::VERSIONS {
            let mut bytes = BytesMut::new();
            response.encode(&mut bytes, version).unwrap();
            let read = DescribeConfigsResponse::decode(&mut bytes.freeze(), version).unwrap();
            assert_eq!((read.results[0].error_code, read.results[0].error_message.as_deref()), (0, Some("")));
            assert_eq!(read.results[1].error_code, 3);
            assert_eq!(read.results[1].error_message.as_deref(), Some("there is no topic \"orders\""));
        }
    }
}
