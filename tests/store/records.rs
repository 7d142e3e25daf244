//! The journal's promises.

use std::sync::{Barrier, mpsc};
use std::thread;

use shardgate::batch::{Batch, Builder, Draft, Marker, Outcome, ProducerStamp, Verdict};
use shardgate::env::{Entropy, SeededEntropy};
use shardgate::model::{Offset, Timestamp};
use shardgate::store::{Block, Error, Extent, LaneHead, Portion, Search};

use super::{ALL, Engine, Make, append, done, filled, lane};

type Open = fn() -> Engine;

fn extent(horizon: i64, next: i64) -> Extent {
    Extent { horizon: Offset(horizon), next: Offset(next) }
}

fn read(engine: &Engine, from: i64, bytes_max: usize) -> Vec<Block> {
    engine.journal.read(lane(1, 0), Offset(from), Portion::AtLeastOne(bytes_max)).unwrap()
}

pub(crate) fn blocks_are_read_in_the_order_of_their_appends(open: Open) {
    let engine = open();
    assert_eq!((engine.journal.extent(lane(1, 0)), read(&engine, 0, 1 << 20)), (extent(0, 0), vec![]));
    let blocks = filled(
        &engine,
        lane(1, 0),
        (0..20).map(|index| Make { more_records: index % 3, arrived_at: index.into(), ..Make::default() }),
    );
    engine.lasting(|engine| {
        assert_eq!(engine.journal.extent(lane(1, 0)), extent(0, 39));
        assert_eq!(read(engine, 0, usize::MAX), blocks);
        assert_eq!(read(engine, 39, usize::MAX), []);
        assert_eq!(read(engine, 400, usize::MAX), []);
    });
}

pub(crate) fn a_block_at_another_offset_is_fenced_and_leaves_no_trace(open: Open) {
    let engine = open();
    let blocks = filled(&engine, lane(1, 0), [Make { more_records: 1, ..Make::default() }]);
    for base in [0, 1, 3, i64::MAX - 9] {
        let result = append(&engine, lane(1, 0), Make { base, ..Make::default() }.block());
        assert!(matches!(result, Err(Error::Fenced { next: Offset(2) })), "{result:?}");
    }
    engine.lasting(|engine| {
        assert_eq!(engine.journal.extent(lane(1, 0)), extent(0, 2));
        assert_eq!(read(engine, 0, usize::MAX), blocks);
    });
}

pub(crate) fn appends_need_not_wait_for_each_other_and_are_answered_in_order(open: Open) {
    let engine = open();
    let (answer, answers) = mpsc::channel();
    for base in 0..200 {
        let answer = answer.clone();
        let done = Box::new(move |result: Result<(), Error>| answer.send((base, result.is_ok())).unwrap());
        engine.journal.append(lane(1, 0), Make { base, ..Make::default() }.block(), done);
    }
    drop(answer);
    assert!(answers.iter().eq((0..200).map(|base| (base, true))));
    engine.lasting(|engine| assert_eq!(read(engine, 0, usize::MAX).len(), 200));
}

pub(crate) fn of_two_writers_of_one_offset_one_is_fenced(open: Open) {
    let engine = open();
    let (journal, start) = (&engine.journal, Barrier::new(2));
    for base in 0..50 {
        let write = |arrived_at| {
            start.wait();
            done(|done| journal.append(lane(1, 0), Make { base, arrived_at, ..Make::default() }.block(), done)).is_ok()
        };
        let won = thread::scope(|scope| {
            let (one, other) = (scope.spawn(|| write(1)), scope.spawn(|| write(2)));
            [one.join().unwrap(), other.join().unwrap()]
        });
        assert_ne!(won[0], won[1], "{base}");
        let kept = journal.read(lane(1, 0), Offset(base), ALL).unwrap();
        assert_eq!(kept[0].arrived_at, Timestamp(if won[0] { 1 } else { 2 }), "what is kept is the winner's");
    }
}

pub(crate) fn reading_within_a_block_returns_all_of_it(open: Open) {
    let engine = open();
    let blocks = filled(&engine, lane(1, 0), [Make { more_records: 9, ..Make::default() }; 3]);
    engine.lasting(|engine| {
        for (from, first) in [(0, 0), (9, 0), (10, 1), (15, 1), (29, 2)] {
            assert_eq!(read(engine, from, usize::MAX), blocks[first..], "{from}");
        }
    });
}

