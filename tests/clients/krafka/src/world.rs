//! The server under test, and what the cases share.

use std::path::Path;
use std::time::Duration;

use krafka::admin::{AdminClient, ListOffsetsOptions, NewTopic, OffsetSpec, TopicPartition};
use krafka::consumer::{AutoOffsetReset, ConsumerRecord, IsolationLevel};
use krafka::error::ErrorCode;
use krafka::producer::Producer;
use krafka::{Kafka, KrafkaError, Record};
use tokio::time::Instant;

use crate::Failed;

/// How long something may take to be seen, and how long a case waits for what must not come.
const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const POLL: Duration = Duration::from_millis(500);

pub(crate) struct World {
    subject: String,
    server: String,
    bootstrap: String,
    pub(crate) kafka: Kafka,
    pub(crate) admin: AdminClient,
}

impl World {
    /// Connects to the server that tests/clients/subject has started in this directory.
    pub(crate) async fn connect(subject: &str, server: &str) -> Result<World, Failed> {
        let bootstrap = std::fs::read_to_string(Path::new(server).join("bootstrap"))?.trim().to_owned();
        let kafka = Kafka::builder(&bootstrap).client_id("krafka-suite").connect().await?;
        Ok(World { subject: subject.to_owned(), server: server.to_owned(), bootstrap, admin: kafka.admin(), kafka })
    }

    /// Connections for one member of a group. Two members that shared them would wait for each other: a server answers the requests of
    /// a connection one by one, and a join is answered when all others have joined.
    pub(crate) async fn apart(&self) -> Result<Kafka, Failed> {
        Ok(Kafka::builder(&self.bootstrap).client_id("krafka-suite").connect().await?)
    }

    /// Kills the server and starts it again.
    pub(crate) async fn restart(&self) -> Result<(), Failed> {
        for verb in ["kill", "resume"] {
            let output = tokio::process::Command::new(&self.subject).args([verb, &self.server]).output().await?;
            want(output.status.success(), || format!("subject {verb}: {}", String::from_utf8_lossy(&output.stderr)))?;
        }
        Ok(())
    }

    /// Returns when every partition serves: Kafka acknowledges a topic some time before.
    pub(crate) async fn create(&self, topic: &str, partitions: i32) -> Result<(), Failed> {
        only(self.admin.create_topics([NewTopic::new(topic, partitions, 1)?], Default::default()).await?)?;
        eventually(async || {
            for partition in 0..partitions {
                self.offset(topic, partition, OffsetSpec::Latest).await?;
            }
            Ok(())
        })
        .await
    }

    pub(crate) async fn offset(&self, topic: &str, partition: i32, spec: OffsetSpec) -> Result<i64, Failed> {
        let asked = [(TopicPartition::new(topic, partition), spec)];
        Ok(only(self.admin.list_offsets(asked, ListOffsetsOptions::default()).await?)?.offset)
    }

    pub(crate) async fn want_end(&self, topic: &str, want: i64) -> Result<(), Failed> {
        equal("the end of the topic", &self.offset(topic, 0, OffsetSpec::Latest).await?, &want)
    }

    /// The first so many records of partition 0.
    pub(crate) async fn read(&self, topic: &str, count: usize, level: IsolationLevel) -> Result<Vec<ConsumerRecord>, Failed> {
        let consumer = self.kafka.consumer_without_group().auto_offset_reset(AutoOffsetReset::Earliest).isolation_level(level);
        let consumer = consumer.build().await?;
        consumer.assign(topic, vec![0]).await?;
        let records = gather(count, async || Ok(consumer.poll(POLL).await?)).await?;
        consumer.close().await?;
        Ok(records)
    }

    /// What the group has committed for partitions 0, 1 and so on.
    pub(crate) async fn want_committed(&self, group: &str, topic: &str, want: &[i64]) -> Result<(), Failed> {
        let offsets = self.admin.list_consumer_group_offsets(group, Default::default()).await?;
        let mut committed = Vec::new();
        for partition in 0..want.len() {
            let offset = offsets.get(&TopicPartition::new(topic, partition.try_into()?)).cloned().transpose()?;
            committed.push(offset.and_then(|found| found.offset).unwrap_or(-1));
        }
        equal("committed offsets", &committed[..], want)
    }
}

/// Sends all of them, then waits until each is acknowledged.
pub(crate) async fn send(producer: &Producer, records: Vec<Record>) -> Result<(), Failed> {
    let mut acknowledgements = Vec::new();
    for record in records {
        acknowledgements.push(producer.enqueue(record).await?);
    }
    for acknowledgement in acknowledgements {
        let _ = acknowledgement.await?;
    }
    Ok(())
}

/// Records for partition 0 that compress well, so that a codec is not skipped for gaining nothing.
pub(crate) fn numbered(topic: &str, from: usize, count: usize) -> Vec<Record> {
    let numbered = |number| format!("{number:06}{}", "shardgate".repeat(10));
    (from..from + count).map(|n| Record::new(topic, numbered(n)).key(format!("key-{n:06}")).partition(0)).collect()
}

/// Polls until there are at least so many records, and says what came if they do not.
pub(crate) async fn gather(
    count: usize,
    mut poll: impl AsyncFnMut() -> Result<Vec<ConsumerRecord>, Failed>,
) -> Result<Vec<ConsumerRecord>, Failed> {
    let mut records = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while records.len() < count {
        want(Instant::now() < deadline, || format!("{} of {count} records after {PATIENCE:?}", records.len()))?;
        records.extend(poll().await?);
    }
    Ok(records)
}

/// For what the server, or the client's cache, may show some time after it was acknowledged.
pub(crate) async fn eventually(mut check: impl AsyncFnMut() -> Result<(), Failed>) -> Result<(), Failed> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match check().await {
            Err(why) if Instant::now() >= deadline => return Err(why),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            Ok(()) => return Ok(()),
        }
    }
}

/// The outcome for the one item of a call.
pub(crate) fn only<K, V>(outcomes: impl IntoIterator<Item = (K, krafka::Result<V>)>) -> krafka::Result<V> {
    let mut outcomes = outcomes.into_iter();
    match (outcomes.next(), outcomes.next()) {
        (Some((_, outcome)), None) => outcome,
        (None, _) => Err(KrafkaError::illegal_state("no outcome for the one item")),
        (_, Some(_)) => Err(KrafkaError::illegal_state("more outcomes than items")),
    }
}

pub(crate) fn refused<V>(what: &str, outcome: krafka::Result<V>, with: ErrorCode) -> Result<(), Failed> {
    match outcome {
        Err(KrafkaError::Broker { code, .. }) if code == with => Ok(()),
        Err(other) => Err(format!("{what}: {other} instead of {with:?}").into()),
        Ok(_) => Err(format!("{what}: not refused").into()),
    }
}

pub(crate) fn equal<T: PartialEq + std::fmt::Debug + ?Sized>(what: &str, got: &T, want: &T) -> Result<(), Failed> {
    self::want(got == want, || format!("{what}: {got:?} instead of {want:?}"))
}

pub(crate) fn want(holds: bool, why: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(why().into()) }
}
