//! Streams groups (KIP-1071): StreamsGroupHeartbeat (key 88) and StreamsGroupDescribe (89), and what else has to do with them.

use std::time::Duration;

use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{
    ApiVersionsRequest, ConsumerGroupHeartbeatRequest, DeleteGroupsRequest, DescribeGroupsRequest, GroupId,
    IncrementalAlterConfigsRequest, ListGroupsRequest, ShareGroupHeartbeatRequest,
};
use shardgate::kafka::wire::{
    StreamsGroupDescribeRequest, StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse, StreamsKeyValue,
    StreamsSubtopology, StreamsTaskIds, StreamsTopicInfo, StreamsTopology, Unchanged,
};

use crate::support::{Gateway, Kafka, Member, name, text};

fn internal(topic: &'static str, configs: &[(&'static str, &'static str)]) -> StreamsTopicInfo {
    let pair = |(key, value): &(&'static str, &'static str)| StreamsKeyValue { key: text(key), value: text(value) };
    StreamsTopicInfo { name: name(topic), topic_configs: configs.iter().map(pair).collect(), ..StreamsTopicInfo::default() }
}

/// A word count: lines to words, over a repartition topic, to totals.
fn word_count() -> StreamsTopology {
    let split = StreamsSubtopology {
        subtopology_id: text("0"),
        source_topics: vec![name("lines")],
        repartition_sink_topics: vec![name("app-words-repartition")],
        ..StreamsSubtopology::default()
    };
    let count = StreamsSubtopology {
        subtopology_id: text("1"),
        repartition_source_topics: vec![internal(
            "app-words-repartition",
            &[("cleanup.policy", "delete"), ("retention.ms", "-1")],
        )],
        state_changelog_topics: vec![internal("app-totals-changelog", &[("cleanup.policy", "compact")])],
        ..StreamsSubtopology::default()
    };
    StreamsTopology { epoch: 0, subtopologies: vec![split, count] }
}

fn joining(group: &str, member: &str) -> StreamsGroupHeartbeatRequest {
    StreamsGroupHeartbeatRequest {
        group_id: GroupId(text(group)),
        member_id: text(member),
        rebalance_timeout_ms: 60_000,
        topology: Some(word_count()),
        active_tasks: Some(vec![]),
        standby_tasks: Some(vec![]),
        warmup_tasks: Some(vec![]),
        process_id: Some(text(member)),
        client_tags: Some(vec![]),
        ..StreamsGroupHeartbeatRequest::default()
    }
}

fn staying(group: &str, member: &str, epoch: i32) -> StreamsGroupHeartbeatRequest {
    StreamsGroupHeartbeatRequest {
        group_id: GroupId(text(group)),
        member_id: text(member),
        member_epoch: epoch,
        ..StreamsGroupHeartbeatRequest::default()
    }
}

/// The active tasks in an answer, if it has any to tell.
fn told(response: &StreamsGroupHeartbeatResponse) -> Option<Vec<(String, Vec<i32>)>> {
    let tasks = response.active_tasks.as_ref()?;
    Some(tasks.iter().map(|task| (task.subtopology_id.to_string(), task.partitions.clone())).collect())
}

fn statuses(response: &StreamsGroupHeartbeatResponse) -> Vec<i8> {
    response.status.iter().flatten().map(|status| status.status_code).collect()
}

async fn set(kafka: &mut Kafka, group: &str, config: &str, value: &str) -> i16 {
    let config = AlterableConfig::default().with_name(text(config)).with_value(Some(text(value)));
    let resource =
        AlterConfigsResource::default().with_resource_type(32).with_resource_name(text(group)).with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    kafka.call(1, request).await.responses[0].error_code
}

/// A gateway with lines, whose group `app` does not wait before it assigns.
async fn gateway() -> Gateway {
    let gateway = Gateway::start();
    gateway.stream("lines", 2).await;
    let mut kafka = gateway.kafka();
    assert_eq!(set(&mut kafka, "app", "streams.initial.rebalance.delay.ms", "0").await, 0);
    assert_eq!(set(&mut kafka, "app", "streams.assignment.interval.ms", "0").await, 0);
    gateway
}

