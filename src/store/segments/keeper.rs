//! The one thread that writes the sled trees: ledger and index, in the order of the log; and the collection of dead space.
//!
//! A segment whose blocks are all dead is unlinked. When sealed segments hold more than 1.4 times the live bytes, the
//! one with the smallest live part has its live blocks copied forward through the committer, and is dead then.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use crate::model::{LaneId, Offset};
use crate::store::{Done, Error, Write};

use super::committer::Command;
use super::format::Entry;
use super::run::{Run, Written};
use super::segment::{Scanner, Segment, sync_directory};
use super::tree::IndexChange;
use super::{ALL, Shared, recovery};

/// What the committer has put on disk, in its order.
pub(super) enum Note {
    Writes {
        writes: Vec<Write>,
        done: Done,
    },
    Run(LaneId, Arc<Run>),
    Trimmed(LaneId),
    Removed {
        lanes: Vec<LaneId>,
        done: Done,
    },
    Sealed(Arc<Segment>),
    /// Asks for the whole ledger as it is after all notes before this one.
    Snapshot(Sender<Result<Vec<Write>, Error>>),
    Moved {
        to: Arc<Segment>,
        blocks: Vec<(LaneId, Written)>,
    },
    MoveFailed,
    /// Asks for new trees, made from the log; nothing is written to it meanwhile.
    Renew(Sender<()>),
}

/// A flush this often at the latest, while there is something to flush …
const FLUSH_EVERY: Duration = Duration::from_millis(500);
/// … or after this many notes. What is not flushed at a power cut is only rebuilt from the log.
const FLUSH_NOTES: usize = 4_096;
/// Runs go into the index and out of it together, this many at the latest. sled writes to its file with every batch, waits for
/// that write and wakes all its threads: run by run that is more system calls than the log itself makes. Until it is in the index
/// a run is found in its lane's cell.
const CHANGED_RUNS: usize = 128;
/// Live blocks copied forward with one command.
const MOVE_BYTES: u64 = 4 << 20;
/// While the trees have failed, it is seen after so many notes whether they can be renewed. *Ours*.
const RENEWAL_NOTES: usize = 64;
/// Failed trees are renewed when the disk has so much space. *Ours*: new trees begin with 1 MiB.
const RENEWAL_BYTES: u64 = 4 << 20;

pub(super) struct Keeper {
    shared: Arc<Shared>,
    notes: Receiver<Note>,
    commands: Sender<Command>,
    unflushed: usize,
    /// Segments from this one on are not collected: notes of runs in them may still be on their way.
    noted_below: u64,
    /// Runs that are not in the index yet, in the order of the log.
    pending: Vec<(LaneId, Arc<Run>)>,
    moving: Option<Moving>,
    /// The committer was asked to wait for a renewal.
    renewing: bool,
}

