//! The memory of one idempotent producer in one lane (KIP-98, KIP-360).
//!
//! Serves the log, which asks before it appends, and the stores, which keep it over a restart. The rules are those of
//! Kafka's `ProducerAppendInfo` and `ProducerStateEntry`: five batches are remembered, since a producer has at most five
//! under way. A producer that is not remembered may go on with any sequence: its window then begins with what it sends. The end
//! of a transaction counts too: it may bring a newer epoch, whose first batch then has sequence 0.

use std::collections::VecDeque;

use bytes::{Buf, BufMut};

use super::ProducerStamp;
use crate::model::{Offset, Timestamp, limits};

/// What a window says of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is next: append it.
    New,
    /// It is here already: answer with its first offset, append nothing.
    Duplicate {
        /// Its first offset; `None` if it lies in another lane.
        base: Option<Offset>,
    },
    /// Something is missing between the last batch and this one, or this one is too old to be known.
    OutOfOrder {
        /// The sequence that is next.
        expected: i32,
    },
    /// A newer incarnation of the producer has written here.
    Fenced {
        /// Its epoch.
        current: i16,
    },
}

/// What stands for the offset of a batch in another lane.
const ELSEWHERE: i64 = -1;

/// One remembered batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Sent {
    first: i32,
    last: i32,
    /// `None` for a batch that was sent to this lane and lies in another.
    base: Option<Offset>,
}

/// The last batches of one idempotent producer in one lane: decides new, repeated or out of order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProducerWindow {
    epoch: i16,
    active_at: Timestamp,
    /// At most five, oldest first, all of `epoch`; none of an epoch that only the end of a transaction is known of.
    sent: VecDeque<Sent>,
}

impl ProducerWindow {
    /// The window of a producer that was not known: it begins with the batch of `records` records that lies at `base`, or in
    /// another lane, and arrived at `at`.
    pub fn open(stamp: ProducerStamp, records: i32, base: Option<Offset>, at: Timestamp) -> Self {
        let sent = Sent { first: stamp.first_sequence, last: last_sequence(stamp, records), base };
        Self { epoch: stamp.epoch, active_at: at, sent: VecDeque::from([sent]) }
    }

    /// The window of a producer of whom only the end of a transaction is known, which arrived at `at`.
    pub fn ended(epoch: i16, at: Timestamp) -> Self {
        Self { epoch, active_at: at, sent: VecDeque::new() }
    }

    /// What to do with a batch of `records` records. Asked only if the producer is known: an unknown one's batch is new.
    pub fn judge(&self, stamp: ProducerStamp, records: i32) -> Verdict {
        if stamp.epoch < self.epoch {
            return Verdict::Fenced { current: self.epoch };
        }
        if stamp.epoch > self.epoch {
            return if stamp.first_sequence == 0 { Verdict::New } else { Verdict::OutOfOrder { expected: 0 } };
        }
        let span = (stamp.first_sequence, last_sequence(stamp, records));
        if let Some(sent) = self.sent.iter().find(|sent| (sent.first, sent.last) == span) {
            return Verdict::Duplicate { base: sent.base };
        }
        let expected = self.sent.back().map_or(0, |sent| advanced(sent.last, 1));
        if stamp.first_sequence == expected { Verdict::New } else { Verdict::OutOfOrder { expected } }
    }

    /// Remembers a batch that was appended at `base`, or in another lane, and arrived at `at`.
    pub fn record(&mut self, stamp: ProducerStamp, records: i32, base: Option<Offset>, at: Timestamp) {
        if stamp.epoch != self.epoch {
            self.sent.clear();
        }
        if self.sent.len() >= limits::PRODUCER_BATCHES {
            self.sent.pop_front();
        }
        self.sent.push_back(Sent { first: stamp.first_sequence, last: last_sequence(stamp, records), base });
        (self.epoch, self.active_at) = (stamp.epoch, at);
    }

    /// Notes the end of a transaction, which has this epoch and arrived at `at`.
    pub fn end(&mut self, epoch: i16, at: Timestamp) {
        if epoch > self.epoch {
            self.sent.clear();
            self.epoch = epoch;
        }
        self.active_at = at;
    }

    /// The sequence of its last record; `None` if none of its epoch is known.
    pub fn last_sequence(&self) -> Option<i32> {
        self.sent.back().map(|sent| sent.last)
    }

    /// The producer's epoch as it was last seen.
    pub fn epoch(&self) -> i16 {
        self.epoch
    }

    /// When its last batch arrived.
    pub fn active_at(&self) -> Timestamp {
        self.active_at
    }

    /// Writes the window behind `out`: 11 bytes and 16 for each batch, big-endian; -1 stands for no offset.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_i16(self.epoch);
        out.put_i64(self.active_at.0);
        out.put_u8(u8::try_from(self.sent.len()).unwrap_or(u8::MAX));
        for sent in &self.sent {
            out.put_i32(sent.first);
            out.put_i32(sent.last);
            out.put_i64(sent.base.map_or(ELSEWHERE, |base| base.0));
        }
    }

    /// Reads what `encode` wrote and moves `bytes` behind it; `None` if it is anything else.
    pub fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let (epoch, active_at) = (bytes.try_get_i16().ok()?, Timestamp(bytes.try_get_i64().ok()?));
        let count = usize::from(bytes.try_get_u8().ok()?);
        if count > limits::PRODUCER_BATCHES {
            return None;
        }
        let sent = (0..count).map(|_| {
            let (first, last) = (bytes.try_get_i32().ok()?, bytes.try_get_i32().ok()?);
            let base = Some(bytes.try_get_i64().ok()?).filter(|base| *base != ELSEWHERE).map(Offset);
            Some(Sent { first, last, base })
        });
        Some(Self { epoch, active_at, sent: sent.collect::<Option<_>>()? })
    }
}

