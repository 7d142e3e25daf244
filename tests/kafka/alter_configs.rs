//! AlterConfigs (key 33).

use kafka_protocol::messages::AlterConfigsRequest;
use kafka_protocol::messages::alter_configs_request::{AlterConfigsResource, AlterableConfig};

use super::configs::{BROKER, TOPIC, value};
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
    for (what, resource, code) in [
        ("an unknown config", resource(TOPIC, "orders", &[("segment.ms", Some("1")), ("retention.m", Some("1"))]), 40),
        (
            "a retention that is too short",
            resource(TOPIC, "orders", &[("segment.ms", Some("1")), ("retention.ms", Some("1"))]),
            40,
        ),
        ("a size limit", resource(TOPIC, "orders", &[("retention.bytes", Some("1"))]), 40),
        ("what is read-only", resource(TOPIC, "orders", &[("kinesis.stream.arn", Some("x"))]), 40),
        ("no value", resource(TOPIC, "orders", &[("segment.ms", None)]), 42),
        ("a config twice", resource(TOPIC, "orders", &[("segment.ms", Some("1")), ("segment.ms", Some("2"))]), 42),
        ("a missing topic", resource(TOPIC, "missing", &[]), 3),
        ("a broker's config", resource(BROKER, "0", &[("num.partitions", Some("5"))]), 40),
        ("another broker", resource(BROKER, "1", &[]), 42),
        ("a resource that nobody knows", resource(99, "x", &[]), 42),
    ] {
        for version in [0, 2] {
            let response = kafka.call(version, request(vec![resource.clone()])).await;
            assert_eq!(response.responses[0].error_code, code, "{what}");
            assert!(response.responses[0].error_message.as_ref().is_some_and(|words| !words.is_empty()), "{what}");
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
