//! The newest blocks of each lane in memory, the appends under way, and one bell per lane that readers wait on.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, oneshot};

use crate::batch::{ProducerStamp, ProducerWindow};
use crate::model::{Lane, LaneId, Offset, ShardId, Timestamp};
use crate::store::{self, Block, Journal, Portion};

use super::append::Parked;
use super::read::Reach;
use super::route::Takes;
use super::throughput::{Reads, Writes};

/// What a block costs in memory beside its bytes.
const BLOCK_OVERHEAD: usize = 256;
/// Readers that stopped listening are swept out when a lane has more than this many.
const BELLS_SWEPT_AT: usize = 16;

/// One lane as the log sees it.
pub(super) struct LaneCell {
    pub(super) id: LaneId,
    /// Held while a batch is numbered and handed to the journal, so that both happen in one order.
    /// Always taken before `state`, never after.
    pub(super) numbering: Mutex<Numbering>,
    pub(super) state: Mutex<LaneState>,
    /// Where each of the lane's shards begins, in order.
    pub(super) spans: RwLock<Vec<(Offset, ShardId)>>,
    /// What was read lately of the lane's shards.
    pub(super) reads: Mutex<HashMap<ShardId, Reads>>,
    tails: Arc<Tails>,
}

/// Who may append, in which order.
pub(super) struct Numbering {
    /// The stream is being deleted: nothing is appended any more.
    pub(super) sealed: bool,
    /// Who takes what is written to the lane.
    pub(super) takes: Takes,
    /// What is written while the lane's shards are changed, in order; `None` while they are not.
    pub(super) parked: Option<VecDeque<Parked>>,
    /// What was written to the open shard lately; `None` while nothing is metered.
    pub(super) writes: Option<Writes>,
}

/// What is known of a lane.
pub(super) struct LaneState {
    /// The next offset, counting appends under way.
    pub(super) next: Offset,
    /// The next offset that is durable: readers see what is below.
    pub(super) tip: Offset,
    pub(super) horizon: Offset,
    /// Where the last read from the disk ended that may be followed by the next.
    pub(super) read_to: Offset,
    /// Where the oldest open transaction begins, as far as it is durable; `None` if none is open.
    pub(super) unstable: Option<Offset>,
    /// Arrival of the first block at the horizon; `None` until somebody looked.
    pub(super) oldest: Option<Timestamp>,
    /// Arrival of the last batch numbered: arrivals never go back.
    pub(super) last_arrived: Timestamp,
    /// Windows of producers with appends under way, by the lane they wrote to; of others the journal knows.
    pub(super) producers: HashMap<(Lane, i64), Busy>,
    /// Appends under way, in order.
    under_way: VecDeque<UnderWay>,
    /// Raised when an append fails: appends numbered before that have failed too.
    generation: u64,
    newest: VecDeque<Block>,
    /// Bytes of batches that became durable since the gateway was started: only grows.
    pub(super) written: u64,
    /// Each with the number of its turn, by address: a reader that listens again and again is there once.
    bells: HashMap<usize, (u64, Weak<Notify>)>,
    /// How often somebody listened so far.
    turns: u64,
}

/// A producer with appends under way.
pub(super) struct Busy {
    pub(super) window: ProducerWindow,
    pub(super) appends: usize,
}

/// Hears how an append ended.
pub(super) type End = oneshot::Receiver<Result<(), store::Error>>;

struct UnderWay {
    block: Block,
    /// Those who wait for the end of this append beside its caller.
    followers: Vec<oneshot::Sender<Result<(), store::Error>>>,
}

impl UnderWay {
    fn follow(&mut self) -> End {
        let (follower, end) = oneshot::channel();
        self.followers.push(follower);
        end
    }
}

