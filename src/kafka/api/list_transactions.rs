//! ListTransactions (key 66): the transactional ids there are (KIP-664).
//!
//! Served: 0 to 2. Version 1 brought the filter by duration (KIP-994), 2 a regular expression that whole ids have to match
//! (KIP-1152). As in Kafka, what has not begun is of any age.

use std::ops::RangeInclusive;
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_transactions_response::TransactionState;
use kafka_protocol::messages::{ListTransactionsResponse, ProducerId, TransactionalId};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::group::Pattern;
use crate::kafka::transaction::{State, Transaction};
use crate::kafka::wire::{ListTransactionsRequest, Unchanged};

pub(crate) struct ListTransactions;

impl Api for ListTransactions {
    type Request = ListTransactionsRequest;
    type Response = Unchanged<ListTransactionsResponse, 2>;

    const VERSIONS: RangeInclusive<i16> = 0..=2;
    const IS_BULKY: bool = true;

    async fn handle(cx: &Context, request: ListTransactionsRequest) -> Reply<Self::Response> {
        let state = |name: &StrBytes| State::ALL.into_iter().find(|state| state.name() == name.as_str());
        let (known, unknown): (Vec<_>, Vec<_>) = request.state_filters.iter().partition(|name| state(name).is_some());
        let pattern = request.transactional_id_pattern.as_deref().filter(|pattern| !pattern.is_empty());
        let pattern = match pattern.map(Pattern::new).transpose() {
            Ok(pattern) => pattern,
            Err(reason) => {
                tracing::debug!(peer = %cx.peer, reason, "a pattern of transactional ids is not valid");
                let error = ResponseError::InvalidRegularExpression.code();
                return Reply::Send(ListTransactionsResponse::default().with_error_code(error).into());
            }
        };
        let states: Vec<_> = known.into_iter().filter_map(state).collect();
        let longer_than = u64::try_from(request.duration_filter).ok().map(Duration::from_millis);
        let now = cx.door.log.env().clock.now();
        let is_meant = |found: &Transaction| {
            (request.state_filters.is_empty() || states.contains(&found.state))
                && (request.producer_id_filters.is_empty() || request.producer_id_filters.contains(&ProducerId(found.producer)))
                && pattern.as_ref().is_none_or(|pattern| pattern.is_match(&found.name))
                && longer_than.is_none_or(|span| found.started_at.is_none_or(|at| now.since(at) > span))
        };
        let show = |found: &Transaction| {
            let is_seen = || cx.allows(Operation::Describe, Kind::TransactionalId, &found.name);
            (is_meant(found) && is_seen()).then(|| {
                TransactionState::default()
                    .with_transactional_id(TransactionalId(StrBytes::from_string(found.name.to_string())))
                    .with_producer_id(ProducerId(found.producer))
                    .with_transaction_state(StrBytes::from_static_str(found.state.name()))
            })
        };
        let unknown = unknown.into_iter().cloned().collect();
        let found = cx.door.transactions.list(show);
        Reply::Send(ListTransactionsResponse::default().with_unknown_state_filters(unknown).with_transaction_states(found).into())
    }
}
