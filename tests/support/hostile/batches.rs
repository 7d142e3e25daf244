//! Record batches: good ones, and those that lie about their size, their count, their codec or themselves.

use std::io::Write;

use bytes::{Bytes, BytesMut};
use shardgate::batch::{Builder, Codec, Draft, HEADER_BYTES, ProducerStamp};
use shardgate::model::Timestamp;

use super::Dice;
use super::requests::EDGES;

/// A batch stays below the default of `max.message.bytes`, so that it is looked into.
const BATCH_BYTES_MAX: usize = 1_000_000;
/// Zeros in one member or frame of a bomb; there are as many of these as fit.
const BOMB_STEP: usize = 4 << 20;
const CODECS: [Codec; 4] = [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

/// Batches that take long to make, made once.
#[derive(Debug)]
pub(crate) struct Batches {
    bombs: Vec<Bytes>,
}

impl Batches {
    /// With bombs of up to `bytes_max` bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        let fill = |packed: Vec<u8>| packed.repeat((bytes_max.min(BATCH_BYTES_MAX) / packed.len()).max(1));
        let zeros = vec![0; BOMB_STEP];
        let mut bombs: Vec<Bytes> =
            CODECS.iter().map(|codec| with_payload(*codec, i32::MAX, &fill(pack(*codec, &zeros)))).collect();
        // Raw snappy that declares 2^32-1 bytes, and xerial blocks that each do.
        bombs.push(with_payload(Codec::Snappy, 1, b"\xff\xff\xff\xff\x0f\0"));
        let xerial =
            |block: &[u8]| [b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01", &(block.len() as u32).to_be_bytes()[..], block].concat();
        bombs.push(with_payload(Codec::Snappy, 1, &xerial(b"\xff\xff\xff\xff\x0f\0")));
        let block = pack(Codec::Snappy, &zeros[..64 << 10]);
        let blocks = fill([&(block.len() as u32).to_be_bytes()[..], &block].concat());
        bombs.push(with_payload(Codec::Snappy, i32::MAX, &[b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01", &blocks[..]].concat()));
        // Small ones, of which a request holds thousands.
        bombs.extend([Codec::Gzip, Codec::Lz4, Codec::Zstd].map(|codec| with_payload(codec, i32::MAX, &pack(codec, &zeros))));
        Self { bombs }
    }

    pub(super) fn bomb(&self, dice: &mut Dice) -> Bytes {
        dice.pick(&self.bombs).clone()
    }

    /// What a client could have meant.
    pub(super) fn good(&self, dice: &mut Dice) -> Bytes {
        let builder = match dice.below(4) {
            0 => Builder::default().codec(*dice.pick(&CODECS)),
            1 => {
                let (id, epoch, sequence) = (dice.below(5_000) as i64, dice.below(3) as i16, dice.below(4) as i32);
                Builder::default().producer(ProducerStamp { id, epoch, first_sequence: sequence })
            }
            _ => Builder::default(),
        };
        let value = vec![b'v'; if dice.one_in(20) { 60_000 } else { dice.below(100) }];
        let filled = (0..dice.below(5) + 1).fold(builder, |builder, second| {
            let created_at = Timestamp(1_700_000_000_000 + second as i64);
            let key = (!dice.one_in(5)).then_some(b"key".as_slice());
            builder.record(Draft { key, value: Some(&value), created_at, ..Draft::default() })
        });
        filled.build().unwrap().bytes().clone()
    }

    /// What no client means.
    pub(super) fn bad(&self, dice: &mut Dice) -> Bytes {
        let mut bytes = BytesMut::from(&self.good(dice)[..]);
        match dice.below(12) {
            0..=2 => return self.bomb(dice),
            // Two billion records in one byte, or in none.
            3 => return with_payload(Codec::None, i32::MAX, &[0]),
            4 => return with_payload(*dice.pick(&CODECS), i32::MAX, &[]),
            5 => bytes[17..21].copy_from_slice(&dice.next().to_be_bytes()[..4]),
            6 => {
                let again = bytes.clone();
                bytes.extend_from_slice(&again);
            }
            7 => bytes.truncate(dice.below(bytes.len())),
            // The length, the magic.
            8 => bytes[8..12].copy_from_slice(&(*dice.pick(&EDGES) as i32).to_be_bytes()),
            9 => bytes[16] = *dice.pick(&[0, 1, 3, 0xff]),
            // Any field of the header, or any byte of the records, under a right checksum.
            10 => {
                let at = *dice.pick(&[21, 23, 27, 35, 43, 51, 53, 57]);
                let width = if at == 21 || at == 51 { 2 } else { 4 };
                let edge = dice.pick(&EDGES).to_be_bytes();
                bytes[at..at + width].copy_from_slice(&edge[8 - width..]);
                seal(&mut bytes);
            }
            _ => {
                for _ in 0..dice.below(4) + 1 {
                    let at = HEADER_BYTES + dice.below(bytes.len() - HEADER_BYTES);
                    bytes[at] = *dice.pick(&[0, 1, 0x7f, 0x80, 0xff]);
                }
                seal(&mut bytes);
            }
        }
        bytes.freeze()
    }
}

/// A batch that says it has `records` records.
fn with_payload(codec: Codec, records: i32, payload: &[u8]) -> Bytes {
    let mut bytes = BytesMut::zeroed(HEADER_BYTES);
    bytes.extend_from_slice(payload);
    let length = (bytes.len() - 12) as i32;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[16] = 2;
    bytes[22] = CODECS.iter().position(|each| *each == codec).map_or(0, |at| at as u8 + 1);
    bytes[23..27].copy_from_slice(&(records - 1).to_be_bytes());
    // 2023, so that somebody who asks by time comes here.
    bytes[27..35].copy_from_slice(&1_700_000_000_000_i64.to_be_bytes());
    bytes[35..43].copy_from_slice(&1_700_000_000_000_i64.to_be_bytes());
    bytes[43..57].fill(0xff);
    bytes[57..61].copy_from_slice(&records.to_be_bytes());
    seal(&mut bytes);
    bytes.freeze()
}

fn seal(bytes: &mut BytesMut) {
    let checksum = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&checksum.to_be_bytes());
}

fn pack(codec: Codec, bytes: &[u8]) -> Vec<u8> {
    match codec {
        Codec::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Codec::Lz4 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Codec::Zstd => zstd::bulk::compress(bytes, 1).unwrap(),
        Codec::Snappy => snap::raw::Encoder::new().compress_vec(bytes).unwrap(),
        Codec::None => bytes.to_vec(),
    }
}
