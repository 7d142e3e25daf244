//! **What attackers send to the Kinesis door**: requests in JSON and CBOR with heads of HTTP/1.1, frames of HTTP/2, and TLS.
//!
//! As at the Kafka door: requests that are good but for one thing get further than noise.

mod cbor;
mod frames;
mod heads;
mod inputs;

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Attack, Dice, Then};
use heads::Head;
pub(crate) use heads::{request, request_of};
pub(crate) use inputs::{asked, knows};

/// What attackers know of the Kinesis door.
#[derive(Clone, Debug)]
pub(crate) struct AwsTargets {
    /// Streams by name.
    pub(crate) streams: Vec<String>,
    /// Consumers by ARN.
    pub(crate) consumers: Vec<String>,
    /// Shard iterators, which somebody has to renew: they are good for five minutes.
    pub(crate) iterators: Arc<Mutex<Vec<String>>>,
}

impl AwsTargets {
    fn iterator(&self, dice: &mut Dice) -> String {
        dice.pick(&self.iterators.lock().unwrap()).clone()
    }
}

/// Makes attacks.
#[derive(Clone, Debug)]
pub(crate) struct AwsAttacker {
    dice: Dice,
    targets: AwsTargets,
    /// Bodies of late, for splicing.
    recent: Vec<Bytes>,
    /// A small body of gzip that is large without it.
    bomb: Bytes,
    /// A good first flight of TLS.
    hello: Bytes,
    /// Bytes of the largest body.
    bytes_max: usize,
}

impl AwsAttacker {
    /// One that sends bodies of at most about `bytes_max` bytes. `hello` is how a TLS client begins.
    pub(crate) fn new(seed: u64, targets: AwsTargets, bytes_max: usize, hello: Bytes) -> Self {
        let bomb = zipped(&vec![b' '; 8 * bytes_max]).into();
        Self { dice: Dice::new(seed), targets, recent: Vec::new(), bomb, hello, bytes_max }
    }

    /// The same with dice of its own.
    pub(crate) fn reseeded(&self, seed: u64) -> Self {
        Self { dice: Dice::new(seed), ..self.clone() }
    }

    /// The next attack.
    pub(crate) fn next(&mut self) -> Attack {
        let mut then = match self.dice.below(40) {
            0..2 => Then::Leave,
            2 => Then::Stall,
            3 => Then::Drip,
            4 => Then::Sip,
            _ => Then::Listen,
        };
        let (kind, bytes) = match self.dice.below(100) {
            0..20 => ("aws valid", self.valid()),
            20..46 => ("aws mutated", self.mutated()),
            46..60 => ("aws head", self.head()),
            60..78 => {
                let (bytes, stays) = self.frames();
                if stays && self.dice.one_in(3) {
                    then = Then::Stall;
                }
                ("aws frames", bytes)
            }
            78..82 => ("aws noise", self.noise()),
            82..86 => ("aws tls", self.tls()),
            86..90 => ("aws large", self.large()),
            90..94 => ("aws several", self.several()),
            94..97 => {
                then = Then::Sip;
                ("aws slow reader", self.taken_slowly())
            }
            _ => {
                then = Then::Stall;
                ("aws slow sender", self.unfinished())
            }
        };
        Attack { kind, bytes, then }
    }

    fn valid(&mut self) -> Bytes {
        let (operation, input) = self.input();
        self.sent(operation, &input)
    }

    /// An operation and what it is asked.
    fn input(&mut self) -> (&'static str, Value) {
        inputs::any(&mut self.dice, &self.targets)
    }

    /// Any request in either codec, and sometimes in gzip.
    fn sent(&mut self, operation: &str, input: &Value) -> Bytes {
        let (head, body) = self.encoded(operation, input);
        if self.dice.one_in(10) {
            return head.with("content-encoding", "gzip").and(&zipped(&body));
        }
        head.and(&body)
    }

