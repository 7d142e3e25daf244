//! **The log's rules**, without a wire: every case runs over the store in memory and over the one on disk, on a paused clock.
//!
//! The store on disk answers from threads of its own, which the paused clock does not wait for. So the clock is held while
//! something of the log is awaited, unless a case is about time passing.

mod ages;
mod ahead;
mod appends;
mod model;
mod on_demand;
pub(crate) mod plain;
mod reads;
mod reshard;
mod retention;
mod shard_reader;
mod states;
mod streams;
mod transactions;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use shardgate::batch::{Batch, Builder, Draft, ProducerStamp};
use shardgate::env::{Env, LimitsInForce, PausedClock, SeededEntropy};
use shardgate::log::{Appended, Error, Isolation, Log, Options, Page, Patience, Reader, Stream, Wait, Want};
use shardgate::model::{LaneId, Limits, Offset, Settings, StreamName, Timestamp};
use shardgate::store::{Faults, FaultyStore, Journal, Ledger, MemoryStore, SegmentStore};
use tempfile::TempDir;

pub(crate) const START: Timestamp = Timestamp(1_700_000_000_000);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// What outlives a log.
#[derive(Clone)]
pub(crate) enum Kept {
    Memory(Arc<MemoryStore>),
    Disk(Arc<TempDir>),
}

/// A log, and the test's hand on its store.
pub(crate) struct House {
    pub(crate) log: Log,
    pub(crate) faults: Faults,
    kept: Kept,
    env: Env,
    options: Options,
}

/// Every case over every store.
macro_rules! cases {
    ($($case:ident)*) => {
        mod memory {
            $(#[tokio::test(start_paused = true)]
            async fn $case() {
                super::$case(super::super::memory()).await;
            })*
        }
        mod disk {
            $(#[tokio::test(start_paused = true)]
            async fn $case() {
                super::$case(super::super::disk()).await;
            })*
        }
    };
}
pub(crate) use cases;

pub(crate) fn memory() -> House {
    House::open(Kept::Memory(Arc::default()), env(), Options::default())
}

pub(crate) fn disk() -> House {
    House::open(Kept::Disk(Arc::new(tempfile::tempdir().unwrap())), env(), Options::default())
}

fn env() -> Env {
    Env {
        clock: Arc::new(PausedClock::starting_at(START)),
        entropy: Arc::new(SeededEntropy::new(1)),
        limits: LimitsInForce::new(Limits::off()),
    }
}

impl House {
    fn open(kept: Kept, env: Env, options: Options) -> Self {
        let (journal, ledger): (Arc<dyn Journal>, Arc<dyn Ledger>) = match &kept {
            Kept::Memory(store) => (store.clone(), store.clone()),
            Kept::Disk(directory) => {
                let store = Arc::new(open_disk(directory));
                (store.clone(), store)
            }
        };
        let (store, faults) = FaultyStore::new(journal, ledger);
        let store = Arc::new(store);
        let log = Log::open(store.clone(), store, env.clone(), options).unwrap();
        Self { log, faults, kept, env, options }
    }

    /// The same store, opened by another log: the time goes on.
    pub(crate) fn reopened(self) -> Self {
        let options = self.options;
        self.reopened_with(options)
    }

    pub(crate) fn reopened_with(self, options: Options) -> Self {
        let Self { log, kept, env, .. } = self;
        drop(log);
        Self::open(kept, env, options)
    }

    pub(crate) async fn stream(&self, name: &str, lanes: u32) -> Arc<Stream> {
        let name = StreamName::new(name).unwrap();
        still(self.log.create_stream(name, lanes, Settings::default())).await.unwrap()
    }

    pub(crate) async fn append(&self, lane: LaneId, batch: &Batch) -> Result<Appended, Error> {
        still(append(&self.log, lane, batch)).await
    }

    /// Appends a batch of these values, and returns its first offset.
    pub(crate) async fn put(&self, lane: LaneId, values: &[&str]) -> i64 {
        self.append(lane, &batch(values)).await.unwrap().base.map_or(-1, |base| base.0)
    }

