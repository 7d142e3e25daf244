//! OffsetFetch (9), whose version 10 names topics by id only (KIP-848). The crate has its answer.

use kafka_protocol::messages::{ApiKey, GroupId, OffsetFetchResponse, TopicName};
use kafka_protocol::protocol::{Request, StrBytes};
use uuid::Uuid;

use super::message::message;

message! {
    /// Asks how far groups have read.
    struct OffsetFetchRequest versions 1 to 10, flexible from 6, header 1 {
        group_id: GroupId [..=7],
        topics: Option<Vec<OffsetFetchRequestTopic>> [..=7] = Some(Vec::new()),
        groups: Vec<OffsetFetchRequestGroup> [8..],
        require_stable: bool [7..],
    }

    /// A topic of [`OffsetFetchRequest`] up to version 7.
    struct OffsetFetchRequestTopic {
        name: TopicName,
        partition_indexes: Vec<i32>,
    }

    /// A group of [`OffsetFetchRequest`].
    struct OffsetFetchRequestGroup {
        group_id: GroupId,
        member_id: Option<StrBytes> [9..],
        member_epoch: i32 [9..] = -1,
        topics: Option<Vec<OffsetFetchRequestTopics>> = Some(Vec::new()),
    }

    /// A topic of [`OffsetFetchRequestGroup`].
    struct OffsetFetchRequestTopics {
        name: TopicName [..=9],
        topic_id: Uuid [10..],
        partition_indexes: Vec<i32>,
    }
}

impl Request for OffsetFetchRequest {
    const KEY: i16 = ApiKey::OffsetFetch as i16;
    type Response = OffsetFetchResponse;
}
