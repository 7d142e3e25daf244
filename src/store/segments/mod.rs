//! **The commit log**: one append-only log for all lanes and for the ledger, in segment files, with group commit.
//!
//! The log is the truth. sled holds the ledger's keys and the index of the journal, says what the log says, and is
//! rebuilt from it whenever it does not.
//!
//! ```text
//!   append, commit, trim, remove                get, scan, read, find
//!            │ queue                                    │
//!        committer ── segment files ◄── pread ──────────┤
//!            │ notes, in log order                      │
//!          keeper ────── sled trees ◄───────────────────┘
//! ```
//!
//! Two threads write: the committer the log, the keeper the trees. Imports `model` and `batch` only.

mod committer;
mod disk;
mod format;
mod keeper;
mod recovery;
mod run;
mod segment;
mod tree;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use crate::batch::{Batch, ProducerWindow};
use crate::model::{LaneId, Offset, Timestamp};

use super::lane::LaneHead;
use super::{Block, Done, Error, Extent, Journal, Ledger, Portion, Search, Volume, Write};
use committer::{Command, Committer};
pub use disk::{Disk, Step, Verdict, Watch};
use format::Entry;
use keeper::Keeper;
use recovery::Lock;
use run::{Place, Run, Written};
use segment::Segment;
use tree::Tree;

const ALL: Portion = Portion::AtLeastOne(usize::MAX);

/// How a commit log is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Payload bytes after which a new segment is begun: 64 MiB. Smaller in tests.
    pub segment_bytes: u64,
    /// Whether damaged parts are given up instead of stopping the start.
    pub repair: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, repair: false }
    }
}

/// The journal and the ledger of one data directory.
pub struct SegmentStore {
    shared: Arc<Shared>,
    commands: Mutex<Sender<Command>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the callers and both threads see.
struct Shared {
    disk: Disk,
    /// Where the segment files are.
    directory: PathBuf,
    options: Options,
    lanes: RwLock<HashMap<LaneId, Arc<Mutex<Cell>>>>,
    segments: RwLock<BTreeMap<u64, Arc<Segment>>>,
    /// `None` while it is renewed, or if that failed.
    tree: RwLock<Option<Arc<Tree>>>,
    /// Held until the last thread has ended; the lock goes with it.
    _lock: Lock,
}

/// One lane.
#[derive(Default)]
struct Cell {
    /// What the durable part of the log says of it.
    head: LaneHead,
    /// Latest creation time of a record so far.
    created_max: Timestamp,
    /// Where the next append must begin, counting those in the queue.
    queued_next: Offset,
    /// The same for the committer, counting those in the group being written.
    written_next: Offset,
    /// The newest blocks, not yet in the index.
    growing: Option<Run>,
    /// Runs on their way to the index.
    closing: VecDeque<Arc<Run>>,
    /// The horizon as far as it is durable. What is dead by a later one must stay on disk until that is, too: after a
    /// crash the log would miss it.
    trimmed: Offset,
    /// Blocks that end at or before this offset are no longer counted as live.
    counted_from: Offset,
    /// Offsets that a repair gave up.
    holes: Vec<(Offset, Offset)>,
}

impl Cell {
    /// Takes a durable block in; whether the growing run is full now.
    fn take_in(&mut self, block: &Block, segment: u64, written: Written) -> bool {
        self.head.apply(block);
        // Arrivals in the index never go back, so that they can be searched by halves.
        let written = Written { arrived_at: self.head.arrived_max(), ..written };
        let full = committer::grow(&mut self.growing, segment, written, self.created_max);
        self.created_max = self.created_max.max(written.created_max);
        full
    }

    /// Forgets appends that failed.
    fn step_back(&mut self) {
        self.queued_next = self.head.extent().next;
        self.written_next = self.head.extent().next;
    }

    /// The run that holds `offset`, if it is not in the index yet.
    fn young_run(&self, offset: Offset) -> Option<Run> {
        let young = |run: &&Run| run.base <= offset && offset < run.next;
        self.growing.as_ref().filter(young).or_else(|| self.closing.iter().map(AsRef::as_ref).find(young)).cloned()
    }
}

impl Shared {
    /// The lane's cell, made if there is none.
    fn cell(&self, lane: LaneId) -> Arc<Mutex<Cell>> {
        if let Some(cell) = self.lanes.read().get(&lane) {
            return cell.clone();
        }
        self.lanes.write().entry(lane).or_default().clone()
    }

    fn existing(&self, lane: LaneId) -> Option<Arc<Mutex<Cell>>> {
        self.lanes.read().get(&lane).cloned()
    }

    fn cells(&self) -> Vec<(LaneId, Arc<Mutex<Cell>>)> {
        self.lanes.read().iter().map(|(lane, cell)| (*lane, cell.clone())).collect()
    }

