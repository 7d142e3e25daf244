//! Produce (key 0).

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ApiVersionsRequest, FetchRequest, ProduceRequest};
use shardgate::batch::{Batch, Builder, Codec, Header, ProducerStamp};
use shardgate::model::Settings;
use uuid::Uuid;

use crate::support::{Gateway, Generation, Kafka, START, Transactional, batch, build, name, produce, records, stamped};

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

/// Traps 8, 12, 14: what is no batch, control batches, transactional batches without a transactional id, too large ones (10:
/// Java splits them).
#[tokio::test(start_paused = true)]
async fn batches_that_break_a_rule_are_refused_with_words() {
    let gateway = Gateway::start();
    gateway.stream_with("small", 1, Settings { batch_bytes_max: 200, ..Settings::default() }).await;
    let mut kafka = gateway.kafka();
    let mut corrupt = batch(&["a"]).to_vec();
    *corrupt.last_mut().unwrap() ^= 1;
    // The base offset comes first, and no checksum is over it.
    let mut based = bytes::BytesMut::from(&batch(&["a"])[..]);
    based[..8].copy_from_slice(&77_i64.to_be_bytes());
    let large = "x".repeat(300);
    let control = build(Builder::default().control(), &["a"]);
    let stamp = ProducerStamp { id: 1, epoch: 0, first_sequence: 0 };
    let transactional = build(Builder::default().producer(stamp).transactional(), &["a"]);
    let nobodys = build(Builder::default().transactional(), &["a"]);
    for (what, records, code, meant) in [
        ("null records", None, 87, "one is needed"),
        ("no records", Some(bytes::Bytes::new()), 87, "one is needed"),
        ("a wrong checksum", Some(corrupt.into()), 2, "its bytes have 0x"),
        ("a base offset", Some(based.freeze()), 87, "begins at offset 77"),
        ("a control batch", Some(control), 87, "clients cannot write control batches"),
        ("a transactional batch", Some(transactional), 53, "the request has no transactional id"),
        ("a transactional batch without a producer", Some(nobodys), 53, "the request has no transactional id"),
        (
            "a batch that is too large",
            Some(batch(&[&large])),
            10,
            "the stream accepts at most 200, and can be set to accept up to 10485772",
        ),
    ] {
        let response = kafka.call(8, produce("small", 0, records)).await;
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!((partition.error_code, partition.base_offset), (code, -1), "{what}");
        // Kafka tells where the log begins if the batch has come to it.
        let has_come = ["a base offset", "a control batch"].contains(&what);
        assert_eq!(partition.log_start_offset, if has_come { 0 } else { -1 }, "{what}");
        let words = partition.error_message.as_deref().unwrap();
        assert!(words.contains(meant), "{what}: {words}");
    }
    assert_eq!(kafka.produce("small", 0, batch(&["a"])).await.base_offset, 0);
}

/// Trap 13.
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

/// Trap 16.
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

/// Trap 3.
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

/// Trap 10: each line is one batch of a producer, its epoch, first sequence and number of records; then the answer.
#[tokio::test(start_paused = true)]
async fn an_idempotent_producer_writes_each_batch_once_and_in_order() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    for (what, epoch, sequence, records, code, base) in [
        ("the first", 0, 0, 1, 0, 0),
        ("the next", 0, 1, 2, 0, 1),
        ("the first again", 0, 0, 1, 0, 0),
        ("the next again", 0, 1, 2, 0, 1),
        ("a gap", 0, 5, 1, 45, -1),
        ("a part of one that is there", 0, 1, 1, 45, -1),
        ("four more: 1", 0, 3, 1, 0, 3),
        ("four more: 2", 0, 4, 1, 0, 4),
        ("four more: 3", 0, 5, 1, 0, 5),
        ("four more: 4", 0, 6, 1, 0, 6),
        ("the fifth last, which is still known", 0, 1, 2, 0, 1),
        ("the sixth last, which is not", 0, 0, 1, 45, -1),
        ("a new epoch that does not begin at 0", 1, 7, 1, 45, -1),
        ("a new epoch", 1, 0, 1, 0, 7),
        ("the old epoch", 0, 7, 1, 47, -1),
    ] {
        let values = ["a", "b"];
        let answer = kafka.produce("orders", 0, stamped(&values[..records], 77, epoch, sequence)).await;
        assert_eq!((answer.error_code, answer.base_offset), (code, base), "{what}");
    }
}

/// Trap 10: a producer that is not known (expired, or its records past retention) goes on where it is; 2147483647 is followed by 0.
#[tokio::test(start_paused = true)]
async fn sequences_begin_anywhere_and_wrap_around() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    for (sequence, records, base) in [(i32::MAX - 2, 2, 0), (i32::MAX, 1, 2), (0, 1, 3), (1, 1, 4), (i32::MAX - 2, 2, 0)] {
        let answer = kafka.produce("orders", 0, stamped(&["a", "b"][..records], 77, 3, sequence)).await;
        assert_eq!((answer.error_code, answer.base_offset), (0, base), "sequence {sequence}");
    }
    let straddling = kafka.produce("orders", 0, stamped(&["a", "b"], 78, 0, i32::MAX)).await;
    assert_eq!(straddling.base_offset, 5);
    assert_eq!(kafka.produce("orders", 0, stamped(&["a"], 78, 0, 1)).await.base_offset, 7);
}

