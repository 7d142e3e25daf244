//! The cases are the same, by name, for each AWS SDK. A case gets the world, and gives a note, nothing where the SDK lacks what it
//! needs, or why it does not hold.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::client::Waiters;
use aws_sdk_kinesis::config::{Credentials, Region};
use aws_sdk_kinesis::error::SdkError;
use aws_sdk_kinesis::operation::RequestId;
use aws_sdk_kinesis::operation::create_stream::CreateStreamError;
use aws_sdk_kinesis::operation::delete_stream::DeleteStreamError;
use aws_sdk_kinesis::operation::describe_stream::DescribeStreamError;
use aws_sdk_kinesis::operation::get_records::GetRecordsError;
use aws_sdk_kinesis::operation::get_shard_iterator::GetShardIteratorError;
use aws_sdk_kinesis::operation::put_record::PutRecordError;
use aws_sdk_kinesis::operation::put_records::PutRecordsError;
use aws_sdk_kinesis::operation::register_stream_consumer::RegisterStreamConsumerError;
use aws_sdk_kinesis::operation::subscribe_to_shard::{SubscribeToShardError, SubscribeToShardOutput};
use aws_sdk_kinesis::primitives::{Blob, DateTime};
use aws_sdk_kinesis::types::{
    EncryptionType, MetricsName, MinimumThroughputBillingCommitmentInput, MinimumThroughputBillingCommitmentInputStatus,
    MinimumThroughputBillingCommitmentOutputStatus, PutRecordsRequestEntry, RecordDistributionStrategy, ScalingType, ShardFilter,
    ShardFilterType, ShardIteratorType, StartingPosition, StreamMode, StreamModeDetails, StreamStatus, SubscribeToShardEvent,
};
use tokio::time::Instant;

use crate::Failed;
use crate::world::{Transport, World, check, equal, now, refused, unique, values};

pub const CASES: &[&str] = &[
    "streams",
    "records",
    "positions",
    "batches",
    "reshards",
    "shards",
    "retention",
    "tags",
    "consumers",
    "fanout",
    "encryption",
    "metrics",
    "policies",
    "capacity",
    "account",
    "realms",
    "dry_runs",
    "refusals",
    "left_out",
    "cloudwatch",
    "restart",
    "protocol",
    "every_operation",
];

type Outcome = Result<String, Failed>;

pub async fn run(name: &str, world: &mut World) -> Result<Option<String>, Failed> {
    let note = match name {
        "streams" => streams(world).await,
        "records" => records(world).await,
        "positions" => positions(world).await,
        "batches" => batches(world).await,
        "reshards" => reshards(world).await,
        "shards" => shards(world).await,
        "retention" => retention(world).await,
        "tags" => tags(world).await,
        "consumers" => consumers(world).await,
        "fanout" => fanout(world).await,
        "encryption" => encryption(world).await,
        "metrics" => metrics(world).await,
        "policies" => policies(world).await,
        "capacity" => capacity(world).await,
        "account" => account(world).await,
        "realms" => realms(world).await,
        "dry_runs" => dry_runs(world).await,
        "refusals" => refusals(world).await,
        "left_out" => left_out(world).await,
        "cloudwatch" => return Ok(None),
        "restart" => restart(world).await,
        "protocol" => protocol(world),
        "every_operation" => every_operation(world),
        other => Err(format!("there is no case {other}").into()),
    };
    note.map(Some)
}

