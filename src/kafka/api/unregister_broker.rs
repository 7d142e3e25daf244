//! **UnregisterBroker** (64), v0: makes the cluster forget a broker (KIP-500).
//!
//! As Kafka does it: a broker that is not there is BROKER_ID_NOT_REGISTERED. The only one there is may be unregistered, and
//! registers itself again at once; so nothing happens.

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{UnregisterBrokerRequest, UnregisterBrokerResponse};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::translate::Refusal;

/// UnregisterBroker.
pub(crate) struct UnregisterBroker;

impl Api for UnregisterBroker {
    type Request = UnregisterBrokerRequest;
    type Response = UnregisterBrokerResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle(cx: &Context, request: UnregisterBrokerRequest) -> Reply<UnregisterBrokerResponse> {
        let (asked, node) = (request.broker_id.0, cx.door.config.node_id);
        let refusal = if !cx.allows_cluster(Operation::Alter) {
            Some(Refusal::denied(Kind::Cluster))
        } else if asked != node {
            let words = format!("there is no broker {asked}; the only one is {node}");
            Some(Refusal::new(ResponseError::BrokerIdNotRegistered, words))
        } else {
            None
        };
        let response = UnregisterBrokerResponse::default();
        Reply::Send(match refusal {
            None => response.with_error_message(Some(StrBytes::default())),
            Some(Refusal { error, words }) => response.with_error_code(error.code()).with_error_message(Some(words.into())),
        })
    }
}
