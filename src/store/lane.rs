//! **What an engine remembers of a lane beside its blocks**: the extent, who has produced, and the transactions.
//!
//! Serves every engine, so that all of them answer alike; it is worked out from the blocks in their order, and snapshots
//! carry it over a collected segment. Unlike Kafka, which forgets silent producers by the wall clock, time here is what the
//! blocks say: a replay gives what was there before. No I/O, no lock.

use std::collections::{BTreeSet, HashMap};

use bytes::{Buf, BufMut};

use super::transactions::Transactions;
use super::{Block, Extent};
use crate::batch::{Batch, Header, Marker, ProducerWindow};
use crate::model::{Offset, Timestamp, limits};

/// The state of a lane behind the last block applied.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LaneHead {
    extent: Extent,
    /// The latest arrival so far: clocks may go back.
    arrived_max: Timestamp,
    producers: HashMap<i64, ProducerWindow>,
    /// The producers' ids, the longest silent one first.
    silence: BTreeSet<(Timestamp, i64)>,
    /// The transactions whose records lie here, whichever lane they were written to.
    transactions: Transactions,
}

impl LaneHead {
    /// Which offsets the lane has. The horizon is never beyond the next offset.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// The latest arrival of a block so far.
    pub(super) fn arrived_max(&self) -> Timestamp {
        self.arrived_max
    }

    /// What is known of one producer.
    pub fn producer(&self, id: i64) -> Option<&ProducerWindow> {
        self.producers.get(&id)
    }

    /// Everybody who is known to have produced, in no order.
    pub fn producers(&self) -> impl Iterator<Item = (i64, &ProducerWindow)> {
        self.producers.iter().map(|(id, window)| (*id, window))
    }

    /// The transactions whose records lie in the lane.
    pub fn transactions(&self) -> &Transactions {
        &self.transactions
    }

    /// Takes in a block, which begins at the lane's next offset.
    pub fn apply(&mut self, block: &Block) {
        let header = block.batch.header();
        self.extent.next = header.next_offset();
        self.arrived_max = self.arrived_max.max(block.arrived_at);
        self.forget_before(block.arrived_at.minus(limits::PRODUCER_IDLE_MAX));
        if header.transactional || header.control {
            self.apply_transactional(&block.batch);
        }
        if block.origin.is_none() {
            self.remember(header, Some(header.base_offset), block.arrived_at);
        }
    }

    fn apply_transactional(&mut self, batch: &Batch) {
        let header = batch.header();
        match (header.producer, Marker::of(batch)) {
            (_, Some(marker)) => self.transactions.end(marker.producer, marker.outcome, header.base_offset),
            (Some(stamp), None) if !header.control => self.transactions.begin(stamp.id, header.base_offset),
            _ => {}
        }
    }

    /// Notes the producer of a block that was written to this lane and lies in another.
    pub fn apply_forwarded(&mut self, block: &Block) {
        self.forget_before(block.arrived_at.minus(limits::PRODUCER_IDLE_MAX));
        self.remember(block.batch.header(), None, block.arrived_at);
    }

    /// Moves the horizon up to `before`, at most to the next offset.
    pub fn trim(&mut self, before: Offset) {
        self.extent.horizon = self.extent.horizon.max(before.min(self.extent.next));
        self.transactions.trim(self.extent.horizon);
    }

    /// Goes on at `next`, if that is later.
    pub(super) fn skip_to(&mut self, next: Offset) {
        self.extent.next = self.extent.next.max(next);
    }

    fn remember(&mut self, header: &Header, base: Option<Offset>, at: Timestamp) {
        let Some(stamp) = header.producer else { return };
        let records = header.records;
        let known = self.producers.remove(&stamp.id);
        if let Some(window) = &known {
            self.silence.remove(&(window.active_at(), stamp.id));
        }
        // Control batches carry a producer's id and epoch, but no sequence.
        let window = match known {
            Some(mut window) if header.control => {
                window.end(stamp.epoch, at);
                window
            }
            Some(mut window) => {
                window.record(stamp, records, base, at);
                window
            }
            None if header.control => ProducerWindow::ended(stamp.epoch, at),
            None => ProducerWindow::open(stamp, records, base, at),
        };
        self.insert(stamp.id, window);
    }

    fn insert(&mut self, id: i64, window: ProducerWindow) {
        if self.producers.len() >= limits::PRODUCERS_PER_LANE_MAX {
            self.forget_first();
        }
        self.silence.insert((window.active_at(), id));
        self.producers.insert(id, window);
    }

