//! Retention: a record is there for exactly as long as its stream says.

use shardgate::log::Position;
use shardgate::store::{Call, Fault};
use tokio::time::advance;

use super::*;

cases! {
    a_batch_is_there_for_24_hours_to_the_millisecond
    a_horizon_outlives_the_log
    raising_the_retention_brings_nothing_back
    lowering_the_retention_takes_effect_at_once
    a_sweep_frees_what_is_over_without_a_reader
    offsets_run_on_when_everything_is_over
    what_is_over_is_over_on_a_cold_lane_too
    a_failing_search_is_an_error_and_loses_nothing
    one_millisecond_decides_in_every_verb_and_after_a_restart
    only_the_arrival_counts
}

const MILLISECOND: Duration = Duration::from_millis(1);

async fn a_batch_is_there_for_24_hours_to_the_millisecond(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    house.put(lane, &["a", "b"]).await;
    advance(MILLISECOND).await;
    house.put(lane, &["c"]).await;
    advance(24 * HOUR - 2 * MILLISECOND).await;
    assert_eq!(house.values(lane, 0).await, numbered(0, &["a", "b", "c"]));
    advance(MILLISECOND).await;
    assert!(matches!(house.page(lane, 0).await, Err(Error::OutOfRange { horizon: Offset(2), tip: Offset(3), .. })));
    assert_eq!(house.values(lane, 2).await, numbered(2, &["c"]));
    advance(MILLISECOND).await;
    assert_eq!(house.horizon(lane).await, 3);
    assert_eq!(house.values(lane, 3).await, []);
}

async fn a_horizon_outlives_the_log(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    house.put(lane, &["a"]).await;
    advance(HOUR).await;
    house.put(lane, &["b"]).await;
    advance(23 * HOUR).await;
    assert_eq!(house.horizon(lane).await, 1);
    house.put(lane, &["c"]).await;
    let house = house.reopened();
    assert_eq!(house.horizon(lane).await, 1);
    assert_eq!(house.values(lane, 1).await, numbered(1, &["b", "c"]));
}

async fn raising_the_retention_brings_nothing_back(house: House) {
    let stream = house.stream("s", 1).await;
    let lane = stream.lane(0);
    house.put(lane, &["a"]).await;
    advance(25 * HOUR).await;
    // Nobody has looked since it was over.
    still(house.log.change_settings(stream.id(), |settings| settings.retention_hours = 48)).await.unwrap();
    assert_eq!(house.horizon(lane).await, 1);
    house.put(lane, &["b"]).await;
    let house = house.reopened();
    advance(47 * HOUR).await;
    assert_eq!(house.values(lane, 1).await, numbered(1, &["b"]));
    advance(HOUR).await;
    assert_eq!(house.horizon(lane).await, 2);
}

async fn lowering_the_retention_takes_effect_at_once(house: House) {
    let stream = house.stream("s", 1).await;
    let lane = stream.lane(0);
    still(house.log.change_settings(stream.id(), |settings| settings.retention_hours = 100)).await.unwrap();
    house.put(lane, &["a"]).await;
    advance(50 * HOUR).await;
    house.put(lane, &["b"]).await;
    assert_eq!(house.horizon(lane).await, 0);
    still(house.log.change_settings(stream.id(), |settings| settings.retention_hours = 24)).await.unwrap();
    assert_eq!(house.horizon(lane).await, 1);
}

async fn a_sweep_frees_what_is_over_without_a_reader(house: House) {
    let stream = house.stream("s", 2).await;
    for index in 0..50 {
        house.put(stream.lane(index % 2), &[&"x".repeat(500)]).await;
    }
    let lanes = || vec![stream.lane(0), stream.lane(1)];
    assert!(still(house.log.bytes(lanes())).await.unwrap().iter().all(|bytes| *bytes > 10_000));
    advance(24 * HOUR).await;
    still(house.log.sweep()).await;
    assert_eq!(still(house.log.bytes(lanes())).await.unwrap(), [0, 0]);
}

async fn offsets_run_on_when_everything_is_over(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    for _ in 0..30 {
        house.put(lane, &[&"x".repeat(500)]).await;
    }
    advance(30 * HOUR).await;
    still(house.log.sweep()).await;
    let house = house.reopened();
    assert_eq!(house.put(lane, &["next"]).await, 30);
    assert_eq!(house.values(lane, 30).await, numbered(30, &["next"]));
    assert!(matches!(house.page(lane, 29).await, Err(Error::OutOfRange { horizon: Offset(30), .. })));
}

