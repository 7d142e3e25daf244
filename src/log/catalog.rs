//! Create, describe, change and delete streams.
//!
//! In the ledger a stream is one entry, and each of its shards is one more, so that no entry grows with the stream.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedMutexGuard, oneshot};

use crate::metrics::{Room, StreamMeter};
use crate::model::{
    Consumer, HashKey, Lane, LaneId, Mode, Realm, Settings, Shard, ShardId, Status, StreamId, StreamName, Timestamp, limits,
};
use crate::store::{self, Done, Journal, Ledger, Write};

use super::demand::Watch;
use super::handle::{Streams, settled, ticket};
use super::history::History;
use super::route::Routes;
use super::tail::{LaneCell, Tails};
use super::{Error, Log, lineage, reshard};

const STREAMS: &str = "stream/";
const SHARDS: &str = "shard/";

/// One incarnation of a stream.
pub struct Stream {
    id: StreamId,
    realm: Realm,
    name: StreamName,
    created_at: Timestamp,
    settings: RwLock<Arc<Settings>>,
    history: RwLock<Arc<History>>,
    /// What was seen of its traffic lately; `None` while its traffic decides nothing.
    watch: Mutex<Option<Watch>>,
    /// When it is gone, in milliseconds since the epoch: asked with every append.
    gone_at: AtomicI64,
    shards: RwLock<Arc<Vec<Shard>>>,
    routes: RwLock<Arc<Routes>>,
    lanes: RwLock<Vec<Arc<LaneCell>>>,
    meter: StreamMeter,
}

/// What the ledger has of a stream.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(default, skip_serializing_if = "Realm::is_home")]
    realm: Realm,
    name: StreamName,
    created_at: Timestamp,
    settings: Settings,
    #[serde(default)]
    history: History,
}

impl Stream {
    /// Which incarnation this is.
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// Whose it is, and where.
    pub fn realm(&self) -> &Realm {
        &self.realm
    }

    /// Its name, which no other stream of its realm has.
    pub fn name(&self) -> &StreamName {
        &self.name
    }

