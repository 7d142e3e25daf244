//! **OffsetCommit** (8), v2 to v9: keeps where a group has read to; durable when answered.
//!
//! As Kafka does it, with one rule more: a partition that the topic does not have is UNKNOWN_TOPIC_OR_PARTITION too, where
//! Kafka keeps an offset of a partition that is not there. v2 to v4 may say how long to keep the offsets; v5 took that away;
//! v6 brought leader epochs, v7 the instance id, v9 the error for a group that does not exist (before: ILLEGAL_GENERATION).
//! Left out: v10, which names topics by id only, until the message crate can decode it.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::{ApiKey, OffsetCommitRequest, OffsetCommitResponse, TopicName};

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::group::{Commit, Membership, NewOffset, Refusal};
use crate::kafka::partition::Topic;

pub(crate) struct OffsetCommit;

impl Api for OffsetCommit {
    type Request = OffsetCommitRequest;
    type Response = OffsetCommitResponse;

    const KEY: ApiKey = ApiKey::OffsetCommit;
    const VERSIONS: std::ops::RangeInclusive<i16> = 2..=9;

    async fn handle(cx: &Context, request: OffsetCommitRequest) -> Reply<OffsetCommitResponse> {
        let (mut offsets, mut topics) = (Vec::new(), Vec::new());
        let is_allowed = cx.allows(Operation::Read, Kind::Group, &request.group_id);
        for OffsetCommitRequestTopic { name, partitions, .. } in request.topics {
            let lanes = if is_allowed { cx.topic(Topic::Named(&name), Operation::Read) } else { Err(Kind::Group.denied()) };
            let lanes = lanes.map(|stream| stream.lanes());
            let answers = partitions.iter().map(|partition| answer(partition, &lanes)).collect::<Vec<_>>();
            let known = partitions.into_iter().zip(&answers).filter(|(_, answer)| answer.error_code == 0);
            offsets.extend(known.map(|(partition, _)| new_offset(&name, partition)));
            topics.push(OffsetCommitResponseTopic::default().with_name(name).with_partitions(answers));
        }
        if !offsets.is_empty() {
            let who = Membership {
                member: request.member_id.to_string(),
                instance: request.group_instance_id.map(|id| id.to_string()),
                generation: request.generation_id_or_member_epoch,
            };
            let retention = u64::try_from(request.retention_time_ms).ok().map(Duration::from_millis);
            let results = cx.door.groups.commit(&request.group_id, Commit { who, retention, offsets }).await;
            let asked = topics.iter_mut().flat_map(|topic| &mut topic.partitions).filter(|answer| answer.error_code == 0);
            for (at, answer) in asked.enumerate() {
                answer.error_code = match &results {
                    Ok(each) => each.get(at).map_or(0, code::of_result),
                    Err(Refusal::UnknownGroup) if cx.version < 9 => ResponseError::IllegalGeneration.code(),
                    Err(refusal) => code::of_group(*refusal).code(),
                };
            }
        }
        Reply::Send(OffsetCommitResponse::default().with_topics(topics))
    }
}

/// The answer for a partition, before the group is asked: whether the topic has it, and the client may use it.
fn answer(partition: &OffsetCommitRequestPartition, lanes: &Result<u32, ResponseError>) -> OffsetCommitResponsePartition {
    let index = partition.partition_index;
    let code = match lanes {
        Ok(lanes) if u32::try_from(index).is_ok_and(|index| index < *lanes) => 0,
        Ok(_) => ResponseError::UnknownTopicOrPartition.code(),
        Err(error) => error.code(),
    };
    OffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(code)
}

fn new_offset(topic: &TopicName, partition: OffsetCommitRequestPartition) -> NewOffset {
    NewOffset {
        topic: topic.to_string(),
        partition: partition.partition_index,
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition.committed_metadata.map(|text| text.to_string()).unwrap_or_default(),
    }
}
