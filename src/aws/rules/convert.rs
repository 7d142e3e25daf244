//! From what a codec read to the kinds that the rules say.

use base64::Engine as _;
use base64::{DecodeError, DecodeSliceError};
use bytes::Bytes;

use crate::aws::base64::BASE64;
use crate::aws::refusal::Refusal;
use crate::aws::value::{Structure, Text, Value};
use crate::model::Timestamp;

use super::{Kind, Rule};

/// Bytes of a refused text that are shown. *Ours*: the text may be a whole body.
const SHOWN_BYTES_MAX: usize = 1_024;

/// The members that `rules` name, each of its kind.
pub(super) fn structure(rules: &[Rule], mut members: Structure) -> Result<Structure, Refusal> {
    let mut found = Structure::with_capacity(rules.len().min(members.len()));
    for rule in rules {
        if let Some(value) = members.take(rule.name) {
            found.push(Text::of(rule.name), value_of(&rule.kind, value)?);
        }
    }
    Ok(found)
}

fn value_of(kind: &Kind, value: Value) -> Result<Value, Refusal> {
    match (kind, value) {
        (_, Value::Null) => Ok(Value::Null),
        (Kind::Structure(rules), Value::Map(members)) => structure(rules, members).map(Value::Map),
        (Kind::List(member), Value::List(values)) => {
            values.into_iter().map(|value| value_of(&member.kind, value)).collect::<Result<_, _>>().map(Value::List)
        }
        (Kind::Map(_, value), Value::Map(mut members)) => {
            for (_, member) in members.members() {
                *member = value_of(&value.kind, std::mem::replace(member, Value::Null))?;
            }
            Ok(Value::Map(members))
        }
        (_, Value::Map(_)) => Err(Refusal::serialization("Start of structure or map found where not expected.")),
        (_, Value::List(_)) => Err(Refusal::serialization("Start of list found where not expected")),
        (Kind::Structure(_), _) => Err(Refusal::serialization("Expected null")),
        (Kind::List(_), _) => Err(Refusal::serialization("Expected list or null")),
        (Kind::Map(..), _) => Err(Refusal::serialization("Expected map or null")),
        (Kind::Text, value @ Value::Text(_))
        | (Kind::Blob, value @ Value::Bytes(_))
        | (Kind::Boolean, value @ Value::Bool(_))
        | (Kind::Integer | Kind::Long, value @ Value::Integer(_))
        | (Kind::Double, value @ Value::Double(_))
        | (Kind::Timestamp, value @ Value::Timestamp(_)) => Ok(value),
        (Kind::Blob, Value::Text(text)) => blob(&text).map(Value::Bytes),
        (Kind::Boolean, Value::Text(text)) => boolean(text.as_str()),
        // Saturating, and no whole number is that large.
        (Kind::Integer | Kind::Long, Value::Double(number)) => Ok(Value::Integer(number.floor() as i64)),
        (Kind::Double, Value::Integer(number)) => Ok(Value::Double(number as f64)),
        (Kind::Timestamp, Value::Integer(seconds)) => Ok(Value::Timestamp(Timestamp(seconds.saturating_mul(1_000)))),
        (Kind::Timestamp, Value::Double(seconds)) => Ok(Value::Timestamp(Timestamp((seconds * 1_000.0).round() as i64))),
        (kind, value) => Err(mismatch(kind, &value)),
    }
}

/// A value of one kind where another one is expected, in the words of AWS's Java.
fn mismatch(kind: &Kind, value: &Value) -> Refusal {
    let class = match value {
        Value::Bool(_) => "class java.lang.Boolean",
        Value::Integer(_) | Value::Double(_) => "class com.amazon.coral.value.json.numbers.TruncatingBigNumber",
        Value::Bytes(_) => "class java.nio.HeapByteBuffer",
        Value::Timestamp(_) => "class java.util.Date",
        _ => "class java.lang.String",
    };
    let wanted = match kind {
        Kind::Text => "an String",
        Kind::Blob => "a Blob",
        Kind::Boolean => "an Boolean",
        Kind::Integer => "an Integer",
        Kind::Long => "an Long",
        Kind::Double => "an Double",
        _ => "milliseconds since epoch",
    };
    Refusal::serialization(format!("{class} can not be converted to {wanted}"))
}

fn boolean(text: &str) -> Result<Value, Refusal> {
    let upper = shown(text).to_uppercase();
    match upper.as_str() {
        "TRUE" | "YES" | "1" => Ok(Value::Bool(true)),
        "FALSE" | "NO" | "0" => Ok(Value::Bool(false)),
        _ => Err(Refusal::serialization(format!("'{upper}' can not be converted to an Boolean"))),
    }
}

fn blob(text: &Text) -> Result<Bytes, Refusal> {
    let encoded = text.as_bytes();
    let refused = |why: String| {
        let shown = shown(text.as_str());
        Refusal::serialization(format!("'{shown}' can not be converted to a Blob: {why}"))
    };
    if !encoded.len().is_multiple_of(4) {
        let length = encoded.len();
        return Err(refused(format!("Base64 encoded length is expected a multiple of 4 bytes but found: {length}")));
    }
    let mut decoded = vec![0; encoded.len() / 4 * 3];
    let length = BASE64.decode_slice(encoded, &mut decoded).map_err(|error| match error {
        DecodeSliceError::DecodeError(DecodeError::InvalidByte(_, byte)) => {
            refused(format!("Invalid Base64 character: '{}'", char::from(byte)))
        }
        // In AWS's spelling.
        _ => refused("Invalid last non-pad Base64 character dectected".to_owned()),
    })?;
    decoded.truncate(length);
    Ok(decoded.into())
}

/// As much of a text as is shown.
fn shown(text: &str) -> &str {
    text.get(..text.floor_char_boundary(SHOWN_BYTES_MAX)).unwrap_or(text)
}
