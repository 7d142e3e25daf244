//! From files to a running store, whatever happened before.
//!
//! The newest segment begins with a snapshot of everything that is not a record, so it alone says how things stand: it is
//! read whole. Its torn tail is cut; bytes that do not have their checksum although a later entry knows them to have been
//! synced are damage, and stop the start. Older segments are read whole only if somebody touched them since they were
//! sealed, or if the index does not cover all live offsets; else their entries are verified when they are read.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use crate::batch::Batch;
use crate::model::{LaneId, Offset, Timestamp};
use crate::store::lane::LaneHead;
use crate::store::{Block, Error, Write};

use super::committer::{grow, written};
use super::format::{Entry, FORMAT, whole_entry};
use super::run::{Run, Written};
use super::segment::{Scanned, Scanner, Segment, failed, list, sync_directory};
use super::tree::{IndexChange, Tree};
use super::{Cell, Options, Shared};

/// A lane's offsets, from the first to behind the last, that damage took.
pub(super) type Hole = (LaneId, Offset, Offset);

/// What the two threads start with.
pub(super) struct Recovered {
    pub(super) shared: Arc<Shared>,
    pub(super) current: Arc<Segment>,
    pub(super) roll_at: u64,
    pub(super) growing: HashSet<LaneId>,
    pub(super) holes: Vec<Hole>,
    pub(super) lock: File,
}

/// Opens and recovers the data directory.
pub(super) fn open(root: &Path, options: Options) -> Result<Recovered, Error> {
    fs::create_dir_all(root).map_err(|error| failed("create", root, &error))?;
    let lock = lock(root)?;
    check_format(root)?;
    let directory = root.join("log");
    fs::create_dir_all(&directory).map_err(|error| failed("create", &directory, &error))?;
    sync_directory(root)?;

    let mut segments = open_segments(&directory)?;
    let mut replay = Replay { repair: options.repair, ..Replay::default() };
    let snapshot_end = loop {
        let Some(newest) = segments.last_entry() else { break replay.begin(&directory, &mut segments)? };
        match replay.read(newest.get())? {
            Some(snapshot_end) => break snapshot_end,
            None => {
                // The crash came while the segment was begun, before anything was answered from it.
                let unfinished = newest.remove();
                fs::remove_file(&unfinished.path).map_err(|error| failed("remove", &unfinished.path, &error))?;
                if segments.is_empty() && unfinished.number > 1 {
                    return Err(unfinished.damaged_at(unfinished.end()));
                }
                replay = Replay { repair: options.repair, ..Replay::default() };
            }
        }
    };
    let Some((_, current)) = segments.last_key_value() else { return Err(Error::Failed("no segment could be begun".to_owned())) };
    let current = current.clone();

    let tree = Tree::open(&root.join("sled"))?;
    let Reconciled { tree, lanes, holes } = replay.reconcile(&root.join("sled"), tree, &segments, options)?;
    let growing = lanes.iter().filter(|(_, cell)| cell.growing.is_some()).map(|(lane, _)| *lane).collect();
    let lanes = lanes.into_iter().map(|(lane, cell)| (lane, Arc::new(Mutex::new(cell)))).collect();
    let shared = Shared { directory, options, lanes: RwLock::new(lanes), segments: RwLock::new(segments), tree };
    Ok(Recovered { shared: Arc::new(shared), current, roll_at: snapshot_end + options.segment_bytes, growing, holes, lock })
}

fn lock(root: &Path) -> Result<File, Error> {
    let path = root.join("LOCK");
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(|error| failed("open", &path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Failed(format!(
            "the data directory {} is in use by another process; stop that one, or give this one a directory of its own with --data-dir",
            root.display()
        ))),
        Err(TryLockError::Error(error)) => Err(failed("lock", &path, &error)),
    }
}

fn check_format(root: &Path) -> Result<(), Error> {
    let (path, ours) = (root.join("FORMAT"), format!("shardgate data, format {FORMAT}\n"));
    match fs::read_to_string(&path) {
        Ok(found) if found == ours => Ok(()),
        Ok(found) => Err(Error::Failed(format!(
            "{} says {:?}; this version reads {:?}. Use the version that wrote the directory, or another directory",
            path.display(),
            found.trim_end().chars().take(80).collect::<String>(),
            ours.trim_end()
        ))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut file = File::create(&path).map_err(|error| failed("create", &path, &error))?;
            file.write_all(ours.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| failed("write", &path, &error))
        }
        Err(error) => Err(failed("read", &path, &error)),
    }
}

