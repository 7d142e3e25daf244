//! AlterConfigs (key 33).

use kafka_protocol::messages::AlterConfigsRequest;
use kafka_protocol::messages::alter_configs_request::{AlterConfigsResource, AlterableConfig};

use super::configs::{BROKER, TOPIC, config, describe, value};
use crate::support::{Gateway, text};

fn resource(kind: i8, name: &str, configs: &[(&str, Option<&str>)]) -> AlterConfigsResource {
    let config =
        |(name, value): &(&str, Option<&str>)| AlterableConfig::default().with_name(text(name)).with_value(value.map(text));
    AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(configs.iter().map(config).collect())
}

fn request(resources: Vec<AlterConfigsResource>) -> AlterConfigsRequest {
    AlterConfigsRequest::default().with_resources(resources)
}

#[tokio::test(start_paused = true)]
async fn a_topic_gets_exactly_the_configs_of_the_request_in_every_version() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    for version in 0..=2 {
        let configs = [("retention.ms", Some("90000000")), ("segment.ms", Some("1000"))];
        let response = kafka.call(version, request(vec![resource(TOPIC, "orders", &configs)])).await;
        assert_eq!((response.responses[0].error_code, &*response.responses[0].resource_name), (0, "orders"));
        assert_eq!(value(&mut kafka, "orders", "retention.ms").await, ("90000000".to_owned(), true));
        kafka.call(version, request(vec![resource(TOPIC, "orders", &[("segment.ms", Some("2000"))])])).await;
        assert_eq!(value(&mut kafka, "orders", "retention.ms").await, ("86400000".to_owned(), false), "as it was not repeated");
        assert_eq!(value(&mut kafka, "orders", "segment.ms").await, ("2000".to_owned(), true));
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_set_changes_nothing_at_all() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    let set = |configs: &[(&str, Option<&str>)]| resource(TOPIC, "orders", configs);
    let range = "86400000 (24 hours) to 31536000000 (8760 hours), rounded up to the hour, and -1 for 8760 hours";
    let broker = resource(BROKER, "0", &[("num.partitions", Some("5"))]);
    for (what, resource, code, meant) in [
        ("an unknown config", set(&[("segment.ms", Some("1")), ("retention.m", Some("1"))]), 40, "nearest one is retention.ms"),
        ("a retention that is too short", set(&[("segment.ms", Some("1")), ("retention.ms", Some("1"))]), 40, range),
        ("a size limit", set(&[("retention.bytes", Some("1"))]), 40, "set retention.ms instead"),
        ("what is read-only", set(&[("kinesis.stream.arn", Some("x"))]), 40, "kinesis.stream.arn is read-only"),
        ("no value", set(&[("segment.ms", None)]), 42, "the config \"segment.ms\" has no value"),
        (
            "a config twice",
            set(&[("segment.ms", Some("1")), ("segment.ms", Some("2"))]),
            42,
            "\"segment.ms\" is there more than once",
        ),
        ("no topic", resource(TOPIC, "", &[]), 42, "has no name"),
        ("a missing topic", resource(TOPIC, "missing", &[]), 3, "there is no topic \"missing\""),
        ("a broker's config", broker, 42, "--default-partitions"),
        ("another broker", resource(BROKER, "1", &[]), 42, "the only broker of this cluster is 0"),
        ("a resource that nobody knows", resource(99, "x", &[]), 42, "the resource type is 99"),
    ] {
        for version in [0, 2] {
            let response = kafka.call(version, request(vec![resource.clone()])).await;
            assert_eq!(response.responses[0].error_code, code, "{what}");
            let words = response.responses[0].error_message.as_deref().unwrap();
            assert!(words.contains(meant), "{what}: {words}");
        }
    }
    assert_eq!(value(&mut kafka, "orders", "segment.ms").await, ("604800000".to_owned(), false));
}

#[tokio::test(start_paused = true)]
async fn a_trial_changes_nothing_and_a_resource_named_twice_neither() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    let orders = || resource(TOPIC, "orders", &[("segment.ms", Some("1000"))]);
    let trial = kafka.call(2, request(vec![orders()]).with_validate_only(true)).await;
    assert_eq!(trial.responses[0].error_code, 0);
    let twice = kafka.call(2, request(vec![orders(), orders()])).await;
    assert_eq!(twice.responses.iter().map(|r| r.error_code).collect::<Vec<_>>(), [42, 42]);
    assert_eq!(value(&mut kafka, "orders", "segment.ms").await, ("604800000".to_owned(), false));
}

/// What is not named goes back to its default, as a topic's does.
#[tokio::test(start_paused = true)]
async fn a_brokers_configs_are_replaced() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    let (messages, millis) = ("log.flush.interval.messages", "log.flush.interval.ms");
    for (named, other) in [(messages, millis), (millis, messages)] {
        let response = kafka.call(2, request(vec![resource(BROKER, "0", &[(named, Some("1234"))])])).await;
        assert_eq!(response.responses[0].error_code, 0);
        let described = describe(&mut kafka, BROKER, "0").await;
        assert_eq!(config(&described, named).value.as_deref(), Some("1234"));
        assert_eq!(config(&described, other).config_source, 5);
    }
}
