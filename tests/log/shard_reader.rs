//! Reading shard by shard, metering record by record, and the settings that doors share.

use std::collections::BTreeMap;

use shardgate::log::{Place, Reader, ShardPage, ShardReader, Stream};
use shardgate::model::{Consumer, Limits, ShardId, Status};
use tokio::time::{Instant, advance};

use super::*;

cases! {
    a_shard_ends_where_its_children_begin
    a_reader_below_the_horizon_jumps
    a_place_is_found_by_arrival_within_the_shard
    a_reader_that_waits_gets_on_when_a_record_comes_and_when_the_shard_is_closed
    records_are_afforded_one_by_one_and_not_metered_again
    readers_pay_for_what_they_give
    a_consumer_knows_when_it_was_registered_and_keeps_what_it_has
    a_change_that_is_refused_or_changes_nothing_is_not_written
    a_shard_takes_a_batch_of_any_size
}

fn reader<'a>(house: &House, stream: &Stream, shard: u32, reader: Reader<'a>) -> ShardReader<'a> {
    house.log.shard_reader(stream.id(), ShardId(shard), reader).unwrap()
}

async fn page(house: &House, stream: &Stream, shard: u32, from: i64) -> ShardPage {
    still(reader(house, stream, shard, READER).blocks(Offset(from), usize::MAX)).await.unwrap()
}

fn offsets(page: &ShardPage) -> Vec<i64> {
    page.blocks.iter().map(|(batch, _)| batch.header().base_offset.0).collect()
}

async fn split(house: &House, stream: &Stream, shard: u32) {
    let key = stream.shard(ShardId(shard)).unwrap().keys.split().unwrap().1.start;
    still(house.log.split_shard(stream.id(), ShardId(shard), key)).await.unwrap();
}

async fn a_shard_ends_where_its_children_begin(house: House) {
    let stream = house.stream("s", 1).await;
    house.put(stream.lane(0), &["a", "b"]).await;
    house.put(stream.lane(0), &["c"]).await;
    let open = page(&house, &stream, 0, 1).await;
    assert_eq!((open.from, offsets(&open), open.end, open.is_closed), (Offset(1), vec![0, 2], Offset(3), false));
    split(&house, &stream, 0).await;
    house.put(stream.lane(0), &["d"]).await;
    let house = house.reopened();
    let parent = page(&house, &stream, 0, 0).await;
    assert_eq!((offsets(&parent), parent.end, parent.is_closed), (vec![0, 2], Offset(3), true));
    assert!(parent.blocks.iter().all(|(_, arrived_at)| *arrived_at == START));
    let child = page(&house, &stream, 1, 0).await;
    assert_eq!((child.from, offsets(&child), child.end, child.is_closed), (Offset(3), vec![3], Offset(4), false));
    assert!(page(&house, &stream, 2, 0).await.blocks.is_empty());
    assert!(page(&house, &stream, 0, 3).await.blocks.is_empty());
    let unknown = house.log.shard_reader(stream.id(), ShardId(3), READER).err();
    assert!(matches!(unknown, Some(Error::UnknownShard { shard: ShardId(3), .. })));
}

async fn a_reader_below_the_horizon_jumps(house: House) {
    let stream = house.stream("s", 1).await;
    house.put(stream.lane(0), &["a"]).await;
    advance(23 * HOUR).await;
    house.put(stream.lane(0), &["b"]).await;
    advance(HOUR).await;
    let found = page(&house, &stream, 0, 0).await;
    assert_eq!((found.from, offsets(&found)), (Offset(1), vec![1]));
    advance(24 * HOUR).await;
    let found = page(&house, &stream, 0, 0).await;
    assert_eq!((found.from, found.end), (Offset(2), Offset(2)));
}

