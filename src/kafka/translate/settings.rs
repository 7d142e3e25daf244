//! Topic configs ⇄ [`Settings`].
//!
//! A stream's settings are the truth: retention, batch limit, time stamps and keys are read from their own fields, whoever set
//! them, and the notes say which configs were set on purpose and keep the values that no field has. Changing configs means: collect
//! what is set, change the collection, check it as a whole, and build the settings anew.

use std::collections::{BTreeMap, BTreeSet};

use super::broker_config::LIMITS_PROFILE;
use super::shown::{Kind, Shown, Source, Synonym};
use super::topic_config::{
    CLEANUP_POLICY, COMPACT, DEAGGREGATE, FAN_OUT_CONSUMERS, HOUR_MS, LOG_APPEND_TIME, MAX_COMPACTION_LAG, MAX_MESSAGE_BYTES,
    MIN_COMPACTION_LAG, OPEN_SHARDS, READ_ONLY, RETENTION_MS, STREAM_ARN, STREAM_MODE, TABLE, TIMESTAMP_TYPE, TopicConfig, find,
};
use super::{Refusal, quoted};
use crate::model::{Limits, Settings, limits};

/// The configs that are set, with their values as they are shown.
type Set = BTreeMap<&'static str, String>;

/// One change of one config (KIP-339).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change<'a> {
    /// Sets it.
    Set(&'a str, &'a str),
    /// Gives it its default again.
    Delete(&'a str),
    /// Adds values to a list that lacks them.
    Append(&'a str, &'a str),
    /// Takes values out of a list.
    Subtract(&'a str, &'a str),
}

/// The settings with `configs`, and with the defaults for every other config (CreateTopics, AlterConfigs).
///
/// # Errors
/// INVALID_CONFIG for the first name, value or combination that is not accepted.
pub(crate) fn replaced<'a>(
    before: &Settings,
    configs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Settings, Refusal> {
    let mut set = Set::new();
    for (name, value) in configs {
        change(&mut set, Change::Set(name, value))?;
    }
    build(before, set)
}

/// The settings after `changes`, in their order (IncrementalAlterConfigs).
///
/// # Errors
/// INVALID_CONFIG for the first name, value, operation or combination that is not accepted.
pub(crate) fn changed(before: &Settings, changes: &[Change<'_>]) -> Result<Settings, Refusal> {
    let mut set = collect(before);
    for each in changes {
        change(&mut set, *each)?;
    }
    build(before, set)
}

fn change(set: &mut Set, change: Change<'_>) -> Result<(), Refusal> {
    match change {
        Change::Set(name, value) => {
            let config = find(name)?;
            set.insert(config.name, config.accept(value)?);
        }
        Change::Delete(name) => {
            // One that is not known is not set either.
            match find(name) {
                Ok(config) => drop(set.remove(config.name)),
                Err(refusal) if READ_ONLY.contains(&name) => return Err(refusal),
                Err(_) => {}
            }
        }
        Change::Append(name, value) => {
            let config = list(name)?;
            let mut items = items(set, config);
            let fresh = TopicConfig::items(value).into_iter().filter(|item| !items.iter().any(|have| have == item));
            let fresh: Vec<String> = fresh.map(str::to_owned).collect();
            items.extend(fresh);
            set.insert(config.name, config.accept(&items.join(","))?);
        }
        Change::Subtract(name, value) => {
            let config = list(name)?;
            let gone = TopicConfig::items(value);
            let mut items = items(set, config);
            items.retain(|item| !gone.contains(&item.as_str()));
            set.insert(config.name, config.accept(&items.join(","))?);
        }
    }
    Ok(())
}

fn list(name: &str) -> Result<&'static TopicConfig, Refusal> {
    let config = find(name)?;
    match config.kind {
        Kind::List => Ok(config),
        _ => Err(Refusal::config(format!("{name} is no list, so values cannot be appended or subtracted; set it or delete it"))),
    }
}

fn items(set: &Set, config: &TopicConfig) -> Vec<String> {
    let value = set.get(config.name).map_or(config.default, String::as_str);
    TopicConfig::items(value).into_iter().map(str::to_owned).collect()
}

