//! The log's errors in Kafka's words: one exhaustive match.

use kafka_protocol::ResponseError;

use crate::batch;
use crate::kafka::group::Refusal;
use crate::kafka::group_configs::NotSet;
use crate::kafka::share;
use crate::kafka::transaction;
use crate::log::{Error, StoreError};

/// The Kafka error for a refusal of the log.
pub(crate) fn of(error: &Error) -> ResponseError {
    match error {
        Error::UnknownStream(_) | Error::UnknownLane { .. } => ResponseError::UnknownTopicOrPartition,
        Error::StreamExists(_) => ResponseError::TopicAlreadyExists,
        Error::BatchTooLarge { .. } => ResponseError::MessageTooLarge,
        Error::KeysMissing(_) => ResponseError::InvalidRecord,
        Error::InvalidBatch(invalid) => match invalid.fault() {
            batch::Fault::Corrupt => ResponseError::CorruptMessage,
            batch::Fault::OldFormat | batch::Fault::Rule => ResponseError::InvalidRecord,
        },
        Error::OutOfRange { .. } => ResponseError::OffsetOutOfRange,
        Error::OutOfOrder { .. } => ResponseError::OutOfOrderSequenceNumber,
        Error::Fenced { .. } => ResponseError::InvalidProducerEpoch,
        Error::InTransaction { .. } => ResponseError::InvalidTxnState,
        Error::AbortedTransactions { .. } => ResponseError::PolicyViolation,
        // Retried by all usual clients, and means that nothing was written; those for quotas and policies fail at once in many.
        Error::WriteThroughput { .. } => ResponseError::NotEnoughReplicas,
        // Never asked for by this door, whose readers wait.
        Error::ReadThroughput { .. } => ResponseError::RequestTimedOut,
        Error::Lanes(_) | Error::SplitKey { .. } | Error::NotAdjacent { .. } => ResponseError::InvalidPartitions,
        Error::NotActive { .. } => ResponseError::ReassignmentInProgress,
        Error::LaneQuota { .. }
        | Error::WrongMode { .. }
        | Error::ShardQuota { .. }
        | Error::OnDemandStreams { .. }
        | Error::ModeSwitchRate { .. } => ResponseError::PolicyViolation,
        // No Kafka request scales a stream.
        Error::ScaleTarget { .. } | Error::ScalingRate { .. } => ResponseError::PolicyViolation,
        // No Kafka request names a shard.
        Error::UnknownShard { .. } | Error::ShardClosed { .. } => ResponseError::UnknownTopicOrPartition,
        // Retriable everywhere: the client sends again after the store has recovered.
        Error::Store(StoreError::Fenced { .. } | StoreError::Failed(_)) => ResponseError::KafkaStorageError,
        Error::Store(StoreError::Damaged(_)) => ResponseError::CorruptMessage,
    }
}

/// The Kafka error for a refusal of a consumer group.
pub(crate) fn of_group(refusal: Refusal) -> ResponseError {
    match refusal {
        // Retriable everywhere: the client finds the coordinator again and repeats.
        Refusal::Unavailable => ResponseError::CoordinatorNotAvailable,
        Refusal::TooManyGroups => ResponseError::PolicyViolation,
        Refusal::InvalidGroupId => ResponseError::InvalidGroupId,
        Refusal::UnknownGroup | Refusal::OtherKind => ResponseError::GroupIdNotFound,
        Refusal::UnknownMember => ResponseError::UnknownMemberId,
        Refusal::IllegalGeneration => ResponseError::IllegalGeneration,
        Refusal::RebalanceInProgress => ResponseError::RebalanceInProgress,
        Refusal::InconsistentProtocol => ResponseError::InconsistentGroupProtocol,
        Refusal::InvalidSessionTimeout => ResponseError::InvalidSessionTimeout,
        Refusal::MemberIdRequired => ResponseError::MemberIdRequired,
        Refusal::GroupFull => ResponseError::GroupMaxSizeReached,
        Refusal::InstanceFenced => ResponseError::FencedInstanceId,
        Refusal::InstanceUnreleased => ResponseError::UnreleasedInstanceId,
        Refusal::EpochFenced => ResponseError::FencedMemberEpoch,
        Refusal::StaleEpoch => ResponseError::StaleMemberEpoch,
        Refusal::UnsupportedVersion => ResponseError::UnsupportedVersion,
        Refusal::InvalidRequest(_) => ResponseError::InvalidRequest,
        Refusal::InvalidTopology(_) => ResponseError::StreamsInvalidTopology,
        Refusal::MetadataTooLarge => ResponseError::OffsetMetadataTooLarge,
        Refusal::NonEmpty => ResponseError::NonEmptyGroup,
        Refusal::Subscribed => ResponseError::GroupSubscribedToTopic,
    }
}