/// Opens all segment files; each but the newest must have the length that its successor knows.
fn open_segments(directory: &Path) -> Result<BTreeMap<u64, Arc<Segment>>, Error> {
    let mut segments = BTreeMap::new();
    let paths = list(directory)?;
    let newest = paths.last().cloned();
    let mut before: Option<(u64, u64, std::path::PathBuf)> = None;
    for path in paths {
        let (segment, previous_bytes) = match Segment::open(&path) {
            Ok(opened) => opened,
            // A crash while the newest file was begun: nothing in it was ever known to be on disk, so nothing was answered.
            Err(Error::Damaged(_))
                if Some(&path) == newest.as_ref()
                    && (!segments.is_empty() || path == Segment::path(directory, 1))
                    && never_synced(&path)? =>
            {
                fs::remove_file(&path).map_err(|error| failed("remove", &path, &error))?;
                break;
            }
            Err(error) => return Err(error),
        };
        if path != Segment::path(directory, segment.number) {
            return Err(Error::Damaged(format!(
                "{} holds segment {}; it was renamed: give it back its name",
                path.display(),
                segment.number
            )));
        }
        if let Some((number, bytes, path)) = &before
            && *number + 1 == segment.number
            && *bytes != previous_bytes
        {
            return Err(Error::Damaged(format!(
                "{} has {bytes} bytes, but the next segment follows one of {previous_bytes}; put the file back from a copy",
                path.display()
            )));
        }
        before = Some((segment.number, segment.end(), path));
        segments.insert(segment.number, Arc::new(segment));
    }
    Ok(segments)
}

/// Whether no entry in the file knows of bytes before it that were synced.
fn never_synced(path: &Path) -> Result<bool, Error> {
    let bytes = fs::read(path).map_err(|error| failed("read", path, &error))?;
    Ok((0..bytes.len()).all(|at| whole_entry(bytes.get(at..).unwrap_or_default()).is_none_or(|prefix| prefix.synced == 0)))
}

/// Trees that say what the log says.
struct Reconciled {
    tree: Tree,
    lanes: HashMap<LaneId, Cell>,
    holes: Vec<Hole>,
}

/// What the newest segment says.
#[derive(Default)]
struct Replay {
    repair: bool,
    ledger: BTreeMap<Bytes, Bytes>,
    lanes: HashMap<LaneId, Cell>,
    /// Runs of the newest segment that are complete.
    runs: Vec<(LaneId, Run)>,
    /// Blocks copied into the newest segment.
    moved: Vec<(LaneId, Written)>,
}

impl Replay {
    /// Starts an empty log with its first segment.
    fn begin(&mut self, directory: &Path, segments: &mut BTreeMap<u64, Arc<Segment>>) -> Result<u64, Error> {
        let mut bytes = super::format::encode_header(1, 0);
        Entry::SnapshotEnd.encode(0, &mut bytes);
        let path = Segment::path(directory, 1);
        let segment = Segment::create(directory, 1).map_err(|error| failed("create", &path, &error))?;
        (&segment.file)
            .write_all(&bytes)
            .and_then(|()| segment.file.sync_data())
            .map_err(|error| failed("write", &path, &error))?;
        sync_directory(directory)?;
        segment.end.store(bytes.len() as u64, Ordering::Release);
        segments.insert(1, Arc::new(segment));
        Ok(bytes.len() as u64)
    }

    /// Reads the newest segment, and cuts its torn tail. Where its snapshot ends; `None` if it has no whole one.
    fn read(&mut self, segment: &Arc<Segment>) -> Result<Option<u64>, Error> {
        let mut scanner = Scanner::new(segment);
        let mut snapshot_end = None;
        loop {
            while let Some(scanned) = scanner.next()? {
                if scanned.entry == Entry::SnapshotEnd {
                    snapshot_end = Some(scanner.position);
                }
                self.apply(segment, scanned)?;
            }
            if scanner.at_end() {
                break;
            }
            let bad = scanner.position;
            match scanner.next_whole()? {
                Some((next, synced)) if synced > bad => {
                    if !self.repair || snapshot_end.is_none() {
                        return Err(segment.damaged_at(bad));
                    }
                    tracing::error!(file = %segment.path.display(), from = bad, to = next, "damaged bytes are given up");
                    scanner.skip_to(next);
                }
                _ => {
                    if snapshot_end.is_some() {
                        tracing::warn!(file = %segment.path.display(), at = bad, bytes = segment.end() - bad, "the torn tail of the log is cut");
                        segment.cut(bad).map_err(|error| failed("cut", &segment.path, &error))?;
                    }
                    break;
                }
            }
        }
        Ok(snapshot_end)
    }

