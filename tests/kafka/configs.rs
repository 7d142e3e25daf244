//! What the scripts of the three config APIs have in common.

use kafka_protocol::messages::DescribeConfigsRequest;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult};

use crate::support::{Kafka, text};

/// The number of the resource type "topic" on the wire.
pub(super) const TOPIC: i8 = 2;
/// The same for "broker".
pub(super) const BROKER: i8 = 4;

/// A resource with all its configs.
pub(super) fn resource(kind: i8, name: &str) -> DescribeConfigsResource {
    DescribeConfigsResource::default().with_resource_type(kind).with_resource_name(text(name)).with_configuration_keys(None)
}

/// All configs of a resource.
pub(super) async fn describe(kafka: &mut Kafka, kind: i8, name: &str) -> DescribeConfigsResult {
    kafka.call(1, DescribeConfigsRequest::default().with_resources(vec![resource(kind, name)])).await.results.remove(0)
}

/// A config of an answer.
pub(super) fn config<'a>(result: &'a DescribeConfigsResult, name: &str) -> &'a DescribeConfigsResourceResult {
    result.configs.iter().find(|config| &*config.name == name).unwrap_or_else(|| panic!("no config {name}"))
}

/// A topic's config: its value, and whether it was set for the topic.
pub(super) async fn value(kafka: &mut Kafka, topic: &str, name: &str) -> (String, bool) {
    let described = describe(kafka, TOPIC, topic).await;
    let config = config(&described, name);
    (config.value.clone().unwrap_or_default().to_string(), config.config_source == 1)
}
