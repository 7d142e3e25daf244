//! Reading one shard: where its records begin and end, what they cost, and waiting for them.
//!
//! A shard is a piece of a lane, so this is [`Log::read`] with ends: what lies below the horizon is jumped over, and what follows
//! the shard in its lane belongs to its children. Only committed records are read, and nothing from the first record of an open
//! transaction on. Reading comes in steps, because only the caller knows which records of a batch
//! it gives to its client: [`may_read`](ShardReader::may_read), [`blocks`](ShardReader::blocks), [`pay`](ShardReader::pay).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use crate::batch::Batch;
use crate::model::{Offset, Shard, ShardId, StreamId, Timestamp};
use crate::store::{Portion, Search};

use super::catalog::Stream;
use super::read::{Isolation, Reader, Toll, Want};
use super::tail::LaneCell;
use super::{Aborted, Error, Log};

/// Somebody who reads one shard.
pub struct ShardReader<'a> {
    log: Log,
    stream: Arc<Stream>,
    shard: Shard,
    cell: Arc<LaneCell>,
    reader: Reader<'a>,
}

/// What a reader got of a shard.
#[derive(Clone, Default, Debug)]
pub struct ShardPage {
    /// The first offset looked for: the one asked for, or the first that can be read if that is later.
    pub from: Offset,
    /// Whole batches of the shard in order, with their arrivals; the first may begin before `from`.
    pub blocks: Vec<(Batch, Timestamp)>,
    /// The aborted transactions whose batches may be among them.
    pub aborted: Vec<Aborted>,
    /// The first offset that cannot be read: it is still to be written, or in an open transaction, or a child's.
    pub end: Offset,
    /// Whether the shard ends there, because it is closed.
    pub is_closed: bool,
}

/// A place in a shard, described.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The first record that can be read.
    Horizon,
    /// Behind the last record.
    Tip,
    /// The first record that arrived at this time or later; behind the last one if there is none.
    ArrivedFrom(Timestamp),
}

impl Log {
    /// Begins to read a shard.
    ///
    /// # Errors
    /// [`Error::UnknownStream`], [`Error::UnknownShard`].
    pub fn shard_reader<'a>(&self, stream: StreamId, shard: ShardId, reader: Reader<'a>) -> Result<ShardReader<'a>, Error> {
        let (stream, cell, shard) = self.shard_cell(stream, shard)?;
        Ok(ShardReader { log: self.clone(), stream, shard, cell, reader })
    }
}

impl ShardPage {
    /// Whether a reader sees the records of `batch`, which is one of these: they are a client's, and were not aborted.
    pub fn is_seen(&self, batch: &Batch) -> bool {
        let header = batch.header();
        !header.control && !self.aborted.iter().any(|one| one.has(header))
    }
}

