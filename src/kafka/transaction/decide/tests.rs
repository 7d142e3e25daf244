//! The rules as tables: one row is one fact.

use super::*;
use crate::model::{Lane, StreamId};

const NOW: Timestamp = Timestamp(1_000_000);
const MINUTE: Duration = Duration::from_secs(60);
const WHO: Incarnation = Incarnation { producer: 7, epoch: 3 };
const STATES: [State; 6] = State::ALL;

fn lane(number: u32) -> LaneId {
    LaneId { stream: StreamId(uuid::Uuid::nil()), lane: Lane(number) }
}

/// A transactional id in this state, with lane 0 and group `g` in its transaction if it has one.
fn at(state: State) -> Transaction {
    let is_idle = state.is_idle();
    Transaction {
        epoch: WHO.epoch,
        state,
        started_at: (!is_idle).then_some(Timestamp(900_000)),
        lanes: if is_idle { BTreeSet::new() } else { BTreeSet::from([lane(0)]) },
        groups: if is_idle { BTreeSet::new() } else { BTreeSet::from(["g".to_owned()]) },
        ..first(1, "t".into(), WHO.producer, MINUTE, Timestamp(0))
    }
}

#[test]
fn a_timeout_is_from_1_ms_to_15_minutes() {
    for (millis, is_good) in [(0, false), (-1, false), (1, true), (900_000, true), (900_001, false), (i32::MAX, false)] {
        assert_eq!(timeout(millis).is_ok(), is_good, "{millis}");
    }
}

#[test]
fn a_producer_that_begins_anew_has_the_next_epoch_or_what_it_asked_for_before() {
    let was = |producer, epoch| Some(Incarnation { producer, epoch });
    let given = |of: &Transaction, was| init(of, was, MINUTE, Some(99), NOW).map(|next| (next.producer, next.epoch));
    for state in [State::Empty, State::CompleteCommit, State::CompleteAbort] {
        let of = at(state);
        for (was, expected) in [
            (None, Ok((7, 4))),
            (was(7, 3), Ok((7, 4))),
            (was(7, 2), Err(Refusal::Fenced)),
            (was(7, 4), Err(Refusal::Fenced)),
            (was(6, 3), Err(Refusal::Fenced)),
        ] {
            assert_eq!(given(&of, was), expected, "{state:?} {was:?}");
        }
        let next = init(&of, was(7, 3), MINUTE, None, NOW).unwrap();
        assert_eq!(given(&next, was(7, 3)), Ok((7, 4)), "it asks again");
        assert_eq!(given(&init(&of, None, MINUTE, None, NOW).unwrap(), was(7, 3)), Err(Refusal::Fenced), "somebody else asked");
        assert_eq!((next.state, next.started_at), (State::Empty, None));
    }
    for state in [State::PrepareCommit, State::PrepareAbort] {
        assert_eq!(given(&at(state), None), Err(Refusal::Concurrent));
    }
    let fenced = init(&at(State::Ongoing), None, MINUTE, None, NOW).unwrap();
    assert_eq!((fenced.state, fenced.epoch, fenced.lanes.len()), (State::PrepareAbort, 4, 1), "that is to be done first");
    let used_up = Transaction { epoch: i16::MAX - 1, ..at(State::Empty) };
    assert_eq!(given(&used_up, None), Ok((99, 0)));
    let next = init(&used_up, was(7, i16::MAX - 1), MINUTE, Some(99), NOW).unwrap();
    assert_eq!(given(&next, was(7, i16::MAX - 1)), Ok((99, 0)), "it asks again");
}

