//! CreatePartitions (key 37).

use kafka_protocol::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use kafka_protocol::messages::{BrokerId, CreatePartitionsRequest, MetadataRequest};

use crate::support::{Gateway, batch, name};

fn topic(topic: &'static str, count: i32) -> CreatePartitionsTopic {
    CreatePartitionsTopic::default().with_name(name(topic)).with_count(count).with_assignments(None)
}

fn request(topics: Vec<CreatePartitionsTopic>) -> CreatePartitionsRequest {
    CreatePartitionsRequest::default().with_topics(topics).with_timeout_ms(1_000)
}

#[tokio::test(start_paused = true)]
async fn partitions_become_more_and_the_old_ones_go_on_in_every_version() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 2).await;
    let mut kafka = gateway.kafka();
    for (version, count) in (0..=3).zip([3, 4, 7, 20]) {
        let offset = i64::from(version);
        assert_eq!(kafka.produce("orders", 0, batch(&["a"])).await.base_offset, 2 * offset);
        let result = kafka.call(version, request(vec![topic("orders", count)])).await.results.remove(0);
        assert_eq!((result.error_code, &result.error_message), (0, &None), "version {version}");
        assert_eq!(i32::try_from(stream.lanes()), Ok(count));
        assert_eq!(kafka.produce("orders", 0, batch(&["b"])).await.base_offset, 2 * offset + 1, "offsets run on");
        assert_eq!(kafka.produce("orders", count - 1, batch(&["c"])).await.base_offset, 0);
        let metadata = kafka.call(9, MetadataRequest::default().with_topics(None)).await;
        assert_eq!(i32::try_from(metadata.topics[0].partitions.len()), Ok(count));
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_opened_is_refused_in_words() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 3).await;
    let mut kafka = gateway.kafka();
    let assigned = |count, brokers: &[i32]| {
        let assignment = |&broker: &i32| CreatePartitionsAssignment::default().with_broker_ids(vec![BrokerId(broker)]);
        topic("orders", count).with_assignments(Some(brokers.iter().map(assignment).collect()))
    };
    for (topic, code, meant) in [
        (topic("missing", 5), 3, "there is no topic \"missing\""),
        (topic("orders", 3), 37, "has 3 partitions already and 3 were asked for"),
        (topic("orders", 2), 37, "has 3 partitions already and 2 were asked for"),
        (topic("orders", 0), 37, "is 0; 1 to 10000"),
        (topic("orders", 10_001), 37, "is 10001; 1 to 10000"),
        (assigned(5, &[0]), 39, "2 partitions are added and 1 are assigned"),
        (assigned(4, &[1]), 39, "brokers [1]"),
    ] {
        for version in 0..=3 {
            let result = kafka.call(version, request(vec![topic.clone()])).await.results.remove(0);
            assert_eq!(result.error_code, code, "{topic:?}");
            let words = result.error_message.unwrap();
            assert!(words.contains(meant), "{topic:?}: {words}");
        }
    }
    assert_eq!(stream.lanes(), 3);
    assert_eq!(kafka.call(3, request(vec![assigned(4, &[0])])).await.results[0].error_code, 0);
}

#[tokio::test(start_paused = true)]
async fn a_trial_opens_nothing_and_a_topic_named_twice_neither() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    let trial = kafka.call(3, request(vec![topic("orders", 5)]).with_validate_only(true)).await;
    assert_eq!(trial.results[0].error_code, 0);
    let twice = kafka.call(3, request(vec![topic("orders", 5), topic("orders", 6)])).await;
    assert_eq!(twice.results.iter().map(|r| r.error_code).collect::<Vec<_>>(), [42]);
    assert_eq!(stream.lanes(), 1);
}

#[tokio::test(start_paused = true)]
async fn partitions_opened_later_are_there_after_a_restart() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let mut kafka = gateway.kafka();
    kafka.call(3, request(vec![topic("orders", 5)])).await;
    kafka.produce("orders", 4, batch(&["a"])).await;
    let gateway = gateway.restarted();
    assert_eq!(gateway.log.stream("orders").unwrap().lanes(), 5);
    assert_eq!(gateway.kafka().produce("orders", 4, batch(&["b"])).await.base_offset, 1);
}
