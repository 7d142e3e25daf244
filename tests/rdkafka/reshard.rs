//! Shards split and merged under an idempotent producer and a consumer group.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer};
use shardgate::log::{Error, Log};
use shardgate::model::{ShardId, StreamId};

use tokio::task::block_in_place;

use super::{ANYWHERE, Gateway, LOOK, PATIENCE, eventually, is_lost_connection, open, patience};

/// Records written around each change.
const RECORDS: usize = 400;
const KEYS: usize = 24;

/// A change of the shards.
#[derive(Clone, Copy)]
enum Change {
    Split(u32),
    Merge(u32, u32),
}

/// Of a stream of two shards; three splits and two merges.
const CHANGES: [Change; 5] = [Change::Split(0), Change::Split(1), Change::Merge(2, 3), Change::Split(5), Change::Merge(6, 4)];

impl Change {
    async fn carry_out(self, log: Log, id: StreamId) -> Result<(), Error> {
        match self {
            Self::Split(shard) => {
                let keys = log.stream_by_id(id).unwrap().shard(ShardId(shard)).unwrap().keys;
                log.split_shard(id, ShardId(shard), keys.split().unwrap().1.start).await
            }
            Self::Merge(first, second) => log.merge_shards(id, ShardId(first), ShardId(second)).await,
        }
    }
}

/// Where a consumer found a record.
#[derive(Clone, Copy, Debug)]
struct Seen {
    consumer: usize,
    partition: i32,
    offset: i64,
    number: usize,
}

/// How far reading is, and is to come.
struct Progress {
    seen: AtomicUsize,
    wanted: AtomicUsize,
}

/// Reads until all consumers together have seen what is wanted, and some time more for repeats.
fn read(consumers: &[BaseConsumer], progress: &Progress) -> Vec<Seen> {
    let (mut seen, begun) = (Vec::new(), Instant::now());
    let mut idle = 0;
    while idle < 10 {
        assert!(begun.elapsed() < 3 * PATIENCE, "{} records were read", seen.len());
        let mut found = false;
        for (consumer, reader) in consumers.iter().enumerate() {
            // Only the last of them is waited for: whoever has records must not wait for the others.
            match reader.poll(if consumer + 1 == consumers.len() && !found { LOOK } else { Duration::ZERO }) {
                Some(Ok(message)) => {
                    let number = std::str::from_utf8(message.payload().unwrap()).unwrap().parse().unwrap();
                    seen.push(Seen { consumer, partition: message.partition(), offset: message.offset(), number });
                    found = true;
                }
                Some(Err(error)) => assert!(is_lost_connection(&error), "{error}"),
                None => {}
            }
        }
        progress.seen.store(seen.len(), Ordering::Relaxed);
        idle = if found || seen.len() < progress.wanted.load(Ordering::Relaxed) { 0 } else { idle + 1 };
    }
    seen
}

fn send(producer: &FutureProducer, number: usize) -> DeliveryFuture {
    let (key, value) = ((number % KEYS).to_string(), number.to_string());
    producer.send_result(FutureRecord::to("orders").key(&key).payload(&value)).map_err(|(error, _)| error).unwrap()
}

fn group(gateway: &Gateway) -> Vec<BaseConsumer> {
    let settings = [
        ("enable.auto.commit", "true"),
        ("auto.commit.interval.ms", "50"),
        ("topic.metadata.refresh.interval.ms", "100"),
        ("partition.assignment.strategy", "cooperative-sticky"),
    ];
    let consumers: Vec<_> = (0..2).map(|_| gateway.consumer("g", &settings)).collect();
    consumers.iter().for_each(|consumer| consumer.subscribe(&["orders"]).unwrap());
    consumers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_split_and_merged_under_an_idempotent_producer_and_a_consumer_group() {
    // On disk, so that a change takes its time.
    let directory = tempfile::tempdir().unwrap();
    let gateway = open(Some(directory.path()), ANYWHERE).await;
    gateway.topic("orders", 2).await;
    let log = gateway.0.log().unwrap();
    let stream = log.stream("orders").unwrap();
    let progress = Arc::new(Progress { seen: AtomicUsize::new(0), wanted: AtomicUsize::new(usize::MAX) });
    let reading = {
        let (consumers, progress) = (group(&gateway), progress.clone());
        std::thread::spawn(move || read(&consumers, &progress))
    };

    let producer: FutureProducer =
        gateway.producer(&[("enable.idempotence", "true"), ("topic.metadata.refresh.interval.ms", "100")]);
    let mut deliveries = Vec::new();
    for change in CHANGES {
        let sent = deliveries.len();
        deliveries.extend((deliveries.len()..deliveries.len() + RECORDS / 2).map(|number| send(&producer, number)));
        let changing = tokio::spawn(change.carry_out(log.clone(), stream.id()));
        deliveries.extend((deliveries.len()..deliveries.len() + RECORDS / 2).map(|number| send(&producer, number)));
        changing.await.unwrap().unwrap();
        // Each change finds readers at work.
        block_in_place(|| eventually("a record is read", || (progress.seen.load(Ordering::Relaxed) > sent).then_some(())));
        // Also has the producer see the new partitions at once.
        let known = tokio::task::spawn_blocking({
            let producer = producer.clone();
            move || producer.client().fetch_metadata(Some("orders"), patience()).unwrap().topics()[0].partitions().len()
        });
        assert_eq!(known.await.unwrap(), stream.lanes() as usize);
    }
    deliveries.extend((deliveries.len()..deliveries.len() + RECORDS).map(|number| send(&producer, number)));

    let (mut sent_to, mut forwarded) = (HashMap::new(), 0);
    let count = deliveries.len();
    for (number, delivery) in deliveries.into_iter().enumerate() {
        let delivery = delivery.await.unwrap().expect("no error reaches the producer");
        sent_to.insert(number, delivery.partition);
        forwarded += usize::from(delivery.offset < 0);
    }
    assert!(forwarded > 0, "two lanes are sealed, and were written to");
    assert_eq!((stream.open_shards(), stream.lanes()), (3, 5));

    progress.wanted.store(count, Ordering::Relaxed);
    let seen = reading.join().unwrap();
    let mut numbers: Vec<_> = seen.iter().map(|seen| seen.number).collect();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..count), "every record is read once");

    let mut last_offset = BTreeMap::new();
    for Seen { consumer, partition, offset, .. } in &seen {
        let before = last_offset.insert((consumer, partition), *offset);
        assert!(before.is_none_or(|before| before < *offset), "a consumer never goes back");
    }
    let mut by_place: Vec<_> = seen.iter().map(|seen| (seen.partition, seen.offset, seen.number)).collect();
    by_place.sort_unstable();
    let mut last_number = BTreeMap::new();
    for (partition, offset, number) in by_place {
        let before = last_number.insert((partition, sent_to[&number]), number);
        assert!(
            before.is_none_or(|before| before < number),
            "{partition}@{offset}: what was sent to one partition keeps its order"
        );
    }
    let sealed: Vec<_> = stream.shards().iter().filter(|shard| shard.closed_at.is_some()).map(|shard| shard.lane.0).collect();
    assert!(sealed.contains(&1) && sealed.contains(&2));
}
