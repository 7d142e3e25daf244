//! **The coordinator**: finds a group, gives it a task while it has work, and answers when changes are durable.
//!
//! A group with members, or with anything on its way to the disk, has a task that owns it: one mailbox, one timer, a line of
//! writes. Everything else rests as plain data in one map, so that a thousand idle groups cost their offsets and nothing more.
//! Moves between the two happen under the map's lock.
//!
//! Writes are pipelined: each is handed to the notebook at once, in order, and the task goes on to the next request; when one
//! is durable its change is applied and its answers leave, in the same order. So a slow disk delays commits, not heartbeats.
//! Requests that must see every promised offset (deleting, sweeping) let the line run empty first, and hold it until done.
//!
//! Dropping the last handle ends all tasks.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::config::GroupConfig;
use super::decide::{self, Decision, Rules};
use super::journal;
use super::request::{
    Answer, Beat, Beaten, Commit, Described, DescribedConsumers, Join, JoinRefused, Joined, Leaver, Listed, MemberId, Membership,
    Partitions, Refusal, Request, Results, Sync, Synced, TopicFilter, TopicOffsets,
};
use super::state::{Change, Charge, Group, Now, Ticket};
use super::streams::request::{DescribedStreams, StreamsBeat, StreamsBeaten};
use super::topics::Topics;
use crate::env::Env;
use crate::notebook::Notebook;

/// Requests waiting in one group's mailbox; who comes later waits to put theirs in.
const MAILBOX: usize = 64;
/// Writes of one group on their way to the disk; beyond it the group takes no more requests.
const WRITES_MAX: usize = 1_024;
/// Groups held. *Ours*: a bound on what made-up group names can take.
const GROUPS_MAX: usize = 100_000;
/// Memory for all groups beyond which no group and no member is added. *Ours*: a hundred thousand offsets.
pub(super) const BYTES_MAX: usize = 16 << 20;
/// Memory beyond which those that there are keep nothing more either.
const BYTES_MAX_OF_OLD: usize = 20 << 20;
/// Time between sweeps (Kafka: `offsets.retention.check.interval.ms`, 4.4).
const SWEEP_INTERVAL: Duration = Duration::from_secs(600);
/// How soon a task without work tries again to end, if a request was on its way to it.
const REST_RETRY: Duration = Duration::from_secs(1);

/// The groups of the notebook cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the consumer groups cannot be read: {0}")]
pub(crate) struct Unreadable(String);

/// All consumer groups of a gateway. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Coordinator {
    shared: Arc<Shared>,
}

struct Shared {
    tools: Arc<Tools>,
    /// By name: whoever goes through them does it in the same order in each run.
    groups: Mutex<BTreeMap<Arc<str>, Slot>>,
    next_id: AtomicU64,
    /// Memory that all groups take.
    bytes: Arc<AtomicUsize>,
}

/// What every group's task needs.
struct Tools {
    notebook: Notebook,
    env: Env,
    config: GroupConfig,
    topics: Arc<dyn Topics>,
    origin: Instant,
}

enum Slot {
    /// Owned by a task.
    Live(mpsc::Sender<Message>),
    /// Nothing to do.
    Resting(Box<Group>),
}

struct Message {
    request: Request,
    answer: oneshot::Sender<Answer>,
}

impl Tools {
    fn rules(&self) -> Rules<'_> {
        Rules { config: &self.config, topics: &*self.topics }
    }

    fn now(&self) -> Now {
        Now { time: self.env.clock.now(), elapsed: self.origin.elapsed() }
    }
}

