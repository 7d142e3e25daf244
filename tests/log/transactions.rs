//! Transactions in lanes: what is stable, what was aborted, and that an end reaches every lane.

use shardgate::batch::{Marker, Outcome};
use shardgate::log::{Aborted, Place, StoreError};
use shardgate::model::{Lane, ShardId};
use shardgate::store::{Call, Fault};
use tokio::time::advance;

use super::*;

cases! {
    what_is_open_is_not_stable_and_what_was_aborted_is_listed
    a_reader_that_waits_for_committed_records_wakes_when_the_transaction_ends
    a_shard_gives_committed_records_only_and_ends_when_all_are_decided
    the_end_reaches_a_sealed_lane_and_the_one_that_took_over
    the_end_waits_until_the_shards_have_been_changed
    a_newer_epoch_begins_with_the_end_of_a_transaction
    an_older_producer_cannot_end_what_a_newer_one_wrote
    the_horizon_moves_over_an_open_transaction
    what_a_producer_writes_beside_its_transaction_is_refused
    an_end_that_fails_can_be_written_again
    a_stream_that_goes_takes_its_transactions_along
}

/// A store gives what it has read at once as parts of one allocation, which lasts as long as any of them.
#[tokio::test(start_paused = true)]
async fn what_a_reader_of_committed_records_is_not_given_leaves_memory() {
    let house = House::open(Kept::Memory(Arc::default()), env(), Options { tail_bytes_max: 0, ..Options::default() });
    let lane = house.stream("s", 1).await.lane(0);
    house.put(lane, &["plain"]).await;
    house.append(lane, &part(&["open"], 1, 0, 0)).await.unwrap();
    let all = house.page(lane, 0).await.unwrap().batches;
    let some = committed(&house, lane, 0).await.batches;
    assert!(all.len() == 2 && some == all[..1]);
    assert_ne!(some[0].as_ptr(), all[0].as_ptr(), "what is given shares its memory with what is not");
    // Where all is given, nothing is copied.
    commit(&house, lane, 1).await;
    let decided = committed(&house, lane, 0).await.batches;
    assert!(decided.len() == 3 && decided[0].as_ptr() == all[0].as_ptr() && decided[1].as_ptr() == all[1].as_ptr());
}

/// A batch in a transaction.
fn part(values: &[&str], id: i64, epoch: i16, first_sequence: i32) -> Batch {
    build(Builder::default().producer(ProducerStamp { id, epoch, first_sequence }).transactional(), values)
}

fn marker(producer: i64, epoch: i16, outcome: Outcome) -> Marker {
    Marker { producer, epoch, outcome, coordinator_epoch: 0 }
}

async fn end(house: &House, lane: LaneId, marker: Marker) -> Result<(), Error> {
    still(house.log.end_transaction(lane.stream, &[lane.lane], marker)).await
}

async fn abort(house: &House, lane: LaneId, producer: i64) {
    end(house, lane, marker(producer, 0, Outcome::Aborted)).await.unwrap();
}

async fn commit(house: &House, lane: LaneId, producer: i64) {
    end(house, lane, marker(producer, 0, Outcome::Committed)).await.unwrap();
}

async fn committed(house: &House, lane: LaneId, from: i64) -> Page {
    let want = Want { lane, from: Offset(from), bytes_max: usize::MAX, isolation: Isolation::Committed };
    still(house.log.read(&[want], Wait::No, usize::MAX, READER)).await.remove(0).unwrap()
}

/// Offsets and values of the records that count.
fn counting(page: &Page) -> Vec<(i64, String)> {
    let mut counting = page.clone();
    counting.batches.retain(|bytes| {
        let header = Batch::check(bytes.clone()).unwrap().header().clone();
        let id = header.producer.map_or(-1, |stamp| stamp.id);
        let covers = |one: &Aborted| one.producer == id && (one.first..=one.last).contains(&header.base_offset);
        !header.control && !page.aborted.iter().any(covers)
    });
    values(&counting)
}

async fn stable(house: &House, lane: LaneId) -> i64 {
    still(house.log.reach(lane)).await.unwrap().stable.0
}

