//! When a record arrived: with its shard and its offset, that is its sequence number.

use crate::model::{LaneId, Offset, Timestamp};

use super::{Error, Log};

impl Log {
    /// The arrival of the record at `offset`, or of the first one behind it if there is a gap.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if no record is there to be read.
    pub async fn arrived_at(&self, lane: LaneId, offset: Offset) -> Result<Timestamp, Error> {
        let reach = self.reach(lane).await?;
        let out_of_range = Error::OutOfRange { asked: offset, horizon: reach.horizon, tip: reach.tip };
        if offset < reach.horizon || offset >= reach.tip {
            return Err(out_of_range);
        }
        let blocks = self.on_disk(move |journal| journal.read(lane, offset, 0)).await?;
        blocks.first().map(|block| block.arrived_at).ok_or(out_of_range)
    }
}
