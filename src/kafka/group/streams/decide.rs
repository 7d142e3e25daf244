//! The rules: what a member hears when it sends a heartbeat, and what happens when it does not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::assignor::{self, Applicant};
use super::reconcile::{Holders, Way, each, has};
use super::request::{DescribedStreams, DescribedStreamsMember, Served, Status, StreamsBeat, StreamsBeaten};
use super::state::{Draft, Held, Holding, Member, Profile, Roster, Step, Target, Tasks};
use super::topology::{Configured, Topology};
use crate::kafka::group::coordinator::BYTES_MAX;
use crate::kafka::group::decide::Desk;
use crate::kafka::group::request::{Answer, Commit, MemberId, Membership, Partitions, Refusal};
use crate::kafka::group::roster::{AWAY, Phase, Seat, Timers};
use crate::kafka::group::state::{Change, State, Ticket};

/// Partitions told of in one answer, of all endpoints together. *Ours*.
const TOLD_MAX: usize = 100_000;

impl Desk<'_> {
    pub(in crate::kafka::group) fn beat_streams(&mut self, beat: &StreamsBeat, ticket: Ticket) {
        let result = match beat.epoch {
            ..0 => self.go_streams(beat),
            _ => self.stay_streams(beat),
        };
        self.reply(ticket, Answer::StreamsBeat(result));
    }

    /// A group of the streams protocol.
    fn streams(&self) -> Result<Arc<Roster>, Refusal> {
        match &self.group.streams {
            Some(roster) => Ok(Arc::clone(roster)),
            None if self.group.exists() => Err(Refusal::OtherKind),
            None => Err(Refusal::UnknownGroup),
        }
    }

    fn stay_streams(&mut self, beat: &StreamsBeat) -> Result<StreamsBeaten, Refusal> {
        let joins = beat.epoch == 0;
        let mut draft = match &self.group.streams {
            // A classic group without members leaves nothing but its offsets.
            None if joins && self.group.roster.is_none() && self.group.state == State::Empty => Draft::of(Arc::default()),
            _ => Draft::of(self.streams()?),
        };
        let was_empty = draft.roster.is_empty();
        let holder = beat.instance.as_deref().and_then(|instance| draft.roster.holder(instance)).cloned();
        if holder.is_none() {
            self.admit(&draft.roster, &beat.member)?;
        }
        let before = match &beat.instance {
            None => seat_dynamic(&draft, beat)?,
            Some(_) => seat_static(&mut draft, holder, beat)?,
        };
        let profile = said(beat, &before.profile);
        let mut recompute = match beat.instance {
            None => profile != *before.profile,
            Some(_) => matters(&profile, &before.profile),
        };
        if (joins || recompute) && self.group.bytes_of_all() >= BYTES_MAX {
            return Err(Refusal::TooManyGroups);
        }
        let mut statuses = Vec::new();
        let topology = topology_after(&draft, beat)?;
        if let Some(known) = draft.roster.head.topology.as_ref().filter(|known| profile.topology_epoch < known.epoch) {
            let (own, epoch) = (profile.topology_epoch, known.epoch);
            let words = format!("The member's topology epoch {own} is behind the group's topology epoch {epoch}.");
            statuses.push((Status::StaleTopology, words));
        }
        let configured = self.configured(&draft.roster, &topology)?;
        let topics = topology.fingerprint(self.topics);
        let validated = if configured.is_ready() { topology.epoch } else { -1 };
        check_tasks(beat, &configured)?;
        let seat = Seat { number: self.number_of(&draft, &beat.member), id: beat.member.clone() };
        if *before.profile != profile || !draft.roster.members.contains_key(&beat.member) {
            draft.take(Step::Profile(seat.clone(), Arc::new(profile)));
        }
        let (standbys, tags) = (beat.settings.standbys, &beat.settings.tags);
        let head = &draft.roster.head;
        recompute |= topics != head.topics || validated != head.validated || standbys != head.standbys || *tags != head.tags;
        if recompute {
            draft.set_head(|head| {
                head.epoch = head.epoch.saturating_add(1);
                (head.topology, head.topics, head.validated) = (Some(topology), topics, validated);
                (head.standbys, head.tags) = (standbys, tags.clone());
            });
        }
        self.note(beat, &configured);
        if was_empty && self.group.streams_sight.delay.is_none() && !beat.settings.initial_delay.is_zero() {
            self.group.streams_sight.delay = Some(self.after(beat.settings.initial_delay));
        }
        let is_delayed = self.group.streams_sight.delay.is_some();
        if is_delayed {
            let words = "Assignment delayed due to the configured initial rebalance delay.".to_owned();
            statuses.push((Status::AssignmentDelayed, words));
        } else if draft.roster.head.epoch > draft.roster.head.target_epoch {
            match self.may_assign_streams(&draft.roster) {
                true => self.assign_streams(&mut draft, &configured),
                false => {
                    let words = "Assignment delayed due to the configured assignment interval.".to_owned();
                    statuses.push((Status::AssignmentDelayed, words));
                }
            }
        }
        let after = go_on(&mut draft, &seat, beat.owned.as_ref(), is_delayed);
        self.keep_streams_time(&beat.member, &before, &after);
        let moves = before.holding.assigned != after.holding.assigned;
        if before.profile.endpoint != after.profile.endpoint || (moves && after.profile.endpoint.is_some()) {
            let epoch = &mut self.group.streams_sight.endpoint_epoch;
            *epoch = epoch.saturating_add(1);
        }
        statuses.extend(configured.problem.clone());
        if let Some(member) = &self.group.streams_sight.shutdown {
            let words = format!(
                "Streams group member {member} encountered a fatal error and requested a shutdown for the entire application."
            );
            statuses.push((Status::ShutdownApplication, words));
        }
        let lacking = tags.iter().filter(|tag| !after.profile.tags.contains_key(*tag)).cloned().collect::<Vec<_>>();
        if !lacking.is_empty() {
            let words = format!(
                "Missing required client tags for rack-aware standby assignment: [{}]. Configure them via 'client.tag.<tagKey>' in \
                 your Streams config.",
                lacking.join(", ")
            );
            statuses.push((Status::MissingClientTags, words));
        }
        let endpoint_epoch = self.group.streams_sight.endpoint_epoch;
        let beaten = StreamsBeaten {
            epoch: after.holding.epoch,
            interval: beat.settings.heartbeat_interval,
            statuses,
            tasks: (joins || moves).then(|| after.holding.assigned.tasks()),
            endpoint_epoch,
            endpoints: (endpoint_epoch != beat.endpoint_epoch).then(|| self.served(&draft.roster)).flatten(),
            missing: configured.missing.clone(),
        };
        self.keep_streams(draft);
        Ok(beaten)
    }

    fn number_of(&self, draft: &Draft, member: &str) -> u64 {
        draft.roster.members.get(member).map_or_else(|| draft.roster.free_number(), |member| member.number)
    }

    /// Hands the steps on to be written.
    fn keep_streams(&mut self, draft: Draft) {
        if !draft.steps.is_empty() {
            self.decision.changes.push(Change::Streams(draft.steps));
        }
    }

    /// What follows from the topology with the topics as they are.
    fn configured(&mut self, roster: &Roster, topology: &Arc<Topology>) -> Result<Arc<Configured>, Refusal> {
        let version = self.topics.version();
        let is_known = roster.head.topology.as_ref().is_some_and(|known| Arc::ptr_eq(known, topology));
        if let Some((_, configured)) =
            self.group.streams_sight.configured.as_ref().filter(|(seen, _)| is_known && *seen == version)
        {
            return Ok(Arc::clone(configured));
        }
        let configured = Arc::new(topology.configure(self.topics)?);
        self.group.streams_sight.configured = Some((version, Arc::clone(&configured)));
        Ok(configured)
    }

    /// Keeps what a member says that need not outlive the process; of its offsets those of tasks that there are.
    fn note(&mut self, beat: &StreamsBeat, configured: &Configured) {
        let has_room = self.group.bytes_of_all() < BYTES_MAX;
        let sight = &mut self.group.streams_sight;
        sight.settings = beat.settings.clone();
        if beat.shutdown {
            sight.shutdown.get_or_insert_with(|| beat.member.clone());
        }
        if !has_room || (beat.offsets.is_none() && beat.end_offsets.is_none()) {
            return;
        }
        let is_task = |((part, partition), _): &(&(String, i32), &i64)| {
            configured.work.get(part).is_some_and(|work| (0..work.tasks).contains(partition))
        };
        let (own, ends) = sight.offsets.entry(beat.member.clone()).or_default();
        for (known, said) in [(own, &beat.offsets), (ends, &beat.end_offsets)] {
            if let Some(said) = said {
                *known = said.iter().filter(is_task).map(|(task, offset)| (task.clone(), *offset)).collect();
            }
        }
    }

    /// Whether enough time has passed since the last assignment.
    fn may_assign_streams(&self, roster: &Roster) -> bool {
        let interval = self.group.streams_sight.settings.assignment_interval;
        roster.head.assigned_at.is_none_or(|at| at > self.now.time || self.now.time.since(at) >= interval)
    }

    /// Computes the target for the group's epoch.
    fn assign_streams(&self, draft: &mut Draft, configured: &Configured) {
        let roster = Arc::clone(&draft.roster);
        let offsets = &self.group.streams_sight.offsets;
        let applicants = roster.members.iter().map(|(id, member)| Applicant {
            process: &member.profile.process,
            before: &member.holding.assigned,
            offsets: offsets.get(id).map(|(own, _)| own),
        });
        let targets = match configured.is_ready() {
            true => assignor::assign(&applicants.collect::<Vec<_>>(), &configured.work, roster.head.standbys),
            false => vec![Target::default(); roster.members.len()],
        };
        for (member, target) in roster.members.values().zip(targets) {
            if *member.target != target {
                draft.take(Step::Target(member.seat(), Arc::new(target)));
            }
        }
        let now = self.now.time;
        draft.set_head(|head| (head.target_epoch, head.assigned_at) = (head.epoch, Some(now)));
        let (name, epoch, members) = (&*self.group.name, draft.roster.head.epoch, draft.roster.members.len());
        tracing::debug!(group = name, epoch, members, "tasks are assigned anew");
    }

    /// Sets the timers of a member that has been heard of.
    fn keep_streams_time(&mut self, id: &str, before: &Member, after: &Member) {
        let session = self.after(self.group.streams_sight.settings.session_timeout);
        let asked = self.after(after.profile.rebalance_timeout());
        let timers = self.group.timers.entry(id.to_owned()).or_insert(Timers::of_session(session));
        timers.session = session;
        if before.holding != after.holding {
            timers.revocation = (after.holding.phase == Phase::Unrevoked).then_some((after.holding.epoch, asked));
        }
    }

    /// A member goes, for good or for a while.
    fn go_streams(&mut self, beat: &StreamsBeat) -> Result<StreamsBeaten, Refusal> {
        let roster = self.streams()?;
        let member = roster.find(&beat.member, beat.instance.as_deref())?;
        if beat.shutdown {
            self.group.streams_sight.shutdown.get_or_insert_with(|| beat.member.clone());
        }
        if beat.instance.is_some() && beat.epoch == AWAY {
            let mut assigned = member.holding.assigned.clone();
            assigned.active.values_mut().flat_map(|given| given.values_mut()).for_each(|given| *given = 0);
            let away = Holding { epoch: AWAY, assigned, revoking: Held::default(), ..member.holding.as_ref().clone() };
            let mut draft = Draft::of(Arc::clone(&roster));
            draft.take(Step::Holding(member.seat(), Arc::new(away)));
            self.keep_streams(draft);
        } else {
            self.dismiss_streams(&roster, [member.seat()]);
        }
        Ok(StreamsBeaten { epoch: beat.epoch, ..StreamsBeaten::default() })
    }

    /// Lets members go.
    fn dismiss_streams(&mut self, roster: &Arc<Roster>, gone: impl IntoIterator<Item = Seat>) {
        let mut draft = Draft::of(Arc::clone(roster));
        gone.into_iter().for_each(|seat| draft.take(Step::Gone(seat)));
        let is_empty = draft.roster.is_empty();
        draft.set_head(|head| {
            head.epoch = head.epoch.saturating_add(1);
            if is_empty {
                (head.target_epoch, head.assigned_at) = (head.epoch, None);
            }
        });
        if is_empty {
            self.group.streams_sight.shutdown = None;
        }
        self.keep_streams(draft);
    }

    /// Lets those members go whose time is up, and assigns what has waited for more of them.
    pub(in crate::kafka::group) fn expire_streams(&mut self) {
        let Some(roster) = self.group.streams.clone() else { return };
        let overdue = self.overdue(|id| roster.members.get(id).map(|member| member.holding.epoch));
        if !overdue.is_empty() {
            let gone = overdue.iter().filter_map(|id| roster.members.get(id)).map(Member::seat).collect::<Vec<_>>();
            self.dismiss_streams(&roster, gone);
        }
        if self.group.streams_sight.delay.is_none_or(|end| end > self.now.elapsed) {
            return;
        }
        self.group.streams_sight.delay = None;
        let head = &roster.head;
        let (Some(topology), true) = (&head.topology, overdue.is_empty() && head.epoch > head.target_epoch) else { return };
        // What cannot be configured was refused when it came.
        let Ok(configured) = self.configured(&roster, topology) else { return };
        let mut draft = Draft::of(Arc::clone(&roster));
        if !draft.roster.is_empty() {
            self.assign_streams(&mut draft, &configured);
            self.keep_streams(draft);
        }
    }

    /// Starts the time of all members anew, as after a start of the gateway.
    pub(in crate::kafka::group) fn wake_streams(&mut self) {
        let Some(roster) = self.group.streams.clone() else { return };
        for (id, member) in &roster.members {
            let session = self.after(self.group.streams_sight.settings.session_timeout);
            let asked = (member.holding.epoch, self.after(member.profile.rebalance_timeout()));
            let revocation = (member.holding.phase == Phase::Unrevoked).then_some(asked);
            self.group.timers.insert(id.clone(), Timers { revocation, ..Timers::of_session(session) });
        }
    }

    /// Members commit in their epoch; anybody may where nobody is a member. A member that has not heard of its newest epoch yet
    /// may commit what it was given before (KIP-1251; Kafka: `StreamsGroup.validateOffsetCommit`).
    pub(in crate::kafka::group) fn may_commit_streams(&self, roster: &Roster, commit: &Commit) -> Result<(), Refusal> {
        let epoch = commit.who.generation;
        if epoch < 0 && roster.is_empty() {
            return Ok(());
        }
        let member = roster.members.get(&commit.who.member).ok_or(Refusal::UnknownMember)?;
        if !commit.epochs_known {
            return Err(Refusal::UnsupportedVersion);
        }
        if epoch == member.holding.epoch {
            return Ok(());
        }
        let Some(topology) = roster.head.topology.as_ref().filter(|_| epoch < member.holding.epoch) else {
            return Err(Refusal::StaleEpoch);
        };
        let given = |topic: &str, partition| member.holding.given(topology.reader(topic)?, partition);
        let is_ours = commit.offsets.iter().all(|new| given(&new.topic, new.partition).is_some_and(|given| given <= epoch));
        if is_ours { Ok(()) } else { Err(Refusal::StaleEpoch) }
    }

    /// Who names itself when it reads offsets must be a member, in its epoch (`StreamsGroup.validateOffsetFetch`).
    pub(in crate::kafka::group) fn may_fetch_streams(&self, who: &Membership) -> Result<(), Refusal> {
        let member = self.streams()?.members.get(&who.member).cloned().ok_or(Refusal::UnknownMember)?;
        if who.generation == member.holding.epoch { Ok(()) } else { Err(Refusal::StaleEpoch) }
    }

    /// All endpoints with what can be asked there; `None` if that is too much to tell.
    fn served(&self, roster: &Roster) -> Option<Vec<Served>> {
        let topology = roster.head.topology.as_ref()?;
        let (mut served, mut told) = (Vec::new(), 0);
        for member in roster.members.values() {
            let Some(endpoint) = member.profile.endpoint.clone() else { continue };
            let Target { active, standby } = member.holding.assigned.tasks();
            let (active, standby) = (self.inputs(topology, &active), self.inputs(topology, &standby));
            told += active.iter().chain(&standby).map(|(_, partitions)| 1 + partitions.len()).sum::<usize>();
            if told > TOLD_MAX {
                tracing::warn!(group = &*self.group.name, partitions = told, "what can be asked where is too much to tell");
                return None;
            }
            served.push(Served { endpoint, active, standby });
        }
        Some(served)
    }

    /// The partitions that tasks read.
    fn inputs(&self, topology: &Topology, tasks: &Tasks) -> Partitions {
        let of_part = |(part, partitions): (&String, &BTreeSet<i32>)| {
            let inputs = topology.subtopologies.get(part).into_iter().flat_map(|part| part.inputs());
            let found = inputs.filter_map(|topic| self.topics.named(topic));
            let read = found.map(|topic| (topic.name, partitions.range(..topic.partitions).copied().collect::<Vec<_>>()));
            read.filter(|(_, partitions)| !partitions.is_empty()).collect::<Vec<_>>()
        };
        tasks.iter().flat_map(of_part).collect()
    }

    pub(in crate::kafka::group) fn describe_streams(&mut self, ticket: Ticket) {
        let described = match self.streams() {
            Ok(roster) => Ok(Some(self.described_streams(&roster))),
            Err(Refusal::UnknownGroup) => Ok(None),
            Err(refusal) => Err(refusal),
        };
        self.reply(ticket, Answer::DescribedStreams(described));
    }

    fn described_streams(&mut self, roster: &Roster) -> DescribedStreams {
        let mut topology = roster.head.topology.as_deref().cloned().unwrap_or_default();
        // With the partitions that topics have, once that is settled.
        if let Some((_, configured)) = self.group.streams_sight.configured.as_ref().filter(|(_, known)| known.is_ready()) {
            for part in topology.subtopologies.values_mut() {
                for topic in part.repartition_sources.iter_mut().chain(&mut part.changelogs) {
                    topic.partitions = configured.partitions.get(&topic.name).copied().unwrap_or(topic.partitions);
                }
            }
        }
        let offsets = &self.group.streams_sight.offsets;
        let member = |(id, member): (&MemberId, &Member)| {
            let (own, ends) = offsets.get(id).cloned().unwrap_or_default();
            let profile = member.profile.as_ref().clone();
            DescribedStreamsMember {
                member: profile.id,
                instance: profile.instance,
                rack: profile.rack,
                epoch: member.holding.epoch,
                client_id: profile.client_id,
                client_host: profile.client_host,
                topology_epoch: profile.topology_epoch,
                process: profile.process,
                endpoint: profile.endpoint,
                tags: profile.tags,
                offsets: own,
                end_offsets: ends,
                tasks: member.holding.assigned.tasks(),
                target: member.target.as_ref().clone(),
            }
        };
        DescribedStreams {
            state: roster.state(),
            epoch: roster.head.epoch,
            target_epoch: roster.head.target_epoch,
            topology,
            members: roster.members.iter().map(member).collect(),
        }
    }
}

