//! The broker configs that tools read: consoles, kafka-configs, Connect and Streams.
//!
//! Most are read-only: a gateway is set up when it is started, and what can change later belongs to a topic. The profile of limits
//! can be changed while the gateway runs, and is as `--limits` says after the next start. How often records are forced to the
//! disk can be set for good: each is there before it is acknowledged, so whatever is asked for holds. Besides these, each topic
//! config's default is shown under the broker's name for it (`log.retention.ms` for `retention.ms`), and so is each group config's
//! (`group.share.session.timeout.ms` for `share.session.timeout.ms`).
//!
//! The other `group.*` values and `offset.metadata.max.bytes` are those of `kafka::group`, which nobody can change yet.
//!
//! Left out on purpose: the configs of what does not exist here (replication, cleaner, controller quorum, TLS stores), and
//! `inter.broker.protocol.version`, which Kafka removed in 4.0.

use super::settings::default_value;
use super::shown::{Kind, Shown, Source, Synonym};
use super::{Refusal, group_config, quoted, topic_config};
use crate::kafka::broker::Values;
use crate::kafka::group_configs::CONFIGS;
use crate::kafka::{Config, group, share};
use crate::model::{Limits, Settings};

/// Name of the limits in force.
pub(super) const LIMITS_PROFILE: &str = "kinesis.limits.profile";

/// The configs that can be set for good, in name order. Nothing is steered by them.
pub(crate) const LASTING: [&str; 2] = ["log.flush.interval.messages", "log.flush.interval.ms"];

/// What a broker config's value is computed from.
struct Seen<'a> {
    config: &'a Config,
    limits: Limits,
    /// How and where the client reaches the broker.
    protocol: &'a str,
    host: &'a str,
    port: u16,
}