async fn a_place_is_found_by_arrival_within_the_shard(house: House) {
    let stream = house.stream("s", 1).await;
    house.put(stream.lane(0), &["a", "b"]).await;
    advance(Duration::from_secs(10)).await;
    house.put(stream.lane(0), &["c"]).await;
    split(&house, &stream, 0).await;
    advance(Duration::from_secs(10)).await;
    house.put(stream.lane(0), &["d"]).await;
    for (shard, place, offset) in [
        (0, Place::Horizon, 0),
        (0, Place::Tip, 3),
        (0, Place::ArrivedFrom(Timestamp(0)), 0),
        (0, Place::ArrivedFrom(START.plus(Duration::from_millis(1))), 2),
        (0, Place::ArrivedFrom(START.plus(Duration::from_millis(10_001))), 3),
        (1, Place::Horizon, 3),
        (1, Place::ArrivedFrom(Timestamp(0)), 3),
        (1, Place::ArrivedFrom(START.plus(HOUR)), 4),
        (2, Place::ArrivedFrom(Timestamp(0)), 0),
    ] {
        let found = still(reader(&house, &stream, shard, READER).find(place)).await.unwrap();
        assert_eq!(found, Offset(offset), "{shard} {place:?}");
    }
    let house = house.reopened_with(Options { tail_bytes_max: 0, ..Options::default() });
    for (shard, later) in [(0, Some(10)), (1, Some(20)), (2, None)] {
        let last = still(reader(&house, &stream, shard, READER).last_arrival()).await.unwrap();
        assert_eq!(last, later.map(|seconds| START.plus(Duration::from_secs(seconds))), "{shard}");
    }
}

async fn a_reader_that_waits_gets_on_when_a_record_comes_and_when_the_shard_is_closed(house: House) {
    let stream = house.stream("s", 1).await;
    let start = Instant::now();
    for (offset, closes) in [(0, false), (1, true)] {
        let (log, id) = (house.log.clone(), stream.id());
        still(async {
            let waiting =
                tokio::spawn(async move { log.shard_reader(id, ShardId(0), READER).unwrap().wait(Offset(offset)).await });
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished());
            if closes {
                house.log.scale(stream.id(), 2).await.unwrap();
            } else {
                append(&house.log, stream.lane(0), &batch(&["a"])).await.unwrap();
            }
            waiting.await.unwrap().unwrap();
        })
        .await;
    }
    assert_eq!(start.elapsed(), Duration::ZERO, "no time has passed");
    let (log, id) = (house.log.clone(), stream.id());
    let waiting = tokio::spawn(async move { log.shard_reader(id, ShardId(1), READER).unwrap().wait(Offset(1)).await });
    still(tokio::task::yield_now()).await;
    still(house.log.delete_stream(stream.id())).await.unwrap();
    assert!(matches!(still(waiting).await.unwrap(), Err(Error::UnknownStream(_))));
}

async fn records_are_afforded_one_by_one_and_not_metered_again(house: House) {
    let stream = house.stream("s", 2).await;
    let afford = |shard, bytes: &[u64]| house.log.afford(stream.id(), ShardId(shard), bytes);
    let large = 900 << 10;
    assert_eq!(afford(0, &[large, large]).unwrap(), [true, true], "without limits");
    house.log.env().limits.set(Limits::kinesis());
    assert_eq!(afford(0, &[large, large, 100 << 10, 1]).unwrap(), [true, false, true, true]);
    assert_eq!(afford(1, &[1; 1_001]).unwrap().iter().filter(|is_paid| **is_paid).count(), 1_000);
    let paid = house.log.append_to_shard(stream.id(), ShardId(1), &batch(&["a"]), Patience::Paid).unwrap();
    assert_eq!(still(paid.durable()).await.unwrap().base, Some(Offset(0)));
    assert!(house.log.append_to_shard(stream.id(), ShardId(1), &batch(&["b"]), REFUSE).is_err());
    advance(Duration::from_secs(1)).await;
    assert_eq!(afford(1, &[1]).unwrap(), [true]);
    still(house.log.merge_shards(stream.id(), ShardId(0), ShardId(1))).await.unwrap();
    assert!(matches!(afford(0, &[1]), Err(Error::ShardClosed { .. })));
    assert!(matches!(afford(9, &[1]), Err(Error::UnknownShard { .. })));
    // A stream with larger records has room for one at once.
    still(house.log.change_settings(stream.id(), |settings| settings.set_record_kib_max(10_240))).await.unwrap();
    assert_eq!(afford(2, &[10 << 20, 1 << 20]).unwrap(), [true, false]);
}

