//! Groups of the consumer protocol, as dialogues and as a crowd of members that come, go, fall silent and change.

use bytes::{BufMut, Bytes};
use proptest::prelude::*;

use super::*;
use crate::kafka::group::config::GroupConfig;
use crate::kafka::group::decide::{self, Decision, Rules};
use crate::kafka::group::request::{Beaten, ConsumerSettings, Kind, NewOffset, Protocol, Request};
use crate::kafka::group::state::{Now, State};
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
    next_id: u32,
    disk: Vec<Change>,
}

fn scene() -> Scene {
    let (group, topics) = (Group::new(1, "g".into()), Shelf::default());
    let config = GroupConfig { consumer_assignment_interval: Duration::ZERO, ..GroupConfig::default() };
    Scene { group, config, topics, seconds: 1_000, next_id: 0, disk: Vec::new() }
}

impl Scene {
    fn now(&self) -> Now {
        let millis = i64::try_from(self.seconds * 1_000).unwrap();
        Now { time: Timestamp(millis), elapsed: Duration::from_secs(self.seconds) }
    }

    fn carry_out(&mut self, decision: Decision) -> Vec<Answer> {
        let mut answers = decision.replies.into_iter().map(|(_, answer)| answer).collect::<Vec<_>>();
        for change in decision.changes {
            let now = self.now();
            self.disk.push(change.clone());
            let rules = Rules { config: &self.config, topics: &self.topics };
            let next = match change {
                Change::Generation(generation) => decide::stored(&mut self.group, rules, now, generation),
                Change::Downgraded { rebalances, .. } => {
                    self.group.apply(change, now);
                    if rebalances { decide::downgraded(&mut self.group, rules, now) } else { Decision::default() }
                }
                _ => {
                    self.group.apply(change, now);
                    Decision::default()
                }
            };
            answers.extend(self.carry_out(next));
        }
        answers
    }

    fn ask(&mut self, request: Request) -> Option<Answer> {
        let now = self.now();
        let rules = Rules { config: &self.config, topics: &self.topics };
        let decision = decide::decide(&mut self.group, rules, now, 1, request);
        self.carry_out(decision).into_iter().next()
    }

    fn beat(&mut self, beat: Beat) -> Result<Beaten, Refusal> {
        self.next_id += 1;
        match self.ask(Request::Beat(Box::new(beat), format!("m{}", self.next_id))) {
            Some(Answer::Beat(result)) => result,
            other => panic!("{other:?}"),
        }
    }

