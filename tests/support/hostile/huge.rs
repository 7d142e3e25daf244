//! Requests that are right in form and too much in substance.

use bytes::Bytes;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;

use super::Dice;
use super::batches::Batches;
use super::requests::{EDGES, Targets, encode, text};

/// Made of about `bytes` bytes, as far as its kind allows.
pub(super) fn huge(dice: &mut Dice, targets: &Targets, batches: &Batches, bytes: usize) -> Option<Bytes> {
    let short = bytes.min(4_000_000);
    match dice.below(20) {
        0 | 1 => fetch(dice, targets, short),
        2 => list_offsets(dice, targets, short),
        3 => join(dice, targets, &[("range", Bytes::from(vec![1; short]))]),
        4 => {
            let names: Vec<String> = (0..short / 12).map(|number| format!("p{number}")).collect();
            let protocols: Vec<_> = names.iter().map(|name| (name.as_str(), Bytes::new())).collect();
            join(dice, targets, &protocols)
        }
        5 => offset_commit(dice, targets, short),
        6 => create_topics(&[("too-many-partitions".to_owned(), i32::MAX)], 0),
        7 => create_topics(&(0..short / 20).map(|number| (format!("flood-{number}"), 1)).collect::<Vec<_>>(), 0),
        8 => create_topics(&[(format!("wide-{}", dice.below(40)), 10_000)], 0),
        9 => create_topics(&[("configured".to_owned(), 1)], short / 20),
        10 => create_partitions(dice, targets),
        11 => describe_configs(targets, short),
        12 => {
            let base = dice.next() % 1_000_000;
            metadata((0..short / 14).map(|number| format!("asked-{}", base + number as u64)))
        }
        13 => encode(5, "attacker", &DescribeGroupsRequest::default().with_groups(names(short / 12))),
        14 => encode(2, "attacker", &DeleteGroupsRequest::default().with_groups_names(names(short / 12))),
        15 | 16 => produce(dice, targets, batches, bytes),
        17 => {
            // Each of these makes a group, or a member, with a name as long as names get.
            let long = format!("{}-{}", "g".repeat(32_000), dice.next());
            let request = JoinGroupRequest::default().with_group_id(GroupId(text(&long))).with_protocol_type(text("consumer"));
            let protocol = join_group_request::JoinGroupRequestProtocol::default().with_name(text("range"));
            let request = request.with_session_timeout_ms(1_800_000).with_rebalance_timeout_ms(1_800_000);
            encode(*dice.pick(&[3, 5]), &"c".repeat(32_000), &request.with_protocols(vec![protocol]))
        }
        18 => offset_fetch(short),
        _ => encode(
            4,
            "attacker",
            &FindCoordinatorRequest::default()
                .with_coordinator_keys((0..short / 12).map(|number| text(&format!("key-{number}"))).collect()),
        ),
    }
}

fn names(count: usize) -> Vec<GroupId> {
    (0..count).map(|number| GroupId(text(&format!("group-{number}")))).collect()
}

fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

/// Everything there is, again and again.
fn fetch(dice: &mut Dice, targets: &Targets, bytes: usize) -> Option<Bytes> {
    let partitions = |repeats: usize| {
        let partition = |number: usize| {
            fetch_request::FetchPartition::default()
                .with_partition((number % 4) as i32)
                .with_partition_max_bytes(i32::MAX)
                .with_fetch_offset(if number % 7 == 6 { 1 } else { 0 })
        };
        (0..repeats).map(partition).collect::<Vec<_>>()
    };
    let repeats = if dice.one_in(3) { bytes / 40 / targets.topics.len() } else { 4 };
    let topics = targets
        .topics
        .iter()
        .map(|(name, _)| fetch_request::FetchTopic::default().with_topic(topic_name(name)).with_partitions(partitions(repeats)));
    let request = FetchRequest::default().with_max_bytes(i32::MAX).with_topics(topics.collect());
    encode(
        11,
        "attacker",
        &request.with_max_wait_ms(*dice.pick(&[0, 100, i32::MAX])).with_min_bytes(*dice.pick(&[0, 1, i32::MAX])),
    )
}

fn list_offsets(dice: &mut Dice, targets: &Targets, bytes: usize) -> Option<Bytes> {
    let timestamp = *dice.pick(&[1, 1_700_000_000_000, -3, -1, i64::MAX, i64::MIN]);
    let count = if dice.one_in(2) { 4 } else { bytes / 20 / targets.topics.len() };
    let partition = |number: usize| {
        list_offsets_request::ListOffsetsPartition::default().with_partition_index(number as i32).with_timestamp(timestamp)
    };
    let topics = targets.topics.iter().map(|(name, _)| {
        list_offsets_request::ListOffsetsTopic::default()
            .with_name(topic_name(name))
            .with_partitions((0..count).map(partition).collect())
    });
    encode(7, "attacker", &ListOffsetsRequest::default().with_topics(topics.collect()))
}

