//! Reading: tail and disk, budgets, waiting, positions.

use parking_lot::Mutex;
use shardgate::batch::Codec;
use shardgate::log::{Found, Position};
use tokio::time::{Instant, advance};

use super::*;

cases! {
    what_memory_does_not_hold_is_read_from_the_store
    readers_that_go_on_get_everything_in_its_order
    positions_outside_the_lane_are_refused_and_the_tip_is_empty
    budgets_end_a_page_but_a_reader_always_gets_on
    a_reader_that_waits_gets_what_comes_at_once
    a_reader_waits_no_longer_than_it_said_and_for_as_many_bytes_as_it_said
    a_reader_that_waits_for_much_looks_when_there_may_be_enough
    a_reader_with_little_room_gets_what_fits
    a_reader_that_waits_is_told_when_the_stream_goes
    a_refused_want_does_not_wait
    who_does_not_wait_is_refused_where_a_shard_is_over_its_read_throughput
    a_position_is_found_by_time
}

fn want(lane: LaneId, from: i64) -> Want {
    Want { lane, from: Offset(from), bytes_max: usize::MAX, isolation: Isolation::Uncommitted }
}

async fn what_memory_does_not_hold_is_read_from_the_store(mut house: House) {
    for tail_bytes_max in [0, 1_000, 64 << 20] {
        house = house.reopened_with(Options { tail_bytes_max, ..Options::default() });
        let lane = house.stream(&format!("s{tail_bytes_max}"), 1).await.lane(0);
        for index in 0..40 {
            house.put(lane, &[&index.to_string(), "more"]).await;
        }
        for from in [0, 1, 39, 40, 78, 79] {
            let values = house.values(lane, from).await;
            assert_eq!(values[0].0, from / 2 * 2, "whole batches");
            assert_eq!(values.last().unwrap(), &(79, "more".to_owned()), "tail {tail_bytes_max}, from {from}");
            assert_eq!(values.len() as i64, 80 - from / 2 * 2);
        }
    }
}

async fn readers_that_go_on_get_everything_in_its_order(mut house: House) {
    house = house.reopened_with(Options { tail_bytes_max: 100_000, ..Options::default() });
    let stream = house.stream("s", 2).await;
    let long = "x".repeat(20_000);
    for index in 0..120 {
        house.put(stream.lane(index % 2), &[&format!("{}{long}", index / 2)]).await;
    }
    // What one of them asked for may have been read ahead for another.
    let sizes = [1 << 20, 90_000, 100_000, 200_000, 1];
    let mut next = [[0; 2]; 5];
    while next.iter().flatten().any(|from| *from < 60) {
        for (from, bytes_max) in next.iter_mut().zip(sizes) {
            let wants = [0, 1].map(|lane| Want { bytes_max, ..want(stream.lane(lane), from[lane as usize]) });
            let pages = house.log.read(&wants, Wait::No, 2 * bytes_max, READER).await;
            for (from, page) in from.iter_mut().zip(pages) {
                for (offset, value) in values(&page.unwrap()) {
                    assert!(offset == *from && value.starts_with(&format!("{offset}x")), "{offset} where {from} was due");
                    *from += 1;
                }
            }
        }
    }
}

async fn positions_outside_the_lane_are_refused_and_the_tip_is_empty(house: House) {
    let stream = house.stream("s", 1).await;
    let lane = stream.lane(0);
    house.put(lane, &["a", "b"]).await;
    assert!(house.page(lane, 2).await.unwrap().batches.is_empty());
    for from in [-1, 3, i64::MAX] {
        let refused = house.page(lane, from).await;
        assert!(matches!(refused, Err(Error::OutOfRange { horizon: Offset(0), tip: Offset(2), .. })), "{from}: {refused:?}");
    }
    assert!(matches!(house.page(stream.lane(1), 0).await, Err(Error::UnknownLane { lane: 1, .. })));
    let nobody = LaneId { stream: shardgate::model::StreamId(uuid::Uuid::nil()), ..lane };
    assert!(matches!(house.page(nobody, 0).await, Err(Error::UnknownStream(_))));
}

