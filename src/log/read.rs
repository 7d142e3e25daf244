//! Batches from a position on, and waiting for them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::model::{LaneId, Offset};
use crate::store::Block;

use super::catalog::Stream;
use super::tail::LaneCell;
use super::{Error, Log};

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
    /// It waits until there is enough, or long enough.
    For {
        /// Bytes over all lanes wanted.
        bytes_min: usize,
        /// The longest wait.
        at_most: Duration,
    },
}

impl Log {
    /// Reads from several lanes: one result per want, in order.
    ///
    /// Waits as `wait` says, but not once a want is refused. `bytes_max` bounds all wants together, `Want::bytes_max` each;
    /// only the first batch found may be larger than both, so that a reader always gets on.
    pub async fn read(&self, wants: &[Want], wait: Wait, bytes_max: usize) -> Vec<Result<Page, Error>> {
        let (bytes_min, until) = match wait {
            Wait::No => (0, None),
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
            let (pages, bytes) = self.read_now(wants, bytes_max).await;
            let Some(until) = until else { return pages };
            if bytes >= bytes_min || pages.iter().any(Result::is_err) {
                return pages;
            }
            // Who waits holds nothing.
            drop(pages);
            if tokio::time::timeout_at(until, bell.notified()).await.is_err() {
                return self.read_now(wants, bytes_max).await.0;
            }
        }
    }

    async fn read_now(&self, wants: &[Want], bytes_max: usize) -> (Vec<Result<Page, Error>>, usize) {
        let (mut pages, mut bytes) = (Vec::with_capacity(wants.len()), 0);
        for want in wants {
            let page = self.read_one(*want, bytes_max.saturating_sub(bytes), bytes == 0).await;
            if let Ok(page) = &page {
                bytes += page.batches.iter().map(Bytes::len).sum::<usize>();
            }
            pages.push(page);
        }
        (pages, bytes)
    }

    async fn read_one(&self, want: Want, left: usize, first: bool) -> Result<Page, Error> {
        let (stream, cell) = self.lane(want.lane)?;
        let (reach, blocks) = self.blocks(&stream, &cell, want, left.min(want.bytes_max), first).await?;
        let batches = blocks.into_iter().map(|block| block.batch.bytes().clone()).collect();
        Ok(Page { batches, horizon: reach.horizon, tip: reach.tip })
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
