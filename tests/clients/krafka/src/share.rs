//! Share groups (KIP-932).

use std::collections::{BTreeSet, HashSet};

use krafka::admin::{ConfigOp, ConfigResource, GroupType, ListConsumerGroupsOptions, TopicPartition};
use krafka::error::ErrorCode;
use krafka::share_consumer::{AcknowledgementMode, AcquireMode, ShareConsumer, ShareConsumerBuilder};
use krafka::{KrafkaError, Record};

use crate::Failed;
use crate::world::{POLL, World, equal, eventually, gather, only, refused, send, want};

/// The group has the name of its topic.
pub(crate) async fn share(world: &World, topic: &str) -> Result<(), Failed> {
    world.create(topic, 1).await?;
    earliest(world, topic).await?;
    produce(world, topic, 0, 100).await?;
    implicit(world, topic).await?;
    explicit(world, topic).await?;
    together(world, topic).await?;
    offsets(world, topic).await
}

/// A poll accepts what the one before it returned; the cases behind this one would see what was not.
async fn implicit(world: &World, topic: &str) -> Result<(), Failed> {
    let consumer = join(world.apart().await?.share_consumer(topic), topic).await?;
    let numbers: Vec<usize> = (0..100).collect();
    equal("shared", &poll(&consumer, 100).await?, &numbers)?;
    want(consumer.poll(POLL).await?.is_empty(), || "what was accepted came again".to_owned())?;
    Ok(consumer.close().await?)
}

/// Accepted and rejected records are done, released ones come again with a count.
async fn explicit(world: &World, topic: &str) -> Result<(), Failed> {
    produce(world, topic, 100, 103).await?;
    let consumer =
        join(world.apart().await?.share_consumer(topic).acknowledgement_mode(AcknowledgementMode::Explicit), topic).await?;
    let records = gather(3, async || Ok(consumer.poll(POLL).await?)).await?;
    let numbers: Vec<Option<&str>> = records.iter().map(|record| record.value_str()).collect();
    equal("shared", &numbers, &vec![Some("100"), Some("101"), Some("102")])?;
    consumer.ack(&records[0])?;
    consumer.release(&records[1])?;
    consumer.reject(&records[2])?;
    only(consumer.commit().await?)?;
    for delivery in 2..=5 {
        let again = gather(1, async || Ok(consumer.poll(POLL).await?)).await?;
        equal("released and no more", &again.len(), &1)?;
        equal("released", &again[0].value_str(), &Some("101"))?;
        equal("deliveries", &again[0].delivery_count, &Some(delivery))?;
        consumer.release(&again[0])?;
        only(consumer.commit().await?)?;
    }
    want(consumer.poll(POLL).await?.is_empty(), || "a record came a sixth time".to_owned())?;
    Ok(consumer.close().await?)
}

/// Two consumers read the same partition, and no record goes to both.
async fn together(world: &World, topic: &str) -> Result<(), Failed> {
    let few = async || Ok::<_, Failed>(world.apart().await?.share_consumer(topic).max_poll_records(10));
    let (one, other) = (join(few().await?, topic).await?, join(few().await?, topic).await?);
    let (mut all, mut counts, mut next) = (HashSet::new(), [0, 0], 103);
    eventually(async || {
        if counts.contains(&0) {
            produce(world, topic, next, next + 20).await?;
            next += 20;
        }
        for (consumer, count) in [&one, &other].into_iter().zip(&mut counts) {
            let numbers = numbers(&consumer.poll(POLL).await?)?;
            *count += numbers.len();
            all.extend(numbers);
        }
        want(!counts.contains(&0) && all.len() == next - 103, || format!("two consumers read {counts:?} of {}", next - 103))
    })
    .await?;
    equal("records that went to one of them only", &(counts[0] + counts[1]), &all.len())?;
    one.close().await?;
    Ok(other.close().await?)
}

/// What the admin client says and sets of a share group.
async fn offsets(world: &World, group: &str) -> Result<(), Failed> {
    let partition = || TopicPartition::new(group, 0);
    let alter = async || only(world.admin.alter_share_group_offsets(group, [(partition(), 5)], Default::default()).await?);
    let consumer = join(world.apart().await?.share_consumer(group), group).await?;
    eventually(async || equal("assigned", &consumer.assignment().remove(group), &Some(vec![0]))).await?;
    refused("a group with a member is moved", alter().await, ErrorCode::NonEmptyGroup)?;
    consumer.close().await?;
    eventually(async || Ok(alter().await?)).await?;
    let offsets = world.admin.describe_share_group_offsets(group, Default::default()).await?;
    equal("where the group was moved to", &only(offsets)?.start_offset, &5)?;
    let consumer = join(world.apart().await?.share_consumer(group), group).await?;
    equal("read from there", &poll(&consumer, 1).await?[0], &5)?;
    consumer.close().await?;

    let shares = ListConsumerGroupsOptions::default().types(vec!["share".to_owned()]);
    let groups = only(world.admin.list_consumer_groups(shares).await?)?;
    let listed = groups.iter().find(|listed| listed.group_id == group).ok_or("the group is not listed")?;
    equal("type", &listed.group_type, &Some(GroupType::Unknown("share".to_owned())))?;
    eventually(async || Ok(only(world.admin.delete_share_group_offsets(group, [group], Default::default()).await?)?)).await?;
    only(world.admin.delete_consumer_groups([group], Default::default()).await?)?;
    let again = only(world.admin.delete_consumer_groups([group], Default::default()).await?);
    refused("a group is deleted twice", again, ErrorCode::GroupIdNotFound)
}

