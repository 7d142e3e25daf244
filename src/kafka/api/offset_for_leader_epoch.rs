//! OffsetForLeaderEpoch (key 23): where a leader epoch ended, by which consumers detect a log that was cut.
//!
//! Served: 2 to 4. Version 3 brought the replica id, 4 tagged fields.
//!
//! The epoch is constant and nothing is ever cut, so epoch 0 ends at the tip, one before it ended where the log begins, and there
//! is no other (Kafka, `LeaderEpochFileCache.endOffsetFor`: an undefined epoch and offset, no error).

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use kafka_protocol::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use kafka_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::Operation;
use crate::kafka::code;
use crate::kafka::partition::{LEADER_EPOCH, NO_EPOCH, Topic, check_epoch, lane};

pub(crate) struct OffsetForLeaderEpoch;

const NO_OFFSET: i64 = -1;

impl Api for OffsetForLeaderEpoch {
    type Request = OffsetForLeaderEpochRequest;
    type Response = OffsetForLeaderEpochResponse;

    const VERSIONS: RangeInclusive<i16> = 2..=4;

    async fn handle(cx: &Context, request: OffsetForLeaderEpochRequest) -> Reply<OffsetForLeaderEpochResponse> {
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let response = EpochEndOffset::default().with_partition(partition.partition);
                partitions.push(match end(cx, topic, partition).await {
                    Ok((epoch, offset)) => response.with_leader_epoch(epoch).with_end_offset(offset),
                    Err(error) => response.with_error_code(error.code()).with_leader_epoch(NO_EPOCH).with_end_offset(NO_OFFSET),
                });
            }
            topics.push(OffsetForLeaderTopicResult::default().with_topic(topic.topic.clone()).with_partitions(partitions));
        }
        Reply::Send(OffsetForLeaderEpochResponse::default().with_topics(topics))
    }
}

/// The epoch asked for and the offset behind its last record.
async fn end(cx: &Context, topic: &OffsetForLeaderTopic, asked: &OffsetForLeaderPartition) -> Result<(i32, i64), ResponseError> {
    let stream = cx.topic(Topic::Named(&topic.topic), Operation::Describe)?;
    let lane = lane(&stream, asked.partition)?;
    check_epoch(asked.current_leader_epoch)?;
    let reach = cx.door.log.reach(lane).await.map_err(|error| code::of(&error))?;
    Ok(match asked.leader_epoch {
        LEADER_EPOCH => (LEADER_EPOCH, reach.tip.0),
        before if before < NO_EPOCH => (before, reach.horizon.0),
        _ => (NO_EPOCH, NO_OFFSET),
    })
}