async fn readers_pay_for_what_they_give(house: House) {
    let stream = house.stream("s", 1).await;
    house.log.env().limits.set(Limits::kinesis());
    let refused = reader(&house, &stream, 0, Reader::Refused);
    for _ in 0..5 {
        refused.may_read().await.unwrap();
        refused.pay(1_000).unwrap();
    }
    assert!(matches!(refused.may_read().await, Err(Error::ReadThroughput { shard: ShardId(0), .. })));
    assert!(refused.pay(0).is_err(), "others were faster");
    advance(Duration::from_secs(1)).await;
    refused.may_read().await.unwrap();
    refused.pay(10 << 20).unwrap();
    advance(Duration::from_millis(4_900)).await;
    assert!(refused.may_read().await.is_err(), "ten MiB are five seconds' worth");
    advance(Duration::from_millis(100)).await;
    refused.may_read().await.unwrap();

    let register = |settings: &mut Settings| drop(settings.fan_out.insert("efo".to_owned(), Consumer::default()));
    still(house.log.change_settings(stream.id(), register)).await.unwrap();
    refused.pay(20 << 20).unwrap();
    let (own, start) = (reader(&house, &stream, 0, Reader::Patient("efo")), Instant::now());
    own.may_read().await.unwrap();
    own.pay(4 << 20).unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO, "what others owe does not matter");
    own.may_read().await.unwrap();
    assert!(start.elapsed() > Duration::from_millis(1_900) && start.elapsed() < Duration::from_secs(2));
}

async fn a_consumer_knows_when_it_was_registered_and_keeps_what_it_has(house: House) {
    let house = house.reopened_with(Options { state_change_delay: Duration::from_secs(10), ..Options::default() });
    let one = || BTreeMap::from([("one".to_owned(), Consumer::default())]);
    let name = StreamName::new("s").unwrap();
    still(house.log.create_stream(name, 1, Settings { fan_out: one(), ..Settings::default() })).await.unwrap();
    advance(Duration::from_secs(30)).await;
    let stream = house.log.stream("s").unwrap();
    let change = |settings: &mut Settings| {
        settings.fan_out.insert("two".to_owned(), Consumer { policy: Some("{}".to_owned()), ..Consumer::default() });
        settings.tags.insert("team".to_owned(), "a".to_owned());
    };
    still(house.log.change_settings(stream.id(), change)).await.unwrap();
    let house = house.reopened();
    let settings = house.log.stream("s").unwrap().settings();
    let status = |name: &str| house.log.consumer_status(&settings.fan_out[name]);
    assert_eq!(settings.fan_out["one"].registered_at, START);
    assert_eq!(settings.fan_out["two"].registered_at, START.plus(Duration::from_secs(30)));
    assert_eq!(settings.fan_out["two"].policy.as_deref(), Some("{}"));
    assert_eq!((status("one"), status("two")), (Status::Active, Status::Creating));
    advance(Duration::from_secs(10)).await;
    assert_eq!(status("two"), Status::Active);
}

async fn a_change_that_is_refused_or_changes_nothing_is_not_written(house: House) {
    use shardgate::store::{Call, Fault};
    let stream = house.stream("s", 1).await;
    house.faults.pick(Call::Commit, 1, Fault::Fail);
    let before = stream.settings();
    let refuse = |settings: &mut Settings| {
        settings.retention_hours = 99;
        Err(Error::Lanes("no".to_owned()))
    };
    assert!(matches!(still(house.log.try_change_settings(stream.id(), refuse)).await, Err(Error::Lanes(_))));
    still(house.log.change_settings(stream.id(), |_| {})).await.unwrap();
    assert_eq!(stream.settings(), before);
    let late = still(house.log.change_settings(stream.id(), |settings| settings.retention_hours = 99)).await;
    assert!(late.is_err(), "the first commit is this one");
}

async fn a_shard_takes_a_batch_of_any_size(house: House) {
    let stream = house.stream("s", 1).await;
    let large = batch(&[&"x".repeat(1 << 20)]);
    assert!(matches!(house.append(stream.lane(0), &large).await, Err(Error::BatchTooLarge { .. })));
    let appending = house.log.append_to_shard(stream.id(), ShardId(0), &large, REFUSE).unwrap();
    assert_eq!(still(appending.durable()).await.unwrap().base, Some(Offset(0)));
    for (kib, shown) in [(1_024, 1_024), (2_000, 2_000), (99_999, 10_240)] {
        let mut settings = Settings::default();
        settings.set_record_kib_max(kib);
        assert_eq!(settings.record_kib_max(), shown);
    }
    assert_eq!(Settings { batch_bytes_max: 5, ..Settings::default() }.record_kib_max(), 1_024);
    assert_eq!(Settings::default().record_kib_max(), 1_024);
}
