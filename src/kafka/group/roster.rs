//! **What the newer protocols have in common** (KIP-848, KIP-1071): a group with epochs, whose members each have a target and go
//! to it at their own pace; and the steps that change it, all of them durable.
//!
//! What a member says of itself, what its target is and what it has are [`Parts`] of each protocol.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::decide::Desk;
use super::request::{MemberId, Refusal};
use super::state::State;

/// The epoch of a static member that has gone and will be back (`ConsumerGroupHeartbeatRequest`, `StreamsGroupHeartbeatRequest`).
pub(super) const AWAY: i32 = -2;

/// What can be part of a roster.
pub(super) trait Part: Clone + Eq + Default + Debug + Serialize + DeserializeOwned {}

impl<T: Clone + Eq + Default + Debug + Serialize + DeserializeOwned> Part for T {}

/// What the groups of one protocol consist of.
pub(super) trait Parts: Clone + Eq + Default + Debug {
    /// A group's epochs, and whatever else it has once.
    type Head: Part;
    /// What a member says of itself.
    type Profile: Part;
    /// What it is to have.
    type Target: Part;
    /// What it may hold of that.
    type Held: Part;

    /// What its keys in the notebook begin with.
    const ROOM: &'static str;

    /// The id of a member, and its instance id.
    fn names(profile: &Self::Profile) -> (&MemberId, Option<&str>);
}

/// How far a member is on its way to its target.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(super) enum Phase {
    /// There.
    #[default]
    Stable,
    /// It has to give something up first.
    Unrevoked,
    /// Others still hold what it is to have.
    Unreleased,
}

/// What a member has.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(super) struct Holding<H> {
    /// The target epoch that it has gone to; [`AWAY`] of a static member that is.
    pub(super) epoch: i32,
    /// The one before: an answer that was lost does not fence it.
    pub(super) previous: i32,
    pub(super) phase: Phase,
    pub(super) assigned: H,
    /// What it was told to give up and has not.
    pub(super) revoking: H,
}

impl<H> Holding<H> {
    pub(super) fn is_at(&self, target_epoch: i32) -> bool {
        self.phase == Phase::Stable && self.epoch == target_epoch
    }
}

/// A member.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Member<P: Parts> {
    /// Its number in the notebook's keys.
    pub(super) number: u64,
    pub(super) profile: Arc<P::Profile>,
    pub(super) target: Arc<P::Target>,
    pub(super) holding: Arc<Holding<P::Held>>,
}

impl<P: Parts> Member<P> {
    /// Its id.
    pub(super) fn id(&self) -> &MemberId {
        P::names(&self.profile).0
    }

    /// The name and number that its steps carry.
    pub(super) fn seat(&self) -> Seat {
        Seat { number: self.number, id: self.id().clone() }
    }
}

/// Whose a step is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Seat {
    /// Its number in the notebook's keys.
    pub(super) number: u64,
    pub(super) id: MemberId,
}

/// One durable change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Step<P: Parts> {
    /// Other epochs.
    Head(Arc<P::Head>),
    /// A member comes, or says something else.
    Profile(Seat, Arc<P::Profile>),
    /// A member's target.
    Target(Seat, Arc<P::Target>),
    /// What a member has.
    Holding(Seat, Arc<Holding<P::Held>>),
    /// A member is gone.
    Gone(Seat),
}

impl<P: Parts> Step<P> {
    /// Who is gone with it.
    pub(super) fn gone(&self) -> Option<&Seat> {
        if let Self::Gone(seat) = self { Some(seat) } else { None }
    }
}

/// A group's members and epochs, all of it durable.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Roster<P: Parts> {
    pub(super) head: Arc<P::Head>,
    pub(super) members: BTreeMap<MemberId, Member<P>>,
}

impl<P: Parts> Roster<P> {
    /// Carries out a step, live and at start-up alike.
    pub(super) fn apply(&mut self, step: Step<P>) {
        match step {
            Step::Head(head) => self.head = head,
            Step::Profile(seat, profile) => self.member(seat).profile = profile,
            Step::Target(seat, target) => self.member(seat).target = target,
            Step::Holding(seat, holding) => self.member(seat).holding = holding,
            Step::Gone(seat) => drop(self.members.remove(&seat.id)),
        }
    }

    fn member(&mut self, seat: Seat) -> &mut Member<P> {
        self.members.entry(seat.id).or_insert_with(|| Member { number: seat.number, ..Member::default() })
    }

    /// A member that nothing is known of.
    pub(super) fn newcomer(&self) -> Member<P> {
        Member { number: self.free_number(), ..Member::default() }
    }

    /// A number that no member has.
    pub(super) fn free_number(&self) -> u64 {
        self.members.values().map(|member| member.number).max().map_or(0, |number| number + 1)
    }

