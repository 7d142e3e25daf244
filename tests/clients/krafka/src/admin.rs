//! The admin client: topics, configs, offsets and groups.

use krafka::Record;
use krafka::admin::{
    ConfigEntry, ConfigOp, ConfigResource, CreatePartitionsOptions, CreateTopicsOptions, DescribeConfigsOptions, NewTopic,
    OffsetSpec, TopicPartition,
};
use krafka::consumer::GroupProtocol;
use krafka::error::ErrorCode;

use crate::Failed;
use crate::groups::Member;
use crate::world::{World, equal, eventually, only, refused, send, want};

/// The source of a config that was set for a topic, as it is on the wire.
const DYNAMIC_TOPIC_CONFIG: i8 = 1;

pub(crate) async fn run(world: &World, topic: &str) -> Result<(), Failed> {
    let admin = &world.admin;
    let new = || Ok::<_, Failed>(NewTopic::new(topic, 3, 1)?.with_config("retention.ms", "172800000"));
    only(admin.create_topics([new()?], CreateTopicsOptions::default().validate_only(true)).await?)?;
    want(!listed(world, topic).await?, || "a topic that was only validated is listed".to_owned())?;
    only(admin.create_topics([new()?], Default::default()).await?)?;
    let again = only(admin.create_topics([new()?], Default::default()).await?);
    refused("a topic is created twice", again, ErrorCode::TopicAlreadyExists)?;
    eventually(async || want_partitions(world, topic, 3).await).await?;
    want(listed(world, topic).await?, || "the topic is not listed".to_owned())?;
    let cluster = admin.describe_cluster(Default::default()).await?;
    want(cluster.brokers.len() == 1 && !cluster.cluster_id.is_empty(), || format!("{cluster:?}"))?;

    configs(world, topic).await?;
    partitions(world, topic).await?;
    offsets(world, topic).await?;
    group(world, topic).await?;

    only(admin.delete_topics([topic], Default::default()).await?)?;
    eventually(async || want(!listed(world, topic).await?, || "the topic is not gone".to_owned())).await?;
    let again = only(admin.describe_topics([topic], Default::default()).await?);
    refused("a topic that is gone is described", again, ErrorCode::UnknownTopicOrPartition)?;
    let again = only(admin.delete_topics([topic], Default::default()).await?);
    refused("a topic is deleted twice", again, ErrorCode::UnknownTopicOrPartition)
}

async fn listed(world: &World, topic: &str) -> Result<bool, Failed> {
    Ok(world.admin.list_topics(Default::default()).await?.iter().any(|listed| listed == topic))
}

async fn want_partitions(world: &World, topic: &str, count: usize) -> Result<(), Failed> {
    let described = only(world.admin.describe_topics([topic], Default::default()).await?)?;
    let serving = described.partitions.iter().filter(|partition| partition.leader.is_some() && partition.isr.len() == 1);
    want(serving.count() == count && described.topic_id != [0; 16], || format!("{described:?}"))
}

async fn configs(world: &World, topic: &str) -> Result<(), Failed> {
    let alter = async |change| {
        only(world.admin.incremental_alter_configs([(ConfigResource::topic(topic), vec![change])], Default::default()).await?)
    };
    let retention = async || {
        let options = DescribeConfigsOptions::default().include_synonyms(true).config_names(vec!["retention.ms".to_owned()]);
        let entries: Vec<ConfigEntry> = only(world.admin.describe_configs([ConfigResource::topic(topic)], options).await?)?;
        entries.into_iter().next().ok_or(Failed::from("no retention.ms"))
    };
    let wants = async |value: &str| {
        let entry = retention().await?;
        let holds = entry.value.as_deref() == Some(value) && entry.config_source == DYNAMIC_TOPIC_CONFIG;
        want(holds && entry.synonyms.first().is_some_and(|first| first.value.as_deref() == Some(value)), || format!("{entry:?}"))
    };
    wants("172800000").await?;
    alter(ConfigOp::set("retention.ms", "259200000")).await?;
    eventually(async || wants("259200000").await).await?;
    refused("retention.ms=soon", alter(ConfigOp::set("retention.ms", "soon")).await, ErrorCode::InvalidConfig)?;
    alter(ConfigOp::delete("retention.ms")).await?;
    eventually(async || {
        let entry = retention().await?;
        want(entry.config_source != DYNAMIC_TOPIC_CONFIG && entry.value.is_some(), || format!("unset: {entry:?}"))
    })
    .await?;
    let broker = ConfigResource::broker(world.admin.describe_cluster(Default::default()).await?.controller_id);
    let entries = only(world.admin.describe_configs([broker], Default::default()).await?)?;
    want(!entries.is_empty(), || "the broker has no configs".to_owned())
}

