//! The configs of groups, as DescribeConfigs shows them and IncrementalAlterConfigs sets them (Kafka: `GroupConfig`, 4.4).
//!
//! A group has configs by its name, whether there is such a group or not, and whatever its kind. What nobody has set has the
//! default.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex as AsyncMutex;

use super::group::{ConsumerSettings, STREAMS_ASSIGNOR, StreamsSettings};
use super::share::Settings;
use crate::notebook::{Notebook, Page};

/// Groups that have configs of their own. *Ours*.
const GROUPS_MAX: usize = 10_000;
/// Bytes of their names and values. *Ours*.
const BYTES_MAX: usize = 4 << 20;
/// Bytes of one value. *Ours*.
const VALUE_BYTES_MAX: usize = 1_024;

/// One config.
#[derive(Debug)]
pub(crate) struct Config {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its value unless it is set.
    pub(crate) default: &'static str,
    /// The broker's config that gives that default, if there is one (Kafka: `GroupConfig.ALL_GROUP_CONFIG_SYNONYMS`).
    pub(crate) broker_name: Option<&'static str>,
    /// What values there are.
    pub(crate) values: Values,
    /// What it does, in words.
    pub(crate) documentation: &'static str,
}

/// The values of a config.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Values {
    /// Whole numbers in a range, both ends in.
    Int(u32, u32),
    /// `true` and `false`.
    Bool,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Where a partition begins that nobody has read.
    Start,
    /// Texts separated by commas, none twice.
    List,
    /// A topic's name, of which only the beginning is looked at; or none.
    Topic,
}

const CONSUMER_ASSIGNMENT_INTERVAL: &str = "consumer.assignment.interval.ms";
const CONSUMER_HEARTBEAT_INTERVAL: &str = "consumer.heartbeat.interval.ms";
const CONSUMER_SESSION_TIMEOUT: &str = "consumer.session.timeout.ms";
const SHARE_ISOLATION_LEVEL: &str = "share.isolation.level";
const SHARE_RENEW: &str = "share.renew.acknowledge.enable";

