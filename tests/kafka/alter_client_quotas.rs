//! DescribeClientQuotas and AlterClientQuotas (keys 48 and 49), and what quotas do to whom they are for.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::*;
use tokio::time::{Instant, advance};

use crate::support::{Gateway, Kafka, batch, name, produce, text};

const INVALID_REQUEST: i16 = 42;
const EXCEEDED: i16 = 89;

/// Parts of an entity; `*` is the default.
fn entity(parts: &[(&str, &str)]) -> Vec<EntityData> {
    let name = |name: &str| (name != "*").then(|| text(name));
    parts.iter().map(|(of, named)| EntityData::default().with_entity_type(text(of)).with_entity_name(name(named))).collect()
}

fn op(key: &str, value: impl Into<Option<f64>>) -> OpData {
    let value = value.into();
    OpData::default().with_key(text(key)).with_value(value.unwrap_or_default()).with_remove(value.is_none())
}

fn entry(parts: &[(&str, &str)], ops: Vec<OpData>) -> EntryData {
    EntryData::default().with_entity(entity(parts)).with_ops(ops)
}

async fn alter(kafka: &mut Kafka, entries: Vec<EntryData>) -> Vec<i16> {
    let answer = kafka.call(1, AlterClientQuotasRequest::default().with_entries(entries)).await;
    answer.entries.iter().map(|entry| entry.error_code).collect()
}

async fn set(kafka: &mut Kafka, parts: &[(&str, &str)], key: &str, value: impl Into<Option<f64>>) {
    assert_eq!(alter(kafka, vec![entry(parts, vec![op(key, value)])]).await, [0]);
}

/// What is found, as text, or the error.
async fn describe(kafka: &mut Kafka, components: &[(&str, i8, Option<&str>)], strict: bool) -> Result<Vec<String>, i16> {
    let component = |(of, kind, name): &(&str, i8, Option<&str>)| {
        ComponentData::default().with_entity_type(text(of)).with_match_type(*kind).with_match(name.map(text))
    };
    let components = components.iter().map(component).collect();
    let answer = kafka.call(1, DescribeClientQuotasRequest::default().with_components(components).with_strict(strict)).await;
    if answer.error_code != 0 {
        assert!(answer.entries.is_none() && !answer.error_message.unwrap().is_empty());
        return Err(answer.error_code);
    }
    let mut found = Vec::new();
    for entry in answer.entries.unwrap() {
        let part = |part: &describe_client_quotas_response::EntityData| {
            format!("{}={}", &*part.entity_type, part.entity_name.as_deref().unwrap_or("*"))
        };
        let entity: Vec<_> = entry.entity.iter().map(part).collect();
        let values: Vec<_> = entry.values.iter().map(|value| format!("{} {}", &*value.key, value.value)).collect();
        found.push(format!("{}: {}", entity.join(" "), values.join(", ")));
    }
    Ok(found)
}

