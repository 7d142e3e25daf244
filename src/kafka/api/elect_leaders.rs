//! **ElectLeaders** (43), v0 to v2: another leader of partitions (KIP-183, KIP-460).
//!
//! As Kafka's only broker does it: each partition is led by its preferred and only replica, so ELECTION_NOT_NEEDED is the answer for
//! each that is there; whoever asks for all of them is told of none. v1 brought the type of the election, v2 tagged fields.

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use kafka_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse, TopicName};

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::partition;
use crate::kafka::translate::Refusal;

pub(crate) struct ElectLeaders;

/// The numbers of the elections: of the preferred replica, and of one that is not in sync.
const ELECTIONS: RangeInclusive<i8> = 0..=1;

impl Api for ElectLeaders {
    type Request = ElectLeadersRequest;
    type Response = ElectLeadersResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=2;
    const IS_BULKY: bool = true;

    async fn handle(cx: &Context, request: ElectLeadersRequest) -> Reply<ElectLeadersResponse> {
        let election = request.election_type;
        if !cx.allows_cluster(Operation::Alter) {
            return Reply::Send(refused(cx, request.topic_partitions, &Refusal::denied(Kind::Cluster)));
        }
        if !ELECTIONS.contains(&election) {
            let words = format!("the election type is {election}; 0 (preferred) and 1 (unclean) are accepted");
            return Reply::Send(refused(cx, request.topic_partitions, &Refusal::request(words)));
        }
        let results = match request.topic_partitions {
            Some(asked) => asked.into_iter().map(|topic| elect(cx, topic)).collect(),
            None => {
                let name = |name: &str| TopicName(name.to_owned().into());
                let topics = partition::topics(&cx.door.log);
                topics.iter().map(|stream| result(name(stream.name().as_str()), Vec::new())).collect()
            }
        };
        Reply::Send(ElectLeadersResponse::default().with_replica_election_results(results))
    }
}

/// Each partition of a topic with the reason why its leader stays.
fn elect(cx: &Context, TopicPartitions { topic, partitions, .. }: TopicPartitions) -> ReplicaElectionResult {
    let lanes = partition::topic(&cx.door.log, &topic).map(|stream| stream.lanes());
    let of = |id: i32| {
        let exists = u32::try_from(id).ok().zip(lanes).is_some_and(|(id, lanes)| id < lanes);
        partition_result(
            id,
            &match (exists, lanes) {
                (true, _) => Refusal::new(ResponseError::ElectionNotNeeded, "the only replica of the partition leads it"),
                (false, Some(lanes)) => Refusal::new(
                    ResponseError::UnknownTopicOrPartition,
                    format!("the topic has partitions 0 to {}", lanes.max(1) - 1),
                ),
                (false, None) => Refusal::new(ResponseError::UnknownTopicOrPartition, "there is no topic of this name"),
            },
        )
    };
    let results = partitions.into_iter().map(of).collect();
    result(topic, results)
}

/// The same refusal for the whole, which v0 cannot say, and for each partition.
fn refused(cx: &Context, asked: Option<Vec<TopicPartitions>>, refusal: &Refusal) -> ElectLeadersResponse {
    let topic = |TopicPartitions { topic, partitions, .. }: TopicPartitions| {
        result(topic, partitions.into_iter().map(|id| partition_result(id, refusal)).collect())
    };
    let results = asked.into_iter().flatten().map(topic).collect();
    let response = ElectLeadersResponse::default().with_replica_election_results(results);
    if cx.version == 0 { response } else { response.with_error_code(refusal.error.code()) }
}

fn result(topic: TopicName, partitions: Vec<PartitionResult>) -> ReplicaElectionResult {
    ReplicaElectionResult::default().with_topic(topic).with_partition_result(partitions)
}

fn partition_result(id: i32, refusal: &Refusal) -> PartitionResult {
    PartitionResult::default()
        .with_partition_id(id)
        .with_error_code(refusal.error.code())
        .with_error_message(Some(refusal.words.clone().into()))
}