async fn streams(world: &mut World) -> Outcome {
    let mut names = [world.stream(1).await?, world.stream(1).await?, world.stream(1).await?];
    names.sort();
    let described = world.describe(&names[0]).await?;
    equal(described.stream_status, StreamStatus::Active, "status")?;
    equal(&described.stream_arn, &format!("arn:aws:kinesis:us-east-1:000000000000:stream/{}", names[0]), "ARN")?;
    let age = now() - described.stream_creation_timestamp.as_secs_f64();
    check(age.abs() < 60.0, || format!("created {age} s ago"))?;
    let mut found = Vec::new();
    let mut pages = world.kinesis.list_streams().into_paginator().page_size(1).send();
    while let Some(page) = pages.next().await {
        let page = page?;
        equal(page.stream_names.len(), 1, "names on a page")?;
        equal(&page.stream_summaries()[0].stream_name, &page.stream_names[0], "name in the summary")?;
        found.extend(page.stream_names);
    }
    check(found.is_sorted(), || format!("not in order: {found:?}"))?;
    check(names.iter().all(|name| found.contains(name)), || format!("{names:?} among {found:?}"))?;
    let summary = world.kinesis.describe_stream_summary().stream_arn(described.stream_arn).send().await?;
    let summary = summary.stream_description_summary.ok_or("no summary")?;
    equal((summary.open_shard_count, summary.consumer_count), (1, Some(0)), "shards and consumers")?;
    for name in names {
        world.kinesis.delete_stream().stream_name(&name).send().await?;
        world.kinesis.wait_until_stream_not_exists().stream_name(name).wait(Duration::from_secs(60)).await?;
    }
    let limits = world.kinesis.describe_limits().send().await?;
    check(limits.shard_limit >= limits.open_shard_count, || format!("{limits:?}"))?;
    Ok(String::new())
}

async fn records(world: &mut World) -> Outcome {
    let stream = world.stream(1).await?;
    let token = world.iterator(&stream, "0").await?;
    let every: Vec<u8> = (0..=255).collect();
    let before = now();
    let put = world.kinesis.put_record().stream_name(&stream).partition_key("clé").data(Blob::new(every.clone())).send().await?;
    equal(put.shard_id.as_str(), "shardId-000000000000", "shard")?;
    equal((put.sequence_number.len(), put.encryption_type), (56, None), "sequence number and encryption")?;
    let first = world.get(&token).await?;
    let record = &first.records[0];
    equal(record.data.as_ref(), &every[..], "data")?;
    equal((record.partition_key(), &record.sequence_number), (Some("clé"), &put.sequence_number), "key and number")?;
    let late = record.approximate_arrival_timestamp.ok_or("no arrival")?.as_secs_f64() - before;
    check(late.abs() < 30.0, || format!("arrived {late} s apart"))?;
    equal(first.millis_behind_latest, Some(0), "behind")?;
    equal(world.get(&token).await?.records, &first.records[..], "an iterator used again")?;
    let next = first.next_shard_iterator.ok_or("no iterator to go on with")?;
    let empty = world.get(&next).await?;
    equal((empty.records.len(), empty.child_shards.is_none()), (0, true), "nothing more")?;
    check(empty.next_shard_iterator.is_some_and(|fresh| fresh != next), || "the iterator is not a fresh one".to_owned())?;
    world.put(&stream, &[""]).await?;
    let sizes: Vec<usize> = world.get(&token).await?.records.iter().map(|record| record.data.as_ref().len()).collect();
    equal(sizes, [256, 0], "sizes with an empty record")?;
    Ok(String::new())
}

async fn positions(world: &mut World) -> Outcome {
    let stream = world.stream(1).await?;
    let asked = |kind| world.kinesis.get_shard_iterator().stream_name(&stream).shard_id("0").shard_iterator_type(kind);
    let latest = asked(ShardIteratorType::Latest).send().await?.shard_iterator.ok_or("no iterator")?;
    let numbers = world.put(&stream, &["0", "1"]).await?;
    // Arrivals have milliseconds; this moment shares its own with none of them.
    tokio::time::sleep(Duration::from_millis(5)).await;
    let between = DateTime::from_secs_f64(now());
    tokio::time::sleep(Duration::from_millis(5)).await;
    world.put(&stream, &["2"]).await?;
    equal(values(&world.get(&latest).await?.records), ["0", "1", "2"], "LATEST")?;
    for (asked, expected) in [
        (asked(ShardIteratorType::AtSequenceNumber).starting_sequence_number(&numbers[1]), &["1", "2"][..]),
        (asked(ShardIteratorType::AfterSequenceNumber).starting_sequence_number(&numbers[1]), &["2"]),
        (asked(ShardIteratorType::AtTimestamp).timestamp(between), &["2"]),
        (asked(ShardIteratorType::AtTimestamp).timestamp(DateTime::from_secs(1)), &["0", "1", "2"]),
    ] {
        let what = format!("{:?}", asked.get_shard_iterator_type());
        let token = asked.send().await?.shard_iterator.ok_or("no iterator")?;
        equal(values(&world.get(&token).await?.records), expected, &what)?;
    }
    for shard in ["shardId-000000000000", "shardId-0", "shardId--00000000", "0"] {
        equal(world.get(&world.iterator(&stream, shard).await?).await?.records.len(), 3, shard)?;
    }
    Ok(String::new())
}

