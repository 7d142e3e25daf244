//! **The rules of groups**, in full those of classic ones (`consumer::decide` and `streams::decide` have the others): a group, a request and the present in; changes and answers out.
//!
//! No I/O, no clock, no lock, no wait: whoever waits is a [`Ticket`] in the group, and every deadline is a field of it
//! (`Group::next_deadline` tells when to call [`expire`]), so that a whole rebalance can be played in a test as a dialogue.
//! What only lives as long as the connections is changed in place; what must outlive the process is a [`Change`], carried
//! out by `Group::apply` when it is durable and reported back through [`stored`] or [`not_stored`].
//!
//! The oracle is Apache Kafka 4.4, `GroupMetadataManager` and `ClassicGroup`. Different here: members whose sessions end
//! together are removed together; a join or sync that is sent again answers the older, forgotten request with "rebalance in
//! progress" instead of leaving it unanswered; a static member's new id stays in force if it could not be stored.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::config::GroupConfig;
use super::consumer::decide::subscribed_names;
use super::consumer::state::Roster;
use super::request::{
    Answer, Commit, Described, DescribedMember, Join, JoinRefused, Joined, Leaver, MemberId, Membership, NewOffset, Partitions,
    Refusal, Request, Sync, Synced, TopicFilter,
};
use super::state::{Change, Committed, Generation, Group, Member, Now, Opening, State, Subscriptions, Ticket};
use super::topics::Topics;

/// How long a member that has never completed a join may wait in one (Kafka: `group.new.member.join.timeout.ms`, 4.4).
const NEW_MEMBER_JOIN_TIMEOUT: Duration = Duration::from_secs(300);

/// What follows from a request or from time passing.
#[derive(Default, Debug)]
pub(super) struct Decision {
    /// To be made durable together, before the replies are sent.
    pub(super) changes: Vec<Change>,
    /// Who is answered, and how.
    pub(super) replies: Vec<(Ticket, Answer)>,
}

impl Decision {
    /// Whether it changes the members of a group of a newer protocol: then the next one has to wait for it.
    pub(super) fn reshapes(&self) -> bool {
        self.changes.iter().any(|change| matches!(change, Change::Roster(_) | Change::Streams(_) | Change::Downgraded { .. }))
    }
}

/// What decisions depend on beside the group.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) config: &'a GroupConfig,
    pub(super) topics: &'a dyn Topics,
}

/// Serves one request.
pub(super) fn decide(group: &mut Group, rules: Rules<'_>, now: Now, ticket: Ticket, request: Request) -> Decision {
    let mut desk = Desk::new(group, rules, now);
    match request {
        Request::Beat(beat, fresh) => desk.beat(&beat, fresh, ticket),
        Request::StreamsBeat(beat) => desk.beat_streams(&beat, ticket),
        Request::Join(join, fresh) => desk.join(*join, fresh, ticket),
        Request::Sync(sync) => desk.sync(sync, ticket),
        Request::Heartbeat(who) => desk.heartbeat(&who, ticket),
        Request::Leave(leavers) => desk.leave(leavers, ticket),
        Request::Commit(commit) => desk.commit(commit, ticket),
        Request::CommitInTransaction(producer, commit) => desk.commit_in_transaction(producer, commit, ticket),
        Request::EndTransaction(producer, commit) => desk.end_transaction(producer, commit, ticket),
        Request::Unstable => desk.unstable(ticket),
        Request::Fetch(wanted, who) => desk.fetch(wanted, &who, ticket),
        Request::Describe => desk.describe(ticket),
        Request::DescribeConsumers => desk.describe_consumers(ticket),
        Request::DescribeStreams => desk.describe_streams(ticket),
        Request::Summarize => desk.summarize(ticket),
        Request::Delete => desk.delete(ticket),
        Request::DeleteOffsets(partitions) => desk.delete_offsets(partitions, ticket),
        Request::RetainTopics(keep) => desk.retain_topics(&keep, ticket),
        Request::Sweep => desk.sweep(ticket),
    }
    desk.decision
}

/// Does what is due at `now`.
pub(super) fn expire(group: &mut Group, rules: Rules<'_>, now: Now) -> Decision {
    let mut desk = Desk::new(group, rules, now);
    desk.expire_members();
    desk.expire_streams();
    desk.expire_sessions();
    desk.expire_phase();
    desk.decision
}

/// A generation is durable: if it is still the one being completed, it is carried out and everybody gets their share.
pub(super) fn stored(group: &mut Group, rules: Rules<'_>, now: Now, generation: Generation) -> Decision {
    let mut desk = Desk::new(group, rules, now);
    if desk.is_completing(&generation) {
        desk.group.apply(Change::Generation(generation), now);
        desk.hand_out(None);
    }
    desk.decision
}

