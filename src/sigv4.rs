//! **AWS Signature Version 4**: who has which secret, and whether a signature was made with it.
//!
//! Knows no protocol: what is signed is handed in as the one text that both sides make of it ("canonical request"). Imports
//! `model`.

use std::collections::HashMap;
use std::fmt;
use std::fmt::Write as _;

use ring::{digest, hmac};

use crate::model::{Civil, Timestamp};

/// The algorithm's name.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Who may ask, if not everybody: secret keys by access key.
#[derive(Clone, Default)]
pub struct Credentials(HashMap<String, String>);

impl FromIterator<(String, String)> for Credentials {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// Without the secrets.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl Credentials {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The secret of an access key.
    pub fn secret(&self, access_key: &str) -> Option<&str> {
        self.0.get(access_key).map(String::as_str)
    }
}

/// For what a key signs: `day/region/service/aws4_request`.
pub type Scope<'a> = [&'a str; 4];

/// The text that is signed, when `date` writes the time.
pub fn to_sign(canonical: &str, date: &str, scope: Scope<'_>) -> String {
    let digest = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    format!("{ALGORITHM}\n{date}\n{}\n{digest}", scope.join("/"))
}

/// Whether `signature`, in hexadecimal digits, is that of `to_sign` with this secret; in a time that tells nothing of the right one.
pub fn is_right(secret: &str, scope: Scope<'_>, to_sign: &str, signature: &str) -> bool {
    let key = scope.iter().fold(format!("AWS4{secret}").into_bytes(), |key, part| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), part.as_bytes()).as_ref().to_vec()
    });
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    unhex(signature).is_some_and(|signature| hmac::verify(&key, to_sign.as_bytes(), &signature).is_ok())
}

/// The time in `20150830T123600Z`.
pub fn parse(date: &str) -> Option<Timestamp> {
    let number =
        |from: usize, to: usize| date.get(from..to).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?.parse().ok();
    if date.len() != 16 || date.get(8..9) != Some("T") || date.get(15..) != Some("Z") {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    Civil { year, month, day, hour: number(9, 11)?, minute: number(11, 13)?, second: number(13, 15)? }.timestamp()
}

/// Adds everything but letters, digits and `-_.~` as `%XX` (RFC 3986, section 2.3).
pub fn escape(out: &mut String, bytes: &[u8]) {
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// In lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// The bytes that hexadecimal digits stand for; `None` if they are something else, or too many for a signature.
fn unhex(digits: &str) -> Option<Vec<u8>> {
    if digits.len() != 64 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..32).map(|at| u8::from_str_radix(digits.get(at * 2..at * 2 + 2)?, 16).ok()).collect()
}
