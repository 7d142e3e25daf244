//! CBOR: RFC 8949, but for the times of AWS CBOR 1.1, which are milliseconds.

use bytes::{Bytes, BytesMut};

use crate::aws::value::{Structure, Text, Value};
use crate::model::Timestamp;

use super::{Budget, Malformed};

/// Major types (RFC 8949, section 3.1).
const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;
/// The tag of a time (section 3.4.2), and that of nothing but CBOR itself (section 3.4.6).
const TIME: u64 = 1;
const SELF_DESCRIBED: u64 = 55_799;
/// What ends something of indefinite length (section 3.2.1).
const BREAK: u8 = 0xff;

/// What the numbers under the tag of a time are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeUnit {
    /// Whole milliseconds.
    Milliseconds,
    /// Seconds, with a fraction or without.
    Seconds,
}

/// What `body` says.
pub(super) fn decode(body: &Bytes, times: TimeUnit) -> Result<Value, Malformed> {
    let mut reader = Reader { rest: body.clone(), budget: Budget::new(), times };
    let value = reader.value()?;
    if reader.rest.is_empty() { Ok(value) } else { Err(Malformed::new("bytes follow the value")) }
}

struct Reader {
    rest: Bytes,
    budget: Budget,
    times: TimeUnit,
}

/// The first bytes of a value.
struct Head {
    major: u8,
    /// The five bits below it.
    info: u8,
    /// What they, or the bytes behind them, say; `None` for an indefinite length.
    argument: Option<u64>,
}

impl Reader {
    fn take(&mut self, bytes: usize) -> Result<Bytes, Malformed> {
        if bytes > self.rest.len() {
            return Err(Malformed::new(format!("{bytes} more bytes are announced; {} follow", self.rest.len())));
        }
        Ok(self.rest.split_to(bytes))
    }

    fn head(&mut self) -> Result<Head, Malformed> {
        let first = self.take(1)?[0];
        let (major, info) = (first >> 5, first & 0x1f);
        let argument = match info {
            0..=23 => Some(info.into()),
            24..=27 => {
                let bytes = self.take(1 << (info - 24))?;
                Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
            }
            31 => None,
            _ => return Err(Malformed::new(format!("the byte {first:#04x} begins no value"))),
        };
        Ok(Head { major, info, argument })
    }

    fn value(&mut self) -> Result<Value, Malformed> {
        let head = self.head()?;
        self.value_of(head)
    }

    fn value_of(&mut self, Head { major, info, argument }: Head) -> Result<Value, Malformed> {
        self.budget.spend()?;
        match (major, argument) {
            (UNSIGNED, Some(number)) => Ok(i64::try_from(number).map_or(Value::Double(number as f64), Value::Integer)),
            (NEGATIVE, Some(number)) => {
                Ok(i64::try_from(number).map_or(Value::Double(-1.0 - number as f64), |number| Value::Integer(-1 - number)))
            }
            (BYTES, length) => Ok(Value::Bytes(self.string(BYTES, length)?)),
            (TEXT, length) => self.text(length).map(Value::Text),
            (LIST, length) => self.list(length),
            (MAP, length) => self.map(length),
            (TAG, Some(tag)) => self.tagged(tag),
            (SIMPLE, Some(argument)) => simple(info, argument),
            _ => Err(Malformed::new(format!("there is no indefinite length for major type {major}"))),
        }
    }

    /// A string of either kind; one of indefinite length is put together from its pieces.
    fn string(&mut self, major: u8, length: Option<u64>) -> Result<Bytes, Malformed> {
        if let Some(length) = length {
            return self.take(usize::try_from(length).unwrap_or(usize::MAX));
        }
        let mut whole = BytesMut::new();
        while !self.at_end(None, 0)? {
            let piece = self.head()?;
            match piece.argument {
                Some(length) if piece.major == major => {
                    whole.extend_from_slice(&self.take(usize::try_from(length).unwrap_or(usize::MAX))?);
                }
                _ => return Err(Malformed::new("a string has a piece of another kind")),
            }
        }
        Ok(whole.freeze())
    }

    fn text(&mut self, length: Option<u64>) -> Result<Text, Malformed> {
        let bytes = self.string(TEXT, length)?;
        Text::shared(bytes).ok_or_else(|| Malformed::new("a text is not UTF-8"))
    }

    /// Whether `read` elements are all of a list or map; takes the break that says so.
    fn at_end(&mut self, length: Option<u64>, read: u64) -> Result<bool, Malformed> {
        if let Some(length) = length {
            return Ok(read >= length);
        }
        match self.rest.first() {
            Some(&BREAK) => self.take(1).map(|_| true),
            Some(_) => Ok(false),
            None => Err(Malformed::new("something of indefinite length has no end")),
        }
    }

    fn list(&mut self, length: Option<u64>) -> Result<Value, Malformed> {
        self.budget.enter()?;
        let (mut values, mut read) = (Vec::new(), 0);
        while !self.at_end(length, read)? {
            values.push(self.value()?);
            read += 1;
        }
        self.budget.leave();
        Ok(Value::List(values))
    }

    fn map(&mut self, length: Option<u64>) -> Result<Value, Malformed> {
        self.budget.enter()?;
        let (mut members, mut read) = (Structure::default(), 0);
        while !self.at_end(length, read)? {
            let name = self.head()?;
            if name.major != TEXT {
                return Err(Malformed::new("the name of a member is not a text"));
            }
            let name = self.text(name.argument)?;
            members.push(name, self.value()?);
            read += 1;
        }
        self.budget.leave();
        Ok(Value::Map(members))
    }