    fn forget(&self, lanes: &[LaneId]) {
        let mut all = self.lanes.write();
        for lane in lanes {
            all.remove(lane);
        }
    }

    fn segment(&self, number: u64) -> Option<Arc<Segment>> {
        self.segments.read().get(&number).cloned()
    }

    fn volume(&self) -> Option<Volume> {
        let found = rustix::fs::statvfs(&self.directory).ok()?;
        Some(Volume { total: found.f_blocks * found.f_frsize, usable: found.f_bavail * found.f_frsize })
    }

    fn tree(&self) -> Result<Arc<Tree>, Error> {
        self.tree.read().clone().ok_or_else(renewing)
    }

    /// The trees, if they say what the log says.
    fn sound_tree(&self) -> Result<Arc<Tree>, Error> {
        self.tree().and_then(|tree| if tree.has_failed() { Err(renewing()) } else { Ok(tree) })
    }

    /// The run that holds `offset` or, if a hole follows there, the first behind it.
    fn run_from(&self, lane: LaneId, offset: Offset) -> Result<Option<Run>, Error> {
        if let Some(run) = self.existing(lane).and_then(|cell| cell.lock().young_run(offset)) {
            return Ok(Some(run));
        }
        self.tree()?.run_from(lane, offset)
    }

    /// Reads blocks of `run` from the one that holds `from` on.
    /// `None` if the run's segment was collected meanwhile: the index knows better by now.
    fn read_run(&self, lane: LaneId, run: &Run, from: Offset, portion: Portion) -> Result<Option<Vec<Block>>, Error> {
        if run.places.is_empty() {
            return Ok(Some(Vec::new())); // A hole.
        }
        let Some(segment) = self.segment(run.segment) else { return Ok(None) };
        let wanted = run.blocks().filter(|(_, end)| *end > from).map(|(place, _)| place);
        let mut blocks = Vec::new();
        let mut taken = 0;
        let mut stretch: Vec<Place> = Vec::new();
        for place in wanted {
            if !portion.takes(taken, place.batch_bytes()) {
                break;
            }
            taken += place.batch_bytes();
            // Neighbours in the file are read together.
            if stretch.last().is_some_and(|last| last.position + last.entry_bytes != place.position) {
                read_stretch(&segment, lane, &stretch, &mut blocks)?;
                stretch.clear();
            }
            stretch.push(place);
        }
        read_stretch(&segment, lane, &stretch, &mut blocks)?;
        Ok(Some(blocks))
    }
}

fn renewing() -> Error {
    Error::Failed("the sled trees failed; they are renewed from the commit log as soon as the disk lets us".to_owned())
}

/// Reads places that lie behind each other.
fn read_stretch(segment: &Segment, of: LaneId, places: &[Place], blocks: &mut Vec<Block>) -> Result<(), Error> {
    let Some(first) = places.first() else { return Ok(()) };
    let bytes: u32 = places.iter().map(|place| place.entry_bytes).sum();
    let mut rest = segment.bytes_at(u64::from(first.position), bytes as usize)?;
    for place in places {
        let position = u64::from(place.position);
        match segment.entry_in(&mut rest, position)? {
            Entry::Block { lane, origin, arrived_at, batch, .. } => {
                let batch = Batch::stored(batch).map_err(|_| segment.damaged_at(position))?;
                if lane != of || batch.header().base_offset != place.base {
                    return Err(segment.damaged_at(position));
                }
                blocks.push(Block { batch, arrived_at, origin: Some(origin).filter(|origin| *origin != lane.lane) });
            }
            _ => return Err(segment.damaged_at(position)),
        }
    }
    Ok(())
}

impl SegmentStore {
    /// Opens the data directory, which is made if it is not there, and recovers what it holds.
    pub fn open(directory: &Path, options: Options) -> Result<Self, Error> {
        Self::open_on(Disk::default(), directory, options)
    }

    /// The same on a disk of the caller's.
    pub fn open_on(disk: Disk, directory: &Path, options: Options) -> Result<Self, Error> {
        let recovered = recovery::open(disk, directory, options)?;
        let (commands, queue) = channel();
        let (notes, noted) = channel();
        let shared = recovered.shared;
        let committer = Committer {
            shared: shared.clone(),
            commands: queue,
            notes,
            current: recovered.current,
            roll_at: recovered.roll_at,
            growing: recovered.growing,
            owed_trims: HashSet::new(),
            suspect: false,
        };
        let keeper = Keeper::new(shared.clone(), noted, commands.clone());
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let started = std::thread::Builder::new().name(name.to_owned()).spawn(work);
            started.map_err(|error| Error::Failed(format!("cannot start the thread {name}: {error}")))
        };
        let threads = vec![spawn("committer", Box::new(|| committer.run()))?, spawn("keeper", Box::new(|| keeper.run()))?];
        let store = Self { shared, commands: Mutex::new(commands), threads: Mutex::new(threads) };
        if options.repair {
            // A new segment is due, whose snapshot says what the repair gave up: the next start need not ask again.
            let (answer, answered) = channel();
            store.commit(Vec::new(), Box::new(move |result| drop(answer.send(result))));
            answered.recv().map_err(|_| Error::Failed("the store stopped before the repair was durable".to_owned()))??;
        }
        Ok(store)
    }