async fn partitions(world: &World, topic: &str) -> Result<(), Failed> {
    let grow = async |total, validate_only| {
        let options = CreatePartitionsOptions::default().validate_only(validate_only);
        only(world.admin.create_partitions([(topic, total)], options).await?)
    };
    grow(5, true).await?;
    want_partitions(world, topic, 3).await?;
    grow(5, false).await?;
    eventually(async || want_partitions(world, topic, 5).await).await?;
    refused("fewer partitions", grow(4, false).await, ErrorCode::InvalidPartitions)
}

async fn offsets(world: &World, topic: &str) -> Result<(), Failed> {
    let producer = world.kafka.producer().build().await?;
    // The last one is not the newest.
    let times = [1_000_000_000_000, 1_000_000_002_000, 1_000_000_001_000];
    send(&producer, times.map(|time| Record::new(topic, "value").partition(0).timestamp(time)).to_vec()).await?;
    producer.close().await?;
    for (spec, expected) in [
        (OffsetSpec::Earliest, 0),
        (OffsetSpec::Latest, 3),
        (OffsetSpec::MaxTimestamp, 1),
        (OffsetSpec::Timestamp(times[0] + 500), 1),
    ] {
        equal(&format!("{spec:?}"), &world.offset(topic, 0, spec).await?, &expected)?;
    }
    let epoch = only(world.admin.describe_topics([topic], Default::default()).await?)?.partitions[0].leader_epoch;
    let asked = [(TopicPartition::new(topic, 0), epoch.ok_or("no leader epoch")?)];
    equal("the end of the epoch", &only(world.admin.offset_for_leader_epoch(asked, Default::default()).await?)?.end_offset, &3)
}

async fn group(world: &World, topic: &str) -> Result<(), Failed> {
    let admin = &world.admin;
    let describe = async || only(admin.describe_consumer_groups([topic], Default::default()).await?);
    let member = Member::join(world, topic, GroupProtocol::Classic).await?;
    eventually(async || {
        let group = describe().await?;
        want(group.state == "Stable" && group.members.len() == 1, || format!("{group:?}"))
    })
    .await?;
    eventually(async || equal("assigned", &member.assigned(), &vec![0, 1, 2, 3, 4])).await?;
    eventually(async || {
        let lags = admin.consumer_group_lag(topic, Default::default()).await?;
        let lag = lags.get(&TopicPartition::new(topic, 0)).cloned().transpose()?.ok_or("no lag")?;
        equal("committed and lag", &(lag.committed_offset, lag.lag), &(Some(3), Some(0)))
    })
    .await?;
    member.leave().await?;
    eventually(async || equal("state", describe().await?.state.as_str(), "Empty")).await?;
    let groups = only(admin.list_consumer_groups(Default::default()).await?)?;
    want(groups.iter().any(|listed| listed.group_id == topic && listed.protocol_type == "consumer"), || format!("{groups:?}"))?;

    only(admin.alter_consumer_group_offsets(topic, [(TopicPartition::new(topic, 0), 1)], Default::default()).await?)?;
    world.want_committed(topic, topic, &[1]).await?;
    only(admin.delete_consumer_group_offsets(topic, [TopicPartition::new(topic, 0)], Default::default()).await?)?;
    world.want_committed(topic, topic, &[-1]).await?;
    only(admin.delete_consumer_groups([topic], Default::default()).await?)?;
    let again = only(admin.delete_consumer_groups([topic], Default::default()).await?);
    refused("a group is deleted twice", again, ErrorCode::GroupIdNotFound)
}
