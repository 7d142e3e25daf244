//! **The words and the numbers.** What every other floor speaks: names, times, offsets, shards, limits.
//!
//! No I/O, no async, no clock. Never imports another floor.

pub mod calendar;
pub mod hash_key;
pub mod limits;
pub mod name;
pub mod realm;
pub mod sequence;
pub mod shard;
pub mod stream;
pub mod time;

pub use calendar::Civil;
pub use hash_key::{HashKey, HashKeyRange};
pub use limits::{Limits, Throughput};
pub use name::{InvalidName, StreamName};
pub use realm::{Home, Realm};
pub use sequence::SequenceNumber;
pub use shard::{Shard, ShardId};
pub use stream::{Consumer, Lane, LaneId, Mode, Offset, Settings, Status, StreamId};
pub use time::Timestamp;
