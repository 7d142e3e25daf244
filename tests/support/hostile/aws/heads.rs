//! Heads of HTTP/1.1: good ones, and those that lie about what follows or about who asks.

use bytes::Bytes;
use serde_json::Value;

use super::Dice;

const AUTHORIZATION: &str =
    "AWS4-HMAC-SHA256 Credential=local/20261124/us-east-1/kinesis/aws4_request, SignedHeaders=host;x-amz-date, Signature=0";

/// A request in JSON as a well-meaning client sends it.
pub(crate) fn request(operation: &str, input: &Value) -> Bytes {
    request_of(operation, input.to_string().as_bytes())
}

/// The same with a body that is JSON already.
pub(crate) fn request_of(operation: &str, body: &[u8]) -> Bytes {
    Head::of("application/x-amz-json-1.1", operation).and(body)
}

/// A good head that lacks its length.
#[derive(Clone, Debug)]
pub(super) struct Head {
    line: String,
    headers: Vec<(String, String)>,
}

impl Head {
    pub(super) fn of(content_type: &str, operation: &str) -> Self {
        let headers = [
            ("host", "localhost"),
            ("content-type", content_type),
            ("x-amz-target", &format!("Kinesis_20131202.{operation}")),
            ("x-amz-date", "20261124T000000Z"),
            ("authorization", AUTHORIZATION),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { line: "POST / HTTP/1.1".to_owned(), headers: headers.into() }
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(found, _)| found != name);
        self
    }

    /// With a body, and its length.
    pub(super) fn and(self, body: &[u8]) -> Bytes {
        let length = body.len().to_string();
        self.with("content-length", &length).before(body)
    }

    /// With a body, and nothing that says how long it is.
    fn before(self, body: &[u8]) -> Bytes {
        let mut out = format!("{}\r\n", self.line);
        for (name, value) in &self.headers {
            out += &format!("{name}: {value}\r\n");
        }
        out += "\r\n";
        [out.as_bytes(), body].concat().into()
    }
}

/// A request whose head is odd in one way.
pub(super) fn odd(dice: &mut Dice, operation: &str, body: &[u8]) -> Bytes {
    let head = Head::of("application/x-amz-json-1.1", operation);
    let length = body.len();
    match dice.below(16) {
        0 => head.with("x-large", &"y".repeat(1 << dice.below(21))).and(body),
        1 => (0..1 << dice.below(14)).fold(head, |head, at| head.with(&format!("x-{at}"), "y")).and(body),
        2 => head.with("x-folded", "one\r\n two\r\n\tthree").and(body),
        3 => {
            let lie = *dice.pick(&[
                "-1",
                "+5",
                "0x10",
                "99999999999999999999",
                "1e3",
                "",
                " 5",
                "5, 5",
                "5, 6",
                "18446744073709551615",
            ]);
            head.with("content-length", lie).before(body)
        }
        4 => {
            let lie = *dice.pick(&[0, 1, length / 2, length + 1, length * 1_000, 14_000_000, 17_000_000, usize::MAX]);
            head.with("content-length", &lie.to_string()).before(body)
        }
        5 => chunked(dice, head, body),
        6 => head.with("content-length", &length.to_string()).with("content-length", "3").before(body),
        7 => head.with("expect", dice.pick::<&str>(&["100-continue", "200-maybe", ""])).and(body),
        8 => head.with("transfer-encoding", "chunked").and(body),
        9 => head
            .with("transfer-encoding", dice.pick::<&str>(&["gzip, chunked", "chunked, chunked", "xchunked", "identity"]))
            .before(body),
        10 => head.with("content-encoding", dice.pick::<&str>(&["gzip", "br", "deflate", "gzip, gzip", "\u{7f}"])).and(body),
        11 => {
            let whole = AUTHORIZATION.len();
            let head = head.without("authorization");
            let value = match dice.below(6) {
                0 => AUTHORIZATION[..dice.below(whole)].to_owned(),
                1 => AUTHORIZATION.replace('/', dice.pick::<&str>(&["", "//", "\u{e4}"])),
                2 => format!("{AUTHORIZATION}{}", ", SignedHeaders=a".repeat(dice.below(3_000))),
                3 => AUTHORIZATION.replace("host", &"host;".repeat(dice.below(8_000))),
                4 => "AWS4-HMAC-SHA256 Credential=".to_owned(),
                _ => format!("Basic {}", "A".repeat(dice.below(60_000))),
            };
            head.with("authorization", &value).and(body)
        }
        12 => {
            let names =
                ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date", "X-Amz-Expires"];
            let values = [
                "AWS4-HMAC-SHA256",
                "local/20261124/us-east-1/kinesis/aws4_request",
                "%",
                "%zz%00%ff+",
                "-1",
                "",
                "20261124T000000Z",
            ];
            let mut head = if dice.one_in(4) { head } else { head.without("authorization") };
            let query: Vec<_> = (0..dice.below(9)).map(|_| format!("{}={}", dice.pick(&names), dice.pick(&values))).collect();
            head.line = format!("POST /?{} HTTP/1.1", query.join("&"));
            head.and(body)
        }
        13 => {
            let long = "X".repeat(5_000);
            let methods = ["GET", "PUT", "OPTIONS", "HEAD", "DELETE", "CONNECT", "TRACE", "PRI", "post", "M\u{1}", &long];
            let method = *dice.pick(&methods);
            let path = *dice.pick(&[
                "/",
                "*",
                "//",
                "/../..",
                "http://[::1",
                "/%",
                "/service/GraniteServiceVersion20100801/operation/ListMetrics",
                "?",
                "",
            ]);
            let version = *dice.pick(&["HTTP/1.1", "HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/9", ""]);
            let mut head = head.with("origin", "x");
            head.line = format!("{method} {path} {version}");
            head.and(body)
        }
        14 => {
            let mut head = head;
            head.line = format!("POST /{} HTTP/1.1", "p".repeat(1 << dice.below(18)));
            head.and(body)
        }
        _ => {
            let target = *dice.pick(&[
                "Kinesis_20131202.",
                "Kinesis_20131202",
                ".",
                "GraniteServiceVersion20100801.PutMetricData",
                "\u{e4}",
                "",
            ]);
            let kind = *dice.pick(&[
                "application/json",
                "text/xml",
                "application/cbor",
                "application/x-amz-json-1.0",
                ";",
                "multipart/form-data",
            ]);
            let head = head.without("x-amz-target").without("content-type");
            head.with("x-amz-target", target).with("content-type", kind).and(body)
        }
    }
}

/// Chunks that are right, or lie.
fn chunked(dice: &mut Dice, head: Head, body: &[u8]) -> Bytes {
    let head = head.with("transfer-encoding", "chunked").before(b"");
    let mut out = head.to_vec();
    for piece in body.chunks(dice.below(50) + 1) {
        let length = match dice.below(40) {
            0 => "ffffffffffffffff".to_owned(),
            1 => "-1".to_owned(),
            2 => format!("{:x};{}", piece.len(), "e=x;".repeat(dice.below(10_000))),
            3 => format!("{:x}", piece.len() + 1),
            4 => format!("{:0>200}", format!("{:x}", piece.len())),
            _ => format!("{:x}", piece.len()),
        };
        out.extend_from_slice(format!("{length}\r\n").as_bytes());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n");
    for at in 0..if dice.one_in(4) { dice.below(3_000) } else { 0 } {
        out.extend_from_slice(format!("x-trailer-{at}: y\r\n").as_bytes());
    }
    if !dice.one_in(4) {
        out.extend_from_slice(b"\r\n");
    }
    out.into()
}
