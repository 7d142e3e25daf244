//! CREATING, ACTIVE, UPDATING, DELETING; modes; and Kinesis's limits on counts.

use shardgate::log::{Error, Stream};
use shardgate::model::{Limits, Mode, ShardId, Status, limits};
use tokio::time::advance;

use super::*;

cases! {
    without_a_delay_a_stream_is_always_active
    a_change_lasts_as_long_as_its_delay_and_no_other_is_made_meanwhile
    a_stream_that_is_being_deleted_is_there_until_the_delay_is_over
    a_deletion_that_was_over_while_nothing_ran_is_carried_out_later
    the_name_of_a_stream_that_is_gone_is_free_at_once
    the_shard_quota_is_for_all_provisioned_streams_together
    a_stream_is_scaled_by_half_to_double_and_ten_times_a_day
    the_mode_is_switched_twice_a_day
    an_on_demand_stream_has_its_shards_changed_by_nobody
    a_closed_shard_is_listed_until_its_records_are_over
}

const DELAY: Duration = Duration::from_secs(10);

async fn delayed(house: House) -> House {
    house.reopened_with(Options { state_change_delay: DELAY, ..Options::default() })
}

fn status(house: &House, stream: &Stream) -> Status {
    stream.status(house.log.env().clock.now())
}

fn limited(house: &House) {
    house.log.env().limits.set(Limits::kinesis());
}

async fn created(house: &House, name: &str, lanes: u32, mode: Mode) -> Result<Arc<Stream>, Error> {
    let settings = Settings { mode, ..Settings::default() };
    still(house.log.create_stream(StreamName::new(name).unwrap(), lanes, settings)).await
}

async fn switched(house: &House, stream: &Stream, mode: Mode) -> Result<(), Error> {
    still(house.log.change_settings(stream.id(), |settings| settings.mode = mode)).await
}

async fn without_a_delay_a_stream_is_always_active(house: House) {
    let stream = house.stream("s", 1).await;
    still(house.log.scale(stream.id(), 2)).await.unwrap();
    assert_eq!(status(&house, &stream), Status::Active);
    still(house.log.delete_stream(stream.id())).await.unwrap();
    assert!(house.log.streams().is_empty());
}

async fn a_change_lasts_as_long_as_its_delay_and_no_other_is_made_meanwhile(house: House) {
    let mut house = delayed(house).await;
    let stream = house.stream("s", 1).await;
    for (expected, lanes) in [(Status::Creating, 2), (Status::Updating, 3)] {
        for _ in 0..2 {
            let stream = house.log.stream("s").unwrap();
            assert_eq!(status(&house, &stream), expected);
            let refused = still(house.log.open_lanes(stream.id(), lanes)).await;
            assert!(matches!(refused, Err(Error::NotActive { status, .. }) if status == expected), "{refused:?}");
            assert!(matches!(switched(&house, &stream, Mode::OnDemand).await, Err(Error::NotActive { .. })));
            assert!(matches!(still(house.log.delete_stream(stream.id())).await, Err(Error::NotActive { .. })));
            // Records come and go.
            house.put(stream.lane(0), &["a"]).await;
            assert!(!house.values(stream.lane(0), 0).await.is_empty());
            // A log with another delay keeps what was begun.
            house = house.reopened_with(Options::default());
        }
        house = delayed(house).await;
        advance(DELAY - Duration::from_millis(1)).await;
        assert_eq!(status(&house, &house.log.stream("s").unwrap()), expected);
        advance(Duration::from_millis(1)).await;
        assert_eq!(status(&house, &house.log.stream("s").unwrap()), Status::Active);
        still(house.log.open_lanes(stream.id(), lanes)).await.unwrap();
    }
}

async fn a_stream_that_is_being_deleted_is_there_until_the_delay_is_over(house: House) {
    let house = delayed(house).await;
    let stream = house.stream("s", 1).await;
    advance(DELAY).await;
    still(house.log.delete_stream(stream.id())).await.unwrap();
    assert_eq!((status(&house, &stream), house.log.streams().len()), (Status::Deleting, 1));
    house.put(stream.lane(0), &["a"]).await;
    let taken = created(&house, "s", 1, Mode::Provisioned).await;
    assert!(matches!(taken.err(), Some(Error::StreamExists(_))));
    advance(DELAY).await;
    assert!(house.log.streams().is_empty() && house.log.stream("s").is_none());
    assert!(matches!(house.append(stream.lane(0), &batch(&["b"])).await, Err(Error::UnknownStream(_))));
    still(house.log.sweep()).await;
    assert_eq!(house.reopened().log.lanes(), 0, "its records are removed by the sweep");
}

async fn a_deletion_that_was_over_while_nothing_ran_is_carried_out_later(house: House) {
    let house = delayed(house).await;
    let stream = house.stream("s", 1).await;
    house.put(stream.lane(0), &["a"]).await;
    advance(DELAY).await;
    still(house.log.delete_stream(stream.id())).await.unwrap();
    let house = delayed(house).await;
    assert_eq!(status(&house, &house.log.stream("s").unwrap()), Status::Deleting);
    advance(DELAY).await;
    let house = delayed(house).await;
    assert!(house.log.stream("s").is_none());
    still(house.log.sweep()).await;
    assert_eq!(house.reopened().log.lanes(), 0);
}

