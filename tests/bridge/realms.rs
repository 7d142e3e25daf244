//! Kafka's topics are the streams of the default account in the default region.

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{DeleteTopicsRequest, MetadataRequest};
use serde_json::json;

use super::fetched;
use crate::kinesis::{put, records};
use crate::support::{Gateway, batch, name, produce};

const SHARD: &str = "shardId-000000000000";

#[tokio::test(start_paused = true)]
async fn kafka_sees_the_streams_at_home_only() {
    let gateway = Gateway::with(|config| config.auto_create_topics = false);
    let abroad = gateway.kinesis().signing("123456789012", "eu-west-1");
    abroad.call("CreateStream", json!({"StreamName": "orders", "ShardCount": 1})).await;
    put(&abroad, "orders", "a", "theirs").await;
    let mut kafka = gateway.kafka();
    let all = kafka.call(12, MetadataRequest::default().with_topics(None)).await;
    assert!(all.topics.is_empty(), "{all:?}");
    // Neither by name nor by id, which nobody could know.
    let theirs = gateway.log.all_streams().remove(0);
    let named = MetadataRequestTopic::default().with_name(Some(name("orders")));
    let identified = MetadataRequestTopic::default().with_name(None).with_topic_id(theirs.id().0);
    let asked = MetadataRequest::default().with_topics(Some(vec![named, identified]));
    let errors: Vec<_> = kafka.call(12, asked).await.topics.iter().map(|topic| topic.error_code).collect();
    assert_eq!(errors, [3, 100], "UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID");
    let deleted = kafka.call(5, DeleteTopicsRequest::default().with_topic_names(vec![name("orders")])).await;
    assert_eq!(deleted.responses[0].error_code, 3);

    // A topic of the same name is another stream.
    gateway.stream("orders", 1).await;
    let answer = kafka.call(9, produce("orders", 0, Some(batch(&["a", "b"])))).await;
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    assert_eq!(fetched(&mut kafka, 0, 0).await.len(), 2);
    assert_eq!(records(&abroad, "orders", SHARD).await.len(), 1);
    assert_eq!(records(&gateway.kinesis(), "orders", SHARD).await.len(), 2);
    kafka.call(5, DeleteTopicsRequest::default().with_topic_names(vec![name("orders")])).await;
    assert_eq!(records(&abroad, "orders", SHARD).await.len(), 1);
}
