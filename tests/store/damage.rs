//! What damage to the log's files, and files that are not its own, may do and what not: a start that is refused in words, a
//! repair that gives up what is damaged and nothing else.

use std::fs;
use std::path::Path;

use shardgate::model::Offset;
use shardgate::store::{Error, Journal, Portion, Search, SegmentStore};

use super::chance::chance;
use super::directory::{
    BLOCK, HEADER_BYTES, append, blocks, contents, crashed_and_closed, grouped, image, newest, open, pieces, refusal, repaired,
    segments, several,
};
use super::{Make, lane};

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
        match store.read(lane(1, 0), block.batch.header().base_offset, Portion::AtLeastOne(1)) {
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
fn a_log_that_has_gone_is_not_taken_for_an_empty_one() {
    let [_crashed, closed] = crashed_and_closed(several);
    segments(closed.path()).iter().for_each(|path| fs::remove_file(path).unwrap());
    assert!(refusal(closed.path()).contains("no segment"));
    assert!(repaired(closed.path()).lanes().is_empty());
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
