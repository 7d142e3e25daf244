//! Rebalances played as dialogues: requests in, answers out, time moved by hand, writes landed by hand.

use bytes::Bytes;

use super::*;
use crate::kafka::group::request::{Protocol, Results};
use crate::kafka::group::topics::Shelf;
use crate::model::Timestamp;

const SESSION: u64 = 10;
const REBALANCE: u64 = 60;

/// One group on a stage.
struct Scene {
    group: Group,
    config: GroupConfig,
    seconds: u64,
    next_ticket: Ticket,
    /// Changes not durable yet, with the answers that wait for them.
    unwritten: Vec<Decision>,
    /// Whether changes become durable at once.
    fast_disk: bool,
    answers: HashMap<Ticket, Answer>,
}

fn scene() -> Scene {
    Scene {
        group: Group::new(1, "g".into()),
        config: GroupConfig::default(),
        seconds: 1_000,
        next_ticket: 0,
        unwritten: Vec::new(),
        fast_disk: true,
        answers: HashMap::new(),
    }
}

fn someone() -> Join {
    Join {
        member: String::new(),
        instance: None,
        client_id: "client".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        session_timeout: Duration::from_secs(SESSION),
        rebalance_timeout: Duration::from_secs(REBALANCE),
        protocol_type: "consumer".to_owned(),
        protocols: vec![offer("range", b"m")],
        member_id_required: false,
        skip_assignment_known: false,
    }
}

fn offer(name: &str, metadata: &'static [u8]) -> Protocol {
    Protocol { name: name.to_owned(), metadata: Bytes::from_static(metadata) }
}

fn known(member: &str) -> Join {
    Join { member: member.to_owned(), ..someone() }
}

fn fixed(instance: &str) -> Join {
    Join { instance: Some(instance.to_owned()), ..someone() }
}

fn who(member: &str, generation: i32) -> Membership {
    Membership { member: member.to_owned(), instance: None, generation }
}

fn fixed_who(member: &str, instance: &str, generation: i32) -> Membership {
    Membership { instance: Some(instance.to_owned()), ..who(member, generation) }
}

fn share(member: &str, bytes: &'static [u8]) -> (String, Bytes) {
    (member.to_owned(), Bytes::from_static(bytes))
}

fn refused(refusal: Refusal) -> Option<Answer> {
    Some(Answer::Sync(Err(refusal)))
}

impl Scene {
    fn now(&self) -> Now {
        Now { time: Timestamp(i64::try_from(self.seconds * 1_000).unwrap()), elapsed: Duration::from_secs(self.seconds) }
    }

    fn ask(&mut self, request: Request) -> Ticket {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let now = self.now();
        let rules = Rules { config: &self.config, topics: &Shelf::default() };
        let decision = decide(&mut self.group, rules, now, ticket, request);
        self.take(decision);
        ticket
    }

    fn take(&mut self, decision: Decision) {
        self.unwritten.push(decision);
        if self.fast_disk {
            self.land();
        }
    }

    /// All writes become durable.
    fn land(&mut self) {
        for Decision { changes, replies } in std::mem::take(&mut self.unwritten) {
            for change in changes {
                match change {
                    Change::Generation(generation) => {
                        let now = self.now();
                        let rules = Rules { config: &self.config, topics: &Shelf::default() };
                        let next = stored(&mut self.group, rules, now, generation);
                        self.take(next);
                    }
                    other => self.group.apply(other, self.now()),
                }
            }
            self.answers.extend(replies);
        }
    }

    /// All writes fail.
    fn fail(&mut self) {
        for Decision { changes, replies } in std::mem::take(&mut self.unwritten) {
            for change in changes {
                if let Change::Generation(generation) = change {
                    let now = self.now();
                    let rules = Rules { config: &self.config, topics: &Shelf::default() };
                    let next = not_stored(&mut self.group, rules, now, &generation);
                    self.take(next);
                }
            }
            self.answers.extend(replies.into_iter().map(|(ticket, answer)| (ticket, answer.refused(Refusal::Unavailable))));
        }
    }

    /// Time passes; everything due on the way is done when it is due.
    fn pass(&mut self, seconds: u64) {
        let end = self.seconds + seconds;
        while let Some(due) = self.group.next_deadline().filter(|due| *due <= Duration::from_secs(end)) {
            self.seconds = self.seconds.max(due.as_secs());
            let now = self.now();
            let rules = Rules { config: &self.config, topics: &Shelf::default() };
            let decision = expire(&mut self.group, rules, now);
            self.take(decision);
        }
        self.seconds = end;
    }

    fn join(&mut self, join: Join, fresh: &str) -> Ticket {
        self.ask(Request::Join(Box::new(join), fresh.to_owned()))
    }

