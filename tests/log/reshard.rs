//! Shards split and merged under writers and readers.

use std::sync::Arc;

use shardgate::log::{Appending, Error, Stream};
use shardgate::model::{HashKey, Shard, ShardId};
use shardgate::store::{Call, Fault};
use tokio::task::JoinHandle;

use super::*;

cases! {
    offsets_run_on_over_a_split_and_a_merge
    what_is_written_to_a_sealed_lane_goes_to_the_one_that_has_its_keys_now
    a_producer_of_a_sealed_lane_keeps_its_sequences
    what_is_written_during_a_change_is_kept_in_order
    what_is_under_way_when_a_change_begins_belongs_to_the_parents
    a_change_that_failed_leaves_the_shards_and_their_writers_as_they_were
    a_change_that_a_crash_cut_off_has_not_happened
    a_change_whose_caller_hung_up_frees_its_lanes
    scaling_ends_in_even_ranges
    who_writes_to_a_closed_shard_is_told_to_route_again
    a_stream_can_be_deleted_while_writers_wait_for_its_shards
}

/// The first key of the upper half of a shard.
fn middle(shard: &Shard) -> HashKey {
    shard.keys.split().unwrap().1.start
}

async fn split(house: &House, stream: &Stream, shard: u32) {
    let key = middle(&stream.shard(ShardId(shard)).unwrap());
    still(house.log.split_shard(stream.id(), ShardId(shard), key)).await.unwrap();
}

async fn merge(house: &House, stream: &Stream, first: u32, second: u32) {
    still(house.log.merge_shards(stream.id(), ShardId(first), ShardId(second))).await.unwrap();
}

/// Begins to append.
fn begin(house: &House, lane: LaneId, batch: &Batch) -> Appending {
    house.log.append(lane, batch, REFUSE).unwrap()
}

async fn base(appending: Appending) -> Option<i64> {
    still(appending.durable()).await.unwrap().base.map(|base| base.0)
}

async fn offsets_run_on_over_a_split_and_a_merge(house: House) {
    let stream = house.stream("s", 1).await;
    house.put(stream.lane(0), &["a", "b"]).await;
    split(&house, &stream, 0).await;
    assert_eq!((house.put(stream.lane(0), &["c"]).await, house.put(stream.lane(1), &["x"]).await), (2, 0));
    merge(&house, &stream, 1, 2).await;
    assert_eq!(house.put(stream.lane(0), &["d"]).await, 3);

    let check = |stream: Arc<Stream>, house: House| async move {
        let shards = stream.shards();
        let places: Vec<_> = shards.iter().map(|shard| (shard.lane.0, shard.first.0, shard.end.map(|end| end.0))).collect();
        assert_eq!(places, [(0, 0, Some(2)), (0, 2, Some(3)), (1, 0, Some(1)), (0, 3, None)]);
        assert_eq!((stream.lanes(), stream.open_shards()), (2, 1));
        assert_eq!(stream.children(ShardId(0)), shards[1..3]);
        assert_eq!((stream.children(ShardId(2)), stream.children(ShardId(3))), (shards[3..].to_vec(), vec![]));
        assert_eq!(stream.route(HashKey(u128::MAX)).unwrap(), shards[3]);
        assert_eq!(house.values(stream.lane(0), 0).await, numbered(0, &["a", "b", "c", "d"]));
        // The sealed lane ends at its tip, and is there.
        assert_eq!(house.values(stream.lane(1), 0).await, numbered(0, &["x"]));
        assert_eq!(house.page(stream.lane(1), 1).await.unwrap().tip, Offset(1));
        house
    };
    let house = check(stream.clone(), house).await.reopened();
    let again = house.log.stream("s").unwrap();
    assert_eq!(again.shards(), stream.shards());
    check(again, house).await;
}

async fn what_is_written_to_a_sealed_lane_goes_to_the_one_that_has_its_keys_now(house: House) {
    let stream = house.stream("s", 3).await;
    merge(&house, &stream, 1, 2).await; // Shard 3, lane 1; lane 2 is sealed.
    assert_eq!(house.put(stream.lane(2), &["a"]).await, -1);
    assert_eq!(house.values(stream.lane(1), 0).await, numbered(0, &["a"]));
    merge(&house, &stream, 0, 3).await; // Shard 4, lane 0; lane 1 is sealed.
    assert_eq!((house.put(stream.lane(2), &["b"]).await, house.put(stream.lane(1), &["c"]).await), (-1, -1));
    assert_eq!(house.values(stream.lane(0), 0).await, numbered(0, &["b", "c"]));
    split(&house, &stream, 4).await; // At the middle: lane 2's keys begin in the upper half, lane 1's in the lower.
    let house = house.reopened();
    assert_eq!((house.put(stream.lane(2), &["d"]).await, house.put(stream.lane(1), &["e"]).await), (-1, -1));
    assert_eq!(house.values(stream.lane(3), 0).await, numbered(0, &["d"]));
    assert_eq!(house.values(stream.lane(0), 2).await, numbered(2, &["e"]));
    assert_eq!((house.values(stream.lane(1), 0).await, house.values(stream.lane(2), 0).await.len()), (numbered(0, &["a"]), 0));
}