impl LaneCell {
    pub(super) fn new(id: LaneId, horizon: Offset, next: Offset, tails: Arc<Tails>) -> Self {
        let state = LaneState {
            next,
            tip: next,
            horizon,
            read_to: Offset::default(),
            unstable: None,
            oldest: None,
            last_arrived: Timestamp::default(),
            producers: HashMap::new(),
            under_way: VecDeque::new(),
            generation: 0,
            newest: VecDeque::new(),
            written: 0,
            bells: HashMap::new(),
            turns: 0,
        };
        // The shard is told by the catalog, which knows it.
        let numbering = Numbering { sealed: false, takes: Takes::Open(ShardId(id.lane.0)), parked: None, writes: None };
        let (numbering, state) = (Mutex::new(numbering), Mutex::new(state));
        Self { id, numbering, state, spans: RwLock::default(), reads: Mutex::default(), tails }
    }

    /// The shard that has the record at `offset`, or will have it.
    pub(super) fn shard_at(&self, offset: Offset) -> ShardId {
        let spans = self.spans.read();
        let behind = spans.partition_point(|(first, _)| *first <= offset);
        behind.checked_sub(1).and_then(|at| spans.get(at)).map_or(ShardId(self.id.lane.0), |(_, shard)| *shard)
    }

    /// What the journal says of an append that was numbered in `generation`: called in the order of the log.
    pub(super) fn settle(self: &Arc<Self>, generation: u64, result: &Result<(), store::Error>, journal: &dyn Journal) {
        let mut state = self.state.lock();
        if state.generation != generation {
            return;
        }
        match result {
            Ok(()) => {
                let Some(UnderWay { block, followers }) = state.under_way.pop_front() else { return };
                state.tip = block.batch.header().next_offset();
                if block.batch.header().transactional {
                    state.note_unstable(self.id, journal);
                }
                let origin = block.origin_in(self.id).lane;
                if let Some(stamp) = block.batch.header().producer.filter(|_| !block.batch.header().control)
                    && let Some(busy) = state.producers.get_mut(&(origin, stamp.id))
                {
                    busy.appends -= 1;
                    if busy.appends == 0 {
                        state.producers.remove(&(origin, stamp.id));
                    }
                }
                if state.oldest.is_none() && state.horizon >= block.batch.header().base_offset {
                    state.oldest = Some(block.arrived_at);
                }
                let (base, bytes) = (block.batch.header().base_offset, cost(&block));
                state.written += block.batch.bytes().len() as u64;
                state.newest.push_back(block);
                state.ring();
                drop(state);
                self.tails.added(self, base, bytes);
                answer(followers, result);
            }
            Err(_) => {
                state.generation += 1;
                state.producers.clear();
                state.next = journal.extent(self.id).next;
                let failed = std::mem::take(&mut state.under_way);
                drop(state);
                failed.into_iter().for_each(|append| answer(append.followers, result));
            }
        }
    }

    /// Rings for everybody who waits, because the stream is going.
    pub(super) fn ring(&self) {
        self.state.lock().ring();
    }

    /// Gives the memory of its newest blocks back.
    pub(super) fn forget_tail(&self) {
        let newest = std::mem::take(&mut self.state.lock().newest);
        self.tails.bytes.fetch_sub(newest.iter().map(cost).sum(), Ordering::Relaxed);
    }
}

impl Drop for LaneCell {
    fn drop(&mut self) {
        self.forget_tail();
    }
}

impl LaneState {
    /// Puts a numbered block under way; the generation it belongs to.
    pub(super) fn start(&mut self, block: Block) -> u64 {
        self.next = block.batch.header().next_offset();
        self.last_arrived = block.arrived_at;
        self.under_way.push_back(UnderWay { block, followers: Vec::new() });
        self.generation
    }

    /// The offsets that can be read, if the first of them is `horizon`.
    pub(super) fn reach(&self, horizon: Offset) -> Reach {
        let tip = self.tip.max(horizon);
        Reach { horizon, tip, stable: self.unstable.map_or(tip, |first| first.clamp(horizon, tip)) }
    }

    /// Looks up where the oldest open transaction of `lane` begins. What the journal says may be newer than the tip, never older.
    pub(super) fn note_unstable(&mut self, lane: LaneId, journal: &dyn Journal) {
        journal.look(lane, &mut |head| self.unstable = head.transactions().first_unstable());
    }