#[tokio::test(start_paused = true)]
async fn internal_topics_are_created_and_tasks_assigned_and_kept_through_a_restart() {
    let mut gateway = gateway().await;
    let mut kafka = gateway.kafka();
    let first = kafka.call(1, joining("app", "a")).await;
    assert_eq!((first.error_code, statuses(&first), told(&first)), (0, vec![3], Some(vec![])));
    assert_eq!(
        (first.heartbeat_interval_ms, first.task_offset_interval_ms, first.acceptable_recovery_lag),
        (5_000, 60_000, 10_000)
    );
    for (topic, is_compacted) in [("app-words-repartition", false), ("app-totals-changelog", true)] {
        let stream = gateway.log.stream(topic).expect("it was created");
        assert_eq!((stream.lanes(), stream.settings().keys_required), (2, is_compacted), "{topic}");
    }
    let second = kafka.call(1, staying("app", "a", first.member_epoch)).await;
    let all = vec![("0".to_owned(), vec![0, 1]), ("1".to_owned(), vec![0, 1])];
    assert_eq!((second.error_code, statuses(&second), told(&second)), (0, vec![], Some(all.clone())));
    gateway = gateway.restarted();
    let mut kafka = gateway.kafka();
    let third = kafka.call(1, staying("app", "a", second.member_epoch)).await;
    assert_eq!((third.error_code, third.member_epoch, told(&third)), (0, second.member_epoch, None));
    // Another one comes, and gets what the first gives up.
    let other = kafka.call(1, joining("app", "b")).await;
    assert_eq!(told(&other), Some(vec![]));
    let asked = kafka.call(1, staying("app", "a", second.member_epoch)).await;
    let kept = asked.active_tasks.clone().unwrap();
    assert_eq!(kept.iter().map(|task| task.partitions.len()).sum::<usize>(), 2);
    let reported = StreamsGroupHeartbeatRequest {
        active_tasks: Some(kept),
        standby_tasks: Some(vec![]),
        warmup_tasks: Some(vec![]),
        ..staying("app", "a", asked.member_epoch)
    };
    assert_eq!(kafka.call(1, reported).await.member_epoch, other.member_epoch);
    let given = kafka.call(1, staying("app", "b", other.member_epoch)).await;
    assert_eq!(told(&given).unwrap().iter().map(|(_, partitions)| partitions.len()).sum::<usize>(), 2);
    // The first falls silent.
    tokio::time::sleep(Duration::from_secs(44)).await;
    assert_eq!(kafka.call(1, staying("app", "b", given.member_epoch)).await.error_code, 0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(told(&kafka.call(1, staying("app", "b", given.member_epoch)).await), Some(all));
    assert_eq!(kafka.call(1, staying("app", "a", other.member_epoch)).await.error_code, 25);
}

#[tokio::test(start_paused = true)]
async fn the_first_assignment_waits_three_seconds_unless_it_is_told_not_to() {
    let gateway = Gateway::start();
    gateway.stream("lines", 1).await;
    let mut kafka = gateway.kafka();
    let first = kafka.call(1, joining("slow", "a")).await;
    assert_eq!((first.member_epoch, statuses(&first)), (1, vec![5, 3]));
    tokio::time::sleep(Duration::from_secs(4)).await;
    let second = kafka.call(1, staying("slow", "a", 1)).await;
    assert_eq!(told(&second), Some(vec![("0".to_owned(), vec![0]), ("1".to_owned(), vec![0])]));
}

#[tokio::test(start_paused = true)]
async fn heartbeats_that_make_no_sense_are_refused() {
    let gateway = gateway().await;
    let mut kafka = gateway.kafka();
    let one = StreamsGroupHeartbeatRequest { instance_id: Some(text("one")), ..joining("app", "a") };
    assert_eq!(kafka.call(1, one).await.error_code, 0);
    let a = || joining("app", "a");
    let with = |change: fn(&mut StreamsTopology)| {
        let mut topology = word_count();
        change(&mut topology);
        StreamsGroupHeartbeatRequest { topology: Some(topology), ..joining("new", "a") }
    };
    let task = || Some(vec![StreamsTaskIds { subtopology_id: text("0"), partitions: vec![0] }]);
    for (what, request, code) in [
        ("no group", joining(" ", "a"), 42),
        ("no member", joining("app", ""), 42),
        ("an empty instance id", StreamsGroupHeartbeatRequest { instance_id: Some(text("")), ..a() }, 42),
        ("an empty rack", StreamsGroupHeartbeatRequest { rack_id: Some(text(" ")), ..a() }, 42),
        ("no rebalance timeout", StreamsGroupHeartbeatRequest { rebalance_timeout_ms: -1, ..a() }, 42),
        ("tasks of who joins", StreamsGroupHeartbeatRequest { active_tasks: task(), ..a() }, 42),
        ("no topology", StreamsGroupHeartbeatRequest { topology: None, ..a() }, 42),
        ("a topology of who stays", StreamsGroupHeartbeatRequest { member_epoch: 1, ..a() }, 42),
        ("away without an instance", staying("app", "a", -2), 42),
        ("an epoch below all", staying("app", "a", -3), 42),
        ("one kind of tasks", StreamsGroupHeartbeatRequest { standby_tasks: task(), ..staying("app", "a", 1) }, 42),
        ("a pattern", with(|topology| topology.subtopologies[0].source_topic_regex = vec![text("l.*")]), 42),
        ("a changelog of a size", with(|topology| topology.subtopologies[1].state_changelog_topics[0].partitions = 2), 130),
        ("an invalid name", with(|topology| topology.subtopologies[0].source_topics.push(name("a b"))), 130),
        ("two of an id", with(|topology| topology.subtopologies[1].subtopology_id = text("0")), 130),
        ("nothing to read", with(|topology| topology.subtopologies[0].source_topics.clear()), 130),
        ("a negative epoch", with(|topology| topology.epoch = -1), 130),
        ("no such group", staying("x", "a", 1), 69),
        ("no such member", staying("app", "x", 1), 25),
        ("an epoch that is not yet", staying("app", "a", 70), 110),
        (
            "another topology",
            StreamsGroupHeartbeatRequest { topology: Some(StreamsTopology::default()), ..joining("app", "b") },
            42,
        ),
        (
            "an instance that is not free",
            StreamsGroupHeartbeatRequest { instance_id: Some(text("one")), ..joining("app", "b") },
            111,
        ),
        ("an instance of another", StreamsGroupHeartbeatRequest { instance_id: Some(text("one")), ..staying("app", "b", 1) }, 82),
    ] {
        let response = kafka.call(1, request).await;
        assert_eq!((response.error_code, response.error_message.is_some()), (code, true), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn groups_are_described_listed_and_deleted_by_their_kind() {
    let gateway = gateway().await;
    let _classic = Member::alone(&gateway, "old").await;
    let mut kafka = gateway.kafka();
    let epoch = kafka.call(1, joining("app", "a")).await.member_epoch;
    let epoch = kafka.call(1, staying("app", "a", epoch)).await.member_epoch;
    let ids = ["app", "old", "none"].map(|group| GroupId(text(group)));
    let request = StreamsGroupDescribeRequest {
        group_ids: ids.to_vec(),
        include_authorized_operations: true,
        include_topology_description: true,
    };
    let response = kafka.call(1, request).await;
    let [app, old, none] = &response.groups[..] else { panic!("{} groups", response.groups.len()) };
    assert_eq!((app.error_code, old.error_code, none.error_code), (0, 69, 69));
    assert_eq!(old.error_message.as_deref(), Some("Group old is not a streams group."));
    assert_eq!((app.group_state.as_str(), app.assignor_name.as_deref()), ("Stable", Some("sticky")));
    assert_eq!((app.group_epoch, app.assignment_epoch, app.topology_description_status), (epoch, epoch, 1));
    // READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS and ALTER_CONFIGS.
    assert_eq!(app.authorized_operations, [3, 6, 8, 10, 11].map(|operation| 1 << operation).iter().sum::<i32>());
    let parts = app.topology.as_ref().unwrap().subtopologies.as_ref().unwrap();
    assert_eq!((parts.len(), parts[1].state_changelog_topics[0].partitions), (2, 2));
    let [member] = &app.members[..] else { panic!("{} members", app.members.len()) };
    assert_eq!((member.member_id.as_str(), member.process_id.as_str(), member.topology_epoch), ("a", "a", 0));
    assert_eq!((member.assignment.active_tasks.len(), &member.target_assignment), (2, &member.assignment));
    let listed = kafka.call(5, ListGroupsRequest::default().with_types_filter(vec![text("Streams")])).await;
    let [line] = &listed.groups[..] else { panic!("{} groups", listed.groups.len()) };
    assert_eq!((line.group_id.as_str(), line.group_type.as_str(), line.protocol_type.as_str()), ("app", "streams", "streams"));
    let described = kafka.call(6, DescribeGroupsRequest::default().with_groups(vec![GroupId(text("app"))])).await;
    assert_eq!(described.groups[0].error_code, 69);
    let delete = || Unchanged::<_, 3>(DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text("app"))]));
    kafka.send(2, &delete()).await;
    let refused = kafka.receive_as::<shardgate::kafka::wire::DeleteGroupsResponse>(2).await;
    assert_eq!(refused.results[0].error_code, 68);
    assert_eq!(kafka.call(1, staying("app", "a", -1)).await.member_epoch, -1);
    kafka.send(2, &delete()).await;
    let deleted = kafka.receive_as::<shardgate::kafka::wire::DeleteGroupsResponse>(2).await;
    assert_eq!(deleted.results[0].error_code, 0);
    assert_eq!(kafka.call(1, staying("app", "a", epoch)).await.error_code, 69);
}

#[tokio::test(start_paused = true)]
async fn groups_of_different_kinds_keep_apart() {
    let gateway = gateway().await;
    let mut kafka = gateway.kafka();
    assert_eq!(kafka.call(1, joining("app", "a")).await.error_code, 0);
    let consumer = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(text("app")))
        .with_member_id(text("m"))
        .with_rebalance_timeout_ms(1_000)
        .with_subscribed_topic_names(Some(vec![name("lines")]))
        .with_topic_partitions(Some(vec![]));
    assert_eq!(kafka.call(1, consumer.clone()).await.error_code, 69);
    let share = |group: &str| {
        let request = ShareGroupHeartbeatRequest::default().with_group_id(GroupId(text(group))).with_member_id(text("m"));
        request.with_subscribed_topic_names(Some(vec![name("lines")]))
    };
    assert_eq!(kafka.call(1, share("app")).await.error_code, 69);
    assert_eq!(kafka.call(1, share("shared")).await.error_code, 0);
    assert_eq!(kafka.call(1, joining("shared", "a")).await.error_code, 69);
    assert_eq!(kafka.call(1, consumer.with_group_id(GroupId(text("consumers")))).await.error_code, 0);
    assert_eq!(kafka.call(1, joining("consumers", "a")).await.error_code, 69);
}

