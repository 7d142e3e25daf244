//! A listener with TLS: certificates of both sides, and the principal in that of the client.

use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use kafka_protocol::messages::MetadataRequest;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use shardgate::kafka::{ClientCertificate, Listener, Mechanism, Tls, TlsFiles};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{Gateway, Kafka};

/// What a PEM file has of it.
fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64.encode(der))
}

/// Who signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    fn sign(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// The files of a listener.
    fn files(&self, directory: &Path, client_certificate: Option<ClientCertificate>) -> TlsFiles {
        let (certificate, key) = self.sign("gateway");
        let write = |name: &str, text: String| {
            std::fs::write(directory.join(name), text).unwrap();
            directory.join(name)
        };
        TlsFiles {
            certificate: write("certificate.pem", pem("CERTIFICATE", certificate.der())),
            key: write("key.pem", pem("PRIVATE KEY", key.serialized_der())),
            client_ca: client_certificate.map(|_| write("ca.pem", pem("CERTIFICATE", self.certificate.der()))),
            client_certificate: client_certificate.unwrap_or_default(),
        }
    }

    /// A client that trusts this authority and shows a certificate, or none.
    async fn connect(&self, pipe: DuplexStream, shown: Option<&(rcgen::Certificate, KeyPair)>) -> TlsStream<DuplexStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = match shown {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
                builder.with_client_auth_cert(chain, PrivateKeyDer::try_from(key.serialize_der()).unwrap()).unwrap()
            }
        };
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, pipe).await.unwrap()
    }
}

#[tokio::test]
async fn clients_are_served_behind_tls_alone_and_large_answers_pass() {
    let (directory, authority, gateway) = (tempfile::tempdir().unwrap(), Authority::new(), Gateway::start());
    for topic in 0..200 {
        gateway.stream(&format!("{}-{topic}", "t".repeat(120)), 10).await;
    }
    let tls = Tls::open(authority.files(directory.path(), None)).unwrap();
    let listener = Listener { tls: Some(tls), ..Listener::default() };
    let mut kafka = Kafka::over(authority.connect(gateway.pipe_to(listener.clone()), None).await);
    for _ in 0..3 {
        let answer = kafka.call(9, MetadataRequest::default().with_topics(None)).await;
        assert_eq!((answer.brokers.len(), answer.topics.len()), (1, 200));
    }
    // Plain text is no handshake.
    let mut pipe = gateway.pipe_to(listener);
    pipe.write_all(b"\x00\x00\x00\x0a\x00\x03\x00\x01\x00\x00\x00\x01\xff\xff").await.unwrap();
    let mut heard = Vec::new();
    pipe.read_to_end(&mut heard).await.unwrap();
    assert!(heard.len() < 16, "{heard:?}");
}

#[tokio::test]
async fn a_certificate_is_asked_for_as_the_listener_is_set() {
    let (directory, authority, gateway) = (tempfile::tempdir().unwrap(), Authority::new(), Gateway::start());
    let (own, foreign) = (authority.sign("client"), Authority::new().sign("client"));
    for (asked, shown, is_served) in [
        (ClientCertificate::Required, Some(&own), true),
        (ClientCertificate::Required, Some(&foreign), false),
        (ClientCertificate::Required, None, false),
        (ClientCertificate::Requested, Some(&own), true),
        (ClientCertificate::Requested, Some(&foreign), false),
        (ClientCertificate::Requested, None, true),
    ] {
        let tls = Tls::open(authority.files(directory.path(), Some(asked))).unwrap();
        let listener = Listener { tls: Some(tls), ..Listener::default() };
        assert_eq!(listener.authenticates(), asked == ClientCertificate::Required);
        let mut stream = authority.connect(gateway.pipe_to(listener), shown).await;
        if is_served {
            assert_eq!(Kafka::over(stream).call(1, MetadataRequest::default()).await.brokers.len(), 1);
        } else {
            let _ = stream.write_all(b"\x00\x00\x00\x0a\x00\x03\x00\x01\x00\x00\x00\x01\xff\xff").await;
            assert!(matches!(stream.read(&mut [0; 64]).await, Ok(0) | Err(_)), "{asked:?}");
        }
    }
}

#[tokio::test]
async fn a_login_is_asked_for_behind_tls_too() {
    let (directory, authority, gateway) = (tempfile::tempdir().unwrap(), Authority::new(), Gateway::start());
    let tls = Tls::open(authority.files(directory.path(), None)).unwrap();
    let listener = Listener { tls: Some(tls), mechanisms: vec![Mechanism::Plain], ..Listener::default() };
    let mut kafka = Kafka::over(authority.connect(gateway.pipe_to(listener), None).await);
    kafka.send(1, &MetadataRequest::default()).await;
    assert!(kafka.is_closed().await);
}