/// What is set: what the notes say, and what another door has given another value than the default.
fn collect(settings: &Settings) -> Set {
    let is_set = |config: &&TopicConfig| {
        settings.notes.contains_key(config.name) || value(config, settings) != default_value(config, settings)
    };
    TABLE.iter().filter(is_set).map(|config| (config.name, value(config, settings))).collect()
}

/// The value in force.
fn value(config: &TopicConfig, settings: &Settings) -> String {
    match config.name {
        RETENTION_MS => retention_ms(settings.retention_hours),
        MAX_MESSAGE_BYTES => settings.batch_bytes_max.to_string(),
        FAN_OUT_CONSUMERS => {
            let registered = settings.fan_out.iter().filter(|(_, consumer)| consumer.gone_at.is_none());
            registered.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(",")
        }
        STREAM_MODE => settings.mode.to_string(),
        DEAGGREGATE => settings.deaggregate.to_string(),
        TIMESTAMP_TYPE if settings.arrival_stamped => LOG_APPEND_TIME.to_owned(),
        TIMESTAMP_TYPE => config.default.to_owned(),
        name => settings.notes.get(name).map_or(config.default, String::as_str).to_owned(),
    }
}

/// The value it would have if nobody had set it.
pub(super) fn default_value(config: &TopicConfig, settings: &Settings) -> String {
    match config.name {
        RETENTION_MS => retention_ms(default_retention_hours(settings.keys_required)),
        _ => config.default.to_owned(),
    }
}

/// Nothing is compacted, so what should be kept for ever is kept as long as possible.
fn default_retention_hours(compacted: bool) -> u32 {
    if compacted { limits::RETENTION_HOURS_MAX } else { limits::RETENTION_HOURS_MIN }
}

fn retention_ms(hours: u32) -> String {
    (u64::from(hours) * HOUR_MS).to_string()
}

/// Settings in which exactly `set` is set. What this door does not know stays as it was in `before`.
fn build(before: &Settings, set: Set) -> Result<Settings, Refusal> {
    check_together(&set)?;
    let defaults = Settings::default();
    let compacted = set.get(CLEANUP_POLICY).is_some_and(|policy| TopicConfig::items(policy).contains(&COMPACT));
    // Values in the set have been accepted, so they are numbers where numbers are asked for.
    let number = |name: &str| set.get(name).and_then(|value| value.parse::<u64>().ok());
    let mut after = Settings {
        retention_hours: number(RETENTION_MS)
            .and_then(|millis| u32::try_from(millis / HOUR_MS).ok())
            .unwrap_or_else(|| default_retention_hours(compacted)),
        batch_bytes_max: number(MAX_MESSAGE_BYTES)
            .and_then(|bytes| u32::try_from(bytes).ok())
            .unwrap_or(defaults.batch_bytes_max),
        arrival_stamped: set.get(TIMESTAMP_TYPE).is_some_and(|kind| kind == LOG_APPEND_TIME),
        keys_required: compacted,
        deaggregate: set.get(DEAGGREGATE).is_some_and(|flag| flag == "true"),
        mode: set.get(STREAM_MODE).and_then(|mode| mode.parse().ok()).unwrap_or_default(),
        fan_out: set
            .get(FAN_OUT_CONSUMERS)
            .map(|names| TopicConfig::items(names))
            .unwrap_or_default()
            .into_iter()
            .map(|name| {
                let known = before.fan_out.get(name).filter(|consumer| consumer.gone_at.is_none());
                (name.to_owned(), known.cloned().unwrap_or_default())
            })
            .collect(),
        ..before.clone()
    };
    after.notes.retain(|name, _| !TABLE.iter().any(|config| config.name == name));
    after.notes.extend(set.into_iter().map(|(name, value)| (name.to_owned(), value)));
    Ok(after)
}

/// What no single value shows (Apache Kafka, `LogConfig.validateValues`, 4.4).
fn check_together(set: &Set) -> Result<(), Refusal> {
    let lag = |name: &str, default: i64| set.get(name).and_then(|value| value.parse::<i64>().ok()).unwrap_or(default);
    let (least, most) = (lag(MIN_COMPACTION_LAG, 0), lag(MAX_COMPACTION_LAG, i64::MAX));
    if least > most {
        return Err(Refusal::config(format!(
            "{MIN_COMPACTION_LAG} is {least} and {MAX_COMPACTION_LAG} is {most}; the first cannot be larger than the second"
        )));
    }
    Ok(())
}