/// Every config of a group, by name.
pub(crate) const CONFIGS: &[Config] = &[
    Config {
        name: CONSUMER_ASSIGNMENT_INTERVAL,
        default: "1000",
        broker_name: Some("group.consumer.assignment.interval.ms"),
        values: Values::Int(0, 15_000),
        documentation: "The least time between two assignments of partitions in a consumer group.",
    },
    Config {
        name: CONSUMER_HEARTBEAT_INTERVAL,
        default: "5000",
        broker_name: Some("group.consumer.heartbeat.interval.ms"),
        values: Values::Int(5_000, 15_000),
        documentation: "How often a member of a consumer group is told to send a heartbeat.",
    },
    Config {
        name: CONSUMER_SESSION_TIMEOUT,
        default: "45000",
        broker_name: Some("group.consumer.session.timeout.ms"),
        values: Values::Int(45_000, 60_000),
        documentation: "How long a member of a consumer group may be silent.",
    },
    Config {
        name: "errors.deadletterqueue.copy.record.enable",
        default: "false",
        broker_name: None,
        values: Values::Bool,
        documentation: "Whether a dead letter has the key and the value of the record. Stored and shown only: there are no dead letters.",
    },
    Config {
        name: "errors.deadletterqueue.topic.name",
        default: "",
        broker_name: None,
        values: Values::Topic,
        documentation: "The topic for the dead letters of a share group. Stored and shown only: there are no dead letters.",
    },
    Config {
        name: "share.assignment.interval.ms",
        default: "1000",
        broker_name: Some("group.share.assignment.interval.ms"),
        values: Values::Int(0, 15_000),
        documentation: "The least time between two assignments of partitions in a share group.",
    },
    Config {
        name: "share.auto.offset.reset",
        default: "latest",
        broker_name: None,
        values: Values::Start,
        documentation: "Where a group begins in a partition that it has not read yet: latest, earliest, or by_duration: and an ISO 8601 duration.",
    },
    Config {
        name: "share.delivery.count.limit",
        default: "5",
        broker_name: Some("group.share.delivery.count.limit"),
        values: Values::Int(2, 10),
        documentation: "How often a record is delivered before it is given up.",
    },
    Config {
        name: "share.heartbeat.interval.ms",
        default: "5000",
        broker_name: Some("group.share.heartbeat.interval.ms"),
        values: Values::Int(5_000, 15_000),
        documentation: "How often a member of a share group is told to send a heartbeat.",
    },
    Config {
        name: SHARE_ISOLATION_LEVEL,
        default: "read_uncommitted",
        broker_name: None,
        values: Values::Word(&["read_committed", "read_uncommitted"]),
        documentation: "Whether a share group is given records of transactions that are open or aborted, or only of committed ones.",
    },
    Config {
        name: "share.partition.max.record.locks",
        default: "2000",
        broker_name: Some("group.share.partition.max.record.locks"),
        values: Values::Int(100, 4_000),
        documentation: "Records of a partition that may be under way at once.",
    },
    Config {
        name: "share.record.lock.duration.ms",
        default: "30000",
        broker_name: Some("group.share.record.lock.duration.ms"),
        values: Values::Int(15_000, 60_000),
        documentation: "How long a record is locked for the member it was delivered to.",
    },
    Config {
        name: SHARE_RENEW,
        default: "true",
        broker_name: None,
        values: Values::Bool,
        documentation: "Whether a member of a share group may renew the locks of records that it works on.",
    },
    Config {
        name: "share.session.timeout.ms",
        default: "45000",
        broker_name: Some("group.share.session.timeout.ms"),
        values: Values::Int(45_000, 60_000),
        documentation: "How long a member of a share group may be silent.",
    },
    Config {
        name: "streams.assignment.interval.ms",
        default: "1000",
        broker_name: Some("group.streams.assignment.interval.ms"),
        values: Values::Int(0, 15_000),
        documentation: "The least time between two assignments of tasks in a streams group.",
    },
    Config {
        name: "streams.assignor.name",
        default: STREAMS_ASSIGNOR,
        broker_name: Some("group.streams.assignors"),
        values: Values::Word(&[STREAMS_ASSIGNOR]),
        documentation: "Who assigns the tasks of a streams group.",
    },
    Config {
        name: "streams.heartbeat.interval.ms",
        default: "5000",
        broker_name: Some("group.streams.heartbeat.interval.ms"),
        values: Values::Int(5_000, 15_000),
        documentation: "How often a member of a streams group is told to send a heartbeat.",
    },
    Config {
        name: "streams.initial.rebalance.delay.ms",
        default: "3000",
        broker_name: Some("group.streams.initial.rebalance.delay.ms"),
        values: Values::Int(0, i32::MAX as u32),
        documentation: "How long the first member of a streams group waits for others before tasks are assigned.",
    },
    Config {
        name: "streams.num.standby.replicas",
        default: "0",
        broker_name: Some("group.streams.num.standby.replicas"),
        values: Values::Int(0, 2),
        documentation: "Copies of the stores of each task of a streams group.",
    },
    Config {
        name: "streams.rack.aware.assignment.tags",
        default: "",
        broker_name: Some("group.streams.rack.aware.assignment.tags"),
        values: Values::List,
        documentation: "Client tags that every member of a streams group is to have; copies are not placed by them.",
    },
    Config {
        name: "streams.session.timeout.ms",
        default: "45000",
        broker_name: Some("group.streams.session.timeout.ms"),
        values: Values::Int(45_000, 60_000),
        documentation: "How long a member of a streams group may be silent.",
    },
];

/// Where a group begins in a partition that it has not read yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Start {
    /// Behind the last record.
    Latest,
    /// At the first one.
    Earliest,
    /// At the first one that is not older.
    Ago(Duration),
}

