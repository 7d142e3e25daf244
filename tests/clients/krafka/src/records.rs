//! What is sent comes back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use krafka::admin::{DescribeLogDirsOptions, OffsetSpec, TopicPartition};
use krafka::consumer::{AutoOffsetReset, ConsumerRecord, IsolationLevel};
use krafka::producer::{Acks, ProducerBuilder};
use krafka::{Compression, Record};

use crate::Failed;
use crate::world::{POLL, World, equal, gather, numbered, only, send, want};

const CODECS: [(&str, Compression); 5] = [
    ("none", Compression::None),
    ("gzip", Compression::Gzip),
    ("snappy", Compression::Snappy),
    ("lz4", Compression::Lz4),
    ("zstd", Compression::Zstd),
];

pub(crate) async fn produce(world: &World, topic: &str) -> Result<String, Failed> {
    let mut uncompressed = 0;
    for (codec, compression) in CODECS {
        for acks in [Acks::None, Acks::Leader, Acks::All] {
            let topic = format!("{topic}-{codec}-{acks:?}");
            // Idempotence wants acks from all. Nothing but the codec may make the batches of the codecs differ.
            let producer =
                world.kafka.producer().acks(acks).idempotent(false).compression(compression).linger(Duration::from_millis(50));
            round_trip(world, &topic, producer, numbered(&topic, 0, 100))
                .await
                .map_err(|why| format!("{codec}, {acks:?}: {why}"))?;
            // The client does not show how a batch was stored, but the server says how large it is.
            let size = size(world, &topic).await?;
            if compression == Compression::None {
                uncompressed = size;
            } else {
                want(size < uncompressed / 2, || format!("{codec}, {acks:?}: {size} bytes of {uncompressed}"))?;
            }
        }
    }
    Ok(format!("ok codecs {}", CODECS.map(|(name, _)| name).join(" ")))
}

async fn size(world: &World, topic: &str) -> Result<i64, Failed> {
    let partition = TopicPartition::new(topic, 0);
    let broker = world.admin.describe_cluster(Default::default()).await?.controller_id;
    let options = DescribeLogDirsOptions::default();
    let directories = only(world.admin.describe_log_dirs([broker], options).await?)?;
    let replica = only(directories)?.replicas.get(&partition).cloned();
    Ok(replica.ok_or("the topic is in no directory")?.size)
}

pub(crate) async fn idempotence(world: &World, topic: &str) -> Result<(), Failed> {
    round_trip(world, topic, world.kafka.producer().idempotent(true), numbered(topic, 0, 1000)).await?;
    let producers = only(world.admin.describe_producers([TopicPartition::new(topic, 0)], Default::default()).await?)?;
    equal(
        "last sequence numbers of producers",
        &producers.iter().map(|found| found.last_sequence).collect::<Vec<_>>(),
        &vec![999],
    )
}

/// Sends to a new topic and wants to read the same, nothing more and nothing less.
async fn round_trip(world: &World, topic: &str, producer: ProducerBuilder, records: Vec<Record>) -> Result<(), Failed> {
    world.create(topic, 1).await?;
    let producer = producer.build().await?;
    send(&producer, records.clone()).await?;
    let got = world.read(topic, records.len(), IsolationLevel::ReadUncommitted).await?;
    // Closed only here: without acknowledgements the records may be on their way until they are read.
    producer.close().await?;
    same(&got, &records, 0)?;
    world.want_end(topic, records.len().try_into()?).await
}

/// These records in this order, from this offset on without a gap.
pub(crate) fn same(got: &[ConsumerRecord], want: &[Record], from: i64) -> Result<(), Failed> {
    equal("number of records", &got.len(), &want.len())?;
    for (offset, (got, want)) in (from..).zip(got.iter().zip(want)) {
        equal("offset", &got.offset, &offset)?;
        let what = |part| format!("{part} of the record at offset {offset}");
        equal(&what("key"), &got.key, &want.key)?;
        equal(&what("value"), &got.value, &want.value)?;
        equal(&what("headers"), &got.headers, &want.headers)?;
        if let Some(timestamp) = want.timestamp {
            equal(&what("time"), &got.timestamp, &timestamp)?;
        }
    }
    Ok(())
}

pub(crate) async fn seek(world: &World, topic: &str) -> Result<(), Failed> {
    // The log's times are the producer's, a second apart, so that a server which answers with its own clock or with whole batches
    // is found out.
    let start = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())? - 600_000;
    let records: Vec<Record> = (0..).zip(numbered(topic, 0, 100)).map(|(n, record)| record.timestamp(start + n * 1000)).collect();
    round_trip(world, topic, world.kafka.producer(), records.clone()).await?;
    let consumer = world.kafka.consumer_without_group().auto_offset_reset(AutoOffsetReset::Earliest).build().await?;
    consumer.assign(topic, vec![0]).await?;
    for (at, expected) in [(60_000, 60), (59_999, 60), (60_001, 61)] {
        let found = only(consumer.offsets_for_times(&[(topic, 0)], start + at).await)?;
        equal("the offset of a time", &found, &expected)?;
        equal("the same by Admin", &world.offset(topic, 0, OffsetSpec::Timestamp(start + at)).await?, &expected)?;
        consumer.seek_to_timestamp(topic, 0, start + at).await?;
        let rest = &records[usize::try_from(expected)?..];
        same(&gather(rest.len(), async || Ok(consumer.poll(POLL).await?)).await?, rest, expected)?;
    }
    consumer.close().await?;
    Ok(())
}

pub(crate) async fn edges(world: &World, topic: &str) -> Result<(), Failed> {
    let record = || Record::new(topic, "value").partition(0);
    // Bytes that no codec and no other layer makes small.
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    let records = vec![
        record(),
        record().key(""),
        record().key("null value").without_value(),
        record().key("empty value").value(""),
        record().key("large value").value(noise.take(900 << 10).collect::<Vec<_>>()),
        record()
            .key("headers")
            .header("twice", "first")
            .header("twice", "second")
            .header("twice", "first")
            .null_header("null")
            .header("empty", "")
            .header("", "no name")
            .header("bytes", &[0, 0xff, 0xfe][..]),
        record().key(&[0xff, 0xfe, 0, 0xc3, 0x28][..]),
        record().without_value(),
    ];
    round_trip(world, topic, world.kafka.producer(), records).await
}
