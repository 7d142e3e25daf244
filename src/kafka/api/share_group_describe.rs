//! **ShareGroupDescribe** (77), v1: share groups with their members and what each reads (KIP-932).
//!
//! As Kafka does it. A member's epoch is behind the group's until its next heartbeat.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::share_group_describe_response::{Assignment, DescribedGroup, Member, TopicPartitions};
use kafka_protocol::messages::{ShareGroupDescribeRequest, ShareGroupDescribeResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::share;
use crate::kafka::{code, partition};

pub(crate) struct ShareGroupDescribe;

impl Api for ShareGroupDescribe {
    type Request = ShareGroupDescribeRequest;
    type Response = ShareGroupDescribeResponse;

    const VERSIONS: RangeInclusive<i16> = 1..=1;
    const IS_BULKY: bool = true;

    async fn handle(cx: &Context, request: ShareGroupDescribeRequest) -> Reply<ShareGroupDescribeResponse> {
        let mut answered = HashSet::new();
        // A group may be large and its name short, so each is answered once.
        let groups = request.group_ids.into_iter().filter(|id| answered.insert(id.clone())).map(|id| {
            let mut group = match describe(cx, &id) {
                Ok(group) => group,
                Err((error, words)) => DescribedGroup::default().with_error_code(error.code()).with_error_message(words),
            };
            group.authorized_operations = match request.include_authorized_operations && group.error_code == 0 {
                true => cx.operations(Kind::Group, &id),
                false => i32::MIN,
            };
            group.with_group_id(id)
        });
        Reply::Send(ShareGroupDescribeResponse::default().with_groups(groups.collect()))
    }
}

fn describe(cx: &Context, group: &str) -> Result<DescribedGroup, (ResponseError, Option<StrBytes>)> {
    if !cx.allows(Operation::Describe, Kind::Group, group) {
        return Err((Kind::Group.denied(), None));
    }
    if group.is_empty() {
        return Err((ResponseError::InvalidGroupId, None));
    }
    let described = cx.door.shares.describe(group);
    let refused = |refusal| (code::of_share(refusal), Some(StrBytes::from_string(format!("Group {group} not found."))));
    let (described, state) = described.map_err(refused)?;
    // Whoever may not see a topic does not learn that somebody reads it (Kafka, `KafkaApis`).
    let denied = |member: &share::Member| member.topics.iter().any(|name| !cx.allows(Operation::Describe, Kind::Topic, name));
    if described.members.values().any(denied) {
        return Err((Kind::Topic.denied(), Some(StrBytes::from_static_str("the access rules do not allow it"))));
    }
    let members = described.members.into_iter().map(|(id, member)| shown(cx, id, member));
    Ok(DescribedGroup::default()
        .with_error_message(None)
        .with_group_state(StrBytes::from_static_str(state))
        .with_group_epoch(described.epoch)
        .with_assignment_epoch(described.target_epoch)
        .with_assignor_name(StrBytes::from_static_str("simple"))
        .with_members(members.collect()))
}

fn shown(cx: &Context, id: String, member: share::Member) -> Member {
    let assigned = member.assigned.into_iter().map(|(topic, partitions)| {
        let name = partition::topic_by_id(&cx.door.log, topic).map(|stream| stream.name().as_str().to_owned());
        TopicPartitions::default()
            .with_topic_id(topic)
            .with_topic_name(TopicName(name.unwrap_or_default().into()))
            .with_partitions(partitions.into_iter().collect())
    });
    Member::default()
        .with_assignment(Assignment::default().with_topic_partitions(assigned.collect()))
        .with_member_id(id.into())
        .with_rack_id(member.rack.map(Into::into))
        .with_member_epoch(member.epoch)
        .with_client_id(member.client_id.into())
        .with_client_host(member.client_host.into())
        .with_subscribed_topic_names(member.topics.into_iter().map(|name| TopicName(name.into())).collect())
}