/// A generation could not be made durable: if it is still the one being completed, the group begins anew.
pub(super) fn not_stored(group: &mut Group, rules: Rules<'_>, now: Now, generation: &Generation) -> Decision {
    let mut desk = Desk::new(group, rules, now);
    if desk.is_completing(generation) {
        desk.hand_out(Some(Refusal::Unavailable));
        desk.prepare();
    }
    desk.decision
}

/// A group has come back to the classic protocol: its members are called to join.
pub(super) fn downgraded(group: &mut Group, rules: Rules<'_>, now: Now) -> Decision {
    let mut desk = Desk::new(group, rules, now);
    desk.prepare();
    desk.decision
}

/// Starts the time of the members of a group of a newer protocol, after it was loaded.
pub(super) fn wake(group: &mut Group, rules: Rules<'_>, now: Now) {
    let mut desk = Desk::new(group, rules, now);
    desk.wake_members();
    desk.wake_streams();
}

/// Offsets past their time: of a group without members, counted from when the last one left; of a group that only keeps
/// offsets, and of topics that the members of a stable group do not subscribe to, from the commit
/// (`ClassicGroup.offsetExpirationCondition`).
fn expired(group: &Group, Rules { config, topics }: Rules<'_>, now: Now) -> Vec<(String, i32)> {
    let subscribed = match group.state {
        _ if let Some(roster) = &group.roster => subscribed_names(group, roster, topics),
        _ if let Some(roster) = &group.streams => roster.subscribed_names(),
        State::Stable => match group.subscriptions() {
            Subscriptions::Topics(topics) => topics,
            Subscriptions::Unknown => return Vec::new(),
        },
        State::Empty => Default::default(),
        _ => return Vec::new(),
    };
    let had_members = group.state == State::Empty && group.protocol_type.is_some();
    let is_over = |committed: &Committed| match committed.expires_at {
        Some(end) => now.time >= end,
        None => {
            let base = if had_members { group.since } else { committed.committed_at };
            now.time.since(base) >= config.offsets_retention
        }
    };
    let unsubscribed = group.offsets.iter().filter(|(topic, _)| !subscribed.contains(*topic));
    let each = unsubscribed.flat_map(|(topic, partitions)| partitions.iter().map(move |entry| (topic, entry)));
    each.filter(|(_, (_, committed))| is_over(committed)).map(|(topic, (&partition, _))| (topic.clone(), partition)).collect()
}

/// Whether a sweep would change a group that nobody uses.
pub(super) fn needs_sweep(group: &Group, rules: Rules<'_>, now: Now) -> bool {
    group.offsets.is_empty() || !expired(group, rules, now).is_empty()
}

/// One decision in the making.
pub(super) struct Desk<'a> {
    pub(super) group: &'a mut Group,
    pub(super) config: &'a GroupConfig,
    pub(super) topics: &'a dyn Topics,
    pub(super) now: Now,
    pub(super) decision: Decision,
}

impl<'a> Desk<'a> {
    fn new(group: &'a mut Group, Rules { config, topics }: Rules<'a>, now: Now) -> Self {
        Self { group, config, topics, now, decision: Decision::default() }
    }

    /// The members, if the group is one of the consumer protocol and has some: then they are asked, not the classic ones.
    fn occupied_roster(&self) -> Option<Arc<Roster>> {
        self.group.roster.clone().filter(|roster| !roster.is_empty())
    }

    pub(super) fn reply(&mut self, ticket: Ticket, answer: Answer) {
        self.decision.replies.push((ticket, answer));
    }

    fn refuse_join(&mut self, ticket: Ticket, refusal: Refusal, member: MemberId) {
        self.reply(ticket, Answer::Join(Err(JoinRefused { refusal, member })));
    }

    pub(super) fn after(&self, span: Duration) -> Duration {
        self.now.elapsed.saturating_add(span)
    }
}

