//! The gateway ends and comes back, and clients carry on.

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::{ANYWHERE, eventually, open, patience, take, values, write};

/// Traps 9, 10, 11: neither ids, sequences, epochs nor offsets are forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_clients_carry_on_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = open(Some(directory.path()), ANYWHERE).await;
    gateway.topic("orders", 1).await;
    let producer = gateway.producer(&[("enable.idempotence", "true"), ("batch.num.messages", "20")]);
    let consumer = gateway.consumer("g", &[]);
    consumer.subscribe(&["orders"]).unwrap();
    let numbers = |range: std::ops::Range<i32>| range.map(|number| number.to_string()).collect::<Vec<_>>();

    assert_eq!(write(&producer, "orders", 0, numbers(0..100)).await, (0..100).collect::<Vec<_>>());
    assert_eq!(values(&take(&consumer, 60)), numbers(0..60));
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset("orders", 0, Offset::Offset(60)).unwrap();
    consumer.commit(&offsets, CommitMode::Sync).unwrap();

    // Most of these are under way when the gateway ends, and while it is not there.
    let (address, under_way) = (gateway.kafka_address(), producer.clone());
    let writing = tokio::spawn(async move { write(&under_way, "orders", 0, numbers(100..3_000)).await });
    let tip = || consumer.fetch_watermarks("orders", 0, patience()).unwrap().1;
    eventually("the first of them", || (tip() > 100).then_some(()));
    gateway.shutdown().await;
    let gateway = open(Some(directory.path()), address).await;

    assert_eq!(writing.await.unwrap(), (100..3_000).collect::<Vec<_>>());
    let numbers = |range: std::ops::Range<i32>| range.map(|number| number.to_string()).collect::<Vec<_>>();
    assert_eq!(values(&take(&consumer, 2_940)), numbers(60..3_000));
    assert_eq!(consumer.fetch_watermarks("orders", 0, patience()).unwrap(), (0, 3_000), "every record is there once");
    offsets.set_all_offsets(Offset::Offset(3_000)).unwrap();
    consumer.commit(&offsets, CommitMode::Sync).unwrap();
    drop(consumer);
    let consumer = gateway.consumer("g", &[]);
    assert_eq!(write(&producer, "orders", 0, numbers(3_000..3_010)).await, (3_000..3_010).collect::<Vec<_>>());
    consumer.subscribe(&["orders"]).unwrap();
    assert_eq!(values(&take(&consumer, 10)), numbers(3_000..3_010));
    gateway.shutdown().await;
}
