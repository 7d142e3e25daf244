//! **Heartbeat** (12), v0 to v4: a member stays in its group, and hears of a rebalance.
//!
//! As Kafka does it. v3 brought the instance id (KIP-345); v1, v2 and v4 brought no rules.

use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::group::Membership;

pub(crate) struct Heartbeat;

impl Api for Heartbeat {
    type Request = HeartbeatRequest;
    type Response = HeartbeatResponse;

    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=4;

    async fn handle(cx: &Context, request: HeartbeatRequest) -> Reply<HeartbeatResponse> {
        if !cx.allows(Operation::Read, Kind::Group, &request.group_id) {
            return Reply::Send(HeartbeatResponse::default().with_error_code(Kind::Group.denied().code()));
        }
        let who = Membership {
            member: request.member_id.to_string(),
            instance: request.group_instance_id.map(|id| id.to_string()),
            generation: request.generation_id,
        };
        let result = cx.door.groups.heartbeat(&request.group_id, who).await;
        Reply::Send(HeartbeatResponse::default().with_error_code(code::of_result(&result)))
    }
}