    fn sync(&mut self, who: Membership, assignments: Vec<(String, Bytes)>) -> Ticket {
        self.ask(Request::Sync(Sync { who, assignments, ..Sync::default() }))
    }

    fn heartbeat(&mut self, who: Membership) -> Result<(), Refusal> {
        let ticket = self.ask(Request::Heartbeat(who));
        let Some(Answer::Done(result)) = self.answers.remove(&ticket) else { panic!("no answer to a heartbeat") };
        result
    }

    fn leave(&mut self, leavers: &[(&str, Option<&str>)]) -> Vec<Result<(), Refusal>> {
        let leaver = |&(member, instance): &(&str, Option<&str>)| Leaver {
            member: member.to_owned(),
            instance: instance.map(str::to_owned),
        };
        let ticket = self.ask(Request::Leave(leavers.iter().map(leaver).collect()));
        let Some(Answer::Each(Ok(results))) = self.answers.remove(&ticket) else { panic!("no answer to a leave") };
        results
    }

    fn commit(&mut self, who: Membership, offset: i64) -> Result<(), Refusal> {
        let ticket = self.ask(Request::Commit(Commit {
            who,
            epochs_known: true,
            retention: None,
            offsets: vec![new_offset("t", offset)],
        }));
        match self.answers.remove(&ticket) {
            Some(Answer::Each(results)) => results.and_then(|results| results[0]),
            other => panic!("a commit was answered {other:?}"),
        }
    }

    fn offset(&self) -> Option<i64> {
        Some(self.group.offsets.get("t")?.get(&0)?.offset)
    }

    fn joined(&mut self, ticket: Ticket) -> Joined {
        match self.answers.remove(&ticket) {
            Some(Answer::Join(Ok(joined))) => joined,
            other => panic!("a join was answered {other:?}"),
        }
    }

    fn join_refused(&mut self, ticket: Ticket) -> (Refusal, String) {
        match self.answers.remove(&ticket) {
            Some(Answer::Join(Err(JoinRefused { refusal, member }))) => (refusal, member),
            other => panic!("a join was answered {other:?}"),
        }
    }

    fn share_of(&mut self, ticket: Ticket) -> Bytes {
        match self.answers.remove(&ticket) {
            Some(Answer::Sync(Ok(synced))) => synced.assignment,
            other => panic!("a sync was answered {other:?}"),
        }
    }

    /// `a` leads, `b` follows; stable in generation 2.
    fn with_two_stable(mut self) -> Self {
        let first = self.join(someone(), "a");
        assert_eq!(self.joined(first).generation, 1);
        let second = self.join(someone(), "b");
        let again = self.join(known("a"), "-");
        assert_eq!((self.joined(again).leader, self.joined(second).generation), ("a".to_owned(), 2));
        let lead = self.sync(who("a", 2), vec![share("a", b"A"), share("b", b"B")]);
        let follow = self.sync(who("b", 2), vec![]);
        assert_eq!((self.share_of(lead), self.share_of(follow)), (Bytes::from("A"), Bytes::from("B")));
        assert_eq!(self.group.state, State::Stable);
        self
    }

    /// One static member `i` with the id `old`; stable in generation 1.
    fn with_static_stable(mut self) -> Self {
        self.join(fixed("i"), "old");
        let lead = self.sync(fixed_who("old", "i", 1), vec![share("old", b"S")]);
        assert_eq!(self.share_of(lead), "S");
        self
    }
}

fn new_offset(topic: &str, offset: i64) -> NewOffset {
    NewOffset { topic: topic.to_owned(), partition: 0, offset, leader_epoch: -1, metadata: "note".to_owned() }
}

#[test]
fn a_group_of_one_is_stable_after_join_and_sync() {
    let mut scene = scene();
    let ticket = scene.join(someone(), "a");
    let joined = scene.joined(ticket);
    assert_eq!((joined.generation, &*joined.member, &*joined.leader), (1, "a", "a"));
    assert_eq!((joined.protocol_type.as_deref(), joined.protocol.as_deref()), (Some("consumer"), Some("range")));
    assert_eq!(joined.members.len(), 1);
    assert_eq!(scene.group.state, State::CompletingRebalance);
    let ticket = scene.sync(who("a", 1), vec![share("a", b"x")]);
    assert_eq!(scene.share_of(ticket), "x");
    assert_eq!(scene.group.state, State::Stable);
}

#[test]
fn a_member_of_version_4_is_told_its_id_first() {
    let mut scene = scene();
    let ask = || Join { member_id_required: true, ..someone() };
    let first = scene.join(ask(), "a");
    assert_eq!(scene.join_refused(first), (Refusal::MemberIdRequired, "a".to_owned()));
    assert_eq!((scene.group.state, scene.group.members.len(), scene.group.pending.len()), (State::Empty, 0, 1));
    let second = scene.join(Join { member: "a".to_owned(), ..ask() }, "-");
    assert_eq!(scene.joined(second).member, "a");
    assert!(scene.group.pending.is_empty());
}

