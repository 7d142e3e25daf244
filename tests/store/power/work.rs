//! A random workload, call by call, and what a store has to say after the first so many of its calls.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc;

use bytes::Bytes;
use shardgate::batch::{Batch, Builder, Draft, Marker, Outcome, ProducerStamp};
use shardgate::model::{Lane, LaneId, Offset, Timestamp};
use shardgate::store::{Block, Done, Error, Extent, Journal, LaneHead, Ledger, Portion, Search, SegmentStore, Write};

use super::super::chance::Chance;
use super::super::{ALL, lane};
use super::device::Recorder;

/// A call that changes a store.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Append(LaneId, Block),
    /// To a horizon.
    Trim(LaneId, Offset),
    Remove(Vec<LaneId>),
    Commit(Vec<Write>),
}

#[derive(Clone, Default, Debug)]
struct Plain {
    head: LaneHead,
    blocks: Vec<Block>,
    /// The horizon asked for.
    trimmed: Offset,
}

/// What some calls make of an empty store.
#[derive(Clone, Default, Debug)]
pub(super) struct Model {
    lanes: BTreeMap<LaneId, Plain>,
    ledger: BTreeMap<Bytes, Bytes>,
}

impl Model {
    pub(super) fn apply(&mut self, call: &Call) {
        match call {
            Call::Append(lane, block) => {
                let plain = self.lanes.entry(*lane).or_default();
                plain.head.apply(block);
                plain.blocks.push(block.clone());
                if block.origin.is_some() && block.batch.header().producer.is_some() {
                    self.lanes.entry(block.origin_in(*lane)).or_default().head.apply_forwarded(block);
                }
            }
            Call::Trim(lane, horizon) => {
                let plain = self.lanes.entry(*lane).or_default();
                plain.trimmed = plain.trimmed.max(*horizon);
            }
            Call::Remove(lanes) => self.lanes.retain(|lane, _| !lanes.contains(lane)),
            Call::Commit(writes) => {
                for write in writes {
                    match write {
                        Write::Put { key, value } => drop(self.ledger.insert(key.clone(), value.clone())),
                        Write::Delete { key } => drop(self.ledger.remove(key)),
                    }
                }
            }
        }
    }

    fn ends(&self) -> impl Iterator<Item = (LaneId, Offset)> + '_ {
        self.lanes.iter().map(|(lane, plain)| (*lane, plain.head.extent().next))
    }

    /// What the store must be after the first calls of `calls` behind this model: at least `told`. Gives the model after these,
    /// and their number.
    pub(super) fn held_against(&self, store: &SegmentStore, calls: &[Call], told: usize) -> Result<(Self, usize), String> {
        let mut lanes = store.lanes();
        lanes.sort();
        let ends: Vec<_> = lanes.iter().map(|lane| (*lane, store.extent(*lane).next)).collect();
        let mut ledger = BTreeMap::new();
        store
            .scan(b"", &mut |key, value| drop(ledger.insert(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value))))
            .map_err(|error| format!("the ledger cannot be read: {error}"))?;
        let mut model = self.clone();
        calls[..told].iter().for_each(|call| model.apply(call));
        let promised = model.clone();
        let mut count = told;
        while !(model.ends().eq(ends.iter().copied()) && model.ledger == ledger) {
            let Some(call) = calls.get(count) else {
                let expected: Vec<_> = promised.ends().collect();
                let same = promised.ledger == ledger;
                return Err(format!(
                    "the store is at no moment after {told} of {} calls: lanes {ends:?}, promised {expected:?}; the promised ledger: {same}",
                    calls.len()
                ));
            };
            model.apply(call);
            count += 1;
        }
        let mut all = self.clone();
        calls.iter().for_each(|call| all.apply(call));
        for (lane, plain) in &mut model.lanes {
            let extent = store.extent(*lane);
            let least = promised.lanes.get(lane).map_or(Offset(0), |plain| plain.trimmed);
            // Of a lane that is removed later the last trim is not known any more.
            let most = all.lanes.get(lane).map_or(Offset(i64::MAX), |plain| plain.trimmed);
            if extent.horizon < least || extent.horizon > most {
                return Err(format!("the horizon of {lane} is {}, not between {least} and {most}", extent.horizon));
            }
            plain.trimmed = extent.horizon;
            plain.check(store, *lane, extent).map_err(|what| format!("{lane}: {what}"))?;
        }
        Ok((model, count))
    }
}