async fn budgets_end_a_page_but_a_reader_always_gets_on(mut house: House) {
    let stream = house.stream("s", 2).await;
    let size = batch(&["0"]).bytes().len();
    for lane in 0..2 {
        for _ in 0..5 {
            house.put(stream.lane(lane), &["0"]).await;
        }
    }
    for tail_bytes_max in [64 << 20, 0] {
        if tail_bytes_max == 0 {
            house = house.reopened_with(Options { tail_bytes_max, ..Options::default() });
        }
        for (bytes_max, batches) in [(0, 1), (1, 1), (size, 1), (2 * size - 1, 1), (2 * size, 2), (usize::MAX, 5)] {
            assert_eq!(house.page_of(stream.lane(0), 0, bytes_max).await.unwrap().batches.len(), batches, "{bytes_max}");
        }
        let wants = [want(stream.lane(0), 3), want(stream.lane(1), 0)];
        for (bytes_max, batches) in
            [(0, [1, 0]), (2 * size, [2, 0]), (3 * size, [2, 1]), (4 * size - 1, [2, 1]), (7 * size, [2, 5])]
        {
            let pages = still(house.log.read(&wants, Wait::No, bytes_max, READER)).await;
            let found: Vec<_> = pages.into_iter().map(|page| page.unwrap().batches.len()).collect();
            assert_eq!(found, batches, "{bytes_max}");
        }
    }
}

async fn a_reader_that_waits_gets_what_comes_at_once(house: House) {
    let stream = house.stream("s", 3).await;
    let start = Instant::now();
    let (log, wants) = (house.log.clone(), [0, 1, 2].map(|lane| want(stream.lane(lane), 0)));
    still(async {
        let wait = Wait::For { bytes_min: 1, at_most: Duration::from_secs(30) };
        let reader = tokio::spawn(async move { log.read(&wants, wait, usize::MAX, READER).await });
        tokio::task::yield_now().await;
        append(&house.log, stream.lane(1), &batch(&["now"])).await.unwrap();
        let pages: Vec<_> = reader.await.unwrap().into_iter().map(Result::unwrap).collect();
        assert_eq!(pages.iter().map(|page| values(page).len()).collect::<Vec<_>>(), [0, 1, 0]);
    })
    .await;
    assert_eq!(start.elapsed(), Duration::ZERO, "no time has passed");
}

async fn a_reader_waits_no_longer_than_it_said_and_for_as_many_bytes_as_it_said(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    let size = house.put(lane, &["a"]).await as usize + batch(&["a"]).bytes().len();
    let (start, at_most) = (Instant::now(), Duration::from_secs(7));
    let read = |bytes_min| {
        let (log, wants) = (house.log.clone(), [want(lane, 0)]);
        tokio::spawn(
            async move { log.read(&wants, Wait::For { bytes_min, at_most }, usize::MAX, READER).await.remove(0).unwrap() },
        )
    };
    assert_eq!(read(size).await.unwrap().batches.len(), 1);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(read(size + 1).await.unwrap().batches.len(), 1);
    assert_eq!(start.elapsed(), at_most);
    still(async {
        let reader = read(2 * size);
        tokio::task::yield_now().await;
        append(&house.log, lane, &batch(&["b"])).await.unwrap();
        assert_eq!(reader.await.unwrap().batches.len(), 2);
    })
    .await;
    assert_eq!(start.elapsed(), at_most);
}

/// What comes is counted, not read: a reader takes room when it begins and when there may be enough.
async fn a_reader_that_waits_for_much_looks_when_there_may_be_enough(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    let size = batch(&["a"]).bytes().len();
    let (log, asked) = (house.log.clone(), Arc::new(Mutex::new(Vec::new())));
    still(async {
        let reader = tokio::spawn({
            let asked = asked.clone();
            async move {
                let room = |bytes: usize| {
                    asked.lock().push(bytes);
                    bytes.min(100 * size)
                };
                let wait = Wait::For { bytes_min: 20 * size, at_most: HOUR };
                log.read_within(&[want(lane, 0)], wait, usize::MAX, READER, room).await.remove(0).unwrap()
            }
        });
        for _ in 0..20 {
            tokio::task::yield_now().await;
            append(&house.log, lane, &batch(&["a"])).await.unwrap();
        }
        assert_eq!(reader.await.unwrap().batches.len(), 20);
    })
    .await;
    assert_eq!(*asked.lock(), [usize::MAX, 0, usize::MAX]);
}

