//! A request in the one form that both sides sign.

use std::fmt::Write as _;

use hyper::http::request::Parts;
use ring::digest;

use crate::aws::form;
use crate::sigv4::{escape, hex};

/// Signed headers that are looked at. *Ours*: names can be said again and again, and each time the value of its header is copied;
/// requests have no more headers.
const SIGNED_HEADERS_MAX: usize = 100;

/// The canonical request: method, path, query, signed headers, their names, the body's hash.
pub(super) fn request(request: &Parts, signed_headers: &str, body: &[u8]) -> String {
    let mut out =
        format!("{}\n{}\n{}\n", request.method, path(request.uri.path()), query(request.uri.query().unwrap_or_default()));
    for name in signed_headers.split(';').take(SIGNED_HEADERS_MAX) {
        let _ = writeln!(out, "{name}:{}", header(request, name));
    }
    let _ = write!(out, "\n{signed_headers}\n{}", hex(digest::digest(&digest::SHA256, body).as_ref()));
    out
}

/// The values of a header, each without needless white space.
fn header(request: &Parts, name: &str) -> String {
    let values = request.headers.get_all(name).iter().map(|value| {
        let text = String::from_utf8_lossy(value.as_bytes());
        text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
    });
    let values: Vec<String> = values.collect();
    // HTTP/2 has the host in the address.
    match request.uri.authority() {
        Some(authority) if name == "host" && values.is_empty() => authority.to_string(),
        _ => values.join(","),
    }
}

/// The path without `.`, `..` and empty parts, with everything escaped once more.
fn path(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut out = String::new();
    for part in &parts {
        out.push('/');
        escape(&mut out, part.as_bytes());
    }
    if parts.is_empty() || path.ends_with('/') {
        out.push('/');
    }
    out
}

/// The parameters in the order of their escaped names and values, without the signature itself.
fn query(query: &str) -> String {
    let escaped = |text: &str| {
        let mut out = String::new();
        escape(&mut out, text.as_bytes());
        out
    };
    let parameters = form::pairs(query).filter(|(name, _)| name != "X-Amz-Signature");
    let mut parameters: Vec<_> = parameters.map(|(name, value)| (escaped(&name), escaped(&value))).collect();
    parameters.sort();
    parameters.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}