/// Every config of a topic as it is shown: those that can be set, in name order, then the stream behind it, whose name for
/// Kinesis clients is `arn`.
pub(crate) fn show(arn: &str, settings: &Settings, open_shards: u32, limits: Limits) -> Vec<Shown> {
    let set: BTreeSet<&str> = collect(settings).into_keys().collect();
    let configs = TABLE.iter().map(|config| {
        let (value, default) = (value(config, settings), default_value(config, settings));
        let mut synonyms = Vec::new();
        if set.contains(config.name) {
            synonyms.push(Synonym { name: config.name, value: value.clone(), source: Source::Topic });
        }
        synonyms.extend(config.broker_name.map(|name| Synonym { name, value: default, source: Source::Default }));
        Shown {
            name: config.name,
            value,
            kind: config.kind,
            read_only: false,
            source: if set.contains(config.name) { Source::Topic } else { Source::Default },
            synonyms,
            documentation: config.documentation,
        }
    });
    configs.chain(show_stream(arn, open_shards, limits)).collect()
}

fn show_stream(arn: &str, open_shards: u32, limits: Limits) -> [Shown; 3] {
    let fact = |name, value, kind, documentation| Shown {
        name,
        value,
        kind,
        read_only: true,
        source: Source::Default,
        synonyms: Vec::new(),
        documentation,
    };
    [
        fact(LIMITS_PROFILE, limits.to_string(), Kind::String, "The limits in force for every stream; a config of the broker."),
        fact(OPEN_SHARDS, open_shards.to_string(), Kind::Int, "Shards of the stream that take records now."),
        fact(STREAM_ARN, arn.to_owned(), Kind::String, "The name by which Kinesis clients know the stream."),
    ]
}

