//! **Aggregates**: many user records in the data of one record, as the Kinesis Producer Library sends them.
//!
//! ```text
//! F3 89 9A C2 · a Protocol Buffers message · the MD5 of the message
//!
//! message   1 partition keys, texts · 2 explicit hash keys, decimal numbers as texts · 3 records
//! record    1 which of the partition keys · 2 which of the explicit hash keys, if it has one · 3 data · 4 tags
//! ```
//!
//! The format is KPL's `aggregation-format.md` (proto2, read 2026-11). Libraries that write it may put fields in any order and add
//! others; those are passed over, and so are tags, which no library sets or shows.
//!
//! An aggregate is opened as a whole or not at all: whatever of it is damaged, missing or no record that could be put on its own,
//! it is a record like any other. Only one is opened: what a user record holds is data, even if it looks like an aggregate.
//!
//! Bounded: nothing is copied, tables and records take a few times the bytes of the message, and what all the records take in the
//! log is bounded too.

use md5::{Digest, Md5};

use crate::model::HashKey;

use super::placement;
use super::records::PARTITION_KEY_CHARS_MAX;

/// What an aggregate begins with.
const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];
/// Bytes of the checksum at its end.
const DIGEST_BYTES: usize = 16;
/// How many times the bytes of an aggregate its records may take in the log, where each has the key that they share. *Ours*: keys
/// of up to 36 bytes, a UUID's, are never too long, whatever the data.
const GROWTH_MAX: usize = 8;
/// About what a record takes in the log beside its key and its data.
const RECORD_OVERHEAD: usize = 12;

/// A record that somebody put, one of many in an aggregate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct UserRecord<'a> {
    /// Its partition key: 1 to 256 characters.
    pub(super) key: &'a str,
    /// Where it belongs: its explicit hash key, or that of its partition key.
    pub(super) place: HashKey,
    /// Its bytes.
    pub(super) data: &'a [u8],
}

/// The user records of the aggregate that `data` is, in their order: one or more. `None` if it is no whole one.
pub(super) fn open(data: &[u8]) -> Option<Vec<UserRecord<'_>>> {
    let (message, digest) = data.strip_prefix(&MAGIC)?.split_last_chunk::<DIGEST_BYTES>()?;
    let opened = if *Md5::digest(message) == *digest { read(message) } else { Err("its checksum is wrong") };
    opened.inspect_err(|why| tracing::debug!(why, "an aggregate is kept as it came")).ok()
}

fn read(message: &[u8]) -> Result<Vec<UserRecord<'_>>, &'static str> {
    let (mut keys, mut explicit) = (Vec::new(), Vec::new());
    for field in Fields(message) {
        match field? {
            (1, Value::Bytes(key)) => keys.push(partition_key(key)?),
            (2, Value::Bytes(key)) => explicit.push(hash_key(key)?),
            _ => {}
        }
    }
    let (mut records, mut bytes) = (Vec::new(), 0);
    for field in Fields(message) {
        if let (3, Value::Bytes(record)) = field? {
            let record = user_record(record, &keys, &explicit)?;
            bytes += record.key.len() + record.data.len() + RECORD_OVERHEAD;
            if bytes > GROWTH_MAX * message.len() {
                return Err("its records take too many times its own bytes");
            }
            records.push(record);
        }
    }
    if records.is_empty() { Err("it has no records") } else { Ok(records) }
}

/// A partition key, and the hash key that it stands for.
fn partition_key(bytes: &[u8]) -> Result<(&str, HashKey), &'static str> {
    let key = std::str::from_utf8(bytes).map_err(|_| "a partition key is no text")?;
    // Empty ones would let a table grow out of next to nothing, too.
    if key.is_empty() || key.chars().count() > PARTITION_KEY_CHARS_MAX {
        return Err("a partition key is too short or too long");
    }
    Ok((key, placement::of_partition_key(key)))
}

fn hash_key(bytes: &[u8]) -> Result<HashKey, &'static str> {
    let number = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
    number.map(HashKey).ok_or("an explicit hash key is no number from 0 to 2^128-1")
}

fn user_record<'a>(bytes: &'a [u8], keys: &[(&'a str, HashKey)], explicit: &[HashKey]) -> Result<UserRecord<'a>, &'static str> {
    let (mut key, mut place, mut data) = (None, None, None);
    for field in Fields(bytes) {
        match field? {
            (1, Value::Number(number)) => key = Some(number),
            (2, Value::Number(number)) => place = Some(number),
            (3, Value::Bytes(bytes)) => data = Some(bytes),
            _ => {}
        }
    }
    let (Some(key), Some(data)) = (key, data) else { return Err("a record lacks its key or its data") };
    let &(key, hashed) = find(keys, key).ok_or("a record has a partition key that is not there")?;
    let place = match place {
        Some(number) => *find(explicit, number).ok_or("a record has an explicit hash key that is not there")?,
        None => hashed,
    };
    Ok(UserRecord { key, place, data })
}

fn find<T>(table: &[T], number: u64) -> Option<&T> {
    table.get(usize::try_from(number).ok()?)
}

/// The fields of a Protocol Buffers message, each with its number, up to the first that is none.
struct Fields<'a>(&'a [u8]);

