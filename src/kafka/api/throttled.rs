//! Telling a client in its answer how long it has to wait.

use kafka_protocol::messages::*;

use crate::kafka::fetched::Fetched;
use crate::kafka::wire::{self, Unchanged};

/// An answer that can tell the delay of a client that is over a quota.
pub(crate) trait Throttled {
    /// Has it tell so many milliseconds. Where the version has no place for it, it tells nothing.
    fn throttle(&mut self, millis: i32);
}

impl<M: Throttled, const LAST: i16> Throttled for Unchanged<M, LAST> {
    fn throttle(&mut self, millis: i32) {
        self.0.throttle(millis);
    }
}

impl Throttled for Fetched {
    fn throttle(&mut self, millis: i32) {
        self.response.throttle_time_ms = millis;
    }
}

macro_rules! throttled {
    ($($response:ty),* $(,)?) => { $(impl Throttled for $response {
        fn throttle(&mut self, millis: i32) {
            self.throttle_time_ms = millis;
        }
    })* };
}

throttled!(
    AddOffsetsToTxnResponse,
    AddPartitionsToTxnResponse,
    AddRaftVoterResponse,
    AlterClientQuotasResponse,
    AlterConfigsResponse,
    AlterPartitionReassignmentsResponse,
    AlterReplicaLogDirsResponse,
    AlterShareGroupOffsetsResponse,
    AlterUserScramCredentialsResponse,
    ApiVersionsResponse,
    ConsumerGroupDescribeResponse,
    ConsumerGroupHeartbeatResponse,
    CreateAclsResponse,
    CreateDelegationTokenResponse,
    CreatePartitionsResponse,
    CreateTopicsResponse,
    DeleteAclsResponse,
    DeleteRecordsResponse,
    DeleteShareGroupOffsetsResponse,
    DeleteTopicsResponse,
    DescribeAclsResponse,
    DescribeClientQuotasResponse,
    DescribeClusterResponse,
    DescribeConfigsResponse,
    DescribeDelegationTokenResponse,
    DescribeGroupsResponse,
    DescribeProducersResponse,
    DescribeTopicPartitionsResponse,
    DescribeTransactionsResponse,
    DescribeUserScramCredentialsResponse,
    ElectLeadersResponse,
    EndTxnResponse,
    ExpireDelegationTokenResponse,
    FindCoordinatorResponse,
    HeartbeatResponse,
    IncrementalAlterConfigsResponse,
    InitProducerIdResponse,
    JoinGroupResponse,
    LeaveGroupResponse,
    ListConfigResourcesResponse,
    ListGroupsResponse,
    ListOffsetsResponse,
    ListPartitionReassignmentsResponse,
    ListTransactionsResponse,
    MetadataResponse,
    OffsetCommitResponse,
    OffsetDeleteResponse,
    OffsetFetchResponse,
    OffsetForLeaderEpochResponse,
    ProduceResponse,
    RemoveRaftVoterResponse,
    RenewDelegationTokenResponse,
    ShareFetchResponse,
    ShareGroupDescribeResponse,
    ShareGroupHeartbeatResponse,
    SyncGroupResponse,
    UnregisterBrokerResponse,
    UpdateFeaturesResponse,
    wire::DeleteGroupsResponse,
    wire::DescribeLogDirsResponse,
    wire::DescribeShareGroupOffsetsResponse,
    wire::ShareAcknowledgeResponse,
    wire::StreamsGroupDescribeResponse,
    wire::StreamsGroupHeartbeatResponse,
    wire::TxnOffsetCommitResponse,
    wire::UnregisterControllerResponse,
);

/// Answers that have no place for it in any version.
macro_rules! not_throttled {
    ($($response:ty),* $(,)?) => { $(impl Throttled for $response {
        fn throttle(&mut self, _millis: i32) {}
    })* };
}

not_throttled!(DescribeQuorumResponse, SaslAuthenticateResponse, SaslHandshakeResponse, WriteTxnMarkersResponse);
