//! What is known of a transactional id.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::batch::Outcome;
use crate::model::{LaneId, Timestamp};

/// Where the transaction of a transactional id stands. The names are those that Kafka shows (`TransactionState`).
///
/// ```text
///                   a partition or a group is added            the client ends it; or its time is up, or a new
///   ┌───────┐ ──────────────────────────────────▶ ┌─────────┐  incarnation comes: then it is aborted
///   │ Empty │                                     │ Ongoing │ ─────────────┬───────────────────┐
///   └───────┘ ◀─┐        ┌──────────────────────▶ └─────────┘              ▼                   ▼
///               │        │                                         ┌───────────────┐   ┌──────────────┐
///  a new incar- │        │ a partition or a group is added         │ PrepareCommit │   │ PrepareAbort │
///  nation comes │        │                                         └───────┬───────┘   └──────┬───────┘
///               │ ┌──────┴─────────┬────────────────┐                      │ all markers are durable
///               └─│ CompleteCommit │ CompleteAbort  │ ◀────────────────────┴──────────────────┘
///                 └────────────────┴────────────────┘
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum State {
    /// It has had no transaction since its last incarnation came.
    Empty,
    /// It has one.
    Ongoing,
    /// It is certain that it will be committed.
    PrepareCommit,
    /// It is certain that it will be aborted.
    PrepareAbort,
    /// The last one was committed.
    CompleteCommit,
    /// The last one was aborted.
    CompleteAbort,
}

impl State {
    /// All of them.
    pub(crate) const ALL: [Self; 6] =
        [Self::Empty, Self::Ongoing, Self::PrepareCommit, Self::PrepareAbort, Self::CompleteCommit, Self::CompleteAbort];

    /// Its name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }

    /// How its transaction ends, if that is certain and not done.
    pub(crate) fn prepared(self) -> Option<Outcome> {
        match self {
            Self::PrepareCommit => Some(Outcome::Committed),
            Self::PrepareAbort => Some(Outcome::Aborted),
            Self::Empty | Self::Ongoing | Self::CompleteCommit | Self::CompleteAbort => None,
        }
    }

    /// Whether nothing happens to it unless somebody asks.
    pub(super) fn is_idle(self) -> bool {
        matches!(self, Self::Empty | Self::CompleteCommit | Self::CompleteAbort)
    }
}

/// A transactional id, its producer and its transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Transaction {
    /// Its number in the notebook's keys.
    pub(super) number: u64,
    /// The transactional id.
    pub(crate) name: Arc<str>,
    /// The producer's id.
    pub(crate) producer: i64,
    /// The epoch in which it may write; while an end is prepared, that of the markers.
    pub(crate) epoch: i16,
    /// The producer's id before this one.
    pub(super) producer_before: Option<i64>,
    /// The epoch that the client had when it asked for this one, so that it is known when it asks again; `None` if the client
    /// never asked, because it was fenced.
    pub(super) epoch_before: Option<i16>,
    /// The producer's id after the end that is prepared, if the epochs of this one are used up.
    pub(super) producer_next: Option<i64>,
    /// How long a transaction may take.
    pub(crate) timeout: Duration,
    /// Where it stands.
    pub(crate) state: State,
    /// Whether the client speaks the second generation of the protocol (KIP-890).
    pub(super) is_second: bool,
    /// When the transaction began, or the last one that has ended; `None` if there was none since the producer began.
    pub(crate) started_at: Option<Timestamp>,
    /// When something changed last.
    pub(super) changed_at: Timestamp,
    /// The lanes of the partitions in the transaction.
    pub(crate) lanes: BTreeSet<LaneId>,
    /// The groups whose offsets are in it.
    pub(super) groups: BTreeSet<String>,
}

/// Memory that a transactional id takes beside its name, in bytes, measured roughly.
const ID_BYTES: usize = 512;
/// The same for a partition or a group in its transaction, beside the name.
const PART_BYTES: usize = 96;

impl Transaction {
    /// The memory that it takes, in bytes, measured roughly.
    pub(super) fn bytes(&self) -> usize {
        let groups = self.groups.iter().map(|group| PART_BYTES + group.len());
        ID_BYTES + 3 * self.name.len() + PART_BYTES * self.lanes.len() + groups.sum::<usize>()
    }

    /// When its transaction is aborted unless it has ended; `None` if it has none, or its end is certain.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.started_at.filter(|_| self.state == State::Ongoing).map(|started_at| started_at.plus(self.timeout))
    }
}
