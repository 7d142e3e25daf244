//! AWS JSON 1.1, AWS CBOR 1.1 and the CBOR of Smithy RPC v2, to and from [`Value`].
//!
//! The same trees, with three differences: bytes are base64 text in JSON; times are seconds with a fraction in JSON, seconds under
//! tag 1 in Smithy's CBOR, and whole milliseconds under tag 1 in AWS CBOR 1.1 (against RFC 8949); JSON cannot tell bytes or times
//! from text and numbers, so that [`rules`](super::rules) make them out of these. Nothing is copied that can be shared with the
//! body.

mod cbor;
mod json;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use super::value::{Structure, Value};
use cbor::TimeUnit;

/// How deep structures and lists may lie in each other. *Ours*: AWS's own inputs need 6.
const DEPTH_MAX: usize = 32;
/// Values in one body. *Ours*: what the rules accept of the largest batches is a fraction; it bounds what a body of small
/// values takes in memory to 72 bytes each.
const VALUES_MAX: usize = 100_000;

/// What a body is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Codec {
    /// AWS JSON 1.0 and 1.1.
    Json,
    /// AWS CBOR 1.1.
    Cbor,
    /// Smithy RPC v2 CBOR.
    RpcCbor,
}

/// A body that is not what its content type says, or too much of it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub(super) String);

impl Malformed {
    fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl Codec {
    /// The content type of what it writes.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/x-amz-json-1.1",
            Self::Cbor => "application/x-amz-cbor-1.1",
            Self::RpcCbor => "application/cbor",
        }
    }

    /// What `body` says. Texts and bytes share its memory where they can.
    ///
    /// # Errors
    /// [`Malformed`] if it is not a map, or not well-formed, or deeper or larger than is accepted.
    pub fn decode(self, body: &Bytes) -> Result<Structure, Malformed> {
        let value = match self {
            Self::Json => json::decode(body)?,
            Self::Cbor => cbor::decode(body, TimeUnit::Milliseconds)?,
            Self::RpcCbor => cbor::decode(body, TimeUnit::Seconds)?,
        };
        match value {
            Value::Map(members) => Ok(members),
            _ => Err(Malformed::new("a map is expected")),
        }
    }

    /// `members` as a body.
    pub fn encode(self, members: &Structure) -> Vec<u8> {
        match self {
            Self::Json => json::encode(members),
            Self::Cbor => cbor::encode(members, TimeUnit::Milliseconds),
            Self::RpcCbor => cbor::encode(members, TimeUnit::Seconds),
        }
    }
}

/// How much of a body is left to be accepted.
struct Budget {
    depth: usize,
    values: usize,
}

impl Budget {
    fn new() -> Self {
        Self { depth: DEPTH_MAX, values: VALUES_MAX }
    }

    /// Takes one value.
    fn spend(&mut self) -> Result<(), Malformed> {
        let too_many = || Malformed::new(format!("at most {VALUES_MAX} values are accepted"));
        self.values = self.values.checked_sub(1).ok_or_else(too_many)?;
        Ok(())
    }

    /// Goes into a list or map; [`leave`](Self::leave) is its end.
    fn enter(&mut self) -> Result<(), Malformed> {
        let too_deep = || Malformed::new(format!("at most {DEPTH_MAX} levels are accepted"));
        self.depth = self.depth.checked_sub(1).ok_or_else(too_deep)?;
        Ok(())
    }

    fn leave(&mut self) {
        self.depth += 1;
    }
}
