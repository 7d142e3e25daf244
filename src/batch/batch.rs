//! A whole batch, and what makes it acceptable.
//!
//! Serves the doors, which call [`Batch::check`] on what a client sent, and the stores, which call [`Batch::stored`] on what
//! they kept. The rules are those of Kafka's `ProduceRequest.validateRecords` and `LogValidator`. We differ in one way: the
//! records of a compressed batch are not looked at, since that would cost more than all the rest of a produce; a reader that
//! opens one gets an error instead of records if its sender lied. Refusing control batches and `LogAppendTime` from a
//! client is left to the caller, who knows where the bytes come from.

use std::ops::Range;

use bytes::{BufMut, Bytes};

use super::buffer::Buffer;
use super::compression;
use super::header::{Codec, HEADER_BYTES, Header, LOG_APPEND_TIME_BIT, ProducerStamp};
use super::record::{Malformed, Records, walk};
use crate::model::{Offset, Timestamp, limits};

/// Where the CRC field is; what it covers begins where it ends.
const CRC: Range<usize> = 17..21;
const ATTRIBUTES_END: usize = 23;
const MAX_TIMESTAMP: Range<usize> = 35..43;

/// What a refusal means to the sender, and Kafka's code for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The bytes changed on the way; sending them again may help. `CORRUPT_MESSAGE`.
    Corrupt,
    /// A message set of Kafka before 0.11. `INVALID_RECORD`.
    OldFormat,
    /// The bytes came as they were sent, and are not one whole batch or break another rule. `INVALID_RECORD`.
    Rule,
}

/// Why bytes are not an acceptable batch.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Invalid {
    /// Fewer bytes than a header.
    #[error("a record batch has at least {HEADER_BYTES} bytes; {0} came")]
    Short(usize),
    /// The length field and the bytes disagree.
    #[error("the record batch gives its length as {length}; 49 to {room} are possible here")]
    Length {
        /// What the field says: bytes behind it.
        length: i32,
        /// Bytes that came behind the field.
        room: usize,
    },
    /// Another format version.
    #[error("the record batch has magic {0}; only 2 is accepted")]
    Magic(i8),
    /// No such codec.
    #[error("the record batch has compression codec {0}; only 0 (none), 1 (gzip), 2 (snappy), 3 (lz4) and 4 (zstd) exist")]
    Codec(i16),
    /// Bytes changed on the way.
    #[error("the record batch has CRC-32C {found:#010x}; its bytes have {computed:#010x}")]
    Crc {
        /// What the field says.
        found: u32,
        /// What the bytes say.
        computed: u32,
    },
    /// More than one batch, or bytes behind it.
    #[error("{0} bytes follow the record batch; exactly one batch is accepted, and nothing behind it")]
    Trailing(usize),
    /// The offsets that the batch takes and the records that it has differ, or it has none.
    #[error(
        "the record batch has {records} records and last offset delta {last_offset_delta}; at least 1 record, and 1 more than the delta, are accepted"
    )]
    Count {
        /// The count field.
        records: i32,
        /// The delta field.
        last_offset_delta: i32,
    },
    /// More records than the bytes can stand for, even when they are opened.
    #[error("the record batch claims {records} compressed records; at most {max} are accepted")]
    Crowded {
        /// The count field.
        records: i32,
        /// The most accepted.
        max: usize,
    },
    /// A time before 1970 that is not -1, "none".
    #[error("the record batch has base timestamp {base} and max timestamp {max}, in ms; -1 (none) and later are accepted")]
    Time {
        /// The base timestamp field.
        base: i64,
        /// The max timestamp field.
        max: i64,
    },
    /// A producer id without a usable epoch and sequence.
    #[error("the record batch of producer {id} has epoch {epoch} and first sequence {first_sequence}; 0 and more are accepted")]
    Stamp {
        /// The producer.
        id: i64,
        /// Its epoch.
        epoch: i16,
        /// Its first sequence.
        first_sequence: i32,
    },
    /// One record is wrong.
    #[error("record {index} of the batch: {fault}")]
    Record {
        /// Its number in the batch, from 0.
        index: i32,
        /// What is wrong with it.
        fault: Malformed,
    },
    /// Bytes are left when all records are read.
    #[error("{bytes} bytes follow the last of the batch's {records} records; none are accepted")]
    Leftover {
        /// How many bytes.
        bytes: usize,
        /// The count field.
        records: i32,
    },
    /// The codec cannot make sense of the bytes.
    #[error("the records do not decompress with {codec}: {why}")]
    Compression {
        /// The codec.
        codec: Codec,
        /// Its own words.
        why: String,
    },
    /// Opening the batch would take more memory than was granted.
    #[error("the records decompress with {codec} to more than {budget} bytes; at most that many are accepted")]
    Budget {
        /// The codec.
        codec: Codec,
        /// Bytes granted.
        budget: usize,
    },
    /// Too many bytes for the length field.
    #[error("the records take {0} bytes; at most 2147483598 fit a batch")]
    Large(usize),
}

