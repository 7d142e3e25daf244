//! StreamsGroupDescribe (89) in the versions of Kafka 4.4; the crate does not have it. Version 1 brought the descriptions of
//! topologies (KIP-1331), which are written here as absent only, and the assignor's name (KIP-1357).

use kafka_protocol::messages::{GroupId, TopicName};
use kafka_protocol::protocol::{Request, StrBytes};

use super::message::message;
use super::streams_group_heartbeat::{StreamsEndpoint, StreamsKeyValue, StreamsTaskIds, StreamsTaskOffset, StreamsTopicInfo};

message! {
    /// Asks for streams groups.
    struct StreamsGroupDescribeRequest versions 0 to 1, flexible from 0, header 1 {
        group_ids: Vec<GroupId>,
        include_authorized_operations: bool,
        include_topology_description: bool [1..],
    }

    /// Shows streams groups.
    struct StreamsGroupDescribeResponse versions 0 to 1, flexible from 0, header 0 {
        throttle_time_ms: i32,
        groups: Vec<StreamsDescribedGroup>,
    }

    /// One of them.
    struct StreamsDescribedGroup {
        error_code: i16,
        error_message: Option<StrBytes>,
        group_id: GroupId,
        group_state: StrBytes,
        group_epoch: i32,
        assignment_epoch: i32,
        topology: Option<StreamsDescribedTopology>,
        members: Vec<StreamsDescribedMember>,
        authorized_operations: i32 = i32::MIN,
        // Always null: nobody keeps any.
        topology_description: i8 [1..] = -1,
        topology_description_status: i8 [1..],
        assignor_name: Option<StrBytes> [1..],
    }

    /// The topology of a [`StreamsDescribedGroup`].
    struct StreamsDescribedTopology {
        epoch: i32,
        subtopologies: Option<Vec<StreamsDescribedSubtopology>>,
    }

    /// A part of it.
    struct StreamsDescribedSubtopology {
        subtopology_id: StrBytes,
        source_topics: Vec<TopicName>,
        repartition_sink_topics: Vec<TopicName>,
        state_changelog_topics: Vec<StreamsTopicInfo>,
        repartition_source_topics: Vec<StreamsTopicInfo>,
    }

    /// A member of a [`StreamsDescribedGroup`].
    struct StreamsDescribedMember {
        member_id: StrBytes,
        member_epoch: i32,
        instance_id: Option<StrBytes>,
        rack_id: Option<StrBytes>,
        client_id: StrBytes,
        client_host: StrBytes,
        topology_epoch: i32,
        process_id: StrBytes,
        user_endpoint: Option<StreamsEndpoint>,
        client_tags: Vec<StreamsKeyValue>,
        task_offsets: Vec<StreamsTaskOffset>,
        task_end_offsets: Vec<StreamsTaskOffset>,
        assignment: StreamsAssignment,
        target_assignment: StreamsAssignment,
        is_classic: bool,
    }

    /// The tasks of a [`StreamsDescribedMember`].
    struct StreamsAssignment {
        active_tasks: Vec<StreamsTaskIds>,
        standby_tasks: Vec<StreamsTaskIds>,
        warmup_tasks: Vec<StreamsTaskIds>,
    }
}

impl Request for StreamsGroupDescribeRequest {
    const KEY: i16 = 89;
    type Response = StreamsGroupDescribeResponse;
}
