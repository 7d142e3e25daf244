//! EndTxn (key 26): commits or aborts a transaction.
//!
//! Served: 0 to 5. Version 2 brought PRODUCER_FENCED, 3 tagged fields, 4 TRANSACTION_ABORTABLE, 5 the second generation of
//! transactions (KIP-890): every end brings the producer a new epoch, and at times a new id, which the answer has.
//!
//! Differs from Kafka: the answer comes when the markers are durable in all partitions, so that readers of committed records see
//! what was committed by then. If that cannot be, it comes when the end is certain, as in Kafka.

use std::ops::RangeInclusive;

use kafka_protocol::messages::{EndTxnRequest, EndTxnResponse, ProducerId};

use super::contract::{Api, Context, Reply};
use crate::batch::Outcome;
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::transaction::Incarnation;

pub(crate) struct EndTxn;

/// The first version of the second generation.
const SECOND: i16 = 5;

impl Api for EndTxn {
    type Request = EndTxnRequest;
    type Response = EndTxnResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=5;

    async fn handle(cx: &Context, request: EndTxnRequest) -> Reply<EndTxnResponse> {
        let who = Incarnation { producer: *request.producer_id, epoch: request.producer_epoch };
        let outcome = if request.committed { Outcome::Committed } else { Outcome::Aborted };
        let id = &request.transactional_id;
        let ended = if cx.allows(Operation::Write, Kind::TransactionalId, id) {
            let ended = cx.door.transactions.end(id, who, outcome, cx.version >= SECOND).await;
            ended.map_err(|refusal| code::of_transaction(refusal, cx.version >= 2))
        } else {
            Err(Kind::TransactionalId.denied())
        };
        let response = EndTxnResponse::default();
        Reply::Send(match ended {
            Ok(next) if cx.version >= SECOND => {
                response.with_producer_id(ProducerId(next.producer)).with_producer_epoch(next.epoch)
            }
            Ok(_) => response,
            Err(error) => response.with_error_code(error.code()).with_producer_id(ProducerId(-1)).with_producer_epoch(-1),
        })
    }
}
