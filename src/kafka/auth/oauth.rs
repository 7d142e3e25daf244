//! OAUTHBEARER (RFC 7628): a token of JSON (JWT, RFC 7519) that somebody trusted has signed.
//!
//! RS256 and ES256 are accepted, no other algorithm and above all not "none"; what a key is decides which of them it has signed
//! with, never the token. As Kafka does it: a bad token is answered with a bit of JSON, which the client acknowledges before it is
//! told that its login has failed; the login holds no longer than the token.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde_json::{Map, Value};

use super::keys::{ES256, Jwks, Keys, RS256};
use super::{Failed, Principal, Progress};
use crate::model::Timestamp;

/// How far the clock of whoever signed may be from ours (Kafka: `sasl.oauthbearer.clock.skew.seconds`).
const SKEW: Duration = Duration::from_secs(30);
/// What a bad token is answered with (RFC 7628, section 3.2.2).
const INVALID: &[u8] = b"{\"status\":\"invalid_token\"}";

/// Whose tokens are good.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OauthSettings {
    /// Where the keys are that they are signed with.
    pub jwks: Jwks,
    /// What a token has to say of who made it (`iss`); `None`: anything.
    pub issuer: Option<String>,
    /// Whom a token has to be for (`aud`); `None`: anybody.
    pub audience: Option<String>,
}

/// Whose tokens are good, and their keys.
pub(crate) struct Oauth {
    keys: Keys,
    issuer: Option<String>,
    audience: Option<String>,
}

/// A token, taken apart.
struct Token<'a> {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    /// What is signed.
    signed: &'a str,
    signature: Vec<u8>,
}

/// The server's side of one login.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Exchange {
    /// Nothing was said.
    Begun,
    /// The token was bad, for this reason, and the client knows.
    Failed(Failed),
}

impl Exchange {
    /// One more message of the client.
    pub(super) fn step(&mut self, oauth: Option<&Oauth>, now: Timestamp, message: &[u8]) -> Result<Progress, Failed> {
        match *self {
            Self::Failed(failed) => Err(failed),
            Self::Begun => match token(message).and_then(|(wanted, token)| {
                let oauth = oauth.ok_or(Failed("no keys for tokens are set"))?;
                let done = oauth.verify(token, now)?;
                match (&done, wanted) {
                    (Progress::Done { principal, .. }, Some(wanted)) if principal.name() != wanted => {
                        Err(Failed("another name was asked for than the token's"))
                    }
                    _ => Ok(done),
                }
            }) {
                Ok(done) => Ok(done),
                Err(failed) => {
                    *self = Self::Failed(failed);
                    Ok(Progress::Challenge(INVALID.to_vec()))
                }
            },
        }
    }
}

/// Whom the client wants to be, and its token: `n,[a=NAME],^Aauth=Bearer TOKEN^A^A`.
fn token(message: &[u8]) -> Result<(Option<&str>, &str), Failed> {
    let malformed = Failed("the message is not that of a client of OAUTHBEARER");
    let text = std::str::from_utf8(message).map_err(|_| malformed)?;
    let (header, rest) = text.split_once('\u{1}').ok_or(malformed)?;
    let wanted = match header.split(',').collect::<Vec<_>>().as_slice() {
        ["n" | "y", "", ""] => None,
        ["n" | "y", wanted, ""] => Some(wanted.strip_prefix("a=").ok_or(malformed)?),
        _ => return Err(malformed),
    };
    let value = rest.split('\u{1}').find_map(|pair| pair.strip_prefix("auth=")).ok_or(malformed)?;
    let (scheme, token) = value.split_once(' ').ok_or(malformed)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok((wanted, token.trim())) } else { Err(malformed) }
}

impl Oauth {
    /// With the keys that are there now.
    ///
    /// # Errors
    /// Why there can be none, and the mend.
    pub(super) fn open(settings: OauthSettings) -> Result<Self, String> {
        let OauthSettings { jwks, issuer, audience } = settings;
        Ok(Self { keys: Keys::open(jwks)?, issuer, audience })
    }

