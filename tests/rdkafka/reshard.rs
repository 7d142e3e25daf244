//! Shards split and merged under an idempotent producer and a consumer group.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer};
use rdkafka::{Message, Offset, TopicPartitionList};
use shardgate::log::{Error, Log, Stream};
use shardgate::model::{ShardId, StreamId};

use tokio::task::block_in_place;

use super::metrics::metrics;
use super::{ANYWHERE, Gateway, LOOK, PATIENCE, eventually, is_lost_connection, patience};

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

/// Records' numbers by partition and offset.
type Places = BTreeMap<(i32, i64), usize>;

/// How far reading is, and is to come.
struct Progress {
    seen: AtomicUsize,
    wanted: AtomicUsize,
}

/// Reads by offset, outside of any group, each partition from its first offset on.
struct Follower {
    reader: BaseConsumer,
    stream: Arc<Stream>,
    partitions: i32,
    places: Places,
}

impl Follower {
    fn new(gateway: &Gateway, stream: Arc<Stream>) -> Self {
        Self { reader: gateway.consumer("nobody", &[]), stream, partitions: 0, places: Places::new() }
    }

    /// Reads what is there now, each record once and each partition in order.
    fn read(&mut self) {
        while self.partitions < self.stream.lanes() as i32 {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset("orders", self.partitions, Offset::Offset(0)).unwrap();
            self.reader.incremental_assign(&list).unwrap();
            self.partitions += 1;
        }
        while let Some((place, number)) = poll(&self.reader, Duration::ZERO) {
            let newest = self.places.range((place.0, 0)..(place.0 + 1, 0)).next_back();
            assert!(newest.is_none_or(|(newest, _)| *newest < place), "{place:?} after {newest:?}");
            self.places.insert(place, number);
        }
    }
}

fn poll(reader: &BaseConsumer, at_most: Duration) -> Option<((i32, i64), usize)> {
    match reader.poll(at_most)? {
        Ok(message) => {
            let number = std::str::from_utf8(message.payload().unwrap()).unwrap().parse().unwrap();
            Some(((message.partition(), message.offset()), number))
        }
        Err(error) => {
            assert!(is_lost_connection(&error), "{error}");
            None
        }
    }
}

/// Reads until the group and the follower have each seen what is wanted, and some time more for repeats; the follower's places.
///
/// A group reads at least once. librdkafka (2.12.1) reads again, from whatever broker, what it read while a commit of it was on the way
/// into the next generation, and from the first offset where it asked for that twice. The follower reads exactly once.
fn read(group: &[BaseConsumer], mut follower: Follower, progress: &Progress) -> Places {
    let (mut places, begun) = (Places::new(), Instant::now());
    let mut idle = 0;
    while idle < 10 {
        let seen = places.len().min(follower.places.len());
        progress.seen.store(seen, Ordering::Relaxed);
        assert!(begun.elapsed() < 3 * PATIENCE, "{seen} records were read");
        let mut found = false;
        for (member, reader) in group.iter().enumerate() {
            // Only the last of them is waited for: whoever has records must not wait for the others.
            if let Some((place, number)) = poll(reader, if member + 1 == group.len() && !found { LOOK } else { Duration::ZERO }) {
                let before = places.insert(place, number);
                assert!(before.is_none_or(|before| before == number), "{place:?} was {before:?} and is {number}");
                found = true;
            }
        }
        follower.read();
        idle = if found || seen < progress.wanted.load(Ordering::Relaxed) { 0 } else { idle + 1 };
    }
    assert!(places == follower.places, "the group reads what is there, and all of it");
    places
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
    let builder = shardgate::Gateway::builder().data_dir(directory.path()).http_listener(ANYWHERE);
    let gateway = Gateway(builder.start().await.unwrap());
    gateway.topic("orders", 2).await;
    let log = gateway.0.log().unwrap();
    let stream = log.stream("orders").unwrap();
    let progress = Arc::new(Progress { seen: AtomicUsize::new(0), wanted: AtomicUsize::new(usize::MAX) });
    let reading = {
        let (group, follower) = (group(&gateway), Follower::new(&gateway, stream.clone()));
        let progress = progress.clone();
        std::thread::spawn(move || read(&group, follower, &progress))
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
    let places = reading.join().unwrap();
    let mut numbers: Vec<_> = places.values().copied().collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..count), "every record is there once");
    let metrics = metrics(&gateway);
    let refused: Vec<_> = metrics.lines().filter(|line| line.contains("errors_total{request=\"Fetch\"")).collect();
    assert!(refused.is_empty(), "no reader is sent elsewhere: {refused:?}");

    let mut last_number = BTreeMap::new();
    for ((partition, offset), number) in places {
        let before = last_number.insert((partition, sent_to[&number]), number);
        assert!(
            before.is_none_or(|before| before < number),
            "{partition}@{offset}: what was sent to one partition keeps its order"
        );
    }
    let sealed: Vec<_> = stream.shards().iter().filter(|shard| shard.closed_at.is_some()).map(|shard| shard.lane.0).collect();
    assert!(sealed.contains(&1) && sealed.contains(&2));
}
