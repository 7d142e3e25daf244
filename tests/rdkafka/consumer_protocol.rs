//! Consumers with `group.protocol=consumer` (KIP-848).

use std::collections::BTreeSet;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::{ANYWHERE, Gateway, eventually, open, take, values, write};

/// A consumer of the group `g`. The settings of sessions are the server's in this protocol.
fn consumer(gateway: &Gateway, instance: Option<&str>) -> BaseConsumer {
    let mut config = gateway.client();
    config.set("group.id", "g").set("group.protocol", "consumer");
    config.set("auto.offset.reset", "earliest").set("enable.auto.commit", "false");
    // So that a pattern finds new topics soon.
    config.set("topic.metadata.refresh.interval.ms", "200");
    instance.map(|instance| config.set("group.instance.id", instance));
    config.create().unwrap()
}

/// The partitions that a consumer reads; it is polled, as its owner would.
fn assigned(consumer: &BaseConsumer) -> BTreeSet<(String, i32)> {
    let _ = consumer.poll(std::time::Duration::from_millis(20));
    let assignment = consumer.assignment().unwrap();
    assignment.elements().iter().map(|element| (element.topic().to_owned(), element.partition())).collect()
}

/// Commits through the group's coordinator, if it can be reached.
fn commit(consumer: &BaseConsumer) -> Option<()> {
    let (topic, partition) = assigned(consumer).pop_first()?;
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(&topic, partition, Offset::Offset(0)).ok()?;
    consumer.commit(&offsets, CommitMode::Sync).ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_share_topics_and_carry_on_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = open(Some(directory.path()), ANYWHERE).await;
    gateway.topic("orders", 2).await;
    let producer = gateway.producer(&[]);
    assert_eq!(write(&producer, "orders", 0, ["a", "b"].map(str::to_owned)).await, [0, 1]);
    let first = consumer(&gateway, None);
    first.subscribe(&["orders"]).unwrap();
    assert_eq!(values(&take(&first, 2)), ["a", "b"]);
    let second = consumer(&gateway, Some("two"));
    // A pattern in librdkafka begins with a caret.
    second.subscribe(&["^ord.*"]).unwrap();
    eventually("each has one", || {
        let (one, two) = (assigned(&first), assigned(&second));
        (one.len() == 1 && two.len() == 1 && one.is_disjoint(&two)).then_some(())
    });
    let address = gateway.kafka_address();
    gateway.shutdown().await;
    let gateway = open(Some(directory.path()), address).await;
    // Who goes before it has found the gateway again cannot say so, and is missed only when its session ends.
    for consumer in [&first, &second] {
        eventually("it is back", || commit(consumer));
    }
    let before = (assigned(&first), assigned(&second));
    drop(second);
    let second = consumer(&gateway, Some("two"));
    second.subscribe(&["^ord.*"]).unwrap();
    eventually("the static member is back in its place", || {
        let now = (assigned(&first), assigned(&second));
        (now == before).then_some(())
    });
    drop(first);
    eventually("who is left has all", || (assigned(&second).len() == 2).then_some(()));
    gateway.shutdown().await;
}