/// Joining.
impl Desk<'_> {
    fn join(&mut self, mut join: Join, fresh: MemberId, ticket: Ticket) {
        if let Some(roster) = self.occupied_roster() {
            return self.join_roster(roster, join, fresh, ticket);
        }
        if self.group.is_occupied_newer() {
            return self.refuse_join(ticket, Refusal::InconsistentProtocol, join.member);
        }
        // A protocol named twice counts once.
        let mut names = HashSet::new();
        join.protocols.retain(|protocol| names.insert(protocol.name.clone()));
        if !self.admits(&join.member) {
            self.group.pending.remove(&join.member);
            self.remove(&join.member, Refusal::UnknownMember);
            self.refuse_join(ticket, Refusal::GroupFull, MemberId::new());
            self.complete_join_if_all_are_here();
        } else if !self.fits(&join) {
            self.refuse_join(ticket, Refusal::InconsistentProtocol, join.member);
        } else if join.member.is_empty() {
            self.join_new(join, fresh, ticket);
        } else if join.instance.is_none() && self.group.pending.contains_key(&join.member) {
            self.add(join.member.clone(), join, ticket);
        } else {
            match self.known(&join.member, join.instance.as_deref()) {
                Ok(()) => self.join_again(join, ticket),
                Err(refusal) => self.refuse_join(ticket, refusal, join.member),
            }
        }
    }

    /// While members gather, those count that have come, so that a lowered limit sends the latest away; afterwards, all.
    fn admits(&self, member: &str) -> bool {
        let room = |taken: usize| taken < self.config.group_size_max;
        let known = self.group.members.get(member);
        match self.group.state {
            State::Empty | State::Dead | State::NotReady | State::Assigning | State::Reconciling => true,
            State::PreparingRebalance => {
                known.is_some_and(|member| member.joining.is_some())
                    || room(self.group.members.values().filter(|member| member.joining.is_some()).count())
            }
            State::CompletingRebalance | State::Stable => known.is_some() || room(self.group.members.len()),
        }
    }

    /// Whether the member offers a protocol that everybody in the group supports.
    fn fits(&self, join: &Join) -> bool {
        if self.group.state == State::Empty {
            return !join.protocol_type.is_empty() && !join.protocols.is_empty();
        }
        self.group.protocol_type.as_deref() == Some(&join.protocol_type)
            && join.protocols.iter().any(|protocol| self.group.all_support(&protocol.name))
    }

    /// Whether the group has the member, and no other member holds its instance id.
    fn known(&self, member: &str, instance: Option<&str>) -> Result<(), Refusal> {
        let found = self.group.members.get(member);
        if found.is_some_and(|member| instance.is_none() || member.instance.as_deref() == instance) {
            return Ok(());
        }
        match instance.and_then(|instance| self.group.holder(instance)) {
            Some(_) => Err(Refusal::InstanceFenced),
            None => Err(Refusal::UnknownMember),
        }
    }

    fn join_new(&mut self, join: Join, fresh: MemberId, ticket: Ticket) {
        // If there is one, nobody is in it, so the group can be a classic one again; on the disk with its first generation.
        (self.group.roster, self.group.streams) = (None, None);
        let holder = join.instance.as_deref().and_then(|instance| self.group.holder(instance)).cloned();
        if let Some(holder) = holder {
            self.take_over(&holder, fresh, join, ticket);
        } else if join.instance.is_some() || !join.member_id_required {
            self.add(fresh, join, ticket);
        } else if self.group.pending.len() >= self.config.group_size_max {
            self.refuse_join(ticket, Refusal::GroupFull, MemberId::new());
        } else {
            let end = self.after(join.session_timeout);
            self.group.pending.insert(fresh.clone(), end);
            self.refuse_join(ticket, Refusal::MemberIdRequired, fresh);
        }
    }

    fn join_again(&mut self, join: Join, ticket: Ticket) {
        let same = self.group.members.get(&join.member).is_some_and(|member| member.protocols == join.protocols);
        let leads = self.group.leader.as_ref() == Some(&join.member);
        match self.group.state {
            // The answer to its join was lost: it is in the current generation and can go on to sync.
            State::CompletingRebalance if same => self.answer_as_it_is(&join.member, leads, ticket),
            State::Stable if same && !leads => self.answer_as_it_is(&join.member, false, ticket),
            // A leader that joins again wants to assign again: topics may have changed.
            State::PreparingRebalance | State::CompletingRebalance | State::Stable => self.wait_for_next(join, ticket),
            _ => self.refuse_join(ticket, Refusal::UnknownMember, join.member),
        }
    }

    fn answer_as_it_is(&mut self, member: &MemberId, leads: bool, ticket: Ticket) {
        self.renew(member);
        let joined = self.joined(member, leads);
        self.reply(ticket, Answer::Join(Ok(joined)));
    }

    fn joined(&self, member: &MemberId, with_members: bool) -> Joined {
        Joined {
            member: member.clone(),
            generation: self.group.generation,
            protocol_type: self.group.protocol_type.clone(),
            protocol: self.group.protocol.clone(),
            leader: self.group.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            members: if with_members { self.group.peers() } else { Vec::new() },
        }
    }

    /// A known member waits for the next generation.
    fn wait_for_next(&mut self, join: Join, ticket: Ticket) {
        self.renew(&join.member);
        self.group.update(&join.member, join.protocols, join.session_timeout, join.rebalance_timeout);
        self.park_join(&join.member, ticket);
        self.rebalance();
    }

    fn park_join(&mut self, member: &str, ticket: Ticket) {
        let older = self.group.members.get_mut(member).and_then(|member| member.joining.replace(ticket));
        if let Some(older) = older {
            self.refuse_join(older, Refusal::RebalanceInProgress, member.to_owned());
        }
    }

    /// A new member waits for the next generation. It cannot send heartbeats until it has the answer, and a closed connection
    /// is not seen from here, so it gets a long but bounded session.
    fn add(&mut self, id: MemberId, join: Join, ticket: Ticket) {
        if let Some(opening) = &mut self.group.opening {
            opening.member_added = true;
        }
        if self.group.members.is_empty() {
            self.group.protocol_type = Some(join.protocol_type);
        }
        let member = Member {
            instance: join.instance,
            client_id: join.client_id,
            client_host: join.client_host,
            session_timeout: join.session_timeout,
            rebalance_timeout: join.rebalance_timeout,
            protocols: join.protocols,
            assignment: Default::default(),
            session_end: self.after(NEW_MEMBER_JOIN_TIMEOUT),
            new: true,
            joining: Some(ticket),
            syncing: None,
            unsynced: false,
        };
        self.group.insert(id, member);
        self.rebalance();
    }

    /// A static member has restarted: it goes on under a new id, and the old id is fenced (KIP-345). In a stable group whose
    /// protocol stays the same nobody else notices. As in Kafka, only the protocol's name is compared: the metadata of a
    /// cooperative assignor names the partitions owned, which a restarted member has forgotten.
    fn take_over(&mut self, old: &MemberId, fresh: MemberId, join: Join, ticket: Ticket) {
        let leader_before = self.group.leader.clone().unwrap_or_default();
        self.fence(old, &fresh);
        self.group.update(&fresh, join.protocols, join.session_timeout, join.rebalance_timeout);
        self.renew(&fresh);
        if self.group.state != State::Stable || self.group.elect_protocol() != self.group.protocol {
            self.park_join(&fresh, ticket);
            return self.rebalance();
        }
        let generation = self.group.completed(self.group.since, |_, member| member.assignment.clone());
        self.decision.changes.push(Change::Generation(generation));
        let leads = self.group.leader.as_ref() == Some(&fresh);
        let mut joined = self.joined(&fresh, leads && join.skip_assignment_known);
        if join.skip_assignment_known {
            joined.skip_assignment = leads;
        } else {
            // A client before KIP-814 that saw itself lead would assign anew; naming its old id keeps it a follower.
            joined.leader = leader_before;
        }
        self.reply(ticket, Answer::Join(Ok(joined)));
    }

    fn fence(&mut self, old: &MemberId, fresh: &str) {
        let (joining, syncing) = self.group.rename(old, fresh).unwrap_or_default();
        if let Some(ticket) = joining {
            self.refuse_join(ticket, Refusal::InstanceFenced, old.clone());
        }
        if let Some(ticket) = syncing {
            self.reply(ticket, Answer::Sync(Err(Refusal::InstanceFenced)));
        }
    }
}

