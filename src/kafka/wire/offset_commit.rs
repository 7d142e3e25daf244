//! OffsetCommit (8), whose version 10 names topics by id only (KIP-848). The crate has its answer.

use kafka_protocol::messages::{ApiKey, GroupId, OffsetCommitResponse, TopicName};
use kafka_protocol::protocol::{Request, StrBytes};
use uuid::Uuid;

use super::message::message;

message! {
    /// Asks to keep how far a group has read.
    struct OffsetCommitRequest versions 2 to 10, flexible from 8, header 1 {
        group_id: GroupId,
        generation_id_or_member_epoch: i32 = -1,
        member_id: StrBytes,
        group_instance_id: Option<StrBytes> [7..],
        retention_time_ms: i64 [2..=4] = -1,
        topics: Vec<OffsetCommitRequestTopic>,
    }

    /// A topic of [`OffsetCommitRequest`].
    struct OffsetCommitRequestTopic {
        name: TopicName [..=9],
        topic_id: Uuid [10..],
        partitions: Vec<OffsetCommitRequestPartition>,
    }

    /// A partition of [`OffsetCommitRequestTopic`].
    struct OffsetCommitRequestPartition {
        partition_index: i32,
        committed_offset: i64,
        committed_leader_epoch: i32 [6..] = -1,
        committed_metadata: Option<StrBytes> = Some(StrBytes::new()),
    }
}

impl Request for OffsetCommitRequest {
    const KEY: i16 = ApiKey::OffsetCommit as i16;
    type Response = OffsetCommitResponse;
}