async fn a_producer_of_a_sealed_lane_keeps_its_sequences(house: House) {
    let stream = house.stream("s", 2).await;
    let (taker, sealed) = (stream.lane(0), stream.lane(1));
    let send = |house: &House, lane, sequence| house.log.append(lane, &stamped(&["x"], 7, 0, sequence), REFUSE).unwrap();
    for sequence in 0..3 {
        assert_eq!(base(send(&house, sealed, sequence)).await, Some(i64::from(sequence)));
    }
    // The same producer in the lane that takes over: another line of sequences.
    assert_eq!(base(send(&house, taker, 50)).await, Some(0));
    merge(&house, &stream, 0, 1).await;
    let mut house = house;
    for round in 0..2 {
        assert_eq!(base(send(&house, sealed, 2)).await, Some(2), "sent before the merge, and here");
        assert_eq!(base(send(&house, sealed, 3 + round)).await, None);
        assert_eq!(base(send(&house, sealed, 3 + round)).await, None, "a repeat is not appended");
        assert_eq!(base(send(&house, taker, 51 + round)).await, Some(2 + 2 * i64::from(round)));
        let skipped = house.append(sealed, &stamped(&["x"], 7, 0, 9)).await;
        assert!(matches!(skipped, Err(Error::OutOfOrder { expected, .. }) if expected == 4 + round), "{skipped:?}");
        house = house.reopened();
    }
    let repeated = [send(&house, sealed, 5), send(&house, sealed, 5)];
    for repeated in repeated {
        assert_eq!(base(repeated).await, None);
    }
    assert_eq!(house.values(taker, 0).await.len(), 6);
}

/// A merge of the first two shards that waits for the disk.
async fn stalled_merge(house: &House, stream: &Arc<Stream>) -> JoinHandle<Result<(), Error>> {
    house.faults.pick(Call::Commit, 1, Fault::Stall);
    let (log, id) = (house.log.clone(), stream.id());
    let merging = tokio::spawn(async move { log.merge_shards(id, ShardId(0), ShardId(1)).await });
    while house.faults.held() == 0 {
        still(tokio::task::yield_now()).await;
    }
    merging
}

async fn what_is_written_during_a_change_is_kept_in_order(house: House) {
    let stream = house.stream("s", 3).await;
    let merging = stalled_merge(&house, &stream).await;
    let to = |lane, sequence: i32| begin(&house, stream.lane(lane), &stamped(&[&format!("{lane}-{sequence}")], 7, 0, sequence));
    let parked: Vec<_> = (0..6).flat_map(|sequence| [to(0, sequence), to(1, sequence)]).collect();
    // Another shard's lane is not held up.
    let other = to(2, 0);
    assert_eq!(stream.open_shards(), 3, "nobody sees what may not last");
    house.faults.release();
    still(merging).await.unwrap().unwrap();
    assert_eq!(base(other).await, Some(0));
    let mut offsets = Vec::new();
    for appending in parked {
        offsets.push(base(appending).await);
    }
    assert_eq!(offsets, [Some(0), None, Some(1), None, Some(2), None, Some(3), None, Some(4), None, Some(5), None]);
    let values = house.values(stream.lane(0), 0).await;
    for lane in [0, 1] {
        let of_lane: Vec<_> = values.iter().filter(|(_, value)| value.starts_with(&format!("{lane}-"))).collect();
        let sent: Vec<_> = (0..6).map(|sequence| format!("{lane}-{sequence}")).collect();
        assert!(of_lane.iter().map(|(_, value)| value).eq(&sent), "{values:?}");
    }
}

async fn what_is_under_way_when_a_change_begins_belongs_to_the_parents(house: House) {
    let stream = house.stream("s", 2).await;
    house.faults.pick(Call::Append, 1, Fault::Stall);
    let under_way = [begin(&house, stream.lane(1), &batch(&["a", "b"])), begin(&house, stream.lane(1), &batch(&["c"]))];
    let (log, id) = (house.log.clone(), stream.id());
    let merging = tokio::spawn(async move { log.merge_shards(id, ShardId(0), ShardId(1)).await });
    still(tokio::task::yield_now()).await;
    let late = begin(&house, stream.lane(1), &batch(&["d"]));
    house.faults.release();
    still(merging).await.unwrap().unwrap();
    for (appending, expected) in under_way.into_iter().zip([0, 2]) {
        assert_eq!(base(appending).await, Some(expected));
    }
    assert_eq!((base(late).await, stream.shards()[1].end), (None, Some(Offset(3))));
    assert_eq!(house.values(stream.lane(0), 0).await, numbered(0, &["d"]));
}

