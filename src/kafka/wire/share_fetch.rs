//! ShareFetch (78), whose version 2 bounds records strictly and renews locks (KIP-1206, KIP-1222). The crate has its answer.

use kafka_protocol::messages::{ApiKey, ShareFetchResponse};
use kafka_protocol::protocol::{Request, StrBytes};
use uuid::Uuid;

use super::Unchanged;
use super::message::message;

message! {
    /// Asks for records for a member of a share group, and says what became of earlier ones.
    struct ShareFetchRequest versions 1 to 2, flexible from 0, header 1 {
        group_id: Option<StrBytes>,
        member_id: Option<StrBytes> = Some(StrBytes::new()),
        share_session_epoch: i32,
        max_wait_ms: i32,
        min_bytes: i32,
        max_bytes: i32 = i32::MAX,
        max_records: i32,
        batch_size: i32,
        share_acquire_mode: i8 [2..],
        is_renew_ack: bool [2..],
        topics: Vec<ShareFetchTopic>,
        forgotten_topics_data: Vec<ShareForgottenTopic>,
    }

    /// A topic of [`ShareFetchRequest`].
    struct ShareFetchTopic {
        topic_id: Uuid,
        partitions: Vec<ShareFetchPartition>,
    }

    /// A partition of [`ShareFetchTopic`].
    struct ShareFetchPartition {
        partition_index: i32,
        acknowledgement_batches: Vec<ShareAcknowledgementBatch>,
    }

    /// What became of records from the first to the last offset: one word for all, or one for each.
    struct ShareAcknowledgementBatch {
        first_offset: i64,
        last_offset: i64,
        acknowledge_types: Vec<i8>,
    }

    /// Partitions of a topic that leave a session.
    struct ShareForgottenTopic {
        topic_id: Uuid,
        partitions: Vec<i32>,
    }
}

impl Request for ShareFetchRequest {
    const KEY: i16 = ApiKey::ShareFetch as i16;
    type Response = Unchanged<ShareFetchResponse, 2>;
}
