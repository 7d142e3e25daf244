//! Every metric but CloudWatch's, which are in [`Measure`](super::Measure): its name, labels and meaning.

/// A metric, as Prometheus sees it.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name, without the `_total` that a counter is shown with.
    pub(super) name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

/// What can be done with a metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It is a value of now.
    Gauge,
    /// It counts what was no more than each of some bounds.
    Histogram,
}

impl Metric {
    /// The name that it is asked for by.
    pub fn shown(&self) -> String {
        match self.kind {
            Kind::Counter => format!("{}_total", self.name),
            Kind::Gauge | Kind::Histogram => self.name.to_owned(),
        }
    }
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, help }
}

const NONE: &[&str] = &[];
const TOPIC: &[&str] = &["topic"];
const PARTITION: &[&str] = &["topic", "partition"];
const GROUP: &[&str] = &["consumergroup"];
const GROUP_TOPIC: &[&str] = &["consumergroup", "topic"];
const GROUP_PARTITION: &[&str] = &["consumergroup", "topic", "partition"];

// Broker metrics, as the JMX exporter's rules for Kafka in KRaft mode name them (`kafka-kraft-3_0_0.yml`).

pub(super) const REQUESTS: Metric = counter("kafka_network_requestmetrics_requests", &["request", "version"], "Requests served");
pub(super) const REQUEST_SECONDS: Metric = Metric {
    name: "kafka_network_requestmetrics_totaltime_seconds",
    kind: Kind::Histogram,
    labels: &["request"],
    help: "Time from the whole request to its answer, waiting included",
};
pub(super) const REQUEST_ERRORS: Metric =
    counter("kafka_network_requestmetrics_errors", &["request", "error"], "Errors answered, by Kafka's name of the error");
pub(super) const MESSAGES_IN: Metric = counter("kafka_server_brokertopicmetrics_messagesin", TOPIC, "Records appended");
pub(super) const BYTES_IN: Metric = counter("kafka_server_brokertopicmetrics_bytesin", TOPIC, "Bytes of record batches appended");
pub(super) const BYTES_OUT: Metric = counter(
    "kafka_server_brokertopicmetrics_bytesout",
    TOPIC,
    "Bytes of record batches given to Kafka's readers, and of records given to Kinesis's",
);
pub(super) const CONNECTIONS: Metric =
    gauge("kafka_server_socketservermetrics_connection_count", NONE, "Kafka connections open now");
pub(super) const FAILED_LOGINS: Metric = counter(
    "kafka_server_socketservermetrics_failed_authentication",
    &["mechanism"],
    "Logins of Kafka clients that failed, by SASL mechanism; TLS: handshakes, unsupported: mechanisms that are not offered",
);
pub(super) const PARTITION_COUNT: Metric =
    gauge("kafka_server_replicamanager_partitioncount", NONE, "Partitions that the broker holds");
pub(super) const LEADER_COUNT: Metric = gauge("kafka_server_replicamanager_leadercount", NONE, "Partitions that it leads: all");
pub(super) const UNDER_REPLICATED_COUNT: Metric =
    gauge("kafka_server_replicamanager_underreplicatedpartitions", NONE, "Partitions that lack a replica: none, always 0");
pub(super) const CONTROLLER_COUNT: Metric =
    gauge("kafka_controller_kafkacontroller_activecontrollercount", NONE, "Controllers in charge here: always 1");
pub(super) const OFFLINE_COUNT: Metric =
    gauge("kafka_controller_kafkacontroller_offlinepartitionscount", NONE, "Partitions without a leader: none, always 0");
pub(super) const TOPIC_COUNT: Metric = gauge("kafka_controller_kafkacontroller_globaltopiccount", NONE, "Topics");
pub(super) const GLOBAL_PARTITION_COUNT: Metric =
    gauge("kafka_controller_kafkacontroller_globalpartitioncount", NONE, "Partitions of all topics");

