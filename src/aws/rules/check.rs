//! The constraints of an input whose types are right.

use std::fmt::{Display, Write as _};

use crate::aws::refusal::Refusal;
use crate::aws::value::{Structure, Value};

use super::{Kind, Rule};

/// Violations that are told at once, as by AWS.
const VIOLATIONS_MAX: usize = 10;
/// Bytes of one value that are shown. *Ours*: the value may be a whole body.
const SHOWN_BYTES_MAX: usize = 64 << 10;

/// Checks the members of an input.
pub(super) fn structure(rules: &[Rule], members: &Structure) -> Result<(), Refusal> {
    let mut found = Violations(Vec::new());
    found.in_structure("", rules, members);
    let Violations(found) = found;
    if found.is_empty() {
        return Ok(());
    }
    let plural = if found.len() > 1 { "s" } else { "" };
    Err(Refusal::validation(format!("{} validation error{plural} detected: {}", found.len(), found.join("; "))))
}

struct Violations(Vec<String>);

impl Violations {
    fn in_structure(&mut self, parent: &str, rules: &[Rule], members: &Structure) {
        for rule in rules {
            let value = members.get(rule.name);
            // Paths are made only where they are shown: almost always none is.
            self.in_value(&|| path(parent, rule.name), rule, value.unwrap_or(&Value::Null));
        }
    }

    fn in_value(&mut self, path: &dyn Fn() -> String, rule: &Rule, value: &Value) {
        if *value == Value::Null {
            if rule.required {
                self.note(path, rule, value, "Member must not be null");
            }
            return;
        }
        if let (Some(pattern), Value::Text(text)) = (rule.pattern, value)
            && !(pattern.accepts)(text.as_str())
        {
            self.note(path, rule, value, format_args!("Member must satisfy regular expression pattern: {}", pattern.text));
        }
        if let (Some((min, max)), Some(length)) = (rule.length, length(value)) {
            if length < min {
                self.note(path, rule, value, format_args!("Member must have length greater than or equal to {min}"));
            }
            if length > max {
                self.note(path, rule, value, format_args!("Member must have length less than or equal to {max}"));
            }
        }
        if let (Some((min, max)), Value::Integer(number)) = (rule.range, value) {
            if *number < min {
                self.note(path, rule, value, format_args!("Member must have value greater than or equal to {min}"));
            }
            if *number > max {
                self.note(path, rule, value, format_args!("Member must have value less than or equal to {max}"));
            }
        }
        if let Value::Text(text) = value
            && !rule.one_of.is_empty()
            && !rule.one_of.contains(&text.as_str())
        {
            self.note(path, rule, value, format_args!("Member must satisfy enum value set: [{}]", rule.one_of.join(", ")));
        }
        self.in_parts(path, rule, value);
    }

    fn in_parts(&mut self, path: &dyn Fn() -> String, rule: &Rule, value: &Value) {
        match (rule.kind, value) {
            (Kind::Structure(rules), Value::Map(members)) if !rules.is_empty() => self.in_structure(&path(), rules, members),
            // Of plain elements AWS tells that one is wrong, but not which.
            (Kind::List(member), Value::List(values))
                if matches!(member.kind, Kind::Text) && !values.iter().all(|value| is_right(member, value)) =>
            {
                self.note(path, rule, value, format_args!("Member must satisfy constraint: [{}]", words(member)));
            }
            (Kind::List(member), Value::List(values)) => {
                for (number, value) in (1..).zip(values) {
                    if self.is_full() {
                        return;
                    }
                    self.in_value(&|| format!("{}.{number}.member", path()), member, value);
                }
            }
            (Kind::Map(key, member), Value::Map(members)) => {
                if !members.iter().all(|(name, _)| is_right_text(key, name)) {
                    self.note(path, rule, value, format_args!("Map keys must satisfy constraint: [{}]", words(key)));
                }
                if !members.iter().all(|(_, value)| is_right(member, value)) {
                    self.note(path, rule, value, format_args!("Map value must satisfy constraint: [{}]", words(member)));
                }
            }
            _ => {}
        }
    }

