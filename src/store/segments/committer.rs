//! The one thread that writes the commit log: takes everything that waits, writes it, does one fdatasync, answers everybody.

use std::collections::HashSet;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::model::{LaneId, Offset};
use crate::store::{Block, Done, Error, Write};

use super::disk::WRITE_BYTES;
use super::format::{BLOCK_PREFIX_BYTES, Entry, Mark};
use super::keeper::Note;
use super::run::{Place, Run, Written};
use super::segment::{Segment, failed};
use super::{Cell, Shared};

/// What the committer is asked to write.
pub(super) enum Command {
    Append {
        lane: LaneId,
        block: Block,
        done: Done,
    },
    Commit {
        writes: Vec<Write>,
        done: Done,
    },
    Trim {
        lane: LaneId,
        before: Offset,
    },
    Remove {
        lanes: Vec<LaneId>,
        done: Done,
    },
    /// Copies live blocks forward, so that the segment they lie in can be unlinked.
    Move(Vec<(LaneId, Block)>),
    /// Waits until the keeper has renewed the trees from the log.
    Renew,
    Close,
}

/// One group holds at most this many commands …
const GROUP_COMMANDS: usize = 1_024;
/// … and stops growing at this many bytes of payload.
const GROUP_BYTES: usize = 16 << 20;
/// Ledger bytes in one entry of the snapshot.
const SNAPSHOT_BYTES: usize = 1 << 20;

pub(super) struct Committer {
    pub(super) shared: Arc<Shared>,
    pub(super) commands: Receiver<Command>,
    pub(super) notes: Sender<Note>,
    pub(super) current: Arc<Segment>,
    /// Where the segment's payload ends and the next segment begins.
    pub(super) roll_at: u64,
    /// Lanes with a run that is still growing.
    pub(super) growing: HashSet<LaneId>,
    /// Lanes whose trims failed to be written: the next group says them again.
    pub(super) owed_trims: HashSet<LaneId>,
    /// After a failed sync nothing may follow in the same file: what the disk has of it is unknown.
    pub(super) suspect: bool,
}

/// A command on its way to the disk: its entry, and what was learnt of it.
struct Prepared {
    command: Command,
    entries: Vec<(Range<usize>, Option<Bytes>)>,
    position: u64,
}

impl Committer {
    /// Serves until told to close.
    pub(super) fn run(mut self) {
        while let Ok(first) = self.commands.recv() {
            let mut group = vec![first];
            let mut bytes = 0;
            while group.len() < GROUP_COMMANDS && bytes < GROUP_BYTES && !matches!(group.last(), Some(Command::Renew)) {
                let Ok(command) = self.commands.try_recv() else { break };
                if let Command::Append { block, .. } = &command {
                    bytes += block.batch.bytes().len();
                }
                group.push(command);
            }
            let closing = group.iter().any(|command| matches!(command, Command::Close));
            // Nothing may be under way then.
            let renewing = group.pop_if(|last| matches!(last, Command::Renew)).is_some();
            if !group.is_empty() {
                self.commit(group);
            }
            if closing {
                break;
            }
            if renewing {
                self.renew();
            }
        }
        // The keeper stops when it hears no more; so do those who wait.
    }

    fn renew(&mut self) {
        let (answer, renewed) = channel();
        self.note(Note::Renew(answer));
        // If the keeper has gone, the store is at its end.
        let _ = renewed.recv();
        let growing = |(lane, cell): (LaneId, Arc<Mutex<Cell>>)| cell.lock().growing.is_some().then_some(lane);
        self.growing = self.shared.cells().into_iter().filter_map(growing).collect();
    }