    /// The numbers of all members.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> + use<'_, P> {
        self.members.values().map(|member| member.number)
    }

    /// Whether it has no members.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Where it stands with members, of which each has to go to the target of `target_epoch`.
    pub(super) fn progress(&self, epoch: i32, target_epoch: i32) -> State {
        if epoch > target_epoch {
            State::Assigning
        } else if self.members.values().all(|member| member.holding.is_at(target_epoch)) {
            State::Stable
        } else {
            State::Reconciling
        }
    }

    /// The member that has an instance id.
    pub(super) fn holder(&self, instance: &str) -> Option<&Member<P>> {
        self.members.values().find(|member| P::names(&member.profile).1 == Some(instance))
    }

    /// The member of that id, which has the instance id if one is given.
    pub(super) fn find(&self, id: &str, instance: Option<&str>) -> Result<&Member<P>, Refusal> {
        let Some(instance) = instance else {
            return self.members.get(id).ok_or(Refusal::UnknownMember);
        };
        let member = self.holder(instance).ok_or(Refusal::UnknownMember)?;
        if member.id() == id { Ok(member) } else { Err(Refusal::InstanceFenced) }
    }
}

/// A roster in the making: a copy as soon as it is changed, and the steps so far.
pub(super) struct Draft<P: Parts> {
    pub(super) roster: Arc<Roster<P>>,
    pub(super) steps: Vec<Step<P>>,
}

impl<P: Parts> Draft<P> {
    pub(super) fn of(roster: Arc<Roster<P>>) -> Self {
        Self { roster, steps: Vec::new() }
    }

    pub(super) fn take(&mut self, step: Step<P>) {
        Arc::make_mut(&mut self.roster).apply(step.clone());
        self.steps.push(step);
    }

    pub(super) fn set_head(&mut self, change: impl FnOnce(&mut P::Head)) {
        let mut head = P::Head::clone(&self.roster.head);
        change(&mut head);
        if head != *self.roster.head {
            self.steps.retain(|step| !matches!(step, Step::Head(_)));
            self.take(Step::Head(Arc::new(head)));
        }
    }

    pub(super) fn member(&self, id: &str) -> Member<P> {
        self.roster.members.get(id).cloned().unwrap_or_default()
    }

    /// Puts a member of another id in the place of `holder`, with its target and what it has.
    pub(super) fn replace(&mut self, holder: &Member<P>, profile: P::Profile, holding: Holding<P::Held>) -> Member<P> {
        let seat = Seat { number: self.roster.free_number(), id: P::names(&profile).0.clone() };
        self.take(Step::Gone(holder.seat()));
        self.take(Step::Profile(seat.clone(), Arc::new(profile)));
        self.take(Step::Target(seat.clone(), Arc::clone(&holder.target)));
        self.take(Step::Holding(seat.clone(), Arc::new(holding)));
        self.member(&seat.id)
    }
}

/// When a member's time is up, unless it is heard of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timers {
    pub(super) session: Duration,
    /// By when something has to be given up, and the member epoch in which that was asked.
    pub(super) revocation: Option<(i32, Duration)>,
    /// By when a member of the classic protocol has to join again.
    pub(super) join: Option<Duration>,
    /// By when it has to get its share.
    pub(super) sync: Option<Duration>,
}

impl Timers {
    /// Those of a member that only has to be heard of.
    pub(super) fn of_session(session: Duration) -> Self {
        Self { session, revocation: None, join: None, sync: None }
    }

    /// The earliest of all.
    pub(super) fn next(&self) -> Duration {
        let others = [self.revocation.map(|(_, end)| end), self.join, self.sync];
        others.into_iter().flatten().fold(self.session, Duration::min)
    }
}

impl Desk<'_> {
    /// Whether the group takes one more member, or has this one.
    pub(super) fn admit<P: Parts>(&self, roster: &Roster<P>, member: &str) -> Result<(), Refusal> {
        let is_full = roster.members.len() >= self.config.group_size_max;
        if is_full && !roster.members.contains_key(member) { Err(Refusal::GroupFull) } else { Ok(()) }
    }

    /// The members whose time is up; `epoch` tells that of a member, if there is one of that id.
    pub(super) fn overdue(&mut self, epoch: impl Fn(&str) -> Option<i32>) -> Vec<MemberId> {
        let now = self.now.elapsed;
        let mut overdue = Vec::new();
        self.group.timers.retain(|id, timers| {
            let Some(present) = epoch(id) else { return false };
            if timers.revocation.is_some_and(|(epoch, end)| end <= now && epoch != present) {
                timers.revocation = None;
            }
            let why = if timers.session <= now {
                "its session has ended"
            } else if timers.revocation.is_some_and(|(_, end)| end <= now) {
                "it did not give up in time what it had to"
            } else if timers.join.is_some_and(|end| end <= now) {
                "it did not join again in time"
            } else if timers.sync.is_some_and(|end| end <= now) {
                "it has joined but did not sync"
            } else {
                return true;
            };
            tracing::info!(group = &*self.group.name, member = id.as_str(), why, "a member is removed");
            overdue.push(id.clone());
            true
        });
        overdue
    }
}