    fn note(&mut self, path: &dyn Fn() -> String, rule: &Rule, value: &Value, constraint: impl Display) {
        if !self.is_full() {
            let value = shown(rule, value);
            self.0.push(format!("Value {value} at '{}' failed to satisfy constraint: {constraint}", path()));
        }
    }

    fn is_full(&self) -> bool {
        self.0.len() >= VIOLATIONS_MAX
    }
}

/// `streamName`, `records.1.member.partitionKey`.
fn path(parent: &str, name: &str) -> String {
    let mut path = String::with_capacity(parent.len() + name.len() + 1);
    if !parent.is_empty() {
        path.push_str(parent);
        path.push('.');
    }
    let mut letters = name.chars();
    path.extend(letters.next().map(|first| first.to_ascii_lowercase()));
    path.push_str(letters.as_str());
    path
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::Text(text) => Some(text.as_str().chars().count()),
        Value::Bytes(bytes) => Some(bytes.len()),
        Value::List(values) => Some(values.len()),
        Value::Map(members) => Some(members.len()),
        _ => None,
    }
}

fn is_right(rule: &Rule, value: &Value) -> bool {
    value.as_text().is_some_and(|text| is_right_text(rule, text))
}

fn is_right_text(rule: &Rule, text: &str) -> bool {
    rule.pattern.is_none_or(|pattern| (pattern.accepts)(text))
        && rule.length.is_none_or(|(min, max)| (min..=max).contains(&text.chars().count()))
        && (rule.one_of.is_empty() || rule.one_of.contains(&text))
}

/// All constraints of an element.
fn words(rule: &Rule) -> String {
    let mut words = Vec::new();
    if let Some((min, max)) = rule.length {
        words.push(format!("Member must have length less than or equal to {max}"));
        words.push(format!("Member must have length greater than or equal to {min}"));
    }
    words.extend(rule.pattern.map(|pattern| format!("Member must satisfy regular expression pattern: {}", pattern.text)));
    if !rule.one_of.is_empty() {
        words.push(format!("Member must satisfy enum value set: [{}]", rule.one_of.join(", ")));
    }
    words.join(", ")
}

/// A value as AWS's Java prints it.
fn shown(rule: &Rule, value: &Value) -> String {
    if *value == Value::Null {
        return "null".to_owned();
    }
    let mut out = "'".to_owned();
    print(&mut out, Some(rule), value);
    if out.len() > SHOWN_BYTES_MAX {
        out.truncate(out.floor_char_boundary(SHOWN_BYTES_MAX));
    }
    out.push('\'');
    out
}

/// A string takes all that is written to it.
fn print(out: &mut String, rule: Option<&Rule>, value: &Value) {
    if out.len() > SHOWN_BYTES_MAX {
        return;
    }
    let _ = match value {
        Value::Null => write!(out, "null"),
        Value::Bool(on) => write!(out, "{on}"),
        Value::Integer(number) => write!(out, "{number}"),
        Value::Double(number) => write!(out, "{number}"),
        Value::Text(text) => write!(out, "{}", text.as_str()),
        Value::Bytes(bytes) => write!(out, "java.nio.HeapByteBuffer[pos=0 lim={0} cap={0}]", bytes.len()),
        Value::Timestamp(at) => write!(out, "{}", at.0),
        Value::List(values) => {
            let member = rule.and_then(|rule| if let Kind::List(member) = rule.kind { Some(member) } else { None });
            out.push('[');
            for (number, value) in values.iter().enumerate() {
                out.push_str(if number > 0 { ", " } else { "" });
                print(out, member, value);
            }
            write!(out, "]")
        }
        Value::Map(_) if rule.is_some_and(|rule| !rule.shown.is_empty()) => {
            write!(out, "{}", rule.map_or("", |rule| rule.shown))
        }
        Value::Map(members) | Value::Entries(members) => {
            out.push('{');
            for (number, (name, value)) in members.iter().enumerate() {
                let _ = write!(out, "{}{name}=", if number > 0 { ", " } else { "" });
                print(out, None, value);
            }
            write!(out, "}}")
        }
    };
}
