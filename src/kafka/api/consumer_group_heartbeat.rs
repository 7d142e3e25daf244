//! **ConsumerGroupHeartbeat** (68), v0 and v1: a member of the consumer protocol joins, stays and goes (KIP-848).
//!
//! As Kafka does it, checks and their order included. In v0 the server may give a member its id, in v1 the member brings one
//! (KIP-1082); v1 brought subscriptions by regular expression.
//!
//! Who joins has to be allowed to read the group and to know of the topics. Kafka leaves out of a pattern's topics those that
//! the member must not know of; we refuse the pattern, when it is brought.
//!
//! How we differ from Kafka: a regular expression is checked before the group is looked for, has at most 16 KiB, and its topics
//! are in the first answer; the messages are in our words.

use std::collections::BTreeSet;
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions as OwnedPartitions;
use kafka_protocol::messages::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::group::{Assignor, Beat, Beaten, Target, Topics, check_pattern, matching};

pub(crate) struct ConsumerGroupHeartbeat;

/// The first version in which members bring their ids.
const OWN_IDS: i16 = 1;
/// The epoch of a member that joins.
const JOINING: i32 = 0;
/// The epochs of one that goes, and of a static one that will be back.
const LEAVING: i32 = -1;
const AWAY: i32 = -2;
/// "As before."
const UNCHANGED: i32 = -1;

type Refused = (ResponseError, String);

impl Api for ConsumerGroupHeartbeat {
    type Request = ConsumerGroupHeartbeatRequest;
    type Response = ConsumerGroupHeartbeatResponse;

    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=1;

    async fn handle(cx: &Context, request: ConsumerGroupHeartbeatRequest) -> Reply<ConsumerGroupHeartbeatResponse> {
        let group = request.group_id.to_string();
        let beat = match check(cx.version, &request).and_then(|()| may(cx, &request)) {
            Ok(()) => beat(cx, request),
            Err(refused) => return Reply::Send(refusal(refused)),
        };
        if cx.door.shares.exists(&group) {
            let words = format!("Group {group} is not a consumer group.");
            return Reply::Send(refusal((ResponseError::GroupIdNotFound, words)));
        }
        Reply::Send(match cx.door.groups.beat(&group, beat).await {
            Ok(beaten) => accepted(beaten),
            Err(refused) => refusal((code::of_group(refused), refused.to_string())),
        })
    }
}

/// `GroupCoordinatorService.throwIfConsumerGroupHeartbeatRequestIsInvalid`.
fn check(version: i16, request: &ConsumerGroupHeartbeatRequest) -> Result<(), Refused> {
    let epoch = request.member_epoch;
    let refuse = |words: &str| Err((ResponseError::InvalidRequest, words.to_owned()));
    let is_blank = |text: &str| text.trim().is_empty();
    let is_given_blank = |text: &Option<StrBytes>| text.as_deref().is_some_and(is_blank);
    if (version >= OWN_IDS || epoch > JOINING || epoch == LEAVING) && is_blank(&request.member_id) {
        return refuse("the member id is empty");
    }
    if is_blank(&request.group_id) {
        return refuse("the group id is empty");
    }
    if is_given_blank(&request.instance_id) {
        return refuse("the instance id is empty; leave it out if there is none");
    }
    if is_given_blank(&request.rack_id) {
        return refuse("the rack id is empty; leave it out if there is none");
    }
    match epoch {
        JOINING if request.rebalance_timeout_ms == UNCHANGED => return refuse("who joins must give its rebalance timeout"),
        JOINING if request.topic_partitions.as_ref().is_none_or(|owned| !owned.is_empty()) => {
            return refuse("who joins must say that it has no partitions");
        }
        JOINING if request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() => {
            return refuse("who joins must subscribe to topics by name or by regular expression");
        }
        AWAY if request.instance_id.is_none() => return refuse("only a member with an instance id can go for a while"),
        ..AWAY => return refuse("the member epoch is below -2"),
        _ => {}
    }
    if let Some(name) = request.server_assignor.as_deref().filter(|name| Assignor::named(name).is_none()) {
        let known = Assignor::ALL.map(Assignor::name).join(" and ");
        return Err((ResponseError::UnsupportedAssignor, format!("there is no assignor {name:?}; there are {known}")));
    }
    let pattern = request.subscribed_topic_regex.as_deref().filter(|pattern| !pattern.is_empty());
    let wrong = |why| (ResponseError::InvalidRegularExpression, format!("the regular expression is not valid: {why}"));
    pattern.map_or(Ok(()), |pattern| check_pattern(pattern).map_err(wrong))
}

