//! Writing records to the shards that their hash keys belong to: what PutRecord and PutRecords share.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::aws::{Refusal, Structure};
use crate::batch::{Builder, Draft};
use crate::log::{Appending, Error, Patience, Stream};
use crate::model::{HashKey, Offset, SequenceNumber, Settings, Shard};

use super::aggregate::{self, UserRecord};
use super::context::Context;
use super::placement;
use super::refusal::{argument, internal_failure, throughput};

/// How often shards may be split or merged under a write before it is given up. *Ours*.
const ROUTINGS_MAX: usize = 10;
/// Bytes of data and keys in one batch: those of the largest PutRecords, whose aggregates may take more when they are open. *Ours*.
const BATCH_BYTES_MAX: usize = 10 << 20;

/// A record on its way in.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    /// Its partition key; none in streams that spread their records.
    pub(super) key: Option<&'a str>,
    /// Where it belongs.
    pub(super) place: HashKey,
    /// Its bytes.
    pub(super) data: &'a Bytes,
}

impl Entry<'_> {
    /// Its bytes of data and key.
    pub(super) fn bytes(&self) -> u64 {
        (self.data.len() + self.key.map_or(0, str::len)) as u64
    }
}

/// Where a record went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Written {
    /// The shard, and the number that it has there.
    pub(super) number: SequenceNumber,
}

/// A record as it is asked to be written; `path` is how AWS calls its key.
///
/// # Errors
/// ValidationException if it lacks the key that the stream asks for; InvalidArgumentException for a hash key that there is not.
pub(super) fn place<'a>(
    cx: &Context,
    record: &'a Structure,
    settings: &Settings,
    path: &dyn Fn() -> String,
) -> Result<Entry<'a>, Refusal> {
    let (key, data) = (record.text("PartitionKey"), record.required_bytes("Data"));
    let place = match (record.text("ExplicitHashKey"), key) {
        // Chance spreads records evenly, and their keys are only kept.
        _ if settings.spread => HashKey(cx.log.env().entropy.uuid().as_u128()),
        (_, None) => {
            return Err(Refusal::validation(format!(
                "1 validation error detected: Value null at '{}' failed to satisfy constraint: Member must not be null",
                path()
            )));
        }
        (Some(explicit), _) => placement::explicit(explicit)?,
        (None, Some(key)) => placement::of_partition_key(key),
    };
    Ok(Entry { key, place, data })
}

/// Whether the stream takes a record of that size; `path` is how AWS calls its data.
///
/// # Errors
/// ValidationException, or InvalidArgumentException if only data and key together are too large.
pub(super) fn check_size(entry: &Entry<'_>, settings: &Settings, path: &dyn Fn() -> String) -> Result<(), Refusal> {
    let (bytes, max) = (entry.data.len(), settings.record_kib_max() as usize * 1_024);
    if bytes > max {
        return Err(Refusal::validation(format!(
            "1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim={bytes} cap={bytes}]' at '{}' failed to satisfy \
             constraint: Member must have length less than or equal to {max}",
            path()
        )));
    }
    let together = bytes + entry.key.map_or(0, str::len);
    if together > max {
        return Err(argument(format!(
            "The record's data and partition key have {together} bytes together; the stream accepts at most {max}."
        )));
    }
    Ok(())
}

/// What is written of an entry: the record that it is, or one of the user records in it.
struct Part<'a> {
    /// Its place among the parts of all entries.
    number: usize,
    /// The number of its entry.
    entry: usize,
    /// What its entry costs, as it was sent; `None` in all but the first part of an entry, which stands for it.
    cost: Option<u64>,
    key: Option<&'a str>,
    place: HashKey,
    data: &'a [u8],
}

