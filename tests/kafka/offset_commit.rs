//! OffsetCommit (key 8).

use std::time::Duration;

use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_commit_response::OffsetCommitResponseTopic;
use kafka_protocol::messages::{GroupId, OffsetCommitRequest};
use shardgate::kafka::wire;
use uuid::Uuid;

use crate::support::{Gateway, Member, commit, committed, name, text};

fn code(response: &kafka_protocol::messages::OffsetCommitResponse) -> i16 {
    response.topics[0].partitions[0].error_code
}

#[tokio::test(start_paused = true)]
async fn anybody_may_commit_for_a_group_without_members_in_every_version() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let mut kafka = gateway.kafka();
    for version in 2..=9 {
        let group = format!("g{version}");
        let response = kafka.call(version, commit(&group, "orders", 1, 40 + i64::from(version))).await;
        assert_eq!((&response.topics[0].name, code(&response)), (&name("orders"), 0), "version {version}");
        assert_eq!(committed(&mut kafka, &group, "orders", 1).await, 40 + i64::from(version));
        assert_eq!(committed(&mut kafka, &group, "orders", 0).await, -1);
    }
}

#[tokio::test(start_paused = true)]
async fn version_10_names_topics_by_id_and_misses_those_that_are_not_there() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let (orders, gone) = (gateway.log.stream("orders").unwrap().id().0, Uuid::from_u128(7));
    let partition =
        |partition_index: i32| wire::OffsetCommitRequestPartition { partition_index, committed_offset: 40, ..Default::default() };
    let topic = |topic_id, partitions: &[i32]| wire::OffsetCommitRequestTopic {
        topic_id,
        partitions: partitions.iter().map(|index| partition(*index)).collect(),
        ..Default::default()
    };
    let topics = vec![topic(orders, &[1, 7]), topic(gone, &[0]), topic(Uuid::nil(), &[])];
    let request = wire::OffsetCommitRequest { group_id: GroupId(text("g")), topics, ..Default::default() };
    let mut kafka = gateway.kafka();
    let response = kafka.call(10, request).await;
    let of = |topic: &OffsetCommitResponseTopic| -> Vec<_> {
        topic.partitions.iter().map(|p| (p.partition_index, p.error_code)).collect()
    };
    let answers: Vec<_> = response.topics.iter().map(|topic| (topic.topic_id, of(topic))).collect();
    assert_eq!(answers, [(orders, vec![(1, 0), (7, 3)]), (gone, vec![(0, 100)]), (Uuid::nil(), vec![])]);
    assert_eq!(committed(&mut kafka, "g", "orders", 1).await, 40);
}

#[tokio::test(start_paused = true)]
async fn each_partition_has_its_own_answer() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let partition = |index: i32, metadata: &str| {
        let metadata = Some(text(metadata));
        OffsetCommitRequestPartition::default()
            .with_partition_index(index)
            .with_committed_offset(7)
            .with_committed_metadata(metadata)
    };
    let (fits, long) = ("x".repeat(4_096), "x".repeat(4_097));
    let orders = vec![partition(0, &long), partition(7, ""), partition(1, &fits), partition(-1, "")];
    let topics = [("orders", orders), ("missing", vec![partition(0, "")])]
        .map(|(topic, partitions)| OffsetCommitRequestTopic::default().with_name(name(topic)).with_partitions(partitions));
    let mut kafka = gateway.kafka();
    let response = kafka.call(8, commit("g", "orders", 0, 0).with_topics(topics.to_vec())).await;
    let codes = |topic: usize| -> Vec<_> {
        response.topics[topic].partitions.iter().map(|p| (p.partition_index, p.error_code)).collect()
    };
    assert_eq!((codes(0), codes(1)), (vec![(0, 12), (7, 3), (1, 0), (-1, 3)], vec![(0, 3)]));
    assert_eq!((committed(&mut kafka, "g", "orders", 0).await, committed(&mut kafka, "g", "orders", 1).await), (-1, 7));
}

/// Trap 18: the codes that tell a consumer that it is no longer what it thinks.
#[tokio::test(start_paused = true)]
async fn members_commit_in_their_generation() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut member = Member::alone(&gateway, "g").await;
    assert_eq!(member.commit("orders", 5).await, 0);
    let as_member = |id: &str, generation: i32| {
        commit("g", "orders", 0, 9).with_generation_id_or_member_epoch(generation).with_member_id(text(id))
    };
    let own = member.id.clone();
    for (what, request, expected) in [
        ("nobody, where there are members", as_member("", -1), 25),
        ("a stranger", as_member("stranger", 1), 25),
        ("an old generation", as_member(&own, 0), 22),
        ("no generation", as_member(&own, -1), 22),
    ] {
        for version in [2, 9] {
            assert_eq!(code(&member.kafka.call(version, request.clone()).await), expected, "{what}, version {version}");
        }
    }
    assert_eq!(committed(&mut member.kafka, "g", "orders", 0).await, 5);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_does_not_exist_has_an_error_of_its_own_since_version_9() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    for version in 2..=9 {
        let request = commit("unknown", "orders", 0, 1).with_generation_id_or_member_epoch(3).with_member_id(text("m"));
        assert_eq!(code(&kafka.call(version, request).await), if version >= 9 { 69 } else { 22 });
    }
}

/// Trap 18.
#[tokio::test(start_paused = true)]
async fn a_commit_is_accepted_while_members_gather_and_not_while_shares_are_made() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut first = Member::alone(&gateway, "g").await;
    let mut second = Member::new(&gateway, "g").await;
    second.send_join().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(first.commit("orders", 5).await, 0);
    first.send_join().await;
    assert_eq!((first.joined().await.generation_id, second.joined().await.generation_id), (2, 2));
    assert_eq!(first.commit("orders", 6).await, 27);
    assert_eq!(first.sync(&[]).await.error_code, 0);
    assert_eq!(first.commit("orders", 7).await, 0);
    assert_eq!(committed(&mut first.kafka, "g", "orders", 0).await, 7);
}

/// Trap 18.
#[tokio::test(start_paused = true)]
async fn a_fenced_static_member_commits_nothing() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut before = Member::fixed(&gateway, "g", "i").await;
    let mut after = Member::fixed(&gateway, "g", "i").await;
    assert_eq!((before.commit("orders", 5).await, after.commit("orders", 6).await), (82, 0));
}

#[tokio::test(start_paused = true)]
async fn offsets_survive_a_restart() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    gateway.kafka().call(8, commit("g", "orders", 0, 5)).await;
    let gateway = gateway.restarted();
    assert_eq!(committed(&mut gateway.kafka(), "g", "orders", 0).await, 5);
}

#[tokio::test(start_paused = true)]
async fn offsets_end_when_the_group_has_been_without_members_for_a_week_or_as_an_old_client_said() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let mut kafka = gateway.kafka();
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    for (group, version, retention) in [("week", 9, -1), ("hour", 4, 3_600_000), ("default", 2, -1)] {
        assert_eq!(code(&kafka.call(version, commit(group, "orders", 0, 5).with_retention_time_ms(retention)).await), 0);
    }
    let mut kept = Vec::new();
    for pause in [hours(0), hours(2), hours(7 * 24)] {
        tokio::time::sleep(pause).await;
        for group in ["week", "hour", "default"] {
            kept.push(committed(&mut kafka, group, "orders", 0).await);
        }
    }
    assert_eq!(kept, [5, 5, 5, 5, -1, 5, -1, -1, -1]);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_topics_is_answered_without_topics() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for version in 2..=9 {
        assert!(kafka.call(version, OffsetCommitRequest::default()).await.topics.is_empty());
    }
}
