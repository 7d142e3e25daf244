//! DescribeTransactions (key 65), ListTransactions (key 66) and DescribeProducers (key 61): what `kafka-transactions.sh` asks.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::{DescribeProducersRequest, DescribeTransactionsRequest, ProducerId, TransactionalId};
use shardgate::kafka::wire::ListTransactionsRequest;

use crate::support::{Gateway, Generation, START, Transactional, name, text};

#[tokio::test(start_paused = true)]
async fn a_transactional_id_is_described_as_it_stands() {
    let gateway = Gateway::start();
    gateway.stream("orders", 3).await;
    let mut producer = Transactional::begin(&gateway, "t", Generation::Second).await;
    let asked = ["t", "unknown", "", "t"].map(|id| TransactionalId(text(id))).to_vec();
    let request = DescribeTransactionsRequest::default().with_transactional_ids(asked);
    for (state, step) in [("Empty", 0), ("Ongoing", 1), ("CompleteCommit", 2)] {
        match step {
            1 => {
                producer.write(2, &["a"]).await;
                producer.write(0, &["a"]).await;
            }
            2 => assert_eq!(producer.end(true).await, 0),
            _ => {}
        }
        let response = gateway.kafka().call(0, request.clone()).await;
        let codes: Vec<_> = response.transaction_states.iter().map(|found| found.error_code).collect();
        assert_eq!(codes, [0, 105, 42], "each once");
        let found = &response.transaction_states[0];
        assert_eq!((found.transaction_state.as_str(), found.transaction_timeout_ms), (state, 60_000));
        assert_eq!((*found.producer_id, found.producer_epoch), (producer.id, producer.epoch));
        let partitions = if step == 1 { vec![vec![0, 2]] } else { vec![] };
        // The last transaction's start is told until the next one begins.
        assert_eq!(found.transaction_start_time_ms, if step == 0 { -1 } else { START.0 });
        assert_eq!(found.topics.iter().map(|topic| topic.partitions.clone()).collect::<Vec<_>>(), partitions);
    }
}

#[tokio::test(start_paused = true)]
async fn transactional_ids_are_listed_as_they_are_asked_for() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut first = Transactional::begin(&gateway, "a", Generation::Second).await;
    let second = Transactional::begin(&gateway, "b", Generation::Second).await;
    first.write(0, &["a"]).await;
    tokio::time::advance(Duration::from_secs(10)).await;
    let all = ListTransactionsRequest::default;
    let matching = |pattern| ListTransactionsRequest { transactional_id_pattern: Some(text(pattern)), ..all() };
    for (request, expected) in [
        (all(), &[("a", "Ongoing"), ("b", "Empty")][..]),
        (ListTransactionsRequest { state_filters: vec![text("Empty")], ..all() }, &[("b", "Empty")]),
        (ListTransactionsRequest { producer_id_filters: vec![ProducerId(second.id)], ..all() }, &[("b", "Empty")]),
        (ListTransactionsRequest { duration_filter: 9_000, ..all() }, &[("a", "Ongoing"), ("b", "Empty")]),
        (ListTransactionsRequest { duration_filter: 10_000, ..all() }, &[("b", "Empty")]),
        (matching("[b-z]"), &[("b", "Empty")]),
        (matching(""), &[("a", "Ongoing"), ("b", "Empty")]),
        // All of an id has to match.
        (matching("(|x)"), &[]),
    ] {
        let response = gateway.kafka().call(2, request).await.0;
        let found: Vec<_> = response
            .transaction_states
            .iter()
            .map(|found| (&*found.transactional_id.0, found.transaction_state.as_str()))
            .collect();
        assert_eq!(found, expected);
    }
    let wrong = gateway.kafka().call(2, matching("(")).await;
    assert_eq!((wrong.error_code, wrong.transaction_states.len()), (ResponseError::InvalidRegularExpression.code(), 0));
    let asleep = ListTransactionsRequest { state_filters: vec![text("Sleeping")], ..all() };
    let response = gateway.kafka().call(0, asleep).await.0;
    assert_eq!((response.unknown_state_filters, response.transaction_states.len()), (vec![text("Sleeping")], 0));
}

#[tokio::test(start_paused = true)]
async fn producers_are_described_with_their_open_transactions() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut producer = Transactional::begin(&gateway, "t", Generation::Second).await;
    let topic = TopicRequest::default().with_name(name("orders")).with_partition_indexes(vec![0, 0, 4]);
    // Named twice, answered once.
    for (wrong, code) in [("nowhere", 3), ("bad name", 17)] {
        let request = DescribeProducersRequest::default().with_topics(vec![topic.clone().with_name(name(wrong))]);
        assert_eq!(gateway.kafka().call(0, request).await.topics[0].partitions[0].error_code, code, "{wrong}");
    }
    let request = DescribeProducersRequest::default().with_topics(vec![topic.clone(), topic]);
    producer.write(0, &["a", "b"]).await;
    for (epoch, last, since) in [(0, 1, 0), (1, -1, -1)] {
        let response = gateway.kafka().call(0, request.clone()).await;
        assert_eq!(response.topics.len(), 1);
        let partitions = &response.topics[0].partitions;
        assert_eq!(partitions.iter().map(|found| found.error_code).collect::<Vec<_>>(), [0, 3]);
        let found = &partitions[0].active_producers[0];
        assert_eq!((*found.producer_id, found.producer_epoch, found.last_sequence), (producer.id, epoch, last));
        assert_eq!((found.current_txn_start_offset, found.last_timestamp), (since, START.0));
        if epoch == 0 {
            assert_eq!(producer.end(true).await, 0);
        }
    }
}
