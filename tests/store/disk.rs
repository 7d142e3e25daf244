//! A disk that fails: full, read-only, broken. What is concerned is refused in words, nothing wrong is served or acknowledged,
//! and all goes on when the disk does.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use shardgate::model::{LaneId, Offset};
use shardgate::store::{Block, Disk, Error, Journal, Ledger, Options, SegmentStore, Step, Verdict, Watch, Write};
use tempfile::TempDir;

use super::directory::{Volume, contents, eventually, image, segments};
use super::{ALL, Make, done, lane};
use crate::support::{Kind, Sick};

fn open_with(directory: &Path, segment_bytes: u64) -> (Arc<Sick>, SegmentStore) {
    let sick = Arc::new(Sick::default());
    let options = Options { segment_bytes, repair: false };
    (sick.clone(), SegmentStore::open_on(Disk::watched(sick), directory, options).unwrap())
}

fn open(directory: &Path) -> (Arc<Sick>, SegmentStore) {
    open_with(directory, Options::default().segment_bytes)
}

fn here() -> LaneId {
    lane(1, 0)
}

fn append(store: &SegmentStore, value_bytes: usize) -> Result<Block, Error> {
    let block = Make { base: store.extent(here()).next.0, value_bytes, ..Make::default() }.block();
    done(|done| store.append(here(), block.clone(), done)).map(|()| block)
}

fn put(store: &SegmentStore, key: &str) -> Result<(), Error> {
    done(|done| store.commit(vec![Write::Put { key: key.to_owned().into(), value: "v".into() }], done))
}

/// The same data after a power cut and after an orderly end: `check` holds of both, and they go on.
fn lasting(directory: TempDir, store: SegmentStore, check: impl Fn(&SegmentStore)) {
    check(&store);
    let cut = image(directory.path());
    drop(store);
    for place in [cut, directory] {
        let (_, store) = open(place.path());
        check(&store);
        append(&store, 10).unwrap();
        put(&store, "more").unwrap();
    }
}

fn holds(store: &SegmentStore, blocks: &[Block], keys: &[&str]) {
    assert_eq!(store.read(here(), Offset(0), ALL).unwrap(), blocks);
    let mut found = Vec::new();
    store.scan(b"", &mut |key, _| found.push(String::from_utf8(key.to_vec()).unwrap())).unwrap();
    assert_eq!(found, keys);
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_and_a_new_segment_is_begun() {
    let directory = tempfile::tempdir().unwrap();
    let (sick, store) = open(directory.path());
    let mut kept = vec![append(&store, 1).unwrap()];
    put(&store, "a").unwrap();
    sick.fail(Kind::Sync, 1, ErrorKind::Other);
    let refused = append(&store, 1).unwrap_err().to_string();
    assert!(refused.starts_with("cannot write ") && refused.contains(".log: "), "{refused}");
    holds(&store, &kept, &["a"]);
    let cut = image(directory.path());
    holds(&open(cut.path()).1, &kept, &["a"]);
    assert_eq!(segments(directory.path()).len(), 1);
    // The disk is well again: the next write goes to a file of its own, whatever a later sync of the old one says.
    put(&store, "c").unwrap();
    kept.push(append(&store, 2).unwrap());
    assert_eq!(segments(directory.path()).len(), 2);
    assert!(sick.is_careful(), "something was written to the file that was given up");
    lasting(directory, store, |store| holds(store, &kept, &["a", "c"]));
}

#[test]
fn while_syncs_fail_every_write_is_refused_and_none_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (sick, store) = open(directory.path());
    let kept = [append(&store, 1).unwrap()];
    sick.fail(Kind::Sync, usize::MAX, ErrorKind::Other);
    for _ in 0..3 {
        assert!(append(&store, 1).is_err() && put(&store, "b").is_err());
    }
    assert_eq!(segments(directory.path()).len(), 1, "no file is begun behind one whose end is not known");
    lasting(directory, store, |store| holds(store, &kept, &[]));
}

