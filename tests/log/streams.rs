//! Streams: born, changed, split, gone.

use shardgate::log::Error;
use shardgate::store::{Call, Fault};

use super::*;

cases! {
    a_stream_that_was_created_again_has_another_id_and_none_of_the_old_records
    settings_and_lanes_outlive_the_log
    opening_lanes_splits_shards_and_offsets_run_on
    what_the_catalog_refuses
    a_change_whose_caller_hung_up_is_either_whole_or_not_at_all
    a_change_that_failed_has_not_happened
    producer_ids_are_never_given_out_twice
    requests_at_once_do_not_pass_the_bound_of_all_lanes_together
}

async fn a_stream_that_was_created_again_has_another_id_and_none_of_the_old_records(house: House) {
    let old = house.stream("s", 2).await;
    house.put(old.lane(0), &["old"]).await;
    house.append(old.lane(0), &stamped(&["old"], 7, 0, 0)).await.unwrap();
    still(house.log.delete_stream(old.id())).await.unwrap();
    assert!(house.log.stream("s").is_none() && house.log.stream_by_id(old.id()).is_none());
    assert!(matches!(house.append(old.lane(0), &batch(&["late"])).await, Err(Error::UnknownStream(_))));
    assert!(matches!(house.page(old.lane(0), 0).await, Err(Error::UnknownStream(_))));

    let new = house.stream("s", 1).await;
    assert_ne!(new.id(), old.id());
    assert_eq!(house.values(new.lane(0), 0).await, []);
    // A producer goes on with any sequence where it is not known.
    assert_eq!(house.append(new.lane(0), &stamped(&["new"], 7, 0, 1)).await.unwrap().base, Some(Offset(0)));
    let house = house.reopened();
    assert_eq!(house.log.stream("s").unwrap().id(), new.id());
    assert_eq!(house.values(new.lane(0), 0).await, numbered(0, &["new"]));
    assert_eq!(house.log.streams().len(), 1);
}

async fn settings_and_lanes_outlive_the_log(house: House) {
    let stream = house.stream("s", 3).await;
    let change = |settings: &mut Settings| {
        settings.retention_hours = 100;
        settings.arrival_stamped = true;
        settings.notes.insert("cleanup.policy".to_owned(), "compact".to_owned());
    };
    still(house.log.change_settings(stream.id(), change)).await.unwrap();
    let (settings, shards) = (stream.settings(), stream.shards());
    let house = house.reopened();
    let again = house.log.stream("s").unwrap();
    assert_eq!((again.id(), again.created_at(), again.lanes()), (stream.id(), START, 3));
    assert_eq!((again.settings(), again.shards()), (settings, shards));
    house.put(again.lane(2), &["stamped"]).await;
    let page = house.page(again.lane(2), 0).await.unwrap();
    let header = Batch::check(page.batches[0].clone()).unwrap().header().clone();
    assert!(header.log_append_time && header.max_timestamp == START);
}

async fn opening_lanes_splits_shards_and_offsets_run_on(house: House) {
    let stream = house.stream("s", 1).await;
    house.put(stream.lane(0), &["a", "b"]).await;
    still(house.log.open_lanes(stream.id(), 3)).await.unwrap();
    assert_eq!((stream.lanes(), stream.shards().len()), (3, 5));
    assert_eq!(stream.shards()[0].end, Some(Offset(2)));
    assert_eq!(house.put(stream.lane(0), &["c"]).await, 2);
    assert_eq!(house.put(stream.lane(2), &["d"]).await, 0);
    let house = house.reopened();
    assert_eq!(house.log.stream("s").unwrap().shards(), stream.shards());
    assert_eq!(house.values(stream.lane(0), 0).await, numbered(0, &["a", "b", "c"]));
    assert_eq!(house.values(stream.lane(2), 0).await, numbered(0, &["d"]));
    for lanes in [0, 1, 3] {
        let refused = still(house.log.open_lanes(stream.id(), lanes)).await;
        assert!(matches!(refused, Err(Error::Lanes(_))), "{lanes}: {refused:?}");
    }
}

