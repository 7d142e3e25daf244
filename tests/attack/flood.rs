//! Load: clients of both doors that send as fast as they are let, and remember what they were told.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use kafka_protocol::messages::ProduceResponse;

use crate::hostile::request_of;
use crate::{kafka, kinesis};

/// The topic of Kafka's flood and the stream of AWS's.
pub(crate) const TOPIC: &str = "flooded";
pub(crate) const STREAM: &str = "flooded-aws";
/// Partitions or shards of each.
pub(crate) const PARTITIONS: i32 = 8;
/// Every record begins with its own number, in as many bytes as base64 turns into whole characters.
const NUMBER_BYTES: usize = 18;
/// For an answer, after which a client tries again on another connection.
const PATIENCE: Duration = Duration::from_secs(15);

/// What one request of a flood carries.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// Records in it.
    pub(crate) records: u64,
    /// Bytes of each.
    pub(crate) bytes: usize,
    /// Requests that a connection of Kafka has in flight.
    pub(crate) depth: usize,
}

/// What all clients of a flood have together.
#[derive(Default)]
pub(crate) struct Flood {
    pub(crate) over: AtomicBool,
    /// Numbers of the next records.
    next: AtomicU64,
    /// Bytes that were acknowledged.
    pub(crate) bytes: AtomicU64,
    /// Requests that were refused, and connections that ended.
    pub(crate) refused: AtomicU64,
    pub(crate) ended: AtomicU64,
    /// Numbers of the first record and the one behind the last of what was acknowledged; not kept if nobody asks.
    told: Mutex<Vec<(u64, u64)>>,
    forgets: bool,
}

impl Flood {
    /// One that does not remember what it was told.
    pub(crate) fn forgetful() -> Self {
        Self { forgets: true, ..Self::default() }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// All numbers that were acknowledged.
    pub(crate) fn told(&self) -> HashSet<u64> {
        self.told.lock().unwrap().iter().flat_map(|(first, end)| *first..*end).collect()
    }

    fn tell(&self, first: u64, end: u64, bytes: usize) {
        self.bytes.fetch_add((end - first) * bytes as u64, Ordering::Relaxed);
        if !self.forgets {
            self.told.lock().unwrap().push((first, end));
        }
    }
}

/// The number that a record carries.
pub(crate) fn number(value: &[u8]) -> Option<u64> {
    value.first_chunk().map(|number| u64::from_be_bytes(*number))
}

/// Keeps one connection of Kafka full, and opens another one where it ends.
pub(crate) fn produce(address: SocketAddr, shape: Shape, flood: &Flood) {
    while !flood.is_over() {
        if keep_full(address, shape, flood).is_err() {
            flood.ended.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(50));
        }
    }
}

fn keep_full(address: SocketAddr, shape: Shape, flood: &Flood) -> io::Result<()> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let mut answers = socket.try_clone()?;
    let (sent, asked) = sync_channel(shape.depth);
    thread::scope(|scope| {
        let listening = scope.spawn(move || listen(&mut answers, &asked, shape, flood));
        let mut value = vec![b'v'; shape.bytes];
        let said = loop {
            if flood.is_over() {
                break Ok(());
            }
            let first = flood.next.fetch_add(shape.records, Ordering::Relaxed);
            let partition = (first / shape.records % PARTITIONS as u64) as i32;
            let batch = kafka::batch((first..first + shape.records).map(|number| {
                value[..8].copy_from_slice(&number.to_be_bytes());
                Bytes::copy_from_slice(&value)
            }));
            // Full if nothing is answered; gone if nobody listens.
            if sent.send(first).is_err() {
                break Err(io::ErrorKind::BrokenPipe.into());
            }
            if let Err(error) = socket.write_all(&kafka::produce_frame(TOPIC, partition, batch)) {
                break Err(error);
            }
        };
        drop(sent);
        if said.is_err() {
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
        said.and(listening.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())))
    })
}

fn listen(answers: &mut TcpStream, asked: &Receiver<u64>, shape: Shape, flood: &Flood) -> io::Result<()> {
    while let Ok(first) = asked.recv() {
        let response: ProduceResponse = kafka::receive(answers, 9)?;
        match response.responses[0].partition_responses[0].error_code {
            0 => flood.tell(first, first + shape.records, shape.bytes),
            _ => _ = flood.refused.fetch_add(1, Ordering::Relaxed),
        }
    }
    Ok(())
}

/// Puts records on one connection of AWS, one request after the other.
pub(crate) fn put(address: SocketAddr, shape: Shape, flood: &Flood) {
    let filler = STANDARD.encode(vec![b'v'; shape.bytes.saturating_sub(NUMBER_BYTES) / 3 * 3]);
    let mut client = None;
    while !flood.is_over() {
        let first = flood.next.fetch_add(shape.records, Ordering::Relaxed);
        let records: Vec<String> = (first..first + shape.records)
            .map(|number| {
                let mut head = [0; NUMBER_BYTES];
                head[..8].copy_from_slice(&number.to_be_bytes());
                format!(r#"{{"Data":"{}{filler}","PartitionKey":"{number}"}}"#, STANDARD.encode(head))
            })
            .collect();
        let body = format!(r#"{{"StreamName":"{STREAM}","Records":[{}]}}"#, records.join(","));
        let answer = match client.take().map_or_else(|| kinesis::Client::connect(address), Ok) {
            Ok(mut connected) => {
                let answer = connected.exchange(&request_of("PutRecords", body.as_bytes()));
                client = Some(connected);
                answer
            }
            Err(error) => Err(error),
        };
        match answer {
            Ok((200, body)) => {
                let answer: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
                for (record, number) in answer["Records"].as_array().into_iter().flatten().zip(first..) {
                    if record["ErrorCode"].is_null() {
                        flood.tell(number, number + 1, shape.bytes);
                    }
                }
                if answer["FailedRecordCount"] != 0 {
                    flood.refused.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(10));
                }
            }
            Ok(_) => {
                flood.refused.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(10));
            }
            Err(_) => {
                flood.ended.fetch_add(1, Ordering::Relaxed);
                client = None;
                thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

/// Reads on at the tip of one partition after the other, for as long as the flood lasts; bytes that were read.
pub(crate) fn consume(address: SocketAddr, topic: &'static str, flood: &Flood) -> io::Result<u64> {
    let mut client = kafka::Client::connect(address)?;
    let (mut next, mut read) = ([0; PARTITIONS as usize], 0);
    while !flood.is_over() {
        for partition in 0..PARTITIONS {
            let from = &mut next[partition as usize];
            match client.fetch_from(topic, partition, *from, 1 << 20) {
                Ok(found) => {
                    read += found.values().map(|value| value.len() as u64).sum::<u64>();
                    *from = found.last_key_value().map_or(*from, |(offset, _)| offset + 1);
                }
                // What is past retention is given up.
                Err(_) => *from = client.earliest(topic, partition)?,
            }
        }
    }
    Ok(read)
}

/// A connection that asks for a megabyte and takes a byte of it each time it is told to.
pub(crate) struct SlowReader(TcpStream);

impl SlowReader {
    pub(crate) fn begin(address: SocketAddr, request: &[u8]) -> io::Result<Self> {
        let mut socket = TcpStream::connect(address)?;
        // Two answers: what the sockets take of the first lets the second be made.
        socket.write_all(request)?;
        socket.write_all(request)?;
        socket.set_nonblocking(true)?;
        Ok(Self(socket))
    }

    /// Whether it is still connected.
    pub(crate) fn sip(&mut self) -> bool {
        match self.0.read(&mut [0]) {
            Ok(read) => read > 0,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}
