use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const LIMIT: i16 = 3;
const LOCKS: usize = 12;

/// Of a delivery in one range, as often as may be.
fn bounds(records_max: usize, until: u64) -> Bounds {
    let wanted = Wanted { records_max, is_strict: false, batch_size: i64::MAX };
    Bounds { wanted, locks_max: LOCKS, deliveries_max: i16::MAX, until: Duration::from_secs(until) }
}

/// Of one of no more than are wanted.
fn strict(records_max: usize) -> Bounds {
    let bounds = bounds(records_max, 30);
    Bounds { wanted: Wanted { is_strict: true, ..bounds.wanted }, ..bounds }
}

fn terms() -> Terms {
    terms_at(0)
}

fn terms_at(now: u64) -> Terms {
    Terms { deliveries_max: LIMIT, cuts_max: usize::MAX, until: Duration::from_secs(now + 30) }
}

fn said(first: i64, last: i64, verdict: Verdict) -> Acknowledgement {
    Acknowledgement { first, last, verdict }
}

fn taken(partition: &mut Partition, member: &str, batches: &[(i64, i64)], records_max: usize) -> Vec<(i64, i64, i16)> {
    taken_without(partition, member, batches, &[], bounds(records_max, 30))
}

fn taken_without(
    partition: &mut Partition,
    member: &str,
    batches: &[(i64, i64)],
    aborted: &[(i64, i64)],
    bounds: Bounds,
) -> Vec<(i64, i64, i16)> {
    let taken = partition.acquire(&member.into(), batches, aborted, bounds);
    taken.into_iter().map(|taken| (taken.first, taken.last, taken.deliveries)).collect()
}

#[test]
fn batches_are_taken_whole_and_as_one_range() {
    let mut partition = Partition::at(0);
    assert_eq!(taken(&mut partition, "a", &[(0, 2), (3, 5), (6, 8)], 4), [(0, 5, 1)]);
    assert_eq!(partition.runs(), 1);
    assert_eq!(partition.next(LOCKS), Some(6));
    assert_eq!(taken(&mut partition, "b", &[(6, 8), (9, 40)], 100), [(6, 11, 1)], "as many as may be under way");
    assert_eq!(partition.next(LOCKS), None);
}

#[test]
fn no_more_are_taken_than_wanted_where_that_counts() {
    let mut partition = Partition::at(0);
    let batches = [(0, 2), (3, 5), (6, 8)];
    assert_eq!(taken_without(&mut partition, "a", &batches, &[], strict(4)), [(0, 3, 1)]);
    assert_eq!(partition.next(LOCKS), Some(4));
    assert_eq!(taken_without(&mut partition, "b", &batches[1..], &[], strict(1)), [(4, 4, 1)]);
    partition.acknowledge("a", &[said(1, 3, Verdict::Release)], terms()).unwrap();
    assert_eq!(taken_without(&mut partition, "b", &batches, &[], strict(2)), [(1, 2, 2)]);
    assert_eq!(taken_without(&mut partition, "b", &batches, &[], strict(0)), []);
    assert_eq!(taken_without(&mut partition, "b", &batches, &[], strict(100)), [(3, 3, 2), (5, 8, 1)]);
}

#[test]
fn ranges_of_new_records_end_with_the_batch_that_fills_them() {
    let of = |batch_size, records_max| {
        let bounds = bounds(records_max, 30);
        let bounds = Bounds { wanted: Wanted { batch_size, ..bounds.wanted }, ..bounds };
        let mut partition = Partition::at(1);
        let taken = taken_without(&mut partition, "a", &[(0, 2), (3, 5), (6, 6), (7, 9)], &[], bounds);
        assert_eq!(partition.start(), 1);
        taken
    };
    assert_eq!(of(100, 100), [(1, 9, 1)]);
    assert_eq!(of(3, 100), [(1, 5, 1), (6, 9, 1)]);
    assert_eq!(of(3, 5), [(1, 5, 1)]);
    assert_eq!(of(1, 6), [(1, 2, 1), (3, 5, 1), (6, 6, 1)]);
    assert_eq!(of(0, 100), of(-1, 100));
}

