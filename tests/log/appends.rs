//! Appending: numbers, repeats, failures.

use shardgate::batch::Codec;
use shardgate::log::Error;
use shardgate::store::{Call, Fault};

use super::*;

cases! {
    offsets_count_records_and_run_on_after_reopening
    a_repeated_batch_is_answered_with_its_first_offset_now_and_after_reopening
    a_batch_repeated_while_the_first_is_under_way_waits_for_it
    a_batch_out_of_order_and_an_old_epoch_are_refused_and_a_new_epoch_begins_at_zero
    a_failed_append_leaves_nothing_and_the_lane_goes_on_at_the_same_offset
    a_failed_append_of_a_producer_can_be_sent_again
    an_append_whose_caller_hung_up_becomes_visible
    what_was_handed_over_survives_the_end_of_the_log
    nothing_that_is_not_durable_can_be_read
    batches_too_large_or_without_a_key_are_refused
    appends_at_once_are_numbered_in_their_order
}

async fn offsets_count_records_and_run_on_after_reopening(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    assert_eq!((house.put(lane, &["a", "b", "c"]).await, house.put(lane, &["d"]).await), (0, 3));
    let house = house.reopened();
    assert_eq!(house.put(lane, &["e"]).await, 4);
    assert_eq!(house.values(lane, 0).await, numbered(0, &["a", "b", "c", "d", "e"]));
}

async fn a_repeated_batch_is_answered_with_its_first_offset_now_and_after_reopening(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    for sequence in 0..6 {
        house.append(lane, &stamped(&["x"], 7, 0, sequence)).await.unwrap();
    }
    let check = async |house: &House| {
        for sequence in 1..6 {
            let again = house.append(lane, &stamped(&["x"], 7, 0, sequence)).await.unwrap();
            assert_eq!(again.base, Some(Offset(i64::from(sequence))));
        }
        assert_eq!(house.page(lane, 0).await.unwrap().tip, Offset(6));
    };
    check(&house).await;
    check(&house.reopened()).await;
}

async fn a_batch_repeated_while_the_first_is_under_way_waits_for_it(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    house.put(lane, &["before"]).await;
    for fails in [false, true] {
        let sequence = i32::from(fails);
        house.faults.pick(Call::Append, 1, Fault::Stall);
        let send = || {
            let log = house.log.clone();
            tokio::spawn(async move { log.append(lane, &stamped(&["x"], 7, 0, sequence), REFUSE)?.durable().await })
        };
        let (first, again) = (send(), send());
        tokio::task::yield_now().await;
        assert_eq!(house.faults.held(), 1, "the second was not handed over");
        assert!(!first.is_finished() && !again.is_finished());
        if fails {
            house.faults.forget();
        } else {
            house.faults.release();
        }
        let (first, again) = (still(first).await.unwrap(), still(again).await.unwrap());
        if fails {
            // The store never answered: neither is acknowledged, and neither waits for ever.
            assert!(first.is_err() && again.is_err());
            assert_eq!(house.append(lane, &stamped(&["x"], 7, 0, sequence)).await.unwrap().base, Some(Offset(2)));
        } else {
            assert_eq!((first.unwrap().base, again.unwrap().base), (Some(Offset(1)), Some(Offset(1))));
            assert_eq!(house.values(lane, 1).await, numbered(1, &["x"]));
        }
    }
}

async fn a_batch_out_of_order_and_an_old_epoch_are_refused_and_a_new_epoch_begins_at_zero(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    house.append(lane, &stamped(&["a"], 7, 3, 0)).await.unwrap();
    let check = async |house: &House| {
        let gap = house.append(lane, &stamped(&["c"], 7, 3, 2)).await;
        assert!(matches!(gap, Err(Error::OutOfOrder { producer: 7, expected: 1, found: 2 })), "{gap:?}");
        let old = house.append(lane, &stamped(&["b"], 7, 2, 1)).await;
        assert!(matches!(old, Err(Error::Fenced { producer: 7, current: 3, found: 2 })), "{old:?}");
    };
    check(&house).await;
    let house = house.reopened();
    check(&house).await;
    assert!(house.append(lane, &stamped(&["b"], 7, 4, 5)).await.is_err());
    assert_eq!(house.append(lane, &stamped(&["b"], 7, 4, 0)).await.unwrap().base, Some(Offset(1)));
    assert_eq!(house.values(lane, 0).await, numbered(0, &["a", "b"]));
}

