//! Metadata (key 3): the broker, and the partitions of some or all topics.
//!
//! Served: 0 to 13. Version 1 brought "no topics" beside "all topics", 2 the cluster id, 4 the choice not to create topics,
//! 5 offline replicas, 7 leader epochs, 8 authorized operations, 9 tagged fields, 10 topic ids, 12 asking by id alone,
//! 13 an error for the whole answer.
//!
//! Differs from Kafka: there is one broker, and its address is the one the client came to unless another is advertised. A
//! topic that is created by asking is in the answer at once, instead of after a retry. A topic asked for twice is answered
//! once, as in Kafka. An id, or no name, in versions 10 and 11 fails the request: INVALID_REQUEST for each topic and no broker.
//!
//! Left out on purpose: internal topics (groups are not kept in one), racks, sealed partitions' special treatment: they
//! are partitions like others, and writes to them reach the lane that took over.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{CLUSTER, Kind, Operation};
use crate::kafka::partition::{LEADER_EPOCH, Topic, topic, topics};
use crate::kafka::translate::create_default;
use crate::log::Stream;
use crate::model::StreamName;

pub(crate) struct Metadata;

/// The first version in which an absent list means all topics, and an empty one none.
const ABSENT_IS_ALL: i16 = 1;
/// The first version that says whether topics may be created.
const CREATION_CHOICE: i16 = 4;
/// The versions that carry the cluster's authorized operations.
const CLUSTER_OPERATIONS: RangeInclusive<i16> = 8..=10;
/// The first version in which a topic's name may be left out.
const NAMELESS: i16 = 12;
/// Topics that one request creates by asking; whoever asks again gets the next ones. *Ours*: each waits for the disk.
const CREATED_MAX: usize = 100;

impl Api for Metadata {
    type Request = MetadataRequest;
    type Response = MetadataResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=13;

    async fn handle(cx: &Context, request: MetadataRequest) -> Reply<MetadataResponse> {
        let operations = request.include_topic_authorized_operations;
        let asked = request.topics.filter(|topics| cx.version >= ABSENT_IS_ALL || !topics.is_empty());
        let is_named = |topic: &MetadataRequestTopic| topic.name.is_some() && topic.topic_id.is_nil();
        if let Some(asked) = asked.as_ref().filter(|asked| cx.version < NAMELESS && !asked.iter().all(is_named)) {
            let refused =
                asked.iter().cloned().map(|topic| refuse(cx, topic.name, topic.topic_id, ResponseError::InvalidRequest));
            return Reply::Send(MetadataResponse::default().with_cluster_id(None).with_topics(refused.collect()));
        }
        let topics = match asked {
            None => {
                let seen = |stream: &&Arc<Stream>| cx.allows(Operation::Describe, Kind::Topic, stream.name().as_str());
                topics(&cx.door.log).iter().filter(seen).map(|stream| describe(cx, stream, operations)).collect()
            }
            Some(asked) => {
                let create =
                    cx.door.config.auto_create_topics && (cx.version < CREATION_CHOICE || request.allow_auto_topic_creation);
                some(cx, asked, create, operations).await
            }
        };
        let (host, port) = cx.endpoint();
        let node_id = BrokerId(cx.door.config.node_id);
        let broker = MetadataResponseBroker::default()
            .with_node_id(node_id)
            .with_host(StrBytes::from_string(host))
            .with_port(i32::from(port));
        let response = MetadataResponse::default()
            .with_brokers(vec![broker])
            .with_cluster_id(Some(StrBytes::from_string(cx.door.config.cluster_id.clone())))
            .with_controller_id(node_id)
            .with_topics(topics);
        let cluster_operations = request.include_cluster_authorized_operations && CLUSTER_OPERATIONS.contains(&cx.version);
        Reply::Send(if cluster_operations {
            response.with_cluster_authorized_operations(cx.operations(Kind::Cluster, CLUSTER))
        } else {
            response
        })
    }
}

/// The topics asked for, each once: a repeat would cost a client a few bytes and us all the topic's partitions.
async fn some(cx: &Context, asked: Vec<MetadataRequestTopic>, create: bool, operations: bool) -> Vec<MetadataResponseTopic> {
    let (mut seen, mut topics) = (HashSet::new(), Vec::new());
    let mut left = CREATED_MAX;
    for asked in asked {
        let named = asked.name.clone().filter(|_| asked.topic_id.is_nil());
        if !seen.insert((asked.topic_id, named.clone())) {
            continue;
        }
        let found = match named {
            Some(name) if !cx.allows(Operation::Describe, Kind::Topic, name.as_str()) => Err(Kind::Topic.denied()),
            Some(name) => {
                let is_missing = topic(&cx.door.log, name.as_str()).is_none();
                let found = by_name(cx, &name, create && left > 0).await;
                left -= usize::from(create && left > 0 && is_missing);
                found
            }
            None => cx.topic(Topic::Identified(asked.topic_id), Operation::Describe),
        };
        topics.push(match found {
            Ok(stream) => describe(cx, &stream, operations),
            Err(error) => refuse(cx, asked.name, asked.topic_id, error),
        });
    }
    topics
}

async fn by_name(cx: &Context, name: &TopicName, create: bool) -> Result<Arc<Stream>, ResponseError> {
    let valid = StreamName::new(name).map_err(|_| ResponseError::InvalidTopicException)?;
    match Topic::Named(name).stream(&cx.door.log) {
        Err(ResponseError::UnknownTopicOrPartition)
            if create && !cx.allows_cluster(Operation::Create) && !cx.allows(Operation::Create, Kind::Topic, name) =>
        {
            return Err(Kind::Topic.denied());
        }
        Err(ResponseError::UnknownTopicOrPartition) if create => {}
        found => return found,
    }
    create_default(&cx.door, valid.as_str()).await
}

fn describe(cx: &Context, stream: &Stream, operations: bool) -> MetadataResponseTopic {
    let nodes = vec![BrokerId(cx.door.config.node_id)];
    let partition = |index: u32| {
        MetadataResponsePartition::default()
            .with_partition_index(index.cast_signed())
            .with_leader_id(BrokerId(cx.door.config.node_id))
            .with_leader_epoch(LEADER_EPOCH)
            .with_replica_nodes(nodes.clone())
            .with_isr_nodes(nodes.clone())
    };
    let topic = MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(stream.name().as_str().to_owned()))))
        .with_topic_id(stream.id().0)
        .with_partitions((0..stream.lanes()).map(partition).collect());
    match operations {
        true => topic.with_topic_authorized_operations(cx.operations(Kind::Topic, stream.name().as_str())),
        false => topic,
    }
}

fn refuse(cx: &Context, name: Option<TopicName>, id: Uuid, error: ResponseError) -> MetadataResponseTopic {
    let name = if cx.version >= NAMELESS { name } else { Some(name.unwrap_or_default()) };
    MetadataResponseTopic::default().with_error_code(error.code()).with_name(name).with_topic_id(id)
}
