//! OffsetForLeaderEpoch (key 23).

use kafka_protocol::messages::OffsetForLeaderEpochRequest;
use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};

use crate::support::{Gateway, batch, name};

/// Trap 11: 74 for an epoch that is over, 75 for one that is to come; librdkafka speaks version 2 only.
#[tokio::test(start_paused = true)]
async fn the_one_epoch_ends_at_the_tip() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    kafka.produce("orders", 0, batch(&["a", "b"])).await;
    for version in 2..=4 {
        for (partition, current, asked, expected) in [
            (0, -1, 0, (0, 0, 2)),
            (0, 0, 0, (0, 0, 2)),
            (0, 0, 5, (0, -1, -1)),
            (0, 0, -1, (0, -1, -1)),
            (0, 0, -2, (0, -2, 0)),
            (0, 1, 0, (75, -1, -1)),
            (0, -2, 0, (74, -1, -1)),
            (7, -1, 0, (3, -1, -1)),
        ] {
            let partition = OffsetForLeaderPartition::default()
                .with_partition(partition)
                .with_current_leader_epoch(current)
                .with_leader_epoch(asked);
            let topic = OffsetForLeaderTopic::default().with_topic(name("orders")).with_partitions(vec![partition]);
            let response = kafka.call(version, OffsetForLeaderEpochRequest::default().with_topics(vec![topic])).await;
            let end = &response.topics[0].partitions[0];
            assert_eq!((end.error_code, end.leader_epoch, end.end_offset), expected, "version {version}, epoch {asked}");
        }
    }
}