    fn join(&mut self, join: Join) -> Result<Joined, JoinRefused> {
        self.next_id += 1;
        match self.ask(Request::Join(Box::new(join), format!("m{}", self.next_id))) {
            Some(Answer::Join(result)) => result,
            other => panic!("{other:?}"),
        }
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

    fn kind(&self) -> Option<Kind> {
        self.group.summary().map(|line| line.kind)
    }
}

fn joining(topics: &[&str]) -> Beat {
    Beat {
        rebalance_timeout: Some(Duration::from_secs(REBALANCE)),
        topics: Some(topics.iter().map(|&topic| topic.to_owned()).collect()),
        owned: Some(Target::new()),
        ..Beat::default()
    }
}

fn named(member: &str, topics: &[&str]) -> Beat {
    Beat { member: member.to_owned(), ..joining(topics) }
}

fn again(member: &str, epoch: i32) -> Beat {
    Beat { member: member.to_owned(), epoch, ..Beat::default() }
}

fn owning(member: &str, epoch: i32, owned: &Target) -> Beat {
    Beat { owned: Some(owned.clone()), ..again(member, epoch) }
}

fn fixed(beat: Beat, instance: &str) -> Beat {
    Beat { instance: Some(instance.to_owned()), ..beat }
}

fn of(topic: Uuid, partitions: &[i32]) -> Target {
    Target::from([(topic, partitions.iter().copied().collect())])
}

/// The epoch and the assignment in an answer.
fn told(result: Result<Beaten, Refusal>) -> (i32, Option<Target>) {
    let beaten = result.unwrap();
    (beaten.epoch, beaten.assignment)
}

#[test]
fn a_partition_is_given_up_before_another_member_gets_it() {
    let mut scene = scene();
    let orders = scene.topics.create("orders", 2);
    assert_eq!(told(scene.beat(named("a", &["orders"]))), (1, Some(of(orders, &[0, 1]))));
    assert_eq!(told(scene.beat(again("a", 1))), (1, None));
    assert_eq!(scene.state(), State::Stable);
    // The second is in the newest epoch, with what is free: nothing.
    assert_eq!(told(scene.beat(named("b", &["orders"]))), (2, Some(Target::new())));
    assert_eq!(scene.state(), State::Reconciling);
    assert_eq!(told(scene.beat(again("a", 1))), (1, Some(of(orders, &[0]))));
    // It has not said that it has given anything up.
    assert_eq!(told(scene.beat(again("a", 1))), (1, None));
    assert_eq!(told(scene.beat(again("b", 2))), (2, None));
    assert_eq!(told(scene.beat(owning("a", 1, &of(orders, &[0])))), (2, None));
    assert_eq!(told(scene.beat(again("b", 2))), (2, Some(of(orders, &[1]))));
    assert_eq!(scene.state(), State::Stable);
}

#[test]
fn epochs_fence_all_but_the_present_and_a_lost_answer() {
    let mut scene = scene();
    let orders = scene.topics.create("orders", 2);
    assert_eq!(scene.beat(again("a", 1)), Err(Refusal::UnknownGroup));
    scene.beat(named("a", &["orders"])).unwrap();
    assert_eq!(scene.beat(again("x", 1)), Err(Refusal::UnknownMember));
    assert_eq!(scene.beat(again("a", 2)), Err(Refusal::EpochFenced));
    scene.topics.grow("orders", 1);
    assert_eq!(told(scene.beat(again("a", 1))), (2, Some(of(orders, &[0, 1, 2]))));
    // Its answer was lost: it says what it has, which is part of what it was given.
    assert_eq!(told(scene.beat(owning("a", 1, &of(orders, &[0, 1])))), (2, None));
    assert_eq!(scene.beat(again("a", 1)), Err(Refusal::EpochFenced));
    assert_eq!(scene.beat(owning("a", 1, &of(orders, &[7]))), Err(Refusal::EpochFenced));
    // Fenced, it joins again and finds what it had.
    assert_eq!(told(scene.beat(named("a", &["orders"]))), (2, Some(of(orders, &[0, 1, 2]))));
}

#[test]
fn members_whose_time_is_up_go() {
    let mut scene = scene();
    let orders = scene.topics.create("orders", 2);
    scene.beat(named("a", &["orders"])).unwrap();
    scene.beat(named("b", &["orders"])).unwrap();
    scene.wait(SESSION - 1);
    assert_eq!(told(scene.beat(again("a", 1))), (1, Some(of(orders, &[0]))));
    scene.wait(1);
    assert_eq!(scene.beat(again("b", 2)), Err(Refusal::UnknownMember));
    // What it was told to give up comes back to it when it has given it up.
    assert_eq!(told(scene.beat(again("a", 1))), (1, None));
    assert_eq!(told(scene.beat(owning("a", 1, &of(orders, &[0])))), (3, Some(of(orders, &[0, 1]))));
}

#[test]
fn who_keeps_what_it_was_told_to_give_up_is_removed() {
    let mut scene = scene();
    let orders = scene.topics.create("orders", 2);
    scene.beat(named("a", &["orders"])).unwrap();
    scene.beat(named("b", &["orders"])).unwrap();
    for beat in 0..REBALANCE / 10 {
        assert_eq!(scene.beat(again("a", 1)).unwrap().epoch, 1, "beat {beat}");
        assert_eq!(scene.beat(again("b", 2)).unwrap().epoch, 2);
        scene.wait(10);
    }
    assert_eq!(scene.beat(again("a", 1)), Err(Refusal::UnknownMember));
    assert_eq!(told(scene.beat(again("b", 2))), (3, Some(of(orders, &[0, 1]))));
}

#[test]
fn a_static_member_that_comes_back_finds_its_place() {
    let mut scene = scene();
    let orders = scene.topics.create("orders", 2);
    scene.beat(fixed(named("a", &["orders"]), "one")).unwrap();
    assert_eq!(scene.beat(fixed(named("b", &["orders"]), "one")), Err(Refusal::InstanceUnreleased));
    let gone = scene.beat(fixed(again("a", AWAY), "one")).unwrap();
    assert_eq!((gone.epoch, gone.assignment), (AWAY, None));
    assert_eq!(told(scene.beat(fixed(named("b", &["orders"]), "one"))), (1, Some(of(orders, &[0, 1]))));
    assert_eq!(scene.beat(fixed(again("a", 1), "one")), Err(Refusal::InstanceFenced));
    assert_eq!(scene.beat(fixed(again("b", 1), "two")), Err(Refusal::UnknownMember));
    assert_eq!(scene.beat(fixed(again("b", -1), "one")).unwrap().epoch, -1);
    assert_eq!((scene.state(), scene.kind()), (State::Empty, Some(Kind::Consumer)));
}

#[test]
fn topics_that_come_go_and_grow_are_assigned_at_the_next_heartbeat() {
    let mut scene = scene();
    let pattern = Beat { pattern: Some("or.*".to_owned()), topics: None, ..named("a", &[]) };
    assert_eq!(told(scene.beat(pattern)), (1, Some(Target::new())));
    scene.topics.create("payments", 5);
    assert_eq!(told(scene.beat(again("a", 1))), (1, None));
    let orders = scene.topics.create("orders", 1);
    assert_eq!(told(scene.beat(again("a", 1))), (2, Some(of(orders, &[0]))));
    scene.topics.grow("orders", 1);
    assert_eq!(told(scene.beat(again("a", 2))), (3, Some(of(orders, &[0, 1]))));
    scene.topics.delete("orders");
    assert_eq!(told(scene.beat(again("a", 3))), (3, Some(Target::new())));
    assert_eq!(told(scene.beat(owning("a", 3, &Target::new()))), (4, None));
    let anew = scene.topics.create("orders", 1);
    assert_eq!(told(scene.beat(again("a", 4))), (5, Some(of(anew, &[0]))));
    // Another subscription takes effect at once.
    let other = Beat { pattern: Some(String::new()), topics: Some(BTreeSet::new()), ..owning("a", 5, &of(anew, &[0])) };
    assert_eq!(told(scene.beat(other)), (5, Some(Target::new())));
}

#[test]
fn topics_of_a_new_pattern_come_with_the_next_heartbeat() {
    let mut scene = scene();
    let (orders, events) = (scene.topics.create("orders", 2), scene.topics.create("events", 1));
    let both = [of(orders, &[0, 1]), of(events, &[0])].into_iter().flatten().collect::<Target>();
    let pattern = |text: &str, beat| Beat { pattern: Some(text.to_owned()), ..beat };
    assert_eq!(told(scene.beat(pattern("ev.*", named("a", &["orders"])))), (1, Some(of(orders, &[0, 1]))));
    assert_eq!(told(scene.beat(again("a", 1))), (2, Some(both.clone())));
    assert_eq!(told(scene.beat(again("a", 2))), (2, None));
    // What the group has found already is no news to it.
    let second = named("b", &["payments"]);
    assert_eq!(told(scene.beat(pattern("ev.*", second))), (3, Some(Target::new())));
    assert_eq!(scene.beat(again("b", -1)).unwrap().epoch, -1);
    assert_eq!(told(scene.beat(again("a", 2))), (4, None));
    // What only the pattern before has found goes at once.
    assert_eq!(told(scene.beat(pattern("e.*", again("a", 4)))), (4, Some(of(orders, &[0, 1]))));
    assert_eq!(told(scene.beat(owning("a", 4, &of(orders, &[0, 1])))), (6, Some(both.clone())));
    // The next heartbeat may be another member's, or come after a start of the gateway.
    assert_eq!(told(scene.beat(pattern(".*s", again("a", 6)))), (6, Some(of(orders, &[0, 1]))));
    scene.restart();
    assert_eq!(told(scene.beat(owning("a", 6, &of(orders, &[0, 1])))), (8, Some(both)));
    // It may find only what others have by name.
    assert_eq!(told(scene.beat(pattern("ord.*", named("c", &[])))), (8, Some(Target::new())));
    let less = [of(orders, &[0]), of(events, &[0])].into_iter().flatten().collect::<Target>();
    assert_eq!(told(scene.beat(again("a", 8))), (8, Some(less.clone())));
    assert_eq!(told(scene.beat(owning("a", 8, &less))), (9, None));
    assert_eq!(told(scene.beat(again("c", 8))), (9, Some(of(orders, &[1]))));
}

#[test]
fn partitions_are_assigned_anew_no_sooner_than_that_is_set() {
    let mut scene = scene();
    scene.config.consumer_assignment_interval = Duration::from_secs(2);
    let orders = scene.topics.create("orders", 2);
    let both = of(orders, &[0, 1]);
    assert_eq!(told(scene.beat(named("a", &["orders"]))), (1, Some(both.clone())), "the first need not wait");
    scene.wait(1);
    assert_eq!(told(scene.beat(named("b", &["orders"]))), (1, Some(Target::new())));
    assert_eq!((scene.state(), told(scene.beat(again("a", 1)))), (State::Assigning, (1, None)));
    scene.wait(1);
    assert_eq!(told(scene.beat(again("b", 1))), (2, None));
    assert_eq!(told(scene.beat(again("a", 1))), (1, Some(of(orders, &[0]))));
    assert_eq!(told(scene.beat(owning("a", 1, &of(orders, &[0])))), (2, None));
    assert_eq!(told(scene.beat(again("b", 2))), (2, Some(of(orders, &[1]))));
    // Who goes leaves it to the next heartbeat behind that time.
    scene.beat(again("b", -1)).unwrap();
    assert_eq!(told(scene.beat(again("a", 2))), (2, None));
    scene.wait(2);
    assert_eq!(told(scene.beat(again("a", 2))), (3, Some(both.clone())));
    // A group may set it itself.
    let settings = ConsumerSettings { assignment_interval: Some(Duration::ZERO), ..ConsumerSettings::default() };
    assert_eq!(told(scene.beat(Beat { settings, ..named("b", &["orders"]) })), (4, Some(Target::new())));
    // Whoever is first again need not wait.
    scene.beat(again("a", -1)).unwrap();
    scene.beat(again("b", -1)).unwrap();
    assert_eq!(told(scene.beat(named("c", &["orders"]))), (7, Some(both)));
}

#[test]
fn a_classic_member_is_not_called_before_there_is_something_for_it() {
    let mut scene = scene();
    scene.config.consumer_assignment_interval = Duration::from_secs(2);
    classic_group(&mut scene, 3);
    let beat = |generation| Request::Heartbeat(Membership { member: "m1".to_owned(), instance: None, generation });
    let called = Some(Answer::Done(Err(Refusal::RebalanceInProgress)));
    assert_eq!(told(scene.beat(named("a", &["orders"]))).0, 2, "the first need not wait");
    assert_eq!(scene.ask(beat(1)), called);
    assert_eq!(scene.join(classic("m1", &["orders"])).unwrap().generation, 2);
    scene.wait(1);
    assert_eq!(told(scene.beat(named("b", &["orders"]))).0, 2);
    assert_eq!(share(scene.ask(sync("m1", 2, vec![]))).len(), 1);
    assert_eq!((scene.state(), scene.ask(beat(2))), (State::Assigning, Some(Answer::Done(Ok(())))));
    scene.wait(1);
    assert_eq!(scene.ask(beat(2)), called, "its join computes it");
    assert_eq!(scene.join(classic("m1", &["orders"])).unwrap().generation, 3);
    assert_eq!(told(scene.beat(again("b", 2))).0, 3);
}

#[test]
fn a_group_has_room_for_so_many() {
    let mut scene = scene();
    scene.config.group_size_max = 1;
    scene.beat(named("a", &[])).unwrap();
    assert_eq!(scene.beat(joining(&[])), Err(Refusal::GroupFull));
    assert_eq!(scene.beat(again("a", 1)).unwrap().epoch, 1);
}

#[test]
fn members_commit_in_their_epoch_what_they_were_given_by_then() {
    let mut scene = scene();
    scene.topics.create("orders", 1);
    scene.beat(named("a", &["orders"])).unwrap();
    scene.topics.grow("orders", 1);
    scene.beat(again("a", 1)).unwrap();
    let commit = |member: &str, generation, partition, epochs_known| {
        let who = Membership { member: member.to_owned(), instance: None, generation };
        let new = NewOffset { topic: "orders".to_owned(), partition, offset: 1, leader_epoch: -1, metadata: String::new() };
        Request::Commit(Commit { who, epochs_known, retention: None, offsets: vec![new] })
    };
    for (request, result) in [
        (commit("a", 2, 1, true), Ok(vec![Ok(())])),
        (commit("a", 1, 0, true), Ok(vec![Ok(())])),
        (commit("a", 1, 1, true), Err(Refusal::StaleEpoch)),
        (commit("a", 3, 0, true), Err(Refusal::StaleEpoch)),
        (commit("a", 2, 0, false), Err(Refusal::UnsupportedVersion)),
        (commit("b", 2, 0, true), Err(Refusal::UnknownMember)),
        (commit("", -1, 0, true), Err(Refusal::UnknownMember)),
    ] {
        assert_eq!(scene.ask(request), Some(Answer::Each(result)));
    }
    let fetch = |member: &str, generation| {
        Request::Fetch(Some(Vec::new()), Membership { member: member.to_owned(), instance: None, generation })
    };
    assert_eq!(scene.ask(fetch("a", 1)), Some(Answer::Offsets(Err(Refusal::StaleEpoch))));
    assert_eq!(scene.ask(fetch("b", 1)), Some(Answer::Offsets(Err(Refusal::UnknownMember))));
    assert_eq!(scene.ask(fetch("a", 2)), Some(Answer::Offsets(Ok(vec![]))));
    assert_eq!(scene.ask(fetch("", -1)), Some(Answer::Offsets(Ok(vec![]))));
}

/// What a consumer of the classic protocol says.
fn classic(member: &str, topics: &[&str]) -> Join {
    let mut metadata = vec![0, 1];
    metadata.put_i32(topics.len().try_into().unwrap());
    for topic in topics {
        metadata.put_i16(topic.len().try_into().unwrap());
        metadata.put_slice(topic.as_bytes());
    }
    metadata.put_i32(-1);
    metadata.put_i32(0);
    Join {
        member: member.to_owned(),
        instance: None,
        client_id: "client".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        session_timeout: Duration::from_secs(SESSION),
        rebalance_timeout: Duration::from_secs(REBALANCE),
        protocol_type: "consumer".to_owned(),
        protocols: vec![Protocol { name: "range".to_owned(), metadata: metadata.into() }],
        member_id_required: false,
        skip_assignment_known: true,
    }
}

fn sync(member: &str, generation: i32, assignments: Vec<(String, Bytes)>) -> Request {
    let who = Membership { member: member.to_owned(), instance: None, generation };
    Request::Sync(Sync { who, assignments, ..Sync::default() })
}

/// The share in the answer to a sync.
fn share(answer: Option<Answer>) -> Partitions {
    let Some(Answer::Sync(Ok(synced))) = answer else { panic!("{answer:?}") };
    subscription::assigned(&synced.assignment).unwrap()
}

/// A classic group with one member, which reads all of `orders`.
fn classic_group(scene: &mut Scene, partitions: i32) -> Uuid {
    let orders = scene.topics.create("orders", partitions);
    let joined = scene.join(classic("", &["orders"])).unwrap();
    let all = vec![("orders".to_owned(), (0..partitions).collect())];
    let all = subscription::assignment(&[0, 1], &all);
    scene.ask(sync(&joined.member, joined.generation, vec![(joined.member.clone(), all)]));
    assert_eq!((scene.state(), scene.kind()), (State::Stable, Some(Kind::Classic)));
    orders
}

#[test]
fn a_classic_group_goes_over_and_comes_back_while_its_members_read() {
    let mut scene = scene();
    let orders = classic_group(&mut scene, 2);
    let beat = |generation| Request::Heartbeat(Membership { member: "m1".to_owned(), instance: None, generation });
    // The new member waits for what the old one has.
    assert_eq!(told(scene.beat(named("a", &["orders"]))), (2, Some(Target::new())));
    assert_eq!((scene.state(), scene.kind()), (State::Reconciling, Some(Kind::Consumer)));
    assert_eq!(scene.ask(beat(1)), Some(Answer::Done(Err(Refusal::RebalanceInProgress))));
    // An eager member has given up everything before it joins again.
    let joined = scene.join(classic("m1", &["orders"])).unwrap();
    assert_eq!((joined.generation, joined.protocol.as_deref(), joined.members.len()), (2, Some("range"), 0));
    assert_eq!(share(scene.ask(sync("m1", 2, vec![]))), [("orders".to_owned(), vec![0])]);
    assert_eq!(scene.ask(beat(2)), Some(Answer::Done(Ok(()))));
    assert_eq!(told(scene.beat(again("a", 2))), (2, Some(of(orders, &[1]))));
    assert_eq!(scene.state(), State::Stable);
    scene.restart();
    assert_eq!(scene.ask(beat(2)), Some(Answer::Done(Ok(()))));
    // The last one of the new protocol leaves.
    assert_eq!(scene.beat(again("a", -1)).unwrap().epoch, -1);
    assert_eq!((scene.state(), scene.kind()), (State::PreparingRebalance, Some(Kind::Classic)));
    assert_eq!(scene.ask(beat(2)), Some(Answer::Done(Err(Refusal::RebalanceInProgress))));
    let joined = scene.join(classic("m1", &["orders"])).unwrap();
    assert_eq!((joined.generation, joined.leader.as_str(), joined.members.len()), (3, "m1", 1));
    assert_eq!(scene.beat(again("a", 2)), Err(Refusal::OtherKind));
}

#[test]
fn a_classic_member_that_is_called_and_does_not_come_goes() {
    let mut scene = scene();
    let orders = classic_group(&mut scene, 2);
    scene.beat(named("a", &["orders"])).unwrap();
    let beat = |generation| Request::Heartbeat(Membership { member: "m1".to_owned(), instance: None, generation });
    for _ in 0..REBALANCE / 10 {
        assert_eq!(scene.ask(beat(1)), Some(Answer::Done(Err(Refusal::RebalanceInProgress))));
        assert_eq!(scene.beat(again("a", 2)).unwrap().epoch, 2);
        scene.wait(10);
    }
    assert_eq!(scene.ask(beat(1)), Some(Answer::Done(Err(Refusal::UnknownMember))));
    assert_eq!(told(scene.beat(again("a", 2))), (3, Some(of(orders, &[0, 1]))));
    // And so does one that joins and does not sync.
    let joined = scene.join(classic("", &["orders"])).unwrap();
    scene.wait(SESSION - 1);
    scene.beat(again("a", 3)).unwrap();
    scene.wait(1);
    let who = Membership { member: joined.member, instance: None, generation: joined.generation };
    assert_eq!(scene.ask(Request::Heartbeat(who)), Some(Answer::Done(Err(Refusal::UnknownMember))));
}

#[test]
fn an_empty_group_changes_its_kind_with_its_first_member() {
    let mut scene = scene();
    classic_group(&mut scene, 1);
    scene.ask(Request::Leave(vec![Leaver { member: "m1".to_owned(), instance: None }]));
    assert_eq!((scene.state(), scene.kind()), (State::Empty, Some(Kind::Classic)));
    assert_eq!(scene.beat(named("a", &["orders"])).unwrap().epoch, 1);
    assert_eq!(scene.kind(), Some(Kind::Consumer));
    scene.beat(again("a", -1)).unwrap();
    assert_eq!((scene.state(), scene.kind()), (State::Empty, Some(Kind::Consumer)));
    assert_eq!(scene.join(classic("", &["orders"])).unwrap().generation, 1);
    assert_eq!(scene.kind(), Some(Kind::Classic));
}

#[test]
fn a_group_that_is_not_of_consumers_stays_as_it_is() {
    let mut scene = scene();
    scene.join(Join { protocol_type: "connect".to_owned(), ..classic("", &[]) }).unwrap();
    assert_eq!(scene.beat(named("a", &["orders"])), Err(Refusal::OtherKind));
    assert_eq!(scene.kind(), Some(Kind::Classic));
}

/// A member as its client plays it.
#[derive(Clone, Debug)]
struct Actor {
    id: String,
    instance: Option<String>,
    topics: Vec<&'static str>,
    epoch: i32,
    /// What it reads.
    owned: Target,
    /// What it was told to read.
    assigned: Target,
    /// Heartbeats until it has given up what it was told to.
    slowness: u32,
    is_classic: bool,
    alive: bool,
}

#[derive(Clone, Debug)]
enum Event {
    Join { topics: usize, fixed: bool, classic: bool },
    Leave(usize),
    Die(usize),
    Come(usize),
    Lose(usize),
    Subscribe(usize, usize),
    Create(usize),
    Delete(usize),
    Grow(usize),
    Restart,
    Rounds(u32),
}

const NAMES: [&str; 3] = ["orders", "payments", "logs"];

fn some_topics(bits: usize) -> Vec<&'static str> {
    (0..NAMES.len()).filter(|at| bits >> at & 1 == 1).map(|at| NAMES[at]).collect()
}

