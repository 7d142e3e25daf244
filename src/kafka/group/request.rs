//! What is asked of a group and what it answers, free of any wire format and version.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::consumer::state::Target;
use super::state::{Committed, State};
use super::streams::request::{DescribedStreams, StreamsBeat, StreamsBeaten};

/// The name a coordinator gives to a member; empty where a request has none.
pub(crate) type MemberId = String;

/// Topics and the numbers of their partitions.
pub(crate) type Partitions = Vec<(String, Vec<i32>)>;

/// A topic and the offsets of its partitions; `None` where nothing was ever committed.
pub(crate) type TopicOffsets = (String, Vec<(i32, Option<Committed>)>);

/// One result for each thing asked, in order; or one refusal for all.
pub(crate) type Results = Result<Vec<Result<(), Refusal>>, Refusal>;

/// What a group refuses, in its own words.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The answer could not be made durable, or the group's task is gone.
    #[error("the group's state could not be stored")]
    Unavailable,
    /// More groups than the gateway holds.
    #[error("the gateway holds its largest number of groups")]
    TooManyGroups,
    /// An empty group name where one is needed.
    #[error("the group name is empty")]
    InvalidGroupId,
    /// There is no such group.
    #[error("there is no such group")]
    UnknownGroup,
    /// There is a group of that name, of another kind.
    #[error("the group is of another kind")]
    OtherKind,
    /// There is no such member.
    #[error("there is no such member")]
    UnknownMember,
    /// The request speaks of another generation than the current one.
    #[error("the generation is not the current one")]
    IllegalGeneration,
    /// The member must join again.
    #[error("the group is rebalancing")]
    RebalanceInProgress,
    /// The member shares no protocol with the group.
    #[error("the member's protocols do not fit the group")]
    InconsistentProtocol,
    /// The session timeout is outside the accepted range.
    #[error("the session timeout is outside the accepted range")]
    InvalidSessionTimeout,
    /// The member must join again with the id it has just been given (KIP-394).
    #[error("the member must join again with its new id")]
    MemberIdRequired,
    /// The group has its largest number of members.
    #[error("the group is full")]
    GroupFull,
    /// Another member has taken over the instance id (KIP-345).
    #[error("another member has taken over the instance id")]
    InstanceFenced,
    /// Another member has the instance id and has not gone (KIP-848).
    #[error("another member has the instance id; it must leave first")]
    InstanceUnreleased,
    /// The member's epoch is not the one it was given: it must give up everything and join again (KIP-848).
    #[error("the member's epoch is not the one it was given; it must give up its partitions and join again")]
    EpochFenced,
    /// The member's epoch is not its present one (KIP-848).
    #[error("the member's epoch is not its present one")]
    StaleEpoch,
    /// The version of the request has no place for what is needed.
    #[error("a newer version of the request is needed")]
    UnsupportedVersion,
    /// The request makes no sense.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// The topology of an application of Kafka Streams makes no sense, or is too large.
    #[error("{0}")]
    InvalidTopology(&'static str),
    /// The text kept with an offset is too long.
    #[error("the text kept with the offset is too long")]
    MetadataTooLarge,
    /// The group has members.
    #[error("the group has members")]
    NonEmpty,
    /// A member subscribes to the topic.
    #[error("a member of the group subscribes to the topic")]
    Subscribed,
}

/// One way of assigning partitions that a member can take part in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Protocol {
    /// Its name, such as `range`.
    pub(crate) name: String,
    /// What the member tells the leader; opaque here.
    #[serde(with = "super::journal::hex")]
    pub(crate) metadata: Bytes,
}

/// A member's request to take part in the next generation.
#[derive(Clone, Debug)]
pub(crate) struct Join {
    /// Its id; empty if it has none yet.
    pub(crate) member: MemberId,
    /// The id that survives its restarts, if it is a static member (KIP-345).
    pub(crate) instance: Option<String>,
    /// The name its client gives itself.
    pub(crate) client_id: String,
    /// Where it connects from.
    pub(crate) client_host: String,
    /// How long it may stay silent.
    pub(crate) session_timeout: Duration,
    /// How long it may take to join again when a rebalance has begun.
    pub(crate) rebalance_timeout: Duration,
    /// The kind of group, such as `consumer`.
    pub(crate) protocol_type: String,
    /// What it can take part in, best first.
    pub(crate) protocols: Vec<Protocol>,
    /// Whether it can be told to come back with an id (JoinGroup v4, KIP-394).
    pub(crate) member_id_required: bool,
    /// Whether it can be told to lead without assigning (JoinGroup v9, KIP-814).
    pub(crate) skip_assignment_known: bool,
}

