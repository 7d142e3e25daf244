//! **OffsetCommit** (8), v2 to v10: keeps where a group has read to; durable when answered.
//!
//! As Kafka does it. v2 to v4 may say how long to keep the offsets; v5 took that away; v6 brought leader epochs, v7 the instance
//! id, v9 the epochs of members of the consumer protocol (who cannot commit before it) and the error for a group that does not
//! exist (before: ILLEGAL_GENERATION), v10 topics by id only, of which one that is not there is UNKNOWN_TOPIC_ID.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::OffsetCommitResponse;
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::group::{Commit, Membership, NewOffset, Refusal};
use crate::kafka::partition::Topic;
use crate::kafka::wire::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic};

/// The first version that names topics by id.
const IDS: i16 = 10;

pub(crate) struct OffsetCommit;

impl Api for OffsetCommit {
    type Request = OffsetCommitRequest;
    type Response = OffsetCommitResponse;

    const VERSIONS: std::ops::RangeInclusive<i16> = 2..=10;

    async fn handle(cx: &Context, request: OffsetCommitRequest) -> Reply<OffsetCommitResponse> {
        let (mut offsets, mut topics) = (Vec::new(), Vec::new());
        let is_allowed = cx.allows(Operation::Read, Kind::Group, &request.group_id);
        for OffsetCommitRequestTopic { name, topic_id, partitions } in request.topics {
            let topic = if cx.version < IDS { Topic::Named(&name) } else { Topic::Identified(topic_id) };
            let stream = if is_allowed { cx.topic(topic, Operation::Read) } else { Err(Kind::Group.denied()) };
            let lanes = stream.as_ref().map(|stream| stream.lanes()).map_err(|error| *error);
            let answers = partitions.iter().map(|partition| answer(partition, lanes)).collect::<Vec<_>>();
            let known = partitions.into_iter().zip(&answers).filter(|(_, answer)| answer.error_code == 0);
            if let Ok(stream) = stream {
                offsets.extend(known.map(|(partition, _)| new_offset(stream.name().as_str(), partition)));
            }
            let topic = OffsetCommitResponseTopic::default().with_partitions(answers);
            topics.push(if cx.version < IDS { topic.with_name(name) } else { topic.with_topic_id(topic_id) });
        }
        if !offsets.is_empty() {
            let who = Membership {
                member: request.member_id.to_string(),
                instance: request.group_instance_id.map(|id| id.to_string()),
                generation: request.generation_id_or_member_epoch,
            };
            let retention = u64::try_from(request.retention_time_ms).ok().map(Duration::from_millis);
            let commit = Commit { who, epochs_known: cx.version >= 9, retention, offsets };
            // Share groups have offsets of another kind.
            let results = match cx.door.shares.exists(&request.group_id) {
                true => Err(Refusal::UnknownGroup),
                false => cx.door.groups.commit(&request.group_id, commit).await,
            };
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
fn answer(partition: &OffsetCommitRequestPartition, lanes: Result<u32, ResponseError>) -> OffsetCommitResponsePartition {
    let index = partition.partition_index;
    let code = match lanes {
        Ok(lanes) if u32::try_from(index).is_ok_and(|index| index < lanes) => 0,
        Ok(_) => ResponseError::UnknownTopicOrPartition.code(),
        Err(error) => error.code(),
    };
    OffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(code)
}

fn new_offset(topic: &str, partition: OffsetCommitRequestPartition) -> NewOffset {
    NewOffset {
        topic: topic.to_owned(),
        partition: partition.partition_index,
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition.committed_metadata.map(|text| text.to_string()).unwrap_or_default(),
    }
}