async fn what_the_catalog_refuses(house: House) {
    let stream = house.stream("s", 1).await;
    let create = |name: &str, lanes| house.log.create_stream(StreamName::new(name).unwrap(), lanes, Settings::default());
    assert!(matches!(still(create("s", 1)).await.err(), Some(Error::StreamExists(_))));
    for lanes in [0, 10_001, u32::MAX] {
        assert!(matches!(still(create("t", lanes)).await.err(), Some(Error::Lanes(_))));
    }
    still(house.log.delete_stream(stream.id())).await.unwrap();
    assert!(matches!(still(house.log.delete_stream(stream.id())).await, Err(Error::UnknownStream(_))));
    assert!(matches!(still(house.log.open_lanes(stream.id(), 2)).await, Err(Error::UnknownStream(_))));
}

async fn a_change_whose_caller_hung_up_is_either_whole_or_not_at_all(house: House) {
    let name = || StreamName::new("s").unwrap();
    polled_once_and_dropped(house.log.create_stream(name(), 1, Settings::default()));
    // Whoever comes next waits for what is under way.
    let second = still(house.log.create_stream(name(), 1, Settings::default())).await;
    assert!(matches!(second.err(), Some(Error::StreamExists(_))), "it was created");
    let stream = house.log.stream("s").unwrap();
    house.put(stream.lane(0), &["a"]).await;

    polled_once_and_dropped(house.log.open_lanes(stream.id(), 2));
    still(house.log.open_lanes(stream.id(), 3)).await.unwrap();
    assert_eq!((stream.lanes(), stream.shards().len()), (3, 5));

    polled_once_and_dropped(house.log.change_settings(stream.id(), |settings| settings.arrival_stamped = true));
    still(house.log.change_settings(stream.id(), |settings| settings.keys_required = true)).await.unwrap();
    assert!(stream.settings().arrival_stamped && stream.settings().keys_required);

    let house = house.reopened();
    let again = house.log.stream("s").unwrap();
    assert_eq!((again.id(), again.shards(), again.settings()), (stream.id(), stream.shards(), stream.settings()));
    polled_once_and_dropped(house.log.delete_stream(stream.id()));
    let new = house.stream("s", 1).await;
    assert_ne!(new.id(), stream.id());
    let house = house.reopened();
    assert_eq!(house.log.streams().len(), 1);
    assert_eq!(house.values(new.lane(0), 0).await, []);
}

async fn a_change_that_failed_has_not_happened(house: House) {
    let stream = house.stream("s", 1).await;
    let before = stream.settings();
    let fail = || house.faults.pick(Call::Commit, 1, Fault::Fail);
    fail();
    assert!(still(house.log.create_stream(StreamName::new("t").unwrap(), 1, Settings::default())).await.is_err());
    fail();
    assert!(still(house.log.open_lanes(stream.id(), 2)).await.is_err());
    fail();
    assert!(still(house.log.change_settings(stream.id(), |settings| settings.retention_hours = 99)).await.is_err());
    fail();
    assert!(still(house.log.delete_stream(stream.id())).await.is_err());
    assert_eq!((house.log.streams().len(), stream.lanes(), stream.settings()), (1, 1, before));
    house.put(stream.lane(0), &["a"]).await;
    assert_eq!(house.reopened().values(stream.lane(0), 0).await, numbered(0, &["a"]));
}

async fn producer_ids_are_never_given_out_twice(house: House) {
    let mut given = std::collections::HashSet::new();
    let mut house = house;
    for _ in 0..3 {
        for _ in 0..1_100 {
            assert!(given.insert(still(house.log.new_producer()).await.unwrap()));
        }
        polled_once_and_dropped(house.log.new_producer());
        house = house.reopened();
    }
}

async fn requests_at_once_do_not_pass_the_bound_of_all_lanes_together(house: House) {
    let create =
        |number: u32| house.log.create_stream(StreamName::new(&format!("s{number}")).unwrap(), 5_000, Settings::default());
    let (a, b, c, d) = still(async { tokio::join!(create(0), create(1), create(2), create(3)) }).await;
    let made = [&a, &b, &c, &d].into_iter().flatten().count();
    let refused =
        [&a, &b, &c, &d].into_iter().filter(|result| matches!(result, Err(Error::LaneQuota { count: 10_000, more: 5_000 })));
    assert_eq!((made, refused.count()), (2, 2));
    let stream = a.or(b).or(c).or(d).unwrap();
    assert!(matches!(still(house.log.open_lanes(stream.id(), 7_001)).await, Err(Error::LaneQuota { more: 2_001, .. })));
    still(house.log.open_lanes(stream.id(), 7_000)).await.unwrap();
}
