//! What a Kinesis reader sees of the log's records (`Data`, `PartitionKey`, sequence number), and walking batches for it.
//!
//! A record that came from Kafka has its value as data, nothing if that is null; its key if that is text of 1 to 256 characters, else
//! its base64 if that is short enough, else the hexadecimal MD5 of it; and where it has no key, one that tells its lane and offset.
//! Headers, control batches and the records of aborted transactions are not seen.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use md5::{Digest, Md5};

use crate::aws::{Structure, Text, Value};
use crate::batch::{Batch, Codec, Record, Records};
use crate::log::{Error, Place, ShardPage, ShardReader};
use crate::model::{Offset, SequenceNumber, Settings, Shard, Timestamp};

use super::context::Context;

/// Characters of a partition key (Kinesis API reference, PutRecord, 2026-11).
pub(super) const PARTITION_KEY_CHARS_MAX: usize = 256;
/// Bytes into which a compressed batch is opened; one is open at a time. *Ours*: four times the largest batch.
const OPEN_BYTES_MAX: usize = 40 << 20;

/// Bytes that are read of the log at once. *Ours*.
const PAGE_BYTES: usize = 2 << 20;
/// Pages that are read for one answer, which may be of records that nobody sees. *Ours*.
const PAGES_MAX: usize = 16;

/// What an answer may still take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Records.
    pub(super) records: usize,
    /// Bytes of data and keys.
    pub(super) bytes: u64,
}

/// Records that were found, as they are answered.
#[derive(Debug)]
pub(super) struct Walk {
    /// The records.
    pub(super) records: Vec<Structure>,
    /// Their bytes of data and keys.
    pub(super) bytes: u64,
    /// The first offset that was not looked at.
    pub(super) next: Offset,
    /// The arrival of the last batch that was looked at.
    pub(super) at: Option<Timestamp>,
}

impl Walk {
    /// Nothing found yet from `next` on.
    pub(super) fn from(next: Offset) -> Self {
        Self { records: Vec::new(), bytes: 0, next, at: None }
    }

    /// Goes on with what was read of `shard`, until the answer is full; whether there is room for more.
    pub(super) async fn go_on(&mut self, cx: &Context, page: &ShardPage, shard: &Shard, settings: &Settings, room: Room) -> bool {
        self.next = self.next.max(page.from);
        for (batch, arrived_at) in &page.blocks {
            let end = batch.header().next_offset();
            if end <= self.next {
                continue;
            }
            let is_taken =
                self.has_room(room) && (!page.is_seen(batch) || self.take(cx, batch, *arrived_at, shard, settings, room).await);
            if !is_taken {
                return false;
            }
            (self.next, self.at) = (end, Some(*arrived_at));
        }
        self.has_room(room)
    }

    fn has_room(&self, room: Room) -> bool {
        self.records.len() < room.records && self.bytes < room.bytes
    }

    /// Takes the records of one batch; whether there was room for all of them.
    async fn take(
        &mut self,
        cx: &Context,
        batch: &Batch,
        arrived_at: Timestamp,
        shard: &Shard,
        settings: &Settings,
        room: Room,
    ) -> bool {
        let base = batch.header().base_offset;
        let is_compressed = batch.header().codec != Codec::None;
        // What is opened is large: one at a time, where it holds up nobody, and records are copied out of it.
        let turn = if is_compressed { cx.shared.opening.acquire().await.ok() } else { None };
        let records =
            if is_compressed { opened(batch.clone()).await } else { batch.records(0).map_err(|error| error.to_string()) };
        let records = match records {
            Ok(records) => records,
            Err(error) => {
                tracing::warn!(%error, %base, shard = %shard.id, "a batch cannot be opened, and Kinesis readers do not see it");
                return true;
            }
        };
        for record in records {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    tracing::warn!(%error, %base, shard = %shard.id, "a batch ends early for Kinesis readers");
                    break;
                }
            };
            let offset = Offset(base.0 + i64::from(record.offset_delta));
            if offset < self.next {
                continue;
            }
            let (found, bytes) = seen(&record, offset, arrived_at, shard, settings, is_compressed);
            let is_full = self.records.len() >= room.records || self.bytes + bytes > room.bytes;
            if is_full && !self.records.is_empty() {
                self.next = offset;
                return false;
            }
            (self.bytes, self.at) = (self.bytes + bytes, Some(arrived_at));
            self.records.push(found);
        }
        drop(turn);
        true
    }
}

/// The records of a compressed batch, or why there are none.
async fn opened(batch: Batch) -> Result<Records, String> {
    let opening = tokio::task::spawn_blocking(move || batch.records(OPEN_BYTES_MAX).map_err(|error| error.to_string()));
    opening.await.unwrap_or_else(|error| Err(error.to_string()))
}

