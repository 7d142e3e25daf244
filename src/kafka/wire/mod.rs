//! **Messages newer than the message crate**: what Apache Kafka 4.4 says that kafka-protocol 0.18, of Kafka 4.1, cannot.
//!
//! The streams protocol's messages (KIP-1071) and UnregisterController are not in the crate at all. A newer version that looks on the wire like the last one the crate knows is [`Unchanged`]. Any other message is written down
//! here whole, with all its versions, one file per API: its fields in the order of Kafka's schema
//! (`clients/src/main/resources/common/message` there), as `message!` takes them. Tests hold each against the crate's own in every
//! version that both know. When the crate has caught up, a file goes and its users take the crate's message instead.
//!
//! Never imports what gives the messages their meaning: `api`, `group` and all that is below.

mod add_raft_voter;
mod api_versions;
mod delete_groups;
mod describe_log_dirs;
mod describe_share_group_offsets;
mod list_transactions;
mod message;
mod offset_commit;
mod offset_fetch;
mod share_acknowledge;
mod share_fetch;
mod streams_group_describe;
mod streams_group_heartbeat;
mod txn_offset_commit;
mod unchanged;
mod unregister_controller;
mod value;
mod write_txn_markers;

pub use add_raft_voter::{AddRaftVoterListener, AddRaftVoterRequest};
pub use api_versions::ApiVersionsRequest;
pub use delete_groups::{DeletableGroupResult, DeleteGroupsResponse};
pub use describe_log_dirs::{DescribeLogDirsPartition, DescribeLogDirsResponse, DescribeLogDirsResult, DescribeLogDirsTopic};
pub use describe_share_group_offsets::{
    DescribeShareGroupOffsetsResponse, DescribeShareGroupOffsetsResponseGroup, DescribeShareGroupOffsetsResponsePartition,
    DescribeShareGroupOffsetsResponseTopic,
};
pub use list_transactions::ListTransactionsRequest;
pub use offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic};
pub use offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics};
pub use share_acknowledge::{
    ShareAcknowledgePartition, ShareAcknowledgePartitionResponse, ShareAcknowledgeRequest, ShareAcknowledgeResponse,
    ShareAcknowledgeTopic, ShareAcknowledgeTopicResponse, ShareLeader, ShareNodeEndpoint,
};
pub use share_fetch::{ShareAcknowledgementBatch, ShareFetchPartition, ShareFetchRequest, ShareFetchTopic, ShareForgottenTopic};
pub use streams_group_describe::{
    StreamsAssignment, StreamsDescribedGroup, StreamsDescribedMember, StreamsDescribedSubtopology, StreamsDescribedTopology,
    StreamsGroupDescribeRequest, StreamsGroupDescribeResponse,
};
pub use streams_group_heartbeat::{
    StreamsCopartitionGroup, StreamsEndpoint, StreamsEndpointPartitions, StreamsGroupHeartbeatRequest,
    StreamsGroupHeartbeatResponse, StreamsKeyValue, StreamsStatus, StreamsSubtopology, StreamsTaskIds, StreamsTaskOffset,
    StreamsTopicInfo, StreamsTopicPartitions, StreamsTopology,
};
pub use txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic, TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
pub use unchanged::Unchanged;
pub use unregister_controller::{UnregisterControllerRequest, UnregisterControllerResponse};
pub(super) use value::{size_of_count, write_count};
pub use write_txn_markers::{WritableTxnMarker, WritableTxnMarkerTopic, WriteTxnMarkersRequest};

#[cfg(test)]
mod tests;
