//! From files to a running store, whatever happened before.
//!
//! The newest segment begins with a snapshot of everything that is not a record, so it alone says how things stand: it is
//! read whole. Its torn tail is cut; bytes that do not have their checksum although a later entry knows them to have been
//! synced are damage, and stop the start. Older segments are read whole only if the index may lack some of their blocks,
//! because of a crash, or if somebody touched them since they were sealed; else their entries are verified when they are
//! read.
//!
//! A repair gives damaged bytes up for good: it writes an entry over them that says so, works out what the log says
//! without them, and begins a new segment with that. No offset that may have been answered is given out again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use crate::batch::{self, Batch};
use crate::model::{LaneId, Offset, Timestamp, limits};
use crate::store::lane::LaneHead;
use crate::store::{Block, Error, Write};

use super::committer::{grow, written};
use super::disk::{Disk, above};
use super::format::{BLOCK_PREFIX_BYTES, Entry, FORMAT, Mark, PREFIX_BYTES};
use super::run::{Run, Written};
use super::segment::{Scanned, Scanner, Segment, failed, list, sync_directory};
use super::tree::{IndexChange, Tree};
use super::{Cell, Options, Shared};

/// What the two threads start with.
pub(super) struct Recovered {
    pub(super) shared: Arc<Shared>,
    pub(super) current: Arc<Segment>,
    pub(super) roll_at: u64,
    pub(super) growing: HashSet<LaneId>,
}

/// All segments by number.
type Segments = BTreeMap<u64, Arc<Segment>>;
/// Where blocks lie; of a block that was copied, the last copy.
type Found = BTreeMap<(LaneId, Offset), (u64, Written)>;

/// Opens and recovers the data directory.
pub(super) fn open(disk: Disk, root: &Path, options: Options) -> Result<Recovered, Error> {
    disk.make_directory(root).map_err(|error| failed("create", root, &error))?;
    let lock = lock(root)?;
    let used = check_format(root)?;
    let directory = root.join("log");
    disk.make_directory(&directory).map_err(|error| failed("create", &directory, &error))?;
    sync_directory(&disk, root)?;

    let mut segments = open_segments(&disk, &directory, options.repair)?;
    // A killed process may have given a segment its name and not made that durable: what is written to it now must not go with
    // the name. Just so a name that was removed must not come back.
    sync_directory(&disk, &directory)?;
    if segments.is_empty() {
        if used && !options.repair {
            return Err(Error::Damaged(format!(
                "{} holds no segment, although the directory was in use: put the files back, or start once with --repair to begin anew",
                directory.display()
            )));
        }
        segments.insert(1, Arc::new(begin(&disk, &directory)?));
    }
    if !used {
        sync_own_name(&disk, root)?;
        // Written last: where it is, there must be a log.
        write_format(&disk, root)?;
    }
    let mut replay = Replay { repair: options.repair, ..Replay::default() };
    replay.read(&segments)?;

    let (tree, lanes) = replay.reconcile(&trees(&directory), &segments)?;
    let Some((_, current)) = segments.last_key_value() else { return Err(Error::Failed("no segment could be begun".to_owned())) };
    let current = current.clone();
    // After a repair a new segment is due at once.
    let roll_at = if options.repair { 0 } else { current.snapshot_end + options.segment_bytes };
    let growing = lanes.iter().filter(|(_, cell)| cell.growing.is_some()).map(|(lane, _)| *lane).collect();
    let lanes = lanes.into_iter().map(|(lane, cell)| (lane, Arc::new(Mutex::new(cell)))).collect();
    let (lanes, segments, tree) = (RwLock::new(lanes), RwLock::new(segments), RwLock::new(Some(Arc::new(tree))));
    let shared = Shared { disk, directory, options, lanes, segments, tree, _lock: lock };
    Ok(Recovered { shared: Arc::new(shared), current, roll_at, growing })
}

