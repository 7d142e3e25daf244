//! Share groups, as the life of some members: ShareGroupHeartbeat, ShareGroupDescribe, ShareFetch, ShareAcknowledge (keys 76 to 79),
//! DescribeShareGroupOffsets, AlterShareGroupOffsets and DeleteShareGroupOffsets (keys 90 to 92).

use kafka_protocol::messages::alter_share_group_offsets_request::{
    AlterShareGroupOffsetsRequestPartition, AlterShareGroupOffsetsRequestTopic,
};
use kafka_protocol::messages::delete_share_group_offsets_request::DeleteShareGroupOffsetsRequestTopic;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_share_group_offsets_request::{
    DescribeShareGroupOffsetsRequestGroup, DescribeShareGroupOffsetsRequestTopic,
};
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::*;
use shardgate::kafka::wire::{
    DescribeShareGroupOffsetsResponse, ShareAcknowledgePartition, ShareAcknowledgeRequest, ShareAcknowledgeTopic,
    ShareAcknowledgementBatch, ShareFetchPartition, ShareFetchRequest, ShareFetchTopic, Unchanged,
};
use tokio::time::{Duration, Instant};

use crate::support::{Gateway, Generation, Kafka, Transactional, batch, commit, join_request, name, records, text};

const ACCEPT: i8 = 1;
const RELEASE: i8 = 2;
const REJECT: i8 = 3;
const RENEW: i8 = 4;

/// A member of the group `g` that reads `orders`.
struct Sharer {
    kafka: Kafka,
    id: &'static str,
    epoch: i32,
    session: i32,
    topic: uuid::Uuid,
}

/// What it got: offset, value, the which-th time.
type Got = Vec<(i64, String, i16)>;

impl Sharer {
    async fn joined(gateway: &Gateway, id: &'static str) -> Self {
        let topic = gateway.log.stream("orders").unwrap().id().0;
        let mut sharer = Self { kafka: gateway.kafka(), id, epoch: 0, session: 0, topic };
        let response = sharer.heartbeat(Some("orders")).await;
        assert_eq!((response.error_code, response.heartbeat_interval_ms), (0, 5_000));
        let assigned = response.assignment.unwrap().topic_partitions;
        assert_eq!((assigned[0].topic_id, &assigned[0].partitions[..]), (topic, &[0][..]));
        sharer
    }

    async fn heartbeat(&mut self, topic: Option<&'static str>) -> ShareGroupHeartbeatResponse {
        let request = ShareGroupHeartbeatRequest::default()
            .with_group_id(GroupId(text("g")))
            .with_member_id(text(self.id))
            .with_member_epoch(self.epoch)
            .with_subscribed_topic_names(topic.map(|topic| vec![name(topic)]));
        let response = self.kafka.call(1, request).await;
        if response.error_code == 0 {
            self.epoch = response.member_epoch;
        }
        response
    }

    fn request(&self, verdicts: &[(i64, i64, i8)], wait: i32) -> ShareFetchRequest {
        let partition = ShareFetchPartition { partition_index: 0, acknowledgement_batches: batches(verdicts) };
        let topic = ShareFetchTopic { topic_id: self.topic, partitions: vec![partition] };
        ShareFetchRequest {
            group_id: Some(text("g")),
            member_id: Some(text(self.id)),
            share_session_epoch: self.session,
            max_wait_ms: wait,
            min_bytes: 1,
            max_bytes: 1 << 20,
            max_records: 500,
            batch_size: 500,
            topics: if self.session == 0 || !verdicts.is_empty() { vec![topic] } else { Vec::new() },
            ..Default::default()
        }
    }

    fn got(&mut self, response: &ShareFetchResponse) -> Got {
        assert_eq!(response.error_code, 0);
        self.session += 1;
        let mut got = Got::new();
        for partition in response.responses.iter().flat_map(|topic| &topic.partitions) {
            assert_eq!((partition.error_code, partition.acknowledge_error_code), (0, 0));
            for record in partition.records.iter().flat_map(records) {
                let acquired = &partition.acquired_records;
                let of = acquired.iter().find(|span| (span.first_offset..=span.last_offset).contains(&record.offset));
                got.extend(of.map(|of| (record.offset, record.value, of.delivery_count)));
            }
        }
        got
    }

    async fn fetch(&mut self, verdicts: &[(i64, i64, i8)]) -> Got {
        let response = self.kafka.call(2, self.request(verdicts, 0)).await;
        self.got(&response)
    }

