//! What is read of the bytes that consumers of the classic protocol leave with their group, and written for them.
//!
//! They are the clients' own (Kafka: `ConsumerProtocolSubscription.json`, `ConsumerProtocolAssignment.json`): an int16 version;
//! then topics, user data, and from version 1 on the partitions owned, from 2 a generation, from 3 a rack. A group that all its
//! members understand is only asked for topics; the rest is for groups that change to the consumer protocol. Nothing is
//! allocated by a declared count.

use std::collections::BTreeSet;

use bytes::{Buf, BufMut, Bytes};

use super::request::Partitions;

/// Adds the topics of `metadata` to `topics`; `None` if the bytes are not a subscription.
pub(super) fn collect(mut metadata: &[u8], topics: &mut BTreeSet<String>) -> Option<()> {
    let _version = metadata.try_get_i16().ok()?;
    for _ in 0..metadata.try_get_i32().ok()? {
        topics.insert(string(&mut metadata)?);
    }
    Some(())
}

/// What a consumer says when it joins.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Subscription {
    pub(super) topics: BTreeSet<String>,
    /// What it has not given up.
    pub(super) owned: Partitions,
    pub(super) rack: Option<String>,
}

/// A whole subscription; `None` if the bytes are none.
pub(super) fn read(metadata: &[u8]) -> Option<Subscription> {
    let mut subscription = Subscription::default();
    collect(metadata, &mut subscription.topics)?;
    let mut rest = metadata;
    let version = rest.try_get_i16().ok()?;
    for _ in 0..rest.try_get_i32().ok()? {
        string(&mut rest)?;
    }
    skip_bytes(&mut rest)?;
    if version >= 1 {
        subscription.owned = partitions(&mut rest)?;
    }
    if version >= 2 {
        let _generation = rest.try_get_i32().ok()?;
    }
    if version >= 3 {
        subscription.rack = nullable(&mut rest)?;
    }
    Some(subscription)
}

/// What a member was assigned by its leader; `None` if the bytes are no assignment, or have data that only the leader's own
/// assignor understands. No bytes at all are an assignment of nothing.
pub(super) fn assigned(mut assignment: &[u8]) -> Option<Partitions> {
    if assignment.is_empty() {
        return Some(Partitions::new());
    }
    let _version = assignment.try_get_i16().ok()?;
    let found = partitions(&mut assignment)?;
    let user_data = if assignment.is_empty() { 0 } else { skip_bytes(&mut assignment)? };
    (user_data == 0).then_some(found)
}

/// An assignment as a leader would write it, in the version in which the member wrote its subscription.
pub(super) fn assignment(metadata: &[u8], partitions: &Partitions) -> Bytes {
    let mut bytes = Vec::new();
    bytes.put_i16((&mut &*metadata).try_get_i16().unwrap_or(0));
    bytes.put_i32(length(partitions.len()));
    for (topic, partitions) in partitions {
        bytes.put_i16(i16::try_from(topic.len()).unwrap_or(i16::MAX));
        bytes.put_slice(topic.as_bytes());
        bytes.put_i32(length(partitions.len()));
        partitions.iter().for_each(|&partition| bytes.put_i32(partition));
    }
    // No user data.
    bytes.put_i32(-1);
    bytes.into()
}

fn length(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn string(bytes: &mut &[u8]) -> Option<String> {
    nullable(bytes)?
}

/// A string, or its absence.
fn nullable(bytes: &mut &[u8]) -> Option<Option<String>> {
    let length = bytes.try_get_i16().ok()?;
    if length == -1 {
        return Some(None);
    }
    let (text, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(Some(std::str::from_utf8(text).ok()?.to_owned()))
}

/// Passes bytes over; how many.
fn skip_bytes(bytes: &mut &[u8]) -> Option<usize> {
    let length = usize::try_from(bytes.try_get_i32().ok()?.max(0)).ok()?;
    *bytes = bytes.split_at_checked(length)?.1;
    Some(length)
}

fn partitions(bytes: &mut &[u8]) -> Option<Partitions> {
    let mut found = Partitions::new();
    for _ in 0..bytes.try_get_i32().ok()? {
        let topic = string(bytes)?;
        let mut partitions = Vec::new();
        for _ in 0..bytes.try_get_i32().ok()? {
            partitions.push(bytes.try_get_i32().ok()?);
        }
        found.push((topic, partitions));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(bytes: &[u8]) -> Option<Vec<String>> {
        let mut topics = BTreeSet::new();
        collect(bytes, &mut topics).map(|()| topics.into_iter().collect())
    }

    #[test]
    fn topics_are_read_and_anything_else_is_refused() {
        let rows: [(&[u8], Option<&[&str]>); 8] = [
            (b"\0\x01\0\0\0\x02\0\x01a\0\x02bc\xff\xff\xff\xff", Some(&["a", "bc"])),
            (b"\0\x03\0\0\0\0", Some(&[])),
            (b"\0\x01\xff\xff\xff\xff", Some(&[])),
            (b"", None),
            (b"\0\x01\0\0", None),
            (b"\0\x01\x7f\xff\xff\xff\0\x01a", None),
            (b"\0\x01\0\0\0\x01\xff\xff", None),
            (b"\0\x01\0\0\0\x01\0\x01\xff", None),
        ];
        for (bytes, expected) in rows {
            assert_eq!(topics(bytes), expected.map(|names| names.iter().map(|&name| name.to_owned()).collect()), "{bytes:?}");
        }
    }

    #[test]
    fn a_whole_subscription_is_read_in_every_version() {
        let (topics, data) = (b"\0\0\0\x01\0\x01a", b"\xff\xff\xff\xff");
        let owned = b"\0\0\0\x01\0\x01a\0\0\0\x02\0\0\0\0\0\0\0\x05";
        let a = || "a".to_owned();
        for version in 0..=3_i16 {
            let mut bytes = version.to_be_bytes().to_vec();
            bytes.extend(topics.iter().chain(data));
            if version >= 1 {
                bytes.extend(owned);
            }
            if version >= 2 {
                bytes.put_i32(7);
            }
            if version >= 3 {
                bytes.extend(b"\0\x02eu");
            }
            let expected = Subscription {
                topics: BTreeSet::from([a()]),
                owned: if version >= 1 { vec![(a(), vec![0, 5])] } else { vec![] },
                rack: (version >= 3).then(|| "eu".to_owned()),
            };
            assert_eq!(read(&bytes), Some(expected), "version {version}");
            for short in 0..bytes.len() {
                assert_eq!(read(&bytes[..short]), None, "version {version}, {short} bytes");
            }
        }
    }

    #[test]
    fn an_assignment_is_read_as_it_was_written() {
        let partitions = vec![("a".to_owned(), vec![0, 5]), ("bc".to_owned(), vec![])];
        let bytes = assignment(b"\0\x02", &partitions);
        assert_eq!((&bytes[..2], assigned(&bytes)), (&b"\0\x02"[..], Some(partitions)));
        assert_eq!(assigned(b""), Some(vec![]));
        for other in [&b"\0\x01\0\0\0\0\0\0\0\x01x"[..], b"\0", b"\0\x01\0\0\0\x01", b"leader's own"] {
            assert_eq!(assigned(other), None, "{other:?}");
        }
    }
}
