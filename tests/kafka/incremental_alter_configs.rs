//! IncrementalAlterConfigs (key 44).

use kafka_protocol::messages::IncrementalAlterConfigsRequest;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};

use super::configs::{BROKER, TOPIC, config, describe, value};
use crate::support::{Gateway, Kafka, text};

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

type Change<'a> = (&'a str, i8, Option<&'a str>);

fn request(kind: i8, name: &str, changes: &[Change<'_>]) -> IncrementalAlterConfigsRequest {
    let config = |&(name, operation, value): &Change<'_>| {
        AlterableConfig::default().with_name(text(name)).with_config_operation(operation).with_value(value.map(text))
    };
    let resource = AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(changes.iter().map(config).collect());
    IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
}

async fn alter(kafka: &mut Kafka, version: i16, changes: &[Change<'_>]) -> i16 {
    kafka.call(version, request(TOPIC, "orders", changes)).await.responses[0].error_code
}

#[tokio::test(start_paused = true)]
async fn single_configs_are_set_and_deleted_in_every_version() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    for version in 0..=1 {
        assert_eq!(
            alter(&mut kafka, version, &[("retention.ms", SET, Some("90000000")), ("segment.ms", SET, Some("1000"))]).await,
            0
        );
        assert_eq!(alter(&mut kafka, version, &[("segment.ms", DELETE, None)]).await, 0);
        assert_eq!(value(&mut kafka, "orders", "retention.ms").await, ("90000000".to_owned(), true));
        assert_eq!(value(&mut kafka, "orders", "segment.ms").await, ("604800000".to_owned(), false));
        assert_eq!(gateway.log.stream("orders").unwrap().settings().retention_hours, 25);
        assert_eq!(alter(&mut kafka, version, &[("retention.ms", DELETE, None)]).await, 0);
        // Known to older brokers; and one that nobody ever knew.
        for unknown in ["message.format.version", "retention.m"] {
            assert_eq!(alter(&mut kafka, version, &[(unknown, DELETE, None), ("segment.ms", SET, Some("1000"))]).await, 0);
            assert_eq!(value(&mut kafka, "orders", "segment.ms").await, ("1000".to_owned(), true));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn lists_grow_and_shrink() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    for (operation, item, code, policy) in [
        (APPEND, "compact", 0, "delete,compact"),
        (APPEND, "compact", 0, "delete,compact"),
        (SUBTRACT, "delete", 0, "compact"),
        (APPEND, "nonsense", 40, "compact"),
    ] {
        assert_eq!(alter(&mut kafka, 1, &[("cleanup.policy", operation, Some(item))]).await, code);
        assert_eq!(value(&mut kafka, "orders", "cleanup.policy").await.0, policy);
    }
    assert_eq!(alter(&mut kafka, 1, &[("segment.ms", APPEND, Some("1"))]).await, 40);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_changed_is_refused_in_words() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    let (twice, unknown) = ([("segment.ms", SET, Some("1")), ("segment.ms", DELETE, None)], [("segment.ms", 4, Some("1"))]);
    let crowd = (0..21).map(|number| format!("c{number}")).collect::<Vec<_>>().join(",");
    let set = |config, value| request(TOPIC, "orders", &[(config, SET, value)]);
    let range = "86400000 (24 hours) to 31536000000 (8760 hours), rounded up to the hour, and -1 for 8760 hours";
    for (what, request, code, meant) in [
        ("an unknown config", set("retention.m", Some("1")), 40, "the nearest one is retention.ms"),
        ("a retention that is too short", set("retention.ms", Some("86399999")), 40, range),
        ("a retention that is too long", set("retention.ms", Some("31536000001")), 40, range),
        ("a retention by size", set("retention.bytes", Some("1000")), 40, "set retention.ms instead"),
        ("a policy that is none", set("cleanup.policy", Some("shrink")), 40, "one or more of delete, compact"),
        ("a batch that no stream takes", set("max.message.bytes", Some("10485773")), 40, "1 to 10485772"),
        ("a mode that is none", set("kinesis.stream.mode", Some("AUTO")), 40, "PROVISIONED, ON_DEMAND"),
        ("too many consumers", set("kinesis.fanout.consumers", Some(&crowd)), 40, "at most 20 names"),
        ("no value", set("segment.ms", None), 42, "only a deletion needs none"),
        ("a config twice", request(TOPIC, "orders", &twice), 42, "more than once"),
        ("an unknown operation", request(TOPIC, "orders", &unknown), 42, "0 (set), 1 (delete), 2 (append) and 3 (subtract)"),
        ("a missing topic", request(TOPIC, "missing", &[("segment.ms", SET, Some("1"))]), 3, "missing"),
        ("a broker's config", request(BROKER, "0", &[("num.partitions", SET, Some("5"))]), 42, "--default-partitions"),
        ("a group's config", request(32, "g", &[("share.session.timeout", SET, Some("5"))]), 40, "share.session.timeout.ms"),
    ] {
        for version in 0..=1 {
            let response = kafka.call(version, request.clone()).await;
            assert_eq!(response.responses[0].error_code, code, "{what}");
            let words = response.responses[0].error_message.as_deref().unwrap();
            assert!(words.contains(meant), "{what}: {words}");
        }
    }
    assert_eq!(value(&mut kafka, "orders", "segment.ms").await, ("604800000".to_owned(), false));
}

#[tokio::test(start_paused = true)]
async fn a_trial_changes_nothing() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    let trial = request(TOPIC, "orders", &[("segment.ms", SET, Some("1000"))]).with_validate_only(true);
    assert_eq!(kafka.call(1, trial).await.responses[0].error_code, 0);
    assert!(!value(&mut kafka, "orders", "segment.ms").await.1);
}

#[tokio::test(start_paused = true)]
async fn a_change_survives_a_restart() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    assert_eq!(alter(&mut gateway.kafka(), 1, &[("retention.ms", SET, Some("-1"))]).await, 0);
    let gateway = gateway.restarted();
    assert_eq!(value(&mut gateway.kafka(), "orders", "retention.ms").await, ("31536000000".to_owned(), true));
}

