//! SubscribeToShard.

use std::time::Duration;

use serde_json::{Value, json};
use shardgate::model::{HashKey, Limits, SequenceNumber, ShardId};
use tokio::time::{Instant, advance, timeout};

use super::{SECOND, arn, put, values};
use crate::support::{EventStream, Gateway, Kinesis};

/// A gateway with a stream of one shard and a consumer of it.
async fn subscribed_to() -> (Gateway, Kinesis, String) {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    let input = json!({"StreamARN": arn("orders"), "ConsumerName": "efo"});
    let consumer = kinesis.call("RegisterStreamConsumer", input).await["Consumer"]["ConsumerARN"].clone();
    (gateway, kinesis, consumer.as_str().unwrap().to_owned())
}

fn from(consumer: &str, shard: &str, position: Value) -> Value {
    json!({"ConsumerARN": consumer, "ShardId": shard, "StartingPosition": position})
}

async fn subscribe(kinesis: &Kinesis, consumer: &str, position: Value) -> EventStream {
    kinesis.subscribe(from(consumer, "0", position)).await
}

/// The next event, which is one of the operation.
async fn next(events: &mut EventStream) -> Value {
    let event = events.next().await.unwrap();
    assert_eq!((event.header(":message-type"), event.header(":event-type")), ("event", "SubscribeToShardEvent"));
    event.json()
}

