//! **The store contract**: one suite, run for every engine. A new engine is a function that opens it and one line below.
//!
//! What can be read must also be there after a clean reopening, for engines that have one; crashes are each engine's own
//! business, with its own files.

mod chance;
mod damage;
mod directory;
mod disk;
mod faulty;
mod ledger;
mod model;
mod power;
mod records;
mod recovery;
mod space;

use std::sync::{Arc, mpsc};

use shardgate::batch::{Batch, Builder, Draft, ProducerStamp};
use shardgate::model::{Lane, LaneId, Offset, StreamId, Timestamp};
use shardgate::store::{Block, Done, Error, Journal, Ledger, MemoryStore, Options, Portion, SegmentStore};
use tempfile::TempDir;

pub(crate) const ALL: Portion = Portion::AtLeastOne(usize::MAX);

/// An engine under test.
pub(crate) struct Engine {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) ledger: Arc<dyn Ledger>,
    /// Opens the same data again; called when nothing else holds the engine. `None` if nothing outlives it.
    pub(crate) reopen: Option<Box<dyn FnOnce() -> Self>>,
}

impl Engine {
    /// The same data after closing and opening.
    pub(crate) fn reopened(self) -> Option<Self> {
        let Self { journal, ledger, reopen } = self;
        drop((journal, ledger));
        reopen.map(|reopen| reopen())
    }

    /// Checks the engine, and once more after reopening it.
    pub(crate) fn lasting(self, check: impl Fn(&Self)) {
        check(&self);
        if let Some(again) = self.reopened() {
            check(&again);
        }
    }
}

/// The suite: each case gets an engine that was just opened and is empty.
macro_rules! contract {
    ($($engine:ident: $open:expr;)*) => {$(
        mod $engine {
            use super::{ledger, model, records};
            contract!(@cases $open,
                records::blocks_are_read_in_the_order_of_their_appends,
                records::a_block_at_another_offset_is_fenced_and_leaves_no_trace,
                records::appends_need_not_wait_for_each_other_and_are_answered_in_order,
                records::of_two_writers_of_one_offset_one_is_fenced,
                records::reading_within_a_block_returns_all_of_it,
                records::a_reading_budget_ends_a_page_but_not_before_its_first_block,
                records::trimmed_blocks_are_out_of_reach,
                records::a_lane_that_was_trimmed_to_its_end_goes_on_at_its_next_offset,
                records::a_removed_lane_is_forgotten,
                records::lanes_are_apart,
                records::a_block_is_found_by_its_arrival,
                records::a_block_is_found_by_its_arrival_although_the_clock_went_back,
                records::a_block_is_found_by_its_creation,
                records::a_trimmed_block_is_not_found_by_its_creation,
                records::producers_are_remembered_by_lane_and_id,
                records::a_forwarded_block_counts_for_the_producers_of_the_lane_it_was_written_to,
                records::what_is_told_of_a_lane_is_what_its_blocks_say,
                records::the_bytes_of_a_lane_are_those_of_its_live_batches,
                ledger::the_last_value_of_a_key_counts,
                ledger::a_scan_visits_the_keys_of_a_prefix_in_order,
                ledger::a_commit_takes_effect_whole,
                ledger::within_a_commit_the_last_write_of_a_key_counts,
                ledger::commits_take_effect_and_are_answered_in_call_order,
                ledger::a_large_value_comes_back_whole,
                model::any_history_reads_as_the_model_says,
            );
        }
    )*};
    (@cases $open:expr, $($file:ident::$case:ident,)*) => {$(
        #[test]
        fn $case() {
            $file::$case($open);
        }
    )*};
}

contract! {
    memory: super::memory;
    segments: super::segments;
}

fn memory() -> Engine {
    let store = Arc::new(MemoryStore::default());
    Engine { journal: store.clone(), ledger: store, reopen: None }
}

/// Small segments, so that every case crosses some.
pub(crate) fn segments() -> Engine {
    segments_in(Arc::new(tempfile::tempdir().unwrap()))
}

fn segments_in(directory: Arc<TempDir>) -> Engine {
    let store = Arc::new(SegmentStore::open(directory.path(), Options { segment_bytes: 4 << 10, repair: false }).unwrap());
    let reopen: Box<dyn FnOnce() -> Engine> = Box::new(move || segments_in(directory));
    Engine { journal: store.clone(), ledger: store, reopen: Some(reopen) }
}

/// Lane `lane` of stream `stream`.
pub(crate) fn lane(stream: u128, lane: u32) -> LaneId {
    LaneId { stream: StreamId(uuid::Uuid::from_u128(stream)), lane: Lane(lane) }
}

/// What a test block is made of.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Make {
    pub(crate) base: i64,
    /// Besides the first.
    pub(crate) more_records: i32,
    /// Bytes of each record's value.
    pub(crate) value_bytes: usize,
    pub(crate) created_at: i64,
    pub(crate) arrived_at: i64,
    pub(crate) producer: Option<ProducerStamp>,
    /// The lane that it was written to, if that is another one.
    pub(crate) origin: Option<u32>,
}

impl Make {
    pub(crate) fn block(self) -> Block {
        let value = vec![b'v'; self.value_bytes];
        let draft = Draft { value: Some(&value), created_at: Timestamp(self.created_at), ..Draft::default() };
        let builder = self.producer.map_or_else(Builder::default, |stamp| Builder::default().producer(stamp));
        let batch = (0..=self.more_records).fold(builder, |builder, _| builder.record(draft)).build().unwrap();
        // A copy of its own, so that equal bytes are equal by value.
        let batch = Batch::check(batch.placed_at(Offset(self.base)).bytes().clone()).unwrap();
        Block { batch, arrived_at: Timestamp(self.arrived_at), origin: self.origin.map(Lane) }
    }
}

/// Makes a write and waits for its answer.
pub(crate) fn done(write: impl FnOnce(Done)) -> Result<(), Error> {
    let (answer, answered) = mpsc::channel();
    write(Box::new(move |result| answer.send(result).unwrap()));
    answered.recv().expect("every write is answered")
}

/// Appends and waits.
pub(crate) fn append(engine: &Engine, lane: LaneId, block: Block) -> Result<(), Error> {
    done(|done| engine.journal.append(lane, block, done))
}

/// Appends blocks one behind the other; returns them.
pub(crate) fn filled(engine: &Engine, lane: LaneId, makes: impl IntoIterator<Item = Make>) -> Vec<Block> {
    let mut base = engine.journal.extent(lane).next.0;
    let mut blocks = Vec::new();
    for make in makes {
        let block = Make { base, ..make }.block();
        append(engine, lane, block.clone()).unwrap();
        base = block.batch.header().next_offset().0;
        blocks.push(block);
    }
    blocks
}