#[tokio::test(start_paused = true)]
async fn a_groups_configs_are_told_and_bounded() {
    let gateway = gateway().await;
    let mut kafka = gateway.kafka();
    for (config, value, code) in [
        ("streams.heartbeat.interval.ms", "6000", 0),
        ("streams.heartbeat.interval.ms", "4999", 40),
        ("streams.session.timeout.ms", "60001", 40),
        ("streams.num.standby.replicas", "1", 0),
        ("streams.num.standby.replicas", "3", 40),
        ("streams.rack.aware.assignment.tags", "zone,zone", 40),
        ("streams.assignor.name", "mine", 40),
    ] {
        assert_eq!(set(&mut kafka, "app", config, value).await, code, "{config} {value}");
    }
    let first = kafka.call(1, joining("app", "a")).await;
    assert_eq!(first.heartbeat_interval_ms, 6_000);
    kafka.call(1, joining("app", "b")).await;
    // A copy of the store of each task, with the other one.
    let described =
        kafka.call(1, StreamsGroupDescribeRequest { group_ids: vec![GroupId(text("app"))], ..Default::default() }).await;
    let standby = |member: &shardgate::kafka::wire::StreamsDescribedMember| {
        member.target_assignment.standby_tasks.iter().map(|task| task.partitions.len()).sum::<usize>()
    };
    assert_eq!(described.groups[0].members.iter().map(standby).sum::<usize>(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_feature_is_told() {
    let gateway = Gateway::start();
    let request = ApiVersionsRequest::default().with_client_software_name(text("t")).with_client_software_version(text("1"));
    let response = gateway.kafka().call(4, request).await;
    let level = response.finalized_features.iter().find(|feature| feature.name.as_str() == "streams.version");
    assert_eq!(level.map(|feature| feature.max_version_level), Some(1));
}