impl Coordinator {
    /// Loads all groups and starts their sessions anew. Must be called inside a Tokio runtime.
    pub(crate) fn open(notebook: Notebook, env: Env, config: GroupConfig, topics: Arc<dyn Topics>) -> Result<Self, Unreadable> {
        let tools = Arc::new(Tools { notebook, env, config, topics, origin: Instant::now() });
        let (groups, next_id) = journal::load(&tools.notebook, tools.now()).map_err(Unreadable)?;
        let slots = Mutex::new(BTreeMap::new());
        let bytes = Arc::default();
        let shared = Arc::new(Shared { tools, groups: slots, next_id: AtomicU64::new(next_id), bytes });
        let mut map = shared.groups();
        for group in groups {
            let mut group = Box::new(group.charged(Charge::on(&shared.bytes)));
            decide::wake(&mut group, shared.tools.rules(), shared.tools.now());
            let (name, idle) = (Arc::clone(&group.name), group.is_idle());
            map.insert(name, if idle { Slot::Resting(group) } else { Slot::Live(shared.start(group)) });
        }
        drop(map);
        tokio::spawn(sweep_now_and_then(Arc::downgrade(&shared)));
        Ok(Self { shared })
    }

    /// Joins a group; waits until its next generation begins.
    pub(crate) async fn join(&self, group: &str, join: Join) -> Result<Joined, JoinRefused> {
        let (member, config) = (join.member.clone(), &self.shared.tools.config);
        let refused = |refusal| JoinRefused { refusal, member: member.clone() };
        if group.is_empty() {
            return Err(refused(Refusal::InvalidGroupId));
        }
        if !(config.session_timeout_min..=config.session_timeout_max).contains(&join.session_timeout) {
            return Err(refused(Refusal::InvalidSessionTimeout));
        }
        let is_new = member.is_empty();
        if !self.shared.has_room(is_new) {
            return Err(refused(Refusal::TooManyGroups));
        }
        let make = if is_new { Make::Group } else { Make::Nothing };
        let fresh = self.fresh_id(&join);
        match self.ask(group, Request::Join(Box::new(join), fresh), make).await {
            Ok(Some(Answer::Join(result))) => result,
            Ok(None) => Err(refused(Refusal::UnknownMember)),
            Ok(Some(_)) => Err(refused(Refusal::Unavailable)),
            Err(refusal) => Err(refused(refusal)),
        }
    }

    /// A member joins, stays or goes by the consumer protocol; durable when it returns.
    pub(crate) async fn beat(&self, group: &str, beat: Beat) -> Result<Beaten, Refusal> {
        let joins = beat.epoch == 0;
        let make = if joins { Make::Group } else { Make::Nothing };
        if !self.shared.has_room(joins) {
            return Err(Refusal::TooManyGroups);
        }
        let fresh = self.shared.tools.env.entropy.uuid().to_string();
        match self.ask(group, Request::Beat(Box::new(beat), fresh), make).await? {
            Some(Answer::Beat(result)) => result,
            Some(_) => Err(Refusal::Unavailable),
            None => Err(Refusal::UnknownGroup),
        }
    }

    /// A group of the consumer protocol with its members; `None` if there is no such group.
    pub(crate) async fn describe_consumers(&self, group: &str) -> Result<Option<DescribedConsumers>, Refusal> {
        match self.ask(group, Request::DescribeConsumers, Make::Nothing).await? {
            Some(Answer::DescribedConsumers(described)) => described,
            Some(_) => Err(Refusal::Unavailable),
            None => Ok(None),
        }
    }

    /// A member joins, stays or goes by the streams protocol; durable when it returns.
    pub(crate) async fn beat_streams(&self, group: &str, beat: StreamsBeat) -> Result<StreamsBeaten, Refusal> {
        let joins = beat.epoch == 0;
        let make = if joins { Make::Group } else { Make::Nothing };
        if !self.shared.has_room(joins) {
            return Err(Refusal::TooManyGroups);
        }
        match self.ask(group, Request::StreamsBeat(Box::new(beat)), make).await? {
            Some(Answer::StreamsBeat(result)) => result,
            Some(_) => Err(Refusal::Unavailable),
            None => Err(Refusal::UnknownGroup),
        }
    }