    /// When it was created.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// Its settings as they are now.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.read().clone()
    }

    /// What is measured of it; doors feed it, as what counts as one put or one read is theirs to say.
    pub fn meter(&self) -> &StreamMeter {
        &self.meter
    }

    /// What it is doing at `now`.
    pub fn status(&self, now: Timestamp) -> Status {
        // Who still holds a stream that is gone sees it go.
        self.history().status(now).unwrap_or(Status::Deleting)
    }

    /// All its shards, open and closed, by number.
    pub fn shards(&self) -> Arc<Vec<Shard>> {
        self.shards.read().clone()
    }

    /// One of its shards.
    pub fn shard(&self, id: ShardId) -> Option<Shard> {
        lineage::find(&self.shards(), id).cloned()
    }

    /// The shards that one of its shards was split or merged into, by number; none while it is open.
    pub fn children(&self, id: ShardId) -> Vec<Shard> {
        lineage::children(&self.shards(), id).cloned().collect()
    }

    /// Its shards that are open, or whose records can still be within the retention at `now`, by number: Kinesis lists no others.
    pub fn listed_shards(&self, now: Timestamp) -> Vec<Shard> {
        let retention = self.settings().retention();
        self.shards().iter().filter(|shard| !lineage::is_expired(shard, retention, now)).cloned().collect()
    }

    /// How many of its shards are open.
    pub fn open_shards(&self) -> u32 {
        u32::try_from(self.routes.read().open().len()).unwrap_or(u32::MAX)
    }

    /// The open shard that takes records with this hash key.
    ///
    /// # Errors
    /// [`Error::UnknownStream`] if the stream has no shards, as one never does.
    pub fn route(&self, key: HashKey) -> Result<Shard, Error> {
        let routes = self.routes.read().clone();
        routes.owner(key).cloned().ok_or_else(|| Error::UnknownStream(self.name.to_string()))
    }

    /// How many lanes it has; they never go away.
    pub fn lanes(&self) -> u32 {
        u32::try_from(self.lanes.read().len()).unwrap_or(u32::MAX)
    }

    /// The name of one of its lanes in the log.
    pub fn lane(&self, lane: u32) -> LaneId {
        LaneId { stream: self.id, lane: Lane(lane) }
    }

    pub(super) fn cell(&self, lane: u32) -> Option<Arc<LaneCell>> {
        self.lanes.read().get(lane as usize).cloned()
    }

    pub(super) fn cells(&self) -> Vec<Arc<LaneCell>> {
        self.lanes.read().clone()
    }

    pub(super) fn history(&self) -> Arc<History> {
        self.history.read().clone()
    }

    pub(super) fn set_history(&self, history: History) {
        self.gone_at.store(history.gone_at().map_or(i64::MAX, |at| at.0), Ordering::Release);
        *self.history.write() = Arc::new(history);
    }

    pub(super) fn watch(&self) -> &Mutex<Option<Watch>> {
        &self.watch
    }

    fn is_gone(&self, now: Timestamp) -> bool {
        self.gone_at.load(Ordering::Acquire) <= now.0
    }

    fn new(
        id: StreamId,
        stored: Stored,
        mut shards: Vec<Shard>,
        journal: &dyn Journal,
        tails: &Arc<Tails>,
        measured: &Arc<Room>,
    ) -> Self {
        shards.sort_by_key(|shard| shard.id);
        let stream = Self {
            id,
            realm: stored.realm,
            name: stored.name,
            created_at: stored.created_at,
            settings: RwLock::new(Arc::new(stored.settings)),
            history: RwLock::default(),
            watch: Mutex::default(),
            gone_at: AtomicI64::new(i64::MAX),
            shards: RwLock::default(),
            routes: RwLock::new(Arc::new(Routes::of(&[]))),
            lanes: RwLock::new(Vec::new()),
            meter: StreamMeter::new(measured.clone()),
        };
        stream.set_history(stored.history);
        stream.set_shards(shards, journal, tails);
        stream
    }

    /// Takes the shards over, and opens the lanes that are new with them.
    pub(super) fn set_shards(&self, shards: Vec<Shard>, journal: &dyn Journal, tails: &Arc<Tails>) {
        let routes = Routes::of(&shards);
        let takers = routes.takers(&shards);
        let wanted = u32::try_from(takers.len()).unwrap_or(u32::MAX);
        let mut lanes = self.lanes.write();
        for number in self.count(&lanes)..wanted {
            let lane = self.lane(number);
            let extent = journal.extent(lane);
            let cell = LaneCell::new(lane, extent.horizon, extent.next, tails.clone());
            cell.state.lock().note_unstable(lane, journal);
            lanes.push(Arc::new(cell));
        }
        for (cell, takes) in lanes.iter().zip(takers) {
            cell.numbering.lock().takes = takes;
        }
        let mut spans = vec![Vec::new(); lanes.len()];
        // By number, which is the order in which a lane's shards follow each other.
        for shard in &shards {
            if let Some(spans) = spans.get_mut(shard.lane.0 as usize) {
                spans.push((shard.first, shard.id));
            }
        }
        for (cell, spans) in lanes.iter().zip(spans) {
            *cell.spans.write() = spans;
        }
        let cells = lanes.clone();
        drop(lanes);
        *self.shards.write() = Arc::new(shards);
        *self.routes.write() = Arc::new(routes);
        // Who waits for records of a shard that was closed waits in vain.
        cells.iter().for_each(|cell| cell.ring());
    }

    fn count(&self, lanes: &[Arc<LaneCell>]) -> u32 {
        u32::try_from(lanes.len()).unwrap_or(u32::MAX)
    }

    /// What the ledger is to have of it.
    pub(super) fn stored(&self, settings: Settings, history: History) -> Result<Write, Error> {
        let (realm, name) = (self.realm.clone(), self.name.clone());
        let stored = Stored { realm, name, created_at: self.created_at, settings, history };
        put(format!("{STREAMS}{}", self.id), &stored)
    }
}

/// Writes down when those consumers were registered of whom that is not known: it is now. Those of `before` who were taken out
/// are gone after `delay`.
fn register(before: &Settings, settings: &mut Settings, now: Timestamp, delay: Duration) {
    for (name, consumer) in before.fan_out.iter().filter(|(name, _)| !settings.fan_out.contains_key(*name)).collect::<Vec<_>>() {
        let gone_at = Some(consumer.gone_at.unwrap_or(now.plus(delay)));
        settings.fan_out.insert(name.clone(), Consumer { gone_at, ..consumer.clone() });
    }
    settings.fan_out.retain(|_, consumer| !consumer.is_gone(now));
    for consumer in settings.fan_out.values_mut().filter(|consumer| consumer.registered_at == Timestamp::default()) {
        consumer.registered_at = now;
    }
}