impl Values {
    /// Whether `value` is one of them; if not, which are, in words.
    pub(crate) fn check(self, value: &str) -> Result<(), String> {
        match self {
            _ if value.len() > VALUE_BYTES_MAX => Err(format!("values of at most {VALUE_BYTES_MAX} bytes")),
            Self::Int(least, most) => match value.trim().parse::<u32>() {
                Ok(number) if (least..=most).contains(&number) => Ok(()),
                _ => Err(format!("{least} to {most}")),
            },
            Self::Bool => match is_true(value) {
                Some(_) => Ok(()),
                None => Err("true and false".to_owned()),
            },
            Self::Word(words) => match words.contains(&value) {
                true => Ok(()),
                false => Err(words.join(" and ")),
            },
            Self::List => {
                let texts = texts(value);
                let each = texts.iter().collect::<HashSet<_>>();
                let is_good = each.len() == texts.len() && texts.iter().all(|text| !text.is_empty());
                if is_good { Ok(()) } else { Err("texts separated by commas, none of them empty or twice,".to_owned()) }
            }
            Self::Topic if value.starts_with("__") => Err("names that do not begin with two underscores".to_owned()),
            Self::Topic => Ok(()),
            Self::Start => start(value).map(drop).ok_or_else(|| "latest, earliest and by_duration:PnDTnHnMnS".to_owned()),
        }
    }
}

/// A truth as Kafka reads it.
fn is_true(value: &str) -> Option<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// The texts of a list.
fn texts(value: &str) -> Vec<String> {
    if value.trim().is_empty() { Vec::new() } else { value.split(',').map(|text| text.trim().to_owned()).collect() }
}

fn start(value: &str) -> Option<Start> {
    match value.to_ascii_lowercase().as_str() {
        "latest" => Some(Start::Latest),
        "earliest" => Some(Start::Earliest),
        other => duration(&other.strip_prefix("by_duration:")?.to_ascii_uppercase()).map(Start::Ago),
    }
}

/// An ISO 8601 duration of days, hours, minutes and seconds, as `java.time.Duration` reads it; not a negative one.
fn duration(text: &str) -> Option<Duration> {
    let (days, rest) = text.strip_prefix('P')?.split_once('T').unwrap_or((text.get(1..)?, ""));
    let (mut millis, mut parts) = (0_f64, 0);
    for (mut rest, units) in [(days, &[('D', 86_400_000.0)][..]), (rest, &[('H', 3_600_000.0), ('M', 60_000.0), ('S', 1_000.0)])]
    {
        for &(unit, worth) in units {
            let Some((number, behind)) = rest.split_once(unit) else { continue };
            let is_number = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' && unit == 'S');
            millis += worth * number.parse::<f64>().ok().filter(|_| is_number)?;
            (rest, parts) = (behind, parts + 1);
        }
        if !rest.is_empty() {
            return None;
        }
    }
    (parts > 0 && millis < 1e15).then(|| Duration::from_millis(millis as u64))
}

/// Why configs are not set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum NotSet {
    /// They could not be made durable.
    #[error("the group's configs could not be stored")]
    Unavailable,
    /// More groups have configs of their own than are kept.
    #[error("the gateway holds its largest number of groups with configs of their own")]
    TooMany,
}

/// The values that groups have of their own. Cheap to clone.
#[derive(Clone)]
pub(crate) struct GroupConfigs {
    notebook: Notebook,
    kept: Arc<Mutex<Kept>>,
    /// Held by whoever changes something, until it is durable and in force.
    turn: Arc<AsyncMutex<()>>,
}

#[derive(Default)]
struct Kept {
    groups: HashMap<String, Own>,
    next_id: u64,
    bytes: usize,
}

struct Own {
    id: u64,
    values: BTreeMap<String, String>,
}

/// Bytes of a group's name and values.
fn bytes(group: &str, values: &BTreeMap<String, String>) -> usize {
    group.len() + values.values().map(String::len).sum::<usize>()
}