fn event() -> impl Strategy<Value = Event> {
    let (anybody, topics, one) = (0..8_usize, 0..8_usize, 0..NAMES.len());
    prop_oneof![
        4 => (topics.clone(), any::<bool>(), prop::bool::weighted(0.3))
            .prop_map(|(topics, fixed, classic)| Event::Join { topics, fixed: fixed && !classic, classic }),
        1 => anybody.clone().prop_map(Event::Leave),
        1 => anybody.clone().prop_map(Event::Die),
        1 => anybody.clone().prop_map(Event::Come),
        2 => anybody.clone().prop_map(Event::Lose),
        1 => (anybody, topics).prop_map(|(who, topics)| Event::Subscribe(who, topics)),
        1 => one.clone().prop_map(Event::Create),
        1 => one.clone().prop_map(Event::Delete),
        1 => one.prop_map(Event::Grow),
        1 => Just(Event::Restart),
        4 => (1..4_u32).prop_map(Event::Rounds),
    ]
}

/// A group and everybody who takes part in it.
struct Stage {
    scene: Scene,
    actors: Vec<Actor>,
}

impl Stage {
    fn play(&mut self, event: Event) {
        let count = self.actors.len();
        let who = |at: usize| if count == 0 { None } else { Some(at % count) };
        match event {
            Event::Join { topics, fixed, classic } if count < 8 => self.enter(some_topics(topics), fixed, classic),
            Event::Join { .. } => {}
            Event::Leave(at) => drop(who(at).map(|at| self.leave(at))),
            Event::Die(at) => drop(who(at).map(|at| {
                (self.actors[at].alive, self.actors[at].owned) = (false, Target::new());
            })),
            Event::Come(at) => drop(who(at).map(|at| self.come_back(at))),
            Event::Lose(at) => drop(who(at).filter(|&at| self.actors[at].alive).map(|at| self.turn(at, true))),
            Event::Subscribe(at, topics) => drop(who(at).map(|at| {
                self.actors[at].topics = some_topics(topics);
                if self.actors[at].is_classic {
                    // It says so by joining again.
                    self.actors[at].epoch = 0;
                } else if self.actors[at].alive {
                    self.turn(at, false);
                }
            })),
            Event::Create(at) if self.scene.topics.named(NAMES[at]).is_none() => drop(self.scene.topics.create(NAMES[at], 3)),
            Event::Create(_) => {}
            Event::Delete(at) => self.scene.topics.delete(NAMES[at]),
            Event::Grow(at) => self.scene.topics.grow(NAMES[at], 1),
            Event::Restart => self.scene.restart(),
            Event::Rounds(rounds) => (0..rounds).for_each(|_| self.round()),
        }
        self.check();
    }