    async fn say(&mut self, session: i32, verdicts: &[(i64, i64, i8)]) -> (i16, Vec<i16>) {
        let partition = ShareAcknowledgePartition { partition_index: 0, acknowledgement_batches: batches(verdicts) };
        let topic = ShareAcknowledgeTopic { topic_id: self.topic, partitions: vec![partition] };
        let request = ShareAcknowledgeRequest {
            group_id: Some(text("g")),
            member_id: Some(text(self.id)),
            share_session_epoch: session,
            is_renew_ack: verdicts.iter().any(|(_, _, kind)| *kind == RENEW),
            topics: if verdicts.is_empty() { Vec::new() } else { vec![topic] },
        };
        let response = self.kafka.call(2, request).await;
        assert_eq!(response.acquisition_lock_timeout_ms, if response.error_code == 0 { 30_000 } else { 0 });
        let codes = response.responses.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.error_code);
        (response.error_code, codes.collect())
    }
}

/// A verdict for all records from the first to the last.
fn batches(verdicts: &[(i64, i64, i8)]) -> Vec<ShareAcknowledgementBatch> {
    let batch = |&(first_offset, last_offset, kind): &(i64, i64, i8)| ShareAcknowledgementBatch {
        first_offset,
        last_offset,
        acknowledge_types: vec![kind],
    };
    verdicts.iter().map(batch).collect()
}

fn of(got: &[(i64, &str, i16)]) -> Got {
    got.iter().map(|&(offset, value, deliveries)| (offset, value.to_owned(), deliveries)).collect()
}

async fn set_config(kafka: &mut Kafka, key: &'static str, value: &str) -> i16 {
    let config = AlterableConfig::default().with_name(text(key)).with_value(Some(text(value)));
    let resource =
        AlterConfigsResource::default().with_resource_type(32).with_resource_name(text("g")).with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    kafka.call(1, request).await.responses[0].error_code
}

/// A gateway whose topic `orders` has these records in one partition, read from its beginning by the group `g`.
async fn filled(values: &[&str]) -> Gateway {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    assert_eq!(set_config(&mut kafka, "share.auto.offset.reset", "earliest").await, 0);
    assert_eq!(set_config(&mut kafka, "share.assignment.interval.ms", "0").await, 0);
    for value in values {
        kafka.produce("orders", 0, batch(&[value])).await;
    }
    gateway
}

/// Where the group is, and how many records it has not finished.
async fn offset(kafka: &mut Kafka) -> (i64, i64) {
    let group = DescribeShareGroupOffsetsRequestGroup::default().with_group_id(GroupId(text("g"))).with_topics(None);
    let request = Unchanged::<_, 1>(DescribeShareGroupOffsetsRequest::default().with_groups(vec![group]));
    kafka.send(1, &request).await;
    let response: DescribeShareGroupOffsetsResponse = kafka.receive_as(1).await;
    assert_eq!(response.groups[0].error_code, 0);
    let partition = &response.groups[0].topics[0].partitions[0];
    (partition.start_offset, partition.lag)
}

