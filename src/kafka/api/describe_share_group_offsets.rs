//! **DescribeShareGroupOffsets** (90), v0 and v1: where share groups are (KIP-932).
//!
//! As Kafka does it: without topics, all that a group has state of; a partition that nobody has read yet is at -1, and so is
//! every partition of a group or of a topic that is not there.
//!
//! Versions: 1 says how many records are not finished (KIP-1226); where nobody has read, -1.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_share_group_offsets_request::{
    DescribeShareGroupOffsetsRequestGroup, DescribeShareGroupOffsetsRequestTopic,
};
use kafka_protocol::messages::{DescribeShareGroupOffsetsRequest, TopicName};
use uuid::Uuid;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::partition::{self, LEADER_EPOCH, Topic};
use crate::kafka::share::{Place, Refusal};
use crate::kafka::wire::{
    DescribeShareGroupOffsetsResponse, DescribeShareGroupOffsetsResponseGroup, DescribeShareGroupOffsetsResponsePartition,
    DescribeShareGroupOffsetsResponseTopic, Unchanged,
};

pub(crate) struct DescribeShareGroupOffsets;

impl Api for DescribeShareGroupOffsets {
    type Request = Unchanged<DescribeShareGroupOffsetsRequest, 1>;
    type Response = DescribeShareGroupOffsetsResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=1;
    const IS_BULKY: bool = true;

    async fn handle(cx: &Context, Unchanged(request): Self::Request) -> Reply<DescribeShareGroupOffsetsResponse> {
        let (mut answered, mut groups) = (BTreeSet::new(), Vec::new());
        // A group may have much and its name be short, so each is answered once.
        for group in request.groups.into_iter().filter(|group| answered.insert(group.group_id.clone())) {
            let (topics, error_code) = match describe(cx, &group).await {
                Ok(topics) => (topics, 0),
                Err(error) => (Vec::new(), error.code()),
            };
            let group_id = group.group_id;
            groups.push(DescribeShareGroupOffsetsResponseGroup { group_id, topics, error_code, error_message: None });
        }
        Reply::Send(DescribeShareGroupOffsetsResponse { groups, ..Default::default() })
    }
}

async fn describe(
    cx: &Context,
    group: &DescribeShareGroupOffsetsRequestGroup,
) -> Result<Vec<DescribeShareGroupOffsetsResponseTopic>, ResponseError> {
    if !cx.allows(Operation::Describe, Kind::Group, &group.group_id) {
        return Err(Kind::Group.denied());
    }
    let known = match cx.door.shares.topics(&group.group_id) {
        Err(Refusal::UnknownGroup) => BTreeMap::new(),
        known => known.map_err(code::of_share)?,
    };
    let mut topics = Vec::new();
    match &group.topics {
        Some(wanted) => {
            for topic in wanted {
                topics.push(asked(cx, &group.group_id, topic).await);
            }
        }
        None => {
            for (topic_id, (name, count)) in known {
                if cx.allows(Operation::Describe, Kind::Topic, &name) {
                    let mut partitions = Vec::new();
                    for partition in (0..count).filter_map(|partition| i32::try_from(partition).ok()) {
                        partitions.push(at(cx, &group.group_id, topic_id, partition).await);
                    }
                    let topic_name = TopicName(name.into());
                    topics.push(DescribeShareGroupOffsetsResponseTopic { topic_name, topic_id, partitions });
                }
            }
        }
    }
    Ok(topics)
}

async fn asked(
    cx: &Context,
    group: &str,
    wanted: &DescribeShareGroupOffsetsRequestTopic,
) -> DescribeShareGroupOffsetsResponseTopic {
    let stream = cx.topic(Topic::Named(&wanted.topic_name), Operation::Describe);
    let mut partitions = Vec::new();
    for &index in &wanted.partitions {
        partitions.push(match &stream {
            Ok(stream) if partition::lane(stream, index).is_ok() => at(cx, group, stream.id().0, index).await,
            Ok(_) => wrong(index, ResponseError::UnknownTopicOrPartition),
            Err(ResponseError::UnknownTopicOrPartition) => unread(index),
            Err(error) => wrong(index, *error),
        });
    }
    let topic_id = stream.as_ref().map_or(Uuid::nil(), |stream| stream.id().0);
    DescribeShareGroupOffsetsResponseTopic { topic_name: wanted.topic_name.clone(), topic_id, partitions }
}

async fn at(cx: &Context, group: &str, topic: Uuid, partition_index: i32) -> DescribeShareGroupOffsetsResponsePartition {
    let offset = cx.door.shares.offset(group, Place { topic, partition: partition_index });
    match offset {
        Ok(Some((start_offset, finished))) => {
            let lag = end(cx, topic, partition_index).await.map_or(-1, |end| (end - start_offset - finished).max(0));
            DescribeShareGroupOffsetsResponsePartition { start_offset, lag, ..unread(partition_index) }
        }
        Ok(None) | Err(Refusal::UnknownGroup) => unread(partition_index),
        Err(refusal) => wrong(partition_index, code::of_share(refusal)),
    }
}

/// The end of a partition, if it is there.
async fn end(cx: &Context, topic: Uuid, partition: i32) -> Option<i64> {
    let stream = Topic::Identified(topic).stream(&cx.door.log).ok()?;
    let lane = partition::lane(&stream, partition).ok()?;
    cx.door.log.reach(lane).await.ok().map(|reach| reach.tip.0)
}

/// A partition that nobody has read, or ever will.
fn unread(partition_index: i32) -> DescribeShareGroupOffsetsResponsePartition {
    DescribeShareGroupOffsetsResponsePartition {
        partition_index,
        start_offset: -1,
        leader_epoch: LEADER_EPOCH,
        ..Default::default()
    }
}

fn wrong(partition_index: i32, error: ResponseError) -> DescribeShareGroupOffsetsResponsePartition {
    let (error_code, error_message) = (error.code(), Some(error.to_string().into()));
    DescribeShareGroupOffsetsResponsePartition {
        partition_index,
        start_offset: -1,
        error_code,
        error_message,
        ..Default::default()
    }
}
