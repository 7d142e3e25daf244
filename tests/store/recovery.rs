//! The commit log's own promises: what a crash, damage, a full disk or time may do to its files, and what may not follow.
//!
//! A crash image is a copy of the directory of a running store. Copying takes time, so a copy counts only if no segment came
//! or went meanwhile: then it is what a crash could have left. sled may be copied at any other time: nothing is believed of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use shardgate::batch::{Batch, Builder, Draft, ProducerStamp, Verdict};
use shardgate::env::{Entropy, SeededEntropy};
use shardgate::model::{LaneId, Offset, Timestamp};
use shardgate::store::{Block, Error, Journal, Ledger, Options, Search, SegmentStore, Write};
use tempfile::TempDir;

use super::{Make, done, lane};

const SEGMENT_BYTES: u64 = 8 << 10;

fn open(directory: &Path) -> Result<SegmentStore, Error> {
    SegmentStore::open(directory, Options { segment_bytes: SEGMENT_BYTES, repair: false })
}

fn repaired(directory: &Path) -> SegmentStore {
    SegmentStore::open(directory, Options { segment_bytes: SEGMENT_BYTES, repair: true }).unwrap()
}

fn refusal(directory: &Path) -> String {
    match open(directory) {
        Ok(_) => panic!("the store opened"),
        Err(Error::Damaged(why)) => why,
        Err(other) => panic!("{other:?}"),
    }
}

/// Repeatable chance.
pub(crate) struct Chance(SeededEntropy);

impl Chance {
    pub(crate) fn below(&self, bound: usize) -> usize {
        usize::try_from(self.0.uuid().as_u128() % bound as u128).unwrap()
    }

    pub(crate) fn noise(&self, bytes: usize) -> Vec<u8> {
        (0..bytes).map(|_| self.below(256) as u8).collect()
    }
}

pub(crate) fn chance(seed: u64) -> Chance {
    Chance(SeededEntropy::new(seed))
}

/// The files below `from`, with their paths in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else if entry.file_name() != "LOCK" {
            // A file that went meanwhile is noticed by the caller, who compares the names.
            let _ = fs::copy(entry.path(), to);
        }
    }
}

pub(super) fn segments(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(directory.join("log")).unwrap().flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    paths.sort();
    paths
}

fn newest(directory: &Path) -> PathBuf {
    segments(directory).pop().unwrap()
}

/// What a crash at this moment could leave.
pub(super) fn image(directory: &Path) -> TempDir {
    loop {
        let (to, before) = (tempfile::tempdir().unwrap(), segments(directory));
        copy(directory, to.path());
        if segments(directory) == before && segments(to.path()).len() == before.len() {
            return to;
        }
    }
}

/// A directory with what `fill` does to an empty store, as a crash behind it would leave it, and as an orderly end does.
fn crashed_and_closed(fill: impl FnOnce(&SegmentStore)) -> [TempDir; 2] {
    let closed = tempfile::tempdir().unwrap();
    let store = open(closed.path()).unwrap();
    fill(&store);
    [image(closed.path()), closed]
}

fn append(store: &SegmentStore, lane: LaneId, make: Make) -> Block {
    let block = Make { base: store.extent(lane).next.0, ..make }.block();
    done(|done| store.append(lane, block.clone(), done)).unwrap();
    block
}

fn put(store: &SegmentStore, key: &str, value: &str) {
    let write = Write::Put { key: key.to_owned().into(), value: value.to_owned().into() };
    done(|done| store.commit(vec![write], done)).unwrap();
}

fn blocks(store: &SegmentStore, lane: LaneId) -> Vec<Block> {
    store.read(lane, Offset(0), usize::MAX).unwrap()
}

fn ledger(store: &SegmentStore) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut found = BTreeMap::new();
    store.scan(b"", &mut |key, value| drop(found.insert(key.to_vec(), value.to_vec()))).unwrap();
    found
}

/// The ledger's keys and values.
type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

/// A lane, its horizon, next offset and blocks.
type Contents = (LaneId, i64, i64, Vec<Block>);

/// Everything there is to see: the lanes and the ledger.
pub(super) fn contents(store: &SegmentStore) -> (Vec<Contents>, Pairs) {
    let mut lanes = store.lanes();
    lanes.sort();
    let of = |lane| (lane, store.extent(lane).horizon.0, store.extent(lane).next.0, blocks(store, lane));
    (lanes.into_iter().map(of).collect(), ledger(store))
}

/// An entry of a segment file: where it begins, its length, and how far the file was synced when it was written.
#[derive(Clone, Copy, Debug)]
struct Piece {
    at: usize,
    bytes: usize,
    synced: usize,
    kind: u8,
}

const HEADER_BYTES: usize = 44;
const BLOCK: u8 = 1;

