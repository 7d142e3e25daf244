//! Random histories, held against the plainest store there could be.

use std::collections::{BTreeMap, btree_map::Entry};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use shardgate::batch::{ProducerStamp, ProducerWindow};
use shardgate::model::{LaneId, Offset, Timestamp};
use shardgate::store::{Block, Error, Extent, Portion, Search, Write};

use super::{ALL, Engine, Make, append, done, lane};

const LANES: u32 = 3;
const KEYS: u8 = 6;
const PRODUCERS: i64 = 2;

#[derive(Clone, Debug)]
enum Step {
    Append {
        lane: u32,
        make: Make,
        later: i64,
    },
    /// At an offset that is not the next.
    Stray {
        lane: u32,
        off: i64,
    },
    /// To a part of the way from 0 to the next offset.
    Trim {
        lane: u32,
        percent: i64,
    },
    Remove {
        lane: u32,
    },
    Read {
        lane: u32,
        from: i64,
        portion: Portion,
    },
    Commit(Vec<(u8, Option<u16>)>),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let producer = (0..PRODUCERS, 0..3_i16, any::<u8>()).prop_map(|(id, epoch, sequence)| ProducerStamp {
        id,
        epoch,
        first_sequence: sequence.into(),
    });
    let origin = prop::option::weighted(0.2, 0..LANES);
    let make = (0..5_i32, 0..300_usize, -1..60_i64, prop::option::of(producer), origin).prop_map(
        |(more_records, value_bytes, created_at, producer, origin)| Make {
            more_records,
            value_bytes,
            created_at,
            producer,
            origin,
            ..Make::default()
        },
    );
    let off = prop_oneof![-3..0_i64, 1..4_i64];
    let portion = (0..2_000_usize, any::<bool>()).prop_map(|(bytes_max, fits)| match fits {
        true => Portion::Fitting(bytes_max),
        false => Portion::AtLeastOne(bytes_max),
    });
    prop_oneof![
        12 => (0..LANES, make, 0..3_i64).prop_map(|(lane, make, later)| Step::Append { lane, make, later }),
        1 => (0..LANES, off).prop_map(|(lane, off)| Step::Stray { lane, off }),
        3 => (0..LANES, 0..=100_i64).prop_map(|(lane, percent)| Step::Trim { lane, percent }),
        1 => (0..LANES).prop_map(|lane| Step::Remove { lane }),
        6 => (0..LANES, 0..60_i64, portion).prop_map(|(lane, from, portion)| Step::Read { lane, from, portion }),
        5 => prop::collection::vec((0..KEYS, prop::option::of(any::<u16>())), 0..5).prop_map(Step::Commit),
        1 => Just(Step::Reopen),
    ]
}

/// A lane as a list, searched from one end.
#[derive(Default)]
struct Plain {
    extent: Extent,
    blocks: Vec<Block>,
    producers: BTreeMap<i64, ProducerWindow>,
}

impl Plain {
    fn append(&mut self, block: Block) {
        if block.origin.is_none() {
            self.remember(&block, Some(block.batch.header().base_offset));
        }
        self.extent.next = block.batch.header().next_offset();
        self.blocks.push(block);
    }

    fn remember(&mut self, block: &Block, base: Option<Offset>) {
        let header = block.batch.header();
        if let Some(stamp) = header.producer {
            let (records, at) = (header.records, block.arrived_at);
            match self.producers.entry(stamp.id) {
                Entry::Vacant(entry) => {
                    entry.insert(ProducerWindow::open(stamp, records, base, at));
                }
                Entry::Occupied(mut entry) => entry.get_mut().record(stamp, records, base, at),
            }
        }
    }

    fn live(&self) -> impl DoubleEndedIterator<Item = &Block> {
        self.blocks.iter().filter(|block| block.batch.header().next_offset() > self.extent.horizon)
    }

    fn read(&self, from: i64, portion: Portion) -> Vec<&Block> {
        let (Portion::AtLeastOne(mut left) | Portion::Fitting(mut left)) = portion;
        let behind = self.live().filter(|block| block.batch.header().next_offset() > Offset(from)).enumerate();
        let fitting = behind.take_while(|(index, block)| {
            let (bytes, before) = (block.batch.bytes().len(), left);
            left = left.saturating_sub(bytes);
            bytes <= before || (*index == 0 && matches!(portion, Portion::AtLeastOne(_)))
        });
        fitting.map(|(_, block)| block).collect()
    }

    fn find(&self, search: Search) -> Option<&Block> {
        let created_at = |block: &Block| block.batch.header().latest_timestamp();
        match search {
            Search::ArrivedFrom(time) => self.live().find(|block| block.arrived_at >= time),
            Search::CreatedFrom(time) => self.live().find(|block| created_at(block) >= time),
            Search::LatestCreated => self.live().rev().max_by_key(|block| created_at(block)),
        }
    }
}

#[derive(Default)]
struct Model {
    now: i64,
    lanes: BTreeMap<LaneId, Plain>,
    ledger: BTreeMap<Vec<u8>, Vec<u8>>,
    incarnations: BTreeMap<u32, u128>,
}

impl Model {
    /// The lane that has this number now: a removed one never comes back.
    fn lane(&self, number: u32) -> LaneId {
        lane(1 + self.incarnations.get(&number).copied().unwrap_or_default(), number)
    }