    /// A group of the streams protocol with its members; `None` if there is no such group.
    pub(crate) async fn describe_streams(&self, group: &str) -> Result<Option<DescribedStreams>, Refusal> {
        match self.ask(group, Request::DescribeStreams, Make::Nothing).await? {
            Some(Answer::DescribedStreams(described)) => described,
            Some(_) => Err(Refusal::Unavailable),
            None => Ok(None),
        }
    }

    /// An id that no member has had: the client's own name for itself first, as operators like to see it (Kafka does so too).
    fn fresh_id(&self, join: &Join) -> MemberId {
        let name = join.instance.as_ref().unwrap_or(&join.client_id);
        format!("{name}-{}", self.shared.tools.env.entropy.uuid())
    }

    /// Gets a member's share; waits until the leader has assigned and the assignment is durable.
    pub(crate) async fn sync(&self, group: &str, sync: Sync) -> Result<Synced, Refusal> {
        match self.ask_named(group, Request::Sync(sync)).await? {
            Some(Answer::Sync(result)) => result,
            Some(_) => Err(Refusal::Unavailable),
            None => Err(Refusal::UnknownMember),
        }
    }

    /// Keeps a member's session alive.
    pub(crate) async fn heartbeat(&self, group: &str, who: Membership) -> Result<(), Refusal> {
        match self.ask_named(group, Request::Heartbeat(who)).await? {
            Some(Answer::Done(result)) => result,
            Some(_) => Err(Refusal::Unavailable),
            None => Err(Refusal::UnknownMember),
        }
    }

    /// Removes members; one result for each, in order.
    pub(crate) async fn leave(&self, group: &str, leavers: Vec<Leaver>) -> Results {
        let count = leavers.len();
        match self.ask_named(group, Request::Leave(leavers)).await? {
            Some(Answer::Each(results)) => results,
            Some(_) => Err(Refusal::Unavailable),
            None => Ok(vec![Err(Refusal::UnknownMember); count]),
        }
    }

    /// Keeps offsets; one result for each, in order; durable when it returns. Without a member the group may be new, and its
    /// name empty, as in Kafka.
    pub(crate) async fn commit(&self, group: &str, commit: Commit) -> Results {
        let make = if commit.who.generation < 0 { Make::Group } else { Make::Nothing };
        if !self.shared.has_room(false) {
            return Err(Refusal::TooManyGroups);
        }
        match self.ask(group, Request::Commit(commit), make).await? {
            Some(Answer::Each(results)) => results,
            Some(_) => Err(Refusal::Unavailable),
            None => Err(Refusal::UnknownGroup),
        }
    }

    /// Keeps offsets for the case that the transaction of `producer` is committed; one result for each, in order; durable when it
    /// returns.
    pub(crate) async fn commit_in_transaction(&self, group: &str, producer: i64, commit: Commit) -> Results {
        let make = if commit.who.generation < 0 { Make::Group } else { Make::Nothing };
        if !self.shared.has_room(false) {
            return Err(Refusal::TooManyGroups);
        }
        match self.ask(group, Request::CommitInTransaction(producer, commit), make).await? {
            Some(Answer::Each(results)) => results,
            Some(_) => Err(Refusal::Unavailable),
            None => Err(Refusal::UnknownGroup),
        }
    }

    /// Keeps what the transaction of `producer` has pending, or drops it; durable when it returns. A group that is gone has nothing.
    pub(crate) async fn end_transaction(&self, group: &str, producer: i64, commit: bool) -> Result<(), Refusal> {
        match self.ask(group, Request::EndTransaction(producer, commit), Make::Nothing).await? {
            Some(Answer::Done(result)) => result,
            Some(_) => Err(Refusal::Unavailable),
            None => Ok(()),
        }
    }

    /// The partitions for which transactions have offsets pending.
    pub(crate) async fn unstable(&self, group: &str) -> Result<HashSet<(String, i32)>, Refusal> {
        match self.ask(group, Request::Unstable, Make::Nothing).await? {
            Some(Answer::Unstable(unstable)) => Ok(unstable.into_iter().collect()),
            Some(_) => Err(Refusal::Unavailable),
            None => Ok(HashSet::new()),
        }
    }