    /// Follows the keys that are at an address; does not return. If they are in a file it has nothing to do.
    pub(super) async fn follow_keys(&self) {
        self.keys.follow().await;
    }

    /// Looks for the keys that a message of a client, which is judged next, may need.
    pub(super) async fn look_for_keys(&self, message: &[u8]) {
        if let Ok(token) = token(message).and_then(|(_, token)| Token::of(token))
            && token.algorithm().is_ok()
        {
            self.keys.look(token.key()).await;
        }
    }

    fn verify(&self, token: &str, now: Timestamp) -> Result<Progress, Failed> {
        let token = Token::of(token)?;
        let algorithm = token.algorithm()?;
        let (known, signed) = (self.keys.known(), token.signed.as_bytes());
        let mut meant = known.iter().filter(|key| key.is_called(token.key()));
        if !meant.any(|key| key.has_signed(algorithm, signed, &token.signature)) {
            return Err(Failed("the token's signature is not that of a known key"));
        }
        self.check(&token.claims, now)
    }

    /// Whose token it is, if it is good now and here.
    fn check(&self, claims: &Map<String, Value>, now: Timestamp) -> Result<Progress, Failed> {
        let time = |name: &str| claims.get(name).and_then(Value::as_f64).map(|seconds| Timestamp((seconds * 1_000.0) as i64));
        let until = time("exp").ok_or(Failed("the token does not say until when it is good"))?;
        if until.plus(SKEW) <= now {
            return Err(Failed("the token has expired"));
        }
        if time("nbf").is_some_and(|from| from > now.plus(SKEW)) {
            return Err(Failed("the token is not good yet"));
        }
        let Self { issuer, audience, .. } = self;
        let is_from = |issuer: &String| claims.get("iss").and_then(Value::as_str) == Some(issuer);
        if !issuer.as_ref().is_none_or(is_from) {
            return Err(Failed("the token is from another issuer"));
        }
        let is_for = |audience: &String| match claims.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(audience)),
            _ => false,
        };
        if !audience.as_ref().is_none_or(is_for) {
            return Err(Failed("the token is for another audience"));
        }
        let name = claims.get("sub").and_then(Value::as_str).filter(|name| !name.is_empty());
        let name = name.ok_or(Failed("the token does not say whose it is"))?;
        Ok(Progress::Done { principal: Principal::user(name), message: Vec::new(), until: Some(until) })
    }
}

impl<'a> Token<'a> {
    fn of(token: &'a str) -> Result<Self, Failed> {
        let malformed = Failed("the token is no JWT");
        let (signed, signature) = token.rsplit_once('.').ok_or(malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(malformed)?;
        let (header, claims) = (object(header).ok_or(malformed)?, object(claims).ok_or(malformed)?);
        let signature = BASE64URL.decode(signature).map_err(|_| malformed)?;
        if header.contains_key("crit") {
            return Err(Failed("the token has extensions that have to be understood"));
        }
        Ok(Self { header, claims, signed, signature })
    }

    /// What it says that it is signed with.
    fn algorithm(&self) -> Result<&'static str, Failed> {
        match self.header.get("alg").and_then(Value::as_str) {
            Some(RS256) => Ok(RS256),
            Some(ES256) => Ok(ES256),
            _ => Err(Failed("the token is signed with another algorithm than RS256 or ES256")),
        }
    }

    /// The name of the key that it is signed with, if it says so.
    fn key(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }
}

