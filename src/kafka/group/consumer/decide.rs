//! The rules: what a member hears when it sends a heartbeat, and what happens when it does not.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::assignor::Applicant;
use super::pattern;
use super::reconcile::Way;
use super::state::{Classic, Draft, Holding, Member, Profile, Roster, Share, Step, Target};
use crate::kafka::group::coordinator::BYTES_MAX;
use crate::kafka::group::decide::Desk;
use crate::kafka::group::request::{
    Answer, Beat, Beaten, Commit, DescribedConsumer, DescribedConsumers, Join, JoinRefused, Joined, Leaver, MemberId, Membership,
    Partitions, Refusal, Sync, Synced,
};
use crate::kafka::group::roster::{AWAY, Phase, Seat, Timers};
use crate::kafka::group::state::{Change, Group, Ticket};
use crate::kafka::group::subscription;
use crate::kafka::group::topics::Topics;

/// What a heartbeat or a join of the classic protocol wants of the group.
struct Turn<'a> {
    id: MemberId,
    profile: Profile,
    owned: Option<&'a Target>,
    /// Whether what it subscribes to is not what it subscribed to before.
    changed: bool,
}

/// The consumer protocol.
impl Desk<'_> {
    pub(in crate::kafka::group) fn beat(&mut self, beat: &Beat, fresh: MemberId, ticket: Ticket) {
        let result = match beat.epoch {
            ..0 => self.go(beat),
            _ => self.stay(beat, fresh),
        };
        self.reply(ticket, Answer::Beat(result));
    }

    /// A group of the consumer protocol.
    fn roster(&self) -> Result<Arc<Roster>, Refusal> {
        match &self.group.roster {
            Some(roster) => Ok(Arc::clone(roster)),
            None if self.group.exists() => Err(Refusal::OtherKind),
            None => Err(Refusal::UnknownGroup),
        }
    }

    fn stay(&mut self, beat: &Beat, fresh: MemberId) -> Result<Beaten, Refusal> {
        let joins = beat.epoch == 0;
        let mut draft = match &self.group.roster {
            None if joins && self.group.streams.is_none() => self.converted()?,
            _ => Draft::of(self.roster()?),
        };
        self.admit(&draft.roster, &beat.member)?;
        let id = if beat.member.is_empty() { fresh } else { beat.member.clone() };
        let before = match &beat.instance {
            None => Self::seat_dynamic(&mut draft, &id, beat)?,
            Some(instance) => Self::seat_static(&mut draft, &id, instance, beat)?,
        };
        let profile = said(beat, &id, &before.profile);
        let changed = (&profile.topics, &profile.pattern) != (&before.profile.topics, &before.profile.pattern);
        if (joins || changed) && self.group.bytes_of_all() >= BYTES_MAX {
            return Err(Refusal::TooManyGroups);
        }
        self.group.sight.assignment_interval = beat.settings.assignment_interval;
        let after = self.turn(&mut draft, Turn { id: id.clone(), profile, owned: beat.owned.as_ref(), changed });
        let session_end = self.after(beat.settings.session_timeout.unwrap_or(self.config.consumer_session_timeout));
        self.keep_time(&id, session_end, &before, &after);
        let is_full =
            beat.rebalance_timeout.is_some() && (beat.topics.is_some() || beat.pattern.is_some()) && beat.owned.is_some();
        let tells = joins || is_full || target_of(&before.holding.assigned) != target_of(&after.holding.assigned);
        let beaten = Beaten {
            member: id,
            epoch: after.holding.epoch,
            interval: beat.settings.heartbeat_interval.unwrap_or(self.config.consumer_heartbeat_interval),
            assignment: tells.then(|| target_of(&after.holding.assigned)),
        };
        self.keep(draft);
        Ok(beaten)
    }

    /// Hands the steps on to be written.
    pub(super) fn keep(&mut self, draft: Draft) {
        if !draft.steps.is_empty() {
            self.decision.changes.push(Change::Roster(draft.steps));
        }
    }

    fn seat_dynamic(draft: &mut Draft, id: &str, beat: &Beat) -> Result<Member, Refusal> {
        match draft.roster.members.get(id) {
            Some(member) => check_epoch(&member.holding, beat).map(|()| member.clone()),
            None if beat.epoch == 0 => Ok(draft.roster.newcomer()),
            None => Err(Refusal::UnknownMember),
        }
    }

    /// A static member: the one that has its instance id, or who comes in its place (KIP-345).
    fn seat_static(draft: &mut Draft, id: &str, instance: &str, beat: &Beat) -> Result<Member, Refusal> {
        let Some(holder) = draft.roster.holder(instance).cloned() else {
            return if beat.epoch == 0 { Ok(draft.roster.newcomer()) } else { Err(Refusal::UnknownMember) };
        };
        if beat.epoch != 0 {
            if holder.profile.id != id {
                return Err(Refusal::InstanceFenced);
            }
            return check_epoch(&holder.holding, beat).map(|()| holder);
        }
        if !holder.is_classic() && holder.holding.epoch != AWAY {
            return Err(Refusal::InstanceUnreleased);
        }
        Ok(Self::replace(draft, &holder, id))
    }

    /// Puts a member with the id `id` in the place of `holder`, with its share and its target.
    fn replace(draft: &mut Draft, holder: &Member, id: &str) -> Member {
        let profile = Profile { id: id.to_owned(), ..holder.profile.as_ref().clone() };
        let holding = Holding { epoch: 0, previous: 0, ..holder.holding.as_ref().clone() };
        draft.replace(holder, profile, holding)
    }

    /// Writes down what a member says, assigns anew if that calls for it, and has the member go a step towards its target.
    fn turn(&mut self, draft: &mut Draft, turn: Turn<'_>) -> Member {
        let number = draft.roster.members.get(&turn.id).map_or_else(|| draft.roster.free_number(), |member| member.number);
        let seat = Seat { number, id: turn.id.clone() };
        let has = |member: &Member| member.profile.pattern == turn.profile.pattern;
        // It calls for no assignment as long as its topics are not known.
        let news = turn.profile.pattern.clone().filter(|_| !draft.roster.members.values().any(has));
        let names = draft.roster.members.get(&turn.id).map(|member| &member.profile.topics);
        let only_news = news.is_some() && names.map_or(turn.profile.topics.is_empty(), |names| *names == turn.profile.topics);
        if draft.roster.members.get(&turn.id).is_none_or(|member| *member.profile != turn.profile) {
            draft.take(Step::Profile(seat.clone(), Arc::new(turn.profile)));
        }
        self.look(draft, turn.changed && !only_news, news.as_deref());
        if self.may_assign(&draft.roster) {
            self.assign(draft);
        }
        let member = draft.member(&turn.id);
        let target_epoch = draft.roster.head.target_epoch;
        if turn.changed || !member.holding.is_at(target_epoch) {
            let subscribed = self.subscribed(&member.profile).into_keys().collect();
            let is_held = |topic, partition| draft.roster.is_held(topic, partition, &turn.id);
            let way = Way {
                target: &member.target,
                target_epoch,
                subscribed: &subscribed,
                changed: turn.changed,
                owned: turn.owned,
                is_held: &is_held,
            };
            let holding = way.from(&member.holding);
            if holding != *member.holding {
                draft.take(Step::Holding(seat, Arc::new(holding)));
            }
        }
        draft.member(&turn.id)
    }

    /// Raises the group's epoch if `must`, if it is the first, or if the topics that members subscribe to have changed.
    ///
    /// The topics of a pattern that is `news` to the group are found when the next heartbeat comes. Apache Kafka finds them behind
    /// the heartbeat that brings the pattern, so there too a member first has the topics that it names and then those of its pattern.
    fn look(&mut self, draft: &mut Draft, must: bool, news: Option<&str>) {
        let (version, head) = (self.topics.version(), *draft.roster.head);
        let must = must || head.epoch == 0;
        if !must && news.is_none() && self.group.sight.version == Some(version) {
            return;
        }
        self.resolve(&draft.roster, version, news);
        let topics = self.fingerprint(&draft.roster);
        if must || topics != head.topics {
            self.group.sight.version = None;
            draft.set_head(|head| (head.epoch, head.topics) = (head.epoch.saturating_add(1), topics));
        } else {
            self.group.sight.version = news.is_none().then_some(version);
        }
    }

    /// Finds the topics of all patterns but `except`, where that has not been done for the topics as they are.
    pub(super) fn resolve(&mut self, roster: &Roster, version: u64, except: Option<&str>) {
        let patterns = roster.members.values().filter_map(|member| member.profile.pattern.as_deref());
        let wanted = patterns.filter(|pattern| Some(*pattern) != except).collect::<BTreeSet<_>>();
        let sight = &mut self.group.sight;
        if sight.patterns_version != version {
            sight.patterns.clear();
            sight.patterns_version = version;
        }
        sight.patterns.retain(|pattern, _| wanted.contains(pattern.as_str()));
        if sight.patterns.len() == wanted.len() {
            return;
        }
        let names = self.topics.names();
        for pattern in wanted {
            // Checked when it came.
            let found = || pattern::matching(pattern, names.iter().cloned()).unwrap_or_default();
            if !sight.patterns.contains_key(pattern) {
                sight.patterns.insert(pattern.to_owned(), found());
            }
        }
    }

    /// The topics that a member subscribes to and that there are, with their partitions.
    fn subscribed(&self, profile: &Profile) -> BTreeMap<Uuid, i32> {
        let found = profile.pattern.as_ref().and_then(|pattern| self.group.sight.patterns.get(pattern));
        let names = profile.topics.iter().chain(found.into_iter().flatten());
        names.filter_map(|name| self.topics.named(name)).map(|topic| (topic.id, topic.partitions)).collect()
    }

    /// A number that differs when the topics that members subscribe to do, or when a pattern has found its first. Where it differs
    /// for no reason, as between builds, that costs one assignment.
    fn fingerprint(&self, roster: &Roster) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.all_subscribed(roster).hash(&mut hasher);
        let patterns = self.group.sight.patterns.iter();
        patterns.filter(|(_, found)| !found.is_empty()).for_each(|(pattern, _)| pattern.hash(&mut hasher));
        hasher.finish()
    }

    fn all_subscribed(&self, roster: &Roster) -> BTreeMap<Uuid, i32> {
        let patterns = self.group.sight.patterns.values().flatten();
        let names = roster.members.values().flat_map(|member| &member.profile.topics).chain(patterns);
        // Each name once: many members subscribe to the same.
        let names = names.collect::<BTreeSet<_>>();
        names.into_iter().filter_map(|name| self.topics.named(name)).map(|topic| (topic.id, topic.partitions)).collect()
    }

    /// Whether the target is to be computed anew, and enough time has passed since that was done (KIP-1263).
    fn may_assign(&self, roster: &Roster) -> bool {
        let sight = &self.group.sight;
        let interval = sight.assignment_interval.unwrap_or(self.config.consumer_assignment_interval);
        let is_over = |at: Duration| self.now.elapsed >= at.saturating_add(interval);
        roster.head.epoch > roster.head.target_epoch && sight.assigned_at.is_none_or(is_over)
    }

    /// The epoch that a member would be given a target of.
    fn next_epoch(&self, roster: &Roster) -> i32 {
        if self.may_assign(roster) { roster.head.epoch } else { roster.head.target_epoch }
    }

    /// Computes the target for the group's epoch.
    fn assign(&mut self, draft: &mut Draft) {
        let roster = Arc::clone(&draft.roster);
        let topics = self.all_subscribed(&roster);
        let applicants = roster.members.iter().map(|(id, member)| Applicant {
            id,
            instance: member.profile.instance.as_deref(),
            topics: self.subscribed(&member.profile).into_keys().collect(),
            before: &member.target,
        });
        let targets = roster.assignor().assign(&applicants.collect::<Vec<_>>(), &topics);
        for (member, target) in roster.members.values().zip(targets) {
            if *member.target != target {
                draft.take(Step::Target(member.seat(), Arc::new(target)));
            }
        }
        draft.set_head(|head| head.target_epoch = head.epoch);
        self.group.sight.assigned_at = Some(self.now.elapsed);
        let (name, epoch, members) = (&*self.group.name, draft.roster.head.epoch, draft.roster.members.len());
        tracing::debug!(group = name, epoch, members, assignor = roster.assignor().name(), "partitions are assigned anew");
    }

    /// Sets the timers of a member that has been heard of.
    fn keep_time(&mut self, id: &str, session_end: Duration, before: &Member, after: &Member) {
        let asked = self.after(after.profile.rebalance_timeout());
        let timers = self.group.timers.entry(id.to_owned()).or_insert(Timers::of_session(session_end));
        timers.session = session_end;
        if before.holding != after.holding && !after.is_classic() {
            timers.revocation = (after.holding.phase == Phase::Unrevoked).then_some((after.holding.epoch, asked));
        }
    }

    /// A member goes, for good or for a while.
    fn go(&mut self, beat: &Beat) -> Result<Beaten, Refusal> {
        let roster = self.roster()?;
        let beaten = Beaten { member: beat.member.clone(), epoch: beat.epoch, interval: Duration::ZERO, assignment: None };
        let member = roster.find(&beat.member, beat.instance.as_deref())?;
        if beat.instance.is_some() && beat.epoch == AWAY {
            let away = Holding { epoch: AWAY, revoking: Share::new(), ..member.holding.as_ref().clone() };
            let mut draft = Draft::of(Arc::clone(&roster));
            draft.take(Step::Holding(member.seat(), Arc::new(away)));
            self.keep(draft);
        } else {
            self.dismiss(&roster, vec![member.seat()]);
        }
        Ok(beaten)
    }

    /// Lets members go. If those that stay all speak the classic protocol, the group does again.
    pub(super) fn dismiss(&mut self, roster: &Arc<Roster>, gone: Vec<Seat>) {
        let mut draft = Draft::of(Arc::clone(roster));
        let consumers_go = gone.iter().any(|seat| roster.members.get(&seat.id).is_some_and(|member| !member.is_classic()));
        gone.into_iter().for_each(|seat| draft.take(Step::Gone(seat)));
        let left = draft.roster.members.len();
        if consumers_go && left > 0 && draft.roster.classic_members() == left {
            return self.downgrade(&draft.roster, true);
        }
        self.resolve(&draft.roster, self.topics.version(), None);
        let topics = self.fingerprint(&draft.roster);
        draft.set_head(|head| (head.epoch, head.topics) = (head.epoch.saturating_add(1), topics));
        if left == 0 {
            // Whoever comes next need not wait.
            self.group.sight.assigned_at = None;
        }
        self.keep(draft);
    }

    /// Lets those members go whose time is up.
    pub(in crate::kafka::group) fn expire_members(&mut self) {
        let Some(roster) = self.group.roster.clone() else { return };
        let overdue = self.overdue(|id| roster.members.get(id).map(|member| member.holding.epoch));
        if !overdue.is_empty() {
            self.dismiss(&roster, overdue.iter().filter_map(|id| roster.members.get(id)).map(Member::seat).collect());
        }
    }

    /// Starts the time of all members anew, as after a start of the gateway.
    pub(in crate::kafka::group) fn wake_members(&mut self) {
        let Some(roster) = self.group.roster.clone() else { return };
        for (id, member) in &roster.members {
            let classic = member.profile.classic.as_ref().map(Classic::session_timeout);
            let session = self.after(classic.unwrap_or(self.config.consumer_session_timeout));
            let asked = (member.holding.epoch, self.after(member.profile.rebalance_timeout()));
            let revocation = (member.holding.phase == Phase::Unrevoked && !member.is_classic()).then_some(asked);
            self.group.timers.insert(id.clone(), Timers { revocation, ..Timers::of_session(session) });
        }
    }

    /// Members commit in their epoch; anybody may where nobody is a member. A member that has not heard of its newest epoch yet
    /// may commit what it was given before (KIP-1251; Kafka: `ConsumerGroup.validateOffsetCommit`).
    pub(in crate::kafka::group) fn may_commit_as_member(&self, roster: &Roster, commit: &Commit) -> Result<(), Refusal> {
        let epoch = commit.who.generation;
        if epoch < 0 && roster.is_empty() {
            return Ok(());
        }
        let member = roster.members.get(&commit.who.member).ok_or(Refusal::UnknownMember)?;
        if !member.is_classic() && !commit.epochs_known {
            return Err(Refusal::UnsupportedVersion);
        }
        let stale = if member.is_classic() { Refusal::IllegalGeneration } else { Refusal::StaleEpoch };
        if epoch == member.holding.epoch {
            return Ok(());
        }
        if member.is_classic() || epoch > member.holding.epoch {
            return Err(stale);
        }
        let given = |topic: &str, partition| {
            let topic = self.topics.named(topic)?;
            member.holding.given(topic.id, partition)
        };
        let is_ours = commit.offsets.iter().all(|new| given(&new.topic, new.partition).is_some_and(|given| given <= epoch));
        if is_ours { Ok(()) } else { Err(stale) }
    }

    /// Who names itself when it reads offsets must be a member, in its epoch (`ConsumerGroup.validateOffsetFetch`).
    pub(in crate::kafka::group) fn may_fetch(&self, who: &Membership) -> Result<(), Refusal> {
        if !self.group.is_newer() || (who.member.is_empty() && who.generation < 0) {
            return Ok(());
        }
        let Some(roster) = &self.group.roster else { return self.may_fetch_streams(who) };
        let member = roster.members.get(&who.member).ok_or(Refusal::UnknownMember)?;
        match who.generation == member.holding.epoch {
            true => Ok(()),
            false if member.is_classic() => Err(Refusal::IllegalGeneration),
            false => Err(Refusal::StaleEpoch),
        }
    }

    pub(in crate::kafka::group) fn describe_consumers(&mut self, ticket: Ticket) {
        let described = match self.roster() {
            Ok(roster) => Ok(Some(self.described(&roster))),
            Err(Refusal::UnknownGroup) => Ok(None),
            Err(refusal) => Err(refusal),
        };
        self.reply(ticket, Answer::DescribedConsumers(described));
    }

    fn described(&self, roster: &Roster) -> DescribedConsumers {
        let member = |member: &Member| DescribedConsumer {
            member: member.profile.id.clone(),
            instance: member.profile.instance.clone(),
            rack: member.profile.rack.clone(),
            epoch: member.holding.epoch,
            client_id: member.profile.client_id.clone(),
            client_host: member.profile.client_host.clone(),
            topics: member.profile.topics.iter().cloned().collect(),
            pattern: member.profile.pattern.clone(),
            assignment: self.named(&target_of(&member.holding.assigned)),
            target: self.named(&member.target),
            is_classic: member.is_classic(),
        };
        DescribedConsumers {
            state: roster.state(),
            epoch: roster.head.epoch,
            target_epoch: roster.head.target_epoch,
            assignor: roster.assignor().name(),
            members: roster.members.values().map(member).collect(),
        }
    }

    /// Those of the topics that there still are, with their names.
    fn named(&self, target: &Target) -> Vec<(Uuid, String, Vec<i32>)> {
        let named = |(id, partitions): (&Uuid, &BTreeSet<i32>)| {
            let topic = self.topics.identified(*id)?;
            Some((topic.id, topic.name, partitions.iter().copied().collect()))
        };
        target.iter().filter_map(named).collect()
    }
}