async fn what_is_open_is_not_stable_and_what_was_aborted_is_listed(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    house.put(lane, &["plain"]).await;
    house.append(lane, &part(&["a", "b"], 1, 0, 0)).await.unwrap();
    house.append(lane, &part(&["c"], 2, 0, 0)).await.unwrap();
    house.put(lane, &["behind"]).await;
    let page = committed(&house, lane, 0).await;
    assert_eq!((values(&page), page.stable, page.tip), (numbered(0, &["plain"]), Offset(1), Offset(5)));
    assert_eq!(house.values(lane, 0).await.len(), 5, "who reads everything sees everything");
    let beyond = committed(&house, lane, 4).await;
    assert!(beyond.batches.is_empty());

    commit(&house, lane, 2).await; // At 5.
    assert_eq!(stable(&house, lane).await, 1, "the oldest decides");
    abort(&house, lane, 1).await; // At 6.
    let house = house.reopened();
    let page = committed(&house, lane, 0).await;
    assert_eq!((page.stable, page.tip), (Offset(7), Offset(7)));
    assert_eq!(page.aborted, [Aborted { producer: 1, first: Offset(1), last: Offset(6) }]);
    let expected = [(0, "plain"), (3, "c"), (4, "behind")].map(|(at, value)| (at, value.to_owned()));
    assert_eq!(counting(&page), expected);
    // The same producers go on.
    house.append(lane, &part(&["d"], 1, 0, 2)).await.unwrap();
    assert_eq!(stable(&house, lane).await, 7);
    commit(&house, lane, 1).await;
    assert_eq!(counting(&committed(&house, lane, 7).await), numbered(7, &["d"]));
    assert_eq!(committed(&house, lane, 7).await.aborted, []);
}

