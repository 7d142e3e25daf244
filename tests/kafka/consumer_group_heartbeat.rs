//! ConsumerGroupHeartbeat and ConsumerGroupDescribe (keys 68 and 69).

use std::time::Duration;

use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, DeleteGroupsRequest,
    DescribeGroupsRequest, GroupId, IncrementalAlterConfigsRequest, ListGroupsRequest,
};
use uuid::Uuid;

use crate::support::{Gateway, Kafka, Member, commit, committed, name, text};

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const GROUP: i8 = 32;

/// Somebody who joins and reads `orders`.
fn joining(group: &str, member: &str) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_member_id(text(member))
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_names(Some(vec![name("orders")]))
        .with_topic_partitions(Some(vec![]))
}

/// The same, in its epoch, with nothing new to say.
fn staying(group: &str, member: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_member_id(text(member))
        .with_member_epoch(epoch)
        .with_rebalance_timeout_ms(-1)
}

fn owning(request: ConsumerGroupHeartbeatRequest, topic: Uuid, partitions: &[i32]) -> ConsumerGroupHeartbeatRequest {
    let owned = TopicPartitions::default().with_topic_id(topic).with_partitions(partitions.to_vec());
    request.with_topic_partitions(Some(vec![owned]))
}

/// The partitions in an answer, if it has any to tell.
fn told(response: &ConsumerGroupHeartbeatResponse) -> Option<Vec<i32>> {
    let assignment = response.assignment.as_ref()?;
    Some(assignment.topic_partitions.iter().flat_map(|topic| topic.partitions.iter().copied()).collect())
}

/// Sets a config of a group; the error code.
async fn set(kafka: &mut Kafka, group: &str, key: &str, operation: i8, value: &str) -> i16 {
    let config = AlterableConfig::default().with_name(text(key)).with_config_operation(operation);
    let resource = AlterConfigsResource::default().with_resource_type(GROUP).with_resource_name(text(group));
    let resource = resource.with_configs(vec![config.with_value(Some(text(value)))]);
    kafka.call(1, IncrementalAlterConfigsRequest::default().with_resources(vec![resource])).await.responses[0].error_code
}

/// Has a group assigned anew whenever something calls for it.
async fn assign_at_once(kafka: &mut Kafka, group: &str) {
    assert_eq!(set(kafka, group, "consumer.assignment.interval.ms", SET, "0").await, 0);
}

async fn beat(kafka: &mut Kafka, request: ConsumerGroupHeartbeatRequest) -> (i16, i32, Option<Vec<i32>>) {
    let response = kafka.call(1, request).await;
    (response.error_code, response.member_epoch, told(&response))
}

#[tokio::test(start_paused = true)]
async fn two_members_share_a_topic_and_go_on_after_a_restart() {
    let mut gateway = Gateway::start();
    let orders = gateway.stream("orders", 2).await.id().0;
    let mut kafka = gateway.kafka();
    assign_at_once(&mut kafka, "g").await;
    assert_eq!(beat(&mut kafka, joining("g", "a")).await, (0, 1, Some(vec![0, 1])));
    assert_eq!(beat(&mut kafka, joining("g", "b")).await, (0, 2, Some(vec![])));
    assert_eq!(beat(&mut kafka, staying("g", "a", 1)).await, (0, 1, Some(vec![0])));
    gateway = gateway.restarted();
    let mut kafka = gateway.kafka();
    assert_eq!(beat(&mut kafka, owning(staying("g", "a", 1), orders, &[0])).await, (0, 2, None));
    assert_eq!(beat(&mut kafka, staying("g", "b", 2)).await, (0, 2, Some(vec![1])));
    // One falls silent.
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(beat(&mut kafka, staying("g", "a", 2)).await, (0, 2, None));
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(beat(&mut kafka, staying("g", "a", 2)).await, (0, 3, Some(vec![0, 1])));
    assert_eq!(beat(&mut kafka, staying("g", "b", 2)).await.0, 25);
}

/// As Apache Kafka 4.4.0 answered, but for the words.
#[tokio::test(start_paused = true)]
async fn a_group_has_times_of_its_own() {
    let mut gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    for (key, operation, value, code) in [
        ("consumer.session.timeout.ms", SET, "44999", 40),
        ("consumer.session.timeout.ms", SET, "60000", 0),
        ("consumer.session.timeout.ms", APPEND, "1", 40),
        ("consumer.heartbeat.interval.ms", SET, "15001", 40),
        ("consumer.heartbeat.interval.ms", SET, "15000", 0),
        ("consumer.assignment.interval.ms", SET, "15001", 40),
        ("consumer.assignment.interval.ms", SET, "15000", 0),
        ("nope", SET, "1", 40),
        ("nope", DELETE, "1", 0),
    ] {
        assert_eq!(set(&mut gateway.kafka(), "g", key, operation, value).await, code, "{key} {operation} {value}");
    }
    gateway = gateway.restarted();
    let mut kafka = gateway.kafka();
    let joined = kafka.call(1, joining("g", "a")).await;
    assert_eq!((joined.error_code, joined.heartbeat_interval_ms), (0, 15_000));
    assert_eq!(kafka.call(1, joining("h", "a")).await.heartbeat_interval_ms, 5_000);
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(beat(&mut kafka, staying("g", "a", 1)).await.0, 0);
    assert_eq!(beat(&mut kafka, staying("h", "a", 1)).await.0, 25);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(beat(&mut kafka, staying("g", "a", 1)).await.0, 25);
}