pub(super) fn shard_key(id: StreamId, shard: &Shard) -> String {
    format!("{SHARDS}{id}/{:010}", shard.id.0)
}

pub(super) fn put(key: String, value: &impl Serialize) -> Result<Write, Error> {
    let value =
        serde_json::to_vec(value).map_err(|error| store::Error::Failed(format!("{key} cannot be written as JSON: {error}")))?;
    Ok(Write::Put { key: key.into(), value: value.into() })
}

fn scan<T: DeserializeOwned>(ledger: &dyn Ledger, prefix: &str, visit: &mut dyn FnMut(&str, T)) -> Result<(), Error> {
    let mut wrong = None;
    ledger.scan(prefix.as_bytes(), &mut |key, value| {
        let rest = key.get(prefix.len()..).and_then(|rest| std::str::from_utf8(rest).ok());
        match (rest, serde_json::from_slice(value)) {
            (Some(rest), Ok(value)) => visit(rest, value),
            (_, Err(error)) => wrong = Some(format!("the ledger's value of {} does not parse: {error}", key.escape_ascii())),
            (None, Ok(_)) => wrong = Some(format!("the ledger has a key that is not text: {}", key.escape_ascii())),
        }
    })?;
    wrong.map_or(Ok(()), |what| Err(store::Error::Damaged(what).into()))
}

fn parse_id(text: &str) -> Result<StreamId, Error> {
    let wrong = |error| store::Error::Damaged(format!("the ledger has {text:?} where a stream's id belongs: {error}"));
    Ok(StreamId(text.parse().map_err(wrong)?))
}

/// The catalog as the ledger has it. Lanes that no stream owns, left by a crash within a deletion, are removed.
pub(super) fn load(
    journal: &dyn Journal,
    ledger: &dyn Ledger,
    tails: &Arc<Tails>,
    measured: &Arc<Room>,
) -> Result<Streams, Error> {
    let (mut found, mut shards) = (Vec::new(), HashMap::<StreamId, Vec<Shard>>::new());
    scan(ledger, STREAMS, &mut |key, stored: Stored| found.push((key.to_owned(), stored)))?;
    let mut owners = Vec::new();
    scan(ledger, SHARDS, &mut |key, shard: Shard| owners.push((key.to_owned(), shard)))?;
    for (key, shard) in owners {
        shards.entry(parse_id(key.split('/').next().unwrap_or_default())?).or_default().push(shard);
    }
    let mut streams = Streams::default();
    for (key, stored) in found {
        let id = parse_id(&key)?;
        let stream = Stream::new(id, stored, shards.remove(&id).unwrap_or_default(), journal, tails, measured);
        streams.enter(Arc::new(stream));
    }
    let orphans: Vec<_> = journal.lanes().into_iter().filter(|lane| !streams.by_id.contains_key(&lane.stream)).collect();
    if !orphans.is_empty() {
        journal.remove(&orphans, Box::new(|_| {}));
    }
    Ok(streams)
}

impl Log {
    /// The stream of that name at home.
    pub fn stream(&self, name: &str) -> Option<Arc<Stream>> {
        self.stream_in(&Realm::default(), name)
    }

    /// The stream of that name in that realm.
    pub fn stream_in(&self, realm: &Realm, name: &str) -> Option<Arc<Stream>> {
        let found = self.inner.streams.read().named(realm, name).cloned();
        found.filter(|stream| !stream.is_gone(self.inner.env.clock.now()))
    }

    /// The incarnation of that id, in whatever realm.
    pub fn stream_by_id(&self, id: StreamId) -> Option<Arc<Stream>> {
        let found = self.inner.streams.read().by_id.get(&id).cloned();
        found.filter(|stream| !stream.is_gone(self.inner.env.clock.now()))
    }

    /// How often streams, their shards or their settings have changed since the log was opened. Who has seen the catalog at
    /// this number need not look again while it stays.
    pub fn changes(&self) -> u64 {
        self.inner.changes.load(Ordering::Acquire)
    }

    /// How many lanes all streams have together, counting those that are being deleted.
    pub fn lanes(&self) -> u64 {
        self.inner.streams.read().by_id.values().map(|stream| u64::from(stream.lanes())).sum()
    }

    /// Whether there may be `more` lanes than all streams have together.
    ///
    /// # Errors
    /// [`Error::LaneQuota`] if not.
    pub(super) fn check_lanes(&self, more: u64) -> Result<(), Error> {
        let count = self.lanes();
        if more > limits::LANES_MAX.saturating_sub(count) { Err(Error::LaneQuota { count, more }) } else { Ok(()) }
    }

