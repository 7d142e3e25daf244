//! Space: what a full disk may do, what is given back as records go, and what is carried on when a segment ends.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use shardgate::model::Offset;
use shardgate::store::{Journal, Ledger, Options, Portion, SegmentStore, Write};

use super::chance::chance;
use super::directory::{Volume, append, blocks, contents, eventually, image, ledger, newest, open, put, segments, several};
use super::{Make, done, lane};

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
                    let read = store.read(lane, from, Portion::AtLeastOne(20_000)).unwrap();
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
fn what_lives_stays_however_much_beside_it_is_counted_dead() {
    for restarts in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let options = Options { segment_bytes: 64 << 10, repair: false };
        let mut store = SegmentStore::open(directory.path(), options).unwrap();
        let kept = append(&store, lane(1, 1), Make::default());
        let large = || append(&store, lane(1, 0), Make { value_bytes: 10_000, ..Make::default() });
        let part = large().batch.header().next_offset();
        (1..8).for_each(|_| drop(large()));
        append(&store, lane(1, 2), Make::default());
        assert_eq!(segments(directory.path()).len(), 2);
        if restarts {
            drop(store);
            store = SegmentStore::open(directory.path(), options).unwrap();
        }
        // Part of a run is counted dead, too little to move the rest, and all of it once more with its lane: more than the segment has.
        store.trim(lane(1, 0), part);
        done(|done| store.remove(&[lane(1, 0)], done)).unwrap();
        for round in 0..3 {
            put(&store, "key", &round.to_string());
            assert_eq!(blocks(&store, lane(1, 1)), std::slice::from_ref(&kept), "restarts: {restarts}");
        }
        drop(store);
        assert_eq!(blocks(&SegmentStore::open(directory.path(), options).unwrap(), lane(1, 1)), [kept]);
    }
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