/// Two records at the most, as strictly as the client may ask for it (KIP-1206), whose locks are renewed (KIP-1222) and which can be
/// accepted afterwards.
pub(crate) async fn share_renew(world: &World, topic: &str) -> Result<String, Failed> {
    world.create(topic, 1).await?;
    earliest(world, topic).await?;
    produce(world, topic, 0, 3).await?;
    let strict = world.apart().await?.share_consumer(topic).max_poll_records(2).acquire_mode(AcquireMode::RecordLimit);
    let consumer = join(strict.acknowledgement_mode(AcknowledgementMode::Explicit), topic).await?;
    let records = match gather(1, async || Ok(consumer.poll(POLL).await?)).await {
        Ok(records) => records,
        // The client asks no server for it that does not have the version.
        Err(why) if matches!(why.downcast_ref(), Some(KrafkaError::Config { .. })) => return Ok(format!("none {why}")),
        Err(why) => return Err(why),
    };
    equal("as many as were asked for", &numbers(&records)?, &vec![0, 1])?;
    for record in &records {
        consumer.renew(record)?;
    }
    only(consumer.commit().await?)?;
    for record in &records {
        consumer.ack(record)?;
    }
    only(consumer.commit().await?)?;
    let rest = gather(1, async || Ok(consumer.poll(POLL).await?)).await?;
    equal("the rest", &numbers(&rest)?, &vec![2])?;
    consumer.ack(&rest[0])?;
    consumer.close().await?;
    Ok("ok".to_owned())
}

/// What was accepted does not come back after the server was killed; what was released keeps its count.
pub(crate) async fn share_restart(world: &World, topic: &str) -> Result<(), Failed> {
    world.create(topic, 1).await?;
    earliest(world, topic).await?;
    produce(world, topic, 0, 3).await?;
    let consumer =
        join(world.apart().await?.share_consumer(topic).acknowledgement_mode(AcknowledgementMode::Explicit), topic).await?;
    let records = gather(3, async || Ok(consumer.poll(POLL).await?)).await?;
    consumer.release(&records[0])?;
    consumer.ack(&records[1])?;
    consumer.release(&records[2])?;
    only(consumer.commit().await?)?;
    world.restart().await?;
    let mut came = BTreeSet::new();
    eventually(async || {
        let records = consumer.poll(POLL).await?;
        for record in &records {
            want(record.delivery_count >= Some(2), || format!("the count was lost: {record:?}"))?;
            consumer.ack(record)?;
        }
        came.extend(numbers(&records)?);
        equal("after the restart", &came, &BTreeSet::from([0, 2]))
    })
    .await?;
    Ok(consumer.close().await?)
}

/// A share group begins at the end of its topics if nobody says otherwise.
async fn earliest(world: &World, group: &str) -> Result<(), Failed> {
    const RESET: &str = "share.auto.offset.reset";
    let changes = [(ConfigResource::group(group), vec![ConfigOp::set(RESET, "earliest")])];
    only(world.admin.incremental_alter_configs(changes, Default::default()).await?)?;
    eventually(async || {
        let entries = only(world.admin.describe_configs([ConfigResource::group(group)], Default::default()).await?)?;
        let reset = entries.iter().find(|entry| entry.name == RESET).and_then(|entry| entry.value.as_deref());
        equal(RESET, &reset, &Some("earliest"))
    })
    .await
}

async fn join(consumer: ShareConsumerBuilder, topic: &str) -> Result<ShareConsumer, Failed> {
    let consumer = consumer.build().await?;
    consumer.subscribe([topic]).await?;
    Ok(consumer)
}

/// Records whose values are these numbers.
async fn produce(world: &World, topic: &str, from: usize, to: usize) -> Result<(), Failed> {
    let producer = world.kafka.producer().build().await?;
    send(&producer, (from..to).map(|number| Record::new(topic, number.to_string()).partition(0)).collect()).await?;
    Ok(producer.close().await?)
}

/// The numbers in at least so many records, in the order in which they came.
async fn poll(consumer: &ShareConsumer, count: usize) -> Result<Vec<usize>, Failed> {
    numbers(&gather(count, async || Ok(consumer.poll(POLL).await?)).await?)
}

fn numbers(records: &[krafka::ConsumerRecord]) -> Result<Vec<usize>, Failed> {
    records.iter().map(|record| Ok(record.value_str().ok_or("a record without a value")?.parse()?)).collect()
}
