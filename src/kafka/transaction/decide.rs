//! The rules: from a transactional id's state and a request to its next state, or a refusal. Pure.
//!
//! They are those of Kafka's `TransactionCoordinator` and `TransactionMetadata` (4.4).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::state::{State, Transaction};
use crate::batch::Outcome;
use crate::model::{LaneId, Timestamp};

/// Longest time that a transaction may take (Kafka: `transaction.max.timeout.ms`, 4.4).
const TIMEOUT_MAX: Duration = Duration::from_secs(900);
/// How long a transactional id is kept after its last transaction (Kafka: `transactional.id.expiration.ms`, 4.4).
const IDLE_MAX: Duration = Duration::from_secs(7 * 86_400);
/// Partitions in one transaction. *Ours*: as many as there can be lanes.
const LANES_MAX: usize = crate::model::limits::LANES_MAX as usize;
/// Groups whose offsets are in one transaction. *Ours*: a consume-process-produce loop has one.
const GROUPS_MAX: usize = 1_000;

/// Why a transactional id does not do what it was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The state could not be made durable, or the log cannot be written.
    #[error("the transaction's state could not be stored")]
    Unavailable,
    /// More transactional ids, or more in one transaction, than the gateway holds.
    #[error("the gateway holds as many transactional ids, and as many partitions in transactions, as it can")]
    TooMany,
    /// An empty transactional id.
    #[error("the transactional id is empty")]
    InvalidRequest,
    /// A timeout that is not accepted.
    #[error("the transaction timeout is not between 1 ms and {} ms", TIMEOUT_MAX.as_millis())]
    InvalidTimeout,
    /// There is no such transactional id.
    #[error("there is no such transactional id")]
    UnknownId,
    /// The producer id is not the transactional id's.
    #[error("the producer id is not that of the transactional id")]
    UnknownProducer,
    /// A newer incarnation of the producer is there.
    #[error("there is a newer producer with the same transactional id")]
    Fenced,
    /// The transaction before is not done.
    #[error("the end of the last transaction is not done yet")]
    Concurrent,
    /// The transaction does not stand so that it could be done.
    #[error("the transaction is not in a state in which this can be done")]
    InvalidState,
    /// What is written to is not in the transaction.
    #[error("the partition or group is not in the transaction; it has to be aborted")]
    NotPart,
}

/// A producer at one time of its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Incarnation {
    /// Its id.
    pub(crate) producer: i64,
    /// Its epoch.
    pub(crate) epoch: i16,
}

impl Transaction {
    fn incarnation(&self) -> Incarnation {
        Incarnation { producer: self.producer, epoch: self.epoch }
    }

    /// Whether its producer needs a new id before it can have a newer epoch to write in: the largest one is only for markers.
    pub(super) fn is_used_up(&self) -> bool {
        self.epoch >= i16::MAX - 1
    }

    /// Whether it is the incarnation that may write now.
    fn check(&self, who: Incarnation) -> Result<(), Refusal> {
        match who {
            Incarnation { producer, .. } if producer != self.producer => Err(Refusal::UnknownProducer),
            Incarnation { epoch, .. } if epoch != self.epoch => Err(Refusal::Fenced),
            _ if self.state.prepared().is_some() => Err(Refusal::Concurrent),
            _ => Ok(()),
        }
    }
}

/// A timeout as a client asks for it, in milliseconds.
pub(super) fn timeout(millis: i32) -> Result<Duration, Refusal> {
    let timeout = u64::try_from(millis).ok().map(Duration::from_millis);
    timeout.filter(|timeout| !timeout.is_zero() && *timeout <= TIMEOUT_MAX).ok_or(Refusal::InvalidTimeout)
}

