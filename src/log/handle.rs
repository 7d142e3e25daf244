//! The struct, fields only; every verb is an `impl Log` in its own file.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Mutex as AsyncMutex, Semaphore, oneshot};

use crate::env::Env;
use crate::metrics::Room;
use crate::model::{LaneId, Realm, StreamId, StreamName, limits};
use crate::store::{self, Done, Journal, Ledger, Volume};

use super::ahead::Ahead;
use super::catalog::{self, Stream};
use super::producers::ProducerIds;
use super::tail::{LaneCell, Tails};
use super::{Error, Reach};

/// The log. Clones are handles to the same one.
#[derive(Clone)]
pub struct Log {
    pub(super) inner: Arc<Inner>,
}

/// Reads from the disk at once. *Ours*: disks are kept busy by fewer.
const READS_MAX: usize = 16;

/// How a log is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes of the newest batches kept in memory, all lanes together.
    pub tail_bytes_max: usize,
    /// How long a stream is CREATING, UPDATING or DELETING after such a change.
    pub state_change_delay: Duration,
    /// Open shards of all provisioned streams of a realm together, where limits are in force.
    pub shard_quota: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { tail_bytes_max: 24 << 20, state_change_delay: Duration::ZERO, shard_quota: limits::SHARD_QUOTA }
    }
}

pub(super) struct Inner {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) env: Env,
    pub(super) options: Options,
    pub(super) streams: RwLock<Streams>,
    /// Held while the catalog is changed: changes are rare and wait for the disk.
    pub(super) changing: Arc<AsyncMutex<()>>,
    /// How often the catalog has changed.
    pub(super) changes: AtomicU64,
    pub(super) tails: Arc<Tails>,
    pub(super) ahead: Ahead,
    /// Where the streams' meters keep what was.
    pub(super) measured: Arc<Room>,
    /// Held while a compressed batch that is being appended is open: the memory of one is all they take together.
    pub(super) opening: Mutex<()>,
    /// The same for batches that are searched, whose readers can wait.
    pub(super) searching: Arc<AsyncMutex<()>>,
    pub(super) producer_ids: AsyncMutex<ProducerIds>,
    /// Aborted transactions that are remembered, at least: those that were forgotten since they were last counted are among them.
    pub(super) aborted: AtomicUsize,
    /// One permit per read from the disk: each takes a thread, and memory for what it reads.
    pub(super) reads: Arc<Semaphore>,
}

/// All streams, including those that are gone and not buried.
#[derive(Default)]
pub(super) struct Streams {
    /// By name, in each realm that has some.
    pub(super) by_name: HashMap<Realm, HashMap<StreamName, Arc<Stream>>>,
    pub(super) by_id: HashMap<StreamId, Arc<Stream>>,
}

impl Streams {
    pub(super) fn named(&self, realm: &Realm, name: &str) -> Option<&Arc<Stream>> {
        self.by_name.get(realm)?.get(name)
    }

    pub(super) fn enter(&mut self, stream: Arc<Stream>) {
        self.by_name.entry(stream.realm().clone()).or_default().insert(stream.name().clone(), stream.clone());
        self.by_id.insert(stream.id(), stream);
    }

    pub(super) fn leave(&mut self, stream: &Stream) {
        if let Some(realm) = self.by_name.get_mut(stream.realm()) {
            realm.remove(stream.name());
            if realm.is_empty() {
                self.by_name.remove(stream.realm());
            }
        }
        self.by_id.remove(&stream.id());
    }
}

impl Log {
    /// Opens the log over a store, as the ledger describes it. Blocks on the store.
    pub fn open(journal: Arc<dyn Journal>, ledger: Arc<dyn Ledger>, env: Env, options: Options) -> Result<Self, Error> {
        let tails = Arc::new(Tails::new(options.tail_bytes_max));
        let measured = Arc::default();
        let streams = catalog::load(journal.as_ref(), ledger.as_ref(), &tails, &measured)?;
        let producer_ids = AsyncMutex::new(ProducerIds::load(ledger.as_ref())?);
        let (changing, opening, searching) = (Arc::default(), Mutex::new(()), Arc::default());
        let streams = RwLock::new(streams);
        let inner = Inner {
            journal,
            ledger,
            env,
            options,
            streams,
            changing,
            changes: AtomicU64::new(0),
            tails,
            ahead: Ahead::default(),
            measured,
            opening,
            searching,
            producer_ids,
            aborted: AtomicUsize::new(0),
            reads: Arc::new(Semaphore::new(READS_MAX)),
        };
        let log = Self { inner: Arc::new(inner) };
        log.count_aborted();
        Ok(log)
    }

    /// Where the log's time and chance come from.
    pub fn env(&self) -> &Env {
        &self.inner.env
    }

    /// The offsets of a lane that can be read now.
    pub async fn reach(&self, lane: LaneId) -> Result<Reach, Error> {
        let (stream, cell) = self.lane(lane)?;
        let horizon = self.horizon(&stream, &cell).await?;
        let reach = cell.state.lock().reach(horizon);
        Ok(reach)
    }

    /// Bytes of the live batches of each of `lanes`.
    pub async fn bytes(&self, lanes: Vec<LaneId>) -> Result<Vec<u64>, Error> {
        self.on_disk(move |journal| lanes.into_iter().map(|lane| journal.bytes(lane)).collect()).await
    }

    /// The space of the volume that the log lies on; `None` if it lies in memory.
    pub fn volume(&self) -> Option<Volume> {
        self.inner.journal.volume()
    }

    pub(super) fn lane(&self, lane: LaneId) -> Result<(Arc<Stream>, Arc<LaneCell>), Error> {
        let stream = self.stream_by_id(lane.stream).ok_or_else(|| Error::UnknownStream(lane.stream.to_string()))?;
        let cell =
            stream.cell(lane.lane.0).ok_or_else(|| Error::UnknownLane { stream: stream.name().clone(), lane: lane.lane.0 })?;
        Ok((stream, cell))
    }

    /// Runs `work`, which may wait for the disk, where that holds up nobody.
    pub(super) async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Journal) -> Result<T, store::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let turn = self.inner.reads.clone().acquire_owned().await;
        let journal = self.inner.journal.clone();
        if !journal.waits() {
            return Ok(work(journal.as_ref())?);
        }
        match tokio::task::spawn_blocking(move || {
            // Held by the read itself, which goes on when nobody waits for it any more.
            let _turn = turn;
            work(journal.as_ref())
        })
        .await
        {
            Ok(result) => Ok(result?),
            Err(error) => Err(store::Error::Failed(format!("a read from the store did not end: {error}")).into()),
        }
    }
}

/// A `Done` and the future of what it hears.
pub(super) fn ticket() -> (Done, impl Future<Output = Result<(), Error>>) {
    let (done, durable) = oneshot::channel();
    (Box::new(move |result| drop(done.send(result))), settled(durable))
}

/// Waits for what a store says of a write.
pub(super) async fn settled(durable: oneshot::Receiver<Result<(), store::Error>>) -> Result<(), Error> {
    let stopped = || Err(store::Error::Failed("the store stopped before the write was durable".to_owned()));
    Ok(durable.await.unwrap_or_else(|_| stopped())?)
}