/// As Apache Kafka 4.4.0 answered: of ten records of one batch that may be delivered five times, half come the fourth time, and
/// each alone the fifth.
#[test]
fn what_is_often_given_back_comes_in_smaller_and_smaller_pieces() {
    let mut partition = Partition::at(0);
    let limited = Bounds { deliveries_max: 5, locks_max: 100, ..bounds(500, 30) };
    let terms = || Terms { deliveries_max: 5, ..terms() };
    let mut deliver = |batches: &[(i64, i64)]| {
        let taken = taken_without(&mut partition, "a", batches, &[], limited);
        for &(first, last, _) in &taken {
            partition.acknowledge("a", &[said(first, last, Verdict::Release)], terms()).unwrap();
        }
        taken
    };
    for delivery in 1..=3 {
        assert_eq!(deliver(&[(0, 9)]), [(0, 9, delivery)]);
    }
    assert_eq!(deliver(&[(0, 9), (10, 19)]), [(0, 4, 4)], "and nothing new with them");
    for offset in 0..5 {
        assert_eq!(deliver(&[(0, 9), (10, 19)]), [(offset, offset, 5)]);
    }
    assert_eq!(deliver(&[(0, 9), (10, 19)]), [(5, 9, 4)]);
    for offset in 5..10 {
        assert_eq!(deliver(&[(0, 9), (10, 19)]), [(offset, offset, 5)]);
    }
    assert_eq!(deliver(&[(10, 19)]), [(10, 19, 1)]);
}

#[test]
fn the_least_limit_of_deliveries_isolates_nothing() {
    let limited = |deliveries_max| Bounds { deliveries_max, ..bounds(500, 30) };
    for (limit, deliveries, together, expected) in [
        (2, 1, 8, None),
        (3, 1, 8, None),
        (3, 2, 8, Some(1)),
        (6, 2, 500, None),
        (6, 3, 500, Some(250)),
        (6, 4, 500, Some(125)),
        (6, 5, 500, Some(1)),
        (10, 8, 4, Some(1)),
        (10, 5, 500, Some(250)),
        (10, 8, 500, Some(31)),
    ] {
        assert_eq!(limited(limit).most(deliveries, together), expected, "{limit} {deliveries}");
    }
}

#[test]
fn what_is_aborted_is_passed_over() {
    let mut partition = Partition::at(0);
    let batches = [(0, 1), (2, 3), (4, 5), (6, 7)];
    assert_eq!(taken_without(&mut partition, "a", &batches, &[(0, 1), (4, 5)], bounds(1, 30)), [(2, 3, 1)]);
    assert_eq!((partition.start(), partition.next(LOCKS)), (2, Some(6)), "also behind the last that is wanted");
    assert_eq!(taken_without(&mut partition, "a", &batches[3..], &[(6, 7)], bounds(9, 30)), []);
    assert_eq!(partition.next(LOCKS), Some(8));
    partition.acknowledge("a", &[said(2, 3, Verdict::Release)], terms()).unwrap();
    assert_eq!(taken_without(&mut partition, "a", &batches, &[(0, 7)], bounds(9, 30)), [], "released before it was so read");
    assert_eq!((partition.start(), partition.runs()), (8, 0));
    // A delivery that ends before the aborted records leaves them where they are.
    let mut partition = Partition::at(0);
    assert_eq!(taken_without(&mut partition, "a", &batches, &[(4, 5)], strict(1)), [(0, 0, 1)]);
    assert_eq!(partition.next(LOCKS), Some(1));
    assert_eq!(taken_without(&mut partition, "b", &batches, &[(4, 5)], bounds(9, 30)), [(1, 3, 1), (6, 7, 1)]);
}