/// The configs of a request as pairs; `error` if a name has no value.
pub(crate) fn with_values<'a>(
    configs: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    error: kafka_protocol::ResponseError,
) -> Result<Vec<(&'a str, &'a str)>, Refusal> {
    let pair = |(name, value): (&'a str, Option<&'a str>)| match value {
        Some(value) => Ok((name, value)),
        None => Err(Refusal::new(error, format!("the config {} has no value", quoted(name)))),
    };
    configs.into_iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Mode;
    use kafka_protocol::ResponseError;

    fn created(configs: &[(&str, &str)]) -> Settings {
        replaced(&Settings::default(), configs.iter().copied()).unwrap()
    }

    fn shown(settings: &Settings, name: &str) -> (String, Source) {
        let found = show("orders", settings, 2, Limits::off()).into_iter().find(|shown| shown.name == name).unwrap();
        (found.value, found.source)
    }

    #[test]
    fn a_topic_without_configs_has_the_default_settings() {
        assert_eq!(created(&[]), Settings::default());
        for each in show("orders", &Settings::default(), 2, Limits::off()) {
            assert_eq!(each.source, Source::Default, "{}", each.name);
        }
    }

    #[test]
    fn configs_become_the_settings_of_the_stream() {
        let settings = created(&[
            ("retention.ms", "90000001"),
            ("max.message.bytes", "2000000"),
            ("message.timestamp.type", "LogAppendTime"),
            ("segment.ms", "1000"),
        ]);
        assert_eq!(settings.retention_hours, 26);
        assert_eq!(settings.batch_bytes_max, 2_000_000);
        assert!(settings.arrival_stamped);
        assert!(!settings.keys_required);
        assert_eq!(shown(&settings, "retention.ms"), ("93600000".to_owned(), Source::Topic));
        assert_eq!(shown(&settings, "max.message.bytes"), ("2000000".to_owned(), Source::Topic));
        assert_eq!(shown(&settings, "message.timestamp.type"), ("LogAppendTime".to_owned(), Source::Topic));
        assert_eq!(shown(&settings, "segment.ms"), ("1000".to_owned(), Source::Topic));
        assert_eq!(shown(&settings, "segment.bytes"), ("1073741824".to_owned(), Source::Default));
    }

    #[test]
    fn a_compacted_topic_wants_keys_and_is_kept_as_long_as_possible() {
        for policy in ["compact", "compact,delete", "delete,compact"] {
            let settings = created(&[("cleanup.policy", policy)]);
            assert!(settings.keys_required);
            assert_eq!(settings.retention_hours, 8_760);
            assert_eq!(shown(&settings, "cleanup.policy"), (policy.to_owned(), Source::Topic));
            assert_eq!(shown(&settings, "retention.ms"), ("31536000000".to_owned(), Source::Default));
        }
        let settings = created(&[("cleanup.policy", "compact,delete"), ("retention.ms", "172800000")]);
        assert_eq!(settings.retention_hours, 48);
        assert!(settings.keys_required);
    }

    #[test]
    fn a_retention_that_was_set_outlives_a_change_of_policy_and_a_default_one_follows_it() {
        let policy = |settings: &Settings, policy| changed(settings, &[Change::Set("cleanup.policy", policy)]).unwrap();
        let compacted = policy(&Settings::default(), "compact");
        assert_eq!(compacted.retention_hours, 8_760);
        assert_eq!(policy(&compacted, "delete").retention_hours, 24);
        // Set to what is the default anyway: still set.
        let set = created(&[("retention.ms", "86400000")]);
        assert_eq!(shown(&set, "retention.ms").1, Source::Topic);
        assert_eq!(policy(&set, "compact").retention_hours, 24);
    }

    #[test]
    fn a_value_that_another_door_set_counts_as_set() {
        let settings = Settings { retention_hours: 100, ..Settings::default() };
        assert_eq!(shown(&settings, "retention.ms"), ("360000000".to_owned(), Source::Topic));
        let settings = changed(&settings, &[Change::Set("segment.ms", "1")]).unwrap();
        assert_eq!(settings.retention_hours, 100);
        // And a later change through that door is shown although this door has a note of an older value.
        let settings = Settings { retention_hours: 200, ..settings };
        assert_eq!(shown(&settings, "retention.ms"), ("720000000".to_owned(), Source::Topic));
    }

    #[test]
    fn the_mode_is_one_of_kinesis() {
        let settings = created(&[("kinesis.stream.mode", "ON_DEMAND")]);
        assert_eq!(settings.mode, Mode::OnDemand);
        assert_eq!(shown(&settings, "kinesis.stream.mode"), ("ON_DEMAND".to_owned(), Source::Topic));
        assert_eq!(changed(&settings, &[Change::Delete("kinesis.stream.mode")]).unwrap().mode, Mode::Provisioned);
    }

    #[test]
    fn aggregates_are_opened_where_that_is_set() {
        let settings = created(&[("kinesis.deaggregate", "TRUE")]);
        assert!(settings.deaggregate);
        assert_eq!(shown(&settings, "kinesis.deaggregate"), ("true".to_owned(), Source::Topic));
        assert!(!changed(&settings, &[Change::Delete("kinesis.deaggregate")]).unwrap().deaggregate);
        assert!(changed(&settings, &[Change::Set("segment.ms", "1")]).unwrap().deaggregate);
    }

    #[test]
    fn notes_of_others_stay() {
        let mut settings = Settings::default();
        settings.notes.insert("kinesis.tags".to_owned(), "a=b".to_owned());
        let settings = replaced(&settings, [("segment.ms", "1")]).unwrap();
        assert_eq!(settings.notes.get("kinesis.tags").map(String::as_str), Some("a=b"));
        assert_eq!(replaced(&settings, []).unwrap().notes.len(), 1);
    }

    #[test]
    fn deleting_a_config_gives_it_its_default_again() {
        let settings = created(&[("retention.ms", "-1"), ("max.message.bytes", "5"), ("preallocate", "true")]);
        let names = ["retention.ms", "max.message.bytes", "preallocate", "segment.ms"];
        assert_eq!(changed(&settings, &names.map(Change::Delete)), Ok(Settings::default()));
    }

    #[test]
    fn values_are_appended_to_lists_once_and_subtracted_from_them() {
        let mut settings = Settings::default();
        for (change, policy, compacted) in [
            (Change::Append("cleanup.policy", "compact"), "delete,compact", true),
            (Change::Append("cleanup.policy", "compact"), "delete,compact", true),
            (Change::Subtract("cleanup.policy", "delete"), "compact", true),
            (Change::Append("cleanup.policy", "delete"), "compact,delete", true),
            (Change::Subtract("cleanup.policy", "compact"), "delete", false),
        ] {
            settings = changed(&settings, &[change]).unwrap();
            assert_eq!(shown(&settings, "cleanup.policy").0, policy);
            assert_eq!(settings.keys_required, compacted);
        }
        let replicas = "leader.replication.throttled.replicas";
        settings = changed(&settings, &[Change::Append(replicas, "0:1,0:2")]).unwrap();
        settings = changed(&settings, &[Change::Subtract(replicas, "0:1")]).unwrap();
        assert_eq!(shown(&settings, replicas).0, "0:2");
    }

    #[test]
    fn a_list_cannot_lose_what_it_needs_and_what_is_no_list_cannot_grow() {
        for (change, words) in [
            (Change::Subtract("cleanup.policy", "delete"), "one or more of delete, compact"),
            (Change::Append("cleanup.policy", "shrink"), "one or more of delete, compact"),
            (Change::Append("retention.ms", "1"), "retention.ms is no list"),
            (Change::Subtract("segment.ms", "1"), "segment.ms is no list"),
            (Change::Append("retention.sm", "1"), "nearest one is retention.ms"),
            (Change::Set("kinesis.shard.count.open", "9"), "read-only"),
            (Change::Delete("kinesis.stream.arn"), "read-only"),
        ] {
            let refusal = changed(&Settings::default(), &[change]).unwrap_err();
            assert_eq!(refusal.error, ResponseError::InvalidConfig);
            assert!(refusal.words.contains(words), "{}", refusal.words);
        }
    }

    #[test]
    fn a_config_that_does_not_exist_can_be_deleted_and_nothing_changes() {
        let settings = created(&[("segment.ms", "1000")]);
        for name in ["retention.sm", "message.format.version", "log.retention.ms", ""] {
            assert_eq!(changed(&settings, &[Change::Delete(name)]), Ok(settings.clone()), "{name}");
        }
    }

    #[test]
    fn compaction_delays_are_checked_together() {
        let refusal =
            replaced(&Settings::default(), [("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "9")]).unwrap_err();
        assert!(refusal.words.contains("min.compaction.lag.ms is 10 and max.compaction.lag.ms is 9"), "{}", refusal.words);
        let settings = created(&[("max.compaction.lag.ms", "9")]);
        assert!(changed(&settings, &[Change::Set("min.compaction.lag.ms", "10")]).is_err());
        assert!(changed(&settings, &[Change::Set("min.compaction.lag.ms", "9")]).is_ok());
    }

    #[test]
    fn the_stream_behind_the_topic_is_shown_read_only() {
        let all = show("arn:aws:kinesis:us-east-1:000000000000:stream/orders", &Settings::default(), 2, Limits::off());
        for (name, value) in [
            ("kinesis.stream.arn", "arn:aws:kinesis:us-east-1:000000000000:stream/orders"),
            ("kinesis.shard.count.open", "2"),
            ("kinesis.limits.profile", "off"),
        ] {
            let found = all.iter().find(|shown| shown.name == name).unwrap();
            assert_eq!(found.value, value);
            assert!(found.read_only);
        }
        assert_eq!(all.iter().filter(|shown| shown.read_only).count(), 3);
    }

    #[test]
    fn a_config_names_where_its_value_was_looked_for() {
        let synonyms = |settings: &Settings, name: &str| -> Vec<(&str, String, Source)> {
            let found = show("orders", settings, 1, Limits::off()).into_iter().find(|shown| shown.name == name).unwrap();
            found.synonyms.into_iter().map(|synonym| (synonym.name, synonym.value, synonym.source)).collect()
        };
        let default = ("log.retention.ms", "86400000".to_owned(), Source::Default);
        let set = ("retention.ms", "172800000".to_owned(), Source::Topic);
        let settings = created(&[("retention.ms", "172800000")]);
        assert_eq!(synonyms(&settings, "retention.ms"), [set, default.clone()]);
        assert_eq!(synonyms(&Settings::default(), "retention.ms"), std::slice::from_ref(&default));
        assert_eq!(synonyms(&Settings::default(), "remote.storage.enable"), []);
    }
}