/// The object that a part of a token is.
fn object(part: &str) -> Option<Map<String, Value>> {
    match serde_json::from_slice(&BASE64URL.decode(part).ok()?).ok()? {
        Value::Object(fields) => Some(fields),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use ring::hmac;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use tokio::time::advance;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    struct Issuer {
        key: EcdsaKeyPair,
        random: SystemRandom,
        directory: tempfile::TempDir,
    }

    impl Issuer {
        fn new() -> Self {
            let random = SystemRandom::new();
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
            let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
            let issuer = Self { key, random, directory: tempfile::tempdir().unwrap() };
            issuer.publish("one");
            issuer
        }

        fn path(&self) -> PathBuf {
            self.directory.path().join("jwks.json")
        }

        fn point(&self) -> &[u8] {
            self.key.public_key().as_ref()
        }

        fn publish(&self, id: &str) {
            let point = self.point();
            let (x, y) = (BASE64URL.encode(&point[1..33]), BASE64URL.encode(&point[33..]));
            let keys = serde_json::json!({ "keys": [
                { "kty": "oct", "k": "AAAA" },
                { "kty": "EC", "crv": "P-256", "kid": id, "use": "sig", "x": x, "y": y },
            ] });
            std::fs::write(self.path(), keys.to_string()).unwrap();
        }

        fn token(&self, header: Value, claims: Value) -> String {
            let part = |value: Value| BASE64URL.encode(value.to_string());
            let signed = format!("{}.{}", part(header), part(claims));
            let signature = self.key.sign(&self.random, signed.as_bytes()).unwrap();
            format!("{signed}.{}", BASE64URL.encode(signature.as_ref()))
        }
    }

    fn settings(jwks: PathBuf) -> OauthSettings {
        OauthSettings { jwks: Jwks::File(jwks), issuer: Some("https://issuer".to_owned()), audience: Some("kafka".to_owned()) }
    }

    fn header() -> Value {
        serde_json::json!({ "alg": "ES256", "kid": "one" })
    }

    fn claims() -> Value {
        serde_json::json!({ "iss": "https://issuer", "aud": ["other", "kafka"], "sub": "alice", "exp": 1_700_000_060 })
    }

    /// The example of RFC 7515, appendix A.2, whose key is in appendix A.2 too and whose token says neither whose it is nor for whom.
    #[tokio::test]
    async fn the_example_of_the_rfc_is_signed_with_its_key() {
        let n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs\
                 D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV\
                 MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0\
                     cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdb\
                     F9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_d\
                     O--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_I\
                     oypGlUPQGe77Rw";
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jwks.json");
        let keys = serde_json::json!({ "keys": [{ "kty": "RSA", "n": n, "e": "AQAB" }] });
        std::fs::write(&path, keys.to_string()).unwrap();
        let oauth = Oauth::open(OauthSettings { jwks: Jwks::File(path), issuer: None, audience: None }).unwrap();
        let at = Timestamp(1_300_819_000_000);
        assert_eq!(oauth.verify(token, at), Err(Failed("the token does not say whose it is")));
        assert_eq!(oauth.verify(token, NOW), Err(Failed("the token has expired")));
        let other = token.replace(".cC4h", ".cC5h");
        assert_eq!(oauth.verify(&other, at), Err(Failed("the token's signature is not that of a known key")));
    }

    #[tokio::test]
    async fn a_token_is_good_for_whom_from_whom_and_when_it_says() {
        let issuer = Issuer::new();
        let oauth = Oauth::open(settings(issuer.path())).unwrap();
        let done = oauth.verify(&issuer.token(header(), claims()), NOW);
        let until = Some(Timestamp(1_700_000_060_000));
        assert_eq!(done, Ok(Progress::Done { principal: Principal::user("alice"), message: Vec::new(), until }));
        for (field, value) in [
            ("iss", Value::from("https://other")),
            ("aud", Value::from("other")),
            ("aud", Value::Null),
            ("sub", Value::from("")),
            ("sub", Value::Null),
            ("exp", Value::from(1_699_999_969)),
            ("exp", Value::Null),
            ("nbf", Value::from(1_700_000_031)),
        ] {
            let mut changed = claims();
            changed[field] = value.clone();
            assert!(oauth.verify(&issuer.token(header(), changed), NOW).is_err(), "{field} {value}");
        }
        for (field, value) in [("alg", "none"), ("alg", "HS256"), ("alg", "RS256"), ("crit", "exp"), ("kid", "two")] {
            let mut changed = header();
            changed[field] = value.into();
            assert!(oauth.verify(&issuer.token(changed, claims()), NOW).is_err(), "{field} {value}");
        }
        let foreign = Issuer::new().token(header(), claims());
        assert!(oauth.verify(&foreign, NOW).is_err());
        for wrong in ["", ".", "..", "a.b.c", "e30.e30.", "e30.e30.AAAA"] {
            assert!(oauth.verify(wrong, NOW).is_err(), "{wrong}");
        }
    }

    /// A public key is known to everybody: who takes it for a secret lets everybody sign.
    #[tokio::test]
    async fn a_public_key_is_no_secret_and_no_signature_is_none() {
        let issuer = Issuer::new();
        let oauth = Oauth::open(settings(issuer.path())).unwrap();
        let file = std::fs::read(issuer.path()).unwrap();
        let other = Failed("the token is signed with another algorithm than RS256 or ES256");
        let unknown = Failed("the token's signature is not that of a known key");
        for (algorithm, expected) in [
            ("HS256", other),
            ("HS512", other),
            ("none", other),
            ("None", other),
            ("NONE", other),
            ("", other),
            ("ES384", other),
            ("ES256", unknown),
            ("RS256", unknown),
        ] {
            let part = |value: Value| BASE64URL.encode(value.to_string());
            let signed = format!("{}.{}", part(serde_json::json!({ "alg": algorithm, "kid": "one" })), part(claims()));
            let secrets = [issuer.point(), &issuer.point()[1..], &file, b""];
            let signatures = secrets.map(|secret| {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                hmac::sign(&key, signed.as_bytes()).as_ref().to_vec()
            });
            for signature in signatures.into_iter().chain([Vec::new(), vec![0; 64]]) {
                let token = format!("{signed}.{}", BASE64URL.encode(signature));
                assert_eq!(oauth.verify(&token, NOW), Err(expected), "{algorithm}");
            }
        }
        // Without `alg`, and with one that is no text.
        for header in [serde_json::json!({ "kid": "one" }), serde_json::json!({ "alg": ["ES256"], "kid": "one" })] {
            assert_eq!(oauth.verify(&issuer.token(header, claims()), NOW), Err(other));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn keys_come_and_go_as_the_file_says() {
        let issuer = Issuer::new();
        let oauth = Oauth::open(settings(issuer.path())).unwrap();
        let token = |id: &str| issuer.token(serde_json::json!({ "alg": "ES256", "kid": id }), claims());
        let is_good = async |token: &str| {
            oauth.look_for_keys(format!("n,,\u{1}auth=Bearer {token}\u{1}\u{1}").as_bytes()).await;
            oauth.verify(token, NOW).is_ok()
        };
        let (one, two) = (token("one"), token("two"));
        issuer.publish("two");
        // Somebody has looked just now.
        assert!(is_good(&one).await && !is_good(&two).await);
        advance(Duration::from_secs(1)).await;
        assert!(!is_good(&one).await && is_good(&two).await);
        // What cannot be read says nothing; nobody's keys are nobody's.
        for (text, is_kept) in [(Some("{"), true), (None, true), (Some("{\"keys\": []}"), false)] {
            match text {
                Some(text) => std::fs::write(issuer.path(), text).unwrap(),
                None => std::fs::remove_file(issuer.path()).unwrap(),
            }
            advance(Duration::from_secs(1)).await;
            assert_eq!(is_good(&two).await, is_kept, "{text:?}");
        }
    }

    #[tokio::test]
    async fn a_bad_token_is_answered_in_two_steps() {
        let issuer = Issuer::new();
        let oauth = Oauth::open(settings(issuer.path())).unwrap();
        let say = |token: &str, header: &str| format!("{header}\u{1}auth=Bearer {token}\u{1}\u{1}").into_bytes();
        let good = issuer.token(header(), claims());
        for (message, is_good) in [
            (say(&good, "n,,"), true),
            (say(&good, "n,a=alice,"), true),
            (say(&good, "n,a=bob,"), false),
            (say("bad", "n,,"), false),
            (good.clone().into_bytes(), false),
            (Vec::new(), false),
        ] {
            let mut exchange = Exchange::Begun;
            let answer = exchange.step(Some(&oauth), NOW, &message);
            if is_good {
                assert!(matches!(answer, Ok(Progress::Done { .. })), "{answer:?}");
            } else {
                assert_eq!(answer, Ok(Progress::Challenge(INVALID.to_vec())));
                assert!(exchange.step(Some(&oauth), NOW, b"\x01").is_err());
            }
        }
    }
}