    fn tagged(&mut self, tag: u64) -> Result<Value, Malformed> {
        // A tag lies around its value, and tags may lie around each other.
        self.budget.enter()?;
        let value = self.value()?;
        self.budget.leave();
        match (tag, value) {
            (TIME, value) => self.time(&value),
            (SELF_DESCRIBED, value) => Ok(value),
            (tag, _) => Err(Malformed::new(format!("the tag {tag} is not known"))),
        }
    }
}

impl Reader {
    fn time(&self, value: &Value) -> Result<Value, Malformed> {
        let millis = match (self.times, value) {
            (TimeUnit::Milliseconds, Value::Integer(millis)) => *millis,
            (TimeUnit::Milliseconds, _) => return Err(Malformed::new("a time is a whole number of milliseconds")),
            (TimeUnit::Seconds, Value::Integer(seconds)) => seconds.saturating_mul(1_000),
            // Saturating.
            (TimeUnit::Seconds, Value::Double(seconds)) => (seconds * 1_000.0).round() as i64,
            (TimeUnit::Seconds, _) => return Err(Malformed::new("a time is a number of seconds")),
        };
        Ok(Value::Timestamp(Timestamp(millis)))
    }
}

/// What is neither a number, nor a string, nor made of others (section 3.3).
fn simple(info: u8, argument: u64) -> Result<Value, Malformed> {
    match info {
        20 => Ok(Value::Bool(false)),
        21 => Ok(Value::Bool(true)),
        22 | 23 => Ok(Value::Null),
        25 => Ok(Value::Double(half(argument))),
        26 => Ok(Value::Double(f32::from_bits(argument as u32).into())),
        27 => Ok(Value::Double(f64::from_bits(argument))),
        _ => Err(Malformed::new(format!("the simple value {argument} is not known"))),
    }
}

/// A number of 16 bits (section 3.3, appendix D).
fn half(bits: u64) -> f64 {
    let (exponent, mantissa) = ((bits >> 10 & 0x1f) as i32, (bits & 0x3ff) as f64);
    let size = match exponent {
        0 => mantissa * 2_f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (mantissa + 1024.0) * 2_f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { size } else { -size }
}

/// `members` as a map.
pub(super) fn encode(members: &Structure, times: TimeUnit) -> Vec<u8> {
    let mut out = Vec::with_capacity(size(members));
    write_map(&mut out, members, times);
    out
}

/// About how many bytes it takes, so that large answers are not moved while they grow.
fn size(members: &Structure) -> usize {
    let of = |value: &Value| match value {
        Value::Text(text) => text.as_bytes().len() + 5,
        Value::Bytes(bytes) => bytes.len() + 5,
        Value::List(values) => values.iter().map(|value| value.as_structure().map_or(24, size)).sum(),
        Value::Map(members) => size(members),
        _ => 10,
    };
    members.iter().map(|(name, value)| name.len() + 5 + of(value)).sum::<usize>() + 5
}

/// The shortest head, which the readers of all SDKs expect.
fn write_head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let major = major << 5;
    let bytes = argument.to_be_bytes();
    match argument {
        0..=23 => out.push(major | bytes[7]),
        24..=0xff => out.extend_from_slice(&[major | 24, bytes[7]]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend_from_slice(&bytes[6..]);
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend_from_slice(&bytes[4..]);
        }
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&bytes);
        }
    }
}

fn write_integer(out: &mut Vec<u8>, number: i64) {
    match u64::try_from(number) {
        Ok(number) => write_head(out, UNSIGNED, number),
        // -1 - number, without the overflow.
        Err(_) => write_head(out, NEGATIVE, !number as u64),
    }
}

fn write_string(out: &mut Vec<u8>, major: u8, bytes: &[u8]) {
    write_head(out, major, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn write_double(out: &mut Vec<u8>, number: f64) {
    out.push(0xfb);
    out.extend_from_slice(&number.to_be_bytes());
}

fn write(out: &mut Vec<u8>, value: &Value, times: TimeUnit) {
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(on) => out.push(if *on { 0xf5 } else { 0xf4 }),
        Value::Integer(number) => write_integer(out, *number),
        Value::Double(number) => write_double(out, *number),
        Value::Text(text) => write_string(out, TEXT, text.as_bytes()),
        Value::Bytes(bytes) => write_string(out, BYTES, bytes),
        Value::Timestamp(at) => {
            write_head(out, TAG, TIME);
            match times {
                TimeUnit::Milliseconds => write_integer(out, at.0),
                TimeUnit::Seconds => write_double(out, at.0 as f64 / 1_000.0),
            }
        }
        Value::List(values) => {
            write_head(out, LIST, values.len() as u64);
            for value in values {
                write(out, value, times);
            }
        }
        Value::Map(members) | Value::Entries(members) => write_map(out, members, times),
    }
}

fn write_map(out: &mut Vec<u8>, members: &Structure, times: TimeUnit) {
    write_head(out, MAP, members.len() as u64);
    for (name, value) in members.iter() {
        write_string(out, TEXT, name.as_bytes());
        write(out, value, times);
    }
}
