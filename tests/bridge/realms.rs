//! Kafka's topics are the streams of the default account in the default region, and all that comes to them is theirs.

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{DeleteTopicsRequest, MetadataRequest};
use serde_json::json;
use shardgate::metrics::{Snapshot, TopicState};

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

#[tokio::test(start_paused = true)]
async fn kafkas_metrics_of_a_topic_count_what_comes_and_goes_at_both_doors() {
    let gateway = Gateway::start();
    let abroad = gateway.kinesis().signing("123456789012", "eu-west-1");
    abroad.call("CreateStream", json!({"StreamName": "orders", "ShardCount": 1})).await;
    gateway.stream("orders", 1).await;
    let (mut kafka, kinesis, batch) = (gateway.kafka(), gateway.kinesis(), batch(&["a", "b"]));
    assert_eq!(kafka.produce("orders", 0, batch.clone()).await.error_code, 0);
    let entry = json!({"PartitionKey": "k", "Data": "aGVsbG8="});
    kinesis.call("PutRecords", json!({"StreamName": "orders", "Records": [entry, entry, entry]})).await;
    put(&abroad, "orders", "k", "not counted").await;
    let topics = vec![TopicState { name: "orders".to_owned(), lanes: Vec::new() }];
    let count = |metric: &str| {
        let snapshot = Snapshot { topics: topics.clone(), ..Snapshot::default() };
        let text = gateway.meter.scrape(&snapshot).text;
        let name = format!("kafka_server_brokertopicmetrics_{metric}_total{{topic=\"orders\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse::<usize>().unwrap())
    };
    let lane = gateway.log.stream("orders").unwrap().lane(0);
    let all = usize::try_from(gateway.log.bytes(vec![lane]).await.unwrap()[0]).unwrap();
    assert_eq!((count("messagesin"), count("bytesin"), count("bytesout")), (5, all, 0));
    assert!(all > batch.len());
    // Kinesis's readers get data and keys: here those of two records whose keys are made up, and three of six bytes.
    let read = records(&kinesis, "orders", SHARD).await.len();
    assert_eq!(read, 5);
    assert!(count("bytesout") >= 2 + 18, "{}", count("bytesout"));
}