    fn enter(&mut self, topics: Vec<&'static str>, fixed: bool, is_classic: bool) {
        self.scene.next_id += 1;
        let id = format!("actor{}", self.scene.next_id);
        let instance = fixed.then(|| format!("i-{id}"));
        let (owned, assigned) = (Target::new(), Target::new());
        let slowness = self.scene.next_id % 3;
        let actor = Actor { id, instance, topics, epoch: 0, owned, assigned, slowness, is_classic, alive: true };
        self.actors.push(actor);
        self.turn(self.actors.len() - 1, false);
    }

    fn leave(&mut self, at: usize) {
        let actor = self.actors.remove(at);
        if actor.is_classic {
            let (member, instance) = (actor.id, actor.instance);
            self.scene.ask(Request::Leave(vec![Leaver { member, instance }]));
        } else {
            let beat = Beat { instance: actor.instance, ..again(&actor.id, -1) };
            let _ = self.scene.beat(beat);
        }
    }

    /// A dead static member is away and comes back under another id; another one is just new.
    fn come_back(&mut self, at: usize) {
        if self.actors[at].alive {
            return;
        }
        if let Some(instance) = self.actors[at].instance.clone() {
            let _ = self.scene.beat(fixed(again(&self.actors[at].id, AWAY), &instance));
        }
        self.scene.next_id += 1;
        let actor = &mut self.actors[at];
        (actor.id, actor.epoch, actor.alive) = (format!("actor{}", self.scene.next_id), 0, true);
        (actor.owned, actor.assigned) = (Target::new(), Target::new());
        self.turn(at, false);
    }

