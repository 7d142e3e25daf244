//! **SyncGroup** (14), v0 to v5: the leader hands in everyone's share, every member gets its own.
//!
//! As Kafka does it: the answer waits for the leader, and for its assignment to be durable. v3 brought the instance id
//! (KIP-345); v5 the protocol type and name (KIP-559), which then must be given and must be the group's.

use bytes::Bytes;
use kafka_protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::group::{Membership, Refusal, Sync};

pub(crate) struct SyncGroup;

impl Api for SyncGroup {
    type Request = SyncGroupRequest;
    type Response = SyncGroupResponse;

    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=5;
    // What a member says is kept by its group, which has a bound of its own; the wait for others may be long.
    const IS_HANDED_OVER: bool = true;
    const WAITS: bool = true;

    async fn handle(cx: &Context, request: SyncGroupRequest) -> Reply<SyncGroupResponse> {
        if cx.version >= 5 && (request.protocol_type.is_none() || request.protocol_name.is_none()) {
            return Reply::Send(refused(Refusal::InconsistentProtocol));
        }
        if !cx.allows(Operation::Read, Kind::Group, &request.group_id) {
            return Reply::Send(SyncGroupResponse::default().with_error_code(Kind::Group.denied().code()));
        }
        let group = request.group_id.to_string();
        Reply::Send(match cx.door.groups.sync(&group, sync(request)).await {
            Err(refusal) => refused(refusal),
            Ok(synced) => SyncGroupResponse::default()
                .with_protocol_type(synced.protocol_type.map(StrBytes::from_string))
                .with_protocol_name(synced.protocol.map(StrBytes::from_string))
                .with_assignment(synced.assignment),
        })
    }
}

fn refused(refusal: Refusal) -> SyncGroupResponse {
    SyncGroupResponse::default().with_error_code(code::of_group(refusal).code())
}

fn sync(request: SyncGroupRequest) -> Sync {
    // Copied: a share is kept for as long as the generation, and must not hold on to the whole frame.
    let assignments = request.assignments.into_iter();
    let assignments = assignments.map(|share| (share.member_id.to_string(), Bytes::copy_from_slice(&share.assignment)));
    Sync {
        who: Membership {
            member: request.member_id.to_string(),
            instance: request.group_instance_id.map(|id| id.to_string()),
            generation: request.generation_id,
        },
        protocol_type: request.protocol_type.map(|kind| kind.to_string()),
        protocol: request.protocol_name.map(|name| name.to_string()),
        assignments: assignments.collect(),
    }
}
