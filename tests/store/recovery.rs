//! Recovery: what a crash may do to the files of the log, and what may not follow.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use shardgate::batch::{Batch, Builder, Draft, ProducerStamp, Verdict};
use shardgate::model::{LaneId, Offset, Timestamp};
use shardgate::store::{Block, Error, Journal, Ledger, SegmentStore, Write};

use super::chance::{Chance, chance};
use super::directory::{
    BLOCK, append, blocks, contents, copy, crashed_and_closed, grouped, image, ledger, newest, open, pieces, put, several,
};
use super::{Make, done, lane};

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