/// What is written of all entries, in their order.
async fn parts<'a>(entries: &[Entry<'a>], settings: &Settings) -> Vec<Part<'a>> {
    let mut parts = Vec::with_capacity(entries.len());
    for (entry, sent) in entries.iter().enumerate() {
        let &Entry { key, place, data } = sent;
        let records = if settings.deaggregate { aggregate::open(data) } else { None };
        let Some(records) = records else {
            parts.push(Part { number: parts.len(), entry, cost: Some(sent.bytes()), key, place, data });
            continue;
        };
        let mut cost = Some(sent.bytes());
        for UserRecord { key, place: own, data } in records {
            // Where chance says where an aggregate goes, its records stay together.
            let place = if settings.spread { place } else { own };
            parts.push(Part { number: parts.len(), entry, cost: cost.take(), key: Some(key), place, data });
        }
        // Thousands of keys may have been hashed; others are served in between.
        tokio::task::yield_now().await;
    }
    parts
}

/// How many of the first of these parts make a batch: at least one.
fn fitting(parts: &[Part<'_>]) -> usize {
    let mut bytes = 0;
    let fits = |part: &&Part<'_>| {
        bytes += part.key.map_or(0, str::len) + part.data.len();
        bytes <= BATCH_BYTES_MAX
    };
    parts.iter().take_while(fits).count().max(1)
}

/// What became of entries; nothing yet if nothing is known of their first parts.
struct Results(Vec<Option<Result<Written, Refusal>>>);

impl Results {
    /// A part was written. Its entry has the number of its first one.
    fn note(&mut self, part: &Part<'_>, number: SequenceNumber) {
        if let Some(slot @ None) = self.0.get_mut(part.entry).filter(|_| part.cost.is_some()) {
            *slot = Some(Ok(Written { number }));
        }
    }

    /// Parts are not written, nor are their entries then.
    fn refuse<'a>(&mut self, parts: impl IntoIterator<Item = &'a Part<'a>>, refusal: &Refusal) {
        for part in parts {
            if let Some(slot) = self.0.get_mut(part.entry) {
                *slot = Some(Err(refusal.clone()));
            }
        }
    }

    fn is_refused(&self, part: &Part<'_>) -> bool {
        matches!(self.0.get(part.entry), Some(Some(Err(_))))
    }
}

/// Parts that go to one shard together.
struct Group<'a> {
    shard: Shard,
    parts: Vec<Part<'a>>,
    /// Bytes of their batch.
    bytes: usize,
    appending: Appending,
}

