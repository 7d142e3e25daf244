//! ApiVersions (key 18).

use kafka_protocol::messages::{ApiVersionsResponse, DescribeClusterRequest};
use kafka_protocol::protocol::StrBytes;
use shardgate::kafka::wire::ApiVersionsRequest;

use crate::support::{Gateway, text};

fn request(name: &'static str, version: &'static str) -> ApiVersionsRequest {
    ApiVersionsRequest {
        client_software_name: StrBytes::from_static_str(name),
        client_software_version: StrBytes::from_static_str(version),
        ..ApiVersionsRequest::default()
    }
}

fn range(response: &ApiVersionsResponse, key: i16) -> Option<(i16, i16)> {
    response.api_keys.iter().find(|api| api.api_key == key).map(|api| (api.min_version, api.max_version))
}

/// Trap 2: Produce and FindCoordinator are advertised from 0, or librdkafka silently stops compressing.
#[tokio::test(start_paused = true)]
async fn every_version_names_every_api() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for version in 0..=5 {
        let request = if version >= 3 { request("librdkafka", "2.16.0") } else { ApiVersionsRequest::default() };
        let response = kafka.call(version, request).await;
        assert_eq!(response.error_code, 0);
        let named: Vec<_> = response.api_keys.iter().map(|api| (api.api_key, api.min_version..=api.max_version)).collect();
        assert_eq!(named, shardgate::kafka::supported().map(|api| (api.key, api.advertised)).collect::<Vec<_>>());
        // librdkafka stops compressing if Produce begins above 0, and finds lz4 by FindCoordinator from 0.
        assert_eq!((range(&response, 0), range(&response, 10)), (Some((0, 13)), Some((0, 6))));
        // KIP-890, KIP-848, KIP-932 and KIP-1071, for clients that know features; those with a minimum of 0 only for clients that take them.
        let finalized: Vec<_> = response.finalized_features.iter().map(|it| (it.name.as_str(), it.max_version_level)).collect();
        let levels = [("transaction.version", 2), ("group.version", 1), ("share.version", 1), ("streams.version", 1)];
        assert_eq!(finalized, if version >= 3 { levels.to_vec() } else { vec![] });
        let supported: Vec<_> = response.supported_features.iter().map(|it| (it.name.as_str(), it.max_version)).collect();
        assert_eq!(supported, if version >= 4 { levels.to_vec() } else { vec![] });
    }
}

/// Trap 1: the answer is readable whatever the client knows, so it steps down.
#[tokio::test(start_paused = true)]
async fn a_version_that_is_not_served_is_answered_in_version_0_with_what_is() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for version in [6, 99, i16::MAX, -1] {
        kafka.send_body(18, version, 2, b"what this version would say").await;
        let response: ApiVersionsResponse = kafka.receive_as(0).await;
        assert_eq!((response.error_code, range(&response, 18)), (35, Some((0, 5))));
    }
    assert_eq!(kafka.call(4, request("java", "4.4.0")).await.error_code, 0);
}

/// Trap 20: what Apache Kafka 4.4.0 answers to each.
#[tokio::test(start_paused = true)]
async fn a_client_that_means_another_cluster_or_node_is_told_to_look_for_its_brokers_anew() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    let here = kafka.call(2, DescribeClusterRequest::default()).await;
    let (cluster, node) = (here.cluster_id.to_string(), here.brokers[0].broker_id.0);
    for (cluster_id, node_id, code) in [
        (Some(cluster.as_str()), node, 0),
        (None, -1, 0),
        (Some(cluster.as_str()), node + 1, 129),
        (Some("another"), node, 129),
        (Some("another"), -1, 42),
        (Some(cluster.as_str()), -1, 42),
        (None, node, 42),
    ] {
        let request = ApiVersionsRequest { cluster_id: cluster_id.map(text), node_id, ..request("java", "4.4.0") };
        let response = kafka.call(5, request).await;
        assert_eq!((response.error_code, response.api_keys.is_empty()), (code, code != 0), "{cluster_id:?} {node_id}");
    }
}

/// Trap 1: librdkafka then asks again in version 0.
#[tokio::test(start_paused = true)]
async fn a_software_name_out_of_the_alphabet_is_an_invalid_request() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for (name, version) in [("", ""), ("a b", "1"), ("a", "-1")] {
        let response = kafka.call(3, request(name, version)).await;
        assert_eq!((response.error_code, response.api_keys.len()), (42, 0));
    }
}
