//! Batches from a position on, and waiting for them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::model::{LaneId, Offset, ShardId, Throughput};
use crate::store::Block;

use super::catalog::Stream;
use super::tail::LaneCell;
use super::throughput::{self, Reads};
use super::{Error, Log};

/// Shards of one lane whose reads are metered before those that owe nothing are forgotten. *Ours*.
const READ_SHARDS_MAX: usize = 8;

/// One lane wanted by a reader.
#[derive(Clone, Copy, Debug)]
pub struct Want {
    /// The lane.
    pub lane: LaneId,
    /// The first offset wanted.
    pub from: Offset,
    /// Bytes at most; the first batch of a whole read is given even if it is larger.
    pub bytes_max: usize,
}

/// What a reader got of one lane.
#[derive(Clone, Debug)]
pub struct Page {
    /// Whole batches in order; the first may begin before the offset wanted.
    pub batches: Vec<Bytes>,
    /// The first offset that can be read.
    pub horizon: Offset,
    /// The offset that will be written next.
    pub tip: Offset,
}

/// The offsets of a lane that can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reach {
    /// The first one.
    pub horizon: Offset,
    /// The one that will be written next.
    pub tip: Offset,
}

/// Whether a reader waits for more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// It takes what there is.
    No,
    /// It takes what there is if that is enough, and nothing otherwise.
    Enough {
        /// Bytes over all lanes wanted.
        bytes_min: usize,
    },
    /// It waits until there is enough, or long enough.
    For {
        /// Bytes over all lanes wanted.
        bytes_min: usize,
        /// The longest wait.
        at_most: Duration,
    },
}

/// Who reads, as far as throughput is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reader<'a> {
    /// Somebody of this name who waits: shards that are over their read throughput give nothing yet. A fan-out consumer of the
    /// stream has throughput of its own; all others share.
    Patient(&'a str),
    /// Somebody without fan-out who is refused where a shard is over its read throughput. Reads that find nothing count too.
    Refused,
}

impl Log {
    /// Reads from several lanes: one result per want, in order.
    ///
    /// Waits as `wait` says, but not once a want is refused. `bytes_max` bounds all wants together, `Want::bytes_max` each;
    /// only the first batch found may be larger than both, so that a reader always gets on. Where throughput is limited, what
    /// is returned is metered, and a read gives at most a quarter of a second's worth of a shard.
    pub async fn read(&self, wants: &[Want], wait: Wait, bytes_max: usize, reader: Reader<'_>) -> Vec<Result<Page, Error>> {
        let (bytes_min, until) = match wait {
            Wait::No => return self.read_now(wants, bytes_max, reader).await.keep(),
            Wait::Enough { bytes_min } => (bytes_min, None),
            Wait::For { bytes_min, at_most } => (bytes_min, Some(Instant::now() + at_most)),
        };
        let bell = Arc::new(Notify::new());
        loop {
            // Listening first, so that what comes between the look and the wait rings.
            if until.is_some() {
                for (_, cell) in wants.iter().filter_map(|want| self.lane(want.lane).ok()) {
                    cell.state.lock().listen(&bell);
                }
            }
            let look = self.read_now(wants, bytes_max, reader).await;
            if look.bytes >= bytes_min || look.is_cut || look.pages.iter().any(Result::is_err) {
                return look.keep();
            }
            let Some(until) = until else { return look.without_batches() };
            // Who waits holds nothing.
            let wake = look.free_at.map_or(until, |free_at| free_at.min(until));
            drop(look);
            let rang = tokio::time::timeout_at(wake, bell.notified()).await.is_ok();
            if !rang && wake == until {
                return self.read_now(wants, bytes_max, reader).await.keep();
            }
        }
    }

    async fn read_now<'a>(&self, wants: &[Want], bytes_max: usize, reader: Reader<'a>) -> Look<'a> {
        let mut look = Look::default();
        for want in wants {
            let page = self.read_one(*want, bytes_max, reader, &mut look).await;
            look.pages.push(page);
        }
        look
    }

    async fn read_one<'a>(&self, want: Want, bytes_max: usize, reader: Reader<'a>, look: &mut Look<'a>) -> Result<Page, Error> {
        let (stream, cell) = self.lane(want.lane)?;
        let rates = self.inner.env.limits.get().throughput;
        let mut toll = rates.map(|rates| Toll::of(&stream, &cell, want.from, rates, reader));
        let mut is_cut = false;
        let mut left = bytes_max.saturating_sub(look.bytes).min(want.bytes_max);
        if let Some(toll) = &toll {
            match (toll.wait(), reader) {
                (wait, _) if wait.is_zero() => {}
                (wait, Reader::Refused) => return Err(toll.refusal(&stream, wait)),
                (wait, Reader::Patient(_)) => {
                    let page = self.empty_page(&stream, &cell, want.from).await?;
                    if want.from < page.tip {
                        look.free_from(Instant::now() + wait);
                    }
                    return Ok(page);
                }
            }
            if let Reader::Patient(_) = reader {
                is_cut = toll.bytes_max() < left;
                left = left.min(toll.bytes_max());
            }
        }
        let (reach, blocks) = self.blocks(&stream, &cell, want, left, look.bytes == 0).await?;
        look.is_cut |= is_cut && blocks.last().is_some_and(|block| block.batch.header().next_offset() < reach.tip);
        let batches: Vec<_> = blocks.into_iter().map(|block| block.batch.bytes().clone()).collect();
        let bytes = batches.iter().map(Bytes::len).sum::<usize>();
        let mut page = Page { batches, horizon: reach.horizon, tip: reach.tip };
        if let Some(toll) = toll.take_if(|_| bytes > 0 || reader == Reader::Refused) {
            match toll.pay(bytes as u64) {
                Ok(paid) => look.paid.push(paid),
                // Somebody else was faster.
                Err(wait) if reader == Reader::Refused => return Err(toll.refusal(&stream, wait)),
                Err(wait) => {
                    look.free_from(Instant::now() + wait);
                    page.batches.clear();
                    return Ok(page);
                }
            }
        }
        look.bytes += bytes;
        Ok(page)
    }

    /// A page for somebody who gets nothing yet.
    async fn empty_page(&self, stream: &Stream, cell: &Arc<LaneCell>, from: Offset) -> Result<Page, Error> {
        let (reach, _) = self.blocks(stream, cell, Want { lane: cell.id, from, bytes_max: 0 }, 0, false).await?;
        Ok(Page { batches: Vec::new(), horizon: reach.horizon, tip: reach.tip })
    }

    async fn blocks(
        &self,
        stream: &Stream,
        cell: &Arc<LaneCell>,
        Want { lane, from, .. }: Want,
        bytes_max: usize,
        first: bool,
    ) -> Result<(Reach, Vec<Block>), Error> {
        let horizon = self.horizon(stream, cell).await?;
        let (reach, newest) = {
            let state = cell.state.lock();
            let reach = Reach { horizon, tip: state.tip.max(horizon) };
            if from < reach.horizon || from > reach.tip {
                return Err(Error::OutOfRange { asked: from, horizon, tip: reach.tip });
            }
            if from == reach.tip || (bytes_max == 0 && !first) {
                return Ok((reach, Vec::new()));
            }
            (reach, state.newest_from(from, bytes_max))
        };
        let mut blocks = match newest {
            Some(blocks) => blocks,
            None => self.on_disk(move |journal| journal.read(lane, from, bytes_max)).await?,
        };
        if !first && blocks.first().is_some_and(|block| block.batch.bytes().len() > bytes_max) {
            blocks.clear();
        }
        Ok((reach, blocks))
    }
}