    /// The streams at home, by name.
    pub fn streams(&self) -> Vec<Arc<Stream>> {
        self.streams_in(&Realm::default())
    }

    /// The streams of that realm, by name.
    pub fn streams_in(&self, realm: &Realm) -> Vec<Arc<Stream>> {
        let streams = self.inner.streams.read();
        self.there(streams.by_name.get(realm).into_iter().flat_map(|streams| streams.values()))
    }

    /// The streams of all realms, those at home first, each by name.
    pub fn all_streams(&self) -> Vec<Arc<Stream>> {
        self.there(self.inner.streams.read().by_id.values())
    }

    /// Those of `streams` that are not gone, in order.
    fn there<'a>(&self, streams: impl Iterator<Item = &'a Arc<Stream>>) -> Vec<Arc<Stream>> {
        let now = self.inner.env.clock.now();
        let mut there: Vec<_> = streams.filter(|stream| !stream.is_gone(now)).cloned().collect();
        there.sort_by(|a, b| (&a.realm, &a.name).cmp(&(&b.realm, &b.name)));
        there
    }

    /// Creates a stream at home. As [`create_stream_in`](Self::create_stream_in).
    ///
    /// # Errors
    /// The same.
    pub async fn create_stream(&self, name: StreamName, lanes: u32, settings: Settings) -> Result<Arc<Stream>, Error> {
        self.create_stream_in(Realm::default(), name, lanes, settings).await
    }

    /// Creates a stream of `lanes` lanes, 1 to [`SHARDS_MAX`](crate::model::limits::SHARDS_MAX). Durable when it returns.
    ///
    /// # Errors
    /// [`Error::StreamExists`], [`Error::Lanes`], [`Error::LaneQuota`]; where limits are in force, [`Error::ShardQuota`], [`Error::OnDemandStreams`].
    pub async fn create_stream_in(
        &self,
        realm: Realm,
        name: StreamName,
        lanes: u32,
        mut settings: Settings,
    ) -> Result<Arc<Stream>, Error> {
        let changing = self.inner.changing.clone().lock_owned().await;
        let (id, now) = (StreamId(self.inner.env.entropy.uuid()), self.inner.env.clock.now());
        register(&Settings::default(), &mut settings, now, self.inner.options.state_change_delay);
        let before = self.inner.streams.read().named(&realm, name.as_str()).cloned();
        if before.as_ref().is_some_and(|stream| !stream.is_gone(now)) {
            return Err(Error::StreamExists(name));
        }
        self.check_stream_in(&realm, settings.mode, lanes)?;
        // Nobody came by since its deletion was over.
        let (mut writes, leave) = before.map(|stream| self.removal(stream)).unzip();
        let history = History::default().changing(Status::Creating, now, self.inner.options.state_change_delay);
        let stored = Stored { realm, name, created_at: now, settings: settings.clone(), history: history.clone() };
        let (shards, inner) = (reshard::first_shards(lanes, now), &self.inner);
        let stream = Stream::new(id, stored, shards, inner.journal.as_ref(), &inner.tails, &inner.measured);
        let writes = writes.get_or_insert_default();
        writes.push(stream.stored(settings, history)?);
        for shard in stream.shards().iter() {
            writes.push(put(shard_key(id, shard), shard)?);
        }
        let stream = Arc::new(stream);
        let (log, created) = (self.clone(), stream.clone());
        let enter = move || {
            if let Some(leave) = leave {
                leave(Box::new(|_| {}));
            }
            log.inner.streams.write().enter(created);
        };
        self.change(changing, std::mem::take(writes), enter).await?;
        Ok(stream)
    }

    /// Deletes an incarnation and all its records: at once, or after the delay of changes of state, if there is one. Durable
    /// when it returns.
    ///
    /// # Errors
    /// [`Error::UnknownStream`], [`Error::NotActive`].
    pub async fn delete_stream(&self, id: StreamId) -> Result<(), Error> {
        let changing = self.inner.changing.clone().lock_owned().await;
        let stream = self.stream_by_id(id).ok_or_else(|| Error::UnknownStream(id.to_string()))?;
        self.check_active(&stream)?;
        let delay = self.inner.options.state_change_delay;
        if delay.is_zero() {
            return self.remove(changing, stream).await;
        }
        let history = stream.history().changing(Status::Deleting, self.inner.env.clock.now(), delay);
        let writes = vec![stream.stored(stream.settings().as_ref().clone(), history.clone())?];
        self.change(changing, writes, move || stream.set_history(history)).await
    }

    /// Removes streams whose deletion is over.
    pub(super) async fn bury(&self) {
        let now = self.inner.env.clock.now();
        let mut gone: Vec<_> = self.inner.streams.read().by_id.values().filter(|stream| stream.is_gone(now)).cloned().collect();
        gone.sort_unstable_by_key(|stream| stream.id); // The map's order is another one in each run.
        for stream in gone {
            let changing = self.inner.changing.clone().lock_owned().await;
            let is_there = self.inner.streams.read().by_id.contains_key(&stream.id);
            if is_there && let Err(error) = self.remove(changing, stream.clone()).await {
                tracing::warn!(%error, stream = %stream.name, "a deleted stream could not be removed; it is tried again");
            }
        }
    }

    async fn remove(&self, changing: OwnedMutexGuard<()>, stream: Arc<Stream>) -> Result<(), Error> {
        let (done, removed) = ticket();
        let (writes, leave) = self.removal(stream);
        self.change(changing, writes, move || leave(done)).await?;
        removed.await
    }

    /// What removes a stream from the ledger, and then from everywhere else.
    fn removal(&self, stream: Arc<Stream>) -> (Vec<Write>, impl FnOnce(Done) + Send + 'static) {
        let id = stream.id;
        let mut writes = vec![Write::Delete { key: format!("{STREAMS}{id}").into() }];
        writes.extend(stream.shards().iter().map(|shard| Write::Delete { key: Bytes::from(shard_key(id, shard)) }));
        let log = self.clone();
        let leave = move |done: Done| {
            log.inner.streams.write().leave(&stream);
            let cells = stream.cells();
            for cell in &cells {
                cell.numbering.lock().sealed = true;
                cell.ring();
                cell.forget_tail();
            }
            let lanes: Vec<_> = cells.iter().map(|cell| cell.id).collect();
            log.inner.journal.remove(&lanes, done);
        };
        (writes, leave)
    }

    /// Changes a stream's settings: `change` gets what they are and leaves what they shall be. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::UnknownStream`], [`Error::NotActive`]; where limits are in force, [`Error::ModeSwitchRate`],
    /// [`Error::OnDemandStreams`], [`Error::ShardQuota`].
    pub async fn change_settings(&self, id: StreamId, change: impl FnOnce(&mut Settings) + Send) -> Result<(), Error> {
        let change = |settings: &mut Settings| {
            change(settings);
            Ok(())
        };
        self.try_change_settings(id, change).await
    }

    /// The same for somebody who looks at the settings first, and may not want them changed then. Nothing is written where
    /// nothing was changed.
    ///
    /// # Errors
    /// What `change` returns, and what [`change_settings`](Self::change_settings) refuses.
    pub async fn try_change_settings<E: From<Error>>(
        &self,
        id: StreamId,
        change: impl FnOnce(&mut Settings) -> Result<(), E> + Send,
    ) -> Result<(), E> {
        let changing = self.inner.changing.clone().lock_owned().await;
        let stream = self.stream_by_id(id).ok_or_else(|| Error::UnknownStream(id.to_string()))?;
        self.check_active(&stream)?;
        let (before, now) = (stream.settings(), self.inner.env.clock.now());
        let (mut settings, mut history) = (before.as_ref().clone(), stream.history().as_ref().clone());
        change(&mut settings)?;
        if settings == *before {
            return Ok(());
        }
        register(&before, &mut settings, now, self.inner.options.state_change_delay);
        if settings.mode != before.mode {
            self.check_mode(&stream.realm, settings.mode)?;
            self.check_quota(&stream.realm, settings.mode, stream.open_shards())?;
            let (stream, max) = (stream.name.clone(), limits::MODE_SWITCHES_PER_DAY);
            if self.is_limited() && history.switched.within_a_day(now) >= max {
                return Err(Error::ModeSwitchRate { stream, max }.into());
            }
            history.switched.note(now);
            history = history.changing(Status::Updating, now, self.inner.options.state_change_delay);
        }
        let mut writes = vec![stream.stored(settings.clone(), history.clone())?];
        let mut shards = stream.shards().as_ref().clone();
        if settings.retention_hours > before.retention_hours {
            // What is over by the old retention stays over.
            for cell in stream.cells() {
                self.horizon(&stream, &cell).await?;
            }
            for shard in shards.iter_mut().filter(|shard| lineage::is_expired(shard, before.retention(), now)) {
                shard.expired = true;
                writes.push(put(shard_key(id, shard), shard)?);
            }
        }
        let apply = move || {
            *stream.settings.write() = Arc::new(settings);
            stream.set_history(history);
            *stream.shards.write() = Arc::new(shards);
        };
        Ok(self.change(changing, writes, apply).await?)
    }

    /// What a consumer registered for fan-out is doing now: for the delay of changes of state it is CREATING, or DELETING.
    pub fn consumer_status(&self, consumer: &Consumer) -> Status {
        if consumer.gone_at.is_some() {
            return Status::Deleting;
        }
        let until = consumer.registered_at.plus(self.inner.options.state_change_delay);
        if self.inner.env.clock.now() < until { Status::Creating } else { Status::Active }
    }

    /// Whether a stream may be changed now.
    pub(super) fn check_active(&self, stream: &Stream) -> Result<(), Error> {
        match stream.status(self.inner.env.clock.now()) {
            Status::Active => Ok(()),
            status => Err(Error::NotActive { stream: stream.name.clone(), status }),
        }
    }

    /// Whether a stream of `lanes` lanes in `mode` could be created at home now, but for its name.
    ///
    /// # Errors
    /// What [`create_stream`](Self::create_stream) refuses for that.
    pub fn check_stream(&self, mode: Mode, lanes: u32) -> Result<(), Error> {
        self.check_stream_in(&Realm::default(), mode, lanes)
    }

    fn check_stream_in(&self, realm: &Realm, mode: Mode, lanes: u32) -> Result<(), Error> {
        reshard::check(lanes)?;
        self.check_mode(realm, mode)?;
        self.check_quota(realm, mode, lanes)?;
        self.check_lanes(lanes.into())
    }

    /// Whether `more` shards of a stream in `mode` may be opened: the quota is one of the realm's provisioned streams.
    pub(super) fn check_quota(&self, realm: &Realm, mode: Mode, more: u32) -> Result<(), Error> {
        if mode != Mode::Provisioned || !self.is_limited() {
            return Ok(());
        }
        let max = self.inner.options.shard_quota;
        let open = self.streams_in_mode(realm, mode).map(|stream| stream.open_shards()).fold(0, u32::saturating_add);
        if open.saturating_add(more) > max { Err(Error::ShardQuota { open, max, more }) } else { Ok(()) }
    }

    /// Whether another stream of the realm may be in `mode`.
    fn check_mode(&self, realm: &Realm, mode: Mode) -> Result<(), Error> {
        let max = limits::ON_DEMAND_STREAMS_MAX;
        let is_full = mode == Mode::OnDemand && self.is_limited() && self.streams_in_mode(realm, mode).count() >= max;
        if is_full { Err(Error::OnDemandStreams { max }) } else { Ok(()) }
    }

    fn streams_in_mode(&self, realm: &Realm, mode: Mode) -> impl Iterator<Item = Arc<Stream>> {
        self.streams_in(realm).into_iter().filter(move |stream| stream.settings().mode == mode)
    }

    /// How many open shards all provisioned streams of a realm may have together, where limits are in force.
    pub fn shard_quota(&self) -> u32 {
        self.inner.options.shard_quota
    }

    /// Whether Kinesis's limits on counts are in force.
    pub(super) fn is_limited(&self) -> bool {
        self.inner.env.limits.get().throughput.is_some()
    }

    /// Commits `writes`, and carries out `apply` when they are durable, also if nobody waits for that any more: what the
    /// ledger says and what is seen must not part because a client hung up.
    pub(super) async fn change(
        &self,
        changing: OwnedMutexGuard<()>,
        writes: Vec<Write>,
        apply: impl FnOnce() + Send + 'static,
    ) -> Result<(), Error> {
        let (done, durable) = oneshot::channel();
        let log = self.clone();
        let carry_out = move |result: Result<(), store::Error>| {
            if result.is_ok() {
                apply();
                log.inner.changes.fetch_add(1, Ordering::Release);
            } else {
                // What it holds goes before the next change may begin.
                drop(apply);
            }
            drop(changing);
            let _ = done.send(result);
        };
        self.inner.ledger.commit(writes, Box::new(carry_out));
        settled(durable).await
    }
}
