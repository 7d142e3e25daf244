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
        let kind = match config.values {
            Values::Bool => Kind::Boolean,
            Values::Int(..) => Kind::Int,
            Values::List => Kind::List,
            Values::Word(_) | Values::Start => Kind::String,
        };
        let synonyms = vec![Synonym { name: config.name, value: value.clone(), source }];
        Shown { name: config.name, value, kind, read_only: false, source, synonyms, documentation: config.documentation }
    });
    shown.collect()
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
                return Err(Refusal::config(format!("the config {} is no list; set it", quoted(name))));
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
    fn what_makes_no_sense_is_refused_in_words() {
        for (change, words) in [
            (Change::Set("share.nonsense", "1"), "there is no group config \"share.nonsense\""),
            (Change::Set("share.record.lock.duration.ms", "1"), "15000 to 60000 are accepted"),
            (Change::Set("consumer.session.timeout.ms", "60001"), "45000 to 60000 are accepted"),
            (Change::Append("share.isolation.level", "x"), "is no list"),
        ] {
            let refusal = changed(BTreeMap::new(), &[change]).unwrap_err();
            assert_eq!(refusal.error, kafka_protocol::ResponseError::InvalidConfig);
            assert!(refusal.words.contains(words), "{}", refusal.words);
        }
    }
}