/// The Kafka error for a refusal of a transactional id. Clients of the first versions do not know PRODUCER_FENCED.
pub(crate) fn of_transaction(refusal: transaction::Refusal, knows_fenced: bool) -> ResponseError {
    match refusal {
        // Retriable everywhere: the client finds the coordinator again and repeats.
        transaction::Refusal::Unavailable => ResponseError::CoordinatorNotAvailable,
        transaction::Refusal::TooMany => ResponseError::PolicyViolation,
        transaction::Refusal::InvalidRequest => ResponseError::InvalidRequest,
        transaction::Refusal::InvalidTimeout => ResponseError::InvalidTransactionTimeout,
        transaction::Refusal::UnknownId => ResponseError::TransactionalIdNotFound,
        transaction::Refusal::UnknownProducer => ResponseError::InvalidProducerIdMapping,
        transaction::Refusal::Fenced if knows_fenced => ResponseError::ProducerFenced,
        transaction::Refusal::Fenced => ResponseError::InvalidProducerEpoch,
        transaction::Refusal::Concurrent => ResponseError::ConcurrentTransactions,
        transaction::Refusal::InvalidState => ResponseError::InvalidTxnState,
        transaction::Refusal::NotPart => ResponseError::TransactionAbortable,
    }
}

/// The Kafka error for a refusal of a share group.
pub(crate) fn of_share(refusal: share::Refusal) -> ResponseError {
    match refusal {
        share::Refusal::Unavailable => ResponseError::CoordinatorNotAvailable,
        share::Refusal::TooMany => ResponseError::PolicyViolation,
        share::Refusal::UnknownGroup => ResponseError::GroupIdNotFound,
        share::Refusal::UnknownMember => ResponseError::UnknownMemberId,
        share::Refusal::FencedEpoch => ResponseError::FencedMemberEpoch,
        share::Refusal::GroupFull => ResponseError::GroupMaxSizeReached,
        share::Refusal::NonEmpty => ResponseError::NonEmptyGroup,
        share::Refusal::UnknownSession => ResponseError::ShareSessionNotFound,
        share::Refusal::SessionEpoch => ResponseError::InvalidShareSessionEpoch,
        share::Refusal::TooManySessions => ResponseError::ShareSessionLimitReached,
        share::Refusal::RecordState | share::Refusal::NoRenewal => ResponseError::InvalidRecordState,
        share::Refusal::Undelivered => ResponseError::InvalidRequest,
        share::Refusal::UnknownPartition => ResponseError::UnknownTopicOrPartition,
    }
}

/// The Kafka error for configs of a group that are not set.
pub(crate) fn of_group_configs(refusal: NotSet) -> ResponseError {
    match refusal {
        NotSet::Unavailable => ResponseError::CoordinatorNotAvailable,
        NotSet::TooMany => ResponseError::PolicyViolation,
    }
}

/// The wire's error code of a result of a consumer group: 0 for success.
pub(crate) fn of_result<T>(result: &Result<T, Refusal>) -> i16 {
    result.as_ref().map_or_else(|&refusal| of_group(refusal).code(), |_| 0)
}