#[test]
fn an_id_that_nobody_comes_back_with_is_forgotten_and_does_not_hold_up_the_group() {
    let mut scene = scene().with_two_stable();
    scene.join(Join { member_id_required: true, ..someone() }, "c");
    let lead = scene.join(known("a"), "-");
    let follow = scene.join(known("b"), "-");
    assert!(!scene.answers.contains_key(&lead), "c may still come");
    scene.pass(SESSION);
    assert_eq!((scene.joined(lead).generation, scene.joined(follow).generation), (3, 3));
    let late = scene.join(known("c"), "-");
    assert_eq!(scene.join_refused(late).0, Refusal::UnknownMember);
}

#[test]
fn joins_that_cannot_be_admitted_are_refused() {
    let rows = [
        ("an id nobody gave out", known("stranger"), Refusal::UnknownMember),
        ("another kind of group", Join { protocol_type: "connect".to_owned(), ..someone() }, Refusal::InconsistentProtocol),
        ("no common protocol", Join { protocols: vec![offer("sticky", b"")], ..someone() }, Refusal::InconsistentProtocol),
        ("no protocol at all", Join { protocols: vec![], ..someone() }, Refusal::InconsistentProtocol),
        ("an instance nobody holds", Join { instance: Some("i".to_owned()), ..known("a") }, Refusal::UnknownMember),
    ];
    for (what, join, expected) in rows {
        let mut scene = scene().with_two_stable();
        let ticket = scene.join(join, "fresh");
        assert_eq!(scene.join_refused(ticket).0, expected, "{what}");
        assert_eq!(scene.group.state, State::Stable, "{what}");
    }
}

#[test]
fn an_empty_group_refuses_a_member_without_protocols() {
    for join in [Join { protocols: vec![], ..someone() }, Join { protocol_type: String::new(), ..someone() }] {
        let mut scene = scene();
        let ticket = scene.join(join, "a");
        assert_eq!(scene.join_refused(ticket).0, Refusal::InconsistentProtocol);
    }
}

#[test]
fn a_full_group_refuses_the_next_member_and_keeps_those_it_has() {
    let mut scene = scene().with_two_stable();
    scene.config.group_size_max = 2;
    let ticket = scene.join(someone(), "c");
    assert_eq!(scene.join_refused(ticket).0, Refusal::GroupFull);
    assert_eq!((scene.group.state, scene.group.members.len()), (State::Stable, 2));
    let follower = scene.join(known("b"), "-");
    assert_eq!(scene.joined(follower).generation, 2);
}

#[test]
fn a_follower_that_joins_again_unchanged_hears_the_current_generation() {
    let mut scene = scene().with_two_stable();
    let ticket = scene.join(known("b"), "-");
    let joined = scene.joined(ticket);
    assert_eq!((joined.generation, &*joined.leader, joined.members.len()), (2, "a", 0));
    assert_eq!(scene.group.state, State::Stable);
}

#[test]
fn a_leader_that_joins_again_and_a_follower_that_changes_begin_a_rebalance() {
    let changed = Join { protocols: vec![offer("range", b"other")], ..known("b") };
    for join in [known("a"), changed] {
        let mut scene = scene().with_two_stable();
        scene.join(join, "-");
        assert_eq!(scene.group.state, State::PreparingRebalance);
        assert_eq!(scene.heartbeat(who("a", 2)), Err(Refusal::RebalanceInProgress));
        let sync = scene.sync(who("b", 2), vec![]);
        assert_eq!(scene.answers.remove(&sync), refused(Refusal::RebalanceInProgress));
    }
}

#[test]
fn joining_again_while_completing_answers_the_unchanged_and_restarts_for_the_changed() {
    let mut scene = scene();
    scene.join(someone(), "a");
    let again = scene.join(known("a"), "-");
    let joined = scene.joined(again);
    assert_eq!((joined.generation, joined.members.len()), (1, 1), "the leader gets the members again");
    let changed = scene.join(Join { protocols: vec![offer("range", b"other")], ..known("a") }, "-");
    assert_eq!(scene.joined(changed).generation, 2);
}

#[test]
fn a_join_sent_again_answers_the_older_one() {
    let mut scene = scene().with_two_stable();
    let older = scene.join(known("a"), "-");
    let newer = scene.join(known("a"), "-");
    assert_eq!(scene.join_refused(older), (Refusal::RebalanceInProgress, "a".to_owned()));
    scene.join(known("b"), "-");
    assert_eq!(scene.joined(newer).generation, 3);
}