#[test]
fn a_lock_that_is_renewed_ends_later() {
    let mut partition = Partition::at(0);
    taken(&mut partition, "a", &[(0, 3)], 10);
    assert_eq!(partition.acknowledge("a", &[said(1, 2, Verdict::Renew)], terms_at(20)), Ok(()));
    assert_eq!(partition.acknowledge("b", &[said(0, 0, Verdict::Renew)], terms_at(20)), Err(NotTaken::NotOwned));
    assert!(partition.expire(Duration::from_secs(30), LIMIT));
    assert_eq!(partition.next_deadline(), Some(Duration::from_secs(50)));
    assert_eq!(taken(&mut partition, "b", &[(0, 3)], 10), [(0, 0, 2), (3, 3, 2)]);
    assert_eq!(partition.acknowledge("a", &[said(1, 2, Verdict::Renew)], terms_at(49)), Ok(()), "as often as it likes");
    assert_eq!(partition.acknowledge("a", &[said(1, 2, Verdict::Accept)], terms()), Ok(()));
}

#[test]
fn what_is_released_comes_again_until_its_last_delivery() {
    let mut partition = Partition::at(10);
    for delivery in 1..=LIMIT {
        assert_eq!(taken(&mut partition, "a", &[(10, 12)], 10), [(10, 12, delivery)]);
        assert_eq!(partition.acknowledge("a", &[said(10, 12, Verdict::Release)], terms()), Ok(()));
    }
    assert_eq!((partition.start(), partition.next(LOCKS)), (13, Some(13)));
}

#[test]
fn a_lock_that_is_over_is_given_back_and_counts() {
    let mut partition = Partition::at(0);
    taken(&mut partition, "a", &[(0, 1)], 10);
    assert_eq!(partition.next_deadline(), Some(Duration::from_secs(30)));
    assert!(!partition.expire(Duration::from_secs(29), LIMIT));
    assert!(partition.expire(Duration::from_secs(30), LIMIT));
    assert_eq!(partition.acknowledge("a", &[said(0, 0, Verdict::Accept)], terms()), Err(NotTaken::NotOwned));
    assert_eq!(taken(&mut partition, "b", &[(0, 1)], 10), [(0, 1, 2)]);
}

#[test]
fn what_a_member_that_leaves_has_does_not_count_as_delivered() {
    let mut partition = Partition::at(0);
    taken(&mut partition, "a", &[(0, 1)], 10);
    assert!(partition.release("a") && !partition.release("a"));
    assert_eq!(taken(&mut partition, "b", &[(0, 1)], 10), [(0, 1, 1)]);
}

#[test]
fn verdicts_are_taken_all_or_none() {
    let mut partition = Partition::at(0);
    taken(&mut partition, "a", &[(0, 3)], 10);
    taken(&mut partition, "b", &[(4, 5)], 10);
    let before = partition.clone();
    for (first, last, reason) in [
        (3, 4, NotTaken::NotOwned),
        (0, 1, NotTaken::NotOwned),
        (5, 6, NotTaken::Undelivered),
        (1, 7, NotTaken::Undelivered),
        (7, 9, NotTaken::Undelivered),
    ] {
        let wrong = [said(0, 0, Verdict::Accept), said(first, last, Verdict::Accept)];
        assert_eq!(partition.acknowledge("a", &wrong, terms()), Err(reason), "{first} to {last}");
    }
    let no_cuts = Terms { cuts_max: 0, ..terms() };
    assert_eq!(partition.acknowledge("a", &[said(1, 1, Verdict::Accept)], no_cuts), Err(NotTaken::TooManyRuns));
    assert_eq!(partition, before);
    let fine = [said(0, 0, Verdict::Accept), said(1, 1, Verdict::Reject), said(2, 2, Verdict::Gap)];
    assert_eq!(partition.acknowledge("a", &fine, terms()), Ok(()));
    assert_eq!(partition.start(), 3);
    assert_eq!(partition.acknowledge("a", &[said(0, 2, Verdict::Accept)], terms()), Ok(()), "finished is finished");
}

#[test]
fn what_is_below_the_horizon_is_forgotten() {
    let mut partition = Partition::at(0);
    taken(&mut partition, "a", &[(0, 5)], 10);
    assert!(partition.trim(3) && !partition.trim(3));
    assert_eq!((partition.start(), partition.next(LOCKS)), (3, Some(6)));
    assert!(partition.trim(100));
    assert_eq!((partition.start(), partition.next(LOCKS), partition.runs()), (100, Some(100), 0));
}