/// Makes new trees for a store that runs, from what is durable of its log; nothing may be written to that meanwhile.
pub(super) fn renew(shared: &Shared) -> Result<(), Error> {
    // sled lets go of its files when the last reader is done.
    *shared.tree.write() = None;
    let segments = shared.segments.read().clone();
    let mut replay = Replay { running: true, ..Replay::default() };
    replay.read(&segments)?;
    let (tree, lanes) = replay.reconcile(&trees(&shared.directory), &segments)?;
    for (lane, renewed) in lanes {
        if let Some(cell) = shared.existing(lane) {
            let mut cell = cell.lock();
            cell.closing.clear();
            (cell.growing, cell.counted_from, cell.holes) = (renewed.growing, renewed.counted_from, renewed.holes);
        }
    }
    *shared.tree.write() = Some(Arc::new(tree));
    Ok(())
}

/// Where sled's files are, beside the log in `directory`.
fn trees(directory: &Path) -> PathBuf {
    directory.with_file_name("sled")
}

/// The lock of a data directory, held until it is dropped.
pub(super) struct Lock(File);

/// Gives the lock back in so many words: closing the file would leave it to a process that was just started from this one, which
/// has a copy of every open file until its own program begins.
impl Drop for Lock {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the lock of the data directory could not be given back; it goes when its file is closed");
        }
    }
}

fn lock(root: &Path) -> Result<Lock, Error> {
    let path = root.join("LOCK");
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(|error| failed("open", &path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(Error::Failed(format!(
            "the data directory {} is in use by another process; stop that one, or give this one a directory of its own with --data-dir",
            root.display()
        ))),
        Err(TryLockError::Error(error)) => Err(failed("lock", &path, &error)),
    }
}

fn format_line() -> String {
    format!("shardgate data, format {FORMAT}\n")
}

/// Whether the directory is in use; an error if another version uses it.
fn check_format(root: &Path) -> Result<bool, Error> {
    let path = root.join("FORMAT");
    match fs::read(&path) {
        Ok(found) if found == format_line().as_bytes() => Ok(true),
        Ok(found) => Err(Error::Failed(format!(
            "{} says {:?}; this version reads {:?}. Use the version that wrote the directory, or another directory",
            path.display(),
            String::from_utf8_lossy(&found).trim_end().chars().take(80).collect::<String>(),
            format_line().trim_end()
        ))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed("read", &path, &error)),
    }
}

/// Writes the version so that it is there whole or not at all.
fn write_format(disk: &Disk, root: &Path) -> Result<(), Error> {
    let (path, unfinished) = (root.join("FORMAT"), root.join("FORMAT.new"));
    let written = disk.create(&unfinished).and_then(|file| {
        file.write_all_at(format_line().as_bytes(), 0)?;
        file.sync()?;
        disk.rename(&unfinished, &path)
    });
    written.map_err(|error| failed("write", &path, &error))?;
    sync_directory(disk, root)
}

/// Makes the name of the data directory itself durable. Who may not look into the directory above has not made the name.
fn sync_own_name(disk: &Disk, root: &Path) -> Result<(), Error> {
    let above = above(root);
    match disk.sync_directory(above) {
        Err(error) if error.kind() != ErrorKind::PermissionDenied => Err(failed("sync", above, &error)),
        _ => Ok(()),
    }
}

/// Begins an empty log.
fn begin(disk: &Disk, directory: &Path) -> Result<Segment, Error> {
    let (mark, mut snapshot) = (Mark::draw(), Vec::new());
    Entry::SnapshotEnd.encode(mark, 0, &mut snapshot);
    Segment::begin(disk, directory, 1, 0, mark, &snapshot)
}

/// Opens all segment files; each but the newest must have at least the length that its successor
/// knows, and is cut to that.
fn open_segments(disk: &Disk, directory: &Path, repair: bool) -> Result<Segments, Error> {
    let mut segments = Segments::new();
    let mut before: Option<Arc<Segment>> = None;
    for (number, path) in list(disk, directory)? {
        let previous_bytes = before.as_ref().filter(|before| before.number + 1 == number).map_or(0, |before| before.end());
        let (segment, header) = match Segment::open(disk, &path) {
            Err(Error::Damaged(why)) if repair => {
                tracing::error!(why, "the header is worked out anew");
                if Segment::restore_header(disk, &path, number, previous_bytes)?.is_none() {
                    let aside = path.with_extension("damaged");
                    disk.rename(&path, &aside).map_err(|error| failed("rename", &path, &error))?;
                    continue;
                }
                Segment::open(disk, &path)?
            }
            opened => opened?,
        };
        if segment.number != number {
            return Err(Error::Damaged(format!(
                "{} holds segment {}: it was renamed; give it back its name",
                path.display(),
                segment.number
            )));
        }
        if let Some(before) = before.filter(|before| before.number + 1 == number && before.end() != header.previous_bytes) {
            let (found, wanted) = (before.end(), header.previous_bytes);
            // What is too much was never acknowledged: it is the rest of a write that failed, or the mark of an orderly end behind
            // a new segment that failed to begin.
            if found < wanted && !repair {
                return Err(Error::Damaged(format!(
                    "{} is damaged at byte {}: it has {found} bytes, but segment {number} follows one of {wanted}; put the file \
                     back from a copy, or start once with --repair to give up what is missing",
                    before.path.display(),
                    found.min(wanted)
                )));
            }
            mend_length(&before, wanted)?;
        }
        let segment = Arc::new(segment);
        before = Some(segment.clone());
        segments.insert(number, segment);
    }
    Ok(segments)
}

/// Gives a sealed segment the length that it had.
fn mend_length(segment: &Segment, wanted: u64) -> Result<(), Error> {
    if segment.end() > wanted {
        return segment.cut(wanted).map_err(|error| failed("cut", &segment.path, &error));
    }
    let mut scanner = Scanner::new(segment);
    loop {
        while scanner.next()?.is_some() {}
        match scanner.behind()? {
            Some(behind) => {
                segment.void(scanner.position, behind.next)?;
                scanner.skip_to(behind.next);
            }
            None => return segment.void(scanner.position, wanted),
        }
    }
}

/// What the log says.
#[derive(Default)]
struct Replay {
    repair: bool,
    /// Whether the log is in use: then it has no torn tail, and is not to be touched.
    running: bool,
    ledger: BTreeMap<Bytes, Bytes>,
    lanes: HashMap<LaneId, Cell>,
    /// Runs of the newest segment that are complete.
    runs: Vec<(LaneId, Run)>,
    /// Blocks copied into the newest segment.
    moved: Found,
    /// Bytes that a repair gave up and that may have said how things stand.
    lost_bytes: u64,
}

/// What a run covers, and the latest times up to its end.
#[derive(Clone, Copy)]
struct Span {
    base: Offset,
    next: Offset,
    created: Timestamp,
    arrived: Timestamp,
}

impl Span {
    fn of(run: &Run) -> Self {
        Self { base: run.base, next: run.next, created: run.created_so_far, arrived: run.arrived_last }
    }
}

/// What the index has of all lanes; counts the live bytes and the runs of segments on the way.
struct Survey<'a> {
    lanes: &'a HashMap<LaneId, Cell>,
    segments: &'a Segments,
    /// In the order of their offsets, until runs are taken out of it.
    spans: HashMap<LaneId, Vec<Span>>,
}

