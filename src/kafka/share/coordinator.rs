//! **The coordinator**: all share groups, their partitions and their members' sessions.
//!
//! A group is one lock, held for as long as a decision takes and never across a wait. What a decision changed is handed to the
//! notebook under that lock, so that writes have the order of the decisions; who asked waits for the disk without it.
//!
//! One bell per group is rung whenever records may have become available to somebody who waits.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::futures::OwnedNotified;
use tokio::sync::{Mutex as AsyncMutex, Notify, OwnedMutexGuard};
use tokio::time::Instant;
use uuid::Uuid;

use super::decide::{self, JOIN, LEAVE};
use super::journal::{self, Kept};
use super::partition::{Acknowledgement, Acquired, Bounds, NotTaken, Partition, Terms, Verdict, Wanted};
use super::sessions::{INITIAL, Sessions};
use super::state::{Beat, Beaten, Described, Group, Lookup, Place, Refusal};
use crate::kafka::group_configs::{GroupConfigs, Start};
use crate::notebook::{Notebook, Page};

/// Groups held. *Ours*: a bound on what made-up group names can take.
const GROUPS_MAX: usize = 10_000;
/// Memory for groups, members and partitions beyond which none is added. *Ours*.
const BYTES_MAX: usize = 12 << 20;
/// Pieces that all partitions are in, beyond which nothing new is delivered. *Ours*: some 6 MiB.
const RUNS_MAX: usize = 100_000;
/// Pieces beyond which no acknowledgement cuts a partition into more. *Ours*.
const RUNS_MAX_OF_OLD: usize = 150_000;
/// Memory that a partition takes beside its pieces, in bytes, measured roughly.
const PARTITION_BYTES: usize = 400;
/// How often members and locks are looked at. Who waits for a lock's end looks himself.
const TICK: Duration = Duration::from_secs(1);

/// A change on its way to the disk.
pub(crate) type Durable = Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send>>;

/// All share groups of a gateway. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Shares {
    shared: Arc<Shared>,
}

struct Shared {
    notebook: Notebook,
    configs: GroupConfigs,
    /// What deadlines are counted from: wall time may jump.
    origin: Instant,
    directory: Mutex<Directory>,
    sessions: Mutex<Sessions>,
    totals: Arc<Totals>,
    /// Rung when there are members or locks to look at now and then.
    busy: Arc<Notify>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.busy.notify_one();
    }
}

#[derive(Default)]
struct Directory {
    cells: HashMap<Arc<str>, Arc<Cell>>,
    next_id: u64,
}

/// What all groups take together.
#[derive(Default)]
struct Totals {
    bytes: AtomicUsize,
    runs: AtomicUsize,
}

/// One group.
struct Cell {
    id: u64,
    name: Arc<str>,
    held: Mutex<Held>,
    bell: Arc<Notify>,
}

/// What a group's lock protects.
struct Held {
    group: Group,
    partitions: BTreeMap<Place, Tracked>,
    /// What it counts for in what all take.
    bytes: usize,
    runs: usize,
    totals: Arc<Totals>,
    is_deleted: bool,
}

/// A partition that somebody has read.
struct Tracked {
    records: Partition,
    /// Held by whoever reads it to deliver what he finds: others would find the same.
    turn: Arc<AsyncMutex<()>>,
}

impl Tracked {
    fn of(records: Partition) -> Self {
        Self { records, turn: Arc::default() }
    }
}

impl Held {
    /// Counts for what it takes now.
    fn weigh(&mut self) {
        let runs = self.partitions.values().map(|tracked| tracked.records.runs()).sum();
        let bytes = if self.is_deleted { 0 } else { self.group.bytes() + self.partitions.len() * PARTITION_BYTES };
        swap(&self.totals.bytes, &mut self.bytes, bytes);
        swap(&self.totals.runs, &mut self.runs, runs);
    }

    /// The same if only the pieces of one partition have changed, which were so many.
    fn recount(&mut self, before: usize, after: usize) {
        let runs = self.runs + after - before;
        swap(&self.totals.runs, &mut self.runs, runs);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        swap(&self.totals.bytes, &mut self.bytes, 0);
        swap(&self.totals.runs, &mut self.runs, 0);
    }
}

fn swap(total: &AtomicUsize, mine: &mut usize, now: usize) {
    total.fetch_add(now, Ordering::Relaxed);
    total.fetch_sub(std::mem::replace(mine, now), Ordering::Relaxed);
}

