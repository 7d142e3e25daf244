//! FindCoordinator (key 10).

use kafka_protocol::messages::FindCoordinatorRequest;
use kafka_protocol::protocol::StrBytes;

use crate::support::Gateway;

#[tokio::test(start_paused = true)]
async fn this_broker_coordinates_every_group_and_every_transactional_id() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for version in 0..=3 {
        let response = kafka.call(version, FindCoordinatorRequest::default().with_key(StrBytes::from_static_str("g"))).await;
        assert_eq!((response.error_code, *response.node_id, response.host.as_str(), response.port), (0, 0, "10.0.0.1", 9_092));
    }
    for (version, key_type) in (4..=6).flat_map(|version| [(version, 0), (version, 1)]) {
        let keys = ["g", "h"].map(StrBytes::from_static_str).to_vec();
        let request = FindCoordinatorRequest::default().with_key_type(key_type).with_coordinator_keys(keys);
        let response = kafka.call(version, request).await;
        let found: Vec<_> =
            response.coordinators.iter().map(|c| (c.key.as_str(), c.error_code, c.host.as_str(), c.port)).collect();
        assert_eq!(found, [("g", 0, "10.0.0.1", 9_092), ("h", 0, "10.0.0.1", 9_092)]);
    }
}

#[tokio::test(start_paused = true)]
async fn this_broker_coordinates_every_partition_of_every_share_group() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for (key, code) in [
        ("g:AAAAAAAAAAAAAAAAAAAAAQ:0", 0),
        ("a:group:with:colons:AAAAAAAAAAAAAAAAAAAAAQ:7", 0),
        ("g:AAAAAAAAAAAAAAAAAAAAAQ", 42),
        (" :AAAAAAAAAAAAAAAAAAAAAQ:0", 42),
        ("g:AAAA:0", 42),
        ("g:!:0", 42),
        ("g:AAAAAAAAAAAAAAAAAAAAAQ:x", 42),
        ("", 42),
    ] {
        let keys = vec![StrBytes::from_static_str(key)];
        let request = FindCoordinatorRequest::default().with_key_type(2).with_coordinator_keys(keys);
        let response = kafka.call(6, request).await;
        let found = &response.coordinators[0];
        assert_eq!((found.error_code, found.port), (code, if code == 0 { 9_092 } else { -1 }), "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn other_key_types_are_refused_for_good() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for (key_type, code) in [(2, 42), (-1, 42), (99, 42)] {
        for version in 1..=6 {
            let request = FindCoordinatorRequest::default().with_key_type(key_type);
            let key = StrBytes::from_static_str("t");
            if version >= 4 {
                let response = kafka.call(version, request.with_coordinator_keys(vec![key])).await;
                let refused = &response.coordinators[0];
                assert_eq!((refused.error_code, *refused.node_id, refused.port), (code, -1, -1));
            } else {
                let response = kafka.call(version, request.with_key(key)).await;
                assert_eq!((response.error_code, *response.node_id, response.port), (code, -1, -1));
            }
        }
    }
}