#[test]
fn what_was_kept_is_believed_as_far_as_it_follows_on() {
    let stored = |runs| Stored { epoch: 0, start: 5, runs };
    for (runs, start, next) in [
        (vec![(5, 6, AVAILABLE, 2), (7, 9, ACKNOWLEDGED, 1)], 5, 5),
        (vec![(5, 6, ACKNOWLEDGED, 2), (7, 9, ARCHIVED, 1)], 10, 10),
        (vec![(6, 7, ACKNOWLEDGED, 1)], 5, 5),
        (vec![(5, 4, ACKNOWLEDGED, 1)], 5, 5),
        (vec![(5, i64::MAX, ACKNOWLEDGED, 1)], 5, 5),
    ] {
        let partition = Partition::restored(&stored(runs));
        assert_eq!((partition.start(), partition.next(LOCKS)), (start, Some(next)));
    }
}

/// One record, as simply as can be.
#[derive(Clone, PartialEq, Debug)]
enum Fate {
    Waits(i16),
    Held { by: usize, until: u64, deliveries: i16 },
    Done,
}

#[derive(Clone, Debug)]
enum Step {
    Acquire { member: usize, batches: u8, records_max: usize, is_strict: bool, aborted: u8 },
    Verdict { member: usize, first: i64, length: i64, verdict: Verdict },
    Pass(u64),
    Leave(usize),
    Crash,
    Expire(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let verdict = prop_oneof![
        Just(Verdict::Accept),
        Just(Verdict::Release),
        Just(Verdict::Reject),
        Just(Verdict::Gap),
        Just(Verdict::Renew)
    ];
    let acquire = (0..3_usize, 1..5_u8, 1..8_usize, any::<bool>(), 0..16_u8);
    prop_oneof![
        4 => acquire.prop_map(|(member, batches, records_max, is_strict, aborted)| Step::Acquire {
            member,
            batches,
            records_max,
            is_strict,
            aborted,
        }),
        6 => (0..3_usize, 0..6_i64, 1..5_i64, verdict)
            .prop_map(|(member, first, length, verdict)| Step::Verdict { member, first, length, verdict }),
        2 => (1..20_u64).prop_map(Step::Pass),
        1 => (0..3_usize).prop_map(Step::Leave),
        1 => Just(Step::Crash),
        1 => (0..4_i64).prop_map(Step::Expire),
    ]
}

proptest! {
    /// No record that is done is delivered again, every other one until its limit, and the counts are right.
    #[test]
    fn it_behaves_as_one_record_after_another_would(steps in prop::collection::vec(step(), 1..60)) {
        const BATCH: i64 = 3;
        let members = ["a", "b", "c"];
        let (mut partition, mut records, mut now) = (Partition::at(0), BTreeMap::<i64, Fate>::new(), 0_u64);
        let mut crashes = 0;
        let give_back = |deliveries: i16| if deliveries >= LIMIT { Fate::Done } else { Fate::Waits(deliveries) };
        for step in steps {
            partition.expire(Duration::from_secs(now), LIMIT);
            for fate in records.values_mut() {
                if let Fate::Held { until, deliveries, .. } = *fate && until <= now {
                    *fate = give_back(deliveries);
                }
            }
            match step {
                Step::Acquire { member, batches, records_max, is_strict, aborted } => {
                    let Some(from) = partition.next(LOCKS) else { continue };
                    let first = from / BATCH * BATCH;
                    let read: Vec<_> = (0..i64::from(batches)).map(|at| (first + at * BATCH, first + at * BATCH + BATCH - 1)).collect();
                    let is_aborted = |at: usize| aborted & (1 << at) != 0;
                    let aborted: Vec<_> = (0..read.len()).filter(|at| is_aborted(*at)).map(|at| read[at]).collect();
                    let (end, room) = (partition.end, partition.start() + LOCKS as i64);
                    let is_free = |offset: i64| match records.get(&offset) {
                        None => (end..room).contains(&offset),
                        Some(fate) => matches!(fate, Fate::Waits(_)),
                    };
                    let offsets = || read.iter().enumerate().flat_map(|(at, (first, last))| (*first..=*last).map(move |offset| (at, offset)));
                    let is_any = offsets().any(|(at, offset)| is_free(offset) && !is_aborted(at));
                    let bounds = bounds(records_max, now + 30);
                    let wanted = Wanted { is_strict, ..bounds.wanted };
                    let bounds = Bounds { wanted, deliveries_max: LIMIT, ..bounds };
                    let taken = partition.acquire(&members[member].into(), &read, &aborted, bounds);
                    prop_assert_eq!(taken.is_empty(), !is_any);
                    let count: i64 = taken.iter().map(|taken| taken.last - taken.first + 1).sum();
                    let above = if is_strict { 1 } else { BATCH };
                    prop_assert!(count < records_max as i64 + above);
                    let is_last = taken.iter().any(|taken| taken.deliveries >= LIMIT);
                    prop_assert!(!is_last || count == 1, "the last delivery is of one record alone");
                    let passed = offsets().filter(|(at, offset)| is_aborted(*at) && *offset < partition.end);
                    for (_, offset) in passed {
                        let fate = records.entry(offset).or_insert(Fate::Done);
                        if let Fate::Waits(_) = fate {
                            *fate = Fate::Done;
                        }
                    }
                    for Acquired { first, last, deliveries } in taken {
                        for offset in first..=last {
                            let fate = records.entry(offset).or_insert(Fate::Waits(0));
                            prop_assert_eq!(&*fate, &Fate::Waits(deliveries - 1), "offset {}", offset);
                            prop_assert!(deliveries <= LIMIT + crashes);
                            *fate = Fate::Held { by: member, until: now + 30, deliveries };
                        }
                    }
                }
                Step::Verdict { member, first, length, verdict } => {
                    let first = partition.start() + first;
                    let last = first + length - 1;
                    let is_its = |offset| matches!(records.get(&offset), Some(Fate::Held { by, .. }) if *by == member);
                    let expected = match (first..=last).all(is_its) {
                        true => Ok(()),
                        false if last >= partition.end && partition.runs() > 0 => Err(NotTaken::Undelivered),
                        false => Err(NotTaken::NotOwned),
                    };
                    prop_assert_eq!(partition.acknowledge(members[member], &[said(first, last, verdict)], terms_at(now)), expected);
                    if expected.is_ok() {
                        for fate in records.range_mut(first..=last).map(|(_, fate)| fate) {
                            *fate = match (&*fate, verdict) {
                                (Fate::Held { deliveries, .. }, Verdict::Release) => give_back(*deliveries),
                                (&Fate::Held { by, deliveries, .. }, Verdict::Renew) => Fate::Held { by, until: now + 30, deliveries },
                                _ => Fate::Done,
                            };
                        }
                    }
                }
                Step::Pass(seconds) => now += seconds,
                Step::Leave(member) => {
                    partition.release(members[member]);
                    for fate in records.values_mut() {
                        if let Fate::Held { by, deliveries, .. } = *fate && by == member {
                            *fate = Fate::Waits(deliveries - 1);
                        }
                    }
                }
                // A record under its last lock then is delivered once more: nobody said that it is done.
                Step::Crash => {
                    crashes += 1;
                    let stored = serde_json::to_vec(&partition.stored()).unwrap();
                    partition = Partition::restored(&serde_json::from_slice(&stored).unwrap());
                    for fate in records.values_mut() {
                        if let Fate::Held { deliveries, .. } = *fate {
                            *fate = Fate::Waits(deliveries);
                        }
                    }
                }
                Step::Expire(by) => {
                    let horizon = partition.start() + by;
                    partition.trim(horizon);
                    for offset in 0..horizon {
                        records.insert(offset, Fate::Done);
                    }
                }
            }
            let unfinished = records.iter().find(|(_, fate)| **fate != Fate::Done).map(|(offset, _)| *offset);
            let behind = records.keys().next_back().map_or(0, |last| last + 1);
            prop_assert_eq!(partition.start(), unfinished.unwrap_or(behind));
            prop_assert!(partition.runs() <= LOCKS);
        }
    }
}
