//! On-demand mode: traffic decides how many shards a stream has.

use shardgate::model::{Limits, Mode, Settings, ShardId, limits};
use shardgate::store::{Call, Fault};
use tokio::time::advance;

use super::*;

cases! {
    a_stream_carries_twice_its_peak_after_fifteen_minutes
    more_than_the_shards_carry_is_throttled_until_they_follow
    a_hot_shard_is_split_in_its_middle_and_the_others_are_left_alone
    a_peak_outlives_the_log_for_thirty_days
    what_was_seen_in_the_last_minutes_is_lost_with_the_log
    a_change_that_failed_is_made_a_minute_later
    a_stream_whose_owner_decides_and_one_without_limits_are_left_alone
}

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const PATIENT: Patience = Patience::WaitUpTo(limits::WRITE_WAIT_MAX);

/// A stream in on-demand mode that is watched from now on, with Kinesis's limits.
async fn watched(house: &House) -> Arc<Stream> {
    house.log.env().limits.set(Limits::kinesis());
    let settings = Settings { mode: Mode::OnDemand, ..Settings::default() };
    let name = StreamName::new("s").unwrap();
    let stream = still(house.log.create_stream(name, limits::ON_DEMAND_SHARDS, settings)).await.unwrap();
    still(house.log.follow_demand()).await;
    stream
}

/// A minute in which these lanes are written so many records a second.
async fn minute(house: &House, stream: &Stream, written: &[(u32, usize)]) {
    for (lane, rate) in written {
        let batch = batch(&vec!["x"; rate * 60]);
        still(house.log.append(stream.lane(*lane), &batch, PATIENT).unwrap().durable()).await.unwrap();
    }
    advance(MINUTE).await;
    still(house.log.follow_demand()).await;
}

async fn minutes(house: &House, stream: &Stream, count: u32) {
    for _ in 0..count {
        minute(house, stream, &[]).await;
    }
}

const EACH_LANE_FULL: [(u32, usize); 4] = [(0, 1_000), (1, 1_000), (2, 1_000), (3, 1_000)];

async fn a_stream_carries_twice_its_peak_after_fifteen_minutes(house: House) {
    let stream = watched(&house).await;
    minute(&house, &stream, &EACH_LANE_FULL).await;
    minutes(&house, &stream, 13).await;
    assert_eq!((stream.open_shards(), stream.lanes()), (4, 4));
    minutes(&house, &stream, 1).await;
    assert_eq!((stream.open_shards(), stream.lanes(), stream.shards().len()), (8, 8, 12));
    assert_eq!((house.put(stream.lane(3), &["a"]).await, house.put(stream.lane(7), &["b"]).await), (60_000, 0));
    // And so on, a minute at the full rate of all of them, and two records besides.
    let each: Vec<_> = (0..8).map(|lane| (lane, 1_000)).collect();
    minute(&house, &stream, &each).await;
    minutes(&house, &stream, 13).await;
    assert_eq!(stream.open_shards(), 8);
    minutes(&house, &stream, 1).await;
    assert_eq!(stream.open_shards(), 17);
    // A quiet stream keeps what it has, however long.
    advance(40 * DAY).await;
    minutes(&house, &stream, 31).await;
    let house = house.reopened();
    assert_eq!(house.log.stream("s").unwrap().open_shards(), 17);
}

async fn more_than_the_shards_carry_is_throttled_until_they_follow(house: House) {
    let stream = watched(&house).await;
    let second = |lane: u32| house.log.append(stream.lane(lane), &batch(&["x"; 1_000]), REFUSE);
    let fill = |lanes: u32| {
        for lane in 0..lanes {
            assert!(second(lane).is_ok(), "{lane}");
        }
        for lane in 0..lanes {
            assert!(matches!(second(lane).err(), Some(Error::WriteThroughput { .. })), "{lane}");
        }
    };
    for _ in 0..60 {
        fill(4);
        advance(Duration::from_secs(1)).await;
    }
    still(house.log.follow_demand()).await;
    minutes(&house, &stream, 13).await;
    fill(4);
    minutes(&house, &stream, 1).await;
    assert_eq!(stream.open_shards(), 8);
    fill(8);
}

