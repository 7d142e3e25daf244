//! From the names and texts of a form to the kinds that the rules say. Only what rules name is looked at.

use std::collections::BTreeMap;

use crate::aws::refusal::Refusal;
use crate::aws::value::{Structure, Text, Value};
use crate::model::{Civil, Timestamp};

use super::{Kind, Rule};

/// A part of a form: the rest of each name, and the value.
type Pairs<'a> = [(&'a str, &'a str)];

/// The members that `rules` name, each of its kind.
pub(super) fn structure(rules: &[Rule], pairs: &Pairs<'_>) -> Result<Structure, Refusal> {
    let mut found = Structure::with_capacity(rules.len().min(pairs.len()));
    for rule in rules {
        let below: Vec<_> = pairs.iter().filter_map(|(name, value)| Some((behind(name, rule.name)?, *value))).collect();
        if !below.is_empty() {
            found.push(Text::of(rule.name), value_of(&rule.kind, &below)?);
        }
    }
    Ok(found)
}

/// What follows `part` on the way that `name` is: `1.Name` behind `member` in `member.1.Name`, nothing behind `member` itself.
fn behind<'n>(name: &'n str, part: &str) -> Option<&'n str> {
    let rest = name.strip_prefix(part)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('.') }
}

fn value_of(kind: &Kind, pairs: &Pairs<'_>) -> Result<Value, Refusal> {
    match kind {
        Kind::Structure(rules) => {
            if pairs.iter().any(|(name, _)| name.is_empty()) {
                return Err(misplaced());
            }
            structure(rules, pairs).map(Value::Map)
        }
        Kind::List(member) => list(member, pairs),
        kind => match pairs {
            [("", text)] => scalar(kind, text),
            _ => Err(misplaced()),
        },
    }
}

/// The elements in the order of their numbers. A list without any is written as a name without a value.
fn list(member: &Rule, pairs: &Pairs<'_>) -> Result<Value, Refusal> {
    if let [("", "")] = pairs {
        return Ok(Value::List(Vec::new()));
    }
    let mut elements = BTreeMap::<u32, Vec<_>>::new();
    for (name, value) in pairs {
        let element = behind(name, "member").map(|name| name.split_once('.').unwrap_or((name, "")));
        let (number, rest) = element.ok_or_else(misplaced)?;
        let number = number.parse().map_err(|_| Refusal::serialization("Unexpected list element termination"))?;
        elements.entry(number).or_default().push((rest, *value));
    }
    elements.into_values().map(|pairs| value_of(&member.kind, &pairs)).collect::<Result<_, _>>().map(Value::List)
}

fn scalar(kind: &Kind, text: &str) -> Result<Value, Refusal> {
    let is_not = |what: &str| Refusal::serialization(format!("{what} must follow xsd1.1 definition"));
    match kind {
        Kind::Text => Ok(text.to_owned().into()),
        Kind::Boolean => text.parse().map(Value::Bool).map_err(|_| is_not("boolean")),
        Kind::Integer => text.parse().map(Value::Integer).map_err(|_| is_not("integer")),
        Kind::Long => text.parse().map(Value::Integer).map_err(|_| is_not("long")),
        Kind::Double => text.parse().map(Value::Double).map_err(|_| is_not("double")),
        Kind::Timestamp => {
            time(text).map(Value::Timestamp).ok_or_else(|| Refusal::serialization("timestamp must follow ISO8601"))
        }
        _ => Err(misplaced()),
    }
}

/// A value where members are expected, or members where a value is.
fn misplaced() -> Refusal {
    Refusal::serialization("Unexpected complex element termination")
}

/// The time in `2023-11-14T22:13:20.123Z`: the fraction may be missing, or the time of day, and there may be an offset such as
/// `+01:00` instead of the `Z`, or nothing.
fn time(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_at_checked(10)?;
    let clock = if rest.is_empty() { "00:00:00" } else { rest.strip_prefix(['T', 't', ' '])? };
    let at = clock.find(['Z', 'z', '+', '-']).unwrap_or(clock.len());
    let (clock, zone) = clock.split_at_checked(at)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(clock, ':')?;
    let at = Civil { year, month, day, hour, minute, second }.timestamp()?;
    let is_fraction = !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit());
    let millis: i64 = format!("{fraction:0<3}").get(..3).filter(|_| is_fraction)?.parse().ok()?;
    let ahead = match zone.split_at_checked(1) {
        None | Some(("Z" | "z", "")) => 0,
        Some((sign @ ("+" | "-"), offset)) => {
            let [hours, minutes] = numbers(offset, ':')?;
            (hours * 60 + minutes) * if sign == "+" { 60_000 } else { -60_000 }
        }
        Some(_) => return None,
    };
    Some(Timestamp(at.0 + millis - ahead))
}

/// So many numbers between separators, of at most four digits each.
fn numbers<const N: usize>(text: &str, separator: char) -> Option<[i64; N]> {
    let parts = text.split(separator).map(|part| {
        let is_number = (1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        part.parse().ok().filter(|_| is_number)
    });
    parts.take(N + 1).collect::<Option<Vec<i64>>>()?.try_into().ok()
}
