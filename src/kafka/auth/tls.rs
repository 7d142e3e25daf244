//! TLS of a listener, with a certificate and a key from files that may change while the gateway runs.
//!
//! Whoever connects more than a second after the files were looked at last has them looked at again. New ones hold for the
//! connections that come then; ones that cannot be used are warned about once, and the last good ones go on.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;

use super::{Principal, certificate};
use crate::strangers::Stranger;

/// How often the files are looked at, while connections come.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Bytes of one of the files. *Ours*: a hundred certificates.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Bytes that a connection holds encrypted for a client that does not take them. *Ours*: what TLS calls a record.
const SEND_BYTES_MAX: usize = 16 << 10;

/// Where a listener's certificates are: PEM files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Files {
    /// The listener's certificate, and those that lead to one that clients trust.
    pub certificate: PathBuf,
    /// Its key (PKCS #8, PKCS #1 or SEC 1).
    pub key: PathBuf,
    /// Whose signatures on clients' certificates are trusted; `None`: clients are not asked for any.
    pub client_ca: Option<PathBuf>,
    /// Whether clients have to show one.
    pub client_certificate: ClientCertificate,
}

/// Whether clients have to show a certificate, where they are asked for one (Kafka: `ssl.client.auth`).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum ClientCertificate {
    /// Nobody without one is served.
    #[default]
    Required,
    /// Who has none is anonymous.
    Requested,
}

/// TLS cannot be had with these files: which one, why, and the mend.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failed(String);

/// What takes TLS connections. Clones share its certificate.
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    files: Files,
    current: Mutex<Current>,
}

struct Current {
    config: Arc<ServerConfig>,
    /// What the files held when they were looked at last, good or not.
    seen: Vec<Vec<u8>>,
    looked_at: Instant,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.files.fmt(f)
    }
}

impl Tls {
    /// With what is in the files now.
    ///
    /// # Errors
    /// [`Failed`] if one cannot be read, or they do not go together.
    pub fn open(files: Files) -> Result<Self, Failed> {
        let seen = read(&files)?;
        let current = Current { config: build(&files, &seen)?, seen, looked_at: Instant::now() };
        Ok(Self(Arc::new(Shared { files, current: Mutex::new(current) })))
    }

    /// Whether nobody without a certificate is served.
    pub(crate) fn requires_certificate(&self) -> bool {
        self.0.files.client_ca.is_some() && self.0.files.client_certificate == ClientCertificate::Required
    }

    /// A connection behind its handshake, and whose certificate the client has shown.
    pub(crate) async fn accept<S>(&self, stream: S, stranger: &Stranger) -> Result<(TlsStream<S>, Option<Principal>), Failed>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let shaken = stranger.handshake(stream, self.config()).await;
        let mut stream = shaken.map_err(|error| Failed(format!("no TLS: {error}")))?;
        let session = stream.get_mut().1;
        session.set_buffer_limit(Some(SEND_BYTES_MAX));
        let shown = session.peer_certificates().and_then(<[_]>::first).map(|shown| certificate::principal(shown));
        match shown {
            // Kafka knows nobody without a name either.
            Some(None) => Err(Failed("the subject of the client's certificate is empty or cannot be read".to_owned())),
            shown => Ok((stream, shown.flatten())),
        }
    }

    /// What holds now.
    async fn config(&self) -> Arc<ServerConfig> {
        {
            let mut current = self.0.current.lock();
            if current.looked_at.elapsed() < LOOK_INTERVAL {
                return current.config.clone();
            }
            // Others need not look too.
            current.looked_at = Instant::now();
        }
        let shared = self.0.clone();
        // A panic there would leave what was.
        let _ = tokio::task::spawn_blocking(move || shared.look()).await;
        self.0.current.lock().config.clone()
    }
}

impl Shared {
    /// Takes up what has changed in the files.
    fn look(&self) {
        let looked = match read(&self.files) {
            Ok(seen) if self.current.lock().seen == seen => return,
            Ok(seen) => build(&self.files, &seen).map(|config| (config, seen.clone())).map_err(|failed| (failed, seen)),
            Err(failed) => Err((failed, Vec::new())),
        };
        let mut current = self.current.lock();
        match looked {
            Ok((config, seen)) => {
                (current.config, current.seen) = (config, seen);
                tracing::info!(certificate = %self.files.certificate.display(), "new TLS certificate and key");
            }
            Err((failed, seen)) => {
                if current.seen != seen {
                    tracing::warn!(%failed, "the TLS certificate and key that were read before go on");
                }
                current.seen = seen;
            }
        }
    }
}

