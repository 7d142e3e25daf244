//! AWS CBOR 1.1, said in any of the ways in which it can be said.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::Dice;

/// `input` as a body.
pub(super) fn encode(dice: &mut Dice, input: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(dice, &mut out, "", input);
    out
}

/// The head of a value: its shortest form, or a longer one.
fn head(dice: &mut Dice, out: &mut Vec<u8>, major: u8, argument: u64) {
    let bytes = argument.to_be_bytes();
    let least = match argument {
        0..24 => 0,
        24..0x100 => 1,
        0x100..0x1_0000 => 2,
        0x1_0000..0x1_0000_0000 => 4,
        _ => 8,
    };
    let width = if dice.one_in(8) { 8 } else { least };
    match width {
        0 => out.push(major << 5 | bytes[7]),
        width => {
            out.push(major << 5 | (24 + usize::ilog2(width) as u8));
            out.extend_from_slice(&bytes[8 - width..]);
        }
    }
}

fn string(dice: &mut Dice, out: &mut Vec<u8>, major: u8, bytes: &[u8]) {
    if dice.one_in(10) {
        out.push(major << 5 | 31);
        // A piece may end within a character, which is wrong, and so may a text then.
        let middle = bytes.len() / 2;
        for piece in [&bytes[..middle], &bytes[middle..]] {
            head(dice, out, major, piece.len() as u64);
            out.extend_from_slice(piece);
        }
        out.push(0xff);
        return;
    }
    head(dice, out, major, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn write(dice: &mut Dice, out: &mut Vec<u8>, name: &str, value: &Value) {
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(on) => out.push(0xf4 | u8::from(*on)),
        Value::Number(number) if name.ends_with("Timestamp") => {
            out.push(0xc1);
            head(dice, out, 0, (number.as_f64().unwrap_or(0.0) * 1_000.0) as u64);
        }
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => head(dice, out, 0, number),
            (None, Some(number)) => head(dice, out, 1, !number as u64),
            _ => {
                out.push(0xfb);
                out.extend_from_slice(&number.as_f64().unwrap_or(f64::NAN).to_be_bytes());
            }
        },
        Value::String(text) => match STANDARD.decode(text) {
            Ok(bytes) if name == "Data" => string(dice, out, 2, &bytes),
            _ => string(dice, out, 3, text.as_bytes()),
        },
        Value::Array(values) => {
            let open = dice.one_in(3);
            if open {
                out.push(0x9f);
            } else {
                head(dice, out, 4, values.len() as u64);
            }
            values.iter().for_each(|value| write(dice, out, name, value));
            out.extend(open.then_some(0xff));
        }
        Value::Object(members) => {
            let open = dice.one_in(2);
            if open {
                out.push(0xbf);
            } else {
                head(dice, out, 5, members.len() as u64);
            }
            for (name, value) in members {
                string(dice, out, 3, name.as_bytes());
                write(dice, out, name, value);
            }
            out.extend(open.then_some(0xff));
        }
    }
}
