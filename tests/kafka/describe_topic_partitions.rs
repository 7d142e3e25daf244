//! DescribeTopicPartitions (key 75).

use kafka_protocol::messages::DescribeTopicPartitionsRequest;
use kafka_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};

use crate::support::{Gateway, Kafka, name};

/// A topic's name and error, and the numbers of its partitions.
type Found = (String, i16, Vec<i32>);

async fn describe(
    kafka: &mut Kafka,
    topics: &[&'static str],
    limit: i32,
    from: Option<(&'static str, i32)>,
) -> (Vec<Found>, Option<(String, i32)>) {
    let cursor = from.map(|(topic, index)| Cursor::default().with_topic_name(name(topic)).with_partition_index(index));
    let topics = topics.iter().map(|topic| TopicRequest::default().with_name(name(topic))).collect();
    let request = DescribeTopicPartitionsRequest::default().with_topics(topics).with_response_partition_limit(limit);
    let response = kafka.call(0, request.with_cursor(cursor)).await;
    let found = response.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            assert_eq!((partition.error_code, partition.leader_epoch), (0, 0));
            assert_eq!(
                (&partition.replica_nodes[..], &partition.isr_nodes[..]),
                (&[partition.leader_id][..], &[partition.leader_id][..])
            );
            assert!(partition.eligible_leader_replicas.as_ref().is_some_and(Vec::is_empty));
            partition.partition_index
        });
        (topic.name.unwrap_or_default().to_string(), topic.error_code, partitions.collect())
    });
    (found.collect(), response.next_cursor.map(|next| (next.topic_name.to_string(), next.partition_index)))
}

/// What Apache Kafka 4.4.0 answers to each, with the same topics.
#[tokio::test(start_paused = true)]
async fn topics_are_described_by_name_page_by_page() {
    let gateway = Gateway::start();
    for topic in ["orders", "aa"] {
        gateway.stream(topic, 2).await;
    }
    let mut kafka = gateway.kafka();
    let topic = |topic: &str, partitions: &[i32]| (topic.to_owned(), 0, partitions.to_vec());
    let error = |topic: &str, code| (topic.to_owned(), code, vec![]);
    let next = |topic: &str, index| Some((topic.to_owned(), index));
    for (named, limit, from, expected) in [
        (&["orders", "aa", "orders"][..], 2_000, None, (vec![topic("aa", &[0, 1]), topic("orders", &[0, 1])], None)),
        (&["orders", "aa"], 2, None, (vec![topic("aa", &[0, 1])], next("orders", 0))),
        (&["orders", "aa"], 3, None, (vec![topic("aa", &[0, 1]), topic("orders", &[0])], next("orders", 1))),
        (&[], 2, Some(("aa", 1)), (vec![topic("aa", &[1]), topic("orders", &[0])], next("orders", 1))),
        (&[], 9, Some(("b", 1)), (vec![topic("orders", &[0, 1])], None)),
        (&["ab", "aa"], 2, None, (vec![topic("aa", &[0, 1])], next("ab", 0))),
        (&["orders"], 0, None, (vec![topic("orders", &[0])], next("orders", 1))),
        (&["orders"], -1, Some(("orders", 1)), (vec![topic("orders", &[1])], None)),
        (&["orders"], 10, Some(("orders", 9)), (vec![topic("orders", &[])], None)),
        (&["orders"], 10, Some(("orders", -1)), (vec![error("orders", 42)], None)),
        (&["orders"], 10, Some(("zzz", 0)), (vec![error("orders", 42)], None)),
        (&["nope", "bad name"], 10, None, (vec![error("bad name", 17), error("nope", 3)], None)),
    ] {
        assert_eq!(describe(&mut kafka, named, limit, from).await, expected, "{named:?}, {limit}, {from:?}");
    }
}
