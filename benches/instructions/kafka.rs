//! Kinds of requests of Kafka.

use bytes::Bytes;
use kafka_protocol::messages::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::{
    ApiVersionsRequest, FetchRequest, FetchResponse, GroupId, MetadataRequest, OffsetCommitRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use shardgate::batch::{Builder, Draft};
use shardgate::model::Timestamp;

use super::support::wire::{Connection, PRODUCE_VERSION, check_produced, create_topic, produce_request};
use super::support::{Gateway, Outcome};
use super::{Ask, Kind, ROUNDS};

/// The last versions with topic names instead of ids.
const FETCH_VERSION: i16 = 12;
const OFFSET_COMMIT_VERSION: i16 = 9;
const API_VERSIONS_VERSION: i16 = 3;
const METADATA_VERSION: i16 = 12;
const HEARTBEAT_VERSION: i16 = 1;

/// What a batch has in it.
#[derive(Clone, Copy)]
struct Content {
    records: usize,
    value_bytes: usize,
    /// Where such batches are.
    topic: &'static str,
}

const ONE: Content = Content { records: 1, value_bytes: 100, topic: "one" };
const SMALL: Content = Content { records: 100, value_bytes: 100, topic: "small" };
const LARGE: Content = Content { records: 16, value_bytes: 1 << 10, topic: "large" };

/// Requests of Produce and Fetch that are counted together, and so each batch is read once.
const REQUESTS: usize = 50;

pub(crate) const KINDS: &[Kind] = &[
    Kind { name: "a connection, with ApiVersions", requests: 25, prepare: connections },
    Kind { name: "ApiVersions", requests: 200, prepare: api_versions },
    Kind { name: "Metadata of one topic", requests: 100, prepare: metadata },
    Kind { name: "Produce 1 x 100 B", requests: REQUESTS, prepare: |gateway| produce(gateway, ONE) },
    Kind { name: "Produce 100 x 100 B", requests: REQUESTS, prepare: |gateway| produce(gateway, SMALL) },
    Kind { name: "Produce 16 x 1 KiB", requests: REQUESTS, prepare: |gateway| produce(gateway, LARGE) },
    Kind { name: "Fetch 1 x 100 B", requests: REQUESTS, prepare: |gateway| fetch(gateway, ONE) },
    Kind { name: "Fetch 100 x 100 B", requests: REQUESTS, prepare: |gateway| fetch(gateway, SMALL) },
    Kind { name: "Fetch 16 x 1 KiB", requests: REQUESTS, prepare: |gateway| fetch(gateway, LARGE) },
    Kind { name: "ConsumerGroupHeartbeat", requests: 100, prepare: heartbeat },
    Kind { name: "OffsetCommit of one partition", requests: 50, prepare: offset_commit },
];

/// What [`KINDS`] wrote is on disk.
pub(crate) const KINDS_ON_DISK: &[Kind] =
    &[Kind { name: "Fetch 16 x 1 KiB from disk", requests: REQUESTS, prepare: |gateway| fetch(gateway, LARGE) }];

/// Asks what a client asks first.
pub(crate) fn greet(connection: &mut Connection) -> Outcome<()> {
    let name = StrBytes::from_static_str("benchmark");
    let versions = ApiVersionsRequest::default().with_client_software_name(name.clone()).with_client_software_version(name);
    check(connection.ask(&versions, API_VERSIONS_VERSION)?.error_code)
}

fn check(code: i16) -> Outcome<()> {
    if code == 0 { Ok(()) } else { Err(format!("refused with error code {code}").into()) }
}

fn connections(gateway: &Gateway) -> Outcome<Ask> {
    let address = gateway.address.clone();
    Ok(Box::new(move || greet(&mut Connection::open(&address)?)))
}

fn api_versions(gateway: &Gateway) -> Outcome<Ask> {
    let mut connection = Connection::open(&gateway.address)?;
    Ok(Box::new(move || greet(&mut connection)))
}

fn metadata(gateway: &Gateway) -> Outcome<Ask> {
    let topic = create_topic(&gateway.address, "described", 1)?;
    let mut connection = Connection::open(&gateway.address)?;
    let request = MetadataRequest::default().with_topics(Some(vec![MetadataRequestTopic::default().with_name(Some(topic))]));
    Ok(Box::new(move || {
        let answer = connection.ask(&request, METADATA_VERSION)?;
        answer.topics.iter().try_for_each(|topic| check(topic.error_code))
    }))
}

fn batch(content: Content) -> Outcome<Bytes> {
    let value: Vec<u8> = (0..content.value_bytes).map(|at| (at * 31 % 251) as u8).collect();
    let draft = Draft { value: Some(&value), created_at: Timestamp(1_700_000_000_000), ..Draft::default() };
    let builder = (0..content.records).fold(Builder::default(), |builder, _| builder.record(draft));
    Ok(builder.build()?.bytes().clone())
}

fn produce(gateway: &Gateway, content: Content) -> Outcome<Ask> {
    let topic = create_topic(&gateway.address, content.topic, 1)?;
    let mut connection = Connection::open(&gateway.address)?;
    let request = produce_request(&topic, 0, &batch(content)?)?;
    Ok(Box::new(move || check_produced(&connection.ask(&request, PRODUCE_VERSION)?)))
}

/// One batch after the other of what [`produce`] wrote.
fn fetch(gateway: &Gateway, content: Content) -> Outcome<Ask> {
    let mut connection = Connection::open(&gateway.address)?;
    let bytes = batch(content)?.len();
    let topic = TopicName(StrBytes::from_static_str(content.topic));
    let mut batches = (0..ROUNDS * REQUESTS).cycle();
    Ok(Box::new(move || {
        let offset = i64::try_from(batches.next().unwrap_or_default() * content.records)?;
        let (limit, topic) = (i32::try_from(bytes)?, FetchTopic::default().with_topic(topic.clone()));
        let wanted = FetchPartition::default().with_fetch_offset(offset).with_partition_max_bytes(limit);
        let request = FetchRequest::default()
            .with_max_wait_ms(500)
            .with_min_bytes(1)
            .with_max_bytes(limit)
            .with_topics(vec![topic.with_partitions(vec![wanted])]);
        let answer: FetchResponse = connection.ask(&request, FETCH_VERSION)?;
        let mut found = answer.responses.iter().flat_map(|topic| &topic.partitions).flat_map(|partition| &partition.records);
        match found.next() {
            Some(records) if records.len() == bytes && records.starts_with(&offset.to_be_bytes()) => Ok(()),
            _ => Err(format!("no batch at offset {offset}: {answer:?}").into()),
        }
    }))
}

/// The only member of a group, which has nothing new to say.
fn heartbeat(gateway: &Gateway) -> Outcome<Ask> {
    let topic = create_topic(&gateway.address, "subscribed", 1)?;
    let mut connection = Connection::open(&gateway.address)?;
    let request = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(StrBytes::from_static_str("beating")))
        .with_member_id(StrBytes::from_static_str("member"));
    let join = request.clone().with_rebalance_timeout_ms(300_000).with_subscribed_topic_names(Some(vec![topic]));
    let joined = connection.ask(&join.with_topic_partitions(Some(Vec::new())), HEARTBEAT_VERSION)?;
    check(joined.error_code)?;
    let request = request.with_member_epoch(joined.member_epoch);
    Ok(Box::new(move || check(connection.ask(&request, HEARTBEAT_VERSION)?.error_code)))
}

/// By somebody who is in no group's membership, so that nobody has to beat meanwhile.
fn offset_commit(gateway: &Gateway) -> Outcome<Ask> {
    let topic = create_topic(&gateway.address, "committed", 1)?;
    let mut connection = Connection::open(&gateway.address)?;
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(1);
    let topic = OffsetCommitRequestTopic::default().with_name(topic).with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(StrBytes::from_static_str("committing")))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    Ok(Box::new(move || {
        let answer = connection.ask(&request, OFFSET_COMMIT_VERSION)?;
        answer.topics.iter().flat_map(|topic| &topic.partitions).try_for_each(|partition| check(partition.error_code))
    }))
}
