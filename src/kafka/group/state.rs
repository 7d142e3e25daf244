//! What a group is: its members, its place in the rebalance, its offsets, and the changes that outlive the process.
//!
//! The methods here keep a group's parts in step with each other; when to call them is decided in [`super::decide`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::consumer::state::{Consumers, Sight};
use super::request::{Kind, Listed, MemberId, Peer, Protocol};
use super::roster::{Parts, Roster, Step, Timers};
use super::streams::state as streams;
use super::subscription;
use crate::model::Timestamp;

/// Where a group stands. The names are those that Kafka shows (`ClassicGroupState`).
///
/// ```text
///                 first member joins            all have joined, or time is up
///   ┌───────┐ ───────────────────────▶ ┌────────────────────┐ ──────────────▶ ┌─────────────────────┐
///   │ Empty │                          │ PreparingRebalance │                 │ CompletingRebalance │
///   └───────┘ ◀─────────────────────── └────────────────────┘ ◀────────────── └─────────────────────┘
///       │          nobody has joined       ▲              a member joins anew,           │
///       │                                  │              leaves or does not sync        │ the leader's assignment
///       │ deleted, or nothing left to keep │                                             │ is durable
///       ▼                                  │  a member joins, leaves, falls silent  ┌────▼───┐
///     Dead                                 └─────────────────────────────────────── │ Stable │
///                                             or changes; the leader joins again    └────────┘
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// No members. Offsets may be kept; anybody may commit without being a member.
    Empty,
    /// Members are called to join. Heartbeats and syncs answer "rebalance in progress"; joins wait.
    PreparingRebalance,
    /// The members are known, the assignment is not. Syncs wait for the leader's; commits answer "rebalance in progress".
    CompletingRebalance,
    /// Of the streams protocol: topics that the application needs are missing, or are not as it needs them.
    NotReady,
    /// Of a newer protocol: something has happened that calls for another assignment.
    Assigning,
    /// Of a newer protocol: members are on their way to their new shares.
    Reconciling,
    /// Every member has or can get its assignment.
    Stable,
    /// There is no such group. No group is ever in this state; it is what is shown of one that does not exist.
    Dead,
}

impl State {
    /// Its name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::NotReady => "NotReady",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }
}

/// Names a request whose answer is owed.
pub(super) type Ticket = u64;

/// The present, in the two ways it is needed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// Wall time, for what is stored.
    pub(super) time: Timestamp,
    /// Time since the coordinator was opened, for deadlines: it does not jump when somebody sets the clock.
    pub(super) elapsed: Duration,
}

/// A member of a group.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) instance: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) session_timeout: Duration,
    pub(super) rebalance_timeout: Duration,
    pub(super) protocols: Vec<Protocol>,
    pub(super) assignment: Bytes,
    /// When its session ends unless it is heard of.
    pub(super) session_end: Duration,
    /// Whether it has never completed a join: it cannot send heartbeats yet, so a waiting join does not keep it alive.
    pub(super) new: bool,
    /// Its waiting JoinGroup.
    pub(super) joining: Option<Ticket>,
    /// Its waiting SyncGroup.
    pub(super) syncing: Option<Ticket>,
    /// Whether it owes a SyncGroup in this generation.
    pub(super) unsynced: bool,
}

impl Member {
    /// Memory that it takes, in bytes, measured roughly.
    fn bytes(&self) -> usize {
        let protocol = |protocol: &Protocol| ENTRY_BYTES + 2 * protocol.name.len() + protocol.metadata.len();
        let texts = self.client_id.len() + self.instance.as_ref().map_or(0, String::len);
        RESTING_BYTES + texts + self.assignment.len() + self.protocols.iter().map(protocol).sum::<usize>()
    }

    /// What it says in `protocol`.
    pub(super) fn metadata(&self, protocol: Option<&str>) -> Bytes {
        let found = self.protocols.iter().find(|offered| Some(offered.name.as_str()) == protocol);
        found.map(|offered| offered.metadata.clone()).unwrap_or_default()
    }

