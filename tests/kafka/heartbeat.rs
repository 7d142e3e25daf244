//! Heartbeat (key 12).

use std::time::Duration;

use kafka_protocol::messages::{GroupId, HeartbeatRequest};

use crate::support::{Gateway, Member, text};

fn request(group: &str, member: &str, generation: i32) -> HeartbeatRequest {
    HeartbeatRequest::default().with_group_id(GroupId(text(group))).with_member_id(text(member)).with_generation_id(generation)
}

/// Trap 18: these codes drive rebalances.
#[tokio::test(start_paused = true)]
async fn every_version_tells_a_member_where_it_stands() {
    let gateway = Gateway::start();
    let member = Member::alone(&gateway, "g").await;
    let mut kafka = gateway.kafka();
    for version in 0..=4 {
        for (what, request, code) in [
            ("a member", request("g", &member.id, 1), 0),
            ("an old generation", request("g", &member.id, 0), 22),
            ("no generation", request("g", &member.id, -1), 22),
            ("a stranger", request("g", "stranger", 1), 25),
            ("nobody", request("g", "", 1), 25),
            ("an unknown group", request("unknown", &member.id, 1), 25),
            ("no group", request("", &member.id, 1), 24),
        ] {
            assert_eq!(kafka.call(version, request).await.error_code, code, "{what}, version {version}");
        }
    }
}

/// Trap 18.
#[tokio::test(start_paused = true)]
async fn who_names_another_members_instance_is_fenced() {
    let gateway = Gateway::start();
    let holder = Member::fixed(&gateway, "g", "i").await;
    let mut kafka = gateway.kafka();
    for version in 3..=4 {
        for (member, instance, code) in
            [(&*holder.id, "i", 0), ("old", "i", 82), (&*holder.id, "other", 25), ("old", "other", 25)]
        {
            let request = request("g", member, 1).with_group_instance_id(Some(text(instance)));
            assert_eq!(kafka.call(version, request).await.error_code, code, "member {member}, instance {instance}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_lasts_as_long_as_somebody_is_heard_of() {
    let gateway = Gateway::start();
    let mut member = Member::alone(&gateway, "g").await;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(9_999)).await;
        assert_eq!(member.heartbeat().await, 0);
    }
    tokio::time::sleep(Duration::from_millis(10_001)).await;
    assert_eq!(member.heartbeat().await, 25);
}

#[tokio::test(start_paused = true)]
async fn a_commit_is_a_sign_of_life_too() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut member = Member::alone(&gateway, "g").await;
    for offset in 0..5 {
        tokio::time::sleep(Duration::from_millis(9_999)).await;
        assert_eq!(member.commit("orders", offset).await, 0);
    }
    assert_eq!(member.heartbeat().await, 0);
}