/// The topology that the group has from now on. It is given once: nobody can bring another (`maybeUpdateTopology`).
fn topology_after(draft: &Draft, beat: &StreamsBeat) -> Result<Arc<Topology>, Refusal> {
    match (&draft.roster.head.topology, &beat.topology) {
        (None, Some(new)) => new.check().map(|()| Arc::new(new.clone())),
        (Some(known), Some(new)) if new.epoch >= known.epoch && **known != *new => {
            Err(Refusal::InvalidRequest("the topology is not the group's; updates of a topology are not supported"))
        }
        (Some(known), _) => Ok(Arc::clone(known)),
        (None, None) => Err(Refusal::InvalidRequest("the group has no topology yet")),
    }
}

fn seat_dynamic(draft: &Draft, beat: &StreamsBeat) -> Result<Member, Refusal> {
    match draft.roster.members.get(&beat.member) {
        Some(member) => check_epoch(&member.holding, beat).map(|()| member.clone()),
        None if beat.epoch == 0 => Ok(draft.roster.newcomer()),
        None => Err(Refusal::UnknownMember),
    }
}

/// A static member: the one that has its instance id, or who comes in its place.
fn seat_static(draft: &mut Draft, holder: Option<Member>, beat: &StreamsBeat) -> Result<Member, Refusal> {
    let Some(holder) = holder else {
        return if beat.epoch == 0 { Ok(draft.roster.newcomer()) } else { Err(Refusal::UnknownMember) };
    };
    if beat.epoch != 0 {
        let is_holder = *holder.id() == beat.member;
        return if is_holder { check_epoch(&holder.holding, beat).map(|()| holder) } else { Err(Refusal::InstanceFenced) };
    }
    if holder.holding.epoch != AWAY {
        return Err(Refusal::InstanceUnreleased);
    }
    let profile = Profile { id: beat.member.clone(), ..holder.profile.as_ref().clone() };
    let holding = Holding { epoch: 0, previous: 0, ..holder.holding.as_ref().clone() };
    Ok(draft.replace(&holder, profile, holding))
}

