//! Where a reader can stand.

use crate::model::{LaneId, Offset, Timestamp};
use crate::store::{Block, Search};

use super::{Error, Log};

/// Decompressed bytes walked to find one record by its time.
const WALK_BYTES_MAX: usize = 8 << 20;

/// A place in a lane, described.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Position {
    /// The first record that can be read (Kinesis: TRIM_HORIZON; Kafka: earliest).
    Horizon,
    /// Behind the last record (Kinesis and Kafka: LATEST).
    Tip,
    /// The first record created at this time or later.
    AtTime(Timestamp),
    /// The record with the latest creation time.
    LatestTime,
}

/// Where that is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// The offset.
    pub offset: Offset,
    /// The creation time of the record there, for positions that ask by time.
    pub created_at: Option<Timestamp>,
}

impl Log {
    /// The offset of `position`; `None` if no record is as late as asked.
    pub async fn find(&self, lane: LaneId, position: Position) -> Result<Option<Found>, Error> {
        let reach = self.reach(lane).await?;
        let search = match position {
            Position::Horizon => return Ok(Some(Found { offset: reach.horizon, created_at: None })),
            Position::Tip => return Ok(Some(Found { offset: reach.tip, created_at: None })),
            Position::AtTime(time) => Search::CreatedFrom(time),
            Position::LatestTime => Search::LatestCreated,
        };
        let turn = self.inner.searching.clone().lock_owned().await;
        let found = self
            .on_disk(move |journal| {
                let _turn = turn;
                Ok(journal.find(lane, search)?.map(|block| record_in(&block, search)))
            })
            .await?;
        Ok(found)
    }
}

/// The record of the block that is meant.
fn record_in(block: &Block, search: Search) -> Found {
    let header = block.batch.header();
    let wanted = match search {
        Search::CreatedFrom(time) => time,
        Search::LatestCreated | Search::ArrivedFrom(_) => header.max_timestamp,
    };
    if !header.log_append_time
        && let Ok(records) = block.batch.records(WALK_BYTES_MAX)
        && let Some(record) = records.map_while(Result::ok).find(|record| record.timestamp >= wanted)
    {
        let offset = Offset(header.base_offset.0 + i64::from(record.offset_delta));
        return Found { offset, created_at: Some(record.timestamp) };
    }
    // All records have the time of arrival; or the batch cannot be opened within bounds, and its start is never too late.
    Found { offset: header.base_offset, created_at: Some(header.max_timestamp) }
}
