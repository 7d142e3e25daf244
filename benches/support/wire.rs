//! As little of a Kafka client as possible: a request is written as it is, and an answer is read for what it says.

use std::io::{BufReader, Read as _, Write as _};
use std::net::TcpStream;

use bytes::{BufMut as _, Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse, ProduceRequest, ProduceResponse, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

use super::Outcome;

/// The last version with topic names instead of ids.
pub(crate) const PRODUCE_VERSION: i16 = 12;
const CREATE_TOPICS_VERSION: i16 = 5;

pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects to `host:port`.
    pub(crate) fn open(address: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends a request and waits for its answer.
    pub(crate) fn ask<R: Request>(&mut self, request: &R, version: i16) -> Outcome<R::Response>
    where
        R::Response: Decodable + HeaderVersion,
    {
        self.send(&encode(request, version)?)?;
        self.receive(version)
    }

    pub(crate) fn send(&mut self, frame: &[u8]) -> Outcome<()> {
        Ok(self.stream.get_mut().write_all(frame)?)
    }

    pub(crate) fn receive<A: Decodable + HeaderVersion>(&mut self, version: i16) -> Outcome<A> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut frame = vec![0; usize::try_from(i32::from_be_bytes(length))?];
        self.stream.read_exact(&mut frame)?;
        let mut frame = Bytes::from(frame);
        ResponseHeader::decode(&mut frame, A::header_version(version))?;
        Ok(A::decode(&mut frame, version)?)
    }
}

/// A request as it goes over the wire. All have the same correlation id: answers come in order.
pub(crate) fn encode<R: Request>(request: &R, version: i16) -> Outcome<Bytes> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_client_id(Some(StrBytes::from_static_str("benchmark")));
    let mut body = BytesMut::new();
    header.encode(&mut body, R::header_version(version))?;
    request.encode(&mut body, version)?;
    let mut frame = BytesMut::with_capacity(4 + body.len());
    frame.put_i32(i32::try_from(body.len())?);
    frame.extend_from_slice(&body);
    Ok(frame.freeze())
}

/// Makes a topic.
pub(crate) fn create_topic(address: &str, name: &'static str, partitions: usize) -> Outcome<TopicName> {
    let name = TopicName(StrBytes::from_static_str(name));
    let topic = CreatableTopic::default()
        .with_name(name.clone())
        .with_num_partitions(i32::try_from(partitions)?)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
    let answer: CreateTopicsResponse = Connection::open(address)?.ask(&request, CREATE_TOPICS_VERSION)?;
    match answer.topics.iter().map(|topic| topic.error_code).find(|code| *code != 0) {
        Some(code) => Err(format!("the topic was refused with error code {code}").into()),
        None => Ok(name),
    }
}

/// Produce of one batch, acknowledged when it is durable.
pub(crate) fn produce_request(topic: &TopicName, partition: usize, records: &Bytes) -> Outcome<ProduceRequest> {
    let data = PartitionProduceData::default().with_index(i32::try_from(partition)?).with_records(Some(records.clone()));
    let topic = TopicProduceData::default().with_name(topic.clone()).with_partition_data(vec![data]);
    Ok(ProduceRequest::default().with_acks(-1).with_timeout_ms(10_000).with_topic_data(vec![topic]))
}

/// Whether every batch was taken.
pub(crate) fn check_produced(answer: &ProduceResponse) -> Outcome<()> {
    let mut partitions = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
    match partitions.find(|partition| partition.error_code != 0) {
        Some(refused) => Err(format!("a batch was refused: {refused:?}").into()),
        None => Ok(()),
    }
}