#[tokio::test(start_paused = true)]
async fn partitions_are_assigned_anew_no_sooner_than_that_is_set() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let mut kafka = gateway.kafka();
    for (group, millis) in [("default", 1_000), ("slow", 15_000)] {
        if group == "slow" {
            assert_eq!(set(&mut kafka, group, "consumer.assignment.interval.ms", SET, "15000").await, 0);
        }
        assert_eq!(beat(&mut kafka, joining(group, "a")).await, (0, 1, Some(vec![0, 1])));
        tokio::time::sleep(Duration::from_millis(millis - 1)).await;
        assert_eq!(beat(&mut kafka, joining(group, "b")).await, (0, 1, Some(vec![])));
        let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![GroupId(text(group))]);
        let described = kafka.call(1, request).await.groups.remove(0);
        assert_eq!((&*described.group_state, described.group_epoch, described.assignment_epoch), ("Assigning", 2, 1));
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(beat(&mut kafka, staying(group, "a", 1)).await, (0, 1, Some(vec![0])));
        assert_eq!(beat(&mut kafka, staying(group, "b", 1)).await, (0, 2, None));
    }
}

#[tokio::test(start_paused = true)]
async fn the_server_names_members_in_version_0_only() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    let response = kafka.call(0, joining("g", "")).await;
    let (id, interval) = (response.member_id.clone().unwrap(), response.heartbeat_interval_ms);
    assert_eq!((response.error_code, id.len(), interval, told(&response)), (0, 36, 5_000, Some(vec![0])));
    assert_eq!(kafka.call(1, joining("g", "")).await.error_code, 42);
}

#[tokio::test(start_paused = true)]
async fn heartbeats_that_make_no_sense_are_refused() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    assert_eq!(beat(&mut kafka, joining("g", "a").with_instance_id(Some(text("one")))).await.0, 0);
    let a = || joining("g", "a");
    for (what, request, code) in [
        ("no group", joining(" ", "a"), 42),
        ("an empty instance id", a().with_instance_id(Some(text(""))), 42),
        ("an empty rack", a().with_rack_id(Some(text(" "))), 42),
        ("no rebalance timeout", a().with_rebalance_timeout_ms(-1), 42),
        ("partitions unsaid", a().with_topic_partitions(None), 42),
        ("partitions of who joins", owning(a(), Uuid::nil(), &[0]), 42),
        ("no subscription", a().with_subscribed_topic_names(None), 42),
        ("away without an instance", staying("g", "a", -2), 42),
        ("an epoch below all", staying("g", "a", -3), 42),
        ("another assignor", a().with_server_assignor(Some(text("sticky"))), 112),
        ("a broken pattern", a().with_subscribed_topic_regex(Some(text("("))), 128),
        ("no such group", staying("x", "a", 1), 69),
        ("no such member", staying("g", "x", 1), 25),
        ("an epoch that is not yet", staying("g", "a", 7), 110),
        ("an instance that is not free", joining("g", "b").with_instance_id(Some(text("one"))), 111),
        ("an instance of another", staying("g", "b", 1).with_instance_id(Some(text("one"))), 82),
    ] {
        let response = kafka.call(1, request).await;
        assert_eq!((response.error_code, response.error_message.is_some()), (code, true), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn new_topics_and_partitions_reach_members_by_name_and_by_pattern() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    assign_at_once(&mut kafka, "g").await;
    let by_pattern = joining("g", "a").with_subscribed_topic_names(None).with_subscribed_topic_regex(Some(text("or.*")));
    assert_eq!(beat(&mut kafka, by_pattern).await, (0, 1, Some(vec![])));
    gateway.stream("payments", 3).await;
    assert_eq!(beat(&mut kafka, staying("g", "a", 1)).await, (0, 1, None));
    let orders = gateway.stream("orders", 1).await;
    assert_eq!(beat(&mut kafka, staying("g", "a", 1)).await, (0, 2, Some(vec![0])));
    let id = orders.id();
    gateway.log.delete_stream(id).await.unwrap();
    assert_eq!(beat(&mut kafka, staying("g", "a", 2)).await, (0, 2, Some(vec![])));
}

#[tokio::test(start_paused = true)]
async fn groups_are_described_listed_and_deleted_by_their_kind() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let _classic = Member::alone(&gateway, "old").await;
    let mut kafka = gateway.kafka();
    assert_eq!(beat(&mut kafka, joining("new", "a")).await.0, 0);
    let ids = vec![GroupId(text("new")), GroupId(text("old")), GroupId(text("none"))];
    let response = kafka.call(1, ConsumerGroupDescribeRequest::default().with_group_ids(ids.clone())).await;
    let [new, old, none] = &response.groups[..] else { panic!("{} groups", response.groups.len()) };
    assert_eq!((new.error_code, old.error_code, none.error_code), (0, 69, 69));
    assert_eq!((new.group_state.as_str(), new.assignor_name.as_str()), ("Stable", "uniform"));
    assert_eq!((new.group_epoch, new.assignment_epoch, new.members.len()), (1, 1, 1));
    let member = &new.members[0];
    assert_eq!((member.member_id.as_str(), member.member_epoch, member.member_type), ("a", 1, 1));
    let assigned = &member.assignment.topic_partitions[0];
    assert_eq!((assigned.topic_name.as_str(), &assigned.partitions[..]), ("orders", &[0][..]));
    assert_eq!(member.assignment, member.target_assignment);
    let response = kafka.call(6, DescribeGroupsRequest::default().with_groups(ids)).await;
    let codes = response.groups.iter().map(|group| (group.error_code, group.group_state.as_str())).collect::<Vec<_>>();
    assert_eq!(codes, [(69, "Dead"), (0, "Stable"), (69, "Dead")]);
    for (kind, group) in [("Consumer", "new"), ("CLASSIC", "old")] {
        let response = kafka.call(5, ListGroupsRequest::default().with_types_filter(vec![text(kind)])).await;
        let listed = response.groups.iter().map(|line| (line.group_id.as_str(), line.group_type.to_lowercase()));
        assert_eq!(listed.collect::<Vec<_>>(), [(group, kind.to_lowercase())]);
    }
    let delete = || DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text("new"))]);
    assert_eq!(kafka.call(2, delete()).await.results[0].error_code, 68);
    assert_eq!(beat(&mut kafka, staying("new", "a", -1)).await, (0, -1, None));
    assert_eq!(kafka.call(2, delete()).await.results[0].error_code, 0);
}

