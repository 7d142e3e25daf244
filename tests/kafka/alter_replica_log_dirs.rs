//! AlterReplicaLogDirs (key 34).

use kafka_protocol::messages::AlterReplicaLogDirsRequest;
use kafka_protocol::messages::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};

use crate::support::{Gateway, name, text};

/// What Apache Kafka 4.4.0 answers to each.
#[tokio::test(start_paused = true)]
async fn a_partition_can_be_moved_to_where_it_is() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let mut kafka = gateway.kafka();
    for version in 1..=2 {
        for (place, codes) in [("memory", [0, 3, 3]), ("/elsewhere", [57, 57, 57])] {
            let topic = |topic, partitions: &[i32]| {
                AlterReplicaLogDirTopic::default().with_name(name(topic)).with_partitions(partitions.to_vec())
            };
            let topics = vec![topic("orders", &[1, 7]), topic("missing", &[0])];
            let dir = AlterReplicaLogDir::default().with_path(text(place)).with_topics(topics);
            let response = kafka.call(version, AlterReplicaLogDirsRequest::default().with_dirs(vec![dir])).await;
            let found: Vec<_> = response.results.iter().flat_map(|topic| topic.partitions.iter().map(|p| p.error_code)).collect();
            assert_eq!(found, codes, "{place}");
        }
    }
}