#[test]
fn a_sync_sent_again_answers_the_older_one_and_the_first_assignment_counts() {
    let mut scene = scene();
    scene.fast_disk = false;
    scene.join(someone(), "a");
    scene.land();
    let older = scene.sync(who("a", 1), vec![share("a", b"first")]);
    let newer = scene.sync(who("a", 1), vec![share("a", b"second")]);
    scene.land();
    scene.land();
    assert_eq!(scene.answers.remove(&older), refused(Refusal::RebalanceInProgress));
    assert_eq!(scene.share_of(newer), "first");
}

#[test]
fn members_that_do_not_join_in_time_are_removed() {
    let mut scene = scene().with_two_stable();
    scene.join(someone(), "c");
    let lead = scene.join(known("a"), "-");
    // b lives, but does not join.
    for _ in 0..REBALANCE / 5 {
        scene.pass(5);
        let _ = scene.heartbeat(who("b", 2));
    }
    let joined = scene.joined(lead);
    assert_eq!((joined.generation, joined.members.len()), (3, 2));
    assert_eq!(scene.heartbeat(who("b", 2)), Err(Refusal::UnknownMember));
}

#[test]
fn another_member_leads_if_the_leader_does_not_join_in_time() {
    let mut scene = scene().with_two_stable();
    scene.join(someone(), "c");
    let b = scene.join(known("b"), "-");
    scene.pass(REBALANCE);
    assert_eq!(scene.joined(b).leader, "b");
}

#[test]
fn members_that_join_but_do_not_sync_are_removed() {
    let mut scene = scene();
    scene.join(someone(), "a");
    scene.join(someone(), "b");
    scene.join(known("a"), "-");
    let follower = scene.sync(who("b", 2), vec![]);
    // The leader lives, but never assigns.
    for _ in 0..REBALANCE / 5 {
        assert_eq!(scene.heartbeat(who("a", 2)), Ok(()));
        scene.pass(5);
    }
    assert_eq!(scene.heartbeat(who("a", 2)), Err(Refusal::UnknownMember));
    assert_eq!(scene.answers.remove(&follower), refused(Refusal::RebalanceInProgress));
    let alone = scene.join(known("b"), "-");
    assert_eq!(scene.joined(alone).leader, "b");
}

#[test]
fn a_silent_member_is_removed_and_the_others_are_called() {
    let mut scene = scene().with_two_stable();
    scene.pass(SESSION - 1);
    assert_eq!(scene.heartbeat(who("a", 2)), Ok(()));
    scene.pass(1);
    assert_eq!(scene.heartbeat(who("b", 2)), Err(Refusal::UnknownMember));
    assert_eq!(scene.heartbeat(who("a", 2)), Err(Refusal::RebalanceInProgress));
}

#[test]
fn a_commit_is_a_sign_of_life() {
    let mut scene = scene().with_two_stable();
    scene.pass(SESSION - 1);
    assert_eq!((scene.commit(who("a", 2), 5), scene.commit(who("b", 2), 6)), (Ok(()), Ok(())));
    scene.pass(SESSION - 1);
    assert_eq!(scene.group.state, State::Stable);
}

#[test]
fn members_that_fall_silent_together_leave_an_empty_group_in_one_step() {
    let mut scene = scene().with_two_stable();
    scene.pass(SESSION);
    assert_eq!((scene.group.state, scene.group.generation), (State::Empty, 3));
    assert_eq!((&scene.group.leader, &scene.group.protocol), (&None, &None));
    assert_eq!(scene.group.next_deadline(), None);
}

#[test]
fn a_member_waiting_to_join_does_not_expire_but_a_new_one_does_in_the_end() {
    let mut scene = scene().with_two_stable();
    let new = scene.join(Join { rebalance_timeout: Duration::from_secs(1_000), ..someone() }, "c");
    let old = scene.join(known("a"), "-");
    for _ in 0..60 {
        scene.pass(5);
        let _ = scene.heartbeat(who("b", 2));
    }
    assert_eq!(scene.join_refused(new).0, Refusal::UnknownMember);
    assert!(scene.group.members["a"].joining.is_some(), "a waits and lives");
    assert!(!scene.answers.contains_key(&old));
}

#[test]
fn the_first_rebalance_is_held_open_while_members_come() {
    let mut scene = scene();
    scene.config.initial_rebalance_delay = Duration::from_secs(3);
    let a = scene.join(someone(), "a");
    scene.pass(2);
    let b = scene.join(someone(), "b");
    scene.pass(3);
    assert!(!scene.answers.contains_key(&a), "b came within the first delay, so there is a second one");
    scene.pass(1);
    assert_eq!((scene.joined(a).members.len(), scene.joined(b).generation), (2, 1));
}