/// The rebalance.
impl Desk<'_> {
    /// Something has changed that needs another generation.
    fn rebalance(&mut self) {
        if self.group.state == State::PreparingRebalance { self.complete_join_if_all_are_here() } else { self.prepare() }
    }

    /// Calls all members to join.
    pub(super) fn prepare(&mut self) {
        if self.group.state == State::CompletingRebalance {
            self.hand_out(Some(Refusal::RebalanceInProgress));
        }
        let first = self.group.state == State::Empty;
        (self.group.state, self.group.since) = (State::PreparingRebalance, self.now.time);
        (self.group.assigning, self.group.opening) = (false, None);
        self.group.deadline = Some(self.after(self.group.rebalance_timeout()));
        if !first {
            self.complete_join_if_all_are_here();
        } else if self.config.initial_rebalance_delay.is_zero() {
            self.complete_join();
        } else {
            self.open(self.group.rebalance_timeout());
        }
    }

    /// Holds the first rebalance open for more members: by the initial delay, and again each time somebody came meanwhile, up
    /// to the rebalance timeout.
    fn open(&mut self, remaining: Duration) {
        let delay = self.config.initial_rebalance_delay.min(remaining);
        self.group.opening = Some(Opening { remaining: remaining.saturating_sub(delay), member_added: false });
        self.group.deadline = Some(self.after(delay));
    }

    fn complete_join_if_all_are_here(&mut self) {
        let preparing = self.group.state == State::PreparingRebalance && self.group.opening.is_none();
        if preparing && self.group.all_have_joined() {
            self.complete_join();
        }
    }

    /// Ends the join with whoever is here. Static members keep their place until their session ends.
    fn complete_join(&mut self) {
        (self.group.deadline, self.group.opening) = (None, None);
        let absent = |member: &Member| member.joining.is_none() && member.instance.is_none();
        for id in self.members_that(absent) {
            self.remove(&id, Refusal::UnknownMember);
        }
        if !self.elect_leader() && !self.group.members.is_empty() {
            // Only static members are left and none has come: wait until they do or their sessions end.
            self.group.deadline = Some(self.after(self.group.rebalance_timeout()));
            return;
        }
        self.group.generation = self.group.generation.checked_add(1).unwrap_or(1);
        if self.group.members.is_empty() { self.become_empty() } else { self.announce_generation() }
    }

    /// Whether a member that has joined leads, if need be from now on.
    fn elect_leader(&mut self) -> bool {
        let here = |id: &MemberId| self.group.members.get(id).is_some_and(|member| member.joining.is_some());
        if !self.group.leader.as_ref().is_some_and(here) {
            let Some(id) = self.group.members.keys().find(|id| here(id)).cloned() else { return false };
            self.group.leader = Some(id);
        }
        true
    }

    fn become_empty(&mut self) {
        self.group.protocol = None;
        let change = Change::Generation(self.group.completed(self.now.time, |_, _| Default::default()));
        self.group.apply(change.clone(), self.now);
        self.decision.changes.push(change);
    }

    fn announce_generation(&mut self) {
        self.group.protocol = self.group.elect_protocol();
        let (name, generation, members) = (&*self.group.name, self.group.generation, self.group.members.len());
        tracing::debug!(group = name, generation, members, protocol = self.group.protocol, "all members have joined");
        (self.group.state, self.group.since) = (State::CompletingRebalance, self.now.time);
        self.group.deadline = Some(self.after(self.group.rebalance_timeout()));
        for id in self.members_that(|_| true) {
            let Some(member) = self.group.members.get_mut(&id) else { continue };
            (member.new, member.unsynced) = (false, true);
            let ticket = member.joining.take();
            self.renew(&id);
            if let Some(ticket) = ticket {
                let joined = self.joined(&id, self.group.leader.as_ref() == Some(&id));
                self.reply(ticket, Answer::Join(Ok(joined)));
            }
        }
    }

    fn is_completing(&self, generation: &Generation) -> bool {
        self.group.state == State::CompletingRebalance && self.group.generation == generation.number
    }

    /// Answers everybody that waits in SyncGroup, with their share or with a refusal; after a refusal nobody has a share.
    fn hand_out(&mut self, refusal: Option<Refusal>) {
        for id in self.members_that(|_| true) {
            let Some(member) = self.group.members.get_mut(&id) else { continue };
            if refusal.is_some() {
                member.assignment.clear();
            }
            if let Some(ticket) = member.syncing.take() {
                self.renew(&id);
                let synced = refusal.map_or_else(|| Ok(self.synced(&id)), Err);
                self.reply(ticket, Answer::Sync(synced));
            }
        }
    }

    fn members_that(&self, wanted: impl Fn(&Member) -> bool) -> Vec<MemberId> {
        self.group.members.iter().filter(|(_, member)| wanted(member)).map(|(id, _)| id.clone()).collect()
    }

    /// Removes a member and answers what it waits for.
    fn remove(&mut self, id: &str, refusal: Refusal) {
        let Some(member) = self.group.remove(id) else { return };
        if let Some(ticket) = member.joining {
            self.refuse_join(ticket, refusal, MemberId::new());
        }
        if let Some(ticket) = member.syncing {
            self.reply(ticket, Answer::Sync(Err(refusal)));
        }
    }

    fn renew(&mut self, id: &str) {
        let now = self.now.elapsed;
        if let Some(member) = self.group.members.get_mut(id) {
            member.session_end = now.saturating_add(if member.new { NEW_MEMBER_JOIN_TIMEOUT } else { member.session_timeout });
        }
    }

    fn expire_sessions(&mut self) {
        let now = self.now.elapsed;
        self.group.pending.retain(|_, end| *end > now);
        let silent = self.members_that(|member| member.deadline().is_some_and(|end| end <= now));
        for id in &silent {
            tracing::info!(group = &*self.group.name, member = id.as_str(), "the member's session has ended");
            self.remove(id, Refusal::UnknownMember);
        }
        let has_members = matches!(self.group.state, State::CompletingRebalance | State::Stable);
        if !silent.is_empty() && has_members { self.prepare() } else { self.complete_join_if_all_are_here() }
    }

    /// Ends the phase if its time is up.
    fn expire_phase(&mut self) {
        if self.group.deadline.is_none_or(|end| end > self.now.elapsed) {
            return;
        }
        self.group.deadline = None;
        match (self.group.state, self.group.opening) {
            (State::PreparingRebalance, Some(Opening { remaining, member_added: true })) if !remaining.is_zero() => {
                self.open(remaining);
            }
            (State::PreparingRebalance, _) => self.complete_join(),
            (State::CompletingRebalance | State::Stable, _) => self.remove_unsynced(),
            _ => {}
        }
    }

    fn remove_unsynced(&mut self) {
        let unsynced = self.members_that(|member| member.unsynced);
        for id in &unsynced {
            tracing::info!(group = &*self.group.name, member = id.as_str(), "the member has joined but did not sync");
            self.remove(id, Refusal::UnknownMember);
        }
        if !unsynced.is_empty() {
            self.prepare();
        }
    }
}

