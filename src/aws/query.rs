//! AWS Query: a form that names an action comes, XML goes.
//!
//! The form's `Action` and `Version` say what is wanted, as a target does elsewhere; members are named by the way to them, such as
//! `Dimensions.member.1.Name`. What kind each is only the rules know ([`rules::check_form`](super::rules::check_form)).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::model::{Civil, Timestamp};

use super::form;
use super::refusal::Refusal;
use super::value::{Structure, Value};

/// Pairs of a form. *Ours*: as the values of a body in the other codecs.
const PAIRS_MAX: usize = 100_000;
/// The namespace of refusals that are of no service.
const FAULT: &str = "http://webservices.amazon.com/AWSFault/2005-15-09";

/// How a service is spoken to in AWS Query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dialect {
    /// The version of its API, such as `2010-08-01`: it tells services apart.
    pub version: &'static str,
    /// The namespace of the XML that it answers.
    pub namespace: &'static str,
}

/// A form that names an action.
pub(super) struct Form {
    /// What is wanted.
    pub(super) action: String,
    /// Of which version of which API.
    pub(super) version: String,
    /// Names and values in the order in which they were written.
    pub(super) pairs: Vec<(String, String)>,
}

impl Form {
    /// The form that `body` is; `None` if it is not text, names no action, or has too many pairs.
    pub(super) fn read(body: &Bytes) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let pairs: Vec<_> = form::pairs(text).take(PAIRS_MAX + 1).collect();
        let find = |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
        let action = find("Action").filter(|_| pairs.len() <= PAIRS_MAX)?;
        let version = find("Version").filter(|version| !version.is_empty());
        Some(Self { action, version: version.unwrap_or_else(|| "NO_VERSION_SPECIFIED".to_owned()), pairs })
    }

    /// There is no such action.
    pub(super) fn unknown(&self) -> Refusal {
        Refusal::new("InvalidAction", format!("Could not find operation {} for version {}", self.action, self.version))
    }
}

/// What SDKs call a refusal where AWS Query is spoken, or was before: its code.
pub(super) fn code(refusal: &Refusal) -> &'static str {
    match refusal.name() {
        "ValidationException" => "ValidationError",
        "SerializationException" => "MalformedInput",
        "UnknownOperationException" => "InvalidAction",
        "InvalidSignatureException" => "SignatureDoesNotMatch",
        "UnrecognizedClientException" => "InvalidClientTokenId",
        name => name.strip_suffix("Exception").unwrap_or(name),
    }
}

/// Whose fault a refusal is.
pub(super) fn fault(refusal: &Refusal) -> &'static str {
    if refusal.status() < 500 { "Sender" } else { "Receiver" }
}

/// The status of a refusal: for those of signatures it is not that of JSON.
pub(super) fn status(refusal: &Refusal) -> u16 {
    match code(refusal) {
        "SignatureDoesNotMatch" | "InvalidClientTokenId" | "MissingAuthenticationToken" => 403,
        _ => refusal.status(),
    }
}

/// The answer to an action that was done. `id` is that of the request.
pub(super) fn answer(dialect: &Dialect, action: &str, output: &Structure, id: &str) -> String {
    let mut out = format!("<{action}Response xmlns=\"{}\">", dialect.namespace);
    if !output.is_empty() {
        element(&mut out, &format!("{action}Result"), |out| write_members(out, output));
    }
    element(&mut out, "ResponseMetadata", |out| element(out, "RequestId", |out| out.push_str(id)));
    let _ = write!(out, "</{action}Response>");
    out
}

/// The answer to an action that was refused, by the service that speaks `dialect`, or by none.
pub(super) fn error(dialect: Option<&Dialect>, refusal: &Refusal, id: &str) -> String {
    let mut out = format!("<ErrorResponse xmlns=\"{}\">", dialect.map_or(FAULT, |dialect| dialect.namespace));
    element(&mut out, "Error", |out| {
        element(out, "Type", |out| out.push_str(fault(refusal)));
        element(out, "Code", |out| out.push_str(code(refusal)));
        element(out, "Message", |out| write_text(out, refusal.message()));
    });
    element(&mut out, "RequestId", |out| out.push_str(id));
    out.push_str("</ErrorResponse>");
    out
}

fn element(out: &mut String, name: &str, content: impl FnOnce(&mut String)) {
    // A string takes all that is written to it.
    let _ = write!(out, "<{name}>");
    content(out);
    let _ = write!(out, "</{name}>");
}