#[test]
fn the_first_rebalance_is_not_held_open_longer_than_the_rebalance_timeout() {
    let mut scene = scene();
    scene.config.initial_rebalance_delay = Duration::from_secs(40);
    let a = scene.join(someone(), "a");
    scene.pass(39);
    scene.join(someone(), "b");
    scene.pass(20);
    scene.join(someone(), "c");
    assert!(!scene.answers.contains_key(&a));
    scene.pass(1);
    assert_eq!(scene.joined(a).members.len(), 3);
}

#[test]
fn syncs_and_heartbeats_are_checked_against_the_group() {
    let rows = [
        (who("stranger", 2), Refusal::UnknownMember),
        (who("a", 1), Refusal::IllegalGeneration),
        (who("a", -1), Refusal::IllegalGeneration),
        (fixed_who("a", "i", 2), Refusal::UnknownMember),
    ];
    for (given, expected) in rows {
        let mut scene = scene().with_two_stable();
        assert_eq!(scene.heartbeat(given.clone()), Err(expected), "{given:?}");
        let sync = scene.sync(given.clone(), vec![]);
        assert_eq!(scene.answers.remove(&sync), refused(expected), "{given:?}");
    }
}

#[test]
fn a_sync_with_another_protocol_is_refused() {
    for (protocol_type, protocol) in [(Some("connect"), None), (None, Some("sticky")), (Some("consumer"), Some("sticky"))] {
        let mut scene = scene().with_two_stable();
        let given = |name: Option<&str>| name.map(str::to_owned);
        let sync = Sync { who: who("b", 2), protocol_type: given(protocol_type), protocol: given(protocol), assignments: vec![] };
        let ticket = scene.ask(Request::Sync(sync));
        assert_eq!(scene.answers.remove(&ticket), refused(Refusal::InconsistentProtocol));
    }
}

#[test]
fn a_stable_member_gets_its_share_again_and_one_the_leader_forgot_gets_an_empty_one() {
    let mut scene = scene().with_two_stable();
    let again = scene.sync(who("b", 2), vec![]);
    assert_eq!(scene.share_of(again), "B");
    scene.join(known("a"), "-");
    scene.join(known("b"), "-");
    scene.sync(who("a", 3), vec![share("a", b"all")]);
    let forgotten = scene.sync(who("b", 3), vec![]);
    assert_eq!(scene.share_of(forgotten), "");
}

#[test]
fn nobody_gets_a_share_before_it_is_durable() {
    let mut scene = scene();
    scene.join(someone(), "a");
    scene.fast_disk = false;
    let sync = scene.sync(who("a", 1), vec![share("a", b"x")]);
    assert!(!scene.answers.contains_key(&sync));
    assert_eq!(scene.group.state, State::CompletingRebalance);
    scene.land();
    scene.land();
    assert_eq!(scene.share_of(sync), "x");
}

#[test]
fn an_assignment_that_cannot_be_stored_begins_the_rebalance_anew() {
    let mut scene = scene();
    scene.join(someone(), "a");
    scene.fast_disk = false;
    let sync = scene.sync(who("a", 1), vec![share("a", b"x")]);
    scene.fail();
    scene.land();
    assert_eq!(scene.answers.remove(&sync), refused(Refusal::Unavailable));
    assert_eq!(scene.group.state, State::PreparingRebalance);
    let again = scene.join(known("a"), "-");
    scene.land();
    assert_eq!(scene.joined(again).generation, 2);
}

#[test]
fn an_assignment_that_lands_after_the_next_rebalance_began_is_not_handed_out() {
    let mut scene = scene();
    scene.join(someone(), "a");
    scene.fast_disk = false;
    let sync = scene.sync(who("a", 1), vec![share("a", b"old")]);
    scene.join(someone(), "b");
    scene.land();
    assert_eq!(scene.answers.remove(&sync), refused(Refusal::RebalanceInProgress));
    assert_eq!(scene.group.state, State::PreparingRebalance);
}

#[test]
fn a_member_that_leaves_calls_the_others() {
    let mut scene = scene().with_two_stable();
    assert_eq!(scene.leave(&[("b", None), ("stranger", None)]), [Ok(()), Err(Refusal::UnknownMember)]);
    assert_eq!(scene.group.state, State::PreparingRebalance);
    let again = scene.join(known("a"), "-");
    assert_eq!(scene.joined(again).members.len(), 1);
}

