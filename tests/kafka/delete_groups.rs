//! DeleteGroups (key 42).

use kafka_protocol::messages::{DeleteGroupsRequest, GroupId};
use shardgate::kafka::wire::{DeleteGroupsResponse, Unchanged};

use crate::support::{Gateway, Member, commit, committed, text};

fn request(groups: &[&str]) -> DeleteGroupsRequest {
    DeleteGroupsRequest::default().with_groups_names(groups.iter().map(|group| GroupId(text(group))).collect())
}

#[tokio::test(start_paused = true)]
async fn a_group_without_members_is_forgotten_with_its_offsets_in_every_version() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let _member = Member::alone(&gateway, "live").await;
    let mut kafka = gateway.kafka();
    for version in 0..=3 {
        kafka.call(8, commit("idle", "orders", 0, 5)).await;
        kafka.send(version, &Unchanged::<_, 3>(request(&["live", "idle", "unknown", "idle"]))).await;
        let response: DeleteGroupsResponse = kafka.receive_as(version).await;
        let results = response.results.iter().map(|result| (result.group_id.as_str(), result.error_code));
        assert_eq!(results.collect::<Vec<_>>(), [("live", 68), ("idle", 0), ("unknown", 69)]);
        assert_eq!(committed(&mut kafka, "idle", "orders", 0).await, -1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_deleted_stays_deleted_after_a_restart() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    kafka.call(8, commit("g", "orders", 0, 5)).await;
    assert_eq!(kafka.call(1, request(&["g"])).await.results[0].error_code, 0);
    let gateway = gateway.restarted();
    let mut kafka = gateway.kafka();
    assert_eq!(committed(&mut kafka, "g", "orders", 0).await, -1);
    assert_eq!(kafka.call(1, request(&["g"])).await.results[0].error_code, 69);
}

#[tokio::test(start_paused = true)]
async fn a_group_can_be_deleted_when_its_last_member_has_left() {
    let gateway = Gateway::start();
    let mut member = Member::alone(&gateway, "g").await;
    assert_eq!(member.kafka.call(2, request(&["g"])).await.results[0].error_code, 68);
    assert_eq!(member.leave().await, 0);
    assert_eq!(member.kafka.call(2, request(&["g"])).await.results[0].error_code, 0);
}
