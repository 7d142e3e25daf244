//! One record after the other.
//!
//! Serves rules that look inside a batch and doors that must hand out single records. Every length is held against the
//! bytes that are there before it is believed, so a hostile count costs nothing. Unlike Kafka's `DefaultRecord`, header
//! names need not be UTF-8 here: they go back as they came, duplicates and order included.

use std::iter::FusedIterator;
use std::ops::Range;

use bytes::Bytes;

use super::{Header, Invalid};
use crate::model::Timestamp;

/// What is wrong with a record.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Malformed {
    /// The bytes end too early, or a number has more bytes than its type allows.
    #[error("its {0} is not a whole varint of the right size")]
    Varint(&'static str),
    /// A length or count that does not fit the bytes.
    #[error("its {what} is {found}; {min} to {max} are possible here")]
    Length {
        /// Which field.
        what: &'static str,
        /// What it says.
        found: i32,
        /// The smallest accepted: -1 where a null is allowed.
        min: i32,
        /// What the bytes left allow.
        max: usize,
    },
    /// Records are numbered without gaps.
    #[error("its offset delta is {found}; {expected} is next")]
    OffsetDelta {
        /// What it says.
        found: i32,
        /// What follows the record before.
        expected: i32,
    },
    /// Base timestamp and delta do not add up to 64 bits.
    #[error("its timestamp delta {0} leads out of the range of 64 bits")]
    TimestampDelta(i64),
    /// The record is longer than its fields.
    #[error("{0} bytes follow its last header; none are accepted")]
    Leftover(usize),
}

/// One record of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Its number in the batch: the offset, less the base offset.
    pub offset_delta: i32,
    /// Its own timestamp, or the batch's arrival under `LogAppendTime`.
    pub timestamp: Timestamp,
    /// The key; `None` is null, which is not the same as empty.
    pub key: Option<Bytes>,
    /// The value; `None` is null: Kafka's tombstone.
    pub value: Option<Bytes>,
    headers: Bytes,
}

impl Record {
    /// The headers, in order, duplicates included.
    pub fn headers(&self) -> Headers {
        Headers(self.headers.clone())
    }
}

/// The headers of a record: names and values, which may be null. They were checked when the record was read.
#[derive(Clone, Debug)]
pub struct Headers(Bytes);

impl Iterator for Headers {
    type Item = (Bytes, Option<Bytes>);

    fn next(&mut self) -> Option<Self::Item> {
        let mut cursor = Cursor { bytes: &self.0, at: 0 };
        let (name, value) = cursor.header().ok()?;
        let item = (self.0.slice(name), value.map(|value| self.0.slice(value)));
        self.0 = self.0.slice(cursor.at..);
        Some(item)
    }
}

/// Reads records as they are asked for; ends at the first error, and behind the last record.
#[derive(Clone, Debug)]
pub struct Records {
    payload: Bytes,
    /// Where the next record begins.
    at: usize,
    /// The number of the next record.
    index: i32,
    records: i32,
    base_timestamp: Timestamp,
    /// What every record's timestamp is, if the log has set it.
    stamp: Option<Timestamp>,
}

impl Records {
    pub(super) fn new(header: &Header, payload: Bytes) -> Self {
        Self {
            payload,
            at: 0,
            index: 0,
            records: header.records,
            base_timestamp: header.base_timestamp,
            stamp: header.log_append_time.then_some(header.max_timestamp),
        }
    }

    fn read(&mut self) -> Result<Record, Invalid> {
        let mut cursor = Cursor { bytes: &self.payload, at: self.at };
        let place = cursor.place(self.index, self.base_timestamp)?;
        (self.at, self.index) = (cursor.at, self.index + 1);
        if self.index == self.records {
            cursor.end(self.records)?;
        }
        Ok(Record {
            offset_delta: place.offset_delta,
            timestamp: self.stamp.unwrap_or(place.timestamp),
            key: place.key.map(|key| self.payload.slice(key)),
            value: place.value.map(|value| self.payload.slice(value)),
            headers: self.payload.slice(place.headers),
        })
    }
}

impl Iterator for Records {
    type Item = Result<Record, Invalid>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.index < self.records).then(|| self.read().inspect_err(|_| self.index = self.records))
    }
}

impl FusedIterator for Records {}

