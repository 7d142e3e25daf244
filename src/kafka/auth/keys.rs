//! The public keys that tokens are signed with: a JWKS (RFC 7517), from a file or from an address, and looked at again and again.
//!
//! A file is looked at by each login that comes more than a second after the last look. An address is asked at the start and every
//! minute, and by a login whose token names a key that is not known, if the last question is ten seconds old: strangers cannot
//! make the gateway ask more often. A key that is no longer there is not believed from then on. Where nothing can be had, the
//! keys that were there before go on, which is warned about once.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hyper::Uri;
use parking_lot::Mutex;
use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};
use rustls::ClientConfig;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::fetch::{authorities, fetch};

/// Bytes of a JWKS. *Ours*.
const JWKS_BYTES_MAX: usize = 1 << 20;
/// Keys of a JWKS. *Ours*: a token that names none may have to be checked with each.
const KEYS_MAX: usize = 100;
/// How often a file is looked at, while clients log in.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How often an address is asked. *Ours*: a key that was withdrawn is good for no longer (Kafka asks once an hour,
/// `sasl.oauthbearer.jwks.endpoint.refresh.ms`).
const ASK_INTERVAL: Duration = Duration::from_secs(60);
/// How often it is asked for keys that are not known. *Ours*: strangers can name some.
const ASK_AT_ONCE_INTERVAL: Duration = Duration::from_secs(10);
/// What tokens may be signed with: RSASSA-PKCS1-v1_5 and ECDSA over P-256, both with SHA-256 (RFC 7518).
pub(super) const RS256: &str = "RS256";
pub(super) const ES256: &str = "ES256";
/// Bytes of an uncompressed point of P-256.
const POINT_BYTES: usize = 65;

/// Where keys come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Jwks {
    /// A file.
    File(PathBuf),
    /// An address (`http`, `https`). The authorities of the machine are trusted.
    Url(Uri),
}

/// The keys, and where they come from. Clones share them.
#[derive(Clone)]
pub(super) struct Keys(Arc<Shared>);

struct Shared {
    source: Source,
    current: Mutex<Current>,
    /// Held by whoever looks; the others wait for what is found.
    looking: Arc<tokio::sync::Mutex<()>>,
}

enum Source {
    File(PathBuf),
    /// With whom TLS trusts, if it is spoken there.
    Url(Uri, Option<Arc<ClientConfig>>),
}

struct Current {
    known: Arc<Vec<Key>>,
    /// `None`: nobody has looked yet.
    looked_at: Option<Instant>,
    /// Why the last look was in vain, if it was.
    failure: Option<String>,
}

/// A public key.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Key {
    id: Option<String>,
    of: Public,
}

#[derive(PartialEq, Eq, Debug)]
enum Public {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// A point of P-256, uncompressed.
    Ec(Vec<u8>),
}

impl Keys {
    /// With what is in the file now; an address is asked later.
    ///
    /// # Errors
    /// What is wrong with the file or with the authorities of the machine, and the mend.
    pub(super) fn open(jwks: Jwks) -> Result<Self, String> {
        match jwks {
            Jwks::File(path) => {
                let wrong = |why: String| format!("{}: {why}; give a JWKS file with keys of RSA or P-256", path.display());
                let known = read(&path).and_then(|bytes| parse(&bytes)).map_err(wrong)?;
                if known.is_empty() {
                    return Err(wrong("there is no key in it that can be used".to_owned()));
                }
                Ok(Self::with(Source::File(path), known, Some(Instant::now())))
            }
            Jwks::Url(url) => {
                let tls = (url.scheme_str() == Some("https")).then(authorities).transpose()?;
                Ok(Self::with(Source::Url(url, tls), Vec::new(), None))
            }
        }
    }

    fn with(source: Source, known: Vec<Key>, looked_at: Option<Instant>) -> Self {
        let current = Mutex::new(Current { known: Arc::new(known), looked_at, failure: None });
        Self(Arc::new(Shared { source, current, looking: Arc::default() }))
    }

    /// All keys that hold now.
    pub(super) fn known(&self) -> Arc<Vec<Key>> {
        self.0.current.lock().known.clone()
    }

    /// Looks, if it is time to, before a token is judged that is signed with the key of this name, or with any.
    pub(super) async fn look(&self, id: Option<&str>) {
        let interval = match &self.0.source {
            Source::File(_) => LOOK_INTERVAL,
            Source::Url(..) if self.known().iter().any(|key| key.is_called(id)) => return,
            Source::Url(..) => ASK_AT_ONCE_INTERVAL,
        };
        self.look_after(interval).await;
    }

