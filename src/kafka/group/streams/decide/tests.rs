//! Groups of the streams protocol, as dialogues and as a crowd of members that come, go, fall silent and change.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::super::reconcile::put;
use super::super::state::{Endpoint, Settings};
use super::super::topology::{Internal, Subtopology};
use super::*;
use crate::kafka::group::config::GroupConfig;
use crate::kafka::group::decide::{self, Decision, Rules};
use crate::kafka::group::request::{Join, Kind, NewOffset, Protocol, Request};
use crate::kafka::group::state::{Group, Now};
use crate::kafka::group::topics::Shelf;
use crate::model::Timestamp;

const SESSION: u64 = 45;
const REBALANCE: u64 = 60;

/// One group, its topics, and all that was ever written of it.
struct Scene {
    group: Group,
    config: GroupConfig,
    topics: Shelf,
    seconds: u64,
    disk: Vec<Change>,
}

/// A scene with the topics of a word count over `partitions` partitions.
fn scene(partitions: i32) -> Scene {
    let (group, topics) = (Group::new(1, "g".into()), Shelf::default());
    for name in ["lines", "by-word", "totals"] {
        topics.create(name, partitions);
    }
    Scene { group, config: GroupConfig::default(), topics, seconds: 1_000, disk: Vec::new() }
}

fn word_count() -> Topology {
    let internal = |name: &str| Internal { name: name.to_owned(), ..Internal::default() };
    let names = |name: &str| BTreeSet::from([name.to_owned()]);
    let split = Subtopology { sources: names("lines"), repartition_sinks: names("by-word"), ..Subtopology::default() };
    let repartition_sources = vec![internal("by-word")];
    let count = Subtopology { repartition_sources, changelogs: vec![internal("totals")], ..Subtopology::default() };
    Topology { epoch: 0, subtopologies: [("0".to_owned(), split), ("1".to_owned(), count)].into() }
}

fn settings() -> Settings {
    Settings { initial_delay: Duration::ZERO, assignment_interval: Duration::ZERO, ..Default::default() }
}

fn joining(member: &str) -> StreamsBeat {
    StreamsBeat {
        member: member.to_owned(),
        rebalance_timeout: Some(Duration::from_secs(REBALANCE)),
        topology: Some(word_count()),
        owned: Some(Target::default()),
        process: Some(format!("process of {member}")),
        settings: settings(),
        ..StreamsBeat::default()
    }
}

fn staying(member: &str, epoch: i32) -> StreamsBeat {
    StreamsBeat { member: member.to_owned(), epoch, settings: settings(), ..StreamsBeat::default() }
}

fn owning(member: &str, epoch: i32, owned: Target) -> StreamsBeat {
    StreamsBeat { owned: Some(owned), ..staying(member, epoch) }
}

fn tasks(parts: &[(&str, &[i32])]) -> Tasks {
    parts.iter().map(|(part, partitions)| ((*part).to_owned(), partitions.iter().copied().collect())).collect()
}

fn active(parts: &[(&str, &[i32])]) -> Target {
    Target { active: tasks(parts), standby: Tasks::new() }
}

impl Scene {
    fn now(&self) -> Now {
        let millis = i64::try_from(self.seconds * 1_000).unwrap();
        Now { time: Timestamp(millis), elapsed: Duration::from_secs(self.seconds) }
    }

    fn carry_out(&mut self, decision: Decision) -> Vec<Answer> {
        for change in decision.changes {
            self.disk.push(change.clone());
            let now = self.now();
            self.group.apply(change, now);
        }
        decision.replies.into_iter().map(|(_, answer)| answer).collect()
    }

    fn ask(&mut self, request: Request) -> Answer {
        let now = self.now();
        let rules = Rules { config: &self.config, topics: &self.topics };
        let decision = decide::decide(&mut self.group, rules, now, 1, request);
        self.carry_out(decision).remove(0)
    }

    fn beat(&mut self, beat: StreamsBeat) -> Result<StreamsBeaten, Refusal> {
        match self.ask(Request::StreamsBeat(Box::new(beat))) {
            Answer::StreamsBeat(result) => result,
            other => panic!("{other:?}"),
        }
    }

    /// The epoch after a heartbeat, and the tasks if they have changed.
    fn heard(&mut self, beat: StreamsBeat) -> (i32, Option<Target>) {
        let beaten = self.beat(beat).unwrap();
        (beaten.epoch, beaten.tasks)
    }

