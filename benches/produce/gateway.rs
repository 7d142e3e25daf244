//! The program, spoken to over sockets by as little of a client as possible: requests are encoded once and sent again and
//! again, four connections have eight in flight each, and an answer is read for its error code only.

use std::thread::scope;

use bytes::Bytes;
use kafka_protocol::messages::{ProduceResponse, TopicName};

use super::support::wire::{Connection, PRODUCE_VERSION, check_produced, encode, produce_request};
use super::support::{Outcome, Server, Window, batch};
use super::{IN_FLIGHT, LANES};

const CONNECTIONS: usize = 4;
/// Requests in flight on each connection.
const PIPELINE: usize = IN_FLIGHT / CONNECTIONS;

pub(crate) fn load(window: &Window, server: &Server, topic: &TopicName, block_bytes: usize) -> Outcome<()> {
    let records = batch(block_bytes)?.bytes().clone();
    let requests = (0..LANES).map(|partition| encode(&produce_request(topic, partition, &records)?, PRODUCE_VERSION));
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

/// Keeps one connection's pipeline full until the window is over.
fn produce<'a>(window: &Window, server: &Server, mut requests: impl Iterator<Item = &'a Bytes>, bytes: usize) -> Outcome<()> {
    let mut connection = Connection::open(&server.bootstrap)?;
    let mut in_flight = 0;
    loop {
        while in_flight < PIPELINE && !window.is_over() {
            connection.send(requests.next().ok_or("there are no requests")?)?;
            in_flight += 1;
        }
        if in_flight == 0 {
            return Ok(());
        }
        check_produced(&connection.receive::<ProduceResponse>(PRODUCE_VERSION)?)?;
        in_flight -= 1;
        window.count(bytes);
    }
}