    /// Asks an address again and again; does not return. Of a file there is nothing to ask.
    pub(super) async fn follow(&self) {
        while let Source::Url(..) = self.0.source {
            self.look_after(Duration::ZERO).await;
            sleep(ASK_INTERVAL).await;
        }
    }

    /// Looks, if the last look is so long ago.
    async fn look_after(&self, interval: Duration) {
        let turn = self.0.looking.clone().lock_owned().await;
        let now = Instant::now();
        {
            let mut current = self.0.current.lock();
            if current.looked_at.is_some_and(|looked_at| now.duration_since(looked_at) < interval) {
                return;
            }
            current.looked_at = Some(now);
        }
        let shared = self.0.clone();
        // Goes on without whoever hangs up meanwhile: others wait for it too. After a panic there what was goes on.
        let looked = tokio::spawn(async move {
            let found = shared.source.read().await;
            shared.take_up(found);
            drop(turn);
        });
        let _ = looked.await;
    }
}

impl Source {
    async fn read(&self) -> Result<Vec<Key>, String> {
        match self {
            Self::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || read(&path).and_then(|bytes| parse(&bytes)));
                read.await.unwrap_or_else(|error| Err(error.to_string()))
            }
            Self::Url(url, tls) => fetch(url, tls.as_ref(), JWKS_BYTES_MAX).await.and_then(|bytes| parse(&bytes)),
        }
    }
}

impl Shared {
    /// Takes up what was found.
    fn take_up(&self, found: Result<Vec<Key>, String>) {
        let mut current = self.current.lock();
        match found {
            Ok(known) => {
                current.failure = None;
                if *current.known != known {
                    tracing::info!(from = %self.source, keys = known.len(), "new keys of tokens");
                    current.known = Arc::new(known);
                }
            }
            Err(failure) => {
                if current.failure.as_ref() != Some(&failure) {
                    let keys = current.known.len();
                    tracing::warn!(from = %self.source, keys, %failure, "the keys of tokens that were read before go on");
                }
                current.failure = Some(failure);
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            // What follows the path may be meant for nobody else.
            Self::Url(url, _) => {
                write!(f, "{}://{}{}", url.scheme_str().unwrap_or_default(), url.host().unwrap_or_default(), url.path())
            }
        }
    }
}

impl Key {
    /// Whether a token that names this key, or none, may be signed with it.
    pub(super) fn is_called(&self, id: Option<&str>) -> bool {
        id.is_none() || self.id.is_none() || self.id.as_deref() == id
    }

    /// Whether the signature is that of this key.
    pub(super) fn has_signed(&self, algorithm: &str, signed: &[u8], signature: &[u8]) -> bool {
        match (&self.of, algorithm) {
            (Public::Rsa { n, e }, RS256) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature).is_ok()
            }
            (Public::Ec(point), ES256) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature).is_ok()
            }
            _ => false,
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(JWKS_BYTES_MAX as u64).read_to_end(&mut bytes));
    read.map(|_| bytes).map_err(|error| error.to_string())
}

/// The keys of a JWKS that tokens may be signed with. There may be none: somebody has withdrawn the last one.
fn parse(bytes: &[u8]) -> Result<Vec<Key>, String> {
    // The error's words could show what is there.
    let set: Value = serde_json::from_slice(bytes).map_err(|error| format!("no JSON in line {}", error.line()))?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or("there is no array of keys in it")?;
    if keys.len() > KEYS_MAX {
        return Err(format!("there are {} keys in it, and {KEYS_MAX} are accepted", keys.len()));
    }
    Ok(keys.iter().filter_map(key).collect())
}

