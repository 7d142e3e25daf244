//! Consumer groups, in the classic and in the consumer protocol.

use std::collections::{BTreeMap, HashSet};

use krafka::Record;
use krafka::consumer::{AutoOffsetReset, ConsumerBuilder, GroupProtocol, IsolationLevel};
use krafka::producer::Producer;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::Failed;
use crate::records::same;
use crate::world::{POLL, World, equal, eventually, gather, numbered, send, want};

/// A consumer in a task of its own: it commits what it was handed before it asks for more.
pub(crate) struct Member {
    seen: watch::Receiver<Seen>,
    leave: oneshot::Sender<()>,
    task: JoinHandle<Result<(), Failed>>,
}

#[derive(Default)]
struct Seen {
    assigned: Vec<i32>,
    keys: Vec<Vec<u8>>,
}

impl Member {
    /// Joins the group that has the topic's name.
    pub(crate) async fn join(world: &World, topic: &str, protocol: GroupProtocol) -> Result<Member, Failed> {
        let consumer = consumer(world, topic).await?.group_protocol(protocol).build().await?;
        consumer.subscribe([topic]).await?;
        let (show, seen) = watch::channel(Seen::default());
        let (leave, mut left) = oneshot::channel();
        let topic = topic.to_owned();
        let task = tokio::spawn(async move {
            while left.try_recv() == Err(TryRecvError::Empty) {
                let records = consumer.poll(std::time::Duration::from_millis(50)).await?;
                if !records.is_empty() {
                    consumer.commit().await?;
                }
                let mut assigned = consumer.assignment().await.remove(&topic).unwrap_or_default();
                assigned.sort_unstable();
                show.send_modify(|seen| {
                    seen.assigned = assigned;
                    seen.keys.extend(records.iter().filter_map(|record| Some(record.key.as_ref()?.to_vec())));
                });
            }
            Ok(consumer.close().await?)
        });
        Ok(Member { seen, leave, task })
    }

    pub(crate) fn assigned(&self) -> Vec<i32> {
        self.seen.borrow().assigned.clone()
    }

    fn keys(&self) -> Vec<Vec<u8>> {
        self.seen.borrow().keys.clone()
    }

    /// The keys of all that it was handed.
    pub(crate) async fn leave(self) -> Result<Vec<Vec<u8>>, Failed> {
        // A member that has failed is no more there to be told.
        let _ = self.leave.send(());
        self.task.await??;
        Ok(self.seen.borrow().keys.clone())
    }
}

async fn consumer(world: &World, group: &str) -> Result<ConsumerBuilder, Failed> {
    Ok(world.apart().await?.consumer(group).auto_offset_reset(AutoOffsetReset::Earliest).enable_auto_commit(false))
}

pub(crate) async fn group(world: &World, topic: &str, protocol: GroupProtocol) -> Result<(), Failed> {
    world.create(topic, 4).await?;
    let producer = world.kafka.producer().build().await?;
    let first = Member::join(world, topic, protocol).await?;
    wave(&producer, topic, 0).await?;
    eventually(async || world.want_committed(topic, topic, &[10; 4]).await).await?;
    let second = Member::join(world, topic, protocol).await?;
    eventually(async || {
        let (one, other) = (first.assigned(), second.assigned());
        let all: HashSet<i32> = one.iter().chain(&other).copied().collect();
        want(one.len() == 2 && other.len() == 2 && all.len() == 4, || format!("two members have {one:?} and {other:?}"))
    })
    .await?;
    wave(&producer, topic, 40).await?;
    eventually(async || equal("records that both read", &(first.keys().len() + second.keys().len()), &80)).await?;
    equal("records that the second read", &second.keys().len(), &20)?;
    let mut read = second.leave().await?;
    eventually(async || equal("what the first takes over", &first.assigned(), &vec![0, 1, 2, 3])).await?;
    wave(&producer, topic, 80).await?;
    eventually(async || world.want_committed(topic, topic, &[30; 4]).await).await?;
    read.extend(first.leave().await?);
    producer.close().await?;
    // All was committed before each rebalance, so nobody has read anything twice.
    let mut counts = BTreeMap::new();
    for key in read {
        *counts.entry(String::from_utf8(key)?).or_insert(0) += 1;
    }
    let wanted = (0..120).map(|number| (format!("key-{number:06}"), 1)).collect();
    equal("how often each record was read", &counts, &wanted)
}

/// Forty records, ten for each partition.
async fn wave(producer: &Producer, topic: &str, from: usize) -> Result<(), Failed> {
    let records = numbered(topic, from, 40);
    send(producer, (0..).zip(records).map(|(n, record)| record.partition(n % 4)).collect()).await
}

pub(crate) async fn restart(world: &World, topic: &str) -> Result<(), Failed> {
    world.create(topic, 1).await?;
    let producer = world.kafka.producer().build().await?;
    let mut records: Vec<Record> = numbered(topic, 0, 100);
    send(&producer, records.clone()).await?;
    let member = consumer(world, topic).await?.build().await?;
    member.subscribe([topic]).await?;
    let half = gather(50, async || Ok(member.recv().await?.into_iter().collect())).await?;
    same(&half, &records[..50], 0)?;
    member.commit().await?;
    member.close().await?;
    world.want_committed(topic, topic, &[50]).await?;

    world.restart().await?;
    // Kafka needs a moment to load its commits.
    eventually(async || world.want_committed(topic, topic, &[50]).await).await?;
    let more = numbered(topic, 100, 50);
    send(&producer, more.clone()).await?;
    producer.close().await?;
    records.extend(more);
    let member = consumer(world, topic).await?.build().await?;
    member.subscribe([topic]).await?;
    same(&gather(100, async || Ok(member.poll(POLL).await?)).await?, &records[50..], 50)?;
    member.close().await?;
    same(&world.read(topic, 150, IsolationLevel::ReadUncommitted).await?, &records, 0)?;
    world.want_end(topic, 150).await
}
