//! OffsetDelete (key 47).

use kafka_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use kafka_protocol::messages::{GroupId, OffsetDeleteRequest, OffsetDeleteResponse};

use crate::support::{Gateway, Member, commit, committed, name, text};

fn request(group: &str, topics: &[(&'static str, &[i32])]) -> OffsetDeleteRequest {
    let topic = |&(topic, partitions): &(&'static str, &[i32])| {
        let partition = |&index: &i32| OffsetDeleteRequestPartition::default().with_partition_index(index);
        OffsetDeleteRequestTopic::default().with_name(name(topic)).with_partitions(partitions.iter().map(partition).collect())
    };
    OffsetDeleteRequest::default().with_group_id(GroupId(text(group))).with_topics(topics.iter().map(topic).collect())
}

fn codes(response: &OffsetDeleteResponse) -> Vec<(&str, i32, i16)> {
    let topics = response.topics.iter();
    topics.flat_map(|t| t.partitions.iter().map(|p| (t.name.as_str(), p.partition_index, p.error_code))).collect()
}

#[tokio::test(start_paused = true)]
async fn offsets_that_nobody_reads_are_forgotten() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let mut kafka = gateway.kafka();
    for partition in 0..2 {
        kafka.call(8, commit("g", "orders", partition, 5)).await;
    }
    let response = kafka.call(0, request("g", &[("orders", &[1, 7]), ("missing", &[0])])).await;
    assert_eq!(response.error_code, 0);
    assert_eq!(codes(&response), [("orders", 1, 0), ("orders", 7, 3), ("missing", 0, 3)]);
    assert_eq!((committed(&mut kafka, "g", "orders", 0).await, committed(&mut kafka, "g", "orders", 1).await), (5, -1));
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_a_live_member_subscribes_to_keeps_its_offsets() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    gateway.stream("done", 1).await;
    let mut member = Member::alone(&gateway, "g").await;
    assert_eq!((member.commit("orders", 5).await, member.commit("done", 6).await), (0, 0));
    let response = member.kafka.call(0, request("g", &[("orders", &[0]), ("done", &[0])])).await;
    assert_eq!((response.error_code, codes(&response)), (0, vec![("orders", 0, 86), ("done", 0, 0)]));
    assert_eq!(committed(&mut member.kafka, "g", "orders", 0).await, 5);
    assert_eq!(committed(&mut member.kafka, "g", "done", 0).await, -1);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_group_has_no_offsets() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    for (group, code) in [("unknown", 69), ("", 24)] {
        let response = kafka.call(0, request(group, &[("orders", &[0])])).await;
        assert_eq!((response.error_code, response.topics.len()), (code, 0), "{group:?}");
    }
}
