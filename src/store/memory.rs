//! **The engine that keeps everything in memory**: for `--ephemeral`, the embedded library and tests.
//!
//! Durable means in memory here, so a write is done before its call returns: `Done` is called by the caller itself, outside
//! every lock. If another thread is already answering for the same lane, that thread calls it instead, so that one lane's
//! answers stay in the order of its calls. Nothing bounds the bytes but retention: that is what ephemeral means.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::lane::LaneHead;
use super::{Block, Done, Error, Extent, Journal, Ledger, Portion, Search, Volume, Write};
use crate::batch::ProducerWindow;
use crate::model::{LaneId, Offset, Timestamp};

/// Journal and ledger in memory.
#[derive(Default)]
pub struct MemoryStore {
    lanes: Mutex<HashMap<LaneId, Arc<Lane>>>,
    forwarding: Mutex<()>,
    tree: Mutex<BTreeMap<Bytes, Bytes>>,
    committed: Answers,
    removed: Answers,
}

#[derive(Default)]
struct Lane {
    state: Mutex<LaneState>,
    appended: Answers,
}

#[derive(Default)]
struct LaneState {
    head: LaneHead,
    kept: VecDeque<Kept>,
    bytes: u64,
}

/// A block, and the latest times of all blocks up to it: they only grow, so they can be searched by halves.
struct Kept {
    block: Block,
    arrived_max: Timestamp,
    created_max: Timestamp,
}

impl Kept {
    fn created_at(&self) -> Timestamp {
        self.block.batch.header().latest_timestamp()
    }

    fn next(&self) -> Offset {
        self.block.batch.header().next_offset()
    }
}

impl LaneState {
    fn append(&mut self, block: Block) -> Result<(), Error> {
        let next = self.head.extent().next;
        if block.batch.header().base_offset != next {
            return Err(Error::Fenced { next });
        }
        self.head.apply(&block);
        self.bytes += block.batch.bytes().len() as u64;
        let (arrived, created) = (block.arrived_at, block.batch.header().latest_timestamp());
        let (arrived_max, created_max) = self.kept.back().map_or((arrived, created), |last| (last.arrived_max, last.created_max));
        self.kept.push_back(Kept { block, arrived_max: arrived_max.max(arrived), created_max: created_max.max(created) });
        Ok(())
    }

    fn trim(&mut self, before: Offset) {
        self.head.trim(before);
        let horizon = self.head.extent().horizon;
        while self.kept.front().is_some_and(|kept| kept.next() <= horizon) {
            if let Some(kept) = self.kept.pop_front() {
                self.bytes -= kept.block.batch.bytes().len() as u64;
            }
        }
    }

    fn read(&self, from: Offset, portion: Portion) -> Vec<Block> {
        let start = self.kept.partition_point(|kept| kept.next() <= from);
        let blocks = self.kept.range(start..).map(|kept| &kept.block);
        blocks.clone().take(portion.count(blocks)).cloned().collect()
    }

    fn find(&self, search: Search) -> Option<Block> {
        // A trimmed block may have been the latest of its time; then the first that is late enough itself comes further on.
        let first = |start: usize, late: &dyn Fn(&Kept) -> bool| self.kept.range(start..).find(|kept| late(kept));
        let found = match search {
            Search::ArrivedFrom(time) => {
                let start = self.kept.partition_point(|kept| kept.arrived_max < time);
                first(start, &|kept| kept.block.arrived_at >= time)
            }
            Search::CreatedFrom(time) => {
                let start = self.kept.partition_point(|kept| kept.created_max < time);
                first(start, &|kept| kept.created_at() >= time)
            }
            Search::LatestCreated => {
                let latest = self.kept.back()?.created_max;
                let start = self.kept.partition_point(|kept| kept.created_max < latest);
                let latest = first(start, &|kept| kept.created_at() == latest);
                // `max_by_key` takes the last of equals, and the first is wanted.
                latest.or_else(|| self.kept.iter().rev().max_by_key(|kept| kept.created_at()))
            }
        };
        found.map(|kept| kept.block.clone())
    }
}

impl MemoryStore {
    fn lane(&self, id: LaneId) -> Option<Arc<Lane>> {
        locked(&self.lanes).get(&id).cloned()
    }

    fn lane_or_new(&self, id: LaneId) -> Arc<Lane> {
        Arc::clone(locked(&self.lanes).entry(id).or_default())
    }
}

impl Journal for MemoryStore {
    fn lanes(&self) -> Vec<LaneId> {
        locked(&self.lanes).keys().copied().collect()
    }