    fn statuses(&mut self, beat: StreamsBeat) -> Vec<Status> {
        self.beat(beat).unwrap().statuses.into_iter().map(|(status, _)| status).collect()
    }

    /// Lets time pass, second by second.
    fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.seconds += 1;
            if self.group.next_deadline().is_some_and(|end| end <= self.now().elapsed) {
                let now = self.now();
                let rules = Rules { config: &self.config, topics: &self.topics };
                let decision = decide::expire(&mut self.group, rules, now);
                self.carry_out(decision);
            }
        }
    }

    /// The gateway is killed and started again.
    fn restart(&mut self) {
        let now = self.now();
        self.group = Group::new(1, "g".into());
        self.disk.iter().for_each(|change| self.group.apply(change.clone(), now));
        decide::wake(&mut self.group, Rules { config: &self.config, topics: &self.topics }, now);
    }

    fn state(&self) -> State {
        self.group.summary().map_or(State::Dead, |line| line.state)
    }

    fn described(&mut self) -> DescribedStreams {
        match self.ask(Request::DescribeStreams) {
            Answer::DescribedStreams(Ok(Some(described))) => described,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_member_gets_all_tasks_and_shares_them_with_the_next() {
    let mut scene = scene(2);
    assert_eq!(scene.heard(joining("a")), (2, Some(active(&[("0", &[0, 1]), ("1", &[0, 1])]))));
    assert_eq!((scene.state(), scene.group.summary().unwrap().kind), (State::Stable, Kind::Streams));
    assert_eq!(scene.heard(joining("b")), (3, Some(Target::default())));
    assert_eq!(scene.state(), State::Reconciling);
    // It is told to give some up, and has until the answer says so.
    let (epoch, kept) = scene.heard(staying("a", 2));
    let kept = kept.unwrap();
    assert_eq!((epoch, each(&kept.active).count()), (2, 2));
    assert_eq!(scene.heard(staying("b", 3)), (3, None));
    assert_eq!(scene.heard(owning("a", 2, kept.clone())), (3, None));
    let (epoch, given) = scene.heard(staying("b", 3));
    let given = given.unwrap();
    assert_eq!((epoch, each(&given.active).count()), (3, 2));
    assert!(each(&given.active).all(|task| !has(&kept.active, task)));
    assert_eq!(scene.state(), State::Stable);
}

#[test]
fn what_a_group_has_outlives_the_process() {
    let mut scene = scene(2);
    scene.beat(joining("a")).unwrap();
    scene.beat(joining("b")).unwrap();
    let kept = scene.heard(staying("a", 2)).1.unwrap();
    let before = scene.described();
    scene.restart();
    assert_eq!(scene.state(), State::Reconciling);
    assert_eq!(scene.heard(owning("a", 2, kept)), (3, None));
    assert!(scene.heard(staying("b", 3)).1.is_some());
    assert_eq!(scene.described().topology, before.topology);
    // Sessions begin anew with the process.
    scene.restart();
    scene.wait(SESSION - 1);
    assert_eq!(scene.described().members.len(), 2);
    scene.wait(1);
    assert_eq!(scene.state(), State::Empty);
}

#[test]
fn the_first_assignment_waits_for_more_members() {
    let mut scene = scene(2);
    let patient = |beat: StreamsBeat| {
        let settings = Settings { initial_delay: Duration::from_secs(3), ..settings() };
        StreamsBeat { settings, ..beat }
    };
    let beaten = scene.beat(patient(joining("a"))).unwrap();
    assert_eq!((beaten.epoch, beaten.tasks, beaten.statuses[0].0), (1, Some(Target::default()), Status::AssignmentDelayed));
    scene.wait(2);
    assert_eq!(scene.statuses(patient(joining("b"))), [Status::AssignmentDelayed]);
    assert_eq!(scene.state(), State::Assigning);
    scene.wait(1);
    let (epoch, given) = scene.heard(patient(staying("a", 1)));
    assert_eq!((epoch, each(&given.unwrap().active).count()), (3, 2));
    assert_eq!(scene.statuses(patient(staying("b", 1))), []);
}

#[test]
fn assignments_keep_a_distance() {
    let mut scene = scene(2);
    let slow = |beat: StreamsBeat| {
        let settings = Settings { assignment_interval: Duration::from_secs(2), ..settings() };
        StreamsBeat { settings, ..beat }
    };
    assert_eq!(scene.statuses(slow(joining("a"))), []);
    scene.wait(1);
    assert_eq!(scene.statuses(slow(joining("b"))), [Status::AssignmentDelayed]);
    scene.wait(1);
    assert_eq!(scene.statuses(slow(staying("b", 2))), []);
}

#[test]
fn topics_that_are_missing_are_told_and_asked_for() {
    let mut scene = scene(2);
    for name in ["lines", "by-word", "totals"] {
        scene.topics.delete(name);
    }
    assert_eq!(scene.statuses(joining("a")), [Status::MissingSourceTopics]);
    assert_eq!(scene.state(), State::NotReady);
    scene.topics.create("lines", 2);
    let beaten = scene.beat(staying("a", 2)).unwrap();
    assert_eq!(beaten.statuses[0].0, Status::MissingInternalTopics);
    let missing = beaten.missing.iter().map(|(topic, partitions)| (topic.name.as_str(), *partitions)).collect::<Vec<_>>();
    assert_eq!(missing, [("by-word", 2), ("totals", 2)]);
    scene.topics.create("by-word", 2);
    scene.topics.create("totals", 2);
    let (_, given) = scene.heard(staying("a", beaten.epoch));
    assert_eq!((each(&given.unwrap().active).count(), scene.state()), (4, State::Stable));
    // More partitions of what is read do not fit the internal topics any more.
    scene.topics.grow("lines", 1);
    let epoch = scene.described().members[0].epoch;
    assert_eq!(scene.statuses(staying("a", epoch)), [Status::IncorrectlyPartitionedTopics]);
}

#[test]
fn a_topology_is_the_groups_for_good() {
    let mut scene = scene(2);
    scene.beat(StreamsBeat { topology: Some(Topology { epoch: 2, ..word_count() }), ..joining("a") }).unwrap();
    let older = StreamsBeat { topology: Some(Topology { epoch: 1, ..word_count() }), ..joining("b") };
    assert_eq!(scene.statuses(older), [Status::StaleTopology]);
    let other = StreamsBeat { topology: Some(Topology { epoch: 2, ..Topology::default() }), ..joining("c") };
    assert!(matches!(scene.beat(other), Err(Refusal::InvalidRequest(_))));
    let newer = StreamsBeat { topology: Some(Topology { epoch: 3, ..word_count() }), ..joining("c") };
    assert!(matches!(scene.beat(newer), Err(Refusal::InvalidRequest(_))));
    let lost =
        Subtopology { repartition_sources: vec![Internal { name: "x".to_owned(), ..Internal::default() }], ..Default::default() };
    let lost = Topology { epoch: 0, subtopologies: [("0".to_owned(), lost)].into() };
    let mut fresh = self::scene(1);
    let refused = fresh.beat(StreamsBeat { topology: Some(lost), ..joining("a") });
    assert!(matches!(refused, Err(Refusal::InvalidTopology(_))));
    assert!(!fresh.group.exists());
}

#[test]
fn epochs_fence() {
    let mut scene = scene(2);
    assert_eq!(scene.beat(staying("a", 1)), Err(Refusal::UnknownGroup));
    scene.beat(joining("a")).unwrap();
    assert_eq!(scene.beat(staying("x", 1)), Err(Refusal::UnknownMember));
    assert_eq!(scene.beat(staying("a", 3)), Err(Refusal::EpochFenced));
    assert_eq!(scene.beat(staying("a", 1)), Err(Refusal::EpochFenced));
    // The answer to its join was lost: it has nothing, and says so.
    let again = scene.beat(joining("a")).unwrap();
    assert_eq!(again.tasks, Some(active(&[("0", &[0, 1]), ("1", &[0, 1])])));
    let bogus = owning("a", 2, active(&[("7", &[0])]));
    assert!(matches!(scene.beat(bogus), Err(Refusal::InvalidRequest(_))));
    assert!(matches!(scene.beat(owning("a", 2, active(&[("0", &[9])]))), Err(Refusal::InvalidRequest(_))));
}

#[test]
fn members_that_go_or_fall_silent_leave_their_tasks() {
    let mut scene = scene(1);
    scene.beat(joining("a")).unwrap();
    assert_eq!(scene.heard(joining("b")).0, 3);
    let kept = scene.heard(staying("a", 2)).1.unwrap();
    // It does not give up in time.
    scene.wait(30);
    scene.beat(staying("a", 2)).unwrap();
    scene.beat(staying("b", 3)).unwrap();
    scene.wait(30);
    assert_eq!(scene.beat(owning("a", 2, kept)), Err(Refusal::UnknownMember));
    let (epoch, given) = scene.heard(staying("b", 3));
    assert_eq!((epoch, each(&given.unwrap().active).count()), (4, 2));
    assert_eq!(scene.beat(staying("b", -1)).unwrap().epoch, -1);
    assert_eq!(scene.state(), State::Empty);
    // The group's epochs go on.
    assert_eq!(scene.heard(joining("c")).0, 6);
}

#[test]
fn a_static_member_comes_back_to_its_tasks() {
    let mut scene = scene(2);
    let fixed = |beat: StreamsBeat| StreamsBeat { instance: Some("one".to_owned()), ..beat };
    let process = |beat: StreamsBeat| StreamsBeat { process: Some("p".to_owned()), ..beat };
    let all = active(&[("0", &[0, 1]), ("1", &[0, 1])]);
    assert_eq!(scene.heard(process(fixed(joining("a")))), (2, Some(all.clone())));
    assert_eq!(scene.beat(fixed(joining("b"))), Err(Refusal::InstanceUnreleased));
    assert_eq!(scene.beat(fixed(staying("b", 2))), Err(Refusal::InstanceFenced));
    assert_eq!(scene.beat(fixed(staying("a", -2))).unwrap().epoch, -2);
    // Nobody else gets them meanwhile.
    let (_, given) = scene.heard(joining("c"));
    assert_eq!(given, Some(Target::default()));
    let (_, given) = scene.heard(process(fixed(joining("b"))));
    assert!(each(&given.unwrap().active).count() >= 2);
    assert_eq!(scene.described().members.len(), 2);
}

#[test]
fn endpoints_are_told_to_who_does_not_know_them() {
    let mut scene = scene(2);
    let endpoint = || Some(Endpoint { host: "h".to_owned(), port: 7 });
    let beaten = scene.beat(StreamsBeat { endpoint: endpoint(), endpoint_epoch: -1, ..joining("a") }).unwrap();
    let [served] = &beaten.endpoints.unwrap()[..] else { panic!("one endpoint") };
    assert_eq!((beaten.endpoint_epoch, &served.endpoint), (1, &endpoint().unwrap()));
    assert_eq!(served.active, [("lines".to_owned(), vec![0, 1]), ("by-word".to_owned(), vec![0, 1])]);
    assert_eq!(scene.beat(StreamsBeat { endpoint_epoch: 1, ..staying("a", 2) }).unwrap().endpoints, None);
    assert!(scene.beat(StreamsBeat { endpoint_epoch: 0, ..staying("a", 2) }).unwrap().endpoints.is_some());
}

#[test]
fn one_member_can_end_the_application() {
    let mut scene = scene(2);
    scene.beat(joining("a")).unwrap();
    scene.beat(joining("b")).unwrap();
    assert_eq!(scene.statuses(StreamsBeat { shutdown: true, ..staying("a", 2) }), [Status::ShutdownApplication]);
    assert_eq!(scene.statuses(staying("b", 3)), [Status::ShutdownApplication]);
    scene.beat(staying("a", -1)).unwrap();
    scene.beat(staying("b", -1)).unwrap();
    assert_eq!(scene.statuses(joining("c")), []);
}

#[test]
fn copies_and_tags_are_as_the_group_is_set() {
    let mut scene = scene(2);
    let set = |beat: StreamsBeat| {
        let settings = Settings { standbys: 1, tags: vec!["zone".to_owned()], ..settings() };
        StreamsBeat { settings, ..beat }
    };
    scene.beat(joining("a")).unwrap();
    let told = scene.statuses(set(staying("a", 2)));
    assert_eq!(told, [Status::MissingClientTags]);
    let tags = Some(BTreeMap::from([("zone".to_owned(), "1".to_owned())]));
    assert_eq!(scene.statuses(StreamsBeat { tags, ..set(joining("b")) }), []);
    let described = scene.described();
    // The copies of the counts are with who does not count.
    for partition in 0..2 {
        let task = ("1", partition);
        let of = |tasks: fn(&DescribedStreamsMember) -> &Tasks| {
            described.members.iter().filter(|member| has(tasks(member), task)).count()
        };
        assert_eq!((of(|member| &member.target.active), of(|member| &member.target.standby)), (1, 1));
    }
}

#[test]
fn offsets_are_committed_by_members_in_their_epochs() {
    let mut scene = scene(2);
    let commit = |member: &str, epoch, topic: &str, epochs_known| {
        let who = Membership { member: member.to_owned(), instance: None, generation: epoch };
        let topic = topic.to_owned();
        let offset = NewOffset { topic, partition: 0, offset: 1, leader_epoch: -1, metadata: String::new() };
        Commit { who, epochs_known, retention: None, offsets: vec![offset] }
    };
    scene.beat(joining("a")).unwrap();
    let kept = scene.beat(joining("b")).and_then(|_| scene.beat(staying("a", 2))).unwrap().tasks.unwrap();
    scene.beat(owning("a", 2, kept.clone())).unwrap();
    let kept_topic = if has(&kept.active, ("0", 0)) { "lines" } else { "by-word" };
    for (who, expected) in [
        (commit("a", 3, "lines", true), Ok(())),
        (commit("a", 4, "lines", true), Err(Refusal::StaleEpoch)),
        (commit("a", 2, kept_topic, true), Ok(())),
        (commit("a", 1, kept_topic, true), Err(Refusal::StaleEpoch)),
        (commit("a", 2, "other", true), Err(Refusal::StaleEpoch)),
        (commit("a", 3, "lines", false), Err(Refusal::UnsupportedVersion)),
        (commit("x", 3, "lines", true), Err(Refusal::UnknownMember)),
        (commit("", -1, "lines", true), Err(Refusal::UnknownMember)),
    ] {
        let words = format!("{who:?}");
        let answer = scene.ask(Request::Commit(who));
        let Answer::Each(result) = answer else { panic!("{answer:?}") };
        assert_eq!(result.map(drop), expected, "{words}");
    }
    let delete = |topic: &str| Request::DeleteOffsets(vec![(topic.to_owned(), vec![0])]);
    assert_eq!(scene.ask(delete("lines")), Answer::Each(Ok(vec![Err(Refusal::Subscribed)])));
    assert_eq!(scene.ask(Request::Delete), Answer::Done(Err(Refusal::NonEmpty)));
    for (member, epoch, expected) in [("a", 3, Ok(())), ("a", 2, Err(Refusal::StaleEpoch)), ("x", 1, Err(Refusal::UnknownMember))]
    {
        let who = Membership { member: member.to_owned(), instance: None, generation: epoch };
        let Answer::Offsets(result) = scene.ask(Request::Fetch(None, who)) else { panic!("offsets") };
        assert_eq!(result.map(drop), expected, "{member} {epoch}");
    }
    scene.beat(staying("a", -1)).unwrap();
    scene.beat(staying("b", -1)).unwrap();
    assert_eq!(scene.ask(delete("lines")), Answer::Each(Ok(vec![Ok(())])));
    assert_eq!(scene.ask(Request::Delete), Answer::Done(Ok(())));
    assert!(!scene.group.exists());
}

#[test]
fn groups_of_other_kinds_stay_what_they_are_unless_nobody_is_in_them() {
    let someone = |member_id_required| Join {
        member: String::new(),
        instance: None,
        client_id: "c".to_owned(),
        client_host: "/h".to_owned(),
        session_timeout: Duration::from_secs(10),
        rebalance_timeout: Duration::from_secs(10),
        protocol_type: "consumer".to_owned(),
        protocols: vec![Protocol { name: "range".to_owned(), metadata: bytes::Bytes::new() }],
        member_id_required,
        skip_assignment_known: false,
    };
    let mut scene = scene(1);
    scene.beat(joining("a")).unwrap();
    let Answer::Join(Err(refused)) = scene.ask(Request::Join(Box::new(someone(true)), "m".to_owned())) else { panic!("joined") };
    assert_eq!(refused.refusal, Refusal::InconsistentProtocol);
    let consumer = crate::kafka::group::request::Beat { member: "m".to_owned(), ..Default::default() };
    let answer = scene.ask(Request::Beat(Box::new(consumer), "m".to_owned()));
    assert_eq!(answer, Answer::Beat(Err(Refusal::OtherKind)));
    assert_eq!(scene.ask(Request::Describe), Answer::Described(Err(Refusal::OtherKind)));
    scene.beat(staying("a", -1)).unwrap();
    let Answer::Join(Err(refused)) = scene.ask(Request::Join(Box::new(someone(true)), "m".to_owned())) else { panic!("joined") };
    assert_eq!(refused.refusal, Refusal::MemberIdRequired);
    assert_eq!(scene.group.summary().unwrap().kind, Kind::Classic);
}

/// What somebody in the crowd does next.
#[derive(Clone, Copy, Debug)]
enum Act {
    Join(u8),
    Beat(u8),
    /// A heartbeat that says what the member has.
    Report(u8),
    Leave(u8),
    Wait(u8),
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    let who = 0..5_u8;
    prop_oneof![
        2 => who.clone().prop_map(Act::Join),
        4 => who.clone().prop_map(Act::Beat),
        6 => who.clone().prop_map(Act::Report),
        1 => who.prop_map(Act::Leave),
        1 => (1..60_u8).prop_map(Act::Wait),
        1 => Just(Act::Restart),
    ]
}

/// What a member was told it has, and what it works on: what it is to give up as well, until it says that it has.
#[derive(Clone, Default)]
struct Belief {
    epoch: i32,
    told: Target,
    works_on: Tasks,
}

proptest! {
    /// Nobody works on a task that another works on, and when all have come to rest each task is worked on.
    #[test]
    fn no_task_is_worked_on_twice_and_in_the_end_all_are(acts in proptest::collection::vec(act(), 1..60)) {
        let mut scene = scene(3);
        let mut crowd = HashMap::<u8, Belief>::new();
        let name = |who: u8| format!("m{who}");
        let set = |beat: StreamsBeat| {
            // Two threads of one process, and others.
            let process = format!("p{}", beat.member.bytes().next_back().unwrap_or_default() / 2);
            let settings = Settings { standbys: 1, ..settings() };
            StreamsBeat { settings, process: (beat.epoch == 0).then_some(process), ..beat }
        };
        let rest = (0..40).flat_map(|_| (0..5).map(Act::Report)).collect::<Vec<_>>();
        // Who has been removed hears of it; then somebody is there for certain.
        let last = (0..5).map(Act::Report).chain([Act::Join(0)]);
        for act in acts.into_iter().chain(last).chain(rest) {
            let (who, beat) = match act {
                Act::Join(who) if !crowd.contains_key(&who) => (who, set(joining(&name(who)))),
                Act::Beat(who) if crowd.contains_key(&who) => (who, set(staying(&name(who), crowd[&who].epoch))),
                Act::Report(who) if crowd.contains_key(&who) => {
                    let belief = crowd.entry(who).or_default();
                    belief.works_on = belief.told.active.clone();
                    (who, set(owning(&name(who), belief.epoch, belief.told.clone())))
                }
                Act::Leave(who) if crowd.contains_key(&who) => (who, set(staying(&name(who), -1))),
                Act::Wait(seconds) => {
                    scene.wait(seconds.into());
                    continue;
                }
                Act::Restart => {
                    scene.restart();
                    continue;
                }
                _ => continue,
            };
            match scene.beat(beat) {
                Ok(beaten) if beaten.epoch >= 0 => {
                    let belief = crowd.entry(who).or_default();
                    belief.epoch = beaten.epoch;
                    belief.told = beaten.tasks.unwrap_or_else(|| belief.told.clone());
                    each(&belief.told.active).for_each(|task| put(&mut belief.works_on, task));
                }
                // Gone, or fenced: it gives up all that it has.
                _ => drop(crowd.remove(&who)),
            }
            // Who was removed does not know it yet; its tasks are its own until its session ends for it, too.
            let known = scene.group.streams.as_ref().map(|roster| roster.members.keys().cloned().collect::<BTreeSet<_>>());
            let present = crowd.iter().filter(|(who, _)| known.as_ref().is_some_and(|known| known.contains(&name(**who))));
            let mut seen = BTreeSet::new();
            for (_, belief) in present {
                for task in each(&belief.works_on) {
                    prop_assert!(seen.insert((task.0.to_owned(), task.1)), "{task:?} is worked on twice");
                }
            }
        }
        let worked = crowd.values().map(|belief| each(&belief.works_on).count()).sum::<usize>();
        prop_assert_eq!((worked, scene.state()), (6, State::Stable));
    }
}