impl Context {
    /// Writes entries, each shard's in their order and as one batch if it is not too large; what became of each. Durable when it
    /// returns.
    ///
    /// Where the stream opens aggregates, each user record goes to the shard that it belongs to. Who gathers records knows the shards
    /// and puts together what belongs to one; but shards change meanwhile, and there are libraries that do not ask. KCL drops an
    /// aggregate with a record of another shard. Here nothing is lost that was acknowledged; the price is that KPL, which repeats an
    /// aggregate when another shard is answered than it knows of, has its records written twice then.
    ///
    /// An aggregate costs what it costs on AWS: one record of its bytes, in the shard of its first user record, which is where KPL
    /// sends it. Its answer has the number of that record, as a batch has the offset of its first one: the shard is the one that KPL
    /// expects, who reads from that number on finds all of them, and as long as all go to one shard a record's sub-sequence number is
    /// how far behind it lies. If one of its records cannot be written the entry is refused, although others may be there.
    pub(super) async fn write(&self, stream: &Stream, entries: &[Entry<'_>]) -> Vec<Result<Written, Refusal>> {
        let mut results = Results(vec![None; entries.len()]);
        let mut pending = parts(entries, &stream.settings()).await;
        for _ in 0..ROUTINGS_MAX {
            if pending.is_empty() {
                break;
            }
            let (groups, mut closed) = self.begin(stream, pending, &mut results);
            for Group { shard, parts, bytes, appending } in groups {
                match appending.durable().await {
                    Ok(appended) => {
                        self.measure_append(stream, parts.len(), bytes);
                        let first = appended.base.unwrap_or_default();
                        for (part, offset) in parts.iter().zip(first.0..) {
                            let offset = Offset(offset);
                            results.note(part, SequenceNumber::of(shard.id, shard.created_at, offset, appended.arrived_at));
                        }
                    }
                    Err(Error::ShardClosed { .. }) => closed.extend(parts),
                    Err(error) => results.refuse(&parts, &self.refused(&error)),
                }
            }
            closed.sort_unstable_by_key(|part| part.number);
            pending = closed;
        }
        results.refuse(&pending, &internal_failure());
        results.0.into_iter().map(|result| result.unwrap_or_else(|| Err(internal_failure()))).collect()
    }

    /// Begins to write the parts that are `pending`: those that are on their way, and those whose shards were closed meanwhile.
    fn begin<'a>(&self, stream: &Stream, pending: Vec<Part<'a>>, results: &mut Results) -> (Vec<Group<'a>>, Vec<Part<'a>>) {
        let (mut groups, mut closed) = (Vec::new(), Vec::new());
        let mut routed = BTreeMap::<_, (Shard, Vec<Part<'a>>)>::new();
        for part in pending {
            match stream.route(part.place) {
                Ok(shard) => routed.entry(shard.id).or_insert_with(|| (shard, Vec::new())).1.push(part),
                Err(error) => results.refuse([&part], &self.refused(&error)),
            }
        }
        // All that is owed is paid before anything is written, since an entry that is refused in one shard is not written to others.
        let mut paid = Vec::with_capacity(routed.len());
        for (shard, parts) in routed.into_values() {
            match self.pay(stream, &shard, &parts, results) {
                Ok(()) => paid.push((shard, parts)),
                Err(Error::ShardClosed { .. }) => closed.extend(parts),
                Err(error) => results.refuse(&parts, &self.refused(&error)),
            }
        }
        for (shard, mut parts) in paid {
            parts.retain(|part| !results.is_refused(part));
            while !parts.is_empty() {
                let behind = parts.split_off(fitting(&parts));
                match self.append(stream, &shard, &parts) {
                    Ok((bytes, appending)) => groups.push(Group { shard: shard.clone(), parts, bytes, appending }),
                    Err(Error::ShardClosed { .. }) => closed.extend(parts),
                    Err(error) => results.refuse(&parts, &self.refused(&error)),
                }
                parts = behind;
            }
        }
        (groups, closed)
    }

    /// Has a shard carry the entries that these parts stand for; those that it cannot carry are refused.
    fn pay(&self, stream: &Stream, shard: &Shard, parts: &[Part<'_>], results: &mut Results) -> Result<(), Error> {
        let (owing, bytes): (Vec<_>, Vec<_>) = parts.iter().filter_map(|part| Some((part, part.cost?))).unzip();
        let carried = self.log.afford(stream.id(), shard.id, &bytes)?;
        for (part, is_carried) in owing.into_iter().zip(carried) {
            if !is_carried {
                results.refuse([part], &self.over_throughput(stream, shard));
            }
        }
        Ok(())
    }

    /// Begins to write to one shard what it carries; the bytes of the batch.
    fn append(&self, stream: &Stream, shard: &Shard, parts: &[Part<'_>]) -> Result<(usize, Appending), Error> {
        let created_at = self.now();
        let drafts = parts.iter().map(|part| Draft {
            key: part.key.map(str::as_bytes),
            value: Some(part.data),
            created_at,
            ..Draft::default()
        });
        let batch = drafts.fold(Builder::default(), Builder::record).build()?;
        Ok((batch.bytes().len(), self.log.append_to_shard(stream.id(), shard.id, &batch, Patience::Paid)?))
    }

    /// A shard carries no more for now.
    pub(super) fn over_throughput(&self, stream: &Stream, shard: &Shard) -> Refusal {
        let (name, account) = (stream.name(), &self.account);
        throughput(format!("Rate exceeded for shard {} in stream {name} under account {account}.", shard.id))
    }
}
