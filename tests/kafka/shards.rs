//! What Kafka sees of shards that are split and merged, of modes, quotas and states.

use std::time::Duration;

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeLogDirsRequest, FetchRequest,
    IncrementalAlterConfigsRequest, ListOffsetsRequest, MetadataRequest, TopicName,
};
use shardgate::log::Options;
use shardgate::model::{Limits, Mode, Settings, ShardId, Status};
use tokio::time::{Instant, advance};

use super::configs::TOPIC;
use crate::support::{Gateway, Kafka, batch, name, stamped, text};

const MODE: &str = "kinesis.stream.mode";

async fn partitions(kafka: &mut Kafka, topic: &'static str) -> Option<usize> {
    let response = kafka.call(9, MetadataRequest::default().with_topics(None)).await;
    let found = response.topics.iter().find(|found| found.name == Some(name(topic)));
    found.map(|topic| topic.partitions.len())
}

/// The end of a partition, and what a fetch at its beginning finds: bytes and high watermark.
async fn read(kafka: &mut Kafka, topic: &'static str, partition: i32, from: i64) -> (i64, usize, i64) {
    let asked = ListOffsetsPartition::default().with_partition_index(partition).with_timestamp(-1);
    let asked = ListOffsetsTopic::default().with_name(name(topic)).with_partitions(vec![asked]);
    let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![asked]);
    let listed = kafka.call(7, request).await.topics.remove(0).partitions.remove(0);
    let asked = FetchPartition::default().with_partition(partition).with_fetch_offset(from).with_partition_max_bytes(1 << 20);
    let asked = FetchTopic::default().with_topic(name(topic)).with_partitions(vec![asked]);
    let request =
        FetchRequest::default().with_max_bytes(1 << 20).with_max_wait_ms(100).with_min_bytes(1).with_topics(vec![asked]);
    let fetched = kafka.call(11, request).await.responses.remove(0).partitions.remove(0);
    assert_eq!((listed.error_code, fetched.error_code), (0, 0));
    (listed.offset, fetched.records.map_or(0, |records| records.len()), fetched.high_watermark)
}

async fn open_partitions(kafka: &mut Kafka, topic: &'static str, count: i32, validate_only: bool) -> (i16, String) {
    let topic = CreatePartitionsTopic::default().with_name(name(topic)).with_count(count).with_assignments(None);
    let request = CreatePartitionsRequest::default().with_topics(vec![topic]).with_validate_only(validate_only);
    let result = kafka.call(3, request).await.results.remove(0);
    (result.error_code, result.error_message.map(|words| words.to_string()).unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn a_produce_to_a_sealed_partition_is_answered_without_an_offset_and_its_end_stays() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 2).await;
    let mut kafka = gateway.kafka();
    assert_eq!(kafka.produce("orders", 1, batch(&["before"])).await.base_offset, 0);
    gateway.log.merge_shards(stream.id(), ShardId(0), ShardId(1)).await.unwrap();
    for sequence in [0, 0, 1] {
        let answer = kafka.produce("orders", 1, stamped(&["after"], 7, 0, sequence)).await;
        assert_eq!((answer.error_code, answer.base_offset), (0, -1), "also for a repeat");
    }
    assert_eq!(kafka.produce("orders", 1, stamped(&["gap"], 7, 0, 9)).await.error_code, 45);
    assert_eq!(partitions(&mut kafka, "orders").await, Some(2), "it is still there");
    let (end, bytes, watermark) = read(&mut kafka, "orders", 1, 0).await;
    assert!((end, watermark) == (1, 1) && bytes > 0);
    assert_eq!(read(&mut kafka, "orders", 1, 1).await, (1, 0, 1), "at its end there is nothing, as at any other's");
    assert_eq!(read(&mut kafka, "orders", 0, 0).await.0, 2, "what was forwarded is there");
    let gateway = gateway.restarted();
    assert_eq!(gateway.kafka().produce("orders", 1, stamped(&["after"], 7, 0, 1)).await.base_offset, -1);
    assert_eq!(read(&mut gateway.kafka(), "orders", 0, 0).await.0, 2);
}