/// What a reader finds when it looks at a partition.
pub(crate) enum Look {
    /// It is its turn to read from this offset on.
    Read(i64, OwnedMutexGuard<()>),
    /// There is nothing to read: somebody else reads it, or as much as may be is under way. When that may change by itself.
    Wait(Option<Instant>),
    /// Nobody has read it yet: it has no start.
    New,
}

impl Shares {
    /// Loads all groups and starts their members' sessions anew. Must be called inside a Tokio runtime.
    pub(crate) fn open(notebook: Notebook, configs: GroupConfigs) -> Result<Self, String> {
        let (kept, next_id) = journal::load(&notebook)?;
        let totals: Arc<Totals> = Arc::default();
        let cells = kept.into_iter().map(|kept| {
            let cell = Arc::new(Cell::restored(kept, &configs, &totals));
            (cell.name.clone(), cell)
        });
        let directory = Mutex::new(Directory { cells: cells.collect(), next_id });
        let (sessions, origin, busy) = (Mutex::default(), Instant::now(), Arc::default());
        let shared = Arc::new(Shared { notebook, configs, origin, directory, sessions, totals, busy });
        tokio::spawn(look_now_and_then(Arc::downgrade(&shared)));
        Ok(Self { shared })
    }

    /// Whether there is such a group.
    pub(crate) fn exists(&self, group: &str) -> bool {
        self.shared.cell(group).is_ok()
    }

    /// Takes a heartbeat; what it changed is durable when it returns.
    pub(crate) async fn heartbeat(&self, group: &str, beat: Beat, topics: Lookup<'_>) -> Result<Beaten, Refusal> {
        let shared = &self.shared;
        let cell = if beat.epoch == JOIN { shared.cell_or_new(group)? } else { shared.cell(group)? };
        let (settings, now) = (shared.configs.of_share(group), shared.now());
        let (beaten, durable) = {
            let mut held = cell.held()?;
            let grows = beat.epoch == JOIN || beat.topics.is_some();
            let is_full = grows && shared.totals.bytes.load(Ordering::Relaxed) >= BYTES_MAX;
            let decided = match beat.epoch {
                _ if is_full => Err(Refusal::TooMany),
                LEAVE => decide::leave(&mut held.group, &beat.member).map(|()| (Beaten::gone(settings), true)),
                _ => decide::beat(&mut held.group, &beat, settings, topics, now),
            };
            let (beaten, has_changed) = match decided {
                Ok(decided) => decided,
                Err(refusal) => {
                    let is_unborn = held.group.epoch == 0;
                    drop(held);
                    if is_unborn {
                        shared.remove_unborn(&cell);
                    }
                    return Err(refusal);
                }
            };
            let mut page = Page::default();
            if beat.epoch == LEAVE {
                let member: Arc<str> = beat.member.as_str().into();
                shared.sessions.lock().end(&cell.name, &member);
                shared.release(&cell, &mut held, &member, &mut page);
            }
            if has_changed {
                journal::put_group(&mut page, cell.id, &held.group);
                held.weigh();
            }
            (beaten, begin(&shared.notebook, page))
        };
        shared.busy.notify_one();
        durable.await?;
        Ok(beaten)
    }

    /// All groups by name, with Kafka's name of their state.
    pub(crate) fn list(&self) -> Vec<(Arc<str>, &'static str)> {
        let mut listed: Vec<_> =
            self.shared.cells().iter().map(|cell| (cell.name.clone(), cell.held.lock().group.state())).collect();
        listed.sort();
        listed
    }

    /// A group with its members.
    pub(crate) fn describe(&self, group: &str) -> Result<(Described, &'static str), Refusal> {
        let cell = self.shared.cell(group)?;
        let held = cell.held()?;
        let Group { epoch, target_epoch, ref members, .. } = held.group;
        Ok((Described { epoch, target_epoch, members: members.clone() }, held.group.state()))
    }

    /// The topics that a group has state of, with the number of partitions.
    pub(crate) fn topics(&self, group: &str) -> Result<BTreeMap<Uuid, (String, u32)>, Refusal> {
        let cell = self.shared.cell(group)?;
        let held = cell.held()?;
        Ok(held.group.topics.iter().map(|(id, read)| (*id, (read.name.clone(), read.partitions))).collect())
    }

    /// Where a group is in a partition, and how many records from there on are finished; `None` where nobody has read it, or ever
    /// would.
    pub(crate) fn offset(&self, group: &str, place: Place) -> Result<Option<(i64, i64)>, Refusal> {
        let cell = self.shared.cell(group)?;
        let held = cell.held()?;
        Ok(held.partitions.get(&place).map(|tracked| (tracked.records.start(), tracked.records.finished())))
    }

