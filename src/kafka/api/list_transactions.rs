//! ListTransactions (key 66): the transactional ids there are (KIP-664).
//!
//! Served: 0 and 1. Version 1 brought the filter by duration (KIP-994). Left out: 2, whose filter is a regular expression of Java's
//! RE2 (KIP-1152); clients that do not use it step down.

use std::ops::RangeInclusive;
use std::time::Duration;

use kafka_protocol::messages::list_transactions_response::TransactionState;
use kafka_protocol::messages::{ListTransactionsRequest, ListTransactionsResponse, ProducerId, TransactionalId};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::transaction::{State, Transaction};

pub(crate) struct ListTransactions;

impl Api for ListTransactions {
    type Request = ListTransactionsRequest;
    type Response = ListTransactionsResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=1;
    const IS_BULKY: bool = true;

    async fn handle(cx: &Context, request: ListTransactionsRequest) -> Reply<ListTransactionsResponse> {
        let state = |name: &StrBytes| State::ALL.into_iter().find(|state| state.name() == name.as_str());
        let (known, unknown): (Vec<_>, Vec<_>) = request.state_filters.iter().partition(|name| state(name).is_some());
        let states: Vec<_> = known.into_iter().filter_map(state).collect();
        let longer_than = u64::try_from(request.duration_filter).ok().map(Duration::from_millis);
        let now = cx.door.log.env().clock.now();
        let is_meant = |found: &Transaction| {
            let runs = found.started_at.map_or(Duration::ZERO, |at| now.since(at));
            (request.state_filters.is_empty() || states.contains(&found.state))
                && (request.producer_id_filters.is_empty() || request.producer_id_filters.contains(&ProducerId(found.producer)))
                && longer_than.is_none_or(|span| found.started_at.is_some() && runs > span)
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
        Reply::Send(ListTransactionsResponse::default().with_unknown_state_filters(unknown).with_transaction_states(found))
    }
}
