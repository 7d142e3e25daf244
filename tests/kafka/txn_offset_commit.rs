//! TxnOffsetCommit (key 28) and AddOffsetsToTxn (key 25): offsets that count if their transaction does.

use std::time::Duration;

use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::{DeleteGroupsRequest, GroupId, OffsetFetchRequest, ProducerId, TransactionalId};
use shardgate::kafka::wire::{TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic};
use uuid::Uuid;

use crate::support::{Gateway, Generation, Member, Transactional, commit, name, text};

const BOTH: [Generation; 2] = [Generation::First, Generation::Second];

/// Error code and offset of partition 0 for `g`.
async fn fetch(gateway: &Gateway, stable: bool) -> (i16, i64) {
    let topic = OffsetFetchRequestTopics::default().with_name(name("orders")).with_partition_indexes(vec![0]);
    let group = OffsetFetchRequestGroup::default().with_group_id(GroupId(text("g"))).with_topics(Some(vec![topic]));
    let request = OffsetFetchRequest::default().with_groups(vec![group]).with_require_stable(stable);
    let response = gateway.kafka().call(8, request).await;
    let found = &response.groups[0].topics[0].partitions[0];
    (found.error_code, found.committed_offset)
}

#[tokio::test(start_paused = true)]
async fn offsets_are_seen_when_their_transaction_is_committed_and_not_before() {
    for generation in BOTH {
        let gateway = Gateway::start();
        gateway.stream("orders", 1).await;
        let mut producer = Transactional::begin(&gateway, "t", generation).await;
        for (round, committed, expected) in [(1, true, 1), (2, false, 1), (3, true, 3)] {
            let before = fetch(&gateway, false).await;
            producer.write(0, &["a"]).await;
            if generation == Generation::First {
                assert_eq!((producer.commit_offset("g", round).await, producer.add_group("g").await), (120, 0));
            }
            assert_eq!(producer.commit_offset("g", round).await, 0);
            assert_eq!((fetch(&gateway, false).await, fetch(&gateway, true).await), (before, (88, -1)), "{generation:?}");
            assert_eq!(producer.end(committed).await, 0);
            assert_eq!((fetch(&gateway, false).await, fetch(&gateway, true).await), ((0, expected), (0, expected)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn offsets_that_are_pending_outlive_a_restart() {
    for generation in BOTH {
        let gateway = Gateway::start();
        gateway.stream("orders", 1).await;
        let mut producer = Transactional::begin(&gateway, "t", generation).await;
        if generation == Generation::First {
            assert_eq!(producer.add_group("g").await, 0);
        }
        assert_eq!(producer.commit_offset("g", 7).await, 0);
        let gateway = gateway.restarted();
        producer.kafka = gateway.kafka();
        assert_eq!((fetch(&gateway, false).await, fetch(&gateway, true).await), ((0, -1), (88, -1)));
        assert_eq!(producer.end(true).await, 0);
        let gateway = gateway.restarted();
        assert_eq!(fetch(&gateway, true).await, (0, 7), "{generation:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_committed_later_stays() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut producer = Transactional::begin(&gateway, "t", Generation::Second).await;
    assert_eq!(producer.commit_offset("g", 5).await, 0);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(gateway.kafka().call(8, commit("g", "orders", 0, 9)).await.topics[0].partitions[0].error_code, 0);
    assert_eq!(producer.end(true).await, 0);
    assert_eq!(fetch(&gateway, true).await, (0, 9));
}

#[tokio::test(start_paused = true)]
async fn a_member_has_to_be_one() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let member = Member::alone(&gateway, "g").await;
    let mut producer = Transactional::begin(&gateway, "t", Generation::Second).await;
    for (group, id, generation, partition, code) in [
        ("", "", -1, 0, 24),
        ("g", member.id.as_str(), member.generation, 0, 0),
        ("g", member.id.as_str(), member.generation + 1, 0, 22),
        ("g", "another", member.generation, 0, 25),
        ("g", "", -1, 0, 0),
        ("unknown", "another", 3, 0, 22),
        ("g", "", -1, 5, 3),
    ] {
        let topic = TxnOffsetCommitRequestTopic { name: name("orders"), ..Default::default() };
        let response = producer.kafka.call(5, request(&producer, group, (id, generation), (topic, partition))).await;
        assert_eq!(response.topics[0].partitions[0].error_code, code, "{group} {id} {generation} {partition}");
    }
    let old = producer.epoch;
    assert_eq!(producer.end(true).await, 0);
    assert_eq!(fetch(&gateway, true).await, (0, 4));
    producer.epoch = old;
    assert_eq!(producer.commit_offset("g", 9).await, 47);
}

fn request(
    producer: &Transactional,
    group: &str,
    (member, generation): (&str, i32),
    (topic, partition_index): (TxnOffsetCommitRequestTopic, i32),
) -> TxnOffsetCommitRequest {
    let partition = TxnOffsetCommitRequestPartition { partition_index, committed_offset: 4, ..Default::default() };
    TxnOffsetCommitRequest {
        transactional_id: TransactionalId(text("t")),
        group_id: GroupId(text(group)),
        producer_id: ProducerId(producer.id),
        producer_epoch: producer.epoch,
        member_id: text(member),
        generation_id_or_member_epoch: generation,
        topics: vec![TxnOffsetCommitRequestTopic { partitions: vec![partition], ..topic }],
        ..Default::default()
    }
}

#[tokio::test(start_paused = true)]
async fn version_6_names_topics_by_id_and_says_which_group_is_not_there() {
    let gateway = Gateway::start();
    let orders = gateway.stream("orders", 1).await.id().0;
    let member = Member::alone(&gateway, "g").await;
    let mut producer = Transactional::begin(&gateway, "t", Generation::Second).await;
    for (group, who, topic_id, partition, code) in [
        ("g", (member.id.as_str(), member.generation), orders, 0, 0),
        ("unknown", ("another", 3), orders, 0, 69),
        ("g", ("", -1), orders, 5, 3),
        ("g", ("", -1), Uuid::from_u128(9), 0, 100),
    ] {
        // A name does not count.
        let topic = TxnOffsetCommitRequestTopic { name: name("payments"), topic_id, ..Default::default() };
        let response = producer.kafka.call(6, request(&producer, group, who, (topic, partition))).await;
        assert_eq!((response.topics[0].topic_id, response.topics[0].partitions[0].error_code), (topic_id, code), "{group}");
    }
    assert_eq!(producer.end(true).await, 0);
    assert_eq!(fetch(&gateway, true).await, (0, 4));
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_deleted_does_not_hold_its_transaction_up() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut producer = Transactional::begin(&gateway, "t", Generation::Second).await;
    assert_eq!(producer.commit_offset("g", 5).await, 0);
    let request = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text("g"))]);
    assert_eq!(gateway.kafka().call(2, request).await.results[0].error_code, 0);
    assert_eq!(producer.end(true).await, 0);
    assert_eq!(fetch(&gateway.restarted(), true).await, (0, -1));
}