impl Plain {
    fn check(&mut self, store: &SegmentStore, lane: LaneId, extent: Extent) -> Result<(), String> {
        let horizon = extent.horizon;
        self.blocks.retain(|block| block.batch.header().next_offset() > horizon);
        let alive = &self.blocks;
        let read = |from, portion| store.read(lane, from, portion).map_err(|error| format!("cannot be read: {error}"));
        let found = read(Offset(0), ALL)?;
        if found != *alive {
            let bases = |blocks: &[Block]| blocks.iter().map(|block| block.batch.header().base_offset.0).collect::<Vec<_>>();
            return Err(format!("has blocks {:?} and not {:?}, or others than were written", bases(&found), bases(alive)));
        }
        for block in alive.iter().step_by(7) {
            if read(block.batch.header().base_offset, Portion::AtLeastOne(1))? != std::slice::from_ref(block) {
                return Err(format!("does not give the block at {}", block.batch.header().base_offset));
            }
        }
        self.head.trim(horizon);
        let mut head = LaneHead::default();
        store.look(lane, &mut |found| head = found.clone());
        if head != self.head {
            return Err(format!("its head is {head:?} and not {:?}", self.head));
        }
        let bytes: usize = alive.iter().map(|block| block.batch.bytes().len()).sum();
        let counted = store.bytes(lane).map_err(|error| format!("cannot be counted: {error}"))?;
        if counted != bytes as u64 {
            return Err(format!("has {counted} bytes and not {bytes}"));
        }
        let latest = store.find(lane, Search::LatestCreated).map_err(|error| format!("cannot be searched: {error}"))?;
        if latest.as_ref() != alive.iter().rev().max_by_key(|block| block.batch.header().latest_timestamp()) {
            return Err("another block than the latest is given for it".to_owned());
        }
        Ok(())
    }
}

/// Lanes of a stream.
const LANES: u32 = 3;
const STREAMS: usize = 3;

/// Makes calls, and knows what came of them.
pub(super) struct Work<'a> {
    chance: &'a Chance,
    recorder: Arc<Recorder>,
    store: &'a SegmentStore,
    model: Model,
    streams: Vec<u128>,
    now: i64,
    pub(super) calls: Vec<Call>,
}

impl<'a> Work<'a> {
    /// Goes on where `model` is.
    pub(super) fn new(chance: &'a Chance, store: &'a SegmentStore, recorder: Arc<Recorder>, model: Model) -> Self {
        // A name is never used again.
        let name = || 1 + chance.below(1 << 40) as u128;
        let mut streams: Vec<_> = model.lanes.keys().map(|lane| lane.stream.0.as_u128()).collect();
        streams.dedup();
        streams.resize_with(STREAMS, name);
        let now = model.lanes.values().flat_map(|plain| &plain.blocks).map(|block| block.arrived_at.0).max().unwrap_or(100);
        Self { chance, recorder, store, model, streams, now, calls: Vec::new() }
    }

    /// Some calls in two groups, and all that the store does because of them. So that the groups are always the same, the committer
    /// waits in an answer while calls are queued, and the keeper while the committer works.
    pub(super) fn burst(&mut self, calls: usize) {
        let (entered, committer_waits) = mpsc::channel();
        let (release_committer, released) = mpsc::channel::<()>();
        let told = self.told();
        let wait = move |result: Result<(), Error>| {
            result.unwrap();
            told();
            entered.send(()).unwrap();
            let _ = released.recv();
        };
        let lane = self.any_lane();
        self.append(lane, Box::new(wait));
        committer_waits.recv().unwrap();

        let (release_keeper, released) = mpsc::channel::<()>();
        let told = self.told();
        self.commit(Box::new(move |result| {
            result.unwrap();
            told();
            let _ = released.recv();
        }));
        for _ in 0..calls {
            self.any_call();
        }
        let (last, answered) = mpsc::channel();
        let told = self.told();
        let lane = self.any_lane();
        self.append(
            lane,
            Box::new(move |result| {
                result.unwrap();
                told();
                last.send(()).unwrap();
            }),
        );
        release_committer.send(()).unwrap();
        answered.recv().unwrap();
        release_keeper.send(()).unwrap();
        settle(self.store, &self.recorder).unwrap();
    }

