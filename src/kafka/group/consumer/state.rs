//! What a group of the consumer protocol keeps, and the steps that change it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::assignor::Assignor;
use crate::kafka::group::request::{MemberId, Protocol};
use crate::kafka::group::roster::{self, Parts};
use crate::kafka::group::state::State;

/// Partitions by topic.
pub(crate) type Target = BTreeMap<Uuid, BTreeSet<i32>>;

/// Partitions by topic, each with the member epoch in which it was given (KIP-1251).
pub(crate) type Share = BTreeMap<Uuid, BTreeMap<i32, i32>>;

/// The consumer protocol's part of a roster.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(in crate::kafka::group) struct Consumers;

impl Parts for Consumers {
    type Head = Head;
    type Profile = Profile;
    type Target = Target;
    type Held = Share;

    const ROOM: &'static str = "";

    fn names(profile: &Profile) -> (&MemberId, Option<&str>) {
        (&profile.id, profile.instance.as_deref())
    }
}

pub(in crate::kafka::group) type Roster = roster::Roster<Consumers>;
pub(super) type Member = roster::Member<Consumers>;
pub(super) type Holding = roster::Holding<Share>;
pub(super) type Draft = roster::Draft<Consumers>;
pub(super) type Step = roster::Step<Consumers>;

/// Memory that a member takes beside its texts, and a partition in an assignment, in bytes, measured roughly.
const MEMBER_BYTES: usize = 768;
const PARTITION_BYTES: usize = 40;
const TEXT_BYTES: usize = 64;

/// The epochs of a group.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(in crate::kafka::group) struct Head {
    /// Rises with everything that calls for another assignment; 0 before the first.
    pub(super) epoch: i32,
    /// The group epoch that the target was computed for.
    pub(super) target_epoch: i32,
    /// Of the subscribed topics as they were at that time: ids and partitions.
    pub(super) topics: u64,
}

/// What a member says of itself.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(in crate::kafka::group) struct Profile {
    pub(super) id: MemberId,
    pub(super) instance: Option<String>,
    pub(super) rack: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) rebalance_timeout_millis: u32,
    pub(super) topics: BTreeSet<String>,
    /// A regular expression of topics; never empty.
    pub(super) pattern: Option<String>,
    pub(super) assignor: Option<String>,
    /// If it speaks the classic protocol.
    pub(super) classic: Option<Classic>,
}

impl Profile {
    pub(super) fn rebalance_timeout(&self) -> Duration {
        Duration::from_millis(self.rebalance_timeout_millis.into())
    }
}

/// What a member of the classic protocol says besides.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::kafka::group) struct Classic {
    pub(super) session_timeout_millis: u32,
    pub(super) protocols: Vec<Protocol>,
}

impl Classic {
    pub(super) fn session_timeout(&self) -> Duration {
        Duration::from_millis(self.session_timeout_millis.into())
    }
}

impl Holding {
    pub(super) fn holds(&self, topic: Uuid, partition: i32) -> bool {
        let has = |share: &Share| share.get(&topic).is_some_and(|partitions| partitions.contains_key(&partition));
        has(&self.assigned) || has(&self.revoking)
    }

    /// The member epoch in which it was given a partition that it holds.
    pub(super) fn given(&self, topic: Uuid, partition: i32) -> Option<i32> {
        let find = |share: &Share| share.get(&topic)?.get(&partition).copied();
        find(&self.assigned).or_else(|| find(&self.revoking))
    }
}

impl Member {
    pub(super) fn is_classic(&self) -> bool {
        self.profile.classic.is_some()
    }

    fn bytes(&self) -> usize {
        let Profile { id, instance, client_id, client_host, topics, pattern, classic, .. } = &*self.profile;
        let texts = 3 * id.len()
            + client_id.len()
            + client_host.len()
            + [instance, pattern].into_iter().flatten().map(String::len).sum::<usize>();
        let topics = topics.iter().map(|topic| TEXT_BYTES + topic.len()).sum::<usize>();
        let protocols = classic.iter().flat_map(|classic| &classic.protocols);
        let protocols = protocols.map(|protocol| TEXT_BYTES + protocol.name.len() + protocol.metadata.len()).sum::<usize>();
        let Holding { assigned, revoking, .. } = &*self.holding;
        let shares = assigned.values().chain(revoking.values()).map(|partitions| TEXT_BYTES + PARTITION_BYTES * partitions.len());
        let target = self.target.values().map(|partitions| TEXT_BYTES + PARTITION_BYTES * partitions.len());
        MEMBER_BYTES + texts + topics + protocols + shares.chain(target).sum::<usize>()
    }
}

impl Roster {
    /// Whether somebody else holds a partition.
    pub(super) fn is_held(&self, topic: Uuid, partition: i32, except: &str) -> bool {
        self.members.iter().any(|(id, member)| id != except && member.holding.holds(topic, partition))
    }

    /// Where the group stands.
    pub(in crate::kafka::group) fn state(&self) -> State {
        let Head { epoch, target_epoch, .. } = *self.head;
        if self.is_empty() { State::Empty } else { self.progress(epoch, target_epoch) }
    }

    /// The assignor that most members with a wish want; of equals, the first.
    pub(super) fn assignor(&self) -> Assignor {
        let mut votes = HashMap::<&str, usize>::new();
        for wish in self.members.values().filter_map(|member| member.profile.assignor.as_deref()) {
            *votes.entry(wish).or_default() += 1;
        }
        let votes_of = |assignor: &Assignor| votes.get(assignor.name()).copied().unwrap_or(0);
        // The last of equals is taken, so the first comes last.
        Assignor::ALL.into_iter().rev().max_by_key(votes_of).unwrap_or(Assignor::Uniform)
    }

    /// How many members speak the classic protocol.
    pub(super) fn classic_members(&self) -> usize {
        self.members.values().filter(|member| member.is_classic()).count()
    }

    /// Whether all members of the classic protocol support `protocol`.
    pub(super) fn all_support(&self, protocol: &str) -> bool {
        let classics = self.members.values().filter_map(|member| member.profile.classic.as_ref());
        classics.into_iter().all(|classic| classic.protocols.iter().any(|offered| offered.name == protocol))
    }

    /// Memory that it takes, in bytes, measured roughly.
    pub(in crate::kafka::group) fn bytes(&self) -> usize {
        self.members.values().map(Member::bytes).sum()
    }
}

/// What was seen of the topics, and when; not durable, since they can be seen again.
#[derive(Clone, Default, Debug)]
pub(in crate::kafka::group) struct Sight {
    /// The version of the topics that this was seen at, if nothing was left to do about them.
    pub(super) version: Option<u64>,
    /// The topics of each pattern, and the version of the topics at which they were found.
    pub(super) patterns: BTreeMap<String, BTreeSet<String>>,
    pub(super) patterns_version: u64,
    /// When the target was computed; `None`: nothing need wait for it, as after a start of the gateway.
    pub(super) assigned_at: Option<Duration>,
    /// The least time between that and the next time, if it is set for the group: as the last heartbeat knew it.
    pub(super) assignment_interval: Option<Duration>,
}

impl Sight {
    /// Memory that it takes, in bytes, measured roughly.
    pub(in crate::kafka::group) fn bytes(&self) -> usize {
        let names = |names: &BTreeSet<String>| names.iter().map(|name| TEXT_BYTES + name.len()).sum::<usize>();
        self.patterns.iter().map(|(pattern, found)| TEXT_BYTES + pattern.len() + names(found)).sum()
    }
}
