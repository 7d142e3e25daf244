//! OffsetFetch (key 9).

use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::offset_fetch_response::{OffsetFetchResponsePartitions, OffsetFetchResponseTopics};
use kafka_protocol::messages::{GroupId, OffsetFetchRequest};
use shardgate::kafka::wire;
use uuid::Uuid;

use crate::support::{Gateway, Kafka, commit, name, text};

/// A partition's answer: its number, offset, leader epoch and metadata.
type Found = (i32, i64, i32, String);

/// Topics and partitions that a request names.
type Asked = Option<Vec<(&'static str, Vec<i32>)>>;

/// What a group keeps of some partitions, whatever the version's format; and the error of the whole.
async fn fetch(kafka: &mut Kafka, version: i16, group: &str, asked: Asked) -> (i16, Vec<(String, Vec<Found>)>) {
    let metadata = |metadata: Option<kafka_protocol::protocol::StrBytes>| metadata.unwrap_or_default().to_string();
    if version < 8 {
        let topic =
            |(topic, partitions)| OffsetFetchRequestTopic::default().with_name(name(topic)).with_partition_indexes(partitions);
        let topics = asked.map(|topics| topics.into_iter().map(topic).collect());
        let request = OffsetFetchRequest::default().with_group_id(GroupId(text(group))).with_topics(topics);
        let response = kafka.call(version, request).await;
        let topics = response.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.into_iter().map(|p| {
                assert_eq!(p.error_code, 0);
                (p.partition_index, p.committed_offset, p.committed_leader_epoch, metadata(p.metadata))
            });
            (topic.name.to_string(), partitions.collect())
        });
        return (response.error_code, topics.collect());
    }
    let topic =
        |(topic, partitions)| OffsetFetchRequestTopics::default().with_name(name(topic)).with_partition_indexes(partitions);
    let topics = asked.map(|topics| topics.into_iter().map(topic).collect());
    let asked = OffsetFetchRequestGroup::default().with_group_id(GroupId(text(group))).with_topics(topics).with_member_id(None);
    let mut response = kafka.call(version, OffsetFetchRequest::default().with_groups(vec![asked])).await;
    let answer = response.groups.remove(0);
    assert_eq!(&**answer.group_id, group);
    let topics = answer.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|p| {
            assert_eq!(p.error_code, 0);
            (p.partition_index, p.committed_offset, p.committed_leader_epoch, metadata(p.metadata))
        });
        (topic.name.to_string(), partitions.collect())
    });
    (answer.error_code, topics.collect())
}

/// Trap 18: the metadata that a client keeps with an offset comes back as it was.
#[tokio::test(start_paused = true)]
async fn every_version_tells_what_was_committed_with_its_metadata() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let mut kafka = gateway.kafka();
    let mut request = commit("g", "orders", 1, 42);
    request.topics[0].partitions[0].committed_leader_epoch = 0;
    request.topics[0].partitions[0].committed_metadata = Some(text("naïve „text“\n"));
    kafka.call(8, request).await;
    for version in 1..=9 {
        let found = fetch(&mut kafka, version, "g", Some(vec![("orders", vec![1, 0, 9]), ("missing", vec![0])])).await;
        let nothing = |partition| (partition, -1, -1, String::new());
        let epoch = if version >= 5 { 0 } else { -1 };
        let orders = vec![(1, 42, epoch, "naïve „text“\n".to_owned()), nothing(0), nothing(9)];
        assert_eq!(
            found,
            (0, vec![("orders".to_owned(), orders), ("missing".to_owned(), vec![nothing(0)])]),
            "version {version}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_null_metadata_is_an_empty_one() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    let mut request = commit("g", "orders", 0, 1);
    request.topics[0].partitions[0].committed_metadata = None;
    kafka.call(8, request).await;
    let (_, topics) = fetch(&mut kafka, 7, "g", None).await;
    assert_eq!(topics[0].1, [(0, 1, -1, String::new())]);
}

#[tokio::test(start_paused = true)]
async fn without_topics_everything_is_told_since_version_2() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for (topic, partition) in [("b", 1), ("b", 0), ("a", 0)] {
        if gateway.log.stream(topic).is_none() {
            gateway.stream(topic, 2).await;
        }
        kafka.call(8, commit("g", topic, partition, 5)).await;
    }
    for version in 2..=9 {
        let (code, topics) = fetch(&mut kafka, version, "g", None).await;
        let places = topics.iter().map(|(topic, found)| (topic.as_str(), found.iter().map(|f| f.0).collect::<Vec<_>>()));
        assert_eq!((code, places.collect::<Vec<_>>()), (0, vec![("a", vec![0]), ("b", vec![0, 1])]));
        assert_eq!(fetch(&mut kafka, version, "g", Some(vec![])).await, (0, vec![]));
    }
}

