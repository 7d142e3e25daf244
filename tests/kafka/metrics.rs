//! What CloudWatch would show of a stream that Kafka's clients write and read: each row is one minute of one measure.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use shardgate::log::Stream;
use shardgate::metrics::{Dimension, Measure, Statistic};
use shardgate::model::{Consumer, HashKey, Limits, Settings, ShardId, Timestamp};
use tokio::time::advance;

use crate::support::{Gateway, Kafka, START, batch, name, produce, stamped};

const STREAM: Dimension = Dimension::Stream;
const MINUTE: Duration = Duration::from_secs(60);
/// From the start of a gateway to the next minute.
const TO_NEXT_MINUTE: Duration = Duration::from_secs(40);

fn shard(number: u32) -> Dimension {
    Dimension::Shard(ShardId(number))
}

fn many(records: usize) -> Bytes {
    batch(&vec!["x"; records])
}

/// A statistic from what its samples are.
fn of(samples: &[u64]) -> Statistic {
    let samples = samples.iter().map(|value| Statistic::of(*value as f64));
    samples.reduce(Statistic::with).unwrap()
}

/// The minutes of a measure that are over, in their order.
fn minutes(gateway: &Gateway, stream: &Stream, measure: Measure, dimension: &Dimension) -> Vec<Statistic> {
    let all = (Timestamp(0), Timestamp(i64::MAX));
    let found = stream.meter().datapoints(measure, dimension, all, MINUTE, gateway.log.env().clock.now());
    assert!(found.windows(2).all(|pair| pair[0].from.plus(MINUTE) <= pair[1].from));
    found.into_iter().map(|point| point.statistic).collect()
}

/// The one minute of a measure that is over when the next has come.
fn minute(gateway: &Gateway, stream: &Stream, measure: Measure, dimension: &Dimension) -> Option<Statistic> {
    let found = minutes(gateway, stream, measure, dimension);
    assert!(found.len() < 2, "{found:?}");
    found.first().copied()
}

fn fetch(partitions: &[(i32, i64)]) -> FetchRequest {
    let partition = |&(partition, offset)| {
        FetchPartition::default().with_partition(partition).with_fetch_offset(offset).with_partition_max_bytes(1 << 20)
    };
    let topic = FetchTopic::default().with_topic(name("orders")).with_partitions(partitions.iter().map(partition).collect());
    FetchRequest::default().with_min_bytes(1).with_max_wait_ms(0).with_topics(vec![topic])
}