/// What a field has.
enum Value<'a> {
    /// A varint.
    Number(u64),
    /// Bytes, a text or a message.
    Bytes(&'a [u8]),
    /// What no field here is.
    Other,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field().ok_or("it is no whole message");
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.take(8).map(|_| Value::Other)?,
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Other)?,
            // Groups, which are no longer written, and what there is not.
            _ => return None,
        };
        let number = tag >> 3;
        (1..1 << 29).contains(&number).then_some((number, value))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.take(1)?.first()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, bytes: u64) -> Option<&'a [u8]> {
        let (taken, left) = self.0.split_at_checked(usize::try_from(bytes).ok()?)?;
        self.0 = left;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    use super::*;

    /// Two keys, an explicit hash key and three records, the last with a tag: what Java's classes of the format make of them.
    const WRITTEN: &str = "f3899ac20a0575736572310a02c3a412273334303238323336363932303933383436333436333337343630373433313736383231313435\
                           351a0a08001a067369676e75701a06080110001a001a0e08001a0200ff22060a016b120176dc6b3a2ed234ddfd3aa5bff6bb80a7d7";

    fn unhex(hex: &str) -> Vec<u8> {
        let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        hex.as_bytes().chunks(2).map(digits).collect()
    }

    /// A message between magic and checksum.
    fn sealed(message: &[u8]) -> Vec<u8> {
        [&MAGIC, message, &Md5::digest(message)].concat()
    }

    fn varint(mut number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    }

    /// A field with bytes.
    fn bytes(number: u64, bytes: &[u8]) -> Vec<u8> {
        [varint(number << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
    }

    /// A field with a number.
    fn number(field: u64, number: u64) -> Vec<u8> {
        [varint(field << 3), varint(number)].concat()
    }

    fn record(key: u64, explicit: Option<u64>, data: &[u8]) -> Vec<u8> {
        let explicit = explicit.map(|explicit| number(2, explicit)).unwrap_or_default();
        bytes(3, &[number(1, key), explicit, bytes(3, data)].concat())
    }

    #[test]
    fn what_the_libraries_write_is_read() {
        let written = unhex(WRITTEN);
        let (user1, last) = (placement::of_partition_key("user1"), HashKey(u128::MAX));
        let record = |key, place, data| UserRecord { key, place, data };
        let expected = vec![record("user1", user1, &b"signup"[..]), record("ä", last, b""), record("user1", user1, &[0, 0xff])];
        assert_eq!(open(&written), Some(expected));
    }

    #[test]
    fn every_damage_leaves_an_ordinary_record() {
        let written = unhex(WRITTEN);
        for at in 0..written.len() {
            assert_eq!(open(&written[..at]), None, "cut at {at}");
            for bit in 0..8 {
                let mut damaged = written.clone();
                damaged[at] ^= 1 << bit;
                assert_eq!(open(&damaged), None, "bit {bit} of byte {at}");
            }
        }
        assert_eq!(open(&[written, vec![0]].concat()), None);
    }

    #[test]
    fn what_is_no_whole_aggregate_is_an_ordinary_record_although_its_checksum_is_right() {
        let key = bytes(1, b"key");
        let with = |fields: &[Vec<u8>]| sealed(&fields.concat());
        for (what, aggregate) in [
            ("nothing", sealed(b"")),
            ("no record", sealed(&key)),
            ("a key that is not there", with(&[key.clone(), record(1, None, b"x")])),
            ("a key far away", with(&[key.clone(), record(u64::MAX, None, b"x")])),
            ("a hash key that is not there", with(&[key.clone(), record(0, Some(0), b"x")])),
            (
                "a hash key that is too large",
                with(&[key.clone(), bytes(2, format!("{}0", u128::MAX).as_bytes()), record(0, Some(0), b"x")]),
            ),
            ("a hash key that is no number", with(&[key.clone(), bytes(2, b"x"), record(0, Some(0), b"x")])),
            ("an empty key", with(&[bytes(1, b""), record(0, None, b"x")])),
            ("a key of 257 characters", with(&[bytes(1, "ä".repeat(257).as_bytes()), record(0, None, b"x")])),
            ("a key that is no text", with(&[bytes(1, &[0xff]), record(0, None, b"x")])),
            ("a record without a key", with(&[key.clone(), bytes(3, &bytes(3, b"x"))])),
            ("a record without data", with(&[key.clone(), bytes(3, &number(1, 0))])),
            ("a record of another type", with(&[key.clone(), number(3, 0)])),
            (
                "one bad record among good ones",
                with(&[key.clone(), record(0, None, b"x"), record(1, None, b"x"), record(0, None, b"x")]),
            ),
            ("a field that is longer than the rest", with(&[key.clone(), record(0, None, b"x"), vec![4 << 3 | 2, 1]])),
            ("a length beyond all memory", with(&[key.clone(), vec![3 << 3 | 2], varint(u64::MAX)])),
            ("a number without an end", with(&[key.clone(), record(0, None, b"x"), vec![0xff; 11]])),
            ("a group", with(&[key.clone(), record(0, None, b"x"), vec![4 << 3 | 3, 4 << 3 | 4]])),
            ("a field without a number", with(&[key.clone(), record(0, None, b"x"), vec![0, 0]])),
        ] {
            assert_eq!(open(&aggregate), None, "{what}");
        }
    }

    #[test]
    fn fields_may_come_in_any_order_and_unknown_ones_are_passed_over() {
        let unknown = [number(9, 1), bytes(10, b"x"), vec![11 << 3 | 1; 1], vec![0; 8], vec![12 << 3 | 5], vec![0; 4]].concat();
        let twice = bytes(3, &[bytes(3, b"not this"), unknown.clone(), bytes(3, b"data"), number(1, 7), number(1, 1)].concat());
        let aggregate =
            sealed(&[record(0, Some(0), b""), unknown, twice, bytes(2, b"007"), bytes(1, b"a"), bytes(1, b"b")].concat());
        let expected = vec![
            UserRecord { key: "a", place: HashKey(7), data: b"" },
            UserRecord { key: "b", place: placement::of_partition_key("b"), data: b"data" },
        ];
        assert_eq!(open(&aggregate), Some(expected));
    }

    #[test]
    fn a_shared_key_makes_an_aggregate_grow_only_so_far() {
        let aggregate = |key: usize, data: usize, records: usize| {
            let record = record(0, None, &vec![b'x'; data]);
            sealed(&[bytes(1, "k".repeat(key).as_bytes()), record.repeat(records)].concat())
        };
        // A key as long as a UUID, and nothing else.
        assert_eq!(open(&aggregate(36, 0, 50_000)).unwrap().len(), 50_000);
        assert_eq!(open(&aggregate(256, 32, 50_000)).unwrap().len(), 50_000);
        assert_eq!(open(&aggregate(256, 30, 50_000)), None);
        assert_eq!(open(&aggregate(256, 0, 5)).unwrap().len(), 5);
    }

    #[test]
    fn only_the_outermost_aggregate_is_opened() {
        let inner = unhex(WRITTEN);
        let outer = sealed(&[bytes(1, b"key"), record(0, None, &inner)].concat());
        let records = open(&outer).unwrap();
        assert_eq!((records.len(), records[0].data), (1, inner.as_slice()));
    }

    /// Messages that are mostly such messages.
    fn messages() -> impl Strategy<Value = Vec<u8>> {
        let junk = |bytes| prop::collection::vec(any::<u8>(), 0..bytes);
        let text = |pattern: &'static str| prop_oneof![9 => pattern.prop_map(String::into_bytes), 1 => junk(4)];
        let index = || prop_oneof![9 => Just(0), 2 => 0..3_u64, 1 => any::<u64>()];
        let inner = prop_oneof![
            9 => index().prop_map(|index| number(1, index)),
            2 => index().prop_map(|index| number(2, index)),
            9 => junk(9).prop_map(|data| bytes(3, &data)),
            1 => (any::<u64>(), any::<u64>()).prop_map(|(field, value)| number(field >> 4, value)),
        ];
        let field = prop_oneof![
            3 => text("[a-z]{1,5}").prop_map(|key| bytes(1, &key)),
            2 => text("[0-9]{1,5}").prop_map(|key| bytes(2, &key)),
            6 => (index(), junk(9)).prop_map(|(key, data)| record(key, None, &data)),
            2 => prop::collection::vec(inner, 0..5).prop_map(|fields| bytes(3, &fields.concat())),
            1 => junk(6),
        ];
        prop::collection::vec(field, 0..6).prop_map(|fields| fields.concat())
    }

    /// Whether one text lies within the other, in the same memory.
    fn lies_in(part: &[u8], whole: &[u8]) -> bool {
        let (part, whole) = (part.as_ptr_range(), whole.as_ptr_range());
        whole.start <= part.start && part.end <= whole.end
    }

    #[test]
    fn whatever_has_a_right_checksum_is_opened_into_records_or_left() {
        let opened = Cell::new(0);
        let config = Config { failure_persistence: None, cases: 4_000, ..Config::default() };
        let outcome = TestRunner::new(config).run(&messages(), |message| {
            let aggregate = sealed(&message);
            let Some(records) = open(&aggregate) else { return Ok(()) };
            opened.set(opened.get() + 1);
            prop_assert!(!records.is_empty());
            for UserRecord { key, data, .. } in records {
                prop_assert!((1..=PARTITION_KEY_CHARS_MAX).contains(&key.chars().count()));
                prop_assert!(lies_in(key.as_bytes(), &aggregate) && lies_in(data, &aggregate));
            }
            Ok(())
        });
        outcome.unwrap();
        assert!(opened.get() > 400, "only {} of them were aggregates", opened.get());
    }

    proptest! {
        #![proptest_config(Config { failure_persistence: None, cases: 1_000, ..Config::default() })]
        #[test]
        fn whatever_bytes_there_are_they_are_read_to_an_end(message in prop::collection::vec(any::<u8>(), 0..200)) {
            open(&sealed(&message));
            open(&message);
        }
    }
}
