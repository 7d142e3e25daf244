//! **What is wrong with a history**: a pure function that finds what a log must never do.
//!
//! One operation comes before another if it ended before the other started; all others are at once, and may be in any order. A
//! write of unknown outcome never ends: it may be done at any later time, once, or never.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};

use super::history::{Door, History, Lane, Moment, Operation, Outcome, Place, Read, What, Write};

/// What may be wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Kind {
    /// A record that was acknowledged is not there.
    Lost,
    /// A record is there twice.
    Duplicated,
    /// Records of one line, or of one batch, are not in their order.
    Reordered,
    /// A record that nobody sent, that was refused, or not sent yet, or to another stream.
    Phantom,
    /// A reader was given what it did not ask for, or a horizon or a tip is before one that was told before.
    WentBack,
    /// An offset with two records.
    Reused,
    /// The doors do not agree which record an offset has.
    DoorsDisagree,
    /// A record has a smaller offset than one that was acknowledged before it was sent.
    NotInTime,
    /// A reader's tip does not count a record that was acknowledged before it asked.
    Unseen,
    /// A reader of committed records was given one of a transaction that was not committed.
    Dirty,
    /// A record past its retention was read.
    Expired,
    /// A committed offset is one that was overwritten, and the later one was acknowledged.
    CommitLost,
    /// A committed offset is older than one that was read before.
    CommitWentBack,
    /// A committed offset that nobody committed.
    CommitPhantom,
    /// A member of an old generation committed after there was a new one.
    CommitOfThePast,
    /// Two members of a generation have one partition.
    TwoOwners,
    /// A client was left waiting, or refused, without a reason.
    Unserved,
}

/// All of them: a test plants each.
pub(crate) const KINDS: [Kind; 17] = [
    Kind::Lost,
    Kind::Duplicated,
    Kind::Reordered,
    Kind::Phantom,
    Kind::WentBack,
    Kind::Reused,
    Kind::DoorsDisagree,
    Kind::NotInTime,
    Kind::Unseen,
    Kind::Dirty,
    Kind::Expired,
    Kind::CommitLost,
    Kind::CommitWentBack,
    Kind::CommitPhantom,
    Kind::CommitOfThePast,
    Kind::TwoOwners,
    Kind::Unserved,
];

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Finding {
    pub(crate) kind: Kind,
    pub(crate) words: String,
}

impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.words)
    }
}

/// All that is wrong with a history of streams that keep records for `retention_millis`.
pub(crate) fn check(history: &History, retention_millis: i64) -> Vec<Finding> {
    let mut book = Book::of(history, retention_millis);
    book.locate();
    book.check_order();
    book.check_reads();
    book.check_reach();
    book.check_unlocated();
    check_commits(history, &mut book.found);
    check_generations(history, &mut book.found);
    for Operation { what, .. } in &history.operations {
        if let What::Trouble(words) = what {
            book.report(Kind::Unserved, words.clone());
        }
    }
    book.found
}

/// What is known of a record.
struct Record<'h> {
    write: &'h Write,
    /// Its place in its write.
    index: usize,
    start: Moment,
    /// When it was acknowledged.
    end: Option<Moment>,
    at: Option<(Lane, i64)>,
}

/// What is known of a transaction.
#[derive(Default)]
struct Transaction {
    /// When it may have been committed first, and when all have to see that it was.
    commit_from: Option<u64>,
    committed: Option<u64>,
    /// When all have to see that it is over.
    over: Option<u64>,
}

struct Book<'h> {
    history: &'h History,
    retention_millis: i64,
    records: BTreeMap<u64, Record<'h>>,
    transactions: BTreeMap<u64, Transaction>,
    /// Which record each door said an offset has.
    offsets: BTreeMap<(Lane, i64), [Option<u64>; 2]>,
    found: Vec<Finding>,
}

