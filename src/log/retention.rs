//! The horizon of a lane at a time: a record is there for exactly its retention, counted from its arrival.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{Offset, Timestamp};
use crate::store::Search;

use super::catalog::Stream;
use super::tail::LaneCell;
use super::{Error, Log};

impl Log {
    /// The first offset of the lane that can be read now. What is past retention is given up on the way.
    pub(super) async fn horizon(&self, stream: &Stream, cell: &Arc<LaneCell>) -> Result<Offset, Error> {
        let (now, retention, lane) = (self.inner.env.clock.now(), stream.settings().retention(), cell.id);
        {
            let state = cell.state.lock();
            let empty = state.horizon == state.tip;
            if empty || state.oldest.is_some_and(|arrived_at| !is_over(arrived_at, retention, now)) {
                return Ok(state.horizon);
            }
        }
        // The first arrival that is not over.
        let alive = Timestamp(now.minus(retention).0.saturating_add(1));
        let oldest = self.on_disk(move |journal| journal.find(lane, Search::ArrivedFrom(alive))).await?;
        let mut state = cell.state.lock();
        let (horizon, arrived_at) = match oldest {
            Some(block) => (block.batch.header().base_offset, Some(block.arrived_at)),
            // The look may be older than the latest append, which is certainly alive: it stays, to be looked at next time.
            None => (state.newest_alive(alive), None),
        };
        state.oldest = arrived_at;
        if horizon > state.horizon {
            state.horizon = horizon;
            tracing::debug!(%lane, %horizon, "records are past their retention");
            self.inner.journal.trim(lane, horizon);
        }
        Ok(state.horizon)
    }

    /// Gives up everything in all streams that is past its retention, and streams whose deletion is over, so that their space
    /// can be used again. What was measured too long ago goes as well.
    pub async fn sweep(&self) {
        self.bury().await;
        for stream in self.all_streams() {
            stream.meter().forget(self.inner.env.clock.now());
            for cell in stream.cells() {
                if let Err(error) = self.horizon(&stream, &cell).await {
                    tracing::warn!(%error, stream = %stream.name(), lane = cell.id.lane.0, "retention could not be carried out");
                }
            }
        }
        self.count_aborted();
    }
}

fn is_over(arrived_at: Timestamp, retention: Duration, now: Timestamp) -> bool {
    arrived_at.plus(retention) <= now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_is_over_exactly_when_its_span_has_passed() {
        let (arrived_at, retention) = (Timestamp(1_000), Duration::from_secs(1));
        assert!(!is_over(arrived_at, retention, Timestamp(1_999)));
        assert!(is_over(arrived_at, retention, Timestamp(2_000)));
        assert!(!is_over(Timestamp(i64::MAX), retention, Timestamp(i64::MAX - 1)));
    }
}
