//! **AddRaftVoter** (80), v0 and v1: adds a voter to the quorum of controllers (KIP-853).
//!
//! As Kafka does it where `kraft.version` is 0, as it is here: the voters are fixed, so whoever asks for a valid voter of this
//! cluster is told UNSUPPORTED_VERSION.
//!
//! Versions: 1 may be answered before the others agree (KIP-1186).

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::AddRaftVoterResponse;
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::translate::{Refusal, check_cluster};
use crate::kafka::wire::{AddRaftVoterRequest, Unchanged};

/// AddRaftVoter.
pub(crate) struct AddRaftVoter;

impl Api for AddRaftVoter {
    type Request = AddRaftVoterRequest;
    type Response = Unchanged<AddRaftVoterResponse, 1>;

    const VERSIONS: RangeInclusive<i16> = 0..=1;

    async fn handle(cx: &Context, request: AddRaftVoterRequest) -> Reply<Self::Response> {
        let Refusal { error, words } = refusal(cx, &request);
        let response = AddRaftVoterResponse::default().with_error_code(error.code());
        Reply::Send(response.with_error_message(Some(StrBytes::from_string(words))).into())
    }
}

/// Why it is refused, in Kafka's order.
fn refusal(cx: &Context, request: &AddRaftVoterRequest) -> Refusal {
    if !cx.allows_cluster(Operation::Alter) {
        return Refusal::denied(Kind::Cluster);
    }
    if let Err(refusal) = check_cluster(&cx.door.config, request.cluster_id.as_deref()) {
        return refusal;
    }
    if request.voter_id < 0 || request.voter_directory_id.is_nil() {
        return Refusal::request("the request names no voter; an id of 0 or more and a directory are needed");
    }
    if request.listeners.is_empty() {
        return Refusal::request("the voter has no listener; one is needed");
    }
    let words = "no voter can be added: the voters are fixed, because the feature kraft.version is 0";
    Refusal::new(ResponseError::UnsupportedVersion, words)
}