    fn round(&mut self) {
        for at in 0..self.actors.len() {
            if self.actors[at].alive {
                self.turn(at, false);
                self.check();
            }
        }
        self.scene.wait(5);
    }

    /// A member does what its client does between two heartbeats, and sends one.
    fn turn(&mut self, at: usize, loses_answer: bool) {
        if self.actors[at].is_classic { self.classic_turn(at) } else { self.consumer_turn(at, loses_answer) }
    }

    fn consumer_turn(&mut self, at: usize, loses_answer: bool) {
        let actor = &mut self.actors[at];
        let surplus = actor
            .owned
            .iter()
            .any(|(topic, partitions)| actor.assigned.get(topic).is_none_or(|assigned| !partitions.is_subset(assigned)));
        if surplus && actor.slowness > 0 {
            actor.slowness -= 1;
        } else {
            actor.owned = actor.assigned.clone();
        }
        let topics = actor.topics.iter().map(|&topic| topic.to_owned()).collect();
        let beat = Beat {
            member: actor.id.clone(),
            epoch: actor.epoch,
            instance: actor.instance.clone(),
            topics: Some(topics),
            owned: Some(if actor.epoch == 0 { Target::new() } else { actor.owned.clone() }),
            rebalance_timeout: Some(Duration::from_secs(REBALANCE)),
            ..Beat::default()
        };
        let result = self.scene.beat(beat);
        let actor = &mut self.actors[at];
        match result {
            Ok(_) if loses_answer => {}
            Ok(beaten) => {
                actor.epoch = beaten.epoch;
                if let Some(assignment) = beaten.assignment {
                    actor.assigned = assignment;
                }
            }
            // The last: a static member that was fenced waits, as in Kafka, until its session has ended.
            Err(
                Refusal::UnknownMember
                | Refusal::EpochFenced
                | Refusal::OtherKind
                | Refusal::UnknownGroup
                | Refusal::InstanceUnreleased,
            ) => {
                (actor.epoch, actor.owned, actor.assigned) = (0, Target::new(), Target::new());
            }
            Err(refusal) => panic!("{refusal:?} for {actor:?}"),
        }
    }

