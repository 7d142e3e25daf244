//! What streams, shards and consumers look like in answers.

use crate::aws::{Structure, Value};
use crate::log::Stream;
use crate::model::{Consumer, Settings, Shard, ShardId};

use super::context::Context;

/// A shard, as lists have it.
pub(super) fn shard(shard: &Shard) -> Structure {
    let numbers = Structure::with_capacity(2)
        .with("StartingSequenceNumber", shard.start().to_string())
        .with("EndingSequenceNumber", shard.ending().map(|number| number.to_string()));
    Structure::with_capacity(5)
        .with("ShardId", shard.id.to_string())
        .with("ParentShardId", shard.parent.map(|parent| parent.to_string()))
        .with("AdjacentParentShardId", shard.adjacent_parent.map(|parent| parent.to_string()))
        .with("HashKeyRange", keys(shard))
        .with("SequenceNumberRange", numbers)
}

fn keys(shard: &Shard) -> Structure {
    Structure::with_capacity(2)
        .with("StartingHashKey", shard.keys.start.to_string())
        .with("EndingHashKey", shard.keys.end.to_string())
}

/// The shards that follow one that is read to its end.
pub(super) fn children(stream: &Stream, parent: ShardId) -> Value {
    let child = |child: Shard| {
        let parents = [child.parent, child.adjacent_parent].into_iter().flatten().map(|parent| parent.to_string());
        Structure::with_capacity(3)
            .with("ShardId", child.id.to_string())
            .with("ParentShards", parents.collect::<Value>())
            .with("HashKeyRange", keys(&child))
    };
    stream.children(parent).into_iter().map(child).collect()
}

/// The members that a stream's description and its summary share, the name first.
pub(super) fn stream(cx: &Context, stream: &Stream) -> Structure {
    let settings = stream.settings();
    let metrics = Structure::default().with("ShardLevelMetrics", metrics(&settings));
    Structure::with_capacity(16)
        .with("StreamName", stream.name().to_string())
        .with("StreamARN", cx.arn(stream))
        .with("StreamStatus", stream.status(cx.now()).to_string())
        .with("StreamModeDetails", Structure::default().with("StreamMode", settings.mode.to_string()))
        .with("RetentionPeriodHours", settings.retention_hours)
        .with("StreamCreationTimestamp", stream.created_at())
        .with("EnhancedMonitoring", vec![metrics])
        .with("EncryptionType", if settings.encryption_key.is_some() { "KMS" } else { "NONE" })
        .with("KeyId", settings.encryption_key.clone())
}

/// The metrics that a stream has for each shard.
pub(super) fn metrics(settings: &Settings) -> Value {
    settings.shard_metrics.iter().cloned().collect()
}

/// What a stream is ready for: what it was asked to be.
pub(super) fn warm_throughput(mib: u32) -> Structure {
    Structure::with_capacity(2).with("TargetMiBps", mib).with("CurrentMiBps", mib)
}

/// A consumer, as lists have it.
pub(super) fn consumer(cx: &Context, stream: &Stream, name: &str, consumer: &Consumer) -> Structure {
    Structure::with_capacity(5)
        .with("ConsumerName", name.to_owned())
        .with("ConsumerARN", cx.consumer_arn(stream, name, consumer))
        .with("ConsumerStatus", cx.log.consumer_status(consumer).to_string())
        .with("ConsumerCreationTimestamp", consumer.registered_at)
}
