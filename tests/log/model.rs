//! Random histories of a stream, held against the plainest log there could be.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use shardgate::model::limits::PRODUCER_IDLE_MAX;
use shardgate::model::{HashKey, SequenceNumber, ShardId};
use tokio::time::advance;

use super::plain::{LANES, LIMITS, Plain};
use super::*;

/// Beyond this many open shards the stream is only merged.
const OPEN_MAX: usize = 12;
const PRODUCERS: usize = 2;

#[derive(Clone, Debug)]
enum Step {
    /// Records of some size, to one of the lanes; perhaps by an idempotent producer.
    Write {
        lane: usize,
        records: usize,
        bytes: usize,
        producer: Option<usize>,
    },
    /// The last batch that a producer wrote to the lane, once more.
    Repeat {
        lane: usize,
        producer: usize,
    },
    /// To the shard that takes a hash key.
    Put {
        key: u128,
    },
    Read {
        lane: usize,
        part: usize,
    },
    Split {
        shard: usize,
        part: u8,
    },
    Merge {
        first: usize,
        second: usize,
    },
    Scale {
        target: u32,
    },
    OpenLanes {
        more: u32,
    },
    Retain {
        hours: u32,
    },
    Pass {
        millis: u64,
    },
    Sweep,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let lane = || 0..64_usize;
    let records = prop_oneof![9 => 1..6_usize, 1 => 100..700_usize];
    let bytes = prop_oneof![9 => 0..50_usize, 1 => 1_000..500_000_usize];
    let millis = prop_oneof![8 => 0..400_u64, 4 => 400..5_000_u64, 2 => 3_000_000..60_000_000_u64];
    prop_oneof![
        40 => (lane(), records, bytes, prop::option::of(0..PRODUCERS)).prop_map(|(lane, records, bytes, producer)| Step::Write {
            lane,
            records,
            // As many bytes as fit in a batch, all records together.
            bytes: bytes.min(900_000 / records),
            producer
        }),
        4 => (lane(), 0..PRODUCERS).prop_map(|(lane, producer)| Step::Repeat { lane, producer }),
        8 => any::<u128>().prop_map(|key| Step::Put { key }),
        20 => (lane(), 0..120_usize).prop_map(|(lane, part)| Step::Read { lane, part }),
        2 => (lane(), any::<u8>()).prop_map(|(shard, part)| Step::Split { shard, part }),
        3 => (lane(), lane()).prop_map(|(first, second)| Step::Merge { first, second }),
        1 => (1..6_u32).prop_map(|target| Step::Scale { target }),
        1 => (0..3_u32).prop_map(|more| Step::OpenLanes { more }),
        1 => prop_oneof![Just(24), Just(25), 24..60_u32].prop_map(|hours| Step::Retain { hours }),
        16 => millis.prop_map(|millis| Step::Pass { millis }),
        2 => Just(Step::Sweep),
        2 => Just(Step::Restart),
    ]
}

/// The log and the model, and what is compared.
struct Pair {
    house: House,
    stream: Arc<Stream>,
    plain: Plain,
    /// Of each producer and lane written to: what it wrote last, and where and when that went; `None` if to another lane.
    sent: BTreeMap<(usize, usize), (Batch, Option<i64>, i64)>,
    sequences: BTreeMap<(usize, usize), i32>,
}

impl Pair {
    async fn new(house: House) -> Self {
        house.log.env().limits.set(LIMITS);
        let stream = house.stream("s", LANES).await;
        Self { house, stream, plain: Plain::new(), sent: BTreeMap::new(), sequences: BTreeMap::new() }
    }