impl<'a> Survey<'a> {
    fn of(lanes: &'a HashMap<LaneId, Cell>, segments: &'a Segments) -> Self {
        for segment in segments.values() {
            segment.live.store(0, Ordering::Relaxed);
            segment.indexed.store(0, Ordering::Relaxed);
        }
        let survey = Self { lanes, segments, spans: HashMap::new() };
        for cell in lanes.values() {
            cell.growing.iter().for_each(|run| survey.count(cell, run));
        }
        survey
    }

    fn take(&mut self, lane: LaneId, run: &Run) {
        if let Some(cell) = self.lanes.get(&lane) {
            self.count(cell, run);
        }
        if let Some(segment) = self.segments.get(&run.segment) {
            segment.indexed.fetch_add(1, Ordering::Relaxed);
        }
        self.spans.entry(lane).or_default().push(Span::of(run));
    }

    fn count(&self, cell: &Cell, run: &Run) {
        let horizon = cell.head.extent().horizon;
        let live: u64 = run.blocks().filter(|(_, end)| *end > horizon).map(|(place, _)| u64::from(place.entry_bytes)).sum();
        if let Some(segment) = self.segments.get(&run.segment) {
            segment.live.fetch_add(i64::try_from(live).unwrap_or(i64::MAX), Ordering::Relaxed);
        }
    }

