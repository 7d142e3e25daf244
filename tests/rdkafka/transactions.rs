//! Transactions: written, read by those who want committed records, and fenced.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{FutureProducer, Producer};
use rdkafka::{Offset, TopicPartitionList};

use super::{Gateway, beginning, gateway, patience, take, values, write};

fn transactional(gateway: &Gateway, id: &str) -> FutureProducer {
    let producer = gateway.producer(&[("transactional.id", id)]);
    producer.init_transactions(patience()).unwrap();
    producer
}

/// A consumer of partition 0 of a topic, which sees all records or only committed ones.
fn reader(gateway: &Gateway, topic: &str, isolation: &str) -> BaseConsumer {
    let consumer = gateway.consumer("readers", &[("isolation.level", isolation)]);
    consumer.assign(&beginning(topic)).unwrap();
    consumer
}

async fn put(producer: &FutureProducer, topic: &str, records: &[&str]) {
    write(producer, topic, 0, records.iter().map(|value| (*value).to_owned())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn committed_records_are_read_in_order_and_aborted_ones_only_by_who_wants_all() {
    let gateway = gateway().await;
    gateway.topic("orders", 1).await;
    let producer = transactional(&gateway, "t");
    for (records, committed) in [(["a", "b"], true), (["c", "d"], false), (["e", "f"], true)] {
        producer.begin_transaction().unwrap();
        put(&producer, "orders", &records).await;
        if committed {
            producer.commit_transaction(patience()).unwrap();
        } else {
            producer.abort_transaction(patience()).unwrap();
        }
    }
    assert_eq!(values(&take(&reader(&gateway, "orders", "read_committed"), 4)), ["a", "b", "e", "f"]);
    assert_eq!(values(&take(&reader(&gateway, "orders", "read_uncommitted"), 6)), ["a", "b", "c", "d", "e", "f"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_producer_of_the_same_id_fences_the_first() {
    let gateway = gateway().await;
    gateway.topic("orders", 1).await;
    let old = transactional(&gateway, "t");
    old.begin_transaction().unwrap();
    put(&old, "orders", &["left"]).await;
    let new = transactional(&gateway, "t");
    let error = old.commit_transaction(patience()).unwrap_err();
    assert!(matches!(&error, KafkaError::Transaction(error) if error.is_fatal()), "{error}");
    let (fatal, _) = old.client().fatal_error().expect("a fatal error");
    assert!([RDKafkaErrorCode::Fenced, RDKafkaErrorCode::ProducerFenced].contains(&fatal), "{fatal:?}");
    new.begin_transaction().unwrap();
    put(&new, "orders", &["new"]).await;
    new.commit_transaction(patience()).unwrap();
    assert_eq!(values(&take(&reader(&gateway, "orders", "read_committed"), 1)), ["new"]);
}

/// Reads a record, writes what it makes of it, and commits both together: exactly once.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_is_committed_with_what_is_written_or_not_at_all() {
    let gateway = gateway().await;
    gateway.topic("in", 1).await;
    gateway.topic("out", 1).await;
    write(&gateway.producer(&[]), "in", 0, (0..10).map(|number| number.to_string())).await;
    let producer = transactional(&gateway, "t");
    for attempt in 0..3 {
        let consumer = gateway.consumer("workers", &[("isolation.level", "read_committed")]);
        consumer.subscribe(&["in"]).unwrap();
        let first = if attempt < 2 { 0 } else { 5 };
        let read = take(&consumer, 5);
        assert_eq!(values(&read), (first..first + 5).map(|number| number.to_string()).collect::<Vec<_>>());
        producer.begin_transaction().unwrap();
        put(&producer, "out", &values(&read)).await;
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset("in", 0, Offset::Offset(first + 5)).unwrap();
        let member = consumer.group_metadata().unwrap();
        producer.send_offsets_to_transaction(&offsets, &member, patience()).unwrap();
        // The first attempt is given up.
        if attempt == 0 {
            producer.abort_transaction(patience()).unwrap();
        } else {
            producer.commit_transaction(patience()).unwrap();
        }
        consumer.unsubscribe();
    }
    let found = take(&reader(&gateway, "out", "read_committed"), 10);
    assert_eq!(values(&found), (0..10).map(|number| number.to_string()).collect::<Vec<_>>());
    let consumer = gateway.consumer("workers", &[]);
    let mut asked = TopicPartitionList::new();
    asked.add_partition("in", 0);
    let committed = consumer.committed_offsets(asked, Duration::from_secs(20)).unwrap();
    assert_eq!(committed.find_partition("in", 0).unwrap().offset(), Offset::Offset(10));
}
