//! **Kafka's words for the log's things.** Topic ⇄ stream, config names ⇄ stream settings, and the refusals that go with them.
//!
//! Pure functions, except for the few with which every API touches the catalog: [`create`], [`create_default`], [`alter`].
//!
//! Left out on purpose: Kafka's rule that `a.b` and `a_b` cannot both exist. It protects names of its metrics; ours are labels.

mod broker_config;
mod group_config;
mod resource;
mod settings;
mod shown;
mod topic_config;

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::BrokerId;

use crate::kafka::auth::Kind;
use crate::kafka::{Config, Door, code, partition};
use crate::log::{self, Stream};
use crate::model::{InvalidName, Settings, StreamName, limits};

pub(crate) use broker_config::{BrokerChange, LASTING, show as show_broker};
pub(crate) use group_config::{alter as alter_group, show as show_group};
pub(crate) use resource::{ResourceType, alter, check_broker};
pub(crate) use settings::{Change, changed, replaced, show as show_topic, with_values};
pub(crate) use shown::{Shown, Synonym};

/// Longest part of a client's own text repeated in an error message, in characters. *Ours.*
const QUOTED_CHARS_MAX: usize = 100;

/// Why a request, or one part of it, is not carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    /// Kafka's code.
    pub(crate) error: ResponseError,
    /// What was refused, the value seen and the values accepted, for a person.
    pub(crate) words: String,
}

impl Refusal {
    /// A refusal with `error`, said in `words`.
    pub(crate) fn new(error: ResponseError, words: impl Into<String>) -> Self {
        Self { error, words: words.into() }
    }

    /// What who may not do something with a resource of this kind is told; not whether there is one.
    pub(crate) fn denied(kind: Kind) -> Self {
        Self::new(kind.denied(), "the access rules do not allow it")
    }

    /// INVALID_CONFIG.
    pub(crate) fn config(words: impl Into<String>) -> Self {
        Self::new(ResponseError::InvalidConfig, words)
    }

    /// INVALID_REQUEST.
    pub(crate) fn request(words: impl Into<String>) -> Self {
        Self::new(ResponseError::InvalidRequest, words)
    }

    /// UNKNOWN_TOPIC_OR_PARTITION for the topic `name`.
    pub(crate) fn unknown_topic(name: &str) -> Self {
        Self::new(ResponseError::UnknownTopicOrPartition, format!("there is no topic {}", quoted(name)))
    }

    /// TOPIC_ALREADY_EXISTS for the topic `name`.
    pub(crate) fn topic_exists(name: &str) -> Self {
        Self::new(ResponseError::TopicAlreadyExists, format!("the topic {} already exists", quoted(name)))
    }
}

impl From<InvalidName> for Refusal {
    fn from(invalid: InvalidName) -> Self {
        Self::new(ResponseError::InvalidTopicException, invalid.to_string())
    }
}

impl From<log::Error> for Refusal {
    fn from(error: log::Error) -> Self {
        match &error {
            log::Error::StreamExists(name) => Self::topic_exists(name.as_str()),
            _ => Self::new(code::of(&error), error.to_string()),
        }
    }
}

/// What of `text` a message repeats: in quotes, control characters escaped, long texts cut.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// The names that occur more than once; Kafka refuses each of their occurrences.
pub(crate) fn repeated<T: Ord>(names: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut names: Vec<T> = names.into_iter().collect();
    names.sort_unstable();
    let mut repeated = BTreeSet::new();
    let mut names = names.into_iter().peekable();
    while let Some(name) = names.next() {
        if names.peek() == Some(&name) {
            repeated.insert(name);
        }
    }
    repeated
}

/// Whether no config is named twice; INVALID_REQUEST if one is.
pub(crate) fn check_once<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<(), Refusal> {
    match repeated(names).first() {
        None => Ok(()),
        Some(name) => Err(Refusal::request(format!("the config {} is there more than once", quoted(name)))),
    }
}

/// How many lanes the partition count of a request means.
///
/// `words` names the count in the refusal (INVALID_PARTITIONS): "the number of partitions of the topic".
pub(crate) fn lanes(count: i32, words: &str) -> Result<u32, Refusal> {
    match u32::try_from(count) {
        Ok(lanes @ 1..=limits::SHARDS_MAX) => Ok(lanes),
        _ => Err(Refusal::new(
            ResponseError::InvalidPartitions,
            format!("{words} is {count}; 1 to {} are accepted", limits::SHARDS_MAX),
        )),
    }
}

/// Whether each partition is assigned to this node and to nothing else; INVALID_REPLICA_ASSIGNMENT if not.
///
/// Kafka places replicas by such a list; here durability is the log's business and one replica is all there is to place.
pub(crate) fn check_replicas<'a>(node_id: i32, partitions: impl IntoIterator<Item = &'a [BrokerId]>) -> Result<(), Refusal> {
    match partitions.into_iter().find(|brokers| *brokers != [BrokerId(node_id)]) {
        None => Ok(()),
        Some(brokers) => {
            let seen: Vec<i32> = brokers.iter().take(16).map(|broker| broker.0).collect();
            Err(Refusal::new(
                ResponseError::InvalidReplicaAssignment,
                format!(
                    "a partition is assigned to brokers {seen:?}; this cluster has one broker, so only [{node_id}] is accepted"
                ),
            ))
        }
    }
}