    fn forget_before(&mut self, horizon: Timestamp) {
        while self.silence.first().is_some_and(|(active_at, _)| *active_at < horizon) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, id)) = self.silence.pop_first() {
            self.producers.remove(&id);
        }
    }

    /// Writes the head behind `out`: horizon, next, latest arrival, the number of producers, then id and window of each, the longest silent
    /// one first; then the transactions; big-endian.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_i64(self.extent.horizon.0);
        out.put_i64(self.extent.next.0);
        out.put_i64(self.arrived_max.0);
        out.put_u32(u32::try_from(self.silence.len()).unwrap_or(u32::MAX));
        for (_, id) in &self.silence {
            if let Some(window) = self.producers.get(id) {
                out.put_i64(*id);
                window.encode(out);
            }
        }
        self.transactions.encode(out);
    }

    /// Reads what `encode` wrote and moves `bytes` behind it; `None` if it is anything else.
    pub fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let extent = Extent { horizon: Offset(bytes.try_get_i64().ok()?), next: Offset(bytes.try_get_i64().ok()?) };
        let mut head = Self { extent, arrived_max: Timestamp(bytes.try_get_i64().ok()?), ..Self::default() };
        for _ in 0..bytes.try_get_u32().ok()? {
            let id = bytes.try_get_i64().ok()?;
            let window = ProducerWindow::decode(bytes)?;
            if head.producers.contains_key(&id) {
                return None;
            }
            head.insert(id, window);
        }
        head.transactions = Transactions::decode(bytes)?;
        (Offset(0) <= extent.horizon && extent.horizon <= extent.next).then_some(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Builder, Draft, ProducerStamp};
    use proptest::prelude::*;

    /// A block of one record of producer `id` at offset `base`.
    fn block(base: i64, id: i64, first_sequence: i32, at: i64) -> Block {
        let stamp = ProducerStamp { id, epoch: 0, first_sequence };
        let batch = Builder::default().producer(stamp).record(Draft::default()).build().unwrap();
        Block { batch: batch.placed_at(Offset(base)), arrived_at: Timestamp(at), origin: None }
    }

    fn lane(blocks: impl IntoIterator<Item = (i64, i64)>) -> LaneHead {
        let mut head = LaneHead::default();
        for (base, (id, at)) in (0..).zip(blocks) {
            head.apply(&block(base, id, 0, at));
        }
        head
    }

    #[test]
    fn the_longest_silent_producer_makes_room_for_the_next() {
        let max = i64::try_from(limits::PRODUCERS_PER_LANE_MAX).unwrap();
        let mut head = lane((0..max).map(|id| (id, id)));
        head.apply(&block(max, 0, 1, max));
        head.apply(&block(max + 1, max, 0, max));
        assert!(head.producer(1).is_none());
        assert!([0, 2, max].iter().all(|id| head.producer(*id).is_some()));
        assert_eq!((head.producers.len(), head.silence.len()), (limits::PRODUCERS_PER_LANE_MAX, limits::PRODUCERS_PER_LANE_MAX));
    }

    #[test]
    fn a_producer_silent_for_longer_than_a_day_is_forgotten() {
        let day = 86_400_000;
        let head = lane([(1, 0), (2, 1), (3, day + 1)]);
        assert!(head.producer(1).is_none());
        assert!(head.producer(2).is_some() && head.producer(3).is_some());
    }

    #[test]
    fn the_horizon_neither_goes_back_nor_beyond_the_end() {
        let mut head = lane([(1, 0), (1, 1), (1, 2)]);
        for (before, horizon) in [(2, 2), (1, 2), (9, 3)] {
            head.trim(Offset(before));
            assert_eq!(head.extent(), Extent { horizon: Offset(horizon), next: Offset(3) });
        }
    }

    proptest! {
        #[test]
        fn a_head_comes_back_as_it_was_written(blocks in prop::collection::vec((0..9_i64, 0..99_i64), 0..40), rest in any::<u8>()) {
            let (mut bytes, mut head) = (Vec::new(), lane(blocks));
            head.trim(Offset(3));
            head.encode(&mut bytes);
            bytes.push(rest);
            let mut left = bytes.as_slice();
            prop_assert_eq!(LaneHead::decode(&mut left), Some(head));
            prop_assert_eq!(left, [rest]);
            prop_assert_eq!(LaneHead::decode(&mut &bytes[..bytes.len() - 2]), None);
        }

        #[test]
        fn any_bytes_are_a_head_or_none(bytes in any::<Vec<u8>>()) {
            let _ = LaneHead::decode(&mut bytes.as_slice());
        }
    }
}