    fn commit(&mut self, mut group: Vec<Command>) {
        group.extend(self.owed_trims.drain().filter_map(|lane| {
            let before = self.shared.existing(lane)?.lock().head.extent().horizon;
            Some(Command::Trim { lane, before })
        }));
        if let Err(error) = self.roll_if_due() {
            tracing::error!(%error, "the commit log cannot be written");
            return self.fail(group, &error);
        }
        let start = self.current.end();
        let mut fixed = Vec::with_capacity(group.len() * BLOCK_PREFIX_BYTES);
        let mut end = start;
        let prepared: Vec<_> =
            group.into_iter().filter_map(|command| self.prepare(command, start, &mut end, &mut fixed)).collect();
        if end == start {
            return self.accept(prepared, end);
        }
        match self.write(start, &fixed, &prepared) {
            Ok(()) => self.accept(prepared, end),
            Err(error) => {
                let error = failed("write", &self.current.path, &error);
                tracing::error!(%error, "a commit failed; nothing of it is acknowledged");
                self.fail(prepared.into_iter().map(|prepared| prepared.command).collect(), &error);
            }
        }
    }

    /// Encodes a command behind the others; `None` if it ends here because its lane has moved on.
    fn prepare(&self, mut command: Command, synced: u64, end: &mut u64, fixed: &mut Vec<u8>) -> Option<Prepared> {
        let mut prepared = Vec::new();
        let position = *end;
        let mut put = |entry: &Entry| {
            let from = fixed.len();
            entry.encode(self.current.mark, u32::try_from(synced).unwrap_or(u32::MAX), fixed);
            let payload = if let Entry::Block { batch, .. } = entry { Some(batch.clone()) } else { None };
            *end += (fixed.len() - from + payload.as_ref().map_or(0, Bytes::len)) as u64;
            prepared.push((from..fixed.len(), payload));
        };
        match &mut command {
            Command::Append { lane, block, .. } => {
                let cell = self.shared.cell(*lane);
                let mut cell = cell.lock();
                let header = block.batch.header();
                if header.base_offset != cell.written_next {
                    let next = cell.written_next;
                    drop(cell);
                    if let Command::Append { done, .. } = command {
                        done(Err(Error::Fenced { next }));
                    }
                    return None;
                }
                cell.written_next = header.next_offset();
                put(&block_entry(*lane, block, false));
            }
            Command::Commit { writes, .. } if writes.is_empty() => {} // It has its turn, and nothing to keep.
            Command::Commit { writes, .. } => match self.shared.sound_tree() {
                Ok(_) => put(&Entry::Writes(writes.clone())),
                Err(error) => {
                    // Not even in the log: it would be there after the renewal.
                    if let Command::Commit { done, .. } = command {
                        done(Err(error));
                    }
                    return None;
                }
            },
            Command::Trim { lane, before } => put(&Entry::Trim { lane: *lane, before: *before }),
            Command::Remove { lanes, .. } => {
                put(&Entry::Remove(lanes.clone()));
                for cell in lanes.iter().filter_map(|lane| self.shared.existing(*lane)) {
                    // Nothing of the lane may follow its end, not even in the same group.
                    cell.lock().written_next = Offset(i64::MAX);
                }
            }
            Command::Move(blocks) => {
                for (lane, block) in blocks {
                    put(&block_entry(*lane, block, true));
                }
            }
            // The one is never in a group, the other is written once everything before it is on disk.
            Command::Renew | Command::Close => {}
        }
        Some(Prepared { command, entries: prepared, position })
    }

    /// Puts the group on disk, or leaves the file as it was.
    fn write(&mut self, start: u64, fixed: &[u8], group: &[Prepared]) -> io::Result<()> {
        let mut slices = Vec::new();
        for (range, payload) in group.iter().flat_map(|prepared| &prepared.entries) {
            slices.push(IoSlice::new(fixed.get(range.clone()).unwrap_or_default()));
            slices.extend(payload.iter().flat_map(|payload| payload.chunks(WRITE_BYTES)).map(IoSlice::new));
        }
        if let Err(error) = self.current.file.write_parts_at(&mut slices, start) {
            // What was written of the group must not be taken for acknowledged one day.
            self.suspect = self.current.cut(start).is_err();
            return Err(error);
        }
        if let Err(error) = self.current.sync() {
            // The same, as far as a disk that fails lets us.
            let _ = self.current.cut(start);
            self.suspect = true;
            return Err(error);
        }
        Ok(())
    }

