//! The wrapper that misbehaves.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use shardgate::model::Offset;
use shardgate::store::{Call, Error, Fault, Faults, FaultyStore, MemoryStore, Write};

use super::{ALL, Engine, Make, append, done, lane};

fn faulty() -> (Engine, Faults) {
    let store = Arc::new(MemoryStore::default());
    let (store, faults) = FaultyStore::new(store.clone(), store);
    let store = Arc::new(store);
    (Engine { journal: store.clone(), ledger: store, reopen: None }, faults)
}

fn block(base: i64) -> shardgate::store::Block {
    Make { base, ..Make::default() }.block()
}

#[test]
fn the_nth_append_fails_or_is_refused_and_the_others_pass() {
    let (engine, faults) = faulty();
    faults.pick(Call::Append, 2, Fault::Fail);
    faults.pick(Call::Append, 3, Fault::Refuse);
    let results: Vec<_> = (0..4).map(|_| append(&engine, lane(1, 0), block(engine.journal.extent(lane(1, 0)).next.0))).collect();
    assert!(
        matches!(results[..], [Ok(()), Err(Error::Failed(_)), Err(Error::Fenced { next: Offset(1) }), Ok(())]),
        "{results:?}"
    );
}

#[test]
fn a_stalled_append_holds_all_later_writes_in_order_and_shows_none_of_them() {
    let (engine, faults) = faulty();
    let (answer, answers) = mpsc::channel();
    let note = |number: i32| {
        let answer = answer.clone();
        Box::new(move |result: Result<(), Error>| answer.send((number, result.is_ok())).unwrap())
    };
    faults.pick(Call::Append, 2, Fault::Stall);
    engine.journal.append(lane(1, 0), block(0), note(0));
    engine.journal.append(lane(1, 0), block(1), note(1));
    engine.journal.append(lane(1, 0), block(2), note(2));
    engine.ledger.commit(vec![Write::Put { key: "a".into(), value: "b".into() }], note(3));
    engine.journal.trim(lane(1, 0), Offset(2));
    assert_eq!((faults.held(), engine.journal.extent(lane(1, 0)).next, engine.ledger.get(b"a").unwrap()), (4, Offset(1), None));
    assert!(answers.try_iter().eq([(0, true)]));
    faults.release();
    assert!(answers.try_iter().eq([(1, true), (2, true), (3, true)]));
    assert_eq!((faults.held(), engine.journal.extent(lane(1, 0)).horizon), (0, Offset(2)));
    append(&engine, lane(1, 0), block(3)).unwrap();
}

#[test]
fn what_is_held_can_be_lost_as_by_a_crash() {
    let (engine, faults) = faulty();
    faults.pick(Call::Append, 1, Fault::Stall);
    let (answer, answered) = mpsc::channel::<()>();
    engine.journal.append(lane(1, 0), block(0), Box::new(move |_| answer.send(()).unwrap()));
    faults.forget();
    assert!(answered.recv().is_err());
    append(&engine, lane(1, 0), block(0)).unwrap();
}

#[test]
fn reads_fail_or_wait_for_their_release() {
    let (engine, faults) = faulty();
    faults.pick(Call::Read, 1, Fault::Fail);
    faults.pick(Call::Get, 1, Fault::Stall);
    assert!(engine.journal.read(lane(1, 0), Offset(0), ALL).is_err());
    assert!(engine.journal.read(lane(1, 0), Offset(0), ALL).is_ok());
    thread::scope(|scope| {
        let reader = scope.spawn(|| engine.ledger.get(b"a"));
        while !reader.is_finished() {
            thread::sleep(Duration::from_millis(1));
            faults.release();
        }
        assert_eq!(reader.join().unwrap().unwrap(), None);
    });
}

#[test]
fn commits_and_removals_fail_without_a_trace() {
    let (engine, faults) = faulty();
    faults.pick(Call::Commit, 1, Fault::Fail);
    faults.pick(Call::Remove, 1, Fault::Refuse);
    append(&engine, lane(1, 0), block(0)).unwrap();
    let write = Write::Put { key: "a".into(), value: "b".into() };
    assert!(done(|done| engine.ledger.commit(vec![write], done)).is_err());
    assert!(done(|done| engine.journal.remove(&[lane(1, 0)], done)).is_err());
    assert_eq!((engine.ledger.get(b"a").unwrap(), engine.journal.lanes()), (None, vec![lane(1, 0)]));
}

#[test]
fn a_store_that_is_cut_off_writes_no_more_and_answers_nobody() {
    let (engine, faults) = faulty();
    append(&engine, lane(1, 0), block(0)).unwrap();
    faults.pick(Call::Append, 1, Fault::Stall);
    let (answer, answered) = mpsc::channel::<()>();
    let note = || {
        let answer = answer.clone();
        Box::new(move |_: Result<(), Error>| answer.send(()).unwrap())
    };
    engine.journal.append(lane(1, 0), block(1), note());
    faults.cut();
    faults.release();
    engine.journal.append(lane(1, 0), block(1), note());
    engine.ledger.commit(vec![Write::Put { key: "a".into(), value: "b".into() }], note());
    engine.journal.remove(&[lane(1, 0)], note());
    assert!(engine.journal.read(lane(1, 0), Offset(0), ALL).is_err() && engine.ledger.get(b"a").is_err());
    drop(answer);
    assert!(answered.recv().is_err());
    assert_eq!((engine.journal.extent(lane(1, 0)).next, faults.held()), (Offset(1), 0));
}

#[test]
fn a_store_that_lies_says_that_it_has_written_and_has_not() {
    let (engine, faults) = faulty();
    faults.pick(Call::Append, 1, Fault::Pretend);
    faults.pick(Call::Commit, 1, Fault::Pretend);
    append(&engine, lane(1, 0), block(0)).unwrap();
    let write = Write::Put { key: "a".into(), value: "b".into() };
    done(|done| engine.ledger.commit(vec![write], done)).unwrap();
    assert_eq!((engine.journal.lanes(), engine.ledger.get(b"a").unwrap()), (vec![], None));
}
