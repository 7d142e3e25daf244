//! The library's commit log under the same appenders, four to a lane.

use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};

use shardgate::model::{Lane, LaneId, Offset, StreamId, Timestamp};
use shardgate::store::{Block, Journal as _, Options, SegmentStore};
use uuid::Uuid;

use super::LANES;
use super::blocks::append_all;
use super::support::{Outcome, Window, batch};

pub(crate) fn load(window: &Window, directory: &Path, block_bytes: usize) -> Outcome<()> {
    let store = SegmentStore::open(directory, Options::default())?;
    let template = batch(block_bytes)?;
    let next: Vec<_> = (0..LANES).map(|_| Mutex::new(Offset(0))).collect();
    append_all(window, template.bytes().len(), |appender| {
        let lane = appender % LANES;
        let (acknowledge, acknowledged) = channel();
        {
            let mut next = next[lane].lock().unwrap_or_else(PoisonError::into_inner);
            let batch = template.placed_at(*next);
            *next = batch.header().next_offset();
            store.append(
                LaneId { stream: StreamId(Uuid::nil()), lane: Lane(u32::try_from(lane)?) },
                Block { batch, arrived_at: Timestamp(1_700_000_000_000), origin: None },
                Box::new(move |result| drop(acknowledge.send(result))),
            );
        }
        Ok(acknowledged.recv()??)
    })
}
