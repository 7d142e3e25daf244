//! The 61 bytes in front of the records.
//!
//! Serves every reader of a batch; costs some nanoseconds and no allocation. As in Kafka, lengths and magic are looked at
//! here; whether the values agree with each other is [`Batch::check`](super::Batch::check)'s business, because stored
//! batches were checked on the way in.

use std::fmt;

use bytes::Buf;

use super::Invalid;
use crate::model::{Offset, Timestamp};

/// Bytes of a batch before its records.
pub const HEADER_BYTES: usize = 61;

/// Bytes of a batch before the part that its length field counts.
const LENGTH_END: usize = 12;
/// Where the magic byte is, in this format and in both older ones.
const MAGIC_AT: usize = 16;

pub(super) const CODEC_BITS: i16 = 0b111;
pub(super) const LOG_APPEND_TIME_BIT: i16 = 1 << 3;
pub(super) const TRANSACTIONAL_BIT: i16 = 1 << 4;
pub(super) const CONTROL_BIT: i16 = 1 << 5;

/// What an idempotent producer writes in the header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProducerStamp {
    /// Given by InitProducerId; never negative.
    pub id: i64,
    /// Raised when the producer starts anew. From a client never negative.
    pub epoch: i16,
    /// Sequence number of the first record, 0 to 2147483647; -1 in control batches, which have none.
    pub first_sequence: i32,
}

/// How the records behind the header are compressed. Kafka's `CompressionType`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Codec {
    /// Not at all.
    None,
    /// RFC 1952, one member or several.
    Gzip,
    /// One raw block, or xerial's framing of many, which Java writes.
    Snappy,
    /// The LZ4 frame format.
    Lz4,
    /// RFC 8878 (KIP-110).
    Zstd,
}

impl Codec {
    /// The codec that the low three bits of the attributes name; `None` for 5, 6 and 7.
    pub fn from_id(id: i16) -> Option<Self> {
        Some(match id {
            0 => Self::None,
            1 => Self::Gzip,
            2 => Self::Snappy,
            3 => Self::Lz4,
            4 => Self::Zstd,
            _ => return None,
        })
    }

    /// The number in the attributes, 0 to 4.
    pub fn id(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }
}

impl fmt::Display for Codec {
    /// The name in Kafka's `compression.type`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        })
    }
}

/// The decoded header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// The offset of the first record; from a client, whatever it wrote.
    pub base_offset: Offset,
    /// Bytes of the whole batch, header included.
    pub bytes: usize,
    /// The epoch of the partition leader that wrote it; ours is always 0.
    pub leader_epoch: i32,
    /// CRC-32C of everything behind this field.
    pub crc: u32,
    /// How the records are compressed.
    pub codec: Codec,
    /// Whether `max_timestamp` is the arrival time and counts for every record (Kafka's `LogAppendTime`).
    pub log_append_time: bool,
    /// Whether it belongs to a transaction.
    pub transactional: bool,
    /// Whether it holds a transaction's outcome instead of a client's records.
    pub control: bool,
    /// The offset of the last record, less the base offset.
    pub last_offset_delta: i32,
    /// What the records' timestamp deltas are added to; -1 for "none".
    pub base_timestamp: Timestamp,
    /// The latest timestamp of the records as the client counted it; -1 for "none", which some clients write always.
    pub max_timestamp: Timestamp,
    /// The idempotent producer, if one wrote it.
    pub producer: Option<ProducerStamp>,
    /// Number of records.
    pub records: i32,
}

impl Header {
    /// Reads the header at the start of `bytes`, which must hold the whole batch and may hold more behind it. Checks the
    /// magic, the length field and the codec; not the CRC, and not whether counts, times and sequences make sense.
    pub fn parse(bytes: &[u8]) -> Result<Self, Invalid> {
        // The older formats have shorter headers: theirs is the one to be named, not the missing bytes.
        match bytes.get(MAGIC_AT).map(|byte| byte.cast_signed()) {
            Some(magic) if magic != 2 => return Err(Invalid::Magic(magic)),
            _ => {}
        }
        let fixed: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or(Invalid::Short(bytes.len()))?;
        let mut fields = fixed.as_slice();
        let base_offset = Offset(fields.get_i64());
        let length = fields.get_i32();
        let whole = usize::try_from(length).ok().and_then(|length| length.checked_add(LENGTH_END));
        let whole = whole
            .filter(|whole| (HEADER_BYTES..=bytes.len()).contains(whole))
            .ok_or(Invalid::Length { length, room: bytes.len() - LENGTH_END })?;
        let leader_epoch = fields.get_i32();
        fields.advance(1);
        let crc = fields.get_u32();
        let attributes = fields.get_i16();
        let codec = attributes & CODEC_BITS;
        Ok(Self {
            base_offset,
            bytes: whole,
            leader_epoch,
            crc,
            codec: Codec::from_id(codec).ok_or(Invalid::Codec(codec))?,
            log_append_time: attributes & LOG_APPEND_TIME_BIT != 0,
            transactional: attributes & TRANSACTIONAL_BIT != 0,
            control: attributes & CONTROL_BIT != 0,
            last_offset_delta: fields.get_i32(),
            base_timestamp: Timestamp(fields.get_i64()),
            max_timestamp: Timestamp(fields.get_i64()),
            producer: {
                let stamp = ProducerStamp { id: fields.get_i64(), epoch: fields.get_i16(), first_sequence: fields.get_i32() };
                // As in Kafka's `hasProducerId`, every negative id means that there is none.
                (stamp.id >= 0).then_some(stamp)
            },
            records: fields.get_i32(),
        })
    }

    /// The offset after the batch's last, stopping at the largest there is.
    pub fn next_offset(&self) -> Offset {
        Offset(self.base_offset.0.saturating_add(i64::from(self.last_offset_delta)).saturating_add(1))
    }

    /// The latest creation time that the header tells. The base counts too, because some clients leave the maximum at -1.
    pub fn latest_timestamp(&self) -> Timestamp {
        if self.log_append_time { self.max_timestamp } else { self.max_timestamp.max(self.base_timestamp) }
    }
}