    /// What to call when the next call has been answered.
    fn told(&self) -> impl Fn() + Send + 'static {
        let (recorder, calls) = (self.recorder.clone(), self.calls.len() + 1);
        move || recorder.tell(calls)
    }

    fn answer(&self) -> Done {
        let told = self.told();
        Box::new(move |result| {
            result.unwrap();
            told();
        })
    }

    fn made(&mut self, call: Call) {
        self.model.apply(&call);
        self.calls.push(call);
    }

    fn next(&self, lane: LaneId) -> Offset {
        self.model.lanes.get(&lane).map_or(Offset(0), |plain| plain.head.extent().next)
    }

    fn any_lane(&self) -> LaneId {
        lane(self.streams[self.chance.below(STREAMS)], self.chance.below(LANES as usize) as u32)
    }

    fn any_call(&mut self) {
        let (lane, answer) = (self.any_lane(), self.answer());
        match self.chance.below(24) {
            0 => self.remove(answer),
            1..=4 => self.trim(lane),
            5..=8 => self.commit(answer),
            _ => self.append(lane, answer),
        }
    }

    pub(super) fn append(&mut self, lane: LaneId, answer: Done) {
        let value = self.chance.noise(self.chance.below(500));
        self.now += self.chance.below(3) as i64;
        let draft =
            Draft { value: Some(&value), created_at: Timestamp(self.now - self.chance.below(9) as i64), ..Draft::default() };
        let (id, epoch) = (self.chance.below(3) as i64, self.chance.below(2) as i16);
        let stamp = ProducerStamp { id, epoch, first_sequence: self.chance.below(100) as i32 };
        let builder = Builder::default().record(draft).record(draft);
        let outcome = if self.chance.below(2) == 0 { Outcome::Committed } else { Outcome::Aborted };
        let batch = match self.chance.below(6) {
            0 | 1 => builder.build(),
            2 | 3 => builder.producer(stamp).build(),
            4 => builder.producer(ProducerStamp { id: 10 + id, ..stamp }).transactional().build(),
            _ => Marker { producer: 10 + id, epoch, outcome, coordinator_epoch: 0 }.batch(Timestamp(self.now)),
        };
        let origin = Lane(self.chance.below(LANES as usize) as u32);
        let origin = Some(origin).filter(|origin| *origin != lane.lane && self.chance.below(6) == 0);
        self.append_this(lane, &batch.unwrap(), origin, answer);
    }

    fn append_this(&mut self, lane: LaneId, batch: &Batch, origin: Option<Lane>, answer: Done) {
        let base = self.next(lane);
        // A copy of its own, so that equal bytes are equal by value.
        let batch = Batch::stored(batch.placed_at(base).bytes().clone()).unwrap();
        let block = Block { batch, arrived_at: Timestamp(self.now), origin };
        self.store.append(lane, block.clone(), answer);
        self.made(Call::Append(lane, block));
    }

    /// Some lanes are kept long, the others short: there is always something to collect and something to copy.
    fn trim(&mut self, lane: LaneId) {
        let Extent { horizon, next } = self.store.extent(lane);
        let kept = if lane.lane.0 == 0 { 30 + self.chance.below(60) } else { self.chance.below(6) };
        self.store.trim(lane, Offset(next.0 - kept as i64));
        let now = self.store.extent(lane).horizon;
        if now > horizon {
            self.made(Call::Trim(lane, now));
        }
    }

    fn remove(&mut self, answer: Done) {
        let at = self.chance.below(STREAMS);
        let next = 1 + self.chance.below(1 << 40) as u128;
        let gone = std::mem::replace(&mut self.streams[at], next);
        let lanes: Vec<_> = (0..LANES).map(|number| lane(gone, number)).collect();
        self.store.remove(&lanes, answer);
        self.made(Call::Remove(lanes));
    }

    pub(super) fn commit(&mut self, answer: Done) {
        let mut writes = Vec::new();
        for _ in 0..=self.chance.below(3) {
            let key = Bytes::from(format!("key/{}", self.chance.below(12)));
            writes.push(match self.chance.below(12) {
                0 | 1 => Write::Delete { key },
                // Kept in pieces.
                2 => Write::Put { key, value: self.chance.noise(4_200).into() },
                _ => Write::Put { key, value: self.chance.noise(self.chance.below(60)).into() },
            });
        }
        self.commit_these(writes, answer);
    }

    fn commit_these(&mut self, writes: Vec<Write>, answer: Done) {
        self.store.commit(writes.clone(), answer);
        self.made(Call::Commit(writes));
    }

    /// Calls one behind the other, each answered: first `lost` once more, as a client would, which so comes to lie where it lay;
    /// and `briefly` no more than that.
    pub(super) fn go_on(&mut self, lost: Option<&Call>, briefly: bool) -> Result<(), String> {
        match lost {
            Some(Call::Append(lane, block)) if self.next(*lane) == block.batch.header().base_offset => {
                self.answered(|work, answer| work.append_this(*lane, &block.batch, block.origin, answer))?;
            }
            Some(Call::Commit(writes)) => self.answered(|work, answer| work.commit_these(writes.clone(), answer))?,
            _ => {}
        }
        if lost.is_some() && (briefly || self.chance.below(2) == 0) {
            return Ok(());
        }
        for lane in self.model.lanes.keys().copied().collect::<Vec<_>>() {
            self.answered(|work, answer| work.append(lane, answer))?;
        }
        self.answered(Self::commit)
    }

    fn answered(&mut self, call: impl FnOnce(&mut Self, Done)) -> Result<(), String> {
        let (answer, answered) = mpsc::channel();
        let told = self.told();
        call(self, Box::new(move |result| drop(answer.send(result.inspect(|()| told())))));
        let result = answered.recv().map_err(|_| "a call was not answered".to_owned())?;
        result.and_then(|()| settle(self.store, &self.recorder)).map_err(|error| format!("a call failed: {error}"))
    }
}

/// Waits until the store has nothing more to do: an empty commit leaves no trace of its own, and passes both threads.
fn settle(store: &SegmentStore, recorder: &Recorder) -> Result<(), Error> {
    loop {
        let steps = recorder.steps();
        super::super::done(|done| store.commit(Vec::new(), done))?;
        if recorder.steps() == steps {
            return Ok(());
        }
    }
}