    /// An eager member: it gives up everything before it joins again.
    fn classic_turn(&mut self, at: usize) {
        let actor = self.actors[at].clone();
        let who = Membership { member: actor.id.clone(), instance: None, generation: actor.epoch };
        if actor.epoch > 0 && self.scene.ask(Request::Heartbeat(who)) == Some(Answer::Done(Ok(()))) {
            return;
        }
        self.actors[at].owned = Target::new();
        let id = if self.scene.group.summary().is_none_or(|line| line.kind == Kind::Classic) && actor.epoch == 0 {
            String::new()
        } else {
            actor.id.clone()
        };
        let answer = self.scene.ask(Request::Join(Box::new(classic(&id, &actor.topics)), actor.id.clone()));
        let Some(Answer::Join(Ok(joined))) = answer else {
            // Others have to join first, or it begins anew.
            if let Some(Answer::Join(Err(_))) = answer {
                self.actors[at].epoch = 0;
            }
            return;
        };
        self.actors[at].epoch = joined.generation;
        let answer = self.scene.ask(sync(&joined.member, joined.generation, vec![]));
        if let Some(Answer::Sync(Ok(synced))) = answer {
            let share = subscription::assigned(&synced.assignment).unwrap_or_default();
            let named = |(topic, partitions): (String, Vec<i32>)| {
                Some((self.scene.topics.named(&topic)?.id, partitions.into_iter().collect()))
            };
            self.actors[at].owned = share.into_iter().filter_map(named).collect();
        } else {
            self.actors[at].epoch = 0;
        }
    }

