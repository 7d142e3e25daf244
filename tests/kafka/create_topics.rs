//! CreateTopics (key 19).

use kafka_protocol::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::{BrokerId, CreateTopicsRequest, TopicName};

use crate::support::{Gateway, Kafka, Words, batch, name, text};

fn topic(name: &str, partitions: i32, replicas: i16) -> CreatableTopic {
    CreatableTopic::default().with_name(TopicName(text(name))).with_num_partitions(partitions).with_replication_factor(replicas)
}

fn with_config(name: &str, config: &str, value: Option<&str>) -> CreatableTopic {
    let config = CreatableTopicConfig::default().with_name(text(config)).with_value(value.map(text));
    topic(name, 1, 1).with_configs(vec![config])
}

async fn create(kafka: &mut Kafka, version: i16, topics: Vec<CreatableTopic>) -> Vec<CreatableTopicResult> {
    kafka.call(version, CreateTopicsRequest::default().with_topics(topics).with_timeout_ms(1_000)).await.topics
}

fn lanes(gateway: &Gateway, topic: &str) -> Option<u32> {
    gateway.log.stream(topic).map(|stream| stream.lanes())
}

#[tokio::test(start_paused = true)]
async fn a_topic_can_be_written_as_soon_as_it_is_answered_in_every_version() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for (version, topic_name) in (2..).zip(["t2", "t3", "t4", "t5", "t6", "t7"]) {
        let created = create(&mut kafka, version, vec![topic(topic_name, 3, 3)]).await.remove(0);
        assert_eq!((created.error_code, &*created.name, &created.error_message), (0, &*name(topic_name), &None));
        assert_eq!(kafka.produce(topic_name, 2, batch(&["a"])).await.base_offset, 0);
        let stream = gateway.log.stream(topic_name).unwrap();
        assert_eq!(stream.lanes(), 3);
        assert_eq!(created.topic_id == stream.id().0, version >= 7);
        if version >= 5 {
            // One replica is what there is, whatever was asked for.
            assert_eq!((created.num_partitions, created.replication_factor), (3, 1));
            let configs = created.configs.unwrap();
            let retention = configs.iter().find(|config| &*config.name == "retention.ms").unwrap();
            assert_eq!((retention.value.as_deref(), retention.config_source, retention.read_only), (Some("86400000"), 5, false));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn from_version_4_on_the_numbers_can_be_left_to_the_gateway() {
    let gateway = Gateway::with(|config| config.default_partitions = 5);
    let mut kafka = gateway.kafka();
    for version in 4..=7 {
        let name = format!("t{version}");
        assert_eq!(create(&mut kafka, version, vec![topic(&name, -1, -1)]).await[0].error_code, 0);
        assert_eq!(lanes(&gateway, &name), Some(5));
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_a_topic_is_refused_in_words_in_every_version() {
    let gateway = Gateway::start();
    gateway.stream("there", 1).await;
    let mut kafka = gateway.kafka();
    let long = "x".repeat(129);
    for version in 2..=7 {
        for (topic, code, meant) in [
            (topic("there", 1, 1), 36, "there"),
            (topic("", 1, 1), 17, "1 to 128 characters of a-z, A-Z, 0-9, '.', '_' and '-' are accepted"),
            (topic("..", 1, 1), 17, "cannot be '.' or '..'"),
            (topic("a b", 1, 1), 17, "' ' at position 1; a-z, A-Z, 0-9, '.', '_' and '-' are accepted"),
            (topic(&long, 1, 1), 17, "has 129 characters; at most 128 are accepted"),
            (topic("zero", 0, 1), 37, "1 to 10000 are accepted"),
            (topic("ten-thousand-and-one", 10_001, 1), 37, "1 to 10000 are accepted"),
            (topic("no-replica", 1, 0), 38, "1 or more, and -1 for the default are accepted"),
            (with_config("unknown-config", "retention.m", Some("1")), 40, "the nearest one is retention.ms"),
            (with_config("no-value", "retention.ms", None), 40, "\"retention.ms\" has no value"),
        ] {
            let result = create(&mut kafka, version, vec![topic.clone()]).await.remove(0);
            assert_eq!(result.error_code, code, "{topic:?}");
            let words = result.error_message.unwrap();
            assert!(words.contains(meant), "{topic:?}: {words}");
        }
    }
    assert_eq!(gateway.log.streams().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn retention_is_24_to_8760_hours_rounded_up() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for (value, hours) in [
        ("86400000", Some(24)),
        ("86400001", Some(25)),
        ("31536000000", Some(8_760)),
        ("-1", Some(8_760)),
        ("86399999", None),
        ("0", None),
        ("-2", None),
        ("31536000001", None),
        ("a day", None),
    ] {
        let name = format!("t{}", value.replace([' ', '-'], "_"));
        let result = create(&mut kafka, 7, vec![with_config(&name, "retention.ms", Some(value))]).await.remove(0);
        assert_eq!(result.error_code, if hours.is_some() { 0 } else { 40 }, "{value}");
        assert_eq!(gateway.log.stream(&name).map(|stream| stream.settings().retention_hours), hours, "{value}");
        if hours.is_none() {
            assert!(result.error_message.unwrap().contains("86400000"), "the refusal names the range");
        }
    }
    for (value, code) in [("-1", 0), ("1000", 40)] {
        let results = create(&mut kafka, 7, vec![with_config(&format!("bytes{value}"), "retention.bytes", Some(value))]).await;
        assert_eq!(results[0].error_code, code);
        let words = results[0].error_message.as_deref().unwrap_or_default();
        assert_eq!(words.contains("set retention.ms instead"), code != 0, "{words}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_named_twice_is_not_created_and_the_others_are() {
    let gateway = Gateway::start();
    let results = create(&mut gateway.kafka(), 5, vec![topic("a", 1, 1), topic("b", 1, 1), topic("a", 2, 1)]).await;
    let mut codes: Vec<_> = results.iter().map(|result| (&**result.name, result.error_code)).collect();
    codes.sort_unstable();
    assert_eq!(codes, [("a", 42), ("b", 0)]);
    assert_eq!((lanes(&gateway, "a"), lanes(&gateway, "b")), (None, Some(1)));
}

#[tokio::test(start_paused = true)]
async fn a_trial_creates_nothing() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for version in 2..=7 {
        let topics = vec![topic("trial", 2, 1), topic("..", 1, 1)];
        let request = CreateTopicsRequest::default().with_topics(topics).with_validate_only(true);
        let response = kafka.call(version, request).await;
        assert_eq!(response.topics.iter().map(|topic| topic.error_code).collect::<Vec<_>>(), [0, 17]);
        assert!(gateway.log.streams().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn replicas_are_assigned_by_hand_to_this_broker_only() {
    let gateway = Gateway::start();
    let assigned = |name: &str, partitions: &[(i32, i32)]| {
        let assignment = |&(partition, broker): &(i32, i32)| {
            CreatableReplicaAssignment::default().with_partition_index(partition).with_broker_ids(vec![BrokerId(broker)])
        };
        topic(name, -1, -1).with_assignments(partitions.iter().map(assignment).collect())
    };
    let topics =
        vec![assigned("good", &[(1, 0), (0, 0)]), assigned("other-broker", &[(0, 1)]), assigned("gap", &[(0, 0), (2, 0)])];
    let results = create(&mut gateway.kafka(), 5, topics).await;
    assert_eq!(results.iter().map(|result| result.error_code).collect::<Vec<_>>(), [0, 39, 39]);
    assert_eq!(lanes(&gateway, "good"), Some(2));
}

#[tokio::test(start_paused = true)]
async fn one_request_creates_at_most_ten_thousand_partitions() {
    let gateway = Gateway::start();
    let results = create(&mut gateway.kafka(), 5, vec![topic("a", 6_000, 1), topic("b", 4_001, 1)]).await;
    assert_eq!(results.iter().map(|result| result.error_code).collect::<Vec<_>>(), [44, 44]);
    assert!(gateway.log.streams().is_empty());
}

/// Trap 19: Streams and Connect create compacted topics. They are kept as long as anything can be, and need keys.
#[tokio::test(start_paused = true)]
async fn a_compacted_topic_is_kept_for_a_year_and_refuses_records_without_a_key() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    let words = Words::listen();
    assert_eq!(create(&mut kafka, 5, vec![with_config("state", "cleanup.policy", Some("compact"))]).await[0].error_code, 0);
    assert!(words.contain("is stored and shown but never carried out: records stay until their retention ends"));
    let settings = gateway.log.stream("state").unwrap().settings();
    assert_eq!((settings.retention_hours, settings.keys_required), (8_760, true));
    let draft = |key| shardgate::batch::Draft { key, value: Some(b"v"), ..Default::default() };
    let batch = |keys: &[Option<&'static [u8]>]| {
        let filled = keys.iter().fold(shardgate::batch::Builder::default(), |builder, key| builder.record(draft(*key)));
        filled.build().unwrap().bytes().clone()
    };
    let key: Option<&[u8]> = Some(b"k");
    assert_eq!(kafka.produce("state", 0, batch(&[key])).await.error_code, 0);
    for (keys, without, words) in [
        (&[None][..], &[0][..], "record 0 of the batch has no key; the stream accepts only records with one"),
        (&[key, None, key, None], &[1, 3], "record 1 of the batch has no key, nor have 1 others; "),
        (&[None; 60], &(0..50).collect::<Vec<_>>(), "nor have 49 others"),
    ] {
        let refused = kafka.produce("state", 0, batch(keys)).await;
        let said = refused.error_message.unwrap();
        assert!(refused.error_code == 87 && said.contains(words), "{said}");
        assert_eq!(refused.record_errors.iter().map(|record| record.batch_index).collect::<Vec<_>>(), without);
        assert!(refused.record_errors.iter().all(|record| record.batch_index_error_message.is_some()));
    }
}
