//! SyncGroup (key 14).

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{GroupId, SyncGroupRequest};
use tokio::time::{Instant, timeout};

use crate::support::{Gateway, Member, join_request, text};

/// The request of the first and only member, that gives everything to itself.
fn request(group: &str, member: &str) -> SyncGroupRequest {
    let all = SyncGroupRequestAssignment::default().with_member_id(text(member)).with_assignment(Bytes::from_static(b"all"));
    SyncGroupRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_generation_id(1)
        .with_member_id(text(member))
        .with_assignments(vec![all])
}

/// The same with what version 5 asks for.
fn with_protocol(request: SyncGroupRequest) -> SyncGroupRequest {
    request.with_protocol_type(Some(text("consumer"))).with_protocol_name(Some(text("range")))
}

#[tokio::test(start_paused = true)]
async fn the_leaders_own_share_comes_back_in_every_version() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for version in 0..=5 {
        let group = format!("g{version}");
        let id = kafka.call(0, join_request(&group, "")).await.member_id;
        let request = request(&group, &id);
        let request = if version >= 5 { with_protocol(request) } else { request };
        // Again, as if the first answer had been lost.
        for _ in 0..2 {
            let synced = kafka.call(version, request.clone()).await;
            assert_eq!((synced.error_code, &*synced.assignment), (0, &b"all"[..]), "version {version}");
            let protocol = (version >= 5).then_some(("consumer", "range"));
            assert_eq!(synced.protocol_type.as_deref().zip(synced.protocol_name.as_deref()), protocol);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn followers_wait_for_the_leader_and_get_what_it_gives_them() {
    let gateway = Gateway::start();
    let mut leader = Member::alone(&gateway, "g").await;
    let (mut follower, mut forgotten) = (Member::new(&gateway, "g").await, Member::new(&gateway, "g").await);
    for member in [&mut follower, &mut forgotten, &mut leader] {
        member.send_join().await;
    }
    for member in [&mut leader, &mut follower, &mut forgotten] {
        assert_eq!(member.joined().await.generation_id, 2);
    }
    follower.send_sync(&[("whoever", "a follower's word does not count")]).await;
    forgotten.send_sync(&[]).await;
    assert!(timeout(Duration::from_secs(5), follower.synced()).await.is_err());
    let (own, others) = (leader.id.clone(), follower.id.clone());
    let begun = Instant::now();
    assert_eq!(leader.sync(&[(&own, "0"), (&others, "1"), ("stranger", "2")]).await.assignment, "0");
    assert_eq!(follower.synced().await.assignment, "1");
    assert_eq!(forgotten.synced().await.assignment, "");
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn who_is_not_of_the_generation_is_refused() {
    let gateway = Gateway::start();
    let member = Member::alone(&gateway, "g").await;
    let _holder = Member::fixed(&gateway, "static", "i").await;
    let mut kafka = gateway.kafka();
    let own = || with_protocol(request("g", &member.id));
    for (what, request, code) in [
        ("no group", own().with_group_id(GroupId(text(""))), 24),
        ("an unknown group", own().with_group_id(GroupId(text("unknown"))), 25),
        ("an unknown member", own().with_member_id(text("stranger")), 25),
        ("an old generation", own().with_generation_id(0), 22),
        ("a future generation", own().with_generation_id(2), 22),
        ("another protocol", own().with_protocol_name(Some(text("sticky"))), 23),
        ("another kind of group", own().with_protocol_type(Some(text("connect"))), 23),
        ("no protocol", own().with_protocol_name(None), 23),
        ("no kind of group", own().with_protocol_type(None), 23),
        ("a fenced instance", with_protocol(request("static", "old")).with_group_instance_id(Some(text("i"))), 82),
    ] {
        let refused = kafka.call(5, request).await;
        assert_eq!((refused.error_code, refused.assignment.len()), (code, 0), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_members_gather_there_is_nothing_to_get() {
    let gateway = Gateway::start();
    let mut first = Member::alone(&gateway, "g").await;
    let mut second = Member::new(&gateway, "g").await;
    second.send_join().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(first.sync(&[]).await.error_code, 27);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_joins_while_others_wait_for_shares_sends_them_back_to_join() {
    let gateway = Gateway::start();
    let mut leader = Member::alone(&gateway, "g").await;
    let mut follower = Member::new(&gateway, "g").await;
    follower.send_join().await;
    leader.send_join().await;
    assert_eq!((leader.joined().await.generation_id, follower.joined().await.generation_id), (2, 2));
    follower.send_sync(&[]).await;
    let mut third = Member::new(&gateway, "g").await;
    third.send_join().await;
    assert_eq!(follower.synced().await.error_code, 27);
    assert_eq!(leader.sync(&[]).await.error_code, 27);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_never_assigns_is_removed_after_the_rebalance_timeout() {
    let gateway = Gateway::start();
    let mut leader = Member::alone(&gateway, "g").await;
    let mut follower = Member::new(&gateway, "g").await;
    follower.send_join().await;
    leader.send_join().await;
    assert_eq!((leader.joined().await.generation_id, follower.joined().await.generation_id), (2, 2));
    follower.send_sync(&[]).await;
    let begun = Instant::now();
    for _ in 0..11 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(leader.heartbeat().await, 0);
    }
    assert_eq!(follower.synced().await.error_code, 27);
    assert_eq!(begun.elapsed().as_secs(), 60);
    assert_eq!(leader.heartbeat().await, 25);
    follower.send_join().await;
    let joined = follower.joined().await;
    assert_eq!((joined.generation_id, joined.members.len()), (3, 1));
}
