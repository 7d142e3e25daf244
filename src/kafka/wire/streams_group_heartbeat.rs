//! StreamsGroupHeartbeat (88) in the versions of Kafka 4.4; the crate does not have it. Version 1 says how far a copy of a
//! changelog may be behind in 64 bits, and asks for descriptions of topologies (KIP-1331).

use kafka_protocol::messages::{GroupId, TopicName};
use kafka_protocol::protocol::{Request, StrBytes};

use super::message::message;

message! {
    /// A member of a streams group says what it has, and that it is there.
    struct StreamsGroupHeartbeatRequest versions 0 to 1, flexible from 0, header 1 {
        group_id: GroupId,
        member_id: StrBytes,
        member_epoch: i32,
        endpoint_information_epoch: i32,
        instance_id: Option<StrBytes>,
        rack_id: Option<StrBytes>,
        rebalance_timeout_ms: i32 = -1,
        topology: Option<StreamsTopology>,
        active_tasks: Option<Vec<StreamsTaskIds>>,
        standby_tasks: Option<Vec<StreamsTaskIds>>,
        warmup_tasks: Option<Vec<StreamsTaskIds>>,
        process_id: Option<StrBytes>,
        user_endpoint: Option<StreamsEndpoint>,
        client_tags: Option<Vec<StreamsKeyValue>>,
        task_offsets: Option<Vec<StreamsTaskOffset>>,
        task_end_offsets: Option<Vec<StreamsTaskOffset>>,
        shutdown_application: bool,
    }

    /// The topology in a [`StreamsGroupHeartbeatRequest`].
    struct StreamsTopology {
        epoch: i32,
        subtopologies: Vec<StreamsSubtopology>,
    }

    /// A part of a [`StreamsTopology`].
    struct StreamsSubtopology {
        subtopology_id: StrBytes,
        source_topics: Vec<TopicName>,
        source_topic_regex: Vec<StrBytes>,
        state_changelog_topics: Vec<StreamsTopicInfo>,
        repartition_sink_topics: Vec<TopicName>,
        repartition_source_topics: Vec<StreamsTopicInfo>,
        copartition_groups: Vec<StreamsCopartitionGroup>,
    }

    /// Topics of a [`StreamsSubtopology`] that need equal numbers of partitions: indexes into its lists.
    struct StreamsCopartitionGroup {
        source_topics: Vec<i16>,
        source_topic_regex: Vec<i16>,
        repartition_source_topics: Vec<i16>,
    }

    /// A topic that an application needs for itself.
    struct StreamsTopicInfo {
        name: TopicName,
        partitions: i32,
        replication_factor: i16,
        topic_configs: Vec<StreamsKeyValue>,
    }

    /// A name and a value.
    struct StreamsKeyValue {
        key: StrBytes,
        value: StrBytes,
    }

    /// Tasks of a subtopology.
    struct StreamsTaskIds {
        subtopology_id: StrBytes,
        partitions: Vec<i32>,
    }

    /// How far the changelogs of a task are.
    struct StreamsTaskOffset {
        subtopology_id: StrBytes,
        partition: i32,
        offset: i64,
    }

    /// Where an application's stores can be asked.
    struct StreamsEndpoint {
        host: StrBytes,
        port: u16,
    }

    /// Says what a member has from now on.
    struct StreamsGroupHeartbeatResponse versions 0 to 1, flexible from 0, header 0 {
        throttle_time_ms: i32,
        error_code: i16,
        error_message: Option<StrBytes>,
        member_id: StrBytes,
        member_epoch: i32,
        heartbeat_interval_ms: i32,
        acceptable_recovery_lag_legacy: i32 [..=0],
        task_offset_interval_ms: i32,
        acceptable_recovery_lag: i64 [1..] = -1,
        status: Option<Vec<StreamsStatus>> = Some(Vec::new()),
        active_tasks: Option<Vec<StreamsTaskIds>>,
        standby_tasks: Option<Vec<StreamsTaskIds>>,
        warmup_tasks: Option<Vec<StreamsTaskIds>>,
        topology_description_required: bool [1..],
        endpoint_information_epoch: i32,
        partitions_by_user_endpoint: Option<Vec<StreamsEndpointPartitions>>,
    }

    /// What keeps a group or a member from its work.
    struct StreamsStatus {
        status_code: i8,
        status_detail: StrBytes,
    }

    /// What can be asked at an endpoint.
    struct StreamsEndpointPartitions {
        user_endpoint: StreamsEndpoint,
        active_partitions: Vec<StreamsTopicPartitions>,
        standby_partitions: Vec<StreamsTopicPartitions>,
    }

    /// Partitions of a topic.
    struct StreamsTopicPartitions {
        topic: TopicName,
        partitions: Vec<i32>,
    }
}

impl Request for StreamsGroupHeartbeatRequest {
    const KEY: i16 = 88;
    type Response = StreamsGroupHeartbeatResponse;
}
