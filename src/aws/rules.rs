//! What an operation takes, as a table beside it, and the one interpreter that owns AWS's order and wording.
//!
//! First the types, in the order of the table: what is not of the kind that its rule says is a SerializationException. Then the
//! constraints, in the same order: a ValidationException tells all that are broken, ten at most. Members that no rule names are
//! dropped, as AWS ignores what it does not know. The wordings are those that kinesalite's tests saw AWS answer.

mod check;
mod convert;
mod form;
#[cfg(test)]
mod tests;

use super::refusal::Refusal;
use super::value::{Input, Structure};

/// What may stand in one member of an input.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    name: &'static str,
    kind: Kind,
    required: bool,
    pattern: Option<Pattern>,
    /// Fewest and most characters, bytes or elements.
    length: Option<(usize, usize)>,
    /// Smallest and largest number.
    range: Option<(i64, i64)>,
    one_of: &'static [&'static str],
    /// What stands for a structure in AWS's messages.
    shown: &'static str,
}

/// What a member is.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    Blob,
    Boolean,
    Integer,
    Long,
    Double,
    Timestamp,
    Structure(&'static [Rule]),
    List(&'static Rule),
    /// From texts to texts: the rules of keys and of values.
    Map(&'static Rule, &'static Rule),
}

/// A regular expression, and what it says as code: few are needed, and some are asked for 500 times in a request.
#[derive(Clone, Copy, Debug)]
pub struct Pattern {
    /// The expression, as AWS shows it.
    pub text: &'static str,
    /// Whether all of a text matches.
    pub accepts: fn(&str) -> bool,
}

impl Rule {
    const fn of(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, required: false, pattern: None, length: None, range: None, one_of: &[], shown: "" }
    }

    /// A text.
    pub const fn text(name: &'static str) -> Self {
        Self::of(name, Kind::Text)
    }

    /// Bytes: base64 in JSON.
    pub const fn blob(name: &'static str) -> Self {
        Self::of(name, Kind::Blob)
    }

    /// True or false.
    pub const fn boolean(name: &'static str) -> Self {
        Self::of(name, Kind::Boolean)
    }

    /// A whole number.
    pub const fn integer(name: &'static str) -> Self {
        Self::of(name, Kind::Integer)
    }

    /// A whole number of 64 bits, which AWS calls by another name in its messages.
    pub const fn long(name: &'static str) -> Self {
        Self::of(name, Kind::Long)
    }

    /// A number.
    pub const fn double(name: &'static str) -> Self {
        Self::of(name, Kind::Double)
    }

    /// A point in time.
    pub const fn timestamp(name: &'static str) -> Self {
        Self::of(name, Kind::Timestamp)
    }

    /// Members with rules of their own.
    pub const fn structure(name: &'static str, members: &'static [Rule]) -> Self {
        Self::of(name, Kind::Structure(members))
    }

    /// Elements that all have the same rule. Its name is not used.
    pub const fn list(name: &'static str, member: &'static Rule) -> Self {
        Self::of(name, Kind::List(member))
    }

    /// Texts by text. The names of the rules are not used.
    pub const fn map(name: &'static str, key: &'static Rule, value: &'static Rule) -> Self {
        Self::of(name, Kind::Map(key, value))
    }

    /// It must be there.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// All of the text must match.
    #[must_use]
    pub const fn pattern(self, pattern: Pattern) -> Self {
        Self { pattern: Some(pattern), ..self }
    }

    /// Fewest and most characters of a text, bytes of a blob, elements of a list or map.
    #[must_use]
    pub const fn length(self, min: usize, max: usize) -> Self {
        Self { length: Some((min, max)), ..self }
    }

    /// Smallest and largest number.
    #[must_use]
    pub const fn range(self, min: i64, max: i64) -> Self {
        Self { range: Some((min, max)), ..self }
    }

    /// The texts that there are, in the order in which AWS lists them.
    #[must_use]
    pub const fn one_of(self, values: &'static [&'static str]) -> Self {
        Self { one_of: values, ..self }
    }

    /// What stands for the structure in AWS's messages: its Java class.
    #[must_use]
    pub const fn shown(self, shown: &'static str) -> Self {
        Self { shown, ..self }
    }

    /// The same rule for a member of another name.
    #[must_use]
    pub const fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }
}

/// What `members` say, by `rules`.
///
/// # Errors
/// SerializationException for the first member that is of another kind, ValidationException for broken constraints.
pub fn check(rules: &'static [Rule], members: Structure) -> Result<Input, Refusal> {
    let input = convert::structure(rules, members)?;
    check::structure(rules, &input)?;
    Ok(input)
}

/// What a form's `pairs` say, by `rules`: there, everything is text.
///
/// # Errors
/// As [`check`].
pub(super) fn check_form(rules: &'static [Rule], pairs: &[(String, String)]) -> Result<Input, Refusal> {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let input = form::structure(rules, &pairs)?;
    check::structure(rules, &input)?;
    Ok(input)
}
