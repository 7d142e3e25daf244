//! ListOffsets (key 2).

use kafka_protocol::messages::ListOffsetsRequest;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use shardgate::kafka::wire::Unchanged;

use crate::support::{Gateway, Kafka, START, batch, name};

fn ask(partitions: &[(i32, i64)]) -> Unchanged<ListOffsetsRequest, 11> {
    let partition =
        |&(index, timestamp): &(i32, i64)| ListOffsetsPartition::default().with_partition_index(index).with_timestamp(timestamp);
    let partitions = partitions.iter().map(partition).collect();
    let topic = ListOffsetsTopic::default().with_name(name("orders")).with_partitions(partitions);
    ListOffsetsRequest::default().with_topics(vec![topic]).into()
}

async fn one(kafka: &mut Kafka, version: i16, partition: i32, timestamp: i64) -> ListOffsetsPartitionResponse {
    kafka.call(version, ask(&[(partition, timestamp)])).await.0.topics.remove(0).partitions.remove(0)
}

/// Partition 0 has offsets 0 to 4, created 0, 1, 2 and again 0, 1 seconds after the start; partition 1 has none.
async fn filled() -> Gateway {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let mut kafka = gateway.kafka();
    kafka.produce("orders", 0, batch(&["a", "b", "c"])).await;
    kafka.produce("orders", 0, batch(&["d", "e"])).await;
    gateway
}

#[tokio::test(start_paused = true)]
async fn both_ends_are_told_in_every_version() {
    let gateway = filled().await;
    let mut kafka = gateway.kafka();
    for version in 1..=11 {
        for (partition, timestamp, offset) in [(0, -1, 5), (0, -2, 0), (1, -1, 0), (1, -2, 0)] {
            let found = one(&mut kafka, version, partition, timestamp).await;
            assert_eq!((found.error_code, found.offset, found.timestamp), (0, offset, -1), "version {version}");
            assert_eq!(found.leader_epoch, if version >= 4 { 0 } else { -1 });
        }
    }
}

/// Trap 15: the offset of the first record as late as that, with its own timestamp; -1 and no epoch if there is none.
#[tokio::test(start_paused = true)]
async fn a_time_finds_the_first_record_that_is_as_late() {
    let gateway = filled().await;
    let mut kafka = gateway.kafka();
    for (after_start, offset, found_after) in [(-5_000, 0, 0), (0, 0, 0), (1, 1, 1_000), (1_000, 1, 1_000), (1_500, 2, 2_000)] {
        let found = one(&mut kafka, 5, 0, START.0 + after_start).await;
        assert_eq!((found.offset, found.timestamp), (offset, START.0 + found_after), "{after_start} ms after the start");
    }
    for (partition, timestamp) in [(0, START.0 + 2_001), (1, 0)] {
        let found = one(&mut kafka, 5, partition, timestamp).await;
        assert_eq!((found.error_code, found.offset, found.timestamp, found.leader_epoch), (0, -1, -1, -1));
    }
}

/// Trap 15.
#[tokio::test(start_paused = true)]
async fn special_times_have_their_versions() {
    let gateway = filled().await;
    let mut kafka = gateway.kafka();
    for (version, timestamp, code, offset, time) in [
        (6, -3, 35, -1, -1),
        (7, -3, 0, 2, START.0 + 2_000),
        (8, -4, 0, 0, -1),
        (9, -5, 0, -1, -1),
        (10, -6, 35, -1, -1),
        (11, -6, 0, -1, -1),
        (11, -7, 35, -1, -1),
    ] {
        let found = one(&mut kafka, version, 0, timestamp).await;
        assert_eq!((found.error_code, found.offset, found.timestamp), (code, offset, time), "version {version}, {timestamp}");
    }
    let nothing = one(&mut kafka, 7, 1, -3).await;
    assert_eq!((nothing.error_code, nothing.offset, nothing.timestamp), (0, -1, -1));
}

#[tokio::test(start_paused = true)]
async fn errors_are_told_per_partition() {
    let gateway = filled().await;
    let mut request = ask(&[(0, -1), (7, -1), (1, -1), (1, -2)]);
    request.0.topics[0].partitions[0].current_leader_epoch = 1;
    let response = gateway.kafka().call(5, request).await;
    let codes: Vec<_> = response.topics[0].partitions.iter().map(|p| (p.partition_index, p.error_code)).collect();
    assert_eq!(codes, [(0, 75), (7, 3), (1, 42)], "one that is named twice is refused once");
}

#[tokio::test(start_paused = true)]
async fn an_isolation_level_that_there_is_not_is_refused() {
    let gateway = filled().await;
    let mut kafka = gateway.kafka();
    for (level, expected) in [(-1, (42, -1)), (0, (0, 5)), (1, (0, 5)), (2, (42, -1))] {
        let request = Unchanged::<_, 11>(ask(&[(0, -1)]).0.with_isolation_level(level));
        let found = &kafka.call(11, request).await.0.topics[0].partitions[0];
        assert_eq!((found.error_code, found.offset), expected, "isolation {level}");
    }
}
