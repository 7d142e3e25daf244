//! **AlterPartitionReassignments** (45), v0 and v1: which brokers have a partition's replicas (KIP-455).
//!
//! As Kafka's only broker does it: a partition may be given to the broker that has it, any other broker is an
//! INVALID_REPLICA_ASSIGNMENT, and there is never a reassignment to cancel. v1 may say that the number of replicas must stay.

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use kafka_protocol::messages::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, BrokerId};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::partition;
use crate::kafka::translate::Refusal;

pub(crate) struct AlterPartitionReassignments;

impl Api for AlterPartitionReassignments {
    type Request = AlterPartitionReassignmentsRequest;
    type Response = AlterPartitionReassignmentsResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=1;

    async fn handle(cx: &Context, request: AlterPartitionReassignmentsRequest) -> Reply<AlterPartitionReassignmentsResponse> {
        // Kafka has words for those who ask for nothing, and they are empty.
        let words = request.topics.is_empty().then(StrBytes::default);
        let response = AlterPartitionReassignmentsResponse::default().with_error_message(words);
        if !cx.allows_cluster(Operation::Alter) {
            let Refusal { error, words } = Refusal::denied(Kind::Cluster);
            let words = StrBytes::from_string(words);
            let topics = request.topics.into_iter().map(|topic| denied(topic, error, &words)).collect();
            let response = response.with_error_code(error.code()).with_error_message(Some(words)).with_responses(topics);
            return Reply::Send(match cx.version {
                0 => response,
                _ => response.with_allow_replication_factor_change(request.allow_replication_factor_change),
            });
        }
        let response = match cx.version {
            0 => response,
            _ => response.with_allow_replication_factor_change(request.allow_replication_factor_change),
        };
        Reply::Send(response.with_responses(request.topics.into_iter().map(|topic| alter(cx, topic)).collect()))
    }
}

/// What is refused as a whole is refused for each partition too, as Kafka does it.
fn denied(topic: ReassignableTopic, error: ResponseError, words: &StrBytes) -> ReassignableTopicResponse {
    let of = |partition: ReassignablePartition| {
        ReassignablePartitionResponse::default()
            .with_partition_index(partition.partition_index)
            .with_error_code(error.code())
            .with_error_message(Some(words.clone()))
    };
    let partitions = topic.partitions.into_iter().map(of).collect();
    ReassignableTopicResponse::default().with_name(topic.name).with_partitions(partitions)
}

fn alter(cx: &Context, ReassignableTopic { name, partitions, .. }: ReassignableTopic) -> ReassignableTopicResponse {
    let lanes = partition::topic(&cx.door.log, &name).map(|stream| stream.lanes());
    let node = BrokerId(cx.door.config.node_id);
    let of = |partition: ReassignablePartition| {
        let answer = ReassignablePartitionResponse::default().with_partition_index(partition.partition_index);
        match check(&partition, lanes, node) {
            Ok(()) => answer.with_error_message(None),
            Err(Refusal { error, words }) => answer.with_error_code(error.code()).with_error_message(Some(words.into())),
        }
    };
    let answers = partitions.into_iter().map(of).collect();
    ReassignableTopicResponse::default().with_name(name).with_partitions(answers)
}

/// Whether the partition is there and stays where it is.
fn check(partition: &ReassignablePartition, lanes: Option<u32>, node: BrokerId) -> Result<(), Refusal> {
    let unknown = |words: String| Err(Refusal::new(ResponseError::UnknownTopicOrPartition, words));
    let invalid = |words: String| Err(Refusal::new(ResponseError::InvalidReplicaAssignment, words));
    let Some(lanes) = lanes else { return unknown("there is no topic of this name".to_owned()) };
    if !u32::try_from(partition.partition_index).is_ok_and(|index| index < lanes) {
        return unknown(format!("the topic has partitions 0 to {}", lanes.max(1) - 1));
    }
    let Some(replicas) = &partition.replicas else {
        let words = "no reassignment of the partition is in progress";
        return Err(Refusal::new(ResponseError::NoReassignmentInProgress, words));
    };
    match &replicas[..] {
        [only] if *only == node => Ok(()),
        [] => invalid("the list of replicas is empty".to_owned()),
        all => match all.iter().find(|replica| **replica != node) {
            Some(other) => invalid(format!("there is no broker {}; the only one is {}", other.0, node.0)),
            None => invalid(format!("the broker {} is named more than once", node.0)),
        },
    }
}
