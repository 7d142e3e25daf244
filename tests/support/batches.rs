//! Record batches to send, and those that come back.

use bytes::Bytes;
use shardgate::batch::{Batch, Builder, Draft, Header, ProducerStamp};
use shardgate::model::Timestamp;

use super::START;

/// A record that came back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sent {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) value: String,
}

/// One batch of records with these values, a second apart from the start of the gateway on.
pub(crate) fn batch(values: &[&str]) -> Bytes {
    build(Builder::default(), values)
}

/// The same from an idempotent producer.
pub(crate) fn stamped(values: &[&str], id: i64, epoch: i16, first_sequence: i32) -> Bytes {
    build(Builder::default().producer(ProducerStamp { id, epoch, first_sequence }), values)
}

/// The batch of a builder that has no record yet.
pub(crate) fn build(builder: Builder, values: &[&str]) -> Bytes {
    let filled = values.iter().zip(0..).fold(builder, |builder, (value, second)| {
        let created_at = Timestamp(START.0 + 1_000 * second);
        builder.record(Draft { key: Some(b"key"), value: Some(value.as_bytes()), created_at, ..Draft::default() })
    });
    filled.build().unwrap().bytes().clone()
}

/// All records of the batches that follow each other in `bytes`.
pub(crate) fn records(bytes: &Bytes) -> Vec<Sent> {
    let (mut at, mut found) = (0, Vec::new());
    while at < bytes.len() {
        let header = Header::parse(&bytes[at..]).unwrap();
        let batch = Batch::check(bytes.slice(at..at + header.bytes)).unwrap();
        for record in batch.records(1 << 20).unwrap() {
            let record = record.unwrap();
            let value = String::from_utf8(record.value.unwrap_or_default().to_vec()).unwrap();
            found.push(Sent {
                offset: header.base_offset.0 + i64::from(record.offset_delta),
                timestamp: record.timestamp.0,
                value,
            });
        }
        at += header.bytes;
    }
    found
}
