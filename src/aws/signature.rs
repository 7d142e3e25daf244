//! AWS Signature Version 4 of requests: who asks, and whether they have the secret to prove it.
//!
//! What a signature says is always read: an access key of 12 digits is an account, the scope has the region. Whether it is right
//! is looked at only where credentials are configured. The algorithm is AWS's "Signature Version 4 for API requests"; error
//! names and words are those that AWS's front ends answer.

mod canonical;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use hyper::header::{AUTHORIZATION, DATE, HeaderMap};
use hyper::http::request::Parts;

use crate::model::{Civil, Timestamp};
use crate::sigv4::{self, Credentials, parse};

use super::form;
use super::operation::Caller;
use super::refusal::Refusal;

/// How far a signature's time may be from ours.
const SKEW_MAX: Duration = Duration::from_secs(5 * 60);
/// How long a signed address may be good for.
const EXPIRES_SECONDS_MAX: u64 = 604_800;

/// What a request says about its signature.
struct Claim {
    /// `key/date/region/service/aws4_request`.
    credential: String,
    /// The names of the signed headers, between semicolons.
    signed_headers: String,
    /// In hexadecimal digits.
    signature: String,
    /// When it was signed, as the request writes it.
    date: String,
    /// For how many seconds it is good, if it is in the address.
    expires: Option<String>,
}

/// Who asks with this request. `body` is as it was sent.
///
/// # Errors
/// What AWS answers for a request without a whole signature; where there are `credentials`, also for one that is not right `now`.
pub(super) fn caller(request: &Parts, body: &[u8], credentials: &Credentials, now: Timestamp) -> Result<Caller, Refusal> {
    let claim = claim(request)?;
    let scope: Vec<&str> = claim.credential.split('/').collect();
    if !credentials.is_empty() {
        verify(request, body, credentials, now, &claim, &scope)?;
    }
    let is_account = |key: &&&str| key.len() == 12 && key.bytes().all(|b| b.is_ascii_digit());
    Ok(Caller {
        account: scope.first().filter(is_account).map(|key| (*key).to_owned()),
        region: scope.get(2).filter(|region| is_region(region)).map(|region| (*region).to_owned()),
        ..Caller::default()
    })
}

/// Whether it looks like a region of AWS: `us-east-1`, `us-gov-west-1`, `eusc-de-east-1`.
fn is_region(text: &str) -> bool {
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    let Some((words, number)) = text.rsplit_once('-') else { return false };
    text.len() <= 32
        && words.contains('-')
        && words.split('-').all(|part| is_word(&part))
        && (1..=2).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
}

/// What the request says, in its header or its address.
fn claim(request: &Parts) -> Result<Claim, Refusal> {
    let header = request.headers.get(AUTHORIZATION).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let query: Vec<_> = form::pairs(request.uri.query().unwrap_or_default()).collect();
    let is_in_query = query.iter().any(|(name, _)| name == "X-Amz-Algorithm");
    match header {
        Some(_) if is_in_query => Err(Refusal::new(
            "InvalidSignatureException",
            "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
        )),
        Some(header) => in_header(&header, &request.headers),
        None if is_in_query => in_query(query),
        None => Err(Refusal::new("MissingAuthenticationTokenException", "Missing Authentication Token")),
    }
}

fn in_header(header: &str, headers: &HeaderMap) -> Result<Claim, Refusal> {
    let parameters = header.split([',', ' ']).skip(1).filter_map(|part| part.trim().split_once('='));
    let mut found: HashMap<&str, &str> = parameters.collect();
    let date = headers.get("x-amz-date").or(headers.get(DATE)).and_then(|date| date.to_str().ok()).unwrap_or_default();
    let mut missing = String::new();
    for name in ["Credential", "Signature", "SignedHeaders"] {
        if found.get(name).is_none_or(|value| value.is_empty()) {
            missing += &format!("Authorization header requires '{name}' parameter. ");
        }
    }
    if date.is_empty() {
        missing += "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ";
    }
    if !missing.is_empty() {
        return Err(Refusal::new("IncompleteSignatureException", format!("{missing}Authorization={header}")));
    }
    let mut take = |name| found.remove(name).unwrap_or_default().to_owned();
    let (credential, signature, signed_headers) = (take("Credential"), take("Signature"), take("SignedHeaders"));
    Ok(Claim { credential, signed_headers, signature, date: date.to_owned(), expires: None })
}

