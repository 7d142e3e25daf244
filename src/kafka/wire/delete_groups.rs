//! DeleteGroups (42), whose version 3 has words for why a group stays.

use kafka_protocol::messages::GroupId;
use kafka_protocol::protocol::StrBytes;

use super::message::message;

message! {
    /// Which groups are gone.
    struct DeleteGroupsResponse versions 0 to 3, flexible from 2, header 0 {
        throttle_time_ms: i32,
        results: Vec<DeletableGroupResult>,
    }

    /// A group of [`DeleteGroupsResponse`].
    struct DeletableGroupResult {
        group_id: GroupId,
        error_code: i16,
        error_message: Option<StrBytes> [3..],
    }
}
