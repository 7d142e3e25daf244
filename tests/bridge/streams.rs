//! Topics and streams are one set: created, deleted, resharded and configured from either side.

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeConfigsRequest, MetadataRequest,
};
use serde_json::{Value, json};
use tokio::time::advance;

use super::{fetched, record, set};
use crate::kinesis::{SECOND, arn, put, records};
use crate::support::{Gateway, Kafka, Kinesis, name, text};

async fn partitions(kafka: &mut Kafka) -> Option<usize> {
    let response = kafka.call(9, MetadataRequest::default().with_topics(None)).await;
    response.topics.iter().find(|topic| topic.name == Some(name("orders"))).map(|topic| topic.partitions.len())
}

async fn summary(kinesis: &Kinesis) -> Value {
    kinesis.call("DescribeStreamSummary", json!({"StreamName": "orders"})).await["StreamDescriptionSummary"].clone()
}

async fn config(kafka: &mut Kafka, key: &str) -> String {
    let resource = DescribeConfigsResource::default().with_resource_type(2).with_resource_name(text("orders"));
    let resource = resource.with_configuration_keys(Some(vec![text(key)]));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let result = kafka.call(4, request).await.results.remove(0);
    result.configs[0].value.as_ref().unwrap().to_string()
}

#[tokio::test(start_paused = true)]
async fn what_one_door_creates_the_other_sees_and_deletes() {
    let gateway = Gateway::with(|config| config.auto_create_topics = false);
    let (kinesis, mut kafka) = (gateway.kinesis(), gateway.kafka());
    kinesis.call("CreateStream", json!({"StreamName": "orders", "ShardCount": 3})).await;
    assert_eq!(partitions(&mut kafka).await, Some(3));
    kafka.call(5, DeleteTopicsRequest::default().with_topic_names(vec![name("orders")])).await;
    assert_eq!(kinesis.refusal("DescribeStream", json!({"StreamName": "orders"})).await.0, "ResourceNotFoundException");

    let mode = CreatableTopicConfig::default().with_name(text("kinesis.stream.mode")).with_value(Some(text("ON_DEMAND")));
    let topic = CreatableTopic::default().with_name(name("orders")).with_num_partitions(-1).with_replication_factor(-1);
    let request = CreateTopicsRequest::default().with_topics(vec![topic.with_configs(vec![mode])]);
    assert_eq!(kafka.call(7, request).await.topics[0].error_code, 0);
    let found = summary(&kinesis).await;
    assert_eq!((&found["OpenShardCount"], &found["StreamModeDetails"]["StreamMode"]), (&json!(4), &json!("ON_DEMAND")));
    kinesis.call("DeleteStream", json!({"StreamName": "orders"})).await;
    assert_eq!(partitions(&mut kafka).await, None);
}

#[tokio::test(start_paused = true)]
async fn both_doors_change_the_same_shards() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let (kinesis, mut kafka) = (gateway.kinesis(), gateway.kafka());
    let topic = CreatePartitionsTopic::default().with_name(name("orders")).with_count(2).with_assignments(None);
    let request = CreatePartitionsRequest::default().with_topics(vec![topic]);
    assert_eq!(kafka.call(3, request).await.results[0].error_code, 0);
    let shards = kinesis.call("ListShards", json!({"StreamName": "orders"})).await["Shards"].clone();
    assert_eq!((shards.as_array().unwrap().len(), &shards[1]["ParentShardId"]), (3, &json!("shardId-000000000000")));
    advance(10 * SECOND).await;
    let update = json!({"StreamName": "orders", "TargetShardCount": 4, "ScalingType": "UNIFORM_SCALING"});
    kinesis.call("UpdateShardCount", update).await;
    assert_eq!(partitions(&mut kafka).await, Some(4));
    for partition in 0..4 {
        assert_eq!(kafka.produce("orders", partition, record(Some(b"k"), Some(b"v"))).await.base_offset, 0);
    }
    let merge = json!({"StreamName": "orders", "ShardToMerge": "3", "AdjacentShardToMerge": "4"});
    kinesis.call("MergeShards", merge).await;
    // Partitions never go away; what is written to the sealed one goes where its keys went.
    assert_eq!(partitions(&mut kafka).await, Some(4));
    let sealed = gateway.log.stream("orders").unwrap().shards()[4].lane.0;
    assert_eq!(kafka.produce("orders", sealed as i32, record(None, Some(b"late"))).await.base_offset, -1);
    assert_eq!(records(&kinesis, "orders", "7").await[0].1, "late");
}

