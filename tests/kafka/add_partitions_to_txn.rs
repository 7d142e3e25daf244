//! AddPartitionsToTxn (key 24).

use kafka_protocol::messages::add_partitions_to_txn_request::{AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction};
use kafka_protocol::messages::{AddPartitionsToTxnRequest, ProducerId, TransactionalId};

use crate::support::{Gateway, Generation, Transactional, name, text};

fn topics(partitions: &[i32]) -> Vec<AddPartitionsToTxnTopic> {
    vec![AddPartitionsToTxnTopic::default().with_name(name("orders")).with_partitions(partitions.to_vec())]
}

/// Several transactions at once; the codes of the first one's partitions.
async fn batched(producer: &mut Transactional, version: i16, partitions: &[i32], verify_only: bool) -> Vec<i16> {
    let transaction = AddPartitionsToTxnTransaction::default()
        .with_transactional_id(TransactionalId(text(producer.name)))
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_verify_only(verify_only)
        .with_topics(topics(partitions));
    let unknown = transaction.clone().with_transactional_id(TransactionalId(text("unknown")));
    let request = AddPartitionsToTxnRequest::default().with_transactions(vec![transaction, unknown]);
    let response = producer.kafka.call(version, request).await;
    let codes = |at: usize| {
        let result = &response.results_by_transaction[at];
        result.topic_results[0].results_by_partition.iter().map(|result| result.partition_error_code).collect::<Vec<_>>()
    };
    assert!(codes(1).iter().all(|code| [3, 49, 55].contains(code)));
    codes(0)
}

#[tokio::test(start_paused = true)]
async fn all_partitions_are_added_or_none() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let mut producer = Transactional::begin(&gateway, "t", Generation::First).await;
    for version in 0..=3 {
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(TransactionalId(text("t")))
            .with_v3_and_below_producer_id(ProducerId(producer.id))
            .with_v3_and_below_producer_epoch(producer.epoch)
            .with_v3_and_below_topics(topics(&[0, 7]));
        let response = producer.kafka.call(version, request).await;
        let results = &response.results_by_topic_v3_and_below[0].results_by_partition;
        let codes: Vec<_> = results.iter().map(|result| (result.partition_index, result.partition_error_code)).collect();
        assert_eq!(codes, [(0, 55), (7, 3)]);
    }
    assert_eq!(producer.send(0, &["a"]).await, 120, "it was not added");
    assert_eq!((producer.add(0).await, producer.add(0).await, producer.send(0, &["a"]).await), (0, 0, 0));
    assert_eq!(producer.send(1, &["a"]).await, 120);
    assert_eq!(producer.end(true).await, 0);
}

#[tokio::test(start_paused = true)]
async fn whether_partitions_are_part_of_a_transaction_can_be_asked() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let mut producer = Transactional::begin(&gateway, "t", Generation::First).await;
    assert_eq!(batched(&mut producer, 5, &[0, 1], true).await, [120, 120]);
    assert_eq!(batched(&mut producer, 4, &[0], false).await, [0]);
    assert_eq!(batched(&mut producer, 5, &[0, 1], true).await, [0, 120]);
    assert_eq!(batched(&mut producer, 4, &[0, 1], true).await, [0, 120]);
    assert_eq!(batched(&mut producer, 5, &[0, 9], true).await, [55, 3]);
    producer.epoch += 1;
    assert_eq!(batched(&mut producer, 5, &[0], true).await, [90]);
    producer.name = "";
    assert_eq!(batched(&mut producer, 5, &[0], true).await, [42]);
}