    /// The durable offsets of the partitions `wanted`, or all. A group that does not exist has none. Who says that it is a
    /// member has to be one.
    pub(crate) async fn fetch(
        &self,
        group: &str,
        wanted: Option<Partitions>,
        who: Membership,
    ) -> Result<Vec<TopicOffsets>, Refusal> {
        let nothing = |partitions: Vec<i32>| partitions.into_iter().map(|partition| (partition, None)).collect();
        match self.ask(group, Request::Fetch(wanted.clone(), who), Make::Nothing).await? {
            Some(Answer::Offsets(offsets)) => offsets,
            Some(_) => Err(Refusal::Unavailable),
            None => Ok(wanted.into_iter().flatten().map(|(topic, partitions)| (topic, nothing(partitions))).collect()),
        }
    }

    /// All durable offsets of a group.
    pub(crate) async fn committed(&self, group: &str) -> Result<Vec<TopicOffsets>, Refusal> {
        self.fetch(group, None, Membership::nobody()).await
    }

    /// A group with its members; `None` if there is no such group.
    pub(crate) async fn describe(&self, group: &str) -> Result<Option<Described>, Refusal> {
        match self.ask(group, Request::Describe, Make::Nothing).await? {
            Some(Answer::Described(described)) => described,
            Some(_) => Err(Refusal::Unavailable),
            None => Ok(None),
        }
    }

    /// All groups, by name.
    pub(crate) async fn list(&self) -> Result<Vec<Listed>, Refusal> {
        let (mut listed, live) = self.shared.summaries();
        for name in live {
            let answer = self.ask(&name, Request::Summarize, Make::Nothing).await?;
            if let Some(Answer::Summary(Some(line))) = answer {
                listed.push(line);
            }
        }
        listed.sort_by(|one, other| one.group.cmp(&other.group));
        Ok(listed)
    }

    /// Forgets a group without members, and its offsets.
    pub(crate) async fn delete(&self, group: &str) -> Result<(), Refusal> {
        match self.ask(group, Request::Delete, Make::Nothing).await? {
            Some(Answer::Done(result)) => result,
            Some(_) => Err(Refusal::Unavailable),
            None => Err(Refusal::UnknownGroup),
        }
    }

    /// Forgets offsets of topics that no member reads; one result for each partition, in order.
    pub(crate) async fn delete_offsets(&self, group: &str, partitions: Partitions) -> Results {
        match self.ask_named(group, Request::DeleteOffsets(partitions)).await? {
            Some(Answer::Each(results)) => results,
            Some(_) => Err(Refusal::Unavailable),
            None => Err(Refusal::UnknownGroup),
        }
    }

    /// Forgets the offsets of a topic that has been deleted, so that a topic of the same name begins without them.
    pub(crate) async fn topic_deleted(&self, topic: &str) {
        let topic = topic.to_owned();
        self.retain_topics(Arc::new(move |other| other != topic)).await;
    }

    /// Forgets the offsets of all topics that `keep` does not know. Called once at start-up, it makes good a crash between the
    /// deletion of a topic and that of its offsets.
    pub(crate) async fn retain_topics(&self, keep: TopicFilter) {
        let concerned = self.shared.names(|group| {
            let pending = group.uncommitted.values().flat_map(|pending| pending.keys().map(|(topic, _)| topic));
            group.offsets.keys().chain(pending).any(|topic| !keep(topic))
        });
        for name in concerned {
            let answer = self.ask(&name, Request::RetainTopics(Arc::clone(&keep)), Make::Nothing).await;
            if let Err(refusal) | Ok(Some(Answer::Done(Err(refusal)))) = answer {
                tracing::warn!(group = &*name, %refusal, "offsets of a deleted topic could not be removed");
            }
        }
    }

    async fn ask_named(&self, group: &str, request: Request) -> Result<Option<Answer>, Refusal> {
        if group.is_empty() { Err(Refusal::InvalidGroupId) } else { self.ask(group, request, Make::Nothing).await }
    }