    async fn take(mut self, step: &Step) -> Self {
        match *step {
            Step::Write { lane, records, bytes, producer } => self.write(lane, records, bytes, producer).await,
            Step::Repeat { lane, producer } => self.repeat(lane, producer).await,
            Step::Put { key } => self.put(key).await,
            Step::Read { lane, part } => self.read(lane, part).await,
            Step::Split { shard, part } => self.split(shard, part).await,
            Step::Merge { first, second } => self.merge(first, second).await,
            Step::Scale { target } => self.scale(target).await,
            Step::OpenLanes { more } => self.open_lanes(more).await,
            Step::Retain { hours } => self.retain(hours).await,
            Step::Pass { millis } => {
                advance(Duration::from_millis(millis)).await;
                self.plain.now += i64::try_from(millis).unwrap();
            }
            Step::Sweep => still(self.house.log.sweep()).await,
            Step::Restart => {
                self.house = self.house.reopened();
                self.house.log.env().limits.set(LIMITS);
                self.stream = self.house.log.stream("s").unwrap();
                (0..self.plain.shards.len()).for_each(|shard| self.plain.forget(shard));
            }
        }
        self
    }

    async fn write(&mut self, lane: usize, records: usize, bytes: usize, producer: Option<usize>) {
        let lane = lane % self.plain.lanes.len();
        let values = self.plain.fresh(records, bytes);
        let texts: Vec<&str> = values.iter().map(String::as_str).collect();
        let sequence = producer.map(|producer| self.sequences.get(&(producer, lane)).copied().unwrap_or(0));
        let batch = match producer {
            None => batch(&texts),
            Some(producer) => stamped(&texts, i64::try_from(producer).unwrap(), 0, sequence.unwrap()),
        };
        let taker = self.plain.taker(lane);
        let is_carried = self.plain.admit(taker, batch.bytes().len() as u64, records as u64);
        let result = self.house.append(self.stream.lane(u32::try_from(lane).unwrap()), &batch).await;
        if !is_carried {
            let shard = ShardId(u32::try_from(taker).unwrap());
            assert!(matches!(&result, Err(Error::WriteThroughput { shard: over, .. }) if *over == shard), "{result:?}");
            return;
        }
        let home = self.plain.shards[taker].lane;
        let base = self.plain.write(home, &values);
        let base = (home == lane).then_some(base);
        let appended = result.unwrap();
        assert_eq!((appended.base, appended.arrived_at), (base.map(Offset), Timestamp(self.plain.now)));
        if let (Some(producer), Some(sequence)) = (producer, sequence) {
            self.sent.insert((producer, lane), (batch, base, self.plain.now));
            self.sequences.insert((producer, lane), sequence + i32::try_from(records).unwrap());
        }
    }

    async fn repeat(&mut self, lane: usize, producer: usize) {
        let lane = lane % self.plain.lanes.len();
        let Some((batch, base, sent_at)) = self.sent.get(&(producer, lane)) else { return };
        if self.plain.now - sent_at >= i64::try_from(PRODUCER_IDLE_MAX.as_millis()).unwrap() {
            // It may be forgotten, and then this is a new batch.
            return;
        }
        let appended = self.house.append(self.stream.lane(u32::try_from(lane).unwrap()), batch).await.unwrap();
        assert_eq!(appended.base, base.map(Offset), "a repeated batch is where it was");
    }

    async fn put(&mut self, key: u128) {
        let owner = self.plain.owner(key);
        let shard = self.stream.route(HashKey(key)).unwrap();
        assert_eq!(shard.id.0 as usize, owner);
        let values = self.plain.fresh(1, 10);
        let batch = batch(&[values[0].as_str()]);
        let is_carried = self.plain.admit(owner, batch.bytes().len() as u64, 1);
        let log = &self.house.log;
        let result = still(async { log.append_to_shard(self.stream.id(), shard.id, &batch, REFUSE)?.durable().await }).await;
        if is_carried {
            let base = self.plain.write(self.plain.shards[owner].lane, &values);
            assert_eq!(result.unwrap().base, Some(Offset(base)));
        } else {
            assert!(matches!(result, Err(Error::WriteThroughput { .. })), "{result:?}");
        }
    }