/// The questions that Apache Kafka 4.4.0 was asked, and its answers.
#[tokio::test(start_paused = true)]
async fn quotas_are_set_shown_and_removed_and_outlive_a_restart() {
    let gateway = Gateway::start();
    let kafka = &mut gateway.kafka();
    let entries = vec![
        entry(&[("user", "a")], vec![op("producer_byte_rate", 1_000.0), op("consumer_byte_rate", 7.0)]),
        entry(&[("client-id", "c"), ("user", "a")], vec![op("request_percentage", 50.5)]),
        entry(&[("client-id", "*"), ("user", "*")], vec![op("producer_byte_rate", 7.0)]),
        entry(&[("client-id", "*")], vec![op("controller_mutation_rate", 9.5)]),
        entry(&[("ip", "*")], vec![op("connection_creation_rate", 500.0)]),
    ];
    assert_eq!(alter(kafka, entries).await, [0; 5]);
    set(kafka, &[("user", "a")], "consumer_byte_rate", None).await;
    // What is not there need not be removed, whatever it is called.
    set(kafka, &[("user", "a")], "nope", None).await;
    // A part that is named twice counts as it is named last.
    set(kafka, &[("user", "x"), ("user", "b")], "producer_byte_rate", 1.0).await;
    let (a, ac) = ("user=a: producer_byte_rate 1000", "user=a client-id=c: request_percentage 50.5");
    let (b, any) = ("user=b: producer_byte_rate 1", "user=* client-id=*: producer_byte_rate 7");
    let (client, ip) = ("client-id=*: controller_mutation_rate 9.5", "ip=*: connection_creation_rate 500");
    let gateway = gateway.restarted();
    let kafka = &mut gateway.kafka();
    for (components, strict, expected) in [
        (&[][..], false, vec![client, any, a, ac, b, ip]),
        (&[], true, vec![]),
        (&[("user", 0, Some("a"))], false, vec![a, ac]),
        (&[("user", 0, Some("a"))], true, vec![a]),
        (&[("user", 1, None)], false, vec![any]),
        (&[("user", 2, None)], false, vec![any, a, ac, b]),
        (&[("user", 2, None)], true, vec![a, b]),
        (&[("client-id", 2, None), ("user", 1, None)], false, vec![any]),
        (&[("ip", 2, None)], false, vec![ip]),
        (&[("user", 0, Some(""))], false, vec![]),
    ] {
        let found = describe(kafka, components, strict).await.unwrap();
        assert_eq!(found, expected, "{components:?}");
    }
    let unsupported = ResponseError::UnsupportedVersion.code();
    for (components, error) in [
        (&[("user", 0, None)][..], INVALID_REQUEST),
        (&[("user", 1, Some("a"))], INVALID_REQUEST),
        (&[("user", 2, Some("a"))], INVALID_REQUEST),
        (&[("user", 3, None)], INVALID_REQUEST),
        (&[("x", 0, Some("a"))], unsupported),
        (&[("", 0, Some("a"))], INVALID_REQUEST),
        (&[("user", 0, Some("a")), ("user", 0, Some("b"))], INVALID_REQUEST),
        (&[("ip", 2, None), ("user", 2, None)], INVALID_REQUEST),
    ] {
        assert_eq!(describe(kafka, components, false).await, Err(error), "{components:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_changes_nothing_of_its_entity_and_something_of_others() {
    let gateway = Gateway::start();
    let kafka = &mut gateway.kafka();
    let long = "u".repeat(256);
    for (parts, ops) in [
        (&[][..], vec![op("producer_byte_rate", 1.0)]),
        (&[("x", "a")], vec![op("producer_byte_rate", 1.0)]),
        (&[("user", "")], vec![op("producer_byte_rate", 1.0)]),
        (&[("user", &long)], vec![op("producer_byte_rate", 1.0)]),
        (&[("user", "a"), ("ip", "1.1.1.1")], vec![op("producer_byte_rate", 1.0)]),
        (&[("ip", "1.1.1.1")], vec![op("producer_byte_rate", 1.0)]),
        (&[("ip", "no such host")], vec![op("connection_creation_rate", 1.0)]),
        (&[("user", "a")], vec![op("connection_creation_rate", 1.0)]),
        (&[("user", "a")], vec![op("producer_byte_rate", 1.0), op("nope", 1.0)]),
        (&[("user", "a")], vec![op("producer_byte_rate", 1.0), op("producer_byte_rate", 2.0)]),
        (&[("user", "a")], vec![op("producer_byte_rate", 0.0)]),
        (&[("user", "a")], vec![op("producer_byte_rate", 1.5)]),
        (&[("user", "a")], vec![op("request_percentage", f64::NAN)]),
    ] {
        let right = entry(&[("user", "b")], vec![op("producer_byte_rate", 5.0)]);
        let results = alter(kafka, vec![entry(parts, ops.clone()), right]).await;
        let mut sorted = results.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, INVALID_REQUEST], "{parts:?} {ops:?}");
        assert_eq!(describe(kafka, &[], false).await.unwrap(), ["user=b: producer_byte_rate 5"]);
        set(kafka, &[("user", "b")], "producer_byte_rate", None).await;
    }
    let twice = vec![entry(&[("user", "a")], vec![op("producer_byte_rate", 1.0)]); 2];
    assert_eq!(alter(kafka, twice).await, [INVALID_REQUEST]);
    let request = AlterClientQuotasRequest::default().with_validate_only(true);
    let request = request.with_entries(vec![entry(&[("user", "a")], vec![op("producer_byte_rate", 1.0)])]);
    assert_eq!(kafka.call(0, request).await.entries[0].error_code, 0);
    assert_eq!(describe(kafka, &[], false).await, Ok(vec![]));
}

fn fetch(topic: &'static str) -> FetchRequest {
    let partition = FetchPartition::default().with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(name(topic)).with_partitions(vec![partition]);
    FetchRequest::default().with_max_bytes(1 << 20).with_topics(vec![topic])
}

