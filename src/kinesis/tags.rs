//! Tags of streams and consumers: which are accepted, and how they are listed.

use std::collections::BTreeMap;

use crate::aws::{Refusal, Structure, Value};
use crate::model::limits::TAGS_MAX;

use super::refusal::argument;

/// Adds tags, or changes those that are there. `failed` puts AWS's words around why it cannot.
///
/// # Errors
/// InvalidArgumentException for characters that no tag has, and for too many.
pub(super) fn add(
    tags: &mut BTreeMap<String, String>,
    given: &Structure,
    failed: impl Fn(&str) -> String,
) -> Result<(), Refusal> {
    let pairs = || given.iter().filter_map(|(key, value)| Some((key, value.as_text()?)));
    check(&pairs().flat_map(|(key, value)| [key, value]).collect::<Vec<_>>(), &failed)?;
    let more = pairs().filter(|(key, _)| !tags.contains_key(*key)).count();
    if tags.len() + more > TAGS_MAX {
        return Err(argument(failed(&format!("a given stream cannot have more than {TAGS_MAX} tags associated with it."))));
    }
    tags.extend(pairs().map(|(key, value)| (key.to_owned(), value.to_owned())));
    Ok(())
}

/// Removes tags; those that are not there do not matter.
///
/// # Errors
/// InvalidArgumentException for characters that no tag has.
pub(super) fn remove(
    tags: &mut BTreeMap<String, String>,
    keys: &Structure,
    failed: impl Fn(&str) -> String,
) -> Result<(), Refusal> {
    check(&keys.texts("TagKeys").collect::<Vec<_>>(), &failed)?;
    for key in keys.texts("TagKeys") {
        tags.remove(key);
    }
    Ok(())
}

/// AWS looks twice: for characters that it does not know, and then for `%`, which it does.
fn check(texts: &[&str], failed: &impl Fn(&str) -> String) -> Result<(), Refusal> {
    if !texts.iter().flat_map(|text| text.chars()).all(is_known) {
        return Err(argument(
            "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . / = + - % @ :.",
        ));
    }
    if texts.iter().any(|text| text.contains('%')) {
        return Err(argument(failed(
            "some tags contained illegal characters. The allowed characters are Unicode letters, white-spaces, \
             '_',',','/','=','+','-','@',':'.",
        )));
    }
    Ok(())
}

fn is_known(letter: char) -> bool {
    letter.is_ascii_alphanumeric()
        || "_./=+- @%:".contains(letter)
        || ('\u{c0}'..='\u{1fff}').contains(&letter)
        || ('\u{2c00}'..='\u{d7ff}').contains(&letter)
}

/// Tags in the order of their keys, as lists have them.
pub(super) fn shown<'a>(tags: impl IntoIterator<Item = (&'a String, &'a String)>) -> Value {
    let tag =
        |(key, value): (&String, &String)| Structure::with_capacity(2).with("Key", key.clone()).with("Value", value.clone());
    tags.into_iter().map(tag).collect()
}