impl ShardReader<'_> {
    /// The stream.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// The shard as it was when reading began.
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    /// Returns when the shard's throughput allows another read: at once, or never, for a reader who is refused.
    ///
    /// # Errors
    /// [`Error::ReadThroughput`].
    pub async fn may_read(&self) -> Result<(), Error> {
        let Some(toll) = self.toll() else { return Ok(()) };
        match (toll.wait(), self.reader) {
            (Duration::ZERO, _) => Ok(()),
            (wait, Reader::Refused) => Err(toll.refusal(&self.stream, wait)),
            (wait, Reader::Patient(_)) => {
                sleep(wait).await;
                Ok(())
            }
        }
    }

    /// The batches from `from` on that fit in `bytes_max`, and at least one if there is one.
    ///
    /// # Errors
    /// [`Error::UnknownStream`] if it was deleted; what the store says.
    pub async fn blocks(&mut self, from: Offset, bytes_max: usize) -> Result<ShardPage, Error> {
        let (horizon, end) = self.reach().await?;
        let from = from.max(horizon);
        let nothing = ShardPage { from, blocks: Vec::new(), aborted: Vec::new(), end, is_closed: self.is_closed_at(end) };
        if from >= end {
            return Ok(nothing);
        }
        let want = Want { lane: self.cell.id, from, bytes_max, isolation: Isolation::Committed };
        let blocks = match self.log.blocks(&self.stream, &self.cell, want, Portion::AtLeastOne(bytes_max), false).await {
            Ok((_, blocks)) => blocks,
            // What was there has expired meanwhile; the next read jumps.
            Err(Error::OutOfRange { .. }) => return Ok(nothing),
            Err(error) => return Err(error),
        };
        let aborted = self.log.aborted(self.cell.id, from, &blocks);
        let own = blocks.into_iter().take_while(|block| block.batch.header().base_offset < end);
        Ok(ShardPage { blocks: own.map(|block| (block.batch, block.arrived_at)).collect(), aborted, ..nothing })
    }

    /// Meters a read that gave `bytes` bytes of records.
    ///
    /// # Errors
    /// [`Error::ReadThroughput`] if others were faster: nothing is to be given then.
    pub fn pay(&self, bytes: u64) -> Result<(), Error> {
        let Some(toll) = self.toll() else { return Ok(()) };
        match (toll.pay(bytes), self.reader) {
            (Ok(paid), _) => {
                paid.keep();
                Ok(())
            }
            (Err(wait), Reader::Refused) => Err(toll.refusal(&self.stream, wait)),
            // It waits before the next one.
            (Err(_), Reader::Patient(_)) => Ok(()),
        }
    }

    /// Returns when there may be a record at `from`, or when the shard ends there, or its stream is gone.
    ///
    /// # Errors
    /// [`Error::UnknownStream`] if the stream is gone.
    pub async fn wait(&mut self, from: Offset) -> Result<(), Error> {
        let bell = Arc::new(Notify::new());
        loop {
            // Listening first, so that what comes between the look and the wait rings.
            self.cell.state.lock().listen(&bell);
            let (horizon, end) = self.reach().await?;
            if from.max(horizon) < end || self.is_closed_at(end) {
                return Ok(());
            }
            bell.notified().await;
        }
    }

    /// The offset of `place`.
    ///
    /// # Errors
    /// What the store says.
    pub async fn find(&mut self, place: Place) -> Result<Offset, Error> {
        let (horizon, end) = self.reach().await?;
        let time = match place {
            Place::Horizon => return Ok(horizon),
            Place::Tip => return Ok(end),
            Place::ArrivedFrom(time) => time,
        };
        let lane = self.cell.id;
        let block = self.log.on_disk(move |journal| journal.find(lane, Search::ArrivedFrom(time))).await?;
        let offset = block.map_or(end, |block| block.batch.header().base_offset);
        Ok(offset.clamp(horizon.min(end), end))
    }

    /// When the last record of the shard arrived that can be read now; `None` if there is none.
    ///
    /// # Errors
    /// What the store says.
    pub async fn last_arrival(&mut self) -> Result<Option<Timestamp>, Error> {
        let (horizon, end) = self.reach().await?;
        if end <= horizon {
            return Ok(None);
        }
        let last = Offset(end.0 - 1);
        let newest = self.cell.state.lock().newest_from(last, Portion::AtLeastOne(0));
        if let Some(block) = newest.as_ref().and_then(|blocks| blocks.first()) {
            return Ok(Some(block.arrived_at));
        }
        let lane = self.cell.id;
        let blocks = self.log.on_disk(move |journal| journal.read(lane, last, Portion::AtLeastOne(0))).await?;
        Ok(blocks.first().map(|block| block.arrived_at))
    }

    /// The first offset of the shard that can be read, and the first behind it that cannot. The first may be the greater one, if all
    /// that the shard had is over.
    async fn reach(&mut self) -> Result<(Offset, Offset), Error> {
        let (stream, cell, shard) = self.log.shard_cell(self.stream.id(), self.shard.id)?;
        (self.stream, self.cell, self.shard) = (stream, cell, shard);
        let horizon = self.log.horizon(&self.stream, &self.cell).await?.max(self.shard.first);
        let stable = self.cell.state.lock().reach(horizon).stable;
        Ok((horizon, self.shard.end.map_or(stable, |end| end.min(stable))))
    }

    /// Whether the shard is closed and ends at `end`, the first offset that cannot be read.
    fn is_closed_at(&self, end: Offset) -> bool {
        self.shard.end == Some(end)
    }

    fn toll(&self) -> Option<Toll<'_>> {
        let rates = self.log.inner.env.limits.get().throughput?;
        Some(Toll::of_shard(&self.stream, &self.cell, self.shard.id, rates, self.reader))
    }
}
