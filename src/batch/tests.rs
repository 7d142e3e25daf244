//! Properties of the whole folder; the oracle is kafka-protocol's own batch code.

use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record as Theirs, RecordBatchDecoder, RecordBatchEncoder,
    RecordEncodeOptions, TimestampType,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::model::{Offset, Timestamp, limits};

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
const BUDGET: usize = 1 << 20;

type Text = Vec<u8>;

/// A record as a test thinks of it.
#[derive(Clone, PartialEq, Debug)]
struct Plain {
    key: Option<Text>,
    value: Option<Text>,
    headers: Vec<(Text, Option<Text>)>,
    created_at: i64,
}

fn plain() -> impl Strategy<Value = Plain> {
    let text = || vec(any::<u8>(), 0..40);
    let header = ("[a-c]{0,3}".prop_map(String::into_bytes), option::of(text()));
    (option::of(text()), option::of(text()), vec(header, 0..4), -1..=i64::MAX)
        .prop_map(|(key, value, headers, created_at)| Plain { key, value, headers, created_at })
}

fn plains() -> impl Strategy<Value = Vec<Plain>> {
    vec(plain(), 1..30)
}

fn codec() -> impl Strategy<Value = Codec> {
    prop::sample::select(CODECS.to_vec())
}

fn built(records: &[Plain], builder: Builder) -> Batch {
    let add = |builder: Builder, record: &Plain| {
        let headers: Vec<_> = record.headers.iter().map(|(name, value)| (name.as_slice(), value.as_deref())).collect();
        builder.record(Draft {
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &headers,
            created_at: Timestamp(record.created_at),
        })
    };
    records.iter().fold(builder, add).build().unwrap()
}

fn read(batch: &Batch, budget: usize) -> Result<Vec<Plain>, Invalid> {
    let text = |bytes: Bytes| bytes.to_vec();
    batch
        .records(budget)?
        .enumerate()
        .map(|(index, record)| {
            let record = record?;
            assert_eq!(record.offset_delta, i32::try_from(index).unwrap());
            let headers = record.headers().map(|(name, value)| (text(name), value.map(text))).collect();
            let (key, value) = (record.key.map(text), record.value.map(text));
            Ok(Plain { key, value, headers, created_at: record.timestamp.0 })
        })
        .collect()
}

fn some_records(count: usize) -> Vec<Plain> {
    let record = |index: usize| Plain {
        key: Some(format!("key {index}").into_bytes()),
        value: Some(b"value ".repeat(index % 7)),
        headers: vec![(b"same".to_vec(), None), (b"same".to_vec(), Some(b"twice".to_vec()))],
        created_at: 1_700_000_000_000 + i64::try_from(index).unwrap(),
    };
    (0..count).map(record).collect()
}

/// `bytes` with fields overwritten and the CRC made right again.
fn changed(bytes: &[u8], changes: &[(usize, &[u8])]) -> Bytes {
    let mut bytes = BytesMut::from(bytes);
    for (at, change) in changes {
        bytes[*at..*at + change.len()].copy_from_slice(change);
    }
    sealed(bytes)
}

/// The bytes as a batch whose length and CRC are right.
fn sealed(mut bytes: BytesMut) -> Bytes {
    let length = i32::try_from(bytes.len() - 12).unwrap();
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes.freeze()
}

/// A batch of one record, whatever `payload` is, that says it is packed with `codec`.
fn packed(codec: Codec, payload: &[u8]) -> Bytes {
    let mut bytes = BytesMut::from(&built(&some_records(1), Builder::default()).bytes()[..HEADER_BYTES]);
    bytes[21..23].copy_from_slice(&codec.id().to_be_bytes());
    bytes.put_slice(payload);
    sealed(bytes)
}

/// Whatever the bytes are: an answer, no panic, and no more than the budget.
fn survive(bytes: &Bytes) {
    let _ = Header::parse(bytes);
    for batch in [Batch::check(bytes.clone()), Batch::stored(bytes.clone())].into_iter().flatten() {
        if let Ok(records) = batch.records(BUDGET) {
            let mut seen = 0;
            for record in records.flatten() {
                let part = |bytes: Option<Bytes>| bytes.map_or(0, |bytes| bytes.len());
                seen += part(record.key.clone()) + part(record.value.clone());
                seen += record.headers().map(|(name, value)| name.len() + part(value)).sum::<usize>();
            }
            assert!(seen <= BUDGET.max(bytes.len()));
        }
        assert_eq!(batch.placed_at(Offset(7)).header().base_offset, Offset(7));
        batch.stamped(Timestamp(7));
    }
}

