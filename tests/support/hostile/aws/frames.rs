//! Frames of HTTP/2 (RFC 9113): requests, and what breaks those who believe them.

use bytes::Bytes;
use serde_json::json;

use super::{AwsTargets, Dice};

/// How a client begins.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> =
        pairs.iter().flat_map(|(name, value)| [name.to_be_bytes().as_slice(), &value.to_be_bytes()].concat()).collect();
    frame(SETTINGS, 0, 0, &payload)
}

/// A header that no table keeps (RFC 7541, section 6.2.2).
fn literal(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(0);
    for text in [name, value] {
        let mut length = text.len();
        if length < 127 {
            out.push(length as u8);
        } else {
            out.push(127);
            length -= 127;
            while length >= 128 {
                out.push((length % 128) as u8 | 128);
                length /= 128;
            }
            out.push(length as u8);
        }
        out.extend_from_slice(text.as_bytes());
    }
}

fn head(operation: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "localhost"),
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amz-target", &format!("Kinesis_20131202.{operation}")),
        ("x-amz-date", "20261124T000000Z"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=local/20261124/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=0",
        ),
    ] {
        literal(&mut out, name, value);
    }
    out
}

/// A request with its body.
fn asked(stream: u32, operation: &str, body: &[u8]) -> Vec<u8> {
    let mut out = frame(HEADERS, END_HEADERS, stream, &head(operation));
    let mut pieces = body.chunks(16_000).peekable();
    while let Some(piece) = pieces.next() {
        out.extend(frame(DATA, if pieces.peek().is_none() { END_STREAM } else { 0 }, stream, piece));
    }
    out
}

/// The numbers of a client's streams.
fn streams(count: usize) -> impl Iterator<Item = u32> {
    (0..count as u32).map(|number| 2 * number + 1)
}

/// Frames, and whether they leave something behind for as long as the connection stays.
pub(super) fn any(dice: &mut Dice, targets: &AwsTargets, operation: &str, body: &[u8]) -> (Bytes, bool) {
    let mut out = PREFACE.to_vec();
    let mut stays = false;
    // Windows of no size: nothing is ever taken.
    let window = if dice.one_in(3) { 0 } else { 65_535 };
    out.extend(settings(&[(4, window)]));
    match dice.below(20) {
        0 | 1 => {
            for stream in streams(dice.below(20) + 1) {
                out.extend(asked(stream, operation, body));
            }
        }
        2 => {
            for stream in streams(1 << dice.below(11)) {
                out.extend(frame(HEADERS, END_HEADERS, stream, &head(operation)));
                out.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
            }
        }
        3 => {
            out.extend(frame(HEADERS, 0, 1, &head(operation)));
            let piece = if dice.one_in(2) { Vec::new() } else { [0, 1, b'x', 1, b'y'].repeat(1 << dice.below(11)) };
            for _ in 0..1 << dice.below(10) {
                out.extend(frame(CONTINUATION, 0, 1, &piece));
            }
        }
        4 => out.extend(frame(SETTINGS, 0, 0, &[]).repeat(1 << dice.below(13))),
        5 => {
            let odd =
                [(1, u32::MAX), (2, 2), (3, 0), (4, 1 << 31), (4, (1 << 31) - 1), (5, 1), (5, 1 << 24), (6, 0), (0xffff, 7)];
            let pair = *dice.pick(&odd);
            out.extend(settings(&[pair, *dice.pick(&odd)]));
            out.extend(asked(1, operation, body));
        }
        6 => out.extend(frame(PING, 0, 0, &[7; 8]).repeat(1 << dice.below(13))),
        7 => {
            // Large answers that are never taken.
            out = PREFACE.to_vec();
            out.extend(settings(&[(4, *dice.pick(&[0, 1, 1_000]))]));
            let iterator = targets.iterator(dice);
            let input = json!({"ShardIterator": iterator}).to_string();
            for stream in streams(dice.below(100) + 1) {
                out.extend(asked(stream, "GetRecords", input.as_bytes()));
            }
            stays = true;
        }
        8 => {
            let update = *dice.pick(&[0_u32, 1, (1 << 31) - 1, u32::MAX]);
            out.extend(asked(1, operation, body));
            for stream in [0, 1, 3] {
                out.extend(frame(WINDOW_UPDATE, 0, stream, &update.to_be_bytes()).repeat(dice.below(300) + 1));
            }
        }
        9 => {
            // One large header in the table, and then again and again.
            let mut bomb = head(operation);
            bomb.push(0x40);
            bomb.extend([1, b'x', 127, 0x80 | 0x21, 0x1e]);
            bomb.extend([b'y'; 4_000]);
            bomb.extend([0xbe].repeat(1 << dice.below(13)));
            for stream in streams(dice.below(50) + 1) {
                out.extend(frame(HEADERS, END_HEADERS, stream, &bomb[..bomb.len().min(16_384)]));
                bomb = head(operation);
                bomb.extend([0xbe].repeat(1 << dice.below(13)));
            }
            stays = true;
        }
        10 => {
            for stream in streams(dice.below(400) + 1) {
                out.extend(frame(HEADERS, END_HEADERS, stream, &head(operation)));
                if dice.one_in(2) {
                    out.extend(frame(DATA, 0, stream, &body[..body.len().min(200)]));
                }
            }
            stays = true;
        }
        11 => {
            // Much of a body, and no end.
            out.extend(frame(HEADERS, END_HEADERS, 1, &head("PutRecords")));
            out.extend(frame(DATA, 0, 1, &[b' '; 16_000]).repeat(4));
            stays = true;
        }
        12 => {
            out.extend(asked(1, operation, body));
            out.extend(frame(DATA, END_STREAM, 1, body.get(..body.len().min(100)).unwrap_or_default()));
            out.extend(frame(*dice.pick(&[DATA, HEADERS, CONTINUATION, PUSH_PROMISE]), 0, *dice.pick(&[0, 2, 1, 99]), b"later"));
        }
        13 => {
            out.extend(frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 0]));
            out.extend(frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0]).repeat(dice.below(5) + 1));
            out.extend(asked(3, operation, body));
        }
        14 => {
            for stream in streams(dice.below(1_000) + 1) {
                out.extend(frame(HEADERS, END_HEADERS, stream, &head(operation)));
                out.extend(frame(DATA, 0, stream, &[]).repeat(dice.below(20)));
            }
        }
        15 => {
            let length = *dice.pick(&[16_385_usize, 100_000, 0xff_ffff]);
            let kind = dice.below(12) as u8;
            out.extend([(length >> 16) as u8, (length >> 8) as u8, length as u8, kind, 0x2d, 0, 0, 0, 1]);
            out.extend(vec![b'z'; length.min(40_000)]);
        }
        16 | 17 => {
            // Subscriptions that are dropped, or never taken.
            let consumer = dice.pick(&targets.consumers).clone();
            for stream in streams(dice.below(20) + 1) {
                let shard = format!("shardId-{:012}", dice.below(4));
                let start = json!({"Type": "TRIM_HORIZON"});
                let input = json!({"ConsumerARN": consumer, "ShardId": shard, "StartingPosition": start}).to_string();
                out.extend(asked(stream, "SubscribeToShard", input.as_bytes()));
                if dice.one_in(2) {
                    out.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
                }
            }
            stays = true;
        }
        _ => {
            out.extend(asked(1, operation, body));
            out.extend(asked(3, operation, body));
            for _ in 0..dice.below(4) + 1 {
                let at = PREFACE.len() + dice.below(out.len() - PREFACE.len());
                out[at] = dice.next() as u8;
            }
        }
    }
    (out.into(), stays)
}
