//! What doors tell as things happen.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::snapshot::{self, Snapshot, TOPICS_MAX};
use super::{cloudwatch, name};

/// Requests and errors told apart. *Ours*: 90 APIs of up to 20 versions, or of a few errors each, are fewer.
const KINDS_MAX: usize = 2_000;

/// The meters of one gateway. Clones are handles to the same ones.
///
/// What is asked for by name is found under a read lock without an allocation, and counted without a lock.
#[derive(Clone)]
pub struct Meter {
    shared: Arc<Shared>,
}

/// Counts a connection for as long as it lives.
pub struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Everything that is measured, as Prometheus reads it.
pub struct Scraped {
    /// The `Content-Type` of `text`.
    pub content_type: &'static str,
    /// The metrics.
    pub text: String,
}

struct Shared {
    registry: Registry,
    requests: Family<OfVersion, Counter>,
    request_seconds: Family<OfRequest, Histogram, Buckets>,
    errors: Family<OfError, Counter>,
    messages_in: Family<OfTopic, Counter>,
    bytes_in: Family<OfTopic, Counter>,
    bytes_out: Family<OfTopic, Counter>,
    connections: Gauge,
    failed_logins: Family<OfLogin, Counter>,
    by_version: RwLock<HashMap<(&'static str, i16), RequestMeter>>,
    by_error: RwLock<HashMap<(&'static str, i16), Counter>>,
    by_topic: RwLock<HashMap<Box<str>, TopicMeter>>,
    left_out: AtomicUsize,
}

struct RequestMeter {
    requests: Counter,
    seconds: Histogram,
}

struct TopicMeter {
    messages_in: Counter,
    bytes_in: Counter,
    bytes_out: Counter,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfVersion {
    request: &'static str,
    version: i64,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfRequest {
    request: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfError {
    request: &'static str,
    error: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfTopic {
    topic: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfLogin {
    mechanism: &'static str,
}

/// In seconds: from a commit in memory to a join that waits for others.
const BUCKETS: [f64; 16] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

#[derive(Clone)]
struct Buckets;

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(BUCKETS)
    }
}

impl Default for Meter {
    fn default() -> Self {
        let mut shared = Shared {
            registry: Registry::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(Buckets),
            errors: Family::default(),
            messages_in: Family::default(),
            bytes_in: Family::default(),
            bytes_out: Family::default(),
            connections: Gauge::default(),
            failed_logins: Family::default(),
            by_version: RwLock::default(),
            by_error: RwLock::default(),
            by_topic: RwLock::default(),
            left_out: AtomicUsize::new(0),
        };
        let registry = &mut shared.registry;
        registry.register(name::REQUESTS.name, name::REQUESTS.help, shared.requests.clone());
        registry.register(name::REQUEST_SECONDS.name, name::REQUEST_SECONDS.help, shared.request_seconds.clone());
        registry.register(name::REQUEST_ERRORS.name, name::REQUEST_ERRORS.help, shared.errors.clone());
        registry.register(name::MESSAGES_IN.name, name::MESSAGES_IN.help, shared.messages_in.clone());
        registry.register(name::BYTES_IN.name, name::BYTES_IN.help, shared.bytes_in.clone());
        registry.register(name::BYTES_OUT.name, name::BYTES_OUT.help, shared.bytes_out.clone());
        registry.register(name::CONNECTIONS.name, name::CONNECTIONS.help, shared.connections.clone());
        registry.register(name::FAILED_LOGINS.name, name::FAILED_LOGINS.help, shared.failed_logins.clone());
        Self { shared: Arc::new(shared) }
    }
}

impl Meter {
    /// A request of an API was served, in whatever way, `took` after it was there.
    pub fn request(&self, api: &'static str, version: i16, took: Duration) {
        let Shared { requests, request_seconds, by_version, .. } = &*self.shared;
        let count = |meter: &RequestMeter| {
            meter.requests.inc();
            meter.seconds.observe(took.as_secs_f64());
        };
        self.counted(by_version, (api, version), count, || {
            let labels = OfVersion { request: api, version: version.into() };
            let seconds = request_seconds.get_or_create_owned(&OfRequest { request: api });
            RequestMeter { requests: requests.get_or_create_owned(&labels), seconds }
        });
    }

    /// A request of an API, or a part of it, was answered with an error: its Kafka code, and its Kafka name.
    pub fn error(&self, api: &'static str, code: i16, name: impl FnOnce() -> String) {
        let Shared { errors, by_error, .. } = &*self.shared;
        let count = |errors: &Counter| {
            errors.inc();
        };
        self.counted(by_error, (api, code), count, || errors.get_or_create_owned(&OfError { request: api, error: name() }));
    }

    /// Batches were appended to the topic, which exists: their records, and their size.
    pub fn produced(&self, topic: &str, records: u64, bytes: u64) {
        self.on_topic(topic, |topic| {
            topic.messages_in.inc_by(records);
            topic.bytes_in.inc_by(bytes);
        });
    }

    /// Batches of the topic, which exists, were given to a reader: their size.
    pub fn fetched(&self, topic: &str, bytes: u64) {
        self.on_topic(topic, |topic| {
            topic.bytes_out.inc_by(bytes);
        });
    }

    /// A Kafka connection is open, until what this returns is dropped.
    pub fn connection(&self) -> OpenConnection {
        self.shared.connections.inc();
        OpenConnection(self.shared.connections.clone())
    }

    /// A login of a Kafka client failed: with this mechanism, one of a few.
    pub fn login_failed(&self, mechanism: &'static str) {
        self.shared.failed_logins.get_or_create_owned(&OfLogin { mechanism }).inc();
    }

    /// Everything that was counted, and `snapshot`, whose topics are in the order of their names. Topics that are not in it are
    /// forgotten.
    pub fn scrape(&self, snapshot: &Snapshot) -> Scraped {
        self.forget_others(snapshot);
        let mut text = String::new();
        // Writing to a string fails only if a label cannot be formatted, and ours are texts and numbers.
        let written = encode_registry(&mut text, &self.shared.registry).and_then(|()| {
            let left_out = snapshot::write(snapshot, &mut text)? + cloudwatch::write(&snapshot.streams, &mut text)?;
            let left_out = left_out + self.shared.left_out.load(Ordering::Relaxed);
            snapshot::write_one(name::LEFT_OUT, left_out, &mut text)?;
            encode_eof(&mut text)
        });
        if let Err(error) = written {
            tracing::error!(%error, "the metrics could not be written");
        }
        Scraped { content_type: "application/openmetrics-text; version=1.0.0; charset=utf-8", text }
    }

    /// Counts on the meter of `key`, which is made at its first use unless there are too many.
    fn counted<M>(
        &self,
        meters: &RwLock<HashMap<(&'static str, i16), M>>,
        key: (&'static str, i16),
        count: impl FnOnce(&M),
        make: impl FnOnce() -> M,
    ) {
        if let Some(meter) = meters.read().get(&key) {
            return count(meter);
        }
        let mut meters = meters.write();
        if meters.len() < KINDS_MAX || meters.contains_key(&key) {
            count(meters.entry(key).or_insert_with(make));
        } else {
            self.shared.left_out.store(1, Ordering::Relaxed);
        }
    }

    fn on_topic(&self, topic: &str, count: impl FnOnce(&TopicMeter)) {
        if let Some(meter) = self.shared.by_topic.read().get(topic) {
            return count(meter);
        }
        let mut meters = self.shared.by_topic.write();
        if meters.len() >= TOPICS_MAX && !meters.contains_key(topic) {
            // The snapshot says how many topics are left out.
            return;
        }
        count(meters.entry(topic.into()).or_insert_with(|| {
            let labels = OfTopic { topic: topic.to_owned() };
            TopicMeter {
                messages_in: self.shared.messages_in.get_or_create_owned(&labels),
                bytes_in: self.shared.bytes_in.get_or_create_owned(&labels),
                bytes_out: self.shared.bytes_out.get_or_create_owned(&labels),
            }
        }));
    }

    fn forget_others(&self, snapshot: &Snapshot) {
        let known: HashSet<&str> = snapshot.topics.iter().map(|topic| topic.name.as_str()).collect();
        let mut meters = self.shared.by_topic.write();
        let gone: Vec<_> = meters.extract_if(|topic, _| !known.contains(&**topic)).map(|(topic, _)| topic).collect();
        for topic in gone {
            let labels = OfTopic { topic: topic.into() };
            for family in [&self.shared.messages_in, &self.shared.bytes_in, &self.shared.bytes_out] {
                family.remove(&labels);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{GroupOffset, GroupState, LaneState, METRICS, Metric, TopicState};

    fn topic(name: &str, tips: &[i64]) -> TopicState {
        let lanes = tips.iter().map(|&tip| LaneState { horizon: 1, tip }).collect();
        TopicState { name: name.to_owned(), lanes }
    }

    fn has(text: &str, line: &str) {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }

    #[test]
    fn what_was_counted_is_shown_under_kafkas_names() {
        let meter = Meter::default();
        meter.request("Produce", 9, Duration::from_micros(100));
        meter.request("Produce", 9, Duration::from_secs(1));
        meter.error("Produce", 3, || "UNKNOWN_TOPIC_OR_PARTITION".to_owned());
        meter.produced("orders", 10, 1_000);
        meter.fetched("orders", 500);
        let _open = meter.connection();
        drop(meter.connection());
        let Scraped { text, .. } = meter.scrape(&Snapshot { topics: vec![topic("orders", &[11])], ..Snapshot::default() });
        for line in [
            "kafka_network_requestmetrics_requests_total{request=\"Produce\",version=\"9\"} 2",
            "kafka_network_requestmetrics_totaltime_seconds_count{request=\"Produce\"} 2",
            "kafka_network_requestmetrics_errors_total{request=\"Produce\",error=\"UNKNOWN_TOPIC_OR_PARTITION\"} 1",
            "kafka_server_brokertopicmetrics_messagesin_total{topic=\"orders\"} 10",
            "kafka_server_brokertopicmetrics_bytesin_total{topic=\"orders\"} 1000",
            "kafka_server_brokertopicmetrics_bytesout_total{topic=\"orders\"} 500",
            "kafka_server_socketservermetrics_connection_count 1",
            "shardgate_metrics_series_left_out 0",
            "# EOF",
        ] {
            has(&text, line);
        }
    }

    #[test]
    fn offsets_and_lags_are_those_of_kafka_exporter() {
        let offset = |topic: &str, partition, offset, age: Option<u64>| GroupOffset {
            topic: topic.to_owned(),
            partition,
            offset,
            age: age.map(Duration::from_millis),
        };
        let offsets = vec![
            offset("orders", 0, 4, Some(1_500)),
            offset("orders", 1, 25, Some(0)),
            offset("orders", 2, 1, None),
            offset("gone", 0, 7, None),
        ];
        let groups = vec![GroupState { name: "billing".to_owned(), members: 2, offsets }];
        let topics = vec![topic("clicks", &[]), topic("orders", &[10, 20, 1])];
        let snapshot = Snapshot { node_id: 5, topics, groups, ..Snapshot::default() };
        let Scraped { text, .. } = Meter::default().scrape(&snapshot);
        for line in [
            "kafka_brokers 1",
            "kafka_topic_partitions{topic=\"orders\"} 3",
            "kafka_topic_partition_current_offset{topic=\"orders\",partition=\"1\"} 20",
            "kafka_topic_partition_oldest_offset{topic=\"orders\",partition=\"1\"} 1",
            "kafka_topic_partition_leader{topic=\"orders\",partition=\"0\"} 5",
            "kafka_topic_partition_in_sync_replica{topic=\"orders\",partition=\"0\"} 1",
            "kafka_topic_partition_leader_is_preferred{topic=\"orders\",partition=\"0\"} 1",
            "kafka_topic_partition_under_replicated_partition{topic=\"orders\",partition=\"0\"} 0",
            "kafka_server_replicamanager_partitioncount 3",
            "kafka_controller_kafkacontroller_globaltopiccount 2",
            "kafka_controller_kafkacontroller_activecontrollercount 1",
            "kafka_consumergroup_current_offset_sum{consumergroup=\"billing\",topic=\"orders\"} 30",
            "kafka_consumergroup_iterator_age_milliseconds{consumergroup=\"billing\",topic=\"orders\",partition=\"0\"} 1500",
            "kafka_consumergroup_iterator_age_milliseconds{consumergroup=\"billing\",topic=\"orders\",partition=\"1\"} 0",
            // One age is not known.
            "shardgate_metrics_series_left_out 1",
            "kafka_consumergroup_members{consumergroup=\"billing\"} 2",
            "kafka_consumergroup_current_offset{consumergroup=\"billing\",topic=\"orders\",partition=\"0\"} 4",
            "kafka_consumergroup_lag{consumergroup=\"billing\",topic=\"orders\",partition=\"0\"} 6",
            "kafka_consumergroup_lag{consumergroup=\"billing\",topic=\"orders\",partition=\"1\"} 0",
            "kafka_consumergroup_lag_sum{consumergroup=\"billing\",topic=\"orders\"} 6",
        ] {
            has(&text, line);
        }
        assert!(!text.contains("kafka_consumergroup_lag{consumergroup=\"billing\",topic=\"gone\""));
    }

    #[test]
    fn the_table_has_what_is_shown_and_nothing_else() {
        let meter = Meter::default();
        meter.request("Produce", 9, Duration::ZERO);
        meter.error("Produce", 3, || "UNKNOWN_TOPIC_OR_PARTITION".to_owned());
        meter.produced("orders", 1, 1);
        meter.fetched("orders", 1);
        meter.login_failed("PLAIN");
        let offset = GroupOffset { topic: "orders".to_owned(), partition: 0, offset: 1, age: Some(Duration::ZERO) };
        let groups = vec![GroupState { name: "billing".to_owned(), members: 1, offsets: vec![offset] }];
        let topics = vec![topic("orders", &[2])];
        let Scraped { text, .. } = meter.scrape(&Snapshot { topics, groups, ..Snapshot::default() });
        let mut shown: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        let line = |metric: &Metric| format!("{} {}", metric.name, format!("{:?}", metric.kind).to_lowercase());
        let mut table: Vec<_> = METRICS.iter().map(line).collect();
        shown.sort_unstable();
        table.sort_unstable();
        assert_eq!(shown, table);
        for metric in METRICS {
            let has_labels = |line: &str| {
                let labels = line.split('{').nth(1).unwrap_or_default();
                metric.labels.iter().all(|label| labels.contains(&format!("{label}=\"")))
            };
            let of_it = |line: &&str| line.starts_with(&metric.shown()) && !line.starts_with('#');
            assert!(text.lines().filter(of_it).any(has_labels), "{} has other labels in\n{text}", metric.name);
        }
    }

    #[test]
    fn a_topic_that_is_gone_is_forgotten() {
        let meter = Meter::default();
        meter.produced("orders", 1, 1);
        let Scraped { text, .. } = meter.scrape(&Snapshot::default());
        assert!(!text.contains("orders"), "{text}");
        meter.produced("orders", 1, 1);
        let Scraped { text, .. } = meter.scrape(&Snapshot { topics: vec![topic("orders", &[1])], ..Snapshot::default() });
        has(&text, "kafka_server_brokertopicmetrics_messagesin_total{topic=\"orders\"} 1");
    }

    #[test]
    fn more_kinds_than_there_may_be_are_only_reported() {
        let meter = Meter::default();
        for version in 0..=KINDS_MAX as i16 {
            meter.request("ApiVersions", version, Duration::ZERO);
        }
        let Scraped { text, .. } = meter.scrape(&Snapshot::default());
        has(&text, "shardgate_metrics_series_left_out 1");
        assert_eq!(
            text.lines().filter(|line| line.starts_with("kafka_network_requestmetrics_requests_total")).count(),
            KINDS_MAX
        );
    }

    #[test]
    fn more_partitions_than_there_may_be_are_only_counted() {
        let Scraped { text, .. } =
            Meter::default().scrape(&Snapshot { topics: vec![topic("orders", &[1; 20_003])], ..Snapshot::default() });
        has(&text, "shardgate_metrics_series_left_out 3");
    }
}