    /// Everything in the group is on disk: makes it visible and answers.
    fn accept(&mut self, group: Vec<Prepared>, end: u64) {
        self.current.end.store(end, Ordering::Release);
        for Prepared { command, entries, position } in group {
            match command {
                Command::Append { lane, block, done } => {
                    self.place(lane, &block, position, entry_bytes(&entries));
                    done(Ok(()));
                }
                Command::Commit { writes, done } => self.note(Note::Writes { writes, done }),
                Command::Trim { lane, before } => {
                    if let Some(cell) = self.shared.existing(lane) {
                        let mut cell = cell.lock();
                        cell.trimmed = cell.trimmed.max(before);
                    }
                    self.note(Note::Trimmed(lane));
                }
                Command::Remove { lanes, done } => {
                    for lane in &lanes {
                        self.close_run(*lane);
                    }
                    self.shared.forget(&lanes);
                    self.note(Note::Removed { lanes, done });
                }
                Command::Move(blocks) => {
                    let mut at = position;
                    let mut moved = Vec::with_capacity(blocks.len());
                    for ((lane, block), entry) in blocks.into_iter().zip(&entries) {
                        let bytes = entry_bytes(std::slice::from_ref(entry));
                        self.current.live.fetch_add(i64::from(bytes), Ordering::Relaxed);
                        moved.push((lane, written(&block, at, bytes)));
                        at += u64::from(bytes);
                    }
                    self.note(Note::Moved { to: self.current.clone(), blocks: moved });
                }
                Command::Renew => {}
                Command::Close => self.close(),
            }
        }
    }

    /// Notes where a new block lies.
    fn place(&mut self, lane: LaneId, block: &Block, position: u64, bytes: u32) {
        self.current.live.fetch_add(i64::from(bytes), Ordering::Relaxed);
        let cell = self.shared.cell(lane);
        let full = cell.lock().take_in(block, self.current.number, written(block, position, bytes));
        if let Some(origin) = block.forwarded_from(lane) {
            self.shared.cell(origin).lock().head.apply_forwarded(block);
        }
        if full {
            self.close_run(lane);
        } else {
            self.growing.insert(lane);
        }
    }

    /// Hands a growing run to the index.
    fn close_run(&mut self, lane: LaneId) {
        self.growing.remove(&lane);
        let cell = self.shared.cell(lane);
        let mut cell = cell.lock();
        if let Some(run) = cell.growing.take() {
            let run = Arc::new(run);
            cell.closing.push_back(run.clone());
            drop(cell);
            self.note(Note::Run(lane, run));
        }
    }

    fn note(&self, note: Note) {
        // The keeper outlives the committer; should it have died, the note's `done` is dropped, which its waiter hears.
        let _ = self.notes.send(note);
    }

    /// Tells everybody that nothing of the group happened, and lets the lanes go on where they were.
    fn fail(&mut self, group: Vec<Command>, error: &Error) {
        for command in &group {
            let lanes = match command {
                Command::Append { lane, .. } => std::slice::from_ref(lane),
                Command::Remove { lanes, .. } => lanes,
                _ => &[],
            };
            lanes.iter().filter_map(|lane| self.shared.existing(*lane)).for_each(|cell| cell.lock().step_back());
        }
        for command in group {
            match command {
                Command::Append { done, .. } | Command::Commit { done, .. } | Command::Remove { done, .. } => {
                    done(Err(error.clone()));
                }
                Command::Trim { lane, .. } => drop(self.owed_trims.insert(lane)),
                Command::Move(_) => self.note(Note::MoveFailed),
                Command::Renew => {}
                Command::Close => self.close(),
            }
        }
    }

    fn roll_if_due(&mut self) -> Result<(), Error> {
        if self.suspect {
            // The new segment's header will say where this one ends, so what the failed sync left behind must go.
            let end = self.current.end();
            self.current.cut(end).map_err(|error| failed("cut", &self.current.path, &error))?;
            self.roll()?;
            self.suspect = false;
        } else if self.current.end() >= self.roll_at {
            self.roll()?;
        }
        Ok(())
    }

