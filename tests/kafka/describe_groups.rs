//! DescribeGroups (key 15).

use std::time::Duration;

use kafka_protocol::messages::describe_groups_response::DescribedGroup;
use kafka_protocol::messages::{DescribeGroupsRequest, GroupId};

use crate::support::{Gateway, Kafka, Member, commit, subscription, text};

fn request(groups: &[&str]) -> DescribeGroupsRequest {
    DescribeGroupsRequest::default().with_groups(groups.iter().map(|group| GroupId(text(group))).collect())
}

async fn one(kafka: &mut Kafka, version: i16, group: &str) -> DescribedGroup {
    kafka.call(version, request(&[group])).await.groups.remove(0)
}

#[tokio::test(start_paused = true)]
async fn a_stable_group_is_shown_with_its_members_in_every_version() {
    let gateway = Gateway::start();
    let member = Member::fixed(&gateway, "g", "i").await;
    let mut kafka = gateway.kafka();
    for version in 0..=6 {
        let group = one(&mut kafka, version, "g").await;
        assert_eq!(
            (group.error_code, &*group.group_state, &*group.protocol_type, &*group.protocol_data),
            (0, "Stable", "consumer", "range")
        );
        assert_eq!(group.authorized_operations, i32::MIN);
        let [shown] = &group.members[..] else { panic!("{} members", group.members.len()) };
        assert_eq!((&*shown.member_id, &*shown.client_id, &*shown.client_host), (&*member.id, "tests", "/10.0.0.9"));
        assert_eq!(shown.group_instance_id.as_deref(), (version >= 4).then_some("i"));
        assert_eq!((&shown.member_metadata, &*shown.member_assignment), (&subscription(&["orders"]), &b"i"[..]));
    }
}

#[tokio::test(start_paused = true)]
async fn every_state_has_its_name() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    kafka.call(8, commit("offsets", "orders", 0, 1)).await;
    let offsets = one(&mut kafka, 5, "offsets").await;
    assert_eq!((&*offsets.group_state, &*offsets.protocol_type, offsets.members.len()), ("Empty", "", 0));

    let mut first = Member::alone(&gateway, "g").await;
    let mut second = Member::new(&gateway, "g").await;
    second.send_join().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let gathering = one(&mut kafka, 5, "g").await;
    assert_eq!((&*gathering.group_state, &*gathering.protocol_data, gathering.members.len()), ("PreparingRebalance", "", 2));
    first.send_join().await;
    assert_eq!((first.joined().await.error_code, second.joined().await.error_code), (0, 0));
    let assigning = one(&mut kafka, 5, "g").await;
    assert_eq!((&*assigning.group_state, &*assigning.protocol_data), ("CompletingRebalance", ""));
    assert!(assigning.members.iter().all(|member| member.member_metadata.is_empty()));
    first.sync(&[]).await;
    assert_eq!(&*one(&mut kafka, 5, "g").await.group_state, "Stable");
    assert_eq!((first.leave().await, second.leave().await), (0, 0));
    let empty = one(&mut kafka, 5, "g").await;
    assert_eq!((&*empty.group_state, &*empty.protocol_type, empty.members.len()), ("Empty", "consumer", 0));
}

#[tokio::test(start_paused = true)]
async fn a_group_that_does_not_exist_is_dead_and_since_version_6_an_error() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for version in 0..=6 {
        let group = one(&mut kafka, version, "unknown").await;
        assert_eq!((group.error_code, &*group.group_state), (if version >= 6 { 69 } else { 0 }, "Dead"));
        assert_eq!(group.error_message.is_some(), version >= 6);
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_is_told_what_is_allowed() {
    let gateway = Gateway::start();
    let _member = Member::alone(&gateway, "g").await;
    let mut kafka = gateway.kafka();
    for version in 3..=6 {
        let response = kafka.call(version, request(&["g"]).with_include_authorized_operations(true)).await;
        // Read 3, delete 6, describe 8, and the two of configs.
        assert_eq!(response.groups[0].authorized_operations, 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11);
    }
}
