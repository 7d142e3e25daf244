//! Fetch (key 1).

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{FetchRequest, FetchResponse};
use tokio::time::{Duration, Instant};
use uuid::Uuid;

use crate::support::{Gateway, batch, name, records};

const ERROR: (i64, i64) = (-1, -1);

fn partition(partition: i32, offset: i64) -> FetchPartition {
    FetchPartition::default().with_partition(partition).with_fetch_offset(offset).with_partition_max_bytes(1 << 20)
}

fn fetch(partitions: Vec<FetchPartition>) -> FetchRequest {
    FetchRequest::default()
        .with_min_bytes(1)
        .with_topics(vec![FetchTopic::default().with_topic(name("orders")).with_partitions(partitions)])
}

fn values(response: &FetchResponse, partition: usize) -> Vec<String> {
    let records_of = |bytes: &Bytes| records(bytes).into_iter().map(|record| record.value).collect();
    response.responses[0].partitions[partition].records.as_ref().map(records_of).unwrap_or_default()
}

async fn filled() -> Gateway {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let mut kafka = gateway.kafka();
    for values in [&["a", "b", "c"][..], &["d"], &["e", "f"]] {
        kafka.produce("orders", 0, batch(values)).await;
    }
    gateway
}

#[tokio::test(start_paused = true)]
async fn every_version_gives_the_batches_from_the_offset_on() {
    let gateway = filled().await;
    let id = gateway.log.stream("orders").unwrap().id().0;
    let mut kafka = gateway.kafka();
    for version in 4..=18 {
        let mut request = fetch(vec![partition(0, 3), partition(1, 0)]);
        request.topics[0].topic_id = id;
        let response = kafka.call(version, request).await;
        assert_eq!((response.error_code, response.session_id), (0, 0));
        assert_eq!(values(&response, 0), ["d", "e", "f"], "version {version}");
        assert!(values(&response, 1).is_empty());
        let first = &response.responses[0].partitions[0];
        assert_eq!((first.error_code, first.high_watermark, first.last_stable_offset), (0, 6, 6));
        assert_eq!(first.log_start_offset, if version >= 5 { 0 } else { -1 });
        let topic = &response.responses[0];
        assert_eq!((topic.topic == name("orders"), topic.topic_id == id), (version <= 12, version >= 13));
    }
}

/// Trap 4: a batch is never cut, not even to begin where it was asked to.
#[tokio::test(start_paused = true)]
async fn an_offset_within_a_batch_gets_the_whole_batch() {
    let gateway = filled().await;
    let response = gateway.kafka().call(11, fetch(vec![partition(0, 1)])).await;
    assert_eq!(values(&response, 0), ["a", "b", "c", "d", "e", "f"]);
}

#[tokio::test(start_paused = true)]
async fn the_first_batch_is_given_even_if_it_is_larger_than_asked_for() {
    let gateway = filled().await;
    let mut kafka = gateway.kafka();
    kafka.produce("orders", 1, batch(&["g"])).await;
    let small = vec![partition(0, 0).with_partition_max_bytes(1), partition(1, 0).with_partition_max_bytes(1)];
    let response = kafka.call(11, fetch(small)).await;
    assert_eq!((values(&response, 0).len(), values(&response, 1).len()), (3, 0));
    let response = kafka.call(11, fetch(vec![partition(0, 0), partition(1, 0)]).with_max_bytes(1)).await;
    assert_eq!((values(&response, 0).len(), values(&response, 1).len()), (3, 0));
}

/// Trap 11: an epoch that the leader does not know is 75.
#[tokio::test(start_paused = true)]
async fn errors_are_told_per_partition_and_at_once() {
    let gateway = filled().await;
    let begun = Instant::now();
    for (wrong, code) in [(partition(0, 7), 1), (partition(0, -1), 1), (partition(0, 0).with_current_leader_epoch(1), 75)] {
        let asked = vec![wrong, partition(9, 0), partition(1, 0)];
        let response = gateway.kafka().call(11, fetch(asked).with_max_wait_ms(60_000)).await;
        let partitions = &response.responses[0].partitions;
        assert_eq!(partitions.iter().map(|p| p.error_code).collect::<Vec<_>>(), [code, 3, 0]);
        for refused in &partitions[..2] {
            assert_eq!((refused.high_watermark, refused.log_start_offset), ERROR);
        }
        // As Kafka has it, to a byte: what is not there has an empty list of aborted transactions, and what is refused has none.
        let lists: Vec<_> = partitions.iter().map(|p| p.aborted_transactions.as_ref().map(Vec::len)).collect();
        assert_eq!(lists, [None, Some(0), None]);
    }
    assert!(begun.elapsed() < Duration::from_secs(1));
}

