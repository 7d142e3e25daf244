//! What stands in a log where a transaction ends (KIP-98).
//!
//! A control batch of one record whose key says how, and whose value says which coordinator decided it: `EndTxnMarker` of
//! Kafka's `ControlRecordType`, both in version 0. Consumers read the key, and skip the record.

use bytes::Buf;

use super::{Batch, Builder, Draft, Invalid, ProducerStamp};
use crate::model::Timestamp;

/// The version of key and value.
const VERSION: i16 = 0;
/// Control batches have no sequence (Kafka, `RecordBatch.NO_SEQUENCE`).
const NO_SEQUENCE: i32 = -1;

/// How a transaction ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Its records count for nobody who reads committed ones only. Type 0.
    Aborted,
    /// Its records count. Type 1.
    Committed,
}

/// The end of a producer's transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Marker {
    /// The producer's id.
    pub producer: i64,
    /// The producer's epoch: what it sends with an older one is refused from here on.
    pub epoch: i16,
    /// How it ended.
    pub outcome: Outcome,
    /// The epoch of the coordinator that decided it.
    pub coordinator_epoch: i32,
}

impl Marker {
    /// The batch that says so, written at `at`, at base offset 0.
    ///
    /// # Errors
    /// None that a marker can cause.
    pub fn batch(self, at: Timestamp) -> Result<Batch, Invalid> {
        let kind: i16 = if self.outcome == Outcome::Committed { 1 } else { 0 };
        let (mut key, mut value) = ([0; 4], [0; 6]);
        key[..2].copy_from_slice(&VERSION.to_be_bytes());
        key[2..].copy_from_slice(&kind.to_be_bytes());
        value[..2].copy_from_slice(&VERSION.to_be_bytes());
        value[2..].copy_from_slice(&self.coordinator_epoch.to_be_bytes());
        let stamp = ProducerStamp { id: self.producer, epoch: self.epoch, first_sequence: NO_SEQUENCE };
        let draft = Draft { key: Some(&key), value: Some(&value), created_at: at, ..Draft::default() };
        Builder::default().producer(stamp).transactional().control().record(draft).build()
    }

    /// What a batch says of the end of a transaction; `None` if it says nothing of that.
    pub fn of(batch: &Batch) -> Option<Self> {
        let header = batch.header();
        let stamp = header.producer.filter(|_| header.control)?;
        // A control batch is never compressed.
        let record = batch.records(0).ok()?.next()?.ok()?;
        let mut key = record.key?;
        let outcome = match (key.try_get_i16().ok()?, key.try_get_i16().ok()?) {
            (0.., 0) => Outcome::Aborted,
            (0.., 1) => Outcome::Committed,
            _ => return None,
        };
        let mut value = record.value?;
        let coordinator_epoch = value.try_get_i16().and_then(|_| value.try_get_i32()).ok()?;
        Some(Self { producer: stamp.id, epoch: stamp.epoch, outcome, coordinator_epoch })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn marker(outcome: Outcome) -> Marker {
        Marker { producer: 7, epoch: 3, outcome, coordinator_epoch: 5 }
    }

    /// Key and value as in `EndTransactionMarker.java` (4.4): version and type; version and coordinator epoch.
    #[test]
    fn a_marker_has_the_layout_of_kafkas() {
        let batch = marker(Outcome::Committed).batch(Timestamp(0)).unwrap();
        let bytes = batch.bytes();
        assert_eq!((bytes.len(), &bytes[21..23]), (78, &[0, 0x30][..]));
        assert_eq!(bytes[53..57], [0xff; 4], "no sequence");
        assert_eq!(bytes[61..], [32, 0, 0, 0, 8, 0, 0, 0, 1, 12, 0, 0, 0, 0, 0, 5, 0]);
    }

    #[test]
    fn a_marker_comes_back_as_it_was_written() {
        for outcome in [Outcome::Aborted, Outcome::Committed] {
            let batch = marker(outcome).batch(Timestamp(9)).unwrap();
            assert!(batch.header().control && batch.header().transactional);
            assert_eq!(Marker::of(&batch), Some(marker(outcome)));
        }
    }

    #[test]
    fn other_batches_are_no_markers() {
        let stamp = ProducerStamp { id: 7, epoch: 0, first_sequence: 0 };
        let plain = Builder::default().producer(stamp).transactional().record(Draft::default()).build().unwrap();
        assert_eq!(Marker::of(&plain), None);
        for key in [&b""[..], b"\0\0\0", b"\0\0\0\x02", b"\xff\xff\0\0"] {
            let draft = Draft { key: Some(key), value: Some(&[0; 6]), ..Draft::default() };
            let control = Builder::default().producer(stamp).control().record(draft).build().unwrap();
            assert_eq!(Marker::of(&control), None, "{key:?}");
        }
    }

    proptest! {
        #[test]
        fn any_control_record_is_a_marker_or_none(key in any::<Vec<u8>>(), value in any::<Vec<u8>>()) {
            let stamp = ProducerStamp { id: 7, epoch: 0, first_sequence: -1 };
            let draft = Draft { key: Some(&key), value: Some(&value), ..Draft::default() };
            let _ = Marker::of(&Builder::default().producer(stamp).control().record(draft).build().unwrap());
        }
    }
}
