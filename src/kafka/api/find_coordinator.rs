//! FindCoordinator (key 10): which broker looks after a group or a transactional id.
//!
//! Served: 0 to 6. Version 1 brought key types and error messages, 3 tagged fields, 4 several keys at once (KIP-699), 6 the
//! key type of share partitions (KIP-932).
//!
//! As Kafka does it: a share group is a group; partitions of share groups, which brokers ask for, have a key type of their own and
//! keys of three parts, `GROUP:TOPIC_ID:PARTITION`. Whether there is such a group, id or partition is not asked.
//!
//! Differs from Kafka: the answer is always this broker.

use std::ops::RangeInclusive;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{CLUSTER, Kind, Operation};

pub(crate) struct FindCoordinator;

/// The first version with several keys.
const BATCHED: i16 = 4;
/// Key types (Kafka, `FindCoordinatorRequest.CoordinatorType`).
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;
/// The first version with partitions of share groups.
const SHARED: i16 = 6;

impl Api for FindCoordinator {
    type Request = FindCoordinatorRequest;
    type Response = FindCoordinatorResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=6;

    async fn handle(cx: &Context, request: FindCoordinatorRequest) -> Reply<FindCoordinatorResponse> {
        if cx.version >= BATCHED {
            let found = |key: StrBytes| coordinator(cx, request.key_type, &key).with_key(key);
            let coordinators = request.coordinator_keys.into_iter().map(found).collect();
            return Reply::Send(FindCoordinatorResponse::default().with_error_message(None).with_coordinators(coordinators));
        }
        let found = coordinator(cx, request.key_type, &request.key);
        let Coordinator { error_code, error_message, node_id, host, port, .. } = found;
        // In these versions Kafka says it in words that nothing is wrong.
        let error_message = if error_code == 0 { Some(StrBytes::from_static_str("NONE")) } else { error_message };
        Reply::Send(
            FindCoordinatorResponse::default()
                .with_error_code(error_code)
                .with_error_message(error_message)
                .with_node_id(node_id)
                .with_host(host)
                .with_port(port),
        )
    }
}

/// The coordinator of a key of this type.
fn coordinator(cx: &Context, key_type: i8, key: &str) -> Coordinator {
    let refuse = |error: ResponseError, words: &'static str| {
        Coordinator::default()
            .with_error_code(error.code())
            .with_error_message(Some(StrBytes::from_static_str(words)))
            .with_node_id(BrokerId(-1))
            .with_port(-1)
    };
    match key_type {
        GROUP if !cx.allows(Operation::Describe, Kind::Group, key) => {
            refuse(Kind::Group.denied(), "the access rules do not allow it")
        }
        TRANSACTION if !cx.allows(Operation::Describe, Kind::TransactionalId, key) => {
            refuse(Kind::TransactionalId.denied(), "the access rules do not allow it")
        }
        SHARE if cx.version >= SHARED && !cx.allows(Operation::ClusterAction, Kind::Cluster, CLUSTER) => {
            refuse(Kind::Cluster.denied(), "the access rules do not allow it")
        }
        SHARE if cx.version < SHARED || !is_share_partition(key) => {
            refuse(ResponseError::InvalidRequest, "a partition of a share group is GROUP:TOPIC_ID:PARTITION, from version 6 on")
        }
        GROUP | TRANSACTION | SHARE => {
            let (host, port) = cx.endpoint();
            Coordinator::default()
                .with_error_message(Some(StrBytes::default()))
                .with_node_id(BrokerId(cx.door.config.node_id))
                .with_host(StrBytes::from_string(host))
                .with_port(i32::from(port))
        }
        _ => refuse(ResponseError::InvalidRequest, "only groups, transactional ids and share partitions have a coordinator"),
    }
}

/// Whether `key` names a partition of a share group: a group's name, which may have colons, a topic's id as Kafka writes it, and the
/// number of a partition (Kafka, `SharePartitionKey`).
fn is_share_partition(key: &str) -> bool {
    let mut parts = key.rsplitn(3, ':');
    let (partition, topic, group) = (parts.next(), parts.next(), parts.next());
    partition.is_some_and(|partition| partition.parse::<i32>().is_ok())
        && topic.is_some_and(|topic| BASE64URL.decode(topic).is_ok_and(|id| id.len() == size_of::<u128>()))
        && group.is_some_and(|group| !group.trim().is_empty())
}
