//! DescribeTransactions (key 65): how transactional ids stand (KIP-664).
//!
//! Served: 0. Groups whose offsets are in a transaction are not shown: Kafka shows them as partitions of an internal topic, which
//! there is none of here.

use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;

use kafka_protocol::messages::describe_transactions_response::{TopicData, TransactionState};
use kafka_protocol::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, ProducerId, TopicName, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::partition::topic_by_id;
use crate::kafka::transaction::{Refusal, Transaction};

pub(crate) struct DescribeTransactions;

impl Api for DescribeTransactions {
    type Request = DescribeTransactionsRequest;
    type Response = DescribeTransactionsResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const IS_BULKY: bool = true;

    async fn handle(cx: &Context, request: DescribeTransactionsRequest) -> Reply<DescribeTransactionsResponse> {
        let mut answered = HashSet::new();
        let asked = request.transactional_ids.into_iter().filter(|id| answered.insert(id.clone()));
        let states = asked.map(|id| describe(cx, id)).collect();
        Reply::Send(DescribeTransactionsResponse::default().with_transaction_states(states))
    }
}

fn describe(cx: &Context, id: TransactionalId) -> TransactionState {
    let is_allowed = cx.allows(Operation::Describe, Kind::TransactionalId, &id);
    let found = if id.is_empty() { Err(Refusal::InvalidRequest) } else { cx.door.transactions.describe(&id) };
    let found = found.map_err(|refusal| code::of_transaction(refusal, true));
    let found = if is_allowed { found } else { Err(Kind::TransactionalId.denied()) };
    let answer = TransactionState::default().with_transactional_id(id);
    match found {
        Ok(transaction) => answer
            .with_transaction_state(StrBytes::from_static_str(transaction.state.name()))
            .with_transaction_timeout_ms(i32::try_from(transaction.timeout.as_millis()).unwrap_or(i32::MAX))
            .with_transaction_start_time_ms(transaction.started_at.map_or(-1, |at| at.0))
            .with_producer_id(ProducerId(transaction.producer))
            .with_producer_epoch(transaction.epoch)
            .with_topics(topics(cx, &transaction)),
        Err(error) => answer.with_error_code(error.code()),
    }
}

/// The partitions in the transaction, by topic; none of topics that were deleted meanwhile, or that the client may not see.
fn topics(cx: &Context, transaction: &Transaction) -> Vec<TopicData> {
    let mut topics = BTreeMap::<_, Vec<i32>>::new();
    for lane in &transaction.lanes {
        topics.entry(lane.stream).or_default().push(i32::try_from(lane.lane.0).unwrap_or(i32::MAX));
    }
    let named = topics.into_iter().filter_map(|(id, partitions)| {
        let name = topic_by_id(&cx.door.log, id.0)?.name().to_string();
        let is_seen = cx.allows(Operation::Describe, Kind::Topic, &name);
        is_seen.then(|| TopicData::default().with_topic(TopicName(StrBytes::from_string(name))).with_partitions(partitions))
    });
    named.collect()
}
