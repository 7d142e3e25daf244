//! **The share partition**: which records of one partition are whose, as a pure machine (Kafka: `SharePartition`).
//!
//! Only the records between the start and the end are known one by one: below the start all are finished, from the end on none
//! has been delivered. In between lie runs, each a range of offsets with one state, so a whole batch costs as much as a record.
//!
//! ```text
//!                  delivered to a member                  accepted
//!   ┌───────────┐ ─────────────────────▶ ┌──────────┐ ─────────────────▶ ┌──────────────┐
//!   │ Available │                        │ Acquired │                    │ Acknowledged │
//!   └───────────┘ ◀───────────────────── └──────────┘                    └──────────────┘
//!                  released, lock over,       │  rejected, a gap, or released
//!                  session closed             │  after the last delivery      ┌──────────┐
//!                                             └──────────────────────────────▶│ Archived │
//!                                                                             └──────────┘
//! ```
//!
//! A member that renews (KIP-1222) keeps what it has, for as long again. Records of aborted transactions are archived where a group
//! reads what is committed.
//!
//! One record that nobody can work on takes those with it that are delivered together with it. So what has been delivered half as
//! often as may be is delivered in smaller and smaller pieces, and each record alone the last time.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What of a record is known beside its deliveries.
#[derive(Clone, PartialEq, Eq, Debug)]
enum State {
    /// To be delivered.
    Available,
    /// Delivered, and locked for a member until that time.
    Acquired { by: Arc<str>, until: Duration },
    /// Done: a consumer has accepted it.
    Acknowledged,
    /// Done: nobody gets it any more.
    Archived,
}

impl State {
    fn is_final(&self) -> bool {
        matches!(self, Self::Acknowledged | Self::Archived)
    }
}

/// Records that follow each other and have the same fate.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Run {
    first: i64,
    last: i64,
    state: State,
    /// How often they have been delivered; counts the delivery under way.
    deliveries: i16,
    /// How many records were delivered together when these were delivered first.
    together: i64,
}

/// What a consumer says of records that it has (Kafka: `AcknowledgeType`, and 0 for offsets without a record).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// There is no record at the offset.
    Gap,
    /// It is done.
    Accept,
    /// Somebody else may have it.
    Release,
    /// Nobody should have it.
    Reject,
    /// The member works on it still: its lock begins anew (KIP-1222).
    Renew,
}

/// A verdict on all records from `first` to `last`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Acknowledgement {
    /// The first offset.
    pub(crate) first: i64,
    /// The last one.
    pub(crate) last: i64,
    /// What is said of them.
    pub(crate) verdict: Verdict,
}

/// Records delivered together, for the same time each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Acquired {
    /// The first offset.
    pub(crate) first: i64,
    /// The last one.
    pub(crate) last: i64,
    /// Which delivery this is, counted from 1.
    pub(crate) deliveries: i16,
}

/// Why an acknowledgement is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NotTaken {
    /// A record is not locked for this member.
    NotOwned,
    /// A record is behind all that have been delivered.
    Undelivered,
    /// It would take the partition into too many pieces.
    TooManyRuns,
}

/// What a member wants of a delivery.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// How many records.
    pub(crate) records_max: usize,
    /// Whether there may not be more (KIP-1206); else the last batch is delivered whole, as a consumer has its bytes anyway.
    pub(crate) is_strict: bool,
    /// After how many records a range of new ones ends, at the end of their batch; not if `is_strict`.
    pub(crate) batch_size: i64,
}

/// The bounds of a delivery.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) wanted: Wanted,
    /// Records between start and end (`share.partition.max.record.locks`).
    pub(super) locks_max: usize,
    /// Deliveries of a record (`share.delivery.count.limit`).
    pub(super) deliveries_max: i16,
    /// When the locks end.
    pub(super) until: Duration,
}

impl Bounds {
    /// How many records may be delivered together that have been delivered so often, if that is bounded, of so many that were
    /// together the first time (Kafka: `SharePartition.throttleRecordsDeliveryLimit`).
    fn most(&self, deliveries: i16, together: i64) -> Option<i64> {
        let throttled = (self.deliveries_max.saturating_add(1) / 2).max(2);
        if deliveries < throttled {
            None
        } else if deliveries.saturating_add(1) >= self.deliveries_max {
            Some(1)
        } else {
            let halvings = (deliveries - throttled + 1).min(62);
            Some((together >> halvings).max(1))
        }
    }
}

/// What acknowledgements lead to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// Deliveries after which a record that is given back is archived (`group.share.delivery.count.limit`).
    pub(super) deliveries_max: i16,
    /// Pieces that may be cut off. What cuts off none is always taken.
    pub(super) cuts_max: usize,
    /// When a lock ends that is renewed.
    pub(super) until: Duration,
}