    /// Begins, continues or ends a member's session (epochs 0, n, -1); what it fetches now, and its name to fetch with.
    ///
    /// Records that a member has keep their locks when its session ends; see [`Self::release`].
    pub(crate) fn session(
        &self,
        group: &str,
        member: &str,
        epoch: i32,
        more: &[Place],
        fewer: &[Place],
    ) -> Result<(Reader, Vec<Place>), Refusal> {
        let cell = self.shared.cell(group).map_err(|refusal| match epoch {
            INITIAL => refusal,
            // A group that is not there has no sessions either.
            _ => Refusal::UnknownSession,
        })?;
        let member: Arc<str> = member.into();
        let now = self.shared.now();
        let places = self.shared.sessions.lock().go_on((&cell.name, &member), epoch, more, fewer, now)?;
        Ok((Reader { shares: self.clone(), cell, member }, places))
    }

    /// Forgets a group without members, and where it is.
    pub(crate) async fn delete(&self, group: &str) -> Result<(), Refusal> {
        let durable = {
            let mut directory = self.shared.directory.lock();
            let cell = directory.cells.get(group).cloned().ok_or(Refusal::UnknownGroup)?;
            let mut held = cell.held()?;
            if !held.group.members.is_empty() {
                return Err(Refusal::NonEmpty);
            }
            let mut page = Page::default();
            journal::remove_group(&mut page, cell.id);
            held.partitions.keys().for_each(|place| journal::remove_records(&mut page, cell.id, *place));
            held.partitions.clear();
            held.is_deleted = true;
            held.weigh();
            directory.cells.remove(group);
            self.shared.sessions.lock().end_all(group);
            begin(&self.shared.notebook, page)
        };
        durable.await
    }

    /// Sets where a group without members is in some partitions; it reads their topics from then on. A group that is not there is
    /// made, unless nothing is set.
    pub(crate) async fn set_offsets(
        &self,
        group: &str,
        offsets: &[(Place, i64)],
        topics: &BTreeMap<Uuid, (String, u32)>,
    ) -> Result<(), Refusal> {
        let cell = match self.shared.cell(group) {
            Ok(cell) => cell,
            Err(_) if offsets.is_empty() => return Ok(()),
            Err(_) => self.shared.cell_or_new(group)?,
        };
        let durable = {
            let mut held = cell.held()?;
            if !held.group.members.is_empty() {
                return Err(Refusal::NonEmpty);
            }
            if self.shared.totals.bytes.load(Ordering::Relaxed) >= BYTES_MAX {
                drop(held);
                self.shared.remove_unborn(&cell);
                return Err(Refusal::TooMany);
            }
            let mut page = Page::default();
            decide::enter(&mut held.group, topics);
            journal::put_group(&mut page, cell.id, &held.group);
            for &(place, offset) in offsets {
                let tracked = held.partitions.entry(place).or_insert_with(|| Tracked::of(Partition::at(offset)));
                tracked.records.reset(offset);
                journal::put_records(&mut page, cell.id, place, &tracked.records);
            }
            held.weigh();
            begin(&self.shared.notebook, page)
        };
        durable.await
    }

    /// Forgets where a group without members is in topics; whether it knew, for each.
    pub(crate) async fn forget_offsets(&self, group: &str, topics: &[Uuid]) -> Result<Vec<bool>, Refusal> {
        let cell = self.shared.cell(group)?;
        let (known, durable) = {
            let mut held = cell.held()?;
            if !held.group.members.is_empty() {
                return Err(Refusal::NonEmpty);
            }
            let gone = decide::forget(&mut held.group, |topic| topics.contains(topic));
            let page = held.forget(cell.id, &gone);
            (topics.iter().map(|topic| gone.contains(topic)).collect(), begin(&self.shared.notebook, page))
        };
        durable.await?;
        Ok(known)
    }

    /// Forgets everything of the topics that `is_gone`: called when a topic is deleted, and at start-up for those whose deletion a
    /// crash has interrupted.
    pub(crate) async fn topics_gone(&self, is_gone: impl Fn(&Uuid) -> bool) {
        for cell in self.shared.cells() {
            let durable = {
                let mut held = cell.held.lock();
                let gone = decide::forget(&mut held.group, &is_gone);
                if gone.is_empty() {
                    continue;
                }
                let page = held.forget(cell.id, &gone);
                begin(&self.shared.notebook, page)
            };
            cell.bell.notify_waiters();
            if let Err(refusal) = durable.await {
                tracing::warn!(group = &*cell.name, %refusal, "the records of a deleted topic could not be forgotten");
            }
        }
    }
}