fn join(dice: &mut Dice, targets: &Targets, protocols: &[(&str, Bytes)]) -> Option<Bytes> {
    let group = if dice.one_in(2) { dice.pick(&targets.groups).clone() } else { format!("made-up-{}", dice.next()) };
    let protocols = protocols.iter().map(|(name, metadata)| {
        join_group_request::JoinGroupRequestProtocol::default().with_name(text(name)).with_metadata(metadata.clone())
    });
    let request = JoinGroupRequest::default()
        .with_group_id(GroupId(text(&group)))
        .with_session_timeout_ms(1_800_000)
        .with_rebalance_timeout_ms(1_800_000)
        .with_protocol_type(text("consumer"));
    encode(2, "attacker", &request.with_protocols(protocols.collect()))
}

fn offset_commit(dice: &mut Dice, targets: &Targets, bytes: usize) -> Option<Bytes> {
    let metadata = "m".repeat(if dice.one_in(2) { 4_096 } else { 0 });
    let count = bytes / (30 + metadata.len());
    let partition = |number: usize| {
        offset_commit_request::OffsetCommitRequestPartition::default()
            .with_partition_index((number % 10_000) as i32)
            .with_committed_offset(1)
            .with_committed_metadata(Some(text(&metadata)))
    };
    let (name, _) = dice.pick(&targets.topics).clone();
    let name = if dice.one_in(2) { format!("wide-{}", dice.below(40)) } else { name };
    let topic = offset_commit_request::OffsetCommitRequestTopic::default()
        .with_name(topic_name(&name))
        .with_partitions((0..count).map(partition).collect());
    let request = OffsetCommitRequest::default().with_group_id(GroupId(text(&format!("kept-{}", dice.below(100_000)))));
    encode(7, "attacker", &request.with_generation_id_or_member_epoch(-1).with_topics(vec![topic]))
}

fn create_topics(topics: &[(String, i32)], configs: usize) -> Option<Bytes> {
    let config = |number: usize| {
        create_topics_request::CreatableTopicConfig::default()
            .with_name(text(&format!("config-{number}")))
            .with_value(Some(StrBytes::new()))
    };
    let topic = |(name, count): &(String, i32)| {
        create_topics_request::CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(*count)
            .with_replication_factor(1)
            .with_configs((0..configs).map(config).collect())
    };
    encode(7, "attacker", &CreateTopicsRequest::default().with_topics(topics.iter().map(topic).collect()).with_timeout_ms(1))
}

fn create_partitions(dice: &mut Dice, targets: &Targets) -> Option<Bytes> {
    let topic = |name: &str, count: i32| {
        create_partitions_request::CreatePartitionsTopic::default()
            .with_name(topic_name(name))
            .with_count(count)
            .with_assignments(None)
    };
    let edge = *dice.pick(&EDGES) as i32;
    let count = *dice.pick(&[10_000, 9_999, i32::MAX, edge]);
    let made_up = format!("made-up-{}", dice.below(20));
    let topics = targets.topics.iter().map(|(name, _)| topic(name, i32::MAX)).chain([topic(&made_up, count)]);
    encode(3, "attacker", &CreatePartitionsRequest::default().with_topics(topics.collect()))
}

fn describe_configs(targets: &Targets, bytes: usize) -> Option<Bytes> {
    let resource = |number: usize| {
        let (name, _) = &targets.topics[number % targets.topics.len()];
        describe_configs_request::DescribeConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text(name))
            .with_configuration_keys(None)
    };
    let request = DescribeConfigsRequest::default().with_resources((0..bytes / 20).map(resource).collect());
    encode(4, "attacker", &request.with_include_synonyms(true).with_include_documentation(true))
}

fn metadata(names: impl Iterator<Item = String>) -> Option<Bytes> {
    let topic = |name: String| metadata_request::MetadataRequestTopic::default().with_name(Some(topic_name(&name)));
    let request = MetadataRequest::default().with_topics(Some(names.map(topic).collect()));
    encode(9, "attacker", &request.with_allow_auto_topic_creation(true))
}

fn produce(dice: &mut Dice, targets: &Targets, batches: &Batches, bytes: usize) -> Option<Bytes> {
    let mut data = Vec::new();
    let mut total = 0;
    let bombs = dice.one_in(3);
    while total < bytes {
        let batch = if bombs { batches.bomb(dice) } else { batches.good(dice) };
        total += batch.len() + 20;
        data.push(produce_request::PartitionProduceData::default().with_index((data.len() % 4) as i32).with_records(Some(batch)));
    }
    let (name, _) = dice.pick(&targets.topics).clone();
    let topic = produce_request::TopicProduceData::default().with_name(topic_name(&name)).with_partition_data(data);
    encode(9, "attacker", &ProduceRequest::default().with_acks(-1).with_timeout_ms(1).with_topic_data(vec![topic]))
}

fn offset_fetch(bytes: usize) -> Option<Bytes> {
    let group = |number: usize| {
        offset_fetch_request::OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(text(&format!("kept-{number}"))))
            .with_topics(None)
    };
    encode(8, "attacker", &OffsetFetchRequest::default().with_groups((0..bytes / 14).map(group).collect()))
}