/// Syncing, staying and going.
impl Desk<'_> {
    fn sync(&mut self, sync: Sync, ticket: Ticket) {
        if let Some(roster) = self.occupied_roster() {
            return self.sync_roster(&roster, &sync, ticket);
        }
        if let Err(refusal) = self.may_sync(&sync) {
            return self.reply(ticket, Answer::Sync(Err(refusal)));
        }
        let id = sync.who.member;
        self.renew(&id);
        let completing = self.group.state == State::CompletingRebalance;
        let Some(member) = self.group.members.get_mut(&id) else { return };
        member.unsynced = false;
        let older = if completing { member.syncing.replace(ticket) } else { None };
        if let Some(older) = older {
            self.reply(older, Answer::Sync(Err(Refusal::RebalanceInProgress)));
        }
        if !completing {
            let synced = self.synced(&id);
            self.reply(ticket, Answer::Sync(Ok(synced)));
        } else if self.group.leader.as_ref() == Some(&id) && !self.group.assigning {
            self.store_assignment(sync.assignments);
        }
        if !self.group.members.values().any(|member| member.unsynced) {
            self.group.deadline = None;
        }
    }

    fn may_sync(&self, sync: &Sync) -> Result<(), Refusal> {
        self.in_generation(&sync.who)?;
        let differs = |given: &Option<String>, ours: &Option<String>| given.is_some() && given != ours;
        if differs(&sync.protocol_type, &self.group.protocol_type) || differs(&sync.protocol, &self.group.protocol) {
            return Err(Refusal::InconsistentProtocol);
        }
        match self.group.state {
            State::PreparingRebalance => Err(Refusal::RebalanceInProgress),
            State::CompletingRebalance | State::Stable => Ok(()),
            _ => Err(Refusal::UnknownMember),
        }
    }

    fn in_generation(&self, who: &Membership) -> Result<(), Refusal> {
        self.known(&who.member, who.instance.as_deref())?;
        if who.generation == self.group.generation { Ok(()) } else { Err(Refusal::IllegalGeneration) }
    }

    fn synced(&self, id: &str) -> Synced {
        Synced {
            protocol_type: self.group.protocol_type.clone(),
            protocol: self.group.protocol.clone(),
            assignment: self.group.members.get(id).map(|member| member.assignment.clone()).unwrap_or_default(),
        }
    }

    /// The leader has assigned; a member it left out gets an empty share.
    fn store_assignment(&mut self, assignments: Vec<(MemberId, bytes::Bytes)>) {
        let mut shares = assignments.into_iter().collect::<HashMap<_, _>>();
        let generation = self.group.completed(self.now.time, |id, _| shares.remove(id).unwrap_or_default());
        self.group.assigning = true;
        self.decision.changes.push(Change::Generation(generation));
    }

    fn heartbeat(&mut self, who: &Membership, ticket: Ticket) {
        if let Some(roster) = self.occupied_roster() {
            return self.heartbeat_roster(&roster, who, ticket);
        }
        let result = self.in_generation(who).and_then(|()| {
            self.renew(&who.member);
            if self.group.state == State::PreparingRebalance { Err(Refusal::RebalanceInProgress) } else { Ok(()) }
        });
        self.reply(ticket, Answer::Done(result));
    }

    fn leave(&mut self, leavers: Vec<Leaver>, ticket: Ticket) {
        if let Some(roster) = self.occupied_roster() {
            return self.leave_roster(&roster, &leavers, ticket);
        }
        let results = leavers.into_iter().map(|leaver| self.leave_one(&leaver)).collect::<Vec<_>>();
        let gone = results.iter().any(Result::is_ok);
        self.reply(ticket, Answer::Each(Ok(results)));
        if gone && self.group.state != State::Empty {
            self.rebalance();
        }
    }

    fn leave_one(&mut self, leaver: &Leaver) -> Result<(), Refusal> {
        if self.group.pending.remove(&leaver.member).is_some() {
            return Ok(());
        }
        let id = if leaver.member.is_empty() {
            let holder = leaver.instance.as_deref().and_then(|instance| self.group.holder(instance));
            holder.ok_or(Refusal::UnknownMember)?.clone()
        } else {
            self.known(&leaver.member, leaver.instance.as_deref())?;
            leaver.member.clone()
        };
        self.remove(&id, Refusal::UnknownMember);
        Ok(())
    }
}

