//! JoinGroup (key 11).

use std::time::Duration;

use kafka_protocol::messages::JoinGroupRequest;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use tokio::time::Instant;

use crate::support::{Gateway, Member, join_request, subscription, text};

#[tokio::test(start_paused = true)]
async fn a_first_member_leads_at_once_in_every_version() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for version in 0..=9 {
        let group = format!("g{version}");
        let mut joined = kafka.call(version, join_request(&group, "")).await;
        if version >= 4 {
            assert_eq!((joined.error_code, joined.generation_id, joined.members.len()), (79, -1, 0), "version {version}");
            assert_eq!(joined.protocol_name.as_deref(), if version >= 7 { None } else { Some("") });
            joined = kafka.call(version, join_request(&group, &joined.member_id)).await;
        }
        assert_eq!((joined.error_code, joined.generation_id), (0, 1), "version {version}");
        assert!(joined.member_id.starts_with("tests-") && joined.leader == joined.member_id);
        assert_eq!(joined.protocol_name.as_deref(), Some("range"));
        assert_eq!(joined.protocol_type.as_deref(), (version >= 7).then_some("consumer"));
        let [member] = &joined.members[..] else { panic!("{} members", joined.members.len()) };
        assert_eq!((&member.member_id, &member.metadata), (&joined.member_id, &subscription(&["orders"])));
        assert!(!joined.skip_assignment && member.group_instance_id.is_none());
    }
}

/// Trap 18: the codes of Heartbeat tell the first member to join again.
#[tokio::test(start_paused = true)]
async fn a_second_member_begins_a_generation_for_both() {
    let gateway = Gateway::start();
    let mut first = Member::alone(&gateway, "g").await;
    let mut second = Member::new(&gateway, "g").await;
    assert_eq!(first.heartbeat().await, 0);
    second.send_join().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(first.heartbeat().await, 27);
    first.send_join().await;
    let (of_first, of_second) = (first.joined().await, second.joined().await);
    assert_eq!((of_first.error_code, of_first.generation_id, of_first.members.len()), (0, 2, 2));
    assert_eq!((of_second.error_code, of_second.generation_id, of_second.members.len()), (0, 2, 0));
    assert_eq!((&of_first.leader, &of_second.leader), (&of_first.member_id, &of_first.member_id));
}

#[tokio::test(start_paused = true)]
async fn members_that_come_soon_are_in_the_first_generation_where_it_waits_for_them() {
    let gateway = Gateway::with(|config| config.initial_rebalance_delay = Duration::from_secs(3));
    let (mut first, mut second) = (Member::new(&gateway, "g").await, Member::new(&gateway, "g").await);
    let begun = Instant::now();
    first.send_join().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    second.send_join().await;
    let (of_first, of_second) = (first.joined().await, second.joined().await);
    assert_eq!((of_first.generation_id, of_first.members.len(), of_second.generation_id), (1, 2, 1));
    // Again by as much, since somebody came.
    assert_eq!(begun.elapsed().as_secs(), 6);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_join_again_in_time_is_left_behind() {
    let gateway = Gateway::start();
    let mut first = Member::alone(&gateway, "g").await;
    let mut second = Member::new(&gateway, "g").await;
    let begun = Instant::now();
    second.send_join().await;
    for _ in 0..11 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(first.heartbeat().await, 27);
    }
    let joined = second.joined().await;
    assert_eq!((begun.elapsed().as_secs(), joined.generation_id, joined.members.len()), (60, 2, 1));
    assert_eq!(first.heartbeat().await, 25);
}