    async fn read(&mut self, lane: usize, part: usize) {
        let lane = lane % self.plain.lanes.len();
        let (horizon, tip) = (self.plain.horizon(lane), self.plain.tip(lane));
        // From a little before what is there to a little behind it.
        let from = (horizon - 5) + (tip - horizon + 10) * i64::try_from(part).unwrap() / 119;
        let id = self.stream.lane(u32::try_from(lane).unwrap());
        match self.house.page(id, from).await {
            Ok(page) => {
                assert!((horizon..=tip).contains(&from), "{from} is not within {horizon} to {tip}");
                assert_eq!((page.horizon.0, page.tip.0), (horizon, tip));
                let records = &self.plain.lanes[lane].records;
                let expected = (from..).zip(&records[usize::try_from(from).unwrap()..]);
                let expected: Vec<_> = expected.map(|(offset, (_, value))| (offset, value.clone())).collect();
                let found: Vec<_> = values(&page).into_iter().filter(|(offset, _)| *offset >= from).collect();
                assert!(found == expected, "lane {lane} from {from}: {} records instead of {}", found.len(), expected.len());
                if let Some((offset, _)) = expected.first() {
                    self.number(lane, *offset).await;
                }
            }
            Err(Error::OutOfRange { asked, horizon: h, tip: t }) => {
                assert!(!(horizon..=tip).contains(&from), "{from} is within {horizon} to {tip}");
                assert_eq!((asked.0, h.0, t.0), (from, horizon, tip));
            }
            Err(other) => panic!("{other}"),
        }
    }

    /// The sequence number of a record, both ways.
    async fn number(&self, lane: usize, offset: i64) {
        let plot = self.plain.shards.iter().rposition(|plot| plot.lane == lane && plot.first <= offset).unwrap();
        let arrived = self.plain.lanes[lane].records[usize::try_from(offset).unwrap()].0;
        let id = self.stream.lane(u32::try_from(lane).unwrap());
        let arrived_at = still(self.house.log.arrived_at(id, Offset(offset))).await.unwrap();
        assert_eq!(arrived_at.0, arrived);
        let shard = self.stream.shard(ShardId(u32::try_from(plot).unwrap())).unwrap();
        assert!(shard.holds(Offset(offset)), "shard {plot} holds {lane}@{offset}");
        let number = SequenceNumber::of(shard.id, shard.created_at, Offset(offset), arrived_at);
        let again: SequenceNumber = number.to_string().parse().unwrap();
        assert_eq!((again, again.offset(), again.shard.0 as usize), (number, Some(Offset(offset)), plot));
        assert_eq!(i64::try_from(again.shard_created).unwrap(), self.plain.shards[plot].created / 1_000);
    }

    async fn split(&mut self, shard: usize, part: u8) {
        let shard = shard % (self.plain.shards.len() + 1);
        if self.plain.open().count() >= OPEN_MAX {
            return;
        }
        let key =
            self.plain.shards.get(shard).map_or(0, |plot| plot.keys.0 + (plot.keys.1 - plot.keys.0) / 255 * u128::from(part));
        let id = ShardId(u32::try_from(shard).unwrap());
        let result = still(self.house.log.split_shard(self.stream.id(), id, HashKey(key))).await;
        assert_eq!(result.is_ok(), self.plain.split(shard, key), "{result:?}");
        self.compare();
    }

    async fn merge(&mut self, first: usize, second: usize) {
        // Any two, but mostly neighbours.
        let first = first % self.plain.shards.len();
        let neighbour = self.plain.shards[first].keys.1.checked_add(1).map(|key| self.plain.owner(key));
        let second = if second.is_multiple_of(4) { second % self.plain.shards.len() } else { neighbour.unwrap_or(first) };
        let ids = [first, second].map(|shard| ShardId(u32::try_from(shard).unwrap()));
        let result = still(self.house.log.merge_shards(self.stream.id(), ids[0], ids[1])).await;
        assert_eq!(result.is_ok(), self.plain.merge(first, second), "{result:?}");
        self.compare();
    }

