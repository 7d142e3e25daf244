//! DescribeProducers (key 61): who produces to partitions, and where their open transactions begin (KIP-664).
//!
//! Served: 0. A producer is known for a day after its last batch. Of a partition that was merged into another one, those are told
//! who wrote to it; where their records are since, the other one tells.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use kafka_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::partition::{Topic, lane};
use crate::kafka::transaction::COORDINATOR_EPOCH;
use crate::log::Producer;
use crate::model::StreamName;

pub(crate) struct DescribeProducers;

impl Api for DescribeProducers {
    type Request = DescribeProducersRequest;
    type Response = DescribeProducersResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const IS_BULKY: bool = true;

    async fn handle(cx: &Context, request: DescribeProducersRequest) -> Reply<DescribeProducersResponse> {
        let mut answered = HashSet::new();
        // A topic's producers may be many and its name is short, so each is answered once.
        let asked = request.topics.into_iter().filter(|topic| answered.insert(topic.name.clone()));
        let topics = asked.map(|topic| describe(cx, topic)).collect();
        Reply::Send(DescribeProducersResponse::default().with_topics(topics))
    }
}

fn describe(cx: &Context, mut topic: TopicRequest) -> TopicResponse {
    // The same is true of its partitions.
    topic.partition_indexes.sort_unstable();
    topic.partition_indexes.dedup();
    let stream = match StreamName::new(&topic.name) {
        Err(_) if cx.allows(Operation::Read, Kind::Topic, &topic.name) => Err(ResponseError::InvalidTopicException),
        _ => cx.topic(Topic::Named(&topic.name), Operation::Read),
    };
    let partitions = topic.partition_indexes.iter().map(|index| {
        let found = stream.as_ref().map_err(|error| *error).and_then(|stream| lane(stream, *index));
        let found = found.and_then(|lane| cx.door.log.producers(lane).map_err(|error| code::of(&error)));
        let answer = PartitionResponse::default().with_partition_index(*index).with_error_message(None);
        match found {
            Ok(producers) => answer.with_active_producers(producers.into_iter().map(state).collect()),
            Err(error) => answer.with_error_code(error.code()).with_error_message(Some(StrBytes::from_string(error.to_string()))),
        }
    });
    let partitions = partitions.collect();
    TopicResponse::default().with_name(topic.name).with_partitions(partitions)
}

fn state(producer: Producer) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.window.epoch().into())
        .with_last_sequence(producer.window.last_sequence().unwrap_or(-1))
        .with_last_timestamp(producer.window.active_at().0)
        .with_coordinator_epoch(COORDINATOR_EPOCH)
        .with_current_txn_start_offset(producer.open_since.map_or(-1, |offset| offset.0))
}