fn pieces(bytes: &[u8]) -> Vec<Piece> {
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let (mut at, mut found) = (HEADER_BYTES, Vec::new());
    while at < bytes.len() {
        found.push(Piece { at, bytes: 16 + number(at + 4), synced: number(at + 8), kind: bytes[at + 16] });
        at += 16 + number(at + 4);
    }
    found
}

/// A sequence of writes by several hands, and what was promised of them.
struct Workload {
    chance: Chance,
    lanes: Vec<LaneId>,
    next_stream: u128,
    told: Arc<Mutex<Promises>>,
    /// By lane: the blocks handed in, the horizon asked for.
    asked: BTreeMap<LaneId, (Vec<Block>, Offset)>,
    sequences: BTreeMap<(LaneId, i64), i32>,
    commits: Vec<BTreeMap<Vec<u8>, Vec<u8>>>,
}

/// What the store has acknowledged.
#[derive(Clone, Default)]
struct Promises {
    next: BTreeMap<LaneId, Offset>,
    horizon: BTreeMap<LaneId, Offset>,
    commits: usize,
    removed: Vec<LaneId>,
}

impl Workload {
    fn new(seed: u64) -> Self {
        Self {
            chance: chance(seed),
            lanes: (0..4).map(|number| lane(1, number)).collect(),
            next_stream: 2,
            told: Arc::default(),
            asked: BTreeMap::new(),
            sequences: BTreeMap::new(),
            commits: vec![BTreeMap::new()],
        }
    }

    fn step(&mut self, store: &SegmentStore) {
        let at = self.chance.below(self.lanes.len());
        let lane = self.lanes[at];
        match self.chance.below(20) {
            0 => self.trim(store, lane),
            1 if self.chance.below(4) == 0 => self.remove(store, at),
            1..=4 => self.commit(store),
            _ => self.append(store, lane),
        }
    }

    fn append(&mut self, store: &SegmentStore, lane: LaneId) {
        let id = self.chance.below(3) as i64;
        let (blocks, horizon) = self.asked.entry(lane).or_default();
        let (base, horizon) = (blocks.last().map_or(Offset(0), |block| block.batch.header().next_offset()), *horizon);
        let sequence = self.sequences.entry((lane, id)).or_default();
        let stamp = ProducerStamp { id, epoch: 0, first_sequence: *sequence };
        let more_records = self.chance.below(3) as i32;
        *sequence += more_records + 1;
        let value_bytes = self.chance.below(600);
        let block = Make { base: base.0, more_records, value_bytes, producer: Some(stamp), ..Make::default() }.block();
        blocks.push(block.clone());
        let (told, next) = (self.told.clone(), block.batch.header().next_offset());
        let answer = move |result: Result<(), Error>| {
            result.unwrap();
            let mut told = told.lock();
            told.next.insert(lane, next);
            // A trim is durable no later than the next append.
            told.horizon.insert(lane, horizon);
        };
        store.append(lane, block, Box::new(answer));
    }

    fn trim(&mut self, store: &SegmentStore, lane: LaneId) {
        let next = store.extent(lane).next;
        let before = Offset(next.0 - self.chance.below(20) as i64);
        store.trim(lane, before);
        if let Some((_, horizon)) = self.asked.get_mut(&lane) {
            *horizon = (*horizon).max(store.extent(lane).horizon);
        }
    }

    fn remove(&mut self, store: &SegmentStore, at: usize) {
        let gone = std::mem::replace(&mut self.lanes[at], lane(self.next_stream, 0));
        self.next_stream += 1;
        let told = self.told.clone();
        store.remove(
            &[gone],
            Box::new(move |result| {
                result.unwrap();
                told.lock().removed.push(gone);
            }),
        );
    }

    fn commit(&mut self, store: &SegmentStore) {
        let mut state = self.commits.last().cloned().unwrap();
        let mut writes = Vec::new();
        for _ in 0..=self.chance.below(3) {
            let key = format!("key/{}", self.chance.below(8)).into_bytes();
            if self.chance.below(4) == 0 {
                state.remove(&key);
                writes.push(Write::Delete { key: key.into() });
            } else {
                let bytes = if self.chance.below(10) == 0 { 9_000 } else { self.chance.below(50) };
                let value = self.chance.noise(bytes);
                state.insert(key.clone(), value.clone());
                writes.push(Write::Put { key: key.into(), value: value.into() });
            }
        }
        self.commits.push(state);
        let told = self.told.clone();
        store.commit(
            writes,
            Box::new(move |result| {
                result.unwrap();
                told.lock().commits += 1;
            }),
        );
    }