/// What outlives the process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Stored {
    /// Raised whenever the start is set by an administrator.
    pub(super) epoch: i32,
    /// The first record that is not finished.
    pub(super) start: i64,
    /// First and last offset, Kafka's number of the state, deliveries: adjacent, from the start on.
    pub(super) runs: Vec<(i64, i64, i8, i16)>,
}

/// Kafka's numbers of the states that are stored (`RecordState`).
const AVAILABLE: i8 = 0;
const ACKNOWLEDGED: i8 = 2;
const ARCHIVED: i8 = 4;

/// One partition as a share group sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Partition {
    epoch: i32,
    start: i64,
    /// The first offset that has never been delivered.
    end: i64,
    /// Adjacent, from `start` to `end`; neighbours differ, and the first one is not final.
    runs: Vec<Run>,
}

impl Partition {
    /// One that begins at `start`.
    pub(super) fn at(start: i64) -> Self {
        Self { epoch: 0, start, end: start, runs: Vec::new() }
    }

    /// The first record that is not finished.
    pub(super) fn start(&self) -> i64 {
        self.start
    }

    /// Records from the start on that are finished.
    pub(super) fn finished(&self) -> i64 {
        self.runs.iter().filter(|run| run.state.is_final()).map(|run| run.last - run.first + 1).sum()
    }

    /// Pieces that it is in.
    pub(super) fn runs(&self) -> usize {
        self.runs.len()
    }

    /// What to keep of it. Locks are not kept: after a restart such records are available, as often delivered as they were.
    pub(super) fn stored(&self) -> Stored {
        let mut runs: Vec<(i64, i64, i8, i16)> = Vec::new();
        for run in &self.runs {
            let state = match run.state {
                State::Available | State::Acquired { .. } => AVAILABLE,
                State::Acknowledged => ACKNOWLEDGED,
                State::Archived => ARCHIVED,
            };
            match runs.last_mut() {
                Some(before) if (before.2, before.3) == (state, run.deliveries) => before.1 = run.last,
                _ => runs.push((run.first, run.last, state, run.deliveries)),
            }
        }
        Stored { epoch: self.epoch, start: self.start, runs }
    }

    /// What was kept. What does not follow on is left out: its records are delivered again.
    pub(super) fn restored(stored: &Stored) -> Self {
        let mut partition = Self { epoch: stored.epoch, ..Self::at(stored.start) };
        for &(first, last, state, deliveries) in &stored.runs {
            if first != partition.end || last < first || last == i64::MAX {
                break;
            }
            let state = match state {
                ACKNOWLEDGED => State::Acknowledged,
                ARCHIVED => State::Archived,
                _ => State::Available,
            };
            partition.runs.push(Run { first, last, state, deliveries, together: last - first + 1 });
            partition.end = last + 1;
        }
        partition.tidy();
        partition
    }

    /// Begins anew at `start`, whatever has been delivered (AlterShareGroupOffsets).
    pub(super) fn reset(&mut self, start: i64) {
        *self = Self { epoch: self.epoch.wrapping_add(1).max(0), ..Self::at(start) };
    }

    /// Where to read for the next delivery; `None` while as many records are under way as may be.
    pub(super) fn next(&self, locks_max: usize) -> Option<i64> {
        let available = self.runs.iter().find(|run| run.state == State::Available);
        available.map(|run| run.first).or_else(|| (length(self.start, self.end) < locks_max).then_some(self.end))
    }