/// A member of a group that fetches and acknowledges.
pub(crate) struct Reader {
    shares: Shares,
    cell: Arc<Cell>,
    member: Arc<str>,
}

impl Reader {
    /// Where the group begins in partitions that it has not read yet.
    pub(crate) fn start(&self) -> Start {
        self.shares.shared.configs.start(&self.cell.name)
    }

    /// How long records are locked.
    pub(crate) fn lock_duration(&self) -> Duration {
        self.shares.shared.configs.of_share(&self.cell.name).lock_duration
    }

    /// What is rung from now on when somebody may have made records available.
    pub(crate) fn bell(&self) -> OwnedNotified {
        self.cell.bell.clone().notified_owned()
    }

    /// Wakes those who wait for their turn.
    pub(crate) fn ring(&self) {
        self.cell.bell.notify_waiters();
    }

    /// Looks for what can be delivered of a partition.
    pub(crate) fn look(&self, place: Place) -> Result<Look, Refusal> {
        let shared = &self.shares.shared;
        let (settings, now) = (shared.configs.of_share(&self.cell.name), shared.now());
        let mut held = self.cell.held()?;
        if !held.group.reads(place) {
            return Err(Refusal::UnknownPartition);
        }
        shared.expire(&self.cell, &mut held, Some(place), settings.deliveries_max, now);
        let Some(tracked) = held.partitions.get(&place) else { return Ok(Look::New) };
        let is_full = shared.totals.runs.load(Ordering::Relaxed) >= RUNS_MAX;
        let deadline = tracked.records.next_deadline().map(|deadline| shared.origin + deadline);
        let next = tracked.records.next(if is_full { 0 } else { settings.locks_max });
        match (next, tracked.turn.clone().try_lock_owned()) {
            (Some(offset), Ok(turn)) => Ok(Look::Read(offset, turn)),
            _ => Ok(Look::Wait(deadline)),
        }
    }

    /// Begins a partition at `start`, unless somebody else has; durable when it returns.
    pub(crate) async fn begin(&self, place: Place, start: i64) -> Result<(), Refusal> {
        let shared = &self.shares.shared;
        let durable = {
            let mut held = self.cell.held()?;
            if held.partitions.contains_key(&place) {
                return Ok(());
            }
            if shared.totals.bytes.load(Ordering::Relaxed) >= BYTES_MAX {
                return Err(Refusal::TooMany);
            }
            let records = Partition::at(start);
            let mut page = Page::default();
            journal::put_records(&mut page, self.cell.id, place, &records);
            held.partitions.insert(place, Tracked::of(records));
            held.weigh();
            begin(&shared.notebook, page)
        };
        durable.await
    }

    /// The records of a partition begin at `horizon` now.
    pub(crate) fn trim(&self, place: Place, horizon: i64) {
        let mut page = Page::default();
        let mut held = self.cell.held.lock();
        let Some(tracked) = held.partitions.get_mut(&place) else { return };
        let before = tracked.records.runs();
        if tracked.records.trim(horizon) {
            journal::put_records(&mut page, self.cell.id, place, &tracked.records);
            let after = tracked.records.runs();
            held.recount(before, after);
            self.shares.shared.write(&self.cell, page);
        }
    }

    /// Whether the group reads only what is committed.
    pub(crate) fn is_committed(&self) -> bool {
        self.shares.shared.configs.of_share(&self.cell.name).is_committed
    }

    /// Delivers records of the batches that were read, given by first and last offset, without those that are `aborted`, given
    /// likewise: as many as are `wanted`.
    pub(crate) fn acquire(&self, place: Place, batches: &[(i64, i64)], aborted: &[(i64, i64)], wanted: Wanted) -> Vec<Acquired> {
        let shared = &self.shares.shared;
        let settings = shared.configs.of_share(&self.cell.name);
        let until = shared.now().saturating_add(settings.lock_duration);
        let (locks_max, deliveries_max) = (settings.locks_max, settings.deliveries_max);
        let bounds = Bounds { wanted, locks_max, deliveries_max, until };
        let mut held = self.cell.held.lock();
        let Some(tracked) = held.partitions.get_mut(&place) else { return Vec::new() };
        let before = tracked.records.runs();
        let acquired = tracked.records.acquire(&self.member, batches, aborted, bounds);
        let after = tracked.records.runs();
        held.recount(before, after);
        drop(held);
        shared.busy.notify_one();
        acquired
    }