    /// Asks a group; `None` if it does not exist and should not be made. Up to its first wait, requests enter the mailbox in
    /// the order of the calls.
    async fn ask(&self, group: &str, request: Request, make: Make) -> Result<Option<Answer>, Refusal> {
        let Some(mailbox) = self.shared.mailbox(group, make)? else { return Ok(None) };
        let (answer, answered) = oneshot::channel();
        mailbox.send(Message { request, answer }).await.map_err(|_| Refusal::Unavailable)?;
        // The group's task ends only when nobody else holds its mailbox.
        drop(mailbox);
        answered.await.map(Some).map_err(|_| Refusal::Unavailable)
    }
}

/// Whether a request makes the group it asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Make {
    Group,
    Nothing,
}

impl Shared {
    fn groups(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Slot>> {
        // Nothing that holds the lock leaves the map half changed.
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is memory for more of a group; the last of it is for groups and members that are there already.
    fn has_room(&self, is_new: bool) -> bool {
        self.bytes.load(Ordering::Relaxed) < if is_new { BYTES_MAX } else { BYTES_MAX_OF_OLD }
    }

    /// The mailbox of a group, whose task is started if it has none.
    fn mailbox(self: &Arc<Self>, name: &str, make: Make) -> Result<Option<mpsc::Sender<Message>>, Refusal> {
        let mut groups = self.groups();
        let count = groups.len();
        let group = match groups.get_mut(name) {
            Some(Slot::Live(mailbox)) => return Ok(Some(mailbox.clone())),
            Some(Slot::Resting(group)) => std::mem::replace(group, Box::new(Group::new(0, "".into()))),
            None if make == Make::Nothing => return Ok(None),
            None if count >= GROUPS_MAX || !self.has_room(true) => return Err(Refusal::TooManyGroups),
            None => {
                let group = Group::new(self.next_id.fetch_add(1, Ordering::Relaxed), name.into());
                Box::new(group.charged(Charge::on(&self.bytes)))
            }
        };
        let name = Arc::clone(&group.name);
        let mailbox = self.start(group);
        groups.insert(name, Slot::Live(mailbox.clone()));
        Ok(Some(mailbox))
    }

    fn start(self: &Arc<Self>, group: Box<Group>) -> mpsc::Sender<Message> {
        let (sender, mailbox) = mpsc::channel(MAILBOX);
        let resident = Resident {
            wake: group.next_deadline(),
            group,
            mailbox,
            waiting: HashMap::new(),
            next_ticket: 0,
            writes: Line::default(),
            tools: Arc::clone(&self.tools),
            home: Arc::downgrade(self),
        };
        tokio::spawn(resident.live());
        sender
    }

    /// The lines of the resting groups, and the names of those that must be asked.
    fn summaries(&self) -> (Vec<Listed>, Vec<Arc<str>>) {
        let (mut listed, mut live) = (Vec::new(), Vec::new());
        for (name, slot) in &*self.groups() {
            match slot {
                Slot::Live(_) => live.push(Arc::clone(name)),
                Slot::Resting(group) => listed.extend(group.summary()),
            }
        }
        (listed, live)
    }

    /// The names of all groups, of the resting ones only those that `concerns`.
    fn names(&self, concerns: impl Fn(&Group) -> bool) -> Vec<Arc<str>> {
        let concerned = |slot: &Slot| match slot {
            Slot::Live(_) => true,
            Slot::Resting(group) => concerns(group),
        };
        self.groups().iter().filter(|(_, slot)| concerned(slot)).map(|(name, _)| Arc::clone(name)).collect()
    }
}

/// Removes expired offsets and empty groups for as long as the coordinator lives.
async fn sweep_now_and_then(home: Weak<Shared>) {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        let Some(shared) = home.upgrade() else { return };
        let now = shared.tools.now();
        let names = shared.names(|group| decide::needs_sweep(group, shared.tools.rules(), now));
        let coordinator = Coordinator { shared };
        for name in names {
            if let Err(refusal) = coordinator.ask(&name, Request::Sweep, Make::Nothing).await {
                tracing::warn!(group = &*name, %refusal, "expired offsets could not be removed");
            }
        }
    }
}

/// A group with its task.
struct Resident {
    group: Box<Group>,
    mailbox: mpsc::Receiver<Message>,
    /// Who is owed an answer.
    waiting: HashMap<Ticket, oneshot::Sender<Answer>>,
    next_ticket: Ticket,
    writes: Line,
    /// When to look at the deadlines: never later than the earliest one.
    wake: Option<Duration>,
    tools: Arc<Tools>,
    home: Weak<Shared>,
}

impl Resident {
    async fn live(mut self) {
        loop {
            if self.has_no_work() {
                match self.rest() {
                    Some(back) => self = back,
                    None => return,
                }
            }
            let wake = self.tools.origin + self.wake.unwrap_or_default();
            // Requests before the timer: a heartbeat that has arrived in time counts even if we are late to read it.
            tokio::select! {
                biased;
                (write, result) = self.writes.next() => self.written(write, result),
                message = self.mailbox.recv(), if !self.writes.is_full() => match message {
                    Some(message) => self.serve(message).await,
                    None => return,
                },
                () = tokio::time::sleep_until(wake), if self.wake.is_some() => self.expire().await,
            }
        }
    }

