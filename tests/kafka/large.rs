//! Ten thousand partitions, which is as many as a topic may have.

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::{
    CreateTopicsRequest, DescribeLogDirsRequest, FetchRequest, GroupId, ListOffsetsRequest, MetadataRequest, OffsetCommitRequest,
    OffsetFetchRequest,
};

use crate::support::{Gateway, batch, name, text};

const PARTITIONS: i32 = 10_000;

#[tokio::test(start_paused = true)]
async fn ten_thousand_partitions_are_created_listed_read_and_committed_in_one_request_each() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    let topic = CreatableTopic::default().with_name(name("large")).with_num_partitions(PARTITIONS).with_replication_factor(1);
    let created = kafka.call(7, CreateTopicsRequest::default().with_topics(vec![topic])).await;
    assert_eq!((created.topics[0].error_code, created.topics[0].num_partitions), (0, PARTITIONS));
    kafka.produce("large", PARTITIONS - 1, batch(&["last"])).await;

    for version in [1, 13] {
        let metadata = kafka.call(version, MetadataRequest::default().with_topics(None)).await;
        assert_eq!(metadata.topics[0].partitions.len(), 10_000);
    }

    for version in [1, 10] {
        let latest = |index| ListOffsetsPartition::default().with_partition_index(index).with_timestamp(-1);
        let topic = ListOffsetsTopic::default().with_name(name("large")).with_partitions((0..PARTITIONS).map(latest).collect());
        let offsets = kafka.call(version, ListOffsetsRequest::default().with_topics(vec![topic])).await;
        assert_eq!(offsets.topics[0].partitions.iter().map(|p| p.offset).sum::<i64>(), 1);
        assert!(offsets.topics[0].partitions.iter().all(|p| p.error_code == 0));
    }

    let id = gateway.log.stream("large").unwrap().id().0;
    for version in [4, 18] {
        let begin = |index| FetchPartition::default().with_partition(index).with_partition_max_bytes(1 << 20);
        let topic = FetchTopic::default().with_partitions((0..PARTITIONS).map(begin).collect());
        let topic = if version >= 13 { topic.with_topic_id(id) } else { topic.with_topic(name("large")) };
        let request = FetchRequest::default().with_max_wait_ms(500).with_min_bytes(1).with_topics(vec![topic]);
        let fetched = kafka.call(version, request).await;
        let filled = fetched.responses[0].partitions.iter().filter(|p| p.records.as_ref().is_some_and(|r| !r.is_empty()));
        assert_eq!(filled.map(|p| p.partition_index).collect::<Vec<_>>(), [PARTITIONS - 1]);
    }

    let partition = |index| {
        let metadata = Some(text(&"m".repeat(100)));
        OffsetCommitRequestPartition::default()
            .with_partition_index(index)
            .with_committed_offset(1)
            .with_committed_metadata(metadata)
    };
    let topic =
        OffsetCommitRequestTopic::default().with_name(name("large")).with_partitions((0..PARTITIONS).map(partition).collect());
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    let committed = kafka.call(9, request).await;
    assert!(committed.topics[0].partitions.iter().all(|p| p.error_code == 0));
    let kept = kafka.call(7, OffsetFetchRequest::default().with_group_id(GroupId(text("g"))).with_topics(None)).await;
    assert_eq!(kept.topics[0].partitions.len(), 10_000);

    let dirs = kafka.call(4, DescribeLogDirsRequest::default().with_topics(None)).await;
    assert_eq!(dirs.results[0].topics[0].partitions.len(), 10_000);
}
