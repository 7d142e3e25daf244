//! **JoinGroup** (11), v0 to v9: a consumer takes part in the next generation of its group.
//!
//! As Kafka does it: the answer waits for the other members. A client that goes meanwhile takes its request with it and not its
//! member, which joins all the same and stays until its session ends. v1 brought the rebalance timeout (before: the session
//! timeout); v4 the id to come back with (KIP-394); v5 the instance id (KIP-345); v7 the protocol type in the answer (KIP-559);
//! v8 reasons (KIP-800), which are logged; v9 leading without assigning (KIP-814).

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::group::{Join, JoinRefused, Joined, Protocol};

pub(crate) struct JoinGroup;

impl Api for JoinGroup {
    type Request = JoinGroupRequest;
    type Response = JoinGroupResponse;

    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=9;
    // What a member says is kept by its group, which has a bound of its own; the wait for others may be long.
    const IS_HANDED_OVER: bool = true;
    const WAITS: bool = true;

    async fn handle(cx: &Context, request: JoinGroupRequest) -> Reply<JoinGroupResponse> {
        let group = request.group_id.to_string();
        if !cx.allows(Operation::Read, Kind::Group, &group) {
            let refused = refusal(cx, Kind::Group.denied(), request.member_id);
            return Reply::Send(refused);
        }
        if cx.door.shares.exists(&group) {
            return Reply::Send(refusal(cx, ResponseError::InconsistentGroupProtocol, request.member_id));
        }
        tracing::debug!(group, member = &*request.member_id, reason = request.reason.as_deref(), "JoinGroup");
        Reply::Send(match cx.door.groups.join(&group, join(cx, request)).await {
            Ok(joined) => accepted(joined),
            Err(JoinRefused { refusal: why, member }) => refusal(cx, code::of_group(why), StrBytes::from_string(member)),
        })
    }
}

fn join(cx: &Context, request: JoinGroupRequest) -> Join {
    // Copied: what a member says is kept for as long as it is one, and must not hold on to the whole frame.
    let protocol = |protocol: JoinGroupRequestProtocol| Protocol {
        name: protocol.name.to_string(),
        metadata: Bytes::copy_from_slice(&protocol.metadata),
    };
    Join {
        member: request.member_id.to_string(),
        instance: request.group_instance_id.map(|id| id.to_string()),
        client_id: cx.client_id.to_string(),
        // With the slash, as Java writes an address without a host name and tools expect it.
        client_host: format!("/{}", cx.peer.ip()),
        session_timeout: millis(request.session_timeout_ms),
        rebalance_timeout: millis(if cx.version == 0 { request.session_timeout_ms } else { request.rebalance_timeout_ms }),
        protocol_type: request.protocol_type.to_string(),
        protocols: request.protocols.into_iter().map(protocol).collect(),
        member_id_required: cx.version >= 4,
        skip_assignment_known: cx.version >= 9,
    }
}

/// Negative spans are none at all; for a session that is then refused as too short.
fn millis(span: i32) -> Duration {
    Duration::from_millis(u64::try_from(span).unwrap_or(0))
}

fn accepted(joined: Joined) -> JoinGroupResponse {
    let members = joined.members.into_iter().map(|peer| {
        JoinGroupResponseMember::default()
            .with_member_id(StrBytes::from_string(peer.member))
            .with_group_instance_id(peer.instance.map(StrBytes::from_string))
            .with_metadata(peer.metadata)
    });
    JoinGroupResponse::default()
        .with_generation_id(joined.generation)
        .with_protocol_type(joined.protocol_type.map(StrBytes::from_string))
        .with_protocol_name(Some(StrBytes::from_string(joined.protocol.unwrap_or_default())))
        .with_leader(StrBytes::from_string(joined.leader))
        .with_skip_assignment(joined.skip_assignment)
        .with_member_id(StrBytes::from_string(joined.member))
        .with_members(members.collect())
}

fn refusal(cx: &Context, error: ResponseError, member: StrBytes) -> JoinGroupResponse {
    JoinGroupResponse::default()
        .with_error_code(error.code())
        .with_generation_id(-1)
        // No protocol is null from v7 on, and empty before, when null could not be said.
        .with_protocol_name((cx.version < 7).then(StrBytes::new))
        .with_member_id(member)
}