    fn has_no_work(&self) -> bool {
        self.group.is_idle() && self.writes.is_empty()
    }

    /// Gives the group back to the map and ends, unless a request is on its way.
    fn rest(mut self) -> Option<Self> {
        let home = self.home.upgrade()?;
        let mut groups = home.groups();
        // Mailboxes are handed out under this lock, so if only the map holds ours nobody can put anything in.
        if self.mailbox.sender_strong_count() > 1 || !self.mailbox.is_empty() {
            drop(groups);
            self.wake = Some(self.tools.now().elapsed.saturating_add(REST_RETRY));
            return Some(self);
        }
        if self.group.is_worth_keeping() {
            groups.insert(Arc::clone(&self.group.name), Slot::Resting(self.group));
        } else {
            groups.remove(&self.group.name);
        }
        None
    }

    async fn serve(&mut self, Message { request, answer }: Message) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.waiting.insert(ticket, answer);
        // These only move deadlines away: waking up once for nothing is cheaper than looking at all members each time.
        let moves_deadlines = !matches!(
            request,
            Request::Heartbeat(_)
                | Request::Beat(..)
                | Request::StreamsBeat(_)
                | Request::Commit(_)
                | Request::CommitInTransaction(..)
                | Request::Unstable
                | Request::Fetch(..)
        );
        // A classic group that may become one of a newer protocol must first be what it is about to be.
        let is_beat = matches!(request, Request::Beat(..) | Request::StreamsBeat(_));
        let exclusive = request.is_exclusive() || (is_beat && !self.group.is_newer());
        if exclusive {
            self.settle().await;
        }
        let decision = decide::decide(&mut self.group, self.tools.rules(), self.tools.now(), ticket, request);
        let reshapes = decision.reshapes();
        self.perform(decision);
        if exclusive || reshapes {
            self.settle().await;
        }
        if moves_deadlines || reshapes {
            self.group.weigh();
        }
        if moves_deadlines || self.group.is_newer() {
            self.wake = self.group.next_deadline();
        }
    }

    async fn expire(&mut self) {
        let decision = decide::expire(&mut self.group, self.tools.rules(), self.tools.now());
        let reshapes = decision.reshapes();
        self.perform(decision);
        if reshapes {
            self.settle().await;
        }
        self.group.weigh();
        self.wake = self.group.next_deadline();
    }

    fn perform(&mut self, Decision { changes, replies }: Decision) {
        if changes.is_empty() {
            return self.answer(replies);
        }
        let page = journal::page(&self.group, &changes);
        let notebook = self.tools.notebook.clone();
        let durable = async move { notebook.commit(page).await.map_err(|error| error.to_string()) };
        self.writes.push(Write { durable: Box::pin(durable), changes, replies });
    }

