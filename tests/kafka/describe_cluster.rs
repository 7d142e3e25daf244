//! DescribeCluster (key 60).

use kafka_protocol::messages::{DescribeClusterRequest, FindCoordinatorRequest, MetadataRequest};

use crate::support::{Gateway, text};

/// Trap 20: a client of Kafka 4.4 checks the node that answers against the one that was advertised (KIP-1242); it is the same
/// wherever it is told.
#[tokio::test(start_paused = true)]
async fn the_cluster_is_one_broker_and_the_same_in_every_answer() {
    let gateway = Gateway::with(|config| config.node_id = 5);
    let mut kafka = gateway.kafka();
    let metadata = kafka.call(9, MetadataRequest::default()).await;
    let coordinator = kafka.call(3, FindCoordinatorRequest::default().with_key(text("g"))).await;
    let known = &metadata.brokers[0];
    assert_eq!((*known.node_id, *metadata.controller_id, *coordinator.node_id), (5, 5, 5));
    assert_eq!((&coordinator.host, coordinator.port), (&known.host, known.port));
    for version in 0..=2 {
        let cluster = kafka.call(version, DescribeClusterRequest::default()).await;
        assert_eq!((cluster.error_code, Some(&cluster.cluster_id)), (0, metadata.cluster_id.as_ref()));
        assert_eq!(cluster.cluster_id.len(), 22);
        let [broker] = &cluster.brokers[..] else { panic!("{} brokers", cluster.brokers.len()) };
        assert_eq!((broker.broker_id, &broker.host, broker.port), (known.node_id, &known.host, known.port));
        assert_eq!((cluster.controller_id, broker.is_fenced), (known.node_id, false));
        assert_eq!(cluster.cluster_authorized_operations, i32::MIN);
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_is_told_what_is_allowed() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for version in 0..=2 {
        let request = DescribeClusterRequest::default().with_include_cluster_authorized_operations(true);
        assert_eq!(kafka.call(version, request).await.cluster_authorized_operations, 8_096);
    }
}

#[tokio::test(start_paused = true)]
async fn controllers_have_no_endpoint_here() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for version in 1..=2 {
        for (kind, code) in [(1, 0), (2, 114), (0, 115), (9, 115)] {
            let response = kafka.call(version, DescribeClusterRequest::default().with_endpoint_type(kind)).await;
            assert_eq!((response.error_code, response.error_message.is_some()), (code, code != 0), "type {kind}");
        }
    }
}