#[test]
fn a_write_that_fails_whole_or_in_part_leaves_the_log_as_it_was() {
    for error in [ErrorKind::StorageFull, ErrorKind::ReadOnlyFilesystem, ErrorKind::Other] {
        for short in [None, Some(0), Some(1), Some(16), Some(100), Some(300)] {
            for cut_fails in [false, true] {
                let directory = tempfile::tempdir().unwrap();
                let (sick, store) = open(directory.path());
                let mut kept = vec![append(&store, 100).unwrap()];
                put(&store, "a").unwrap();
                let bytes = fs::metadata(&segments(directory.path())[0]).unwrap().len();
                sick.write_short(short.filter(|bytes| *bytes > 0));
                sick.fail(Kind::Write, 2, error);
                if cut_fails {
                    sick.fail(Kind::Resize, 1, error);
                }
                for refused in [append(&store, 200).map(drop), put(&store, "b")] {
                    let refused = refused.unwrap_err().to_string();
                    assert!(refused.starts_with("cannot write ") && refused.contains("/log/"), "{refused}");
                }
                holds(&store, &kept, &["a"]);
                if !cut_fails {
                    assert_eq!(fs::metadata(&segments(directory.path())[0]).unwrap().len(), bytes);
                }
                sick.heal();
                kept.push(append(&store, 30).unwrap());
                put(&store, "c").unwrap();
                lasting(directory, store, |store| holds(store, &kept, &["a", "c"]));
            }
        }
    }
}

#[test]
fn a_disk_that_refuses_to_begin_with_a_large_write_leaves_the_log_as_it_was() {
    for cut_fails in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let (sick, store) = open(directory.path());
        let mut kept = vec![append(&store, 100).unwrap()];
        let bytes = fs::metadata(&segments(directory.path())[0]).unwrap().len();
        sick.fail(Kind::Begin, 1, ErrorKind::StorageFull);
        if cut_fails {
            sick.fail(Kind::Resize, 1, ErrorKind::StorageFull);
        }
        let refused = append(&store, 1 << 20).unwrap_err().to_string();
        assert!(refused.starts_with("cannot write ") && refused.contains("/log/"), "{refused}");
        holds(&store, &kept, &[]);
        if !cut_fails {
            assert_eq!(fs::metadata(&segments(directory.path())[0]).unwrap().len(), bytes);
        }
        kept.push(append(&store, 1 << 20).unwrap());
        put(&store, "a").unwrap();
        lasting(directory, store, |store| holds(store, &kept, &["a"]));
    }
}

#[test]
fn what_fails_while_a_segment_is_begun_is_refused_and_tried_again() {
    for kind in [Kind::Create, Kind::Write, Kind::Sync, Kind::Rename, Kind::SyncDirectory] {
        let directory = tempfile::tempdir().unwrap();
        let (sick, store) = open_with(directory.path(), 1_000);
        let mut kept = vec![append(&store, 2_000).unwrap()];
        sick.fail(kind, 2, ErrorKind::StorageFull);
        for _ in 0..2 {
            let refused = append(&store, 10).unwrap_err().to_string();
            assert!(refused.contains("/log") && refused.starts_with("cannot "), "{kind:?}: {refused}");
            assert_eq!(segments(directory.path()).len(), 1, "{kind:?}");
        }
        holds(&store, &kept, &[]);
        kept.push(append(&store, 20).unwrap());
        put(&store, "a").unwrap();
        assert!(!directory.path().join("log/begun").exists());
        lasting(directory, store, |store| holds(store, &kept, &["a"]));
    }
}

