//! OAUTHBEARER (RFC 7628): a token of JSON (JWT, RFC 7519) that somebody trusted has signed.
//!
//! The keys are in a JWKS file (RFC 7517), which is read again when a token names a key that is not known. RS256 and ES256 are
//! accepted, no other algorithm and above all not "none". As Kafka does it: a bad token is answered with a bit of JSON, which the
//! client acknowledges before it is told that its login has failed; the login holds no longer than the token.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use parking_lot::Mutex;
use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{Failed, Principal, Progress};
use crate::model::Timestamp;

/// How far the clock of whoever signed may be from ours (Kafka: `sasl.oauthbearer.clock.skew.seconds`).
const SKEW: Duration = Duration::from_secs(30);
/// Bytes of the file. *Ours*: some hundred keys.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// How often the file is read again for keys that are not known.
const READ_INTERVAL: Duration = Duration::from_secs(1);
/// Bytes of an uncompressed point of P-256.
const POINT_BYTES: usize = 65;
/// What a bad token is answered with (RFC 7628, section 3.2.2).
const INVALID: &[u8] = b"{\"status\":\"invalid_token\"}";

/// Whose tokens are good.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OauthSettings {
    /// The JWKS file.
    pub jwks: PathBuf,
    /// What a token has to say of who made it (`iss`); `None`: anything.
    pub issuer: Option<String>,
    /// Whom a token has to be for (`aud`); `None`: anybody.
    pub audience: Option<String>,
}

/// Whose tokens are good, and their keys.
pub(crate) struct Oauth {
    settings: OauthSettings,
    keys: Mutex<Keys>,
}

struct Keys {
    known: Arc<Vec<Key>>,
    read_at: Instant,
}

/// A public key of the file.
struct Key {
    id: Option<String>,
    of: Public,
}

enum Public {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// A point of P-256, uncompressed.
    Ec(Vec<u8>),
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
    /// With the keys that are in the file now.
    ///
    /// # Errors
    /// What is wrong with the file, and the mend.
    pub(super) fn open(settings: OauthSettings) -> Result<Self, String> {
        let keys = Keys { known: Arc::new(read(&settings.jwks)?), read_at: Instant::now() };
        Ok(Self { settings, keys: Mutex::new(keys) })
    }

    fn verify(&self, token: &str, now: Timestamp) -> Result<Progress, Failed> {
        let malformed = Failed("the token is no JWT");
        let (signed, signature) = token.rsplit_once('.').ok_or(malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(malformed)?;
        let (header, claims) = (object(header).ok_or(malformed)?, object(claims).ok_or(malformed)?);
        let signature = BASE64URL.decode(signature).map_err(|_| malformed)?;
        if header.contains_key("crit") {
            return Err(Failed("the token has extensions that have to be understood"));
        }
        let algorithm = header.get("alg").and_then(Value::as_str).unwrap_or_default();
        let id = header.get("kid").and_then(Value::as_str);
        if !self.is_signed(algorithm, id, signed.as_bytes(), &signature)? {
            return Err(Failed("the token's signature is not that of a known key"));
        }
        self.check(&claims, now)
    }

    fn is_signed(&self, algorithm: &str, id: Option<&str>, signed: &[u8], signature: &[u8]) -> Result<bool, Failed> {
        if !matches!(algorithm, "RS256" | "ES256") {
            return Err(Failed("the token is signed with another algorithm than RS256 or ES256"));
        }
        let meant = |key: &&Key| id.is_none() || key.id.is_none() || key.id.as_deref() == id;
        let mut keys = self.keys.lock().known.clone();
        if keys.iter().filter(meant).count() == 0 {
            keys = self.read_again();
        }
        Ok(keys.iter().filter(meant).any(|key| key.has_signed(algorithm, signed, signature)))
    }

    /// The keys of the file, if it was not read just now.
    fn read_again(&self) -> Arc<Vec<Key>> {
        let mut keys = self.keys.lock();
        if keys.read_at.elapsed() >= READ_INTERVAL {
            keys.read_at = Instant::now();
            match read(&self.settings.jwks) {
                Ok(known) => keys.known = Arc::new(known),
                Err(error) => tracing::warn!(error, "the keys that were read before go on"),
            }
        }
        keys.known.clone()
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
        let OauthSettings { issuer, audience, .. } = &self.settings;
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

impl Key {
    fn has_signed(&self, algorithm: &str, signed: &[u8], signature: &[u8]) -> bool {
        match (&self.of, algorithm) {
            (Public::Rsa { n, e }, "RS256") => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature).is_ok()
            }
            (Public::Ec(point), "ES256") => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature).is_ok()
            }
            _ => false,
        }
    }
}

