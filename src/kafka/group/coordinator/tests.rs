//! Groups over a ledger in memory, on Tokio's paused clock.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use super::*;
use crate::env::{LimitsInForce, PausedClock, SeededEntropy};
use crate::kafka::group::request::{NewOffset, Protocol};
use crate::kafka::group::state::State;
use crate::kafka::group::topics::Shelf;
use crate::model::{Limits, Timestamp};
use crate::store::{Done, Error, Ledger, Write as Put};

type Commitment = (Vec<Put>, Done);

/// A ledger in memory, which can be held up or made to fail.
#[derive(Default)]
struct Paper {
    pages: Mutex<BTreeMap<Vec<u8>, Bytes>>,
    held: Mutex<Option<Vec<Commitment>>>,
    broken: std::sync::atomic::AtomicBool,
}

impl Paper {
    fn carry_out(&self, writes: Vec<Put>, done: Done) {
        if self.broken.load(Ordering::Relaxed) {
            return done(Err(Error::Failed("broken".to_owned())));
        }
        let mut pages = self.pages.lock().unwrap();
        for write in writes {
            match write {
                Put::Put { key, value } => {
                    assert!(key.len() <= 512, "a key of {} bytes", key.len());
                    pages.insert(key.to_vec(), value)
                }
                Put::Delete { key } => pages.remove(&key.to_vec()),
            };
        }
        drop(pages);
        done(Ok(()));
    }

    fn hold(&self) {
        *self.held.lock().unwrap() = Some(Vec::new());
    }

    fn release(&self) {
        let held = self.held.lock().unwrap().take();
        held.into_iter().flatten().for_each(|(writes, done)| self.carry_out(writes, done));
    }

    fn keys(&self) -> Vec<String> {
        self.pages.lock().unwrap().keys().map(|key| String::from_utf8(key.clone()).unwrap()).collect()
    }
}

impl Ledger for Paper {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.pages.lock().unwrap().get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Error> {
        let pages = self.pages.lock().unwrap();
        let from = pages.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded));
        from.take_while(|(key, _)| key.starts_with(prefix)).for_each(|(key, value)| visit(key, value));
        Ok(())
    }

    fn commit(&self, writes: Vec<Put>, done: Done) {
        match &mut *self.held.lock().unwrap() {
            Some(held) => held.push((writes, done)),
            None => self.carry_out(writes, done),
        }
    }
}

fn paper() -> Arc<Paper> {
    Arc::default()
}

fn open(paper: &Arc<Paper>) -> Coordinator {
    let env = Env {
        clock: Arc::new(PausedClock::starting_at(Timestamp(1_700_000_000_000))),
        entropy: Arc::new(SeededEntropy::new(7)),
        limits: LimitsInForce::new(Limits::off()),
    };
    Coordinator::open(Notebook::new(paper.clone(), "groups"), env, GroupConfig::default(), Arc::new(Shelf::default())).unwrap()
}

fn someone() -> Join {
    Join {
        member: String::new(),
        instance: None,
        client_id: "client".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        session_timeout: Duration::from_secs(10),
        rebalance_timeout: Duration::from_secs(60),
        protocol_type: "consumer".to_owned(),
        protocols: vec![Protocol { name: "range".to_owned(), metadata: Bytes::from_static(b"m\0\xff") }],
        member_id_required: true,
        skip_assignment_known: true,
    }
}

fn who(member: &str, generation: i32) -> Membership {
    Membership { member: member.to_owned(), instance: None, generation }
}

async fn join_new(groups: &Coordinator, group: &str) -> Joined {
    let refused = groups.join(group, someone()).await.unwrap_err();
    assert_eq!(refused.refusal, Refusal::MemberIdRequired);
    groups.join(group, Join { member: refused.member, ..someone() }).await.unwrap()
}

/// A group of one; returns the member's id.
async fn stable(groups: &Coordinator, group: &str) -> MemberId {
    let joined = join_new(groups, group).await;
    let assignments = vec![(joined.member.clone(), Bytes::from_static(b"share"))];
    let sync = Sync { who: who(&joined.member, joined.generation), assignments, ..Sync::default() };
    assert_eq!(groups.sync(group, sync).await.unwrap().assignment, "share");
    joined.member
}

async fn commit(groups: &Coordinator, group: &str, who: Membership, offset: i64) -> Result<(), Refusal> {
    let offset = NewOffset { topic: "t".to_owned(), partition: 0, offset, leader_epoch: 3, metadata: "note".to_owned() };
    groups
        .commit(group, Commit { who, epochs_known: true, retention: None, offsets: vec![offset] })
        .await
        .and_then(|results| results[0])
}

