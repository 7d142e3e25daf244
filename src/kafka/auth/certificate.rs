//! The name in a client's certificate, as Kafka's access rules write it.
//!
//! Kafka takes what Java's `X500Principal.getName()` says: RFC 2253, the last part of the name first, the attributes of that RFC
//! by keyword, others as `OID=#DER`. TLS has verified the certificate before; here it is only read, and what cannot be read has
//! no name.

use std::fmt::Write as _;

use super::Principal;

/// The attributes with keywords (RFC 2253, section 2.3).
const KEYWORDS: &[(&[u8], &str)] = &[
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
];
/// What is escaped wherever it stands.
const ESCAPED: &str = ",=+<>#;\"\\";

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_ID: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const TELETEX_STRING: u8 = 0x14;
const IA5_STRING: u8 = 0x16;
const BMP_STRING: u8 = 0x1e;
/// The version of a certificate, in front of everything else if it is there.
const VERSION: u8 = 0xa0;

/// Whose certificate it is; `None` if it does not say.
pub(super) fn principal(certificate: &[u8]) -> Option<Principal> {
    let (mut certificate, _) = enter(certificate, SEQUENCE)?;
    let (mut fields, _) = enter(take(&mut certificate)?.whole, SEQUENCE)?;
    // Version, serial number, signature, issuer and validity are in front of the subject.
    let first = take(&mut fields)?;
    for _ in 0..if first.tag == VERSION { 4 } else { 3 } {
        take(&mut fields)?;
    }
    let (mut subject, _) = enter(take(&mut fields)?.whole, SEQUENCE)?;
    let mut parts = Vec::new();
    while !subject.is_empty() {
        parts.push(relative(take(&mut subject)?)?);
    }
    parts.reverse();
    (!parts.is_empty()).then(|| Principal::user(&parts.join(",")))
}

/// One value of DER: its tag, what is in it, and all of it.
#[derive(Clone, Copy)]
struct Value<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
}

/// Takes the value that `bytes` begin with off them.
fn take<'a>(bytes: &mut &'a [u8]) -> Option<Value<'a>> {
    let all = *bytes;
    let (&tag, rest) = all.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // No certificate is longer than four bytes of length can say.
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, &digit| length << 8 | usize::from(digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(Value { tag, content, whole: all.get(..all.len() - rest.len())? })
}

/// What is in the value with this tag that `bytes` begin with, and what follows it.
fn enter(mut bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let value = take(&mut bytes)?;
    (value.tag == tag).then_some((value.content, bytes))
}

/// One part of a name: usually one attribute, else several joined by plus signs.
fn relative(part: Value<'_>) -> Option<String> {
    let mut attributes = part.content;
    let mut written = Vec::new();
    while !attributes.is_empty() && part.tag == SET {
        let (mut attribute, _) = enter(take(&mut attributes)?.whole, SEQUENCE)?;
        let (kind, value) = (take(&mut attribute)?, take(&mut attribute)?);
        written.push(write(kind, value)?);
    }
    (!written.is_empty()).then(|| written.join("+"))
}

fn write(kind: Value<'_>, value: Value<'_>) -> Option<String> {
    if kind.tag != OBJECT_ID {
        return None;
    }
    let keyword = KEYWORDS.iter().find(|(id, _)| *id == kind.content).map(|(_, keyword)| *keyword);
    match (keyword, text(value)) {
        (Some(keyword), Some(text)) => Some(format!("{keyword}={}", escape(&text))),
        (keyword, _) => {
            let mut out = keyword.map_or_else(|| dotted(kind.content), str::to_owned) + "=#";
            for byte in value.whole {
                let _ = write!(out, "{byte:02x}");
            }
            Some(out)
        }
    }
}

fn text(value: Value<'_>) -> Option<String> {
    match value.tag {
        UTF8_STRING | PRINTABLE_STRING | IA5_STRING => String::from_utf8(value.content.to_vec()).ok(),
        TELETEX_STRING => Some(value.content.iter().map(|&byte| char::from(byte)).collect()),
        BMP_STRING => {
            let pairs = value.content.chunks_exact(2);
            if !pairs.remainder().is_empty() {
                return None;
            }
            let units: Vec<u16> = pairs.map(|pair| pair.iter().fold(0, |unit, &byte| unit << 8 | u16::from(byte))).collect();
            String::from_utf16(&units).ok()
        }
        _ => None,
    }
}

fn escape(text: &str) -> String {
    let (start, end) = (text.len() - text.trim_start_matches(' ').len(), text.trim_end_matches(' ').len());
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        match c {
            '\0' => out.push_str("\\00"),
            c => {
                if ESCAPED.contains(c) || c == ' ' && (at < start || at >= end) {
                    out.push('\\');
                }
                out.push(c);
            }
        }
    }
    out
}

/// An object id with dots.
fn dotted(id: &[u8]) -> String {
    let mut parts = Vec::new();
    let mut part = 0_u64;
    for &byte in id {
        part = part << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if parts.is_empty() {
                let first = (part / 40).min(2);
                parts.push(first.to_string());
                part -= first * 40;
            }
            parts.push(part.to_string());
            part = 0;
        }
    }
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

    fn named(parts: &[(DnType, &str)]) -> Option<String> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in parts {
            params.distinguished_name.push(kind.clone(), DnValue::Utf8String((*value).to_owned()));
        }
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        principal(certificate.der()).map(|principal| principal.to_string())
    }

    #[test]
    fn a_name_is_written_as_java_does() {
        use DnType::{CommonName, CountryName, CustomDnType, OrganizationName, OrganizationalUnitName};
        let name = named(&[
            (CountryName, "US"),
            (OrganizationName, "Example, Inc."),
            (OrganizationalUnitName, "a=b+c"),
            (CommonName, " client "),
        ]);
        assert_eq!(name.unwrap(), "User:CN=\\ client\\ ,OU=a\\=b\\+c,O=Example\\, Inc.,C=US");
        assert_eq!(named(&[(CommonName, "Zoë #1")]).unwrap(), "User:CN=Zoë \\#1");
        // An address of mail has no keyword.
        let mail = CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]);
        assert_eq!(named(&[(CommonName, "a"), (mail, "a@b")]).unwrap(), "User:1.2.840.113549.1.9.1=#0c03614062,CN=a");
        assert_eq!(named(&[]), None);
    }

    #[test]
    fn nothing_that_is_cut_or_changed_does_harm() {
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = certificate.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let bytes = certificate.der().to_vec();
        assert_eq!(principal(&bytes).unwrap().to_string(), "User:CN=rcgen self signed cert");
        for end in 0..bytes.len() {
            assert_eq!(principal(&bytes[..end]), None);
        }
        for at in 0..bytes.len() {
            for value in [0, 0x30, 0x7f, 0x80, 0x84, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                let _ = principal(&changed);
            }
        }
    }
}
