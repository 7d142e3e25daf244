//! Writing records to the shards that their hash keys belong to: what PutRecord and PutRecords share.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::aws::{Refusal, Structure};
use crate::batch::{Builder, Draft};
use crate::log::{Appending, Error, Patience, Stream};
use crate::model::{HashKey, Offset, SequenceNumber, Settings, Shard};

use super::context::Context;
use super::placement;
use super::refusal::{argument, internal_failure, throughput};

/// How often shards may be split or merged under a write before it is given up. *Ours*.
const ROUTINGS_MAX: usize = 10;

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

/// Records that go to one shard together.
struct Group {
    shard: Shard,
    entries: Vec<usize>,
    appending: Appending,
}

impl Context {
    /// Writes records, each shard's in their order and as one batch; what became of each. Durable when it returns.
    pub(super) async fn write(&self, stream: &Stream, entries: &[Entry<'_>]) -> Vec<Result<Written, Refusal>> {
        let mut results: Vec<Result<Written, Refusal>> = vec![Err(internal_failure()); entries.len()];
        let mut pending: Vec<usize> = (0..entries.len()).collect();
        for _ in 0..ROUTINGS_MAX {
            if pending.is_empty() {
                break;
            }
            let (groups, mut closed) = self.begin(stream, entries, &pending, &mut results);
            for Group { shard, entries, appending } in groups {
                match appending.durable().await {
                    Ok(appended) => {
                        let first = appended.base.unwrap_or_default();
                        for (at, offset) in entries.into_iter().zip(first.0..) {
                            let number = SequenceNumber::of(shard.id, shard.created_at, Offset(offset), appended.arrived_at);
                            set(&mut results, at, Ok(Written { number }));
                        }
                    }
                    Err(Error::ShardClosed { .. }) => closed.extend(entries),
                    Err(error) => {
                        let refusal = self.refused(&error);
                        entries.into_iter().for_each(|at| set(&mut results, at, Err(refusal.clone())));
                    }
                }
            }
            closed.sort_unstable();
            pending = closed;
        }
        results
    }

    /// Begins to write the records that are `pending`: those that are on their way, and those whose shards were closed meanwhile.
    fn begin(
        &self,
        stream: &Stream,
        entries: &[Entry<'_>],
        pending: &[usize],
        results: &mut [Result<Written, Refusal>],
    ) -> (Vec<Group>, Vec<usize>) {
        let (mut groups, mut closed) = (Vec::new(), Vec::new());
        let mut routed = BTreeMap::<_, (Shard, Vec<usize>)>::new();
        for at in pending {
            let Some(entry) = entries.get(*at) else { continue };
            match stream.route(entry.place) {
                Ok(shard) => routed.entry(shard.id).or_insert_with(|| (shard, Vec::new())).1.push(*at),
                Err(error) => set(results, *at, Err(self.refused(&error))),
            }
        }
        for (shard, wanted) in routed.into_values() {
            match self.begin_one(stream, &shard, entries, &wanted, results) {
                Ok(Some((entries, appending))) => groups.push(Group { shard, entries, appending }),
                Ok(None) => {}
                Err(Error::ShardClosed { .. }) => closed.extend(wanted),
                Err(error) => {
                    let refusal = self.refused(&error);
                    wanted.into_iter().for_each(|at| set(results, at, Err(refusal.clone())));
                }
            }
        }
        (groups, closed)
    }

    /// Begins to write to one shard what it carries.
    fn begin_one(
        &self,
        stream: &Stream,
        shard: &Shard,
        entries: &[Entry<'_>],
        wanted: &[usize],
        results: &mut [Result<Written, Refusal>],
    ) -> Result<Option<(Vec<usize>, Appending)>, Error> {
        let all: Vec<_> = wanted.iter().filter_map(|at| Some((*at, entries.get(*at)?))).collect();
        let bytes: Vec<_> = all.iter().map(|(_, entry)| entry.bytes()).collect();
        let carried = self.log.afford(stream.id(), shard.id, &bytes)?;
        let (mut builder, mut taken) = (Builder::default(), Vec::with_capacity(all.len()));
        let created_at = self.now();
        for ((at, entry), is_carried) in all.into_iter().zip(carried) {
            if !is_carried {
                set(results, at, Err(self.over_throughput(stream, shard)));
                continue;
            }
            let (key, value) = (entry.key.map(str::as_bytes), Some(entry.data.as_ref()));
            builder = builder.record(Draft { key, value, created_at, ..Draft::default() });
            taken.push(at);
        }
        if taken.is_empty() {
            return Ok(None);
        }
        let batch = builder.build()?;
        let appending = self.log.append_to_shard(stream.id(), shard.id, &batch, Patience::Paid)?;
        Ok(Some((taken, appending)))
    }

    /// A shard carries no more for now.
    pub(super) fn over_throughput(&self, stream: &Stream, shard: &Shard) -> Refusal {
        let (name, account) = (stream.name(), &self.account);
        throughput(format!("Rate exceeded for shard {} in stream {name} under account {account}.", shard.id))
    }
}

fn set(results: &mut [Result<Written, Refusal>], at: usize, result: Result<Written, Refusal>) {
    if let Some(slot) = results.get_mut(at) {
        *slot = result;
    }
}