/// The bytes of each of the files.
fn read(files: &Files) -> Result<Vec<Vec<u8>>, Failed> {
    let read = |path: &PathBuf| {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
        read.map(|_| bytes).map_err(|error| wrong(path, &error, "give a PEM file that can be read"))
    };
    [Some(&files.certificate), Some(&files.key), files.client_ca.as_ref()].into_iter().flatten().map(read).collect()
}

fn wrong(path: &Path, error: &dyn fmt::Display, mend: &str) -> Failed {
    Failed(format!("{}: {error}; {mend}", path.display()))
}

fn build(files: &Files, read: &[Vec<u8>]) -> Result<Arc<ServerConfig>, Failed> {
    let bytes = |at: usize| read.get(at).map(Vec::as_slice).unwrap_or_default();
    let chain = certificates(&files.certificate, bytes(0))?;
    let key = PrivateKeyDer::from_pem_slice(bytes(1))
        .map_err(|error| wrong(&files.key, &error, "give a key in PEM (PKCS #8, PKCS #1 or SEC 1)"))?;
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Failed(error.to_string()))?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(path, bytes(2))? {
                roots.add(root).map_err(|error| wrong(path, &error, "give the certificates of authorities"))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = match files.client_certificate {
                ClientCertificate::Required => verifier,
                ClientCertificate::Requested => verifier.allow_unauthenticated(),
            };
            builder.with_client_cert_verifier(
                verifier.build().map_err(|error| wrong(path, &error, "give the certificates of authorities"))?,
            )
        }
    };
    let config = builder.with_single_cert(chain, key);
    config.map(Arc::new).map_err(|error| wrong(&files.key, &error, "give the key of the listener's certificate"))
}

fn certificates(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, Failed> {
    let mend = "give certificates in PEM";
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match found {
        Ok(found) if found.is_empty() => Err(wrong(path, &"there is no certificate in it", mend)),
        found => found.map_err(|error| wrong(path, &error, mend)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use rcgen::{CertificateParams, KeyPair};

    fn pem(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64.encode(der))
    }

    fn write(directory: &Path, name: &str) {
        let key = KeyPair::generate().unwrap();
        let made = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
        std::fs::write(directory.join("certificate"), pem("CERTIFICATE", made.der())).unwrap();
        std::fs::write(directory.join("key"), pem("PRIVATE KEY", key.serialized_der())).unwrap();
    }

    fn files(directory: &Path) -> Files {
        Files {
            certificate: directory.join("certificate"),
            key: directory.join("key"),
            client_ca: None,
            client_certificate: ClientCertificate::Required,
        }
    }

    #[tokio::test]
    async fn new_files_hold_for_new_connections_and_broken_ones_for_none() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), "one");
        let tls = Tls::open(files(directory.path())).unwrap();
        let first = tls.0.current.lock().config.clone();
        let look = || {
            tls.0.look();
            tls.0.current.lock().config.clone()
        };
        assert!(Arc::ptr_eq(&look(), &first));
        std::fs::write(directory.path().join("key"), "nothing").unwrap();
        assert!(Arc::ptr_eq(&look(), &first));
        std::fs::remove_file(directory.path().join("key")).unwrap();
        assert!(Arc::ptr_eq(&look(), &first));
        write(directory.path(), "two");
        let second = look();
        assert!(!Arc::ptr_eq(&second, &first) && Arc::ptr_eq(&look(), &second));
    }

    #[tokio::test]
    async fn what_is_wrong_names_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let wrong = || Tls::open(files(directory.path())).err().unwrap().to_string();
        assert!(wrong().contains("certificate:"), "{}", wrong());
        std::fs::write(directory.path().join("certificate"), "nothing").unwrap();
        std::fs::write(directory.path().join("key"), "nothing").unwrap();
        assert!(wrong().contains("there is no certificate in it"), "{}", wrong());
        write(directory.path(), "one");
        std::fs::write(directory.path().join("key"), "nothing").unwrap();
        assert!(wrong().contains("key:") && wrong().contains("PEM"), "{}", wrong());
        // The key of another certificate.
        std::fs::write(directory.path().join("key"), pem("PRIVATE KEY", KeyPair::generate().unwrap().serialized_der())).unwrap();
        assert!(wrong().contains("give the key of the listener's certificate"), "{}", wrong());
    }
}