    async fn scale(&mut self, target: u32) {
        let open = u32::try_from(self.plain.open().count()).unwrap();
        match still(self.house.log.scale(self.stream.id(), target)).await {
            Ok(()) => {
                assert!(target <= open * 2 && target * 2 >= open);
                self.plain.adopt(&self.stream.shards());
                let width = u128::MAX / u128::from(target);
                assert_eq!(self.plain.open().count(), target as usize);
                assert!(self.plain.open().all(|(_, plot)| (plot.keys.1 - plot.keys.0).abs_diff(width) <= u128::from(target)));
            }
            Err(Error::ScaleTarget { .. }) => assert!(target > open * 2 || target * 2 < open),
            // Its own test counts the days.
            Err(Error::ScalingRate { .. }) => {}
            Err(other) => panic!("{other}"),
        }
        self.compare();
    }

    async fn open_lanes(&mut self, more: u32) {
        let lanes = self.stream.lanes() + more;
        if self.plain.open().count() + more as usize > OPEN_MAX {
            return;
        }
        match still(self.house.log.open_lanes(self.stream.id(), lanes)).await {
            Ok(()) => {
                assert!(more > 0);
                self.plain.adopt(&self.stream.shards());
                assert_eq!(self.stream.lanes(), lanes);
            }
            Err(Error::Lanes(_)) => assert_eq!(more, 0),
            Err(other) => panic!("{other}"),
        }
        self.compare();
    }

    async fn retain(&mut self, hours: u32) {
        still(self.house.log.change_settings(self.stream.id(), |settings| settings.retention_hours = hours)).await.unwrap();
        self.plain.retain(hours);
    }

    /// The shards of both; the open ones tile the hash keys, and the lanes' offsets run on.
    fn compare(&self) {
        let shards = self.stream.shards();
        assert_eq!(shards.len(), self.plain.shards.len());
        for (at, (shard, plot)) in shards.iter().zip(&self.plain.shards).enumerate() {
            let parents: Vec<_> = [shard.parent, shard.adjacent_parent].into_iter().flatten().map(|id| id.0 as usize).collect();
            assert_eq!((shard.id.0 as usize, shard.lane.0 as usize, &parents), (at, plot.lane, &plot.parents));
            assert_eq!((shard.keys.start.0, shard.keys.end.0), plot.keys);
            assert_eq!((shard.first.0, shard.end.map(|end| end.0)), (plot.first, plot.end));
            assert_eq!((shard.created_at.0, shard.closed_at.map(|at| at.0)), (plot.created, plot.closed));
            for parent in &plot.parents {
                assert_eq!(Some(plot.created), self.plain.shards[*parent].closed.map(|closed| closed + 1_000));
            }
        }
        let mut open: Vec<_> = self.plain.open().map(|(_, plot)| plot.keys).collect();
        open.sort_unstable();
        assert_eq!((open[0].0, open[open.len() - 1].1), (0, u128::MAX));
        assert!(open.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0));
        for lane in 0..self.plain.lanes.len() {
            let line: Vec<_> = self.plain.shards.iter().filter(|plot| plot.lane == lane).collect();
            assert!(line[0].first == 0 && line.windows(2).all(|pair| pair[0].end == Some(pair[1].first)));
        }
    }
}

/// `histories` histories of `steps` steps.
fn compare(house: fn() -> House, histories: u32, steps: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let config = Config { cases: histories, failure_persistence: None, max_shrink_iters: 100, ..Config::default() };
    let history = prop::collection::vec(step(), steps);
    let outcome = TestRunner::new(config).run(&history, |history| {
        runtime.block_on(async {
            let mut pair = Pair::new(house()).await;
            for step in &history {
                pair = pair.take(step).await;
            }
            for lane in 0..pair.plain.lanes.len() {
                pair.read(lane, 6).await;
            }
        });
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn a_hundred_thousand_steps_of_the_log_in_memory_are_those_of_the_model() {
    compare(memory, 400, 250);
}

#[test]
fn histories_of_the_log_on_disk_are_those_of_the_model() {
    compare(disk, 12, 150);
}