#[test]
fn the_last_member_that_leaves_empties_the_group() {
    let mut scene = scene().with_two_stable();
    assert_eq!(scene.leave(&[("a", None), ("b", None)]), [Ok(()), Ok(())]);
    assert_eq!((scene.group.state, scene.group.generation, scene.group.is_idle()), (State::Empty, 3, true));
    assert_eq!(scene.heartbeat(who("a", 2)), Err(Refusal::UnknownMember));
}

#[test]
fn leaving_while_the_others_wait_completes_their_join() {
    let mut scene = scene().with_two_stable();
    let waiting = scene.join(known("a"), "-");
    assert_eq!(scene.leave(&[("b", None)]), [Ok(())]);
    assert_eq!(scene.joined(waiting).generation, 3);
}

#[test]
fn a_leave_answers_what_the_member_waited_for() {
    let mut scene = scene().with_two_stable();
    let waiting = scene.join(known("a"), "-");
    scene.leave(&[("a", None)]);
    assert_eq!(scene.join_refused(waiting).0, Refusal::UnknownMember);
}

#[test]
fn a_restarted_static_member_goes_on_with_its_share_and_nobody_notices() {
    let mut scene = scene().with_static_stable();
    let restarted = scene.join(fixed("i"), "new");
    let joined = scene.joined(restarted);
    assert_eq!((joined.generation, &*joined.member, joined.members.len()), (1, "new", 0));
    assert_eq!((&*joined.leader, joined.skip_assignment), ("old", false), "an old client must not take itself for the leader");
    assert_eq!(scene.group.state, State::Stable);
    let sync = scene.sync(fixed_who("new", "i", 1), vec![]);
    assert_eq!(scene.share_of(sync), "S");
}

#[test]
fn a_restarted_static_leader_of_version_9_leads_without_assigning() {
    let mut scene = scene().with_static_stable();
    let restarted = scene.join(Join { skip_assignment_known: true, ..fixed("i") }, "new");
    let joined = scene.joined(restarted);
    assert_eq!((&*joined.leader, joined.skip_assignment, joined.members.len()), ("new", true, 1));
}

#[test]
fn the_old_id_of_a_static_member_is_fenced_everywhere() {
    let mut scene = scene().with_static_stable();
    scene.join(fixed("i"), "new");
    let old = || fixed_who("old", "i", 1);
    assert_eq!(scene.heartbeat(old()), Err(Refusal::InstanceFenced));
    assert_eq!(scene.commit(old(), 1), Err(Refusal::InstanceFenced));
    assert_eq!(scene.leave(&[("old", Some("i"))]), [Err(Refusal::InstanceFenced)]);
    let sync = scene.sync(old(), vec![]);
    assert_eq!(scene.answers.remove(&sync), refused(Refusal::InstanceFenced));
    let join = scene.join(Join { member: "old".to_owned(), ..fixed("i") }, "-");
    assert_eq!(scene.join_refused(join).0, Refusal::InstanceFenced);
    assert_eq!(scene.heartbeat(who("old", 1)), Err(Refusal::UnknownMember), "without its instance id it is just unknown");
}

#[test]
fn a_static_member_that_restarts_in_its_join_fences_the_older_request() {
    let mut scene = scene().with_static_stable();
    scene.join(someone(), "b");
    let older = scene.join(Join { member: "old".to_owned(), protocols: vec![offer("range", b"x")], ..fixed("i") }, "-");
    assert_eq!(scene.joined(older).generation, 2);
    let lead = scene.sync(fixed_who("old", "i", 2), vec![]);
    scene.join(someone(), "c");
    let parked = scene.join(Join { member: "old".to_owned(), ..fixed("i") }, "-");
    scene.join(fixed("i"), "new");
    assert_eq!(scene.join_refused(parked), (Refusal::InstanceFenced, "old".to_owned()));
    assert!(scene.answers.contains_key(&lead));
}

#[test]
fn a_static_member_that_restarts_while_completing_begins_a_rebalance() {
    let mut scene = scene();
    scene.join(fixed("i"), "old");
    let restarted = scene.join(fixed("i"), "new");
    assert_eq!(scene.joined(restarted).generation, 2);
}

#[test]
fn a_static_member_that_changes_the_protocol_begins_a_rebalance() {
    let mut scene = scene();
    scene.join(Join { protocols: vec![offer("range", b""), offer("sticky", b"")], ..fixed("i") }, "old");
    scene.sync(fixed_who("old", "i", 1), vec![]);
    let restarted = scene.join(Join { protocols: vec![offer("sticky", b""), offer("range", b"")], ..fixed("i") }, "new");
    let joined = scene.joined(restarted);
    assert_eq!((joined.generation, joined.protocol.as_deref()), (2, Some("sticky")));
}