    /// Its head and its body, which others are spliced with later.
    fn encoded(&mut self, operation: &str, input: &Value) -> (Head, Vec<u8>) {
        let (head, body) = if self.dice.one_in(3) {
            (Head::of("application/x-amz-cbor-1.1", operation), cbor::encode(&mut self.dice, input))
        } else {
            (Head::of("application/x-amz-json-1.1", operation), input.to_string().into_bytes())
        };
        if self.recent.len() < 32 {
            self.recent.push(body.clone().into());
        } else {
            let at = self.dice.below(32);
            self.recent[at] = body.clone().into();
        }
        (head, body)
    }

    fn mutated(&mut self) -> Bytes {
        let (operation, mut input) = self.input();
        if self.dice.one_in(2) {
            inputs::spoil(&mut self.dice, &mut input);
            return self.sent(operation, &input);
        }
        let (head, mut body) = self.encoded(operation, &input);
        for _ in 0..self.dice.below(3) + 1 {
            self.mutate(&mut body);
        }
        head.and(&body)
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        let at = self.dice.below(bytes.len() + 1);
        match self.dice.below(8) {
            0 => bytes.truncate(at),
            1 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (at % 8)),
            2 => bytes.iter_mut().skip(at).take(4).for_each(|byte| *byte = 0xff),
            3 => drop(bytes.splice(at..at, self.dice.pick(SNIPPETS).iter().copied())),
            4 => drop(bytes.splice(at..at, self.dice.pick(&[&b"["[..], b"{\"a\":", b"\x81", b"\x9f", b"\xc1"]).repeat(20_000))),
            5 => drop(bytes.splice(at..at, std::iter::repeat_n(b'9', 1 << self.dice.below(16)))),
            6 if !self.recent.is_empty() => {
                let other = self.dice.pick(&self.recent).clone();
                let from = self.dice.below(other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => {
                let end = (at + self.dice.below(64)).min(bytes.len());
                let again = bytes[at..end].repeat(self.dice.below(8) + 1);
                bytes.splice(at..at, again);
            }
        }
    }

    fn head(&mut self) -> Bytes {
        let (operation, input) = self.input();
        heads::odd(&mut self.dice, operation, input.to_string().as_bytes())
    }

    /// Frames, and whether they leave something behind for as long as the connection stays.
    fn frames(&mut self) -> (Bytes, bool) {
        let (operation, input) = self.input();
        frames::any(&mut self.dice, &self.targets, operation, input.to_string().as_bytes())
    }

    fn noise(&mut self) -> Bytes {
        let length = self.dice.below(2_000);
        let start =
            *self.dice.pick(&[&b""[..], b"POST / HTTP/1.1\r\n", frames::PREFACE, b"\x16\x03\x01", b"GET ", b"\0\0\0\x10"]);
        start.iter().copied().chain((0..length).map(|_| self.dice.next() as u8)).collect()
    }

    /// A hello that is cut short, or changed, and records of noise.
    fn tls(&mut self) -> Bytes {
        let mut bytes = self.hello.to_vec();
        let at = self.dice.below(bytes.len());
        match self.dice.below(4) {
            0 => bytes.truncate(at),
            1 => bytes[at] ^= 1 << (at % 8),
            2 => bytes.extend((0..20_000).map(|_| self.dice.next() as u8)),
            _ => {
                let kind = *self.dice.pick(&[0x14, 0x15, 0x16, 0x17, 0x18, 0xff]);
                let length = *self.dice.pick(&[0_u16, 1, 100, 0x4000, 0x4001, 0xffff]);
                bytes = [0x16, 3, 1, 0, 1, 1, kind, 3, 3].to_vec();
                bytes.extend(length.to_be_bytes());
                bytes.extend((0..self.dice.below(20_000)).map(|_| self.dice.next() as u8));
            }
        }
        bytes.into()
    }

    /// Bodies around the largest that is taken, and those that grow.
    fn large(&mut self) -> Bytes {
        let records = |bytes: usize| {
            let data = "A".repeat(bytes / 4 * 4);
            json!({"StreamName": "open", "Records": [{"Data": data, "PartitionKey": "large"}]}).to_string()
        };
        let json = Head::of("application/x-amz-json-1.1", "PutRecords");
        match self.dice.below(8) {
            0 => json.and(records(self.bytes_max).as_bytes()),
            1 => json.and(records(self.bytes_max / 4 * 3).as_bytes()),
            2 => json.and(&vec![b' '; self.bytes_max / 2 * 3]),
            3 => {
                let many = vec![json!({"Data": "QUJD", "PartitionKey": "many"}); self.bytes_max / 100];
                json.and(json!({"StreamName": "open", "Records": many}).to_string().as_bytes())
            }
            4 => {
                let data = "A".repeat(self.bytes_max / 20 / 4 * 4);
                let many = vec![json!({"Data": data, "PartitionKey": "many"}); 9];
                json.and(json!({"StreamName": "open", "Records": many}).to_string().as_bytes())
            }
            5 => {
                let operation = *self.dice.pick(&["GetRecords", "PutRecords", "ListStreams"]);
                Head::of("application/x-amz-json-1.1", operation).with("content-encoding", "gzip").and(&self.bomb)
            }
            6 => {
                // What is needed is a few bytes of it.
                let iterator = self.targets.iterator(&mut self.dice);
                let mut input = json!({"ShardIterator": iterator}).to_string();
                input.push_str(&" ".repeat(self.bytes_max / 2));
                let zip = zipped(input.as_bytes());
                Head::of("application/x-amz-json-1.1", "GetRecords").with("content-encoding", "gzip").and(&zip)
            }
            _ => json.and(&vec![b'['; self.bytes_max / 2]),
        }
    }

    /// Many requests at once.
    fn several(&mut self) -> Bytes {
        let count = self.dice.below(30) + 2;
        let requests: Vec<Bytes> = (0..count).map(|_| self.valid()).collect();
        requests.concat().into()
    }

    /// Requests with large answers.
    fn taken_slowly(&mut self) -> Bytes {
        let stream = self.dice.pick(&self.targets.streams).clone();
        let shard = format!("shardId-{:012}", self.dice.below(4));
        match self.dice.below(4) {
            0 => {
                let consumer = self.dice.pick(&self.targets.consumers).clone();
                let start = json!({"Type": "TRIM_HORIZON"});
                let input = json!({"ConsumerARN": consumer, "ShardId": shard, "StartingPosition": start});
                request("SubscribeToShard", &input)
            }
            1 => request("ListShards", &json!({"StreamName": stream, "MaxResults": 1_000})),
            _ => {
                let iterator = self.targets.iterator(&mut self.dice);
                let one = request("GetRecords", &json!({"ShardIterator": iterator, "Limit": 10_000}));
                one.repeat(self.dice.below(4) + 1).into()
            }
        }
    }

    /// Part of a head, or a head and part of a body.
    fn unfinished(&mut self) -> Bytes {
        let whole = if self.dice.one_in(2) { self.large() } else { self.valid() };
        let end = whole.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(whole.len(), |at| at + 4);
        let cut = match self.dice.below(3) {
            0 => self.dice.below(end),
            1 => end,
            _ => end + self.dice.below(whole.len() - end + 1),
        };
        whole.slice(..cut)
    }
}

/// What breaks readers of JSON and CBOR.
const SNIPPETS: &[&[u8]] = &[
    br#""\ud800""#,
    br#""\udc00\ud800""#,
    br#""\u0000""#,
    b"1e999999",
    b"-1e-999999",
    b"-",
    b"NaN",
    b"Infinity",
    b"\xff\xfe",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    br#""StreamName":"open","StreamName":1,"#,
    b"123456789012345678901234567890",
    b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x7a\xff\xff\xff\xff",
    b"\x5f\x41a\x61b\xff",
    b"\x7f\x7f\x7f",
    b"\xbf\xbf",
    b"\xf9\x7e\x00",
    b"\xfb\x7f\xf0\0\0\0\0\0\0",
    b"\xc1\xfb\x7f\xf8\0\0\0\0\0\0",
    b"\xdb\xff\xff\xff\xff\xff\xff\xff\xff\0",
    b"\x3b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xff",
    b"\x1c",
];

/// In gzip.
fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