#[test]
fn a_segment_that_failed_to_begin_may_be_there_after_a_power_cut() {
    struct Keeping(PathBuf, Mutex<Option<Vec<u8>>>);
    impl Watch for Keeping {
        fn before(&self, step: &Step<'_>) -> io::Result<Verdict> {
            if matches!(step, Step::SyncDirectory { path } if path.ends_with("log"))
                && let Ok(bytes) = fs::read(&self.0)
            {
                *self.1.lock() = Some(bytes);
                return Err(ErrorKind::Other.into());
            }
            Ok(Verdict::Take)
        }

        fn stamp(&self, _file: u64) -> Option<u64> {
            None
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let second = directory.path().join("log").join(format!("{:020}.log", 2));
    let keeping = Arc::new(Keeping(second.clone(), Mutex::default()));
    let options = Options { segment_bytes: 1_000, repair: false };
    let store = SegmentStore::open_on(Disk::watched(keeping.clone()), directory.path(), options).unwrap();
    let kept = [append(&store, 2_000).unwrap()];
    append(&store, 10).unwrap_err();
    drop(store);
    assert!(!second.exists());
    // Its name was removed, and that is not on the disk; the mark of the orderly end is.
    fs::write(&second, keeping.1.lock().take().unwrap()).unwrap();
    let (_, store) = open(directory.path());
    lasting(directory, store, |store| holds(store, &kept, &[]));
}

#[test]
fn a_read_that_fails_is_an_error_and_the_next_one_is_right() {
    let directory = tempfile::tempdir().unwrap();
    let (sick, store) = open_with(directory.path(), 1_000);
    let kept: Vec<_> = (0..9).map(|_| append(&store, 500).unwrap()).collect();
    for _ in 0..3 {
        sick.fail(Kind::Read, 1, ErrorKind::Other);
        let refused = store.read(here(), Offset(0), ALL).unwrap_err();
        assert!(matches!(&refused, Error::Failed(why) if why.starts_with("cannot read ")), "{refused:?}");
        holds(&store, &kept, &[]);
    }
    lasting(directory, store, |store| holds(store, &kept, &[]));
}

#[test]
fn what_has_expired_is_given_back_without_being_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let (sick, store) = open_with(directory.path(), 20_000);
    for _ in 0..40 {
        append(&store, 2_000).unwrap();
    }
    assert!(segments(directory.path()).len() > 3);
    sick.fail(Kind::Read, usize::MAX, ErrorKind::Other);
    store.trim(here(), store.extent(here()).next);
    eventually("segments stay", || segments(directory.path()).len() == 1);
    sick.heal();
    lasting(directory, store, |store| assert_eq!(store.read(here(), Offset(0), ALL).unwrap().len(), 0));
}

#[test]
fn a_start_on_a_disk_that_fails_is_refused_in_words_and_harms_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (_, store) = open(directory.path());
    let kept = [append(&store, 10).unwrap()];
    drop(store);
    let torn = segments(directory.path()).pop().unwrap();
    let whole = fs::read(&torn).unwrap();
    for kind in [Kind::Read, Kind::Sync, Kind::Resize, Kind::SyncDirectory] {
        fs::write(&torn, [whole.as_slice(), b"torn"].concat()).unwrap();
        let sick = Arc::new(Sick::default());
        sick.fail(kind, 1, ErrorKind::ReadOnlyFilesystem);
        let refused = SegmentStore::open_on(Disk::watched(sick), directory.path(), Options::default());
        let Err(Error::Failed(why)) = refused else { panic!("{kind:?}: it opened, or took the data for damaged") };
        assert!(why.starts_with("cannot ") && why.contains(directory.path().to_str().unwrap()), "{kind:?}: {why}");
    }
    let (_, store) = open(directory.path());
    lasting(directory, store, |store| holds(store, &kept, &[]));
}

#[test]
fn when_sled_cannot_write_its_trees_are_renewed_and_commits_go_on() {
    // sled alone is on the small volume where we may mount one; elsewhere nothing is filled, and all else still holds.
    let (directory, volume) = (tempfile::tempdir().unwrap(), Volume::of_kib(2 << 10));
    if let Some(volume) = &volume {
        fs::create_dir(volume.0.path().join("sled")).unwrap();
        std::os::unix::fs::symlink(volume.0.path().join("sled"), directory.path().join("sled")).unwrap();
    }
    let (_, store) = open_with(directory.path(), 300 << 10);
    let (mut kept, mut keys, mut refused) = (Vec::new(), Vec::new(), 0);
    for number in 0..500_usize {
        kept.push(append(&store, 3_000).unwrap());
        if number.is_multiple_of(50) {
            store.trim(here(), kept[number * 2 / 3].batch.header().base_offset);
        }
        let key = format!("key/{number:03}");
        let write = Write::Put { key: key.clone().into(), value: vec![7; 4_000 + number].into() };
        match done(|done| store.commit(vec![write], done)) {
            Ok(()) => keys.push(key),
            Err(error) => {
                assert!(matches!(&error, Error::Failed(why) if why.contains("the sled tree")), "{error:?}");
                refused += 1;
                eventually("commits do not go on", || put(&store, "well").is_ok());
            }
        }
    }
    assert!(volume.is_none() || refused > 0, "the small volume had room for all");
    let horizon = store.extent(here()).horizon;
    kept.retain(|block| block.batch.header().base_offset >= horizon);
    let check = |store: &SegmentStore| {
        assert_eq!(store.read(here(), Offset(0), ALL).unwrap(), kept);
        assert_eq!(store.bytes(here()).unwrap(), kept.iter().map(|block| block.batch.bytes().len() as u64).sum::<u64>());
        for key in &keys {
            assert!(store.get(key.as_bytes()).unwrap().is_some(), "{key} was acknowledged");
        }
    };
    check(&store);
    let before = contents(&store);
    drop(store);
    let (_, store) = open(directory.path());
    check(&store);
    assert_eq!(contents(&store), before);
}