/// What Apache Kafka 4.4.0 answers to the same.
#[tokio::test(start_paused = true)]
async fn version_10_names_topics_by_id_and_misses_those_that_are_not_there() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let (orders, gone) = (gateway.log.stream("orders").unwrap().id().0, Uuid::from_u128(7));
    let mut kafka = gateway.kafka();
    kafka.call(8, commit("g", "orders", 1, 42)).await;
    let topic = |topic_id, partition_indexes: &[i32]| wire::OffsetFetchRequestTopics {
        topic_id,
        partition_indexes: partition_indexes.to_vec(),
        ..Default::default()
    };
    let group = |group: &str, topics: Option<&[wire::OffsetFetchRequestTopics]>| wire::OffsetFetchRequestGroup {
        group_id: GroupId(text(group)),
        topics: topics.map(<[_]>::to_vec),
        ..Default::default()
    };
    let named = [topic(orders, &[1, 0, 9]), topic(gone, &[0, 0])];
    let groups =
        vec![group("g", Some(&named)), group("all", None), group("none", Some(&named[1..])), group("nothing", Some(&[]))];
    kafka.call(8, commit("all", "orders", 0, 5)).await;
    let response = kafka.call(10, wire::OffsetFetchRequest { groups, ..Default::default() }).await;
    let partition = |p: &OffsetFetchResponsePartitions| (p.partition_index, p.committed_offset, p.error_code);
    let topic = |t: &OffsetFetchResponseTopics| (t.topic_id, t.partitions.iter().map(partition).collect::<Vec<_>>());
    let found: Vec<Vec<_>> = response.groups.iter().map(|group| group.topics.iter().map(topic).collect()).collect();
    let missing = (gone, vec![(0, -1, 100)]);
    assert_eq!(
        found,
        [
            vec![(orders, vec![(1, 42, 0), (0, -1, 0), (9, -1, 0)]), missing.clone()],
            vec![(orders, vec![(0, 5, 0)])],
            vec![missing],
            vec![]
        ]
    );
    assert!(response.groups.iter().all(|group| group.error_code == 0));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_group_has_no_offsets_and_no_error() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for version in 1..=9 {
        let (code, topics) = fetch(&mut kafka, version, "unknown", Some(vec![("orders", vec![0])])).await;
        assert_eq!((code, topics[0].1[0].1), (0, -1));
        if version >= 2 {
            assert_eq!(fetch(&mut kafka, version, "unknown", None).await, (0, vec![]));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn several_groups_are_asked_in_one_request_since_version_8() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    for (group, offset) in [("a", 1), ("b", 2)] {
        kafka.call(8, commit(group, "orders", 0, offset)).await;
    }
    for version in 8..=9 {
        let group = |group: &str| OffsetFetchRequestGroup::default().with_group_id(GroupId(text(group))).with_topics(None);
        let request = OffsetFetchRequest::default().with_groups(["b", "none", "a"].map(group).to_vec()).with_require_stable(true);
        let response = kafka.call(version, request).await;
        let offsets = response.groups.iter().map(|group| {
            let offset = group.topics.first().map(|topic| topic.partitions[0].committed_offset);
            (group.group_id.as_str(), group.error_code, offset)
        });
        assert_eq!(offsets.collect::<Vec<_>>(), [("b", 0, Some(2)), ("none", 0, None), ("a", 0, Some(1))]);
    }
}
