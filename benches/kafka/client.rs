//! librdkafka as its users set it up: defaults, and acks=all (which is its default).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::support::{Outcome, Plan, Sample, Subject, Window, measure, measure_work};

const PARTITIONS: i32 = 8;
/// The time anything may take before the benchmark gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// How fast records are handed to the client.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    /// As fast as its queue (100,000 records by default) takes them.
    Full,
    /// One after the other, evenly.
    PerSecond(u32),
    /// The same, and the client sends each at once (`linger.ms=0` instead of 5).
    PerSecondAtOnce(u32),
}

/// From the moment a record was due to its delivery report, in microseconds, in ascending order.
pub(crate) struct Latencies(Vec<u32>);

impl Latencies {
    /// The latency in milliseconds that this part of the records did not exceed. `None` where no record is left to exceed it.
    pub(crate) fn millis(&self, part: f64) -> Option<f64> {
        let count = self.0.len() as f64;
        let at = (count * part).ceil() as usize;
        // Half a record: a pace that was missed by one or two does not cost the last figure.
        let is_told = count * (1.0 - part) > 0.5;
        self.0.get(at.saturating_sub(1)).filter(|_| is_told).map(|micros| f64::from(*micros) / 1e3)
    }
}

/// Hears of deliveries.
struct Deliveries {
    begun: Instant,
    /// Deliveries outside it are not looked at: the queue's rest is thrown away at the end.
    window: Option<Arc<Window>>,
    delivered: AtomicUsize,
    latencies: Mutex<Vec<u32>>,
    failure: Mutex<Option<KafkaError>>,
}

impl Deliveries {
    fn new(window: Option<Arc<Window>>) -> Self {
        let (latencies, failure) = (Mutex::default(), Mutex::default());
        Self { begun: Instant::now(), window, delivered: AtomicUsize::new(0), latencies, failure }
    }

    /// The microseconds at `time`, as a record carries them.
    fn mark(&self, time: Instant) -> usize {
        time.duration_since(self.begun).as_micros() as usize
    }

    fn check(&self) -> Outcome<()> {
        match lock(&self.failure).take() {
            Some(error) => Err(format!("a record was not delivered: {error}").into()),
            None => Ok(()),
        }
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, due: usize) {
        if let Some(window) = &self.window {
            if !window.is_open() {
                return;
            }
            window.count(1);
            lock(&self.latencies).push((self.mark(Instant::now()) - due) as u32);
        }
        match result {
            Ok(_) => drop(self.delivered.fetch_add(1, Ordering::Relaxed)),
            Err((error, _)) => *lock(&self.failure) = Some(error.clone()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn config(server: &Subject) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &server.address);
    config
}

/// Makes a topic of 8 partitions.
pub(crate) fn create_topic(server: &Subject, topic: &str) -> Outcome<()> {
    let admin: AdminClient<DefaultClientContext> = config(server).create()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1));
    let results = runtime.block_on(admin.create_topics([&new], &AdminOptions::new()))?;
    results.into_iter().try_for_each(|result| result.map(drop).map_err(|(_, code)| code))?;
    Ok(())
}

/// Hands one record over, waiting for room in the client's queue.
fn send(producer: &ThreadedProducer<Deliveries>, topic: &str, value: &[u8], mark: usize) -> Outcome<()> {
    let mut record = BaseRecord::<(), [u8], usize>::with_opaque_to(topic, mark).payload(value);
    loop {
        record = match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => back,
            Err((error, _)) => return Err(error.into()),
        };
        sleep(Duration::from_millis(1));
    }
}

/// Bytes that no codec would find boring, were there one.
fn value(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 31 % 251) as u8).collect()
}

/// Writes `records` records and waits until all are delivered.
pub(crate) fn write_all(server: &Subject, topic: &str, bytes: usize, records: usize) -> Outcome<()> {
    let producer: ThreadedProducer<_> = config(server).create_with_context(Deliveries::new(None))?;
    let value = value(bytes);
    (0..records).try_for_each(|_| send(&producer, topic, &value, 0))?;
    producer.flush(PATIENCE)?;
    producer.context().check()?;
    match producer.context().delivered.load(Ordering::Relaxed) {
        delivered if delivered == records => Ok(()),
        delivered => Err(format!("{delivered} of {records} records were delivered").into()),
    }
}

