//! Batches from a position on, and waiting for them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::model::{LaneId, Offset, ShardId, Throughput, Timestamp};
use crate::store::{Aborted, Block, Portion};

use super::catalog::Stream;
use super::tail::LaneCell;
use super::throughput::{self, Reads};
use super::{Error, Log};

/// Shards of one lane whose reads are metered before those that owe nothing are forgotten. *Ours*.
const READ_SHARDS_MAX: usize = 8;
/// Readers that wait for the same shard's throughput begin at most so long after it is free, in milliseconds, as chance will have
/// it. *Ours*: the meters have more slack than that, so nothing is lost.
const TURN_MILLIS_MAX: u64 = 15;

/// One lane wanted by a reader.
#[derive(Clone, Copy, Debug)]
pub struct Want {
    /// The lane.
    pub lane: LaneId,
    /// The first offset wanted.
    pub from: Offset,
    /// Bytes at most; the first batch of a whole read is given even if it is larger.
    pub bytes_max: usize,
    /// Which records are wanted.
    pub isolation: Isolation,
}

/// Which records a reader sees, as far as transactions are concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Isolation {
    /// All of them.
    #[default]
    Uncommitted,
    /// Those before the first record of an open transaction; it is told which of them belong to aborted ones.
    Committed,
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
    /// The first offset of the oldest open transaction, or the tip: a reader of committed records reads to here.
    pub stable: Offset,
    /// For a reader of committed records: the aborted transactions that the batches may have records of.
    pub aborted: Vec<Aborted>,
    /// The shard that the first offset wanted is in: it is charged for the whole page.
    pub shard: ShardId,
    /// Where to read on: the offset behind the batches, or the one wanted.
    pub next: Offset,
    /// Records in the batches.
    pub records: u64,
    /// When the last batch arrived.
    pub newest_at: Option<Timestamp>,
    /// Whether the shard had something, and was over its throughput, when it was looked at first or at last.
    pub is_over: bool,
    /// Whether the reader is a fan-out consumer of the stream.
    pub is_fan_out: bool,
}

/// The offsets of a lane that can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reach {
    /// The first one.
    pub horizon: Offset,
    /// The one that will be written next.
    pub tip: Offset,
    /// The first of the oldest open transaction; the tip if none is open.
    pub stable: Offset,
}

impl Reach {
    /// The first offset that a reader does not see.
    pub fn end(&self, isolation: Isolation) -> Offset {
        match isolation {
            Isolation::Uncommitted => self.tip,
            Isolation::Committed => self.stable,
        }
    }
}

