//! InitProducerId (key 22): an id and an epoch for a producer, idempotent or transactional.
//!
//! Served: 0 to 5. Version 2 brought tagged fields, 3 the producer's present id and epoch (KIP-360), 4 PRODUCER_FENCED,
//! 5 TRANSACTION_ABORTABLE.
//!
//! As in Kafka (`TransactionCoordinator.handleInitProducerId`), a producer without a transactional id gets a new id whatever
//! it had before: nothing then depends on which epoch of an id was the last one given out.
//!
//! Differs from Kafka: where another producer with the same transactional id has left a transaction open, the answer comes when
//! that is aborted; Kafka says CONCURRENT_TRANSACTIONS, and is asked again.

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::transaction::Incarnation;

pub(crate) struct InitProducerId;

/// The first version whose clients know PRODUCER_FENCED.
const FENCED: i16 = 4;

impl Api for InitProducerId {
    type Request = InitProducerIdRequest;
    type Response = InitProducerIdResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=5;

    async fn handle(cx: &Context, request: InitProducerIdRequest) -> Reply<InitProducerIdResponse> {
        let response = InitProducerIdResponse::default();
        Reply::Send(match begin(cx, &request).await {
            Ok(Incarnation { producer, epoch }) => response.with_producer_id(ProducerId(producer)).with_producer_epoch(epoch),
            Err(error) => response.with_error_code(error.code()).with_producer_id(ProducerId(-1)).with_producer_epoch(-1),
        })
    }
}

async fn begin(cx: &Context, request: &InitProducerIdRequest) -> Result<Incarnation, ResponseError> {
    match &request.transactional_id {
        Some(id) if !cx.allows(Operation::Write, Kind::TransactionalId, id) => return Err(Kind::TransactionalId.denied()),
        // As in Kafka: who may write to some topic may also do it without repeats.
        None if !cx.allows_any_topic(Operation::Write) && !cx.allows_cluster(Operation::IdempotentWrite) => {
            return Err(Kind::Cluster.denied());
        }
        _ => {}
    }
    // An id without an epoch, or the other way round.
    if (*request.producer_id == -1) != (request.producer_epoch == -1) {
        return Err(ResponseError::InvalidRequest);
    }
    let Some(id) = &request.transactional_id else {
        let fresh = cx.door.log.new_producer().await;
        return fresh.map(|producer| Incarnation { producer, epoch: 0 }).map_err(|error| code::of(&error));
    };
    let was = Incarnation { producer: *request.producer_id, epoch: request.producer_epoch };
    let was = Some(was).filter(|was| was.producer != -1);
    let begun = cx.door.transactions.init(id, request.transaction_timeout_ms, was).await;
    begun.map_err(|refusal| code::of_transaction(refusal, cx.version >= FENCED))
}