impl<'h> Book<'h> {
    fn of(history: &'h History, retention_millis: i64) -> Self {
        let tick_of = |is_wanted: fn(&What) -> bool| {
            let found = history.operations.iter().filter(move |operation| is_wanted(&operation.what));
            found.map(|operation| operation.start.tick).collect::<Vec<_>>()
        };
        let (faults, settled) = (tick_of(|what| matches!(what, What::Fault(_))), tick_of(|what| *what == What::Settled));
        // When readers see for certain what was kept then.
        let seen = |kept: u64| match faults.first() {
            Some(fault) if *fault < kept => settled.iter().copied().find(|settled| *settled > kept),
            _ => Some(kept),
        };
        let (mut records, mut transactions) = (BTreeMap::new(), BTreeMap::<u64, Transaction>::new());
        for Operation { start, end, what } in &history.operations {
            match what {
                What::Write(write) => {
                    for (index, id) in write.ids.iter().enumerate() {
                        let end = write.outcome.is_acknowledged().then_some(*end);
                        let known = records.insert(*id, Record { write, index, start: *start, end, at: None });
                        assert!(known.is_none(), "record {id} is written once only");
                    }
                    transactions
                        .extend(write.transaction.filter(|id| !transactions.contains_key(id)).map(|id| (id, Default::default())));
                }
                What::End { transaction, committed, outcome } => {
                    let known = transactions.entry(*transaction).or_default();
                    if *committed && *outcome != Outcome::Refused {
                        known.commit_from = Some(known.commit_from.map_or(start.tick, |from| from.min(start.tick)));
                    }
                    if outcome.is_acknowledged() {
                        known.over = known.over.or(seen(end.tick));
                        known.committed = known.committed.or(seen(end.tick).filter(|_| *committed));
                    }
                }
                _ => {}
            }
        }
        Self { history, retention_millis, records, transactions, offsets: BTreeMap::new(), found: Vec::new() }
    }

    fn report(&mut self, kind: Kind, words: String) {
        self.found.push(Finding { kind, words });
    }

