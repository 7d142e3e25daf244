//! **DescribeGroups** (15), v0 to v6: groups with their members.
//!
//! As Kafka does it: metadata and assignments are shown of stable groups only. v3 brought the allowed operations, v4 instance
//! ids, v6 the error for a group that does not exist or is of another kind (KIP-1043), which before is shown as Dead without one.

use std::collections::HashSet;

use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::group::{Described, Refusal, State};

pub(crate) struct DescribeGroups;

impl Api for DescribeGroups {
    type Request = DescribeGroupsRequest;
    type Response = DescribeGroupsResponse;

    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=6;
    const IS_BULKY: bool = true;

    async fn handle(cx: &Context, request: DescribeGroupsRequest) -> Reply<DescribeGroupsResponse> {
        let (mut groups, mut answered) = (Vec::new(), HashSet::new());
        // A group may be large and its name short, so each is answered once.
        for id in request.groups.into_iter().filter(|id| answered.insert(id.clone())) {
            if !cx.allows(Operation::Describe, Kind::Group, &id) {
                groups.push(DescribedGroup::default().with_error_code(Kind::Group.denied().code()).with_group_id(id));
                continue;
            }
            let mut group = match cx.door.groups.describe(&id).await {
                Ok(Some(described)) => shown(described),
                Ok(None) => missing(cx, format!("Group {} not found.", &**id)),
                Err(Refusal::OtherKind) => missing(cx, format!("Group {} is not a classic group.", &**id)),
                Err(refusal) => DescribedGroup::default().with_error_code(code::of_group(refusal).code()),
            };
            if request.include_authorized_operations && group.error_code == 0 {
                group.authorized_operations = cx.operations(Kind::Group, &id);
            }
            groups.push(group.with_group_id(id));
        }
        Reply::Send(DescribeGroupsResponse::default().with_groups(groups))
    }
}

fn missing(cx: &Context, message: String) -> DescribedGroup {
    let group = DescribedGroup::default().with_group_state(StrBytes::from_static_str(State::Dead.name()));
    if cx.version < 6 {
        return group;
    }
    group.with_error_code(code::of_group(Refusal::UnknownGroup).code()).with_error_message(Some(StrBytes::from_string(message)))
}

fn shown(described: Described) -> DescribedGroup {
    let members = described.members.into_iter().map(|member| {
        DescribedGroupMember::default()
            .with_member_id(StrBytes::from_string(member.member))
            .with_group_instance_id(member.instance.map(StrBytes::from_string))
            .with_client_id(StrBytes::from_string(member.client_id))
            .with_client_host(StrBytes::from_string(member.client_host))
            .with_member_metadata(member.metadata)
            .with_member_assignment(member.assignment)
    });
    DescribedGroup::default()
        .with_group_state(StrBytes::from_static_str(described.state.name()))
        .with_protocol_type(StrBytes::from_string(described.protocol_type))
        .with_protocol_data(StrBytes::from_string(described.protocol))
        .with_members(members.collect())
}