    /// When its session ends; never while it waits for us.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let waits_for_us = !self.new && (self.joining.is_some() || self.syncing.is_some());
        (!waits_for_us).then_some(self.session_end)
    }
}

/// The first rebalance of an empty group, held open for more members.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    /// How much longer it may be held open, after the current delay.
    pub(super) remaining: Duration,
    /// Whether a member has come since the delay began.
    pub(super) member_added: bool,
}

/// A committed offset.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Committed {
    /// The next offset to read.
    pub(crate) offset: i64,
    /// The leader epoch of the last record read; -1 if unknown.
    pub(crate) leader_epoch: i32,
    /// The client's own text.
    pub(crate) metadata: String,
    /// When it was committed.
    pub(crate) committed_at: Timestamp,
    /// When it ends, if an old client said so itself (OffsetCommit v2 to v4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Timestamp>,
}

/// What must outlive the process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Change {
    /// A generation is complete: stable with members, empty without.
    Generation(Generation),
    /// Offsets are kept, or (`None`) forgotten.
    Offsets(Vec<(String, i32, Option<Committed>)>),
    /// Offsets are kept for the case that the transaction of a producer is committed, or (`None`) no more.
    Pending(i64, Vec<(String, i32, Option<Committed>)>),
    /// Steps of a group of the consumer protocol, which it becomes with the first ones.
    Roster(Vec<Step<Consumers>>),
    /// Steps of a group of the streams protocol, which it becomes with the first ones.
    Streams(Vec<Step<streams::Streams>>),
    /// A group of the consumer protocol becomes a classic one, with this generation; with another one at once if it `rebalances`.
    Downgraded { generation: Generation, rebalances: bool },
    /// The group and all its offsets are forgotten.
    Deleted,
}

/// A completed generation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Generation {
    pub(super) number: i32,
    pub(super) protocol_type: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) leader: Option<MemberId>,
    /// When the group came to be as it is.
    pub(super) since: Timestamp,
    pub(super) members: Vec<GenerationMember>,
}

/// A member of a completed generation.
///
/// All its protocols are kept, where Kafka keeps the chosen one: a member that joins again after a restart of the gateway is
/// then recognised as unchanged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct GenerationMember {
    pub(super) id: MemberId,
    pub(super) instance: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) session_timeout_millis: u32,
    pub(super) rebalance_timeout_millis: u32,
    pub(super) protocols: Vec<Protocol>,
    #[serde(with = "super::journal::hex")]
    pub(super) assignment: Bytes,
}

/// The topics that a group's members subscribe to.
pub(super) enum Subscriptions {
    /// Not the consumer protocol, or bytes that do not parse.
    Unknown,
    /// Exactly these.
    Topics(BTreeSet<String>),
}

/// Memory that a group without members takes beside its name and offsets, in bytes, measured roughly.
const RESTING_BYTES: usize = 512;
/// What a task and a mailbox add.
const LIVE_BYTES: usize = 10 << 10;
/// What an entry of a map adds to the bytes in it.
const ENTRY_BYTES: usize = 160;

/// What one group adds to the memory of all; dropped, it is taken off again.
#[derive(Default, Debug)]
pub(super) struct Charge {
    of_all: Arc<AtomicUsize>,
    bytes: usize,
}

impl Charge {
    /// A charge on the memory of all groups, of nothing yet.
    pub(super) fn on(of_all: &Arc<AtomicUsize>) -> Self {
        Self { of_all: Arc::clone(of_all), bytes: 0 }
    }

