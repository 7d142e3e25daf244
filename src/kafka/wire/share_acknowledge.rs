//! ShareAcknowledge (79), whose version 2 renews locks and says for how long (KIP-1222).

use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::{Request, StrBytes};
use uuid::Uuid;

use super::ShareAcknowledgementBatch;
use super::message::message;

message! {
    /// Says what became of records that a member of a share group has.
    struct ShareAcknowledgeRequest versions 1 to 2, flexible from 0, header 1 {
        group_id: Option<StrBytes>,
        member_id: Option<StrBytes> = Some(StrBytes::new()),
        share_session_epoch: i32,
        is_renew_ack: bool [2..],
        topics: Vec<ShareAcknowledgeTopic>,
    }

    /// A topic of [`ShareAcknowledgeRequest`].
    struct ShareAcknowledgeTopic {
        topic_id: Uuid,
        partitions: Vec<ShareAcknowledgePartition>,
    }

    /// A partition of [`ShareAcknowledgeTopic`].
    struct ShareAcknowledgePartition {
        partition_index: i32,
        acknowledgement_batches: Vec<ShareAcknowledgementBatch>,
    }

    /// Whether it was taken.
    struct ShareAcknowledgeResponse versions 1 to 2, flexible from 0, header 0 {
        throttle_time_ms: i32,
        error_code: i16,
        error_message: Option<StrBytes>,
        acquisition_lock_timeout_ms: i32 [2..],
        responses: Vec<ShareAcknowledgeTopicResponse>,
        node_endpoints: Vec<ShareNodeEndpoint>,
    }

    /// A topic of [`ShareAcknowledgeResponse`].
    struct ShareAcknowledgeTopicResponse {
        topic_id: Uuid,
        partitions: Vec<ShareAcknowledgePartitionResponse>,
    }

    /// A partition of [`ShareAcknowledgeTopicResponse`].
    struct ShareAcknowledgePartitionResponse {
        partition_index: i32,
        error_code: i16,
        error_message: Option<StrBytes>,
        current_leader: ShareLeader,
    }

    /// Who leads a partition.
    struct ShareLeader {
        leader_id: i32,
        leader_epoch: i32,
    }

    /// Where a leader is.
    struct ShareNodeEndpoint {
        node_id: i32,
        host: StrBytes,
        port: i32,
        rack: Option<StrBytes>,
    }
}

impl Request for ShareAcknowledgeRequest {
    const KEY: i16 = ApiKey::ShareAcknowledge as i16;
    type Response = ShareAcknowledgeResponse;
}