    /// When the first lock ends.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let deadlines = self.runs.iter().filter_map(|run| match run.state {
            State::Acquired { until, .. } => Some(until),
            _ => None,
        });
        deadlines.min()
    }

    /// Delivers what is available of the record batches `read`, given by first and last offset in order, to `member`; what of them is
    /// `aborted`, given likewise, is archived instead.
    pub(super) fn acquire(
        &mut self,
        member: &Arc<str>,
        read: &[(i64, i64)],
        aborted: &[(i64, i64)],
        bounds: Bounds,
    ) -> Vec<Acquired> {
        let (Some(&(first, _)), Some(&(_, last))) = (read.first(), read.last()) else { return Vec::new() };
        let room = self.start.saturating_add(i64::try_from(bounds.locks_max).unwrap_or(i64::MAX)).saturating_sub(1);
        for &(first, last) in aborted {
            self.change(first, last.min(self.end - 1), |run| {
                if run.state == State::Available {
                    run.state = State::Archived;
                }
            });
        }
        let state = State::Acquired { by: member.clone(), until: bounds.until };
        let Wanted { records_max, is_strict, batch_size } = bounds.wanted;
        let (mut taken, mut left) = (Vec::new(), records_max);
        let mut reach = |first: i64, last: i64| {
            let wanted = first.saturating_add(i64::try_from(left).unwrap_or(i64::MAX)).saturating_sub(1);
            let last = last.min(if is_strict { wanted } else { end_of_batch(read, wanted) });
            left = left.saturating_sub(length(first, last.saturating_add(1)));
            (last, left == 0)
        };
        let known = self.runs.iter().filter(|run| run.state == State::Available);
        let known = known.map(|run| (run.first.max(first), run.last.min(last), run.deliveries, run.together));
        let known: Vec<_> = known.filter(|(first, last, ..)| first <= last).collect();
        let mut is_enough = records_max == 0;
        for (first, last, before, together) in known {
            let most = bounds.most(before, together);
            // What is delivered in small pieces is delivered with nothing else.
            is_enough |= most.is_some() && !taken.is_empty();
            if is_enough {
                break;
            }
            let (last, has_all) = reach(first, most.map_or(last, |most| last.min(first.saturating_add(most - 1))));
            let deliveries = before.saturating_add(1);
            taken.push(Acquired { first, last, deliveries });
            self.change(first, last, |run| (run.state, run.deliveries) = (state.clone(), deliveries));
            is_enough = has_all || most.is_some();
        }
        for (first, last, is_aborted) in pieces(self.end, last.min(room), aborted) {
            if first != self.end {
                break;
            }
            if is_aborted {
                self.runs.push(Run { first, last, state: State::Archived, deliveries: 0, together: 0 });
                self.end = last + 1;
                continue;
            }
            if is_enough {
                break;
            }
            let (last, has_all) = reach(first, last);
            is_enough = has_all;
            let ranges = if is_strict { vec![(first, last)] } else { parts(read, first, last, batch_size) };
            for (first, last) in ranges {
                // The rest of a batch that is not delivered whole is no less suspect.
                let together = end_of_batch(read, last).max(last) - first + 1;
                taken.push(Acquired { first, last, deliveries: 1 });
                self.runs.push(Run { first, last, state: state.clone(), deliveries: 1, together });
                self.end = last + 1;
            }
        }
        self.tidy();
        taken
    }

    /// Takes a member's verdicts, all or none. What is below the start is finished anyway, whatever is said of it.
    pub(super) fn acknowledge(
        &mut self,
        member: &str,
        said: &[Acknowledgement],
        Terms { deliveries_max, cuts_max, until }: Terms,
    ) -> Result<(), NotTaken> {
        let said = said.iter().filter(|said| said.last >= self.start);
        let said: Vec<_> = said.map(|said| Acknowledgement { first: said.first.max(self.start), ..*said }).collect();
        let mut before = self.start - 1;
        for said in &said {
            if said.last >= self.end && !self.runs.is_empty() {
                return Err(NotTaken::Undelivered);
            }
            if said.first <= before || !self.is_owned(member, said.first, said.last) {
                return Err(NotTaken::NotOwned);
            }
            before = said.last;
        }
        let cuts: usize = said.iter().map(|said| self.cuts(said.first) + self.cuts(said.last + 1)).sum();
        if cuts > cuts_max {
            return Err(NotTaken::TooManyRuns);
        }
        for Acknowledgement { first, last, verdict } in said {
            self.change(first, last, |run| match verdict {
                Verdict::Accept => run.state = State::Acknowledged,
                Verdict::Gap | Verdict::Reject => run.state = State::Archived,
                Verdict::Release => run.give_back(deliveries_max),
                Verdict::Renew => run.renew(until),
            });
        }
        self.tidy();
        Ok(())
    }

    /// Ends the locks that are over; whether there were any.
    pub(super) fn expire(&mut self, now: Duration, deliveries_max: i16) -> bool {
        let is_over = |run: &Run| matches!(run.state, State::Acquired { until, .. } if until <= now);
        self.each(is_over, |run| run.give_back(deliveries_max))
    }

    /// Ends the locks of a member that has gone; whether it had any. What it has not acknowledged does not count as delivered,
    /// as in Kafka.
    pub(super) fn release(&mut self, member: &str) -> bool {
        let is_its = |run: &Run| matches!(&run.state, State::Acquired { by, .. } if **by == *member);
        self.each(is_its, |run| (run.state, run.deliveries) = (State::Available, (run.deliveries - 1).max(0)))
    }

    /// Forgets what is below `horizon`, whose records are gone; whether there was anything.
    pub(super) fn trim(&mut self, horizon: i64) -> bool {
        if horizon <= self.start {
            return false;
        }
        self.cut(horizon);
        self.runs.retain(|run| run.first >= horizon);
        (self.start, self.end) = (horizon, self.end.max(horizon));
        self.tidy();
        true
    }

    fn is_owned(&self, member: &str, first: i64, last: i64) -> bool {
        let from = self.runs.partition_point(|run| run.last < first);
        let runs = self.runs.iter().skip(from).take_while(|run| run.first <= last);
        let is_its = |run: &Run| matches!(&run.state, State::Acquired { by, .. } if **by == *member);
        last < self.end && runs.into_iter().all(is_its)
    }

    /// 1 if a run would have to be cut to begin at `offset`.
    fn cuts(&self, offset: i64) -> usize {
        let at = self.runs.partition_point(|run| run.last < offset);
        usize::from(self.runs.get(at).is_some_and(|run| run.first < offset))
    }

    /// Makes a run begin at `offset`, if a run has it.
    fn cut(&mut self, offset: i64) {
        let at = self.runs.partition_point(|run| run.last < offset);
        if let Some(run) = self.runs.get_mut(at)
            && run.first < offset
        {
            let rest = Run { first: offset, ..run.clone() };
            run.last = offset - 1;
            self.runs.insert(at + 1, rest);
        }
    }

    /// Changes the records from `first` to `last`.
    fn change(&mut self, first: i64, last: i64, change: impl Fn(&mut Run)) {
        self.cut(first);
        self.cut(last + 1);
        let from = self.runs.partition_point(|run| run.last < first);
        self.runs.iter_mut().skip(from).take_while(|run| run.first <= last).for_each(change);
    }

    /// Changes the runs that `concerns`; whether there were any.
    fn each(&mut self, concerns: impl Fn(&Run) -> bool, change: impl Fn(&mut Run)) -> bool {
        let mut any = false;
        for run in self.runs.iter_mut().filter(|run| concerns(run)) {
            change(run);
            any = true;
        }
        if any {
            self.tidy();
        }
        any
    }

    /// Joins neighbours that are alike, and moves the start behind what is finished.
    fn tidy(&mut self) {
        self.runs.dedup_by(|next, run| {
            let alike = next.state == run.state
                && ((next.deliveries, next.together) == (run.deliveries, run.together) || next.state.is_final());
            if alike {
                run.last = next.last;
            }
            alike
        });
        let finished = self.runs.iter().take_while(|run| run.state.is_final()).count();
        self.runs.drain(..finished);
        self.start = self.runs.first().map_or(self.end, |run| run.first);
        if self.runs.capacity() > 4 * self.runs.len() + 16 {
            self.runs.shrink_to_fit();
        }
    }
}