/// A transactional id that nobody had before, whose producer has the id `fresh`.
pub(super) fn first(number: u64, name: Arc<str>, fresh: i64, timeout: Duration, now: Timestamp) -> Transaction {
    Transaction {
        number,
        name,
        producer: fresh,
        epoch: 0,
        producer_before: None,
        epoch_before: None,
        producer_next: None,
        timeout,
        state: State::Empty,
        is_second: false,
        started_at: None,
        changed_at: now,
        lanes: BTreeSet::new(),
        groups: BTreeSet::new(),
    }
}

/// A producer begins, or begins anew: the incarnation that it was, if it says so (KIP-360), and that it is from here on.
///
/// If the answer is prepared to abort, that has to be done first, and then this is to be asked again. `fresh` is a producer id
/// for the case that the epochs [are used up](Transaction::is_used_up).
pub(super) fn init(
    of: &Transaction,
    was: Option<Incarnation>,
    timeout: Duration,
    fresh: Option<i64>,
    now: Timestamp,
) -> Result<Transaction, Refusal> {
    let is_known =
        |was: Incarnation| was.producer == of.producer || (Some(was.producer) == of.producer_before && was.epoch >= i16::MAX - 1);
    if !was.is_none_or(is_known) {
        return Err(Refusal::Fenced);
    }
    match of.state {
        State::PrepareCommit | State::PrepareAbort => return Err(Refusal::Concurrent),
        State::Ongoing => return Ok(fenced(of, now)),
        State::Empty | State::CompleteCommit | State::CompleteAbort => {}
    }
    let next = Transaction { timeout, state: State::Empty, started_at: None, changed_at: now, ..of.clone() };
    let epoch_before = was.map(|_| of.epoch);
    match was.map(|was| was.epoch) {
        // It asks again for what it was given.
        Some(epoch) if epoch != of.epoch && Some(epoch) == of.epoch_before => Ok(next),
        Some(epoch) if epoch != of.epoch => Err(Refusal::Fenced),
        _ if of.is_used_up() => {
            let producer = fresh.ok_or(Refusal::Unavailable)?;
            Ok(Transaction { producer, epoch: 0, producer_before: Some(of.producer), epoch_before, ..next })
        }
        _ => Ok(Transaction { epoch: of.epoch + 1, epoch_before, ..next }),
    }
}

/// Its transaction is to be aborted, and its producer fenced.
fn fenced(of: &Transaction, now: Timestamp) -> Transaction {
    let epoch = of.epoch.saturating_add(1);
    Transaction { epoch, epoch_before: None, state: State::PrepareAbort, changed_at: now, ..of.clone() }
}

/// Partitions and groups become part of the transaction, which begins with that. `None` if they all were.
pub(super) fn add(
    of: &Transaction,
    who: Incarnation,
    lanes: &[LaneId],
    group: Option<&str>,
    is_second: bool,
    now: Timestamp,
) -> Result<Option<Transaction>, Refusal> {
    of.check(who)?;
    if of.state == State::Ongoing && has(of, lanes, group) {
        return Ok(None);
    }
    let mut next = of.clone();
    next.lanes.extend(lanes);
    next.groups.extend(group.map(ToOwned::to_owned));
    if next.lanes.len() > LANES_MAX || next.groups.len() > GROUPS_MAX {
        return Err(Refusal::TooMany);
    }
    if of.state != State::Ongoing {
        next.started_at = Some(now);
    }
    (next.state, next.is_second, next.changed_at) = (State::Ongoing, is_second, now);
    Ok(Some(next))
}

/// Whether partitions and a group are part of the transaction.
pub(super) fn verify(of: &Transaction, who: Incarnation, lanes: &[LaneId], group: Option<&str>) -> Result<(), Refusal> {
    of.check(who)?;
    if of.state == State::Ongoing && has(of, lanes, group) { Ok(()) } else { Err(Refusal::NotPart) }
}

fn has(of: &Transaction, lanes: &[LaneId], group: Option<&str>) -> bool {
    lanes.iter().all(|lane| of.lanes.contains(lane)) && group.is_none_or(|group| of.groups.contains(group))
}

