//! ElectLeaders (key 43).

use kafka_protocol::messages::ElectLeadersRequest;
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;

use crate::support::{Gateway, name};

fn request(topics: Option<&[(&'static str, &[i32])]>) -> ElectLeadersRequest {
    let topic = |(topic, partitions): &(&'static str, &[i32])| {
        TopicPartitions::default().with_topic(name(topic)).with_partitions(partitions.to_vec())
    };
    ElectLeadersRequest::default().with_topic_partitions(topics.map(|topics| topics.iter().map(topic).collect()))
}

/// What Apache Kafka 4.4.0 answers to each, as one broker.
#[tokio::test(start_paused = true)]
async fn no_partition_needs_another_leader() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let mut kafka = gateway.kafka();
    for (version, election, whole, codes) in
        [(0, 0, 0, [84, 3, 3]), (1, 0, 0, [84, 3, 3]), (2, 1, 0, [84, 3, 3]), (2, 2, 42, [42, 42, 42])]
    {
        let asked = request(Some(&[("orders", &[0, 9]), ("missing", &[0])])).with_election_type(election);
        let response = kafka.call(version, asked).await;
        let found: Vec<_> = response
            .replica_election_results
            .iter()
            .flat_map(|topic| topic.partition_result.iter().map(|p| (topic.topic.as_str(), p.partition_id, p.error_code)))
            .collect();
        assert_eq!(
            (response.error_code, &found[..]),
            (whole, &[("orders", 0, codes[0]), ("orders", 9, codes[1]), ("missing", 0, codes[2])][..])
        );
    }
    let all = kafka.call(2, request(None)).await.replica_election_results;
    assert_eq!(all.len(), 1);
    assert!(all[0].topic == name("orders") && all[0].partition_result.is_empty());
}
