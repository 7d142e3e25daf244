//! **RemoveRaftVoter** (81), v0: removes a voter from the quorum of controllers (KIP-853).
//!
//! As Kafka does it where `kraft.version` is 0, as it is here: the voters are fixed, so whoever asks for a valid voter of this
//! cluster is told UNSUPPORTED_VERSION.

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{RemoveRaftVoterRequest, RemoveRaftVoterResponse};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::translate::{Refusal, check_cluster};

/// RemoveRaftVoter.
pub(crate) struct RemoveRaftVoter;

impl Api for RemoveRaftVoter {
    type Request = RemoveRaftVoterRequest;
    type Response = RemoveRaftVoterResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle(cx: &Context, request: RemoveRaftVoterRequest) -> Reply<RemoveRaftVoterResponse> {
        let Refusal { error, words } = refusal(cx, &request);
        let response = RemoveRaftVoterResponse::default().with_error_code(error.code());
        Reply::Send(response.with_error_message(Some(StrBytes::from_string(words))))
    }
}

/// Why it is refused, in Kafka's order.
fn refusal(cx: &Context, request: &RemoveRaftVoterRequest) -> Refusal {
    if !cx.allows_cluster(Operation::Alter) {
        return Refusal::denied(Kind::Cluster);
    }
    if let Err(refusal) = check_cluster(&cx.door.config, request.cluster_id.as_deref()) {
        return refusal;
    }
    if request.voter_id < 0 || request.voter_directory_id.is_nil() {
        return Refusal::request("the request names no voter; an id of 0 or more and a directory are needed");
    }
    let words = "no voter can be removed: the voters are fixed, because the feature kraft.version is 0";
    Refusal::new(ResponseError::UnsupportedVersion, words)
}
