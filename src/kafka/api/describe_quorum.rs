//! **DescribeQuorum** (55), v0–2: who decides on the cluster's metadata (KIP-595).
//!
//! As Kafka's only node, broker and controller in one, does it: partition 0 of `__cluster_metadata` is led by this node, its only
//! voter. Whoever asks for anything else, or for that and something beside it, is told that it is not here.
//!
//! How we differ from Kafka: the metadata are not a log of records, and their offset is how often streams, shards or settings have
//! changed since the start. Nothing listens for controllers, so the listener CONTROLLER is this one.
//!
//! Versions: 1 has times (KIP-836) · 2 has words, directories and nodes (KIP-853).

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_quorum_request::TopicData as AskedTopic;
use kafka_protocol::messages::describe_quorum_response::{Listener, Node, PartitionData, ReplicaState, TopicData};
use kafka_protocol::messages::{BrokerId, DescribeQuorumRequest, DescribeQuorumResponse};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::translate::Refusal;

/// Where Kafka keeps its metadata.
const METADATA: &str = "__cluster_metadata";
/// The epoch of its first leader, and of the only one here.
const EPOCH: i32 = 1;

/// The first version with nodes.
const NODES: i16 = 2;

/// DescribeQuorum.
pub(crate) struct DescribeQuorum;

impl Api for DescribeQuorum {
    type Request = DescribeQuorumRequest;
    type Response = DescribeQuorumResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=2;

    async fn handle(cx: &Context, request: DescribeQuorumRequest) -> Reply<DescribeQuorumResponse> {
        let response = DescribeQuorumResponse::default().with_error_message(Some(StrBytes::default()));
        if !cx.allows_cluster(Operation::Describe) {
            let Refusal { error, words } = Refusal::denied(Kind::Cluster);
            return Reply::Send(response.with_error_code(error.code()).with_error_message(Some(words.into())));
        }
        let is_metadata = is_metadata(&request.topics);
        let partition = |index| if is_metadata { led(cx, index) } else { unknown(index) };
        let topic = |AskedTopic { topic_name, partitions, .. }| {
            let partitions = partitions.into_iter().map(|asked| partition(asked.partition_index)).collect();
            TopicData::default().with_topic_name(topic_name).with_partitions(partitions)
        };
        let nodes = if is_metadata && cx.version >= NODES { vec![node(cx)] } else { Vec::new() };
        Reply::Send(response.with_topics(request.topics.into_iter().map(topic).collect()).with_nodes(nodes))
    }
}

/// Whether the one partition of the metadata is asked for, and nothing else (Kafka, `hasValidTopicPartition`).
fn is_metadata(topics: &[AskedTopic]) -> bool {
    let [topic] = topics else { return false };
    &**topic.topic_name == METADATA && matches!(&topic.partitions[..], [partition] if partition.partition_index == 0)
}

fn led(cx: &Context, index: i32) -> PartitionData {
    let (node, end) = (BrokerId(cx.door.config.node_id), i64::try_from(cx.door.log.changes()).unwrap_or(i64::MAX));
    let now = cx.door.log.env().clock.now().0;
    let voter = ReplicaState::default().with_replica_id(node).with_log_end_offset(end);
    let voter = voter.with_last_fetch_timestamp(now).with_last_caught_up_timestamp(now);
    PartitionData::default()
        .with_partition_index(index)
        .with_error_message(Some(StrBytes::default()))
        .with_leader_id(node)
        .with_leader_epoch(EPOCH)
        .with_high_watermark(end)
        .with_current_voters(vec![voter])
}

fn unknown(index: i32) -> PartitionData {
    let words = StrBytes::from_static_str("only partition 0 of __cluster_metadata has a quorum, and it is asked for alone");
    PartitionData::default()
        .with_partition_index(index)
        .with_error_code(ResponseError::UnknownTopicOrPartition.code())
        .with_error_message(Some(words))
}

fn node(cx: &Context) -> Node {
    let (host, port) = cx.endpoint();
    let listener = Listener::default().with_name(StrBytes::from_static_str("CONTROLLER"));
    let listener = listener.with_host(StrBytes::from_string(host)).with_port(port);
    Node::default().with_node_id(BrokerId(cx.door.config.node_id)).with_listeners(vec![listener])
}
