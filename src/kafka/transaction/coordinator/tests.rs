//! Ends of transactions over a store that stops at any step: what is certain is carried out, what is not can be wished again.

use std::sync::Arc;

use super::*;
use crate::batch::{Builder, Draft, ProducerStamp};
use crate::env::{Env, LimitsInForce, PausedClock, SeededEntropy};
use crate::kafka::group::{Commit, GroupConfig, Membership, NewOffset};
use crate::kafka::transaction::State;
use crate::log::{Options, Patience, Stream};
use crate::model::{Limits, Settings, StreamName};
use crate::store::{Call, Fault, Faults, FaultyStore, MemoryStore};

const MINUTE: i32 = 60_000;

struct House {
    log: Log,
    groups: group::Coordinator,
    transactions: Coordinator,
    faults: Faults,
}

fn open(store: &Arc<MemoryStore>) -> House {
    let env = Env {
        clock: Arc::new(PausedClock::starting_at(Timestamp(1_700_000_000_000))),
        entropy: Arc::new(SeededEntropy::new(1)),
        limits: LimitsInForce::new(Limits::off()),
    };
    let (faulty, faults) = FaultyStore::new(store.clone(), store.clone());
    let faulty = Arc::new(faulty);
    let log = Log::open(faulty.clone(), faulty.clone(), env.clone(), Options::default()).unwrap();
    let notebook = Notebook::new(faulty, "kafka");
    let groups =
        group::Coordinator::open(notebook.clone(), env, GroupConfig::default(), Arc::new(group::Shelf::default())).unwrap();
    let transactions = Coordinator::open(log.clone(), groups.clone(), notebook).unwrap();
    House { log, groups, transactions, faults }
}

impl House {
    fn stream(&self) -> Arc<Stream> {
        self.log.stream("orders").unwrap()
    }

    /// A transaction of `who` over both lanes and the group, with something in each.
    async fn begin(&self, who: Incarnation, is_second: bool) {
        let stream = self.stream();
        let lanes = [stream.lane(0), stream.lane(1)];
        let turn = self.transactions.turn("t").await.unwrap();
        let turn = self.transactions.add(turn, who, Part { lanes: &lanes, group: Some("g") }, is_second).await.unwrap();
        for lane in lanes {
            let stamp = ProducerStamp { id: who.producer, epoch: who.epoch, first_sequence: 0 };
            let batch = Builder::default().producer(stamp).transactional().record(Draft::default()).build().unwrap();
            self.log.append(lane, &batch, Patience::Refuse).unwrap().durable().await.unwrap();
        }
        let offset = NewOffset { topic: "orders".to_owned(), partition: 0, offset: 7, leader_epoch: -1, metadata: String::new() };
        let who_commits = Membership { generation: -1, ..Membership::default() };
        let commit = Commit { who: who_commits, epochs_known: true, retention: None, offsets: vec![offset] };
        assert_eq!(self.groups.commit_in_transaction("g", who.producer, commit).await, Ok(vec![Ok(())]));
        drop(turn);
    }

    fn state(&self) -> State {
        self.transactions.describe("t").unwrap().state
    }

    /// Whether all that was written is decided, in lanes and group: the group's offset.
    async fn decided(&self) -> Option<i64> {
        for lane in 0..2 {
            let reach = self.log.reach(self.stream().lane(lane)).await.unwrap();
            assert_eq!(reach.stable, reach.tip, "lane {lane}");
        }
        assert!(self.groups.unstable("g").await.unwrap().is_empty());
        let wanted = Some(vec![("orders".to_owned(), vec![0])]);
        let found = self.groups.fetch("g", wanted, Membership::nobody()).await.unwrap();
        found[0].1[0].1.as_ref().map(|committed| committed.offset)
    }
}

async fn until(what: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within ten seconds");
}

