//! The checker is held against histories that are good, and against the same ones with a fault in them.

use std::collections::BTreeMap;

use super::chance::Chance;
use super::checker::{KINDS, Kind, check};
use super::history::{Door, History, Lane, Moment, Outcome, Place, Reach, Read, What, Write};

/// Time between two moments, and how long records are kept: none is past it unless a test says so.
const STEP_MILLIS: i64 = 10;
const RETENTION_MILLIS: i64 = 1_000_000;
/// Who does one thing at a time each, and how much all do together.
const CLIENTS: usize = 6;
const MOMENTS: u64 = 600;
const LANES: u64 = 2;
const GROUP: u32 = 1;

/// A log that does everything at once and right: each operation takes effect at one moment between its start and its end.
struct Perfect {
    chance: Chance,
    history: History,
    now: i64,
    ids: u64,
    /// Of each lane: the records, and the transactions of those that have one.
    lanes: Vec<Vec<(u64, Option<u64>)>>,
    /// Transactions, and whether they were committed; `None` while they are open.
    transactions: BTreeMap<u64, Option<bool>>,
    commits: BTreeMap<Place, (i64, u64)>,
    generation: i32,
    busy: Vec<Option<(Moment, Stage)>>,
    /// The open transaction of each client.
    open: Vec<Option<u64>>,
}

#[derive(Clone)]
enum Stage {
    Asked(Ask),
    Done(What),
}

#[derive(Clone, Copy)]
enum Ask {
    Write { is_kinesis: bool, is_transactional: bool },
    Read { is_kinesis: bool },
    Commit,
    Committed,
    End,
    Rebalance,
}

impl Perfect {
    fn history(seed: u64) -> History {
        let mut perfect = Self {
            chance: Chance::new(seed),
            history: History::default(),
            now: 0,
            ids: 0,
            lanes: vec![Vec::new(); LANES as usize],
            transactions: BTreeMap::new(),
            commits: BTreeMap::new(),
            generation: 0,
            busy: vec![None; CLIENTS],
            open: vec![None; CLIENTS],
        };
        for _ in 0..MOMENTS {
            perfect.now += STEP_MILLIS;
            let client = perfect.chance.below(CLIENTS as u64) as usize;
            perfect.go_on(client);
        }
        for (start, stage) in std::mem::take(&mut perfect.busy).into_iter().flatten() {
            if let Stage::Done(what) = stage {
                perfect.history.enter(start, perfect.now, what);
            }
        }
        perfect.history
    }

    fn go_on(&mut self, client: usize) {
        self.busy[client] = match self.busy[client].take() {
            None => Some((self.history.moment(self.now), Stage::Asked(self.ask(client)))),
            Some((start, Stage::Asked(ask))) => Some((start, Stage::Done(self.done(client, ask)))),
            Some((start, Stage::Done(what))) => {
                self.history.enter(start, self.now, what);
                None
            }
        };
    }

    fn ask(&mut self, client: usize) -> Ask {
        if self.open[client].is_some() && self.chance.one_in(4) {
            return Ask::End;
        }
        match self.chance.below(20) {
            0..6 => Ask::Write { is_kinesis: false, is_transactional: client < 2 },
            6..9 => Ask::Write { is_kinesis: true, is_transactional: false },
            9..12 => Ask::Read { is_kinesis: false },
            12..15 => Ask::Read { is_kinesis: true },
            15..17 => Ask::Commit,
            17..19 => Ask::Committed,
            _ => Ask::Rebalance,
        }
    }

    fn done(&mut self, client: usize, ask: Ask) -> What {
        let lane = self.chance.below(LANES) as u32;
        let place = Place { group: GROUP, lane: Lane { stream: 0, lane } };
        match ask {
            Ask::Write { is_kinesis, is_transactional } => self.write(client, lane, is_kinesis, is_transactional),
            Ask::Read { is_kinesis } => What::Read(self.read(lane, is_kinesis)),
            Ask::Commit => {
                self.ids += 1;
                let (note, offset) = (self.ids, self.chance.below(50) as i64);
                let outcome = self.outcome(());
                if outcome.is_acknowledged() || outcome == Outcome::Unknown && self.chance.one_in(2) {
                    self.commits.insert(place, (offset, note));
                }
                What::Commit { place, offset, note, generation: None, outcome }
            }
            Ask::Committed => What::Committed { place, found: self.commits.get(&place).copied() },
            Ask::End => {
                let (transaction, committed) = (self.open[client].take().unwrap(), self.chance.one_in(2));
                self.transactions.insert(transaction, Some(committed));
                What::End { transaction, committed, outcome: Outcome::Acknowledged(()) }
            }
            Ask::Rebalance => {
                self.generation += 1;
                What::Assigned { group: GROUP, generation: self.generation, member: format!("m{client}"), lanes: vec![0, 1] }
            }
        }
    }

