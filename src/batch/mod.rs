//! **The record batch, version 2**, the log's unit: kept as it came, walked where a rule must look inside.
//!
//! Unlike Kafka, nothing is ever recompressed or rewritten on the way in: only the base offset and the leader epoch are
//! patched, which the CRC does not cover, and a compressed batch is opened only where a rule needs its records. Versions 0
//! and 1 are left out: no client has sent them since Kafka 0.11.
//!
//! Bytes only: no I/O, no clock. Imports `model` and nothing else.
//!
//! The layout is that of KIP-98, big-endian:
//!
//! ```text
//!  0 base offset     8 length of what follows     12 leader epoch    16 magic         17 CRC-32C of all that follows
//! 21 attributes     23 last offset delta          27 base timestamp  35 max timestamp
//! 43 producer id    51 producer epoch             53 first sequence  57 record count  61 records
//! ```

#[expect(clippy::module_inception, reason = "the file holds the type that the folder is named after")]
mod batch;
mod buffer;
mod builder;
mod compression;
mod header;
mod marker;
mod producer;
mod record;
#[cfg(test)]
mod tests;

pub use batch::{Batch, Fault, Invalid};
pub use buffer::Buffer;
pub use builder::{Builder, Draft};
pub use header::{Codec, HEADER_BYTES, Header, ProducerStamp};
pub use marker::{Marker, Outcome};
pub use producer::{ProducerWindow, Verdict};
pub use record::{Headers, Malformed, Record, Records};
