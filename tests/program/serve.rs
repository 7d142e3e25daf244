//! `shardgate serve`.

use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use shardgate::model::{SequenceNumber, ShardId, Timestamp};

use super::{Serving, kill, output, shardgate, text};

#[test]
fn the_last_line_is_ready_and_the_lines_above_can_be_copied() {
    let serving = Serving::start(&["--ephemeral"]);
    for wanted in [
        "data in memory".to_owned(),
        format!("kcat -b {} -t demo -C", serving.kafka),
        format!(".set(\"bootstrap.servers\", \"{}\")", serving.kafka),
        format!("http://{}/health/ready", serving.http),
    ] {
        assert!(serving.printed.contains(&wanted), "{wanted} is not in\n{}", serving.printed);
    }
}

#[test]
fn both_signals_end_it_with_code_0_in_less_than_a_second() {
    let directory = tempfile::tempdir().unwrap();
    for signal in ["TERM", "INT"] {
        let mut serving = Serving::start(&["--data-dir", directory.path().to_str().unwrap()]);
        // A client that is connected and asks nothing.
        let _client = std::net::TcpStream::connect(serving.kafka).unwrap();
        let (status, took) = serving.end(signal);
        assert_eq!(status.code(), Some(0), "{signal}: {}", serving.complaints());
        assert!(took < Duration::from_secs(1), "{signal} took {took:?}");
    }
}