    fn apply(&mut self, segment: &Segment, Scanned { position, entry_bytes, entry }: Scanned) -> Result<(), Error> {
        match entry {
            Entry::Block { lane, arrived_at, moved, batch } => {
                let batch = Batch::stored(batch).map_err(|_| segment.damaged_at(position))?;
                let block = Block { batch, arrived_at };
                let written = written(&block, position, entry_bytes);
                if moved {
                    self.moved.push((lane, written));
                    return Ok(());
                }
                let cell = self.lanes.entry(lane).or_default();
                let base = block.batch.header().base_offset;
                if base != cell.head.extent().next {
                    if !self.repair || base < cell.head.extent().next {
                        return Err(Error::Damaged(format!(
                            "{} at byte {position}: lane {lane} continues at offset {}, but the entry begins at {base}",
                            segment.path.display(),
                            cell.head.extent().next
                        )));
                    }
                    self.runs.extend(cell.growing.take().map(|run| (lane, run)));
                }
                if cell.take_in(&block, segment.number, written) {
                    self.runs.extend(cell.growing.take().map(|run| (lane, run)));
                }
            }
            Entry::Writes(writes) | Entry::LedgerSnapshot(writes) => {
                for write in writes {
                    match write {
                        // Copied out: the value must not hold on to the buffer it was read into.
                        Write::Put { key, value } => {
                            self.ledger.insert(Bytes::copy_from_slice(&key), Bytes::copy_from_slice(&value))
                        }
                        Write::Delete { key } => self.ledger.remove(&key),
                    };
                }
            }
            Entry::Trim { lane, before } => {
                self.lanes.entry(lane).or_default().head.trim(before);
            }
            Entry::Remove(lanes) => {
                self.lanes.retain(|lane, _| !lanes.contains(lane));
                self.runs.retain(|(lane, _)| !lanes.contains(lane));
                self.moved.retain(|(lane, _)| !lanes.contains(lane));
            }
            Entry::LaneSnapshot { lane, created_max, head } => {
                let head = LaneHead::decode(&mut head.as_ref()).ok_or_else(|| segment.damaged_at(position))?;
                self.lanes.insert(lane, Cell { created_max, head, ..Cell::default() });
            }
            // What a hole says stands in the index, or is found again when that is rebuilt.
            Entry::SnapshotEnd | Entry::Closed | Entry::Hole { .. } => {}
        }
        Ok(())
    }

    /// Makes the trees say what the log says.
    fn reconcile(
        mut self,
        directory: &Path,
        mut tree: Tree,
        segments: &BTreeMap<u64, Arc<Segment>>,
        options: Options,
    ) -> Result<Reconciled, Error> {
        for cell in self.lanes.values_mut() {
            cell.step_back();
        }
        let newest = segments.keys().next_back().copied().unwrap_or(0);
        let mut touched = false;
        for (_, segment) in segments.iter().filter(|(number, _)| **number != newest) {
            let known = tree.seal(segment.number).ok().flatten();
            if known.as_deref() != Some(&segment.look()?) {
                touched = true;
                if !verify(segment)? && !options.repair {
                    return Err(segment.damaged_at(first_damage(segment)?));
                }
            }
        }
        let mut holes = Vec::new();
        let good = !touched
            && self.repair_free(options)
            && self.update(&tree, segments, newest).unwrap_or_else(|error| {
                tracing::warn!(%error, "the ledger does not read");
                false
            });
        if !good {
            tracing::info!(segments = segments.len(), "the ledger and the index are rebuilt from the commit log");
            drop(tree);
            tree = Tree::begin_anew(directory)?;
            holes = self.rebuild(&tree, segments, options)?;
        }
        for (number, segment) in segments.iter().filter(|(number, _)| **number != newest) {
            tree.set_seal(*number, Some(&segment.look()?))?;
        }
        tree.flush()?;
        self.count(&tree, segments)?;
        Ok(Reconciled { tree, lanes: self.lanes, holes })
    }