// Topics and groups, as kafka_exporter names them.

pub(super) const BROKERS: Metric = gauge("kafka_brokers", NONE, "Brokers in the cluster");
pub(super) const PARTITIONS: Metric = gauge("kafka_topic_partitions", TOPIC, "Partitions of the topic");
pub(super) const CURRENT_OFFSET: Metric =
    gauge("kafka_topic_partition_current_offset", PARTITION, "The offset that will be written next");
pub(super) const OLDEST_OFFSET: Metric =
    gauge("kafka_topic_partition_oldest_offset", PARTITION, "The first offset that can be read");
pub(super) const LEADER: Metric =
    gauge("kafka_topic_partition_leader", PARTITION, "The id of the broker that leads the partition");
pub(super) const PREFERRED: Metric =
    gauge("kafka_topic_partition_leader_is_preferred", PARTITION, "Whether that is the preferred one: always 1");
pub(super) const REPLICAS: Metric = gauge("kafka_topic_partition_replicas", PARTITION, "Replicas of the partition: always 1");
pub(super) const IN_SYNC: Metric =
    gauge("kafka_topic_partition_in_sync_replica", PARTITION, "Replicas of the partition that are in sync: always 1");
pub(super) const UNDER_REPLICATED: Metric = gauge(
    "kafka_topic_partition_under_replicated_partition",
    PARTITION,
    "Whether the partition lacks a replica: never, always 0",
);
pub(super) const GROUP_MEMBERS: Metric = gauge("kafka_consumergroup_members", GROUP, "Members of the consumer group");
pub(super) const GROUP_OFFSET: Metric =
    gauge("kafka_consumergroup_current_offset", GROUP_PARTITION, "The offset that the group has committed");
pub(super) const GROUP_OFFSET_SUM: Metric = gauge(
    "kafka_consumergroup_current_offset_sum",
    GROUP_TOPIC,
    "The offsets that it has committed, over all partitions of the topic",
);
pub(super) const GROUP_LAG: Metric =
    gauge("kafka_consumergroup_lag", GROUP_PARTITION, "Records between the committed offset and the end of the partition");
pub(super) const GROUP_LAG_SUM: Metric =
    gauge("kafka_consumergroup_lag_sum", GROUP_TOPIC, "The group's lag over all partitions of the topic");
/// Kinesis's idea in kafka_exporter's words; no exporter has it.
pub(super) const GROUP_AGE: Metric = gauge(
    "kafka_consumergroup_iterator_age_milliseconds",
    GROUP_PARTITION,
    "Time since the oldest record that the group has not committed arrived; 0 if there is none",
);

// Our own.

pub(super) const LEFT_OUT: Metric = gauge(
    "shardgate_metrics_series_left_out",
    NONE,
    "Series that are not shown because there are too many of their kind; 0 is good",
);

/// All of them.
pub const METRICS: &[Metric] = &[
    BROKERS,
    PARTITIONS,
    CURRENT_OFFSET,
    OLDEST_OFFSET,
    LEADER,
    PREFERRED,
    REPLICAS,
    IN_SYNC,
    UNDER_REPLICATED,
    GROUP_MEMBERS,
    GROUP_OFFSET,
    GROUP_OFFSET_SUM,
    GROUP_LAG,
    GROUP_LAG_SUM,
    GROUP_AGE,
    REQUESTS,
    REQUEST_SECONDS,
    REQUEST_ERRORS,
    MESSAGES_IN,
    BYTES_IN,
    BYTES_OUT,
    CONNECTIONS,
    FAILED_LOGINS,
    PARTITION_COUNT,
    LEADER_COUNT,
    UNDER_REPLICATED_COUNT,
    CONTROLLER_COUNT,
    OFFLINE_COUNT,
    TOPIC_COUNT,
    GLOBAL_PARTITION_COUNT,
    LEFT_OUT,
];