#[tokio::test(start_paused = true)]
async fn joins_that_make_no_sense_are_refused() {
    let gateway = Gateway::start();
    let _member = Member::alone(&gateway, "g").await;
    let mut kafka = gateway.kafka();
    let protocol = |name: &str| vec![JoinGroupRequestProtocol::default().with_name(text(name))];
    for (what, request, code) in [
        ("no group", join_request("", ""), 24),
        ("a session that is too short", join_request("g", "").with_session_timeout_ms(5_999), 26),
        ("a session that is too long", join_request("g", "").with_session_timeout_ms(1_800_001), 26),
        ("a negative session", join_request("g", "").with_session_timeout_ms(-1), 26),
        ("another protocol", join_request("g", "").with_protocols(protocol("sticky")), 23),
        ("no protocol", join_request("new", "").with_protocols(vec![]), 23),
        ("another kind of group", join_request("g", "").with_protocol_type(text("connect")), 23),
        ("no kind of group", join_request("new", "").with_protocol_type(text("")), 23),
        ("an unknown member", join_request("g", "stranger"), 25),
        ("a member of an unknown group", join_request("unknown", "stranger"), 25),
    ] {
        for version in [0, 5, 9] {
            let refused = kafka.call(version, request.clone()).await;
            assert_eq!((refused.error_code, refused.generation_id), (code, -1), "{what}, version {version}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_join_that_is_sent_again_gets_the_same_generation() {
    let gateway = Gateway::start();
    let mut leader = Member::alone(&gateway, "g").await;
    let mut follower = Member::new(&gateway, "g").await;
    follower.send_join().await;
    leader.send_join().await;
    assert_eq!((leader.joined().await.error_code, follower.joined().await.error_code), (0, 0));
    for _ in 0..2 {
        follower.send_join().await;
        assert_eq!(follower.joined().await.generation_id, 2);
    }
    leader.sync(&[(&follower.id, "all")]).await;
    follower.send_join().await;
    assert_eq!(follower.joined().await.generation_id, 2);
    // A leader joins again because it wants to assign again.
    leader.send_join().await;
    follower.send_join().await;
    assert_eq!((leader.joined().await.generation_id, follower.joined().await.generation_id), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn a_static_member_that_restarts_goes_on_in_its_generation() {
    let gateway = Gateway::start();
    let mut before = Member::fixed(&gateway, "g", "i").await;
    let mut after = Member::fixed(&gateway, "g", "i").await;
    assert_eq!((after.generation, after.id == before.id), (1, false));
    assert_eq!(after.sync(&[]).await.assignment, "i");
    assert_eq!((after.heartbeat().await, before.heartbeat().await), (0, 82));
    before.send_join().await;
    assert_eq!(before.joined().await.error_code, 82);
}

#[tokio::test(start_paused = true)]
async fn a_static_leader_that_restarts_is_told_from_version_9_on_that_there_is_nothing_to_assign() {
    let gateway = Gateway::start();
    let before = Member::fixed(&gateway, "g", "i").await;
    let mut kafka = gateway.kafka();
    let request = || join_request("g", "").with_group_instance_id(Some(text("i")));
    let old = kafka.call(8, request()).await;
    // Seeing another lead keeps it from assigning anew.
    assert_eq!((old.error_code, &*old.leader, old.members.len(), old.skip_assignment), (0, &*before.id, 0, false));
    let new = kafka.call(9, request()).await;
    assert_eq!((new.error_code, &new.leader, new.members.len(), new.skip_assignment), (0, &new.member_id, 1, true));
}

#[tokio::test(start_paused = true)]
async fn a_member_whose_connection_ends_while_it_joins_stays_until_its_session_ends() {
    let gateway = Gateway::start();
    let mut first = Member::alone(&gateway, "g").await;
    let mut second = Member::alone(&gateway, "other").await;
    (second.group, second.id) = ("g".to_owned(), Member::new(&gateway, "g").await.id);
    second.send_join().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(second);
    tokio::time::sleep(Duration::from_secs(1)).await;
    first.send_join().await;
    assert_eq!(first.joined().await.members.len(), 2, "as in Kafka, a closed connection is not a goodbye");
    let own = first.id.clone();
    first.sync(&[(&own, "all")]).await;
    for (seconds, code) in [(5, 0), (4, 0), (2, 27)] {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        assert_eq!(first.heartbeat().await, code);
    }
    first.send_join().await;
    let alone = first.joined().await;
    assert_eq!((alone.generation_id, alone.members.len()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn stopping_does_not_wait_for_members_that_wait() {
    let gateway = Gateway::start();
    let mut first = Member::alone(&gateway, "g").await;
    let mut second = Member::new(&gateway, "g").await;
    second.send_join().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(first.heartbeat().await, 27);
    let begun = Instant::now();
    gateway.stop();
    assert!(second.kafka.is_closed().await);
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_generation_survives_a_restart_of_the_gateway() {
    let gateway = Gateway::start();
    let mut member = Member::alone(&gateway, "g").await;
    let gateway = gateway.restarted();
    member.kafka = gateway.kafka();
    assert_eq!(member.heartbeat().await, 0);
    let joined = member.kafka.call(5, join_request("g", &member.id)).await;
    assert_eq!((joined.error_code, joined.generation_id), (0, 2), "the leader of a stable group assigns again");
    let unknown = member.kafka.call::<JoinGroupRequest>(5, join_request("g", "stranger")).await;
    assert_eq!(unknown.error_code, 25);
}
