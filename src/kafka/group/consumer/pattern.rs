//! Regular expressions over topic names, as RE2/J reads them (Kafka: `TopicRegexResolver`): the whole name has to match.
//!
//! The engine is the crate `regex`, of the same family as RE2: no look-around, no back-references, linear time. Classes such as
//! `\w` mean ASCII, as there; `\Q…\E` quotes, which the crate does not know and is spelled out for it.

use std::collections::BTreeSet;

use regex::bytes::{Regex, RegexBuilder};

/// Bytes of a pattern. *Ours*: its parsed form takes hundreds of times as much.
const PATTERN_BYTES_MAX: usize = 16 << 10;
/// Bytes of a compiled pattern. *Ours*.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// A pattern, ready to be compared with names.
pub(crate) struct Pattern(Regex);

impl Pattern {
    /// The pattern that reads like this; the error says what is wrong with it.
    pub(crate) fn new(pattern: &str) -> Result<Self, String> {
        compile(pattern).map(Self)
    }

    /// Whether all of the name matches.
    pub(crate) fn is_match(&self, name: &str) -> bool {
        self.0.is_match(name.as_bytes())
    }
}

/// The names that match; the error says what is wrong with the pattern.
pub(crate) fn matching(pattern: &str, names: impl IntoIterator<Item = String>) -> Result<BTreeSet<String>, String> {
    let pattern = Pattern::new(pattern)?;
    Ok(names.into_iter().filter(|name| pattern.is_match(name)).collect())
}

/// Whether it is a pattern; the error says why not.
pub(crate) fn check(pattern: &str) -> Result<(), String> {
    compile(pattern).map(drop)
}

fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(format!("it has {} bytes; at most {PATTERN_BYTES_MAX} are accepted", pattern.len()));
    }
    let plain = unquoted(pattern);
    // By itself first: what is broken may look whole between the brackets.
    build(&plain).and_then(|_| build(&format!(r"\A(?:{plain})\z"))).map_err(|error| error.to_string())
}

fn build(pattern: &str) -> Result<Regex, regex::Error> {
    let build = |unicode| RegexBuilder::new(pattern).unicode(unicode).size_limit(COMPILED_BYTES_MAX).build();
    // Names of scripts and categories need Unicode; everything else is smaller without.
    build(false).or_else(|_| build(true))
}

/// The pattern with everything between `\Q` and `\E`, or the end, escaped.
fn unquoted(pattern: &str) -> String {
    let (mut plain, mut rest) = (String::with_capacity(pattern.len()), pattern);
    while let Some(at) = rest.find('\\') {
        let (before, after) = rest.split_at(at);
        plain.push_str(before);
        if let Some(quoted) = after.strip_prefix(r"\Q") {
            let (text, behind) = quoted.split_once(r"\E").unwrap_or((quoted, ""));
            plain.push_str(&regex::escape(text));
            rest = behind;
        } else {
            let escaped = after.char_indices().nth(2).map_or(after.len(), |(end, _)| end);
            plain.push_str(&after[..escaped]);
            rest = &after[escaped..];
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_names_as_re2_does() {
        let names = ["orders", "orders.eu", "orders-1", "my-orders", "payments", "a.b", "axb"];
        let rows: [(&str, &[&str]); 12] = [
            ("orders", &["orders"]),
            ("orders.*", &["orders", "orders-1", "orders.eu"]),
            ("a|orders", &["orders"]),
            ("or|orders", &["orders"]),
            ("^orders$", &["orders"]),
            (r"a\.b", &["a.b"]),
            (r"\Qa.b\E", &["a.b"]),
            (r"\Qa.b", &["a.b"]),
            (r"orders\W\d", &["orders-1"]),
            (r"(?i)ORDERS", &["orders"]),
            (r"\p{Lu}?payments", &["payments"]),
            ("[^o].*", &["a.b", "axb", "my-orders", "payments"]),
        ];
        for (pattern, expected) in rows {
            let found = matching(pattern, names.map(str::to_owned)).unwrap();
            assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_a_reason() {
        let (long, huge) = ("a".repeat(PATTERN_BYTES_MAX + 1), r"(\pL{100}){100}");
        for pattern in ["(", "a)|(b", "[", "*", r"(a)\1", "(?=a)", "a{2,1}", &long, huge] {
            assert!(!check(pattern).unwrap_err().is_empty(), "{pattern:.20}");
        }
    }
}