    /// Takes a step on both sides.
    fn step(&mut self, engine: Engine, step: Step) -> Engine {
        match step {
            Step::Append { lane: number, make, later } => {
                self.now += later;
                let lane = self.lane(number);
                self.append(&engine, lane, make);
            }
            Step::Stray { lane: number, off } => {
                let next = self.extent(self.lane(number)).next;
                if next.0 + off >= 0 {
                    let result = append(&engine, self.lane(number), Make { base: next.0 + off, ..Make::default() }.block());
                    assert!(matches!(result, Err(Error::Fenced { next: told }) if told == next), "{result:?}");
                }
            }
            Step::Trim { lane: number, percent } => {
                let lane = self.lane(number);
                if let Some(plain) = self.lanes.get_mut(&lane) {
                    let before = Offset(plain.extent.next.0 * percent / 100);
                    engine.journal.trim(lane, before);
                    plain.extent.horizon = plain.extent.horizon.max(before);
                }
            }
            Step::Remove { lane: number } => {
                let lane = self.lane(number);
                done(|done| engine.journal.remove(&[lane], done)).unwrap();
                self.lanes.remove(&lane);
                *self.incarnations.entry(number).or_default() += 1;
            }
            Step::Read { lane: number, from, portion } => {
                let page = engine.journal.read(self.lane(number), Offset(from), portion).unwrap();
                let expected = self.lanes.get(&self.lane(number)).map(|plain| plain.read(from, portion)).unwrap_or_default();
                assert!(page.iter().eq(expected), "{number} {from} {portion:?}");
            }
            Step::Commit(changes) => self.commit(&engine, &changes),
            Step::Reopen => return self.reopened(engine),
        }
        engine
    }

    fn append(&mut self, engine: &Engine, lane: LaneId, make: Make) {
        // A removed lane is never written to again, by way of another one either.
        let origin = make.origin.filter(|origin| *origin != lane.lane.0 && self.lane(*origin).stream == lane.stream);
        let block = Make { base: self.extent(lane).next.0, arrived_at: self.now, origin, ..make }.block();
        append(engine, lane, block.clone()).unwrap();
        if block.origin.is_some() && block.batch.header().producer.is_some() {
            self.lanes.entry(block.origin_in(lane)).or_default().remember(&block, None);
        }
        self.lanes.entry(lane).or_default().append(block);
    }

    fn commit(&mut self, engine: &Engine, changes: &[(u8, Option<u16>)]) {
        let mut writes = Vec::new();
        for (key, value) in changes {
            let key = format!("key/{key}").into_bytes();
            // Sizes around what an engine may keep in one piece.
            let value = value.map(|value| vec![value as u8; usize::from(value) / 8]);
            writes.push(match value.clone() {
                Some(value) => Write::Put { key: key.clone().into(), value: value.into() },
                None => Write::Delete { key: key.clone().into() },
            });
            match value {
                Some(value) => drop(self.ledger.insert(key, value)),
                None => drop(self.ledger.remove(&key)),
            }
        }
        done(|done| engine.ledger.commit(writes, done)).unwrap();
    }

    /// Reopens the engine, if it can be. A last append makes every trim durable.
    fn reopened(&mut self, engine: Engine) -> Engine {
        if engine.reopen.is_none() {
            return engine;
        }
        for number in 0..LANES {
            let lane = self.lane(number);
            self.append(&engine, lane, Make::default());
        }
        engine.reopened().unwrap()
    }

    fn extent(&self, lane: LaneId) -> Extent {
        self.lanes.get(&lane).map(|plain| plain.extent).unwrap_or_default()
    }

    /// Compares all there is to see.
    fn compare(&self, engine: &Engine) {
        let mut lanes = engine.journal.lanes();
        lanes.sort();
        assert!(lanes.iter().eq(self.lanes.keys()));
        for (lane, plain) in &self.lanes {
            assert_eq!(engine.journal.extent(*lane), plain.extent);
            assert!(engine.journal.read(*lane, Offset(0), ALL).unwrap().iter().eq(plain.live()));
            assert_eq!(
                engine.journal.bytes(*lane).unwrap(),
                plain.live().map(|block| block.batch.bytes().len() as u64).sum::<u64>()
            );
            for id in 0..PRODUCERS {
                assert_eq!(engine.journal.producer(*lane, id).as_ref(), plain.producers.get(&id));
            }
            let times = (-1..=self.now.max(60)).map(Timestamp);
            let searches = times.flat_map(|time| [Search::ArrivedFrom(time), Search::CreatedFrom(time)]);
            for search in searches.chain([Search::LatestCreated]) {
                assert_eq!(engine.journal.find(*lane, search).unwrap().as_ref(), plain.find(search), "{search:?}");
            }
        }
        let mut ledger = BTreeMap::new();
        engine.ledger.scan(b"key/", &mut |key, value| drop(ledger.insert(key.to_vec(), value.to_vec()))).unwrap();
        assert_eq!(ledger, self.ledger);
        for key in 0..KEYS {
            let key = format!("key/{key}").into_bytes();
            assert_eq!(engine.ledger.get(&key).unwrap().as_deref(), self.ledger.get(&key).map(Vec::as_slice));
        }
    }
}

pub(crate) fn any_history_reads_as_the_model_says(open: fn() -> Engine) {
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let histories = prop::collection::vec(step(), 1..60);
    let result = runner.run(&histories, |steps| {
        let (mut engine, mut model) = (open(), Model::default());
        for step in steps {
            engine = model.step(engine, step);
        }
        model.compare(&engine);
        engine = model.reopened(engine);
        model.compare(&engine);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}