async fn a_change_that_failed_leaves_the_shards_and_their_writers_as_they_were(house: House) {
    let stream = house.stream("s", 2).await;
    let before = stream.shards();
    house.faults.pick(Call::Commit, 2, Fault::Fail);
    house.faults.pick(Call::Commit, 1, Fault::Stall);
    // The first commit, of another stream, stalls; the second one fails behind it.
    let (log, id) = (house.log.clone(), stream.id());
    let creating = tokio::spawn(async move { log.change_settings(id, |settings| settings.arrival_stamped = true).await });
    while house.faults.held() == 0 {
        still(tokio::task::yield_now()).await;
    }
    let log = house.log.clone();
    let merging = tokio::spawn(async move { log.merge_shards(id, ShardId(0), ShardId(1)).await });
    still(tokio::task::yield_now()).await;
    house.faults.release();
    still(creating).await.unwrap().unwrap();
    assert!(still(merging).await.unwrap().is_err());
    assert_eq!((stream.shards(), house.put(stream.lane(1), &["a"]).await), (before.clone(), 0));
    merge(&house, &stream, 0, 1).await;
    assert_ne!(stream.shards(), before);
}

async fn a_change_that_a_crash_cut_off_has_not_happened(house: House) {
    let stream = house.stream("s", 2).await;
    let before = stream.shards();
    house.put(stream.lane(1), &["a"]).await;
    let merging = stalled_merge(&house, &stream).await;
    let parked = begin(&house, stream.lane(1), &batch(&["b"]));
    house.faults.forget();
    assert!(still(merging).await.unwrap().is_err());
    // What was parked was not part of it.
    assert_eq!(base(parked).await, Some(1));
    let house = house.reopened();
    assert_eq!(house.log.stream("s").unwrap().shards(), before);
    assert_eq!(house.values(stream.lane(1), 0).await, numbered(0, &["a", "b"]));
}

async fn a_change_whose_caller_hung_up_frees_its_lanes(house: House) {
    let stream = house.stream("s", 2).await;
    // Before the change is on its way: it never was.
    house.faults.pick(Call::Append, 1, Fault::Stall);
    let first = begin(&house, stream.lane(0), &batch(&["a"]));
    polled_once_and_dropped(house.log.merge_shards(stream.id(), ShardId(0), ShardId(1)));
    house.faults.release();
    assert_eq!((base(first).await, stream.open_shards()), (Some(0), 2));
    assert_eq!(house.put(stream.lane(0), &["b"]).await, 1);
    // And after: it goes on by itself.
    polled_once_and_dropped(house.log.merge_shards(stream.id(), ShardId(0), ShardId(1)));
    assert_eq!(house.put(stream.lane(1), &["c"]).await, -1);
    assert_eq!(house.values(stream.lane(0), 0).await, numbered(0, &["a", "b", "c"]));
}

async fn scaling_ends_in_even_ranges(house: House) {
    let stream = house.stream("s", 3).await;
    house.put(stream.lane(2), &["a"]).await;
    for (target, lanes) in [(4, 6), (2, 6), (2, 6)] {
        still(house.log.scale(stream.id(), target)).await.unwrap();
        assert_eq!((stream.open_shards(), stream.lanes()), (target, lanes));
        let mut open: Vec<_> = stream.shards().iter().filter(|shard| shard.is_open()).map(|shard| shard.keys).collect();
        open.sort_by_key(|keys| keys.start);
        assert_eq!(open, shardgate::model::HashKeyRange::divide(target));
    }
    let house = house.reopened();
    assert_eq!(house.log.stream("s").unwrap().shards(), stream.shards());
    for lane in 0..6 {
        house.put(stream.lane(lane), &["b"]).await;
    }
}

async fn who_writes_to_a_closed_shard_is_told_to_route_again(house: House) {
    let stream = house.stream("s", 1).await;
    let write = |shard| house.log.append_to_shard(stream.id(), ShardId(shard), &batch(&["a"]), REFUSE);
    assert_eq!(base(write(0).unwrap()).await, Some(0));
    split(&house, &stream, 0).await;
    assert!(matches!(write(0).err(), Some(Error::ShardClosed { shard: ShardId(0), .. })));
    assert!(matches!(write(3).err(), Some(Error::UnknownShard { shard: ShardId(3), .. })));
    assert_eq!((base(write(1).unwrap()).await, base(write(2).unwrap()).await), (Some(1), Some(0)));
}

async fn a_stream_can_be_deleted_while_writers_wait_for_its_shards(house: House) {
    let stream = house.stream("s", 2).await;
    let merging = stalled_merge(&house, &stream).await;
    let parked = begin(&house, stream.lane(1), &batch(&["a"]));
    let (log, id) = (house.log.clone(), stream.id());
    let deleting = tokio::spawn(async move { log.delete_stream(id).await });
    still(tokio::task::yield_now()).await;
    house.faults.release();
    still(merging).await.unwrap().unwrap();
    still(deleting).await.unwrap().unwrap();
    // It came first or the deletion did; it has an end either way.
    let _ = still(parked.durable()).await;
    assert!(matches!(house.append(stream.lane(1), &batch(&["b"])).await, Err(Error::UnknownStream(_))));
}
