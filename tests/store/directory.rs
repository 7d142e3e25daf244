//! A store in a directory, and what a crash could leave of it.
//!
//! A crash image is a copy of the directory of a running store. Copying takes time, so a copy counts only if no segment came
//! or went meanwhile: then it is what a crash could have left. sled may be copied at any other time: nothing is believed of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use shardgate::model::{LaneId, Offset};
use shardgate::store::{Block, Error, Journal, Ledger, Options, SegmentStore, Write};
use tempfile::TempDir;

use super::{ALL, Make, done, lane};

const SEGMENT_BYTES: u64 = 8 << 10;

pub(super) fn open(directory: &Path) -> Result<SegmentStore, Error> {
    SegmentStore::open(directory, Options { segment_bytes: SEGMENT_BYTES, repair: false })
}

pub(super) fn repaired(directory: &Path) -> SegmentStore {
    SegmentStore::open(directory, Options { segment_bytes: SEGMENT_BYTES, repair: true }).unwrap()
}

pub(super) fn refusal(directory: &Path) -> String {
    match open(directory) {
        Ok(_) => panic!("the store opened"),
        Err(Error::Damaged(why)) => why,
        Err(other) => panic!("{other:?}"),
    }
}

/// The files below `from`, with their paths in it.
pub(super) fn copy(from: &Path, to: &Path) {
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

pub(super) fn newest(directory: &Path) -> PathBuf {
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
pub(super) fn crashed_and_closed(fill: impl FnOnce(&SegmentStore)) -> [TempDir; 2] {
    let closed = tempfile::tempdir().unwrap();
    let store = open(closed.path()).unwrap();
    fill(&store);
    [image(closed.path()), closed]
}

pub(super) fn append(store: &SegmentStore, lane: LaneId, make: Make) -> Block {
    let block = Make { base: store.extent(lane).next.0, ..make }.block();
    done(|done| store.append(lane, block.clone(), done)).unwrap();
    block
}

pub(super) fn put(store: &SegmentStore, key: &str, value: &str) {
    let write = Write::Put { key: key.to_owned().into(), value: value.to_owned().into() };
    done(|done| store.commit(vec![write], done)).unwrap();
}

pub(super) fn blocks(store: &SegmentStore, lane: LaneId) -> Vec<Block> {
    store.read(lane, Offset(0), ALL).unwrap()
}

pub(super) fn ledger(store: &SegmentStore) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut found = BTreeMap::new();
    store.scan(b"", &mut |key, value| drop(found.insert(key.to_vec(), value.to_vec()))).unwrap();
    found
}

/// The ledger's keys and values.
pub(super) type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

/// A lane, its horizon, next offset and blocks.
pub(super) type Contents = (LaneId, i64, i64, Vec<Block>);

/// Everything there is to see: the lanes and the ledger.
pub(super) fn contents(store: &SegmentStore) -> (Vec<Contents>, Pairs) {
    let mut lanes = store.lanes();
    lanes.sort();
    let of = |lane| (lane, store.extent(lane).horizon.0, store.extent(lane).next.0, blocks(store, lane));
    (lanes.into_iter().map(of).collect(), ledger(store))
}

pub(super) const HEADER_BYTES: usize = 44;

pub(super) const BLOCK: u8 = 1;

/// An entry of a segment file: where it begins, its length, and how far the file was synced when it was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) at: usize,
    pub(super) bytes: usize,
    pub(super) synced: usize,
    pub(super) kind: u8,
}

pub(super) fn pieces(bytes: &[u8]) -> Vec<Piece> {
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let (mut at, mut found) = (HEADER_BYTES, Vec::new());
    while at < bytes.len() {
        found.push(Piece { at, bytes: 16 + number(at + 4), synced: number(at + 8), kind: bytes[at + 16] });
        at += 16 + number(at + 4);
    }
    found
}

/// Three lanes over several segments.
pub(super) fn several(store: &SegmentStore) {
    for index in 0..90 {
        append(store, lane(1, index % 3), Make { value_bytes: 400, ..Make::default() });
        put(store, &format!("key/{}", index % 7), &index.to_string());
    }
}

/// A lane of 30 blocks written in several groups, the last of more than one entry; the newest segment has all of them.
pub(super) fn grouped() -> (TempDir, PathBuf, Vec<Piece>) {
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

/// Waits until `is_so`; the keeper works behind the answers.
pub(super) fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::yield_now();
    }
}
