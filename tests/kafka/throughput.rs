//! Throughput: a shard over its rate slows clients down, and none of them sees an error before ten seconds are owed.

use std::time::Duration;

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ApiVersionsRequest, FetchRequest, FetchResponse, ProduceRequest};
use shardgate::model::{Consumer, Limits, Offset, Settings};
use tokio::time::{Instant, advance, timeout};

use crate::support::{Gateway, Kafka, batch, name, produce, records};

/// A gateway with Kinesis's limits.
fn limited() -> Gateway {
    let gateway = Gateway::start();
    gateway.log.env().limits.set(Limits::kinesis());
    gateway
}

/// A batch of so many small records.
fn many(records: usize) -> bytes::Bytes {
    batch(&vec!["x"; records])
}

/// A batch of one record of so many bytes.
fn large(bytes: usize) -> bytes::Bytes {
    batch(&[&"x".repeat(bytes)])
}

async fn tip(gateway: &Gateway, topic: &str, lane: u32) -> Offset {
    gateway.log.reach(gateway.log.stream(topic).unwrap().lane(lane)).await.unwrap().tip
}

async fn send(kafka: &mut Kafka, topic: &'static str, records: bytes::Bytes) {
    kafka.send(9, &produce(topic, 0, Some(records))).await;
}

async fn answer(kafka: &mut Kafka) -> (i16, i64) {
    let response = kafka.receive::<ProduceRequest>(9).await;
    assert_eq!(response.throttle_time_ms, 0);
    let partition = &response.responses[0].partition_responses[0];
    (partition.error_code, partition.base_offset)
}

async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_saturated_shard_carries_its_rate_within_two_percent_over_half_a_minute() {
    for (records, each, expected) in [(many(160), 160, 30_000), (large(16_000), 16_000, 30 << 20)] {
        let gateway = limited();
        gateway.stream("orders", 1).await;
        let (start, mut kafka, mut carried) = (Instant::now(), gateway.kafka(), 0_u64);
        let bytes = records.len() as u64;
        for _ in 0..5 {
            send(&mut kafka, "orders", records.clone()).await;
        }
        loop {
            assert_eq!(answer(&mut kafka).await.0, 0);
            if start.elapsed() > Duration::from_secs(30) {
                break;
            }
            carried += if each == 160 { 160 } else { bytes };
            send(&mut kafka, "orders", records.clone()).await;
        }
        assert!(carried.abs_diff(expected) < expected / 50, "{carried} instead of {expected}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_held_answer_holds_up_the_same_shard_only_and_the_order_of_answers_stays() {
    let gateway = limited();
    gateway.stream("hot", 1).await;
    gateway.stream("cold", 1).await;
    let (start, mut kafka) = (Instant::now(), gateway.kafka());
    send(&mut kafka, "hot", many(1_000)).await;
    send(&mut kafka, "hot", many(500)).await;
    send(&mut kafka, "cold", many(1)).await;
    kafka.send(0, &ApiVersionsRequest::default()).await;
    settle().await;
    assert_eq!((tip(&gateway, "hot", 0).await, tip(&gateway, "cold", 0).await), (Offset(1_000), Offset(1)));
    // Another connection knows nothing of it.
    assert_eq!(gateway.kafka().produce("cold", 0, many(1)).await.base_offset, 1);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(answer(&mut kafka).await, (0, 0));
    assert_eq!(start.elapsed(), Duration::from_millis(600));
    settle().await;
    assert_eq!(tip(&gateway, "hot", 0).await, Offset(1_500));
    assert_eq!((answer(&mut kafka).await, answer(&mut kafka).await), ((0, 1_000), (0, 0)));
    assert_eq!(kafka.receive::<ApiVersionsRequest>(0).await.error_code, 0);
    assert_eq!(start.elapsed(), Duration::from_millis(1_100));
}

#[tokio::test(start_paused = true)]
async fn a_hot_partition_leaves_the_others_of_its_producer_their_full_rate() {
    let gateway = limited();
    gateway.stream("orders", 4).await;
    let (start, mut kafka) = (Instant::now(), gateway.kafka());
    let send = async |kafka: &mut Kafka, lane, records| {
        let partition = PartitionProduceData::default().with_index(lane).with_records(Some(many(records)));
        let topic = TopicProduceData::default().with_name(name("orders")).with_partition_data(vec![partition]);
        kafka.send(9, &ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic])).await;
    };
    // Twenty times as much for the first one, as far as it gets: each tenth of a second 2,000 records, and 100 for each other.
    for _ in 0..100 {
        for (lane, records) in [(0, 2_000), (1, 100), (2, 100), (3, 100)] {
            send(&mut kafka, lane, records).await;
        }
        advance(Duration::from_millis(100)).await;
        settle().await;
    }
    assert_eq!(start.elapsed(), Duration::from_secs(10));
    for lane in 1..4 {
        assert_eq!(tip(&gateway, "orders", lane).await, Offset(10_000), "partition {lane}");
    }
    let hot = tip(&gateway, "orders", 0).await;
    assert!((10_000..=12_000).contains(&hot.0), "{hot}");
}