fn write_members(out: &mut String, members: &Structure) {
    for (name, value) in members.iter() {
        element(out, name, |out| write_value(out, value));
    }
}

fn write_value(out: &mut String, value: &Value) {
    let _ = match value {
        Value::Null => Ok(()),
        Value::Bool(on) => write!(out, "{on}"),
        Value::Integer(number) => write!(out, "{number}"),
        Value::Double(number) => write!(out, "{number}"),
        Value::Bytes(bytes) => write!(out, "{}", STANDARD.encode(bytes)),
        Value::Timestamp(at) => write_time(out, *at),
        Value::Text(text) => {
            write_text(out, text.as_str());
            Ok(())
        }
        Value::List(values) => {
            values.iter().for_each(|value| element(out, "member", |out| write_value(out, value)));
            Ok(())
        }
        Value::Map(members) => {
            write_members(out, members);
            Ok(())
        }
        Value::Entries(entries) => {
            for (key, value) in entries.iter() {
                element(out, "entry", |out| {
                    element(out, "key", |out| write_text(out, key));
                    element(out, "value", |out| write_value(out, value));
                });
            }
            Ok(())
        }
    };
}

/// `2023-11-14T22:13:20Z`, with milliseconds where there are some.
fn write_time(out: &mut String, at: Timestamp) -> std::fmt::Result {
    let Civil { year, month, day, hour, minute, second } = Civil::of(at);
    write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
    match at.0.rem_euclid(1_000) {
        0 => out.push('Z'),
        millis => write!(out, ".{millis:03}Z")?,
    }
    Ok(())
}

/// Text without what means something in XML, or must not be in it (XML 1.0, section 2.2).
fn write_text(out: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#xD;"),
            '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_is_written_as_aws_writes_it() {
        let output = Structure::default()
            .with("Text", "a<&\"b\u{1}>")
            .with("At", Timestamp(1_700_000_000_000))
            .with("Then", Timestamp(1_700_000_000_012))
            .with("Number", 0.5)
            .with("On", true)
            .with("All", vec![Structure::default().with("A", 1_i64), Structure::default()])
            .with("None", Value::List(Vec::new()))
            .with("ByName", Value::Entries(Structure::default().with("p50", 2.0)));
        let dialect = Dialect { version: "1", namespace: "urn:x" };
        let expected = "<ListResponse xmlns=\"urn:x\"><ListResult><Text>a&lt;&amp;&quot;b\u{fffd}&gt;</Text><At>2023-11-14T22:13:20Z</At>\
                        <Then>2023-11-14T22:13:20.012Z</Then><Number>0.5</Number><On>true</On><All><member><A>1</A></member><member>\
                        </member></All><None></None><ByName><entry><key>p50</key><value>2</value></entry></ByName></ListResult>\
                        <ResponseMetadata><RequestId>7</RequestId></ResponseMetadata></ListResponse>";
        assert_eq!(answer(&dialect, "List", &output, "7"), expected);
        let expected = "<PutResponse xmlns=\"urn:x\"><ResponseMetadata><RequestId>7</RequestId></ResponseMetadata></PutResponse>";
        assert_eq!(answer(&dialect, "Put", &Structure::default(), "7"), expected);
    }

    #[test]
    fn a_form_has_an_action_and_not_too_many_pairs() {
        let read = |text: String| Form::read(&text.into()).map(|form| (form.action, form.version, form.pairs.len()));
        let found = |action: &str, version: &str, pairs| Some((action.to_owned(), version.to_owned(), pairs));
        assert_eq!(read("Action=A&Version=1&x=%41+b".to_owned()), found("A", "1", 3));
        assert_eq!(read("Action=A&Version=".to_owned()), found("A", "NO_VERSION_SPECIFIED", 2));
        assert_eq!(read("Version=1".to_owned()), None);
        assert_eq!(read("{\"Action\": 1}".to_owned()), None);
        let many = |pairs| format!("Action=A{}", "&a=b".repeat(pairs - 1));
        assert_eq!(read(many(PAIRS_MAX)), found("A", "NO_VERSION_SPECIFIED", PAIRS_MAX));
        assert_eq!(read(many(PAIRS_MAX + 1)), None);
        assert!(Form::read(&Bytes::from_static(b"Action=\xff")).is_none());
    }
}