/// A generation, as one of its members sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Joined {
    /// The member's id.
    pub(crate) member: MemberId,
    /// The generation's number, from 1.
    pub(crate) generation: i32,
    /// The kind of group.
    pub(crate) protocol_type: Option<String>,
    /// The protocol chosen.
    pub(crate) protocol: Option<String>,
    /// The member that assigns.
    pub(crate) leader: MemberId,
    /// Whether the leader must leave the assignment as it is (KIP-814).
    pub(crate) skip_assignment: bool,
    /// For the leader: all members.
    pub(crate) members: Vec<Peer>,
}

/// A member, as the leader sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Peer {
    /// Its id.
    pub(crate) member: MemberId,
    /// Its instance id.
    pub(crate) instance: Option<String>,
    /// What it says in the chosen protocol.
    pub(crate) metadata: Bytes,
}

/// A refused join.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct JoinRefused {
    /// Why.
    pub(crate) refusal: Refusal,
    /// The id to show, or to come back with; may be empty.
    pub(crate) member: MemberId,
}

/// Who speaks, in which generation.
#[derive(Clone, Default, Debug)]
pub(crate) struct Membership {
    /// The member's id; empty if it is none.
    pub(crate) member: MemberId,
    /// Its instance id.
    pub(crate) instance: Option<String>,
    /// The generation it believes in; negative if none.
    pub(crate) generation: i32,
}

impl Membership {
    /// Somebody who is no member, or does not say so.
    pub(crate) fn nobody() -> Self {
        Self { generation: -1, ..Self::default() }
    }
}

/// A member's request for its assignment; the leader brings everyone's.
#[derive(Clone, Default, Debug)]
pub(crate) struct Sync {
    /// Who asks.
    pub(crate) who: Membership,
    /// The kind of group it believes in (SyncGroup v5, KIP-559).
    pub(crate) protocol_type: Option<String>,
    /// The protocol it believes in.
    pub(crate) protocol: Option<String>,
    /// From the leader: what each member gets; opaque here.
    pub(crate) assignments: Vec<(MemberId, Bytes)>,
}

/// A member's share of a generation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Synced {
    /// The kind of group.
    pub(crate) protocol_type: Option<String>,
    /// The protocol chosen.
    pub(crate) protocol: Option<String>,
    /// Its share, as the leader wrote it.
    pub(crate) assignment: Bytes,
}

/// A member that goes; by instance id alone if its id is empty.
#[derive(Clone, Default, Debug)]
pub(crate) struct Leaver {
    /// Its id.
    pub(crate) member: MemberId,
    /// Its instance id.
    pub(crate) instance: Option<String>,
}

/// A heartbeat of the consumer protocol (KIP-848). What is `None` is as it was before.
#[derive(Clone, Default, Debug)]
pub(crate) struct Beat {
    /// The member's id; empty if the server is to give it one.
    pub(crate) member: MemberId,
    /// Its epoch; 0: it joins, -1: it goes, -2: it goes and will be back.
    pub(crate) epoch: i32,
    /// The id that survives its restarts, if it is a static member.
    pub(crate) instance: Option<String>,
    /// Where it is.
    pub(crate) rack: Option<String>,
    /// The name its client gives itself.
    pub(crate) client_id: String,
    /// Where it connects from.
    pub(crate) client_host: String,
    /// How long it may take to give up partitions.
    pub(crate) rebalance_timeout: Option<Duration>,
    /// The topics it subscribes to.
    pub(crate) topics: Option<BTreeSet<String>>,
    /// A regular expression of topics it subscribes to; empty: none.
    pub(crate) pattern: Option<String>,
    /// The assignor it would like.
    pub(crate) assignor: Option<String>,
    /// The partitions it has.
    pub(crate) owned: Option<Target>,
    /// What is set for the group.
    pub(crate) settings: ConsumerSettings,
}

/// What is set for one group of the consumer protocol; the rest is as for all. The names in brackets are Apache Kafka's group
/// configs (4.4).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct ConsumerSettings {
    /// How long members may be silent (`consumer.session.timeout.ms`).
    pub(crate) session_timeout: Option<Duration>,
    /// How often they are told to be heard of (`consumer.heartbeat.interval.ms`).
    pub(crate) heartbeat_interval: Option<Duration>,
    /// The least time between two assignments (`consumer.assignment.interval.ms`).
    pub(crate) assignment_interval: Option<Duration>,
}

