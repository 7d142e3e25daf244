//! FindCoordinator (key 10): which broker looks after a group or a transactional id.
//!
//! Served: 0 to 6. Version 1 brought key types and error messages, 3 tagged fields, 4 several keys at once (KIP-699), 6 the
//! key type of share partitions (KIP-932).
//!
//! Differs from Kafka: the answer is always this broker. Share groups are groups; the key type that version 6 brought is for the
//! partitions of share groups, which only brokers ask for and which nobody coordinates here: INVALID_REQUEST.

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};

pub(crate) struct FindCoordinator;

/// The first version with several keys.
const BATCHED: i16 = 4;
/// Key types (Kafka, `FindCoordinatorRequest.CoordinatorType`).
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

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
        GROUP | TRANSACTION => {
            let (host, port) = cx.endpoint();
            Coordinator::default()
                .with_error_message(None)
                .with_node_id(BrokerId(cx.door.config.node_id))
                .with_host(StrBytes::from_string(host))
                .with_port(i32::from(port))
        }
        _ => refuse(ResponseError::InvalidRequest, "only groups and transactional ids have a coordinator here"),
    }
}