#[tokio::test(start_paused = true)]
async fn records_come_at_once_behind_an_initial_response() {
    let (_gateway, kinesis, consumer) = subscribed_to().await;
    put(&kinesis, "orders", "a", "before").await;
    let mut events = subscribe(&kinesis, &consumer, json!({"Type": "TRIM_HORIZON"})).await;
    let first = events.next().await.unwrap();
    assert_eq!((first.header(":event-type"), first.json()), ("initial-response", json!({})));
    let start = Instant::now();
    let event = next(&mut events).await;
    assert_eq!((values(&event), &event["MillisBehindLatest"]), (vec!["before".to_owned()], &json!(0)));
    assert_eq!(event["Records"][0]["SequenceNumber"], event["ContinuationSequenceNumber"]);
    assert_eq!(event.get("ChildShards"), None);
    let number = put(&kinesis, "orders", "a", "after").await;
    let event = next(&mut events).await;
    assert_eq!((values(&event), &event["ContinuationSequenceNumber"]), (vec!["after".to_owned()], &json!(number)));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn silence_lasts_five_seconds_and_a_subscription_five_minutes() {
    let (_gateway, kinesis, consumer) = subscribed_to().await;
    let mut events = subscribe(&kinesis, &consumer, json!({"Type": "LATEST"})).await;
    events.next().await.unwrap();
    let (start, mut last) = (Instant::now(), String::new());
    for beat in 1..60 {
        let event = next(&mut events).await;
        assert_eq!((event["Records"].as_array().unwrap().len(), start.elapsed()), (0, 5 * beat * SECOND));
        let number = event["ContinuationSequenceNumber"].as_str().unwrap().to_owned();
        assert!(number > last, "it advances");
        last = number;
    }
    assert!(events.next().await.is_none(), "a clean end");
    assert_eq!(start.elapsed(), 300 * SECOND);
    // Who comes back with the last number gets what is new.
    put(&kinesis, "orders", "a", "new").await;
    let mut events = subscribe(&kinesis, &consumer, json!({"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": last})).await;
    events.next().await.unwrap();
    assert_eq!(values(&next(&mut events).await), ["new"]);
}

#[tokio::test(start_paused = true)]
async fn a_closed_shard_ends_in_its_children_and_the_subscription_with_it() {
    let (gateway, kinesis, consumer) = subscribed_to().await;
    let mut events = subscribe(&kinesis, &consumer, json!({"Type": "LATEST"})).await;
    events.next().await.unwrap();
    put(&kinesis, "orders", "a", "last").await;
    assert_eq!(values(&next(&mut events).await), ["last"]);
    let stream = gateway.log.stream("orders").unwrap();
    gateway.log.split_shard(stream.id(), ShardId(0), HashKey(1 << 127)).await.unwrap();
    let event = next(&mut events).await;
    assert_eq!((values(&event).len(), event.get("ContinuationSequenceNumber")), (0, None));
    assert_eq!(event["ChildShards"][1]["ParentShards"], json!(["shardId-000000000000"]));
    assert!(events.next().await.is_none());
    let input = from(&consumer, "shardId-000000000001", json!({"Type": "TRIM_HORIZON"}));
    let mut events = kinesis.subscribe(input).await;
    events.next().await.unwrap();
    put(&kinesis, "orders", "a", "child").await;
    assert_eq!(values(&next(&mut events).await), ["child"]);
}

#[tokio::test(start_paused = true)]
async fn the_next_subscription_takes_over_after_five_seconds() {
    let (_gateway, kinesis, consumer) = subscribed_to().await;
    let mut first = subscribe(&kinesis, &consumer, json!({"Type": "LATEST"})).await;
    first.next().await.unwrap();
    let input = || from(&consumer, "0", json!({"Type": "LATEST"}));
    let (name, message) = kinesis.refusal("SubscribeToShard", input()).await;
    assert!(
        name == "ResourceInUseException" && message.contains("Another active subscription exists for this consumer"),
        "{message}"
    );
    next(&mut first).await;
    let mut second = kinesis.subscribe(input()).await;
    second.next().await.unwrap();
    let end = first.next().await.unwrap();
    assert_eq!((end.header(":message-type"), end.header(":exception-type")), ("exception", "ResourceInUseException"));
    assert!(first.next().await.is_none());
    put(&kinesis, "orders", "a", "x").await;
    assert_eq!(values(&next(&mut second).await), ["x"]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_subscribed_to_is_refused_before_the_stream_begins() {
    let (_gateway, kinesis, consumer) = subscribed_to().await;
    let latest = || json!({"Type": "LATEST"});
    let mut dry = from(&consumer, "0", latest());
    dry["DryRun"] = true.into();
    for (input, name) in [
        (from(&consumer.replace("efo", "none"), "0", latest()), "ResourceNotFoundException"),
        (from(&consumer, "9", latest()), "ResourceNotFoundException"),
        (from(&consumer, "0", json!({"Type": "AT_TIMESTAMP"})), "InvalidArgumentException"),
        (from(&consumer, "0", json!({"Type": "OLDEST"})), "ValidationException"),
        (from("efo", "0", latest()), "ValidationException"),
        (dry, "DryRunOperationException"),
    ] {
        assert_eq!(kinesis.refusal("SubscribeToShard", input).await.0, name);
    }
    // None of them has taken the place.
    subscribe(&kinesis, &consumer, latest()).await;
}

#[tokio::test(start_paused = true)]
async fn a_subscription_ends_with_its_consumer() {
    let (_gateway, kinesis, consumer) = subscribed_to().await;
    let mut events = subscribe(&kinesis, &consumer, json!({"Type": "LATEST"})).await;
    events.next().await.unwrap();
    kinesis.call("DeregisterStreamConsumer", json!({"ConsumerARN": consumer})).await;
    assert_eq!(events.next().await.unwrap().header(":exception-type"), "ResourceNotFoundException");
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_consumer_has_two_mebibytes_a_second_of_its_own() {
    let (gateway, kinesis, consumer) = subscribed_to().await;
    for _ in 0..16 {
        put(&kinesis, "orders", "a", &"x".repeat(1 << 19)).await;
    }
    gateway.log.env().limits.set(Limits::kinesis());
    let mut events = subscribe(&kinesis, &consumer, json!({"Type": "TRIM_HORIZON"})).await;
    events.next().await.unwrap();
    let (start, mut records) = (Instant::now(), 0);
    while records < 16 {
        records += next(&mut events).await["Records"].as_array().unwrap().len();
    }
    let (least, most) = (Duration::from_millis(3_000), Duration::from_millis(4_100));
    assert!(start.elapsed() > least && start.elapsed() < most, "eight mebibytes took {:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn positions_are_those_of_iterators() {
    let (_gateway, kinesis, consumer) = subscribed_to().await;
    let numbers = [put(&kinesis, "orders", "a", "0").await, put(&kinesis, "orders", "a", "1").await];
    for (position, expected) in [
        (json!({"Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": numbers[1]}), vec!["1"]),
        (json!({"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": numbers[0]}), vec!["1"]),
        (json!({"Type": "AT_TIMESTAMP", "Timestamp": 1_700_000_000}), vec!["0", "1"]),
    ] {
        let mut events = subscribe(&kinesis, &consumer, position).await;
        events.next().await.unwrap();
        assert_eq!(values(&timeout(SECOND, next(&mut events)).await.unwrap()), expected);
        advance(5 * SECOND).await;
    }
    let number: SequenceNumber = numbers[0].parse().unwrap();
    assert_eq!(number.shard, ShardId(0));
}