#[test]
fn a_static_member_keeps_its_place_in_a_rebalance_until_its_session_ends() {
    let mut scene = scene();
    let long = || Join { session_timeout: Duration::from_secs(500), ..fixed("i") };
    scene.join(long(), "old");
    scene.sync(fixed_who("old", "i", 1), vec![]);
    let dynamic = scene.join(Join { session_timeout: Duration::from_secs(500), ..someone() }, "b");
    scene.pass(REBALANCE);
    let joined = scene.joined(dynamic);
    assert_eq!((joined.members.len(), &*joined.leader), (2, "b"), "the absent static member is assigned to, but does not lead");
}

#[test]
fn an_operator_removes_static_members_by_instance_id_alone() {
    let mut scene = scene().with_static_stable();
    assert_eq!(
        scene.leave(&[("", Some("nobody")), ("", None), ("", Some("i"))]),
        [Err(Refusal::UnknownMember), Err(Refusal::UnknownMember), Ok(())]
    );
    assert_eq!(scene.group.state, State::Empty);
}

#[test]
fn commits_are_checked_against_the_group() {
    let empty = scene;
    let completing = || {
        let mut scene = scene().with_two_stable();
        scene.join(known("a"), "-");
        scene.join(known("b"), "-");
        scene
    };
    let stable = || scene().with_two_stable();
    let left = || {
        let mut scene = scene().with_two_stable();
        scene.leave(&[("a", None), ("b", None)]);
        scene
    };
    type Row<'a> = (&'a str, &'a dyn Fn() -> Scene, Membership, Result<(), Refusal>);
    let rows: [Row<'_>; 11] = [
        ("a simple consumer, no group", &empty, who("", -1), Ok(())),
        ("a member, no group", &empty, who("a", 1), Err(Refusal::UnknownGroup)),
        ("a simple consumer, live group", &stable, who("", -1), Err(Refusal::UnknownMember)),
        ("a stranger", &stable, who("x", 2), Err(Refusal::UnknownMember)),
        ("a member without generation", &stable, who("a", -1), Err(Refusal::IllegalGeneration)),
        ("a member of an older generation", &stable, who("a", 1), Err(Refusal::IllegalGeneration)),
        ("a member", &stable, who("a", 2), Ok(())),
        ("a member while completing", &completing, who("a", 3), Err(Refusal::RebalanceInProgress)),
        ("a simple consumer, empty group", &left, who("", -1), Ok(())),
        ("a former member without generation", &left, who("a", -1), Ok(())),
        ("a former member", &left, who("a", 2), Err(Refusal::UnknownMember)),
    ];
    for (what, make, who, expected) in rows {
        let mut scene = make();
        assert_eq!(scene.commit(who, 7), expected, "{what}");
        assert_eq!(scene.offset(), expected.ok().map(|()| 7), "{what}");
    }
}

#[test]
fn members_may_commit_while_the_group_prepares() {
    let mut scene = scene().with_two_stable();
    scene.join(known("a"), "-");
    assert_eq!(scene.commit(who("b", 2), 9), Ok(()));
}

#[test]
fn a_text_that_is_too_long_refuses_its_offset_and_no_other() {
    let mut scene = scene();
    let long = NewOffset { metadata: "x".repeat(4_097), ..new_offset("long", 1) };
    let offsets = vec![long, new_offset("t", 2)];
    let ticket = scene.ask(Request::Commit(Commit { who: who("", -1), epochs_known: true, retention: None, offsets }));
    assert_eq!(scene.answers.remove(&ticket), Some(Answer::Each(Ok(vec![Err(Refusal::MetadataTooLarge), Ok(())]))));
    assert_eq!((scene.offset(), scene.group.offsets.len()), (Some(2), 1));
}

#[test]
fn offsets_of_a_group_that_lost_its_members_are_kept_from_then_on_and_the_group_goes_with_them() {
    let day = 86_400;
    let mut scene = scene().with_two_stable();
    scene.commit(who("a", 2), 5).unwrap();
    scene.leave(&[("a", None), ("b", None)]);
    scene.pass(7 * day - 1);
    scene.ask(Request::Sweep);
    assert_eq!(scene.offset(), Some(5));
    scene.pass(1);
    scene.ask(Request::Sweep);
    assert!(!scene.group.exists());
}

#[test]
fn offsets_of_simple_consumers_are_kept_from_their_commit() {
    let day = 86_400;
    let mut scene = scene();
    scene.commit(who("", -1), 5).unwrap();
    scene.pass(6 * day);
    scene.commit(who("", -1), 6).unwrap();
    scene.pass(6 * day);
    scene.ask(Request::Sweep);
    assert_eq!(scene.offset(), Some(6));
    scene.pass(day);
    scene.ask(Request::Sweep);
    assert!(!scene.group.exists());
}