#[tokio::test(start_paused = true)]
async fn records_are_shared_and_what_is_released_comes_again() {
    let gateway = filled(&["a", "b", "c"]).await;
    let (mut one, mut other) = (Sharer::joined(&gateway, "one").await, Sharer::joined(&gateway, "other").await);
    assert_eq!(one.fetch(&[]).await, of(&[(0, "a", 1), (1, "b", 1), (2, "c", 1)]));
    assert_eq!(other.fetch(&[]).await, of(&[]));
    assert_eq!(one.fetch(&[(0, 0, ACCEPT), (1, 1, RELEASE), (2, 2, REJECT)]).await, of(&[(1, "b", 2)]));
    assert_eq!(one.say(2, &[(1, 1, RELEASE)]).await, (0, vec![0]));
    assert_eq!(other.fetch(&[]).await, of(&[(1, "b", 3)]));
    assert_eq!(offset(&mut gateway.kafka()).await, (1, 1));
    assert_eq!(other.say(2, &[(1, 1, ACCEPT)]).await, (0, vec![0]));
    assert_eq!(offset(&mut gateway.kafka()).await, (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_group_begins_behind_what_there_is_and_a_reader_is_woken_at_once() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    gateway.kafka().produce("orders", 0, batch(&["old"])).await;
    let mut sharer = Sharer::joined(&gateway, "one").await;
    assert_eq!(offset(&mut gateway.kafka()).await, (-1, -1));
    let begun = Instant::now();
    let request = sharer.request(&[], 60_000);
    sharer.kafka.send(1, &request).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    gateway.kafka().produce("orders", 0, batch(&["new"])).await;
    let response = sharer.kafka.receive::<ShareFetchRequest>(1).await;
    assert_eq!((sharer.got(&response), response.acquisition_lock_timeout_ms), (of(&[(1, "new", 1)]), 30_000));
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn who_waits_gets_what_another_one_keeps_too_long_or_gives_back() {
    let gateway = filled(&["a", "b"]).await;
    let (mut one, mut other) = (Sharer::joined(&gateway, "one").await, Sharer::joined(&gateway, "other").await);
    assert_eq!(one.fetch(&[]).await.len(), 2);
    assert_eq!(one.say(1, &[(1, 1, ACCEPT)]).await, (0, vec![0]));
    let (begun, request) = (Instant::now(), other.request(&[], 40_000));
    let response = other.kafka.call(1, request).await;
    assert_eq!(other.got(&response), of(&[(0, "a", 2)]));
    assert!((30..32).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert_eq!(one.say(2, &[(0, 0, ACCEPT)]).await, (0, vec![121]), "the lock is over");
    // A session that ends gives back, and that does not count as a delivery.
    assert_eq!(other.say(-1, &[]).await, (0, vec![]));
    one.session = 3;
    assert_eq!(one.fetch(&[]).await, of(&[(0, "a", 2)]));
}

#[tokio::test(start_paused = true)]
async fn a_record_is_given_up_after_its_last_delivery() {
    let gateway = filled(&["poison"]).await;
    assert_eq!(set_config(&mut gateway.kafka(), "share.delivery.count.limit", "2").await, 0);
    let mut sharer = Sharer::joined(&gateway, "one").await;
    assert_eq!(sharer.fetch(&[]).await, of(&[(0, "poison", 1)]));
    assert_eq!(sharer.fetch(&[(0, 0, RELEASE)]).await, of(&[(0, "poison", 2)]));
    assert_eq!(sharer.fetch(&[(0, 0, RELEASE)]).await, of(&[]));
    assert_eq!(offset(&mut gateway.kafka()).await, (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_comes_again_and_again_comes_alone_in_the_end() {
    let gateway = filled(&[]).await;
    gateway.kafka().produce("orders", 0, batch(&["a", "b", "poison", "d"])).await;
    let mut sharer = Sharer::joined(&gateway, "one").await;
    assert_eq!(sharer.fetch(&[]).await.len(), 4);
    for delivery in 2..=3 {
        let got = sharer.fetch(&[(0, 3, RELEASE)]).await;
        assert!(got.len() == 4 && got.iter().all(|(.., deliveries)| *deliveries == delivery), "{got:?}");
    }
    assert_eq!(sharer.fetch(&[(0, 3, RELEASE)]).await, of(&[(0, "a", 4), (1, "b", 4)]));
    assert_eq!(sharer.fetch(&[(0, 1, RELEASE)]).await, of(&[(0, "a", 5)]));
    assert_eq!(sharer.fetch(&[(0, 0, ACCEPT)]).await, of(&[(1, "b", 5)]));
    assert_eq!(sharer.fetch(&[(1, 1, ACCEPT)]).await, of(&[(2, "poison", 4), (3, "d", 4)]));
    assert_eq!(sharer.fetch(&[(2, 3, RELEASE)]).await, of(&[(2, "poison", 5)]));
    assert_eq!(sharer.fetch(&[(2, 2, RELEASE)]).await, of(&[(3, "d", 5)]), "the others are not given up with it");
    assert_eq!(sharer.say(sharer.session, &[(3, 3, ACCEPT)]).await, (0, vec![0]));
    assert_eq!(offset(&mut gateway.kafka()).await, (4, 0));
}

#[tokio::test(start_paused = true)]
async fn partitions_are_assigned_anew_no_sooner_than_that_is_set() {
    let gateway = filled(&[]).await;
    assert_eq!(set_config(&mut gateway.kafka(), "share.assignment.interval.ms", "2000").await, 0);
    let mut one = Sharer::joined(&gateway, "one").await;
    let mut other = Sharer { kafka: gateway.kafka(), id: "other", epoch: 0, session: 0, topic: one.topic };
    let partitions =
        |response: ShareGroupHeartbeatResponse| response.assignment.map(|assignment| assignment.topic_partitions.len());
    tokio::time::sleep(Duration::from_millis(1_999)).await;
    assert_eq!((partitions(other.heartbeat(Some("orders")).await), other.epoch), (Some(0), one.epoch));
    assert_eq!(partitions(other.heartbeat(None).await), None);
    let request = ShareGroupDescribeRequest::default().with_group_ids(vec![GroupId(text("g"))]);
    let described = gateway.kafka().call(1, request).await;
    assert_eq!((described.groups[0].group_epoch, described.groups[0].assignment_epoch), (one.epoch + 1, one.epoch));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(partitions(other.heartbeat(None).await), Some(1));
    assert_eq!((partitions(one.heartbeat(None).await), other.epoch), (Some(1), one.epoch));
    // Whoever is first again need not wait.
    for sharer in [&mut one, &mut other] {
        sharer.epoch = -1;
        assert_eq!(sharer.heartbeat(None).await.error_code, 0);
    }
    Sharer::joined(&gateway, "third").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_acknowledged_does_not_come_back_after_a_restart_and_counts_hold() {
    let gateway = filled(&["a", "b", "c"]).await;
    let mut sharer = Sharer::joined(&gateway, "one").await;
    assert_eq!(sharer.fetch(&[]).await.len(), 3);
    assert_eq!(sharer.say(1, &[(0, 0, RELEASE), (1, 1, ACCEPT)]).await, (0, vec![0]));
    let gateway = gateway.restarted();
    sharer.kafka = gateway.kafka();
    assert_eq!(sharer.heartbeat(None).await.error_code, 0, "it is a member still");
    let request = sharer.request(&[], 0);
    assert_eq!(sharer.kafka.call(1, request).await.error_code, 122);
    sharer.session = 0;
    assert_eq!(sharer.fetch(&[]).await, of(&[(0, "a", 2), (2, "c", 2)]));
}

#[tokio::test(start_paused = true)]
async fn epochs_of_sessions_and_members_are_checked() {
    let gateway = filled(&["a"]).await;
    let mut sharer = Sharer::joined(&gateway, "one").await;
    assert_eq!(sharer.say(0, &[]).await.0, 123);
    assert_eq!(sharer.say(1, &[]).await.0, 122);
    assert_eq!(sharer.fetch(&[]).await.len(), 1);
    assert_eq!(sharer.say(5, &[]).await.0, 123);
    for (wrong, code) in
        [(&[(0, 0, 9)][..], 42), (&[(0, 0, ACCEPT), (0, 0, ACCEPT)], 121), (&[(0, 7, ACCEPT)], 42), (&[(7, 7, ACCEPT)], 42)]
    {
        assert_eq!(sharer.say(sharer.session, wrong).await, (0, vec![code]), "{wrong:?}");
        sharer.session += 1;
    }
    let epoch = sharer.epoch;
    sharer.epoch = 99;
    assert_eq!(sharer.heartbeat(None).await.error_code, 110);
    sharer.epoch = epoch;
    assert_eq!(sharer.heartbeat(None).await.error_code, 0);
    sharer.epoch = -1;
    assert_eq!((sharer.heartbeat(None).await.error_code, sharer.heartbeat(None).await.error_code), (0, 25));
    sharer.epoch = 0;
    assert_eq!(sharer.heartbeat(None).await.error_code, 42);
    for wrong in ["", "an id of thirty-seven characters, one.."] {
        sharer.id = wrong;
        assert_eq!(sharer.heartbeat(Some("orders")).await.error_code, 42);
        let request = sharer.request(&[], 0);
        assert_eq!(sharer.kafka.call(1, request).await.error_code, 42);
    }
    sharer.id = "one";
    let nowhere = ShareFetchRequest { group_id: Some(text("nowhere")), share_session_epoch: 1, ..sharer.request(&[], 0) };
    assert_eq!(sharer.kafka.call(1, nowhere).await.error_code, 122, "a group that is not there has no sessions");
}

#[tokio::test(start_paused = true)]
async fn no_more_records_are_given_than_are_wanted_where_that_is_asked_for() {
    let gateway = filled(&[]).await;
    gateway.kafka().produce("orders", 0, batch(&["a", "b", "c", "d", "e"])).await;
    let mut sharer = Sharer::joined(&gateway, "one").await;
    let limited = |request| ShareFetchRequest { share_acquire_mode: 1, max_records: 2, ..request };
    for (version, expected) in [(2, &[(0, "a", 1), (1, "b", 1)][..]), (2, &[(2, "c", 1), (3, "d", 1)]), (2, &[(4, "e", 1)])] {
        let request = limited(sharer.request(&[], 0));
        let response = sharer.kafka.call(version, request).await;
        assert_eq!(sharer.got(&response), of(expected));
    }
    assert_eq!(sharer.say(3, &[(0, 4, RELEASE)]).await, (0, vec![0]));
    sharer.session += 1;
    let request = limited(sharer.request(&[], 0));
    let response = sharer.kafka.call(2, request).await;
    assert_eq!(sharer.got(&response), of(&[(0, "a", 2), (1, "b", 2)]), "what was released is bounded likewise");
    let request = ShareFetchRequest { max_records: 2, ..sharer.request(&[], 0) };
    let response = sharer.kafka.call(2, request).await;
    assert_eq!(sharer.got(&response), of(&[(2, "c", 2), (3, "d", 2)]), "what was given together is given together again");
    let request = ShareFetchRequest { share_acquire_mode: 2, ..sharer.request(&[], 0) };
    assert_eq!(sharer.kafka.call(2, request).await.error_code, 42);
}

#[tokio::test(start_paused = true)]
async fn who_renews_keeps_what_it_has_for_as_long_again() {
    let gateway = filled(&["a", "b", "c"]).await;
    let (mut one, mut other) = (Sharer::joined(&gateway, "one").await, Sharer::joined(&gateway, "other").await);
    assert_eq!(one.fetch(&[]).await.len(), 3);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(one.say(1, &[(0, 0, RENEW), (1, 1, ACCEPT)]).await, (0, vec![0]), "others' verdicts may come along");
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(other.fetch(&[]).await, of(&[(2, "c", 2)]), "which was not renewed");
    // A fetch renews too, and fetches nothing then.
    one.session = 2;
    let renewal =
        ShareFetchRequest { is_renew_ack: true, max_bytes: 0, min_bytes: 0, max_records: 0, ..one.request(&[(0, 0, RENEW)], 0) };
    let response = one.kafka.call(2, renewal.clone()).await;
    assert_eq!(one.got(&response), of(&[]));
    for sharer in [&mut one, &mut other] {
        assert_eq!(sharer.heartbeat(None).await.error_code, 0, "whoever is silent loses what it has");
    }
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(other.fetch(&[(2, 2, ACCEPT)]).await, of(&[]));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(other.fetch(&[]).await, of(&[(0, "a", 2)]), "it is over in the end");
    assert_eq!(one.say(3, &[(0, 0, RENEW)]).await, (0, vec![121]), "what it has not it cannot renew");
    for wrong in [
        ShareFetchRequest { max_bytes: 1, ..renewal.clone() },
        ShareFetchRequest { min_bytes: 1, ..renewal.clone() },
        ShareFetchRequest { max_records: 1, ..renewal.clone() },
        ShareFetchRequest { max_wait_ms: 1, ..renewal.clone() },
    ] {
        assert_eq!(one.kafka.call(2, wrong).await.error_code, 42, "who renews fetches nothing");
    }
    // A request that does not say so cannot renew, and no request of version 1 can.
    for (version, is_renew_ack, epoch) in [(2, false, 4), (1, true, 5)] {
        let request = ShareFetchRequest { is_renew_ack, share_session_epoch: epoch, ..renewal.clone() };
        let response = one.kafka.call(version, request).await;
        assert_eq!((response.error_code, response.responses[0].partitions[0].acknowledge_error_code), (0, 42));
    }
    assert_eq!(set_config(&mut gateway.kafka(), "share.renew.acknowledge.enable", "false").await, 0);
    assert_eq!(other.say(3, &[(0, 0, RENEW)]).await, (0, vec![121]));
    assert_eq!(other.say(4, &[(0, 0, ACCEPT)]).await, (0, vec![0]));
}

#[tokio::test(start_paused = true)]
async fn a_silent_member_goes_and_its_records_with_it() {
    let gateway = filled(&["a"]).await;
    let (mut one, mut other) = (Sharer::joined(&gateway, "one").await, Sharer::joined(&gateway, "other").await);
    assert_eq!(set_config(&mut gateway.kafka(), "share.record.lock.duration.ms", "60000").await, 0);
    assert_eq!(one.fetch(&[]).await.len(), 1);
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(other.heartbeat(None).await.error_code, 0);
    }
    assert_eq!(other.fetch(&[]).await, of(&[(0, "a", 1)]));
    assert_eq!(one.heartbeat(None).await.error_code, 25);
    let request = ShareGroupDescribeRequest::default().with_group_ids(vec![GroupId(text("g")), GroupId(text("none"))]);
    let response = gateway.kafka().call(1, request).await;
    let group = &response.groups[0];
    assert_eq!((group.error_code, &*group.group_state, &*group.assignor_name), (0, "Stable", "simple"));
    let members: Vec<_> = group.members.iter().map(|member| (&*member.member_id, member.member_epoch)).collect();
    assert_eq!(members, [("other", group.group_epoch)]);
    assert_eq!(group.members[0].assignment.topic_partitions[0].topic_name.as_str(), "orders");
    assert_eq!(response.groups[1].error_code, 69);
}

#[tokio::test(start_paused = true)]
async fn a_group_without_members_is_moved_emptied_and_deleted() {
    let gateway = filled(&["a", "b", "c"]).await;
    let mut kafka = gateway.kafka();
    let mut sharer = Sharer::joined(&gateway, "one").await;
    sharer.fetch(&[]).await;
    let moved = |to| {
        let partition = AlterShareGroupOffsetsRequestPartition::default().with_partition_index(0).with_start_offset(to);
        let topic =
            AlterShareGroupOffsetsRequestTopic::default().with_topic_name(name("orders")).with_partitions(vec![partition]);
        AlterShareGroupOffsetsRequest::default().with_group_id(GroupId(text("g"))).with_topics(vec![topic])
    };
    let delete = || DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text("g"))]);
    assert_eq!(kafka.call(0, moved(2)).await.error_code, 68);
    assert_eq!(kafka.call(2, delete()).await.results[0].error_code, 68);
    sharer.epoch = -1;
    sharer.heartbeat(None).await;
    assert_eq!(kafka.call(0, moved(2)).await.responses[0].partitions[0].error_code, 0);
    assert_eq!(offset(&mut kafka).await, (2, 1));
    sharer = Sharer::joined(&gateway, "one").await;
    assert_eq!(sharer.fetch(&[]).await, of(&[(2, "c", 1)]));
    sharer.epoch = -1;
    sharer.heartbeat(None).await;
    let forget = || {
        let topic = |topic| DeleteShareGroupOffsetsRequestTopic::default().with_topic_name(name(topic));
        let topics = vec![topic("orders"), topic("nowhere")];
        DeleteShareGroupOffsetsRequest::default().with_group_id(GroupId(text("g"))).with_topics(topics)
    };
    assert_eq!(kafka.call(0, moved(2).with_group_id(GroupId(text("")))).await.error_code, 24);
    assert_eq!(kafka.call(0, forget().with_group_id(GroupId(text("")))).await.error_code, 24);
    for expected in [[0, 3], [3, 3]] {
        let response = kafka.call(0, forget()).await;
        assert_eq!(response.responses.iter().map(|topic| topic.error_code).collect::<Vec<_>>(), expected);
    }
    let listed = |response: ListGroupsResponse| {
        let line = |group: &list_groups_response::ListedGroup| {
            (group.group_id.to_string(), group.group_state.to_string(), group.group_type.to_string())
        };
        response.groups.iter().map(line).collect::<Vec<_>>()
    };
    let line = ("g".to_owned(), "Empty".to_owned(), "share".to_owned());
    let only = ListGroupsRequest::default().with_types_filter(vec![text("Share")]);
    assert_eq!(listed(kafka.call(5, only).await), [line]);
    assert_eq!(kafka.call(2, delete()).await.results[0].error_code, 0);
    assert_eq!(listed(kafka.call(5, ListGroupsRequest::default()).await), []);
    assert_eq!(kafka.call(2, delete()).await.results[0].error_code, 69);
    let topic = DescribeShareGroupOffsetsRequestTopic::default().with_topic_name(name("orders")).with_partitions(vec![0]);
    for (topics, expected) in [(None, vec![]), (Some(vec![topic]), vec![(0, -1, -1)])] {
        let group = DescribeShareGroupOffsetsRequestGroup::default().with_group_id(GroupId(text("g"))).with_topics(topics);
        kafka.send(1, &Unchanged::<_, 1>(DescribeShareGroupOffsetsRequest::default().with_groups(vec![group]))).await;
        let response: DescribeShareGroupOffsetsResponse = kafka.receive_as(1).await;
        let partitions = response.groups[0].topics.iter().flat_map(|topic| &topic.partitions);
        let offsets: Vec<_> = partitions.map(|p| (p.error_code, p.start_offset, p.lag)).collect();
        assert_eq!((response.groups[0].error_code, offsets), (0, expected), "a group that is gone has read nothing");
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_not_there_is_made_when_it_is_told_where_it_is() {
    let gateway = filled(&["a", "b", "c"]).await;
    let mut kafka = gateway.kafka();
    let moved = |topic, to| {
        let partition = AlterShareGroupOffsetsRequestPartition::default().with_partition_index(0).with_start_offset(to);
        let topic = AlterShareGroupOffsetsRequestTopic::default().with_topic_name(name(topic)).with_partitions(vec![partition]);
        AlterShareGroupOffsetsRequest::default().with_group_id(GroupId(text("g"))).with_topics(vec![topic])
    };
    let answer = |response: AlterShareGroupOffsetsResponse| {
        let partition = &response.responses[0].partitions[0];
        (response.error_code, partition.error_code, partition.error_message.is_some())
    };
    assert_eq!(answer(kafka.call(0, moved("nowhere", 1)).await), (0, 3, true));
    let none = kafka.call(5, ListGroupsRequest::default()).await.groups;
    assert!(none.is_empty(), "nothing was set, so there is no group");
    assert_eq!(answer(kafka.call(0, moved("orders", 1)).await), (0, 0, false));
    // A member that may not join takes nothing with it.
    let unnamed = ShareGroupHeartbeatRequest::default().with_group_id(GroupId(text("g"))).with_member_id(text("one"));
    let unknown = unnamed.with_member_epoch(5).with_subscribed_topic_names(Some(vec![name("orders")]));
    assert_eq!(kafka.call(1, unknown).await.error_code, 25);
    let gateway = gateway.restarted();
    assert_eq!(offset(&mut gateway.kafka()).await, (1, 2));
    let mut sharer = Sharer::joined(&gateway, "one").await;
    assert_eq!(sharer.fetch(&[]).await, of(&[(1, "b", 1), (2, "c", 1)]));
}

#[tokio::test(start_paused = true)]
async fn a_share_group_is_no_group_of_another_kind() {
    let gateway = filled(&["a"]).await;
    let _sharer = Sharer::joined(&gateway, "one").await;
    let mut kafka = gateway.kafka();
    assert_eq!(kafka.call(5, join_request("g", "")).await.error_code, 23);
    assert_eq!(kafka.call(9, commit("g", "orders", 0, 1)).await.topics[0].partitions[0].error_code, 69);
    let request = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_member_id(text("one"))
        .with_rebalance_timeout_ms(1_000)
        .with_subscribed_topic_names(Some(vec![name("orders")]))
        .with_topic_partitions(Some(vec![]));
    assert_eq!(kafka.call(0, request).await.error_code, 69);
}

#[tokio::test(start_paused = true)]
async fn a_classic_group_is_no_share_group() {
    let gateway = filled(&["a"]).await;
    gateway.kafka().call(8, commit("g", "orders", 0, 1)).await;
    let request = ShareGroupHeartbeatRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_member_id(text("one"))
        .with_subscribed_topic_names(Some(vec![name("orders")]));
    assert_eq!(gateway.kafka().call(1, request).await.error_code, 69);
    let partition = AlterShareGroupOffsetsRequestPartition::default();
    let topic = AlterShareGroupOffsetsRequestTopic::default().with_topic_name(name("orders")).with_partitions(vec![partition]);
    let request = AlterShareGroupOffsetsRequest::default().with_group_id(GroupId(text("g"))).with_topics(vec![topic]);
    assert_eq!(gateway.kafka().call(0, request).await.error_code, 69);
}

#[tokio::test(start_paused = true)]
async fn a_groups_configs_are_shown_as_they_were_set_also_after_a_restart() {
    let gateway = filled(&[]).await;
    assert_eq!(set_config(&mut gateway.kafka(), "share.record.lock.duration.ms", "1").await, 40);
    assert_eq!(set_config(&mut gateway.kafka(), "share.isolation.level", "read_much").await, 40);
    assert_eq!(set_config(&mut gateway.kafka(), "share.isolation.level", "read_committed").await, 0);
    let gateway = gateway.restarted();
    let resource = DescribeConfigsResource::default().with_resource_type(32).with_resource_name(text("g"));
    let response = gateway.kafka().call(4, DescribeConfigsRequest::default().with_resources(vec![resource])).await;
    let configs = &response.results[0].configs;
    let config = |name: &str| {
        configs.iter().find(|config| *config.name == *name).map(|config| (config.value.as_deref(), config.config_source))
    };
    assert_eq!(config("share.auto.offset.reset"), Some((Some("earliest"), 8)));
    assert_eq!(config("share.isolation.level"), Some((Some("read_committed"), 8)));
    assert_eq!(config("share.record.lock.duration.ms"), Some((Some("30000"), 5)));
}

#[tokio::test(start_paused = true)]
async fn a_topic_made_anew_is_read_anew() {
    let gateway = filled(&["a"]).await;
    let mut sharer = Sharer::joined(&gateway, "one").await;
    assert_eq!(sharer.fetch(&[]).await.len(), 1);
    let request = DeleteTopicsRequest::default().with_topic_names(vec![name("orders")]).with_timeout_ms(1_000);
    assert_eq!(gateway.kafka().call(4, request).await.responses[0].error_code, 0);
    let request = sharer.request(&[], 0);
    let response = sharer.kafka.call(1, request).await;
    assert_eq!(response.responses[0].partitions[0].error_code, 100);
    gateway.stream("orders", 1).await;
    gateway.kafka().produce("orders", 0, batch(&["new"])).await;
    sharer.topic = gateway.log.stream("orders").unwrap().id().0;
    assert!(sharer.heartbeat(None).await.assignment.is_some());
    sharer.session = 0;
    assert_eq!(sharer.fetch(&[]).await, of(&[(0, "new", 1)]));
}

#[tokio::test(start_paused = true)]
async fn a_group_that_reads_what_is_committed_gets_nothing_else() {
    let gateway = filled(&["a"]).await;
    assert_eq!(set_config(&mut gateway.kafka(), "share.isolation.level", "read_committed").await, 0);
    let mut aborted = Transactional::begin(&gateway, "aborted", Generation::Second).await;
    let mut committed = Transactional::begin(&gateway, "committed", Generation::Second).await;
    assert_eq!(aborted.send(0, &["x", "y"]).await, 0);
    assert_eq!(committed.send(0, &["b"]).await, 0);
    gateway.kafka().produce("orders", 0, batch(&["c"])).await;
    let mut sharer = Sharer::joined(&gateway, "one").await;
    assert_eq!(sharer.fetch(&[]).await, of(&[(0, "a", 1)]), "up to the first record of an open transaction");
    assert_eq!(committed.end(true).await, 0);
    assert_eq!(sharer.fetch(&[(0, 0, ACCEPT)]).await, of(&[]));
    // Whoever waits is woken by the end of the last transaction that was in the way.
    let request = sharer.request(&[], 60_000);
    sharer.kafka.send(2, &request).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    assert_eq!(aborted.end(false).await, 0);
    let response = sharer.kafka.receive::<ShareFetchRequest>(2).await;
    let acquired: Vec<_> = response.0.responses[0].partitions[0]
        .acquired_records
        .iter()
        .map(|acquired| (acquired.first_offset, acquired.last_offset))
        .collect();
    // 1 and 2 are the aborted records; 5 is the marker of the other transaction, for which the client says that there is nothing.
    let marker = "\0\0\0\0\0\0";
    assert_eq!((sharer.got(&response), acquired), (of(&[(3, "b", 1), (4, "c", 1), (5, marker, 1)]), vec![(3, 5)]));
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(sharer.say(3, &[(3, 4, ACCEPT), (5, 5, 0)]).await, (0, vec![0]));
    assert_eq!(offset(&mut gateway.kafka()).await, (7, 0), "behind the marker of what was aborted");
    // The next one reads everything, as it comes.
    assert_eq!(set_config(&mut gateway.kafka(), "share.isolation.level", "read_uncommitted").await, 0);
    assert_eq!(aborted.send(0, &["z"]).await, 0);
    sharer.session += 1;
    assert_eq!(sharer.fetch(&[]).await, of(&[(7, "z", 1)]));
}