/// Whether a reader waits for more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// It takes what there is.
    No,
    /// It waits until there is enough, or long enough.
    For {
        /// Bytes over all lanes wanted. More than it may have at once is not waited for.
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
        self.read_within(wants, wait, bytes_max, reader, |bytes| bytes).await
    }

    /// The same for a reader that has to be given room: before each look it asks `room` for the bytes that it wants, and takes no
    /// more than it is told; while it waits it has asked for none.
    pub async fn read_within(
        &self,
        wants: &[Want],
        wait: Wait,
        bytes_max: usize,
        reader: Reader<'_>,
        mut room: impl FnMut(usize) -> usize,
    ) -> Vec<Result<Page, Error>> {
        let Wait::For { bytes_min, at_most } = wait else {
            return self.read_now(wants, room(bytes_max), reader, &mut Turns::default()).await.keep(&Turns::default());
        };
        let (bell, until) = (Arc::new(Notify::new()), Instant::now() + at_most);
        let allowed = wants.iter().fold(0_usize, |bytes, want| bytes.saturating_add(want.bytes_max));
        let mut turns = Turns { bell: Some(bell.clone()), begin: BTreeMap::new() };
        let (mut seen, mut wake): (Option<Seen>, _) = (None, until);
        loop {
            // Listening first, so that what comes between the look and the wait rings.
            let written = self.listen(wants, &bell);
            if seen.as_ref().is_none_or(|seen| seen.is_worth_a_look(&written)) {
                let bytes_max = room(bytes_max);
                let bytes_min = bytes_min.min(bytes_max).min(allowed).max(1);
                let look = self.read_now(wants, bytes_max, reader, &mut turns).await;
                if look.full_bytes >= bytes_min || look.is_cut || look.pages.iter().any(Result::is_err) {
                    return look.keep(&turns);
                }
                wake = look.free_at.map_or(until, |free_at| free_at.min(until));
                seen = Some(Seen { written, lacking: bytes_min - look.full_bytes, is_blind: look.is_blind });
                // Who waits holds nothing.
                drop(look);
                room(0);
            }
            let rang = tokio::time::timeout_at(wake, bell.notified()).await.is_ok();
            if !rang && wake == until {
                return self.read_now(wants, room(bytes_max), reader, &mut turns).await.keep(&turns);
            }
            // A shard is free: that is no question of bytes.
            seen = seen.filter(|_| rang);
        }
    }

    /// Has `bell` rung at the next change of a lane that is wanted; the bytes that each has been given so far, `None` for one that is
    /// not there any more.
    fn listen(&self, wants: &[Want], bell: &Arc<Notify>) -> Vec<Option<u64>> {
        let of = |want: &Want| {
            let (_, cell) = self.lane(want.lane).ok()?;
            let mut state = cell.state.lock();
            state.listen(bell);
            Some(state.written)
        };
        wants.iter().map(of).collect()
    }

    async fn read_now<'a>(&self, wants: &[Want], bytes_max: usize, reader: Reader<'a>, turns: &mut Turns) -> Look<'a> {
        let mut look = Look::default();
        for want in wants {
            let page = self.read_one(*want, bytes_max, reader, turns, &mut look).await;
            look.pages.push(page);
        }
        self.read_ahead();
        look
    }

    async fn read_one<'a>(
        &self,
        want: Want,
        bytes_max: usize,
        reader: Reader<'a>,
        turns: &mut Turns,
        look: &mut Look<'a>,
    ) -> Result<Page, Error> {
        let at = look.pages.len();
        let (stream, cell) = self.lane(want.lane)?;
        let rates = self.inner.env.limits.get().throughput;
        let fan_out = fan_out(&stream, reader);
        let shard = cell.shard_at(want.from);
        let page = |reach: Reach| Page {
            batches: Vec::new(),
            horizon: reach.horizon,
            tip: reach.tip,
            stable: reach.stable,
            aborted: Vec::new(),
            shard,
            next: want.from,
            records: 0,
            newest_at: None,
            is_over: false,
            is_fan_out: fan_out.is_some(),
        };
        let mut toll = rates.map(|rates| Toll { cell: cell.clone(), shard, fan_out, rates });
        let mut is_cut = false;
        let mut left = bytes_max.saturating_sub(look.bytes).min(want.bytes_max);
        if let Some(toll) = &toll {
            match (toll.wait(), reader) {
                (wait, _) if wait.is_zero() && turns.has_begun(at) => {}
                (wait, Reader::Refused) => return Err(toll.refusal(&stream, wait)),
                (wait, Reader::Patient(_)) => {
                    let nothing = Want { bytes_max: 0, ..want };
                    let (reach, _) = self.blocks(&stream, &cell, nothing, Portion::Fitting(0), false).await?;
                    let is_over = want.from < reach.end(want.isolation);
                    if is_over {
                        look.free_from(self.turn(turns, at, &cell, wait));
                    }
                    return Ok(Page { is_over, ..page(reach) });
                }
            }
            if let Reader::Patient(_) = reader {
                is_cut = toll.bytes_max() < left;
                left = left.min(toll.bytes_max());
            }
        }
        // Where throughput is limited, that is what is waited for.
        let portion = if look.bytes == 0 { Portion::AtLeastOne(left) } else { Portion::Fitting(left) };
        let (reach, blocks) = self.blocks(&stream, &cell, want, portion, rates.is_none()).await?;
        look.is_cut |=
            is_cut && blocks.last().is_some_and(|block| block.batch.header().next_offset() < reach.end(want.isolation));
        let bytes = blocks.iter().map(|block| block.batch.bytes().len()).sum::<usize>();
        if let Some(toll) = toll.take_if(|_| bytes > 0 || reader == Reader::Refused) {
            match toll.pay(bytes as u64) {
                Ok(paid) => look.paid.push(paid),
                // Somebody else was faster.
                Err(wait) if reader == Reader::Refused => return Err(toll.refusal(&stream, wait)),
                Err(wait) => {
                    look.free_from(self.turn(turns, at, &cell, wait));
                    return Ok(Page { is_over: true, ..page(reach) });
                }
            }
        }
        let next = blocks.last().map_or(want.from, |block| block.batch.header().next_offset());
        look.bytes += bytes;
        // What does not fit makes a page full.
        let full = if next < reach.end(want.isolation) { bytes.max(left) } else { bytes };
        look.full_bytes = look.full_bytes.saturating_add(full);
        look.is_blind |= want.isolation == Isolation::Committed && reach.stable < reach.tip;
        let records = blocks.iter().map(|block| u64::try_from(block.batch.header().records).unwrap_or(0)).sum();
        let newest_at = blocks.last().map(|block| block.arrived_at);
        let aborted = match want.isolation {
            Isolation::Uncommitted => Vec::new(),
            Isolation::Committed => self.aborted(want.lane, want.from, &blocks),
        };
        let batches = blocks.into_iter().map(|block| block.batch.bytes().clone()).collect();
        Ok(Page { batches, next, records, newest_at, aborted, ..page(reach) })
    }

    /// When a reader that waits has its turn at a shard that is free after `wait`.
    ///
    /// Where others wait too, chance decides who is first: they all know the same moment, and would come in the same order each
    /// time, so that the last of them got nothing for as long as the others have enough to read.
    fn turn(&self, turns: &mut Turns, at: usize, cell: &LaneCell, wait: Duration) -> Instant {
        let free_at = Instant::now() + wait;
        match turns.begin.get(&at) {
            Some(begin) if *begin >= free_at => *begin,
            _ => {
                let is_shared = turns.bell.as_ref().is_some_and(|bell| cell.state.lock().has_other_listeners(bell));
                let millis = if is_shared { self.inner.env.entropy.below(TURN_MILLIS_MAX + 1) } else { 0 };
                let begin = free_at + Duration::from_millis(millis);
                turns.begin.insert(at, begin);
                begin
            }
        }
    }

    /// What there is of one lane. A reader that goes `on` behind what it gets may be given less than there is room for.
    pub(super) async fn blocks(
        &self,
        stream: &Stream,
        cell: &Arc<LaneCell>,
        want: Want,
        portion: Portion,
        on: bool,
    ) -> Result<(Reach, Vec<Block>), Error> {
        let Want { lane, from, isolation, .. } = want;
        let horizon = self.horizon(stream, cell).await?;
        let (reach, newest) = {
            let state = cell.state.lock();
            let reach = state.reach(horizon);
            if from < reach.horizon || from > reach.tip {
                return Err(Error::OutOfRange { asked: from, horizon, tip: reach.tip });
            }
            if from >= reach.end(isolation) || portion == Portion::Fitting(0) {
                return Ok((reach, Vec::new()));
            }
            (reach, state.newest_from(from, portion))
        };
        let mut blocks = match newest {
            Some(blocks) => blocks,
            None if on => self.read_on(cell, &want, portion).await?,
            None => self.on_disk(move |journal| journal.read(lane, from, portion)).await?,
        };
        let end = reach.end(isolation);
        if isolation == Isolation::Committed && end < reach.tip {
            let kept = blocks.partition_point(|block| block.batch.header().base_offset < end);
            if kept < blocks.len() {
                blocks.truncate(kept);
                // What was read with them stays in memory otherwise, and the reader's share does not count it.
                for block in &mut blocks {
                    block.batch = block.batch.placed_at(block.batch.header().base_offset);
                }
            }
        }
        Ok((reach, blocks))
    }

    /// The aborted transactions that `blocks`, read from `from` on, may have records of.
    pub(super) fn aborted(&self, lane: LaneId, from: Offset, blocks: &[Block]) -> Vec<Aborted> {
        let mut found = Vec::new();
        if let Some(last) = blocks.last().filter(|_| blocks.iter().any(|block| block.batch.header().transactional)) {
            let end = last.batch.header().next_offset();
            self.inner.journal.look(lane, &mut |head| found = head.transactions().aborted(from, end));
        }
        found
    }
}

