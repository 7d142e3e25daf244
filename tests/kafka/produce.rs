//! Produce (key 0).

use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ApiVersionsRequest, ProduceRequest};
use shardgate::batch::{Builder, Codec};
use shardgate::model::Settings;
use uuid::Uuid;

use crate::support::{Gateway, START, batch, build, name, produce, stamped};

const VERSIONS: std::ops::RangeInclusive<i16> = 3..=13;

#[tokio::test(start_paused = true)]
async fn every_version_appends_and_answers_the_first_offset() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    for (version, base) in VERSIONS.zip((0..).step_by(2)) {
        let mut request = produce("orders", 0, Some(batch(&["a", "b"])));
        request.topic_data[0].topic_id = stream.id().0;
        let response = kafka.call(version, request).await;
        let topic = &response.responses[0];
        let partition = &topic.partition_responses[0];
        assert_eq!(
            (partition.error_code, partition.base_offset, partition.log_append_time_ms),
            (0, base, -1),
            "version {version}"
        );
        assert_eq!(partition.log_start_offset, if version >= 5 { 0 } else { -1 });
        assert_eq!((topic.name == name("orders"), topic.topic_id == stream.id().0), (version <= 12, version >= 13));
    }
}

#[tokio::test(start_paused = true)]
async fn each_partition_has_its_own_answer_in_the_order_of_the_request() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let data = |index: i32, records| PartitionProduceData::default().with_index(index).with_records(records);
    let partitions =
        vec![data(1, Some(batch(&["b"]))), data(7, Some(batch(&["x"]))), data(0, Some(batch(&["a"]))), data(-1, None)];
    let orders = TopicProduceData::default().with_name(name("orders")).with_partition_data(partitions);
    let other = TopicProduceData::default().with_name(name("missing")).with_partition_data(vec![data(0, Some(batch(&["x"])))]);
    let request = ProduceRequest::default().with_acks(1).with_topic_data(vec![orders, other]);
    let response = gateway.kafka().call(9, request).await;
    let codes = |topic: usize| -> Vec<_> {
        response.responses[topic].partition_responses.iter().map(|p| (p.index, p.error_code, p.base_offset)).collect()
    };
    assert_eq!(codes(0), [(1, 0, 0), (7, 3, -1), (0, 0, 0), (-1, 3, -1)]);
    assert_eq!(codes(1), [(0, 3, -1)]);
}

#[tokio::test(start_paused = true)]
async fn batches_that_break_a_rule_are_refused_with_words() {
    let gateway = Gateway::start();
    gateway.stream_with("small", 1, Settings { batch_bytes_max: 200, ..Settings::default() }).await;
    let mut kafka = gateway.kafka();
    let mut corrupt = batch(&["a"]).to_vec();
    *corrupt.last_mut().unwrap() ^= 1;
    let large = "x".repeat(300);
    for (what, records, code) in [
        ("null records", None, 87),
        ("no records", Some(bytes::Bytes::new()), 87),
        ("a wrong checksum", Some(corrupt.into()), 2),
        ("a control batch", Some(build(Builder::default().control(), &["a"])), 87),
        ("a transactional batch", Some(build(Builder::default().transactional(), &["a"])), 53),
        ("a batch that is too large", Some(batch(&[&large])), 10),
    ] {
        let response = kafka.call(8, produce("small", 0, records)).await;
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!((partition.error_code, partition.base_offset), (code, -1), "{what}");
        assert!(partition.error_message.as_ref().is_some_and(|words| !words.is_empty()), "{what}");
    }
    assert_eq!(kafka.produce("small", 0, batch(&["a"])).await.base_offset, 0);
}

#[tokio::test(start_paused = true)]
async fn zstd_needs_version_7() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    for (version, code) in [(6, 76), (7, 0)] {
        let records = build(Builder::default().codec(Codec::Zstd), &["a"]);
        let response = kafka.call(version, produce("orders", 0, Some(records))).await;
        assert_eq!(response.responses[0].partition_responses[0].error_code, code, "version {version}");
    }
}

#[tokio::test(start_paused = true)]
async fn other_acks_than_three_are_refused() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    for (acks, code) in [(2, 21), (-2, 21), (1, 0), (-1, 0)] {
        let response = kafka.call(9, produce("orders", 0, Some(batch(&["a"]))).with_acks(acks)).await;
        assert_eq!(response.responses[0].partition_responses[0].error_code, code, "acks={acks}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_acks_there_is_no_answer_and_an_error_closes_the_connection() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    kafka.send(9, &produce("orders", 0, Some(batch(&["a"]))).with_acks(0)).await;
    kafka.skip();
    assert_eq!(kafka.call(0, ApiVersionsRequest::default()).await.error_code, 0);
    assert_eq!(kafka.produce("orders", 0, batch(&["b"])).await.base_offset, 1);
    kafka.send(9, &produce("missing", 0, Some(batch(&["a"]))).with_acks(0)).await;
    assert!(kafka.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_topic_id_has_an_error_of_its_own() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut request = produce("orders", 0, Some(batch(&["a"])));
    request.topic_data[0].topic_id = Uuid::from_u128(7);
    let response = gateway.kafka().call(13, request).await;
    assert_eq!(response.responses[0].partition_responses[0].error_code, 100);
}

#[tokio::test(start_paused = true)]
async fn a_topic_stamped_with_the_arrival_says_when_that_was() {
    let gateway = Gateway::start();
    gateway.stream_with("stamped", 1, Settings { arrival_stamped: true, ..Settings::default() }).await;
    tokio::time::advance(std::time::Duration::from_secs(5)).await;
    let answer = gateway.kafka().produce("stamped", 0, batch(&["a"])).await;
    assert_eq!(answer.log_append_time_ms, START.0 + 5_000);
}

#[tokio::test(start_paused = true)]
async fn an_idempotent_producers_repeat_is_answered_with_the_first_offset() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    for (sequence, code, base) in [(0, 0, 0), (1, 0, 1), (0, 0, 0), (1, 0, 1), (5, 45, -1), (2, 0, 2)] {
        let answer = kafka.produce("orders", 0, stamped(&["a"], 77, 0, sequence)).await;
        assert_eq!((answer.error_code, answer.base_offset), (code, base), "sequence {sequence}");
    }
}