    /// Holds what the store at `directory` has against what was promised when the image was begun.
    fn check(&self, store: &SegmentStore, told: &Promises) {
        for (lane, (asked, trimmed)) in &self.asked {
            let extent = store.extent(*lane);
            if told.removed.contains(lane) {
                assert!(extent.next == Offset(0) && blocks(store, *lane).is_empty(), "{lane} came back");
                continue;
            }
            if !self.lanes.contains(lane) && extent.next == Offset(0) {
                continue; // The removal was under way.
            }
            assert!(extent.next >= told.next.get(lane).copied().unwrap_or_default(), "{lane} lost what was acknowledged");
            assert!(extent.horizon >= told.horizon.get(lane).copied().unwrap_or_default(), "{lane} forgot a trim");
            assert!(extent.horizon <= *trimmed);
            let alive = |block: &&Block| {
                let header = block.batch.header();
                header.next_offset() > extent.horizon && header.next_offset() <= extent.next
            };
            assert!(blocks(store, *lane).iter().eq(asked.iter().filter(alive)), "{lane}");
            let last = asked.iter().rev().filter(|block| block.batch.header().next_offset() <= extent.next);
            for block in last.take(1) {
                let header = block.batch.header();
                let (stamp, base) = (header.producer.unwrap(), header.base_offset);
                let window = store.producer(*lane, stamp.id).expect("the last producer is known");
                assert_eq!(window.judge(stamp, header.records), Verdict::Duplicate { base: Some(base) });
            }
        }
        let found = ledger(store);
        let state = self.commits.iter().rposition(|state| *state == found);
        assert!(state.is_some_and(|state| state >= told.commits), "the ledger is at {state:?}; {} were promised", told.commits);
    }
}

#[test]
fn a_crash_at_any_moment_loses_nothing_that_was_acknowledged() {
    for seed in 0..6 {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path()).unwrap();
        let mut work = Workload::new(seed);
        for round in 0..6 {
            for _ in 0..work.chance.below(300) {
                work.step(&store);
            }
            let told = work.told.lock().clone();
            let image = image(directory.path());
            let again = open(image.path()).unwrap();
            work.check(&again, &told);
            // It goes on where it is, and that lasts too.
            let lane = lane(99, round);
            let block = append(&again, lane, Make { value_bytes: 3_000, ..Make::default() });
            let before = contents(&again);
            drop(again);
            let again = open(image.path()).unwrap();
            assert_eq!(contents(&again), before);
            assert_eq!(blocks(&again, lane), [block]);
        }
    }
}

#[test]
fn an_index_of_another_time_than_the_log_does_no_harm() {
    for seed in 10..14 {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path()).unwrap();
        let mut work = Workload::new(seed);
        let mut images = Vec::new();
        for _ in 0..3 {
            for _ in 0..400 {
                work.step(&store);
            }
            done(|done| store.commit(vec![], done)).unwrap();
            work.commits.push(work.commits.last().cloned().unwrap());
            // Long enough for the trees to be flushed, so that the images' trees differ.
            std::thread::sleep(Duration::from_millis(600));
            let told = work.told.lock().clone();
            images.push((image(directory.path()), told));
        }
        for (log, (image, told)) in images.iter().enumerate() {
            for (sled, (other, _)) in images.iter().enumerate().filter(|(sled, _)| *sled != log) {
                let mixed = tempfile::tempdir().unwrap();
                copy(image.path(), mixed.path());
                fs::remove_dir_all(mixed.path().join("sled")).unwrap();
                copy(&other.path().join("sled"), &mixed.path().join("sled"));
                let store = open(mixed.path()).unwrap_or_else(|error| panic!("log {log}, sled {sled}: {error}"));
                work.check(&store, told);
            }
        }
    }
}

#[test]
fn a_torn_tail_is_cut_at_the_last_whole_entry() {
    let [crashed, _closed] = crashed_and_closed(|store| {
        for index in 0..12 {
            append(store, lane(1, 0), Make { value_bytes: 10 * index, ..Make::default() });
        }
    });
    let path = newest(crashed.path());
    let (whole, chance) = (fs::read(&path).unwrap(), chance(1));
    let written = pieces(&whole);
    let last = &written[written.len() - 3..];
    let positions = last[0].at..=whole.len();
    for at in positions {
        // Every position is cut; some are tried with something else behind.
        let behind = match at % 8 {
            0 => vec![0; whole.len() - at],
            1 => chance.noise(whole.len() - at),
            2 => vec![0; 5_000],
            _ => Vec::new(),
        };
        fs::write(&path, [&whole[..at], &behind].concat()).unwrap();
        let kept = written.iter().filter(|piece| piece.kind == BLOCK && piece.at + piece.bytes <= at).count();
        let store = open(crashed.path()).unwrap();
        // Zeros or noise may happen to be what was there.
        let next = usize::try_from(store.extent(lane(1, 0)).next.0).unwrap();
        assert!(next == kept || !behind.is_empty() && next == kept + 1, "cut at {at}");
        assert_eq!(blocks(&store, lane(1, 0)).len(), next);
        append(&store, lane(1, 0), Make::default());
        drop(store);
        assert_eq!(open(crashed.path()).unwrap().extent(lane(1, 0)).next.0, next as i64 + 1);
    }
}