    /// A repair may have skipped entries, so nothing old is trusted.
    fn repair_free(&self, options: Options) -> bool {
        !options.repair
    }

    /// Brings trees of an earlier moment up to date; `false` if they lack something.
    fn update(&mut self, tree: &Tree, segments: &BTreeMap<u64, Arc<Segment>>, newest: u64) -> Result<bool, Error> {
        // The ledger: whatever differs from the log is set right.
        let (mut wrong, mut seen) = (Vec::new(), HashSet::new());
        tree.scan(&[], &mut |key, value| {
            match self.ledger.get(key) {
                Some(ours) if ours == value => {
                    seen.insert(Bytes::copy_from_slice(key));
                }
                Some(_) => {}
                None => wrong.push(Write::Delete { key: Bytes::copy_from_slice(key) }),
            };
        })?;
        wrong.extend(
            self.ledger
                .iter()
                .filter(|(key, _)| !seen.contains(*key))
                .map(|(key, value)| Write::Put { key: key.clone(), value: value.clone() }),
        );
        tree.apply(&wrong)?;

        // The index: runs of new blocks in the newest segment are made anew, all others must be there.
        let copied: HashSet<(LaneId, Offset)> = self.moved.iter().map(|(lane, block)| (*lane, block.place.base)).collect();
        let mut stale = Vec::new();
        let mut reach: HashMap<LaneId, Offset> = HashMap::new();
        let mut whole = true;
        tree.runs(|lane, run| match self.lanes.get(&lane) {
            None => stale.push(IndexChange::Remove(lane, run.base)),
            Some(_) if run.segment == newest && !copied.contains(&(lane, run.base)) => {
                stale.push(IndexChange::Remove(lane, run.base));
            }
            Some(cell) => {
                whole &= run.places.is_empty() || segments.contains_key(&run.segment);
                let next = reach.entry(lane).or_insert(run.base.min(cell.head.extent().horizon));
                whole &= *next == run.base || (run.base <= cell.head.extent().horizon);
                *next = run.next;
            }
        })?;
        if !whole {
            return Ok(false);
        }
        tree.change_index(stale)?;
        tree.change_index(self.runs.iter().map(|(lane, run)| IndexChange::Put(*lane, run.clone())))?;
        let mut first_new: HashMap<LaneId, Offset> = HashMap::new();
        for (lane, run) in &self.runs {
            first_new.entry(*lane).or_insert(run.base);
        }
        let covered = self.lanes.iter().all(|(lane, cell)| {
            let growing = cell.growing.as_ref().map(|run| run.base);
            let base = first_new.get(lane).copied().or(growing).unwrap_or(cell.head.extent().next);
            base <= cell.head.extent().horizon || reach.get(lane) == Some(&base)
        });
        Ok(covered)
    }

    /// Makes the trees from nothing but the log. The holes that a repair leaves.
    fn rebuild(&mut self, tree: &Tree, segments: &BTreeMap<u64, Arc<Segment>>, options: Options) -> Result<Vec<Hole>, Error> {
        let writes: Vec<_> =
            self.ledger.iter().map(|(key, value)| Write::Put { key: key.clone(), value: value.clone() }).collect();
        for part in writes.chunks(1_000) {
            tree.apply(part)?;
        }
        // Where each live block lies; of a block that was copied, the copy.
        let mut found: BTreeMap<(LaneId, Offset), (u64, Written)> = BTreeMap::new();
        let mut accepted: HashSet<Hole> = HashSet::new();
        for segment in segments.values() {
            let mut scanner = Scanner::new(segment);
            loop {
                while let Some(Scanned { position, entry_bytes, entry }) = scanner.next()? {
                    match entry {
                        Entry::Block { lane, arrived_at, batch, .. } => {
                            let Some(cell) = self.lanes.get(&lane) else { continue };
                            let batch = Batch::stored(batch).map_err(|_| segment.damaged_at(position))?;
                            let block = Block { batch, arrived_at };
                            let written = written(&block, position, entry_bytes);
                            if written.next > cell.head.extent().horizon {
                                found.insert((lane, written.place.base), (segment.number, written));
                            }
                        }
                        Entry::Hole { lane, first, next } => {
                            accepted.insert((lane, first, next));
                        }
                        Entry::Remove(lanes) => found.retain(|(lane, _), _| !lanes.contains(lane)),
                        _ => {}
                    }
                }
                if scanner.at_end() {
                    break;
                }
                if !options.repair {
                    return Err(segment.damaged_at(scanner.position));
                }
                tracing::error!(file = %segment.path.display(), at = scanner.position, "damaged bytes are given up");
                let Some((next, _)) = scanner.next_whole()? else { break };
                scanner.skip_to(next);
            }
        }
        self.lay_runs(tree, found, &accepted, options)
    }