/// The classic protocol, spoken to a group of the other one (Kafka: `classicGroupJoinToConsumerGroup` and its sisters).
impl Desk<'_> {
    pub(in crate::kafka::group) fn join_roster(&mut self, roster: Arc<Roster>, join: Join, fresh: MemberId, ticket: Ticket) {
        let member = join.member.clone();
        let result = self.try_join_roster(roster, join, fresh).map_err(|(refusal, fresh)| {
            let member = fresh.unwrap_or(member);
            JoinRefused { refusal, member }
        });
        self.reply(ticket, Answer::Join(result));
    }

    fn try_join_roster(
        &mut self,
        roster: Arc<Roster>,
        join: Join,
        fresh: MemberId,
    ) -> Result<Joined, (Refusal, Option<MemberId>)> {
        let refused = |refusal| (refusal, None);
        self.admit(&roster, &join.member).map_err(refused)?;
        let fits = |offered: &str| roster.all_support(offered);
        let first = join.protocols.first().ok_or(Refusal::InconsistentProtocol).map_err(refused)?;
        if join.protocol_type != "consumer" || !join.protocols.iter().any(|offered| fits(&offered.name)) {
            return Err(refused(Refusal::InconsistentProtocol));
        }
        let subscription = subscription::read(&first.metadata).ok_or(Refusal::InconsistentProtocol).map_err(refused)?;
        let is_new = join.member.is_empty();
        if is_new && join.instance.is_none() && join.member_id_required {
            return Err((Refusal::MemberIdRequired, Some(fresh)));
        }
        if self.group.bytes_of_all() >= BYTES_MAX {
            return Err(refused(Refusal::TooManyGroups));
        }
        let id = if is_new { fresh } else { join.member.clone() };
        let mut draft = Draft::of(Arc::clone(&roster));
        let holder = join.instance.as_deref().and_then(|instance| roster.holder(instance));
        let before = match (&join.instance, holder) {
            (Some(_), Some(holder)) if is_new => Self::replace(&mut draft, holder, &id),
            (Some(_), Some(holder)) if holder.profile.id == id => holder.clone(),
            (Some(_), Some(_)) => return Err(refused(Refusal::InstanceFenced)),
            (Some(_), None) if !is_new => return Err(refused(Refusal::UnknownMember)),
            _ => roster.members.get(&id).cloned().unwrap_or_else(|| roster.newcomer()),
        };
        // The last member of the consumer protocol is replaced by one of the classic.
        let others = roster.members.len() - 1;
        let downgrades = holder.is_some_and(|holder| !holder.is_classic()) && roster.classic_members() == others;
        let protocol = first.name.clone();
        let owned = self.identified(&subscription.owned);
        let profile = Profile {
            id: id.clone(),
            instance: join.instance.or_else(|| before.profile.instance.clone()),
            rack: subscription.rack.or_else(|| before.profile.rack.clone()),
            client_id: join.client_id,
            client_host: join.client_host,
            rebalance_timeout_millis: millis(join.rebalance_timeout),
            topics: subscription.topics,
            pattern: None,
            assignor: before.profile.assignor.clone(),
            classic: Some(Classic { session_timeout_millis: millis(join.session_timeout), protocols: join.protocols }),
        };
        let changed = (&profile.topics, &profile.pattern) != (&before.profile.topics, &before.profile.pattern);
        let after = self.turn(&mut draft, Turn { id: id.clone(), profile, owned: Some(&owned), changed });
        let epoch = after.holding.epoch;
        if downgrades {
            self.downgrade(&draft.roster, changed);
        } else {
            self.keep_time(&id, self.after(join.session_timeout), &before, &after);
            let sync = self.after(join.rebalance_timeout);
            if let Some(timers) = self.group.timers.get_mut(&id) {
                (timers.join, timers.sync, timers.revocation) = (None, Some(sync), None);
            }
            self.keep(draft);
        }
        Ok(Joined {
            member: id,
            generation: epoch,
            protocol_type: Some("consumer".to_owned()),
            protocol: Some(protocol),
            // Nobody: the server assigns.
            leader: MemberId::new(),
            skip_assignment: false,
            members: Vec::new(),
        })
    }

    /// Partitions by topic id, of those topics that there are.
    pub(super) fn identified(&self, partitions: &Partitions) -> Target {
        let identified = |(topic, partitions): &(String, Vec<i32>)| {
            let topic = self.topics.named(topic)?;
            Some((topic.id, partitions.iter().copied().collect()))
        };
        partitions.iter().filter_map(identified).collect()
    }

    /// A member of the classic protocol, in its epoch.
    fn classic<'r>(roster: &'r Roster, who: &Membership) -> Result<(&'r Member, &'r Classic), Refusal> {
        let member = roster.find(&who.member, who.instance.as_deref())?;
        let classic = member.profile.classic.as_ref().ok_or(Refusal::UnknownMember)?;
        if member.holding.epoch == who.generation { Ok((member, classic)) } else { Err(Refusal::IllegalGeneration) }
    }

    /// Gives a member of the classic protocol the time of a rebalance to join again, unless it has been given it already.
    fn call_to_join(&mut self, member: &Member) {
        let end = self.after(member.profile.rebalance_timeout());
        if let Some(timers) = self.group.timers.get_mut(&member.profile.id) {
            timers.join.get_or_insert(end);
        }
    }

    fn renew_classic(&mut self, member: &Member, classic: &Classic) {
        let end = self.after(classic.session_timeout());
        if let Some(timers) = self.group.timers.get_mut(&member.profile.id) {
            timers.session = end;
        }
    }

    pub(in crate::kafka::group) fn sync_roster(&mut self, roster: &Roster, sync: &Sync, ticket: Ticket) {
        let result = self.try_sync_roster(roster, sync);
        self.reply(ticket, Answer::Sync(result));
    }

    fn try_sync_roster(&mut self, roster: &Roster, sync: &Sync) -> Result<Synced, Refusal> {
        let (member, classic) = Self::classic(roster, &sync.who)?;
        let first = classic.protocols.first().ok_or(Refusal::InconsistentProtocol)?;
        let differs = |given: &Option<String>, ours: &str| given.as_deref().is_some_and(|given| given != ours);
        if differs(&sync.protocol_type, "consumer") || differs(&sync.protocol, &first.name) {
            return Err(Refusal::InconsistentProtocol);
        }
        if self.next_epoch(roster) > member.holding.epoch && member.holding.phase != Phase::Unrevoked {
            self.call_to_join(member);
            return Err(Refusal::RebalanceInProgress);
        }
        self.renew_classic(member, classic);
        if let Some(timers) = self.group.timers.get_mut(&member.profile.id) {
            timers.sync = None;
        }
        Ok(Synced {
            protocol_type: sync.protocol_type.clone(),
            protocol: sync.protocol.clone(),
            assignment: subscription::assignment(&first.metadata, &self.by_name(&member.holding.assigned)),
        })
    }

    /// Partitions by the topics' names.
    pub(super) fn by_name(&self, share: &Share) -> Partitions {
        self.named(&target_of(share)).into_iter().map(|(_, name, partitions)| (name, partitions)).collect()
    }

    pub(in crate::kafka::group) fn heartbeat_roster(&mut self, roster: &Roster, who: &Membership, ticket: Ticket) {
        let result = Self::classic(roster, who).and_then(|(member, classic)| {
            self.renew_classic(member, classic);
            let Holding { epoch, phase, .. } = &*member.holding;
            let called = *epoch < self.next_epoch(roster)
                || *phase == Phase::Unrevoked
                || (*phase == Phase::Unreleased && !is_waiting(roster, member));
            if called {
                self.call_to_join(member);
                return Err(Refusal::RebalanceInProgress);
            }
            Ok(())
        });
        self.reply(ticket, Answer::Done(result));
    }

    pub(in crate::kafka::group) fn leave_roster(&mut self, roster: &Arc<Roster>, leavers: &[Leaver], ticket: Ticket) {
        let mut gone = Vec::<Seat>::new();
        let mut leave = |leaver: &Leaver| {
            let member = match &leaver.instance {
                Some(instance) if leaver.member.is_empty() => roster.holder(instance).ok_or(Refusal::UnknownMember)?,
                instance => roster.find(&leaver.member, instance.as_deref())?,
            };
            if !gone.iter().any(|seat| seat.number == member.number) {
                gone.push(member.seat());
            }
            Ok(())
        };
        let results = leavers.iter().map(&mut leave).collect();
        self.reply(ticket, Answer::Each(Ok(results)));
        if !gone.is_empty() {
            self.dismiss(roster, gone);
        }
    }
}