/// A lane of 30 blocks written in several groups, the last of more than one entry; the newest segment has all of them.
fn grouped() -> (TempDir, PathBuf, Vec<Piece>) {
    loop {
        let [crashed, _closed] = crashed_and_closed(|store| {
            append(store, lane(1, 0), Make::default());
            for round in 0..3 {
                let (answer, answers) = mpsc::channel();
                for base in 1 + round * 10..11 + round * 10 {
                    let answer = answer.clone();
                    store.append(
                        lane(1, 0),
                        Make { base, ..Make::default() }.block(),
                        Box::new(move |result| answer.send(result).unwrap()),
                    );
                }
                drop(answer);
                answers.iter().for_each(|result| result.unwrap());
            }
        });
        let path = newest(crashed.path());
        let pieces = pieces(&fs::read(&path).unwrap());
        let last = pieces.last().unwrap().synced;
        if pieces.iter().filter(|piece| piece.synced == last).count() > 2 {
            return (crashed, path, pieces);
        }
    }
}

#[test]
fn later_pages_of_a_write_may_be_there_without_earlier_ones() {
    let (crashed, path, pieces) = grouped();
    let last = pieces.last().unwrap().synced;
    let mut bytes = fs::read(&path).unwrap();
    bytes[last..last + 40].fill(0);
    fs::write(&path, bytes).unwrap();
    let store = open(crashed.path()).unwrap();
    let kept = pieces.iter().filter(|piece| piece.kind == BLOCK && piece.synced < last).count();
    assert_eq!((store.extent(lane(1, 0)).next.0, blocks(&store, lane(1, 0)).len()), (kept as i64, kept));
}

/// Opens a damaged directory, which must name the file and a position not behind the damage, then repairs it.
fn refused_then_repaired(directory: &Path, path: &Path, at: usize) -> SegmentStore {
    let why = refusal(directory);
    assert!(why.contains(path.to_str().unwrap()) && why.contains("--repair"), "{why}");
    let named: usize = why.split("at byte ").nth(1).unwrap().split([':', ' ']).next().unwrap().parse().unwrap();
    assert!(named <= at, "byte {at} is damaged: {why}");
    repaired(directory)
}

#[test]
fn one_flipped_bit_among_acknowledged_entries_stops_the_start_and_a_repair_gives_up_that_entry() {
    let (crashed, path, pieces) = grouped();
    let (whole, chance) = (fs::read(&path).unwrap(), chance(2));
    let last = pieces.last().unwrap().synced;
    let acknowledged: Vec<_> = pieces.iter().filter(|piece| piece.at < last && piece.kind == BLOCK).collect();
    let (original, _) = contents(&open(image(crashed.path()).path()).unwrap());
    for piece in acknowledged.iter().step_by(3) {
        let image = image(crashed.path());
        let path = image.path().join("log").join(path.file_name().unwrap());
        let (at, mut bytes) = (piece.at + chance.below(piece.bytes), whole.clone());
        bytes[at] ^= 1 << chance.below(8);
        fs::write(&path, bytes).unwrap();
        let store = refused_then_repaired(image.path(), &path, at);
        let kept = blocks(&store, lane(1, 0));
        assert_eq!(kept.len(), original[0].3.len() - 1, "byte {at}");
        assert!(kept.iter().all(|block| original[0].3.contains(block)));
        let next = store.extent(lane(1, 0)).next;
        assert!(next >= Offset(31), "offsets stay unique");
        let block = append(&store, lane(1, 0), Make::default());
        drop(store);
        for _ in 0..2 {
            let store = open(image.path()).unwrap();
            assert_eq!(blocks(&store, lane(1, 0)), [kept.as_slice(), std::slice::from_ref(&block)].concat());
            assert_eq!(store.find(lane(1, 0), Search::LatestCreated).unwrap().as_ref(), kept.first());
        }
        fs::remove_dir_all(image.path().join("sled")).unwrap();
        assert_eq!(blocks(&open(image.path()).unwrap(), lane(1, 0)).len(), kept.len() + 1, "the repair is in the log");
    }
}

#[test]
fn a_client_cannot_write_an_entry_into_the_log() {
    // The image of a whole entry as a record's value, torn off within its batch.
    let [forged, _closed] = crashed_and_closed(|store| put(store, "forged", "value"));
    let bytes = fs::read(newest(forged.path())).unwrap();
    let piece = *pieces(&bytes).last().unwrap();
    let entry = &bytes[piece.at..piece.at + piece.bytes];
    let [crashed, _closed] = crashed_and_closed(|store| {
        let value = [entry, &[0; 100]].concat();
        let batch = Builder::default().record(Draft { value: Some(&value), ..Draft::default() }).build().unwrap();
        let block = Block { batch: Batch::check(batch.bytes().clone()).unwrap(), arrived_at: Timestamp(0), origin: None };
        done(|done| store.append(lane(1, 0), block, done)).unwrap();
    });
    let path = newest(crashed.path());
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 50]).unwrap();
    let store = open(crashed.path()).unwrap();
    assert_eq!(contents(&store), (vec![], BTreeMap::new()));
}

