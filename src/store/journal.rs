//! The contract for records.

use crate::batch::{Batch, ProducerWindow};
use crate::model::{LaneId, Offset, Timestamp};

use super::{Done, Error};

/// Which offsets a lane has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Extent {
    /// The first offset that may still be read.
    pub horizon: Offset,
    /// The offset the next record will get.
    pub next: Offset,
}

/// One batch as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block {
    /// The batch, at its final offsets.
    pub batch: Batch,
    /// When it arrived.
    pub arrived_at: Timestamp,
}

/// What to look for in a lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Search {
    /// The first block that arrived at this time or later.
    ArrivedFrom(Timestamp),
    /// The first block with a record created at this time or later.
    CreatedFrom(Timestamp),
    /// The block with the latest creation time.
    LatestCreated,
}

/// Space on a disk, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Volume {
    /// All there is.
    pub total: u64,
    /// What can still be written.
    pub usable: u64,
}

/// Ordered blocks per lane. Every method but `append`, `trim` and `remove` may block on the disk.
pub trait Journal: Send + Sync {
    /// The lanes that have ever been written to or trimmed, and not removed.
    fn lanes(&self) -> Vec<LaneId>;

    /// The lane's durable extent; the default for a lane that was never written.
    fn extent(&self, lane: LaneId) -> Extent;

    /// Appends `block`. Its base offset must be the lane's next offset, counting appends still under way; otherwise `done`
    /// hears `Fenced`. Calls for one lane take effect in call order; `done` hears of success only when the block is
    /// durable. After a failure every later append under way on that lane is `Fenced` too.
    fn append(&self, lane: LaneId, block: Block, done: Done);

    /// The blocks from the one that holds `from` (or the first behind it) on: at least one if there is one, then as many as
    /// fit in `bytes_max`. Empty at the end of the lane.
    fn read(&self, lane: LaneId, from: Offset, bytes_max: usize) -> Result<Vec<Block>, Error>;

    /// The block that `search` asks for, at or after the horizon.
    fn find(&self, lane: LaneId, search: Search) -> Result<Option<Block>, Error>;

    /// What the durable headers of the lane say of one producer.
    fn producer(&self, lane: LaneId, id: i64) -> Option<ProducerWindow>;

    /// Bytes of the live batches in the lane.
    fn bytes(&self, lane: LaneId) -> Result<u64, Error>;

    /// The space of the volume the journal lies on; `None` if it lies on none, or that cannot be told.
    fn volume(&self) -> Option<Volume>;

    /// Gives up all blocks that end at or before `before`, and forbids reading below it. Durable no later than the next append.
    fn trim(&self, lane: LaneId, before: Offset);

    /// Forgets the lanes; `done` hears when that is durable. Their names must not be used again: a stream's next incarnation
    /// has an id of its own.
    fn remove(&self, lanes: &[LaneId], done: Done);
}