/// A reader's turns at shards that were over their throughput when it looked.
#[derive(Default)]
struct Turns {
    /// What is rung for the reader, if it waits.
    bell: Option<Arc<Notify>>,
    /// When each turn begins, by the want it is for.
    begin: BTreeMap<usize, Instant>,
}

impl Turns {
    /// Whether the shard of the want `at` may be read, as far as others are concerned.
    fn has_begun(&self, at: usize) -> bool {
        self.begin.get(&at).is_none_or(|begin| *begin <= Instant::now())
    }
}

/// What a reader that waits for more remembers of its last look, so that it need not read again what it has seen.
struct Seen {
    /// The bytes that each lane had been given before.
    written: Vec<Option<u64>>,
    /// The bytes that were lacking, 1 or more.
    lacking: usize,
    is_blind: bool,
}

impl Seen {
    /// Whether there may be enough now that lanes have been given so many bytes.
    fn is_worth_a_look(&self, written: &[Option<u64>]) -> bool {
        let come = self.written.iter().zip(written).map(|(before, now)| Some((*now)?.saturating_sub((*before)?)));
        // Whoever reads a lane that is gone has to hear of it.
        let come = come.sum::<Option<u64>>();
        self.is_blind || come.is_none_or(|come| come >= self.lacking as u64)
    }
}