#[tokio::test(start_paused = true)]
async fn partitions_of_one_request_are_all_written_at_once() {
    let gateway = limited();
    gateway.stream("orders", 3).await;
    let partition = |(index, records)| PartitionProduceData::default().with_index(index).with_records(Some(many(records)));
    let partitions = [(0, 1), (1, 2_000), (2, 1)].map(partition).to_vec();
    let topic = TopicProduceData::default().with_name(name("orders")).with_partition_data(partitions);
    let (start, mut kafka) = (Instant::now(), gateway.kafka());
    kafka.send(9, &ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic])).await;
    settle().await;
    for (lane, next) in [(0, 1), (1, 2_000), (2, 1)] {
        assert_eq!(tip(&gateway, "orders", lane).await, Offset(next));
    }
    assert_eq!(answer(&mut kafka).await, (0, 0));
    assert_eq!(start.elapsed(), Duration::from_millis(1_600));
}

#[tokio::test(start_paused = true)]
async fn who_would_wait_for_more_than_ten_seconds_is_refused_in_words_before_anything_is_written() {
    let gateway = limited();
    gateway.stream("orders", 1).await;
    let mut others: Vec<_> = (0..10).map(|_| gateway.kafka()).collect();
    for other in &mut others {
        send(other, "orders", many(1_000)).await;
        settle().await;
    }
    let start = Instant::now();
    let refused = gateway.kafka().produce("orders", 0, many(1_000)).await;
    assert_eq!((refused.error_code, refused.base_offset, start.elapsed()), (19, -1, Duration::ZERO));
    let words = refused.error_message.unwrap();
    for part in ["shardId-000000000000", "orders", "1048576 bytes and 1000 records a second", "10.6s"] {
        assert!(words.contains(part), "{words}");
    }
    assert_eq!(tip(&gateway, "orders", 0).await, Offset(10_000));
    advance(Duration::from_secs(1)).await;
    assert_eq!(gateway.kafka().produce("orders", 0, many(1_000)).await.error_code, 0);
    for other in &mut others {
        assert_eq!(answer(other).await.0, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_not_refused_for_its_own_size_and_owes_the_rest() {
    let gateway = limited();
    gateway.stream("orders", 1).await;
    let start = Instant::now();
    assert_eq!(gateway.kafka().produce("orders", 0, many(20_000)).await.error_code, 0);
    assert_eq!(start.elapsed(), Duration::from_secs(10));
    assert_eq!(gateway.kafka().produce("orders", 0, many(1_000)).await.error_code, 19);
}

#[tokio::test(start_paused = true)]
async fn who_wants_no_answers_is_slowed_down_too() {
    let gateway = limited();
    gateway.stream("orders", 1).await;
    let (start, mut kafka) = (Instant::now(), gateway.kafka());
    for _ in 0..2 {
        kafka.send(9, &produce("orders", 0, Some(many(1_000))).with_acks(0)).await;
        kafka.skip();
    }
    settle().await;
    assert_eq!(tip(&gateway, "orders", 0).await, Offset(1_000));
    kafka.call(0, ApiVersionsRequest::default()).await;
    assert_eq!((start.elapsed(), tip(&gateway, "orders", 0).await), (Duration::from_millis(1_600), Offset(2_000)));
}

#[tokio::test(start_paused = true)]
async fn a_repeated_batch_costs_nothing() {
    let gateway = limited();
    gateway.stream("orders", 1).await;
    let (start, mut kafka) = (Instant::now(), gateway.kafka());
    let records = crate::support::stamped(&["x"; 400], 7, 0, 0);
    for _ in 0..50 {
        assert_eq!(kafka.produce("orders", 0, records.clone()).await.base_offset, 0);
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_held_answer_is_given_at_once_when_the_gateway_stops() {
    let gateway = limited();
    gateway.stream("orders", 1).await;
    let (start, mut kafka) = (Instant::now(), gateway.kafka());
    send(&mut kafka, "orders", many(9_000)).await;
    settle().await;
    gateway.stop();
    assert_eq!(answer(&mut kafka).await, (0, 0));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_hangs_up_still_owes_what_it_wrote() {
    let gateway = limited();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    send(&mut kafka, "orders", many(1_000)).await;
    settle().await;
    drop(kafka);
    let start = Instant::now();
    assert_eq!(gateway.kafka().produce("orders", 0, many(1_000)).await.base_offset, 1_000);
    assert_eq!(start.elapsed(), Duration::from_millis(1_600));
}

#[tokio::test(start_paused = true)]
async fn limits_change_while_the_gateway_runs() {
    let gateway = limited();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    kafka.produce("orders", 0, many(1_000)).await;
    gateway.log.env().limits.set(Limits::off());
    let start = Instant::now();
    for _ in 0..10 {
        assert_eq!(kafka.produce("orders", 0, many(10_000)).await.error_code, 0);
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    gateway.log.env().limits.set(Limits::kinesis());
    assert!(timeout(Duration::from_millis(590), kafka.produce("orders", 0, many(1_000))).await.is_err());
}

/// A stream of `lanes` lanes with `batches` batches of 16,000 bytes in each; then the limits are put in force.
async fn filled(lanes: u32, batches: usize, settings: Settings) -> Gateway {
    let gateway = Gateway::start();
    gateway.stream_with("orders", lanes, settings).await;
    let mut kafka = gateway.kafka();
    for lane in (0..i32::try_from(lanes).unwrap()).flat_map(|lane| vec![lane; batches]) {
        kafka.produce("orders", lane, large(16_000)).await;
    }
    gateway.log.env().limits.set(Limits::kinesis());
    gateway
}

fn fetch(partitions: &[(i32, i64)]) -> FetchRequest {
    let partition = |&(partition, offset)| {
        FetchPartition::default().with_partition(partition).with_fetch_offset(offset).with_partition_max_bytes(1 << 20)
    };
    let topic = FetchTopic::default().with_topic(name("orders")).with_partitions(partitions.iter().map(partition).collect());
    FetchRequest::default().with_min_bytes(1).with_max_wait_ms(500).with_topics(vec![topic])
}

/// Bytes and records of each partition.
fn found(response: &FetchResponse) -> Vec<(usize, i64)> {
    let partitions = &response.responses[0].partitions;
    partitions.iter().for_each(|partition| assert_eq!(partition.error_code, 0));
    let bytes = partitions.iter().map(|partition| partition.records.clone().unwrap_or_default());
    bytes.map(|bytes| (bytes.len(), i64::try_from(records(&bytes).len()).unwrap())).collect()
}

/// What a consumer of partition 0 reads in half a minute, as fast as it may.
async fn read_for_half_a_minute(mut kafka: Kafka) -> u64 {
    let (start, mut bytes, mut at) = (Instant::now(), 0, 0);
    loop {
        let response = kafka.call(11, fetch(&[(0, at)])).await;
        if start.elapsed() > Duration::from_secs(30) {
            return bytes;
        }
        let (more, records) = found(&response)[0];
        (bytes, at) = (bytes + more as u64, at + records);
    }
}

#[tokio::test(start_paused = true)]
async fn readers_share_a_shard_and_a_fan_out_consumer_has_its_own_throughput() {
    let expected = 60 << 20;
    let near = |bytes: u64| bytes.abs_diff(expected) < expected / 50;
    let shared = filled(1, 4_500, Settings::default()).await;
    for readers in [2, 4] {
        let reading: Vec<_> = (0..readers).map(|_| tokio::spawn(read_for_half_a_minute(shared.kafka()))).collect();
        let mut each = Vec::new();
        for reading in reading {
            each.push(reading.await.unwrap());
        }
        assert!(near(each.iter().sum()), "{each:?} instead of {expected} in all");
        // Chance decides who is next, so that nobody is left out.
        assert!(each.iter().all(|bytes| *bytes > expected / (readers * readers)), "{each:?}");
    }

    let gateway =
        filled(1, 4_500, Settings { fan_out: [("tests".to_owned(), Consumer::default())].into(), ..Settings::default() }).await;
    let (one, again) = tokio::join!(
        tokio::spawn(read_for_half_a_minute(gateway.kafka())),
        tokio::spawn(read_for_half_a_minute(gateway.kafka_named("somebody")))
    );
    let (one, again) = (one.unwrap(), again.unwrap());
    assert!(near(one) && near(again), "{one} and {again} instead of {expected} each");
}

#[tokio::test(start_paused = true)]
async fn a_shard_gives_five_reads_a_second_and_other_shards_are_not_slowed_down() {
    let gateway = filled(2, 60, Settings::default()).await;
    let (start, mut kafka) = (Instant::now(), gateway.kafka());
    for at in 0..5 {
        let mut request = fetch(&[(0, at)]);
        request.topics[0].partitions[0].partition_max_bytes = 1;
        assert_eq!(found(&kafka.call(11, request).await)[0].1, 1);
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    // Only the free shard gives something.
    let response = kafka.call(11, fetch(&[(0, 5), (1, 0)])).await;
    assert_eq!((found(&response)[0].1, found(&response)[1].1 > 1), (0, true));
    assert_eq!(response.responses[0].partitions[0].high_watermark, 60);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(found(&kafka.call(11, fetch(&[(0, 5)])).await)[0].1 > 1);
    assert_eq!(start.elapsed(), Duration::from_millis(200));
    // Waiting readers wait no longer than they said.
    let response = kafka.call(11, fetch(&[(0, 40)]).with_max_wait_ms(30)).await;
    assert_eq!((found(&response)[0].1, start.elapsed()), (0, Duration::from_millis(230)));
    // An empty read costs nothing.
    for _ in 0..20 {
        assert_eq!(found(&kafka.call(11, fetch(&[(1, 60)]).with_max_wait_ms(0)).await), [(0, 0)]);
    }
    gateway.log.env().limits.set(Limits::off());
    assert!(found(&kafka.call(11, fetch(&[(0, 0)])).await)[0].1 > 40);
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_many_bytes_is_not_kept_waiting_for_more_than_it_may_have() {
    let gateway = filled(1, 100, Settings::default()).await;
    let (start, mut kafka) = (Instant::now(), gateway.kafka());
    let much = |at| fetch(&[(0, at)]).with_min_bytes(1 << 20).with_max_wait_ms(60_000);
    let (bytes, records) = found(&kafka.call(11, much(0)).await)[0];
    assert!(bytes <= 512 << 10 && bytes > 490_000, "{bytes}");
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(found(&kafka.call(11, much(records)).await)[0].1, records);
    let elapsed = start.elapsed().as_millis();
    assert!((180..=200).contains(&elapsed), "{elapsed}");
    // Less than it wants, and no more to be had: it waits, and what it does not get is not counted.
    let begun = Instant::now();
    assert_eq!(found(&kafka.call(11, much(95)).await)[0].1, 5);
    assert_eq!(begun.elapsed(), Duration::from_secs(60));
}