    fn send(&self, command: Command) {
        // If the committer has gone, the command's `done` is dropped with it, and its waiter hears that: under no lock.
        let refused = self.commands.lock().send(command);
        drop(refused);
    }

    /// Where in the lane `wanted` first holds of a run; it must hold of all runs behind it too.
    fn first_run(&self, lane: LaneId, extent: Extent, wanted: impl Fn(&Run) -> bool) -> Result<Option<Run>, Error> {
        let (mut low, mut high, mut found) = (extent.horizon, extent.next, None);
        while low < high {
            let middle = Offset(low.0 + (high.0 - low.0) / 2);
            match self.shared.run_from(lane, middle)? {
                Some(run) if wanted(&run) => {
                    high = run.base.min(middle);
                    found = Some(run);
                }
                Some(run) => low = run.next,
                None => high = middle,
            }
        }
        Ok(found)
    }

    /// The run from `from` on and its blocks from there; none for a hole.
    fn run_and_blocks(&self, lane: LaneId, from: Offset, portion: Portion) -> Result<Option<(Run, Vec<Block>)>, Error> {
        let mut missing = None;
        while let Some(run) = self.shared.run_from(lane, from)? {
            if let Some(blocks) = self.shared.read_run(lane, &run, from, portion)? {
                return Ok(Some((run, blocks)));
            }
            // Collected between the look-up and the read: the index has the new place. Twice the same is not that.
            if missing.replace(run.segment) == Some(run.segment) {
                return Err(Error::Damaged(format!("the index points to segment {}, which is not there", run.segment)));
            }
        }
        Ok(None)
    }

    /// The first block at or after `from` that `wanted` holds of, in runs that `worth` holds of.
    fn first_block(
        &self,
        lane: LaneId,
        mut from: Offset,
        worth: impl Fn(&Run) -> bool,
        wanted: impl Fn(&Block) -> bool,
    ) -> Result<Option<Block>, Error> {
        while let Some(run) = self.shared.run_from(lane, from)? {
            if worth(&run)
                && let Some((_, blocks)) = self.run_and_blocks(lane, from, ALL)?
                && let Some(block) = blocks.into_iter().find(&wanted)
            {
                return Ok(Some(block));
            }
            from = run.next;
        }
        Ok(None)
    }

    /// The first of the blocks from `horizon` on with the latest creation time.
    fn latest_created(&self, lane: LaneId, horizon: Offset) -> Result<Option<Block>, Error> {
        let latest_of = |run: &Run| {
            let blocks = self.run_and_blocks(lane, run.base.max(horizon), ALL)?.map(|(_, blocks)| blocks).unwrap_or_default();
            // Backwards, since `max_by_key` takes the last of equals.
            Ok::<_, Error>(blocks.into_iter().rev().max_by_key(|block| block.batch.header().latest_timestamp()))
        };
        let (mut from, mut latest, mut best) = (horizon, None, None::<Run>);
        while let Some(run) = self.shared.run_from(lane, from)? {
            from = run.next;
            if run.base < horizon {
                // What the run says counts blocks that are gone, so its blocks themselves are asked.
                latest = latest_of(&run)?;
            } else if best.as_ref().is_none_or(|best| run.created_max > best.created_max) {
                best = Some(run);
            }
        }
        match (latest, best) {
            (Some(block), Some(run)) if run.created_max <= block.batch.header().latest_timestamp() => Ok(Some(block)),
            (_, Some(run)) => latest_of(&run),
            (latest, None) => Ok(latest),
        }
    }
}

impl Drop for SegmentStore {
    fn drop(&mut self) {
        self.send(Command::Close);
        let threads: Vec<_> = self.threads.lock().drain(..).collect();
        let here = std::thread::current().id();
        if threads.iter().any(|thread| thread.thread().id() == here) {
            return; // The last handle went with an answer: both threads end by themselves, but not while one waits here.
        }
        for thread in threads {
            // A thread that panicked has left its last words in the log; there is nothing more to save here.
            let _ = thread.join();
        }
    }
}