    /// Whether something that `producer` wrote in a transaction is under way.
    pub(super) fn has_transactional(&self, producer: i64) -> bool {
        let is_meant = |append: &UnderWay| {
            let header = append.block.batch.header();
            header.transactional && !header.control && header.producer.is_some_and(|stamp| stamp.id == producer)
        };
        self.under_way.iter().any(is_meant)
    }

    /// Waits with the append under way that has the stamp and was written to `origin`, `None` for the lane itself; `None` if
    /// there is no such append, so that it is durable.
    pub(super) fn follow(&mut self, origin: Option<Lane>, stamp: ProducerStamp) -> Option<End> {
        let is_meant =
            |append: &&mut UnderWay| append.block.origin == origin && append.block.batch.header().producer == Some(stamp);
        self.under_way.iter_mut().find(is_meant).map(UnderWay::follow)
    }

    /// Waits with the last append under way; `None` if there is none.
    pub(super) fn follow_last(&mut self) -> Option<End> {
        self.under_way.back_mut().map(UnderWay::follow)
    }

    /// Has `bell` rung at the next change.
    pub(super) fn listen(&mut self, bell: &Arc<Notify>) {
        if self.bells.len() >= BELLS_SWEPT_AT && self.bells.len().is_power_of_two() {
            self.bells.retain(|_, (_, bell)| bell.strong_count() > 0);
        }
        self.turns += 1;
        self.bells.insert(Arc::as_ptr(bell).addr(), (self.turns, Arc::downgrade(bell)));
    }

    /// Whether somebody else than the owner of `bell` listens.
    pub(super) fn has_other_listeners(&self, bell: &Arc<Notify>) -> bool {
        self.bells.iter().any(|(address, (_, other))| *address != Arc::as_ptr(bell).addr() && other.strong_count() > 0)
    }

    /// Wakes all who listen, in the order in which they came.
    fn ring(&mut self) {
        let mut bells: Vec<_> = self.bells.drain().map(|(_, bell)| bell).collect();
        bells.sort_unstable_by_key(|(turn, _)| *turn);
        for bell in bells.into_iter().filter_map(|(_, bell)| bell.upgrade()) {
            bell.notify_one();
        }
    }

    /// The first offset in memory that arrived at `alive` or later; the tip if there is none.
    pub(super) fn newest_alive(&self, alive: Timestamp) -> Offset {
        let alive = self.newest.iter().find(|block| block.arrived_at >= alive);
        alive.map_or(self.tip, |block| block.batch.header().base_offset)
    }

    /// The blocks from the one that holds `from` on, if they are all in memory, as many as belong to `portion`.
    pub(super) fn newest_from(&self, from: Offset, portion: Portion) -> Option<Vec<Block>> {
        if self.newest.front().is_none_or(|block| block.batch.header().base_offset > from) {
            return None;
        }
        let start = self.newest.partition_point(|block| block.batch.header().next_offset() <= from);
        let blocks = self.newest.range(start..);
        Some(blocks.clone().take(portion.count(blocks)).cloned().collect())
    }
}

fn answer(followers: Vec<oneshot::Sender<Result<(), store::Error>>>, result: &Result<(), store::Error>) {
    for follower in followers {
        // A follower that hung up does not want to know.
        let _ = follower.send(result.clone());
    }
}

fn cost(block: &Block) -> usize {
    block.batch.bytes().len() + BLOCK_OVERHEAD
}

/// The memory that all tails share: the oldest block of all lanes goes first.
pub(super) struct Tails {
    bytes_max: usize,
    bytes: AtomicUsize,
    order: Mutex<Order>,
}

/// Which block came first, of all lanes.
struct Order {
    blocks: VecDeque<(Weak<LaneCell>, Offset)>,
    /// Blocks that went with their streams are swept out when there are this many in all.
    swept_at: usize,
}

/// Blocks below which sweeping is not worth it.
const ORDER_SWEPT_MIN: usize = 4_096;