/// Whether what a member still waits for is held by another one.
fn is_waiting(roster: &Roster, member: &Member) -> bool {
    let missing = |topic: Uuid, partition: i32| !member.holding.holds(topic, partition);
    let held = |topic, partition| missing(topic, partition) && roster.is_held(topic, partition, &member.profile.id);
    member.target.iter().any(|(topic, partitions)| partitions.iter().any(|&partition| held(*topic, partition)))
}

/// The present epoch is the right one, and the last is if the answer that said otherwise may have been lost: then the member
/// has nothing but what it has been assigned. Epoch 0 is that of a member that joins again.
fn check_epoch(holding: &Holding, beat: &Beat) -> Result<(), Refusal> {
    let is_subset = |owned: &Target| {
        owned.iter().all(|(topic, partitions)| {
            let ours = holding.assigned.get(topic);
            ours.is_some_and(|ours| partitions.iter().all(|partition| ours.contains_key(partition)))
        })
    };
    let is_behind = || beat.epoch == holding.previous && beat.owned.as_ref().is_some_and(is_subset);
    match beat.epoch {
        0 => Ok(()),
        epoch if epoch == holding.epoch => Ok(()),
        epoch if epoch < holding.epoch && is_behind() => Ok(()),
        _ => Err(Refusal::EpochFenced),
    }
}

