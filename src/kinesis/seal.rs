//! Tokens that only this gateway can make: what continues a list, and shard iterators.
//!
//! A token is base64 of eight bytes as AWS begins its own, what it is for, the content, and an HMAC-SHA-256 of all that. It is
//! not secret, only whole; its key belongs to the data, so that tokens outlive a restart.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// How AWS's own shard iterators begin.
const START: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 1];
/// Bytes of an HMAC-SHA-256.
const SEAL_BYTES: usize = 32;
/// Characters of the longest token that is looked at. *Ours*: what is sealed is shorter.
const TOKEN_CHARS_MAX: usize = 2_048;

/// What a token is for: one kind does not pass for another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Kind {
    /// A shard iterator.
    Iterator = b'i',
    /// The rest of a list of shards.
    Shards = b's',
    /// The rest of a list of consumers.
    Consumers = b'c',
}

/// The key that tokens are sealed with.
#[derive(Clone)]
pub(super) struct Seal(hmac::Key);

impl Seal {
    /// The seal of that key.
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// A token with this content.
    pub(super) fn close(&self, kind: Kind, content: &[u8]) -> String {
        let mut bytes = Vec::with_capacity(START.len() + 1 + content.len() + SEAL_BYTES);
        bytes.extend(START);
        bytes.push(kind as u8);
        bytes.extend(content);
        let seal = hmac::sign(&self.0, &bytes);
        bytes.extend(seal.as_ref());
        STANDARD.encode(bytes)
    }

    /// The content of a token; `None` if it is not one of ours of that kind.
    pub(super) fn open(&self, kind: Kind, token: &str) -> Option<Vec<u8>> {
        if token.len() > TOKEN_CHARS_MAX {
            return None;
        }
        let bytes = STANDARD.decode(token).ok()?;
        let (sealed, seal) = bytes.split_at_checked(bytes.len().checked_sub(SEAL_BYTES)?)?;
        let content = sealed.strip_prefix(&START)?.strip_prefix(&[kind as u8])?;
        hmac::verify(&self.0, sealed, seal).ok()?;
        Some(content.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_here_for_the_same_purpose_is_opened() {
        let (seal, other) = (Seal::new(&[7; 32]), Seal::new(&[8; 32]));
        let token = seal.close(Kind::Iterator, b"content");
        assert_eq!(seal.open(Kind::Iterator, &token).as_deref(), Some(&b"content"[..]));
        assert_eq!(seal.open(Kind::Shards, &token), None);
        assert_eq!(other.open(Kind::Iterator, &token), None);
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(seal.open(Kind::Iterator, &changed), None, "{at}");
        }
        for wrong in ["", "AAAAAAAAAAE=", "?", &"A".repeat(4_000)] {
            assert_eq!(seal.open(Kind::Iterator, wrong), None);
        }
    }
}