async fn offset(groups: &Coordinator, group: &str) -> Option<i64> {
    let wanted = Some(vec![("t".to_owned(), vec![0])]);
    let offsets = groups.fetch(group, wanted, Membership::nobody()).await.unwrap();
    offsets[0].1[0].1.as_ref().map(|committed| committed.offset)
}

async fn pass(seconds: u64) {
    // In steps, so that tasks run as time goes by.
    for _ in 0..seconds {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn count(groups: &Coordinator) -> (usize, usize) {
    let slots = groups.shared.groups();
    let live = slots.values().filter(|slot| matches!(slot, Slot::Live(_))).count();
    (live, slots.len() - live)
}

#[tokio::test(start_paused = true)]
async fn a_live_member_goes_on_after_a_restart_of_the_gateway() {
    let paper = paper();
    let groups = open(&paper);
    let member = stable(&groups, "g").await;
    commit(&groups, "g", who(&member, 1), 41).await.unwrap();
    drop(groups);

    let groups = open(&paper);
    assert_eq!(groups.heartbeat("g", who(&member, 1)).await, Ok(()));
    assert_eq!(offset(&groups, "g").await, Some(41));
    commit(&groups, "g", who(&member, 1), 42).await.unwrap();
    let sync = groups.sync("g", Sync { who: who(&member, 1), ..Sync::default() }).await.unwrap();
    assert_eq!(sync.assignment, "share");
    let described = groups.describe("g").await.unwrap().unwrap();
    assert_eq!((described.state, described.members[0].metadata.clone()), (State::Stable, Bytes::from_static(b"m\0\xff")));
    // It leads, so joining again begins generation 2.
    assert_eq!(groups.join("g", Join { member, ..someone() }).await.unwrap().generation, 2);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_does_not_come_back_after_a_restart_expires() {
    let paper = paper();
    let member = stable(&open(&paper), "g").await;
    let groups = open(&paper);
    pass(9).await;
    assert_eq!(groups.heartbeat("g", who(&member, 1)).await, Ok(()));
    pass(11).await;
    assert_eq!(groups.heartbeat("g", who(&member, 1)).await, Err(Refusal::UnknownMember));
    assert_eq!(groups.describe("g").await.unwrap().unwrap().state, State::Empty);
}

#[tokio::test(start_paused = true)]
async fn two_members_share_a_group_and_one_takes_over_when_the_other_falls_silent() {
    let groups = open(&paper());
    let first = stable(&groups, "g").await;
    let (joined, rejoined) = tokio::join!(join_new(&groups, "g"), async {
        pass(1).await;
        assert_eq!(groups.heartbeat("g", who(&first, 1)).await, Err(Refusal::RebalanceInProgress));
        groups.join("g", Join { member: first.clone(), ..someone() }).await.unwrap()
    });
    assert_eq!((joined.generation, rejoined.members.len(), joined.members.len()), (2, 2, 0));
    let lead =
        Sync { who: who(&first, 2), assignments: vec![(joined.member.clone(), Bytes::from_static(b"half"))], ..Sync::default() };
    let follow = Sync { who: who(&joined.member, 2), ..Sync::default() };
    let (followed, _) = tokio::join!(groups.sync("g", follow), groups.sync("g", lead));
    assert_eq!(followed.unwrap().assignment, "half");

    for _ in 0..2 {
        pass(6).await;
        let _ = groups.heartbeat("g", who(&joined.member, 2)).await;
    }
    assert_eq!(groups.heartbeat("g", who(&joined.member, 2)).await, Err(Refusal::RebalanceInProgress));
    let alone = groups.join("g", Join { member: joined.member.clone(), ..someone() }).await.unwrap();
    assert_eq!((alone.generation, alone.leader), (3, joined.member));
}

#[tokio::test(start_paused = true)]
async fn a_rebalance_ends_without_members_that_do_not_join_in_time() {
    let groups = open(&paper());
    let first = stable(&groups, "g").await;
    let start = Instant::now();
    let (joined, ()) = tokio::join!(join_new(&groups, "g"), async {
        for _ in 0..11 {
            pass(5).await;
            assert_eq!(groups.heartbeat("g", who(&first, 1)).await, Err(Refusal::RebalanceInProgress));
        }
    });
    assert_eq!((joined.generation, start.elapsed()), (2, Duration::from_secs(60)));
    assert_eq!(groups.heartbeat("g", who(&first, 1)).await, Err(Refusal::UnknownMember));
}

#[tokio::test(start_paused = true)]
async fn a_static_member_keeps_its_share_over_its_own_restart_and_the_gateways() {
    let paper = paper();
    let groups = open(&paper);
    let fixed = || Join { instance: Some("i".to_owned()), ..someone() };
    let old = groups.join("g", fixed()).await.unwrap();
    let assignments = vec![(old.member.clone(), Bytes::from_static(b"share"))];
    groups.sync("g", Sync { who: who(&old.member, 1), assignments, ..Sync::default() }).await.unwrap();
    let new = groups.join("g", fixed()).await.unwrap();
    assert_eq!((new.generation, new.skip_assignment), (1, true));
    drop(groups);

    let groups = open(&paper);
    let fixed_who = |member: &str| Membership { instance: Some("i".to_owned()), ..who(member, 1) };
    assert_eq!(groups.heartbeat("g", fixed_who(&old.member)).await, Err(Refusal::InstanceFenced));
    let sync = groups.sync("g", Sync { who: fixed_who(&new.member), ..Sync::default() }).await.unwrap();
    assert_eq!(sync.assignment, "share");
}

#[tokio::test(start_paused = true)]
async fn a_commit_is_answered_and_shown_only_when_it_is_durable_and_does_not_hold_up_heartbeats() {
    let paper = paper();
    let groups = open(&paper);
    let member = stable(&groups, "g").await;
    paper.hold();
    let first = tokio::spawn({
        let (groups, who) = (groups.clone(), who(&member, 1));
        async move { commit(&groups, "g", who, 1).await }
    });
    let second = tokio::spawn({
        let (groups, who) = (groups.clone(), who(&member, 1));
        async move { commit(&groups, "g", who, 2).await }
    });
    pass(1).await;
    assert_eq!(groups.heartbeat("g", who(&member, 1)).await, Ok(()));
    assert_eq!(offset(&groups, "g").await, None);
    assert!(!first.is_finished() && !second.is_finished());
    paper.release();
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (Ok(()), Ok(())));
    assert_eq!(offset(&groups, "g").await, Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_cannot_be_stored_is_refused_and_not_shown() {
    let paper = paper();
    let groups = open(&paper);
    commit(&groups, "g", who("", -1), 1).await.unwrap();
    paper.broken.store(true, Ordering::Relaxed);
    assert_eq!(commit(&groups, "g", who("", -1), 2).await, Err(Refusal::Unavailable));
    assert_eq!(offset(&groups, "g").await, Some(1));
    paper.broken.store(false, Ordering::Relaxed);
    commit(&groups, "g", who("", -1), 3).await.unwrap();
    assert_eq!(offset(&open(&paper), "g").await, Some(3));
}

#[tokio::test(start_paused = true)]
async fn any_text_is_a_group_name_and_names_do_not_run_into_each_other() {
    let paper = paper();
    let long = "x".repeat(30_000);
    let names = ["a", "a/t", "a/t/0", "%2F", "", "ключ", "..", &long];
    let groups = open(&paper);
    for (index, name) in names.iter().enumerate() {
        commit(&groups, name, who("", -1), i64::try_from(index).unwrap()).await.unwrap();
    }
    drop(groups);
    let groups = open(&paper);
    for (index, name) in names.iter().enumerate() {
        assert_eq!(offset(&groups, name).await, i64::try_from(index).ok(), "{name:.20}");
    }
    groups.delete("a").await.unwrap();
    assert_eq!((offset(&groups, "a").await, offset(&groups, "a/t").await), (None, Some(1)));
}

#[tokio::test(start_paused = true)]
async fn groups_without_work_rest_and_unknown_ones_leave_nothing() {
    let groups = open(&paper());
    for index in 0..1_000 {
        commit(&groups, &format!("g{index}"), who("", -1), 1).await.unwrap();
    }
    assert_eq!(groups.heartbeat("nobody", who("a", 1)).await, Err(Refusal::UnknownMember));
    assert_eq!(commit(&groups, "nobody", who("a", 1), 1).await, Err(Refusal::UnknownGroup));
    let refused = groups.join("nobody", Join { protocols: vec![], ..someone() }).await.unwrap_err();
    assert_eq!(refused.refusal, Refusal::InconsistentProtocol);
    pass(3).await;
    assert_eq!(count(&groups), (0, 1_000));
    assert_eq!(groups.list().await.unwrap().len(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn an_id_given_out_and_never_used_leaves_nothing() {
    let groups = open(&paper());
    groups.join("g", someone()).await.unwrap_err();
    assert_eq!(groups.list().await.unwrap()[0].state, State::Empty);
    pass(15).await;
    assert_eq!((count(&groups), groups.list().await.unwrap()), ((0, 0), vec![]));
}

#[tokio::test(start_paused = true)]
async fn expired_offsets_and_their_groups_vanish_from_memory_and_disk() {
    let paper = paper();
    let groups = open(&paper);
    commit(&groups, "simple", who("", -1), 1).await.unwrap();
    let member = stable(&groups, "left").await;
    commit(&groups, "left", who(&member, 1), 1).await.unwrap();
    let leaver = Leaver { member, instance: None };
    assert_eq!(groups.leave("left", vec![leaver]).await, Ok(vec![Ok(())]));
    tokio::time::sleep(Duration::from_secs(7 * 86_400 - 700)).await;
    assert_eq!(groups.list().await.unwrap().len(), 2);
    tokio::time::sleep(Duration::from_secs(1_400)).await;
    assert_eq!((groups.list().await.unwrap(), count(&groups)), (vec![], (0, 0)));
    assert_eq!(paper.keys(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_deleted_group_can_be_made_again_at_once() {
    let paper = paper();
    let groups = open(&paper);
    commit(&groups, "g", who("", -1), 1).await.unwrap();
    assert_eq!(groups.delete("g").await, Ok(()));
    assert_eq!(groups.delete("g").await, Err(Refusal::UnknownGroup));
    assert_eq!(groups.describe("g").await, Ok(None));
    commit(&groups, "g", who("", -1), 2).await.unwrap();
    assert_eq!(offset(&open(&paper), "g").await, Some(2));
}

#[tokio::test(start_paused = true)]
async fn deleting_waits_for_commits_on_their_way_and_takes_them_too() {
    let paper = paper();
    let groups = open(&paper);
    commit(&groups, "g", who("", -1), 1).await.unwrap();
    paper.hold();
    let (late, deleted, ()) = tokio::join!(commit(&groups, "g", who("", -1), 2), groups.delete("g"), async {
        pass(1).await;
        paper.release();
    });
    assert_eq!((late, deleted), (Ok(()), Ok(())));
    assert_eq!(paper.keys(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn offsets_of_a_deleted_topic_are_forgotten_in_live_and_resting_groups() {
    let paper = paper();
    let groups = open(&paper);
    let member = stable(&groups, "live").await;
    commit(&groups, "live", who(&member, 1), 1).await.unwrap();
    commit(&groups, "resting", who("", -1), 1).await.unwrap();
    groups.topic_deleted("other").await;
    assert_eq!((offset(&groups, "live").await, offset(&groups, "resting").await), (Some(1), Some(1)));
    groups.topic_deleted("t").await;
    assert_eq!((offset(&groups, "live").await, offset(&groups, "resting").await), (None, None));
    assert!(paper.keys().iter().all(|key| !key.starts_with("n/groups/offset/")));
}

#[tokio::test(start_paused = true)]
async fn requests_without_a_group_name_or_with_a_bad_session_are_refused() {
    let groups = open(&paper());
    let refusal = |result: Result<Joined, JoinRefused>| result.unwrap_err().refusal;
    assert_eq!(refusal(groups.join("", someone()).await), Refusal::InvalidGroupId);
    assert_eq!(groups.heartbeat("", who("a", 1)).await, Err(Refusal::InvalidGroupId));
    assert_eq!(groups.leave("", vec![]).await, Err(Refusal::InvalidGroupId));
    for millis in [0, 5_999, 1_800_001] {
        let join = Join { session_timeout: Duration::from_millis(millis), ..someone() };
        assert_eq!(refusal(groups.join("g", join).await), Refusal::InvalidSessionTimeout, "{millis}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_tasks_end_with_the_last_handle() {
    let groups = open(&paper());
    stable(&groups, "g").await;
    let shared = Arc::downgrade(&groups.shared);
    let tools = Arc::downgrade(&groups.shared.tools);
    drop(groups);
    pass(1).await;
    assert!(shared.upgrade().is_none() && tools.upgrade().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_many_threads_everybody_reads_their_own_acknowledged_commit_and_all_groups_come_to_rest() {
    let paper = paper();
    let groups = open(&paper);
    let busy = |client: usize| {
        let groups = groups.clone();
        async move {
            for round in 0..200 {
                let group = format!("g{}", (client + round) % 5);
                let topic = format!("t{client}");
                let offset = i64::try_from(round).unwrap();
                let new = NewOffset { topic: topic.clone(), partition: 0, offset, leader_epoch: -1, metadata: String::new() };
                let commit = Commit { who: who("", -1), epochs_known: true, retention: None, offsets: vec![new] };
                assert_eq!(groups.commit(&group, commit).await, Ok(vec![Ok(())]));
                let found = groups.fetch(&group, Some(vec![(topic, vec![0])]), Membership::nobody()).await.unwrap();
                assert_eq!(found[0].1[0].1.as_ref().unwrap().offset, offset);
                tokio::task::yield_now().await;
            }
        }
    };
    let clients = (0..16).map(|client| tokio::spawn(busy(client))).collect::<Vec<_>>();
    for client in clients {
        client.await.unwrap();
    }
    while count(&groups) != (0, 5) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let offsets = open(&paper).committed("g0").await.unwrap();
    assert_eq!(offsets, groups.committed("g0").await.unwrap());
    assert_eq!(offsets.len(), 16);
}
