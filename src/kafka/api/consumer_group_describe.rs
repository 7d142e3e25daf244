//! **ConsumerGroupDescribe** (69), v0 and v1: groups of the consumer protocol with their members (KIP-848).
//!
//! As Kafka does it: what members have and what they are to have is shown of topics that there still are; a classic group is
//! GROUP_ID_NOT_FOUND here, which tells admin clients to ask for it with DescribeGroups. v1 tells members of the classic
//! protocol from the others. A group with a topic that the client must not know of is refused.

use std::collections::HashSet;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::consumer_group_describe_response::{Assignment, DescribedGroup, Member, TopicPartitions};
use kafka_protocol::messages::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, GroupId, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::group::{DescribedConsumer, DescribedConsumers, Refusal};

/// Not asked for.
const NO_OPERATIONS: i32 = i32::MIN;
/// What v1 calls members of the two protocols.
const CLASSIC: i8 = 0;
const CONSUMER: i8 = 1;

pub(crate) struct ConsumerGroupDescribe;

impl Api for ConsumerGroupDescribe {
    type Request = ConsumerGroupDescribeRequest;
    type Response = ConsumerGroupDescribeResponse;

    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=1;
    const IS_BULKY: bool = true;

    async fn handle(cx: &Context, request: ConsumerGroupDescribeRequest) -> Reply<ConsumerGroupDescribeResponse> {
        let (mut groups, mut answered) = (Vec::new(), HashSet::new());
        // A group may be large and its name short, so each is answered once.
        for id in request.group_ids.into_iter().filter(|id| answered.insert(id.clone())) {
            let described = match cx.door.groups.describe_consumers(&id).await {
                _ if !cx.allows(Operation::Describe, Kind::Group, &id) => denied(Kind::Group),
                Ok(Some(described)) if !may_know(cx, &described) => denied(Kind::Topic),
                Ok(Some(described)) => {
                    let operations = request.include_authorized_operations.then(|| cx.operations(Kind::Group, &id));
                    shown(described, operations.unwrap_or(NO_OPERATIONS))
                }
                Ok(None) => refused(&id, Refusal::UnknownGroup),
                Err(refusal) => refused(&id, refusal),
            };
            groups.push(described.with_group_id(id));
        }
        Reply::Send(ConsumerGroupDescribeResponse::default().with_groups(groups))
    }
}

fn refused(id: &GroupId, refusal: Refusal) -> DescribedGroup {
    let group = &**id;
    let (error, words) = match refusal {
        _ if group.is_empty() => (ResponseError::InvalidGroupId, None),
        Refusal::UnknownGroup => (code::of_group(refusal), Some(format!("Group {group} not found."))),
        Refusal::OtherKind => (code::of_group(refusal), Some(format!("Group {group} is not a consumer group."))),
        _ => (code::of_group(refusal), Some(refusal.to_string())),
    };
    DescribedGroup::default()
        .with_error_code(error.code())
        .with_error_message(words.map(StrBytes::from_string))
        .with_authorized_operations(NO_OPERATIONS)
}

fn denied(kind: Kind) -> DescribedGroup {
    DescribedGroup::default().with_error_code(kind.denied().code()).with_authorized_operations(NO_OPERATIONS)
}

/// Whether the client may know of all topics that the members subscribe to, have and are to have.
fn may_know(cx: &Context, described: &DescribedConsumers) -> bool {
    let of_member = |member: &DescribedConsumer| {
        let topics = member.assignment.iter().chain(&member.target).map(|(_, name, _)| name.clone());
        topics.chain(member.topics.iter().cloned()).collect::<Vec<_>>()
    };
    let topics = described.members.iter().flat_map(of_member).collect::<HashSet<_>>();
    topics.iter().all(|topic| cx.allows(Operation::Describe, Kind::Topic, topic))
}

fn shown(described: DescribedConsumers, operations: i32) -> DescribedGroup {
    DescribedGroup::default()
        .with_error_message(None)
        .with_group_state(StrBytes::from_static_str(described.state.name()))
        .with_group_epoch(described.epoch)
        .with_assignment_epoch(described.target_epoch)
        .with_assignor_name(StrBytes::from_static_str(described.assignor))
        .with_members(described.members.into_iter().map(member).collect())
        .with_authorized_operations(operations)
}

fn member(member: DescribedConsumer) -> Member {
    let name = |topic| TopicName(StrBytes::from_string(topic));
    Member::default()
        .with_member_id(StrBytes::from_string(member.member))
        .with_instance_id(member.instance.map(StrBytes::from_string))
        .with_rack_id(member.rack.map(StrBytes::from_string))
        .with_member_epoch(member.epoch)
        .with_client_id(StrBytes::from_string(member.client_id))
        .with_client_host(StrBytes::from_string(member.client_host))
        .with_subscribed_topic_names(member.topics.into_iter().map(name).collect())
        .with_subscribed_topic_regex(Some(StrBytes::from_string(member.pattern.unwrap_or_default())))
        .with_assignment(assignment(member.assignment))
        .with_target_assignment(assignment(member.target))
        .with_member_type(if member.is_classic { CLASSIC } else { CONSUMER })
}

fn assignment(topics: Vec<(Uuid, String, Vec<i32>)>) -> Assignment {
    let topic = |(id, name, partitions)| {
        let name = TopicName(StrBytes::from_string(name));
        TopicPartitions::default().with_topic_id(id).with_topic_name(name).with_partitions(partitions)
    };
    Assignment::default().with_topic_partitions(topics.into_iter().map(topic).collect())
}