pub(crate) fn a_reading_budget_ends_a_page_but_not_before_its_first_block(open: Open) {
    let engine = open();
    let blocks = filled(&engine, lane(1, 0), [100, 5_000, 100, 100].map(|value_bytes| Make { value_bytes, ..Make::default() }));
    let size = |index: usize| blocks[index].batch.bytes().len();
    engine.lasting(|engine| {
        for (from, bytes_max, count) in [
            (0, 0, 1),
            (0, size(0) + size(1) - 1, 1),
            (0, size(0) + size(1), 2),
            (1, 1, 1),
            (2, size(2) + size(3), 2),
            (0, usize::MAX, 4),
        ] {
            let from = usize::try_from(from).unwrap();
            let page = read(engine, i64::try_from(from).unwrap(), bytes_max);
            assert_eq!(page, blocks[from..from + count], "{from} {bytes_max}");
            let fitting =
                engine.journal.read(lane(1, 0), page[0].batch.header().base_offset, Portion::Fitting(bytes_max)).unwrap();
            let all_fit = bytes_max >= blocks[from].batch.bytes().len();
            assert_eq!(fitting, if all_fit { page } else { vec![] }, "{from} {bytes_max}");
        }
    });
}

pub(crate) fn trimmed_blocks_are_out_of_reach(open: Open) {
    let engine = open();
    let mut blocks = filled(&engine, lane(1, 0), [Make { more_records: 9, ..Make::default() }; 3]);
    engine.journal.trim(lane(1, 0), Offset(15));
    assert_eq!(engine.journal.extent(lane(1, 0)), extent(15, 30));
    // A trim is durable no later than the next append.
    blocks.extend(filled(&engine, lane(1, 0), [Make::default()]));
    engine.journal.trim(lane(1, 0), Offset(12));
    engine.lasting(|engine| {
        assert_eq!(engine.journal.extent(lane(1, 0)), extent(15, 31), "a horizon never goes back");
        for from in [0, 9, 10, 15] {
            assert_eq!(read(engine, from, usize::MAX), blocks[1..], "the block that holds the horizon is whole; from {from}");
        }
        assert_eq!(engine.journal.find(lane(1, 0), Search::ArrivedFrom(Timestamp(0))).unwrap().as_ref(), Some(&blocks[1]));
    });
}

pub(crate) fn a_lane_that_was_trimmed_to_its_end_goes_on_at_its_next_offset(open: Open) {
    let engine = open();
    filled(&engine, lane(1, 0), [Make::default(); 5]);
    engine.journal.trim(lane(1, 0), Offset(5));
    assert_eq!((engine.journal.extent(lane(1, 0)), engine.journal.bytes(lane(1, 0)).unwrap()), (extent(5, 5), 0));
    assert_eq!((read(&engine, 0, usize::MAX), engine.journal.find(lane(1, 0), Search::LatestCreated).unwrap()), (vec![], None));
    // Another lane's append makes the trim durable too.
    filled(&engine, lane(1, 1), [Make::default()]);
    engine.lasting(|engine| assert_eq!(engine.journal.extent(lane(1, 0)).next, Offset(5)));
}

pub(crate) fn a_removed_lane_is_forgotten(open: Open) {
    let engine = open();
    let stamp = ProducerStamp { id: 3, epoch: 0, first_sequence: 0 };
    for number in 0..3 {
        filled(&engine, lane(1, number), [Make { producer: Some(stamp), ..Make::default() }]);
    }
    done(|done| engine.journal.remove(&[lane(1, 0), lane(1, 1), lane(9, 9)], done)).unwrap();
    engine.lasting(|engine| {
        assert_eq!(engine.journal.lanes(), [lane(1, 2)]);
        assert_eq!((engine.journal.extent(lane(1, 0)), engine.journal.extent(lane(1, 2))), (extent(0, 0), extent(0, 1)));
        assert_eq!(read(engine, 0, usize::MAX), []);
        assert!(engine.journal.producer(lane(1, 0), 3).is_none() && engine.journal.producer(lane(1, 2), 3).is_some());
    });
}

pub(crate) fn lanes_are_apart(open: Open) {
    let engine = open();
    let lanes = [lane(1, 0), lane(1, 1), lane(2, 0)];
    for round in 0..5 {
        for (index, lane) in lanes.iter().enumerate() {
            filled(&engine, *lane, [Make { value_bytes: index, arrived_at: round, ..Make::default() }]);
        }
    }
    engine.journal.trim(lane(1, 1), Offset(4));
    filled(&engine, lane(1, 1), [Make { value_bytes: 1, ..Make::default() }]);
    engine.lasting(|engine| {
        for (index, (lane, count)) in lanes.iter().zip([5, 2, 5]).enumerate() {
            let blocks = engine.journal.read(*lane, Offset(0), ALL).unwrap();
            assert_eq!(blocks.len(), count);
            for block in blocks {
                assert_eq!(block.batch.records(0).unwrap().next().unwrap().unwrap().value.unwrap().len(), index);
            }
        }
    });
}