    /// Whether the runs of every lane follow each other from its horizon to its end, and no other lane has any.
    fn whole(mut self) -> bool {
        let follow = |(lane, cell): (&LaneId, &Cell)| {
            let mut spans = self.spans.remove(lane).unwrap_or_default();
            spans.sort_by_key(|span| span.base);
            let follow = spans.windows(2).all(|pair| matches!(pair, [one, other] if one.next == other.base));
            let horizon = cell.head.extent().horizon;
            let until = cell.growing.as_ref().map_or(cell.head.extent().next, |run| run.base);
            let (first, next) = spans.first().zip(spans.last()).map_or((horizon, horizon), |(one, other)| (one.base, other.next));
            follow && first <= horizon && next >= until
        };
        self.lanes.iter().all(follow) && self.spans.is_empty()
    }
}

/// Notes how sealed segments look now that they are known to be good and covered by the index.
fn seal(tree: &Tree, segments: &Segments) -> Result<(), Error> {
    for segment in sealed(segments) {
        let look = segment.look()?;
        if tree.seal(segment.number)?.as_deref() != Some(&look) {
            tree.set_seal(segment.number, Some(&look))?;
        }
    }
    tree.flush()
}

/// The most records that one batch can have.
const BATCH_RECORDS_MAX: i64 = limits::COMPRESSED_RECORDS_MAX as i64;

impl Replay {
    /// Reads the newest segment. A repair begins with the newest one that has a whole snapshot.
    fn read(&mut self, segments: &Segments) -> Result<(), Error> {
        let mut first = segments.keys().next_back().copied().unwrap_or(0);
        if self.repair {
            for segment in segments.values().rev() {
                first = segment.number;
                if snapshot_is_whole(segment)? {
                    break;
                }
            }
        }
        for segment in segments.range(first..).map(|(_, segment)| segment) {
            let newest = segments.range(segment.number + 1..).next().is_none();
            (self.runs, self.moved) = Default::default();
            self.lanes.values_mut().for_each(|cell| cell.growing = None);
            self.read_one(segment, newest)?;
        }
        if self.lost_bytes > 0 {
            self.step_over_the_lost();
        }
        Ok(())
    }

    /// Reads a segment, and cuts the torn tail of the newest.
    fn read_one(&mut self, segment: &Arc<Segment>, newest: bool) -> Result<(), Error> {
        let mut scanner = Scanner::new(segment);
        let mut snapshot_end = None;
        loop {
            while let Some(scanned) = scanner.next()? {
                if scanned.entry == Entry::SnapshotEnd {
                    snapshot_end = Some(scanner.position);
                }
                let from = scanned.position;
                match self.apply(segment, scanned) {
                    // It has its checksum, and makes no sense all the same.
                    Err(Error::Damaged(_)) if self.repair => self.give_up(segment, from, scanner.position)?,
                    applied => applied?,
                }
            }
            if scanner.at_end() {
                break;
            }
            let bad = scanner.position;
            let behind = scanner.behind()?;
            let synced = behind.as_ref().map_or(0, |behind| behind.synced);
            if newest && !self.running && snapshot_end.is_some() && synced <= bad {
                tracing::warn!(file = %segment.path.display(), at = bad, bytes = segment.end() - bad, "the torn tail of the log is cut");
                segment.cut(bad).map_err(|error| failed("cut", &segment.path, &error))?;
                break;
            }
            if !self.repair {
                return Err(segment.damaged_at(bad));
            }
            let next = behind.map_or(segment.end(), |behind| behind.next);
            self.give_up(segment, bad, next)?;
            scanner.skip_to(next);
        }
        if snapshot_end.is_none() && !self.repair {
            return Err(segment.damaged_at(scanner.position));
        }
        if self.running {
            return Ok(());
        }
        // What a killed process had written is read, so it may be shown: it must not go with a power cut after that.
        segment.sync().map_err(|error| failed("sync", &segment.path, &error))
    }

    /// Does without the bytes from `from` to `to`, which may have said how things stand.
    fn give_up(&mut self, segment: &Segment, from: u64, to: u64) -> Result<(), Error> {
        self.hear_out(&segment.bytes_at(from, usize::try_from(to - from).unwrap_or(usize::MAX))?);
        self.lost_bytes += to - from;
        segment.void(from, to)
    }

