//! TxnOffsetCommit (28), whose version 6 names topics by id only (KIP-1319).

use kafka_protocol::messages::{ApiKey, GroupId, ProducerId, TopicName, TransactionalId};
use kafka_protocol::protocol::{Request, StrBytes};
use uuid::Uuid;

use super::message::message;

message! {
    /// Asks to keep how far a group has read, if a transaction is committed.
    struct TxnOffsetCommitRequest versions 0 to 6, flexible from 3, header 1 {
        transactional_id: TransactionalId,
        group_id: GroupId,
        producer_id: ProducerId,
        producer_epoch: i16,
        generation_id_or_member_epoch: i32 [3..] = -1,
        member_id: StrBytes [3..],
        group_instance_id: Option<StrBytes> [3..],
        topics: Vec<TxnOffsetCommitRequestTopic>,
    }

    /// A topic of [`TxnOffsetCommitRequest`].
    struct TxnOffsetCommitRequestTopic {
        name: TopicName [..=5],
        topic_id: Uuid [6..],
        partitions: Vec<TxnOffsetCommitRequestPartition>,
    }

    /// A partition of [`TxnOffsetCommitRequestTopic`].
    struct TxnOffsetCommitRequestPartition {
        partition_index: i32,
        committed_offset: i64,
        committed_leader_epoch: i32 [2..] = -1,
        committed_metadata: Option<StrBytes> = Some(StrBytes::default()),
    }

    /// What was kept.
    struct TxnOffsetCommitResponse versions 0 to 6, flexible from 3, header 0 {
        throttle_time_ms: i32,
        topics: Vec<TxnOffsetCommitResponseTopic>,
    }

    /// A topic of [`TxnOffsetCommitResponse`].
    struct TxnOffsetCommitResponseTopic {
        name: TopicName [..=5],
        topic_id: Uuid [6..],
        partitions: Vec<TxnOffsetCommitResponsePartition>,
    }

    /// A partition of [`TxnOffsetCommitResponseTopic`].
    struct TxnOffsetCommitResponsePartition {
        partition_index: i32,
        error_code: i16,
    }
}

impl Request for TxnOffsetCommitRequest {
    const KEY: i16 = ApiKey::TxnOffsetCommit as i16;
    type Response = TxnOffsetCommitResponse;
}
