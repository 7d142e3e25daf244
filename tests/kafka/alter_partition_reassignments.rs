//! AlterPartitionReassignments (key 45).

use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::{AlterPartitionReassignmentsRequest, BrokerId};

use crate::support::{Gateway, name};

/// What Apache Kafka 4.4.0 answers to each, as the only broker.
#[tokio::test(start_paused = true)]
async fn a_partition_can_be_given_to_the_broker_that_has_it_and_to_no_other() {
    let gateway = Gateway::with(|config| config.node_id = 5);
    gateway.stream("orders", 2).await;
    let mut kafka = gateway.kafka();
    for (topic, index, replicas, code) in [
        ("orders", 0, Some(vec![5]), 0),
        ("orders", 1, Some(vec![9]), 39),
        ("orders", 1, Some(vec![5, 9]), 39),
        ("orders", 1, Some(vec![5, 5]), 39),
        ("orders", 1, Some(vec![]), 39),
        ("orders", 0, None, 85),
        ("orders", 7, Some(vec![5]), 3),
        ("missing", 0, None, 3),
    ] {
        for version in 0..=1 {
            let replicas = replicas.clone().map(|all| all.into_iter().map(BrokerId).collect());
            let partition = ReassignablePartition::default().with_partition_index(index).with_replicas(replicas);
            let topic = ReassignableTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
            let request = AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]);
            let response = kafka.call(version, request).await;
            let answer = &response.responses[0].partitions[0];
            assert_eq!((response.error_code, answer.partition_index, answer.error_code), (0, index, code));
            assert_eq!(answer.error_message.is_some(), code != 0);
        }
    }
}
