//! The configs of groups.

use std::collections::BTreeMap;

use super::shown::{Kind, Shown, Source, Synonym};
use super::{Change, Refusal, quoted};
use crate::kafka::Door;
use crate::kafka::code;
use crate::kafka::group_configs::{CONFIGS, Values};

/// All configs of a group that has set `own`.
pub(crate) fn show(own: &BTreeMap<String, String>) -> Vec<Shown> {
    let shown = CONFIGS.iter().map(|config| {
        let set = own.get(config.name);
        let source = if set.is_some() { Source::Group } else { Source::Default };
        let value = set.map_or(config.default, String::as_str).to_owned();
        let own = set.map(|value| Synonym { name: config.name, value: value.clone(), source: Source::Group });
        let name = config.broker_name.unwrap_or(config.name);
        let default = Synonym { name, value: config.default.to_owned(), source: Source::Default };
        let synonyms = own.into_iter().chain([default]).collect();
        let (kind, documentation) = (kind(config.values), config.documentation);
        Shown { name: config.name, value, kind, read_only: false, source, synonyms, documentation }
    });
    shown.collect()
}

/// The type of a config's values.
pub(super) fn kind(values: Values) -> Kind {
    match values {
        Values::Bool => Kind::Boolean,
        Values::Int(..) => Kind::Int,
        Values::List => Kind::List,
        Values::Word(_) | Values::Start | Values::Topic => Kind::String,
    }
}

/// Changes configs of a group, all or none; only tries it if `validate_only`. INVALID_CONFIG for a config or value that is none.
pub(crate) async fn alter(door: &Door, group: &str, changes: &[Change<'_>], validate_only: bool) -> Result<(), Refusal> {
    if group.is_empty() {
        return Err(Refusal::request("the name of the group is empty; a name is needed"));
    }
    let after = changed(door.group_configs.own(group), changes)?;
    if validate_only {
        return Ok(());
    }
    let set = door.group_configs.set(group, after).await;
    set.map_err(|refusal| Refusal::new(code::of_group_configs(refusal), refusal.to_string()))
}

fn changed(mut own: BTreeMap<String, String>, changes: &[Change<'_>]) -> Result<BTreeMap<String, String>, Refusal> {
    for change in changes {
        let (name, value) = match *change {
            Change::Set(name, value) => (name, Some(value)),
            Change::Delete(name) => (name, None),
            Change::Append(name, _) | Change::Subtract(name, _) => {
                return Err(Refusal::config(format!("the group config {} can be set, not extended", quoted(name))));
            }
        };
        let Some(value) = value else {
            // One that is not known is not set either.
            own.remove(name);
            continue;
        };
        let config = CONFIGS.iter().find(|config| config.name == name);
        let names = || CONFIGS.iter().map(|config| config.name).collect::<Vec<_>>().join(", ");
        let unknown = || Refusal::config(format!("there is no group config {}; there are {}", quoted(name), names()));
        let config = config.ok_or_else(unknown)?;
        let wrong = |accepted| Refusal::config(format!("the config {name} is {}; {accepted} are accepted", quoted(value)));
        config.values.check(value).map_err(wrong)?;
        own.insert(name.to_owned(), value.to_owned());
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_shown_and_what_is_taken_back_is_not() {
        let own = changed(BTreeMap::new(), &[Change::Set("share.auto.offset.reset", "earliest")]).unwrap();
        let of = |own: &BTreeMap<String, String>| {
            let shown = show(own).into_iter().find(|shown| shown.name == "share.auto.offset.reset").unwrap();
            (shown.value, shown.source)
        };
        assert_eq!(of(&own), ("earliest".to_owned(), Source::Group));
        let own = changed(own, &[Change::Delete("share.auto.offset.reset")]).unwrap();
        assert_eq!(of(&own), ("latest".to_owned(), Source::Default));
        assert_eq!(changed(own.clone(), &[Change::Delete("share.nonsense")]), Ok(own));
    }

    #[test]
    fn a_config_names_where_its_default_comes_from() {
        let own = changed(BTreeMap::new(), &[Change::Set("share.session.timeout.ms", "50000")]).unwrap();
        let shown = show(&own);
        let of = |name: &str| {
            let shown = shown.iter().find(|shown| shown.name == name).unwrap();
            shown.synonyms.iter().map(|synonym| (synonym.name, &*synonym.value, synonym.source)).collect::<Vec<_>>()
        };
        let broker = "group.share.session.timeout.ms";
        assert_eq!(
            of("share.session.timeout.ms"),
            [("share.session.timeout.ms", "50000", Source::Group), (broker, "45000", Source::Default)]
        );
        assert_eq!(of("consumer.assignment.interval.ms"), [("group.consumer.assignment.interval.ms", "1000", Source::Default)]);
        assert_eq!(of("share.auto.offset.reset"), [("share.auto.offset.reset", "latest", Source::Default)]);
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_words() {
        for (change, words) in [
            (Change::Set("share.nonsense", "1"), "there is no group config \"share.nonsense\""),
            (Change::Set("share.record.lock.duration.ms", "1"), "15000 to 60000 are accepted"),
            (Change::Set("consumer.session.timeout.ms", "60001"), "45000 to 60000 are accepted"),
            (Change::Set("share.partition.max.record.locks", "4001"), "100 to 4000 are accepted"),
            (Change::Set("errors.deadletterqueue.topic.name", "__dlq"), "two underscores are accepted"),
            (Change::Append("streams.rack.aware.assignment.tags", "x"), "can be set, not extended"),
        ] {
            let refusal = changed(BTreeMap::new(), &[change]).unwrap_err();
            assert_eq!(refusal.error, kafka_protocol::ResponseError::InvalidConfig);
            assert!(refusal.words.contains(words), "{}", refusal.words);
        }
    }
}