/// The answer to a [`Beat`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Beaten {
    /// The member's id.
    pub(crate) member: MemberId,
    /// Its epoch from now on.
    pub(crate) epoch: i32,
    /// When to be heard of next.
    pub(crate) interval: Duration,
    /// What it has from now on; `None`: as before.
    pub(crate) assignment: Option<Target>,
}

/// Offsets to keep.
#[derive(Clone, Default, Debug)]
pub(crate) struct Commit {
    /// Who commits.
    pub(crate) who: Membership,
    /// Whether the request can speak of member epochs (OffsetCommit v9, KIP-848).
    pub(crate) epochs_known: bool,
    /// How long to keep them, where an old client says so (OffsetCommit v2 to v4).
    pub(crate) retention: Option<Duration>,
    /// The offsets.
    pub(crate) offsets: Vec<NewOffset>,
}

/// One offset to keep.
#[derive(Clone, Debug)]
pub(crate) struct NewOffset {
    /// The topic.
    pub(crate) topic: String,
    /// The partition.
    pub(crate) partition: i32,
    /// The next offset to read.
    pub(crate) offset: i64,
    /// The leader epoch of the last record read; -1 if unknown.
    pub(crate) leader_epoch: i32,
    /// The client's own text.
    pub(crate) metadata: String,
}

/// A group, as an operator sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Described {
    /// Where it stands.
    pub(crate) state: State,
    /// The kind of group; empty for one that only holds offsets.
    pub(crate) protocol_type: String,
    /// The protocol of a stable group; else empty.
    pub(crate) protocol: String,
    /// Its members; metadata and assignment only of a stable group.
    pub(crate) members: Vec<DescribedMember>,
}

/// A member, as an operator sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DescribedMember {
    /// Its id.
    pub(crate) member: MemberId,
    /// Its instance id.
    pub(crate) instance: Option<String>,
    /// The name its client gives itself.
    pub(crate) client_id: String,
    /// Where it connects from.
    pub(crate) client_host: String,
    /// What it says in the chosen protocol.
    pub(crate) metadata: Bytes,
    /// What the leader gave it.
    pub(crate) assignment: Bytes,
}

/// A group of the consumer protocol, as an operator sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DescribedConsumers {
    /// Where it stands.
    pub(crate) state: State,
    /// The group epoch.
    pub(crate) epoch: i32,
    /// The epoch of the target.
    pub(crate) target_epoch: i32,
    /// Who assigns.
    pub(crate) assignor: &'static str,
    /// Its members.
    pub(crate) members: Vec<DescribedConsumer>,
}

/// A member of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DescribedConsumer {
    /// Its id.
    pub(crate) member: MemberId,
    /// Its instance id.
    pub(crate) instance: Option<String>,
    /// Where it is.
    pub(crate) rack: Option<String>,
    /// Its epoch.
    pub(crate) epoch: i32,
    /// The name its client gives itself.
    pub(crate) client_id: String,
    /// Where it connects from.
    pub(crate) client_host: String,
    /// The topics it names.
    pub(crate) topics: Vec<String>,
    /// Its regular expression.
    pub(crate) pattern: Option<String>,
    /// What it has: topics by id and name, and their partitions.
    pub(crate) assignment: Vec<(Uuid, String, Vec<i32>)>,
    /// What it is to have.
    pub(crate) target: Vec<(Uuid, String, Vec<i32>)>,
    /// Whether it speaks the classic protocol.
    pub(crate) is_classic: bool,
}

/// The kinds of groups that there are here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The members' leader assigns.
    Classic,
    /// The server assigns (KIP-848).
    Consumer,
    /// The server assigns tasks of Kafka Streams (KIP-1071).
    Streams,
}

impl Kind {
    /// Its name on the wire, as Kafka writes it (`Group.GroupType`).
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
            Self::Streams => "streams",
        }
    }
}

/// A group's line in the list of groups.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Listed {
    /// Its name.
    pub(crate) group: String,
    /// Where it stands.
    pub(crate) state: State,
    /// What its members are; empty for one that only holds offsets.
    pub(crate) protocol_type: String,
    /// The kind of group.
    pub(crate) kind: Kind,
    /// How many members it has.
    pub(crate) members: usize,
}

