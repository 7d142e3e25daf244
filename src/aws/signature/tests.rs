use std::time::Duration;

use hyper::Request;
use hyper::http::request::Parts;

use super::{Credentials, caller, parse, show};
use crate::aws::operation::Caller;
use crate::aws::refusal::Refusal;
use crate::model::Timestamp;

/// 2015-08-30T12:36:00Z.
const NOW: Timestamp = Timestamp(1_440_938_160_000);
const EMPTY: &[u8] = b"";

fn credentials() -> Credentials {
    [("AKIDEXAMPLE".to_owned(), "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned())].into_iter().collect()
}

fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
    let request = Request::builder().method(method).uri(target);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(()).unwrap().into_parts().0
}

/// A request of AWS's test suite, signed by it.
fn of_suite(method: &str, target: &str, more: &[(&str, &str)], signed_headers: &str, signature: &str) -> Parts {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders={signed_headers}, \
         Signature={signature}"
    );
    let mut headers =
        vec![("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z"), ("authorization", &authorization)];
    headers.extend(more);
    request(method, target, &headers)
}

/// Signed by botocore 1.44.5 to be good for a minute.
const PRESIGNED: &str = "/?Action=List%20All&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2F\
                         service%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=\
                         fcee52c569fd44220c4b29b8cfe4c536076fb9f541ddae0db34c698d05b709fe";
const VANILLA: &str = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";

fn vanilla() -> Parts {
    of_suite("GET", "/", &[], "host;x-amz-date", VANILLA)
}

fn refused(request: &Parts, body: &[u8], now: Timestamp) -> (&'static str, String) {
    let refusal: Refusal = caller(request, body, &credentials(), now).unwrap_err();
    assert_eq!(refusal.status(), 400);
    (refusal.name(), refusal.message().to_owned())
}

