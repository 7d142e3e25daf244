//! Making a batch out of records.
//!
//! Serves the doors that get records one by one, and tests. Kafka's clients do the same on their side; here nothing has to
//! be guessed ahead, because all records are known before the header is written.

use bytes::{BufMut, Bytes, BytesMut};

use super::batch::checksum;
use super::compression::compress;
use super::header::{CONTROL_BIT, TRANSACTIONAL_BIT};
use super::{Batch, Codec, HEADER_BYTES, Invalid, ProducerStamp};
use crate::model::Timestamp;

/// A record to be put into a batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Draft<'a> {
    /// The key; `None` is null.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is null.
    pub value: Option<&'a [u8]>,
    /// Names and values, kept in order.
    pub headers: &'a [(&'a [u8], Option<&'a [u8]>)],
    /// When the record was created; -1 for "not known".
    pub created_at: Timestamp,
}

/// Collects records and makes one batch of them, at base offset 0 and leader epoch 0.
#[derive(Clone, Debug)]
pub struct Builder {
    payload: BytesMut,
    /// The record at hand, whose length is written in front of it.
    body: BytesMut,
    records: i32,
    base_timestamp: Timestamp,
    max_timestamp: Timestamp,
    codec: Codec,
    attributes: i16,
    producer: Option<ProducerStamp>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            payload: BytesMut::new(),
            body: BytesMut::new(),
            records: 0,
            base_timestamp: Timestamp(-1),
            max_timestamp: Timestamp(-1),
            codec: Codec::None,
            attributes: 0,
            producer: None,
        }
    }
}

impl Builder {
    /// Compresses the records with `codec`; snappy as one raw block.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// Marks the batch as an idempotent producer's.
    pub fn producer(mut self, stamp: ProducerStamp) -> Self {
        self.producer = Some(stamp);
        self
    }

    /// Marks the batch as part of a transaction.
    pub fn transactional(mut self) -> Self {
        self.attributes |= TRANSACTIONAL_BIT;
        self
    }

    /// Marks the batch as a control batch, whose records say how a transaction ended.
    pub fn control(mut self) -> Self {
        self.attributes |= CONTROL_BIT;
        self
    }

    /// Adds a record behind the others.
    pub fn record(mut self, draft: Draft<'_>) -> Self {
        if self.records == 0 {
            self.base_timestamp = draft.created_at;
        }
        self.max_timestamp = self.max_timestamp.max(draft.created_at);
        self.body.clear();
        // Record attributes, which no version uses.
        self.body.put_u8(0);
        // Times so far apart that their difference does not fit 64 bits cannot be told; Kafka's Java code wraps as well.
        put_varint(&mut self.body, draft.created_at.0.wrapping_sub(self.base_timestamp.0));
        put_varint(&mut self.body, i64::from(self.records));
        put_nullable(&mut self.body, draft.key);
        put_nullable(&mut self.body, draft.value);
        put_length(&mut self.body, draft.headers.len());
        for (name, value) in draft.headers {
            put_nullable(&mut self.body, Some(name));
            put_nullable(&mut self.body, *value);
        }
        put_length(&mut self.payload, self.body.len());
        self.payload.extend_from_slice(&self.body);
        self.records += 1;
        self
    }

    /// The batch; refused if it has no record or more than 2 GiB of them.
    pub fn build(self) -> Result<Batch, Invalid> {
        let (records, last_offset_delta) = (self.records, self.records - 1);
        if records < 1 {
            return Err(Invalid::Count { records, last_offset_delta });
        }
        let payload = match self.codec {
            Codec::None => self.payload.freeze(),
            codec => Bytes::from(compress(codec, &self.payload)?),
        };
        let length = i32::try_from(payload.len() + HEADER_BYTES - 12).map_err(|_| Invalid::Large(payload.len()))?;
        let stamp = self.producer.unwrap_or(ProducerStamp { id: -1, epoch: -1, first_sequence: -1 });
        let mut bytes = BytesMut::with_capacity(HEADER_BYTES + payload.len());
        bytes.put_i64(0);
        bytes.put_i32(length);
        bytes.put_i32(0);
        bytes.put_i8(2);
        bytes.put_u32(0);
        bytes.put_i16(self.attributes | self.codec.id());
        bytes.put_i32(last_offset_delta);
        bytes.put_i64(self.base_timestamp.0);
        bytes.put_i64(self.max_timestamp.0);
        bytes.put_i64(stamp.id);
        bytes.put_i16(stamp.epoch);
        bytes.put_i32(stamp.first_sequence);
        bytes.put_i32(records);
        bytes.put_slice(&payload);
        let crc = checksum(&bytes);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        Batch::check(bytes.freeze())
    }
}

fn put_nullable(buffer: &mut BytesMut, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            put_length(buffer, bytes.len());
            buffer.put_slice(bytes);
        }
        None => put_varint(buffer, -1),
    }
}

/// A length in memory is far below what a varint holds; `build` refuses what is too long for the format.
fn put_length(buffer: &mut BytesMut, length: usize) {
    put_varint(buffer, i64::try_from(length).unwrap_or(i64::MAX));
}

/// A zigzag number of seven bits to the byte, low bits first.
fn put_varint(buffer: &mut BytesMut, number: i64) {
    let mut bits = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while bits >= 0x80 {
        buffer.put_u8((bits & 0x7f) as u8 | 0x80);
        bits >>= 7;
    }
    buffer.put_u8(bits as u8);
}