/// The present epoch is the right one, and the last is if the answer that said otherwise may have been lost: then the member
/// has nothing but what it has been assigned. Epoch 0 is that of a member that joins again.
fn check_epoch(holding: &Holding, beat: &StreamsBeat) -> Result<(), Refusal> {
    let is_subset = |owned: &Target| {
        let ours = holding.assigned.tasks();
        each(&owned.active).all(|task| has(&ours.active, task)) && each(&owned.standby).all(|task| has(&ours.standby, task))
    };
    let is_behind = || beat.epoch == holding.previous && beat.owned.as_ref().is_some_and(is_subset) && beat.warming.is_empty();
    match beat.epoch {
        0 => Ok(()),
        epoch if epoch == holding.epoch => Ok(()),
        epoch if epoch < holding.epoch && is_behind() => Ok(()),
        _ => Err(Refusal::EpochFenced),
    }
}

/// A member can only have tasks that there are.
fn check_tasks(beat: &StreamsBeat, configured: &Configured) -> Result<(), Refusal> {
    let is_task =
        |(part, partition): (&str, i32)| configured.work.get(part).is_some_and(|work| (0..work.tasks).contains(&partition));
    let owned = beat.owned.iter().flat_map(|owned| each(&owned.active).chain(each(&owned.standby)));
    if configured.is_ready() && !owned.chain(each(&beat.warming)).all(is_task) {
        return Err(Refusal::InvalidRequest("the member says that it has a task that the topology does not have"));
    }
    Ok(())
}

