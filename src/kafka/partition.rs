//! Topic ⇄ stream, partition ⇄ lane, and the leader epoch they all share.

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::TopicName;
use uuid::Uuid;

use crate::kafka::group::{self, Topics};
use crate::log::{Isolation, Log, Stream};
use crate::model::{Lane, LaneId, Status, StreamId};

/// The leader epoch of every partition. Leadership never moves, and clients ignore metadata whose epoch went back, so it is
/// constant (KIP-320).
pub(crate) const LEADER_EPOCH: i32 = 0;
/// "No epoch" in requests and answers.
pub(crate) const NO_EPOCH: i32 = -1;

/// How a request names a topic: by id in newer versions, by name in older ones.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Topic<'a> {
    /// By name.
    Named(&'a TopicName),
    /// By id (KIP-516).
    Identified(Uuid),
}

impl Topic<'_> {
    /// Its stream; UNKNOWN_TOPIC_OR_PARTITION or UNKNOWN_TOPIC_ID if there is none.
    pub(crate) fn stream(self, log: &Log) -> Result<Arc<Stream>, ResponseError> {
        match self {
            Self::Named(name) => topic(log, name.as_str()).ok_or(ResponseError::UnknownTopicOrPartition),
            Self::Identified(id) => topic_by_id(log, id).ok_or(ResponseError::UnknownTopicId),
        }
    }
}

/// The stream of the topic `name`. One that is being deleted is a topic no more, and one that is being created is one already.
pub(crate) fn topic(log: &Log, name: &str) -> Option<Arc<Stream>> {
    log.stream(name).filter(|stream| is_topic(log, stream))
}

/// The same by its id.
pub(crate) fn topic_by_id(log: &Log, id: Uuid) -> Option<Arc<Stream>> {
    log.stream_by_id(StreamId(id)).filter(|stream| is_topic(log, stream))
}

/// The streams of all topics, by name: those at home.
pub(crate) fn topics(log: &Log) -> Vec<Arc<Stream>> {
    let mut topics = log.streams();
    topics.retain(|stream| is_topic(log, stream));
    topics
}

/// What groups see of the log: its topics.
impl Topics for Log {
    fn version(&self) -> u64 {
        self.changes()
    }

    fn named(&self, name: &str) -> Option<group::Topic> {
        topic(self, name).map(|stream| shown(&stream))
    }

    fn identified(&self, id: Uuid) -> Option<group::Topic> {
        topic_by_id(self, id).map(|stream| shown(&stream))
    }

    fn names(&self) -> Vec<String> {
        topics(self).iter().map(|stream| stream.name().to_string()).collect()
    }
}

fn shown(stream: &Stream) -> group::Topic {
    let partitions = i32::try_from(stream.lanes()).unwrap_or(i32::MAX);
    group::Topic { id: stream.id().0, name: stream.name().to_string(), partitions }
}

fn is_topic(log: &Log, stream: &Stream) -> bool {
    stream.realm().is_home() && stream.status(log.env().clock.now()) != Status::Deleting
}

/// The lane of a partition; UNKNOWN_TOPIC_OR_PARTITION if the topic has no such partition.
pub(crate) fn lane(stream: &Stream, partition: i32) -> Result<LaneId, ResponseError> {
    match u32::try_from(partition) {
        Ok(lane) if lane < stream.lanes() => Ok(LaneId { stream: stream.id(), lane: Lane(lane) }),
        _ => Err(ResponseError::UnknownTopicOrPartition),
    }
}

/// What a reader wants to see by its request's isolation level; INVALID_REQUEST for a level that there is not: a reader who is taken
/// for another would see what it must not.
pub(crate) fn isolation(level: i8) -> Result<Isolation, ResponseError> {
    match level {
        0 => Ok(Isolation::Uncommitted),
        1 => Ok(Isolation::Committed),
        _ => Err(ResponseError::InvalidRequest),
    }
}

/// Whether the epoch that a client believes in is the leader's; FENCED_LEADER_EPOCH or UNKNOWN_LEADER_EPOCH if it is older or
/// newer (KIP-320; Kafka, `Partition.checkCurrentLeaderEpoch`).
pub(crate) fn check_epoch(believed: i32) -> Result<(), ResponseError> {
    match believed {
        NO_EPOCH | LEADER_EPOCH => Ok(()),
        older if older < LEADER_EPOCH => Err(ResponseError::FencedLeaderEpoch),
        _ => Err(ResponseError::UnknownLeaderEpoch),
    }
}
