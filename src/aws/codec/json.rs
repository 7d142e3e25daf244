//! AWS JSON.

use std::fmt;
use std::io::Write as _;

use base64::Engine as _;
use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::aws::base64::BASE64;
use crate::aws::value::{Structure, Text, Value};
use crate::model::Timestamp;

use super::{Budget, Malformed};

/// What `body` says.
pub(super) fn decode(body: &Bytes) -> Result<Value, Malformed> {
    let mut budget = Budget::new();
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = Seed { body, budget: &mut budget }.deserialize(&mut reader);
    let value = value.and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| Malformed::new(error.to_string()))
}

/// Reads one value: the body that texts share, and how much more may come.
struct Seed<'b, 'de> {
    body: &'de Bytes,
    budget: &'b mut Budget,
}

impl<'de> Seed<'_, 'de> {
    fn next(&mut self) -> Seed<'_, 'de> {
        Seed { body: self.body, budget: self.budget }
    }

    /// `text`, which lies in the body.
    fn shared(&self, text: &'de str) -> Text {
        Text::shared(self.body.slice_ref(text.as_bytes())).unwrap_or_default()
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_, 'de> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.budget.spend().map_err(Error::custom)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, 'de> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, on: bool) -> Result<Value, E> {
        Ok(Value::Bool(on))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or(Value::Double(number as f64), Value::Integer))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Double(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value, E> {
        Ok(Value::Text(self.shared(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.to_owned().into())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Value, A::Error> {
        self.budget.enter().map_err(Error::custom)?;
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(self.next())? {
            values.push(value);
        }
        self.budget.leave();
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        self.budget.enter().map_err(Error::custom)?;
        let mut members = Structure::default();
        while let Some(key) = map.next_key_seed(Name(self.next()))? {
            members.push(key, map.next_value_seed(self.next())?);
        }
        self.budget.leave();
        Ok(Value::Map(members))
    }
}

/// Reads the name of a member.
struct Name<'b, 'de>(Seed<'b, 'de>);

impl<'de> DeserializeSeed<'de> for Name<'_, 'de> {
    type Value = Text;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Text, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name<'_, 'de> {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text, E> {
        Ok(self.0.shared(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Text::from(text.to_owned()))
    }
}

/// `members` as an object.
pub(super) fn encode(members: &Structure) -> Vec<u8> {
    let mut out = Vec::with_capacity(size(members));
    write_map(&mut out, members);
    out
}

/// About how many bytes it takes, so that large answers are not moved while they grow.
fn size(members: &Structure) -> usize {
    let of = |value: &Value| match value {
        Value::Text(text) => text.as_bytes().len() + 8,
        Value::Bytes(bytes) => bytes.len() / 3 * 4 + 8,
        Value::List(values) => values.iter().map(|value| value.as_structure().map_or(24, size)).sum(),
        Value::Map(members) => size(members),
        _ => 24,
    };
    members.iter().map(|(name, value)| name.len() + 4 + of(value)).sum::<usize>() + 2
}

fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(on) => out.extend_from_slice(if *on { b"true" } else { b"false" }),
        Value::Integer(number) => print(out, format_args!("{number}")),
        // JSON has no words for the others.
        Value::Double(number) if number.is_finite() => print(out, format_args!("{number}")),
        Value::Double(_) => out.extend_from_slice(b"null"),
        Value::Text(text) => write_text(out, text.as_str()),
        Value::Bytes(bytes) => write_base64(out, bytes),
        Value::Timestamp(at) => write_time(out, *at),
        Value::List(values) => {
            out.push(b'[');
            for (number, value) in values.iter().enumerate() {
                if number > 0 {
                    out.push(b',');
                }
                write(out, value);
            }
            out.push(b']');
        }
        Value::Map(members) | Value::Entries(members) => write_map(out, members),
    }
}

fn write_map(out: &mut Vec<u8>, members: &Structure) {
    out.push(b'{');
    for (number, (name, value)) in members.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        write_text(out, name);
        out.push(b':');
        write(out, value);
    }
    out.push(b'}');
}

/// A vector takes all that is written to it.
fn print(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    let _ = serde_json::to_writer(out, text);
}

fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    // There is exactly as much room as it takes.
    let written = out.get_mut(start..).and_then(|room| BASE64.encode_slice(bytes, room).ok()).unwrap_or(0);
    out.truncate(start + written);
    out.push(b'"');
}

/// Seconds with three decimals: no exponent, and short enough for the parsers of all SDKs.
fn write_time(out: &mut Vec<u8>, at: Timestamp) {
    let (sign, millis) = (if at.0 < 0 { "-" } else { "" }, at.0.unsigned_abs());
    print(out, format_args!("{sign}{}.{:03}", millis / 1_000, millis % 1_000));
}