    fn set(&mut self, bytes: usize) {
        self.of_all.fetch_add(bytes, Ordering::Relaxed);
        self.of_all.fetch_sub(std::mem::replace(&mut self.bytes, bytes), Ordering::Relaxed);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// One group.
#[derive(Debug)]
pub(super) struct Group {
    /// Its number in the notebook's keys.
    pub(super) id: u64,
    pub(super) name: Arc<str>,
    /// Whether the notebook has its name.
    pub(super) recorded: bool,
    pub(super) state: State,
    /// When it came to this state; of an empty group, when its last member went.
    pub(super) since: Timestamp,
    /// 0 before the first.
    pub(super) generation: i32,
    pub(super) protocol_type: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) leader: Option<MemberId>,
    pub(super) members: BTreeMap<MemberId, Member>,
    /// Ids given out to members that have not come back with them (KIP-394), and when each ends.
    pub(super) pending: BTreeMap<MemberId, Duration>,
    /// When the phase is cut short: while preparing, the join; afterwards, the wait for members that owe a SyncGroup.
    pub(super) deadline: Option<Duration>,
    /// While preparing the first generation of an empty group.
    pub(super) opening: Option<Opening>,
    /// While completing: whether the leader's assignment is being stored.
    pub(super) assigning: bool,
    /// The members, if the group is one of the consumer protocol; then there are none above.
    pub(super) roster: Option<Arc<Roster<Consumers>>>,
    /// The members, if the group is one of the streams protocol.
    pub(super) streams: Option<Arc<streams::Roster>>,
    /// When the time of each of them is up.
    pub(super) timers: BTreeMap<MemberId, Timers>,
    /// What they were seen to subscribe to.
    pub(super) sight: Sight,
    /// What members of the streams protocol have said besides.
    pub(super) streams_sight: streams::Sight,
    /// Durable offsets by topic and partition.
    pub(super) offsets: BTreeMap<String, BTreeMap<i32, Committed>>,
    /// Durable offsets of transactions that have not ended, by producer, topic and partition.
    pub(super) uncommitted: BTreeMap<i64, BTreeMap<(String, i32), Committed>>,
    /// How many members support each protocol.
    support: HashMap<String, usize>,
    /// Bytes of the offsets, and of the members as they were weighed last.
    offsets_bytes: usize,
    members_bytes: usize,
    charge: Charge,
}

impl Group {
    /// A group that nothing is known of.
    pub(super) fn new(id: u64, name: Arc<str>) -> Self {
        Self {
            id,
            name,
            recorded: false,
            state: State::Empty,
            since: Timestamp::default(),
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            pending: BTreeMap::new(),
            deadline: None,
            opening: None,
            assigning: false,
            roster: None,
            streams: None,
            timers: BTreeMap::new(),
            sight: Sight::default(),
            streams_sight: streams::Sight::default(),
            offsets: BTreeMap::new(),
            uncommitted: BTreeMap::new(),
            support: HashMap::new(),
            offsets_bytes: 0,
            members_bytes: 0,
            charge: Charge::default(),
        }
    }

    /// The same group, charged for its memory.
    pub(super) fn charged(self, charge: Charge) -> Self {
        let mut group = Self { charge, ..self };
        group.weigh();
        group
    }

    /// Charges for what it takes now.
    pub(super) fn weigh(&mut self) {
        let members = self.members.iter().map(|(id, member)| ENTRY_BYTES + 3 * id.len() + member.bytes());
        let pending = self.pending.keys().map(|id| ENTRY_BYTES + id.len());
        let live = if self.is_idle() { 0 } else { LIVE_BYTES };
        let roster = self.roster.as_ref().map_or(0, |roster| roster.bytes()) + self.sight.bytes();
        let streams = self.streams.as_ref().map_or(0, |roster| roster.bytes()) + self.streams_sight.bytes();
        self.members_bytes = live + roster + streams + members.chain(pending).sum::<usize>();
        self.weigh_offsets();
    }

    /// The same if only offsets have changed.
    pub(super) fn weigh_offsets(&mut self) {
        self.charge.set(RESTING_BYTES + 2 * self.name.len() + self.offsets_bytes + self.members_bytes);
    }

    /// The memory that all groups take.
    pub(super) fn bytes_of_all(&self) -> usize {
        self.charge.of_all.load(Ordering::Relaxed)
    }

    /// Whether the group exists: it has had a member, or it keeps an offset, or a transaction has one for it.
    pub(super) fn exists(&self) -> bool {
        self.is_newer()
            || !self.uncommitted.is_empty()
            || self.generation > 0
            || !self.members.is_empty()
            || !self.pending.is_empty()
            || !self.offsets.is_empty()
    }