/// The object that a part of a token is.
fn object(part: &str) -> Option<Map<String, Value>> {
    match serde_json::from_slice(&BASE64URL.decode(part).ok()?).ok()? {
        Value::Object(fields) => Some(fields),
        _ => None,
    }
}

/// The keys of a JWKS file that tokens may be signed with.
fn read(path: &Path) -> Result<Vec<Key>, String> {
    use std::io::Read as _;
    let wrong = |what: &dyn std::fmt::Display| format!("{}: {what}; give a JWKS file with keys of RSA or P-256", path.display());
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
    file.map_err(|error| wrong(&error))?;
    let set: Value = serde_json::from_slice(&bytes).map_err(|error| wrong(&error))?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or_else(|| wrong(&"there is no array of keys in it"))?;
    let found: Vec<Key> = keys.iter().filter_map(key).collect();
    if found.is_empty() { Err(wrong(&"there is no key in it that can be used")) } else { Ok(found) }
}

fn key(key: &Value) -> Option<Key> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let bytes = |name: &str| BASE64URL.decode(text(name)?).ok();
    if text("use").is_some_and(|what| what != "sig") {
        return None;
    }
    let of = match text("kty")? {
        "RSA" => {
            let (mut n, e) = (bytes("n")?, bytes("e")?);
            // Some write a zero in front, which a number does not have.
            let zeros = n.iter().take_while(|&&byte| byte == 0).count();
            n.drain(..zeros);
            Public::Rsa { n, e }
        }
        "EC" if text("crv") == Some("P-256") => {
            let point = [&[4][..], &bytes("x")?, &bytes("y")?].concat();
            Public::Ec(Some(point).filter(|point| point.len() == POINT_BYTES)?)
        }
        _ => return None,
    };
    Some(Key { id: text("kid").map(str::to_owned), of })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

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

        fn publish(&self, id: &str) {
            let point = self.key.public_key().as_ref();
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
        OauthSettings { jwks, issuer: Some("https://issuer".to_owned()), audience: Some("kafka".to_owned()) }
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
        let oauth = Oauth::open(OauthSettings { jwks: path, issuer: None, audience: None }).unwrap();
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

    #[tokio::test(start_paused = true)]
    async fn keys_that_come_later_are_read_when_they_are_named() {
        let issuer = Issuer::new();
        let oauth = Oauth::open(settings(issuer.path())).unwrap();
        issuer.publish("two");
        let token = issuer.token(serde_json::json!({ "alg": "ES256", "kid": "two" }), claims());
        assert!(oauth.verify(&token, NOW).is_err());
        tokio::time::advance(READ_INTERVAL).await;
        assert!(oauth.verify(&token, NOW).is_ok());
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

    #[test]
    fn what_is_wrong_with_the_file_names_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jwks.json");
        for text in ["", "{}", "{\"keys\":[]}", "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}]}"] {
            std::fs::write(&path, text).unwrap();
            let error = read(&path).err().unwrap();
            assert!(error.contains("jwks.json") && error.contains("give a JWKS file"), "{error}");
        }
    }
}
