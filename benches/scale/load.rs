//! What is put into a gateway, and how it is kept busy: batches go to one partition after the other and are read in pieces of
//! 64 KiB.

use std::thread::{self, scope};

use kafka_protocol::messages::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::{
    ApiVersionsRequest, FetchRequest, FetchResponse, GroupId, MetadataRequest, OffsetCommitRequest, ProduceResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use shardgate::batch::{Batch, Builder, Draft};

use super::support::wire::{Connection, PRODUCE_VERSION, check_produced, encode, produce_request};
use super::support::{Outcome, Window};

/// Of the batches that are written, but for [`hollow_batch`].
pub(crate) const BATCH_BYTES: usize = 16 << 10;
/// What one Fetch asks for.
pub(crate) const PIECE_BYTES: usize = 64 << 10;
/// What a batch of one large record has beside its value, and some bytes more.
const OVERHEAD_BYTES: usize = 128;
/// The last versions with topic names instead of ids.
const FETCH_VERSION: i16 = 12;
const OFFSET_COMMIT_VERSION: i16 = 9;
const API_VERSIONS_VERSION: i16 = 3;
const METADATA_VERSION: i16 = 12;
const HEARTBEAT_VERSION: i16 = 1;
/// A thread here holds a buffer or two, and there are thousands of them.
const STACK_BYTES: usize = 256 << 10;
/// A partition that no topic has, to find its place in a request.
const PLACEHOLDER: usize = 0x5A5A_5A5A;

/// One that is nothing but zeros, as nearly as possible, and a piece for itself: at least fourteen of its sixteen blocks can be holes.
pub(crate) fn hollow_batch() -> Outcome<Batch> {
    let value = vec![0; PIECE_BYTES - OVERHEAD_BYTES];
    Ok(Builder::default().record(Draft { value: Some(&value), ..Draft::default() }).build()?)
}

/// Batches of which one Fetch gives all.
pub(crate) fn piece_batches(batch: &Batch) -> usize {
    PIECE_BYTES / batch.bytes().len()
}

/// A connection that has asked what a client asks first.
pub(crate) fn connect(address: &str, topic: &TopicName) -> Outcome<Connection> {
    let mut connection = Connection::open(address)?;
    let name = StrBytes::from_static_str("benchmark");
    let versions = ApiVersionsRequest::default().with_client_software_name(name.clone()).with_client_software_version(name);
    let (versions, topic) =
        (connection.ask(&versions, API_VERSIONS_VERSION)?, MetadataRequestTopic::default().with_name(Some(topic.clone())));
    let metadata = connection.ask(&MetadataRequest::default().with_topics(Some(vec![topic])), METADATA_VERSION)?;
    match metadata.topics.iter().map(|topic| topic.error_code).chain([versions.error_code]).find(|code| *code != 0) {
        Some(code) => Err(format!("a connection was greeted with error code {code}").into()),
        None => Ok(connection),
    }
}

/// Lets a group have a member (of the consumer protocol), which subscribes to the topic, and commit an offset in each partition.
pub(crate) fn join(connection: &mut Connection, number: usize, topic: &TopicName, partitions: usize) -> Outcome<()> {
    let (group, member) = (GroupId(format!("group-{number}").into()), StrBytes::from(format!("member-{number}")));
    let heartbeat = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group.clone())
        .with_member_id(member.clone())
        .with_rebalance_timeout_ms(300_000)
        .with_subscribed_topic_names(Some(vec![topic.clone()]))
        .with_topic_partitions(Some(Vec::new()));
    let joined = connection.ask(&heartbeat, HEARTBEAT_VERSION)?;
    if joined.error_code != 0 {
        return Err(format!("a member was refused with error code {}", joined.error_code).into());
    }
    let offsets = (0..partitions).map(|partition| {
        let partition = i32::try_from(partition)?;
        Ok(OffsetCommitRequestPartition::default().with_partition_index(partition).with_committed_offset(1))
    });
    let topic = OffsetCommitRequestTopic::default().with_name(topic.clone()).with_partitions(offsets.collect::<Outcome<_>>()?);
    let commit = OffsetCommitRequest::default()
        .with_group_id(group)
        .with_member_id(member)
        .with_generation_id_or_member_epoch(joined.member_epoch)
        .with_topics(vec![topic]);
    let answer = connection.ask(&commit, OFFSET_COMMIT_VERSION)?;
    match answer.topics.iter().flat_map(|topic| &topic.partitions).find(|partition| partition.error_code != 0) {
        Some(refused) => Err(format!("a commit was refused: {refused:?}").into()),
        None => Ok(()),
    }
}

/// Produce of one batch, in which only the partition changes.
#[derive(Clone)]
struct Frame {
    bytes: Vec<u8>,
    partition_at: usize,
}