    /// What can be read from `from` on at once.
    pub(crate) async fn page(&self, lane: LaneId, from: i64) -> Result<Page, Error> {
        self.page_of(lane, from, usize::MAX).await
    }

    pub(crate) async fn page_of(&self, lane: LaneId, from: i64, bytes_max: usize) -> Result<Page, Error> {
        let want = Want { lane, from: Offset(from), bytes_max, isolation: Isolation::Uncommitted };
        still(self.log.read(&[want], Wait::No, usize::MAX, READER)).await.remove(0)
    }

    /// Offsets and values that can be read from `from` on.
    pub(crate) async fn values(&self, lane: LaneId, from: i64) -> Vec<(i64, String)> {
        values(&self.page(lane, from).await.unwrap())
    }

    /// Bytes of the log's files on disk.
    pub(crate) fn disk_bytes(&self) -> u64 {
        let Kept::Disk(directory) = &self.kept else { panic!("it is in memory") };
        let files = std::fs::read_dir(directory.path().join("log")).unwrap().flatten();
        // A file that went meanwhile has none.
        files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
    }

    pub(crate) async fn horizon(&self, lane: LaneId) -> i64 {
        still(self.log.reach(lane)).await.unwrap().horizon.0
    }
}

/// The threads of a store that was just dropped may still be at their last words.
fn open_disk(directory: &TempDir) -> SegmentStore {
    loop {
        match SegmentStore::open(directory.path(), shardgate::store::Options { segment_bytes: 4 << 10, repair: false }) {
            Ok(store) => return store,
            Err(error) => assert!(error.to_string().contains("in use"), "{error}"),
        }
        std::thread::yield_now();
    }
}

pub(crate) const READER: Reader<'static> = Reader::Patient("tests");
pub(crate) const REFUSE: Patience = Patience::Refuse;

/// Appends, and waits until the batch is durable.
pub(crate) async fn append(log: &Log, lane: LaneId, batch: &Batch) -> Result<Appended, Error> {
    log.append(lane, batch, REFUSE)?.durable().await
}

/// Holds the paused clock while `work` is awaited.
pub(crate) async fn still<T>(work: impl Future<Output = T>) -> T {
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let holder = tokio::task::spawn_blocking(move || ended.recv());
    let result = work.await;
    drop(end);
    let _ = holder.await;
    result
}

/// Lets `work` get as far as its first wait, and no further: its caller has hung up.
pub(crate) fn polled_once_and_dropped(work: impl Future) {
    let _ = pin!(work).poll(&mut Context::from_waker(Waker::noop()));
}

pub(crate) fn batch(values: &[&str]) -> Batch {
    build(Builder::default(), values)
}

pub(crate) fn stamped(values: &[&str], id: i64, epoch: i16, first_sequence: i32) -> Batch {
    build(Builder::default().producer(ProducerStamp { id, epoch, first_sequence }), values)
}

/// Records a second apart from the start on.
pub(crate) fn build(builder: Builder, values: &[&str]) -> Batch {
    let filled = values.iter().zip(0..).fold(builder, |builder, (value, second)| {
        let created_at = Timestamp(START.0 + 1_000 * second);
        builder.record(Draft { value: Some(value.as_bytes()), created_at, ..Draft::default() })
    });
    filled.build().unwrap()
}

pub(crate) fn values(page: &Page) -> Vec<(i64, String)> {
    let mut found = Vec::new();
    for bytes in &page.batches {
        let batch = Batch::check(bytes.clone()).unwrap();
        for record in batch.records(1 << 20).unwrap() {
            let record = record.unwrap();
            let offset = batch.header().base_offset.0 + i64::from(record.offset_delta);
            found.push((offset, String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
        }
    }
    found
}

/// What `values` gives for values that follow each other.
pub(crate) fn numbered(first: i64, values: &[&str]) -> Vec<(i64, String)> {
    (first..).zip(values.iter().map(|value| (*value).to_owned())).collect()
}