/// The sequence of the last of `records` records.
fn last_sequence(stamp: ProducerStamp, records: i32) -> i32 {
    advanced(stamp.first_sequence, records.saturating_sub(1))
}

/// `by` sequences further; 0 follows 2147483647 (Kafka's `DefaultRecordBatch.incrementSequence`).
fn advanced(sequence: i32, by: i32) -> i32 {
    sequence.wrapping_add(by) & i32::MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stamp(epoch: i16, first_sequence: i32) -> ProducerStamp {
        ProducerStamp { id: 7, epoch, first_sequence }
    }

    /// A producer that sent batches of ten records from sequence `first` on.
    fn window(first: i32, batches: i32) -> ProducerWindow {
        let mut window = ProducerWindow::open(stamp(3, first), 10, None, Timestamp(0));
        for batch in 1..batches {
            let sent = stamp(3, advanced(first, batch * 10));
            assert_eq!(window.judge(sent, 10), Verdict::New);
            window.record(sent, 10, Some(Offset(i64::from(batch) * 10)), Timestamp(i64::from(batch)));
        }
        window
    }

    #[test]
    fn the_next_sequence_is_new_and_any_other_is_out_of_order() {
        let window = window(0, 2);
        assert_eq!(window.judge(stamp(3, 20), 5), Verdict::New);
        assert_eq!(window.judge(stamp(3, 21), 5), Verdict::OutOfOrder { expected: 20 });
        assert_eq!(window.judge(stamp(3, 19), 1), Verdict::OutOfOrder { expected: 20 });
    }

    #[test]
    fn a_repeat_of_the_last_five_is_answered_with_its_first_offset() {
        let window = window(0, 7);
        for (sequence, verdict) in [
            (10, Verdict::OutOfOrder { expected: 70 }),
            (20, Verdict::Duplicate { base: Some(Offset(20)) }),
            (60, Verdict::Duplicate { base: Some(Offset(60)) }),
        ] {
            assert_eq!(window.judge(stamp(3, sequence), 10), verdict);
        }
        assert_eq!(window.judge(stamp(3, 60), 9), Verdict::OutOfOrder { expected: 70 }, "another end is another batch");
    }

    #[test]
    fn a_sequence_wraps_from_its_largest_value_to_zero() {
        assert_eq!(window(i32::MAX - 9, 1).judge(stamp(3, 0), 1), Verdict::New);
        let across = window(i32::MAX - 4, 1);
        assert_eq!(across.judge(stamp(3, 5), 1), Verdict::New);
        assert_eq!(across.judge(stamp(3, i32::MAX - 4), 10), Verdict::Duplicate { base: None });
    }

    #[test]
    fn an_older_epoch_is_fenced_and_a_newer_one_begins_at_zero() {
        let mut window = window(0, 3);
        assert_eq!(window.judge(stamp(2, 30), 1), Verdict::Fenced { current: 3 });
        assert_eq!(window.judge(stamp(4, 30), 1), Verdict::OutOfOrder { expected: 0 });
        assert_eq!(window.judge(stamp(4, 0), 10), Verdict::New);
        window.record(stamp(4, 0), 10, Some(Offset(30)), Timestamp(9));
        assert_eq!(window.judge(stamp(4, 10), 10), Verdict::New, "the older epoch's batches are forgotten");
        assert_eq!((window.epoch(), window.active_at()), (4, Timestamp(9)));
    }

    #[test]
    fn the_end_of_a_transaction_brings_a_newer_epoch_that_begins_at_zero() {
        let mut window = window(0, 2);
        window.end(3, Timestamp(7));
        assert_eq!((window.judge(stamp(3, 20), 1), window.active_at()), (Verdict::New, Timestamp(7)), "the same epoch goes on");
        window.end(4, Timestamp(8));
        for window in [window, ProducerWindow::ended(4, Timestamp(8))] {
            assert_eq!(window.judge(stamp(3, 20), 1), Verdict::Fenced { current: 4 });
            assert_eq!(window.judge(stamp(4, 0), 1), Verdict::New);
            assert_eq!(window.judge(stamp(4, 20), 1), Verdict::OutOfOrder { expected: 0 });
            assert_eq!(window.last_sequence(), None);
            let mut bytes = Vec::new();
            window.encode(&mut bytes);
            assert_eq!(ProducerWindow::decode(&mut bytes.as_slice()), Some(window));
        }
    }

    proptest! {
        #[test]
        fn a_window_comes_back_as_it_was_written(first in 0.., batches in 1..9, rest in any::<Vec<u8>>()) {
            let (mut bytes, window) = (Vec::new(), window(first, batches));
            window.encode(&mut bytes);
            let length = bytes.len();
            bytes.extend_from_slice(&rest);
            let mut left = bytes.as_slice();
            prop_assert_eq!(ProducerWindow::decode(&mut left), Some(window));
            prop_assert_eq!(left, &rest);
            for cut in 0..length {
                prop_assert_eq!(ProducerWindow::decode(&mut &bytes[..cut]), None);
            }
        }

        #[test]
        fn any_bytes_are_a_window_or_none(bytes in any::<Vec<u8>>()) {
            let _ = ProducerWindow::decode(&mut bytes.as_slice());
        }
    }
}