async fn a_reader_that_waits_for_committed_records_wakes_when_the_transaction_ends(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    let log = house.log.clone();
    let waiting = tokio::spawn(async move {
        let want = Want { lane, from: Offset(0), bytes_max: usize::MAX, isolation: Isolation::Committed };
        let wait = Wait::For { bytes_min: 1, at_most: HOUR };
        log.read(&[want], wait, usize::MAX, READER).await.remove(0).unwrap()
    });
    house.append(lane, &part(&["a"], 1, 0, 0)).await.unwrap();
    still(async {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!waiting.is_finished(), "a batch of an open transaction is nothing to it");
    commit(&house, lane, 1).await;
    assert_eq!(counting(&still(waiting).await.unwrap()), numbered(0, &["a"]));
}

async fn a_shard_gives_committed_records_only_and_ends_when_all_are_decided(house: House) {
    let stream = house.stream("s", 1).await;
    let lane = stream.lane(0);
    house.append(lane, &part(&["a"], 1, 0, 0)).await.unwrap();
    house.append(lane, &part(&["b"], 2, 0, 0)).await.unwrap();
    let key = stream.shard(ShardId(0)).unwrap().keys.split().unwrap().1.start;
    still(house.log.split_shard(stream.id(), ShardId(0), key)).await.unwrap();
    let mut reader = house.log.shard_reader(stream.id(), ShardId(0), READER).unwrap();
    let page = still(reader.blocks(Offset(0), usize::MAX)).await.unwrap();
    assert_eq!((page.blocks.len(), page.end, page.is_closed), (0, Offset(0), false), "what is closed is not over yet");
    assert_eq!(still(reader.find(Place::Tip)).await.unwrap(), Offset(0));
    abort(&house, lane, 1).await;
    let page = still(reader.blocks(Offset(0), usize::MAX)).await.unwrap();
    assert_eq!((page.blocks.len(), page.end, page.is_closed), (1, Offset(1), false));
    assert!(!page.is_seen(&page.blocks[0].0));
    let (log, id) = (house.log.clone(), stream.id());
    let waiting = tokio::spawn(async move {
        let mut reader = log.shard_reader(id, ShardId(0), READER).unwrap();
        reader.wait(Offset(1)).await
    });
    commit(&house, lane, 2).await;
    still(waiting).await.unwrap().unwrap();
    let page = still(reader.blocks(Offset(0), usize::MAX)).await.unwrap();
    assert_eq!((page.blocks.len(), page.end, page.is_closed), (2, Offset(2), true), "the markers are the child's");
    assert_eq!(page.blocks.iter().map(|(batch, _)| page.is_seen(batch)).collect::<Vec<_>>(), [false, true]);
    let mut child = house.log.shard_reader(stream.id(), ShardId(1), READER).unwrap();
    let page = still(child.blocks(Offset(0), usize::MAX)).await.unwrap();
    assert!(page.blocks.len() == 2 && page.blocks.iter().all(|(batch, _)| !page.is_seen(batch)));
}

async fn the_end_reaches_a_sealed_lane_and_the_one_that_took_over(house: House) {
    let stream = house.stream("s", 2).await;
    let (taker, sealed) = (stream.lane(0), stream.lane(1));
    house.append(sealed, &part(&["before"], 1, 0, 0)).await.unwrap();
    still(house.log.merge_shards(stream.id(), ShardId(0), ShardId(1))).await.unwrap();
    house.append(sealed, &part(&["after"], 1, 0, 1)).await.unwrap();
    assert_eq!((stable(&house, sealed).await, stable(&house, taker).await), (0, 0));
    abort(&house, sealed, 1).await;
    let house = house.reopened();
    for (lane, value) in [(sealed, "before"), (taker, "after")] {
        let page = committed(&house, lane, 0).await;
        assert_eq!((values(&page)[0].1.as_str(), page.stable, counting(&page).len()), (value, Offset(2), 0));
    }
    // Nothing of the next one lies in the sealed lane, which gets no marker then.
    house.append(sealed, &part(&["next"], 1, 0, 2)).await.unwrap();
    commit(&house, sealed, 1).await;
    assert_eq!((stable(&house, sealed).await, stable(&house, taker).await), (2, 4));
    assert_eq!(counting(&committed(&house, taker, 0).await), numbered(2, &["next"]));
}

async fn the_end_waits_until_the_shards_have_been_changed(house: House) {
    let stream = house.stream("s", 2).await;
    let (taker, sealed) = (stream.lane(0), stream.lane(1));
    house.append(sealed, &part(&["before"], 1, 0, 0)).await.unwrap();
    house.faults.pick(Call::Commit, 1, Fault::Stall);
    let (log, id) = (house.log.clone(), stream.id());
    let merging = tokio::spawn(async move { log.merge_shards(id, ShardId(0), ShardId(1)).await });
    still(async {
        while house.faults.held() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let parked = house.log.append(sealed, &part(&["after"], 1, 0, 1), REFUSE).unwrap();
    let log = house.log.clone();
    let ending = tokio::spawn(async move { log.end_transaction(id, &[Lane(1)], marker(1, 0, Outcome::Committed)).await });
    still(async {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!ending.is_finished());
    house.faults.release();
    still(merging).await.unwrap().unwrap();
    still(parked.durable()).await.unwrap();
    still(ending).await.unwrap().unwrap();
    assert_eq!((stable(&house, sealed).await, stable(&house, taker).await), (2, 2), "each has its marker");
    assert_eq!(counting(&committed(&house, taker, 0).await), numbered(0, &["after"]));
}

async fn a_newer_epoch_begins_with_the_end_of_a_transaction(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    house.append(lane, &part(&["a"], 1, 0, 0)).await.unwrap();
    end(&house, lane, marker(1, 1, Outcome::Aborted)).await.unwrap();
    let house = house.reopened();
    let late = house.append(lane, &part(&["late"], 1, 0, 1)).await;
    assert!(matches!(late, Err(Error::Fenced { current: 1, found: 0, .. })), "{late:?}");
    let odd = house.append(lane, &part(&["odd"], 1, 1, 1)).await;
    assert!(matches!(odd, Err(Error::OutOfOrder { expected: 0, .. })), "{odd:?}");
    house.append(lane, &part(&["b"], 1, 1, 0)).await.unwrap();
    assert_eq!(stable(&house, lane).await, 2);
}

async fn an_older_producer_cannot_end_what_a_newer_one_wrote(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    house.append(lane, &part(&["a"], 1, 3, 0)).await.unwrap();
    let refused = end(&house, lane, marker(1, 2, Outcome::Aborted)).await;
    assert!(matches!(refused, Err(Error::Fenced { producer: 1, current: 3, found: 2 })), "{refused:?}");
    assert_eq!(stable(&house, lane).await, 0);
    let producers = house.log.producers(lane).unwrap();
    assert_eq!((producers.len(), producers[0].id, producers[0].open_since), (1, 1, Some(Offset(0))));
    end(&house, lane, marker(1, 3, Outcome::Aborted)).await.unwrap();
    assert_eq!(house.log.producers(lane).unwrap()[0].open_since, None);
}

async fn the_horizon_moves_over_an_open_transaction(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    house.append(lane, &part(&["a"], 1, 0, 0)).await.unwrap();
    abort(&house, lane, 1).await;
    house.append(lane, &part(&["old"], 2, 0, 0)).await.unwrap();
    advance(25 * HOUR).await;
    house.put(lane, &["new"]).await;
    assert_eq!((house.horizon(lane).await, stable(&house, lane).await), (3, 3), "nothing below the horizon is stable");
    assert_eq!(committed(&house, lane, 3).await.batches.len(), 0, "it is open still");
    let house = house.reopened();
    abort(&house, lane, 2).await;
    let page = committed(&house, lane, 3).await;
    assert_eq!((counting(&page), page.stable), (numbered(3, &["new"]), Offset(5)));
    assert_eq!(page.aborted, [Aborted { producer: 2, first: Offset(2), last: Offset(4) }], "the first one is forgotten");
}

async fn what_a_producer_writes_beside_its_transaction_is_refused(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    house.append(lane, &part(&["a"], 1, 0, 0)).await.unwrap();
    let refused = house.append(lane, &stamped(&["b"], 1, 0, 1)).await;
    assert!(matches!(refused, Err(Error::InTransaction { producer: 1 })), "{refused:?}");
    house.append(lane, &stamped(&["b"], 2, 0, 0)).await.unwrap();
    commit(&house, lane, 1).await;
    house.append(lane, &stamped(&["b"], 1, 0, 1)).await.unwrap();
}

async fn an_end_that_fails_can_be_written_again(house: House) {
    let stream = house.stream("s", 2).await;
    for lane in 0..2 {
        house.append(stream.lane(lane), &part(&["a"], 1, 0, 0)).await.unwrap();
    }
    let both = [Lane(0), Lane(1)];
    house.faults.pick(Call::Append, 2, Fault::Fail);
    let failed = still(house.log.end_transaction(stream.id(), &both, marker(1, 0, Outcome::Aborted))).await;
    assert!(matches!(failed, Err(Error::Store(StoreError::Failed(_)))), "{failed:?}");
    assert_eq!((stable(&house, stream.lane(0)).await, stable(&house, stream.lane(1)).await), (2, 0));
    let house = house.reopened();
    still(house.log.end_transaction(stream.id(), &both, marker(1, 0, Outcome::Aborted))).await.unwrap();
    assert_eq!((stable(&house, stream.lane(0)).await, stable(&house, stream.lane(1)).await), (3, 2));
    for lane in 0..2 {
        assert_eq!(counting(&committed(&house, stream.lane(lane), 0).await), []);
    }
}

async fn a_stream_that_goes_takes_its_transactions_along(house: House) {
    let stream = house.stream("s", 1).await;
    house.append(stream.lane(0), &part(&["a"], 1, 0, 0)).await.unwrap();
    still(house.log.delete_stream(stream.id())).await.unwrap();
    let gone = end(&house, stream.lane(0), marker(1, 0, Outcome::Aborted)).await;
    assert!(matches!(gone, Err(Error::UnknownStream(_))), "{gone:?}");
    let again = house.stream("s", 1).await;
    house.put(again.lane(0), &["b"]).await;
    assert_eq!(stable(&house, again.lane(0)).await, 1);
}
