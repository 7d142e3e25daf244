//! The real librdkafka, unmodified, over real sockets, against a gateway in this process.
//!
//! Nothing here sleeps for a fixed time: whoever waits waits for a condition, for at most [`PATIENCE`].

mod admin;
mod consume;
mod consumer_protocol;
mod metrics;
mod produce;
mod reshard;
mod restart;
mod transactions;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, FromClientConfig};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::OwnedMessage;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use rdkafka::{Message, TopicPartitionList};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long one look for something waits.
const LOOK: Duration = Duration::from_millis(20);
/// Any free port of this machine.
const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A gateway in memory.
async fn gateway() -> Gateway {
    open(None, ANYWHERE).await
}

/// A gateway in memory whose shards carry as much as comes (`--limits off`).
async fn gateway_without_limits() -> Gateway {
    let builder = shardgate::Gateway::builder().kafka_listener(ANYWHERE).limits(shardgate::Limits::off());
    Gateway(builder.start().await.unwrap())
}

/// A gateway, in memory or in a directory.
async fn open(directory: Option<&Path>, listener: SocketAddr) -> Gateway {
    let builder = shardgate::Gateway::builder().kafka_listener(listener);
    let builder = if let Some(path) = directory { builder.data_dir(path) } else { builder };
    Gateway(builder.start().await.unwrap())
}

struct Gateway(shardgate::Gateway);

impl Gateway {
    fn bootstrap_servers(&self) -> String {
        self.0.bootstrap_servers()
    }

    fn kafka_address(&self) -> SocketAddr {
        self.0.kafka_address()
    }

    /// Ends it; afterwards its directory can be opened again.
    async fn shutdown(self) {
        self.0.shutdown().await;
    }

    /// What every client is set up with.
    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.bootstrap_servers())
            .set("reconnect.backoff.ms", "20")
            .set("reconnect.backoff.max.ms", "200")
            .set("broker.address.family", "v4");
        config
    }

    /// A client of `config`'s kind, with these settings too.
    fn create<T: FromClientConfig>(&self, settings: &[(&str, &str)]) -> T {
        settings.iter().fold(&mut self.client(), |config, (name, value)| config.set(*name, *value)).create().unwrap()
    }

    fn producer(&self, settings: &[(&str, &str)]) -> FutureProducer {
        self.create(&[&[("message.timeout.ms", "20000"), ("linger.ms", "5")], settings].concat())
    }

    fn consumer(&self, group: &str, settings: &[(&str, &str)]) -> BaseConsumer {
        consumer_config(self, group, settings).create().unwrap()
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.create(&[])
    }

    /// Creates a topic through the admin client.
    async fn topic(&self, name: &str, partitions: i32) {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let created = self.admin().create_topics(&[topic], &AdminOptions::new()).await.unwrap();
        assert_eq!(created, [Ok(name.to_owned())]);
    }
}

/// A consumer that reads from the beginning, commits nothing by itself and takes part in rebalances quickly.
fn consumer_config(gateway: &Gateway, group: &str, settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = gateway.client();
    config
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("session.timeout.ms", "6000")
        .set("heartbeat.interval.ms", "100")
        .set("fetch.wait.max.ms", "50");
    for (name, value) in settings {
        config.set(*name, *value);
    }
    config
}

/// What `look` finds, sooner or later.
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        match look() {
            Some(found) => return found,
            None => assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}"),
        }
        std::thread::yield_now();
    }
}

/// The next `count` records. That a connection was lost meanwhile is no error: librdkafka opens another.
fn take<C: ConsumerContext>(consumer: &BaseConsumer<C>, count: usize) -> Vec<OwnedMessage> {
    let mut taken = Vec::with_capacity(count);
    eventually(&format!("{count} records"), || {
        match consumer.poll(LOOK) {
            Some(Ok(message)) => taken.push(message.detach()),
            Some(Err(error)) => assert!(is_lost_connection(&error), "{error}"),
            None => {}
        }
        (taken.len() == count).then_some(())
    });
    taken
}

fn is_lost_connection(error: &KafkaError) -> bool {
    matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure))
}

/// The records' values, as text.
fn values(messages: &[OwnedMessage]) -> Vec<&str> {
    messages.iter().map(|message| std::str::from_utf8(message.payload().unwrap()).unwrap()).collect()
}

/// Writes records with these values and no key, all under way together; returns when all are acknowledged.
async fn write(producer: &FutureProducer, topic: &str, partition: i32, values: impl IntoIterator<Item = String>) -> Vec<i64> {
    let mut under_way = Vec::new();
    for value in values {
        let record = FutureRecord::<(), String>::to(topic).partition(partition).payload(&value);
        under_way.push(producer.send_result(record).map_err(|(error, _)| error).unwrap());
    }
    let mut offsets = Vec::new();
    for delivery in under_way {
        offsets.push(delivery.await.unwrap().unwrap().offset);
    }
    offsets
}

/// A list of one partition at the beginning.
fn beginning(topic: &str) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, rdkafka::Offset::Beginning).unwrap();
    list
}

/// The numbers of the partitions that a consumer has.
fn assigned<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Vec<i32> {
    let mut partitions: Vec<_> = consumer.assignment().unwrap().elements().iter().map(|element| element.partition()).collect();
    partitions.sort_unstable();
    partitions
}

fn patience() -> Timeout {
    Timeout::After(PATIENCE)
}
