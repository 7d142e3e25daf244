//! The Kafka door: who attacks it, and the client that is to be served all the same.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use shardgate::batch::{Batch, Builder, Draft, Header};
use shardgate::model::Timestamp;

use crate::hostile::{Attack, Attacker, Dice, Targets, Then, framed};
use crate::{PAUSE, SERVED_WITHIN, Score};

/// Silent connections that each attacker keeps. Together they stay below `connections-max`: whoever takes all of those does keep
/// others out.
const STALLED_MAX: usize = 30;
/// The honest client's topic, which no attacker names.
const HONEST: &str = "honest";
const OPEN: &str = "open";
const KEYED: &str = "keyed";

/// One attacking connection after the other.
pub(crate) fn attack(mut attacker: Attacker, address: SocketAddr, score: &Score) {
    let mut dice = Dice::new(score.bytes.load(Ordering::Relaxed));
    let mut stalled = VecDeque::new();
    while !score.is_over() {
        let Ok(mut socket) = TcpStream::connect(address) else { continue };
        let _ = socket.set_nodelay(true);
        let _ = socket.set_write_timeout(Some(Duration::from_millis(500)));
        while !score.is_over() {
            let attack = attacker.next();
            *score.sent.lock().unwrap().entry(attack.kind).or_default() += 1;
            score.bytes.fetch_add(attack.bytes.len() as u64, Ordering::Relaxed);
            match carry_out(&mut socket, &attack, &mut dice, score) {
                Ok(true) => {}
                Ok(false) => {
                    stalled.push_back(socket);
                    if stalled.len() > STALLED_MAX {
                        stalled.pop_front();
                    }
                    break;
                }
                Err(_) => break,
            }
        }
    }
}