    /// Finds out where each record is, from what was acknowledged and what was read.
    fn locate(&mut self) {
        for Operation { end, what, .. } in &self.history.operations {
            match what {
                What::Write(Write {
                    door, stream, lane: Some(lane), ids, outcome: Outcome::Acknowledged(Some(base)), ..
                }) => {
                    for (id, offset) in ids.iter().zip(*base..) {
                        self.place(*door, Lane { stream: *stream, lane: *lane }, offset, *id);
                    }
                }
                What::Read(Read { door, lane, records, .. }) => {
                    for (offset, id) in records {
                        self.sent(*lane, *id, end);
                        self.place(*door, *lane, *offset, *id);
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether a record that was read was sent there before.
    fn sent(&mut self, lane: Lane, id: u64, read: &Moment) {
        let wrong = match self.records.get(&id) {
            None => "nobody sent it",
            Some(record) if record.write.outcome == Outcome::Refused => "it was refused",
            Some(record) if record.write.stream != lane.stream => "it was sent to another stream",
            Some(record) if record.start.tick > read.tick => "it was sent later",
            Some(_) => return,
        };
        self.report(Kind::Phantom, format!("record {id} was read in {lane} at {}, and {wrong}", read.tick));
    }

    fn place(&mut self, door: Door, lane: Lane, offset: i64, id: u64) {
        let (this, other) = if door == Door::Kafka { (0, 1) } else { (1, 0) };
        let said = self.offsets.entry((lane, offset)).or_default();
        let clash = match (said[this], said[other]) {
            (Some(known), _) if known != id => Some((Kind::Reused, known)),
            (_, Some(known)) if known != id => Some((Kind::DoorsDisagree, known)),
            _ => None,
        };
        said[this].get_or_insert(id);
        if let Some((kind, known)) = clash {
            self.report(kind, format!("{lane} at {offset} has record {id}, and had record {known}"));
        }
        let Some(record) = self.records.get_mut(&id) else { return };
        match record.at {
            Some(at) if at != (lane, offset) => {
                let words = format!("record {id} is at {} in {} and at {offset} in {lane}", at.1, at.0);
                self.report(Kind::Duplicated, words);
            }
            Some(_) => {}
            None => record.at = Some((lane, offset)),
        }
    }

    /// Holds the offsets of each lane against the order in which its records were sent.
    fn check_order(&mut self) {
        let mut found = BTreeSet::new();
        let mut located: Vec<_> = self.records.iter().filter_map(|(id, record)| Some((record.at?, *id, record))).collect();
        located.sort_by_key(|(at, id, _)| (*at, *id));
        for lane in located.chunk_by(|(one, ..), (other, ..)| one.0 == other.0) {
            // The latest that any record before this one was sent; and the same within its line.
            let mut latest: Option<(u64, u64)> = None;
            let mut lines = BTreeMap::<(u64, Option<u32>), (u64, usize, u64)>::new();
            for ((at, offset), id, record) in lane {
                if let (Some((sent, other)), Some(end)) = (latest, record.end)
                    && end.tick < sent
                {
                    let words =
                        format!("record {id} is at {offset} in {at}, behind {other}, which was sent after {id} was acknowledged");
                    found.insert(Finding { kind: Kind::NotInTime, words });
                }
                if latest.is_none_or(|(sent, _)| sent < record.start.tick) {
                    latest = Some((record.start.tick, *id));
                }
                if let Some(line) = record.write.line {
                    let turn = (record.start.tick, record.index, *id);
                    let known = lines.insert((line, record.write.lane), turn);
                    if let Some((tick, index, other)) = known.filter(|known| (known.0, known.1) > (turn.0, turn.1)) {
                        let words = format!("record {id} is behind {other} in {at}, and was sent before it ({tick} {index})");
                        found.insert(Finding { kind: Kind::Reordered, words });
                    }
                }
            }
        }
        for record in self.records.values() {
            let (Some(at), Some(first)) = (record.at, self.records[&record.write.ids[0]].at) else { continue };
            if at != (first.0, first.1 + record.index as i64) {
                let words = format!(
                    "{:?} lie apart: the first at {} in {}, another at {} in {}",
                    record.write.ids, first.1, first.0, at.1, at.0
                );
                found.insert(Finding { kind: Kind::Reordered, words });
            }
        }
        self.found.extend(found);
    }

    /// Whether what was given is what was asked for, all of it, and nothing that must not be shown.
    fn check_reads(&mut self) {
        let mut found = BTreeSet::new();
        let mut by_lane = BTreeMap::<Lane, Vec<(i64, u64, &Record<'_>)>>::new();
        for (id, record) in &self.records {
            if let Some((lane, offset)) = record.at {
                by_lane.entry(lane).or_default().push((offset, *id, record));
            }
        }
        for Operation { start, end, what } in &self.history.operations {
            let What::Read(read) = what else { continue };
            let mut report = |kind, words: String| {
                found.insert(Finding { kind, words: format!("{} from {} at {}: {words}", read.lane, read.from, start.tick) })
            };
            let mut last = None;
            for (offset, id) in &read.records {
                if *offset < read.from || last.is_some_and(|last| *offset <= last) {
                    report(Kind::WentBack, format!("offset {offset} after {last:?}"));
                }
                if read.reach.is_some_and(|reach| *offset >= reach.tip) {
                    report(Kind::Phantom, format!("offset {offset} is beyond the tip {:?}", read.reach));
                }
                last = Some(*offset);
                let Some(record) = self.records.get(id) else { continue };
                if record.end.is_some_and(|sent| sent.millis + self.retention_millis < start.millis) {
                    report(Kind::Expired, format!("record {id} at {offset} is past its retention"));
                }
                let may_be_committed =
                    |id: &u64| self.transactions.get(id).and_then(|known| known.commit_from).is_some_and(|from| from < end.tick);
                if read.committed && record.write.transaction.as_ref().is_some_and(|id| !may_be_committed(id)) {
                    report(Kind::Dirty, format!("record {id} at {offset} is of a transaction that was not committed"));
                }
            }
            // An offset with another record is told by the kinds for that.
            let given: BTreeSet<_> = read.records.iter().map(|(offset, _)| *offset).collect();
            // Behind an open transaction there is nothing for a reader of committed records.
            let until = if read.committed && read.until == i64::MAX && self.may_be_open(read.lane, start, end) {
                last.map_or(read.from, |last| last + 1)
            } else {
                read.until
            };
            for (offset, id, record) in by_lane.get(&read.lane).into_iter().flatten() {
                let is_acknowledged = record.end.is_some_and(|end| end.tick < start.tick);
                let is_expired = record.start.millis + self.retention_millis <= end.millis;
                if !is_acknowledged || is_expired {
                    continue;
                }
                let is_committed = |id: u64| self.transactions[&id].committed.is_some_and(|end| end < start.tick);
                let is_hidden = read.committed && record.write.transaction.is_some_and(|id| !is_committed(id));
                if (read.from..until).contains(offset) && !given.contains(offset) && !is_hidden {
                    report(Kind::Lost, format!("record {id} at {offset} is not there"));
                }
                if let Some(reach) = read.reach {
                    if reach.horizon > *offset {
                        report(
                            Kind::Lost,
                            format!("record {id} at {offset} is below the horizon {} before its time", reach.horizon),
                        );
                    }
                    if reach.tip <= *offset {
                        report(Kind::Unseen, format!("record {id} at {offset} is not below the tip {}", reach.tip));
                    }
                }
            }
        }
        self.found.extend(found);
    }

    /// Whether a transaction that wrote to the lane may have been open while it was read.
    fn may_be_open(&self, lane: Lane, start: &Moment, end: &Moment) -> bool {
        self.records.values().any(|record| {
            let is_here = record.write.stream == lane.stream && record.start.tick < end.tick;
            let is_over = |id: u64| self.transactions[&id].over.is_some_and(|over| over < start.tick);
            is_here && record.write.transaction.is_some_and(|id| !is_over(id))
        })
    }

    /// Horizons, last stable offsets and tips only grow.
    fn check_reach(&mut self) {
        let mut told = BTreeMap::<Lane, Vec<(Moment, Moment, [i64; 3])>>::new();
        for Operation { start, end, what } in &self.history.operations {
            if let What::Read(Read { lane, reach: Some(reach), .. }) = what {
                told.entry(*lane).or_default().push((*start, *end, [reach.horizon, reach.stable, reach.tip]));
            }
        }
        for (lane, told) in told {
            let mut ends: Vec<_> = told.iter().map(|(_, end, reach)| (end.tick, *reach)).collect();
            let mut starts: Vec<_> = told.iter().map(|(start, _, reach)| (start.tick, *reach)).collect();
            ends.sort();
            starts.sort();
            let (mut ends, mut most) = (ends.into_iter().peekable(), [i64::MIN; 3]);
            for (start, reach) in starts {
                while let Some((_, before)) = ends.next_if(|(end, _)| *end < start) {
                    (0..3).for_each(|one| most[one] = most[one].max(before[one]));
                }
                if (0..3).any(|one| reach[one] < most[one]) {
                    self.report(
                        Kind::WentBack,
                        format!("{lane} at {start}: horizon, last stable offset, tip {reach:?} after {most:?}"),
                    );
                }
            }
        }
    }

    /// Records that were acknowledged without an offset are found by whoever reads everything.
    fn check_unlocated(&mut self) {
        let mut found = BTreeSet::new();
        for Operation { start, end, what } in &self.history.operations {
            let What::Surveyed { stream } = what else { continue };
            for (id, record) in self.records.iter().filter(|(_, record)| record.write.stream == *stream && record.at.is_none()) {
                let is_acknowledged = record.end.is_some_and(|end| end.tick < start.tick);
                let is_expired = record.start.millis + self.retention_millis <= end.millis;
                let is_committed = |id: u64| self.transactions[&id].committed.is_some_and(|end| end < start.tick);
                if is_acknowledged && !is_expired && record.write.transaction.is_none_or(is_committed) {
                    found.insert(Finding {
                        kind: Kind::Lost,
                        words: format!("record {id} was acknowledged, and nobody finds it"),
                    });
                }
            }
        }
        self.found.extend(found);
    }
}

/// A value of a group's offset, from its commit on, and who read it.
#[derive(Debug)]
struct Kept {
    offset: i64,
    start: u64,
    /// When it was acknowledged; never, if that is not known.
    end: u64,
    is_refused: bool,
    /// The earliest end and the latest start of all that wrote or read it.
    first_end: u64,
    last_start: u64,
}

/// Each group's offset is a register whose values are all different, so whether its reads and writes can be put in an order is told
/// by the spans in which each value is known to be there (Gibbons and Korach 1997): no two may overlap, and none of those that need
/// only a point may lie within one.
fn check_commits(history: &History, found: &mut Vec<Finding>) {
    let mut registers = BTreeMap::<Place, BTreeMap<u64, Kept>>::new();
    for Operation { start, end, what } in &history.operations {
        if let What::Commit { place, offset, note, outcome, .. } = what {
            let end = if outcome.is_acknowledged() { end.tick } else { u64::MAX };
            let kept = Kept {
                offset: *offset,
                start: start.tick,
                end,
                is_refused: *outcome == Outcome::Refused,
                first_end: end,
                last_start: start.tick,
            };
            registers.entry(*place).or_default().insert(*note, kept);
        }
    }
    for Operation { start, end, what } in &history.operations {
        let What::Committed { place, found: value } = what else { continue };
        let register = registers.entry(*place).or_default();
        // At first nothing is kept: that is what note 0 stands for.
        let (offset, note) = value.unwrap_or((-1, 0));
        if note == 0 {
            let nothing = Kept { offset: -1, start: 0, end: 0, is_refused: false, first_end: 0, last_start: 0 };
            register.entry(0).or_insert(nothing);
        }
        match register.entry(note) {
            Entry::Occupied(mut kept) if kept.get().offset == offset && !kept.get().is_refused && kept.get().start < end.tick => {
                let kept = kept.get_mut();
                (kept.first_end, kept.last_start) = (kept.first_end.min(end.tick), kept.last_start.max(start.tick));
            }
            _ => {
                let words = format!("{place:?} has {offset} with note {note} at {}, which nobody had committed", start.tick);
                found.push(Finding { kind: Kind::CommitPhantom, words });
            }
        }
    }
    for (place, register) in registers {
        // A write that nobody saw, and of which nobody knows whether it was made, is left out.
        let kept: Vec<_> = register.iter().filter(|(_, kept)| kept.first_end != u64::MAX && !kept.is_refused).collect();
        for (note, one) in &kept {
            let clash = kept.iter().find(|(other, that)| {
                let is_span = one.first_end < one.last_start;
                other != note && is_span && one.first_end < that.last_start && that.first_end < one.last_start
            });
            let Some((other, that)) = clash else { continue };
            // Of two that overlap each is a clash of the other; the older one is what should not have been read again.
            let (old, new) = if one.start < that.start { ((note, one), (other, that)) } else { ((other, that), (note, one)) };
            let kind = if new.1.end < old.1.last_start { Kind::CommitLost } else { Kind::CommitWentBack };
            let words =
                format!("{place:?} has note {} at {}, after note {} ({:?}, {:?})", old.0, old.1.last_start, new.0, old.1, new.1);
            found.push(Finding { kind, words });
        }
    }
}

/// What members of one generation may have and do.
fn check_generations(history: &History, found: &mut Vec<Finding>) {
    let mut owners = BTreeMap::<(u32, i32, u32), &str>::new();
    let mut begun = BTreeMap::<u32, Vec<(u64, i32)>>::new();
    for Operation { end, what, .. } in &history.operations {
        let What::Assigned { group, generation, member, lanes } = what else { continue };
        begun.entry(*group).or_default().push((end.tick, *generation));
        for lane in lanes {
            let owner = *owners.entry((*group, *generation, *lane)).or_insert(member);
            if owner != member {
                let words = format!("partition {lane} in generation {generation} of group {group}: {owner} and {member}");
                found.push(Finding { kind: Kind::TwoOwners, words });
            }
        }
    }
    for Operation { start, what, .. } in &history.operations {
        let What::Commit { place, note, generation: Some(generation), outcome: Outcome::Acknowledged(()), .. } = what else {
            continue;
        };
        let newest =
            begun.get(&place.group).into_iter().flatten().filter(|(at, _)| *at < start.tick).map(|(_, newest)| *newest).max();
        if newest.is_some_and(|newest| newest > *generation) {
            let words = format!("note {note} of generation {generation} of group {}, when there was {newest:?}", place.group);
            found.push(Finding { kind: Kind::CommitOfThePast, words });
        }
    }
}