fn entry(key: &str, data: impl Into<Vec<u8>>) -> aws_sdk_kinesis::types::builders::PutRecordsRequestEntryBuilder {
    PutRecordsRequestEntry::builder().partition_key(key).data(Blob::new(data))
}

async fn batches(world: &mut World) -> Outcome {
    let stream = world.stream(4).await?;
    let entries = (0..500).map(|n| entry(&format!("key{n}"), n.to_string()).build());
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    let put = world.kinesis.put_records().stream_name(&stream).set_records(Some(entries)).send().await?;
    equal((put.failed_record_count, put.records.len()), (Some(0), 500), "failed and put")?;
    let mut found = BTreeMap::new();
    for shard in 0..4 {
        let mut token = world.iterator(&stream, &shard.to_string()).await?;
        loop {
            let page = world.kinesis.get_records().shard_iterator(&token).limit(37).send().await?;
            if page.millis_behind_latest == Some(0) && page.records.is_empty() {
                break;
            }
            for record in page.records {
                let place = (Some(format!("shardId-{shard:012}")), Some(record.sequence_number), record.partition_key);
                found.insert(record.data.into_inner(), place);
            }
            token = page.next_shard_iterator.ok_or("no iterator to go on with")?;
        }
    }
    for (n, result) in put.records.into_iter().enumerate() {
        let place = (result.shard_id, result.sequence_number, Some(format!("key{n}")));
        equal(found.get(n.to_string().as_bytes()), Some(&place), "entry")?;
    }
    let large = entry("a", vec![0; (1 << 20) - 1]).explicit_hash_key("0").build()?;
    let stream = world.stream(1).await?;
    let put = world.kinesis.put_records().stream_name(stream).set_records(Some(vec![large; 9])).send().await?;
    equal(put.failed_record_count, Some(0), "failed of 9 MiB")?;
    Ok(String::new())
}

async fn reshards(world: &mut World) -> Outcome {
    let stream = world.stream(1).await?;
    world.put(&stream, &["parent"]).await?;
    let token = world.iterator(&stream, "0").await?;
    let half = (1u128 << 127).to_string();
    let split = world.kinesis.split_shard().stream_name(&stream).shard_to_split("shardId-000000000000");
    split.new_starting_hash_key(&half).send().await?;
    world.exists(&stream).await?;
    let end = world.get(&token).await?;
    equal((values(&end.records), end.next_shard_iterator), (vec!["parent".to_owned()], None), "the end of the parent")?;
    let children = end.child_shards.ok_or("no children")?;
    let ids: Vec<&str> = children.iter().map(|child| child.shard_id.as_str()).collect();
    equal(ids, ["shardId-000000000001", "shardId-000000000002"], "children")?;
    for child in &children {
        equal(&child.parent_shards[..], &["shardId-000000000000".to_owned()][..], "parents")?;
    }
    let range = children[1].hash_key_range.as_ref().ok_or("no range")?;
    equal(&range.starting_hash_key, &half, "the second child begins")?;
    let merge = world.kinesis.merge_shards().stream_name(&stream).shard_to_merge("shardId-000000000001");
    merge.adjacent_shard_to_merge("shardId-000000000002").send().await?;
    world.exists(&stream).await?;
    let updated = double(world, &stream).await?;
    equal((updated.current_shard_count, updated.target_shard_count), (Some(1), Some(2)), "shards before and after")?;
    equal((updated.stream_name, updated.stream_arn), (Some(stream.clone()), Some(world.arn(&stream).await?)), "name and ARN")?;
    Ok(String::new())
}