#[tokio::test(start_paused = true)]
async fn a_topic_on_demand_has_four_partitions_and_more_are_not_opened_by_hand() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    let mode = CreatableTopicConfig::default().with_name(text(MODE)).with_value(Some(text("ON_DEMAND")));
    let topic = CreatableTopic::default()
        .with_name(name("orders"))
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_configs(vec![mode]);
    let response = kafka.call(5, CreateTopicsRequest::default().with_topics(vec![topic])).await;
    assert_eq!((response.topics[0].error_code, response.topics[0].num_partitions), (0, 4));
    assert_eq!(gateway.log.stream("orders").unwrap().settings().mode, Mode::OnDemand);
    let (code, words) = open_partitions(&mut kafka, "orders", 5, false).await;
    assert!(code == 44 && words.contains("is in mode ON_DEMAND"), "{code} {words}");
}

#[tokio::test(start_paused = true)]
async fn a_topic_on_demand_gets_partitions_as_its_traffic_grows() {
    let gateway = Gateway::start();
    gateway.log.env().limits.set(Limits::kinesis());
    gateway.stream_with("orders", 4, Settings { mode: Mode::OnDemand, ..Settings::default() }).await;
    gateway.log.follow_demand().await;
    let (begun, mut kafka, records) = (Instant::now(), gateway.kafka(), batch(&["x"; 36_000]));
    // 600 records a second for a minute, in two partitions: each of their shards is hot. Nobody sees an error.
    for partition in [0, 2] {
        let answer = kafka.produce("orders", partition, records.clone()).await;
        assert_eq!((answer.error_code, answer.base_offset), (0, 0));
    }
    advance(Duration::from_secs(60) - begun.elapsed()).await;
    for minute in 1..=15 {
        assert_eq!(partitions(&mut kafka, "orders").await, Some(4), "minute {minute}");
        gateway.log.follow_demand().await;
        advance(Duration::from_secs(60)).await;
    }
    assert_eq!(partitions(&mut kafka, "orders").await, Some(6), "seen at the next refresh of the metadata");
    for (partition, next) in [(0, 36_000), (1, 0), (2, 36_000), (3, 0), (4, 0), (5, 0)] {
        let answer = kafka.produce("orders", partition, batch(&["y"])).await;
        assert_eq!((answer.error_code, answer.base_offset), (0, next), "{partition}");
    }
    let gateway = gateway.restarted();
    assert_eq!(partitions(&mut gateway.kafka(), "orders").await, Some(6));
}

#[tokio::test(start_paused = true)]
async fn the_shard_quota_is_told_in_words_where_limits_are_in_force() {
    let gateway = Gateway::start();
    gateway.stream("orders", 499).await;
    gateway.log.env().limits.set(Limits::kinesis());
    let mut kafka = gateway.kafka();
    for validate_only in [true, false] {
        let (code, words) = open_partitions(&mut kafka, "orders", 501, validate_only).await;
        assert!(code == 44 && words.contains("499 are open in all, and at most 500 may be (--shard-quota)"), "{code} {words}");
    }
    let topic = CreatableTopic::default().with_name(name("more")).with_num_partitions(2).with_replication_factor(1);
    for validate_only in [true, false] {
        let request = CreateTopicsRequest::default().with_topics(vec![topic.clone()]).with_validate_only(validate_only);
        let refused = kafka.call(5, request).await.topics.remove(0);
        assert!(refused.error_code == 44 && refused.error_message.unwrap().contains("--shard-quota"));
    }
    gateway.log.env().limits.set(Limits::off());
    assert_eq!(open_partitions(&mut kafka, "orders", 501, false).await.0, 0);
}

/// Creates a topic on demand with four partitions.
async fn create_on_demand(kafka: &mut Kafka, topic: &str) -> (i16, String) {
    let mode = CreatableTopicConfig::default().with_name(text(MODE)).with_value(Some(text("ON_DEMAND")));
    let topic = CreatableTopic::default()
        .with_name(TopicName(text(topic)))
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_configs(vec![mode]);
    let created = kafka.call(5, CreateTopicsRequest::default().with_topics(vec![topic])).await.topics.remove(0);
    (created.error_code, created.error_message.map(|words| words.to_string()).unwrap_or_default())
}

