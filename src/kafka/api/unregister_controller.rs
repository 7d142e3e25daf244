//! **UnregisterController** (94), v0: makes the cluster forget a controller that is gone.
//!
//! As Kafka's only node, broker and controller in one, does it: this one is a voter, which is an INVALID_REQUEST, and any other is
//! CONTROLLER_ID_NOT_REGISTERED.

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::wire::{UnregisterControllerRequest, UnregisterControllerResponse};

/// CONTROLLER_ID_NOT_REGISTERED, which the message crate does not have.
const NOT_REGISTERED: i16 = 136;

/// UnregisterController.
pub(crate) struct UnregisterController;

impl Api for UnregisterController {
    type Request = UnregisterControllerRequest;
    type Response = UnregisterControllerResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle(cx: &Context, request: UnregisterControllerRequest) -> Reply<UnregisterControllerResponse> {
        let (asked, node) = (request.controller_id, cx.door.config.node_id);
        let (error_code, words) = if !cx.allows_cluster(Operation::Alter) {
            (Kind::Cluster.denied().code(), "the access rules do not allow it".to_owned())
        } else if asked == node {
            let words = format!("the controller {node} is a voter, and the only one; it cannot be unregistered");
            (ResponseError::InvalidRequest.code(), words)
        } else {
            (NOT_REGISTERED, format!("there is no controller {asked}; the only one is {node}"))
        };
        let error_message = Some(StrBytes::from_string(words));
        Reply::Send(UnregisterControllerResponse { throttle_time_ms: 0, error_code, error_message })
    }
}