impl Journal for SegmentStore {
    fn lanes(&self) -> Vec<LaneId> {
        let written = |(lane, cell): (LaneId, Arc<Mutex<Cell>>)| (cell.lock().head != LaneHead::default()).then_some(lane);
        self.shared.cells().into_iter().filter_map(written).collect()
    }

    fn extent(&self, lane: LaneId) -> Extent {
        self.shared.existing(lane).map(|cell| cell.lock().head.extent()).unwrap_or_default()
    }

    fn append(&self, lane: LaneId, block: Block, done: Done) {
        let cell = self.shared.cell(lane);
        let mut cell = cell.lock();
        let (base, next) = (block.batch.header().base_offset, cell.queued_next);
        if base == next {
            cell.queued_next = block.batch.header().next_offset();
            // Sent under the lane's lock, so that the queue has a lane's blocks in their order.
            let refused = self.commands.lock().send(Command::Append { lane, block, done });
            drop(cell);
            drop(refused);
        } else {
            drop(cell);
            done(Err(Error::Fenced { next }));
        }
    }

    fn read(&self, lane: LaneId, from: Offset, portion: Portion) -> Result<Vec<Block>, Error> {
        let extent = self.extent(lane);
        let mut from = from.max(extent.horizon);
        let (mut blocks, mut taken) = (Vec::new(), 0);
        while from < extent.next {
            let Some((run, more)) = self.run_and_blocks(lane, from, portion.behind(taken))? else { break };
            if run.base > from && !blocks.is_empty() {
                break; // What lay between was trimmed meanwhile: one answer has no gap.
            }
            // What lies behind a hole is read on.
            let read_to = more.last().map(|block| block.batch.header().next_offset());
            let is_whole = run.places.is_empty() || read_to == Some(run.next);
            taken += more.iter().map(|block| block.batch.bytes().len()).sum::<usize>();
            blocks.extend(more);
            if !is_whole {
                break;
            }
            from = run.next;
        }
        Ok(blocks)
    }

    fn find(&self, lane: LaneId, search: Search) -> Result<Option<Block>, Error> {
        let extent = self.extent(lane);
        match search {
            Search::ArrivedFrom(time) => {
                let Some(run) = self.first_run(lane, extent, |run| run.arrived_last >= time)? else { return Ok(None) };
                self.first_block(
                    lane,
                    run.base.max(extent.horizon),
                    |run| run.arrived_last >= time,
                    |block| block.arrived_at >= time,
                )
            }
            Search::CreatedFrom(time) => {
                let created = |block: &Block| block.batch.header().latest_timestamp() >= time;
                let Some(run) = self.first_run(lane, extent, |run| run.created_so_far >= time)? else { return Ok(None) };
                // Before the horizon there may have been later times: then the first run is only where to begin.
                self.first_block(lane, run.base.max(extent.horizon), |run| run.created_max >= time, created)
            }
            Search::LatestCreated => self.latest_created(lane, extent.horizon),
        }
    }

    fn producer(&self, lane: LaneId, id: i64) -> Option<ProducerWindow> {
        self.shared.existing(lane)?.lock().head.producer(id).cloned()
    }

    fn look(&self, lane: LaneId, see: &mut dyn FnMut(&LaneHead)) {
        if let Some(cell) = self.shared.existing(lane) {
            see(&cell.lock().head);
        }
    }

    fn bytes(&self, lane: LaneId) -> Result<u64, Error> {
        let Extent { horizon: mut from, .. } = self.extent(lane);
        let mut bytes = 0;
        while let Some(run) = self.shared.run_from(lane, from)? {
            bytes += run.blocks().filter(|(_, end)| *end > from).map(|(place, _)| place.batch_bytes() as u64).sum::<u64>();
            from = run.next;
        }
        Ok(bytes)
    }

    fn volume(&self) -> Option<Volume> {
        self.shared.volume()
    }

    fn trim(&self, lane: LaneId, before: Offset) {
        let Some(cell) = self.shared.existing(lane) else { return };
        let mut cell = cell.lock();
        let horizon = cell.head.extent().horizon;
        cell.head.trim(before);
        if cell.head.extent().horizon > horizon {
            self.send(Command::Trim { lane, before: cell.head.extent().horizon });
        }
    }

    fn remove(&self, lanes: &[LaneId], done: Done) {
        self.send(Command::Remove { lanes: lanes.to_vec(), done });
    }
}

impl Ledger for SegmentStore {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.shared.tree()?.get(key)
    }

    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Error> {
        self.shared.tree()?.scan(prefix, visit)
    }

    fn commit(&self, writes: Vec<Write>, done: Done) {
        self.send(Command::Commit { writes, done });
    }
}
