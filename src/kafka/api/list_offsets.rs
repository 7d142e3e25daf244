//! ListOffsets (key 2): the offset at a time, or at either end of a partition.
//!
//! Served: 1 to 11. Version 4 brought leader epochs, 6 tagged fields, 7 the record with the latest timestamp (KIP-734), 8 the
//! earliest local offset and 9 the latest tiered one (KIP-405), 10 a timeout for asking another tier, 11 the first offset that is
//! still to be tiered (KIP-1023).
//!
//! For readers of committed records the latest offset is the last stable one, and nothing behind it is found by its time.
//!
//! Left out on purpose: tiered storage: everything is local, no offset is tiered and none ever will be.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::Operation;
use crate::kafka::code;
use crate::kafka::partition::{LEADER_EPOCH, Topic, check_epoch, isolation, lane};
use crate::kafka::wire::Unchanged;
use crate::log::{Error, Found, Isolation, Position};
use crate::model::{LaneId, Offset, Timestamp};

pub(crate) struct ListOffsets;

/// The first version with leader epochs.
const EPOCHS: i16 = 4;
/// "No offset" and "no timestamp".
const NONE: i64 = -1;

impl Api for ListOffsets {
    type Request = Unchanged<ListOffsetsRequest, 11>;
    type Response = Unchanged<ListOffsetsResponse, 11>;

    const VERSIONS: RangeInclusive<i16> = 1..=11;

    async fn handle(cx: &Context, request: Self::Request) -> Reply<Self::Response> {
        let repeated = repeated(&request.topics);
        let isolation = isolation(request.isolation_level);
        let mut topics = Vec::with_capacity(request.topics.len());
        // Kafka says nothing of a topic without partitions.
        for topic in request.topics.iter().filter(|topic| !topic.partitions.is_empty()) {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            let mut answered = HashSet::new();
            // What is refused for being named more than once is refused once.
            for partition in topic.partitions.iter().filter(|partition| answered.insert(partition.partition_index)) {
                let outcome = match repeated.contains(&(topic.name.as_str(), partition.partition_index)) {
                    true => Err(ResponseError::InvalidRequest),
                    false => look_up(cx, topic, partition, isolation).await,
                };
                partitions.push(answer(cx, partition.partition_index, outcome));
            }
            topics.push(ListOffsetsTopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions));
        }
        Reply::Send(ListOffsetsResponse::default().with_topics(topics).into())
    }
}

/// The partitions that are asked for more than once, which Kafka refuses to answer.
fn repeated(topics: &[ListOffsetsTopic]) -> HashSet<(&str, i32)> {
    let mut seen = HashSet::new();
    let all =
        topics.iter().flat_map(|topic| topic.partitions.iter().map(|partition| (topic.name.as_str(), partition.partition_index)));
    all.filter(|partition| !seen.insert(*partition)).collect()
}

/// What a timestamp of the request means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    Earliest,
    Latest,
    LatestTiered,
    EarliestUntiered,
    LatestTimestamp,
    From(Timestamp),
}

impl Asked {
    /// UNSUPPORTED_VERSION for a special value that the version does not know (Kafka, `ReplicaManager.fetchOffset`).
    fn of(timestamp: i64, version: i16) -> Result<Self, ResponseError> {
        let since = |first: i16, asked| if version >= first { Ok(asked) } else { Err(ResponseError::UnsupportedVersion) };
        match timestamp {
            -1 => Ok(Self::Latest),
            -2 => Ok(Self::Earliest),
            -3 => since(7, Self::LatestTimestamp),
            -4 => since(8, Self::Earliest),
            -5 => since(9, Self::LatestTiered),
            -6 => since(11, Self::EarliestUntiered),
            0.. => Ok(Self::From(Timestamp(timestamp))),
            _ => Err(ResponseError::UnsupportedVersion),
        }
    }
}

async fn look_up(
    cx: &Context,
    topic: &ListOffsetsTopic,
    partition: &ListOffsetsPartition,
    isolation: Result<Isolation, ResponseError>,
) -> Result<Option<Found>, ResponseError> {
    let isolation = isolation?;
    let asked = Asked::of(partition.timestamp, cx.version)?;
    let stream = cx.topic(Topic::Named(&topic.name), Operation::Describe)?;
    let lane = lane(&stream, partition.partition_index)?;
    check_epoch(partition.current_leader_epoch)?;
    find(cx, lane, asked, isolation).await.map_err(|error| code::of(&error))
}

async fn find(cx: &Context, lane: LaneId, asked: Asked, isolation: Isolation) -> Result<Option<Found>, Error> {
    let log = &cx.door.log;
    let untimed = |offset: Offset| Some(Found { offset, created_at: None });
    let found = match asked {
        Asked::Earliest => return Ok(untimed(log.reach(lane).await?.horizon)),
        Asked::Latest => return Ok(untimed(log.reach(lane).await?.end(isolation))),
        Asked::LatestTiered | Asked::EarliestUntiered => return Ok(None),
        Asked::LatestTimestamp => log.find(lane, Position::LatestTime).await?,
        Asked::From(timestamp) => log.find(lane, Position::AtTime(timestamp)).await?,
    };
    let end = log.reach(lane).await?.end(isolation);
    Ok(found.filter(|found| found.offset < end))
}

fn answer(cx: &Context, partition: i32, outcome: Result<Option<Found>, ResponseError>) -> ListOffsetsPartitionResponse {
    let response = ListOffsetsPartitionResponse::default().with_partition_index(partition).with_offset(NONE).with_timestamp(NONE);
    match outcome {
        Ok(Some(found)) => {
            let timestamp = found.created_at.map_or(NONE, |time| time.0);
            let response = response.with_offset(found.offset.0).with_timestamp(timestamp);
            if cx.version >= EPOCHS { response.with_leader_epoch(LEADER_EPOCH) } else { response }
        }
        Ok(None) => response,
        Err(error) => response.with_error_code(error.code()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_timestamps_are_refused_below_the_version_that_brought_them() {
        let unknown = Err(ResponseError::UnsupportedVersion);
        for (timestamp, version, expected) in [
            (-1, 1, Ok(Asked::Latest)),
            (-2, 1, Ok(Asked::Earliest)),
            (-3, 6, unknown),
            (-3, 7, Ok(Asked::LatestTimestamp)),
            (-4, 7, unknown),
            (-4, 8, Ok(Asked::Earliest)),
            (-5, 8, unknown),
            (-5, 9, Ok(Asked::LatestTiered)),
            (-6, 10, unknown),
            (-6, 11, Ok(Asked::EarliestUntiered)),
            (-7, 11, unknown),
            (i64::MIN, 11, unknown),
            (0, 1, Ok(Asked::From(Timestamp(0)))),
        ] {
            assert_eq!(Asked::of(timestamp, version), expected, "timestamp {timestamp}, version {version}");
        }
    }
}