/// Trap 3.
#[tokio::test(start_paused = true)]
async fn an_unknown_topic_id_has_an_error_of_its_own() {
    let gateway = filled().await;
    let mut request = fetch(vec![partition(0, 0)]);
    request.topics[0].topic_id = Uuid::from_u128(7);
    let response = gateway.kafka().call(13, request).await;
    assert_eq!(response.responses[0].partitions[0].error_code, 100);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_ends_with_the_record_it_waits_for() {
    let gateway = filled().await;
    let (mut reader, mut writer) = (gateway.kafka(), gateway.kafka());
    let begun = Instant::now();
    reader.send(11, &fetch(vec![partition(0, 6), partition(1, 0)]).with_max_wait_ms(60_000)).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    writer.produce("orders", 1, batch(&["new"])).await;
    let response = reader.receive::<FetchRequest>(11).await;
    assert_eq!(values(&response, 1), ["new"]);
    assert_eq!(begun.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_ends_empty_when_its_time_is_over() {
    let gateway = filled().await;
    let begun = Instant::now();
    let response = gateway.kafka().call(11, fetch(vec![partition(0, 6)]).with_max_wait_ms(500)).await;
    assert!(values(&response, 0).is_empty());
    assert_eq!(begun.elapsed().as_millis(), 500);
}

/// `fetch.min.bytes` beyond a megabyte: what is asked for is waited for, and no longer than until nothing more fits.
#[tokio::test(start_paused = true)]
async fn a_long_poll_ends_with_the_megabytes_it_waits_for() {
    let batch = batch(&[&"x".repeat(256 << 10)]);
    for (what, bytes_min, partition_bytes_max, bytes_max, waited, given) in [
        ("two MiB", 2 << 20, 8 << 20, 50 << 20, 8, 8),
        ("what the partition may give", 2 << 20, 1 << 20, 50 << 20, 4, 3),
        ("what all may give", 5 << 20, 8 << 20, 1 << 20, 4, 3),
        ("what an answer holds", 5 << 20, 8 << 20, 50 << 20, 16, 15),
    ] {
        let gateway = Gateway::start();
        gateway.stream("orders", 1).await;
        let (mut reader, mut writer) = (gateway.kafka(), gateway.kafka());
        let begun = Instant::now();
        let asked = fetch(vec![partition(0, 0).with_partition_max_bytes(partition_bytes_max)]);
        reader.send(11, &asked.with_min_bytes(bytes_min).with_max_bytes(bytes_max).with_max_wait_ms(60_000)).await;
        for _ in 0..waited {
            tokio::time::sleep(Duration::from_secs(1)).await;
            writer.produce("orders", 0, batch.clone()).await;
        }
        let response = reader.receive::<FetchRequest>(11).await;
        assert_eq!((values(&response, 0).len(), begun.elapsed().as_secs()), (given, waited), "{what}");
    }
}

/// Trap 4: no session is ever created, which clients take for "send everything each time".
#[tokio::test(start_paused = true)]
async fn only_a_session_that_goes_on_is_unknown() {
    let gateway = filled().await;
    let mut kafka = gateway.kafka();
    for (id, epoch, code) in [(0, 0, 0), (0, -1, 0), (5, 0, 0), (5, -1, 0), (5, 1, 70), (0, 3, 70)] {
        let response = kafka.call(11, fetch(vec![partition(0, 0)]).with_session_id(id).with_session_epoch(epoch)).await;
        assert_eq!((response.error_code, response.session_id), (code, 0), "session {id}, epoch {epoch}");
        assert_eq!(response.responses.is_empty(), code != 0);
    }
}

#[tokio::test(start_paused = true)]
async fn readers_of_committed_records_hear_that_nothing_was_aborted() {
    let gateway = filled().await;
    let mut kafka = gateway.kafka();
    for (level, expected) in [(0, None), (1, Some(0))] {
        let response = kafka.call(11, fetch(vec![partition(0, 0)]).with_isolation_level(level)).await;
        assert_eq!(response.responses[0].partitions[0].aborted_transactions.as_ref().map(Vec::len), expected);
    }
    for level in [-1, 2] {
        let response = kafka.call(11, fetch(vec![partition(0, 0)]).with_isolation_level(level)).await;
        let answer = &response.responses[0].partitions[0];
        assert_eq!((answer.error_code, answer.records.as_ref().map_or(0, Bytes::len)), (42, 0), "isolation {level}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_past_its_retention_is_out_of_range_and_the_log_begins_behind_it() {
    let gateway = filled().await;
    let mut kafka = gateway.kafka();
    tokio::time::advance(Duration::from_secs(23 * 3_600)).await;
    kafka.produce("orders", 0, batch(&["late"])).await;
    tokio::time::advance(Duration::from_secs(3_600)).await;
    for (offset, expected, read) in [(0, (1, -1), &[][..]), (5, (1, -1), &[]), (6, (0, 6), &["late"])] {
        let response = kafka.call(11, fetch(vec![partition(0, offset)])).await;
        let answer = &response.responses[0].partitions[0];
        assert_eq!((answer.error_code, answer.log_start_offset), expected, "offset {offset}");
        assert_eq!(values(&response, 0), read);
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_partition_that_is_named_twice_the_last_line_counts() {
    let gateway = filled().await;
    let asked = vec![partition(1, 0), partition(0, 0), partition(7, 0), partition(0, 5), partition(1, 9)];
    let response = gateway.kafka().call(11, fetch(asked)).await;
    let answered: Vec<_> = response.responses[0].partitions.iter().map(|one| (one.partition_index, one.error_code)).collect();
    assert_eq!(answered, [(1, 1), (0, 0), (7, 3)]);
    assert_eq!(values(&response, 1), ["e", "f"]);
}