async fn a_failed_append_leaves_nothing_and_the_lane_goes_on_at_the_same_offset(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    house.put(lane, &["a"]).await;
    for fault in [Fault::Fail, Fault::Refuse] {
        house.faults.pick(Call::Append, 1, fault);
        assert!(matches!(house.append(lane, &batch(&["phantom"])).await, Err(Error::Store(_))));
        assert_eq!(house.values(lane, 0).await, numbered(0, &["a"]));
        assert_eq!(house.page(lane, 1).await.unwrap().tip, Offset(1));
    }
    assert_eq!(house.put(lane, &["b"]).await, 1);
    let house = house.reopened();
    assert_eq!(house.values(lane, 0).await, numbered(0, &["a", "b"]));
}

async fn a_failed_append_of_a_producer_can_be_sent_again(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    house.append(lane, &stamped(&["a"], 7, 0, 0)).await.unwrap();
    house.faults.pick(Call::Append, 1, Fault::Fail);
    house.append(lane, &stamped(&["b"], 7, 0, 1)).await.unwrap_err();
    assert_eq!(house.append(lane, &stamped(&["b"], 7, 0, 1)).await.unwrap().base, Some(Offset(1)));
    assert_eq!(house.values(lane, 0).await, numbered(0, &["a", "b"]));
}

async fn an_append_whose_caller_hung_up_becomes_visible(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    drop(house.log.append(lane, &batch(&["orphan"]), REFUSE).unwrap());
    assert_eq!(house.put(lane, &["next"]).await, 1);
    assert_eq!(house.values(lane, 0).await, numbered(0, &["orphan", "next"]));
}

async fn what_was_handed_over_survives_the_end_of_the_log(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    for _ in 0..50 {
        drop(house.log.append(lane, &batch(&["last words"]), REFUSE).unwrap());
    }
    let house = house.reopened();
    assert_eq!(house.values(lane, 0).await.len(), 50);
}

async fn nothing_that_is_not_durable_can_be_read(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    house.put(lane, &["a"]).await;
    house.faults.pick(Call::Append, 1, Fault::Stall);
    drop(house.log.append(lane, &batch(&["b"]), REFUSE).unwrap());
    assert_eq!(house.values(lane, 0).await, numbered(0, &["a"]));
    let page = house.page(lane, 1).await.unwrap();
    assert_eq!((page.tip, page.batches.len()), (Offset(1), 0));
    assert!(matches!(house.page(lane, 2).await, Err(Error::OutOfRange { tip: Offset(1), .. })));
    house.faults.release();
    house.put(lane, &["c"]).await;
    assert_eq!(house.values(lane, 0).await, numbered(0, &["a", "b", "c"]));
}

async fn batches_too_large_or_without_a_key_are_refused(house: House) {
    let stream = house.stream("s", 1).await;
    let large = "x".repeat(2 << 20);
    let refused = house.append(stream.lane(0), &batch(&[&large])).await;
    assert!(matches!(refused, Err(Error::BatchTooLarge { .. })), "{refused:?}");
    still(house.log.change_settings(stream.id(), |settings| settings.keys_required = true)).await.unwrap();
    for codec in [Codec::None, Codec::Zstd] {
        let refused = house.append(stream.lane(0), &build(Builder::default().codec(codec), &["no key", "none"])).await;
        assert!(matches!(&refused, Err(Error::KeysMissing(records)) if *records == [0, 1]), "{refused:?}");
    }
    assert_eq!(house.page(stream.lane(0), 0).await.unwrap().tip, Offset(0));
}

async fn appends_at_once_are_numbered_in_their_order(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    let sent: Vec<_> = (0..100)
        .map(|number| {
            let log = house.log.clone();
            tokio::spawn(async move { append(&log, lane, &batch(&[&number.to_string()])).await.unwrap().base.unwrap().0 })
        })
        .collect();
    for (number, sent) in (0..).zip(sent) {
        assert_eq!(still(sent).await.unwrap(), number);
    }
    let expected: Vec<_> = (0..100).map(|number| (number, number.to_string())).collect();
    assert_eq!(house.values(lane, 0).await, expected);
}