/// Three lanes over several segments.
fn several(store: &SegmentStore) {
    for index in 0..90 {
        append(store, lane(1, index % 3), Make { value_bytes: 400, ..Make::default() });
        put(store, &format!("key/{}", index % 7), &index.to_string());
    }
}

#[test]
fn damage_in_a_sealed_segment_is_named_and_can_be_given_up() {
    let chance = chance(3);
    for round in 0..24 {
        let images = crashed_and_closed(several);
        let image = &images[round % 2];
        let before = contents(&open(self::image(image.path()).path()).unwrap());
        let paths = segments(image.path());
        let path = &paths[chance.below(paths.len() - 1)];
        let mut bytes = fs::read(path).unwrap();
        let at = chance.below(bytes.len());
        bytes[at] ^= 1 << chance.below(8);
        fs::write(path, &bytes).unwrap();
        let store = refused_then_repaired(image.path(), path, at);
        let after = contents(&store);
        assert_eq!(before.1, after.1, "the ledger stands in the newest segment");
        for (old, new) in before.0.iter().zip(&after.0) {
            assert_eq!((old.0, old.1, old.2), (new.0, new.1, new.2));
            assert!(new.3.len() + 1 >= old.3.len() && new.3.iter().all(|block| old.3.contains(block)));
        }
        append(&store, lane(1, 0), Make::default());
        let after = contents(&store);
        drop(store);
        assert_eq!(contents(&open(image.path()).unwrap()), after);
        fs::remove_dir_all(image.path().join("sled")).unwrap();
        assert_eq!(contents(&open(image.path()).unwrap()), after);
    }
}

