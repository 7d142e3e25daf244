//! The one thing read from members' metadata: which topics a consumer subscribes to.
//!
//! The bytes are the client's own (Kafka: `ConsumerProtocolSubscription.json`): int16 version, int32 count, that many strings
//! with an int16 length; what follows differs by version and is not read. Nothing is allocated by a declared count.

use std::collections::BTreeSet;

use bytes::Buf;

/// Adds the topics of `metadata` to `topics`; `None` if the bytes are not a subscription.
pub(super) fn collect(mut metadata: &[u8], topics: &mut BTreeSet<String>) -> Option<()> {
    let _version = metadata.try_get_i16().ok()?;
    let count = metadata.try_get_i32().ok()?;
    for _ in 0..count {
        let length = usize::try_from(metadata.try_get_i16().ok()?).ok()?;
        let (name, rest) = metadata.split_at_checked(length)?;
        topics.insert(std::str::from_utf8(name).ok()?.to_owned());
        metadata = rest;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Option<Vec<String>> {
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
            assert_eq!(read(bytes), expected.map(|names| names.iter().map(|&name| name.to_owned()).collect()), "{bytes:?}");
        }
    }
}