/// Topics, partitions, and what is kept of them from now on; `None`: nothing.
type Offsets = Vec<(String, i32, Option<Committed>)>;

/// Offsets.
impl Desk<'_> {
    fn commit(&mut self, commit: Commit, ticket: Ticket) {
        if let Err(refusal) = self.may_commit(&commit) {
            return self.reply(ticket, Answer::Each(Err(refusal)));
        }
        // A commit is a sign of life.
        self.renew(&commit.who.member);
        let (offsets, results) = self.accepted(commit);
        self.change_offsets(offsets);
        self.reply(ticket, Answer::Each(Ok(results)));
    }

    /// What is kept of a commit, and what is said of each offset.
    fn accepted(&self, commit: Commit) -> (Offsets, Vec<Result<(), Refusal>>) {
        let (longest, time) = (self.config.offset_metadata_bytes_max, self.now.time);
        let fits = |new: &NewOffset| if new.metadata.len() > longest { Err(Refusal::MetadataTooLarge) } else { Ok(()) };
        let results = commit.offsets.iter().map(fits).collect::<Vec<_>>();
        let expires_at = commit.retention.map(|span| time.plus(span));
        let committed = |new: NewOffset| {
            let NewOffset { topic, partition, offset, leader_epoch, metadata } = new;
            (topic, partition, Some(Committed { offset, leader_epoch, metadata, committed_at: time, expires_at }))
        };
        let offsets = commit.offsets.into_iter().zip(&results).filter(|(_, result)| result.is_ok());
        (offsets.map(|(new, _)| committed(new)).collect(), results)
    }

    fn commit_in_transaction(&mut self, producer: i64, commit: Commit, ticket: Ticket) {
        if let Err(refusal) = self.may_commit_in_transaction(&commit) {
            return self.reply(ticket, Answer::Each(Err(refusal)));
        }
        let (offsets, results) = self.accepted(commit);
        if !offsets.is_empty() {
            self.decision.changes.push(Change::Pending(producer, offsets));
        }
        self.reply(ticket, Answer::Each(Ok(results)));
    }

    /// Who says that he is a member has to be one; anybody else may, whatever the group does (the same with `isTransactional`).
    fn may_commit_in_transaction(&self, commit: &Commit) -> Result<(), Refusal> {
        let who = &commit.who;
        match who.generation < 0 && who.member.is_empty() && who.instance.is_none() {
            true => Ok(()),
            false if let Some(roster) = &self.group.roster => self.may_commit_as_member(roster, commit),
            false if let Some(roster) = &self.group.streams => self.may_commit_streams(roster, commit),
            false if who.generation < 0 && self.group.state == State::Empty => Ok(()),
            false if !self.group.exists() => Err(Refusal::UnknownGroup),
            false => self.in_generation(who),
        }
    }

    /// As in Kafka, an offset that was committed after the one in the transaction stays.
    fn end_transaction(&mut self, producer: i64, commit: bool, ticket: Ticket) {
        let pending = self.group.uncommitted.get(&producer).cloned().unwrap_or_default();
        let kept = |topic: &str, partition: &i32| self.group.offsets.get(topic).and_then(|kept| kept.get(partition));
        let is_newer = |((topic, partition), new): &(&(String, i32), &Committed)| {
            kept(topic, partition).is_none_or(|kept| kept.committed_at <= new.committed_at)
        };
        let newer = pending.iter().filter(|offset| commit && is_newer(offset));
        let offsets = newer.map(|((topic, partition), new)| (topic.clone(), *partition, Some(new.clone()))).collect();
        self.change_offsets(offsets);
        self.drop_pending(producer, pending.into_keys().collect());
        self.reply(ticket, Answer::Done(Ok(())));
    }

    fn drop_pending(&mut self, producer: i64, offsets: Vec<(String, i32)>) {
        if !offsets.is_empty() {
            let offsets = offsets.into_iter().map(|(topic, partition)| (topic, partition, None)).collect();
            self.decision.changes.push(Change::Pending(producer, offsets));
        }
    }

    fn unstable(&mut self, ticket: Ticket) {
        let unstable = self.group.uncommitted.values().flat_map(|pending| pending.keys().cloned()).collect();
        self.reply(ticket, Answer::Unstable(unstable));
    }

    fn change_offsets(&mut self, offsets: Offsets) {
        if !offsets.is_empty() {
            self.decision.changes.push(Change::Offsets(offsets));
        }
    }

    /// Members commit in their generation; anybody may where nobody is a member (`ClassicGroup.validateOffsetCommit`).
    fn may_commit(&self, commit: &Commit) -> Result<(), Refusal> {
        if let Some(roster) = &self.group.roster {
            return self.may_commit_as_member(roster, commit);
        }
        if let Some(roster) = &self.group.streams {
            return self.may_commit_streams(roster, commit);
        }
        let who = &commit.who;
        if who.generation < 0 && self.group.state == State::Empty {
            return Ok(());
        }
        if !self.group.exists() {
            return Err(Refusal::UnknownGroup);
        }
        self.in_generation(who)?;
        if self.group.state == State::CompletingRebalance { Err(Refusal::RebalanceInProgress) } else { Ok(()) }
    }

    fn fetch(&mut self, wanted: Option<Partitions>, who: &Membership, ticket: Ticket) {
        if let Err(refusal) = self.may_fetch(who) {
            return self.reply(ticket, Answer::Offsets(Err(refusal)));
        }
        let all = |(topic, partitions): (&String, &BTreeMap<i32, Committed>)| {
            (topic.clone(), partitions.iter().map(|(&partition, committed)| (partition, Some(committed.clone()))).collect())
        };
        let some = |(topic, partitions): (String, Vec<i32>)| {
            let kept = self.group.offsets.get(&topic);
            let find = |partition| (partition, kept.and_then(|kept| kept.get(&partition)).cloned());
            (topic, partitions.into_iter().map(find).collect())
        };
        let found = match wanted {
            None => self.group.offsets.iter().map(all).collect(),
            Some(wanted) => wanted.into_iter().map(some).collect(),
        };
        self.reply(ticket, Answer::Offsets(Ok(found)));
    }

    fn delete(&mut self, ticket: Ticket) {
        let result = if !self.group.exists() {
            Err(Refusal::UnknownGroup)
        } else if self.group.state != State::Empty || self.group.is_occupied_newer() {
            Err(Refusal::NonEmpty)
        } else {
            self.decision.changes.push(Change::Deleted);
            Ok(())
        };
        self.reply(ticket, Answer::Done(result));
    }

    fn delete_offsets(&mut self, partitions: Partitions, ticket: Ticket) {
        if !self.group.exists() {
            return self.reply(ticket, Answer::Each(Err(Refusal::UnknownGroup)));
        }
        if self.group.state != State::Empty && !self.group.has_consumers() {
            return self.reply(ticket, Answer::Each(Err(Refusal::NonEmpty)));
        }
        let subscriptions = match (&self.group.roster, &self.group.streams) {
            (Some(roster), _) => Subscriptions::Topics(subscribed_names(self.group, roster, self.topics)),
            (None, Some(roster)) => Subscriptions::Topics(roster.subscribed_names()),
            (None, None) => self.group.subscriptions(),
        };
        let subscribed = |topic: &str| match &subscriptions {
            Subscriptions::Topics(topics) => topics.contains(topic),
            // What live consumers read is not known, so nothing is taken from under them.
            Subscriptions::Unknown => self.group.state != State::Empty,
        };
        let (mut results, mut gone) = (Vec::new(), Vec::new());
        for (topic, partitions) in partitions {
            let result = if subscribed(&topic) { Err(Refusal::Subscribed) } else { Ok(()) };
            results.extend(partitions.iter().map(|_| result));
            let kept = self.group.offsets.get(&topic).filter(|_| result.is_ok());
            let doomed = |partition: &i32| kept.is_some_and(|kept| kept.contains_key(partition));
            gone.extend(partitions.into_iter().filter(doomed).map(|partition| (topic.clone(), partition, None)));
        }
        self.change_offsets(gone);
        self.reply(ticket, Answer::Each(Ok(results)));
    }

    fn retain_topics(&mut self, keep: &TopicFilter, ticket: Ticket) {
        let gone = self.group.offsets.iter().filter(|(topic, _)| !keep(topic));
        let each = |(topic, kept): (&String, &BTreeMap<i32, Committed>)| {
            kept.keys().map(|&partition| (topic.clone(), partition, None)).collect::<Vec<_>>()
        };
        let gone = gone.flat_map(each).collect();
        self.change_offsets(gone);
        for (producer, pending) in self.group.uncommitted.clone() {
            self.drop_pending(producer, pending.into_keys().filter(|(topic, _)| !keep(topic)).collect());
        }
        self.reply(ticket, Answer::Done(Ok(())));
    }

    fn sweep(&mut self, ticket: Ticket) {
        let gone = expired(self.group, Rules { config: self.config, topics: self.topics }, self.now);
        let kept = self.group.offsets.values().map(|partitions| partitions.len()).sum::<usize>();
        if self.group.is_idle() && self.group.uncommitted.is_empty() && gone.len() == kept && self.group.is_worth_keeping() {
            self.decision.changes.push(Change::Deleted);
        } else {
            self.change_offsets(gone.into_iter().map(|(topic, partition)| (topic, partition, None)).collect());
        }
        self.reply(ticket, Answer::Done(Ok(())));
    }
}

/// Showing.
impl Desk<'_> {
    fn summarize(&mut self, ticket: Ticket) {
        self.reply(ticket, Answer::Summary(self.group.summary()));
    }

    fn describe(&mut self, ticket: Ticket) {
        if self.group.is_newer() {
            return self.reply(ticket, Answer::Described(Err(Refusal::OtherKind)));
        }
        let stable = self.group.state == State::Stable;
        let protocol = self.group.protocol.as_deref().filter(|_| stable);
        let member = |(id, member): (&MemberId, &Member)| DescribedMember {
            member: id.clone(),
            instance: member.instance.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: member.metadata(protocol),
            assignment: if stable { member.assignment.clone() } else { Default::default() },
        };
        let described = self.group.exists().then(|| Described {
            state: self.group.state,
            protocol_type: self.group.protocol_type.clone().unwrap_or_default(),
            protocol: protocol.unwrap_or_default().to_owned(),
            members: self.group.members.iter().map(member).collect(),
        });
        self.reply(ticket, Answer::Described(Ok(described)));
    }
}

#[cfg(test)]
mod tests;
