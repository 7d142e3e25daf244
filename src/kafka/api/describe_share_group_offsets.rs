//! **DescribeShareGroupOffsets** (90), v0: where share groups are (KIP-932).
//!
//! As Kafka does it: without topics, all that a group has state of; a partition that nobody has read yet is at -1.

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_share_group_offsets_request::{
    DescribeShareGroupOffsetsRequestGroup, DescribeShareGroupOffsetsRequestTopic,
};
use kafka_protocol::messages::describe_share_group_offsets_response::{
    DescribeShareGroupOffsetsResponseGroup, DescribeShareGroupOffsetsResponsePartition, DescribeShareGroupOffsetsResponseTopic,
};
use kafka_protocol::messages::{DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse, TopicName};

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::partition::{self, LEADER_EPOCH, Topic};
use crate::kafka::share::Place;

pub(crate) struct DescribeShareGroupOffsets;

impl Api for DescribeShareGroupOffsets {
    type Request = DescribeShareGroupOffsetsRequest;
    type Response = DescribeShareGroupOffsetsResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const IS_BULKY: bool = true;

    async fn handle(cx: &Context, request: DescribeShareGroupOffsetsRequest) -> Reply<DescribeShareGroupOffsetsResponse> {
        let mut answered = std::collections::BTreeSet::new();
        // A group may have much and its name be short, so each is answered once.
        let groups = request.groups.into_iter().filter(|group| answered.insert(group.group_id.clone())).map(|group| {
            let described = describe(cx, &group);
            let answer = DescribeShareGroupOffsetsResponseGroup::default().with_group_id(group.group_id).with_error_message(None);
            match described {
                Ok(topics) => answer.with_topics(topics),
                Err(error) => answer.with_error_code(error.code()),
            }
        });
        Reply::Send(DescribeShareGroupOffsetsResponse::default().with_groups(groups.collect()))
    }
}

fn describe(
    cx: &Context,
    group: &DescribeShareGroupOffsetsRequestGroup,
) -> Result<Vec<DescribeShareGroupOffsetsResponseTopic>, ResponseError> {
    if !cx.allows(Operation::Describe, Kind::Group, &group.group_id) {
        return Err(Kind::Group.denied());
    }
    let known = cx.door.shares.topics(&group.group_id).map_err(code::of_share)?;
    match &group.topics {
        Some(topics) => Ok(topics.iter().map(|topic| asked(cx, &group.group_id, topic)).collect()),
        None => {
            let seen = known.into_iter().filter(|(_, (name, _))| cx.allows(Operation::Describe, Kind::Topic, name));
            let all = seen.map(|(id, (name, partitions))| {
                let partitions = (0..partitions).filter_map(|partition| i32::try_from(partition).ok());
                topic(TopicName(name.into()), id, partitions.map(|partition| at(cx, &group.group_id, id, partition)).collect())
            });
            Ok(all.collect())
        }
    }
}

fn asked(cx: &Context, group: &str, wanted: &DescribeShareGroupOffsetsRequestTopic) -> DescribeShareGroupOffsetsResponseTopic {
    let stream = cx.topic(Topic::Named(&wanted.topic_name), Operation::Describe);
    let partitions = wanted.partitions.iter().map(|&index| match &stream {
        Ok(stream) if partition::lane(stream, index).is_ok() => at(cx, group, stream.id().0, index),
        Ok(_) => wrong(index, ResponseError::UnknownTopicOrPartition),
        Err(error) => wrong(index, *error),
    });
    let id = stream.as_ref().map_or(uuid::Uuid::nil(), |stream| stream.id().0);
    topic(wanted.topic_name.clone(), id, partitions.collect())
}

fn topic(
    name: TopicName,
    id: uuid::Uuid,
    partitions: Vec<DescribeShareGroupOffsetsResponsePartition>,
) -> DescribeShareGroupOffsetsResponseTopic {
    DescribeShareGroupOffsetsResponseTopic::default().with_topic_name(name).with_topic_id(id).with_partitions(partitions)
}

fn at(cx: &Context, group: &str, topic: uuid::Uuid, partition: i32) -> DescribeShareGroupOffsetsResponsePartition {
    match cx.door.shares.offset(group, Place { topic, partition }) {
        Ok(offset) => DescribeShareGroupOffsetsResponsePartition::default()
            .with_partition_index(partition)
            .with_start_offset(offset.unwrap_or(-1))
            .with_leader_epoch(LEADER_EPOCH)
            .with_error_message(None),
        Err(refusal) => wrong(partition, code::of_share(refusal)),
    }
}

fn wrong(partition: i32, error: ResponseError) -> DescribeShareGroupOffsetsResponsePartition {
    DescribeShareGroupOffsetsResponsePartition::default()
        .with_partition_index(partition)
        .with_start_offset(-1)
        .with_error_code(error.code())
        .with_error_message(None)
}