    /// Lets all writes land.
    async fn settle(&mut self) {
        while !self.writes.is_empty() {
            let (write, result) = self.writes.next().await;
            self.written(write, result);
        }
    }

    /// A write has landed, or has failed: carries out its changes, and releases its answers.
    fn written(&mut self, write: Write, result: Result<(), String>) {
        let Write { changes, mut replies, .. } = write;
        let moves_deadlines = !changes.iter().all(|change| matches!(change, Change::Offsets(_)));
        match result {
            Ok(()) => {
                self.group.recorded = true;
                changes.into_iter().for_each(|change| self.apply(change));
            }
            Err(error) => {
                tracing::warn!(group = &*self.group.name, error, "a change of a consumer group could not be stored");
                changes.iter().for_each(|change| self.give_up(change));
                let refused = |(ticket, answer): (Ticket, Answer)| (ticket, answer.refused(Refusal::Unavailable));
                replies = replies.into_iter().map(refused).collect();
            }
        }
        self.answer(replies);
        if moves_deadlines {
            self.group.weigh();
            self.wake = self.group.next_deadline();
        } else {
            self.group.weigh_offsets();
        }
    }

    fn apply(&mut self, change: Change) {
        let now = self.tools.now();
        match change {
            Change::Generation(generation) => {
                let decision = decide::stored(&mut self.group, self.tools.rules(), now, generation);
                self.perform(decision);
            }
            Change::Downgraded { rebalances, .. } => {
                self.group.apply(change, now);
                if rebalances {
                    let decision = decide::downgraded(&mut self.group, self.tools.rules(), now);
                    self.perform(decision);
                }
            }
            Change::Offsets(_) | Change::Pending(..) | Change::Roster(_) | Change::Streams(_) | Change::Deleted => {
                self.group.apply(change, now);
            }
        }
    }

    fn give_up(&mut self, change: &Change) {
        if let Change::Generation(generation) = change {
            let decision = decide::not_stored(&mut self.group, self.tools.rules(), self.tools.now(), generation);
            self.perform(decision);
        }
    }

    fn answer(&mut self, replies: Vec<(Ticket, Answer)>) {
        for (ticket, answer) in replies {
            if let Some(waiting) = self.waiting.remove(&ticket) {
                // Whoever asked may have gone.
                let _ = waiting.send(answer);
            }
        }
    }
}

/// A write on its way to the disk.
struct Write {
    durable: Pin<Box<dyn Future<Output = Result<(), String>> + Send>>,
    changes: Vec<Change>,
    replies: Vec<(Ticket, Answer)>,
}

/// Writes in the order in which they were begun, which is the order in which they take effect.
#[derive(Default)]
struct Line {
    /// Oldest first; with the result of those that had one at once.
    begun: VecDeque<(Write, Option<Result<(), String>>)>,
}

impl Line {
    /// Begins a write: the notebook takes it at its first poll.
    fn push(&mut self, mut write: Write) {
        let result = match write.durable.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        };
        self.begun.push_back((write, result));
    }

    /// The oldest write, when it has landed; never if there is none. Safe to drop and to call again.
    async fn next(&mut self) -> (Write, Result<(), String>) {
        std::future::poll_fn(|cx| {
            let Some((write, result)) = self.begun.front_mut() else { return Poll::Pending };
            let result = match result.take() {
                Some(result) => result,
                None => std::task::ready!(write.durable.as_mut().poll(cx)),
            };
            let oldest = self.begun.pop_front();
            oldest.map_or(Poll::Pending, |(write, _)| Poll::Ready((write, result)))
        })
        .await
    }

    fn is_empty(&self) -> bool {
        self.begun.is_empty()
    }

    fn is_full(&self) -> bool {
        self.begun.len() >= WRITES_MAX
    }
}

#[cfg(test)]
mod tests;