/// What one look at all wants found.
#[derive(Default)]
struct Look<'a> {
    pages: Vec<Result<Page, Error>>,
    bytes: usize,
    /// The same, but where there was more than fitted, what might have been given.
    full_bytes: usize,
    /// Whether a transaction is open that may show or hide any number of bytes when it ends.
    is_blind: bool,
    /// Whether throughput allowed less than was wanted of a shard, so that waiting for more makes no sense.
    is_cut: bool,
    /// When the first of the shards that have something, and may not give it yet, may.
    free_at: Option<Instant>,
    paid: Vec<Paid<'a>>,
}

impl Look<'_> {
    /// The pages, which the reader gets; those with a turn had to wait for their shard's throughput.
    fn keep(mut self, turns: &Turns) -> Vec<Result<Page, Error>> {
        self.paid.drain(..).for_each(Paid::keep);
        for at in turns.begin.keys() {
            if let Some(Ok(page)) = self.pages.get_mut(*at) {
                page.is_over = true;
            }
        }
        self.pages
    }

    fn free_from(&mut self, at: Instant) {
        self.free_at = Some(self.free_at.map_or(at, |earlier| earlier.min(at)));
    }
}

/// What a read from one shard costs.
pub(super) struct Toll<'a> {
    cell: Arc<LaneCell>,
    shard: ShardId,
    fan_out: Option<&'a str>,
    rates: Throughput,
}

/// The reader's name, if it is a fan-out consumer of the stream.
fn fan_out<'a>(stream: &Stream, reader: Reader<'a>) -> Option<&'a str> {
    match reader {
        Reader::Patient(name) => {
            let settings = stream.settings();
            settings.fan_out.get(name).is_some_and(|consumer| consumer.gone_at.is_none()).then_some(name)
        }
        Reader::Refused => None,
    }
}

impl<'a> Toll<'a> {
    /// What a read of `shard` costs `reader`.
    pub(super) fn of_shard(stream: &Stream, cell: &Arc<LaneCell>, shard: ShardId, rates: Throughput, reader: Reader<'a>) -> Self {
        Self { cell: cell.clone(), shard, fan_out: fan_out(stream, reader), rates }
    }

    /// How long until the shard may be read.
    pub(super) fn wait(&self) -> Duration {
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
    pub(super) fn pay(&self, bytes: u64) -> Result<Paid<'a>, Duration> {
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

    pub(super) fn refusal(&self, stream: &Stream, wait: Duration) -> Error {
        Error::ReadThroughput { stream: stream.name().clone(), shard: self.shard, wait }
    }
}

/// A read that was metered. Dropped, it is given back.
pub(super) struct Paid<'a> {
    cell: Arc<LaneCell>,
    shard: ShardId,
    fan_out: Option<&'a str>,
    bytes: u64,
    is_kept: bool,
}

impl Paid<'_> {
    pub(super) fn keep(mut self) {
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