/// How the wish to end a transaction ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// It had been granted before; the producer goes on as this.
    Done(Incarnation),
    /// It is prepared.
    Prepared(Box<Transaction>),
}

/// The client ends its transaction. In the second generation every end brings a new epoch, for which `fresh` may be needed.
pub(super) fn end(
    of: &Transaction,
    who: Incarnation,
    outcome: Outcome,
    is_second: bool,
    fresh: Option<i64>,
    now: Timestamp,
) -> Result<End, Refusal> {
    // The epoch that the client had when it asked for this end.
    let is_ended = of.state.prepared().is_some() || matches!(of.state, State::CompleteCommit | State::CompleteAbort);
    let is_repeated = is_second && is_ended && of.epoch_before == Some(who.epoch) && {
        who.producer == of.producer || Some(who.producer) == of.producer_before
    };
    if who.producer != of.producer && !is_repeated {
        return Err(Refusal::UnknownProducer);
    }
    // In the second generation the epoch is another one as soon as the end is prepared.
    if !is_repeated && (who.epoch != of.epoch || (is_second && of.state.prepared().is_some())) {
        return Err(Refusal::Fenced);
    }
    let prepared = || prepare(of, outcome, is_second, fresh, now).map(|next| End::Prepared(Box::new(next)));
    match (of.state, outcome) {
        (State::Ongoing, _) => prepared(),
        (State::PrepareCommit, Outcome::Committed) | (State::PrepareAbort, Outcome::Aborted) => Err(Refusal::Concurrent),
        (State::CompleteCommit, Outcome::Committed) | (State::CompleteAbort, Outcome::Aborted) if is_repeated || !is_second => {
            Ok(End::Done(of.incarnation()))
        }
        // Nothing was added, so nobody knows of it: in the second generation a client may not know either.
        (State::Empty | State::CompleteCommit | State::CompleteAbort, Outcome::Aborted) if is_second && !is_repeated => {
            prepared()
        }
        _ => Err(Refusal::InvalidState),
    }
}

fn prepare(
    of: &Transaction,
    outcome: Outcome,
    is_second: bool,
    fresh: Option<i64>,
    now: Timestamp,
) -> Result<Transaction, Refusal> {
    let state = if outcome == Outcome::Committed { State::PrepareCommit } else { State::PrepareAbort };
    let next = Transaction { state, is_second, changed_at: now, ..of.clone() };
    if !is_second {
        return Ok(next);
    }
    let producer_next = if of.is_used_up() { Some(fresh.ok_or(Refusal::Unavailable)?) } else { None };
    Ok(Transaction { epoch: of.epoch.saturating_add(1), epoch_before: Some(of.epoch), producer_next, ..next })
}

/// The transaction's time is up: prepared to abort, with its producer fenced. `None` if it is not.
pub(super) fn expire(of: &Transaction, now: Timestamp) -> Option<Transaction> {
    of.deadline().filter(|deadline| *deadline <= now).map(|_| fenced(of, now))
}

/// All markers of a prepared end are durable.
pub(super) fn complete(of: &Transaction, now: Timestamp) -> Transaction {
    let state = if of.state == State::PrepareCommit { State::CompleteCommit } else { State::CompleteAbort };
    let next = Transaction { state, changed_at: now, ..of.clone() };
    let next = Transaction { lanes: BTreeSet::new(), groups: BTreeSet::new(), producer_next: None, ..next };
    match of.producer_next {
        Some(producer) => Transaction { producer, epoch: 0, producer_before: Some(of.producer), ..next },
        None => next,
    }
}

/// Whether a transactional id was not used for so long that it is forgotten.
pub(super) fn is_over(of: &Transaction, now: Timestamp) -> bool {
    of.state.is_idle() && of.changed_at.plus(IDLE_MAX) <= now
}

#[cfg(test)]
mod tests;
