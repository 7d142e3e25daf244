//! Every metric: its name and what it means. A counter's name is shown with `_total` at its end.

/// A name and its help text.
pub(super) type Name = (&'static str, &'static str);

// Broker metrics, as the JMX exporter's rules for Kafka in KRaft mode name them (`kafka-kraft-3_0_0.yml`).

/// Labels: request, version.
pub(super) const REQUESTS: Name = ("kafka_network_requestmetrics_requests", "Requests served");
/// Labels: request. In seconds.
pub(super) const REQUEST_SECONDS: Name =
    ("kafka_network_requestmetrics_totaltime_seconds", "Time from the whole request to its answer, waiting included");
/// Labels: request, error.
pub(super) const REQUEST_ERRORS: Name = ("kafka_network_requestmetrics_errors", "Errors answered, by Kafka's name of the error");
/// Labels: topic.
pub(super) const MESSAGES_IN: Name = ("kafka_server_brokertopicmetrics_messagesin", "Records appended");
/// Labels: topic.
pub(super) const BYTES_IN: Name = ("kafka_server_brokertopicmetrics_bytesin", "Bytes of record batches appended");
/// Labels: topic.
pub(super) const BYTES_OUT: Name = ("kafka_server_brokertopicmetrics_bytesout", "Bytes of record batches given to readers");
/// No labels.
pub(super) const CONNECTIONS: Name = ("kafka_server_socketservermetrics_connection_count", "Kafka connections open now");

// Topics and groups, as kafka_exporter names them.

/// No labels.
pub(super) const BROKERS: Name = ("kafka_brokers", "Brokers in the cluster");
/// Labels: topic.
pub(super) const PARTITIONS: Name = ("kafka_topic_partitions", "Partitions of the topic");
/// Labels: topic, partition; so are those of the next four.
pub(super) const CURRENT_OFFSET: Name = ("kafka_topic_partition_current_offset", "The offset that will be written next");
/// The log start offset.
pub(super) const OLDEST_OFFSET: Name = ("kafka_topic_partition_oldest_offset", "The first offset that can be read");
/// A broker id.
pub(super) const LEADER: Name = ("kafka_topic_partition_leader", "The broker that leads the partition");
/// Always 1.
pub(super) const REPLICAS: Name = ("kafka_topic_partition_replicas", "Replicas of the partition");
/// Always 1.
pub(super) const IN_SYNC: Name = ("kafka_topic_partition_in_sync_replica", "Replicas of the partition that are in sync");
/// Labels: consumergroup.
pub(super) const GROUP_MEMBERS: Name = ("kafka_consumergroup_members", "Members of the consumer group");
/// Labels: consumergroup, topic, partition; so are those of the next one.
pub(super) const GROUP_OFFSET: Name = ("kafka_consumergroup_current_offset", "The offset that the group has committed");
/// In records.
pub(super) const GROUP_LAG: Name =
    ("kafka_consumergroup_lag", "Records between the committed offset and the end of the partition");
/// Labels: consumergroup, topic. In records.
pub(super) const GROUP_LAG_SUM: Name = ("kafka_consumergroup_lag_sum", "The group's lag over all partitions of the topic");

// Our own.

/// No labels.
pub(super) const LEFT_OUT: Name =
    ("shardgate_metrics_series_left_out", "Series that are not shown because there are too many of their kind; 0 is good");
