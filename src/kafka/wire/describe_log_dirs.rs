//! DescribeLogDirs (35), whose version 5 says whether a directory takes no new partitions (KIP-1066).

use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;

use super::message::message;

message! {
    /// What takes how much space.
    struct DescribeLogDirsResponse versions 1 to 5, flexible from 2, header 0 {
        throttle_time_ms: i32,
        error_code: i16 [3..],
        results: Vec<DescribeLogDirsResult>,
    }

    /// A directory of [`DescribeLogDirsResponse`].
    struct DescribeLogDirsResult {
        error_code: i16,
        log_dir: StrBytes,
        topics: Vec<DescribeLogDirsTopic>,
        total_bytes: i64 [4..] = -1,
        usable_bytes: i64 [4..] = -1,
        is_cordoned: bool [5..],
    }

    /// A topic of [`DescribeLogDirsResult`].
    struct DescribeLogDirsTopic {
        name: TopicName,
        partitions: Vec<DescribeLogDirsPartition>,
    }

    /// A partition of [`DescribeLogDirsTopic`].
    struct DescribeLogDirsPartition {
        partition_index: i32,
        partition_size: i64,
        offset_lag: i64,
        is_future_key: bool,
    }
}