/// What was found, and what is left.
pub(super) struct Reading {
    /// The records.
    pub(super) walk: Walk,
    /// Whether the shard is closed and has no more.
    pub(super) is_over: bool,
    /// How far the last of these records is from the last one there is.
    pub(super) millis_behind: i64,
}

/// Reads from `from` on until the answer is full, or nothing is left.
pub(super) async fn read(cx: &Context, reader: &mut ShardReader<'_>, from: Offset, room: Room) -> Result<Reading, Error> {
    let mut walk = Walk::from(from);
    let mut last = ShardPage::default();
    for _ in 0..PAGES_MAX {
        last = reader.blocks(walk.next, PAGE_BYTES).await?;
        let settings = reader.stream().settings();
        let is_full = !walk.go_on(cx, &last, reader.shard(), &settings, room).await;
        if is_full || walk.next >= last.end {
            break;
        }
    }
    let is_behind = walk.next < last.end;
    let millis_behind = if is_behind { millis_behind(reader, walk.next, walk.at).await? } else { 0 };
    Ok(Reading { is_over: last.is_closed && !is_behind, walk, millis_behind })
}

/// How far a reader who has read what arrived until `at`, and goes on at `next`, is from the last record there is; 0 if that was read.
pub(super) async fn millis_behind(reader: &mut ShardReader<'_>, next: Offset, at: Option<Timestamp>) -> Result<i64, Error> {
    if next >= reader.find(Place::Tip).await? {
        return Ok(0);
    }
    let newest = reader.last_arrival().await?;
    // Behind is behind, if only by records of the same millisecond.
    Ok(newest.map_or(0, |newest| newest.0.saturating_sub(at.unwrap_or(newest).0).max(1)))
}

/// A record as it is answered, and its bytes of data and key.
fn seen(
    record: &Record,
    offset: Offset,
    arrived_at: Timestamp,
    shard: &Shard,
    settings: &Settings,
    copies: bool,
) -> (Structure, u64) {
    let own = |bytes: &Bytes| if copies { Bytes::copy_from_slice(bytes) } else { bytes.clone() };
    let data = record.value.as_ref().map(own).unwrap_or_default();
    let key = match &record.key {
        None if settings.spread => None,
        key => Some(partition_key(key.as_ref().map(own), shard, offset)),
    };
    let bytes = data.len() + key.as_ref().map_or(0, |key| key.as_bytes().len());
    let found = Structure::with_capacity(5)
        .with("SequenceNumber", SequenceNumber::of(shard.id, shard.created_at, offset, arrived_at).to_string())
        .with("ApproximateArrivalTimestamp", arrived_at)
        .with("Data", data)
        .with("PartitionKey", key)
        .with("EncryptionType", encryption(settings));
    (found, bytes as u64)
}

/// What records of an encrypted stream say of that; nothing for others, as AWS was seen to do.
pub(super) fn encryption(settings: &Settings) -> Value {
    settings.encryption_key.as_ref().map(|_| "KMS").into()
}

/// The partition key of a record with this key.
fn partition_key(key: Option<Bytes>, shard: &Shard, offset: Offset) -> Text {
    let Some(key) = key else { return format!("{}-{offset}", shard.lane.0).into() };
    let is_short = |chars: usize| (1..=PARTITION_KEY_CHARS_MAX).contains(&chars);
    if let Some(text) = Text::shared(key.clone()).filter(|text| is_short(text.as_str().chars().count())) {
        return text;
    }
    if is_short(key.len().div_ceil(3) * 4) {
        return STANDARD.encode(key).into();
    }
    format!("{:032x}", u128::from_be_bytes(Md5::digest(&key).into())).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{HashKeyRange, Lane, ShardId};

    #[test]
    fn every_key_is_seen_as_a_partition_key() {
        let shard = Shard {
            id: ShardId(4),
            lane: Lane(2),
            parent: None,
            adjacent_parent: None,
            keys: HashKeyRange::divide(1)[0],
            first: Offset(0),
            end: None,
            created_at: Timestamp(0),
            closed_at: None,
            expired: false,
        };
        let seen = |key: Option<&[u8]>| partition_key(key.map(Bytes::copy_from_slice), &shard, Offset(7)).as_str().to_owned();
        assert_eq!(seen(Some(b"user1")), "user1");
        assert_eq!(seen(Some("ä".repeat(256).as_bytes())), "ä".repeat(256));
        assert_eq!(seen(Some(&[0xff, 0xfe])), "//4=");
        assert_eq!(seen(Some(&[0xff; 192])), "/".repeat(256));
        assert_eq!(seen(Some(b"")), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(seen(None), "2-7");
        for long in ["ä".repeat(257).as_bytes(), &[0xff; 193]] {
            let key = seen(Some(long));
            assert!(key.len() == 32 && key.bytes().all(|b| b.is_ascii_hexdigit()), "{key}");
        }
    }
}