pub(crate) fn a_block_is_found_by_its_arrival(open: Open) {
    let engine = open();
    let blocks = filled(&engine, lane(1, 0), [10, 20, 20, 30].map(|arrived_at| Make { arrived_at, ..Make::default() }));
    engine.lasting(|engine| {
        for (time, found) in [(0, Some(0)), (10, Some(0)), (11, Some(1)), (20, Some(1)), (21, Some(3)), (30, Some(3)), (31, None)]
        {
            let search = Search::ArrivedFrom(Timestamp(time));
            assert_eq!(
                engine.journal.find(lane(1, 0), search).unwrap().as_ref(),
                found.map(|index: usize| &blocks[index]),
                "{time}"
            );
        }
        assert_eq!(engine.journal.find(lane(8, 8), Search::ArrivedFrom(Timestamp(0))).unwrap(), None);
    });
}

pub(crate) fn a_block_is_found_by_its_arrival_although_the_clock_went_back(open: Open) {
    let engine = open();
    let makes = (0..200).map(|index| {
        let arrived_at = if index < 70 { 1_000 + index } else { index };
        Make { arrived_at, value_bytes: 50, ..Make::default() }
    });
    let blocks = filled(&engine, lane(1, 0), makes);
    engine.lasting(|engine| {
        for time in [0, 70, 150, 500, 1_000, 1_010, 1_069, 1_070] {
            let search = Search::ArrivedFrom(Timestamp(time));
            let first = blocks.iter().find(|block| block.arrived_at >= Timestamp(time));
            assert_eq!(engine.journal.find(lane(1, 0), search).unwrap().as_ref(), first, "{time}");
        }
    });
}

pub(crate) fn a_block_is_found_by_its_creation(open: Open) {
    let engine = open();
    let blocks = filled(&engine, lane(1, 0), [50, 10, 70, 30, 70, 20].map(|created_at| Make { created_at, ..Make::default() }));
    let find = |engine: &Engine, search| engine.journal.find(lane(1, 0), search).unwrap();
    engine.journal.trim(lane(1, 0), Offset(1));
    filled(&engine, lane(1, 0), [Make { created_at: 5, ..Make::default() }]);
    engine.lasting(|engine| {
        for (time, found) in [(0, Some(1)), (10, Some(1)), (11, Some(2)), (45, Some(2)), (70, Some(2)), (71, None)] {
            let search = Search::CreatedFrom(Timestamp(time));
            assert_eq!(find(engine, search).as_ref(), found.map(|index: usize| &blocks[index]), "{time}");
        }
        assert_eq!(find(engine, Search::LatestCreated).as_ref(), Some(&blocks[2]), "the first of the latest");
    });
}

pub(crate) fn a_trimmed_block_is_not_found_by_its_creation(open: Open) {
    let engine = open();
    let blocks = filled(&engine, lane(1, 0), [70, 20, 5].map(|created_at| Make { created_at, ..Make::default() }));
    let find = |search| engine.journal.find(lane(1, 0), search).unwrap();
    engine.journal.trim(lane(1, 0), Offset(1));
    assert_eq!(find(Search::LatestCreated).as_ref(), Some(&blocks[1]));
    assert_eq!(find(Search::CreatedFrom(Timestamp(21))), None);
    engine.journal.trim(lane(1, 0), Offset(2));
    assert_eq!(find(Search::LatestCreated).as_ref(), Some(&blocks[2]));
}

pub(crate) fn producers_are_remembered_by_lane_and_id(open: Open) {
    let engine = open();
    let stamp = |id, first_sequence| ProducerStamp { id, epoch: 1, first_sequence };
    let makes = (0..7).map(|index| Make { more_records: 9, producer: Some(stamp(5, index * 10)), ..Make::default() });
    filled(&engine, lane(1, 0), makes);
    filled(&engine, lane(1, 0), [Make { producer: Some(stamp(6, 0)), ..Make::default() }, Make::default()]);
    // What a producer did is remembered when its blocks are gone.
    engine.journal.trim(lane(1, 0), Offset(65));
    filled(&engine, lane(1, 0), [Make::default()]);
    engine.lasting(|engine| {
        let window = engine.journal.producer(lane(1, 0), 5).unwrap();
        assert_eq!(window.judge(stamp(5, 70), 3), Verdict::New);
        assert_eq!(window.judge(stamp(5, 60), 10), Verdict::Duplicate { base: Some(Offset(60)) });
        assert_eq!(window.judge(stamp(5, 20), 10), Verdict::Duplicate { base: Some(Offset(20)) });
        assert_eq!(window.judge(stamp(5, 10), 10), Verdict::OutOfOrder { expected: 70 });
        assert_eq!(engine.journal.producer(lane(1, 0), 6).unwrap().judge(stamp(6, 1), 1), Verdict::New);
        assert!(engine.journal.producer(lane(1, 0), 7).is_none() && engine.journal.producer(lane(1, 1), 5).is_none());
    });
}