/// `share/config/ID` in the notebook: share groups had configs first.
#[derive(Serialize, Deserialize)]
struct Stored {
    group: String,
    values: BTreeMap<String, String>,
}

const CONFIG: &str = "share/config/";

impl GroupConfigs {
    /// Loads them all. The error is the notebook's, in words.
    pub(crate) fn open(notebook: Notebook) -> Result<Self, String> {
        let mut kept = Kept::default();
        for (key, Stored { group, values }) in notebook.read::<Stored>(CONFIG).map_err(|error| error.to_string())? {
            let id = key.strip_prefix(CONFIG).and_then(|id| u64::from_str_radix(id, 16).ok());
            let id = id.ok_or_else(|| format!("the ledger's key {key} is not one of a group's configs"))?;
            kept.next_id = kept.next_id.max(id + 1);
            kept.bytes += bytes(&group, &values);
            kept.groups.insert(group, Own { id, values });
        }
        Ok(Self { notebook, kept: Arc::new(Mutex::new(kept)), turn: Arc::default() })
    }

    /// What a group has set itself.
    pub(crate) fn own(&self, group: &str) -> BTreeMap<String, String> {
        self.kept.lock().groups.get(group).map(|own| own.values.clone()).unwrap_or_default()
    }

    /// Sets what a group has of its own; durable and in force when it returns.
    pub(crate) async fn set(&self, group: &str, values: BTreeMap<String, String>) -> Result<(), NotSet> {
        let _turn = self.turn.lock().await;
        let (mut page, key) = (Page::default(), |id: u64| format!("{CONFIG}{id:016x}"));
        let id = {
            let kept = self.kept.lock();
            match kept.groups.get(group) {
                None if values.is_empty() => return Ok(()),
                None if kept.groups.len() >= GROUPS_MAX => return Err(NotSet::TooMany),
                _ if !values.is_empty() && kept.bytes >= BYTES_MAX => return Err(NotSet::TooMany),
                Some(own) => own.id,
                None => kept.next_id,
            }
        };
        match values.is_empty() {
            true => page.remove(key(id)),
            false => page.put(key(id), &Stored { group: group.to_owned(), values: values.clone() }),
        }
        self.notebook.commit(page).await.map_err(|error| {
            tracing::warn!(group, %error, "the configs of a group could not be stored");
            NotSet::Unavailable
        })?;
        let mut kept = self.kept.lock();
        kept.next_id = kept.next_id.max(id + 1);
        if let Some(own) = kept.groups.remove(group) {
            kept.bytes -= bytes(group, &own.values);
        }
        if !values.is_empty() {
            kept.bytes += bytes(group, &values);
            kept.groups.insert(group.to_owned(), Own { id, values });
        }
        Ok(())
    }

    /// The settings of a share group.
    pub(crate) fn of_share(&self, group: &str) -> Settings {
        let own = self.own(group);
        Settings {
            session_timeout: millis(&own, "share.session.timeout.ms"),
            heartbeat_interval: millis(&own, "share.heartbeat.interval.ms"),
            assignment_interval: millis(&own, "share.assignment.interval.ms"),
            lock_duration: millis(&own, "share.record.lock.duration.ms"),
            deliveries_max: i16::try_from(number(&own, "share.delivery.count.limit")).unwrap_or(i16::MAX),
            locks_max: number(&own, "share.partition.max.record.locks") as usize,
            is_committed: value(&own, SHARE_ISOLATION_LEVEL) == "read_committed",
            renews: is_true(value(&own, SHARE_RENEW)) != Some(false),
        }
    }

    /// The settings of a consumer group that has set some.
    pub(crate) fn of_consumers(&self, group: &str) -> ConsumerSettings {
        let own = self.own(group);
        let set = |name: &str| own.get(name).and_then(|value| value.trim().parse().ok()).map(Duration::from_millis);
        ConsumerSettings {
            session_timeout: set(CONSUMER_SESSION_TIMEOUT),
            heartbeat_interval: set(CONSUMER_HEARTBEAT_INTERVAL),
            assignment_interval: set(CONSUMER_ASSIGNMENT_INTERVAL),
        }
    }

