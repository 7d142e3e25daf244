//! **DescribeTopicPartitions** (75), v0: the partitions of topics, page by page (KIP-966).
//!
//! As Kafka does it: topics are in the order of their names, each once; a page has as many partitions as the client wants, at most
//! 2,000, and says where the next one begins. There is one replica, in sync, and no other is eligible to lead.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_topic_partitions_request::TopicRequest;
use kafka_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kafka_protocol::messages::{BrokerId, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::partition::{self, LEADER_EPOCH};
use crate::log::Stream;
use crate::model::StreamName;

pub(crate) struct DescribeTopicPartitions;

/// Partitions of one answer (Kafka: `max.request.partition.size.limit`).
const PARTITIONS_MAX: i32 = 2_000;

impl Api for DescribeTopicPartitions {
    type Request = DescribeTopicPartitionsRequest;
    type Response = DescribeTopicPartitionsResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const IS_BULKY: bool = true;

    async fn handle(cx: &Context, request: DescribeTopicPartitionsRequest) -> Reply<DescribeTopicPartitionsResponse> {
        let DescribeTopicPartitionsRequest { topics, response_partition_limit, cursor, .. } = request;
        let (from, first) =
            cursor.map_or_else(Default::default, |cursor| (cursor.topic_name.to_string(), cursor.partition_index));
        let named: BTreeSet<String> = topics.iter().map(|topic| topic.name.to_string()).collect();
        let is_all = named.is_empty();
        let Some(first) = u32::try_from(first).ok().filter(|_| is_all || from.is_empty() || named.contains(&from)) else {
            return Reply::Send(refused(topics));
        };
        let may_see = |name: &String| cx.allows(Operation::Describe, Kind::Topic, name);
        let (mut seen, mut hidden) = (named, BTreeSet::new());
        if is_all {
            seen = partition::topics(&cx.door.log).iter().map(|stream| stream.name().as_str().to_owned()).collect();
            seen.retain(may_see);
        } else {
            hidden = seen.iter().filter(|name| !may_see(name)).cloned().collect();
            seen.retain(|name| !hidden.contains(name));
        }
        let mut left = response_partition_limit.clamp(1, PARTITIONS_MAX).unsigned_abs();
        let (mut answers, mut next) = (Vec::new(), None);
        for name in seen.range(from.clone()..) {
            if left == 0 {
                next = Some((name.clone(), 0));
                break;
            }
            let Some(stream) = partition::topic(&cx.door.log, name) else {
                if !is_all {
                    answers.push(missing(name).with_topic_authorized_operations(cx.operations(Kind::Topic, name)));
                }
                continue;
            };
            let begin = if *name == from { first } else { 0 };
            let end = stream.lanes().min(begin.saturating_add(left));
            answers.push(page(cx, &stream, begin..end));
            left -= end.saturating_sub(begin);
            if end < stream.lanes() && left == 0 {
                next = Some((name.clone(), end));
                break;
            }
        }
        answers.extend(hidden.iter().map(|name| answer(name, Some(Kind::Topic.denied()))));
        let next = next
            .map(|(name, index)| Cursor::default().with_topic_name(topic_name(&name)).with_partition_index(index.cast_signed()));
        Reply::Send(DescribeTopicPartitionsResponse::default().with_topics(answers).with_next_cursor(next))
    }
}

fn page(cx: &Context, stream: &Stream, lanes: std::ops::Range<u32>) -> DescribeTopicPartitionsResponseTopic {
    let node = BrokerId(cx.door.config.node_id);
    let of = |index: u32| {
        DescribeTopicPartitionsResponsePartition::default()
            .with_partition_index(index.cast_signed())
            .with_leader_id(node)
            .with_leader_epoch(LEADER_EPOCH)
            .with_replica_nodes(vec![node])
            .with_isr_nodes(vec![node])
            .with_eligible_leader_replicas(Some(Vec::new()))
            .with_last_known_elr(Some(Vec::new()))
    };
    let name = stream.name().as_str();
    answer(name, None)
        .with_topic_id(stream.id().0)
        .with_topic_authorized_operations(cx.operations(Kind::Topic, name))
        .with_partitions(lanes.map(of).collect())
}

fn missing(name: &str) -> DescribeTopicPartitionsResponseTopic {
    let is_valid = StreamName::new(name).is_ok();
    let error = if is_valid { ResponseError::UnknownTopicOrPartition } else { ResponseError::InvalidTopicException };
    answer(name, Some(error))
}

/// The answer to a cursor that points nowhere: the same error for each topic that was named.
fn refused(topics: Vec<TopicRequest>) -> DescribeTopicPartitionsResponse {
    let of = |topic: TopicRequest| answer(&topic.name, Some(ResponseError::InvalidRequest));
    DescribeTopicPartitionsResponse::default().with_topics(topics.into_iter().map(of).collect()).with_next_cursor(None)
}

fn answer(name: &str, error: Option<ResponseError>) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(topic_name(name)))
        .with_error_code(error.map_or(0, |error| error.code()))
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}