    /// Takes verdicts on records of a partition, all or none; they are in force at once, and durable when the future ends.
    pub(crate) fn acknowledge(&self, place: Place, said: &[Acknowledgement]) -> Result<Durable, Refusal> {
        let shared = &self.shares.shared;
        let (settings, now) = (shared.configs.of_share(&self.cell.name), shared.now());
        let renews = said.iter().filter(|said| said.verdict == Verdict::Renew).count();
        if renews > 0 && !settings.renews {
            return Err(Refusal::NoRenewal);
        }
        let mut held = self.cell.held()?;
        if !held.group.reads(place) {
            return Err(Refusal::UnknownPartition);
        }
        shared.expire(&self.cell, &mut held, Some(place), settings.deliveries_max, now);
        let tracked = held.partitions.get_mut(&place).ok_or(Refusal::RecordState)?;
        let before = tracked.records.runs();
        let terms = Terms {
            deliveries_max: settings.deliveries_max,
            cuts_max: RUNS_MAX_OF_OLD.saturating_sub(shared.totals.runs.load(Ordering::Relaxed)),
            until: now.saturating_add(settings.lock_duration),
        };
        tracked.records.acknowledge(&self.member, said, terms).map_err(|reason| match reason {
            NotTaken::NotOwned => Refusal::RecordState,
            NotTaken::Undelivered => Refusal::Undelivered,
            NotTaken::TooManyRuns => Refusal::TooMany,
        })?;
        let mut page = Page::default();
        // Locks are not kept, so there is nothing to keep of one that is renewed.
        if renews < said.len() {
            journal::put_records(&mut page, self.cell.id, place, &tracked.records);
        }
        let after = tracked.records.runs();
        held.recount(before, after);
        let durable = begin(&shared.notebook, page);
        drop(held);
        self.ring();
        Ok(durable)
    }

    /// Gives back whatever the member has; durable when the future ends.
    pub(crate) fn release(&self) -> Durable {
        let mut page = Page::default();
        let mut held = self.cell.held.lock();
        self.shares.shared.release(&self.cell, &mut held, &self.member, &mut page);
        begin(&self.shares.shared.notebook, page)
    }
}

impl Cell {
    fn restored(kept: Kept, configs: &GroupConfigs, totals: &Arc<Totals>) -> Self {
        let Kept { id, mut group, partitions } = kept;
        let session = configs.of_share(&group.name).session_timeout;
        group.members.values_mut().for_each(|member| member.session_end = session);
        let partitions = partitions.into_iter().map(|(place, records)| (place, Tracked::of(records))).collect();
        Self::new(id, group, partitions, totals)
    }

    fn new(id: u64, group: Group, partitions: BTreeMap<Place, Tracked>, totals: &Arc<Totals>) -> Self {
        let name = Arc::from(group.name.as_str());
        let mut held = Held { group, partitions, bytes: 0, runs: 0, totals: totals.clone(), is_deleted: false };
        held.weigh();
        Self { id, name, held: Mutex::new(held), bell: Arc::default() }
    }

    fn held(&self) -> Result<MutexGuard<'_, Held>, Refusal> {
        let held = self.held.lock();
        if held.is_deleted { Err(Refusal::UnknownGroup) } else { Ok(held) }
    }
}

impl Held {
    /// The page that forgets the partitions of topics that the group has forgotten.
    fn forget(&mut self, id: u64, gone: &[Uuid]) -> Page {
        let mut page = Page::default();
        journal::put_group(&mut page, id, &self.group);
        self.partitions.retain(|place, _| {
            let goes = gone.contains(&place.topic);
            if goes {
                journal::remove_records(&mut page, id, *place);
            }
            !goes
        });
        self.weigh();
        page
    }
}

impl Shared {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn cells(&self) -> Vec<Arc<Cell>> {
        self.directory.lock().cells.values().cloned().collect()
    }

    fn cell(&self, group: &str) -> Result<Arc<Cell>, Refusal> {
        self.directory.lock().cells.get(group).cloned().ok_or(Refusal::UnknownGroup)
    }