    fn outcome<T>(&mut self, acknowledged: T) -> Outcome<T> {
        match self.chance.below(8) {
            0 => Outcome::Refused,
            1 => Outcome::Unknown,
            _ => Outcome::Acknowledged(acknowledged),
        }
    }

    fn write(&mut self, client: usize, lane: u32, is_kinesis: bool, is_transactional: bool) -> What {
        let count = 1 + self.chance.below(3);
        let ids: Vec<_> = (self.ids + 1..=self.ids + count).collect();
        self.ids += count;
        let records = &mut self.lanes[lane as usize];
        let base = records.len() as i64;
        let transaction = is_transactional.then(|| *self.open[client].get_or_insert(ids[0]));
        if let Some(transaction) = transaction {
            self.transactions.entry(transaction).or_insert(None);
        }
        let is_told = self.chance.below(6) > 0;
        let outcome = self.outcome(is_told.then_some(base));
        if outcome.is_acknowledged() || outcome == Outcome::Unknown && self.chance.one_in(2) {
            self.lanes[lane as usize].extend(ids.iter().map(|id| (*id, transaction)));
        }
        let door = if is_kinesis { Door::Kinesis } else { Door::Kafka };
        What::Write(Write { door, stream: 0, lane: Some(lane), ids, line: Some(client as u64), transaction, outcome })
    }

    fn read(&mut self, lane: u32, is_kinesis: bool) -> Read {
        let records = &self.lanes[lane as usize];
        let state = |transaction: &Option<u64>| transaction.map_or(Some(true), |id| self.transactions[&id]);
        let tip = records.len() as i64;
        let stable = records.iter().position(|(_, transaction)| state(transaction).is_none()).map_or(tip, |open| open as i64);
        let from = self.chance.below(records.len() as u64 + 1) as i64;
        let end = if is_kinesis { stable } else { tip };
        let given = (0..).zip(records).filter(|(offset, (_, transaction))| {
            (from..end).contains(offset) && (!is_kinesis || state(transaction) == Some(true))
        });
        Read {
            door: if is_kinesis { Door::Kinesis } else { Door::Kafka },
            lane: Lane { stream: 0, lane },
            committed: is_kinesis,
            from,
            until: if is_kinesis { i64::MAX } else { end.max(from) },
            records: given.map(|(offset, (id, _))| (offset, *id)).collect(),
            reach: (!is_kinesis).then_some(Reach { horizon: 0, stable, tip }),
        }
    }
}

/// Puts an operation behind all others.
fn append(history: &mut History, what: What) {
    let millis = history.operations.last().unwrap().end.millis;
    let start = history.moment(millis + STEP_MILLIS);
    history.enter(start, millis + 2 * STEP_MILLIS, what);
}

/// The last acknowledged write whose offset was told, in no transaction.
fn last_write(history: &History) -> (Lane, i64, Write) {
    let found = history.operations.iter().rev().find_map(|operation| match &operation.what {
        What::Write(write) if write.transaction.is_none() => {
            let Outcome::Acknowledged(Some(base)) = write.outcome else { return None };
            Some((Lane { stream: 0, lane: write.lane? }, base, write.clone()))
        }
        _ => None,
    });
    found.unwrap()
}

/// A read that was given nothing.
fn nothing(lane: Lane, from: i64) -> Read {
    Read { door: Door::Kafka, lane, committed: false, from, until: from, records: Vec::new(), reach: None }
}

fn given(door: Door, lane: Lane, from: i64, records: Vec<(i64, u64)>) -> What {
    let until = records.last().map_or(from, |(offset, _)| offset + 1);
    What::Read(Read { door, until, records, ..nothing(lane, from) })
}

/// A write that was acknowledged, of one record that nobody has had yet.
fn fresh(id: u64, offset: Option<i64>) -> Write {
    let outcome = Outcome::Acknowledged(offset);
    Write { door: Door::Kafka, stream: 0, lane: Some(0), ids: vec![id], line: None, transaction: None, outcome }
}

const NEW: u64 = 1_000_000;

