//! From the classic protocol to the consumer protocol and back, while members are at work
//! (`group.consumer.migration.policy`, which in Kafka 4 is `bidirectional`).
//!
//! The first member of the consumer protocol takes a classic group with it, if all its members are consumers whose assignments
//! need nobody but the server to be understood. The others go on with the classic protocol, and what they have becomes the first
//! target. When the last member of the consumer protocol goes, those that are left are a classic group again.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::decide::millis;
use super::state::{Classic, Draft, Head, Holding, Member, Profile, Roster, Share, Step};
use crate::kafka::group::decide::Desk;
use crate::kafka::group::request::{Answer, JoinRefused, MemberId, Refusal};
use crate::kafka::group::roster::{Phase, Seat, Timers};
use crate::kafka::group::state::{self, Change, Generation, GenerationMember, State};
use crate::kafka::group::subscription;

impl Desk<'_> {
    /// The group as it would be under the consumer protocol; one without members leaves nothing but its offsets.
    pub(super) fn converted(&mut self) -> Result<Draft, Refusal> {
        let mut draft = Draft::of(Arc::default());
        if self.group.state == State::Empty {
            return Ok(draft);
        }
        if !self.group.has_consumers() || self.group.members.len() > self.config.group_size_max {
            return Err(Refusal::OtherKind);
        }
        let epoch = self.group.generation;
        for (number, (id, member)) in (0..).zip(&self.group.members) {
            let seat = Seat { number, id: id.clone() };
            let (profile, assigned) = self.profile(id, member).ok_or(Refusal::OtherKind)?;
            let target = super::decide::target_of(&assigned);
            draft.take(Step::Profile(seat.clone(), Arc::new(profile)));
            draft.take(Step::Target(seat.clone(), Arc::new(target)));
            let holding = Holding { epoch, previous: epoch, phase: Phase::Stable, assigned, revoking: Share::new() };
            draft.take(Step::Holding(seat, Arc::new(holding)));
        }
        draft.take(Step::Head(Arc::new(Head { epoch, target_epoch: epoch, topics: 0 })));
        let sessions = self.group.members.iter().map(|(id, member)| (id.clone(), self.after(member.session_timeout)));
        let timers = sessions.map(|(id, session)| (id, Timers::of_session(session)));
        self.group.timers = timers.collect();
        self.call_the_waiting_back();
        tracing::info!(group = &*self.group.name, epoch, "the classic group becomes one of the consumer protocol");
        Ok(draft)
    }

    /// A classic member in the words of the consumer protocol; `None` if it cannot be put in them.
    fn profile(&self, id: &MemberId, member: &state::Member) -> Option<(Profile, Share)> {
        let first = member.protocols.first().map(|protocol| protocol.name.as_str());
        let metadata = member.metadata(self.group.protocol.as_deref().or(first));
        let subscription = subscription::read(&metadata)?;
        let given = |partition| (partition, self.group.generation);
        let assigned = self.identified(&subscription::assigned(&member.assignment)?);
        let assigned = assigned.into_iter().map(|(topic, partitions)| (topic, partitions.into_iter().map(given).collect()));
        let profile = Profile {
            id: id.clone(),
            instance: member.instance.clone(),
            rack: subscription.rack,
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout_millis: millis(member.rebalance_timeout),
            topics: subscription.topics,
            pattern: None,
            assignor: None,
            classic: Some(Classic {
                session_timeout_millis: millis(member.session_timeout),
                protocols: member.protocols.clone(),
            }),
        };
        Some((profile, assigned.collect()))
    }

    /// Who waits for a classic generation is to join again.
    fn call_the_waiting_back(&mut self) {
        let refusal = Refusal::RebalanceInProgress;
        let waiting =
            self.group.members.iter_mut().map(|(id, member)| (id.clone(), member.joining.take(), member.syncing.take()));
        for (member, joining, syncing) in waiting.collect::<Vec<_>>() {
            if let Some(ticket) = joining {
                self.reply(ticket, Answer::Join(Err(JoinRefused { refusal, member })));
            }
            if let Some(ticket) = syncing {
                self.reply(ticket, Answer::Sync(Err(refusal)));
            }
        }
    }

    /// Makes a classic group of those that are left, all of whom speak the classic protocol; with another generation at once if
    /// it `rebalances`.
    pub(super) fn downgrade(&mut self, roster: &Roster, rebalances: bool) {
        let protocol = elected(roster);
        let member = |member: &Member| {
            let classic = member.profile.classic.as_ref()?;
            let chosen = classic.protocols.iter().find(|offered| Some(&offered.name) == protocol.as_ref());
            let metadata = chosen.or(classic.protocols.first()).map(|offered| offered.metadata.clone()).unwrap_or_default();
            Some(GenerationMember {
                id: member.profile.id.clone(),
                instance: member.profile.instance.clone(),
                client_id: member.profile.client_id.clone(),
                client_host: member.profile.client_host.clone(),
                session_timeout_millis: classic.session_timeout_millis,
                rebalance_timeout_millis: member.profile.rebalance_timeout_millis,
                protocols: classic.protocols.clone(),
                assignment: subscription::assignment(&metadata, &self.by_name(&member.holding.assigned)),
            })
        };
        let generation = Generation {
            number: roster.head.epoch,
            protocol_type: Some("consumer".to_owned()),
            leader: roster.members.keys().next().cloned(),
            since: self.now.time,
            members: roster.members.values().filter_map(member).collect(),
            protocol,
        };
        tracing::info!(group = &*self.group.name, generation = generation.number, "the group goes back to the classic protocol");
        self.decision.changes.push(Change::Downgraded { generation, rebalances });
    }
}

/// The protocol that most members vote for, each for the first of its own that all support.
fn elected(roster: &Roster) -> Option<String> {
    let mut votes = BTreeMap::<&str, usize>::new();
    for classic in roster.members.values().filter_map(|member| member.profile.classic.as_ref()) {
        if let Some(vote) = classic.protocols.iter().find(|offered| roster.all_support(&offered.name)) {
            *votes.entry(&vote.name).or_default() += 1;
        }
    }
    let best = votes.values().copied().max()?;
    votes.into_iter().find(|&(_, count)| count == best).map(|(name, _)| name.to_owned())
}