#[tokio::test(start_paused = true)]
async fn settings_are_seen_from_both_sides() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let (kinesis, mut kafka) = (gateway.kinesis(), gateway.kafka());
    kinesis.call("IncreaseStreamRetentionPeriod", json!({"StreamName": "orders", "RetentionPeriodHours": 48})).await;
    kinesis.call("UpdateMaxRecordSize", json!({"StreamARN": arn("orders"), "MaxRecordSizeInKiB": 2_048})).await;
    kinesis.call("UpdateStreamMode", json!({"StreamARN": arn("orders"), "StreamModeDetails": {"StreamMode": "ON_DEMAND"}})).await;
    for (key, value) in [
        ("retention.ms", "172800000"),
        ("max.message.bytes", "2097164"),
        ("kinesis.stream.mode", "ON_DEMAND"),
        ("kinesis.stream.arn", arn("orders").as_str()),
    ] {
        assert_eq!(config(&mut kafka, key).await, value, "{key}");
    }
    set(&mut kafka, "retention.ms", "90000000").await;
    set(&mut kafka, "max.message.bytes", "3145740").await;
    set(&mut kafka, "kinesis.stream.mode", "PROVISIONED").await;
    let found = summary(&kinesis).await;
    assert_eq!((&found["RetentionPeriodHours"], &found["MaxRecordSizeInKiB"]), (&json!(25), &json!(3_072)));
    assert_eq!(found["StreamModeDetails"]["StreamMode"], "PROVISIONED");
}

#[tokio::test(start_paused = true)]
async fn fan_out_consumers_are_one_set() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let (kinesis, mut kafka) = (gateway.kinesis(), gateway.kafka());
    kinesis.call("RegisterStreamConsumer", json!({"StreamARN": arn("orders"), "ConsumerName": "registered"})).await;
    assert_eq!(config(&mut kafka, "kinesis.fanout.consumers").await, "registered");
    advance(5 * SECOND).await;
    set(&mut kafka, "kinesis.fanout.consumers", "registered,written").await;
    let listed = kinesis.call("ListStreamConsumers", json!({"StreamARN": arn("orders")})).await["Consumers"].clone();
    for (at, consumer, second) in [(0, "registered", 1_700_000_000), (1, "written", 1_700_000_005)] {
        assert_eq!(listed[at]["ConsumerARN"], format!("{}/consumer/{consumer}:{second}", arn("orders")));
    }
    kinesis.call("DeregisterStreamConsumer", json!({"StreamARN": arn("orders"), "ConsumerName": "registered"})).await;
    assert_eq!(config(&mut kafka, "kinesis.fanout.consumers").await, "written");
    // What a consumer is tagged with stays through changes of other configs.
    let of = json!({"ResourceARN": listed[1]["ConsumerARN"], "Tags": {"a": "b"}});
    kinesis.call("TagResource", of).await;
    set(&mut kafka, "retention.ms", "172800000").await;
    let tags = kinesis.call("ListTagsForResource", json!({"ResourceARN": listed[1]["ConsumerARN"]})).await;
    assert_eq!(tags["Tags"], json!([{"Key": "a", "Value": "b"}]));
}

#[tokio::test(start_paused = true)]
async fn a_record_older_than_its_retention_is_gone_from_both_doors() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let (kinesis, mut kafka) = (gateway.kinesis(), gateway.kafka());
    put(&kinesis, "orders", "a", "old").await;
    advance(86_400 * SECOND).await;
    put(&kinesis, "orders", "a", "new").await;
    assert_eq!(records(&kinesis, "orders", "0").await.len(), 1);
    assert_eq!(fetched(&mut kafka, 0, 1).await.len(), 1);
    let old =
        kinesis.call("GetShardIterator", json!({"StreamName": "orders", "ShardId": "0", "ShardIteratorType": "TRIM_HORIZON"}));
    assert!(old.await["ShardIterator"].is_string());
    assert_eq!(gateway.log.reach(gateway.log.stream("orders").unwrap().lane(0)).await.unwrap().horizon.0, 1);
}