    /// A lane may be known only from the damaged entry of its first block: if that can be made out, the lane is known.
    fn hear_out(&mut self, damaged: &[u8]) {
        let body = Bytes::copy_from_slice(damaged.get(PREFIX_BYTES..).unwrap_or_default());
        if let Some(Entry::Block { lane, batch, .. }) = Entry::decode(&body)
            && let Ok(header) = batch::Header::parse(&batch)
            && header.base_offset == Offset(0)
        {
            self.lanes.entry(lane).or_default();
        }
    }

    /// What was lost may have been blocks of any lane, answered already: all lanes go on behind what those could have held.
    fn step_over_the_lost(&mut self) {
        let smallest = (BLOCK_PREFIX_BYTES + batch::HEADER_BYTES) as u64;
        let batches = i64::try_from(self.lost_bytes / smallest + 1).unwrap_or(i64::MAX);
        for cell in self.lanes.values_mut() {
            let next = cell.head.extent().next;
            cell.head.skip_to(Offset(next.0.saturating_add(batches.saturating_mul(BATCH_RECORDS_MAX))));
        }
    }

    fn apply(&mut self, segment: &Segment, Scanned { position, entry_bytes, entry }: Scanned) -> Result<(), Error> {
        match entry {
            Entry::Block { lane, origin, arrived_at, moved, batch } => {
                let batch = Batch::stored(batch).map_err(|_| segment.damaged_at(position))?;
                let block = Block { batch, arrived_at, origin: Some(origin).filter(|origin| *origin != lane.lane) };
                let written = written(&block, position, entry_bytes);
                if moved {
                    self.moved.insert((lane, written.place.base), (segment.number, written));
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
                if let Some(origin) = block.forwarded_from(lane) {
                    self.lanes.entry(origin).or_default().head.apply_forwarded(&block);
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
                if let Some(cell) = self.lanes.get_mut(&lane) {
                    cell.head.trim(before);
                }
            }
            Entry::Remove(lanes) => {
                self.lanes.retain(|lane, _| !lanes.contains(lane));
                self.runs.retain(|(lane, _)| !lanes.contains(lane));
                self.moved.retain(|(lane, _), _| !lanes.contains(lane));
            }
            Entry::LaneSnapshot { lane, created_max, head } => {
                let head = LaneHead::decode(&mut head.as_ref()).ok_or_else(|| segment.damaged_at(position))?;
                self.lanes.insert(lane, Cell { created_max, head, ..Cell::default() });
            }
            Entry::Hole { lane, first, next } => self.lanes.entry(lane).or_default().holes.push((first, next)),
            Entry::SnapshotEnd | Entry::Closed | Entry::Void => {}
        }
        Ok(())
    }

    /// Makes the trees say what the log says.
    fn reconcile(mut self, directory: &Path, segments: &Segments) -> Result<(Tree, HashMap<LaneId, Cell>), Error> {
        for cell in self.lanes.values_mut() {
            cell.step_back();
            cell.trimmed = cell.head.extent().horizon;
            cell.counted_from = cell.trimmed;
        }
        if !self.repair {
            let tree = Tree::open(directory)?;
            let unsealed = unsealed(&tree, segments)?;
            // With none of them known, all is to be read anyway.
            if unsealed.len() < segments.len() - 1 || unsealed.is_empty() {
                let found = self.scan(unsealed.iter())?;
                match self.update(&tree, segments, &unsealed, found) {
                    Ok(true) => return Ok((tree, self.lanes)),
                    Ok(false) => tracing::warn!("the index lacks something"),
                    Err(error) => tracing::warn!(%error, "the ledger does not read"),
                }
            }
        }
        tracing::info!(segments = segments.len(), "the ledger and the index are rebuilt from the commit log");
        let tree = Tree::begin_anew(directory)?;
        self.rebuild(&tree, segments)?;
        let mut survey = Survey::of(&self.lanes, segments);
        tree.runs(|lane, run| survey.take(lane, &run))?;
        if !survey.whole() {
            return Err(Error::Failed(
                "the index could not be rebuilt: what sled gives back is not what it was given".to_owned(),
            ));
        }
        seal(&tree, segments)?;
        Ok((tree, self.lanes))
    }

    /// Brings trees of an earlier moment up to date; `false` if they lack something.
    fn update(&self, tree: &Tree, segments: &Segments, unsealed: &[Arc<Segment>], mut found: Found) -> Result<bool, Error> {
        self.update_ledger(tree)?;
        // Runs in segments that were just read are made anew; all others must be right.
        let newest = segments.keys().next_back().copied().unwrap_or(0);
        let fresh: HashSet<u64> = unsealed.iter().map(|segment| segment.number).chain([newest]).collect();
        let (mut stale, mut survey) = (Vec::new(), Survey::of(&self.lanes, segments));
        tree.runs(|lane, run| {
            let alive = self.lanes.get(&lane).is_some_and(|cell| run.next > cell.head.extent().horizon);
            let there = segments.get(&run.segment).is_some_and(|segment| run.end() <= segment.end());
            if alive && (run.places.is_empty() || there) && !fresh.contains(&run.segment) {
                survey.take(lane, &run);
            } else {
                stale.push(IndexChange::Remove(lane, run.base));
            }
        })?;
        found.extend(self.moved.iter().map(|(at, block)| (*at, *block)));
        let mut runs: Vec<(LaneId, Run)> = Vec::new();
        for ((lane, base), (segment, mut block)) in found {
            let alive = self.lanes.get(&lane).is_some_and(|cell| block.next > cell.head.extent().horizon);
            let kept = survey.spans.get(&lane).map(Vec::as_slice).unwrap_or_default();
            let before = kept.partition_point(|span| span.base <= base).checked_sub(1).and_then(|at| kept.get(at));
            if !alive || before.is_some_and(|before| base < before.next) {
                continue;
            }
            let last = runs.last_mut().filter(|(of, run)| *of == lane && run.next == base);
            let follows = last.as_ref().map(|(_, run)| Span::of(run));
            let floor = follows.or(before.copied());
            block.arrived_at = floor.map_or(block.arrived_at, |floor| floor.arrived.max(block.arrived_at));
            match last {
                Some((_, run)) if run.segment == segment && !run.is_full() => run.extend(block),
                _ => {
                    let created = floor.map_or(Timestamp(i64::MIN), |floor| floor.created);
                    runs.push((lane, Run::starting_with(segment, block, created)));
                }
            }
        }
        runs.extend(self.runs.iter().cloned());
        runs.iter().for_each(|(lane, run)| survey.take(*lane, run));
        let whole = survey.whole();
        tree.change_index(stale)?;
        tree.change_index(runs.into_iter().map(|(lane, run)| IndexChange::Put(lane, run)))?;
        if whole {
            seal(tree, segments)?;
        }
        Ok(whole)
    }

    /// Sets right whatever differs from the log.
    fn update_ledger(&self, tree: &Tree) -> Result<(), Error> {
        let (mut wrong, mut seen) = (Vec::new(), HashSet::new());
        tree.scan(&[], &mut |key, value| {
            match self.ledger.get(key) {
                Some(ours) if ours == value => drop(seen.insert(Bytes::copy_from_slice(key))),
                Some(_) => {}
                None => wrong.push(Write::Delete { key: Bytes::copy_from_slice(key) }),
            };
        })?;
        let missing = self.ledger.iter().filter(|(key, _)| !seen.contains(*key));
        wrong.extend(missing.map(|(key, value)| Write::Put { key: key.clone(), value: value.clone() }));
        tree.apply(&wrong)
    }

    /// Makes the trees from nothing but the log.
    fn rebuild(&mut self, tree: &Tree, segments: &Segments) -> Result<(), Error> {
        let writes: Vec<_> =
            self.ledger.iter().map(|(key, value)| Write::Put { key: key.clone(), value: value.clone() }).collect();
        tree.apply(&writes)?;
        let found = self.scan(segments.values())?;
        self.lay_runs(tree, found)
    }

    /// The live blocks in `segments`.
    fn scan<'a>(&self, segments: impl Iterator<Item = &'a Arc<Segment>>) -> Result<Found, Error> {
        let mut found = Found::new();
        for segment in segments {
            let mut scanner = Scanner::new(segment);
            loop {
                while let Some(Scanned { position, entry_bytes, entry }) = scanner.next()? {
                    let Entry::Block { lane, arrived_at, batch, .. } = entry else { continue };
                    let Some(cell) = self.lanes.get(&lane) else { continue };
                    let batch = match Batch::stored(batch) {
                        Ok(batch) => batch,
                        Err(_) if self.repair => {
                            segment.void(position, scanner.position)?;
                            continue;
                        }
                        Err(_) => return Err(segment.damaged_at(position)),
                    };
                    let written = written(&Block { batch, arrived_at, origin: None }, position, entry_bytes);
                    if written.next > cell.head.extent().horizon {
                        found.insert((lane, written.place.base), (segment.number, written));
                    }
                }
                if scanner.at_end() {
                    break;
                }
                if !self.repair {
                    return Err(segment.damaged_at(scanner.position));
                }
                let next = scanner.behind()?.map_or(segment.end(), |behind| behind.next);
                segment.void(scanner.position, next)?;
                scanner.skip_to(next);
            }
        }
        Ok(found)
    }

    /// Lays the index of all lanes from where their blocks lie.
    fn lay_runs(&mut self, tree: &Tree, found: Found) -> Result<(), Error> {
        let mut blocks = found.into_iter().peekable();
        let mut lanes: Vec<_> = self.lanes.iter_mut().collect();
        lanes.sort_by_key(|(lane, _)| **lane);
        for (lane, cell) in lanes {
            let (mut next, mut created, mut run): (_, _, Option<Run>) = (cell.head.extent().horizon, Timestamp(i64::MIN), None);
            let (mut runs, mut holes) = (Vec::new(), Vec::new());
            cell.growing = None;
            let mut hole = |from: Offset, to: Offset, created: Timestamp, runs: &mut Vec<Run>| {
                let accepted = cell.holes.iter().any(|(first, next)| *first <= from && to <= *next);
                if !self.repair && !accepted {
                    return Err(Error::Damaged(format!(
                        "lane {lane} lacks the offsets {from} to {to}: a segment file is missing in log/; put it back, or start \
                         once with --repair to give them up"
                    )));
                }
                runs.push(Run::hole(0, from, to, created));
                holes.push((from, to));
                Ok(())
            };
            let mut arrived = Timestamp(i64::MIN);
            while let Some((_, (segment, mut block))) = blocks.next_if(|((at, _), _)| at == lane) {
                arrived = arrived.max(block.arrived_at);
                block.arrived_at = arrived;
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
            cell.holes = holes;
            cell.created_max = cell.created_max.max(created);
            cell.step_back();
            tree.change_index(runs.into_iter().map(|run| IndexChange::Put(*lane, run)))?;
        }
        Ok(())
    }
}

/// All segments but the newest.
fn sealed(segments: &Segments) -> impl Iterator<Item = &Arc<Segment>> {
    segments.values().take(segments.len().saturating_sub(1))
}

/// Sealed segments whose blocks the index may lack, or which somebody touched.
fn unsealed(tree: &Tree, segments: &Segments) -> Result<Vec<Arc<Segment>>, Error> {
    let mut unsealed = Vec::new();
    for segment in sealed(segments) {
        let known = tree.seal(segment.number).ok().flatten();
        if known.as_deref() != Some(&segment.look()?) {
            unsealed.push(segment.clone());
        }
    }
    Ok(unsealed)
}

/// Whether all entries up to the end of the snapshot are whole.
fn snapshot_is_whole(segment: &Segment) -> Result<bool, Error> {
    let mut scanner = Scanner::new(segment);
    while let Some(scanned) = scanner.next()? {
        if scanned.entry == Entry::SnapshotEnd {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_dropped_is_free_although_somebody_has_a_copy_of_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let held = lock(directory.path()).unwrap();
        // What a process has that was started here and has not come to its own program yet.
        let copy = held.0.try_clone().unwrap();
        assert!(lock(directory.path()).is_err());
        drop(held);
        assert!(lock(directory.path()).is_ok());
        drop(copy);
    }
}