#[test]
fn damage_while_the_store_runs_is_an_error_of_the_reader_and_never_wrong_data() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    several(&store);
    let (paths, before, chance) = (segments(directory.path()), blocks(&store, lane(1, 0)), chance(4));
    for path in &paths[..paths.len() - 1] {
        let mut bytes = fs::read(path).unwrap();
        for _ in 0..20 {
            let at = chance.below(bytes.len());
            bytes[at] ^= 1 << chance.below(8);
        }
        fs::write(path, bytes).unwrap();
    }
    let mut damaged = 0;
    for block in &before {
        match store.read(lane(1, 0), block.batch.header().base_offset, 1) {
            Ok(read) => assert_eq!(&read[0], block),
            Err(Error::Damaged(why)) => {
                assert!(why.contains(".log") && why.contains("at byte"), "{why}");
                damaged += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(damaged > 0);
}

#[test]
fn damage_in_the_newest_snapshot_or_header_is_refused_and_a_repair_goes_back_to_an_older_one() {
    let chance = chance(5);
    for round in 0..30 {
        let images = crashed_and_closed(several);
        let image = &images[round % 2];
        let before = contents(&open(self::image(image.path()).path()).unwrap());
        let path = newest(image.path());
        let mut bytes = fs::read(&path).unwrap();
        let snapshot_end = pieces(&bytes).iter().find(|piece| piece.kind == 8).map(|piece| piece.at + piece.bytes).unwrap();
        let at = if round < 10 { chance.below(HEADER_BYTES) } else { chance.below(snapshot_end) };
        bytes[at] ^= 1 << chance.below(8);
        fs::write(&path, &bytes).unwrap();
        let store = refused_then_repaired(image.path(), &path, at);
        let after = contents(&store);
        assert_eq!(before.1, after.1, "the older snapshot and what follows it say the same");
        assert_eq!(before.0.len(), after.0.len());
        for (old, new) in before.0.iter().zip(&after.0) {
            assert!(new.2 >= old.2, "offsets stay unique");
            assert_eq!(old.3, new.3);
        }
        drop(store);
        assert_eq!(contents(&open(image.path()).unwrap()), after);
    }
}

#[test]
fn a_repair_of_a_segment_of_which_only_a_few_bytes_are_left_is_one_for_good() {
    let [_crashed, closed] = crashed_and_closed(|_| {});
    let whole = fs::read(newest(closed.path())).unwrap();
    // Fewer than the smallest entry has, which ends the snapshot.
    for bytes in HEADER_BYTES + 1..HEADER_BYTES + 17 {
        let image = image(closed.path());
        let path = newest(image.path());
        fs::write(&path, &whole[..bytes]).unwrap();
        drop(refused_then_repaired(image.path(), &path, bytes));
        assert!(open(image.path()).unwrap().lanes().is_empty());
    }
}

#[test]
fn a_missing_or_shortened_or_renamed_segment_stops_the_start() {
    let [crashed, _closed] = crashed_and_closed(several);
    let chance = chance(6);
    for round in 0..12 {
        let image = image(crashed.path());
        let paths = segments(image.path());
        let path = &paths[chance.below(paths.len() - 1)];
        let bytes = fs::read(path).unwrap();
        match round % 4 {
            0 => fs::remove_file(path).unwrap(),
            1 => fs::write(path, &bytes[..HEADER_BYTES + chance.below(bytes.len() - HEADER_BYTES)]).unwrap(),
            2 => fs::write(path, []).unwrap(),
            _ => fs::rename(path, image.path().join("log/backup.log")).unwrap(),
        }
        let why = refusal(image.path());
        assert!(why.contains("--repair"), "{why}");
        let store = repaired(image.path());
        assert!(store.lanes().len() == 3 && (0..3).all(|number| store.extent(lane(1, number)).next == Offset(30)));
        append(&store, lane(1, 0), Make::default());
        let after = contents(&store);
        drop(store);
        assert_eq!(contents(&open(image.path()).unwrap()), after);
    }
    let image = image(crashed.path());
    let path = &segments(image.path())[1];
    fs::rename(path, image.path().join("log").join(format!("{:020}.log", 999))).unwrap();
    assert!(refusal(image.path()).contains("renamed"));
}

#[test]
fn files_of_others_are_left_alone() {
    let [_crashed, closed] = crashed_and_closed(several);
    let before = contents(&open(closed.path()).unwrap());
    for name in ["notes.txt", "zzz.log", "1.log", "begun", "00000000000000000001.log.old", "99999999999999999999999.log"] {
        fs::write(closed.path().join("log").join(name), "mine").unwrap();
    }
    assert_eq!(contents(&open(closed.path()).unwrap()), before);
    for name in ["notes.txt", "zzz.log", "1.log", "00000000000000000001.log.old"] {
        assert_eq!(fs::read(closed.path().join("log").join(name)).unwrap(), b"mine");
    }
}

#[test]
fn a_directory_of_another_version_or_in_use_is_refused_in_words() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    let Err(Error::Failed(why)) = open(directory.path()) else { panic!("opened twice") };
    assert!(why.contains("in use by another process") && why.contains(directory.path().to_str().unwrap()), "{why}");
    drop(store);
    for found in
        [&b"shardgate data, format 1\n"[..], b"shardgate data, format 2\n", b"shardgate data, format 99\n", b"", &[0xff; 3]]
    {
        fs::write(directory.path().join("FORMAT"), found).unwrap();
        let Err(Error::Failed(why)) = open(directory.path()) else { panic!("opened") };
        assert!(why.contains("FORMAT") && why.contains("format 3"), "{why}");
    }
}

#[test]
fn a_crash_within_the_first_start_leaves_a_directory_that_starts() {
    for leave in [&["LOCK"][..], &["LOCK", "log"], &["LOCK", "log", "log/begun"], &["LOCK", "log", "FORMAT.new"]] {
        let directory = tempfile::tempdir().unwrap();
        for name in leave {
            let path = directory.path().join(name);
            if *name == "log" { fs::create_dir(path).unwrap() } else { fs::write(path, "").unwrap() }
        }
        append(&open(directory.path()).unwrap(), lane(1, 0), Make::default());
        assert_eq!(open(directory.path()).unwrap().extent(lane(1, 0)).next, Offset(1));
    }
}

#[test]
fn a_log_that_has_gone_is_not_taken_for_an_empty_one() {
    let [_crashed, closed] = crashed_and_closed(several);
    segments(closed.path()).iter().for_each(|path| fs::remove_file(path).unwrap());
    assert!(refusal(closed.path()).contains("no segment"));
    assert!(repaired(closed.path()).lanes().is_empty());
}

#[test]
fn whatever_happens_to_sled_nothing_is_missing() {
    let [_crashed, closed] = crashed_and_closed(|store| {
        several(store);
        store.trim(lane(1, 1), Offset(7));
        put(store, "large", &"x".repeat(50_000));
        done(|done| store.remove(&[lane(1, 2)], done)).unwrap();
    });
    let (before, chance) = (contents(&open(closed.path()).unwrap()), chance(7));
    assert_eq!(before.0.len(), 2);
    type Harm = Box<dyn Fn(&Path)>;
    let mut harms: Vec<Harm> = vec![
        Box::new(|sled| fs::remove_dir_all(sled).unwrap()),
        Box::new(|sled| {
            fs::remove_dir_all(sled).unwrap();
            fs::create_dir(sled).unwrap();
        }),
        Box::new(|sled| {
            fs::remove_dir_all(sled).unwrap();
            fs::write(sled, "a file").unwrap();
        }),
        Box::new(|sled| fs::write(sled.join("snap.0000000000000099.generating"), "half").unwrap()),
        Box::new(|sled| fs::write(sled.join("snap.0000000000000099"), "noise").unwrap()),
    ];
    let files: Vec<_> = fs::read_dir(closed.path().join("sled"))
        .unwrap()
        .flatten()
        .filter(|file| file.path().is_file())
        .map(|file| file.file_name())
        .collect();
    for file in files {
        for harm in 0..9 {
            let (file, seed) = (file.clone(), chance.below(1 << 30));
            harms.push(Box::new(move |sled| {
                let (path, chance) = (sled.join(&file), self::chance(seed as u64));
                let mut bytes = fs::read(&path).unwrap();
                let length = bytes.len();
                match harm {
                    0 => bytes.clear(),
                    1 => bytes.truncate(length / 2),
                    2 => bytes.truncate(chance.below(length + 1)),
                    3 => bytes = chance.noise(length),
                    4 => bytes.fill(0),
                    5 => bytes.fill(0xff),
                    6 => bytes.truncate(chance.below(4_096).min(length)),
                    _ if length > 0 => {
                        for _ in 0..100 {
                            let at = chance.below(length);
                            bytes[at] ^= 1 << chance.below(8);
                        }
                    }
                    _ => {}
                }
                fs::write(&path, bytes).unwrap();
            }));
        }
    }
    for (number, harm) in harms.iter().enumerate() {
        let image = tempfile::tempdir().unwrap();
        copy(closed.path(), image.path());
        harm(&image.path().join("sled"));
        let store = open(image.path()).unwrap_or_else(|error| panic!("harm {number}: {error}"));
        assert_eq!(contents(&store), before, "harm {number}");
        append(&store, lane(1, 0), Make { value_bytes: 9_000, ..Make::default() });
        put(&store, "more", "x");
        let after = contents(&store);
        drop(store);
        assert_eq!(contents(&open(image.path()).unwrap()), after);
    }
}

/// A file system of its own, if the machine lets us have one.
pub(super) struct Volume(pub(super) TempDir);

impl Volume {
    pub(super) fn of_kib(kib: u32) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "none"]).arg(directory.path()).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then_some(Self(directory))
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn on_a_full_disk_writes_are_refused_and_go_on_when_there_is_space_again() {
    // The log alone is on the small volume where we may mount one; elsewhere nothing is filled, and all else still holds.
    let (directory, volume) = (tempfile::tempdir().unwrap(), Volume::of_kib(256));
    if let Some(volume) = &volume {
        std::os::unix::fs::symlink(volume.0.path(), directory.path().join("log")).unwrap();
    }
    let store = open(directory.path()).unwrap();
    let mut kept = vec![append(&store, lane(1, 0), Make::default())];
    put(&store, "key", "before");
    let filler = directory.path().join("log/filler");
    for round in 0..3 {
        if volume.is_some() {
            let mut file = fs::File::create(&filler).unwrap();
            while file.write_all(&[0; 512]).is_ok() {}
        }
        // Blocks of one group, of which the first may still fit.
        let (answer, answers) = mpsc::channel();
        let base = store.extent(lane(1, 0)).next.0;
        let blocks: Vec<_> =
            (0..40).map(|index| Make { base: base + index, value_bytes: 2_000, ..Make::default() }.block()).collect();
        for block in &blocks {
            let answer = answer.clone();
            store.append(lane(1, 0), block.clone(), Box::new(move |result| answer.send(result.is_ok()).unwrap()));
        }
        drop(answer);
        let results: Vec<_> = answers.iter().collect();
        let good = results.iter().take_while(|good| **good).count();
        kept.extend_from_slice(&blocks[..good]);
        assert!(results[good..].iter().all(|good| !good), "nothing behind a failure is acknowledged: {results:?}");
        assert_eq!(results.len(), 40);
        assert!(volume.is_none() || good < 40, "the disk was full");
        let horizon = store.extent(lane(1, 0)).horizon;
        assert!(
            self::blocks(&store, lane(1, 0)).iter().eq(kept.iter().filter(|block| block.batch.header().next_offset() > horizon))
        );
        if volume.is_some() {
            fs::remove_file(&filler).unwrap();
        }
        kept.push(append(&store, lane(1, 0), Make::default()));
        put(&store, "key", &round.to_string());
        store.trim(lane(1, 0), Offset(kept.len() as i64 / 2));
    }
    append(&store, lane(1, 1), Make::default());
    let before = contents(&store);
    let image = image(directory.path());
    drop(store);
    for path in [image.path(), directory.path()] {
        assert_eq!(contents(&open(path).unwrap()), before);
    }
}

