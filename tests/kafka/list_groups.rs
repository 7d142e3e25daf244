//! ListGroups (key 16).

use kafka_protocol::messages::ListGroupsRequest;

use crate::support::{Gateway, Kafka, Member, commit, text};

/// A group with a member and one that only keeps offsets.
async fn two_groups() -> (Gateway, Member) {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    gateway.kafka().call(8, commit("a", "orders", 0, 1)).await;
    let member = Member::alone(&gateway, "b").await;
    (gateway, member)
}

async fn names(kafka: &mut Kafka, version: i16, request: ListGroupsRequest) -> Vec<String> {
    let response = kafka.call(version, request).await;
    assert_eq!(response.error_code, 0);
    response.groups.iter().map(|group| group.group_id.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn every_version_lists_all_groups() {
    let (gateway, _member) = two_groups().await;
    let mut kafka = gateway.kafka();
    for version in 0..=5 {
        let response = kafka.call(version, ListGroupsRequest::default()).await;
        let groups = response.groups.iter().map(|g| (&**g.group_id, &*g.protocol_type, &*g.group_state, &*g.group_type));
        let state = |state| if version >= 4 { state } else { "" };
        let kind = if version >= 5 { "classic" } else { "" };
        assert_eq!(groups.collect::<Vec<_>>(), [("a", "", state("Empty"), kind), ("b", "consumer", state("Stable"), kind)]);
    }
}

#[tokio::test(start_paused = true)]
async fn states_and_types_are_filters() {
    let (gateway, _member) = two_groups().await;
    let mut kafka = gateway.kafka();
    for version in 4..=5 {
        for (states, expected) in
            [(&["Stable"][..], &["b"][..]), (&["empty", "STABLE"], &["a", "b"]), (&["Dead"], &[]), (&["nonsense"], &[])]
        {
            let request = ListGroupsRequest::default().with_states_filter(states.iter().map(|state| text(state)).collect());
            assert_eq!(names(&mut kafka, version, request).await, expected, "{states:?}");
        }
    }
    for (types, count) in [(&["classic"][..], 2), (&["Classic"], 2), (&["consumer"], 0), (&["consumer", "classic"], 2)] {
        let request = ListGroupsRequest::default().with_types_filter(types.iter().map(|kind| text(kind)).collect());
        assert_eq!(names(&mut kafka, 5, request).await.len(), count, "{types:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_is_listed_after_a_restart_and_not_after_its_deletion() {
    let (gateway, _member) = two_groups().await;
    let gateway = gateway.restarted();
    let mut kafka = gateway.kafka();
    assert_eq!(names(&mut kafka, 5, ListGroupsRequest::default()).await, ["a", "b"]);
    let delete = kafka_protocol::messages::DeleteGroupsRequest::default();
    let delete = delete.with_groups_names(vec![kafka_protocol::messages::GroupId(text("a"))]);
    assert_eq!(kafka.call(2, delete).await.results[0].error_code, 0);
    assert_eq!(names(&mut kafka, 5, ListGroupsRequest::default()).await, ["b"]);
}