impl Tails {
    pub(super) fn new(bytes_max: usize) -> Self {
        let order = Order { blocks: VecDeque::new(), swept_at: ORDER_SWEPT_MIN };
        Self { bytes_max, bytes: AtomicUsize::new(0), order: Mutex::new(order) }
    }

    fn added(&self, cell: &Arc<LaneCell>, base: Offset, bytes: usize) {
        let mut total = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let mut order = self.order.lock();
        order.blocks.push_back((Arc::downgrade(cell), base));
        while total > self.bytes_max
            && let Some((cell, base)) = order.blocks.pop_front()
        {
            let Some(cell) = cell.upgrade() else { continue };
            let mut state = cell.state.lock();
            if state.newest.front().is_some_and(|block| block.batch.header().base_offset == base) {
                let gone = state.newest.pop_front().map_or(0, |block| cost(&block));
                total = self.bytes.fetch_sub(gone, Ordering::Relaxed) - gone;
            }
        }
        order.sweep();
    }
}

impl Order {
    fn sweep(&mut self) {
        if self.blocks.len() < self.swept_at {
            return;
        }
        self.blocks.retain(|(cell, base)| {
            let first = |cell: Arc<LaneCell>| cell.state.lock().newest.front().map(|block| block.batch.header().base_offset);
            cell.upgrade().and_then(first).is_some_and(|first| first <= *base)
        });
        self.swept_at = ORDER_SWEPT_MIN.max(self.blocks.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Builder, Draft};
    use crate::model::{Lane, StreamId};
    use crate::store::MemoryStore;

    fn cell(tails: &Arc<Tails>) -> Arc<LaneCell> {
        let id = LaneId { stream: StreamId(uuid::Uuid::nil()), lane: Lane(0) };
        Arc::new(LaneCell::new(id, Offset(0), Offset(0), tails.clone()))
    }

    fn append(cell: &Arc<LaneCell>) {
        let batch = Builder::default().record(Draft { value: Some(&[0; 1_000]), ..Draft::default() }).build().unwrap();
        let next = cell.state.lock().next;
        let generation = cell.state.lock().start(Block { batch: batch.placed_at(next), arrived_at: Timestamp(0), origin: None });
        cell.settle(generation, &Ok(()), &MemoryStore::default());
    }

    #[test]
    fn the_memory_of_all_tails_is_bounded_and_the_oldest_block_goes_first() {
        let tails = Arc::new(Tails::new(20_000));
        let (one, other) = (cell(&tails), cell(&tails));
        for _ in 0..10 {
            append(&one);
            append(&other);
        }
        assert!(tails.bytes.load(Ordering::Relaxed) <= 20_000);
        let first = |cell: &LaneCell| cell.state.lock().newest.front().map(|block| block.batch.header().base_offset);
        assert!(first(&one) > Some(Offset(0)) && first(&other) > Some(Offset(0)));
    }

    #[test]
    fn a_lane_that_goes_gives_its_memory_back() {
        let tails = Arc::new(Tails::new(1 << 30));
        let stays = cell(&tails);
        append(&stays);
        let bytes = tails.bytes.load(Ordering::Relaxed);
        for _ in 0..100 {
            let goes = cell(&tails);
            (0..100).for_each(|_| append(&goes));
            goes.forget_tail();
            // An append that was under way when the stream was deleted.
            append(&goes);
        }
        assert_eq!(tails.bytes.load(Ordering::Relaxed), bytes);
        assert!(tails.order.lock().blocks.len() <= ORDER_SWEPT_MIN);
    }

    #[test]
    fn a_reader_that_listens_again_and_again_is_there_once() {
        let tails = Arc::new(Tails::new(0));
        let (cell, bell) = (cell(&tails), Arc::new(Notify::new()));
        for _ in 0..100 {
            cell.state.lock().listen(&bell);
        }
        assert_eq!(cell.state.lock().bells.len(), 1);
        for _ in 0..100 {
            cell.state.lock().listen(&Arc::new(Notify::new()));
        }
        assert!(cell.state.lock().bells.len() <= 64, "{}", cell.state.lock().bells.len());
    }
}