/// What one look at all wants found.
#[derive(Default)]
struct Look<'a> {
    pages: Vec<Result<Page, Error>>,
    bytes: usize,
    /// Whether throughput allowed less than was wanted of a shard, so that waiting for more makes no sense.
    is_cut: bool,
    /// When the first of the shards that have something, and may not give it yet, may.
    free_at: Option<Instant>,
    paid: Vec<Paid<'a>>,
}

impl Look<'_> {
    /// The pages, which the reader gets.
    fn keep(mut self) -> Vec<Result<Page, Error>> {
        self.paid.drain(..).for_each(Paid::keep);
        self.pages
    }

    /// The pages for a reader who does not want what is on them.
    fn without_batches(self) -> Vec<Result<Page, Error>> {
        let mut pages = self.pages;
        pages.iter_mut().flatten().for_each(|page| page.batches.clear());
        pages
    }

    fn free_from(&mut self, at: Instant) {
        self.free_at = Some(self.free_at.map_or(at, |earlier| earlier.min(at)));
    }
}

/// What a read from one shard costs.
struct Toll<'a> {
    cell: Arc<LaneCell>,
    shard: ShardId,
    fan_out: Option<&'a str>,
    rates: Throughput,
}

impl<'a> Toll<'a> {
    fn of(stream: &Stream, cell: &Arc<LaneCell>, from: Offset, rates: Throughput, reader: Reader<'a>) -> Self {
        let fan_out = match reader {
            Reader::Patient(name) => stream.settings().fan_out.contains(name).then_some(name),
            Reader::Refused => None,
        };
        Self { cell: cell.clone(), shard: cell.shard_at(from), fan_out, rates }
    }

    /// How long until the shard may be read.
    fn wait(&self) -> Duration {
        let mut reads = self.cell.reads.lock();
        reads.get_mut(&self.shard).map_or(Duration::ZERO, |reads| reads.wait(self.fan_out, &self.rates, Instant::now()))
    }

    /// Bytes that a read gives.
    fn bytes_max(&self) -> usize {
        throughput::read_bytes_max(&self.rates)
    }

    /// Meters a read of `bytes` bytes.
    ///
    /// # Errors
    /// How long until the shard may be read, if it may not.
    fn pay(&self, bytes: u64) -> Result<Paid<'a>, Duration> {
        let (mut meters, now) = (self.cell.reads.lock(), Instant::now());
        if meters.len() >= READ_SHARDS_MAX && !meters.contains_key(&self.shard) {
            meters.retain(|_, reads| !reads.is_idle(&self.rates, now));
        }
        let reads = meters.entry(self.shard).or_insert_with(|| Reads::new(now));
        let wait = reads.wait(self.fan_out, &self.rates, now);
        if !wait.is_zero() {
            return Err(wait);
        }
        reads.take(bytes, self.fan_out, &self.rates, now);
        drop(meters);
        Ok(Paid { cell: self.cell.clone(), shard: self.shard, fan_out: self.fan_out, bytes, is_kept: false })
    }

    fn refusal(&self, stream: &Stream, wait: Duration) -> Error {
        Error::ReadThroughput { stream: stream.name().clone(), shard: self.shard, wait }
    }
}

/// A read that was metered. Dropped, it is given back.
struct Paid<'a> {
    cell: Arc<LaneCell>,
    shard: ShardId,
    fan_out: Option<&'a str>,
    bytes: u64,
    is_kept: bool,
}

impl Paid<'_> {
    fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Paid<'_> {
    fn drop(&mut self) {
        if !self.is_kept
            && let Some(reads) = self.cell.reads.lock().get_mut(&self.shard)
        {
            reads.give_back(self.bytes, self.fan_out);
        }
    }
}
