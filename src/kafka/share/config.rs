//! The configs of share groups, as DescribeConfigs shows them and IncrementalAlterConfigs sets them (Kafka: `GroupConfig`, 4.4).

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::state::{Refusal, Settings};
use crate::notebook::{Notebook, Page};

/// Groups that have configs of their own. *Ours*.
const GROUPS_MAX: usize = 10_000;
/// Bytes of their names. *Ours*.
const NAMES_BYTES_MAX: usize = 2 << 20;

/// One config.
#[derive(Debug)]
pub(crate) struct Config {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its value unless it is set (Kafka: of the broker's `group.share.…` of the same end).
    pub(crate) default: &'static str,
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
    /// One of these words.
    Word(&'static [&'static str]),
    /// Where a partition begins that nobody has read.
    Start,
}

/// Every config of a group, by name.
pub(crate) const CONFIGS: &[Config] = &[
    Config {
        name: "share.auto.offset.reset",
        default: "latest",
        values: Values::Start,
        documentation: "where a group begins in a partition that it has not read yet: latest, earliest, or by_duration: and an ISO 8601 duration",
    },
    Config {
        name: "share.delivery.count.limit",
        default: "5",
        values: Values::Int(2, 10),
        documentation: "how often a record is delivered before it is given up",
    },
    Config {
        name: "share.heartbeat.interval.ms",
        default: "5000",
        values: Values::Int(5_000, 15_000),
        documentation: "how often a member of a share group is told to send a heartbeat",
    },
    Config {
        name: "share.isolation.level",
        default: "read_uncommitted",
        values: Values::Word(&["read_uncommitted"]),
        documentation: "whether records of transactions are delivered before these are committed: they are",
    },
    Config {
        name: "share.partition.max.record.locks",
        default: "2000",
        values: Values::Int(100, 10_000),
        documentation: "records of a partition that may be under way at once",
    },
    Config {
        name: "share.record.lock.duration.ms",
        default: "30000",
        values: Values::Int(15_000, 60_000),
        documentation: "how long a record is locked for the member it was delivered to",
    },
    Config {
        name: "share.session.timeout.ms",
        default: "45000",
        values: Values::Int(45_000, 60_000),
        documentation: "how long a member of a share group may be silent",
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
            Self::Int(least, most) => match value.trim().parse::<u32>() {
                Ok(number) if (least..=most).contains(&number) => Ok(()),
                _ => Err(format!("{least} to {most}")),
            },
            Self::Word(words) => match words.contains(&value) {
                true => Ok(()),
                false => Err(words.join(" and ")),
            },
            Self::Start => start(value).map(drop).ok_or_else(|| "latest, earliest and by_duration:PnDTnHnMnS".to_owned()),
        }
    }
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

/// The values that groups have of their own.
pub(super) struct Configs {
    notebook: Notebook,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    groups: HashMap<String, Own>,
    next_id: u64,
    names_bytes: usize,
}

struct Own {
    id: u64,
    values: BTreeMap<String, String>,
}

/// `share/config/ID` in the notebook.
#[derive(Serialize, Deserialize)]
struct Stored {
    group: String,
    values: BTreeMap<String, String>,
}

const CONFIG: &str = "share/config/";

impl Configs {
    pub(super) fn open(notebook: Notebook) -> Result<Self, String> {
        let mut kept = Kept::default();
        for (key, Stored { group, values }) in notebook.read::<Stored>(CONFIG).map_err(|error| error.to_string())? {
            let id = key.strip_prefix(CONFIG).and_then(|id| u64::from_str_radix(id, 16).ok());
            let id = id.ok_or_else(|| format!("the ledger's key {key} is not one of a group's configs"))?;
            kept.next_id = kept.next_id.max(id + 1);
            kept.names_bytes += group.len();
            kept.groups.insert(group, Own { id, values });
        }
        Ok(Self { notebook, kept: Mutex::new(kept) })
    }

    /// What a group has set itself.
    pub(super) fn own(&self, group: &str) -> BTreeMap<String, String> {
        self.kept.lock().groups.get(group).map(|own| own.values.clone()).unwrap_or_default()
    }

    /// Sets what a group has of its own; durable when it returns.
    pub(super) async fn set(&self, group: &str, values: BTreeMap<String, String>) -> Result<(), Refusal> {
        let committed = {
            let mut kept = self.kept.lock();
            let known = kept.groups.get(group).map(|own| own.id);
            let (mut page, key) = (Page::default(), |id: u64| format!("{CONFIG}{id:016x}"));
            match (known, values.is_empty()) {
                (None, true) => return Ok(()),
                (Some(id), true) => {
                    page.remove(key(id));
                    kept.groups.remove(group);
                    kept.names_bytes -= group.len();
                }
                (known, false) => {
                    if known.is_none() && (kept.groups.len() >= GROUPS_MAX || kept.names_bytes >= NAMES_BYTES_MAX) {
                        return Err(Refusal::TooMany);
                    }
                    let id = known.unwrap_or(kept.next_id);
                    page.put(key(id), &Stored { group: group.to_owned(), values: values.clone() });
                    if known.is_none() {
                        kept.next_id += 1;
                        kept.names_bytes += group.len();
                    }
                    kept.groups.insert(group.to_owned(), Own { id, values });
                }
            }
            super::coordinator::begin(&self.notebook, page)
        };
        committed.await
    }

    /// A group's settings.
    pub(super) fn settings(&self, group: &str) -> Settings {
        let own = self.own(group);
        let number = |name: &str| value(&own, name).trim().parse::<u32>().unwrap_or_default();
        let millis = |name: &str| Duration::from_millis(number(name).into());
        Settings {
            session_timeout: millis("share.session.timeout.ms"),
            heartbeat_interval: millis("share.heartbeat.interval.ms"),
            lock_duration: millis("share.record.lock.duration.ms"),
            deliveries_max: i16::try_from(number("share.delivery.count.limit")).unwrap_or(i16::MAX),
            locks_max: number("share.partition.max.record.locks") as usize,
        }
    }

    /// Where a group begins.
    pub(super) fn start(&self, group: &str) -> Start {
        start(value(&self.own(group), "share.auto.offset.reset")).unwrap_or(Start::Latest)
    }
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
        assert_eq!(check("share.isolation.level", "read_committed"), Err("read_uncommitted".to_owned()));
    }
}