#[test]
fn a_compressed_batch_cannot_claim_more_records_than_could_ever_be_opened() {
    let max = i32::try_from(limits::COMPRESSED_RECORDS_MAX).unwrap();
    for (records, accepted) in [(max, true), (max + 1, false), (i32::MAX, false)] {
        let mut bytes = BytesMut::from(&packed(Codec::Zstd, b"never opened")[..]);
        bytes[23..27].copy_from_slice(&(records - 1).to_be_bytes());
        bytes[57..61].copy_from_slice(&records.to_be_bytes());
        match Batch::check(sealed(bytes)) {
            Ok(_) => assert!(accepted),
            Err(refused) => {
                assert!(!accepted && matches!(refused, Invalid::Crowded { .. }), "{refused}");
                assert_eq!(refused.fault(), Fault::Rule);
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_built_is_accepted_and_read_back_with_every_codec(records in plains(), codec in codec()) {
        let stamp = ProducerStamp { id: 5, epoch: 2, first_sequence: 9 };
        let batch = built(&records, Builder::default().codec(codec).producer(stamp));
        let again = Batch::check(batch.bytes().clone()).unwrap();
        prop_assert_eq!(&again, &batch);
        prop_assert_eq!((again.header().codec, again.header().producer), (codec, Some(stamp)));
        prop_assert_eq!(again.header().records as usize, records.len());
        prop_assert_eq!(again.header().max_timestamp.0, records.iter().map(|record| record.created_at).max().unwrap());
        prop_assert_eq!(read(&again, BUDGET).unwrap(), records);
    }

    #[test]
    fn placing_a_batch_leaves_everything_the_checksum_covers(records in plains(), codec in codec(), base in 0..i64::MAX - 99) {
        let batch = built(&records, Builder::default().codec(codec)).placed_at(Offset(base));
        prop_assert_eq!(Batch::check(batch.bytes().clone()).unwrap(), batch.clone());
        prop_assert_eq!(batch.header().next_offset(), Offset(base + i64::try_from(records.len()).unwrap()));
        prop_assert_eq!(read(&batch, BUDGET).unwrap(), records);
    }

    #[test]
    fn a_stamped_batch_has_a_right_checksum_and_one_time_for_all_records(records in plains(), codec in codec(), at in 0..i64::MAX) {
        let batch = built(&records, Builder::default().codec(codec)).stamped(Timestamp(at));
        prop_assert_eq!(Batch::check(batch.bytes().clone()).unwrap(), batch.clone());
        prop_assert!(read(&batch, BUDGET).unwrap().iter().all(|record| record.created_at == at));
        prop_assert_eq!(batch.header().latest_timestamp(), Timestamp(at));
    }

    #[test]
    fn kafka_protocol_reads_what_we_build(records in plains()) {
        let mut bytes = built(&records, Builder::default()).placed_at(Offset(3)).bytes().clone();
        let theirs = RecordBatchDecoder::decode(&mut bytes).unwrap().records;
        prop_assert_eq!(theirs.len(), records.len());
        for (index, (their, our)) in theirs.iter().zip(&records).enumerate() {
            prop_assert_eq!(their.offset, 3 + i64::try_from(index).unwrap());
            prop_assert_eq!(their.timestamp, our.created_at);
            prop_assert_eq!(their.key.as_deref(), our.key.as_deref());
            prop_assert_eq!(their.value.as_deref(), our.value.as_deref());
            // Theirs forget all but the last of equal names.
            let headers: IndexMap<_, _> = our.headers.iter().map(|(name, value)| (name.as_slice(), value.as_deref())).collect();
            prop_assert_eq!(their.headers.len(), headers.len());
            for (name, value) in &their.headers {
                prop_assert_eq!(headers[name.as_bytes()], value.as_deref());
            }
        }
    }

    #[test]
    fn we_read_what_kafka_protocol_builds(records in plains()) {
        let their = |(index, our): (usize, &Plain)| Theirs {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: -1,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            timestamp_type: TimestampType::Creation,
            offset: i64::try_from(index).unwrap(),
            // The encoder splits batches where offset and sequence do not run side by side.
            sequence: NO_SEQUENCE.wrapping_add(i32::try_from(index).unwrap()),
            timestamp: our.created_at,
            key: our.key.clone().map(Bytes::from),
            value: our.value.clone().map(Bytes::from),
            headers: our.headers.iter().map(|(name, value)| {
                (StrBytes::from_string(String::from_utf8(name.clone()).unwrap()), value.clone().map(Bytes::from))
            }).collect(),
        };
        let theirs: Vec<_> = records.iter().enumerate().map(their).collect();
        let mut bytes = BytesMut::new();
        let options = RecordEncodeOptions { version: 2, compression: Compression::None };
        RecordBatchEncoder::encode(&mut bytes, &theirs, &options).unwrap();
        let ours = read(&Batch::check(bytes.freeze()).unwrap(), 0).unwrap();
        for (our, their) in ours.iter().zip(&theirs) {
            prop_assert_eq!(our.created_at, their.timestamp);
            prop_assert_eq!(our.key.as_deref(), their.key.as_deref());
            prop_assert_eq!(our.value.as_deref(), their.value.as_deref());
            let headers = their.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_deref()));
            prop_assert!(headers.eq(our.headers.iter().map(|(name, value)| (name.as_slice(), value.as_deref()))));
        }
        prop_assert_eq!(ours.len(), theirs.len());
    }

    #[test]
    fn any_bytes_get_an_answer(bytes in vec(any::<u8>(), 0..200), codec in codec()) {
        survive(&Bytes::from(bytes.clone()));
        survive(&packed(codec, &bytes));
    }

    #[test]
    fn any_change_of_a_batch_gets_an_answer(
        records in plains(), codec in codec(), changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(), reseal in any::<bool>(),
    ) {
        let batch = built(&records, Builder::default().codec(codec));
        let mut bytes = BytesMut::from(&batch.bytes()[..]);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        // Without a right length and CRC the walk and the codecs would hardly ever be reached.
        if reseal {
            bytes[16] = 2;
            survive(&sealed(bytes));
        } else {
            bytes.truncate(cut.index(bytes.len()));
            survive(&bytes.freeze());
        }
    }

    #[test]
    fn a_truncated_batch_is_none(records in plains(), codec in codec(), cut in any::<prop::sample::Index>()) {
        let batch = built(&records, Builder::default().codec(codec));
        let bytes = batch.bytes().slice(..cut.index(batch.bytes().len()));
        prop_assert_eq!(Batch::check(bytes).unwrap_err().fault(), Fault::Rule);
    }

    #[test]
    fn one_changed_bit_behind_the_checksum_is_noticed(records in plains(), codec in codec(), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let batch = built(&records, Builder::default().codec(codec));
        let mut bytes = BytesMut::from(&batch.bytes()[..]);
        let at = 21 + at.index(bytes.len() - 21);
        bytes[at] ^= 1_u8 << bit;
        prop_assert!(Batch::check(bytes.freeze()).is_err());
    }
}

/// 400 kB that compress to less than 300, in every codec's own blocks; LZ4's refer to each other.
fn long_stream(codec: Codec) -> Vec<u8> {
    // A thousand words of eight bytes, in no order.
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    let word = |index: u64| ((index * index).wrapping_mul(MIX) >> 54).wrapping_mul(MIX).to_be_bytes();
    let open: Vec<u8> = (0..50_000).flat_map(word).collect();
    if codec != Codec::Lz4 {
        return compression::compress(codec, &open).unwrap();
    }
    let info = lz4_flex::frame::FrameInfo::new()
        .block_mode(lz4_flex::frame::BlockMode::Linked)
        .block_size(lz4_flex::frame::BlockSize::Max64KB);
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    std::io::Write::write_all(&mut encoder, &open).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_long_stream_of_any_codec_gets_an_answer_wherever_it_is_damaged() {
    for codec in &CODECS[1..] {
        let mut runner = proptest::test_runner::TestRunner::default();
        let stream = long_stream(*codec);
        assert!(stream.len() < 300_000, "{codec}: {}", stream.len());
        assert_eq!(compression::decompress(*codec, &stream, BUDGET).unwrap().len(), 400_000);
        let damage = vec((any::<prop::sample::Index>(), any::<u8>()), 1..4);
        let survived = runner.run(&(damage, any::<prop::sample::Index>()), |(changes, cut)| {
            let mut stream = stream.clone();
            for (at, value) in changes {
                let at = at.index(stream.len());
                stream[at] = value;
            }
            for stream in [&stream[..], &stream[..cut.index(stream.len())]] {
                let open = compression::decompress(*codec, stream, BUDGET);
                prop_assert!(open.map_or(0, |open| open.len()) <= BUDGET);
            }
            Ok(())
        });
        survived.unwrap();
    }
}

#[test]
fn keys_and_values_of_an_uncompressed_batch_are_slices_of_it() {
    let batch = built(&some_records(3), Builder::default());
    let range = batch.bytes().as_ptr_range();
    for record in batch.records(0).unwrap() {
        assert!(range.contains(&record.unwrap().key.unwrap().as_ptr()));
    }
}

#[test]
fn each_fault_has_its_kind_and_its_words() {
    let batch = built(&some_records(2), Builder::default());
    let bytes = batch.bytes();
    let crc = crc32c::crc32c(&bytes[21..]);
    let with = |changes: &[(usize, &[u8])]| changed(bytes, changes);
    let raw = |at: usize, value: u8| {
        let mut bytes = BytesMut::from(&bytes[..]);
        bytes[at] = value;
        bytes.freeze()
    };
    let length = bytes.len() - 12;
    let twice = Bytes::from([&bytes[..], &bytes[..]].concat());
    for (bytes, fault, text) in [
        (Bytes::new(), Fault::Rule, "a record batch has at least 61 bytes; 0 came".to_owned()),
        (raw(11, 48), Fault::Corrupt, format!("the record batch gives its length as 48; 49 to {length} are possible here")),
        (
            raw(8, 255),
            Fault::Corrupt,
            format!("the record batch gives its length as {}; 49 to {length} are possible here", length as i32 - (1 << 24)),
        ),
        (
            bytes.slice(..bytes.len() - 1),
            Fault::Rule,
            format!("the record batch gives its length as {length}; 49 to {} are possible here", length - 1),
        ),
        (raw(16, 1), Fault::OldFormat, "the record batch has magic 1; only 2 is accepted".to_owned()),
        (raw(16, 255), Fault::Corrupt, "the record batch has magic -1; only 2 is accepted".to_owned()),
        (
            raw(17, 0),
            Fault::Corrupt,
            format!("the record batch has CRC-32C {:#010x}; its bytes have {crc:#010x}", crc & 0x00ff_ffff),
        ),
        (
            twice,
            Fault::Rule,
            format!("{} bytes follow the record batch; exactly one batch is accepted, and nothing behind it", bytes.len()),
        ),
        (
            with(&[(22, &[5])]),
            Fault::Rule,
            "the record batch has compression codec 5; only 0 (none), 1 (gzip), 2 (snappy), 3 (lz4) and 4 (zstd) exist"
                .to_owned(),
        ),
        (
            with(&[(26, &[2])]),
            Fault::Rule,
            "the record batch has 2 records and last offset delta 2; at least 1 record, and 1 more than the delta, are accepted"
                .to_owned(),
        ),
        (
            with(&[(23, &[255; 4]), (57, &[0; 4])]),
            Fault::Rule,
            "the record batch has 0 records and last offset delta -1; at least 1 record, and 1 more than the delta, are accepted"
                .to_owned(),
        ),
        (
            with(&[(35, &(-2_i64).to_be_bytes())]),
            Fault::Rule,
            "the record batch has base timestamp 1700000000000 and max timestamp -2, in ms; -1 (none) and later are accepted"
                .to_owned(),
        ),
        (
            with(&[(43, &7_i64.to_be_bytes())]),
            Fault::Rule,
            "the record batch of producer 7 has epoch -1 and first sequence -1; 0 and more are accepted".to_owned(),
        ),
        (
            with(&[(26, &[0]), (60, &[1])]),
            Fault::Rule,
            "35 bytes follow the last of the batch's 1 records; none are accepted".to_owned(),
        ),
        (
            with(&[(26, &[2]), (60, &[3])]),
            Fault::Rule,
            "record 2 of the batch: its length is not a whole varint of the right size".to_owned(),
        ),
        (with(&[(61, &[1])]), Fault::Rule, "record 0 of the batch: its length is -1; 0 to 63 are possible here".to_owned()),
        (with(&[(64, &[2])]), Fault::Rule, "record 0 of the batch: its offset delta is 1; 0 is next".to_owned()),
        (with(&[(65, &[3])]), Fault::Rule, "record 0 of the batch: its key length is -2; -1 to 24 are possible here".to_owned()),
    ] {
        let invalid = Batch::check(bytes).unwrap_err();
        assert_eq!((invalid.to_string(), invalid.fault()), (text, fault));
    }
}

#[test]
fn control_batches_and_stamped_ones_pass_and_say_what_they_are() {
    let control = built(&some_records(1), Builder::default().control().transactional());
    let stamp = changed(control.bytes(), &[(43, &7_i64.to_be_bytes()), (51, &0_i16.to_be_bytes())]);
    let control = Batch::check(stamp).unwrap();
    assert!(control.header().control && control.header().transactional);
    assert_eq!(control.header().producer, Some(ProducerStamp { id: 7, epoch: 0, first_sequence: -1 }));
    assert!(control.stamped(Timestamp(1)).header().log_append_time);
}

#[test]
fn a_client_that_leaves_the_maximum_empty_still_has_a_latest_timestamp() {
    let batch = built(&some_records(1), Builder::default());
    let batch = Batch::check(changed(batch.bytes(), &[(35, &(-1_i64).to_be_bytes())])).unwrap();
    assert_eq!(batch.header().latest_timestamp(), Timestamp(1_700_000_000_000));
}

#[test]
fn a_few_bytes_that_claim_two_billion_records_are_refused_at_once() {
    let claim = |payload: &[u8], codec: i16, records: i32| {
        let mut bytes = BytesMut::from(&built(&some_records(1), Builder::default()).bytes()[..HEADER_BYTES]);
        bytes[21..23].copy_from_slice(&codec.to_be_bytes());
        bytes[23..27].copy_from_slice(&(records - 1).to_be_bytes());
        bytes[57..61].copy_from_slice(&records.to_be_bytes());
        bytes.put_slice(payload);
        sealed(bytes)
    };
    let start = Instant::now();
    for payload in [&[][..], &[0], &[0; 500]] {
        assert_eq!(Batch::check(claim(payload, 0, i32::MAX)).unwrap_err().fault(), Fault::Rule);
        for codec in 1..5 {
            assert_eq!(Batch::stored(claim(payload, codec, i32::MAX)).unwrap_err().fault(), Fault::Rule);
            // The most that is believed.
            let batch = Batch::stored(claim(payload, codec, limits::COMPRESSED_RECORDS_MAX as i32)).unwrap();
            assert!(batch.records(BUDGET).and_then(Iterator::collect::<Result<Vec<_>, _>>).is_err());
        }
    }
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_record_that_claims_two_billion_headers_is_refused() {
    let batch = built(&[Plain { key: None, value: None, headers: vec![], created_at: 0 }], Builder::default());
    let mut bytes = BytesMut::from(&batch.bytes()[..HEADER_BYTES]);
    bytes.put_slice(&[20, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f]);
    let invalid = Batch::check(sealed(bytes)).unwrap_err();
    assert_eq!(invalid.to_string(), "record 0 of the batch: its header count is 2147483647; 0 to 0 are possible here");
}

#[test]
fn a_bomb_of_any_codec_is_refused_and_the_same_bytes_fit_a_larger_budget() {
    let start = Instant::now();
    let bomb = [Plain { key: None, value: Some(vec![0; 64 << 20]), headers: vec![], created_at: 0 }];
    for codec in &CODECS[1..] {
        let batch = built(&bomb, Builder::default().codec(*codec));
        assert!(batch.bytes().len() < 4 << 20, "{codec}");
        assert_eq!(batch.records(BUDGET).unwrap_err(), Invalid::Budget { codec: *codec, budget: BUDGET });
        assert_eq!(batch.records(0).unwrap_err(), Invalid::Budget { codec: *codec, budget: 0 });
        assert_eq!(read(&batch, 65 << 20).unwrap()[0].value.as_ref().unwrap().len(), 64 << 20);
    }
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_budget_that_fits_exactly_is_enough() {
    let records = some_records(500);
    let open = built(&records, Builder::default()).bytes().len() - HEADER_BYTES;
    for codec in &CODECS[1..] {
        let batch = built(&records, Builder::default().codec(*codec));
        assert_eq!(read(&batch, open).unwrap(), records);
        assert!(batch.records(open - 1).is_err());
    }
}

/// The five bytes of the varint 2^32 - 1.
const FOUR_GIB: [u8; 5] = [255, 255, 255, 255, 15];

/// Xerial's frame around blocks, by hand.
fn xerial(blocks: &[&[u8]]) -> Vec<u8> {
    let mut frame = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
    for block in blocks {
        frame.put_u32(u32::try_from(block.len()).unwrap());
        frame.extend_from_slice(block);
    }
    frame
}

#[test]
fn snappy_declaring_four_gibibytes_is_refused_before_room_is_made() {
    for payload in [FOUR_GIB.to_vec(), xerial(&[&FOUR_GIB])] {
        let batch = Batch::check(packed(Codec::Snappy, &payload)).unwrap();
        assert_eq!(batch.records(BUDGET).unwrap_err(), Invalid::Budget { codec: Codec::Snappy, budget: BUDGET });
        let generous = batch.records(usize::MAX).unwrap_err().to_string();
        assert!(generous.ends_with("a block declares 4294967295 bytes; its 5 bytes hold at most 110"), "{generous}");
    }
}

#[test]
fn snappy_in_xerials_frame_is_read() {
    let records = some_records(9);
    let open = built(&records, Builder::default()).bytes().slice(HEADER_BYTES..);
    // A snappy block by hand: the open length as a varint, then literals of at most 60 bytes, each behind its length.
    let block = |part: &[u8]| {
        let mut block = vec![u8::try_from(part.len()).unwrap()];
        for literal in part.chunks(60) {
            block.push(u8::try_from(literal.len() - 1).unwrap() << 2);
            block.extend_from_slice(literal);
        }
        block
    };
    let blocks: Vec<_> = open.chunks(100).map(block).collect();
    let frame = xerial(&blocks.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let header = built(&records, Builder::default().codec(Codec::Snappy));
    let mut bytes = BytesMut::from(&header.bytes()[..HEADER_BYTES]);
    bytes.put_slice(&frame);
    let bytes = sealed(bytes);
    assert_eq!(read(&Batch::check(bytes.clone()).unwrap(), BUDGET).unwrap(), records);
    // Every cut of the frame is an error or, between blocks, too few records.
    for cut in HEADER_BYTES..bytes.len() {
        let batch = Batch::check(sealed(BytesMut::from(&bytes[..cut]))).unwrap();
        assert!(read(&batch, BUDGET).is_err(), "{cut}");
    }
}

#[test]
fn a_zstd_window_beyond_the_budget_and_eight_mebibytes_is_refused() {
    // RFC 8878: magic, a descriptor without content size, a window descriptor (exponent in the high five bits, from 2^10).
    let frame = |window_log: u8| {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, (window_log - 10) << 3];
        // The last block, raw, empty.
        frame.extend_from_slice(&[1, 0, 0]);
        Batch::check(packed(Codec::Zstd, &frame)).unwrap()
    };
    assert!(frame(23).records(BUDGET).is_ok());
    assert!(matches!(frame(24).records(BUDGET), Err(Invalid::Compression { codec: Codec::Zstd, .. })));
    assert!(frame(24).records(16 << 20).is_ok());
    assert!(frame(31).records(usize::MAX).is_err());
}

#[test]
fn a_batch_of_no_records_is_not_built() {
    assert_eq!(Builder::default().build(), Err(Invalid::Count { records: 0, last_offset_delta: -1 }));
}