/// Gives a stream of one shard two.
async fn double(
    world: &World,
    stream: &str,
) -> Result<aws_sdk_kinesis::operation::update_shard_count::UpdateShardCountOutput, Failed> {
    let update = world.kinesis.update_shard_count().stream_name(stream).target_shard_count(2);
    Ok(update.scaling_type(ScalingType::UniformScaling).send().await?)
}

async fn shards(world: &mut World) -> Outcome {
    let stream = world.stream(120).await?;
    let mut sizes = Vec::new();
    // This SDK has paginators for neither.
    let mut start = None;
    loop {
        let page = world.kinesis.describe_stream().stream_name(&stream).set_exclusive_start_shard_id(start).send().await?;
        let page = page.stream_description.ok_or("no description")?;
        sizes.push(page.shards.len());
        if !page.has_more_shards {
            break;
        }
        start = page.shards.last().map(|last| last.shard_id.clone());
    }
    let mut page = world.kinesis.list_shards().stream_name(&stream).max_results(50).send().await?;
    loop {
        sizes.push(page.shards().len());
        let Some(token) = page.next_token else { break };
        page = world.kinesis.list_shards().next_token(token).max_results(50).send().await?;
    }
    equal(sizes, [100, 20, 50, 50, 20], "shards on the pages")?;
    let stream = world.stream(2).await?;
    let merge = world.kinesis.merge_shards().stream_name(&stream).shard_to_merge("0");
    merge.adjacent_shard_to_merge("1").send().await?;
    let filter = |kind| ShardFilter::builder().r#type(kind);
    let early = DateTime::from_secs(1);
    for (filter, expected) in [
        (filter(ShardFilterType::AtLatest), &["2"][..]),
        (filter(ShardFilterType::AtTrimHorizon), &["0", "1"]),
        (filter(ShardFilterType::FromTrimHorizon), &["0", "1", "2"]),
        (filter(ShardFilterType::AfterShardId).shard_id("shardId-000000000000"), &["1", "2"]),
        (filter(ShardFilterType::FromTimestamp).timestamp(early), &["0", "1", "2"]),
        (filter(ShardFilterType::AtTimestamp).timestamp(early), &["0", "1"]),
    ] {
        let filter = filter.build()?;
        let listed = world.kinesis.list_shards().stream_name(&stream).shard_filter(filter.clone()).send().await?;
        let found: Vec<&str> = listed.shards().iter().map(|shard| &shard.shard_id["shardId-00000000000".len()..]).collect();
        equal(&found[..], expected, filter.r#type.as_str())?;
    }
    Ok(String::new())
}

async fn retention(world: &mut World) -> Outcome {
    let stream = world.stream(1).await?;
    let increase = world.kinesis.increase_stream_retention_period().stream_name(&stream);
    increase.clone().retention_period_hours(168).send().await?;
    equal(world.describe(&stream).await?.retention_period_hours, 168, "hours")?;
    world.kinesis.decrease_stream_retention_period().stream_name(&stream).retention_period_hours(24).send().await?;
    equal(world.describe(&stream).await?.retention_period_hours, 24, "hours")?;
    increase.retention_period_hours(24).send().await?;
    Ok(String::new())
}

async fn tags(world: &mut World) -> Outcome {
    let stream = world.stream(1).await?;
    let arn = world.arn(&stream).await?;
    world.kinesis.add_tags_to_stream().stream_name(&stream).tags("a", "1").tags("b", "").send().await?;
    world.kinesis.tag_resource().resource_arn(&arn).tags("c", "3").send().await?;
    let shown = |tags: &[aws_sdk_kinesis::types::Tag]| -> Vec<(String, Option<String>)> {
        tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect()
    };
    let tag = |key: &str, value: &str| (key.to_owned(), Some(value.to_owned()));
    let listed = world.kinesis.list_tags_for_stream().stream_name(&stream).limit(2).send().await?;
    equal((shown(&listed.tags), listed.has_more_tags), (vec![tag("a", "1"), tag("b", "")], true), "tags")?;
    world.kinesis.remove_tags_from_stream().stream_name(&stream).tag_keys("a").send().await?;
    world.kinesis.untag_resource().resource_arn(&arn).tag_keys("b").send().await?;
    let left = world.kinesis.list_tags_for_resource().resource_arn(&arn).send().await?;
    equal(shown(left.tags()), [tag("c", "3")], "tags left")?;
    Ok(String::new())
}

async fn consumers(world: &mut World) -> Outcome {
    let stream = world.stream(1).await?;
    let arn = world.arn(&stream).await?;
    let mut registered = Vec::new();
    for name in ["a", "b", "c"] {
        registered.push(world.registered(&stream, name).await?);
    }
    let mut found = Vec::new();
    let mut pages = world.kinesis.list_stream_consumers().stream_arn(&arn).into_paginator().page_size(1).send();
    while let Some(page) = pages.next().await {
        found.extend(page?.consumers().iter().map(|consumer| consumer.consumer_arn.clone()));
    }
    equal(&found, &registered, "consumers")?;
    let described = world.kinesis.describe_stream_consumer().stream_arn(&arn).consumer_name("b").send().await?;
    let described = described.consumer_description.ok_or("no description")?;
    equal((&described.consumer_arn, &described.stream_arn), (&registered[1], &arn), "description")?;
    refused(
        world.kinesis.register_stream_consumer().stream_arn(&arn).consumer_name("a").send().await,
        RegisterStreamConsumerError::is_resource_in_use_exception,
    )?;
    let delete = world.kinesis.delete_stream().stream_name(&stream);
    refused(delete.clone().send().await, DeleteStreamError::is_resource_in_use_exception)?;
    world.kinesis.deregister_stream_consumer().consumer_arn(&registered[0]).send().await?;
    delete.enforce_consumer_deletion(true).send().await?;
    Ok(String::new())
}

async fn next(subscription: &mut SubscribeToShardOutput) -> Result<SubscribeToShardEvent, Failed> {
    let event = subscription.event_stream.recv().await?.ok_or("the subscription has ended")?;
    Ok(event.as_subscribe_to_shard_event().map_err(|event| format!("{event:?} came"))?.clone())
}

async fn fanout(world: &mut World) -> Outcome {
    let stream = world.stream(1).await?;
    let start = StartingPosition::builder().r#type(ShardIteratorType::TrimHorizon).build()?;
    let consumer = world.registered(&stream, "consumer").await?;
    let subscribe = world.kinesis.subscribe_to_shard().consumer_arn(consumer).shard_id("0").starting_position(start);
    world.put(&stream, &["0", "1"]).await?;
    let mut subscription = subscribe.clone().send().await?;
    let event = next(&mut subscription).await?;
    equal((values(&event.records), event.millis_behind_latest), (vec!["0".to_owned(), "1".to_owned()], 0), "what was there")?;
    refused(subscribe.send().await, SubscribeToShardError::is_resource_in_use_exception)?;
    let numbers = world.put(&stream, &["2"]).await?;
    let event = next(&mut subscription).await?;
    equal((values(&event.records), &event.continuation_sequence_number), (vec!["2".to_owned()], &numbers[0]), "what comes")?;
    let began = Instant::now();
    equal(next(&mut subscription).await?.records.len(), 0, "records of a heartbeat")?;
    let silent = began.elapsed();
    double(world, &stream).await?;
    let event = next(&mut subscription).await?;
    // What is not there, the SDK shows as an empty text.
    equal((event.child_shards().len(), event.continuation_sequence_number()), (2, ""), "the end of the shard")?;
    let after = subscription.event_stream.recv().await?;
    check(after.is_none(), || format!("{after:?} came after the end"))?;
    Ok(format!("silent for {:.1} s", silent.as_secs_f64()))
}

async fn encryption(world: &mut World) -> Outcome {
    const KEY: &str = "alias/aws/kinesis";
    let stream = world.stream(1).await?;
    let start = world.kinesis.start_stream_encryption().stream_name(&stream).encryption_type(EncryptionType::Kms);
    start.key_id(KEY).send().await?;
    let described = world.describe(&stream).await?;
    equal((described.encryption_type, described.key_id.as_deref()), (Some(EncryptionType::Kms), Some(KEY)), "encryption")?;
    world.put(&stream, &["x"]).await?;
    let read = world.get(&world.iterator(&stream, "0").await?).await?;
    equal(&read.records[0].encryption_type, &Some(EncryptionType::Kms), "encryption of a record")?;
    let stop = world.kinesis.stop_stream_encryption().stream_name(&stream).encryption_type(EncryptionType::Kms);
    stop.key_id(KEY).send().await?;
    equal(world.describe(&stream).await?.encryption_type, Some(EncryptionType::None), "encryption after its end")?;
    Ok(String::new())
}

async fn metrics(world: &mut World) -> Outcome {
    let stream = world.stream(1).await?;
    let on = world.kinesis.enable_enhanced_monitoring().stream_name(&stream).shard_level_metrics(MetricsName::All);
    let on = on.send().await?;
    equal((on.current_shard_level_metrics().len(), on.desired_shard_level_metrics().len()), (0, 7), "metrics switched on")?;
    let off = world.kinesis.disable_enhanced_monitoring().stream_name(&stream).shard_level_metrics(MetricsName::All);
    let off = off.send().await?;
    equal((off.current_shard_level_metrics().len(), off.desired_shard_level_metrics().len()), (7, 0), "metrics switched off")?;
    Ok(String::new())
}

async fn policies(world: &mut World) -> Outcome {
    let arn = world.arn(&world.stream(1).await?).await?;
    let get = world.kinesis.get_resource_policy().resource_arn(&arn);
    equal(get.clone().send().await?.policy.as_str(), "{}", "no policy")?;
    let policy = r#"{"Version":"2012-10-17","Statement":[]}"#;
    world.kinesis.put_resource_policy().resource_arn(&arn).policy(policy).send().await?;
    equal(get.clone().send().await?.policy.as_str(), policy, "policy")?;
    world.kinesis.delete_resource_policy().resource_arn(&arn).send().await?;
    equal(get.send().await?.policy.as_str(), "{}", "no policy any more")?;
    Ok(String::new())
}

async fn capacity(world: &mut World) -> Outcome {
    let stream = unique();
    let mode = |mode| StreamModeDetails::builder().stream_mode(mode).build();
    world.kinesis.create_stream().stream_name(&stream).stream_mode_details(mode(StreamMode::OnDemand)?).send().await?;
    world.exists(&stream).await?;
    let summary = world.summary(&stream).await?;
    let arn = summary.stream_arn;
    equal(summary.open_shard_count, 4, "shards on demand")?;
    let update = world.kinesis.update_stream_mode().stream_arn(&arn);
    update.clone().stream_mode_details(mode(StreamMode::Provisioned)?).send().await?;
    update.stream_mode_details(mode(StreamMode::OnDemand)?).warm_throughput_mibps(5).send().await?;
    let warm = world.kinesis.update_stream_warm_throughput().stream_arn(&arn).warm_throughput_mibps(10).send().await?;
    equal(warm.warm_throughput.and_then(|warm| warm.target_mibps), Some(10), "warm throughput")?;
    world.kinesis.update_max_record_size().stream_arn(&arn).max_record_size_in_kib(10_240).send().await?;
    let strategy = world.kinesis.update_stream_record_distribution_strategy().stream_arn(&arn);
    strategy.record_distribution_strategy(RecordDistributionStrategy::Auto).send().await?;
    let summary = world.summary(&stream).await?;
    let found = (summary.max_record_size_in_kib, summary.record_distribution_strategy);
    equal(found, (Some(10_240), Some(RecordDistributionStrategy::Auto)), "largest record and distribution")?;
    let put = world.kinesis.put_record().stream_name(&stream).data(Blob::new(vec![0; 10 << 20])).send().await?;
    let read = world.get(&world.iterator(&stream, &put.shard_id).await?).await?;
    equal((read.records[0].data.as_ref().len(), read.records[0].partition_key()), (10 << 20, None), "size and key")?;
    Ok(String::new())
}

async fn account(world: &mut World) -> Outcome {
    use MinimumThroughputBillingCommitmentOutputStatus::{Enabled, EnabledUntilEarliestAllowedEnd};
    let commitment = |status| MinimumThroughputBillingCommitmentInput::builder().status(status).build();
    let update = |wanted| world.kinesis.update_account_settings().minimum_throughput_billing_commitment(wanted).send();
    let on = update(commitment(MinimumThroughputBillingCommitmentInputStatus::Enabled)?).await?;
    equal(on.minimum_throughput_billing_commitment.map(|found| found.status), Some(Enabled), "commitment")?;
    update(commitment(MinimumThroughputBillingCommitmentInputStatus::Disabled)?).await?;
    let found = world.kinesis.describe_account_settings().send().await?;
    let found = found.minimum_throughput_billing_commitment.ok_or("no commitment")?;
    equal(found.status, EnabledUntilEarliestAllowedEnd, "commitment that ends")?;
    let (from, to) = (found.started_at.ok_or("no start")?, found.earliest_allowed_end_at.ok_or("no end")?);
    equal(to.to_millis()? - from.to_millis()?, 86_400_000, "the shortest commitment")?;
    Ok(String::new())
}

async fn realms(world: &mut World) -> Outcome {
    let stream = world.stream(1).await?;
    let caller = world.kinesis.config().to_builder().region(Region::new("eu-west-1"));
    let caller = caller.credentials_provider(Credentials::new("123456789012", "local", None, None, "suite"));
    let abroad = Client::from_conf(caller.build());
    abroad.create_stream().stream_name(&stream).shard_count(2).send().await?;
    let described = abroad.describe_stream_summary().stream_name(&stream).send().await?;
    let arn = described.stream_description_summary.ok_or("no summary")?.stream_arn;
    equal(&arn, &format!("arn:aws:kinesis:eu-west-1:123456789012:stream/{stream}"), "ARN")?;
    equal(abroad.list_streams().send().await?.stream_names, [&stream[..]], "streams abroad")?;
    world.put(&stream, &["home"]).await?;
    let put = world.kinesis.put_record().stream_arn(arn).partition_key("a").explicit_hash_key("0");
    put.data(Blob::new("abroad")).send().await?;
    let asked = abroad.get_shard_iterator().stream_name(&stream).shard_id("0");
    let token = asked.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await?.shard_iterator.ok_or("no iterator")?;
    let there = abroad.get_records().shard_iterator(token).send().await?;
    equal(values(&there.records), ["abroad"], "records abroad")?;
    abroad.delete_stream().stream_name(&stream).send().await?;
    equal(abroad.list_streams().send().await?.stream_names.len(), 0, "streams abroad after the end")?;
    equal(values(&world.get(&world.iterator(&stream, "0").await?).await?.records), ["home"], "records at home")?;
    Ok(String::new())
}

async fn dry_runs(world: &mut World) -> Outcome {
    let stream = world.stream(1).await?;
    let (consumer, token) = (world.registered(&stream, "consumer").await?, world.iterator(&stream, "0").await?);
    let put = world.kinesis.put_record().stream_name(&stream).partition_key("a").data(Blob::new("x"));
    refused(put.dry_run(true).send().await, PutRecordError::is_dry_run_operation_exception)?;
    let put = world.kinesis.put_records().stream_name(&stream).records(entry("a", "x").build()?);
    refused(put.dry_run(true).send().await, PutRecordsError::is_dry_run_operation_exception)?;
    let asked = world.kinesis.get_shard_iterator().stream_name(&stream).shard_id("0");
    let asked = asked.shard_iterator_type(ShardIteratorType::Latest);
    refused(asked.dry_run(true).send().await, GetShardIteratorError::is_dry_run_operation_exception)?;
    let get = world.kinesis.get_records().shard_iterator(&token);
    refused(get.dry_run(true).send().await, GetRecordsError::is_dry_run_operation_exception)?;
    let start = StartingPosition::builder().r#type(ShardIteratorType::Latest).build()?;
    let subscribe = world.kinesis.subscribe_to_shard().consumer_arn(consumer).shard_id("0").starting_position(start);
    refused(subscribe.dry_run(true).send().await, SubscribeToShardError::is_dry_run_operation_exception)?;
    equal(world.get(&token).await?.records.len(), 0, "records")?;
    Ok(String::new())
}

async fn refusals(world: &mut World) -> Outcome {
    let stream = world.stream(1).await?;
    let put = world.kinesis.put_record().stream_name("none").partition_key("a").data(Blob::new(""));
    let unknown = refused(put.send().await, PutRecordError::is_resource_not_found_exception)?;
    equal(unknown.meta().message(), Some("Stream none under account 000000000000 not found."), "message")?;
    equal(unknown.meta().request_id().map(str::len), Some(36), "request id")?;
    let answer = world.kinesis.describe_stream().stream_name("none").send().await;
    let status = answer.as_ref().err().and_then(SdkError::raw_response).map(|raw| raw.status().as_u16());
    equal(status, Some(400), "status")?;
    refused(answer, DescribeStreamError::is_resource_not_found_exception)?;
    let create = world.kinesis.create_stream().stream_name(stream).shard_count(1);
    refused(create.send().await, CreateStreamError::is_resource_in_use_exception)?;
    let get = world.kinesis.get_records().shard_iterator("x");
    refused(get.send().await, GetRecordsError::is_invalid_argument_exception)?;
    let create = world.kinesis.create_stream().stream_name("provisioned");
    refused(create.send().await, CreateStreamError::is_validation_exception)?;
    Ok(String::new())
}

async fn left_out(world: &mut World) -> Outcome {
    let error = refused(world.kinesis.list_channels().send().await, |_| true)?;
    equal(error.meta().code(), Some("UnknownOperationException"), "code")?;
    Ok(String::new())
}

async fn restart(world: &mut World) -> Outcome {
    // The case of another transport may have moved the server.
    world.reconnect()?;
    let stream = world.stream(1).await?;
    world.put(&stream, &["0"]).await?;
    let token = world.iterator(&stream, "0").await?;
    world.call_server("kill")?;
    world.call_server("resume")?;
    world.reconnect()?;
    equal(values(&world.get(&token).await?.records), ["0"], "records")?;
    Ok(String::new())
}

fn protocol(world: &mut World) -> Outcome {
    let seen = world.signs_of_http2;
    match world.transport {
        Transport::Http1 => equal(seen, 0, "signs of HTTP/2").map(|()| "no HTTP/2".to_owned()),
        Transport::Http2 => check(seen > 0, || "no sign of HTTP/2".to_owned()).map(|()| "HTTP/2".to_owned()),
    }
}

/// Holds the calls of all cases against the operations in the SDK's sources; the gateway has no channels and no queues.
fn every_operation(world: &mut World) -> Outcome {
    let mut known = BTreeSet::new();
    for file in std::fs::read_dir(&world.operations)? {
        let name = file?.file_name().to_string_lossy().into_owned();
        let name = name.strip_suffix(".rs").filter(|name| !name.contains("channel") && !name.contains("queue"));
        known.extend(name.map(|name| name.replace('_', "")));
    }
    let called = world.called.lock().map_err(|_| "poisoned")?;
    let called = called.iter().map(|name| name.to_lowercase()).collect();
    let missing: Vec<_> = known.difference(&called).collect();
    check(missing.is_empty(), || format!("operations that no case calls: {missing:?}"))?;
    check(!known.is_empty(), || "no operation is known".to_owned())?;
    Ok(format!("{} operations", known.len()))
}
