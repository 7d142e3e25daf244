//! **ListPartitionReassignments** (46), v0: the partitions on their way to another broker (KIP-455).
//!
//! As Kafka's only broker does it: there is none, whichever are asked for, whether they exist or not.

use std::ops::RangeInclusive;

use kafka_protocol::messages::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::translate::Refusal;

pub(crate) struct ListPartitionReassignments;

impl Api for ListPartitionReassignments {
    type Request = ListPartitionReassignmentsRequest;
    type Response = ListPartitionReassignmentsResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle(cx: &Context, _: ListPartitionReassignmentsRequest) -> Reply<ListPartitionReassignmentsResponse> {
        let response = ListPartitionReassignmentsResponse::default().with_error_message(None);
        if cx.allows_cluster(Operation::Describe) {
            return Reply::Send(response);
        }
        let Refusal { error, words } = Refusal::denied(Kind::Cluster);
        Reply::Send(response.with_error_code(error.code()).with_error_message(Some(words.into())))
    }
}