#[tokio::test(start_paused = true)]
async fn who_produces_too_much_is_answered_at_once_and_heard_after_the_delay() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    set(&mut gateway.kafka(), &[("user", "ANONYMOUS"), ("client-id", "eager")], "producer_byte_rate", 100.0).await;
    let records = batch(&["x".repeat(1_400).as_str()]);
    let (begun, kafka) = (Instant::now(), &mut gateway.kafka_named("eager"));
    let answer = kafka.call(9, produce("orders", 0, Some(records.clone()))).await;
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    // 1,500 bytes and a few in ten seconds are half more than there may be.
    let delay = u64::try_from(answer.throttle_time_ms).unwrap();
    assert!((5_000..6_000).contains(&delay), "{delay}");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    kafka.call(12, MetadataRequest::default()).await;
    assert_eq!(begun.elapsed().as_millis(), delay.into());
    // On another connection the client is told the same again; somebody else is not.
    let answer = gateway.kafka_named("eager").call(9, produce("orders", 0, Some(records.clone()))).await;
    assert!(answer.throttle_time_ms > 0);
    let answer = gateway.kafka_named("other").call(9, produce("orders", 0, Some(records.clone()))).await;
    assert_eq!(answer.throttle_time_ms, 0);
    // Who wants no answers waits too.
    let (kafka, begun) = (&mut gateway.kafka_named("eager"), Instant::now());
    kafka.send(9, &produce("orders", 0, Some(records)).with_acks(0)).await;
    kafka.skip();
    kafka.call(12, MetadataRequest::default()).await;
    assert!(begun.elapsed().as_secs() > 10, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_consumes_too_much_gets_it_and_waits() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    for _ in 0..10 {
        gateway.kafka().produce("orders", 0, batch(&["x".repeat(400).as_str()])).await;
    }
    set(&mut gateway.kafka(), &[("client-id", "*")], "consumer_byte_rate", 100.0).await;
    let (begun, kafka) = (Instant::now(), &mut gateway.kafka());
    let mut bytes = 0;
    for _ in 0..3 {
        let answer = kafka.call(12, fetch("orders")).await;
        let records = answer.responses[0].partitions[0].records.as_ref().unwrap().len();
        // No more than fits into ten seconds is given at once.
        assert!((400..1_000).contains(&records), "{records}");
        bytes += records;
    }
    kafka.call(12, MetadataRequest::default()).await;
    let rate = bytes as f64 / begun.elapsed().as_secs_f64();
    assert!(rate < 200.0, "{rate}");
}

fn topics(name: &str, partitions: i32) -> CreateTopicsRequest {
    let topic = CreatableTopic::default().with_name(TopicName(text(name))).with_num_partitions(partitions);
    CreateTopicsRequest::default().with_topics(vec![topic.with_replication_factor(1)])
}

#[tokio::test(start_paused = true)]
async fn who_creates_and_deletes_too_many_partitions_is_refused_or_waits() {
    let gateway = Gateway::start();
    set(&mut gateway.kafka(), &[("client-id", "*")], "controller_mutation_rate", 1.0).await;
    let created = gateway.kafka().call(7, topics("a", 12)).await;
    assert_eq!((created.topics[0].error_code, created.throttle_time_ms), (0, 0));
    let kafka = &mut gateway.kafka();
    let refused = kafka.call(7, topics("b", 1)).await;
    assert_eq!((refused.topics[0].error_code, refused.throttle_time_ms), (EXCEEDED, 1_000));
    let more = CreatePartitionsTopic::default().with_name(TopicName(text("a"))).with_count(13).with_assignments(None);
    let more = CreatePartitionsRequest::default().with_topics(vec![more]);
    // The client was not heard for a second, so nothing is owed any more.
    assert_eq!(kafka.call(3, more).await.results[0].error_code, 0);
    let gone = DeleteTopicsRequest::default().with_topic_names(vec![name("a")]);
    let refused = kafka.call(5, gone.clone()).await;
    assert_eq!((refused.responses[0].error_code, refused.throttle_time_ms), (EXCEEDED, 1_000));
    // Older clients do not know the error: it is done, and they wait longer.
    let done = gateway.kafka().call(4, gone).await;
    assert_eq!((done.responses[0].error_code, done.throttle_time_ms), (0, 14_000));
}

#[tokio::test(start_paused = true)]
async fn who_connects_too_often_is_kept_waiting_and_closed() {
    let gateway = Gateway::start();
    set(&mut gateway.kafka(), &[("ip", "10.0.0.9")], "connection_creation_rate", 1.0).await;
    for _ in 0..10 {
        gateway.kafka().call(12, MetadataRequest::default()).await;
    }
    let begun = Instant::now();
    assert!(gateway.kafka().is_closed().await);
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
    advance(Duration::from_secs(11)).await;
    gateway.kafka().call(12, MetadataRequest::default()).await;
}
