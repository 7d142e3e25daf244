//! **The Kinesis-model log**: what is true of streams, whoever asks.
//!
//! A stream is a set of lanes; a lane is a line of shards whose offsets run on; every record keeps its place until its
//! retention is over. The doors translate, the log decides, the store rests. Never imports a door or `aws`.

mod ahead;
mod append;
mod arrival;
mod catalog;
mod demand;
mod error;
mod handle;
mod history;
mod lineage;
mod position;
mod producers;
mod read;
mod reshard;
mod retention;
mod route;
mod shard_reader;
mod shards;
mod tail;
mod throughput;
mod transactions;

pub use append::{Appended, Appending, Charge};
pub use arrival::Ages;
pub use catalog::Stream;
pub use error::Error;
pub use handle::{Log, Options};
pub use position::{Found, Position};
pub use read::{Isolation, Page, Reach, Reader, Wait, Want};
pub use shard_reader::{Place, ShardPage, ShardReader};
pub use throughput::Patience;
pub use transactions::Producer;

/// What the store says when it cannot, and of aborted transactions: part of what the log says, so that a door need not know the store.
pub use crate::store::{Aborted, Error as StoreError};