    /// Whether there is anything to keep of it, if only its name in the notebook until the next sweep.
    pub(super) fn is_worth_keeping(&self) -> bool {
        self.recorded || self.exists()
    }

    /// Whether nothing can happen to it unless somebody asks.
    pub(super) fn is_idle(&self) -> bool {
        let is_waiting = !self.pending.is_empty() || self.streams_sight.delay.is_some();
        self.state == State::Empty && !is_waiting && !self.is_occupied_newer()
    }

    /// Whether it is of a newer protocol than the classic one.
    pub(super) fn is_newer(&self) -> bool {
        self.roster.is_some() || self.streams.is_some()
    }

    /// Whether it is, and has members.
    pub(super) fn is_occupied_newer(&self) -> bool {
        self.roster.as_ref().is_some_and(|roster| !roster.is_empty())
            || self.streams.as_ref().is_some_and(|roster| !roster.is_empty())
    }

    /// The earliest time at which something happens by itself.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let sessions = self.members.values().filter_map(Member::deadline);
        let timers = self.timers.values().map(Timers::next).filter(|_| self.is_newer());
        let phases = self.deadline.into_iter().chain(self.streams_sight.delay);
        sessions.chain(self.pending.values().copied()).chain(phases).chain(timers).min()
    }

    /// Takes a member in; the first one leads.
    pub(super) fn insert(&mut self, id: MemberId, member: Member) {
        self.pending.remove(&id);
        self.leader.get_or_insert_with(|| id.clone());
        self.count(&member.protocols);
        if let Some(before) = self.members.insert(id, member) {
            self.uncount(&before.protocols);
        }
    }

    /// Lets a member go; another one leads if it did.
    pub(super) fn remove(&mut self, id: &str) -> Option<Member> {
        let member = self.members.remove(id)?;
        self.uncount(&member.protocols);
        if self.leader.as_deref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
        Some(member)
    }

    /// Gives the member `old` the id `new`, with its share and its leadership. Returns the requests that waited for `old`.
    pub(super) fn rename(&mut self, old: &str, new: &str) -> Option<(Option<Ticket>, Option<Ticket>)> {
        let mut member = self.members.remove(old)?;
        let waiting = (member.joining.take(), member.syncing.take());
        member.new = false;
        if self.leader.as_deref() == Some(old) {
            self.leader = Some(new.to_owned());
        }
        self.members.insert(new.to_owned(), member);
        Some(waiting)
    }

    /// Replaces what a member said when it joined.
    pub(super) fn update(&mut self, id: &str, protocols: Vec<Protocol>, session_timeout: Duration, rebalance_timeout: Duration) {
        let Some(member) = self.members.get_mut(id) else { return };
        (member.session_timeout, member.rebalance_timeout) = (session_timeout, rebalance_timeout);
        let before = std::mem::replace(&mut member.protocols, protocols.clone());
        self.uncount(&before);
        self.count(&protocols);
    }

    fn count(&mut self, protocols: &[Protocol]) {
        for protocol in protocols {
            *self.support.entry(protocol.name.clone()).or_default() += 1;
        }
    }

    fn uncount(&mut self, protocols: &[Protocol]) {
        for protocol in protocols {
            let left = self.support.get_mut(&protocol.name).map_or(0, |count| {
                *count = count.saturating_sub(1);
                *count
            });
            if left == 0 {
                self.support.remove(&protocol.name);
            }
        }
    }

    /// The member that holds an instance id.
    pub(super) fn holder(&self, instance: &str) -> Option<&MemberId> {
        self.members.iter().find(|(_, member)| member.instance.as_deref() == Some(instance)).map(|(id, _)| id)
    }

    /// Whether all members support `protocol`.
    pub(super) fn all_support(&self, protocol: &str) -> bool {
        self.support.get(protocol) == Some(&self.members.len())
    }