#[tokio::test(start_paused = true)]
async fn members_commit_in_their_epoch() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    beat(&mut kafka, joining("g", "a")).await;
    for (version, member, epoch, code) in [(9, "a", 1, 0), (9, "a", 2, 113), (9, "b", 1, 25), (8, "a", 1, 35), (9, "", -1, 25)] {
        let request = commit("g", "orders", 0, 5).with_member_id(text(member)).with_generation_id_or_member_epoch(epoch);
        let response = kafka.call(version, request).await;
        assert_eq!(response.topics[0].partitions[0].error_code, code, "{version} {member} {epoch}");
    }
    assert_eq!(committed(&mut kafka, "g", "orders", 0).await, 5);
}

#[tokio::test(start_paused = true)]
async fn a_classic_group_becomes_one_of_the_consumer_protocol_with_its_offsets() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let mut kafka = gateway.kafka();
    kafka.call(9, commit("empty", "orders", 0, 5)).await;
    assert_eq!(beat(&mut kafka, joining("empty", "a")).await, (0, 1, Some(vec![0, 1])));
    assert_eq!(committed(&mut kafka, "empty", "orders", 0).await, 5);
    // One that is at work is called to join again, by the protocol that it speaks.
    assign_at_once(&mut kafka, "g").await;
    let mut old = Member::new(&gateway, "g").await;
    old.send_join().await;
    assert_eq!(old.joined().await.error_code, 0);
    let id = old.id.clone();
    assert_eq!(old.sync(&[(&id, "")]).await.error_code, 0);
    assert_eq!(beat(&mut kafka, joining("g", "a")).await, (0, 2, Some(vec![0])));
    assert_eq!(old.heartbeat().await, 27);
    old.send_join().await;
    let joined = old.joined().await;
    assert_eq!((joined.error_code, joined.generation_id, joined.leader.as_str()), (0, 2, ""));
    // Version 1, one topic, one partition, no user data.
    let share = b"\0\x01\0\0\0\x01\0\x06orders\0\0\0\x01\0\0\0\x01\xff\xff\xff\xff";
    assert_eq!(&old.sync(&[]).await.assignment[..], &share[..]);
    assert_eq!(old.heartbeat().await, 0);
    assert_eq!(beat(&mut kafka, staying("g", "a", -1)).await.0, 0);
    assert_eq!(old.heartbeat().await, 27);
}
