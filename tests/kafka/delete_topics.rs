//! DeleteTopics (key 20).

use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{DeleteTopicsRequest, FetchRequest, TopicName};
use tokio::time::{Duration, Instant};
use uuid::Uuid;

use crate::support::{Gateway, batch, commit, committed, name, produce, text};

/// A request for topics by name, in any version's format.
fn by_name(version: i16, names: &[&str]) -> DeleteTopicsRequest {
    let names = names.iter().map(|name| TopicName(text(name)));
    if version < 6 {
        return DeleteTopicsRequest::default().with_topic_names(names.collect());
    }
    DeleteTopicsRequest::default().with_topics(names.map(|name| DeleteTopicState::default().with_name(Some(name))).collect())
}

#[tokio::test(start_paused = true)]
async fn a_topic_is_gone_when_the_answer_is_there_in_every_version() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for version in 1..=6 {
        gateway.stream("orders", 2).await;
        kafka.produce("orders", 0, batch(&["a"])).await;
        kafka.call(8, commit("g", "orders", 0, 1)).await;
        let response = kafka.call(version, by_name(version, &["orders", "missing"])).await;
        let codes = response.responses.iter().map(|r| (r.name.as_ref().unwrap().as_str(), r.error_code));
        assert_eq!(codes.collect::<Vec<_>>(), [("orders", 0), ("missing", 3)], "version {version}");
        assert_eq!(response.responses[1].error_message.is_some(), version >= 5);
        assert!(gateway.log.stream("orders").is_none());
        assert_eq!(kafka.produce("orders", 0, batch(&["b"])).await.error_code, 3);
        gateway.stream("orders", 1).await;
        assert_eq!(committed(&mut kafka, "g", "orders", 0).await, -1, "a new topic begins without the old one's offsets");
        assert_eq!(kafka.produce("orders", 0, batch(&["c"])).await.base_offset, 0);
        kafka.call(version, by_name(version, &["orders"])).await;
    }
}

/// Trap 3: a topic that is deleted and created again has another id, and whoever knows the old one is told so.
#[tokio::test(start_paused = true)]
async fn the_id_of_a_topic_dies_with_it() {
    let gateway = Gateway::start();
    let old = gateway.stream("orders", 1).await.id().0;
    let mut kafka = gateway.kafka();
    kafka.call(6, by_name(6, &["orders"])).await;
    let new = gateway.stream("orders", 1).await.id().0;
    assert!(new != old && !new.is_nil() && !old.is_nil());
    for (id, code) in [(old, 100), (new, 0)] {
        let mut request = produce("orders", 0, Some(batch(&["a"])));
        request.topic_data[0].topic_id = id;
        assert_eq!(kafka.call(13, request).await.responses[0].partition_responses[0].error_code, code);
        let topic = FetchTopic::default().with_topic_id(id).with_partitions(vec![FetchPartition::default()]);
        let response = kafka.call(13, FetchRequest::default().with_topics(vec![topic])).await;
        assert_eq!(response.responses[0].partitions[0].error_code, code);
    }
}

#[tokio::test(start_paused = true)]
async fn topics_are_named_by_id_too_since_version_6() {
    let gateway = Gateway::start();
    let id = gateway.stream("orders", 1).await.id().0;
    let state =
        |name: Option<&'static str>, id| DeleteTopicState::default().with_name(name.map(crate::support::name)).with_topic_id(id);
    let unknown = Uuid::from_u128(7);
    let topics = vec![state(None, unknown), state(Some("orders"), id), state(None, Uuid::nil()), state(None, id)];
    let response = gateway.kafka().call(6, DeleteTopicsRequest::default().with_topics(topics)).await;
    let answers = response.responses.iter().map(|r| (r.name.clone(), r.topic_id, r.error_code));
    assert_eq!(
        answers.collect::<Vec<_>>(),
        [(None, unknown, 100), (Some(name("orders")), id, 42), (None, Uuid::nil(), 42), (Some(name("orders")), id, 0)]
    );
    assert!(gateway.log.stream("orders").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_topic_named_by_its_name_and_by_its_id_is_kept() {
    let gateway = Gateway::start();
    let id = gateway.stream("orders", 1).await.id().0;
    gateway.stream("others", 1).await;
    let by_name = |name: &'static str| DeleteTopicState::default().with_name(Some(crate::support::name(name)));
    let topics = vec![by_name("orders"), by_name("others"), DeleteTopicState::default().with_topic_id(id)];
    let response = gateway.kafka().call(6, DeleteTopicsRequest::default().with_topics(topics)).await;
    let answers: Vec<_> = response.responses.iter().map(|r| (r.name.clone(), r.error_code)).collect();
    assert_eq!(answers, [(Some(name("orders")), 42), (Some(name("others")), 0)]);
    assert_eq!(response.responses[0].topic_id, id);
    assert!(gateway.log.stream("orders").is_some() && gateway.log.stream("others").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_topic_named_twice_is_kept() {
    let gateway = Gateway::start();
    gateway.stream("a", 1).await;
    let response = gateway.kafka().call(5, by_name(5, &["a", "a"])).await;
    assert_eq!(response.responses.iter().map(|r| r.error_code).collect::<Vec<_>>(), [42]);
    assert!(gateway.log.stream("a").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_hears_at_once_that_its_topic_is_gone() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let (mut reader, mut admin) = (gateway.kafka(), gateway.kafka());
    let partition = FetchPartition::default().with_partition_max_bytes(1_000);
    let topic = FetchTopic::default().with_topic(name("orders")).with_partitions(vec![partition]);
    reader.send(11, &FetchRequest::default().with_topics(vec![topic]).with_min_bytes(1).with_max_wait_ms(60_000)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    admin.call(6, by_name(6, &["orders"])).await;
    let response = reader.receive::<FetchRequest>(11).await;
    assert_eq!(response.responses[0].partitions[0].error_code, 3);
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_topic_stays_deleted_after_a_restart() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    gateway.kafka().call(6, by_name(6, &["orders"])).await;
    assert!(gateway.restarted().log.streams().is_empty());
}
