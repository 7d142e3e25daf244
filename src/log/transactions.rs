//! How transactions end in the log, and who still has one open.
//!
//! What belongs to a transaction lies where it was written, and counts for readers of committed records when the transaction's
//! marker has been written behind it, in every lane that has something of it: also in a sealed one, and in the one that took
//! over for it. Who may write in a transaction, and how it ends, is a door's business.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::batch::{Marker, Outcome, ProducerWindow};
use crate::model::{Lane, LaneId, Offset, StreamId, limits};
use crate::store::{Block, LaneHead};

use super::catalog::Stream;
use super::handle::settled;
use super::route::Takes;
use super::tail::{self, LaneCell};
use super::{Error, Log};

/// Somebody who produces to a lane, or did lately.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Producer {
    /// The producer's id.
    pub id: i64,
    /// What is known of its batches.
    pub window: ProducerWindow,
    /// Where its open transaction begins in the lane.
    pub open_since: Option<Offset>,
}

impl Log {
    /// Ends a producer's transaction in `lanes` of a stream: the marker is written to each of them. If shards of the stream were
    /// ever split or merged, also to every other lane that has records of the transaction, since those may have been written to
    /// one of `lanes`. Durable when it returns; calling it again does no harm.
    ///
    /// A lane that forwards what is written to it, and has nothing of the transaction, gets no marker.
    ///
    /// # Errors
    /// [`Error::UnknownStream`], [`Error::UnknownLane`]; [`Error::Fenced`] if a newer incarnation of the producer has written to
    /// one of the lanes; [`Error::Store`]: some of the lanes may have their marker then.
    pub async fn end_transaction(&self, stream: StreamId, lanes: &[Lane], marker: Marker) -> Result<(), Error> {
        let mut ends = Vec::new();
        {
            // While no shards are changed, nothing of the transaction waits for its place.
            let _unchanged = self.inner.changing.lock().await;
            let stream = self.stream_by_id(stream).ok_or_else(|| Error::UnknownStream(stream.to_string()))?;
            for lane in lanes {
                let (_, cell) = self.lane(stream.lane(lane.0))?;
                self.check_marker(&cell, marker)?;
            }
            let was_changed = stream.shards().iter().any(|shard| !shard.is_open());
            for cell in stream.cells() {
                let is_named = lanes.contains(&cell.id.lane);
                if !is_named && !was_changed {
                    continue;
                }
                ends.extend(self.place_marker(&stream, &cell, is_named, marker)?);
            }
        }
        for end in ends {
            settled(end).await?;
        }
        Ok(())
    }

    /// Who produces to a lane, by id; producers that were silent for long are forgotten.
    ///
    /// # Errors
    /// [`Error::UnknownStream`], [`Error::UnknownLane`].
    pub fn producers(&self, lane: LaneId) -> Result<Vec<Producer>, Error> {
        let _ = self.lane(lane)?;
        let mut found = Vec::new();
        self.inner.journal.look(lane, &mut |head| {
            let seen = head.producers().map(|(id, window)| {
                let open_since = head.transactions().open_since(id);
                Producer { id, window: window.clone(), open_since }
            });
            found.extend(seen);
        });
        found.sort_unstable_by_key(|producer| producer.id);
        Ok(found)
    }

    fn check_marker(&self, cell: &LaneCell, marker: Marker) -> Result<(), Error> {
        let window = self.inner.journal.producer(cell.id, marker.producer);
        match window.map(|window| window.epoch()).filter(|epoch| *epoch > marker.epoch) {
            Some(current) => Err(Error::Fenced { producer: marker.producer, current, found: marker.epoch }),
            None => Ok(()),
        }
    }

    /// Gives a marker its place in a lane, if it belongs there.
    fn place_marker(
        &self,
        stream: &Stream,
        cell: &Arc<LaneCell>,
        is_named: bool,
        marker: Marker,
    ) -> Result<Option<tail::End>, Error> {
        let numbering = cell.numbering.lock();
        if numbering.sealed {
            return Err(Error::UnknownStream(stream.name().to_string()));
        }
        let mut state = cell.state.lock();
        let mut is_open = state.has_transactional(marker.producer);
        self.inner.journal.look(cell.id, &mut |head| is_open |= head.transactions().open_since(marker.producer).is_some());
        let is_due = is_named && matches!(numbering.takes, Takes::Open(_));
        if !is_open && !is_due {
            return Ok(None);
        }
        if is_open && marker.outcome == Outcome::Aborted {
            self.inner.aborted.fetch_add(1, Ordering::Relaxed);
        }
        let arrived_at = self.inner.env.clock.now().max(state.last_arrived);
        let batch = marker.batch(arrived_at)?.placed_at(state.next);
        let block = Block { batch, arrived_at, origin: None };
        let generation = state.start(block.clone());
        drop(state);
        Ok(Some(self.hand_over(cell, block, generation)))
    }

    /// Whether one more transaction can be begun: each may be aborted, and has to be remembered then.
    pub(super) fn check_transactions(&self) -> Result<(), Error> {
        if self.inner.aborted.load(Ordering::Relaxed) < limits::ABORTED_TRANSACTIONS_MAX {
            return Ok(());
        }
        Err(Error::AbortedTransactions { max: limits::ABORTED_TRANSACTIONS_MAX })
    }

    /// Counts the aborted transactions that are remembered: those that were past the horizon are not any more.
    pub(super) fn count_aborted(&self) {
        let mut count = 0;
        for cell in self.all_streams().into_iter().flat_map(|stream| stream.cells()) {
            self.inner.journal.look(cell.id, &mut |head| count += head.transactions().aborted_count());
        }
        self.inner.aborted.store(count, Ordering::Relaxed);
    }

    /// Whether the producer has a transaction open in the lane.
    pub(super) fn is_open(&self, lane: LaneId, producer: i64) -> bool {
        let mut is_open = false;
        self.inner.journal.look(lane, &mut |head: &LaneHead| is_open = head.transactions().open_since(producer).is_some());
        is_open
    }
}