fn key(key: &Value) -> Option<Key> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let bytes = |name: &str| BASE64URL.decode(text(name)?).ok();
    let (of, algorithm) = match text("kty")? {
        "RSA" => {
            let (mut n, e) = (bytes("n")?, bytes("e")?);
            // Some write a zero in front, which a number does not have.
            let zeros = n.iter().take_while(|&&byte| byte == 0).count();
            n.drain(..zeros);
            (Public::Rsa { n, e }, RS256)
        }
        "EC" if text("crv") == Some("P-256") => {
            let point = [&[4][..], &bytes("x")?, &bytes("y")?].concat();
            (Public::Ec(Some(point).filter(|point| point.len() == POINT_BYTES)?), ES256)
        }
        _ => return None,
    };
    // It may be meant for something else.
    let is_meant = text("use").is_none_or(|what| what == "sig") && text("alg").is_none_or(|meant| meant == algorithm);
    is_meant.then(|| Key { id: text("kid").map(str::to_owned), of })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rustls::pki_types::PrivateKeyDer;
    use rustls::{RootCertStore, ServerConfig};
    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::super::fetch::{FETCH_TIME, trusting};

    /// A JWKS with keys of these names.
    fn jwks(ids: &[&str]) -> String {
        let part = BASE64URL.encode([1; 32]);
        let key = |id: &&str| serde_json::json!({ "kty": "EC", "crv": "P-256", "kid": id, "x": part, "y": part });
        serde_json::json!({ "keys": ids.iter().map(key).collect::<Vec<_>>() }).to_string()
    }

    /// Gives keys away over HTTP.
    struct Provider {
        url: Uri,
        /// What it answers, from the status on; `None`: nothing.
        answer: Arc<Mutex<Option<String>>>,
        asked: Arc<AtomicUsize>,
    }

    impl Provider {
        async fn start(tls: Option<TlsAcceptor>) -> Self {
            let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let scheme = if tls.is_some() { "https" } else { "http" };
            let url = format!("{scheme}://{}/keys?secret=hidden", socket.local_addr().unwrap()).parse().unwrap();
            let provider = Self { url, answer: Arc::default(), asked: Arc::default() };
            provider.publish(&jwks(&["one"]));
            let (answer, asked) = (provider.answer.clone(), provider.asked.clone());
            tokio::spawn(async move {
                while let Ok((stream, _)) = socket.accept().await {
                    asked.fetch_add(1, Ordering::Relaxed);
                    let answer = answer.lock().clone();
                    match &tls {
                        // Whoever does not trust it hangs up.
                        Some(tls) => drop(tls.accept(stream).await.map(|stream| tokio::spawn(reply(stream, answer)))),
                        None => drop(tokio::spawn(reply(stream, answer))),
                    }
                }
            });
            provider
        }

        fn publish(&self, text: &str) {
            self.answer_with(&format!("200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len()));
        }

        fn answer_with(&self, answer: &str) {
            *self.answer.lock() = Some(format!("HTTP/1.1 {answer}"));
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::Relaxed)
        }
    }

    async fn reply<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, answer: Option<String>) {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        assert!(request.starts_with(b"GET /keys?secret=hidden HTTP/1.1\r\nhost: 127.0.0.1:"), "{request:?}");
        match answer {
            // Whoever has heard enough does not hear the rest.
            Some(answer) => drop(stream.write_all(answer.as_bytes()).await),
            None => std::future::pending().await,
        }
    }

    /// Lets time pass for nobody but those who look at the clock: sockets stand still meanwhile.
    async fn pass(time: Duration) {
        tokio::time::pause();
        tokio::time::advance(time).await;
        tokio::time::resume();
    }

    fn names(keys: &Keys) -> Vec<String> {
        keys.known().iter().filter_map(|key| key.id.clone()).collect()
    }

    #[tokio::test]
    async fn strangers_do_not_make_the_gateway_ask_more_often_than_it_would() {
        let provider = Provider::start(None).await;
        let keys = Keys::open(Jwks::Url(provider.url.clone())).unwrap();
        assert!(names(&keys).is_empty());
        // The first login asks, and however many come meanwhile wait for the answer.
        let first = keys.clone();
        tokio::join!(keys.look(Some("one")), first.look(Some("two")), keys.look(None));
        assert_eq!((names(&keys), provider.asked()), (vec!["one".to_owned()], 1));
        provider.publish(&jwks(&["one", "two"]));
        for step in 1..=30 {
            pass(Duration::from_secs(1)).await;
            keys.look(Some("unknown")).await;
            keys.look(Some("one")).await;
            assert_eq!(provider.asked(), 1 + step / 10, "after {step} s");
        }
        assert_eq!(names(&keys), ["one", "two"]);
    }

    #[tokio::test]
    async fn a_key_that_its_owner_withdraws_is_forgotten_at_the_next_question() {
        let provider = Provider::start(None).await;
        let keys = Keys::open(Jwks::Url(provider.url.clone())).unwrap();
        let following = tokio::spawn({
            let keys = keys.clone();
            async move { keys.follow().await }
        });
        let asked = async |times: usize| {
            while provider.asked() < times {
                tokio::task::yield_now().await;
            }
            // Until it is taken up.
            drop(keys.0.looking.lock().await);
        };
        asked(1).await;
        assert_eq!(names(&keys), ["one"]);
        provider.publish(&jwks(&["two"]));
        pass(ASK_INTERVAL).await;
        asked(2).await;
        assert_eq!(names(&keys), ["two"]);
        following.abort();
    }

    #[tokio::test]
    async fn what_cannot_be_had_leaves_the_keys_that_were_there() {
        let provider = Provider::start(None).await;
        let keys = Keys::open(Jwks::Url(provider.url.clone())).unwrap();
        keys.look(None).await;
        let failure = async || {
            keys.look_after(Duration::ZERO).await;
            keys.0.current.lock().failure.clone().unwrap()
        };
        for (answer, why) in [
            ("404 Not Found\r\ncontent-length: 0\r\n\r\n", "404"),
            ("302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", "302"),
            ("200 OK\r\ncontent-length: 2\r\n\r\n{}", "no array of keys"),
            ("200 OK\r\ncontent-length: 6\r\n\r\nsecret", "no JSON in line 1"),
            ("200 OK\r\ncontent-length: 9\r\n\r\n{", "cannot be read"),
            ("nonsense", "no HTTP"),
        ] {
            provider.answer_with(answer);
            let failure = failure().await;
            assert!(failure.contains(why) && !failure.contains("secret"), "{failure}");
        }
        provider.publish(&" ".repeat(JWKS_BYTES_MAX + 1));
        assert!(failure().await.contains("length limit"));
        provider.publish(&jwks(&["key"; KEYS_MAX + 1]));
        assert!(failure().await.contains("101 keys"));
        // Nobody answers.
        *provider.answer.lock() = None;
        let (asked, waiting) = (provider.asked(), failure());
        let ((), slow) = tokio::join!(
            async {
                while provider.asked() == asked {
                    tokio::task::yield_now().await;
                }
                pass(FETCH_TIME).await;
            },
            waiting
        );
        assert!(slow.contains("longer than 5s"), "{slow}");
        assert_eq!(names(&keys), ["one"]);
        assert!(!keys.0.source.to_string().contains("hidden"));
        provider.publish(&jwks(&["two"]));
        keys.look_after(Duration::ZERO).await;
        assert_eq!((names(&keys), keys.0.current.lock().failure.clone()), (vec!["two".to_owned()], None));
    }

    #[tokio::test]
    async fn whoever_hangs_up_does_not_keep_others_from_what_was_asked_for() {
        let provider = Provider::start(None).await;
        let keys = Keys::open(Jwks::Url(provider.url.clone())).unwrap();
        let mut gone = Box::pin(keys.look(Some("one")));
        assert!(is_waiting(&mut gone).await);
        drop(gone);
        keys.look(Some("one")).await;
        assert_eq!((names(&keys), provider.asked()), (vec!["one".to_owned()], 1));
    }

    /// Whether the future waits after its first step.
    async fn is_waiting(future: &mut (impl Future<Output = ()> + Unpin)) -> bool {
        tokio::select! {
            biased;
            () = future => false,
            () = std::future::ready(()) => true,
        }
    }

    #[tokio::test]
    async fn tls_is_spoken_with_whom_an_authority_has_signed() {
        let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let foreign = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = builder.with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key).unwrap();
        let provider = Provider::start(Some(TlsAcceptor::from(Arc::new(config)))).await;
        for (trusted, is_had) in [(&own, true), (&foreign, false)] {
            let mut roots = RootCertStore::empty();
            roots.add(trusted.cert.der().clone()).unwrap();
            let source = Source::Url(provider.url.clone(), Some(trusting(roots).unwrap()));
            let keys = Keys::with(source, Vec::new(), None);
            keys.look(None).await;
            let failure = keys.0.current.lock().failure.clone();
            assert_eq!(names(&keys).len(), usize::from(is_had), "{failure:?}");
            assert!(is_had || failure.is_some_and(|failure| failure.starts_with("no TLS: ")));
        }
    }

    #[test]
    fn what_is_wrong_with_the_file_names_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jwks.json");
        let small = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}]}";
        for text in ["", "{}", "{\"keys\":[]}", small, &jwks(&["key"; KEYS_MAX + 1])] {
            std::fs::write(&path, text).unwrap();
            let error = Keys::open(Jwks::File(path.clone())).err().unwrap();
            assert!(error.contains("jwks.json") && error.contains("give a JWKS file"), "{error}");
        }
    }

    #[test]
    fn a_key_is_used_for_what_it_is_meant_for() {
        let part = BASE64URL.encode([1; 32]);
        for (field, value, is_used) in [
            ("use", "sig", true),
            ("use", "enc", false),
            ("alg", "ES256", true),
            ("alg", "RS256", false),
            ("alg", "ECDH-ES", false),
            ("crv", "P-384", false),
            ("kty", "oct", false),
        ] {
            let mut one = serde_json::json!({ "kty": "EC", "crv": "P-256", "x": part, "y": part });
            one[field] = value.into();
            assert_eq!(key(&one).is_some(), is_used, "{field} {value}");
        }
    }
}
