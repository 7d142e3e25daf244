//! AWS_MSK_IAM: one JSON object with the parts of a signature (AWS's "Amazon MSK Library for IAM", version `2020_10_22`).
//!
//! What is signed is a GET of `/` at the host that the client came to, with the action `kafka-cluster:Connect`. Differs from MSK:
//! the secret is that of `[[credentials]]`, which the Kinesis API verifies with too, the principal is the access key, and what it
//! may do say the access rules. Whatever host the client names is good: it may have come through a tunnel.

use std::time::Duration;

use ring::digest;
use serde_json::Value;

use super::{Failed, Principal, Progress};
use crate::model::Timestamp;
use crate::sigv4::{self, ALGORITHM, Credentials};

/// The version of the object.
const VERSION: &str = "2020_10_22";
/// What is asked for.
const ACTION: &str = "kafka-cluster:Connect";
const SERVICE: &str = "kafka-cluster";
/// How far a signature's time may be ahead of ours, as in AWS's other services.
const SKEW_MAX: Duration = Duration::from_secs(5 * 60);
/// How long a signature may be good for. AWS's clients say 15 minutes.
const EXPIRES_SECONDS_MAX: u64 = 900;

/// The one message of the client.
pub(super) fn step(credentials: &Credentials, now: Timestamp, message: &[u8]) -> Result<Progress, Failed> {
    let malformed = Failed("the message is not the object that is sent for AWS_MSK_IAM");
    let Ok(Value::Object(fields)) = serde_json::from_slice(message) else { return Err(malformed) };
    let field = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let credential = field("x-amz-credential");
    let scope: Vec<&str> = credential.split('/').collect();
    let &[key, day, region, service, end] = scope.as_slice() else { return Err(malformed) };
    let is_known = field("version") == VERSION
        && field("action") == ACTION
        && field("x-amz-algorithm") == ALGORITHM
        && field("x-amz-signedheaders") == "host"
        && (service, end) == (SERVICE, "aws4_request");
    if !is_known {
        return Err(malformed);
    }
    let (date, expires) = (field("x-amz-date"), field("x-amz-expires"));
    let signed_at = sigv4::parse(date).filter(|_| date.get(..8) == Some(day)).ok_or(malformed)?;
    let seconds = expires.parse().ok().filter(|seconds| (1..=EXPIRES_SECONDS_MAX).contains(seconds));
    let seconds = seconds.ok_or(Failed("the signature is not good for 1 to 900 seconds"))?;
    if signed_at > now.plus(SKEW_MAX) || signed_at.plus(Duration::from_secs(seconds)) < now {
        return Err(Failed("the signature's time is not now"));
    }
    let mut query = Vec::new();
    for (name, value) in [
        ("Action", ACTION),
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", credential),
        ("X-Amz-Date", date),
        ("X-Amz-Expires", expires),
        ("X-Amz-Security-Token", field("x-amz-security-token")),
        ("X-Amz-SignedHeaders", "host"),
    ] {
        if !value.is_empty() {
            let mut parameter = format!("{name}=");
            sigv4::escape(&mut parameter, value.as_bytes());
            query.push(parameter);
        }
    }
    let empty = sigv4::hex(digest::digest(&digest::SHA256, b"").as_ref());
    let canonical = format!("GET\n/\n{}\nhost:{}\n\nhost\n{empty}", query.join("&"), field("host"));
    let scope = [day, region, service, end];
    let to_sign = sigv4::to_sign(&canonical, date, scope);
    // An unknown key takes as long as a known one.
    let secret = credentials.secret(key);
    let is_right = sigv4::is_right(secret.unwrap_or("nobody"), scope, &to_sign, field("x-amz-signature"));
    if !is_right || secret.is_none() {
        return Err(Failed("no such access key, or another secret"));
    }
    let message = serde_json::json!({ "version": VERSION, "request-id": date }).to_string().into_bytes();
    Ok(Progress::Done { principal: Principal::user(key), message, until: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const AT: &str = "20150830T123600Z";

    fn object() -> Value {
        serde_json::json!({
            "version": VERSION,
            "host": "kafka.example.org",
            "user-agent": "tests",
            "action": ACTION,
            "x-amz-algorithm": ALGORITHM,
            "x-amz-credential": "AKIDEXAMPLE/20150830/us-east-1/kafka-cluster/aws4_request",
            "x-amz-date": AT,
            "x-amz-expires": "900",
            "x-amz-signedheaders": "host",
            // Computed apart from this code, with Python's hmac and hashlib.
            "x-amz-signature": "f79c16bc7687ee9acb507d37f913114ea3437c35122c2188dc0d9a071336aa7b",
        })
    }

    #[test]
    fn the_right_signature_passes_in_its_time_and_no_other() {
        let credentials: Credentials = [("AKIDEXAMPLE".to_owned(), SECRET.to_owned())].into_iter().collect();
        let now = sigv4::parse(AT).unwrap();
        let ask = |object: &Value, now| step(&credentials, now, object.to_string().as_bytes());
        let Ok(Progress::Done { principal, message, .. }) = ask(&object(), now) else { panic!("refused") };
        assert_eq!(principal, Principal::user("AKIDEXAMPLE"));
        assert!(message.starts_with(b"{"));
        for seconds in [0, 899] {
            assert!(ask(&object(), now.plus(Duration::from_secs(seconds))).is_ok());
        }
        assert!(ask(&object(), now.plus(Duration::from_secs(901))).is_err());
        assert!(ask(&object(), now.minus(Duration::from_secs(301))).is_err());
        for (field, value) in [
            ("version", "2021_01_01"),
            ("host", "other.example.org"),
            ("action", "kafka-cluster:Read"),
            ("x-amz-algorithm", "none"),
            ("x-amz-credential", "AKIDEXAMPLF/20150830/us-east-1/kafka-cluster/aws4_request"),
            ("x-amz-credential", "AKIDEXAMPLE/20150831/us-east-1/kafka-cluster/aws4_request"),
            ("x-amz-credential", "AKIDEXAMPLE/20150830/us-east-1/kinesis/aws4_request"),
            ("x-amz-credential", "AKIDEXAMPLE"),
            ("x-amz-date", "20150830T123601Z"),
            ("x-amz-date", "now"),
            ("x-amz-expires", "901"),
            ("x-amz-expires", "-1"),
            ("x-amz-signedheaders", "host;date"),
            ("x-amz-security-token", "token"),
            ("x-amz-signature", ""),
            ("x-amz-signature", "00"),
        ] {
            let mut object = object();
            object[field] = value.into();
            assert!(ask(&object, now).is_err(), "{field}");
        }
        for wrong in ["", "{}", "[]", "\0a\0b", "{\"version\":1}"] {
            assert!(step(&credentials, now, wrong.as_bytes()).is_err());
        }
    }
}
