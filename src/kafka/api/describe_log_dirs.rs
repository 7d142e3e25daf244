//! **DescribeLogDirs** (35): how many bytes the live records of each partition take, in the one directory there is.
//!
//! How we differ from Kafka: all partitions share one commit log, so the bytes of a partition are those of its batches and not of
//! files of its own.
//!
//! Versions: 2 is flexible · 3 has an error code for the whole · 4 has the volume's space (KIP-827) · 5 says
//! whether the directory is cordoned (KIP-1066), which it never is.
//!
//! Left out on purpose: replicas on their way to another directory.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use kafka_protocol::messages::{DescribeLogDirsRequest, TopicName};

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::partition;
use crate::kafka::wire::{
    DescribeLogDirsPartition, DescribeLogDirsResponse, DescribeLogDirsResult, DescribeLogDirsTopic, Unchanged,
};
use crate::log::{Error, Log, Stream};

/// Space that is not known (Apache Kafka, `DescribeLogDirsResponse.UNKNOWN_VOLUME_BYTES`).
const UNKNOWN_VOLUME_BYTES: i64 = -1;

/// DescribeLogDirs.
pub(crate) struct DescribeLogDirs;

impl Api for DescribeLogDirs {
    type Request = Unchanged<DescribeLogDirsRequest, 5>;
    type Response = DescribeLogDirsResponse;

    const VERSIONS: RangeInclusive<i16> = 1..=5;
    const IS_BULKY: bool = true;

    async fn handle(cx: &Context, request: Self::Request) -> Reply<DescribeLogDirsResponse> {
        if !cx.allows_cluster(Operation::Describe) {
            // Before version 3 only each directory can say so, and there is none to name.
            let error_code = Kind::Cluster.denied().code();
            return Reply::Send(DescribeLogDirsResponse { error_code, ..DescribeLogDirsResponse::default() });
        }
        let log = &cx.door.log;
        let wanted: Vec<(Arc<Stream>, Vec<u32>)> = match &request.topics {
            None => partition::topics(log).into_iter().map(all_lanes).collect(),
            Some(topics) => asked(topics)
                .into_iter()
                .filter_map(|(name, partitions)| {
                    let stream = partition::topic(log, name)?;
                    let lanes: Vec<u32> = known(&partitions, stream.lanes()).collect();
                    (!lanes.is_empty()).then_some((stream, lanes))
                })
                .collect(),
        };
        let mut topics = Vec::with_capacity(wanted.len());
        for (stream, lanes) in wanted {
            match topic(log, &stream, lanes).await {
                Ok(topic) => topics.push(topic),
                Err(error) => return Reply::Send(unreadable(cx, &error)),
            }
        }
        let space = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let volume = log.volume().map_or((UNKNOWN_VOLUME_BYTES, UNKNOWN_VOLUME_BYTES), |v| (space(v.total), space(v.usable)));
        let (log_dir, (total_bytes, usable_bytes)) = (cx.door.config.log_dir.clone().into(), volume);
        Reply::Send(one(DescribeLogDirsResult { log_dir, topics, total_bytes, usable_bytes, ..DescribeLogDirsResult::default() }))
    }
}

/// The log directory as one that cannot be read.
fn unreadable(cx: &Context, error: &Error) -> DescribeLogDirsResponse {
    tracing::warn!(%error, "the sizes of partitions could not be read");
    let (error_code, log_dir) = (code::of(error).code(), cx.door.config.log_dir.clone().into());
    one(DescribeLogDirsResult { error_code, log_dir, ..DescribeLogDirsResult::default() })
}

/// The answer with the only directory.
fn one(result: DescribeLogDirsResult) -> DescribeLogDirsResponse {
    DescribeLogDirsResponse { results: vec![result], ..DescribeLogDirsResponse::default() }
}

/// The partitions asked for, each once, by topic; unknown ones are left out of the answer, as in Kafka.
fn asked(topics: &[DescribableLogDirTopic]) -> BTreeMap<&str, BTreeSet<i32>> {
    let mut asked: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
    for topic in topics {
        asked.entry(topic.topic.as_str()).or_default().extend(&topic.partitions);
    }
    asked
}

fn known(partitions: &BTreeSet<i32>, lanes: u32) -> impl Iterator<Item = u32> {
    partitions.iter().filter_map(|index| u32::try_from(*index).ok()).filter(move |lane| *lane < lanes)
}

fn all_lanes(stream: Arc<Stream>) -> (Arc<Stream>, Vec<u32>) {
    let lanes = (0..stream.lanes()).collect();
    (stream, lanes)
}

async fn topic(log: &Log, stream: &Stream, lanes: Vec<u32>) -> Result<DescribeLogDirsTopic, Error> {
    let bytes = log.bytes(lanes.iter().map(|lane| stream.lane(*lane)).collect()).await?;
    let partitions = lanes.into_iter().zip(bytes).map(|(lane, bytes)| DescribeLogDirsPartition {
        partition_index: i32::try_from(lane).unwrap_or(i32::MAX),
        partition_size: i64::try_from(bytes).unwrap_or(i64::MAX),
        ..DescribeLogDirsPartition::default()
    });
    Ok(DescribeLogDirsTopic { name: TopicName(stream.name().as_str().to_owned().into()), partitions: partitions.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_asked_for_is_answered_once_and_unknown_ones_are_not() {
        let topic = |name: &'static str, partitions: &[i32]| {
            DescribableLogDirTopic::default().with_topic(TopicName(name.into())).with_partitions(partitions.to_vec())
        };
        let topics = [topic("b", &[1]), topic("a", &[2, 0, 0, -1]), topic("a", &[7, 1])];
        let asked = asked(&topics);
        assert_eq!(asked.keys().copied().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(known(&asked["a"], 3).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(known(&asked["b"], 1).count(), 0);
    }
}
