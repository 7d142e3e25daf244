//! DescribeLogDirs (key 35).

use kafka_protocol::messages::DescribeLogDirsRequest;
use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use shardgate::kafka::wire::{DescribeLogDirsResponse, DescribeLogDirsResult, Unchanged};

use crate::support::{Gateway, Kafka, batch, name};

async fn describe(kafka: &mut Kafka, version: i16, topics: Option<Vec<(&'static str, Vec<i32>)>>) -> DescribeLogDirsResult {
    let topic = |(topic, partitions)| DescribableLogDirTopic::default().with_topic(name(topic)).with_partitions(partitions);
    let topics = topics.map(|topics| topics.into_iter().map(topic).collect());
    kafka.send(version, &Unchanged::<_, 5>(DescribeLogDirsRequest::default().with_topics(topics))).await;
    let mut response: DescribeLogDirsResponse = kafka.receive_as(version).await;
    assert_eq!((response.error_code, response.results.len()), (0, 1));
    response.results.remove(0)
}

fn sizes(result: &DescribeLogDirsResult) -> Vec<(&str, i32, i64)> {
    let topics = result.topics.iter();
    topics.flat_map(|t| t.partitions.iter().map(|p| (t.name.as_str(), p.partition_index, p.partition_size))).collect()
}

#[tokio::test(start_paused = true)]
async fn every_version_tells_how_large_each_partition_is() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    gateway.stream("empty", 1).await;
    let mut kafka = gateway.kafka();
    let batch = batch(&["a", "b"]);
    let bytes = i64::try_from(batch.len()).unwrap();
    kafka.produce("orders", 1, batch.clone()).await;
    kafka.produce("orders", 1, batch).await;
    for version in 1..=5 {
        let result = describe(&mut kafka, version, None).await;
        assert_eq!((result.error_code, &*result.log_dir), (0, "memory"));
        let found = sizes(&result);
        assert_eq!(found[..2], [("empty", 0, 0), ("orders", 0, 0)]);
        assert_eq!((found[2].0, found[2].1, found.len()), ("orders", 1, 3));
        assert!(!result.is_cordoned);
        assert!(found[2].2 >= 2 * bytes && found[2].2 < 3 * bytes, "{found:?}");
        assert!(result.topics.iter().flat_map(|t| &t.partitions).all(|p| p.offset_lag == 0 && !p.is_future_key));
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_is_asked_for_and_known_is_told() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let mut kafka = gateway.kafka();
    for version in 1..=5 {
        let asked = Some(vec![("orders", vec![1, 9, 1]), ("missing", vec![0])]);
        assert_eq!(sizes(&describe(&mut kafka, version, asked).await), [("orders", 1, 0)]);
        for nothing in [vec![], vec![("orders", vec![])], vec![("orders", vec![9])]] {
            assert!(describe(&mut kafka, version, Some(nothing)).await.topics.is_empty());
        }
    }
}
