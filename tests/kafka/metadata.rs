//! Metadata (key 3).

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{MetadataRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use shardgate::kafka::Listener;
use uuid::Uuid;

use crate::support::{Gateway, Kafka};

fn topic(name: &str) -> MetadataRequestTopic {
    MetadataRequestTopic::default().with_name(Some(TopicName(StrBytes::from_string(name.to_owned()))))
}

fn ask(names: &[&str]) -> MetadataRequest {
    MetadataRequest::default()
        .with_topics(Some(names.iter().map(|name| topic(name)).collect()))
        .with_allow_auto_topic_creation(true)
}

async fn topics(kafka: &mut Kafka, version: i16, request: MetadataRequest) -> Vec<MetadataResponseTopic> {
    kafka.call(version, request).await.topics
}

fn text(topic: &MetadataResponseTopic) -> &str {
    topic.name.as_ref().map_or("", |name| name.as_str())
}

#[tokio::test(start_paused = true)]
async fn every_version_tells_of_broker_and_topics() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 3).await;
    let mut kafka = gateway.kafka();
    for version in 0..=13 {
        let response = kafka.call(version, ask(&["orders"])).await;
        let broker = &response.brokers[0];
        assert_eq!((broker.host.as_str(), broker.port, *broker.node_id), ("10.0.0.1", 9_092, 0));
        assert_eq!(response.cluster_id.is_some(), version >= 2);
        let topic = &response.topics[0];
        assert_eq!((topic.error_code, text(topic), topic.is_internal), (0, "orders", false));
        assert_eq!(topic.topic_id, if version >= 10 { stream.id().0 } else { Uuid::nil() });
        let partitions: Vec<_> =
            topic.partitions.iter().map(|p| (p.partition_index, *p.leader_id, p.replica_nodes.len())).collect();
        assert_eq!(partitions, [(0, 0, 1), (1, 0, 1), (2, 0, 1)]);
        assert_eq!(topic.partitions[0].leader_epoch, if version >= 7 { 0 } else { -1 });
        assert_eq!(topic.topic_authorized_operations, i32::MIN);
    }
}

#[tokio::test(start_paused = true)]
async fn all_topics_are_asked_for_with_nothing() {
    let gateway = Gateway::start();
    gateway.stream("b", 1).await;
    gateway.stream("a", 1).await;
    let mut kafka = gateway.kafka();
    assert_eq!(topics(&mut kafka, 0, ask(&[])).await.len(), 2);
    for version in 1..=13 {
        assert_eq!(topics(&mut kafka, version, MetadataRequest::default().with_topics(None)).await.len(), 2);
        assert_eq!(topics(&mut kafka, version, ask(&[])).await.len(), 0);
    }
}

/// Trap 17: test suites rely on it.
#[tokio::test(start_paused = true)]
async fn a_missing_topic_is_created_if_door_and_client_agree() {
    for (door, client, version, created) in
        [(true, true, 9, true), (true, false, 9, false), (false, true, 9, false), (true, false, 3, true)]
    {
        let gateway = Gateway::with(|config| config.auto_create_topics = door);
        let mut request = ask(&["new"]);
        if version >= 4 {
            request.allow_auto_topic_creation = client;
        }
        let answer = topics(&mut gateway.kafka(), version, request).await;
        assert_eq!((answer[0].error_code, answer[0].partitions.len()), if created { (0, 2) } else { (3, 0) });
        assert_eq!(gateway.log.stream("new").is_some(), created);
    }
}

#[tokio::test(start_paused = true)]
async fn names_that_no_topic_can_have_are_refused() {
    let gateway = Gateway::start();
    let long = "x".repeat(129);
    let wrong = ["", ".", "..", "a b", "ä", &long];
    let answer = topics(&mut gateway.kafka(), 9, ask(&wrong)).await;
    assert_eq!(answer.iter().map(|topic| (text(topic), topic.error_code)).collect::<Vec<_>>(), wrong.map(|name| (name, 17)));
    assert!(gateway.log.streams().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_topic_asked_for_twice_is_answered_once() {
    let gateway = Gateway::start();
    let answer = topics(&mut gateway.kafka(), 9, ask(&["a", "b", "a"])).await;
    assert_eq!(answer.iter().map(text).collect::<Vec<_>>(), ["a", "b"]);
}

/// Trap 3: every topic has an id that is not zero.
#[tokio::test(start_paused = true)]
async fn topics_are_found_by_id() {
    let gateway = Gateway::start();
    let id = gateway.stream("orders", 1).await.id().0;
    let unknown = Uuid::from_u128(7);
    let mut kafka = gateway.kafka();
    for version in [12, 13] {
        let by_id = |id| MetadataRequestTopic::default().with_topic_id(id).with_name(None);
        let answer =
            topics(&mut kafka, version, MetadataRequest::default().with_topics(Some(vec![by_id(id), by_id(unknown)]))).await;
        assert_eq!((answer[0].error_code, text(&answer[0]), answer[0].topic_id), (0, "orders", id));
        assert_eq!((answer[1].error_code, text(&answer[1]), answer[1].topic_id), (100, "", unknown));
        assert!(answer[1].name.is_none());
    }
    // Before that the request fails as a whole.
    for version in [10, 11] {
        let named = MetadataRequestTopic::default().with_name(Some(TopicName("orders".into())));
        let asked = vec![named, MetadataRequestTopic::default().with_topic_id(id).with_name(Some(TopicName::default()))];
        let answer = kafka.call(version, MetadataRequest::default().with_topics(Some(asked))).await;
        assert_eq!(answer.topics.iter().map(|topic| topic.error_code).collect::<Vec<_>>(), [42, 42]);
        assert_eq!((answer.brokers.len(), answer.cluster_id), (0, None));
    }
}

#[tokio::test(start_paused = true)]
async fn everything_is_allowed_to_everybody_who_asks_what_is() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    for version in 8..=13 {
        let cluster = version <= 10;
        let request =
            ask(&["orders"]).with_include_topic_authorized_operations(true).with_include_cluster_authorized_operations(cluster);
        let response = kafka.call(version, request).await;
        assert_eq!(response.topics[0].topic_authorized_operations, 3_576);
        assert_eq!(response.cluster_authorized_operations, if cluster { 8_096 } else { i32::MIN });
    }
}

#[tokio::test(start_paused = true)]
async fn an_advertised_address_is_told_instead_of_the_clients_own() {
    let gateway = Gateway::start();
    let advertised = Some(("broker.example".to_owned(), 19_092));
    let mut kafka = gateway.kafka_at(Listener { advertised, ..Listener::default() });
    let response = kafka.call(9, ask(&[])).await;
    assert_eq!((response.brokers[0].host.as_str(), response.brokers[0].port), ("broker.example", 19_092));
}

/// Trap 11: clients ignore metadata whose leader epoch has gone back, so it is the same after a restart; and so are id and node.
#[tokio::test(start_paused = true)]
async fn a_restart_changes_neither_ids_nor_epochs() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let before = gateway.kafka().call(12, ask(&["orders"])).await;
    let gateway = gateway.restarted();
    let after = gateway.kafka().call(12, ask(&["orders"])).await;
    assert_eq!(before, after);
    assert!(after.topics[0].partitions.iter().all(|partition| partition.leader_epoch == 0));
}
