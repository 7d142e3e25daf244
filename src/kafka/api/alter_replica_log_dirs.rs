//! **AlterReplicaLogDirs** (34), v1 and v2: which directory has a partition's replica (KIP-113).
//!
//! As Kafka does it with one directory: a partition may be moved to where it is, any other directory is LOG_DIR_NOT_FOUND. v2
//! brought tagged fields.

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_replica_log_dirs_request::AlterReplicaLogDirTopic;
use kafka_protocol::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use kafka_protocol::messages::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::partition;

pub(crate) struct AlterReplicaLogDirs;

impl Api for AlterReplicaLogDirs {
    type Request = AlterReplicaLogDirsRequest;
    type Response = AlterReplicaLogDirsResponse;

    const VERSIONS: RangeInclusive<i16> = 1..=2;

    async fn handle(cx: &Context, request: AlterReplicaLogDirsRequest) -> Reply<AlterReplicaLogDirsResponse> {
        let mut results = Vec::new();
        for dir in request.dirs {
            let place = if !cx.allows_cluster(Operation::Alter) {
                Err(Kind::Cluster.denied())
            } else if *dir.path == *cx.door.config.log_dir {
                Ok(())
            } else {
                Err(ResponseError::LogDirNotFound)
            };
            results.extend(dir.topics.into_iter().map(|topic| alter(cx, place, topic)));
        }
        Reply::Send(AlterReplicaLogDirsResponse::default().with_results(results))
    }
}

/// The results of a topic's partitions in a directory, or of each the error that the directory has.
fn alter(cx: &Context, place: Result<(), ResponseError>, topic: AlterReplicaLogDirTopic) -> AlterReplicaLogDirTopicResult {
    let lanes = partition::topic(&cx.door.log, &topic.name).map_or(0, |stream| stream.lanes());
    let of = |index: i32| {
        let exists = u32::try_from(index).is_ok_and(|index| index < lanes);
        let found = if exists { Ok(()) } else { Err(ResponseError::UnknownTopicOrPartition) };
        let code = place.and(found).map_or_else(|error| error.code(), |()| 0);
        AlterReplicaLogDirPartitionResult::default().with_partition_index(index).with_error_code(code)
    };
    let partitions = topic.partitions.into_iter().map(of).collect();
    AlterReplicaLogDirTopicResult::default().with_topic_name(topic.name).with_partitions(partitions)
}
