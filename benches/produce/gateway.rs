//! The program, spoken to over sockets by as little of a client as possible: requests are encoded once and sent again and
//! again, four connections have eight in flight each, and an answer is read for its error code only.

use std::io::{BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::thread::scope;

use bytes::{BufMut as _, Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse, ProduceRequest, ProduceResponse, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

use super::blocks::batch;
use super::support::{Outcome, Server, Window};
use super::{IN_FLIGHT, LANES};

const CONNECTIONS: usize = 4;
/// Requests in flight on each connection.
const PIPELINE: usize = IN_FLIGHT / CONNECTIONS;
/// The last version with topic names instead of ids.
const PRODUCE_VERSION: i16 = 12;
const CREATE_TOPICS_VERSION: i16 = 5;

/// Makes the topic with its 8 partitions.
pub(crate) fn create_topic(server: &Server) -> Outcome<TopicName> {
    let name = TopicName(StrBytes::from_static_str("produce"));
    let topic =
        CreatableTopic::default().with_name(name.clone()).with_num_partitions(i32::try_from(LANES)?).with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
    let mut connection = Connection::open(server)?;
    connection.send(&encode(&request, CREATE_TOPICS_VERSION)?)?;
    let answer: CreateTopicsResponse = connection.receive(CREATE_TOPICS_VERSION)?;
    match answer.topics.iter().map(|topic| topic.error_code).find(|code| *code != 0) {
        Some(code) => Err(format!("the topic was refused with error code {code}").into()),
        None => Ok(name),
    }
}

pub(crate) fn load(window: &Window, server: &Server, topic: &TopicName, block_bytes: usize) -> Outcome<()> {
    let records = batch(block_bytes)?.bytes().clone();
    let requests = (0..LANES).map(|partition| encode(&request(topic, partition, &records)?, PRODUCE_VERSION));
    let requests = requests.collect::<Outcome<Vec<_>>>()?;
    scope(|threads| {
        let (requests, bytes) = (&requests, records.len());
        // They begin at different partitions.
        let starts = (0..LANES).step_by(LANES / CONNECTIONS);
        let connections: Vec<_> = starts
            .map(|start| threads.spawn(move || produce(window, server, requests.iter().cycle().skip(start), bytes)))
            .collect();
        connections.into_iter().try_for_each(|connection| connection.join().map_err(|_| "a connection panicked")?)
    })
}

fn request(topic: &TopicName, partition: usize, records: &Bytes) -> Outcome<ProduceRequest> {
    let data = PartitionProduceData::default().with_index(i32::try_from(partition)?).with_records(Some(records.clone()));
    let topic = TopicProduceData::default().with_name(topic.clone()).with_partition_data(vec![data]);
    Ok(ProduceRequest::default().with_acks(-1).with_timeout_ms(10_000).with_topic_data(vec![topic]))
}

/// Keeps one connection's pipeline full until the window is over.
fn produce<'a>(window: &Window, server: &Server, mut requests: impl Iterator<Item = &'a Bytes>, bytes: usize) -> Outcome<()> {
    let mut connection = Connection::open(server)?;
    let mut in_flight = 0;
    loop {
        while in_flight < PIPELINE && !window.is_over() {
            connection.send(requests.next().ok_or("there are no requests")?)?;
            in_flight += 1;
        }
        if in_flight == 0 {
            return Ok(());
        }
        let answer: ProduceResponse = connection.receive(PRODUCE_VERSION)?;
        let partitions = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
        if let Some(refused) = partitions.into_iter().find(|partition| partition.error_code != 0) {
            return Err(format!("a batch was refused: {refused:?}").into());
        }
        in_flight -= 1;
        window.count(bytes);
    }
}

/// A request as it goes over the wire. All have the same correlation id: answers come in order.
fn encode<R: Request>(request: &R, version: i16) -> Outcome<Bytes> {
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

struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    fn open(server: &Server) -> Outcome<Self> {
        let stream = TcpStream::connect(&server.bootstrap)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    fn send(&mut self, frame: &[u8]) -> Outcome<()> {
        Ok(self.stream.get_mut().write_all(frame)?)
    }

    fn receive<A: Decodable + HeaderVersion>(&mut self, version: i16) -> Outcome<A> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut frame = vec![0; usize::try_from(i32::from_be_bytes(length))?];
        self.stream.read_exact(&mut frame)?;
        let mut frame = Bytes::from(frame);
        ResponseHeader::decode(&mut frame, A::header_version(version))?;
        Ok(A::decode(&mut frame, version)?)
    }
}
