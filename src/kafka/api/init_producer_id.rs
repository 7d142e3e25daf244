//! InitProducerId (key 22): an id for an idempotent producer.
//!
//! Served: 0 to 5. Version 2 brought tagged fields, 3 the producer's present id and epoch (KIP-360), 4 PRODUCER_FENCED,
//! 5 transactions of KIP-890.
//!
//! As in Kafka (`TransactionCoordinator.handleInitProducerId`), a producer without a transactional id gets a new id whatever
//! it had before: nothing then depends on which epoch of an id was the last one given out.
//!
//! Left out on purpose: transactions. A transactional id is answered with TRANSACTIONAL_ID_AUTHORIZATION_FAILED, as by
//! FindCoordinator, because clients take it for final.

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;

pub(crate) struct InitProducerId;

impl Api for InitProducerId {
    type Request = InitProducerIdRequest;
    type Response = InitProducerIdResponse;

    const KEY: ApiKey = ApiKey::InitProducerId;
    const VERSIONS: RangeInclusive<i16> = 0..=5;

    async fn handle(cx: &Context, request: InitProducerIdRequest) -> Reply<InitProducerIdResponse> {
        let response = InitProducerIdResponse::default();
        Reply::Send(match new_id(cx, &request).await {
            Ok(id) => response.with_producer_id(id).with_producer_epoch(0),
            Err(error) => response.with_error_code(error.code()).with_producer_id(ProducerId(-1)).with_producer_epoch(-1),
        })
    }
}

async fn new_id(cx: &Context, request: &InitProducerIdRequest) -> Result<ProducerId, ResponseError> {
    if request.transactional_id.is_some() {
        return Err(ResponseError::TransactionalIdAuthorizationFailed);
    }
    // As in Kafka: who may write to some topic may also do it without repeats.
    if !cx.allows_any_topic(Operation::Write) && !cx.allows_cluster(Operation::IdempotentWrite) {
        return Err(Kind::Cluster.denied());
    }
    // An id without an epoch, or the other way round.
    if (*request.producer_id == -1) != (request.producer_epoch == -1) {
        return Err(ResponseError::InvalidRequest);
    }
    cx.door.log.new_producer().await.map(ProducerId).map_err(|error| code::of(&error))
}
