//! **What attackers send**: for one seed always the same, so that what broke something can be sent again.
//!
//! Good requests with names that exist get past the first checks; what is done to them afterwards (cut, overwritten with the
//! numbers at which things break, spliced, followed by garbage) gets to the later ones. Beside them: noise, frames that lie
//! about themselves, batches that lie about themselves, and requests that are only too large.
#![allow(dead_code, unused_imports, reason = "used by two binaries, each of which needs its own part")]

mod aws;
mod batches;
mod huge;
mod requests;

use bytes::Bytes;

pub(crate) use aws::{AwsAttacker, AwsTargets, asked, knows, request, request_of};
use batches::Batches;
pub(crate) use requests::Targets;
use requests::{EDGES, Requests};

/// Random numbers: splitmix64, of which any two seeds give different ones.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The dice of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 to `end` - 1; 0 if there is none.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// Whether one time in `times`.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of them.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// What an attacker sends, and how it goes on.
#[derive(Clone, Debug)]
pub(crate) struct Attack {
    /// The kind, for the report.
    pub(crate) kind: &'static str,
    /// What is sent: any number of frames, or less than one.
    pub(crate) bytes: Bytes,
    /// What it does then.
    pub(crate) then: Then,
}

/// What an attacker does when it has sent something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Then {
    /// Reads an answer, if one comes, and goes on.
    Listen,
    /// Closes the connection at once.
    Leave,
    /// Stays without sending or reading anything, for a while.
    Stall,
    /// Sends it in pieces, the later the smaller.
    Drip,
    /// Stays, and takes a few bytes of the answer now and then.
    Sip,
}

/// Makes attacks.
#[derive(Clone, Debug)]
pub(crate) struct Attacker {
    dice: Dice,
    targets: Targets,
    batches: std::sync::Arc<Batches>,
    /// Good requests of late, for splicing.
    recent: Vec<Bytes>,
    /// Bytes of the largest request.
    bytes_max: usize,
}

impl Attacker {
    /// One that sends at most about `bytes_max` bytes at once.
    pub(crate) fn new(seed: u64, targets: Targets, bytes_max: usize) -> Self {
        let batches = std::sync::Arc::new(Batches::new(bytes_max));
        Self { dice: Dice::new(seed), targets, batches, recent: Vec::new(), bytes_max }
    }

    /// The same with dice of its own.
    pub(crate) fn reseeded(&self, seed: u64) -> Self {
        Self { dice: Dice::new(seed), ..self.clone() }
    }

    /// The next attack.
    pub(crate) fn next(&mut self) -> Attack {
        let (kind, bytes) = match self.dice.below(100) {
            0..30 => ("valid", framed(&self.valid())),
            30..62 => ("mutated", self.mutated()),
            62..68 => ("noise", self.noise()),
            68..76 => ("frame", self.frame()),
            76..90 => ("batch", self.batch()),
            90..93 => ("several", self.several()),
            _ => ("huge", self.huge()),
        };
        let then = match self.dice.below(40) {
            0..2 => Then::Leave,
            2 => Then::Stall,
            3 => Then::Drip,
            _ => Then::Listen,
        };
        Attack { kind, bytes, then }
    }

    /// A good request for a served API as a rule.
    fn valid(&mut self) -> Bytes {
        let apis: Vec<_> = shardgate::kafka::supported().collect();
        let api = self.dice.pick(&apis);
        let (key, span) = (api.key, i16::try_from(api.served.clone().count()).unwrap());
        let version = api.served.start() + self.dice.below(span as usize) as i16;
        let (key, version) = match self.dice.below(40) {
            0 => (key, *self.dice.pick(&EDGES) as i16),
            1 => (key, api.served.end() + 1),
            2 => (self.dice.below(100) as i16, 0),
            3 => (*self.dice.pick(&EDGES) as i16, 0),
            _ => (key, version),
        };
        let request = self.good(key, version);
        if self.recent.len() < 32 {
            self.recent.push(request.clone());
        } else {
            let at = self.dice.below(32);
            self.recent[at] = request.clone();
        }
        request
    }

    /// A good request of this API in this version.
    pub(crate) fn good(&mut self, key: i16, version: i16) -> Bytes {
        Requests { dice: &mut self.dice, targets: &self.targets, batches: &self.batches, version }.any(key)
    }

