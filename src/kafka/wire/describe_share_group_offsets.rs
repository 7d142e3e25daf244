//! DescribeShareGroupOffsets (90), whose version 1 says how far a group is behind (KIP-1226).

use kafka_protocol::messages::{GroupId, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::message::message;

message! {
    /// Where share groups are.
    struct DescribeShareGroupOffsetsResponse versions 0 to 1, flexible from 0, header 0 {
        throttle_time_ms: i32,
        groups: Vec<DescribeShareGroupOffsetsResponseGroup>,
    }

    /// A group of [`DescribeShareGroupOffsetsResponse`].
    struct DescribeShareGroupOffsetsResponseGroup {
        group_id: GroupId,
        topics: Vec<DescribeShareGroupOffsetsResponseTopic>,
        error_code: i16,
        error_message: Option<StrBytes>,
    }

    /// A topic of [`DescribeShareGroupOffsetsResponseGroup`].
    struct DescribeShareGroupOffsetsResponseTopic {
        topic_name: TopicName,
        topic_id: Uuid,
        partitions: Vec<DescribeShareGroupOffsetsResponsePartition>,
    }

    /// A partition of [`DescribeShareGroupOffsetsResponseTopic`].
    struct DescribeShareGroupOffsetsResponsePartition {
        partition_index: i32,
        start_offset: i64,
        leader_epoch: i32,
        lag: i64 [1..] = -1,
        error_code: i16,
        error_message: Option<StrBytes>,
    }
}