async fn switch(kafka: &mut Kafka, topic: &str, mode: &str) -> (i16, String) {
    let mode = AlterableConfig::default().with_name(text(MODE)).with_value(Some(text(mode)));
    let topic =
        AlterConfigsResource::default().with_resource_type(TOPIC).with_resource_name(text(topic)).with_configs(vec![mode]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![topic]);
    let switched = kafka.call(1, request).await.responses.remove(0);
    (switched.error_code, switched.error_message.map(|words| words.to_string()).unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn the_third_switch_of_the_mode_in_a_day_is_refused_in_words() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    gateway.log.env().limits.set(Limits::kinesis());
    let mut kafka = gateway.kafka();
    for mode in ["ON_DEMAND", "PROVISIONED"] {
        assert_eq!(switch(&mut kafka, "orders", mode).await.0, 0);
    }
    let (code, words) = switch(&mut kafka, "orders", "ON_DEMAND").await;
    assert!(code == 44 && words.contains("the mode of stream orders was switched 2 times within 24 hours"), "{code} {words}");
    assert_eq!(gateway.log.stream("orders").unwrap().settings().mode, Mode::Provisioned);
    advance(Duration::from_secs(24 * 3_600)).await;
    assert_eq!(switch(&mut kafka, "orders", "ON_DEMAND").await.0, 0);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_fifty_topics_are_on_demand() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    gateway.log.env().limits.set(Limits::kinesis());
    let mut kafka = gateway.kafka();
    for number in 0..50 {
        assert_eq!(create_on_demand(&mut kafka, &format!("t{number}")).await.0, 0);
    }
    for (code, words) in [create_on_demand(&mut kafka, "t50").await, switch(&mut kafka, "orders", "ON_DEMAND").await] {
        assert!(code == 44 && words.contains("there are 50 streams in mode ON_DEMAND, and no more may be"), "{code} {words}");
    }
    assert_eq!(switch(&mut kafka, "t0", "PROVISIONED").await.0, 0);
    assert_eq!(create_on_demand(&mut kafka, "t50").await.0, 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_changing_is_not_changed_and_says_so() {
    let delay = Duration::from_secs(30);
    let gateway = Gateway::with_options(Options { state_change_delay: delay, ..Options::default() });
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    for state in ["CREATING", "UPDATING"] {
        let topics = vec![DeleteTopicState::default().with_name(Some(name("orders")))];
        let deleted = kafka.call(6, DeleteTopicsRequest::default().with_topics(topics)).await.responses.remove(0);
        let deleted = (deleted.error_code, deleted.error_message.map(|words| words.to_string()).unwrap_or_default());
        for (code, words) in
            [open_partitions(&mut kafka, "orders", 9, false).await, switch(&mut kafka, "orders", "ON_DEMAND").await, deleted]
        {
            let meant = format!("stream orders is {state}; it can be changed when it is ACTIVE");
            assert!(code == 60 && words.contains(&meant), "{code} {words}");
        }
        advance(delay).await;
        open_partitions(&mut kafka, "orders", 2, false).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_is_there_while_it_is_created_and_gone_while_it_is_deleted() {
    let delay = Duration::from_secs(30);
    let gateway = Gateway::with_options(Options { state_change_delay: delay, ..Options::default() });
    let stream = gateway.stream("orders", 1).await;
    let now = || gateway.log.env().clock.now();
    let mut kafka = gateway.kafka();
    assert_eq!((stream.status(now()), partitions(&mut kafka, "orders").await), (Status::Creating, Some(1)));
    assert_eq!(kafka.produce("orders", 0, batch(&["a"])).await.error_code, 0);
    let (code, words) = open_partitions(&mut kafka, "orders", 2, false).await;
    assert!(code == 60 && words.contains("is CREATING"), "{code} {words}");
    advance(delay).await;
    assert_eq!(open_partitions(&mut kafka, "orders", 2, false).await.0, 0);
    advance(delay).await;
    gateway.log.delete_stream(stream.id()).await.unwrap();
    assert_eq!((stream.status(now()), partitions(&mut kafka, "orders").await), (Status::Deleting, None));
    assert_eq!(kafka.produce("orders", 0, batch(&["b"])).await.error_code, 3);
    let dirs = kafka.call(4, DescribeLogDirsRequest::default().with_topics(None)).await;
    assert!(dirs.results.iter().all(|dir| dir.topics.is_empty()));
}
