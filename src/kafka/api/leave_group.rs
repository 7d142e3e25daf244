//! **LeaveGroup** (13), v0 to v5: members go, or an operator removes them.
//!
//! As Kafka does it. Up to v2 one member leaves and its error is the answer's; from v3 (KIP-345) a list does, each with its own
//! error, and a static member can be named by its instance id alone; v5 brought reasons (KIP-800), which are logged.
//! A group that does not exist is an unknown member, not an unknown group.

use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::group::{Leaver, Refusal};

pub(crate) struct LeaveGroup;

impl Api for LeaveGroup {
    type Request = LeaveGroupRequest;
    type Response = LeaveGroupResponse;

    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=5;

    async fn handle(cx: &Context, request: LeaveGroupRequest) -> Reply<LeaveGroupResponse> {
        if !cx.allows(Operation::Read, Kind::Group, &request.group_id) {
            return Reply::Send(LeaveGroupResponse::default().with_error_code(Kind::Group.denied().code()));
        }
        let LeaveGroupRequest { group_id, member_id, members, .. } = request;
        let members = if cx.version < 3 { vec![MemberIdentity::default().with_member_id(member_id)] } else { members };
        for member in &members {
            tracing::debug!(group = &**group_id, member = &*member.member_id, reason = member.reason.as_deref(), "LeaveGroup");
        }
        let leavers = members.iter().map(|member| Leaver {
            member: member.member_id.to_string(),
            instance: member.group_instance_id.as_ref().map(ToString::to_string),
        });
        Reply::Send(match cx.door.groups.leave(&group_id, leavers.collect()).await {
            Err(refusal) => LeaveGroupResponse::default().with_error_code(code::of_group(refusal).code()),
            Ok(results) if cx.version < 3 => {
                LeaveGroupResponse::default().with_error_code(results.first().map_or(0, code::of_result))
            }
            Ok(results) => LeaveGroupResponse::default().with_members(answers(members, &results)),
        })
    }
}

fn answers(members: Vec<MemberIdentity>, results: &[Result<(), Refusal>]) -> Vec<MemberResponse> {
    let answer = |(member, result): (MemberIdentity, &Result<(), Refusal>)| {
        MemberResponse::default()
            .with_member_id(member.member_id)
            .with_group_instance_id(member.group_instance_id)
            .with_error_code(code::of_result(result))
    };
    members.into_iter().zip(results).map(answer).collect()
}