/// Produces for one turn.
pub(crate) fn produce(plan: &Plan, server: &Subject, topic: &str, bytes: usize, pace: Pace) -> Outcome<(Sample, Latencies)> {
    let mut latencies = Vec::new();
    let sample = measure(plan, Some(&server.process), |window| {
        latencies = produce_in(window, server, topic, bytes, pace)?;
        Ok(())
    })?;
    latencies.sort_unstable();
    Ok((sample, Latencies(latencies)))
}

/// Produces until the window is over; the latencies within it.
fn produce_in(window: &Arc<Window>, server: &Subject, topic: &str, bytes: usize, pace: Pace) -> Outcome<Vec<u32>> {
    let mut config = config(server);
    if let Pace::PerSecondAtOnce(_) = pace {
        config.set("linger.ms", "0");
    }
    let producer: ThreadedProducer<_> = config.create_with_context(Deliveries::new(Some(window.clone())))?;
    let (deliveries, value) = (producer.context().clone(), value(bytes));
    let interval = match pace {
        Pace::Full => None,
        Pace::PerSecond(rate) | Pace::PerSecondAtOnce(rate) => Some(Duration::from_secs(1) / rate),
    };
    let mut due = Instant::now();
    while !window.is_over() {
        match interval {
            None => due = Instant::now(),
            Some(interval) => {
                due += interval;
                sleep(due.saturating_duration_since(Instant::now()));
            }
        }
        send(&producer, topic, &value, deliveries.mark(due))?;
    }
    deliveries.check()?;
    Ok(std::mem::take(&mut *lock(&deliveries.latencies)))
}

/// A consumer of all partitions, from their start.
fn consumer(server: &Subject, topic: &str) -> Outcome<BaseConsumer> {
    let mut config = config(server);
    config.set("group.id", "benchmark").set("enable.auto.commit", "false");
    // By default the client asks for nothing more for a second when it has been sent more than it has handed over: whoever sends faster
    // is measured as slower.
    let consumer: BaseConsumer = config.set("fetch.queue.backoff.ms", "1").create()?;
    let mut partitions = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        partitions.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&partitions)?;
    Ok(consumer)
}

/// Consumes at the tail of a topic, which is empty at first, while another client of the same kind produces at full speed.
pub(crate) fn read_tail(plan: &Plan, server: &Subject, topic: &str, bytes: usize) -> Outcome<Sample> {
    let consumer = consumer(server, topic)?;
    // It connects and asks for what is not there yet.
    while let Some(message) = consumer.poll(Duration::from_millis(300)) {
        message?;
    }
    measure(plan, Some(&server.process), |window| {
        scope(|threads| {
            // The window counts what is consumed, so the producer gets none: it stops with the consumer.
            let producer = threads.spawn(|| produce_uncounted(window, server, topic, bytes));
            while !window.is_over() {
                if let Some(message) = consumer.poll(Duration::from_millis(10)) {
                    message?;
                    window.count(1);
                }
            }
            producer.join().map_err(|_| "the producer panicked")?
        })
    })
}

fn produce_uncounted(window: &Window, server: &Subject, topic: &str, bytes: usize) -> Outcome<()> {
    let producer: ThreadedProducer<_> = config(server).create_with_context(Deliveries::new(None))?;
    let value = value(bytes);
    while !window.is_over() {
        send(&producer, topic, &value, 0)?;
    }
    producer.context().check()
}

/// Reads `records` records from the start; megabytes of their values per second, from the first record to the last.
pub(crate) fn read_all(server: &Subject, topic: &str, records: usize) -> Outcome<Sample> {
    let consumer = consumer(server, topic)?;
    let next = || -> Outcome<usize> {
        let message = consumer.poll(PATIENCE).ok_or("no record came for a minute")??;
        Ok(message.payload_len())
    };
    next()?;
    let begun = Instant::now();
    measure_work(&server.process, || {
        let mut bytes = 0;
        for _ in 1..records {
            bytes += next()?;
        }
        Ok(bytes as f64 / 1e6 / begun.elapsed().as_secs_f64())
    })
}