#[test]
fn an_old_client_may_say_how_long_to_keep_its_offsets() {
    let mut scene = scene();
    let commit = Commit {
        who: who("", -1),
        retention: Some(Duration::from_secs(5)),
        offsets: vec![new_offset("t", 1)],
        ..Commit::default()
    };
    scene.ask(Request::Commit(commit));
    scene.pass(4);
    scene.ask(Request::Sweep);
    assert_eq!(scene.offset(), Some(1));
    scene.pass(1);
    scene.ask(Request::Sweep);
    assert_eq!(scene.offset(), None);
}

#[test]
fn offsets_of_topics_that_a_stable_group_no_longer_reads_expire() {
    let reads_t = b"\0\x01\0\0\0\x01\0\x01t\xff\xff\xff\xff";
    let mut scene = scene();
    let subscribed = || Join { protocols: vec![offer("range", reads_t)], session_timeout: Duration::MAX, ..someone() };
    scene.join(subscribed(), "a");
    scene.sync(who("a", 1), vec![]);
    let offsets = vec![new_offset("t", 1), new_offset("old", 1)];
    scene.ask(Request::Commit(Commit { who: who("a", 1), epochs_known: true, retention: None, offsets }));
    scene.pass(7 * 86_400);
    scene.ask(Request::Sweep);
    assert_eq!(scene.group.offsets.keys().collect::<Vec<_>>(), ["t"]);
}

#[test]
fn only_an_empty_group_can_be_deleted() {
    let mut stage = scene();
    let nothing = stage.ask(Request::Delete);
    assert_eq!(stage.answers.remove(&nothing), Some(Answer::Done(Err(Refusal::UnknownGroup))));
    let mut scene = scene().with_two_stable();
    scene.commit(who("a", 2), 5).unwrap();
    let live = scene.ask(Request::Delete);
    assert_eq!(scene.answers.remove(&live), Some(Answer::Done(Err(Refusal::NonEmpty))));
    scene.leave(&[("a", None), ("b", None)]);
    let empty = scene.ask(Request::Delete);
    assert_eq!(scene.answers.remove(&empty), Some(Answer::Done(Ok(()))));
    assert!(!scene.group.exists());
}

#[test]
fn offsets_of_topics_that_members_read_cannot_be_deleted() {
    let reads_t = b"\0\x01\0\0\0\x01\0\x01t\xff\xff\xff\xff";
    let wanted = || vec![("t".to_owned(), vec![0]), ("u".to_owned(), vec![0, 1])];
    type Row = (&'static str, &'static [u8], &'static str, Results);
    let rows: [Row; 3] = [
        ("consumer", reads_t, "one of two topics", Ok(vec![Err(Refusal::Subscribed), Ok(()), Ok(())])),
        ("consumer", b"?", "metadata that does not parse", Ok(vec![Err(Refusal::Subscribed); 3])),
        ("connect", b"", "not consumers", Err(Refusal::NonEmpty)),
    ];
    for (protocol_type, metadata, what, expected) in rows {
        let mut scene = scene();
        let protocols = vec![offer("range", metadata)];
        scene.join(Join { protocol_type: protocol_type.to_owned(), protocols, ..someone() }, "a");
        scene.sync(who("a", 1), vec![]);
        let offsets = vec![new_offset("t", 1), new_offset("u", 2)];
        scene.ask(Request::Commit(Commit { who: who("a", 1), epochs_known: true, retention: None, offsets }));
        let ticket = scene.ask(Request::DeleteOffsets(wanted()));
        let gone = expected.as_ref().is_ok_and(|results| results[1].is_ok());
        assert_eq!(scene.answers.remove(&ticket), Some(Answer::Each(expected)), "{what}");
        assert_eq!((scene.offset(), scene.group.offsets.contains_key("u")), (Some(1), !gone), "{what}");
    }
}

#[test]
fn members_are_shown_with_their_words_only_while_stable() {
    let mut scene = scene().with_two_stable();
    let shown = |scene: &mut Scene| {
        let ticket = scene.ask(Request::Describe);
        let Some(Answer::Described(Ok(Some(described)))) = scene.answers.remove(&ticket) else { panic!("not described") };
        described
    };
    let stable = shown(&mut scene);
    assert_eq!((stable.state, &*stable.protocol_type, &*stable.protocol), (State::Stable, "consumer", "range"));
    assert_eq!((&*stable.members[0].metadata, &*stable.members[0].assignment), (&b"m"[..], &b"A"[..]));
    scene.join(known("a"), "-");
    let preparing = shown(&mut scene);
    assert_eq!((preparing.state, &*preparing.protocol), (State::PreparingRebalance, ""));
    assert_eq!((&*preparing.members[0].metadata, &*preparing.members[0].assignment), (&b""[..], &b""[..]));
}