#[test]
fn the_signatures_of_awss_test_suite_are_right() {
    let form = "application/x-www-form-urlencoded";
    let cases: [(&str, Parts, &[u8]); 7] = [
        ("get-vanilla", vanilla(), EMPTY),
        (
            "post-vanilla",
            of_suite("POST", "/", &[], "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            EMPTY,
        ),
        (
            "get-vanilla-query-order-key-case",
            of_suite(
                "GET",
                "/?Param2=value2&Param1=value1",
                &[],
                "host;x-amz-date",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            EMPTY,
        ),
        (
            "get-header-key-duplicate",
            of_suite(
                "GET",
                "/",
                &[("my-header1", "value2"), ("my-header1", "value2"), ("my-header1", "value1")],
                "host;my-header1;x-amz-date",
                "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
            ),
            EMPTY,
        ),
        (
            "get-header-value-trim",
            of_suite(
                "GET",
                "/",
                &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
                "host;my-header1;my-header2;x-amz-date",
                "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            ),
            EMPTY,
        ),
        (
            "post-x-www-form-urlencoded",
            of_suite(
                "POST",
                "/",
                &[("content-type", form)],
                "content-type;host;x-amz-date",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
            b"Param1=value1",
        ),
        // The path is brought into the form that is signed.
        ("get-slash-dot-slash", of_suite("GET", "/./", &[], "host;x-amz-date", VANILLA), EMPTY),
    ];
    let expected = Caller { region: Some("us-east-1".to_owned()), ..Caller::default() };
    for (name, request, body) in cases {
        assert_eq!(caller(&request, body, &credentials(), NOW), Ok(expected.clone()), "{name}");
    }
}

#[test]
fn the_host_may_be_in_the_address_as_in_http_2() {
    let mut request = vanilla();
    request.headers.remove("host");
    request.uri = "http://example.amazonaws.com/".parse().unwrap();
    assert!(caller(&request, EMPTY, &credentials(), NOW).is_ok());
}

#[test]
fn a_change_of_anything_signed_makes_the_signature_wrong() {
    let wrong = |request: &Parts, body: &[u8]| {
        let (name, message) = refused(request, body, NOW);
        assert_eq!(name, "InvalidSignatureException");
        assert!(
            message.starts_with("The request signature we calculated does not match the signature you provided."),
            "{message}"
        );
        assert!(message.contains("\n\nThe Canonical String for this request should have been\n'") && !message.contains("wJalr"));
    };
    wrong(&vanilla(), b"body");
    wrong(&of_suite("POST", "/", &[], "host;x-amz-date", VANILLA), EMPTY);
    wrong(&of_suite("GET", "/?a=b", &[], "host;x-amz-date", VANILLA), EMPTY);
    wrong(&of_suite("GET", "/a", &[], "host;x-amz-date", VANILLA), EMPTY);
    wrong(&of_suite("GET", "/", &[("host", "other")], "host;x-amz-date", VANILLA), EMPTY);
    for signature in ["0", "not hexadecimal", &VANILLA[2..], &VANILLA.replace('5', "6")] {
        wrong(&of_suite("GET", "/", &[], "host;x-amz-date", signature), EMPTY);
    }
}

#[test]
fn a_signature_is_good_for_five_minutes_before_and_after() {
    let seconds = Duration::from_secs;
    for now in [NOW.plus(seconds(300)), NOW.minus(seconds(300))] {
        assert!(caller(&vanilla(), EMPTY, &credentials(), now).is_ok());
    }
    assert_eq!(
        refused(&vanilla(), EMPTY, NOW.plus(seconds(301))),
        (
            "InvalidSignatureException",
            "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T124101Z - 5 min.)".to_owned()
        )
    );
    assert_eq!(
        refused(&vanilla(), EMPTY, NOW.minus(seconds(301))),
        (
            "InvalidSignatureException",
            "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T123059Z + 5 min.)"
                .to_owned()
        )
    );
}

#[test]
fn what_cannot_be_verified_is_refused_in_the_words_of_aws() {
    let with = |credential: &str, signed: &str, date: &str| {
        let authorization = format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={signed}, Signature={VANILLA}");
        let request = request("GET", "/", &[("host", "h"), ("x-amz-date", date), ("authorization", &authorization)]);
        refused(&request, EMPTY, NOW)
    };
    let (scope, date) = ("AKIDEXAMPLE/20150830/us-east-1/service/aws4_request", "20150830T123600Z");
    for (found, name, words) in [
        (
            with("NOBODY/20150830/us-east-1/service/aws4_request", "host", date),
            "UnrecognizedClientException",
            "The security token",
        ),
        (with("AKIDEXAMPLE", "host", date), "IncompleteSignatureException", "Credential must have exactly 5 slash-delimited"),
        (with("AKIDEXAMPLE/20150830/us-east-1/service/aws3", "host", date), "InvalidSignatureException", "valid terminator"),
        (
            with("AKIDEXAMPLE/20150829/us-east-1/service/aws4_request", "host", date),
            "InvalidSignatureException",
            "'20150829' != '20150830'",
        ),
        (with(scope, "x-amz-date", date), "InvalidSignatureException", "'Host' or ':authority' must be"),
        (with(scope, "host", "yesterday"), "IncompleteSignatureException", "Got 'yesterday'"),
    ] {
        assert_eq!(found.0, name);
        assert!(found.1.contains(words), "{}", found.1);
    }
}

#[test]
fn a_request_without_a_whole_signature_is_refused_even_if_none_is_verified() {
    let nobody = Credentials::default();
    let refusal = |target: &str, headers: &[(&str, &str)]| {
        let refusal = caller(&request("POST", target, headers), EMPTY, &nobody, NOW).unwrap_err();
        (refusal.name(), refusal.message().to_owned())
    };
    assert_eq!(refusal("/", &[]), ("MissingAuthenticationTokenException", "Missing Authentication Token".to_owned()));
    assert_eq!(
        refusal("/", &[("authorization", "X")]),
        (
            "IncompleteSignatureException",
            "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. \
         Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a \
         'X-Amz-Date' or a 'Date' header. Authorization=X"
                .to_owned()
        )
    );
    for header in ["AWS4- Signature=b Credential=a", "AWS4- Signature=b,Credential=a", "AWS4- Signature=b, Credential=a"] {
        assert_eq!(
            refusal("/", &[("authorization", header), ("date", "a")]),
            (
                "IncompleteSignatureException",
                format!("Authorization header requires 'SignedHeaders' parameter. Authorization={header}")
            )
        );
    }
    assert_eq!(
        refusal("/?X-Amz-Algorithm", &[("authorization", "X")]),
        (
            "InvalidSignatureException",
            "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.".to_owned()
        )
    );
    assert_eq!(
        refusal("/?X-Amz-Algorithm=a&X-Amz-Credential=b&X-Amz-Signature=c&X-Amz-SignedHeaders=d", &[]),
        (
            "IncompleteSignatureException",
            "AWS query-string parameters must include 'X-Amz-Date'. Re-examine the query-string parameters.".to_owned()
        )
    );
}

#[test]
fn account_and_region_are_what_the_signature_says() {
    let nobody = Credentials::default();
    for (credential, account, region) in [
        ("123456789012/20150830/eu-west-1/kinesis/aws4_request", Some("123456789012"), Some("eu-west-1")),
        ("AKIDEXAMPLE/20150830/eu-west-1//aws4_request", None, Some("eu-west-1")),
        ("AKIDEXAMPLE/20150830/<region>/kinesis/aws4_request", None, None),
        ("a", None, None),
    ] {
        let authorization = format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0");
        let request = request("POST", "/", &[("x-amz-date", "20150830T123600Z"), ("authorization", &authorization)]);
        let expected = Caller { account: account.map(str::to_owned), region: region.map(str::to_owned), ..Caller::default() };
        assert_eq!(caller(&request, EMPTY, &nobody, NOW), Ok(expected), "{credential}");
    }
}

#[test]
fn a_signed_address_is_good_for_as_long_as_it_says() {
    let request = request("GET", PRESIGNED, &[("host", "example.amazonaws.com")]);
    let seconds = Duration::from_secs;
    assert!(caller(&request, EMPTY, &credentials(), NOW.plus(seconds(60))).is_ok());
    let (name, message) = refused(&request, EMPTY, NOW.plus(seconds(61)));
    assert_eq!(
        (name, message.as_str()),
        ("InvalidSignatureException", "Signature expired: 20150830T123700Z is now earlier than 20150830T123701Z")
    );
}

#[test]
fn dates_are_read_as_they_are_written() {
    assert_eq!(parse("20150830T123600Z"), Some(NOW));
    assert_eq!(show(NOW), "20150830T123600Z");
    for wrong in
        ["", "20150830", "20150830T123600", "2015-08-30T12:36Z", "20150231T123600Z", "20150830T123660Z", "２0150830T12360"]
    {
        assert_eq!(parse(wrong), None, "{wrong}");
    }
}

#[test]
fn headers_that_are_signed_again_and_again_are_not_copied_each_time() {
    let long = "y".repeat(10_000);
    let request = of_suite("GET", "/", &[("x", &long)], &format!("host;{}", "x;".repeat(5_000)), VANILLA);
    let (name, message) = refused(&request, EMPTY, NOW);
    assert!(name == "InvalidSignatureException" && message.len() < 1_100_000, "{} bytes", message.len());
}