#[test]
fn health_is_told_by_path_and_by_command() {
    let mut serving = Serving::start(&["--ephemeral"]);
    let http = serving.http.to_string();
    assert_eq!(serving.get("/health/live").0, 200);
    assert_eq!(serving.get("/health/ready"), (200, r#"{"status":"ready"}"#.to_owned()));
    let healthy = output(&["health", "--http", &http]);
    assert_eq!((healthy.status.code(), text(&healthy.stdout)), (Some(0), "ready\n".to_owned()));
    serving.end("TERM");
    let gone = output(&["health", "--http", &http]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(text(&gone.stderr).contains(&format!("no gateway answers at http://{http}")), "{}", text(&gone.stderr));
}

#[test]
fn a_second_process_on_the_same_directory_is_told_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let _first = Serving::start(&["--data-dir", path]);
    let second = output(&[
        "--data-dir",
        path,
        "--kafka-listener",
        "127.0.0.1:0",
        "--kinesis-listener",
        "127.0.0.1:0",
        "--http-listener",
        "127.0.0.1:0",
    ]);
    let complaint = text(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{complaint}");
    assert!(
        complaint.contains(path) && complaint.contains("in use by another process") && complaint.contains("--data-dir"),
        "{complaint}"
    );
}

#[test]
fn a_port_in_use_is_told_with_the_flag_to_change() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let flags = ["--kafka-listener", "--kinesis-listener", "--http-listener"];
    for flag in flags {
        let listeners = flags.iter().flat_map(|other| [*other, if *other == flag { &address } else { "127.0.0.1:0" }]);
        let refused = output(&["--ephemeral"].into_iter().chain(listeners).collect::<Vec<_>>());
        let complaint = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{complaint}");
        assert!(complaint.contains(&format!("cannot listen on {address}")) && complaint.contains(flag), "{complaint}");
    }
}

#[test]
fn a_listener_for_everybody_has_to_be_allowed_and_is_warned_about_in_the_chosen_format() {
    let everybody = ["--ephemeral", "--log-format", "json", "--kafka-listener", "0.0.0.0:0"];
    let refused = output(&[&everybody[..], &["--kinesis-listener", "127.0.0.1:0", "--http-listener", "127.0.0.1:0"]].concat());
    let complaint = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{complaint}");
    assert!(complaint.contains("nobody has to log in there") && complaint.contains("--insecure-listener"), "{complaint}");
    let mut serving = Serving::start(&[&everybody[..], &["--insecure-listener"]].concat());
    assert!(serving.kafka.ip().is_loopback(), "{}", serving.kafka);
    serving.end("TERM");
    let complaints = serving.complaints();
    let warnings: Vec<serde_json::Value> = complaints.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let warnings: Vec<_> = warnings.iter().filter(|line| line["level"] == "WARN").collect();
    assert_eq!(warnings.len(), 1, "{complaints}");
    assert!(warnings[0]["message"].as_str().unwrap().contains("--insecure-listener"), "{complaints}");
}

#[test]
fn a_killed_process_leaves_a_directory_that_starts_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let mut first = Serving::start(&["--data-dir", path, "--topic", "orders:3"]);
    kill(&first.child, "KILL");
    assert_eq!(first.child.wait().unwrap().signal(), Some(9));
    let second = Serving::start(&["--data-dir", path]);
    assert!(second.get("/metrics").1.contains("kafka_topic_partitions{topic=\"orders\"} 3"));
}

#[test]
fn records_and_groups_are_measured_and_mapped() {
    let serving = Serving::start(&["--ephemeral", "--topic", "orders:2"]);
    let servers = serving.kafka.to_string();
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", &servers).create().unwrap();
    for n in 0..10 {
        producer.send(BaseRecord::to("orders").partition(1).key("k").payload(&format!("value {n}"))).unwrap();
    }
    producer.flush(Duration::from_secs(10)).unwrap();
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", &servers).set("group.id", "billing").set("auto.offset.reset", "earliest");
    let consumer: BaseConsumer = settings.set("enable.auto.commit", "false").create().unwrap();
    consumer.subscribe(&["orders"]).unwrap();
    for _ in 0..4 {
        // It also returns, with nothing, when it has been given partitions.
        let message = (0..100).find_map(|_| consumer.poll(Duration::from_millis(200))).unwrap().unwrap();
        consumer.commit_message(&message, CommitMode::Sync).unwrap();
    }

    let (status, metrics) = serving.get("/metrics");
    assert_eq!(status, 200);
    for line in [
        "kafka_brokers 1",
        "kafka_topic_partition_current_offset{topic=\"orders\",partition=\"1\"} 10",
        "kafka_server_brokertopicmetrics_messagesin_total{topic=\"orders\"} 10",
        "kafka_consumergroup_members{consumergroup=\"billing\"} 1",
        "kafka_consumergroup_current_offset{consumergroup=\"billing\",topic=\"orders\",partition=\"1\"} 4",
        "kafka_consumergroup_lag_sum{consumergroup=\"billing\",topic=\"orders\"} 6",
        "kafka_server_replicamanager_partitioncount 2",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
    for part in [
        "kafka_network_requestmetrics_requests_total{request=\"Produce\"",
        "bytesout_total{topic=\"orders\"}",
        "kafka_consumergroup_iterator_age_milliseconds{consumergroup=\"billing\",topic=\"orders\",partition=\"1\"} ",
        "connection_count ",
    ] {
        assert!(metrics.contains(part), "{part} is not in\n{metrics}");
    }

    let http = serving.http.to_string();
    let forth = output(&["map", "orders/1@7", "--http", &http]);
    let shown = text(&forth.stdout);
    assert!(forth.status.success() && shown.contains("orders/1@7\n") && shown.contains("shardId-000000000001\n"), "{shown}");
    let number = shown.lines().find_map(|line| line.strip_prefix("sequence number")).unwrap().trim();
    assert_eq!(text(&output(&["map", "--sequence", number, "--http", &http]).stdout), shown);
    let absent = output(&["map", "orders/1@10", "--http", &http]);
    assert_eq!(absent.status.code(), Some(1));
    assert!(text(&absent.stderr).contains("offset 10 is outside 0 to 10"), "{}", text(&absent.stderr));
}

#[test]
fn a_record_and_the_ends_of_a_split_shard_are_mapped_both_ways() {
    let serving = Serving::start(&["--ephemeral", "--topic", "orders:1"]);
    let (servers, http) = (serving.kafka.to_string(), serving.http.to_string());
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", &servers).create().unwrap();
    let put = |count: i32| {
        for _ in 0..count {
            producer.send(BaseRecord::to("orders").partition(0).key("k").payload("v")).unwrap();
        }
        producer.flush(Duration::from_secs(10)).unwrap();
    };
    put(3);
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", &servers).create().unwrap();
    let more = [NewPartitions::new("orders", 2)];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(admin.create_partitions(&more, &AdminOptions::new())).unwrap()[0].as_ref().unwrap();
    put(2);
    let shown = |arguments: &[&str]| {
        let answer = output(&[&["map", "--http", &http], arguments].concat());
        assert!(answer.status.success(), "{}", text(&answer.stderr));
        text(&answer.stdout)
    };
    for (record, lines) in [
        ("orders/0@2", ["shardId-000000000000", "children         shardId-000000000001, shardId-000000000002"]),
        ("orders/0@3", ["shardId-000000000001", "parents          shardId-000000000000"]),
    ] {
        let forth = shown(&[record]);
        assert!(lines.iter().all(|line| forth.contains(line)), "{forth}");
        let number = forth.lines().find_map(|line| line.strip_prefix("sequence number")).unwrap().trim();
        assert_eq!(shown(&["--sequence", number]), forth);
    }
    let mapped: serde_json::Value = serde_json::from_str(&serving.get("/map?topic=orders&partition=0&offset=0").1).unwrap();
    let at = |name: &str| Timestamp(mapped[0][name].as_i64().unwrap());
    let (created, closed) = (at("shard_created_at"), at("shard_closed_at"));
    for (number, first) in [
        (SequenceNumber::start(ShardId(0), created), "start of a shard before orders/0@0"),
        (SequenceNumber::end(ShardId(0), created, closed), "end of a shard   before orders/0@3, which is not in it"),
        (SequenceNumber::start(ShardId(2), Timestamp(closed.0 + 1_000)), "start of a shard before orders/1@0"),
    ] {
        let shown = shown(&["--sequence", &number.to_string()]);
        assert_eq!(shown.lines().next(), Some(first), "{shown}");
    }
}

#[test]
fn settings_come_from_the_environment_too() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("shardgate.toml");
    std::fs::write(&file, "node-id = 1\ndefault-partitions = 4\n").unwrap();
    let mut command = shardgate();
    command.env("SHARDGATE_CONFIG", &file).env("SHARDGATE_NODE_ID", "2").env("SHARDGATE_PORTS_FILE", "");
    let printed = text(&command.args(["config", "print", "--max-connections", "3"]).output().unwrap().stdout);
    for line in [
        "node-id = 2 # SHARDGATE_NODE_ID".to_owned(),
        format!("default-partitions = 4 # {}", file.display()),
        "max-connections = 3 # --max-connections".to_owned(),
        "ephemeral = false # default".to_owned(),
        "# ports-file is not set".to_owned(),
    ] {
        assert!(printed.lines().any(|found| found == line), "{line} is not in\n{printed}");
    }
}