#[test]
fn what_is_added_begins_a_transaction_or_is_part_of_it_already() {
    for (state, expected) in STATES.into_iter().zip([
        Ok(Some(NOW)),
        Ok(Some(Timestamp(900_000))),
        Err(Refusal::Concurrent),
        Err(Refusal::Concurrent),
        Ok(Some(NOW)),
        Ok(Some(NOW)),
    ]) {
        let added = add(&at(state), WHO, &[lane(1)], None, false, NOW);
        let seen = added.map(|next| next.map(|next| (next.started_at, next.state, next.lanes.contains(&lane(1)))));
        assert_eq!(seen, expected.map(|since| Some((since, State::Ongoing, true))), "{state:?}");
    }
    let ongoing = at(State::Ongoing);
    assert_eq!(add(&ongoing, WHO, &[lane(0)], Some("g"), true, NOW), Ok(None));
    assert!(matches!(add(&ongoing, WHO, &[], Some("h"), true, NOW), Ok(Some(next)) if next.groups.len() == 2));
    let many: Vec<_> = (0..=LANES_MAX as u32).map(lane).collect();
    assert_eq!(add(&ongoing, WHO, &many, None, true, NOW), Err(Refusal::TooMany));
}

#[test]
fn only_the_incarnation_of_now_may_write() {
    for (producer, epoch, expected) in
        [(7, 3, Ok(())), (7, 2, Err(Refusal::Fenced)), (7, 4, Err(Refusal::Fenced)), (8, 3, Err(Refusal::UnknownProducer))]
    {
        let who = Incarnation { producer, epoch };
        assert_eq!(verify(&at(State::Ongoing), who, &[lane(0)], Some("g")), expected);
        assert_eq!(add(&at(State::Ongoing), who, &[lane(0)], None, false, NOW).map(drop), expected);
    }
    for (state, expected) in STATES.into_iter().zip([
        Err(Refusal::NotPart),
        Ok(()),
        Err(Refusal::Concurrent),
        Err(Refusal::Concurrent),
        Err(Refusal::NotPart),
        Err(Refusal::NotPart),
    ]) {
        assert_eq!(verify(&at(state), WHO, &[lane(0)], None), expected, "{state:?}");
    }
    assert_eq!(verify(&at(State::Ongoing), WHO, &[lane(0), lane(1)], None), Err(Refusal::NotPart));
    assert_eq!(verify(&at(State::Ongoing), WHO, &[], Some("h")), Err(Refusal::NotPart));
}

/// What becomes of an end: the state that is prepared, or `None` if there was nothing to do.
fn ended(of: &Transaction, epoch: i16, commit: bool, is_second: bool) -> Result<Option<State>, Refusal> {
    let outcome = if commit { Outcome::Committed } else { Outcome::Aborted };
    match end(of, Incarnation { epoch, ..WHO }, outcome, is_second, Some(99), NOW)? {
        End::Done(_) => Ok(None),
        End::Prepared(next) => Ok(Some(next.state)),
    }
}

#[test]
fn an_end_of_the_first_generation_is_repeated_with_the_same_epoch() {
    use Refusal::{Concurrent, Fenced, InvalidState};
    for (state, commit, abort) in [
        (State::Empty, Err(InvalidState), Err(InvalidState)),
        (State::Ongoing, Ok(Some(State::PrepareCommit)), Ok(Some(State::PrepareAbort))),
        (State::PrepareCommit, Err(Concurrent), Err(InvalidState)),
        (State::PrepareAbort, Err(InvalidState), Err(Concurrent)),
        (State::CompleteCommit, Ok(None), Err(InvalidState)),
        (State::CompleteAbort, Err(InvalidState), Ok(None)),
    ] {
        let of = at(state);
        assert_eq!((ended(&of, 3, true, false), ended(&of, 3, false, false)), (commit, abort), "{state:?}");
        assert_eq!((ended(&of, 2, true, false), ended(&of, 4, false, false)), (Err(Fenced), Err(Fenced)), "{state:?}");
    }
}