/// Whether the client may be a member, and may know of what it subscribes to.
fn may(cx: &Context, request: &ConsumerGroupHeartbeatRequest) -> Result<(), Refused> {
    let denied = |kind: Kind, what: &str| Err((kind.denied(), format!("{what} is not allowed")));
    if !cx.allows(Operation::Read, Kind::Group, &request.group_id) {
        return denied(Kind::Group, "to be a member of the group");
    }
    let named = request.subscribed_topic_names.iter().flatten().map(|name| name.to_string());
    let pattern = request.subscribed_topic_regex.as_deref().filter(|pattern| !pattern.is_empty());
    // Checked above.
    let found = pattern.map(|pattern| matching(pattern, cx.door.log.names()).unwrap_or_default());
    let topics = named.chain(found.into_iter().flatten()).collect::<BTreeSet<_>>();
    if topics.iter().all(|topic| cx.allows(Operation::Describe, Kind::Topic, topic)) {
        return Ok(());
    }
    denied(Kind::Topic, "to know of all the topics that are subscribed to")
}

fn beat(cx: &Context, request: ConsumerGroupHeartbeatRequest) -> Beat {
    let text = |text: StrBytes| text.to_string();
    let owned = |OwnedPartitions { topic_id, partitions, .. }| (topic_id, partitions.into_iter().collect::<BTreeSet<_>>());
    let settings = cx.door.group_configs.of_consumers(&request.group_id);
    let timeout = u64::try_from(request.rebalance_timeout_ms).ok().map(Duration::from_millis);
    Beat {
        member: request.member_id.to_string(),
        epoch: request.member_epoch,
        instance: request.instance_id.map(text),
        rack: request.rack_id.map(text),
        client_id: cx.client_id.to_string(),
        // With the slash, as Java writes an address without a host name and tools expect it.
        client_host: format!("/{}", cx.peer.ip()),
        rebalance_timeout: timeout.filter(|_| request.rebalance_timeout_ms != UNCHANGED),
        topics: request.subscribed_topic_names.map(|names| names.iter().map(|name| name.to_string()).collect()),
        pattern: request.subscribed_topic_regex.map(text),
        assignor: request.server_assignor.map(text),
        owned: request.topic_partitions.map(|topics| topics.into_iter().map(owned).collect::<Target>()),
        settings,
    }
}

fn accepted(beaten: Beaten) -> ConsumerGroupHeartbeatResponse {
    let topic = |(topic, partitions): (_, BTreeSet<i32>)| {
        TopicPartitions::default().with_topic_id(topic).with_partitions(partitions.into_iter().collect())
    };
    let assignment = |target: Target| Assignment::default().with_topic_partitions(target.into_iter().map(topic).collect());
    ConsumerGroupHeartbeatResponse::default()
        .with_error_message(None)
        .with_member_id(Some(StrBytes::from_string(beaten.member)))
        .with_member_epoch(beaten.epoch)
        .with_heartbeat_interval_ms(i32::try_from(beaten.interval.as_millis()).unwrap_or(i32::MAX))
        .with_assignment(beaten.assignment.map(assignment))
}

fn refusal((error, words): Refused) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse::default()
        .with_error_code(error.code())
        .with_error_message(Some(StrBytes::from_string(words)))
        .with_member_id(None)
        .with_assignment(None)
}
