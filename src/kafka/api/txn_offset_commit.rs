//! TxnOffsetCommit (key 28): keeps where a group has read to, if the transaction is committed.
//!
//! Served: 0 to 6. Version 2 brought leader epochs, 3 the member that commits (KIP-447) and tagged fields, 4
//! TRANSACTION_ABORTABLE, 5 the second generation of transactions (KIP-890), in which the group need not be named before, 6 topics by id only and the errors for a
//! group that is not there and a stale epoch (KIP-1319; before: ILLEGAL_GENERATION).
//!
//! Until the transaction has ended nobody sees the offsets; who asks for stable ones is told that there are some
//! (UNSTABLE_OFFSET_COMMIT). As in OffsetCommit, a partition that the topic does not have is UNKNOWN_TOPIC_OR_PARTITION.

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::group::{self, Commit, Membership, NewOffset};
use crate::kafka::partition::Topic;
use crate::kafka::transaction::{Incarnation, Part, Refusal, Turn};
use crate::kafka::wire::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic, TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};

pub(crate) struct TxnOffsetCommit;

/// The first version of the second generation.
const SECOND: i16 = 5;
/// The first version whose clients know TRANSACTION_ABORTABLE.
const ABORTABLE: i16 = 4;
/// The first version that names topics by id.
const IDS: i16 = 6;

impl Api for TxnOffsetCommit {
    type Request = TxnOffsetCommitRequest;
    type Response = TxnOffsetCommitResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=6;

    async fn handle(cx: &Context, mut request: TxnOffsetCommitRequest) -> Reply<TxnOffsetCommitResponse> {
        let (mut offsets, mut topics) = (Vec::new(), Vec::new());
        let is_allowed = if !cx.allows(Operation::Write, Kind::TransactionalId, &request.transactional_id) {
            Err(Kind::TransactionalId.denied())
        } else if !cx.allows(Operation::Read, Kind::Group, &request.group_id) {
            Err(Kind::Group.denied())
        } else if request.group_id.is_empty() {
            Err(ResponseError::InvalidGroupId)
        } else {
            Ok(())
        };
        for TxnOffsetCommitRequestTopic { name, topic_id, partitions } in std::mem::take(&mut request.topics) {
            let topic = if cx.version < IDS { Topic::Named(&name) } else { Topic::Identified(topic_id) };
            let stream = is_allowed.and_then(|()| cx.topic(topic, Operation::Read));
            let lanes = stream.as_ref().map(|stream| stream.lanes()).map_err(|error| *error);
            let answers = partitions.iter().map(|partition| answer(partition, lanes)).collect::<Vec<_>>();
            let known = partitions.into_iter().zip(&answers).filter(|(_, answer)| answer.error_code == 0);
            if let Ok(stream) = stream {
                offsets.extend(known.map(|(partition, _)| new_offset(stream.name().as_str(), partition)));
            }
            topics.push(TxnOffsetCommitResponseTopic { name, topic_id, partitions: answers });
        }
        if !offsets.is_empty() {
            let results = commit(cx, &request, offsets).await;
            let asked = topics.iter_mut().flat_map(|topic| &mut topic.partitions).filter(|answer| answer.error_code == 0);
            for (at, answer) in asked.enumerate() {
                answer.error_code = match &results {
                    Ok(each) => each.get(at).map_or(0, code::of_result),
                    Err(error) => error.code(),
                };
            }
        }
        Reply::Send(TxnOffsetCommitResponse { topics, ..Default::default() })
    }
}

async fn commit(
    cx: &Context,
    request: &TxnOffsetCommitRequest,
    offsets: Vec<NewOffset>,
) -> Result<Vec<Result<(), group::Refusal>>, ResponseError> {
    // Held until the offsets are durable, so that the transaction does not end before.
    let _turn = enter(cx, request).await.map_err(|refusal| refused(cx, refusal))?;
    let who = Membership {
        member: request.member_id.to_string(),
        instance: request.group_instance_id.as_ref().map(|id| id.to_string()),
        generation: request.generation_id_or_member_epoch,
    };
    let commit = Commit { who, epochs_known: true, retention: None, offsets };
    let results = cx.door.groups.commit_in_transaction(&request.group_id, *request.producer_id, commit).await;
    results.map_err(|refusal| match refusal {
        group::Refusal::UnknownGroup | group::Refusal::StaleEpoch if cx.version < IDS => ResponseError::IllegalGeneration,
        refusal => code::of_group(refusal),
    })
}

/// The turn at the transaction that the group is in.
async fn enter(cx: &Context, request: &TxnOffsetCommitRequest) -> Result<Turn, Refusal> {
    let who = Incarnation { producer: *request.producer_id, epoch: request.producer_epoch };
    let part = Part { lanes: &[], group: Some(&request.group_id) };
    let turn = cx.door.transactions.turn(&request.transactional_id).await?;
    if cx.version >= SECOND {
        return cx.door.transactions.add(turn, who, part, true).await;
    }
    turn.verify(who, part)?;
    Ok(turn)
}

/// The error for a group that may not be written to in the transaction (Kafka, `AddPartitionsToTxnManager` and
/// `CoordinatorPartitionWriter`).
fn refused(cx: &Context, refusal: Refusal) -> ResponseError {
    match refusal {
        Refusal::Fenced => ResponseError::InvalidProducerEpoch,
        Refusal::NotPart if cx.version < ABORTABLE => ResponseError::InvalidTxnState,
        Refusal::Concurrent if cx.version < SECOND => ResponseError::CoordinatorNotAvailable,
        refusal => code::of_transaction(refusal, true),
    }
}

/// The answer for a partition, before the group is asked: whether the topic has it, and the client may use it.
fn answer(partition: &TxnOffsetCommitRequestPartition, lanes: Result<u32, ResponseError>) -> TxnOffsetCommitResponsePartition {
    let partition_index = partition.partition_index;
    let error_code = match lanes {
        Ok(lanes) if u32::try_from(partition_index).is_ok_and(|index| index < lanes) => 0,
        Ok(_) => ResponseError::UnknownTopicOrPartition.code(),
        Err(error) => error.code(),
    };
    TxnOffsetCommitResponsePartition { partition_index, error_code }
}

fn new_offset(topic: &str, partition: TxnOffsetCommitRequestPartition) -> NewOffset {
    NewOffset {
        topic: topic.to_owned(),
        partition: partition.partition_index,
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition.committed_metadata.map(|text| text.to_string()).unwrap_or_default(),
    }
}