fn in_query(query: Vec<(String, String)>) -> Result<Claim, Refusal> {
    let mut found: HashMap<String, String> = query.into_iter().collect();
    let mut missing = String::new();
    for name in ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"] {
        if found.get(name).is_none_or(String::is_empty) {
            missing += &format!("AWS query-string parameters must include '{name}'. ");
        }
    }
    if !missing.is_empty() {
        let message = format!("{missing}Re-examine the query-string parameters.");
        return Err(Refusal::new("IncompleteSignatureException", message));
    }
    let expires = found.remove("X-Amz-Expires").or_else(|| Some("300".to_owned()));
    let mut take = |name| found.remove(name).unwrap_or_default();
    let (credential, signature) = (take("X-Amz-Credential"), take("X-Amz-Signature"));
    Ok(Claim { credential, signed_headers: take("X-Amz-SignedHeaders"), signature, date: take("X-Amz-Date"), expires })
}

/// Whether the signature is that of one of `credentials`, made just now.
fn verify(
    request: &Parts,
    body: &[u8],
    credentials: &Credentials,
    now: Timestamp,
    claim: &Claim,
    scope: &[&str],
) -> Result<(), Refusal> {
    let &[key, day, region, service, end] = scope else {
        return Err(Refusal::new(
            "IncompleteSignatureException",
            format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{}'",
                claim.credential
            ),
        ));
    };
    let invalid = |message: String| Refusal::new("InvalidSignatureException", message);
    if end != "aws4_request" {
        return Err(invalid(format!("Credential should be scoped with a valid terminator: 'aws4_request', not '{end}'.")));
    }
    let date = &claim.date;
    let signed_at = parse(date).ok_or_else(|| {
        Refusal::new(
            "IncompleteSignatureException",
            format!("Date must be in ISO-8601 'basic format'. Got '{date}'. See http://en.wikipedia.org/wiki/ISO_8601"),
        )
    })?;
    if date.get(..8) != Some(day) {
        let of_date = date.get(..8).unwrap_or_default();
        return Err(invalid(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{day}' != '{of_date}', \
             from '{date}'."
        )));
    }
    check_time(claim, signed_at, now)?;
    if !claim.signed_headers.split(';').any(|name| name == "host" || name == ":authority") {
        return Err(invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".to_owned()));
    }
    let secret = credentials
        .secret(key)
        .ok_or_else(|| Refusal::new("UnrecognizedClientException", "The security token included in the request is invalid."))?;
    let canonical = canonical::request(request, &claim.signed_headers, body);
    let scope = [day, region, service, end];
    let to_sign = sigv4::to_sign(&canonical, date, scope);
    let right = sigv4::is_right(secret, scope, &to_sign, &claim.signature);
    if right {
        return Ok(());
    }
    Err(invalid(format!(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and \
         signing method. Consult the service documentation for details.\n\nThe Canonical String for this request should have \
         been\n'{canonical}'\n\nThe String-to-Sign should have been\n'{to_sign}'\n"
    )))
}

/// Whether a signature of that time is good now.
fn check_time(claim: &Claim, signed_at: Timestamp, now: Timestamp) -> Result<(), Refusal> {
    let invalid = |message: String| Err(Refusal::new("InvalidSignatureException", message));
    let date = &claim.date;
    let (earliest, latest) = (now.minus(SKEW_MAX), now.plus(SKEW_MAX));
    if signed_at > latest {
        let (latest, now) = (show(latest), show(now));
        return invalid(format!("Signature not yet current: {date} is still later than {latest} ({now} + 5 min.)"));
    }
    let Some(expires) = &claim.expires else {
        if signed_at < earliest {
            let (earliest, now) = (show(earliest), show(now));
            return invalid(format!("Signature expired: {date} is now earlier than {earliest} ({now} - 5 min.)"));
        }
        return Ok(());
    };
    let seconds = expires.parse().ok().filter(|seconds| (1..=EXPIRES_SECONDS_MAX).contains(seconds));
    let Some(seconds) = seconds else {
        return invalid(format!("X-Amz-Expires must be between 1 and {EXPIRES_SECONDS_MAX} seconds, got '{expires}'."));
    };
    let end = signed_at.plus(Duration::from_secs(seconds));
    if end < now {
        let (end, now) = (show(end), show(now));
        return invalid(format!("Signature expired: {end} is now earlier than {now}"));
    }
    Ok(())
}

fn show(at: Timestamp) -> String {
    let Civil { year, month, day, hour, minute, second } = Civil::of(at);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}
