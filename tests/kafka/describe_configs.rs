//! DescribeConfigs (key 32).

use kafka_protocol::messages::DescribeConfigsRequest;
use shardgate::model::Settings;

use super::configs::{BROKER, TOPIC, config, describe, resource};
use crate::support::{Gateway, text};

/// Trap 14: the largest batch that is accepted is what `max.message.bytes` says.
#[tokio::test(start_paused = true)]
async fn every_version_shows_a_topics_configs() {
    let gateway = Gateway::start();
    gateway.stream_with("orders", 1, Settings { batch_bytes_max: 2_000_000, ..Settings::default() }).await;
    let mut kafka = gateway.kafka();
    for version in 1..=4 {
        let request = DescribeConfigsRequest::default()
            .with_resources(vec![resource(TOPIC, "orders")])
            .with_include_synonyms(true)
            .with_include_documentation(version >= 3);
        let response = kafka.call(version, request).await;
        let result = &response.results[0];
        assert_eq!((result.error_code, result.resource_type, &*result.resource_name), (0, TOPIC, "orders"));
        let bytes = config(result, "max.message.bytes");
        assert_eq!(
            (bytes.value.as_deref(), bytes.config_source, bytes.read_only, bytes.is_sensitive),
            (Some("2000000"), 1, false, false)
        );
        let synonyms: Vec<_> = bytes.synonyms.iter().map(|s| (&*s.name, s.value.as_deref(), s.source)).collect();
        assert_eq!(synonyms, [("max.message.bytes", Some("2000000"), 1), ("message.max.bytes", Some("1048588"), 5)]);
        assert_eq!(bytes.config_type, if version >= 3 { 3 } else { 0 });
        assert_eq!(bytes.documentation.as_ref().is_some_and(|words| !words.is_empty()), version >= 3);
        let arn = config(result, "kinesis.stream.arn");
        assert!(arn.read_only && arn.value.as_ref().is_some_and(|arn| arn.ends_with(":stream/orders")));
    }
}

/// Trap 19: Connect reads its topics' `cleanup.policy` before it uses them (`TopicAdmin.verifyTopicCleanupPolicyOnlyCompact`).
#[tokio::test(start_paused = true)]
async fn a_compacted_topic_says_so_and_nothing_more() {
    use kafka_protocol::messages::CreateTopicsRequest;
    use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    let compact = CreatableTopicConfig::default().with_name(text("cleanup.policy")).with_value(Some(text("compact")));
    let topic = CreatableTopic::default()
        .with_name(crate::support::name("connect-offsets"))
        .with_num_partitions(25)
        .with_replication_factor(3)
        .with_configs(vec![compact]);
    kafka.call(5, CreateTopicsRequest::default().with_topics(vec![topic])).await;
    let described = describe(&mut kafka, TOPIC, "connect-offsets").await;
    assert_eq!(config(&described, "cleanup.policy").value.as_deref(), Some("compact"));
    assert_eq!(config(&described, "retention.ms").value.as_deref(), Some("31536000000"));
}

#[tokio::test(start_paused = true)]
async fn only_the_configs_asked_for_are_shown() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    for version in 1..=4 {
        let keys = |keys: &[&str]| Some(keys.iter().map(|key| text(key)).collect());
        let asked = [keys(&["retention.ms", "unheard.of", "cleanup.policy"]), keys(&["unheard.of"]), keys(&[]), None];
        let mut found = Vec::new();
        for keys in asked {
            let resource = resource(TOPIC, "orders").with_configuration_keys(keys);
            let response = kafka.call(version, DescribeConfigsRequest::default().with_resources(vec![resource])).await;
            found.push(response.results[0].configs.len());
            assert!(response.results[0].configs.iter().all(|config| config.synonyms.is_empty()));
        }
        assert_eq!((found[0], found[1], found[2] > 30, found[3] > 30), (2, 0, true, true), "version {version}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_broker_shows_how_it_was_set_up_and_lets_few_configs_be_changed() {
    let gateway = Gateway::with(|config| (config.node_id, config.default_partitions) = (3, 7));
    let mut kafka = gateway.kafka();
    let described = describe(&mut kafka, BROKER, "3").await;
    assert_eq!(described.error_code, 0);
    for (name, value) in [
        ("node.id", "3"),
        ("broker.id", "3"),
        ("num.partitions", "7"),
        ("auto.create.topics.enable", "true"),
        ("default.replication.factor", "1"),
        ("log.dirs", "memory"),
        ("message.max.bytes", "1048588"),
        ("log.retention.ms", "86400000"),
    ] {
        assert_eq!(config(&described, name).value.as_deref(), Some(value), "{name}");
    }
    let changeable: Vec<_> =
        described.configs.iter().filter(|config| !config.read_only).map(|config| config.name.as_str()).collect();
    assert_eq!(changeable, ["kinesis.limits.profile", "log.flush.interval.messages", "log.flush.interval.ms"]);
    let common = describe(&mut kafka, BROKER, "").await;
    assert_eq!((common.error_code, common.configs.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn resources_that_are_not_there_are_refused_in_words() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for (kind, name, code) in [
        (TOPIC, "missing", 3),
        (TOPIC, "..", 17),
        (BROKER, "1", 42),
        (BROKER, "x", 42),
        (0, "x", 42),
        (99, "x", 42),
        (8, "0", 0),
        (16, "x", 0),
    ] {
        let result = describe(&mut kafka, kind, name).await;
        assert_eq!((result.error_code, result.configs.len()), (code, 0), "type {kind}, {name}");
        // As in Kafka, there are words in any case.
        assert_eq!(result.error_message.is_some_and(|words| !words.is_empty()), code != 0);
    }
}

/// Those configs that are more than stored and shown.
#[tokio::test(start_paused = true)]
async fn the_readmes_table_of_topic_configs_is_true() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let request =
        DescribeConfigsRequest::default().with_resources(vec![resource(TOPIC, "orders")]).with_include_documentation(true);
    let described = gateway.kafka().call(4, request).await.results.remove(0).configs;
    let mut table = "| config | default | what it does |\n|---|---|---|\n".to_owned();
    for config in described {
        let documentation = config.documentation.unwrap();
        let value = config.value.filter(|value| !value.is_empty() && !config.read_only);
        let value = value.map_or_else(|| "–".to_owned(), |value| format!("`{}`", &*value));
        let note = if config.read_only { " Read-only." } else { "" };
        if !documentation.contains("tored and shown only") {
            table += &format!("| `{}` | {value} | {}{note} |\n", &*config.name, &*documentation);
        }
    }
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    assert!(readme.contains(&format!("<!-- configs:begin -->\n{table}<!-- configs:end -->")), "README.md: write\n{table}");
}