    fn mutated(&mut self) -> Bytes {
        let mut bytes = self.valid().to_vec();
        for _ in 0..self.dice.below(3) + 1 {
            self.mutate(&mut bytes);
        }
        framed(&bytes)
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        // The first eight bytes say what the request is; what is changed behind them gets further.
        let at = 8.min(bytes.len()) + self.dice.below(bytes.len().saturating_sub(8));
        match self.dice.below(9) {
            0 => bytes.truncate(at),
            1 => {
                let width = *self.dice.pick(&[1, 2, 4, 8]);
                let edge = self.dice.pick(&EDGES).to_be_bytes();
                bytes.iter_mut().skip(at).zip(&edge[8 - width..]).for_each(|(byte, edge)| *byte = *edge);
            }
            2 => {
                let varint = *self.dice.pick(&[
                    &b"\xff\xff\xff\xff\x0f"[..],
                    b"\xff\xff\xff\xff\x07",
                    b"\xff\x7f",
                    b"\x80\x80\x80\x80\x80\x80",
                    b"\xff\xff\x03",
                    b"\x00",
                ]);
                bytes.splice(at..(at + 1).min(bytes.len()), varint.iter().copied());
            }
            3 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (at % 8)),
            4 => {
                if !self.recent.is_empty() {
                    let other = self.dice.pick(&self.recent).clone();
                    let from = self.dice.below(other.len());
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[from..]);
                }
            }
            5 => bytes.extend((0..self.dice.below(200)).map(|_| self.dice.next() as u8)),
            // Tagged fields: some, many, with lengths that lie.
            6 => {
                bytes.pop();
                let tags = *self.dice.pick(&[
                    &b"\x01\x63\x02ab"[..],
                    b"\xff\xff\xff\xff\x0f",
                    b"\x02\x00\xff\xff\xff\xff\x07\x00",
                    b"\x03\x05\x00\x05\x00\x01\x00",
                ]);
                bytes.extend_from_slice(tags);
            }
            7 => bytes.iter_mut().skip(at).take(4).for_each(|byte| *byte = 0xff),
            _ => {
                let end = (at + self.dice.below(64)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let again = piece.repeat(self.dice.below(8) + 1);
                bytes.splice(at..at, again);
            }
        }
    }

    fn noise(&mut self) -> Bytes {
        let length = self.dice.below(600);
        let mut bytes: Vec<u8> = (0..length).map(|_| self.dice.next() as u8).collect();
        if self.dice.one_in(2) && bytes.len() >= 8 {
            bytes[..4].copy_from_slice(&[0, self.dice.below(64) as u8, 0, self.dice.below(14) as u8]);
            return framed(&bytes);
        }
        bytes.into()
    }

    /// A frame that lies about its length, or ends early.
    fn frame(&mut self) -> Bytes {
        let request = self.valid();
        let length = match self.dice.below(8) {
            0 => self.dice.below(14) as i32,
            1 => *self.dice.pick(&[-1, i32::MIN, i32::MAX, i32::MAX - 4, 0x1603_0102, 0x4745_5420]),
            2 => 100 << 20,
            3 => (100 << 20) + 1,
            4 => request.len() as i32 + 1,
            5 => (4 << 20) - self.dice.below(3) as i32 + 1,
            6 => request.len() as i32 * 1_000,
            _ => (request.len() / 2) as i32,
        };
        let sent = self.dice.below(request.len() + 1);
        [&length.to_be_bytes(), &request[..sent]].concat().into()
    }

    fn batch(&mut self) -> Bytes {
        use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
        let batches = self.batches.clone();
        let data = (0..self.dice.below(3) + 1).map(|partition| {
            let records = if self.bytes_max < 1 << 20 || !self.dice.one_in(3) {
                batches.bad(&mut self.dice)
            } else {
                batches.bomb(&mut self.dice)
            };
            PartitionProduceData::default().with_index(partition as i32).with_records(Some(records))
        });
        let data = data.collect();
        let (name, _) = self.dice.pick(&self.targets.topics).clone();
        let topic = TopicProduceData::default()
            .with_name(kafka_protocol::messages::TopicName(requests::text(&name)))
            .with_partition_data(data);
        let request = kafka_protocol::messages::ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic]);
        framed(&requests::encode(9, "attacker", &request).unwrap())
    }

    /// Many requests at once, of which nobody reads the answers.
    fn several(&mut self) -> Bytes {
        let count = self.dice.below(30) + 2;
        let frames: Vec<Bytes> = (0..count).map(|_| framed(&self.valid())).collect();
        frames.concat().into()
    }

    fn huge(&mut self) -> Bytes {
        let bytes = if self.dice.one_in(4) { self.bytes_max } else { self.bytes_max.min(1 << (10 + self.dice.below(11))) };
        let request = huge::huge(&mut self.dice, &self.targets, &self.batches, bytes);
        framed(&request.unwrap_or_default())
    }
}

/// With its length in front.
pub(crate) fn framed(request: &[u8]) -> Bytes {
    [&(request.len() as i32).to_be_bytes(), request].concat().into()
}