fn log_bytes(directory: &Path) -> u64 {
    segments(directory).iter().filter_map(|path| fs::metadata(path).ok()).map(|found| found.len()).sum()
}

/// Waits until `is_so`; the keeper works behind the answers.
pub(super) fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn under_steady_retention_the_disk_holds_little_more_than_the_live_blocks() {
    const SEGMENT: u64 = 64 << 10;
    let directory = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes: SEGMENT, repair: false };
    let store = Arc::new(SegmentStore::open(directory.path(), options).unwrap());
    let keep = [1, 10, 50, 200, 1_000];
    let ended = AtomicBool::new(false);
    let horizons: Vec<_> = keep.iter().map(|_| AtomicI64::new(0)).collect();
    std::thread::scope(|scope| {
        for reader in 0..2 {
            let (store, ended, horizons) = (store.clone(), &ended, &horizons);
            scope.spawn(move || {
                let chance = chance(reader);
                while !ended.load(Ordering::Relaxed) {
                    let number = chance.below(keep.len());
                    let lane = lane(1, number as u32);
                    let from = Offset(horizons[number].load(Ordering::SeqCst) + chance.below(keep[number]) as i64);
                    let read = store.read(lane, from, 20_000).unwrap();
                    let mut next = None;
                    for block in read {
                        let header = block.batch.header();
                        assert!(next.is_none_or(|next| next == header.base_offset), "a gap within one read");
                        assert_eq!(block.arrived_at.0, header.base_offset.0, "another block's bytes");
                        next = Some(header.next_offset());
                    }
                }
            });
        }
        for round in 0..20_000_i64 {
            let number = (round % keep.len() as i64) as usize;
            let (lane, base) = (lane(1, number as u32), round / keep.len() as i64);
            let block = Make { base, value_bytes: 150, arrived_at: base, ..Make::default() }.block();
            if round % 50 == 0 {
                done(|done| store.append(lane, block, done)).unwrap();
            } else {
                store.append(lane, block, Box::new(|result| result.unwrap()));
            }
            let before = base - keep[number] as i64;
            if before % 5 == 0 && before > 0 && store.extent(lane).next > Offset(before) {
                store.trim(lane, Offset(before));
                horizons[number].store(before, Ordering::SeqCst);
            }
            if round % 1_000 == 999 {
                let live = || (0..keep.len()).map(|number| store.bytes(self::lane(1, number as u32)).unwrap()).sum::<u64>();
                eventually("the disk holds too much", || {
                    log_bytes(directory.path()) <= live() / 2 * 3 + 2 * SEGMENT + (16 << 10)
                });
            }
        }
        ended.store(true, Ordering::Relaxed);
    });
    let before = contents(&store);
    drop(store);
    let store = SegmentStore::open(directory.path(), options).unwrap();
    assert_eq!(contents(&store), before);
}