    /// The settings of a streams group.
    pub(crate) fn of_streams(&self, group: &str) -> StreamsSettings {
        let own = self.own(group);
        StreamsSettings {
            session_timeout: millis(&own, "streams.session.timeout.ms"),
            heartbeat_interval: millis(&own, "streams.heartbeat.interval.ms"),
            standbys: number(&own, "streams.num.standby.replicas"),
            initial_delay: millis(&own, "streams.initial.rebalance.delay.ms"),
            assignment_interval: millis(&own, "streams.assignment.interval.ms"),
            tags: texts(value(&own, "streams.rack.aware.assignment.tags")),
        }
    }

    /// Where a share group begins.
    pub(crate) fn start(&self, group: &str) -> Start {
        start(value(&self.own(group), "share.auto.offset.reset")).unwrap_or(Start::Latest)
    }
}

/// A number in force. One that was set when more were accepted counts as the nearest that is now (Kafka: `GroupConfig.evaluate`).
fn number(own: &BTreeMap<String, String>, name: &str) -> u32 {
    let number: u32 = value(own, name).trim().parse().unwrap_or_default();
    match CONFIGS.iter().find(|config| config.name == name).map(|config| config.values) {
        Some(Values::Int(least, most)) => number.clamp(least, most),
        _ => number,
    }
}

fn millis(own: &BTreeMap<String, String>, name: &str) -> Duration {
    Duration::from_millis(number(own, name).into())
}

/// The value in force.
fn value<'a>(own: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    let default = || CONFIGS.iter().find(|config| config.name == name).map_or("", |config| config.default);
    own.get(name).map_or_else(default, String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value() {
        assert!(CONFIGS.is_sorted_by_key(|config| config.name));
        for config in CONFIGS {
            assert_eq!(config.values.check(config.default), Ok(()), "{}", config.name);
        }
    }

    #[test]
    fn a_start_is_a_word_or_a_duration() {
        let ago = |millis| Some(Start::Ago(Duration::from_millis(millis)));
        for (text, expected) in [
            ("latest", Some(Start::Latest)),
            ("Earliest", Some(Start::Earliest)),
            ("by_duration:PT1H", ago(3_600_000)),
            ("by_duration:P1DT2H3M4.5S", ago(93_784_500)),
            ("by_duration:P2D", ago(172_800_000)),
            ("by_duration:", None),
            ("by_duration:P", None),
            ("by_duration:PT", None),
            ("by_duration:PT-1H", None),
            ("by_duration:PT1H1H", None),
            ("by_duration:1H", None),
            ("none", None),
            ("", None),
        ] {
            assert_eq!(start(text), expected, "{text}");
        }
    }

    #[test]
    fn a_refused_value_is_told_what_is_accepted() {
        let check = |name: &str, value| CONFIGS.iter().find(|config| config.name == name).unwrap().values.check(value);
        assert_eq!(check("share.record.lock.duration.ms", "14999"), Err("15000 to 60000".to_owned()));
        assert_eq!(check("share.record.lock.duration.ms", "60000"), Ok(()));
        assert_eq!(check("share.isolation.level", "read_much"), Err("read_committed and read_uncommitted".to_owned()));
        assert_eq!(check("share.renew.acknowledge.enable", "False"), Ok(()));
        assert_eq!(check("share.renew.acknowledge.enable", "no"), Err("true and false".to_owned()));
        assert_eq!(check("share.partition.max.record.locks", "4001"), Err("100 to 4000".to_owned()));
        assert_eq!(check("consumer.assignment.interval.ms", "15001"), Err("0 to 15000".to_owned()));
        assert!(check("errors.deadletterqueue.topic.name", "__dlq").unwrap_err().contains("two underscores"));
        assert_eq!(check("errors.deadletterqueue.topic.name", "dlq.orders"), Ok(()));
    }
}