    fn extent(&self, lane: LaneId) -> Extent {
        self.lane(lane).map(|lane| locked(&lane.state).head.extent()).unwrap_or_default()
    }

    fn append(&self, id: LaneId, block: Block, done: Done) {
        // Only a lane's first block makes the lane; any other at an unknown one is fenced by a lane that nobody keeps.
        let first = block.batch.header().base_offset == Offset::default();
        let lane = if first { self.lane_or_new(id) } else { self.lane(id).unwrap_or_default() };
        // Of two lanes that are locked at once, another append could hold one and wait for the other.
        let forwarding_turn = block.forwarded_from(id).map(|_| locked(&self.forwarding));
        let mut state = locked(&lane.state);
        let forwarded = block.forwarded_from(id).map(|origin| (origin, block.clone()));
        let result = state.append(block);
        if let (Some((origin, block)), Ok(())) = (forwarded, &result) {
            locked(&self.lane_or_new(origin).state).head.apply_forwarded(&block);
        }
        lane.appended.push(done, result);
        drop((state, forwarding_turn));
        lane.appended.call();
    }

    fn read(&self, lane: LaneId, from: Offset, portion: Portion) -> Result<Vec<Block>, Error> {
        Ok(self.lane(lane).map(|lane| locked(&lane.state).read(from, portion)).unwrap_or_default())
    }

    fn find(&self, lane: LaneId, search: Search) -> Result<Option<Block>, Error> {
        Ok(self.lane(lane).and_then(|lane| locked(&lane.state).find(search)))
    }

    fn producer(&self, lane: LaneId, id: i64) -> Option<ProducerWindow> {
        self.lane(lane).and_then(|lane| locked(&lane.state).head.producer(id).cloned())
    }

    fn look(&self, lane: LaneId, see: &mut dyn FnMut(&LaneHead)) {
        if let Some(lane) = self.lane(lane) {
            see(&locked(&lane.state).head);
        }
    }

    fn bytes(&self, lane: LaneId) -> Result<u64, Error> {
        Ok(self.lane(lane).map_or(0, |lane| locked(&lane.state).bytes))
    }

    fn waits(&self) -> bool {
        false
    }

    fn volume(&self) -> Option<Volume> {
        None
    }

    fn trim(&self, lane: LaneId, before: Offset) {
        locked(&self.lane_or_new(lane).state).trim(before);
    }

    fn remove(&self, lanes: &[LaneId], done: Done) {
        let mut table = locked(&self.lanes);
        for lane in lanes {
            table.remove(lane);
        }
        self.removed.push(done, Ok(()));
        drop(table);
        self.removed.call();
    }
}

impl Ledger for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(locked(&self.tree).get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Error> {
        // Collected first, so that a visitor may use the ledger too; keys and values are shared, not copied.
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let tree = locked(&self.tree);
        let found: Vec<_> = tree
            .range::<[u8], _>(from)
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        drop(tree);
        found.iter().for_each(|(key, value)| visit(key, value));
        Ok(())
    }

    fn commit(&self, writes: Vec<Write>, done: Done) {
        let mut tree = locked(&self.tree);
        for write in writes {
            match write {
                Write::Put { key, value } => drop(tree.insert(key, value)),
                Write::Delete { key } => drop(tree.remove(&key)),
            }
        }
        self.committed.push(done, Ok(()));
        drop(tree);
        self.committed.call();
    }
}

/// Results that wait to be told, in order.
#[derive(Default)]
struct Answers(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    queue: VecDeque<(Done, Result<(), Error>)>,
    /// Whether a thread is calling; whoever comes meanwhile leaves its answer to that one.
    calling: bool,
}

impl Answers {
    /// Queues an answer, while the caller still holds the lock under which its write took effect.
    fn push(&self, done: Done, result: Result<(), Error>) {
        locked(&self.0).queue.push_back((done, result));
    }

    /// Calls what is queued; no lock is held while a `Done` runs, so it may come back with the next write.
    fn call(&self) {
        if !std::mem::replace(&mut locked(&self.0).calling, true) {
            while let Some((done, result)) = self.next() {
                done(result);
            }
        }
    }

    fn next(&self) -> Option<(Done, Result<(), Error>)> {
        let mut waiting = locked(&self.0);
        let answer = waiting.queue.pop_front();
        waiting.calling = answer.is_some();
        answer
    }
}

/// The state behind a lock, also if a thread panicked while it held it: no state here is ever left half changed.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