/// Traps 9, 10: librdkafka takes 45 for fatal, so what was sent before a restart is known after it.
#[tokio::test(start_paused = true)]
async fn a_producer_is_known_after_a_restart() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    for sequence in 0..3 {
        gateway.kafka().produce("orders", 0, stamped(&["a"], 77, 0, sequence)).await;
    }
    let gateway = gateway.restarted();
    let mut kafka = gateway.kafka();
    for (sequence, code, base) in [(2, 0, 2), (1, 0, 1), (4, 45, -1), (3, 0, 3)] {
        let answer = kafka.produce("orders", 0, stamped(&["a"], 77, 0, sequence)).await;
        assert_eq!((answer.error_code, answer.base_offset), (code, base), "sequence {sequence}");
    }
}

/// Trap 12: exactly one batch of format 2 per partition.
#[tokio::test(start_paused = true)]
async fn two_batches_or_an_old_format_are_refused() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    let one = batch(&["a"]);
    let with_magic = |magic: u8| {
        let mut bytes = one.to_vec();
        bytes[16] = magic;
        bytes.into()
    };
    let with_length = |length: u8| {
        let mut bytes = one.to_vec();
        bytes[11] = length;
        bytes.into()
    };
    for (what, records, code) in [
        ("two batches", [&one[..], &one[..]].concat().into(), 87),
        // Kafka looks no further than the last whole batch.
        ("a byte behind the batch", [&one[..], b"x"].concat().into(), 0),
        ("half a batch behind the batch", [&one[..], &one[..one.len() - 1]].concat().into(), 0),
        ("not all of a batch", one.slice(..one.len() - 1), 87),
        ("not even a header", one.slice(..60), 87),
        ("a length of less than a header", with_length(48), 2),
        ("format 0", with_magic(0), 87),
        ("format 1", with_magic(1), 87),
        ("format 3", with_magic(3), 2),
    ] {
        for version in [3, 9] {
            let response = kafka.call(version, produce("orders", 0, Some(bytes::Bytes::clone(&records)))).await;
            assert_eq!(response.responses[0].partition_responses[0].error_code, code, "{what}, version {version}");
        }
    }
}

/// Traps 12, 13: of a batch only the offset and the leader epoch are the gateway's, so every codec passes.
#[tokio::test(start_paused = true)]
async fn a_batch_of_any_codec_comes_back_as_it_was_sent() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    for (base, codec) in (0..).step_by(2).zip([Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd]) {
        let sent = build(Builder::default().codec(codec), &["a", "b"]);
        assert_eq!(kafka.produce("orders", 0, sent.clone()).await.base_offset, base);
        let fetched = fetch_from(&mut kafka, base).await;
        let header = Header::parse(&fetched).unwrap();
        assert_eq!((header.base_offset.0, header.codec), (base, codec));
        // Behind base offset, length and leader epoch.
        assert_eq!((&fetched[8..12], &fetched[12..16], &fetched[16..]), (&sent[8..12], &[0; 4][..], &sent[16..]));
    }
}

/// Traps 12, 15: a topic that stamps records with their arrival has batches with another checksum than the one sent.
#[tokio::test(start_paused = true)]
async fn a_stamped_batch_has_the_arrival_as_its_time_and_a_checksum_that_fits() {
    let gateway = Gateway::start();
    gateway.stream_with("orders", 1, Settings { arrival_stamped: true, ..Settings::default() }).await;
    tokio::time::advance(std::time::Duration::from_secs(5)).await;
    let mut kafka = gateway.kafka();
    kafka.produce("orders", 0, batch(&["a", "b"])).await;
    let fetched = fetch_from(&mut kafka, 0).await;
    let header = Batch::check(fetched.clone()).unwrap().header().clone();
    assert_eq!(header.max_timestamp.0, START.0 + 5_000);
    assert_eq!(records(&fetched).iter().map(|record| record.timestamp).collect::<Vec<_>>(), [START.0 + 5_000; 2]);
}

/// Trap 17: only Metadata creates topics, as in Kafka.
#[tokio::test(start_paused = true)]
async fn producing_creates_no_topic() {
    let gateway = Gateway::start();
    assert_eq!(gateway.kafka().produce("missing", 0, batch(&["a"])).await.error_code, 3);
    assert!(gateway.log.streams().is_empty());
}

/// What partition 0 of `orders` has from this offset on.
async fn fetch_from(kafka: &mut Kafka, offset: i64) -> bytes::Bytes {
    let partition = FetchPartition::default().with_fetch_offset(offset).with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(name("orders")).with_partitions(vec![partition]);
    let mut response = kafka.call(11, FetchRequest::default().with_topics(vec![topic])).await;
    response.responses.remove(0).partitions.remove(0).records.unwrap()
}

/// Trap 8: before version 12 a partition has to be named before; the codes are those that Kafka gives each version.
#[tokio::test(start_paused = true)]
async fn a_transaction_writes_only_to_partitions_that_are_part_of_it() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let mut producer = Transactional::begin(&gateway, "t", Generation::First).await;
    for (version, code) in [(3, 48), (10, 48), (11, 120)] {
        assert_eq!(producer.send_in(version, 0, &["a"]).await, code, "{version}");
    }
    assert_eq!((producer.add(0).await, producer.send_in(10, 0, &["a"]).await), (0, 0));
    assert_eq!(producer.send_in(12, 1, &["a"]).await, 0, "writing is enough");
    let (id, epoch) = (producer.id, producer.epoch);
    (producer.id, producer.epoch) = (id + 1, epoch);
    assert_eq!(producer.send_in(11, 0, &["a"]).await, 49);
    (producer.id, producer.epoch) = (id, epoch + 1);
    assert_eq!(producer.send_in(12, 0, &["a"]).await, 47);
    (producer.id, producer.epoch, producer.name) = (id, epoch, "unknown");
    assert_eq!(producer.send_in(12, 0, &["a"]).await, 49);
}