impl Frame {
    fn new(topic: &TopicName, batch: &Batch) -> Outcome<Self> {
        let bytes = encode(&produce_request(topic, PLACEHOLDER, batch.bytes())?, PRODUCE_VERSION)?.to_vec();
        let placeholder = u32::try_from(PLACEHOLDER)?.to_be_bytes();
        let partition_at = bytes.windows(4).position(|window| window == placeholder).ok_or("a request names no partition")?;
        Ok(Self { bytes, partition_at })
    }

    fn to(&mut self, partition: usize) -> Outcome<&[u8]> {
        self.bytes[self.partition_at..][..4].copy_from_slice(&u32::try_from(partition)?.to_be_bytes());
        Ok(&self.bytes)
    }
}

/// Runs `work` on every connection at once; it is told the connection's number.
fn on_each(connections: &mut [Connection], work: impl Fn(usize, &mut Connection) -> Outcome<()> + Sync) -> Outcome<()> {
    scope(|threads| {
        let work = &work;
        let started = connections.iter_mut().enumerate().map(|(number, connection)| {
            thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(threads, move || work(number, connection))
        });
        let started = started.collect::<Result<Vec<_>, _>>()?;
        started.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a connection panicked")?)
    })
}

/// Keeps a connection's pipeline full of batches for the partitions; `produced` hears of each that is acknowledged.
fn produce_to(
    connection: &mut Connection,
    pipeline: usize,
    mut frame: Frame,
    mut partitions: impl Iterator<Item = usize>,
    produced: impl Fn(),
) -> Outcome<()> {
    let mut in_flight = 0;
    loop {
        while in_flight < pipeline {
            let Some(partition) = partitions.next() else { break };
            connection.send(frame.to(partition)?)?;
            in_flight += 1;
        }
        if in_flight == 0 {
            return Ok(());
        }
        check_produced(&connection.receive::<ProduceResponse>(PRODUCE_VERSION)?)?;
        in_flight -= 1;
        produced();
    }
}

/// Writes so many batches to each partition.
pub(crate) fn fill(
    connections: &mut [Connection],
    pipeline: usize,
    topic: &TopicName,
    partitions: usize,
    batch: &Batch,
    batches: usize,
) -> Outcome<()> {
    let (frame, step) = (Frame::new(topic, batch)?, connections.len());
    on_each(connections, |number, connection| {
        let mine = (0..batches).flat_map(|_| (number..partitions).step_by(step));
        produce_to(connection, pipeline, frame.clone(), mine, || ())
    })
}

/// Produces until the window is over; bytes of batches count. The connections begin at different partitions.
pub(crate) fn produce(
    window: &Window,
    connections: &mut [Connection],
    pipeline: usize,
    topic: &TopicName,
    partitions: usize,
    batch: &Batch,
) -> Outcome<()> {
    let (frame, all) = (Frame::new(topic, batch)?, connections.len());
    on_each(connections, |number, connection| {
        let order = (number * partitions / all..).map(|at| at % partitions).take_while(|_| !window.is_over());
        produce_to(connection, pipeline, frame.clone(), order, || window.count(batch.bytes().len()))
    })
}

/// Fetches what [`fill`] wrote, piece by piece over all partitions, until the window is over; bytes of batches count.
pub(crate) fn fetch(
    window: &Window,
    connections: &mut [Connection],
    topic: &TopicName,
    partitions: usize,
    batch: &Batch,
    batches: usize,
) -> Outcome<()> {
    let (pieces, all) = (batches / piece_batches(batch) * partitions, connections.len());
    let piece_records = piece_batches(batch) * usize::try_from(batch.header().records)?;
    on_each(connections, |number, connection| {
        for piece in (number * pieces / all..).map(|at| at % pieces).take_while(|_| !window.is_over()) {
            let offset = i64::try_from(piece / partitions * piece_records)?;
            window.count(fetch_piece(connection, topic, piece % partitions, offset)?);
        }
        Ok(())
    })
}

/// One Fetch of one partition; bytes of batches that came, which have to begin with the offset.
fn fetch_piece(connection: &mut Connection, topic: &TopicName, partition: usize, offset: i64) -> Outcome<usize> {
    let bytes = i32::try_from(PIECE_BYTES)?;
    let wanted = FetchPartition::default()
        .with_partition(i32::try_from(partition)?)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(bytes);
    let request = FetchRequest::default()
        .with_max_wait_ms(500)
        .with_min_bytes(1)
        .with_max_bytes(bytes)
        .with_topics(vec![FetchTopic::default().with_topic(topic.clone()).with_partitions(vec![wanted])]);
    let answer: FetchResponse = connection.ask(&request, FETCH_VERSION)?;
    let found = answer.responses.iter().flat_map(|topic| &topic.partitions).find_map(|partition| partition.records.as_ref());
    match found {
        Some(records) if answer.error_code == 0 && records.starts_with(&offset.to_be_bytes()) => Ok(records.len()),
        _ => Err(format!("partition {partition} does not give its offset {offset}: {answer:?}").into()),
    }
}