/// Whether to go on with this connection; `false` leaves it open and silent.
fn carry_out(socket: &mut TcpStream, attack: &Attack, dice: &mut Dice, score: &Score) -> io::Result<bool> {
    match attack.then {
        Then::Leave => {
            socket.write_all(&attack.bytes)?;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Then::Stall | Then::Sip => {
            socket.write_all(&attack.bytes)?;
            return Ok(false);
        }
        Then::Drip => {
            let mut rest = &attack.bytes[..];
            for _ in 0..20 {
                let (piece, later) = rest.split_at(rest.len().div_ceil(2));
                socket.write_all(piece)?;
                rest = later;
                thread::sleep(Duration::from_millis(dice.below(20) as u64));
            }
        }
        Then::Listen => socket.write_all(&attack.bytes)?,
    }
    let _ = socket.set_read_timeout(Some(Duration::from_millis(20 + 200 * u64::from(dice.one_in(10)))));
    let mut length = [0; 4];
    match socket.read_exact(&mut length) {
        Ok(()) => {}
        // No answer is an answer: the frame is not whole, or its answer waits.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return if dice.one_in(2) { Err(error) } else { Ok(true) },
        Err(error) => return Err(error),
    }
    score.answered.fetch_add(1, Ordering::Relaxed);
    let length = u32::from_be_bytes(length) as u64;
    // Some take only a part of a large answer and go.
    let taken = if dice.one_in(10) { length.min(1_000) } else { length };
    let _ = socket.set_read_timeout(Some(Duration::from_secs(1)));
    let copied = io::copy(&mut Read::by_ref(socket).take(taken), &mut io::sink())?;
    if copied == length { Ok(true) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// What the gateway has acknowledged: values by offset.
pub(crate) type Told = BTreeMap<i64, Bytes>;

/// Produces and reads back for as long as the attack lasts: what was acknowledged, and whether everything was.
pub(crate) fn work(mut client: Client, address: SocketAddr, span: Duration, score: &Score) -> (Told, bool) {
    let (begun, mut told) = (Instant::now(), Told::new());
    let mut dice = Dice::new(0);
    while begun.elapsed() < span {
        let round = told.len();
        // As small as a test's record, or as large as a full batch of a busy producer.
        let size = if round % 10 == 9 { 200_000 } else { 100 };
        let value = Bytes::from((0..size).map(|_| dice.next() as u8).collect::<Vec<_>>());
        let step = Instant::now();
        let outcome = (|| {
            if round % 50 == 49 {
                client = Client::connect(address)?;
            }
            let offset = client.produce(&value).inspect_err(|_| println!("  Produce of {size} bytes"))?;
            let fetched = client.fetch(offset, 1 << 20).inspect_err(|_| println!("  Fetch of {size} bytes"))?;
            if fetched.get(&offset) != Some(&value) {
                return Err(io::Error::other(format!("offset {offset} reads back as something else")));
            }
            Ok(offset)
        })();
        score.worst_millis.fetch_max(step.elapsed().as_millis() as u64, Ordering::Relaxed);
        score.honest.fetch_add(2, Ordering::Relaxed);
        match outcome {
            Ok(offset) => told.insert(offset, value),
            Err(error) => {
                println!("the honest client after {:?}: {error}", begun.elapsed());
                return (told, false);
            }
        };
        if step.elapsed() > SERVED_WITHIN / 5 {
            println!("  slow: {size} bytes took {:?}, after {:?}", step.elapsed(), begun.elapsed());
        }
        thread::sleep(PAUSE);
    }
    (told, true)
}

/// A request with its length in front.
pub(crate) fn frame<R: Request>(version: i16, request: &R) -> Bytes {
    let header = RequestHeader::default().with_request_api_key(R::KEY).with_request_api_version(version);
    let mut bytes = BytesMut::new();
    header.encode(&mut bytes, R::header_version(version)).unwrap();
    request.encode(&mut bytes, version).unwrap();
    framed(&bytes)
}

/// The next answer.
pub(crate) fn receive<A: Decodable + HeaderVersion>(socket: &mut (impl Read + ?Sized), version: i16) -> io::Result<A> {
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    socket.read_exact(&mut frame)?;
    let mut frame = Bytes::from(frame);
    let wrong = |error| io::Error::other(format!("an answer does not parse: {error}"));
    ResponseHeader::decode(&mut frame, A::header_version(version)).map_err(wrong)?;
    A::decode(&mut frame, version).map_err(wrong)
}

/// One batch of records with these values.
pub(crate) fn batch(values: impl IntoIterator<Item = Bytes>) -> Bytes {
    let created_at = Timestamp(1_700_000_000_000);
    let filled = values.into_iter().fold(Builder::default(), |builder, value| {
        builder.record(Draft { key: None, value: Some(&value), created_at, ..Draft::default() })
    });
    filled.build().unwrap().bytes().clone()
}

/// A socket of somebody who waits long for an answer.
pub(crate) fn patient(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(3 * SERVED_WITHIN))?;
    socket.set_write_timeout(Some(3 * SERVED_WITHIN))?;
    Ok(socket)
}

fn produce_request(topic: &'static str, partition: i32, batch: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(batch));
    let topic = TopicProduceData::default().with_name(name_of(topic)).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(-1).with_timeout_ms(5_000).with_topic_data(vec![topic])
}

/// A request, of version 9, that writes a batch.
pub(crate) fn produce_frame(topic: &'static str, partition: i32, batch: Bytes) -> Bytes {
    frame(9, &produce_request(topic, partition, batch))
}

fn fetch_request(topic: &'static str, partition: i32, offset: i64, bytes_max: i32) -> FetchRequest {
    let partition = FetchPartition::default().with_partition(partition);
    let partition = partition.with_fetch_offset(offset).with_partition_max_bytes(bytes_max);
    let topic = FetchTopic::default().with_topic(name_of(topic)).with_partitions(vec![partition]);
    FetchRequest::default().with_max_bytes(bytes_max).with_min_bytes(0).with_topics(vec![topic])
}

/// A request that reads.
pub(crate) fn fetch_frame(topic: &'static str, partition: i32, offset: i64, bytes_max: i32) -> Bytes {
    frame(11, &fetch_request(topic, partition, offset, bytes_max))
}

/// What a client speaks over: a socket, or TLS on one.
pub(crate) trait Line: Read + Write + Send {}

impl<L: Read + Write + Send> Line for L {}

/// A client that waits for each answer.
pub(crate) struct Client(Box<dyn Line>);

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        Ok(Self::over(patient(address)?))
    }

    pub(crate) fn over(line: impl Line + 'static) -> Self {
        Self(Box::new(line))
    }

    pub(crate) fn call<R: Request>(&mut self, version: i16, request: &R) -> io::Result<R::Response> {
        self.0.write_all(&frame(version, request))?;
        self.0.flush()?;
        receive(&mut self.0, version)
    }

    /// Creates the topics.
    pub(crate) fn prepare(&mut self) -> io::Result<Targets> {
        let compact = CreatableTopicConfig::default().with_name(word("cleanup.policy")).with_value(Some(word("compact")));
        let topic = |name: &'static str, partitions, configs| {
            let topic = CreatableTopic::default().with_name(name_of(name)).with_num_partitions(partitions);
            topic.with_replication_factor(1).with_configs(configs)
        };
        let topics = vec![topic(HONEST, 1, vec![]), topic(OPEN, 4, vec![]), topic(KEYED, 4, vec![compact])];
        let created = self.call(7, &CreateTopicsRequest::default().with_topics(topics).with_timeout_ms(10_000))?;
        let ids = created.topics.iter().filter(|topic| topic.name.as_str() != HONEST);
        let topics = ids.map(|topic| (topic.name.to_string(), topic.topic_id)).collect();
        Ok(Targets { topics, groups: vec!["readers".to_owned(), "writers".to_owned()] })
    }

    /// Creates a topic.
    pub(crate) fn create(&mut self, name: &'static str, partitions: i32) -> io::Result<()> {
        let topic = CreatableTopic::default().with_name(name_of(name)).with_num_partitions(partitions).with_replication_factor(1);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
        match self.call(7, &request)?.topics[0].error_code {
            0 => Ok(()),
            code => Err(io::Error::other(format!("CreateTopics is answered with error {code}"))),
        }
    }

    pub(crate) fn produce(&mut self, value: &[u8]) -> io::Result<i64> {
        self.produce_to(HONEST, value)
    }

    /// The offset of one record in partition 0 of a topic.
    pub(crate) fn produce_to(&mut self, topic: &'static str, value: &[u8]) -> io::Result<i64> {
        let response = self.call(9, &produce_request(topic, 0, batch([Bytes::copy_from_slice(value)])))?;
        let partition = &response.responses[0].partition_responses[0];
        match partition.error_code {
            0 => Ok(partition.base_offset),
            code => Err(io::Error::other(format!("Produce is answered with error {code}: {:?}", partition.error_message))),
        }
    }

    pub(crate) fn fetch(&mut self, offset: i64, bytes_max: i32) -> io::Result<Told> {
        self.fetch_from(HONEST, 0, offset, bytes_max)
    }

    /// The first offset that a partition has.
    pub(crate) fn earliest(&mut self, topic: &'static str, partition: i32) -> io::Result<i64> {
        let partition = ListOffsetsPartition::default().with_partition_index(partition).with_timestamp(-2);
        let topic = ListOffsetsTopic::default().with_name(name_of(topic)).with_partitions(vec![partition]);
        let response = self.call(5, &ListOffsetsRequest::default().with_topics(vec![topic]))?;
        Ok(response.topics[0].partitions[0].offset)
    }

    /// Values of a partition by their offsets, from one offset on.
    pub(crate) fn fetch_from(&mut self, topic: &'static str, partition: i32, offset: i64, bytes_max: i32) -> io::Result<Told> {
        let response = self.call(11, &fetch_request(topic, partition, offset, bytes_max))?;
        let partition = &response.responses[0].partitions[0];
        if partition.error_code != 0 {
            return Err(io::Error::other(format!("Fetch is answered with error {}", partition.error_code)));
        }
        let (mut bytes, mut found) = (partition.records.clone().unwrap_or_default(), Told::new());
        while !bytes.is_empty() {
            let header = Header::parse(&bytes).map_err(io::Error::other)?;
            let batch = Batch::check(bytes.split_to(header.bytes)).map_err(io::Error::other)?;
            for record in batch.records(1 << 20).map_err(io::Error::other)? {
                let record = record.map_err(io::Error::other)?;
                found.insert(header.base_offset.0 + i64::from(record.offset_delta), record.value.unwrap_or_default());
            }
        }
        Ok(found)
    }

    pub(crate) fn all_honest_records(&mut self) -> io::Result<Told> {
        let mut all = Told::new();
        loop {
            let next = all.last_key_value().map_or(0, |(offset, _)| offset + 1);
            let more = self.fetch(next, 8 << 20)?;
            if more.is_empty() {
                return Ok(all);
            }
            all.extend(more);
        }
    }
}

fn word(word: &'static str) -> StrBytes {
    StrBytes::from_static_str(word)
}

fn name_of(topic: &'static str) -> TopicName {
    TopicName(word(topic))
}