/// A segment whose live blocks are being copied forward.
struct Moving {
    from: Arc<Segment>,
    /// Runs still to be copied.
    rest: VecDeque<(LaneId, Run)>,
    /// Runs whose copies are on their way.
    under_way: Vec<(LaneId, Run)>,
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>, notes: Receiver<Note>, commands: Sender<Command>) -> Self {
        let noted_below = shared.segments.read().keys().next_back().copied().unwrap_or(0);
        Self { shared, notes, commands, unflushed: 0, noted_below, pending: Vec::new(), moving: None, renewing: false }
    }

    /// Serves until the committer has gone.
    pub(super) fn run(mut self) {
        loop {
            match self.notes.recv_timeout(FLUSH_EVERY) {
                Ok(note) => {
                    self.unflushed += 1;
                    self.take(note);
                    let patience = if self.shared.sound_tree().is_ok() { FLUSH_NOTES } else { RENEWAL_NOTES };
                    if self.unflushed >= patience {
                        self.flush();
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.flush(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.flush();
    }

    fn flush(&mut self) {
        self.index_pending();
        if self.unflushed > 0 {
            self.unflushed = 0;
            warn_of(self.shared.tree().and_then(|tree| tree.flush()));
        }
        let has_room = || self.shared.volume().is_none_or(|volume| volume.usable >= RENEWAL_BYTES);
        if !self.renewing && self.shared.sound_tree().is_err() && has_room() {
            // If the committer has gone, the store is closing, and the next start does the same.
            self.renewing = self.commands.send(Command::Renew).is_ok();
        }
    }

    /// Throws the trees away and makes new ones from the log, while the committer waits.
    fn renew(&mut self) {
        (self.renewing, self.moving) = (false, None);
        self.pending.clear();
        match recovery::renew(&self.shared) {
            Ok(()) => tracing::info!("the sled trees are renewed from the commit log"),
            Err(error) => tracing::error!(%error, "the sled trees could not be renewed; it is tried again"),
        }
    }

    fn take(&mut self, note: Note) {
        // The other notes are about runs, which must be in the index then. Writes are the ledger's alone.
        if !matches!(note, Note::Run(..) | Note::Writes { .. }) {
            self.index_pending();
        }
        match note {
            Note::Writes { writes, done } => done(self.shared.tree().and_then(|tree| tree.apply(&writes))),
            Note::Run(lane, run) => {
                self.pending.push((lane, run));
                if self.pending.len() >= CHANGED_RUNS {
                    self.index_pending();
                }
            }
            Note::Trimmed(lane) => {
                warn_of(self.count_dead(lane));
                self.collect();
            }
            Note::Removed { lanes, done } => {
                for lane in lanes {
                    warn_of(self.drop_runs(lane));
                }
                done(Ok(()));
                self.collect();
            }
            Note::Sealed(segment) => {
                self.noted_below = segment.number + 1;
                warn_of(segment.look().and_then(|look| self.shared.sound_tree()?.set_seal(segment.number, Some(&look))));
                self.collect();
            }
            Note::Snapshot(answer) => {
                let mut all = Vec::new();
                let mut take = |key: &[u8], value: &[u8]| {
                    all.push(Write::Put { key: bytes::Bytes::copy_from_slice(key), value: bytes::Bytes::copy_from_slice(value) });
                };
                let scanned = self.shared.sound_tree().and_then(|tree| tree.scan(&[], &mut take));
                // The committer waits for the answer; if it has gone, nobody needs it.
                let _ = answer.send(scanned.map(|()| all));
            }
            Note::Moved { to, blocks } => self.moved(&to, blocks),
            Note::MoveFailed => self.moving = None,
            Note::Renew(answer) => {
                self.renew();
                drop(answer);
            }
        }
    }

    /// The runs that the committer closed go into the index.
    fn index_pending(&mut self) {
        let (alive, removed): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pending).into_iter().partition(|(lane, _)| self.shared.existing(*lane).is_some());
        // Of removed lanes the note of that follows, and counts what the index has of them.
        removed.iter().for_each(|(_, run)| self.bury(run));
        if alive.is_empty() {
            return;
        }
        let puts = alive.iter().map(|(lane, run)| IndexChange::Put(*lane, run.as_ref().clone())).collect();
        if let Err(error) = self.change_index(puts) {
            // They stay readable from memory, and the index is renewed.
            return tracing::error!(%error, "the index could not be written");
        }
        for (lane, run) in alive {
            self.indexed(lane, &run);
        }
    }

    /// Changes the index, with no key twice, and counts how many of its runs lie in which segment. If that fails the trees are
    /// renewed, and counted anew.
    fn change_index(&self, changes: Vec<IndexChange>) -> Result<(), Error> {
        if changes.is_empty() {
            return Ok(());
        }
        let (tree, mut counts) = (self.shared.tree()?, Vec::new());
        for change in &changes {
            let (lane, base) = change.key();
            counts.extend(tree.run_at(lane, base)?.map(|old| (old.segment, -1)));
            if let IndexChange::Put(_, run) = change {
                counts.push((run.segment, 1));
            }
        }
        tree.change_index(changes)?;
        for (segment, count) in counts {
            if let Some(segment) = self.shared.segment(segment) {
                segment.indexed.fetch_add(count, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// A run is in the index now.
    fn indexed(&self, lane: LaneId, run: &Arc<Run>) {
        let Some(cell) = self.shared.existing(lane) else { return };
        let mut cell = cell.lock();
        cell.closing.retain(|closing| !Arc::ptr_eq(closing, run));
        let trimmed = cell.trimmed > run.base;
        drop(cell);
        if trimmed {
            warn_of(self.count_dead(lane));
        }
    }

    /// All blocks of `run` are dead and were never counted so.
    fn bury(&self, run: &Run) {
        if let Some(segment) = self.shared.segment(run.segment) {
            segment.live.fetch_sub(i64::try_from(run.bytes()).unwrap_or(i64::MAX), Ordering::Relaxed);
        }
    }

    /// Takes blocks below the lane's horizon off the live bytes, and whole dead runs out of the index.
    fn count_dead(&self, lane: LaneId) -> Result<(), Error> {
        let Some(cell) = self.shared.existing(lane) else { return Ok(()) };
        let (mut from, horizon) = {
            let cell = cell.lock();
            (cell.counted_from, cell.trimmed)
        };
        let mut gone = Vec::new();
        while from < horizon {
            let Some(run) = self.shared.tree()?.run_from(lane, from)?.filter(|run| run.base < horizon) else { break };
            let dead: u64 = run
                .blocks()
                .filter(|(_, end)| *end > from && *end <= horizon)
                .map(|(place, _)| u64::from(place.entry_bytes))
                .sum();
            let counted = run.blocks().map(|(_, end)| end).filter(|end| *end <= horizon).max();
            if let Some(segment) = self.shared.segment(run.segment) {
                segment.live.fetch_sub(i64::try_from(dead).unwrap_or(i64::MAX), Ordering::Relaxed);
            }
            let mut cell = cell.lock();
            cell.counted_from = if run.next <= horizon { run.next } else { counted.unwrap_or(from).max(from) };
            from = cell.counted_from;
            drop(cell);
            if run.next > horizon {
                break;
            }
            self.remove_run(&mut gone, lane, run.base)?;
        }
        self.change_index(gone)
    }

    /// Takes a removed lane out of the index.
    fn drop_runs(&self, lane: LaneId) -> Result<(), Error> {
        let (mut from, mut gone) = (Offset(0), Vec::new());
        while let Some(run) = self.shared.tree()?.run_from(lane, from)? {
            // A run that was partly counted dead is counted once more in full: the segment then goes a little early in
            // the count, never in fact, since a segment is unlinked only when no run points to it.
            self.bury(&run);
            self.remove_run(&mut gone, lane, run.base)?;
            from = run.next;
        }
        self.change_index(gone)
    }

    /// Takes a run out of the index, together with others.
    fn remove_run(&self, gone: &mut Vec<IndexChange>, lane: LaneId, base: Offset) -> Result<(), Error> {
        gone.push(IndexChange::Remove(lane, base));
        if gone.len() < CHANGED_RUNS { Ok(()) } else { self.change_index(std::mem::take(gone)) }
    }

    /// Unlinks dead segments, and begins to move the live rest of a mostly dead one.
    fn collect(&mut self) {
        let sealed: Vec<_> = {
            let segments = self.shared.segments.read();
            let wanted = |segment: &&Arc<Segment>| !segment.stuck.load(Ordering::Relaxed);
            segments.range(..self.noted_below).map(|(_, segment)| segment).filter(wanted).cloned().collect()
        };
        let (dead, alive): (Vec<_>, Vec<_>) = sealed.into_iter().partition(|segment| segment.live.load(Ordering::Relaxed) <= 0);
        if !dead.is_empty() {
            warn_of(self.unlink(&dead));
        }
        let live: u64 = alive.iter().map(live_of).sum();
        let total: u64 = alive.iter().map(payload_of).sum();
        let worth = total.saturating_sub(live) > self.shared.options.segment_bytes / 4 && total > live + live / 5 * 2;
        if worth && self.moving.is_none() {
            // Compared as live per 2^16 bytes: exact enough to choose by.
            let worst = alive.into_iter().min_by_key(|segment| (live_of(segment) << 16) / payload_of(segment).max(1));
            if let Some(from) = worst
                && let Some(rest) = self.survivors_or_stuck(&from)
            {
                self.moving = Some(Moving { from, rest, under_way: Vec::new() });
                self.move_on();
            }
        }
    }

    /// Removes segments in which nothing lives.
    fn unlink(&mut self, dead: &[Arc<Segment>]) -> Result<(), Error> {
        // The trees on disk must not point to a file that is gone: the next start would rebuild them.
        self.unflushed = 0;
        self.shared.sound_tree()?.flush()?;
        for segment in dead {
            // With no run of the index in it, it goes without being read: that would be every byte of the log once more.
            if segment.indexed.load(Ordering::Relaxed) != 0 {
                let Some(rest) = self.survivors_or_stuck(segment) else { continue };
                if !rest.is_empty() {
                    // The count of live bytes was low, the index is right: count anew.
                    let live: u64 = rest.iter().map(|(_, run)| run.bytes()).sum();
                    segment.live.store(i64::try_from(live).unwrap_or(i64::MAX), Ordering::Relaxed);
                    continue;
                }
            }
            self.shared.segments.write().remove(&segment.number);
            self.shared.disk.remove(&segment.path).map_err(|error| super::segment::failed("remove", &segment.path, &error))?;
            self.shared.tree()?.set_seal(segment.number, None)?;
            tracing::debug!(segment = segment.number, "a dead segment was removed");
        }
        sync_directory(&self.shared.disk, &self.shared.directory)
    }

    /// What lives in `segment`; `None` if that cannot be told, now or ever.
    fn survivors_or_stuck(&self, segment: &Segment) -> Option<VecDeque<(LaneId, Run)>> {
        self.survivors(segment).inspect_err(|error| give_up(segment, error)).ok()
    }

    /// The runs of the index that lie in `segment`, found by walking the segment.
    fn survivors(&self, segment: &Segment) -> Result<VecDeque<(LaneId, Run)>, Error> {
        let mut runs = VecDeque::new();
        let mut scanner = Scanner::new(segment);
        let mut covered = std::collections::HashMap::<LaneId, Offset>::new();
        while let Some(scanned) = scanner.next()? {
            let Entry::Block { lane, batch, .. } = scanned.entry else { continue };
            let Ok(header) = crate::batch::Header::parse(&batch) else { return Err(segment.damaged_at(scanned.position)) };
            let Some(cell) = self.shared.existing(lane) else { continue };
            let dead = { cell.lock().trimmed } >= header.next_offset();
            if dead || covered.get(&lane).is_some_and(|next| header.base_offset < *next) {
                continue;
            }
            let run = self.shared.run_from(lane, header.base_offset)?;
            if let Some(run) = run.filter(|run| run.segment == segment.number && run.base <= header.base_offset) {
                covered.insert(lane, run.next);
                runs.push_back((lane, run));
            }
        }
        if !scanner.at_end() {
            return Err(segment.damaged_at(scanner.position));
        }
        Ok(runs)
    }

    /// Sends the next live blocks forward, or ends the move.
    fn move_on(&mut self) {
        let Some(moving) = &mut self.moving else { return };
        let (mut blocks, mut bytes) = (Vec::new(), 0);
        while bytes < MOVE_BYTES
            && let Some((lane, run)) = moving.rest.pop_front()
        {
            let horizon = self.shared.existing(lane).map_or(Offset(i64::MAX), |cell| cell.lock().trimmed);
            if run.next > horizon {
                match self.shared.read_run(lane, &run, horizon, ALL) {
                    Ok(live) => blocks.extend(live.into_iter().flatten().map(|block| (lane, block))),
                    Err(error) => {
                        give_up(&moving.from, &error);
                        self.moving = None;
                        return;
                    }
                }
            }
            bytes += run.bytes();
            moving.under_way.push((lane, run));
        }
        if moving.under_way.is_empty() {
            let from = moving.from.clone();
            from.live.store(0, Ordering::Relaxed);
            self.moving = None;
            return self.collect();
        }
        // If the committer has gone, the store is closing and the move is forgotten.
        let _ = self.commands.send(Command::Move(blocks));
    }

    /// Copies are on disk: the index points to them from now on.
    fn moved(&mut self, to: &Arc<Segment>, blocks: Vec<(LaneId, Written)>) {
        let Some(moving) = &mut self.moving else { return };
        let mut changes = Vec::new();
        let mut copies = blocks.into_iter().peekable();
        for (lane, old) in std::mem::take(&mut moving.under_way) {
            let mut new: Option<Run> = None;
            while let Some((_, block)) =
                copies.next_if(|(at, block)| *at == lane && block.place.base >= old.base && block.next <= old.next)
            {
                super::committer::grow(&mut new, to.number, block, old.created_so_far);
            }
            let Some(cell) = self.shared.existing(lane) else {
                new.iter().for_each(|run| {
                    to.live.fetch_sub(i64::try_from(run.bytes()).unwrap_or(i64::MAX), Ordering::Relaxed);
                });
                continue;
            };
            let counted = { cell.lock().counted_from };
            if new.as_ref().is_none_or(|run| run.base != old.base) {
                changes.push(IndexChange::Remove(lane, old.base));
            }
            if let Some(mut run) = new {
                run.arrived_last = old.arrived_last;
                // Blocks that died on the way were counted dead in the old segment only.
                let dead: u64 =
                    run.blocks().filter(|(_, end)| *end <= counted).map(|(place, _)| u64::from(place.entry_bytes)).sum();
                to.live.fetch_sub(i64::try_from(dead).unwrap_or(i64::MAX), Ordering::Relaxed);
                if run.next > counted {
                    changes.push(IndexChange::Put(lane, run));
                } else {
                    changes.push(IndexChange::Remove(lane, run.base));
                }
            }
            let old_live: u64 =
                old.blocks().filter(|(_, end)| *end > counted).map(|(place, _)| u64::from(place.entry_bytes)).sum();
            moving.from.live.fetch_sub(i64::try_from(old_live).unwrap_or(i64::MAX), Ordering::Relaxed);
        }
        match self.change_index(changes) {
            Ok(()) => self.move_on(),
            Err(error) => {
                tracing::error!(%error, "the index could not be written");
                self.moving = None;
            }
        }
    }
}

fn live_of(segment: &Arc<Segment>) -> u64 {
    u64::try_from(segment.live.load(Ordering::Relaxed)).unwrap_or(0)
}

/// Bytes of what was written into the segment: its snapshot is dead in every segment and would never stop being moved.
fn payload_of(segment: &Arc<Segment>) -> u64 {
    segment.end().saturating_sub(segment.snapshot_end)
}

fn give_up(segment: &Segment, error: &Error) {
    tracing::error!(%error, segment = segment.number, "dead space could not be collected; it is left until the next start");
    segment.stuck.store(true, Ordering::Relaxed);
}

fn warn_of(result: Result<(), Error>) {
    if let Err(error) = result {
        tracing::warn!(%error, "the ledger's upkeep failed; it is tried again with the next change");
    }
}