/// What a member has said, with what it says now.
fn said(beat: &Beat, id: &str, before: &Profile) -> Profile {
    let pattern = beat.pattern.clone().or_else(|| before.pattern.clone());
    Profile {
        id: id.to_owned(),
        instance: beat.instance.clone().or_else(|| before.instance.clone()),
        rack: beat.rack.clone().or_else(|| before.rack.clone()),
        client_id: beat.client_id.clone(),
        client_host: beat.client_host.clone(),
        rebalance_timeout_millis: beat.rebalance_timeout.map_or(before.rebalance_timeout_millis, millis),
        topics: beat.topics.clone().unwrap_or_else(|| before.topics.clone()),
        pattern: pattern.filter(|pattern| !pattern.is_empty()),
        assignor: beat.assignor.clone().or_else(|| before.assignor.clone()),
        classic: None,
    }
}

pub(super) fn target_of(share: &Share) -> Target {
    share.iter().map(|(topic, partitions)| (*topic, partitions.keys().copied().collect())).collect()
}

pub(super) fn millis(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}

/// Whether a member subscribes to a topic, by name or by pattern.
pub(in crate::kafka::group) fn subscribed_names(group: &Group, roster: &Roster, topics: &dyn Topics) -> BTreeSet<String> {
    let mut names = roster.members.values().flat_map(|member| member.profile.topics.iter().cloned()).collect::<BTreeSet<_>>();
    for pattern in roster.members.values().filter_map(|member| member.profile.pattern.as_ref()).collect::<BTreeSet<_>>() {
        match group.sight.patterns.get(pattern).filter(|_| group.sight.patterns_version == topics.version()) {
            Some(found) => names.extend(found.iter().cloned()),
            None => names.extend(pattern::matching(pattern, topics.names()).unwrap_or_default()),
        }
    }
    names
}

#[cfg(test)]
mod tests;