impl Run {
    /// For somebody else, unless this was the last delivery.
    fn give_back(&mut self, deliveries_max: i16) {
        self.state = if self.deliveries >= deliveries_max { State::Archived } else { State::Available };
    }

    /// For whoever has it, until later.
    fn renew(&mut self, later: Duration) {
        if let State::Acquired { until, .. } = &mut self.state {
            *until = later;
        }
    }
}

/// The offsets from `first` to `last` in pieces that are `aborted` and pieces that are not.
fn pieces(first: i64, last: i64, aborted: &[(i64, i64)]) -> Vec<(i64, i64, bool)> {
    let (mut pieces, mut next) = (Vec::new(), first);
    for &(from, to) in aborted {
        let (from, to) = (from.max(next), to.min(last));
        if from > to {
            continue;
        }
        if next < from {
            pieces.push((next, from - 1, false));
        }
        pieces.push((from, to, true));
        next = to + 1;
    }
    if next <= last {
        pieces.push((next, last, false));
    }
    pieces
}

/// The offsets from `first` to `last` in pieces that end where a batch does, the first one with `size` offsets or more.
fn parts(batches: &[(i64, i64)], first: i64, last: i64, size: i64) -> Vec<(i64, i64)> {
    let (mut parts, mut begin) = (Vec::new(), first);
    for &(base, _) in batches.iter().filter(|(base, _)| first < *base && *base <= last) {
        if base - begin >= size {
            parts.push((begin, base - 1));
            begin = base;
        }
    }
    parts.push((begin, last));
    parts
}

/// Offsets from `first` up to and without `end`.
fn length(first: i64, end: i64) -> usize {
    usize::try_from(end.saturating_sub(first)).unwrap_or(0)
}

/// The last offset of the batch that has `offset`.
fn end_of_batch(batches: &[(i64, i64)], offset: i64) -> i64 {
    let at = batches.partition_point(|(_, last)| *last < offset);
    batches.get(at).map_or(offset, |(_, last)| *last)
}

#[cfg(test)]
mod tests;
