//! AddOffsetsToTxn (key 25): names a group before a transaction commits offsets for it.
//!
//! Served: 0 to 4. Version 2 brought PRODUCER_FENCED, 3 tagged fields, 4 TRANSACTION_ABORTABLE. Clients that speak the second
//! generation of transactions (KIP-890) do without.

use std::ops::RangeInclusive;

use kafka_protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::transaction::{Incarnation, Part, Refusal};

pub(crate) struct AddOffsetsToTxn;

impl Api for AddOffsetsToTxn {
    type Request = AddOffsetsToTxnRequest;
    type Response = AddOffsetsToTxnResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=4;

    async fn handle(cx: &Context, request: AddOffsetsToTxnRequest) -> Reply<AddOffsetsToTxnResponse> {
        let added = if !cx.allows(Operation::Write, Kind::TransactionalId, &request.transactional_id) {
            Err(Kind::TransactionalId.denied())
        } else if !cx.allows(Operation::Read, Kind::Group, &request.group_id) {
            Err(Kind::Group.denied())
        } else {
            add(cx, &request).await.map_err(|refusal| code::of_transaction(refusal, cx.version >= 2))
        };
        let code = added.map_or_else(|error| error.code(), |()| 0);
        Reply::Send(AddOffsetsToTxnResponse::default().with_error_code(code))
    }
}

async fn add(cx: &Context, request: &AddOffsetsToTxnRequest) -> Result<(), Refusal> {
    let turn = cx.door.transactions.turn(&request.transactional_id).await?;
    let who = Incarnation { producer: *request.producer_id, epoch: request.producer_epoch };
    let part = Part { lanes: &[], group: Some(&request.group_id) };
    cx.door.transactions.add(turn, who, part, false).await.map(drop)
}