/// Whether `cluster` is this one, if it is named; INCONSISTENT_CLUSTER_ID if it is not.
pub(crate) fn check_cluster(config: &Config, cluster: Option<&str>) -> Result<(), Refusal> {
    match cluster.filter(|cluster| *cluster != config.cluster_id) {
        None => Ok(()),
        Some(other) => Err(Refusal::new(
            ResponseError::InconsistentClusterId,
            format!("the cluster id is {}; that of this cluster is {}", quoted(other), config.cluster_id),
        )),
    }
}

/// The stream of the topic `name`.
pub(crate) fn topic(door: &Door, name: &str) -> Result<Arc<Stream>, Refusal> {
    partition::topic(&door.log, name).ok_or_else(|| Refusal::unknown_topic(name))
}

/// Creates a topic. Every way to a new topic ends here.
pub(crate) async fn create(door: &Door, name: StreamName, lanes: u32, settings: Settings) -> Result<Arc<Stream>, Refusal> {
    warn_of_compaction(&name, &Settings::default(), &settings);
    Ok(door.log.create_stream(name, lanes, settings).await?)
}

/// The topic `name`, created with the defaults if nobody else creates it at the same time (Metadata's automatic creation).
///
/// # Errors
/// INVALID_TOPIC_EXCEPTION; the log's own errors. UNKNOWN_TOPIC_OR_PARTITION, which clients retry, if the topic was created and
/// deleted by others meanwhile.
pub(crate) async fn create_default(door: &Door, name: &str) -> Result<Arc<Stream>, ResponseError> {
    let stream_name = StreamName::new(name).map_err(|_| ResponseError::InvalidTopicException)?;
    match create(door, stream_name, door.config.default_partitions, Settings::default()).await {
        Err(Refusal { error: ResponseError::TopicAlreadyExists, .. }) => topic(door, name),
        created => created,
    }
    .map_err(|refusal| refusal.error)
}

/// Says in the program's log that compaction was asked for and will not happen.
fn warn_of_compaction(name: &StreamName, before: &Settings, after: &Settings) {
    if after.keys_required && !before.keys_required {
        tracing::warn!(
            topic = %name,
            retention_hours = after.retention_hours,
            "cleanup.policy=compact is stored and shown but never carried out: records stay until their retention ends"
        );
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The set-up that the tests of this door's admin APIs share.
    pub(crate) fn config() -> Config {
        Config {
            node_id: 7,
            cluster_id: "0123456789012345678901".to_owned(),
            arn_prefix: "arn:aws:kinesis:us-east-1:000000000000:stream/".to_owned(),
            default_partitions: 3,
            log_dir: "/data".to_owned(),
            auto_create_topics: false,
            frame_bytes_max: 1_000,
            frames_in_flight_bytes_max: 2_000,
            connections_max: 5,
            initial_rebalance_delay: std::time::Duration::from_secs(2),
            offsets_retention: std::time::Duration::from_secs(7 * 86_400),
            security: crate::kafka::Security::default(),
        }
    }

    #[test]
    fn a_long_text_is_cut_in_messages() {
        assert_eq!(quoted("a\nb"), r#""a\nb""#);
        let cut = quoted(&"ä".repeat(QUOTED_CHARS_MAX + 1));
        assert_eq!(cut, format!("\"{}\"…", "ä".repeat(QUOTED_CHARS_MAX)));
    }

    #[test]
    fn only_names_that_occur_twice_are_repeated() {
        assert_eq!(repeated(["b", "a", "b", "c", "b"]).into_iter().collect::<Vec<_>>(), ["b"]);
        assert!(repeated::<&str>([]).is_empty());
    }

    #[test]
    fn a_partition_count_is_one_to_the_shards_of_a_stream() {
        assert_eq!(lanes(1, "n"), Ok(1));
        assert_eq!(lanes(limits::SHARDS_MAX as i32, "n"), Ok(limits::SHARDS_MAX));
        for wrong in [0, -1, -2, i32::MIN, limits::SHARDS_MAX as i32 + 1, i32::MAX] {
            let refusal = lanes(wrong, "the number of partitions").unwrap_err();
            assert_eq!(refusal.error, ResponseError::InvalidPartitions);
            assert_eq!(refusal.words, format!("the number of partitions is {wrong}; 1 to 10000 are accepted"));
        }
    }

    #[test]
    fn only_this_broker_can_be_assigned_to() {
        let (own, other) = (BrokerId(3), BrokerId(1));
        assert_eq!(check_replicas(3, [[own].as_slice(), &[own]]), Ok(()));
        for wrong in [[].as_slice(), &[other], &[own, own], &[own, other]] {
            let refusal = check_replicas(3, [[own].as_slice(), wrong]).unwrap_err();
            assert_eq!(refusal.error, ResponseError::InvalidReplicaAssignment);
            assert!(refusal.words.contains("only [3]"), "{}", refusal.words);
        }
    }
}