async fn the_name_of_a_stream_that_is_gone_is_free_at_once(house: House) {
    let house = delayed(house).await;
    let old = house.stream("s", 3).await;
    house.put(old.lane(0), &["old"]).await;
    advance(DELAY).await;
    still(house.log.delete_stream(old.id())).await.unwrap();
    advance(DELAY).await;
    let new = house.stream("s", 1).await;
    let house = house.reopened();
    assert_eq!((house.log.streams().len(), house.log.lanes()), (1, 1));
    assert_eq!(house.log.stream("s").unwrap().id(), new.id());
    assert_eq!(house.values(new.lane(0), 0).await, []);
}

async fn the_shard_quota_is_for_all_provisioned_streams_together(house: House) {
    let house = house.reopened_with(Options { shard_quota: 10, ..Options::default() });
    let stream = created(&house, "free", 12, Mode::Provisioned).await.unwrap();
    still(house.log.delete_stream(stream.id())).await.unwrap();
    limited(&house);
    let stream = created(&house, "s", 6, Mode::Provisioned).await.unwrap();
    let on_demand = created(&house, "o", 4, Mode::OnDemand).await.unwrap();
    let refused = created(&house, "t", 5, Mode::Provisioned).await;
    assert!(matches!(refused.err(), Some(Error::ShardQuota { open: 6, max: 10, more: 5 })));
    created(&house, "t", 3, Mode::Provisioned).await.unwrap();
    let refused = still(house.log.scale(stream.id(), 8)).await;
    assert!(matches!(refused, Err(Error::ShardQuota { open: 9, max: 10, more: 2 })), "{refused:?}");
    assert!(matches!(switched(&house, &on_demand, Mode::Provisioned).await, Err(Error::ShardQuota { more: 4, .. })));
    still(house.log.merge_shards(stream.id(), ShardId(0), ShardId(1))).await.unwrap();
    still(house.log.open_lanes(stream.id(), 8)).await.unwrap();
    assert_eq!(stream.open_shards(), 7);
}

async fn a_stream_is_scaled_by_half_to_double_and_ten_times_a_day(house: House) {
    let mut house = house;
    limited(&house);
    let stream = house.stream("s", 4).await;
    for target in [0, 1, 9, 10_001] {
        let refused = still(house.log.scale(stream.id(), target)).await;
        assert!(matches!(refused, Err(Error::ScaleTarget { open: 4, .. })), "{target}: {refused:?}");
    }
    for time in 0..limits::SCALINGS_PER_DAY {
        still(house.log.scale(stream.id(), if time % 2 == 0 { 2 } else { 4 })).await.unwrap();
        advance(HOUR).await;
        house = house.reopened();
    }
    let again = async |house: &House| still(house.log.scale(stream.id(), 2)).await;
    assert!(matches!(again(&house).await, Err(Error::ScalingRate { max: 10, .. })));
    advance(14 * HOUR - Duration::from_millis(1)).await;
    assert!(matches!(again(&house).await, Err(Error::ScalingRate { .. })));
    advance(Duration::from_millis(1)).await;
    again(&house).await.unwrap();
    assert!(matches!(again(&house).await, Err(Error::ScalingRate { .. })));
    house.log.env().limits.set(Limits::off());
    again(&house).await.unwrap();
}

async fn the_mode_is_switched_twice_a_day(house: House) {
    limited(&house);
    let stream = house.stream("s", 3).await;
    switched(&house, &stream, Mode::OnDemand).await.unwrap();
    switched(&house, &stream, Mode::Provisioned).await.unwrap();
    switched(&house, &stream, Mode::Provisioned).await.expect("that is no switch");
    let house = house.reopened();
    assert!(matches!(switched(&house, &stream, Mode::OnDemand).await, Err(Error::ModeSwitchRate { max: 2, .. })));
    advance(24 * HOUR).await;
    switched(&house, &stream, Mode::OnDemand).await.unwrap();
    assert_eq!(house.log.stream("s").unwrap().open_shards(), 3, "shards survive the switch");
}

async fn an_on_demand_stream_has_its_shards_changed_by_nobody(house: House) {
    let stream = created(&house, "s", 4, Mode::OnDemand).await.unwrap();
    let key = stream.shards()[0].keys.split().unwrap().1.start;
    for refused in [
        still(house.log.split_shard(stream.id(), ShardId(0), key)).await,
        still(house.log.merge_shards(stream.id(), ShardId(0), ShardId(1))).await,
        still(house.log.scale(stream.id(), 5)).await,
        still(house.log.open_lanes(stream.id(), 5)).await,
    ] {
        assert!(matches!(refused, Err(Error::WrongMode { mode: Mode::OnDemand, .. })), "{refused:?}");
    }
}

async fn a_closed_shard_is_listed_until_its_records_are_over(house: House) {
    let stream = house.stream("s", 2).await;
    still(house.log.merge_shards(stream.id(), ShardId(0), ShardId(1))).await.unwrap();
    let listed = |house: &House| {
        let stream = house.log.stream("s").unwrap();
        stream.listed_shards(house.log.env().clock.now()).iter().map(|shard| shard.id.0).collect::<Vec<_>>()
    };
    advance(24 * HOUR).await;
    assert_eq!(listed(&house), [0, 1, 2]);
    advance(Duration::from_secs(1)).await;
    assert_eq!(listed(&house), [2]);
    still(house.log.change_settings(stream.id(), |settings| settings.retention_hours = 48)).await.unwrap();
    assert_eq!(listed(&house), [2], "a longer retention brings nothing back");
    let house = house.reopened();
    assert_eq!(listed(&house), [2]);
    assert_eq!(house.log.stream("s").unwrap().lanes(), 2);
}