async fn what_is_over_is_over_on_a_cold_lane_too(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    for _ in 0..10 {
        house.put(lane, &["x"]).await;
        advance(HOUR).await;
    }
    let house = house.reopened_with(Options { tail_bytes_max: 0, ..Options::default() });
    assert_eq!(house.horizon(lane).await, 0);
    advance(14 * HOUR + HOUR / 2).await;
    assert_eq!(house.horizon(lane).await, 1);
    advance(5 * HOUR).await;
    assert_eq!(house.horizon(lane).await, 6);
    assert_eq!(house.values(lane, 6).await.len(), 4);
}

async fn a_failing_search_is_an_error_and_loses_nothing(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    house.put(lane, &["a"]).await;
    advance(HOUR).await;
    house.put(lane, &["b"]).await;
    advance(23 * HOUR).await;
    house.faults.pick(Call::Find, 1, Fault::Fail);
    assert!(matches!(house.page(lane, 1).await, Err(Error::Store(_))));
    assert_eq!(house.values(lane, 1).await, numbered(1, &["b"]));
}

/// What every verb that looks at a lane says: its horizon, what is found there and at three times, arrival, bytes and records.
async fn seen(house: &House, lane: LaneId) -> (i64, [Option<i64>; 4], bool, bool, Vec<(i64, String)>) {
    let horizon = house.horizon(lane).await;
    let mut found = Vec::new();
    for position in [Position::Horizon, Position::AtTime(Timestamp(0)), Position::LatestTime, Position::Tip] {
        found.push(still(house.log.find(lane, position)).await.unwrap().map(|found| found.offset.0));
    }
    let arrived = still(house.log.arrived_at(lane, Offset(1))).await.is_ok();
    let bytes = still(house.log.bytes(vec![lane])).await.unwrap();
    let page = house.page(lane, 1).await;
    let values = page.map(|page| values(&page)).unwrap_or_default();
    (horizon, found.try_into().unwrap(), arrived, bytes[0] > 0, values)
}

async fn one_millisecond_decides_in_every_verb_and_after_a_restart(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    house.put(lane, &["a", "b"]).await;
    advance(24 * HOUR - MILLISECOND).await;
    let there = (0, [Some(0), Some(0), Some(1), Some(2)], true, true, numbered(0, &["a", "b"]));
    assert_eq!(seen(&house, lane).await, there);
    let house = house.reopened();
    assert_eq!(seen(&house, lane).await, there);
    advance(MILLISECOND).await;
    let gone = (2, [Some(2), None, None, Some(2)], false, false, vec![]);
    assert_eq!(seen(&house, lane).await, gone);
    let house = house.reopened();
    assert_eq!(seen(&house, lane).await, gone);
    assert!(matches!(house.page(lane, 1).await, Err(Error::OutOfRange { horizon: Offset(2), tip: Offset(2), .. })));
}

/// Whatever their sender says of when they were created.
async fn only_the_arrival_counts(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    for created_at in [Timestamp(0), Timestamp(i64::MAX), START] {
        let draft = Draft { value: Some(b"x"), created_at, ..Draft::default() };
        house.append(lane, &Builder::default().record(draft).build().unwrap()).await.unwrap();
        advance(HOUR).await;
    }
    for horizon in [0, 1, 2, 3] {
        assert_eq!(house.horizon(lane).await, horizon);
        advance(if horizon == 0 { 21 * HOUR } else { HOUR }).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_files_shrink_within_one_sweep() {
    let house = disk();
    let stream = house.stream("s", 2).await;
    for index in 0..200 {
        house.put(stream.lane(index % 2), &[&"x".repeat(1_000)]).await;
    }
    assert!(house.disk_bytes() > 200_000, "{}", house.disk_bytes());
    advance(24 * HOUR).await;
    still(house.log.sweep()).await;
    // The store's own threads unlink the files.
    let begun = std::time::Instant::now();
    while house.disk_bytes() > 20_000 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{} bytes stay", house.disk_bytes());
        std::thread::yield_now();
    }
    let house = house.reopened();
    assert_eq!((house.horizon(stream.lane(0)).await, house.horizon(stream.lane(1)).await), (100, 100));
}
