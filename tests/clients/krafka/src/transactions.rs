//! Transactions: readers of what is committed see whole ones or nothing of them.

use krafka::consumer::{AutoOffsetReset, ConsumerRecord, IsolationLevel};
use krafka::producer::{TopicPartitionOffset, TransactionalProducer};
use krafka::{KrafkaError, Record};

use crate::Failed;
use crate::world::{POLL, World, equal, gather, numbered, want};

pub(crate) async fn run(world: &World, topic: &str) -> Result<(), Failed> {
    let copy = format!("{topic}-copy");
    for topic in [topic, &copy] {
        world.create(topic, 1).await?;
    }
    let part = |from| numbered(topic, from, 10);
    for (from, commit) in [(0, true), (10, false), (20, true)] {
        transaction(world, topic, part(from), commit).await?;
    }
    let committed = [part(0), part(20)].concat();
    want_values(&world.read(topic, 20, IsolationLevel::ReadCommitted).await?, &committed)?;
    let all = [part(0), part(10), part(20)].concat();
    want_values(&world.read(topic, 30, IsolationLevel::ReadUncommitted).await?, &all)?;

    let copier = format!("{topic}-copier");
    copy_once(world, &copier, topic, &copy, committed.len()).await?;
    // Three markers, one of them behind all, are in the log beside the records.
    world.want_committed(&copier, topic, &[32]).await?;
    // One more than there should be would be read before it.
    let last = numbered(&copy, 99, 1);
    transaction(world, topic, last.clone(), true).await?;
    let copied = [committed, last].concat();
    want_values(&world.read(&copy, copied.len(), IsolationLevel::ReadCommitted).await?, &copied)?;
    fencing(world, topic).await
}

async fn transaction(world: &World, id: &str, records: Vec<Record>, commit: bool) -> Result<(), Failed> {
    let producer = world.kafka.producer().build_transactional(id).await?;
    producer.begin()?;
    for record in records {
        let _ = producer.send(record).await?;
    }
    if commit {
        producer.commit().await?
    } else {
        producer.abort().await?
    }
    Ok(producer.close().await?)
}

fn want_values(got: &[ConsumerRecord], want: &[Record]) -> Result<(), Failed> {
    let got: Vec<_> = got.iter().map(|record| &record.value).collect();
    equal("values", &got, &want.iter().map(|record| &record.value).collect())
}

/// Copies so many committed records in transactions that commit what was read with what was written; each third one is given up.
async fn copy_once(world: &World, id: &str, from: &str, to: &str, count: usize) -> Result<(), Failed> {
    let consumer = world.apart().await?.consumer(id).auto_offset_reset(AutoOffsetReset::Earliest).enable_auto_commit(false);
    let consumer = consumer.isolation_level(IsolationLevel::ReadCommitted).max_poll_records(5).build().await?;
    consumer.subscribe([from]).await?;
    let producer = world.kafka.producer().build_transactional(id).await?;
    let (mut done, mut transactions) = (0, 0);
    while done < count {
        let records = gather(1, async || Ok(consumer.poll(POLL).await?)).await?;
        producer.begin()?;
        for record in &records {
            let mut copy = Record::new(to, "").partition(0);
            copy.key.clone_from(&record.key);
            copy.value.clone_from(&record.value);
            let _ = producer.send(copy).await?;
        }
        let next = records.last().map_or(0, |record| record.offset + 1);
        let member = consumer.group_metadata().await.ok_or("the consumer is no member")?;
        producer.send_offsets(&[TopicPartitionOffset::new(from, 0, next)], &member).await?;
        if transactions % 3 == 0 {
            producer.abort().await?;
            consumer.seek(from, 0, records[0].offset).await?;
        } else {
            producer.commit().await?;
            done += records.len();
        }
        transactions += 1;
    }
    want(transactions > 3, || format!("{transactions} transactions give up too few"))?;
    producer.close().await?;
    Ok(consumer.close().await?)
}

/// A second producer of an id shuts out the first, whose records are nobody's.
async fn fencing(world: &World, topic: &str) -> Result<(), Failed> {
    let id = format!("{topic}-fenced");
    world.create(&id, 1).await?;
    let build = || world.kafka.producer().build_transactional(&id);
    let first: TransactionalProducer = build().await?;
    first.begin()?;
    let _ = first.send(Record::new(&id, "shut out").partition(0)).await?;
    let second = build().await?;
    second.begin()?;
    let _ = second.send(Record::new(&id, "kept").partition(0)).await?;
    match first.commit().await {
        Err(KrafkaError::Fenced { .. }) => {}
        other => return Err(format!("the first of two producers committed: {other:?}").into()),
    }
    second.commit().await?;
    second.close().await?;
    let read = world.read(&id, 1, IsolationLevel::ReadCommitted).await?;
    equal("committed beside a producer that was shut out", &read[0].value_str(), &Some("kept"))
}