    /// The protocol of the next generation: each member votes for the first of its protocols that all support. Of protocols
    /// with as many votes the first by name is taken (Kafka: any).
    pub(super) fn elect_protocol(&self) -> Option<String> {
        let mut votes = BTreeMap::<&str, usize>::new();
        for member in self.members.values() {
            if let Some(vote) = member.protocols.iter().find(|protocol| self.all_support(&protocol.name)) {
                *votes.entry(&vote.name).or_default() += 1;
            }
        }
        let best = votes.values().copied().max()?;
        votes.into_iter().find(|&(_, count)| count == best).map(|(name, _)| name.to_owned())
    }

    /// Whether every member waits for the next generation and no id given out is still on its way.
    pub(super) fn all_have_joined(&self) -> bool {
        self.pending.is_empty() && self.members.values().all(|member| member.joining.is_some())
    }

    /// How long the slowest member may take to join again.
    pub(super) fn rebalance_timeout(&self) -> Duration {
        self.members.values().map(|member| member.rebalance_timeout).max().unwrap_or_default()
    }

    /// All members, as the leader sees them.
    pub(super) fn peers(&self) -> Vec<Peer> {
        let peer = |(id, member): (&MemberId, &Member)| Peer {
            member: id.clone(),
            instance: member.instance.clone(),
            metadata: member.metadata(self.protocol.as_deref()),
        };
        self.members.iter().map(peer).collect()
    }

    /// Its line in the list of groups; `None` if it does not exist.
    pub(super) fn summary(&self) -> Option<Listed> {
        let (state, protocol_type, kind, members) = match (&self.roster, &self.streams) {
            (Some(roster), _) => (roster.state(), "consumer", Kind::Consumer, roster.members.len()),
            (None, Some(roster)) => (roster.state(), "streams", Kind::Streams, roster.members.len()),
            (None, None) => (self.state, self.protocol_type.as_deref().unwrap_or_default(), Kind::Classic, self.members.len()),
        };
        let (group, protocol_type) = (self.name.to_string(), protocol_type.to_owned());
        self.exists().then_some(Listed { group, state, protocol_type, kind, members })
    }

    /// Whether its members speak the consumer protocol.
    pub(super) fn has_consumers(&self) -> bool {
        self.protocol_type.as_deref() == Some("consumer")
    }

    /// What its members subscribe to in the current generation.
    pub(super) fn subscriptions(&self) -> Subscriptions {
        let mut topics = BTreeSet::new();
        let mut read = |member: &Member| subscription::collect(&member.metadata(self.protocol.as_deref()), &mut topics);
        let all = self.has_consumers() && self.members.values().all(|member| read(member).is_some());
        if all { Subscriptions::Topics(topics) } else { Subscriptions::Unknown }
    }

    /// The group as a completed generation, each member with the share that `share` gives it.
    pub(super) fn completed(&self, since: Timestamp, mut share: impl FnMut(&MemberId, &Member) -> Bytes) -> Generation {
        let member = |(id, member): (&MemberId, &Member)| GenerationMember {
            id: id.clone(),
            instance: member.instance.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            session_timeout_millis: millis(member.session_timeout),
            rebalance_timeout_millis: millis(member.rebalance_timeout),
            protocols: member.protocols.clone(),
            assignment: share(id, member),
        };
        Generation {
            number: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            since,
            members: self.members.iter().map(member).collect(),
        }
    }