pub(crate) fn a_forwarded_block_counts_for_the_producers_of_the_lane_it_was_written_to(open: Open) {
    let engine = open();
    let stamp = |first_sequence| ProducerStamp { id: 5, epoch: 1, first_sequence };
    let sent = |sequence, origin| Make { more_records: 9, producer: Some(stamp(sequence)), origin, ..Make::default() };
    filled(&engine, lane(1, 1), [sent(0, None)]);
    let blocks = filled(&engine, lane(1, 0), [sent(500, None), sent(10, Some(1)), sent(20, Some(1)), sent(0, Some(2))]);
    // What was written by way of another lane is remembered when it is gone, and when its segment is.
    engine.journal.trim(lane(1, 0), Offset(30));
    filled(&engine, lane(1, 3), (0..20).map(|_| Make { value_bytes: 1_000, ..Make::default() }));
    engine.lasting(|engine| {
        let window = |number| engine.journal.producer(lane(1, number), 5).unwrap();
        assert_eq!(window(0).judge(stamp(510), 1), Verdict::New);
        assert_eq!(window(1).judge(stamp(30), 1), Verdict::New);
        assert_eq!(window(1).judge(stamp(0), 10), Verdict::Duplicate { base: Some(Offset(0)) });
        assert_eq!(window(1).judge(stamp(20), 10), Verdict::Duplicate { base: None });
        assert_eq!(window(2).judge(stamp(0), 10), Verdict::Duplicate { base: None });
        assert_eq!(read(engine, 30, usize::MAX), blocks[3..]);
        assert_eq!((engine.journal.extent(lane(1, 1)), engine.journal.extent(lane(1, 2))), (extent(0, 10), extent(0, 0)));
    });
}

/// A batch in a transaction, or its end.
fn transactional(chance: &SeededEntropy, sequences: &mut [i32], base: i64) -> Batch {
    let producer = chance.below(4);
    let sequence = &mut sequences[producer as usize];
    let id = i64::try_from(producer).unwrap();
    let batch = if chance.below(3) == 0 {
        let outcome = if chance.below(2) == 0 { Outcome::Aborted } else { Outcome::Committed };
        Marker { producer: id, epoch: 0, outcome, coordinator_epoch: 0 }.batch(Timestamp(0)).unwrap()
    } else {
        *sequence += 1;
        let stamp = ProducerStamp { id, epoch: 0, first_sequence: *sequence - 1 };
        let draft = Draft { value: Some(&[7; 100]), ..Draft::default() };
        Builder::default().producer(stamp).transactional().record(draft).build().unwrap()
    };
    batch.placed_at(Offset(base))
}

/// Whatever segments come and go: producers, open and aborted transactions are those of a head that has seen all blocks.
pub(crate) fn what_is_told_of_a_lane_is_what_its_blocks_say(open: Open) {
    for seed in 0..8 {
        let (chance, mut engine, mut head, mut sequences) = (SeededEntropy::new(seed), open(), LaneHead::default(), [0; 4]);
        for base in 0..150 {
            let batch = transactional(&chance, &mut sequences, base);
            let block = Block { batch, arrived_at: Timestamp(base), origin: None };
            append(&engine, lane(1, 0), block.clone()).unwrap();
            head.apply(&block);
            if chance.below(20) == 0 {
                let before = Offset(base / 2);
                engine.journal.trim(lane(1, 0), before);
                head.trim(before);
            }
            let mut seen = None;
            engine.journal.look(lane(1, 0), &mut |found| seen = Some(found.clone()));
            assert_eq!(seen.as_ref(), Some(&head), "seed {seed}, offset {base}");
            if base % 50 == 49 && engine.reopen.is_some() {
                engine = engine.reopened().unwrap();
            }
        }
        engine.journal.look(lane(2, 0), &mut |_| panic!("nothing is known of it"));
    }
}

pub(crate) fn the_bytes_of_a_lane_are_those_of_its_live_batches(open: Open) {
    let engine = open();
    let blocks = filled(&engine, lane(1, 0), [10, 1_000, 100_000].map(|value_bytes| Make { value_bytes, ..Make::default() }));
    let bytes = |blocks: &[Block]| blocks.iter().map(|block| block.batch.bytes().len() as u64).sum::<u64>();
    assert_eq!(engine.journal.bytes(lane(1, 0)).unwrap(), bytes(&blocks));
    engine.journal.trim(lane(1, 0), Offset(2));
    assert_eq!(engine.journal.bytes(lane(1, 0)).unwrap(), bytes(&blocks[2..]));
    filled(&engine, lane(1, 1), [Make::default()]);
    engine.lasting(|engine| {
        assert_eq!(engine.journal.bytes(lane(1, 0)).unwrap(), bytes(&blocks[2..]));
        assert_eq!(engine.journal.bytes(lane(7, 0)).unwrap(), 0);
    });
}