/// What a broker config is.
struct BrokerConfig {
    name: &'static str,
    kind: Kind,
    /// The option of `shardgate serve` that sets it, if one does.
    option: Option<&'static str>,
    value: fn(&Seen<'_>) -> String,
    documentation: &'static str,
}

/// Every broker config that is not the default of a topic config.
const TABLE: &[BrokerConfig] = &[
    BrokerConfig {
        name: "advertised.listeners",
        kind: Kind::String,
        option: Some("--advertised-listener"),
        value: listener,
        documentation: "The address told to clients. Without an advertised one it is the address their own connection arrived at.",
    },
    BrokerConfig {
        name: "auto.create.topics.enable",
        kind: Kind::Boolean,
        option: Some("--auto-create-topics"),
        value: |seen| seen.config.auto_create_topics.to_string(),
        documentation: "Whether a topic that a client asks for is created when it is missing.",
    },
    BrokerConfig {
        name: "broker.id",
        kind: Kind::Int,
        option: Some("--node-id"),
        value: |seen| seen.config.node_id.to_string(),
        documentation: "The id of this broker; the same as node.id.",
    },
    BrokerConfig {
        name: "default.replication.factor",
        kind: Kind::Int,
        option: None,
        value: |_| "1".to_owned(),
        documentation: "Replicas of a new topic. Always one: durability is the log's business. Requests for more are accepted.",
    },
    BrokerConfig {
        name: "delete.topic.enable",
        kind: Kind::Boolean,
        option: None,
        value: |_| "true".to_owned(),
        documentation: "Whether topics can be deleted.",
    },
    BrokerConfig {
        name: "group.consumer.max.size",
        kind: Kind::Int,
        option: None,
        value: |_| group::GROUP_SIZE_MAX.to_string(),
        documentation: "Members in one group of the consumer protocol.",
    },
    BrokerConfig {
        name: "group.initial.rebalance.delay.ms",
        kind: Kind::Int,
        option: Some("--initial-rebalance-delay"),
        value: |seen| seen.config.initial_rebalance_delay.as_millis().to_string(),
        documentation: "How long an empty group waits for more members before its first generation.",
    },
    BrokerConfig {
        name: "group.max.session.timeout.ms",
        kind: Kind::Int,
        option: None,
        value: |_| "1800000".to_owned(),
        documentation: "Longest session timeout a member of a group may ask for.",
    },
    BrokerConfig {
        name: "group.max.size",
        kind: Kind::Int,
        option: None,
        value: |_| group::GROUP_SIZE_MAX.to_string(),
        documentation: "Members in one group of the classic protocol.",
    },
    BrokerConfig {
        name: "group.min.session.timeout.ms",
        kind: Kind::Int,
        option: None,
        value: |_| "6000".to_owned(),
        documentation: "Shortest session timeout a member of a group may ask for.",
    },
    BrokerConfig {
        name: "group.share.max.size",
        kind: Kind::Int,
        option: None,
        value: |_| share::GROUP_SIZE_MAX.to_string(),
        documentation: "Members in one share group.",
    },
    BrokerConfig {
        name: "group.streams.max.size",
        kind: Kind::Int,
        option: None,
        value: |_| group::GROUP_SIZE_MAX.to_string(),
        documentation: "Members in one group of the streams protocol.",
    },
    BrokerConfig {
        name: LIMITS_PROFILE,
        kind: Kind::String,
        option: Some("--limits"),
        value: |seen| seen.limits.to_string(),
        documentation: "What shards carry: kinesis (1 MiB and 1,000 records a second in, 2 MiB out), a part or multiple of that such as \
                        kinesis:50%, or off. Until the next start.",
    },
    BrokerConfig {
        name: "listeners",
        kind: Kind::String,
        option: Some("--kafka-listener"),
        value: listener,
        documentation: "The address of the Kafka door, as this client reaches it.",
    },
    BrokerConfig {
        name: "log.dir",
        kind: Kind::String,
        option: Some("--data-dir"),
        value: |seen| seen.config.log_dir.clone(),
        documentation: "The data directory; the same as log.dirs.",
    },
    BrokerConfig {
        name: "log.dirs",
        kind: Kind::String,
        option: Some("--data-dir"),
        value: |seen| seen.config.log_dir.clone(),
        documentation: "The data directory.",
    },
    BrokerConfig {
        name: "log.retention.hours",
        kind: Kind::Int,
        option: None,
        value: |_| Settings::default().retention_hours.to_string(),
        documentation: "Retention, in hours, of a topic without retention.ms.",
    },
    BrokerConfig {
        name: "max.connections",
        kind: Kind::Int,
        option: None,
        value: |seen| seen.config.connections_max.to_string(),
        documentation: "Connections at once; further ones are closed.",
    },
    BrokerConfig {
        name: "node.id",
        kind: Kind::Int,
        option: Some("--node-id"),
        value: |seen| seen.config.node_id.to_string(),
        documentation: "The id of this broker.",
    },
    BrokerConfig {
        name: "num.partitions",
        kind: Kind::Int,
        option: Some("--default-partitions"),
        value: |seen| seen.config.default_partitions.to_string(),
        documentation: "Partitions of a topic created without a number.",
    },
    BrokerConfig {
        name: "offset.metadata.max.bytes",
        kind: Kind::Int,
        option: None,
        value: |_| "4096".to_owned(),
        documentation: "Bytes of the text that a client may keep with a committed offset.",
    },
    BrokerConfig {
        name: "offsets.retention.minutes",
        kind: Kind::Int,
        option: None,
        value: |seen| (seen.config.offsets_retention.as_secs() / 60).to_string(),
        documentation: "How long a group without members keeps its committed offsets, in minutes.",
    },
    BrokerConfig {
        name: "process.roles",
        kind: Kind::List,
        option: None,
        value: |_| "broker,controller".to_owned(),
        documentation: "What this process does: everything, since it is the whole cluster.",
    },
    BrokerConfig {
        name: "queued.max.request.bytes",
        kind: Kind::Long,
        option: None,
        value: |seen| seen.config.frames_in_flight_bytes_max.to_string(),
        documentation: "Bytes of requests in memory at once, all connections together; reading waits beyond it.",
    },
    BrokerConfig {
        name: "socket.request.max.bytes",
        kind: Kind::Int,
        option: None,
        value: |seen| seen.config.frame_bytes_max.to_string(),
        documentation: "Largest request in bytes; the connection that sends a larger one is closed.",
    },
];

fn listener(seen: &Seen<'_>) -> String {
    // An IPv6 address needs brackets before a port.
    match seen.host.contains(':') {
        true => format!("{}://[{}]:{}", seen.protocol, seen.host, seen.port),
        false => format!("{}://{}:{}", seen.protocol, seen.host, seen.port),
    }
}

/// Every broker config in name order, with what is `set`, as seen by a client that reaches the broker by `protocol` at `host` and
/// `port`.
pub(crate) fn show(config: &Config, limits: Limits, set: &Values, (protocol, host, port): (&str, &str, u16)) -> Vec<Shown> {
    let seen = Seen { config, limits, protocol, host, port };
    let own = TABLE.iter().map(|broker| {
        let source = if broker.option.is_some() { Source::Start } else { Source::Default };
        shown(broker.name, (broker.value)(&seen), broker.kind, source, broker.documentation)
    });
    let topics = topic_config::TABLE.iter().filter_map(|topic| {
        let value = default_value(topic, &Settings::default());
        let default = shown(topic.broker_name?, value, topic.kind, Source::Default, topic.documentation);
        Some(match set.get(default.name) {
            Some(value) => overridden(default, value),
            None => default,
        })
    });
    let groups = CONFIGS.iter().filter_map(|group| {
        let (value, kind) = (group.default.to_owned(), group_config::kind(group.values));
        Some(shown(group.broker_name?, value, kind, Source::Default, group.documentation))
    });
    let mut all: Vec<Shown> = own.chain(topics).chain(groups).collect();
    all.sort_unstable_by_key(|shown| shown.name);
    all
}

fn shown(name: &'static str, value: String, kind: Kind, source: Source, documentation: &'static str) -> Shown {
    let synonyms = vec![Synonym { name, value: value.clone(), source }];
    let read_only = name != LIMITS_PROFILE && !LASTING.contains(&name);
    Shown { name, value, kind, read_only, source, synonyms, documentation }
}

/// A config that a request has given another value.
fn overridden(mut shown: Shown, value: &str) -> Shown {
    shown.synonyms.insert(0, Synonym { name: shown.name, value: value.to_owned(), source: Source::Broker });
    Shown { value: value.to_owned(), source: Source::Broker, ..shown }
}

/// What a request wants to do with a broker's config.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BrokerChange<'a> {
    /// Set it, or give it its value at the start again.
    Set(Option<&'a str>),
    /// Append to it, or subtract from it.
    Extend,
}

/// What a change of a broker's config comes to.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Wanted {
    /// These limits are to be in force, or those of the start.
    Limits(Option<Limits>),
    /// This one of [`LASTING`] is to have this value, or its default.
    Lasting(&'static str, Option<String>),
}

/// What a change of the broker config `name` comes to.
///
/// # Errors
/// INVALID_REQUEST if the config cannot be changed, INVALID_CONFIG if the value is not accepted.
pub(super) fn changed(name: &str, change: BrokerChange<'_>) -> Result<Wanted, Refusal> {
    let lasting = LASTING.into_iter().find(|lasting| *lasting == name);
    if lasting.is_none() && name != LIMITS_PROFILE {
        return Err(refuse(name));
    }
    let BrokerChange::Set(value) = change else {
        return Err(Refusal::config(format!("{name} is no list, so nothing can be appended or subtracted")));
    };
    match lasting.and_then(|name| Some((name, topic_config::TABLE.iter().find(|topic| topic.broker_name == Some(name))?))) {
        Some((name, topic)) => Ok(Wanted::Lasting(name, value.map(|value| topic.accept(value)).transpose()?)),
        None => {
            let wrong = |value: &str, accepted| Refusal::config(format!("{name} is {}; {accepted}", quoted(value)));
            let limits = value.map(|value| value.trim().parse().map_err(|accepted| wrong(value, accepted)));
            Ok(Wanted::Limits(limits.transpose()?))
        }
    }
}

/// Why the broker config `name` cannot be set by a request, and what sets it instead (INVALID_REQUEST).
fn refuse(name: &str) -> Refusal {
    let topic = topic_config::TABLE.iter().find(|topic| topic.broker_name == Some(name));
    let group = CONFIGS.iter().find(|group| group.broker_name == Some(name));
    let instead = match (TABLE.iter().find(|broker| broker.name == name), topic, group) {
        (Some(BrokerConfig { option: Some(option), .. }), ..) => format!("start shardgate with {option} instead"),
        (_, Some(topic), _) => format!("set {} on a topic instead", topic.name),
        (.., Some(group)) => format!("set {} on a group instead", group.name),
        _ => "shardgate serve --help lists what can be set at the start".to_owned(),
    };
    Refusal::request(format!("the broker config {} cannot be changed by a request; {instead}", quoted(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::translate::tests::config;

    #[test]
    fn what_tools_read_is_there_with_its_real_value() {
        let all = show(&config(), Limits::kinesis(), &Values::new(), ("SSL", "::1", 9092));
        for (name, value) in [
            ("advertised.listeners", "SSL://[::1]:9092"),
            ("auto.create.topics.enable", "false"),
            ("broker.id", "7"),
            ("compression.type", "producer"),
            ("default.replication.factor", "1"),
            ("delete.topic.enable", "true"),
            ("group.consumer.assignment.interval.ms", "1000"),
            ("group.consumer.max.size", "10000"),
            ("group.initial.rebalance.delay.ms", "2000"),
            ("group.max.session.timeout.ms", "1800000"),
            ("group.max.size", "10000"),
            ("group.share.max.size", "200"),
            ("group.share.record.lock.duration.ms", "30000"),
            ("group.streams.assignors", "sticky"),
            ("group.streams.max.size", "10000"),
            ("group.min.session.timeout.ms", "6000"),
            ("log.cleanup.policy", "delete"),
            ("kinesis.limits.profile", "kinesis"),
            ("log.dirs", "/data"),
            ("log.retention.hours", "24"),
            ("log.retention.ms", "86400000"),
            ("message.max.bytes", "1048588"),
            ("min.insync.replicas", "1"),
            ("node.id", "7"),
            ("num.partitions", "3"),
            ("offsets.retention.minutes", "10080"),
            ("queued.max.request.bytes", "2000"),
            ("socket.request.max.bytes", "1000"),
        ] {
            let found: Vec<_> = all.iter().filter(|shown| shown.name == name).collect();
            assert_eq!(found.len(), 1, "{name}");
            assert_eq!(found[0].value, value, "{name}");
        }
    }

    #[test]
    fn every_broker_config_is_documented_and_named_once_and_few_can_be_changed() {
        let all = show(&config(), Limits::off(), &Values::new(), ("PLAINTEXT", "localhost", 1));
        for pair in all.windows(2) {
            assert!(pair[0].name < pair[1].name, "{} {}", pair[0].name, pair[1].name);
        }
        assert!(all.iter().all(|shown| shown.documentation.ends_with('.')));
        let changeable: Vec<_> = all.iter().filter(|shown| !shown.read_only).map(|shown| shown.name).collect();
        assert_eq!(changeable, [LIMITS_PROFILE, LASTING[0], LASTING[1]]);
    }

    #[test]
    fn the_limits_are_set_to_a_profile_or_back() {
        let set = |value| changed(LIMITS_PROFILE, BrokerChange::Set(value));
        assert_eq!(set(Some(" off ")), Ok(Wanted::Limits(Some(Limits::off()))));
        assert_eq!(set(Some("kinesis")), Ok(Wanted::Limits(Some(Limits::kinesis()))));
        assert_eq!(set(None), Ok(Wanted::Limits(None)));
        assert!(set(Some("half")).unwrap_err().words.contains("\"half\"; kinesis, off, and parts"));
        assert!(changed(LIMITS_PROFILE, BrokerChange::Extend).unwrap_err().words.contains("no list"));
    }

    #[test]
    fn an_attempt_to_set_a_broker_config_is_told_what_sets_it() {
        for (name, words) in [
            ("num.partitions", "--default-partitions"),
            ("log.retention.ms", "set retention.ms on a topic"),
            ("group.share.session.timeout.ms", "set share.session.timeout.ms on a group"),
            ("log.cleaner.threads", "--help"),
        ] {
            let refusal = changed(name, BrokerChange::Set(Some("1"))).unwrap_err();
            assert_eq!(refusal.error, kafka_protocol::ResponseError::InvalidRequest);
            assert!(refusal.words.contains(words) && refusal.words.contains(name), "{}", refusal.words);
        }
    }
}