    /// Begins a new segment with a snapshot of everything that is not a record.
    fn roll(&mut self) -> Result<(), Error> {
        let (number, mark) = (self.current.number + 1, Mark::draw());
        let snapshot = self.snapshot(mark)?;
        let next =
            Arc::new(Segment::begin(&self.shared.disk, &self.shared.directory, number, self.current.end(), mark, &snapshot)?);
        self.shared.segments.write().insert(number, next.clone());
        self.roll_at = next.snapshot_end + self.shared.options.segment_bytes;
        let sealed = std::mem::replace(&mut self.current, next);
        for lane in std::mem::take(&mut self.growing) {
            self.close_run(lane);
        }
        self.note(Note::Sealed(sealed));
        Ok(())
    }

    fn snapshot(&self, mark: Mark) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        for (lane, cell) in self.shared.cells() {
            let mut cell = cell.lock();
            let mut head = Vec::new();
            cell.head.encode(&mut head);
            Entry::LaneSnapshot { lane, created_max: cell.created_max, head: head.into() }.encode(mark, 0, &mut out);
            let horizon = cell.head.extent().horizon;
            cell.holes.retain(|(_, next)| *next > horizon);
            for (first, next) in &cell.holes {
                Entry::Hole { lane, first: *first, next: *next }.encode(mark, 0, &mut out);
            }
        }
        // The keeper carries out ledger writes in order, so its answer holds all that were accepted before this moment.
        let (answer, writes) = channel();
        self.note(Note::Snapshot(answer));
        let writes = writes.recv().map_err(|_| Error::Failed("the ledger's thread has stopped".to_owned()))??;
        let mut part = Vec::new();
        let mut part_bytes = 0;
        for write in writes {
            if let Write::Put { key, value } = &write {
                part_bytes += key.len() + value.len();
            }
            part.push(write);
            if part_bytes >= SNAPSHOT_BYTES {
                Entry::LedgerSnapshot(std::mem::take(&mut part)).encode(mark, 0, &mut out);
                part_bytes = 0;
            }
        }
        Entry::LedgerSnapshot(part).encode(mark, 0, &mut out);
        Entry::SnapshotEnd.encode(mark, 0, &mut out);
        Ok(out)
    }

    /// Leaves the mark of an orderly end, which makes every byte before it accountable.
    fn close(&mut self) {
        let end = self.current.end();
        let mut bytes = Vec::new();
        Entry::Closed.encode(self.current.mark, u32::try_from(end).unwrap_or(u32::MAX), &mut bytes);
        let written = self.current.file.write_all_at(&bytes, end).and_then(|()| self.current.sync());
        match written {
            Ok(()) => self.current.end.store(end + bytes.len() as u64, Ordering::Release),
            Err(error) => tracing::warn!(%error, "the commit log could not be marked as closed in order"),
        }
    }
}

fn block_entry(lane: LaneId, block: &Block, moved: bool) -> Entry {
    let (origin, batch) = (block.origin_in(lane).lane, block.batch.bytes().clone());
    Entry::Block { lane, origin, arrived_at: block.arrived_at, moved, batch }
}

fn entry_bytes(entries: &[(Range<usize>, Option<Bytes>)]) -> u32 {
    let bytes: usize = entries.iter().map(|(fixed, payload)| fixed.len() + payload.as_ref().map_or(0, Bytes::len)).sum();
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// What the index needs to know of a block at `position`.
pub(super) fn written(block: &Block, position: u64, bytes: u32) -> Written {
    let header = block.batch.header();
    Written {
        place: Place { base: header.base_offset, position: u32::try_from(position).unwrap_or(u32::MAX), entry_bytes: bytes },
        next: header.next_offset(),
        arrived_at: block.arrived_at,
        created_max: header.latest_timestamp(),
    }
}

/// A run that begins with a block, or one that takes it in: whether it is full then.
pub(super) fn grow(growing: &mut Option<Run>, segment: u64, block: Written, created_so_far: crate::model::Timestamp) -> bool {
    match growing {
        Some(run) => run.extend(block),
        None => *growing = Some(Run::starting_with(segment, block, created_so_far)),
    }
    growing.as_ref().is_some_and(Run::is_full)
}
