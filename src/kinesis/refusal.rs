//! The log's errors in Kinesis's words: one exhaustive match.
//!
//! Wordings are AWS's own where somebody saw them (kinesalite's tests, the service model of botocore 1.44.5); the others are
//! ours, and name the same things.

use std::fmt::Display;

use crate::aws::Refusal;
use crate::log::{Error, StoreError};
use crate::model::{HashKeyRange, ShardId};

use super::context::Context;

/// The stream, shard, or consumer is not there.
const NOT_FOUND: &str = "ResourceNotFoundException";
/// The stream is not in a state for this.
const IN_USE: &str = "ResourceInUseException";
/// A limit of the account or stream.
const LIMIT: &str = "LimitExceededException";
/// Something in the request.
const ARGUMENT: &str = "InvalidArgumentException";
/// The throughput of a shard.
const THROUGHPUT: &str = "ProvisionedThroughputExceededException";

impl Refusal {
    /// Whether a shard's throughput is used up.
    pub(super) fn is_throughput(&self) -> bool {
        self.name() == THROUGHPUT
    }
}

/// Something in the request is not accepted.
pub(super) fn argument(message: impl Into<String>) -> Refusal {
    Refusal::new(ARGUMENT, message.into())
}

/// Everything was checked and would have worked.
pub(super) fn dry_run() -> Refusal {
    Refusal::new("DryRunOperationException", "Request would have succeeded, but DryRun flag is set.")
}

/// What is our own fault, without a word, as AWS says it.
pub(super) fn internal_failure() -> Refusal {
    Refusal::internal("Internal service failure.")
}

/// A limit of the account or stream is reached.
pub(super) fn limit(message: impl Into<String>) -> Refusal {
    Refusal::new(LIMIT, message.into())
}

/// Something is not in a state for this.
pub(super) fn in_use(message: impl Into<String>) -> Refusal {
    Refusal::new(IN_USE, message.into())
}

/// Something is not there.
pub(super) fn not_found(message: impl Into<String>) -> Refusal {
    Refusal::new(NOT_FOUND, message.into())
}

/// A shard's throughput is used up.
pub(super) fn throughput(message: impl Into<String>) -> Refusal {
    Refusal::new(THROUGHPUT, message.into())
}

/// A request names no stream at all.
pub(super) fn no_stream_named() -> Refusal {
    argument("Either StreamName or StreamARN should be provided.")
}

impl Context {
    /// There is no stream of that name.
    pub(super) fn no_stream(&self, stream: impl Display) -> Refusal {
        Refusal::new(NOT_FOUND, format!("Stream {stream} under account {} not found.", self.account))
    }

    /// There is no shard of that name.
    pub(super) fn no_shard(&self, shard: impl Display, stream: impl Display) -> Refusal {
        let account = &self.account;
        Refusal::new(NOT_FOUND, format!("Could not find shard {shard} in stream {stream} under account {account}."))
    }

    /// The same, in the words for those who read.
    pub(super) fn shard_does_not_exist(&self, shard: ShardId, stream: impl Display) -> Refusal {
        not_found(format!("Shard {shard} in stream {stream} under account {} does not exist", self.account))
    }

    /// A shard with those `keys` cannot be split at that one.
    pub(super) fn no_split_there(&self, key: impl Display, shard: ShardId, stream: impl Display, keys: HashKeyRange) -> Refusal {
        argument(format!(
            "NewStartingHashKey {key} used in SplitShard() on shard {shard} in stream {stream} under account {} is not both greater \
             than one plus the shard's StartingHashKey {} and less than the shard's EndingHashKey {}.",
            self.account, keys.start, keys.end
        ))
    }

    /// What the log refuses.
    pub(super) fn refused(&self, error: &Error) -> Refusal {
        let account = &self.account;
        match error {
            Error::UnknownStream(stream) => self.no_stream(stream),
            Error::UnknownShard { stream, shard } => self.no_shard(shard, stream),
            Error::ShardClosed { stream, shard } => argument(format!(
                "Shard {shard} in stream {stream} under account {account} has already been merged or split, and thus is not eligible for merging or splitting."
            )),
            Error::SplitKey { stream, shard, key, keys } => self.no_split_there(key, *shard, stream, *keys),
            Error::NotAdjacent { stream, first, second } => argument(format!(
                "Shards {first} and {second} in stream {stream} under account {account} are not an adjacent pair of shards \
                 eligible for merging"
            )),
            Error::NotActive { stream, status } => {
                Refusal::new(IN_USE, format!("Stream {stream} under account {account} not ACTIVE, instead in state {status}"))
            }
            Error::StreamExists(stream) => {
                Refusal::new(IN_USE, format!("Stream {stream} under account {account} already exists."))
            }
            Error::WrongMode { stream, mode } => {
                Refusal::validation(format!("Request is invalid. Stream {stream} under account {account} is in {mode} mode."))
            }
            Error::ShardQuota { open, max, more } => Refusal::new(
                LIMIT,
                format!(
                    "This request would exceed the shard limit for the account {account} in {region}. Current shard count for the \
                     account: {open}. Limit: {max}. Number of additional shards that would have resulted from this request: \
                     {more}. Refer to the AWS Service Limits page \
                     (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to \
                     request higher limits.",
                    region = self.region
                ),
            ),
            Error::ScaleTarget { open, target, .. } if target > open => Refusal::new(
                LIMIT,
                format!(
                    "UpdateShardCount cannot scale up over double your current open shard count. Current open shard count: {open} \
                     Target shard count: {target}"
                ),
            ),
            Error::ScaleTarget { open, target, .. } => Refusal::new(
                LIMIT,
                format!(
                    "UpdateShardCount cannot scale down below half your current open shard count. Current open shard count: \
                     {open} Target shard count: {target}"
                ),
            ),
            Error::LaneQuota { .. }
            | Error::OnDemandStreams { .. }
            | Error::ScalingRate { .. }
            | Error::ModeSwitchRate { .. } => Refusal::new(LIMIT, error.to_string()),
            Error::WriteThroughput { stream, shard, .. } | Error::ReadThroughput { stream, shard, .. } => {
                Refusal::new(THROUGHPUT, format!("Rate exceeded for shard {shard} in stream {stream} under account {account}."))
            }
            Error::BatchTooLarge { .. } | Error::Lanes(_) | Error::KeysMissing(_) | Error::OutOfRange { .. } => {
                argument(error.to_string())
            }
            // No Kinesis request names a lane, brings a batch, or is a producer with an id.
            Error::UnknownLane { .. }
            | Error::InvalidBatch(_)
            | Error::OutOfOrder { .. }
            | Error::Fenced { .. }
            | Error::InTransaction { .. }
            | Error::AbortedTransactions { .. } => internal(error),
            Error::Store(StoreError::Fenced { .. } | StoreError::Failed(_) | StoreError::Damaged(_)) => internal(error),
        }
    }
}

/// What is our own fault; the client is told no more than that, the log file has the rest.
fn internal(error: &Error) -> Refusal {
    tracing::error!(%error, "a request of the Kinesis API failed");
    Refusal::internal("Internal service failure.")
}