#[test]
fn one_old_live_block_does_not_keep_many_segments() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    let old = append(&store, lane(1, 0), Make::default());
    for _ in 0..300 {
        append(&store, lane(1, 1), Make { value_bytes: 500, ..Make::default() });
        store.trim(lane(1, 1), Offset(store.extent(lane(1, 1)).next.0 - 1));
    }
    append(&store, lane(1, 1), Make::default());
    eventually("segments stay", || segments(directory.path()).len() <= 3);
    assert_eq!(blocks(&store, lane(1, 0)), std::slice::from_ref(&old));
    drop(store);
    assert_eq!(blocks(&open(directory.path()).unwrap(), lane(1, 0)), [old]);
}

#[test]
fn offsets_go_on_when_all_records_and_their_segments_have_gone() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    several(&store);
    for number in 0..3 {
        store.trim(lane(1, number), Offset(30));
    }
    put(&store, "key/0", "end");
    eventually("segments stay", || segments(directory.path()).len() <= 2);
    drop(store);
    fs::remove_dir_all(directory.path().join("sled")).unwrap();
    let store = open(directory.path()).unwrap();
    for number in 0..3 {
        assert_eq!(append(&store, lane(1, number), Make::default()).batch.header().base_offset, Offset(30));
    }
}

#[test]
fn a_large_ledger_and_many_lanes_are_carried_from_segment_to_segment() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes: 256 << 10, repair: false };
    let store = SegmentStore::open(directory.path(), options).unwrap();
    let writes = (0..10_000).map(|key| Write::Put { key: format!("key/{key:05}").into(), value: Bytes::from(vec![7; 40]) });
    done(|done| store.commit(writes.collect(), done)).unwrap();
    for round in 0..3 {
        for number in 0..1_000 {
            let block = Make { base: round, value_bytes: 300, ..Make::default() }.block();
            store.append(lane(1, number), block, Box::new(|result| result.unwrap()));
        }
    }
    put(&store, "last", "1");
    assert!(newest(directory.path()) >= directory.path().join("log").join(format!("{:020}.log", 3)), "it rolled");
    let image = image(directory.path());
    drop(store);
    for path in [image.path(), directory.path()] {
        let start = Instant::now();
        let store = SegmentStore::open(path, options).unwrap();
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        assert_eq!((store.lanes().len(), ledger(&store).len()), (1_000, 10_001));
        assert!((0..1_000).all(|number| blocks(&store, lane(1, number)).len() == 3));
    }
}
