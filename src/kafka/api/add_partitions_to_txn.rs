//! AddPartitionsToTxn (key 24): names partitions before a transaction writes to them.
//!
//! Served: 0 to 5. Version 2 brought PRODUCER_FENCED, 3 tagged fields, 4 several transactions at once and the question whether
//! partitions are part of one (KIP-890), 5 TRANSACTION_ABORTABLE as an answer to that, which Kafka gives in 4 too. Clients use
//! 0 to 3, and none of them where they speak the second generation of transactions.
//!
//! As in Kafka, if one of the partitions does not exist none is added, and the others are OPERATION_NOT_ATTEMPTED.

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::partition::{Topic, lane};
use crate::kafka::transaction::{Incarnation, Part, Refusal};
use crate::model::LaneId;

pub(crate) struct AddPartitionsToTxn;

/// The first version with several transactions, and whose senders know TRANSACTION_ABORTABLE.
const BATCHED: i16 = 4;

/// What is asked of one transaction.
struct Asked {
    name: String,
    who: Incarnation,
    /// Whether it is only asked if they are part of it.
    verify_only: bool,
    topics: Vec<AddPartitionsToTxnTopic>,
}

impl Api for AddPartitionsToTxn {
    type Request = AddPartitionsToTxnRequest;
    type Response = AddPartitionsToTxnResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=5;

    async fn handle(cx: &Context, request: AddPartitionsToTxnRequest) -> Reply<AddPartitionsToTxnResponse> {
        let response = AddPartitionsToTxnResponse::default();
        if cx.version < BATCHED {
            let asked = Asked {
                name: request.v3_and_below_transactional_id.to_string(),
                who: Incarnation { producer: *request.v3_and_below_producer_id, epoch: request.v3_and_below_producer_epoch },
                verify_only: false,
                topics: request.v3_and_below_topics,
            };
            return Reply::Send(response.with_results_by_topic_v3_and_below(serve(cx, asked).await));
        }
        if !cx.allows_cluster(Operation::ClusterAction) {
            return Reply::Send(response.with_error_code(Kind::Cluster.denied().code()));
        }
        let mut results = Vec::with_capacity(request.transactions.len());
        for transaction in request.transactions {
            let asked = Asked {
                name: transaction.transactional_id.to_string(),
                who: Incarnation { producer: *transaction.producer_id, epoch: transaction.producer_epoch },
                verify_only: transaction.verify_only,
                topics: transaction.topics,
            };
            let result = AddPartitionsToTxnResult::default().with_transactional_id(transaction.transactional_id);
            results.push(result.with_topic_results(serve(cx, asked).await));
        }
        Reply::Send(response.with_results_by_transaction(results))
    }
}

async fn serve(cx: &Context, asked: Asked) -> Vec<AddPartitionsToTxnTopicResult> {
    let found: Vec<Vec<_>> = asked.topics.iter().map(|topic| lanes(cx, topic)).collect();
    let lanes: Vec<LaneId> = found.iter().flatten().filter_map(|lane| lane.as_ref().ok()).copied().collect();
    let is_complete = found.iter().flatten().all(Result::is_ok);
    let is_allowed = cx.version >= BATCHED || cx.allows(Operation::Write, Kind::TransactionalId, &asked.name);
    let turn = match is_complete && is_allowed {
        true => cx.door.transactions.turn(&asked.name).await,
        false => Err(Refusal::InvalidRequest),
    };
    let (turn, refused) = match turn {
        Ok(turn) if asked.verify_only => (Some(turn), None),
        Ok(turn) => {
            let part = Part { lanes: &lanes, group: None };
            (None, cx.door.transactions.add(turn, asked.who, part, cx.version >= BATCHED).await.err())
        }
        Err(refusal) => (None, Some(refusal)),
    };
    let code = |lane: &Result<LaneId, ResponseError>| match (lane, &turn) {
        _ if !is_allowed => Kind::TransactionalId.denied().code(),
        (Err(error), _) => error.code(),
        (Ok(_), _) if !is_complete => ResponseError::OperationNotAttempted.code(),
        (Ok(lane), Some(turn)) => {
            turn.verify(asked.who, Part { lanes: &[*lane], group: None }).err().map_or(0, |refusal| refused_code(cx, refusal))
        }
        (Ok(_), None) => refused.map_or(0, |refusal| refused_code(cx, refusal)),
    };
    let results = asked.topics.iter().zip(&found).map(|(topic, lanes)| {
        let result = |(index, lane): (&i32, _)| {
            AddPartitionsToTxnPartitionResult::default().with_partition_index(*index).with_partition_error_code(code(lane))
        };
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name.clone())
            .with_results_by_partition(topic.partitions.iter().zip(lanes).map(result).collect())
    });
    results.collect()
}

fn refused_code(cx: &Context, refusal: Refusal) -> i16 {
    match refusal {
        Refusal::NotPart if cx.version < BATCHED => ResponseError::InvalidTxnState.code(),
        refusal => code::of_transaction(refusal, cx.version >= 2).code(),
    }
}

/// The lanes of a topic's partitions.
fn lanes(cx: &Context, topic: &AddPartitionsToTxnTopic) -> Vec<Result<LaneId, ResponseError>> {
    let topic_of = Topic::Named(&topic.name);
    // A broker that asks for its clients has asked for their rights.
    let stream = if cx.version < BATCHED { cx.topic(topic_of, Operation::Write) } else { topic_of.stream(&cx.door.log) };
    let each = |partition: &i32| lane(stream.as_ref().map_err(|error| *error)?, *partition);
    topic.partitions.iter().map(each).collect()
}