/// Where there is little room, what fits is enough; where there is none, a reader gets on all the same.
async fn a_reader_with_little_room_gets_what_fits(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    let size = batch(&["a"]).bytes().len();
    for _ in 0..3 {
        house.put(lane, &["a"]).await;
    }
    let start = Instant::now();
    for (room, batches, waited) in [(0, 1, 0), (size, 1, 0), (2 * size + 1, 2, 0), (100 * size, 3, 1)] {
        let wait = Wait::For { bytes_min: 10 * size, at_most: Duration::from_secs(1) };
        let pages = house.log.read_within(&[want(lane, 0)], wait, usize::MAX, READER, |bytes: usize| bytes.min(room)).await;
        assert_eq!(pages[0].as_ref().unwrap().batches.len(), batches, "{room}");
        assert_eq!(start.elapsed().as_secs(), waited, "{room}");
    }
}

async fn a_reader_that_waits_is_told_when_the_stream_goes(house: House) {
    let stream = house.stream("s", 1).await;
    let (log, wants) = (house.log.clone(), [want(stream.lane(0), 0)]);
    still(async {
        let wait = Wait::For { bytes_min: 1, at_most: HOUR };
        let reader = tokio::spawn(async move { log.read(&wants, wait, usize::MAX, READER).await.remove(0) });
        tokio::task::yield_now().await;
        house.log.delete_stream(stream.id()).await.unwrap();
        assert!(matches!(reader.await.unwrap(), Err(Error::UnknownStream(_))));
    })
    .await;
}

async fn a_refused_want_does_not_wait(house: House) {
    let stream = house.stream("s", 2).await;
    let start = Instant::now();
    let wait = Wait::For { bytes_min: 1, at_most: HOUR };
    let pages = still(house.log.read(&[want(stream.lane(0), 0), want(stream.lane(1), 9)], wait, usize::MAX, READER)).await;
    assert!(pages[0].is_ok() && matches!(pages[1], Err(Error::OutOfRange { .. })));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

async fn who_does_not_wait_is_refused_where_a_shard_is_over_its_read_throughput(house: House) {
    let stream = house.stream("s", 2).await;
    house.put(stream.lane(0), &["a"]).await;
    house.log.env().limits.set(Limits::kinesis());
    let read = async |lane: u32| {
        let wants = [want(stream.lane(lane), 0)];
        still(house.log.read(&wants, Wait::No, usize::MAX, Reader::Refused)).await.remove(0).map(|page| values(&page).len())
    };
    for (lane, records) in [(0, 1), (1, 0)] {
        for _ in 0..5 {
            assert_eq!(read(lane).await.unwrap(), records);
        }
        let wait = match read(lane).await {
            Err(Error::ReadThroughput { shard, wait, .. }) if shard.0 == lane => wait,
            other => panic!("{other:?}"),
        };
        assert_eq!(wait, Duration::from_millis(200), "five a second, although nothing was there");
        advance(wait).await;
        assert_eq!(read(lane).await.unwrap(), records);
        assert!(read(lane).await.is_err(), "what was refused was not counted");
    }
}

async fn a_position_is_found_by_time(house: House) {
    let lane = house.stream("s", 1).await.lane(0);
    let find = async |house: &House, position| still(house.log.find(lane, position)).await.unwrap();
    assert_eq!(find(&house, Position::LatestTime).await, None);
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        house.append(lane, &build(Builder::default().codec(codec), &["a", "b", "c"])).await.unwrap();
    }
    let late = Draft { value: Some(b"late"), created_at: Timestamp(START.0 + 9_000), ..Draft::default() };
    house
        .append(lane, &Builder::default().codec(Codec::Zstd).record(Draft::default()).record(late).build().unwrap())
        .await
        .unwrap();
    let at = |offset, later: i64| Some(Found { offset: Offset(offset), created_at: Some(Timestamp(START.0 + later)) });
    let check = async |house: &House| {
        let time = |later| Position::AtTime(Timestamp(START.0 + later));
        for (position, found) in [
            (time(-50), at(0, 0)),
            (time(1), at(1, 1_000)),
            (time(2_000), at(2, 2_000)),
            (time(2_001), at(16, 9_000)),
            (time(9_001), None),
            (Position::LatestTime, at(16, 9_000)),
            (Position::Horizon, Some(Found { offset: Offset(0), created_at: None })),
            (Position::Tip, Some(Found { offset: Offset(17), created_at: None })),
        ] {
            assert_eq!(find(house, position).await, found, "{position:?}");
        }
    };
    check(&house).await;
    check(&house.reopened()).await;
}