/// Bytes that a fetch gave of each partition.
async fn fetched(kafka: &mut Kafka, request: FetchRequest) -> Vec<u64> {
    let response = kafka.call(11, request).await;
    let partitions = response.responses[0].partitions.iter();
    partitions.map(|partition| partition.records.as_ref().map_or(0, Bytes::len) as u64).collect()
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_a_put_of_its_bytes_and_its_records_in_the_minute_in_which_it_was_written() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 2).await;
    let mut kafka = gateway.kafka();
    let batches = [(0, many(1)), (0, many(3)), (1, many(2))];
    for (partition, records) in batches.clone() {
        assert_eq!(kafka.produce("orders", partition, records).await.error_code, 0);
    }
    // What is not appended is not counted: a batch that came before, and one without an end.
    for _ in 0..2 {
        assert_eq!(kafka.produce("orders", 1, stamped(&["a", "b", "c"], 1, 0, 0)).await.error_code, 0);
    }
    assert_ne!(kafka.produce("orders", 0, many(2).slice(..70)).await.error_code, 0);
    advance(TO_NEXT_MINUTE).await;
    kafka.produce("orders", 0, many(7)).await;
    advance(MINUTE).await;
    kafka.produce("orders", 0, many(9)).await;

    let [one, three, two] = batches.map(|(_, records)| records.len() as u64);
    let again = stamped(&["a", "b", "c"], 1, 0, 0).len() as u64;
    let seven = many(7).len() as u64;
    for (measure, dimension, first, second) in [
        (Measure::IncomingRecords, STREAM, of(&[1, 3, 2, 3]), Some(of(&[7]))),
        (Measure::IncomingRecords, shard(0), of(&[1, 3]), Some(of(&[7]))),
        (Measure::IncomingRecords, shard(1), of(&[2, 3]), None),
        (Measure::IncomingBytes, STREAM, of(&[one, three, two, again]), Some(of(&[seven]))),
        (Measure::IncomingBytes, shard(0), of(&[one, three]), Some(of(&[seven]))),
        (Measure::IncomingBytes, shard(1), of(&[two, again]), None),
        (Measure::WriteThroughputExceeded, STREAM, of(&[0, 0, 0, 0]), Some(of(&[0]))),
        (Measure::WriteThroughputExceeded, shard(1), of(&[0, 0]), None),
    ] {
        let expected: Vec<_> = [Some(first), second].into_iter().flatten().collect();
        assert_eq!(minutes(&gateway, &stream, measure, &dimension), expected, "{measure:?} {dimension:?}");
    }
    for measure in [Measure::PutRecordsBytes, Measure::GetRecordsBytes, Measure::OutgoingBytes] {
        assert_eq!(minutes(&gateway, &stream, measure, &STREAM), [], "{measure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn records_whose_answer_is_held_or_that_are_refused_are_over_the_throughput() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 1).await;
    gateway.log.env().limits.set(Limits::kinesis());
    let mut others: Vec<_> = (0..11).map(|_| gateway.kafka()).collect();
    assert_eq!(others[0].produce("orders", 0, many(400)).await.error_code, 0);
    for other in &mut others[1..] {
        other.send(9, &produce("orders", 0, Some(many(1_000)))).await;
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(gateway.kafka().produce("orders", 0, many(500)).await.error_code, 19);
    advance(TO_NEXT_MINUTE).await;
    let over = [[0].as_slice(), &[1_000; 10], &[500]].concat();
    let put = [[400].as_slice(), &[1_000; 10]].concat();
    for dimension in [STREAM, shard(0)] {
        assert_eq!(minute(&gateway, &stream, Measure::WriteThroughputExceeded, &dimension), Some(of(&over)));
        assert_eq!(minute(&gateway, &stream, Measure::IncomingRecords, &dimension), Some(of(&put)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_gave_records_is_a_read_as_old_as_its_last_record() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 2).await;
    let mut kafka = gateway.kafka();
    kafka.produce("orders", 0, many(2)).await;
    advance(Duration::from_millis(1_000)).await;
    kafka.produce("orders", 0, many(3)).await;
    advance(Duration::from_millis(1_500)).await;
    let both = fetched(&mut kafka, fetch(&[(0, 0), (1, 0)])).await;
    let one = fetched(&mut kafka, fetch(&[(0, 0)]).with_max_bytes(1)).await;
    // In vain: both partitions are read to their ends.
    assert_eq!(fetched(&mut kafka, fetch(&[(0, 5), (1, 0)])).await, [0, 0]);
    // Nobody can read there.
    assert_eq!(kafka.call(11, fetch(&[(0, 6)])).await.responses[0].partitions[0].error_code, 1);
    advance(TO_NEXT_MINUTE).await;
    let [both, one] = [both[0], one[0]];
    for (measure, dimension, expected) in [
        (Measure::GetRecordsRecords, STREAM, of(&[5, 2, 0, 0])),
        (Measure::GetRecordsBytes, STREAM, of(&[both, one, 0, 0])),
        (Measure::GetRecordsIteratorAge, STREAM, of(&[1_500, 2_500, 0, 0])),
        (Measure::GetRecordsSuccess, STREAM, of(&[1, 1, 1, 1, 0])),
        (Measure::ReadThroughputExceeded, STREAM, of(&[0, 0, 0, 0])),
        (Measure::OutgoingRecords, shard(0), of(&[5, 2, 0])),
        (Measure::OutgoingBytes, shard(0), of(&[both, one, 0])),
        (Measure::IteratorAge, shard(0), of(&[1_500, 2_500, 0])),
        (Measure::ReadThroughputExceeded, shard(0), of(&[0, 0, 0])),
        (Measure::OutgoingRecords, shard(1), of(&[0])),
    ] {
        assert_eq!(minute(&gateway, &stream, measure, &dimension), Some(expected), "{measure:?} {dimension:?}");
    }
    assert_eq!(minute(&gateway, &stream, Measure::GetRecordsLatency, &STREAM), None, "a Fetch waits as long as it likes");
}

#[tokio::test(start_paused = true)]
async fn a_read_that_waits_until_it_may_or_gets_nothing_is_over_the_throughput() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    for _ in 0..10 {
        kafka.produce("orders", 0, many(1)).await;
    }
    gateway.log.env().limits.set(Limits::kinesis());
    for at in 0..5 {
        assert_ne!(fetched(&mut kafka, fetch(&[(0, at)]).with_max_bytes(1)).await, [0]);
    }
    assert_eq!(fetched(&mut kafka, fetch(&[(0, 5)])).await, [0]);
    assert_ne!(fetched(&mut kafka, fetch(&[(0, 5)]).with_max_wait_ms(500)).await, [0]);
    // There is nothing to be had behind the end, so nothing is over.
    assert_eq!(fetched(&mut kafka, fetch(&[(0, 10)])).await, [0]);
    advance(TO_NEXT_MINUTE).await;
    for dimension in [STREAM, shard(0)] {
        let over = minute(&gateway, &stream, Measure::ReadThroughputExceeded, &dimension);
        assert_eq!(over, Some(of(&[0, 0, 0, 0, 0, 1, 1, 0])), "{dimension:?}");
    }
    let success = minute(&gateway, &stream, Measure::GetRecordsSuccess, &STREAM);
    assert_eq!(success, Some(of(&[1, 1, 1, 1, 1, 0, 1, 1])));
    assert_eq!(minute(&gateway, &stream, Measure::GetRecordsRecords, &STREAM), Some(of(&[1, 1, 1, 1, 1, 5, 0])));
}

#[tokio::test(start_paused = true)]
async fn a_fan_out_consumer_gets_events_that_are_behind_until_they_reach_the_tip() {
    let gateway = Gateway::start();
    let settings = Settings { fan_out: [("reports".to_owned(), Consumer::default())].into(), ..Settings::default() };
    let stream = gateway.stream_with("orders", 1, settings).await;
    let mut kafka = gateway.kafka_named("reports");
    kafka.produce("orders", 0, many(2)).await;
    kafka.produce("orders", 0, many(3)).await;
    advance(Duration::from_millis(700)).await;
    let first = fetched(&mut kafka, fetch(&[(0, 0)]).with_max_bytes(1)).await[0];
    let second = fetched(&mut kafka, fetch(&[(0, 2)])).await[0];
    let shared = fetched(&mut gateway.kafka(), fetch(&[(0, 2)])).await[0];
    advance(TO_NEXT_MINUTE).await;
    let reports = Dimension::Consumer("reports".into());
    for (measure, dimension, expected) in [
        (Measure::EventBytes, &reports, of(&[first, second])),
        (Measure::EventRecords, &reports, of(&[2, 3])),
        (Measure::EventMillisBehindLatest, &reports, of(&[700, 0])),
        (Measure::EventSuccess, &reports, of(&[1, 1])),
        (Measure::OutgoingRecords, &shard(0), of(&[2, 3, 3])),
        (Measure::OutgoingBytes, &shard(0), of(&[first, second, shared])),
        (Measure::GetRecordsRecords, &STREAM, of(&[3])),
        (Measure::IteratorAge, &shard(0), of(&[700])),
    ] {
        assert_eq!(minute(&gateway, &stream, measure, dimension), Some(expected), "{measure:?} {dimension:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_goes_to_a_partition_counts_for_the_shard_that_took_it() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 2).await;
    let mut kafka = gateway.kafka();
    kafka.produce("orders", 0, many(1)).await;
    gateway.log.merge_shards(stream.id(), ShardId(0), ShardId(1)).await.unwrap();
    kafka.produce("orders", 0, many(2)).await;
    // Sealed: it goes where its keys went.
    assert_eq!(kafka.produce("orders", 1, many(4)).await.base_offset, -1);
    gateway.log.split_shard(stream.id(), ShardId(2), HashKey(1 << 100)).await.unwrap();
    kafka.produce("orders", 0, many(8)).await;
    fetched(&mut kafka, fetch(&[(0, 0)]).with_max_bytes(1)).await;
    fetched(&mut kafka, fetch(&[(0, 7)])).await;
    advance(TO_NEXT_MINUTE).await;
    for (number, put, got) in [(0, Some(of(&[1])), Some(of(&[1]))), (1, None, None), (2, Some(of(&[2, 4])), None)] {
        assert_eq!(minute(&gateway, &stream, Measure::IncomingRecords, &shard(number)), put, "shard {number}");
        assert_eq!(minute(&gateway, &stream, Measure::OutgoingRecords, &shard(number)), got, "shard {number}");
    }
    assert_eq!(minute(&gateway, &stream, Measure::IncomingRecords, &shard(3)), Some(of(&[8])));
    assert_eq!(minute(&gateway, &stream, Measure::OutgoingRecords, &shard(3)), Some(of(&[8])));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_streams_series_go_and_the_next_of_its_name_begins_with_none() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 1).await;
    gateway.kafka().produce("orders", 0, many(1)).await;
    assert_eq!(stream.meter().measures().len(), 6);
    gateway.log.delete_stream(stream.id()).await.unwrap();
    assert!(gateway.log.streams().is_empty());
    assert!(gateway.stream("orders", 1).await.meter().measures().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_measured_more_than_three_hours_ago_is_swept_away() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 1).await;
    gateway.kafka().produce("orders", 0, many(1)).await;
    assert_eq!(START.0 % 60_000, 20_000, "a minute began 20 s before the start");
    advance(Duration::from_secs(3 * 3_600 + 39)).await;
    gateway.log.sweep().await;
    assert_eq!(minutes(&gateway, &stream, Measure::IncomingRecords, &STREAM), [of(&[1])]);
    advance(Duration::from_secs(1)).await;
    gateway.log.sweep().await;
    assert!(stream.meter().measures().is_empty());
}
