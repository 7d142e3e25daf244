//! When a record arrived: with its shard and its offset, that is its sequence number; and how long it has been waiting since.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::model::{LaneId, Offset, Timestamp};
use crate::store::Portion;

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
        if let Some(arrived_at) = self.arrived_lately(lane, offset) {
            return Ok(arrived_at);
        }
        let blocks = self.on_disk(move |journal| journal.read(lane, offset, Portion::AtLeastOne(0))).await?;
        blocks.first().map(|block| block.arrived_at).ok_or(out_of_range)
    }

    /// The same if its batch is in memory.
    fn arrived_lately(&self, lane: LaneId, offset: Offset) -> Option<Timestamp> {
        let (_, cell) = self.lane(lane).ok()?;
        let newest = cell.state.lock().newest_from(offset, Portion::AtLeastOne(0))?;
        newest.first().map(|block| block.arrived_at)
    }
}

/// Batches read from the disk for one question about ages. *Ours*: each may have 10 MiB, and most are small.
const READS_MAX: usize = 256;

/// How long records have been waiting for their readers. A record's arrival never changes, so what was found is remembered for as
/// long as it is asked for.
#[derive(Default)]
pub struct Ages {
    known: Mutex<HashMap<(LaneId, Offset), Timestamp>>,
}

impl Ages {
    /// For readers who stand at `places`, the age of the oldest record that each has yet to read: zero if there is none. `None` for
    /// a place that is not there, and for one that is too much to look up now: it has its turn with a later question.
    pub async fn at(&self, log: &Log, places: &[(LaneId, Offset)]) -> Vec<Option<Duration>> {
        let (now, before) = (log.env().clock.now(), std::mem::take(&mut *self.known.lock()));
        let (mut known, mut reads_left) = (HashMap::new(), READS_MAX);
        let mut ages = Vec::with_capacity(places.len());
        for (lane, offset) in places {
            let Ok(reach) = log.reach(*lane).await else {
                ages.push(None);
                continue;
            };
            if *offset >= reach.tip {
                ages.push(Some(Duration::ZERO));
                continue;
            }
            let place = (*lane, (*offset).max(reach.horizon));
            let remembered = known.get(&place).or_else(|| before.get(&place)).copied();
            let arrived_at = match remembered.or_else(|| log.arrived_lately(place.0, place.1)) {
                None if reads_left > 0 => {
                    reads_left -= 1;
                    log.arrived_at(place.0, place.1).await.ok()
                }
                found => found,
            };
            if let Some(arrived_at) = arrived_at {
                known.insert(place, arrived_at);
            }
            ages.push(arrived_at.map(|arrived_at| now.since(arrived_at)));
        }
        *self.known.lock() = known;
        ages
    }
}
