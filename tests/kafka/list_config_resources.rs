//! ListConfigResources (key 74).

use kafka_protocol::messages::ListConfigResourcesRequest;

use crate::support::Gateway;

/// What Apache Kafka 4.4.0 answers to each.
#[tokio::test(start_paused = true)]
async fn topics_and_the_broker_have_configs() {
    let gateway = Gateway::with(|config| config.node_id = 5);
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    let (topic, broker, logger) = (("orders", 2), ("5", 4), ("5", 8));
    for (version, kinds, code, expected) in [
        (0, vec![], 0, vec![]),
        (1, vec![], 0, vec![topic, broker, logger]),
        (1, vec![2, 2], 0, vec![topic]),
        (1, vec![32, 4, 4], 0, vec![broker]),
        (1, vec![8, 16], 0, vec![logger]),
        (1, vec![4, 99], 35, vec![]),
        (1, vec![0], 35, vec![]),
    ] {
        let response = kafka.call(version, ListConfigResourcesRequest::default().with_resource_types(kinds.clone())).await;
        let found: Vec<_> = response.config_resources.iter().map(|r| (r.resource_name.as_str(), r.resource_type)).collect();
        assert_eq!((response.error_code, found), (code, expected), "{kinds:?}");
    }
}