    fn lay_runs(
        &mut self,
        tree: &Tree,
        found: BTreeMap<(LaneId, Offset), (u64, Written)>,
        accepted: &HashSet<Hole>,
        options: Options,
    ) -> Result<Vec<Hole>, Error> {
        let mut holes = Vec::new();
        let mut blocks = found.into_iter().peekable();
        let mut lanes: Vec<_> = self.lanes.iter_mut().collect();
        lanes.sort_by_key(|(lane, _)| **lane);
        for (lane, cell) in lanes {
            let (mut next, mut created, mut run): (_, _, Option<Run>) = (cell.head.extent().horizon, Timestamp(i64::MIN), None);
            cell.growing = None;
            let mut runs = Vec::new();
            let mut hole = |from: Offset, to: Offset, created: Timestamp, runs: &mut Vec<Run>| {
                if !options.repair && !accepted.contains(&(*lane, from, to)) {
                    return Err(Error::Damaged(format!(
                        "lane {lane} lacks the offsets {from} to {to}: a segment file is missing; put it back, or start once with --repair"
                    )));
                }
                runs.push(Run::hole(0, from, to, created));
                if !accepted.contains(&(*lane, from, to)) {
                    holes.push((*lane, from, to));
                }
                Ok(())
            };
            while let Some((_, (segment, block))) = blocks.next_if(|((at, _), _)| at == lane) {
                let follows = run.as_ref().is_some_and(|run| run.segment == segment && run.next == block.place.base);
                if !follows {
                    runs.extend(run.take());
                }
                if block.place.base > next {
                    hole(next, block.place.base, created, &mut runs)?;
                }
                let full = grow(&mut run, segment, block, created);
                created = created.max(block.created_max);
                next = block.next;
                if full {
                    runs.extend(run.take());
                }
            }
            runs.extend(run);
            if next < cell.head.extent().next {
                hole(next, cell.head.extent().next, created, &mut runs)?;
            }
            cell.created_max = cell.created_max.max(created);
            cell.step_back();
            tree.change_index(runs.into_iter().map(|run| IndexChange::Put(*lane, run)))?;
        }
        Ok(holes)
    }

    /// Counts the live bytes of segments.
    fn count(&mut self, tree: &Tree, segments: &BTreeMap<u64, Arc<Segment>>) -> Result<(), Error> {
        let lanes = &mut self.lanes;
        let count = |cell: &Cell, run: &Run| {
            let horizon = cell.head.extent().horizon;
            let live: u64 = run.blocks().filter(|(_, end)| *end > horizon).map(|(place, _)| u64::from(place.entry_bytes)).sum();
            if let Some(segment) = segments.get(&run.segment) {
                segment.live.fetch_add(i64::try_from(live).unwrap_or(i64::MAX), Ordering::Relaxed);
            }
        };
        for cell in lanes.values_mut() {
            cell.counted_from = cell.head.extent().horizon;
            if let Some(run) = &cell.growing {
                count(cell, run);
            }
        }
        tree.runs(|lane, run| {
            if let Some(cell) = lanes.get(&lane) {
                count(cell, &run);
            }
        })
    }
}

/// Whether every entry of a sealed segment is whole.
fn verify(segment: &Segment) -> Result<bool, Error> {
    first_damage(segment).map(|at| at >= segment.end())
}

/// Where the first entry that is not whole begins; the end if all are.
fn first_damage(segment: &Segment) -> Result<u64, Error> {
    let mut scanner = Scanner::new(segment);
    while scanner.next()?.is_some() {}
    Ok(scanner.position)
}