    /// Nobody reads what somebody else reads, or holds what somebody else holds.
    fn check(&self) {
        let mut read = BTreeSet::new();
        for actor in self.actors.iter().filter(|actor| !actor.is_classic) {
            for (topic, partition) in actor.owned.iter().flat_map(|(topic, all)| all.iter().map(move |one| (*topic, *one))) {
                assert!(read.insert((topic, partition)), "{topic} {partition} has two readers: {:#?}", self.actors);
            }
        }
        let mut held = BTreeSet::new();
        for member in self.scene.group.roster.iter().flat_map(|roster| roster.members.values()) {
            for share in [&member.holding.assigned, &member.holding.revoking] {
                for (topic, partition) in share.iter().flat_map(|(topic, all)| all.keys().map(move |one| (*topic, *one))) {
                    assert!(held.insert((topic, partition)), "{topic} {partition} is held twice");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_no_partition_has_two_readers_and_in_the_end_each_has_one(
        events in prop::collection::vec(event(), 1..60),
        interval in prop_oneof![Just(0), 1..9_u64],
    ) {
        let mut stage = Stage { scene: scene(), actors: Vec::new() };
        stage.scene.config.consumer_assignment_interval = Duration::from_secs(interval);
        stage.scene.topics.create(NAMES[0], 4);
        // Somebody of the consumer protocol is always there, so that the group is one.
        stage.enter(vec![NAMES[0]], false, false);
        let first = stage.actors[0].id.clone();
        for event in events {
            stage.play(event);
            if stage.actors.first().is_none_or(|actor| actor.id != first || !actor.alive) {
                break;
            }
        }
        // Quiet, for longer than anybody may stay silent.
        stage.actors.retain(|actor| actor.alive);
        (0..40).for_each(|_| stage.round());
        if stage.actors.iter().all(|actor| actor.is_classic) {
            return Ok(());
        }
        prop_assert_eq!(stage.scene.state(), State::Stable);
        for name in NAMES {
            let Some(topic) = stage.scene.topics.named(name) else { continue };
            let read = stage.actors.iter().flat_map(|actor| actor.owned.get(&topic.id).into_iter().flatten()).count();
            let wanted = stage.actors.iter().any(|actor| actor.topics.contains(&name));
            prop_assert_eq!(read, if wanted { usize::try_from(topic.partitions).unwrap() } else { 0 }, "{}", name);
        }
    }
}
