//! How groups are set up.

use std::time::Duration;

/// Members in one group that is no share group. *Ours*.
pub(crate) const GROUP_SIZE_MAX: usize = 10_000;

/// The settings of all groups of one gateway. The names in brackets are Apache Kafka's broker settings (4.4).
#[derive(Clone, Debug)]
pub(crate) struct GroupConfig {
    /// Shortest session a member may ask for (`group.min.session.timeout.ms`).
    pub(crate) session_timeout_min: Duration,
    /// Longest session a member may ask for (`group.max.session.timeout.ms`).
    pub(crate) session_timeout_max: Duration,
    /// How long an empty group waits for more members before its first generation (`group.initial.rebalance.delay.ms`).
    ///
    /// Kafka waits 3 s. We do not unless told to: a test with one consumer, the commonest use of this gateway, then gets its
    /// partitions at once. The price: members of one group that start together rebalance once more, which every client must be
    /// able to do.
    pub(crate) initial_rebalance_delay: Duration,
    /// How long a member of the consumer protocol may stay silent (`group.consumer.session.timeout.ms`).
    pub(crate) consumer_session_timeout: Duration,
    /// How often it is told to be heard of (`group.consumer.heartbeat.interval.ms`).
    pub(crate) consumer_heartbeat_interval: Duration,
    /// The least time between two assignments of a group of the consumer protocol (`group.consumer.assignment.interval.ms`).
    pub(crate) consumer_assignment_interval: Duration,
    /// Members in one group, and ids given out to members that have not come back with them yet (`group.max.size`,
    /// `group.consumer.max.size`, `group.streams.max.size`; Kafka sets no bound, this one is *ours*).
    pub(crate) group_size_max: usize,
    /// How long offsets are kept without members or commits (`offsets.retention.minutes`).
    pub(crate) offsets_retention: Duration,
    /// Bytes of the text a client may keep with an offset (`offset.metadata.max.bytes`).
    pub(crate) offset_metadata_bytes_max: usize,
}

impl Default for GroupConfig {
    fn default() -> Self {
        Self {
            session_timeout_min: Duration::from_secs(6),
            session_timeout_max: Duration::from_secs(30 * 60),
            initial_rebalance_delay: Duration::ZERO,
            consumer_session_timeout: Duration::from_secs(45),
            consumer_heartbeat_interval: Duration::from_secs(5),
            consumer_assignment_interval: Duration::from_secs(1),
            group_size_max: GROUP_SIZE_MAX,
            offsets_retention: Duration::from_secs(7 * 24 * 3_600),
            offset_metadata_bytes_max: 4_096,
        }
    }
}