#[test]
fn an_end_of_the_second_generation_is_repeated_with_the_epoch_before() {
    use Refusal::{Concurrent, Fenced, InvalidState};
    // As it stands after an end that was asked for in epoch 2: what is said to those who come in 3, and to those who come in 2.
    for (state, [commit, abort], [commit_again, abort_again]) in [
        (State::Empty, [Err(InvalidState), Ok(Some(State::PrepareAbort))], [Err(Fenced), Err(Fenced)]),
        (State::Ongoing, [Ok(Some(State::PrepareCommit)), Ok(Some(State::PrepareAbort))], [Err(Fenced), Err(Fenced)]),
        (State::PrepareCommit, [Err(Fenced), Err(Fenced)], [Err(Concurrent), Err(InvalidState)]),
        (State::PrepareAbort, [Err(Fenced), Err(Fenced)], [Err(InvalidState), Err(Concurrent)]),
        (State::CompleteCommit, [Err(InvalidState), Ok(Some(State::PrepareAbort))], [Ok(None), Err(InvalidState)]),
        (State::CompleteAbort, [Err(InvalidState), Ok(Some(State::PrepareAbort))], [Err(InvalidState), Ok(None)]),
    ] {
        let of = Transaction { epoch_before: Some(2), is_second: true, ..at(state) };
        assert_eq!([ended(&of, 3, true, true), ended(&of, 3, false, true)], [commit, abort], "{state:?}");
        assert_eq!([ended(&of, 2, true, true), ended(&of, 2, false, true)], [commit_again, abort_again], "{state:?}");
        // Who was fenced cannot take the fence for the answer that it never got.
        let fenced = Transaction { epoch_before: None, ..of };
        assert_eq!([ended(&fenced, 2, true, true), ended(&fenced, 2, false, true)], [Err(Fenced), Err(Fenced)], "{state:?}");
    }
}

#[test]
fn an_end_brings_a_new_epoch_and_the_last_epoch_a_new_producer() {
    let prepared = |epoch, is_second| {
        let of = Transaction { epoch, ..at(State::Ongoing) };
        let who = Incarnation { epoch, ..WHO };
        match end(&of, who, Outcome::Committed, is_second, Some(99), NOW).unwrap() {
            End::Prepared(next) => *next,
            End::Done(_) => panic!("nothing was prepared"),
        }
    };
    for (epoch, is_second, marked, after) in [
        (3, false, 3, (7, 3)),
        (3, true, 4, (7, 4)),
        (i16::MAX - 2, true, i16::MAX - 1, (7, i16::MAX - 1)),
        (i16::MAX - 1, true, i16::MAX, (99, 0)),
    ] {
        let next = prepared(epoch, is_second);
        assert_eq!((next.epoch, next.producer), (marked, 7));
        let done = complete(&next, NOW);
        assert_eq!((done.producer, done.epoch), after);
        assert_eq!(
            (done.state, done.lanes.len(), done.groups.len(), done.started_at),
            (State::CompleteCommit, 0, 0, Some(Timestamp(900_000)))
        );
        let again = end(&done, Incarnation { producer: 7, epoch }, Outcome::Committed, is_second, Some(100), NOW);
        assert_eq!(again, Ok(End::Done(Incarnation { producer: after.0, epoch: after.1 })), "it asks again");
    }
}

#[test]
fn a_transaction_ends_when_its_time_is_up() {
    for state in STATES {
        for (millis, is_up) in [(59_999, false), (60_000, true)] {
            let expired = expire(&at(state), Timestamp(900_000 + millis));
            assert_eq!(expired.is_some(), is_up && state == State::Ongoing, "{state:?} {millis}");
            assert!(expired.is_none_or(|next| (next.state, next.epoch, next.epoch_before) == (State::PrepareAbort, 4, None)));
        }
    }
}

#[test]
fn an_id_is_forgotten_a_week_after_it_was_used() {
    let week = Timestamp(7 * 86_400_000);
    for state in STATES {
        let is_idle = state.is_idle();
        assert_eq!((is_over(&at(state), Timestamp(week.0 - 1)), is_over(&at(state), week)), (false, is_idle), "{state:?}");
    }
}