/// Plants a fault.
fn plant(kind: Kind, history: &mut History) {
    let (lane, base, last) = last_write(history);
    let tips: Vec<i64> = (0..LANES as u32).map(|lane| tip(history, lane)).collect();
    let lane0 = Lane { stream: 0, lane: 0 };
    let place = Place { group: 9, lane };
    let commit = |offset, note, outcome| What::Commit { place, offset, note, generation: None, outcome };
    let kept = |offset, note| What::Committed { place, found: Some((offset, note)) };
    match kind {
        Kind::Lost => {
            append(history, What::Read(Read { until: base + 1, ..nothing(lane, base) }));
        }
        Kind::Duplicated => {
            append(history, given(Door::Kafka, lane, tips[lane.lane as usize], vec![(tips[lane.lane as usize], last.ids[0])]));
        }
        Kind::Reordered => {
            let id = |more| NEW + more;
            for more in 0..2 {
                let write = Write { line: Some(NEW), outcome: Outcome::Unknown, ..fresh(id(more), None) };
                append(history, What::Write(write));
            }
            append(history, given(Door::Kafka, lane0, tips[0], vec![(tips[0], id(1)), (tips[0] + 1, id(0))]));
        }
        Kind::Phantom => {
            append(history, given(Door::Kinesis, lane, tips[lane.lane as usize], vec![(tips[lane.lane as usize], NEW)]));
        }
        Kind::WentBack => {
            for tip in [tips[0] + 1, tips[0]] {
                let reach = Some(Reach { horizon: 0, stable: tips[0], tip });
                append(history, What::Read(Read { reach, ..nothing(lane0, tip) }));
            }
        }
        Kind::Reused => {
            append(history, What::Write(fresh(NEW, Some(tips[0]))));
            append(history, What::Write(fresh(NEW + 1, Some(tips[0]))));
        }
        Kind::DoorsDisagree => {
            append(history, What::Write(fresh(NEW, Some(tips[0]))));
            append(history, What::Write(fresh(NEW + 1, None)));
            append(history, given(Door::Kinesis, lane0, tips[0], vec![(tips[0], NEW + 1)]));
        }
        Kind::NotInTime => {
            append(history, What::Write(fresh(NEW, Some(tips[0] + 1))));
            append(history, What::Write(fresh(NEW + 1, Some(tips[0]))));
        }
        Kind::Unseen => {
            append(history, What::Write(fresh(NEW, Some(tips[0]))));
            let reach = Some(Reach { horizon: 0, stable: tips[0], tip: tips[0] });
            append(history, What::Read(Read { reach, ..nothing(lane0, tips[0]) }));
        }
        Kind::Dirty => {
            let write = Write { transaction: Some(NEW), ..fresh(NEW, Some(tips[0])) };
            append(history, What::Write(write));
            append(history, What::End { transaction: NEW, committed: false, outcome: Outcome::Acknowledged(()) });
            let records = vec![(tips[0], NEW)];
            append(history, What::Read(Read { committed: true, until: tips[0] + 1, records, ..nothing(lane0, tips[0]) }));
        }
        Kind::Expired => {
            let millis = history.operations.last().unwrap().end.millis + RETENTION_MILLIS + 1;
            let start = history.moment(millis);
            history.enter(start, millis, given(Door::Kafka, lane, base, vec![(base, last.ids[0])]));
        }
        Kind::CommitLost => {
            append(history, commit(5, 1, Outcome::Acknowledged(())));
            append(history, commit(6, 2, Outcome::Acknowledged(())));
            append(history, kept(5, 1));
        }
        Kind::CommitWentBack => {
            append(history, commit(5, 1, Outcome::Acknowledged(())));
            append(history, commit(6, 2, Outcome::Unknown));
            append(history, kept(6, 2));
            append(history, kept(5, 1));
        }
        Kind::CommitPhantom => {
            append(history, commit(5, 1, Outcome::Acknowledged(())));
            append(history, kept(6, 1));
        }
        Kind::CommitOfThePast => {
            let new = |generation| What::Assigned { group: 9, generation, member: "m".to_owned(), lanes: vec![0] };
            append(history, new(1));
            append(history, new(2));
            let outcome = Outcome::Acknowledged(());
            append(history, What::Commit { place, offset: 5, note: 1, generation: Some(1), outcome });
        }
        Kind::TwoOwners => {
            let new = |member: &str, lanes| What::Assigned { group: 9, generation: 1, member: member.to_owned(), lanes };
            append(history, new("a", vec![0, 1]));
            append(history, new("b", vec![1, 2]));
        }
        Kind::Unserved => append(history, What::Trouble("nobody answers".to_owned())),
    }
}

/// The offset behind all that a lane is known to have.
fn tip(history: &History, lane: u32) -> i64 {
    let known = history.operations.iter().map(|operation| match &operation.what {
        What::Read(read) if read.lane.lane == lane => read.records.last().map_or(0, |(offset, _)| offset + 1),
        What::Write(Write { lane: Some(to), outcome: Outcome::Acknowledged(Some(base)), ids, .. }) if *to == lane => {
            base + ids.len() as i64
        }
        _ => 0,
    });
    // Beyond what was written and not told.
    known.max().unwrap() + 100
}

#[test]
fn a_good_history_has_nothing_wrong_with_it() {
    for seed in 0..300 {
        let history = Perfect::history(seed);
        let found = check(&history, RETENTION_MILLIS);
        assert!(found.is_empty(), "seed {seed}: {found:#?}\n{history}");
    }
}

#[test]
fn every_kind_of_fault_is_found_in_a_history_that_was_good_and_is_not_taken_for_another() {
    for seed in 0..50 {
        for kind in KINDS {
            let mut history = Perfect::history(seed);
            plant(kind, &mut history);
            let mut found: Vec<_> = check(&history, RETENTION_MILLIS).into_iter().map(|finding| finding.kind).collect();
            found.sort();
            found.dedup();
            assert_eq!(found, [kind], "seed {seed}");
        }
    }
}
