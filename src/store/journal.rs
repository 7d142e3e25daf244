//! The contract for records.

use crate::batch::{Batch, ProducerWindow};
use crate::model::{Lane, LaneId, Offset, Timestamp};

use super::{Done, Error, LaneHead};

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
    /// The lane of the same stream that the producer wrote to, if that is another one: the producer's sequences belong there.
    pub origin: Option<Lane>,
}

impl Block {
    /// The lane whose producers it counts for, if it lies in `lane`.
    pub fn origin_in(&self, lane: LaneId) -> LaneId {
        LaneId { lane: self.origin.unwrap_or(lane.lane), ..lane }
    }

    /// The other lane that has to remember its producer, if it lies in `lane`; `None` if none has to.
    pub(super) fn forwarded_from(&self, lane: LaneId) -> Option<LaneId> {
        self.batch.header().producer.and(self.origin).map(|origin| LaneId { lane: origin, ..lane })
    }
}

/// How much is read at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Portion {
    /// The first block, however large it is, and behind it what fits in this many bytes with it.
    AtLeastOne(usize),
    /// What fits in this many bytes: nothing if the first block does not.
    Fitting(usize),
}

impl Portion {
    /// Whether a block of `bytes` belongs to it, behind blocks of `taken` bytes; zero if it is the first.
    pub fn takes(self, taken: usize, bytes: usize) -> bool {
        match self {
            Self::AtLeastOne(_) if taken == 0 => true,
            Self::AtLeastOne(bytes_max) | Self::Fitting(bytes_max) => taken.saturating_add(bytes) <= bytes_max,
        }
    }

    /// How many of these blocks, which lie behind each other, belong to it.
    pub fn count<'a>(self, blocks: impl IntoIterator<Item = &'a Block>) -> usize {
        let mut taken = 0;
        let belongs = |block: &&Block| {
            let bytes = block.batch.bytes().len();
            let belongs = self.takes(taken, bytes);
            taken += bytes;
            belongs
        };
        blocks.into_iter().take_while(belongs).count()
    }

    /// What is left of it behind blocks of `taken` bytes.
    pub fn behind(self, taken: usize) -> Self {
        match self {
            Self::AtLeastOne(_) if taken == 0 => self,
            Self::AtLeastOne(bytes_max) | Self::Fitting(bytes_max) => Self::Fitting(bytes_max.saturating_sub(taken)),
        }
    }
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
    /// The lanes that have ever been written to or trimmed or that know a producer, and were not removed.
    fn lanes(&self) -> Vec<LaneId>;

    /// The lane's durable extent; the default for a lane that was never written.
    fn extent(&self, lane: LaneId) -> Extent;

    /// Appends `block`. Its base offset must be the lane's next offset, counting appends still under way; otherwise `done`
    /// hears `Fenced`. Calls for one lane take effect in call order; `done` hears of success only when the block is
    /// durable. After a failure every later append under way on that lane is `Fenced` too.
    fn append(&self, lane: LaneId, block: Block, done: Done);

    /// The blocks from the one that holds `from` (or the first behind it) on, as many as belong to `portion`. Empty at the end of the
    /// lane too. What does not belong to it is not read from the disk.
    fn read(&self, lane: LaneId, from: Offset, portion: Portion) -> Result<Vec<Block>, Error>;

    /// The block that `search` asks for, at or after the horizon.
    fn find(&self, lane: LaneId, search: Search) -> Result<Option<Block>, Error>;

    /// What the durable headers say of one producer in the lane that it wrote to, wherever its batches lie.
    fn producer(&self, lane: LaneId, id: i64) -> Option<ProducerWindow>;

    /// Shows `see` what the durable headers say of the lane, unless nothing is known of it. The lane waits meanwhile.
    fn look(&self, lane: LaneId, see: &mut dyn FnMut(&LaneHead));

    /// Bytes of the live batches in the lane.
    fn bytes(&self, lane: LaneId) -> Result<u64, Error>;

    /// Whether reads wait for a disk now, so that they are made where that holds up nobody.
    fn waits(&self) -> bool {
        true
    }

    /// The space of the volume the journal lies on; `None` if it lies on none, or that cannot be told.
    fn volume(&self) -> Option<Volume>;

    /// Gives up all blocks that end at or before `before`, and forbids reading below it. Durable no later than the next append.
    fn trim(&self, lane: LaneId, before: Offset);

    /// Forgets the lanes; `done` hears when that is durable. Their names must not be used again: a stream's next incarnation
    /// has an id of its own.
    fn remove(&self, lanes: &[LaneId], done: Done);
}