/// Whether what a static member says calls for another assignment.
fn matters(now: &Profile, before: &Profile) -> bool {
    let facts = |profile: &Profile| (profile.topology_epoch, profile.rack.clone(), profile.tags.clone(), profile.process.clone());
    facts(now) != facts(before)
}

/// Has a member go a step towards its target, which is nothing while the first assignment is delayed.
fn go_on(draft: &mut Draft, seat: &Seat, owned: Option<&Target>, is_delayed: bool) -> Member {
    let member = draft.member(&seat.id);
    let target_epoch = draft.roster.head.target_epoch;
    if member.holding.is_at(target_epoch) {
        return member;
    }
    let (nothing, roster) = (Target::default(), Arc::clone(&draft.roster));
    let holders = Holders::of(&roster, &member.profile.process);
    let target = if is_delayed { &nothing } else { &*member.target };
    let holding = Way { target, target_epoch, owned, holders: &holders }.from(&member.holding);
    if holding != *member.holding {
        draft.take(Step::Holding(seat.clone(), Arc::new(holding)));
    }
    draft.member(&seat.id)
}

/// What a member has said, with what it says now.
fn said(beat: &StreamsBeat, before: &Profile) -> Profile {
    let timeout = beat.rebalance_timeout.map(|span: Duration| u32::try_from(span.as_millis()).unwrap_or(u32::MAX));
    let is_new = before.id.is_empty();
    Profile {
        id: beat.member.clone(),
        instance: beat.instance.clone().or_else(|| before.instance.clone()),
        rack: beat.rack.clone().or_else(|| before.rack.clone()),
        client_id: beat.client_id.clone(),
        client_host: beat.client_host.clone(),
        rebalance_timeout_millis: timeout.unwrap_or(before.rebalance_timeout_millis),
        topology_epoch: beat.topology.as_ref().map_or(if is_new { -1 } else { before.topology_epoch }, |topology| topology.epoch),
        process: beat.process.clone().unwrap_or_else(|| before.process.clone()),
        endpoint: if beat.epoch == 0 { beat.endpoint.clone() } else { beat.endpoint.clone().or_else(|| before.endpoint.clone()) },
        tags: beat.tags.clone().unwrap_or_else(|| before.tags.clone()),
    }
}

#[cfg(test)]
mod tests;
