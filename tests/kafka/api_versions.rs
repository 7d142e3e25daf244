//! ApiVersions (key 18).

use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::StrBytes;

use crate::support::Gateway;

fn request(name: &'static str, version: &'static str) -> ApiVersionsRequest {
    ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str(name))
        .with_client_software_version(StrBytes::from_static_str(version))
}

fn range(response: &ApiVersionsResponse, key: i16) -> Option<(i16, i16)> {
    response.api_keys.iter().find(|api| api.api_key == key).map(|api| (api.min_version, api.max_version))
}

/// Trap 2: Produce and FindCoordinator are advertised from 0, or librdkafka silently stops compressing.
#[tokio::test(start_paused = true)]
async fn every_version_names_every_api() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for version in 0..=4 {
        let request = if version >= 3 { request("librdkafka", "2.16.0") } else { ApiVersionsRequest::default() };
        let response = kafka.call(version, request).await;
        assert_eq!(response.error_code, 0);
        let named: Vec<_> = response.api_keys.iter().map(|api| (api.api_key, api.min_version..=api.max_version)).collect();
        assert_eq!(named, shardgate::kafka::supported().map(|api| (api.key, api.advertised)).collect::<Vec<_>>());
        // librdkafka stops compressing if Produce begins above 0, and finds lz4 by FindCoordinator from 0.
        assert_eq!((range(&response, 0), range(&response, 10)), (Some((0, 13)), Some((0, 6))));
        // KIP-890, for clients that know features; those with a minimum of 0 only for clients that take them.
        let finalized: Vec<_> = response.finalized_features.iter().map(|it| (it.name.as_str(), it.max_version_level)).collect();
        assert_eq!(finalized, if version >= 3 { vec![("transaction.version", 2)] } else { vec![] });
        let supported: Vec<_> = response.supported_features.iter().map(|it| (it.name.as_str(), it.max_version)).collect();
        assert_eq!(supported, if version >= 4 { vec![("transaction.version", 2)] } else { vec![] });
    }
}

/// Traps 1, 20: the answer is readable whatever the client knows, so Java 4.4, which opens with version 5 and the node it means
/// (KIP-1242), steps down instead of being sent elsewhere.
#[tokio::test(start_paused = true)]
async fn a_version_that_is_not_served_is_answered_in_version_0_with_what_is() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for version in [5, 99, i16::MAX, -1] {
        kafka.send_body(18, version, 2, b"what this version would say").await;
        let response: ApiVersionsResponse = kafka.receive_as(0).await;
        assert_eq!((response.error_code, range(&response, 18)), (35, Some((0, 4))));
    }
    assert_eq!(kafka.call(4, request("java", "4.4.0")).await.error_code, 0);
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