/// Says which topics' offsets stay.
pub(crate) type TopicFilter = Arc<dyn Fn(&str) -> bool + Send + std::marker::Sync>;

/// Everything that can be asked of one group.
pub(super) enum Request {
    /// Take part; the second is the id to give to a member without one.
    Join(Box<Join>, MemberId),
    /// Take part, stay or go by the consumer protocol; the second is the id to give to a member without one.
    Beat(Box<Beat>, MemberId),
    /// Take part, stay or go by the streams protocol.
    StreamsBeat(Box<StreamsBeat>),
    /// Get the assignment.
    Sync(Sync),
    /// Stay.
    Heartbeat(Membership),
    /// Go.
    Leave(Vec<Leaver>),
    /// Keep offsets.
    Commit(Commit),
    /// Keep offsets, if the transaction of this producer is committed.
    CommitInTransaction(i64, Commit),
    /// Keep, or drop, what this producer's transaction has pending.
    EndTransaction(i64, bool),
    /// Tell what transactions have pending.
    Unstable,
    /// Read offsets; `None`: all. The second is who reads, if it says so.
    Fetch(Option<Partitions>, Membership),
    /// Show the group with its members.
    Describe,
    /// Show a group of the consumer protocol with its members.
    DescribeConsumers,
    /// Show a group of the streams protocol with its members.
    DescribeStreams,
    /// Show the group's line in the list.
    Summarize,
    /// Forget the group.
    Delete,
    /// Forget offsets.
    DeleteOffsets(Partitions),
    /// Forget the offsets of topics the filter does not keep.
    RetainTopics(TopicFilter),
    /// Forget offsets past their time, and the group with them if nothing is left.
    Sweep,
}

impl Request {
    /// Whether it must see every offset that was ever promised, so that earlier writes have to land first and later requests
    /// have to wait for its own.
    pub(super) fn is_exclusive(&self) -> bool {
        matches!(self, Self::EndTransaction(..) | Self::Delete | Self::DeleteOffsets(_) | Self::RetainTopics(_) | Self::Sweep)
    }
}

/// What a group answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// To [`Request::Join`].
    Join(Result<Joined, JoinRefused>),
    /// To [`Request::Beat`].
    Beat(Result<Beaten, Refusal>),
    /// To [`Request::StreamsBeat`].
    StreamsBeat(Result<StreamsBeaten, Refusal>),
    /// To [`Request::Sync`].
    Sync(Result<Synced, Refusal>),
    /// To [`Request::Heartbeat`], [`Request::EndTransaction`], [`Request::Delete`], [`Request::RetainTopics`] and
    /// [`Request::Sweep`].
    Done(Result<(), Refusal>),
    /// To [`Request::Leave`], [`Request::Commit`], [`Request::CommitInTransaction`] and [`Request::DeleteOffsets`]: one result for each thing asked, in order.
    Each(Results),
    /// To [`Request::Fetch`].
    Offsets(Result<Vec<TopicOffsets>, Refusal>),
    /// To [`Request::Unstable`]: topics and partitions.
    Unstable(Vec<(String, i32)>),
    /// To [`Request::Describe`]; `None` if there is no such group.
    Described(Result<Option<Described>, Refusal>),
    /// To [`Request::DescribeConsumers`]; `None` if there is no such group.
    DescribedConsumers(Result<Option<DescribedConsumers>, Refusal>),
    /// To [`Request::DescribeStreams`]; `None` if there is no such group.
    DescribedStreams(Result<Option<DescribedStreams>, Refusal>),
    /// To [`Request::Summarize`]; `None` if there is no such group.
    Summary(Option<Listed>),
}

impl Answer {
    /// The same answer, had its change not become durable.
    pub(super) fn refused(self, refusal: Refusal) -> Self {
        match self {
            Self::Join(_) => Self::Join(Err(JoinRefused { refusal, member: MemberId::new() })),
            Self::Beat(_) => Self::Beat(Err(refusal)),
            Self::StreamsBeat(_) => Self::StreamsBeat(Err(refusal)),
            Self::Sync(_) => Self::Sync(Err(refusal)),
            Self::Done(_) => Self::Done(Err(refusal)),
            Self::Each(_) => Self::Each(Err(refusal)),
            Self::Offsets(_)
            | Self::Unstable(_)
            | Self::Described(_)
            | Self::DescribedConsumers(_)
            | Self::DescribedStreams(_)
            | Self::Summary(_) => self,
        }
    }
}