#[tokio::test(start_paused = true)]
async fn the_limits_are_a_config_of_the_broker_that_can_be_changed() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    let limits = "kinesis.limits.profile";
    for (broker, change, trial, code, profile) in [
        ("0", (limits, SET, Some("kinesis")), true, 0, "off"),
        ("0", (limits, SET, Some("kinesis")), false, 0, "kinesis"),
        ("", (limits, SET, Some("off")), false, 0, "off"),
        ("", (limits, SET, Some("kinesis")), false, 0, "kinesis"),
        ("1", (limits, SET, Some("off")), false, 42, "kinesis"),
        ("0", (limits, SET, Some("none")), false, 40, "kinesis"),
        ("0", (limits, APPEND, Some("off")), false, 40, "kinesis"),
        ("0", (limits, DELETE, None), false, 0, "off"),
    ] {
        let request = request(BROKER, broker, &[change]).with_validate_only(trial);
        assert_eq!(kafka.call(1, request).await.responses[0].error_code, code, "{change:?}");
        assert_eq!(gateway.log.env().limits.get().to_string(), profile);
        assert_eq!(value(&mut kafka, "orders", limits).await.0, profile);
    }
}

/// Its records are on the disk before they are acknowledged, so any of these values holds.
#[tokio::test(start_paused = true)]
async fn how_often_the_broker_forces_records_to_the_disk_can_be_set_and_survives_a_restart() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    let (messages, millis) = ("log.flush.interval.messages", "log.flush.interval.ms");
    for (change, trial, code, value, source) in [
        ((messages, SET, Some("1234")), true, 0, "9223372036854775807", 5),
        ((messages, SET, Some("1234")), false, 0, "1234", 2),
        ((messages, SET, Some("0")), false, 40, "1234", 2),
        ((messages, APPEND, Some("1")), false, 40, "1234", 2),
        ((millis, SET, Some("1")), false, 0, "1234", 2),
        ((millis, DELETE, None), false, 0, "1234", 2),
    ] {
        let request = request(BROKER, "0", &[change]).with_validate_only(trial);
        assert_eq!(kafka.call(1, request).await.responses[0].error_code, code, "{change:?}");
        let described = describe(&mut kafka, BROKER, "0").await;
        let shown = config(&described, messages);
        assert_eq!((shown.value.as_deref(), shown.config_source), (Some(value), source), "{change:?}");
        assert!(!shown.read_only);
    }
    let gateway = gateway.restarted();
    let mut kafka = gateway.kafka();
    let described = describe(&mut kafka, BROKER, "0").await;
    assert_eq!(config(&described, messages).value.as_deref(), Some("1234"));
    assert_eq!(config(&described, millis).config_source, 5);
}