    /// Carries out a change, live and at start-up alike. A member not known yet, as at start-up, gets a fresh session.
    pub(super) fn apply(&mut self, change: Change, now: Now) {
        match change {
            Change::Generation(generation) => self.apply_generation(generation, now),
            Change::Offsets(offsets) => {
                for (topic, partition, committed) in offsets {
                    self.apply_offset(topic, partition, committed);
                }
            }
            Change::Pending(producer, offsets) => {
                for (topic, partition, committed) in offsets {
                    self.apply_pending(producer, (topic, partition), committed);
                }
            }
            Change::Roster(steps) => {
                self.begin_newer();
                apply_steps(&mut self.timers, self.roster.get_or_insert_default(), steps);
            }
            Change::Streams(steps) => {
                self.begin_newer();
                for seat in steps.iter().filter_map(Step::gone) {
                    self.streams_sight.forget(&seat.id);
                }
                apply_steps(&mut self.timers, self.streams.get_or_insert_default(), steps);
            }
            Change::Downgraded { generation, .. } => {
                (self.roster, self.sight) = (None, Sight::default());
                self.timers.clear();
                self.apply_generation(generation, now);
            }
            Change::Deleted => {
                let charge = std::mem::take(&mut self.charge);
                *self = Self::new(self.id, Arc::clone(&self.name)).charged(charge);
            }
        }
    }

    /// With the first step a group of a newer protocol begins, and whatever it was before ends.
    fn begin_newer(&mut self) {
        if self.is_newer() {
            return;
        }
        (self.state, self.generation, self.deadline, self.opening) = (State::Empty, 0, None, None);
        (self.protocol_type, self.protocol, self.leader, self.assigning) = (None, None, None, false);
        self.members.clear();
        self.pending.clear();
        self.support.clear();
    }

    fn apply_generation(&mut self, generation: Generation, now: Now) {
        self.state = if generation.members.is_empty() { State::Empty } else { State::Stable };
        (self.generation, self.since) = (generation.number, generation.since);
        (self.protocol_type, self.protocol) = (generation.protocol_type, generation.protocol);
        (self.assigning, self.opening) = (false, None);
        for stored in generation.members {
            match self.members.get_mut(&stored.id) {
                Some(member) => member.assignment = stored.assignment,
                None => self.insert_stored(stored, now),
            }
        }
        self.leader = generation.leader;
    }

    fn insert_stored(&mut self, stored: GenerationMember, now: Now) {
        let session_timeout = Duration::from_millis(stored.session_timeout_millis.into());
        let member = Member {
            instance: stored.instance,
            client_id: stored.client_id,
            client_host: stored.client_host,
            session_timeout,
            rebalance_timeout: Duration::from_millis(stored.rebalance_timeout_millis.into()),
            protocols: stored.protocols,
            assignment: stored.assignment,
            session_end: now.elapsed.saturating_add(session_timeout),
            new: false,
            joining: None,
            syncing: None,
            unsynced: false,
        };
        self.insert(stored.id, member);
    }

    fn apply_pending(&mut self, producer: i64, at: (String, i32), committed: Option<Committed>) {
        let bytes = |topic: &str, committed: &Committed| 2 * ENTRY_BYTES + topic.len() + committed.metadata.len();
        let pending = self.uncommitted.entry(producer).or_default();
        if let Some(before) = pending.remove(&at) {
            self.offsets_bytes -= bytes(&at.0, &before);
        }
        if let Some(committed) = committed {
            self.offsets_bytes += bytes(&at.0, &committed);
            pending.insert(at, committed);
        } else if pending.is_empty() {
            self.uncommitted.remove(&producer);
        }
    }

    fn apply_offset(&mut self, topic: String, partition: i32, committed: Option<Committed>) {
        let bytes = |committed: Committed| ENTRY_BYTES + committed.metadata.len();
        if let Some(committed) = committed {
            if !self.offsets.contains_key(&topic) {
                self.offsets_bytes += ENTRY_BYTES + topic.len();
            }
            self.offsets_bytes += ENTRY_BYTES + committed.metadata.len();
            let before = self.offsets.entry(topic).or_default().insert(partition, committed);
            self.offsets_bytes -= before.map_or(0, bytes);
        } else if let Some(partitions) = self.offsets.get_mut(&topic) {
            self.offsets_bytes -= partitions.remove(&partition).map_or(0, bytes);
            if partitions.is_empty() {
                self.offsets.remove(&topic);
                self.offsets_bytes -= ENTRY_BYTES + topic.len();
            }
        }
    }
}

