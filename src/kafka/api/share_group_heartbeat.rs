//! **ShareGroupHeartbeat** (76), v1: joins, stays in and leaves a share group (KIP-932).
//!
//! As Kafka does it: the member chooses its id, epoch 0 joins, -1 leaves; it is told what it reads when that, its topics or its
//! epoch have changed. A group of another kind
//! is GROUP_ID_NOT_FOUND; a topic that does not exist is no error, and read once it does.

use std::ops::RangeInclusive;
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::share_group_heartbeat_response::{Assignment, TopicPartitions};
use kafka_protocol::messages::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::group::Refusal;
use crate::kafka::share::Beat;
use crate::kafka::{code, partition, sharing};

pub(crate) struct ShareGroupHeartbeat;

impl Api for ShareGroupHeartbeat {
    type Request = ShareGroupHeartbeatRequest;
    type Response = ShareGroupHeartbeatResponse;

    const VERSIONS: RangeInclusive<i16> = 1..=1;

    async fn handle(cx: &Context, request: ShareGroupHeartbeatRequest) -> Reply<ShareGroupHeartbeatResponse> {
        let member = request.member_id.clone();
        Reply::Send(match serve(cx, request).await {
            Ok(response) => response.with_member_id(Some(member)),
            Err((error, words)) => {
                ShareGroupHeartbeatResponse::default().with_error_code(error.code()).with_error_message(Some(words))
            }
        })
    }
}

async fn serve(
    cx: &Context,
    request: ShareGroupHeartbeatRequest,
) -> Result<ShareGroupHeartbeatResponse, (ResponseError, StrBytes)> {
    let group = request.group_id.0.clone();
    if !cx.allows(Operation::Read, Kind::Group, &group) {
        return Err((Kind::Group.denied(), StrBytes::from_static_str("the access rules do not allow it")));
    }
    check(&request).map_err(|words| (ResponseError::InvalidRequest, StrBytes::from_static_str(words)))?;
    let denied = |name: &str| !cx.allows(Operation::Describe, Kind::Topic, name);
    if request.subscribed_topic_names.iter().flatten().any(|name| denied(name)) {
        return Err((Kind::Topic.denied(), StrBytes::from_static_str("the access rules do not allow it")));
    }
    let refused = |error: ResponseError, words: String| (error, StrBytes::from_string(words));
    let is_other = |described: &_| matches!(described, Ok(Some(_)) | Err(Refusal::OtherKind));
    if !cx.door.shares.exists(&group) && is_other(&cx.door.groups.describe(&group).await) {
        return Err(refused(ResponseError::GroupIdNotFound, format!("Group {} is not a share group.", &*group)));
    }
    let topics = |name: &str| partition::topic(&cx.door.log, name).map(|stream| (stream.id().0, stream.lanes()));
    let beat = Beat {
        member: request.member_id.to_string(),
        epoch: request.member_epoch,
        rack: request.rack_id.map(|rack| rack.to_string()),
        client_id: cx.client_id.to_string(),
        client_host: format!("/{}", cx.peer.ip().to_canonical()),
        topics: request.subscribed_topic_names.map(|names| names.into_iter().map(|name| name.to_string()).collect()),
    };
    let beaten = cx.door.shares.heartbeat(&group, beat, &topics).await;
    let beaten = beaten.map_err(|refusal| refused(code::of_share(refusal), refusal.to_string()))?;
    let assignment = beaten.assignment.map(|assignment| {
        let of = |(topic, partitions): (uuid::Uuid, std::collections::BTreeSet<i32>)| {
            TopicPartitions::default().with_topic_id(topic).with_partitions(partitions.into_iter().collect())
        };
        Assignment::default().with_topic_partitions(assignment.into_iter().map(of).collect())
    });
    // Who has left need not come again.
    let interval = if beaten.epoch < 0 { Duration::ZERO } else { beaten.interval };
    Ok(ShareGroupHeartbeatResponse::default()
        .with_error_message(None)
        .with_member_epoch(beaten.epoch)
        .with_heartbeat_interval_ms(i32::try_from(interval.as_millis()).unwrap_or(i32::MAX))
        .with_assignment(assignment))
}

/// What Kafka wants of every heartbeat, in its words (`throwIfShareGroupHeartbeatRequestIsInvalid`).
fn check(request: &ShareGroupHeartbeatRequest) -> Result<(), &'static str> {
    let is_blank = |text: &StrBytes| text.trim().is_empty();
    match request.member_epoch {
        _ if is_blank(&request.member_id) => Err("MemberId can't be empty."),
        _ if !sharing::is_member_id(&request.member_id) => Err("Invalid member id in the request."),
        _ if is_blank(&request.group_id) => Err("GroupId can't be empty."),
        _ if request.rack_id.as_ref().is_some_and(is_blank) => Err("RackId can't be empty."),
        0 if request.subscribed_topic_names.as_ref().is_none_or(Vec::is_empty) => {
            Err("SubscribedTopicNames must be set in first request.")
        }
        ..=-2 => Err("MemberEpoch is invalid."),
        _ => Ok(()),
    }
}
