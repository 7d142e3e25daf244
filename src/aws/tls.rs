//! TLS with a certificate that is made at the start and that nobody has signed.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;

/// The first byte of a TLS connection: a record with a handshake (RFC 8446, section 5.1). No HTTP request begins with it.
pub(super) const FIRST_BYTE: u8 = 0x16;

/// What takes TLS connections. Clones share its certificate.
#[derive(Clone)]
pub struct Tls(pub(super) Arc<ServerConfig>);

/// No certificate could be made.
#[derive(Debug, thiserror::Error)]
#[error("no certificate could be made: {0}")]
pub struct Failed(String);

impl Tls {
    /// With a new certificate for `host`, `localhost` and the addresses of loopback. It is nobody's: clients have to be told to
    /// accept it (`--no-verify-ssl`, `VerifyCertificate=false`).
    ///
    /// # Errors
    /// [`Failed`] if the machine has no randomness for a key, or `host` can stand in no certificate.
    pub fn self_signed(host: &str) -> Result<Self, Failed> {
        let failed = |error: &dyn std::fmt::Display| Failed(error.to_string());
        let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        if host.parse::<IpAddr>().is_ok_and(|ip| !ip.is_unspecified()) || host.parse::<IpAddr>().is_err() {
            names.push(host.to_owned());
        }
        names.sort();
        names.dedup();
        let made = rcgen::generate_simple_self_signed(names).map_err(|error| failed(&error))?;
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(|error| failed(&error))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .map_err(|error| failed(&error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}
