//! Aggregates as the Kinesis Producer Library makes them.

use md5::{Digest, Md5};

/// A user record: its partition key, its explicit hash key if it has one, its data.
pub(crate) type UserRecord<'a> = (&'a str, Option<u128>, &'a [u8]);

/// An aggregate of these records; keys that several of them have are written once.
pub(crate) fn aggregate(records: &[UserRecord<'_>]) -> Vec<u8> {
    let (mut keys, mut explicit, mut message) = (Vec::new(), Vec::new(), Vec::new());
    for (key, place, data) in records {
        let mut record = number(1, index(&mut keys, (*key).to_owned()));
        record.extend(place.map(|place| number(2, index(&mut explicit, place.to_string()))).unwrap_or_default());
        record.extend(bytes(3, data));
        message.push((3, record));
    }
    let tables = keys.into_iter().map(|key| (1, key.into_bytes())).chain(explicit.into_iter().map(|key| (2, key.into_bytes())));
    let message: Vec<u8> = tables.chain(message).flat_map(|(field, content)| bytes(field, &content)).collect();
    [&[0xf3, 0x89, 0x9a, 0xc2], message.as_slice(), &Md5::digest(&message)].concat()
}

/// The place of a key in its table.
fn index(table: &mut Vec<String>, key: String) -> usize {
    table.iter().position(|known| *known == key).unwrap_or_else(|| {
        table.push(key);
        table.len() - 1
    })
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn number(field: usize, number: usize) -> Vec<u8> {
    [varint(field << 3), varint(number)].concat()
}

fn bytes(field: usize, bytes: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(bytes.len()), bytes.to_vec()].concat()
}