async fn a_hot_shard_is_split_in_its_middle_and_the_others_are_left_alone(house: House) {
    let stream = watched(&house).await;
    let before = stream.shards();
    minute(&house, &stream, &[(0, 500), (1, 501), (2, 100)]).await;
    minutes(&house, &stream, 14).await;
    let (low, high) = before[1].keys.split().unwrap();
    let after = stream.shards();
    let open: Vec<_> = after.iter().filter(|shard| shard.is_open()).map(|shard| shard.id.0).collect();
    assert_eq!(open, [0, 2, 3, 4, 5]);
    assert_eq!((after[4].keys, after[5].keys, after[5].lane.0), (low, high, 4));
    assert_eq!((after[1].end, stream.children(ShardId(1)).len()), (Some(Offset(501 * 60)), 2));
}

async fn a_peak_outlives_the_log_for_thirty_days(house: House) {
    let mut house = house;
    let stream = watched(&house).await;
    minute(&house, &stream, &EACH_LANE_FULL).await;
    minutes(&house, &stream, 14).await;
    drop(stream);
    for (later, open) in [(Duration::ZERO, 8), (29 * DAY, 8), (2 * DAY, 4)] {
        advance(later).await;
        house = house.reopened();
        let stream = house.log.stream("s").unwrap();
        // Its owner takes half of the shards away, and leaves the rest to the traffic again.
        let switch = async |mode| still(house.log.change_settings(stream.id(), |settings| settings.mode = mode)).await.unwrap();
        switch(Mode::Provisioned).await;
        still(house.log.scale(stream.id(), 4)).await.unwrap();
        switch(Mode::OnDemand).await;
        minutes(&house, &stream, 15).await;
        assert_eq!(stream.open_shards(), 4, "it was watched from the end of the first of these minutes on");
        minutes(&house, &stream, 1).await;
        assert_eq!(stream.open_shards(), open, "{later:?}");
        advance(DAY).await;
    }
}

async fn what_was_seen_in_the_last_minutes_is_lost_with_the_log(house: House) {
    let stream = watched(&house).await;
    minute(&house, &stream, &EACH_LANE_FULL).await;
    minutes(&house, &stream, 13).await;
    let house = house.reopened();
    let stream = house.log.stream("s").unwrap();
    minutes(&house, &stream, 17).await;
    assert_eq!(stream.open_shards(), 4);
    minute(&house, &stream, &EACH_LANE_FULL).await;
    minutes(&house, &stream, 14).await;
    assert_eq!(stream.open_shards(), 8);
}

async fn a_change_that_failed_is_made_a_minute_later(house: House) {
    let stream = watched(&house).await;
    minute(&house, &stream, &EACH_LANE_FULL).await;
    minutes(&house, &stream, 13).await;
    house.faults.pick(Call::Commit, 1, Fault::Fail);
    minutes(&house, &stream, 1).await;
    assert_eq!(stream.open_shards(), 4);
    minutes(&house, &stream, 1).await;
    assert_eq!(stream.open_shards(), 8);
}

async fn a_stream_whose_owner_decides_and_one_without_limits_are_left_alone(house: House) {
    let stream = watched(&house).await;
    house.log.env().limits.set(Limits::off());
    minute(&house, &stream, &EACH_LANE_FULL).await;
    minutes(&house, &stream, 16).await;
    assert_eq!(stream.open_shards(), 4);
    house.log.env().limits.set(Limits::kinesis());
    still(house.log.change_settings(stream.id(), |settings| settings.mode = Mode::Provisioned)).await.unwrap();
    minute(&house, &stream, &EACH_LANE_FULL).await;
    minutes(&house, &stream, 15).await;
    minute(&house, &stream, &EACH_LANE_FULL).await;
    assert_eq!(stream.open_shards(), 4);
    // What was written before does not count.
    still(house.log.change_settings(stream.id(), |settings| settings.mode = Mode::OnDemand)).await.unwrap();
    minutes(&house, &stream, 16).await;
    assert_eq!(stream.open_shards(), 4);
}