impl Invalid {
    /// What the refusal means to the sender. A record that does not parse under a right CRC was built wrong, not damaged:
    /// Kafka's `DefaultRecord.readFrom` says `INVALID_RECORD` too. Where a batch ends too soon, Kafka sees none at all
    /// (`ByteBufferLogInputStream.nextBatch`), and says the same.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Magic(0 | 1) => Fault::OldFormat,
            Self::Length { length, room } if usize::try_from(*length).is_ok_and(|length| length > *room) => Fault::Rule,
            Self::Length { .. } | Self::Magic(_) | Self::Crc { .. } => Fault::Corrupt,
            Self::Short(_)
            | Self::Codec(_)
            | Self::Trailing(_)
            | Self::Count { .. }
            | Self::Crowded { .. }
            | Self::Time { .. }
            | Self::Stamp { .. }
            | Self::Record { .. }
            | Self::Leftover { .. }
            | Self::Compression { .. }
            | Self::Budget { .. }
            | Self::Large(_) => Fault::Rule,
        }
    }
}

/// One whole batch whose header and CRC were checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    header: Header,
    bytes: Bytes,
}

impl Batch {
    /// Takes what a client sent, if it is exactly one acceptable batch: magic 2, nothing behind it, CRC-32C right, as many
    /// records as offsets and at least one, times from -1 on, and, unless compressed, every record whole and in its place.
    /// Allocates nothing.
    pub fn check(bytes: Bytes) -> Result<Self, Invalid> {
        let batch = Self::whole(bytes)?;
        let (header, computed) = (&batch.header, checksum(&batch.bytes));
        if header.crc != computed {
            return Err(Invalid::Crc { found: header.crc, computed });
        }
        check_rules(header)?;
        if header.codec == Codec::None {
            walk(header, batch.payload())?;
        }
        Ok(batch)
    }

    /// Takes bytes that were checked before and have been under another checksum since: a log entry's. Reads the header only.
    pub fn stored(bytes: Bytes) -> Result<Self, Invalid> {
        let batch = Self::whole(bytes)?;
        check_rules(&batch.header)?;
        Ok(batch)
    }

    fn whole(bytes: Bytes) -> Result<Self, Invalid> {
        let header = Header::parse(&bytes)?;
        match bytes.len() - header.bytes {
            0 => Ok(Self { header, bytes }),
            trailing => Err(Invalid::Trailing(trailing)),
        }
    }

    /// What the batch says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The whole batch, as a client reads it.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The records, compressed or not.
    fn payload(&self) -> &[u8] {
        self.bytes.get(HEADER_BYTES..).unwrap_or_default()
    }

    /// The same batch at `base`, leader epoch 0. Copies the bytes, so that it does not pin the frame it came in.
    pub fn placed_at(&self, base: Offset) -> Self {
        let mut bytes = Buffer::with_capacity(self.bytes.len());
        bytes.put_i64(base.0);
        bytes.put_slice(&self.bytes[8..12]);
        bytes.put_i32(0);
        bytes.put_slice(&self.bytes[16..]);
        let header = Header { base_offset: base, leader_epoch: 0, ..self.header.clone() };
        Self { header, bytes: bytes.freeze() }
    }

    /// A copy whose every record counts as created at `arrived_at` (Kafka's `LogAppendTime`), with a new CRC.
    pub fn stamped(&self, arrived_at: Timestamp) -> Self {
        let mut bytes = Buffer::with_capacity(self.bytes.len());
        bytes.put_slice(&self.bytes);
        // The bit is in the attributes' low byte, which is their second.
        bytes[ATTRIBUTES_END - 1] |= LOG_APPEND_TIME_BIT as u8;
        bytes[MAX_TIMESTAMP].copy_from_slice(&arrived_at.0.to_be_bytes());
        let crc = checksum(&bytes);
        bytes[CRC].copy_from_slice(&crc.to_be_bytes());
        let header = Header { crc, log_append_time: true, max_timestamp: arrived_at, ..self.header.clone() };
        Self { header, bytes: bytes.freeze() }
    }

    /// The records, read one by one as they are asked for. Keys and values of an uncompressed batch are slices of it. A
    /// compressed one is opened first, into at most `budget` bytes; the codecs' own buffers come on top (up to 8 MiB).
    pub fn records(&self, budget: usize) -> Result<Records, Invalid> {
        let payload = match self.header.codec {
            Codec::None => self.bytes.slice(HEADER_BYTES..),
            codec => compression::decompress(codec, self.payload(), budget)?,
        };
        Ok(Records::new(&self.header, payload))
    }
}

/// The CRC-32C of a whole batch: everything behind the field that holds it.
pub(super) fn checksum(batch: &[u8]) -> u32 {
    crc32c::crc32c(batch.get(CRC.end..).unwrap_or_default())
}

/// Whether the header's fields agree with each other.
fn check_rules(header: &Header) -> Result<(), Invalid> {
    let (records, last_offset_delta) = (header.records, header.last_offset_delta);
    if records < 1 || last_offset_delta != records - 1 {
        return Err(Invalid::Count { records, last_offset_delta });
    }
    // Uncompressed records are counted one by one. A compressed batch is believed, but not that it uses up offsets by the
    // billion: nobody could open it.
    if header.codec != Codec::None && usize::try_from(records).unwrap_or(usize::MAX) > limits::COMPRESSED_RECORDS_MAX {
        return Err(Invalid::Crowded { records, max: limits::COMPRESSED_RECORDS_MAX });
    }
    let (base, max) = (header.base_timestamp.0, header.max_timestamp.0);
    if base.min(max) < -1 {
        return Err(Invalid::Time { base, max });
    }
    match header.producer {
        Some(ProducerStamp { id, epoch, first_sequence }) if !header.control && (epoch < 0 || first_sequence < 0) => {
            Err(Invalid::Stamp { id, epoch, first_sequence })
        }
        _ => Ok(()),
    }
}