/// Goes through an uncompressed payload without keeping anything: whether each record is whole and in its place.
pub(super) fn walk(header: &Header, payload: &[u8]) -> Result<(), Invalid> {
    let mut cursor = Cursor { bytes: payload, at: 0 };
    for index in 0..header.records {
        cursor.place(index, header.base_timestamp)?;
    }
    cursor.end(header.records)
}

/// Where the parts of a record are.
struct Place {
    offset_delta: i32,
    timestamp: Timestamp,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    headers: Range<usize>,
}

/// Reads forward, never beyond the end.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// The record that begins here and must be number `index`.
    fn place(&mut self, index: i32, base: Timestamp) -> Result<Place, Invalid> {
        self.record(index, base).map_err(|fault| Invalid::Record { index, fault })
    }

    fn record(&mut self, index: i32, base: Timestamp) -> Result<Place, Malformed> {
        let body = self.slice("length", 0)?.unwrap_or_default();
        // Within the body, the body's end is the end of all things.
        let mut cursor = Cursor { bytes: self.bytes.get(..body.end).unwrap_or_default(), at: body.start };
        let place = cursor.fields(index, base)?;
        match cursor.left() {
            0 => Ok(place),
            left => Err(Malformed::Leftover(left)),
        }
    }

    fn fields(&mut self, index: i32, base: Timestamp) -> Result<Place, Malformed> {
        // Record attributes are one byte that no version uses.
        self.byte().ok_or(Malformed::Varint("attributes"))?;
        let delta = self.varint64("timestamp delta")?;
        let timestamp = base.0.checked_add(delta).map(Timestamp).ok_or(Malformed::TimestampDelta(delta))?;
        let offset_delta = self.varint32("offset delta")?;
        if offset_delta != index {
            return Err(Malformed::OffsetDelta { found: offset_delta, expected: index });
        }
        let key = self.slice("key length", -1)?;
        let value = self.slice("value length", -1)?;
        Ok(Place { offset_delta, timestamp, key, value, headers: self.headers()? })
    }

    fn headers(&mut self) -> Result<Range<usize>, Malformed> {
        let found = self.varint32("header count")?;
        // The smallest header has two bytes: an empty name and a null.
        let max = self.left() / 2;
        if usize::try_from(found).is_ok_and(|count| count <= max) {
            let start = self.at;
            for _ in 0..found {
                self.header()?;
            }
            Ok(start..self.at)
        } else {
            Err(Malformed::Length { what: "header count", found, min: 0, max })
        }
    }

    fn header(&mut self) -> Result<(Range<usize>, Option<Range<usize>>), Malformed> {
        let name = self.slice("header name length", 0)?.unwrap_or_default();
        Ok((name, self.slice("header value length", -1)?))
    }

    /// A length and as many bytes; the length -1 is null, if `min` allows it.
    fn slice(&mut self, what: &'static str, min: i32) -> Result<Option<Range<usize>>, Malformed> {
        let found = self.varint32(what)?;
        if found == -1 && min == -1 {
            return Ok(None);
        }
        let max = self.left();
        let length = usize::try_from(found).ok().filter(|length| *length <= max);
        let start = self.at;
        self.at += length.ok_or(Malformed::Length { what, found, min, max })?;
        Ok(Some(start..self.at))
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }

    fn varint32(&mut self, what: &'static str) -> Result<i32, Malformed> {
        i32::try_from(self.varint(5).ok_or(Malformed::Varint(what))?).map_err(|_| Malformed::Varint(what))
    }

    fn varint64(&mut self, what: &'static str) -> Result<i64, Malformed> {
        self.varint(10).ok_or(Malformed::Varint(what))
    }

    /// A zigzag number of seven bits to the byte, low bits first, in at most `size` bytes.
    fn varint(&mut self, size: u32) -> Option<i64> {
        let mut bits = 0_u64;
        for index in 0..size {
            let byte = self.byte()?;
            // Only the tenth byte can have bits beyond the 64th; Java drops them too.
            bits |= u64::from(byte & 0x7f) << (index * 7);
            if byte < 0x80 {
                return Some((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed());
            }
        }
        None
    }

    /// Nothing may follow the last record.
    fn end(&self, records: i32) -> Result<(), Invalid> {
        match self.left() {
            0 => Ok(()),
            bytes => Err(Invalid::Leftover { bytes, records }),
        }
    }
}
