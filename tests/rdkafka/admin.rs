//! Topics, configs and groups.

use rdkafka::admin::{AdminOptions, AlterConfig, ConfigSource, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::{eventually, gateway, patience, write};

/// The names of all topics, each with the number of its partitions.
fn topics(client: &BaseConsumer) -> Vec<(String, usize)> {
    let metadata = client.fetch_metadata(None, patience()).unwrap();
    metadata.topics().iter().map(|topic| (topic.name().to_owned(), topic.partitions().len())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_created_described_changed_grown_and_deleted() {
    let gateway = gateway().await;
    let (admin, options) = (gateway.admin(), AdminOptions::new());
    let client = gateway.consumer("g", &[]);

    let topic = || NewTopic::new("orders", 3, TopicReplication::Fixed(1)).set("retention.ms", "172800000");
    assert_eq!(admin.create_topics(&[topic()], &options).await.unwrap(), [Ok("orders".to_owned())]);
    assert_eq!(topics(&client), [("orders".to_owned(), 3)]);
    let again = admin.create_topics(&[topic()], &options).await.unwrap();
    assert_eq!(again, [Err(("orders".to_owned(), RDKafkaErrorCode::TopicAlreadyExists))]);
    let short = NewTopic::new("short", 1, TopicReplication::Fixed(1)).set("retention.ms", "1000");
    let refused = admin.create_topics(&[short], &options).await.unwrap();
    assert_eq!(refused, [Err(("short".to_owned(), RDKafkaErrorCode::InvalidConfig))]);

    let orders = ResourceSpecifier::Topic("orders");
    let described = admin.describe_configs([&orders], &options).await.unwrap().remove(0).unwrap();
    let retention = described.get("retention.ms").unwrap();
    assert_eq!((retention.value.as_deref(), &retention.source), (Some("172800000"), &ConfigSource::DynamicTopic));
    assert_eq!(described.get("max.message.bytes").unwrap().value.as_deref(), Some("1048588"));
    assert!(described.get("kinesis.stream.arn").unwrap().is_read_only);
    let change = AlterConfig::new(orders).set("retention.ms", "90000000");
    assert!(admin.alter_configs(&[change], &options).await.unwrap()[0].is_ok());
    let described = admin.describe_configs([&orders], &options).await.unwrap().remove(0).unwrap();
    assert_eq!(described.get("retention.ms").unwrap().value.as_deref(), Some("90000000"));
    let broker = admin.describe_configs([&ResourceSpecifier::Broker(0)], &options).await.unwrap().remove(0).unwrap();
    assert_eq!(broker.get("node.id").unwrap().value.as_deref(), Some("0"));

    let more = admin.create_partitions(&[NewPartitions::new("orders", 5)], &options).await.unwrap();
    assert_eq!(more, [Ok("orders".to_owned())]);
    assert_eq!(topics(&client), [("orders".to_owned(), 5)]);

    assert_eq!(admin.delete_topics(&["orders"], &options).await.unwrap(), [Ok("orders".to_owned())]);
    assert_eq!(topics(&client), []);
    let gone = admin.delete_topics(&["orders"], &options).await.unwrap();
    assert_eq!(gone, [Err(("orders".to_owned(), RDKafkaErrorCode::UnknownTopicOrPartition))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_cannot_be_deleted() {
    let gateway = gateway().await;
    gateway.topic("orders", 1).await;
    write(&gateway.producer(&[]), "orders", 0, ["a".to_owned()]).await;
    let mut all = TopicPartitionList::new();
    all.add_partition_offset("orders", 0, Offset::End).unwrap();
    let answer = gateway.admin().delete_records(&all, &AdminOptions::new()).await.unwrap();
    let refused = answer.elements()[0].error().unwrap_err();
    assert_eq!(refused.rdkafka_error_code(), Some(RDKafkaErrorCode::PolicyViolation));
    let ends = gateway.consumer("g", &[]).fetch_watermarks("orders", 0, patience()).unwrap();
    assert_eq!(ends, (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_listed_described_and_deleted() {
    let gateway = gateway().await;
    gateway.topic("orders", 1).await;
    let consumer = gateway.consumer("g", &[("client.id", "reader")]);
    consumer.subscribe(&["orders"]).unwrap();
    eventually("an assignment", || {
        consumer.poll(super::LOOK);
        (super::assigned(&consumer) == [0]).then_some(())
    });
    let other = gateway.consumer("other", &[]);
    let groups = other.fetch_group_list(None, patience()).unwrap();
    let [group] = groups.groups() else { panic!("{} groups", groups.groups().len()) };
    assert_eq!((group.name(), group.state(), group.protocol_type(), group.protocol()), ("g", "Stable", "consumer", "range"));
    assert_eq!((group.members().len(), group.members()[0].client_id()), (1, "reader"));

    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset("orders", 0, Offset::Offset(0)).unwrap();
    consumer.commit(&offsets, CommitMode::Sync).unwrap();
    let admin = gateway.admin();
    let kept = admin.delete_groups(&["g"], &AdminOptions::new()).await.unwrap();
    assert_eq!(kept, [Err(("g".to_owned(), RDKafkaErrorCode::NonEmptyGroup))]);
    drop(consumer);
    let gone = admin.delete_groups(&["g"], &AdminOptions::new()).await.unwrap();
    assert_eq!(gone, [Ok("g".to_owned())]);
    assert!(other.fetch_group_list(None, patience()).unwrap().groups().is_empty());
}