    fn cell_or_new(&self, group: &str) -> Result<Arc<Cell>, Refusal> {
        let mut directory = self.directory.lock();
        if let Some(cell) = directory.cells.get(group) {
            return Ok(cell.clone());
        }
        if directory.cells.len() >= GROUPS_MAX || self.totals.bytes.load(Ordering::Relaxed) >= BYTES_MAX {
            return Err(Refusal::TooMany);
        }
        let id = directory.next_id;
        directory.next_id += 1;
        let new = Group { name: group.into(), ..Group::default() };
        let cell = Arc::new(Cell::new(id, new, BTreeMap::new(), &self.totals));
        directory.cells.insert(cell.name.clone(), cell.clone());
        Ok(cell)
    }

    /// Forgets a group that its first member could not join.
    fn remove_unborn(&self, cell: &Cell) {
        let mut directory = self.directory.lock();
        let mut held = cell.held.lock();
        if held.group.epoch == 0 && !held.is_deleted {
            held.is_deleted = true;
            held.weigh();
            directory.cells.remove(&cell.name);
        }
    }

    /// Gives back what a member has.
    fn release(&self, cell: &Cell, held: &mut Held, member: &str, page: &mut Page) {
        for (place, tracked) in &mut held.partitions {
            if tracked.records.release(member) {
                journal::put_records(page, cell.id, *place, &tracked.records);
            }
        }
        held.weigh();
        cell.bell.notify_waiters();
    }

    /// Ends the locks that are over, of one partition or of all.
    fn expire(&self, cell: &Arc<Cell>, held: &mut Held, only: Option<Place>, deliveries_max: i16, now: Duration) {
        let mut page = Page::default();
        for (place, tracked) in held.partitions.iter_mut().filter(|(place, _)| only.is_none_or(|only| only == **place)) {
            if tracked.records.expire(now, deliveries_max) {
                journal::put_records(&mut page, cell.id, *place, &tracked.records);
            }
        }
        if !page.is_empty() {
            held.weigh();
            cell.bell.notify_waiters();
            self.write(cell, page);
        }
    }

    /// Writes what nobody waits for.
    fn write(&self, cell: &Cell, page: Page) {
        let (durable, name) = (begin(&self.notebook, page), cell.name.clone());
        tokio::spawn(async move {
            if let Err(refusal) = durable.await {
                tracing::warn!(group = &*name, %refusal, "a change of a share group could not be stored");
            }
        });
    }

    /// Lets silent members go and ends locks; whether there is anything left to look at.
    fn look(&self) -> bool {
        let (now, mut any) = (self.now(), false);
        for cell in self.cells() {
            let settings = self.configs.of_share(&cell.name);
            let mut held = cell.held.lock();
            self.expire(&cell, &mut held, None, settings.deliveries_max, now);
            let silent = decide::silent(&held.group, now);
            if !silent.is_empty() {
                let mut page = Page::default();
                for member in silent {
                    tracing::info!(group = &*cell.name, member, "a member of a share group fell silent");
                    self.sessions.lock().end(&cell.name, &member.as_str().into());
                    self.release(&cell, &mut held, &member, &mut page);
                    // It was there a moment ago.
                    let _ = decide::leave(&mut held.group, &member);
                }
                journal::put_group(&mut page, cell.id, &held.group);
                held.weigh();
                self.write(&cell, page);
            }
            any |= !held.group.members.is_empty()
                || held.partitions.values().any(|tracked| tracked.records.next_deadline().is_some());
        }
        any
    }
}

/// Looks for silent members and for locks that are over, for as long as the coordinator lives and there are any.
async fn look_now_and_then(home: Weak<Shared>) {
    loop {
        let Some(shared) = home.upgrade() else { return };
        if shared.look() {
            drop(shared);
            tokio::time::sleep(TICK).await;
        } else {
            // Whoever is last to hold the coordinator rings when it goes.
            let busy = shared.busy.clone();
            drop(shared);
            busy.notified().await;
        }
    }
}

/// Hands a page to the notebook; the future says when it is durable.
pub(super) fn begin(notebook: &Notebook, page: Page) -> Durable {
    if page.is_empty() {
        return Box::pin(std::future::ready(Ok(())));
    }
    let notebook = notebook.clone();
    let mut durable: Durable = Box::pin(async move {
        notebook.commit(page).await.map_err(|error| {
            tracing::warn!(%error, "a change of a share group could not be stored");
            Refusal::Unavailable
        })
    });
    // The notebook takes it at its first poll.
    match durable.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Box::pin(std::future::ready(result)),
        Poll::Pending => durable,
    }
}
