//! **CreatePartitions** (37): opens lanes, by splitting the widest open shards of the stream.
//!
//! How we differ from Kafka: partitions may already be more than a topic was created with, because a Kinesis client split its
//! shards; the count asked for is compared with all lanes ever opened. A manual assignment can only name this broker. The
//! request's timeout is ignored. A stream on demand, one that is still being changed, and one that would exceed the shard quota
//! are refused.
//!
//! Versions: 2 is flexible · 3 allows 89 (THROTTLING_QUOTA_EXCEEDED, KIP-599).

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse, TopicName};

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::translate::{self, Refusal};

/// The first version whose clients know THROTTLING_QUOTA_EXCEEDED.
const STRICT: i16 = 3;

/// CreatePartitions.
pub(crate) struct CreatePartitions;

impl Api for CreatePartitions {
    type Request = CreatePartitionsRequest;
    type Response = CreatePartitionsResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=3;

    async fn handle(cx: &Context, request: CreatePartitionsRequest) -> Reply<CreatePartitionsResponse> {
        let repeated = translate::repeated(request.topics.iter().map(|topic| &topic.name));
        let twice =
            repeated.iter().map(|name| result((*name).clone(), Err(Refusal::request("the topic is named twice in the request"))));
        let mut results: Vec<CreatePartitionsTopicResult> = twice.collect();
        for topic in request.topics.iter().filter(|topic| !repeated.contains(&topic.name)) {
            let outcome = match cx.allows(Operation::Alter, Kind::Topic, &topic.name) {
                true => open(cx, topic, request.validate_only).await,
                false => Err(Refusal::denied(Kind::Topic)),
            };
            results.push(result(topic.name.clone(), outcome));
        }
        Reply::Send(CreatePartitionsResponse::default().with_results(results))
    }
}

async fn open(cx: &Context, topic: &CreatePartitionsTopic, validate_only: bool) -> Result<(), Refusal> {
    let door = &cx.door;
    let stream = translate::topic(door, topic.name.as_str())?;
    let lanes = wanted(topic, stream.lanes(), door.config.node_id)?;
    cx.mutate(lanes - stream.lanes(), cx.version >= STRICT)?;
    if validate_only {
        return Ok(door.log.check_open_lanes(stream.id(), lanes)?);
    }
    Ok(door.log.open_lanes(stream.id(), lanes).await?)
}

/// How many lanes the topic will have, if it has `current` of them now.
fn wanted(topic: &CreatePartitionsTopic, current: u32, node_id: i32) -> Result<u32, Refusal> {
    let lanes = translate::lanes(topic.count, "the number of partitions asked for")?;
    if lanes <= current {
        return Err(Refusal::new(
            ResponseError::InvalidPartitions,
            format!("the topic has {current} partitions already and {lanes} were asked for; partitions can only become more"),
        ));
    }
    let Some(assignments) = &topic.assignments else { return Ok(lanes) };
    let added = lanes - current;
    if u32::try_from(assignments.len()) != Ok(added) {
        return Err(Refusal::new(
            ResponseError::InvalidReplicaAssignment,
            format!("{added} partitions are added and {} are assigned to brokers; the numbers must be equal", assignments.len()),
        ));
    }
    translate::check_replicas(node_id, assignments.iter().map(|assignment| assignment.broker_ids.as_slice()))?;
    Ok(lanes)
}

fn result(name: TopicName, outcome: Result<(), Refusal>) -> CreatePartitionsTopicResult {
    let result = CreatePartitionsTopicResult::default().with_name(name).with_error_message(None);
    match outcome {
        Ok(()) => result,
        Err(refusal) => result.with_error_code(refusal.error.code()).with_error_message(Some(refusal.words.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::messages::BrokerId;
    use kafka_protocol::messages::create_partitions_request::CreatePartitionsAssignment;

    fn topic(count: i32, assignments: Option<&[&[i32]]>) -> CreatePartitionsTopic {
        let assignment = |brokers: &&[i32]| {
            CreatePartitionsAssignment::default().with_broker_ids(brokers.iter().map(|broker| BrokerId(*broker)).collect())
        };
        CreatePartitionsTopic::default()
            .with_count(count)
            .with_assignments(assignments.map(|assignments| assignments.iter().map(assignment).collect()))
    }

    #[test]
    fn partitions_become_more() {
        assert_eq!(wanted(&topic(4, None), 3, 7), Ok(4));
        assert_eq!(wanted(&topic(10_000, None), 3, 7), Ok(10_000));
        assert_eq!(wanted(&topic(5, Some(&[&[7], &[7]])), 3, 7), Ok(5));
    }

    #[test]
    fn what_cannot_be_opened_is_refused_in_words() {
        use ResponseError::*;
        for (topic, error, words) in [
            (topic(3, None), InvalidPartitions, "has 3 partitions already and 3 were asked for"),
            (topic(2, None), InvalidPartitions, "has 3 partitions already and 2 were asked for"),
            (topic(0, None), InvalidPartitions, "is 0; 1 to 10000"),
            (topic(-1, None), InvalidPartitions, "is -1; 1 to 10000"),
            (topic(10_001, None), InvalidPartitions, "is 10001; 1 to 10000"),
            (topic(5, Some(&[&[7]])), InvalidReplicaAssignment, "2 partitions are added and 1 are assigned"),
            (topic(4, Some(&[&[8]])), InvalidReplicaAssignment, "brokers [8]"),
            (topic(4, Some(&[])), InvalidReplicaAssignment, "1 partitions are added and 0 are assigned"),
        ] {
            let refusal = wanted(&topic, 3, 7).unwrap_err();
            assert_eq!(refusal.error, error);
            assert!(refusal.words.contains(words), "{}", refusal.words);
        }
    }
}
