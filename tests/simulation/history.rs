//! What clients did and saw, as data.

use std::fmt::{self, Display, Formatter};

/// When something happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Moment {
    /// Its place among all that happened; no two moments of a history share one.
    pub(crate) tick: u64,
    /// The wall clock, in milliseconds.
    pub(crate) millis: i64,
}

/// A lane of one incarnation of a stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Lane {
    pub(crate) stream: u32,
    pub(crate) lane: u32,
}

impl Display for Lane {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stream, self.lane)
    }
}

/// Through which protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Door {
    Kafka,
    Kinesis,
}

/// What became of something that was to change what is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome<T> {
    /// It is said to be kept.
    Acknowledged(T),
    /// It is said not to have been done.
    Refused,
    /// Nothing is known.
    Unknown,
}

impl<T> Outcome<T> {
    pub(crate) fn is_acknowledged(&self) -> bool {
        matches!(self, Self::Acknowledged(_))
    }
}

/// One thing that a client did, from before it asked until it had its answer.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Operation {
    pub(crate) start: Moment,
    pub(crate) end: Moment,
    pub(crate) what: What,
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum What {
    Write(Write),
    Read(Read),
    /// The end of a transaction, and whether it was to be committed.
    End {
        transaction: u64,
        committed: bool,
        outcome: Outcome<()>,
    },
    /// A group's offset: `note` is told from all others, and goes with it.
    Commit {
        place: Place,
        offset: i64,
        note: u64,
        generation: Option<i32>,
        outcome: Outcome<()>,
    },
    /// What a group has kept: the offset and its note; `None` if it is said to have kept none.
    Committed {
        place: Place,
        found: Option<(i64, u64)>,
    },
    /// What a member of a generation of a group was given.
    Assigned {
        group: u32,
        generation: i32,
        member: String,
        lanes: Vec<u32>,
    },
    /// From its start to its end, all lanes of a stream were read from their horizons to their tips.
    Surveyed {
        stream: u32,
    },
    /// What was done to the gateway; for whoever reads a history.
    Event(String),
    /// From now on writes to the store may fail. The end of a transaction is kept before it is answered, and readers may see it
    /// later: without such a fault, they see it by then.
    Fault(String),
    /// What was kept of transactions before can be seen by all.
    Settled,
    /// What no client should have to bear, whatever happens to the gateway.
    Trouble(String),
}

/// Records that were sent together, each with an id that no other has.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Write {
    pub(crate) door: Door,
    /// Where they were sent to. A put of the Kinesis door whose shard was not told has a stream only.
    pub(crate) stream: u32,
    pub(crate) lane: Option<u32>,
    pub(crate) ids: Vec<u64>,
    /// What its sender sends in one line: records of one line to one lane come in their order.
    pub(crate) line: Option<u64>,
    pub(crate) transaction: Option<u64>,
    /// The offset of the first one, if it was told.
    pub(crate) outcome: Outcome<Option<i64>>,
}

/// What a reader of a lane was given.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Read {
    pub(crate) door: Door,
    pub(crate) lane: Lane,
    /// Whether what is in open or aborted transactions is left out.
    pub(crate) committed: bool,
    /// Where it began.
    pub(crate) from: i64,
    /// All from there to here was to be given, without this offset. `i64::MAX`: all there is.
    pub(crate) until: i64,
    /// Offsets and ids.
    pub(crate) records: Vec<(i64, u64)>,
    /// What it was told of the lane, unless it was told nothing.
    pub(crate) reach: Option<Reach>,
}

/// The offsets of a lane, as a reader is told them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reach {
    pub(crate) horizon: i64,
    pub(crate) stable: i64,
    pub(crate) tip: i64,
}

/// What a group keeps one offset of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Place {
    pub(crate) group: u32,
    pub(crate) lane: Lane,
}

/// Operations, and the next moment.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct History {
    pub(crate) operations: Vec<Operation>,
    ticks: u64,
}

impl History {
    /// A new moment.
    pub(crate) fn moment(&mut self, millis: i64) -> Moment {
        self.ticks += 1;
        Moment { tick: self.ticks, millis }
    }

    /// Enters what was done from `start` until now.
    pub(crate) fn enter(&mut self, start: Moment, millis: i64, what: What) {
        let end = self.moment(millis);
        self.operations.push(Operation { start, end, what });
    }
}

impl Display for History {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for Operation { start, end, what } in &self.operations {
            writeln!(f, "{}..{} ({}..{} ms) {what:?}", start.tick, end.tick, start.millis, end.millis)?;
        }
        Ok(())
    }
}