/// Carries out steps; who is gone has no more time.
fn apply_steps<P: Parts>(timers: &mut BTreeMap<MemberId, Timers>, roster: &mut Arc<Roster<P>>, steps: Vec<Step<P>>) {
    let roster = Arc::make_mut(roster);
    for step in steps {
        if let Some(seat) = step.gone() {
            timers.remove(&seat.id);
        }
        roster.apply(step);
    }
}

/// As milliseconds, the most that there can be for what is longer.
fn millis(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(protocols: &[&str]) -> Member {
        let protocol = |name: &&str| Protocol { name: (*name).to_owned(), metadata: Bytes::new() };
        Member {
            instance: None,
            client_id: String::new(),
            client_host: String::new(),
            session_timeout: Duration::ZERO,
            rebalance_timeout: Duration::ZERO,
            protocols: protocols.iter().map(protocol).collect(),
            assignment: Bytes::new(),
            session_end: Duration::ZERO,
            new: false,
            joining: None,
            syncing: None,
            unsynced: false,
        }
    }

    fn group(members: &[&[&str]]) -> Group {
        let mut group = Group::new(1, "g".into());
        for (index, protocols) in members.iter().enumerate() {
            group.insert(format!("m{index}"), member(protocols));
        }
        group
    }

    #[test]
    fn the_protocol_with_most_votes_among_those_that_all_support_is_elected() {
        let rows: [(&[&[&str]], Option<&str>); 6] = [
            (&[], None),
            (&[&["range"]], Some("range")),
            (&[&["b", "a"], &["a", "b"], &["b", "a"]], Some("b")),
            (&[&["only", "a"], &["a", "b"]], Some("a")),
            (&[&["b", "a"], &["a", "b"]], Some("a")),
            (&[&["a"], &["b"]], None),
        ];
        for (members, expected) in rows {
            assert_eq!(group(members).elect_protocol().as_deref(), expected, "{members:?}");
        }
    }

    #[test]
    fn a_group_is_charged_for_what_it_holds_and_for_nothing_when_it_is_gone() {
        let all = Arc::new(AtomicUsize::new(0));
        let charged = || all.load(Ordering::Relaxed);
        let mut group = group(&[&["a"], &["b"]]).charged(Charge::on(&all));
        let full = charged();
        group.remove("m1");
        group.weigh();
        assert!(charged() < full);
        let (members, now) = (charged(), Now { time: Timestamp(0), elapsed: Duration::ZERO });
        let committed = |bytes| Committed {
            offset: 1,
            leader_epoch: 0,
            metadata: "m".repeat(bytes),
            committed_at: Timestamp(0),
            expires_at: None,
        };
        for (offset, grows) in [(Some(committed(9)), true), (Some(committed(1_000)), true), (None, false)] {
            group.apply(Change::Offsets(vec![("t".to_owned(), 0, offset)]), now);
            group.weigh_offsets();
            assert_eq!(charged() > members, grows);
        }
        assert_eq!(charged(), members);
        group.apply(Change::Deleted, now);
        assert!(charged() > 0 && charged() < members);
        drop(group);
        assert_eq!(charged(), 0);
    }

    #[test]
    fn support_follows_members_that_come_change_and_go() {
        let mut group = group(&[&["a"], &["a", "b"]]);
        assert!(group.all_support("a") && !group.all_support("b"));
        group.update("m0", member(&["b"]).protocols, Duration::ZERO, Duration::ZERO);
        assert!(!group.all_support("a") && group.all_support("b"));
        group.remove("m0");
        assert!(group.all_support("a") && group.all_support("b"));
        group.remove("m1");
        assert!(group.support.is_empty());
    }

    #[test]
    fn the_first_member_leads_and_hands_on_when_it_goes() {
        let mut group = group(&[&["a"], &["a"]]);
        assert_eq!(group.leader.as_deref(), Some("m0"));
        group.rename("m0", "m9");
        assert_eq!(group.leader.as_deref(), Some("m9"));
        group.remove("m9");
        assert_eq!(group.leader.as_deref(), Some("m1"));
        group.remove("m1");
        assert_eq!(group.leader, None);
    }
}