/// The writes of an end, each of which may be the first that a crash takes away.
const STEPS: [(&str, Call, u64); 5] = [
    ("prepared", Call::Commit, 1),
    ("the first marker", Call::Append, 1),
    ("the second marker", Call::Append, 2),
    ("the group's offsets", Call::Commit, 2),
    ("complete", Call::Commit, 3),
];

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_step_of_an_end_leaves_it_wished_or_done() {
    for (step, call, nth) in STEPS {
        for (outcome, is_second) in
            [(Outcome::Committed, false), (Outcome::Aborted, false), (Outcome::Committed, true), (Outcome::Aborted, true)]
        {
            let store = Arc::new(MemoryStore::default());
            let house = open(&store);
            house.log.create_stream(StreamName::new("orders").unwrap(), 2, Settings::default()).await.unwrap();
            let who = house.transactions.init("t", MINUTE, None).await.unwrap();
            house.begin(who, is_second).await;
            house.faults.pick(call, nth, Fault::Stall);
            let transactions = house.transactions.clone();
            let ending = tokio::spawn(async move { transactions.end("t", who, outcome, is_second).await });
            until(|| house.faults.held() > 0).await;
            ending.abort();
            house.faults.forget();
            drop(house);

            let house = open(&store);
            if step == "prepared" {
                assert_eq!(house.state(), State::Ongoing);
            } else {
                until(|| house.state() != State::PrepareCommit && house.state() != State::PrepareAbort).await;
            }
            // Who was not answered wishes the same again.
            let next = house.transactions.end("t", who, outcome, is_second).await.unwrap();
            assert_eq!(next.epoch, who.epoch + i16::from(is_second), "{step}");
            let (complete, offset) = match outcome {
                Outcome::Committed => (State::CompleteCommit, Some(7)),
                Outcome::Aborted => (State::CompleteAbort, None),
            };
            assert_eq!((house.state(), house.decided().await), (complete, offset), "{step} {outcome:?} {is_second}");
            // And goes on.
            let lane = house.stream().lane(0);
            let turn = house.transactions.turn("t").await.unwrap();
            let part = Part { lanes: &[lane], group: None };
            drop(house.transactions.add(turn, next, part, is_second).await.unwrap());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_whose_markers_fail_is_certain_and_written_later() {
    for (call, nth) in [(Call::Append, 1), (Call::Append, 2), (Call::Commit, 2), (Call::Commit, 3)] {
        let house = open(&Arc::default());
        house.log.create_stream(StreamName::new("orders").unwrap(), 2, Settings::default()).await.unwrap();
        let who = house.transactions.init("t", MINUTE, None).await.unwrap();
        house.begin(who, true).await;
        house.faults.pick(call, nth, Fault::Fail);
        let next = house.transactions.end("t", who, Outcome::Committed, true).await.unwrap();
        assert_eq!(next.epoch, 1);
        until(|| house.state() == State::CompleteCommit).await;
        assert_eq!(house.decided().await, Some(7), "{call:?} {nth}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_stored_has_not_happened() {
    let house = open(&Arc::default());
    house.log.create_stream(StreamName::new("orders").unwrap(), 2, Settings::default()).await.unwrap();
    house.faults.pick(Call::Commit, 2, Fault::Fail); // The first gives producer ids.
    assert_eq!(house.transactions.init("t", MINUTE, None).await, Err(Refusal::Unavailable));
    assert_eq!(house.transactions.describe("t").map(drop), Err(Refusal::UnknownId));
    let who = house.transactions.init("t", MINUTE, None).await.unwrap();
    house.begin(who, true).await;
    house.faults.pick(Call::Commit, 1, Fault::Fail);
    assert_eq!(house.transactions.end("t", who, Outcome::Committed, true).await, Err(Refusal::Unavailable));
    assert_eq!(house.state(), State::Ongoing);
    assert_eq!(house.transactions.end("t", who, Outcome::Committed, true).await.map(|next| next.epoch), Ok(1));
    assert_eq!(house.decided().await, Some(7));
}

#[tokio::test(start_paused = true)]
async fn an_id_that_was_not_used_for_a_week_is_forgotten() {
    let store = Arc::new(MemoryStore::default());
    let house = open(&store);
    let who = house.transactions.init("t", MINUTE, None).await.unwrap();
    tokio::time::sleep(Duration::from_secs(7 * 86_400 - 3_600)).await;
    assert!(house.transactions.describe("t").is_ok());
    tokio::time::sleep(Duration::from_secs(3 * 3_600)).await;
    assert_eq!(house.transactions.describe("t").map(drop), Err(Refusal::UnknownId));
    assert_eq!(house.transactions.shared.bytes.load(Ordering::Relaxed), 0);
    drop(house);
    let house = open(&store);
    assert_eq!(house.transactions.describe("t").map(drop), Err(Refusal::UnknownId));
    assert_ne!(house.transactions.init("t", MINUTE, None).await.unwrap().producer, who.producer);
}
