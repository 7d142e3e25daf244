//! A listener with TLS: certificates of both sides, and the principal in that of the client.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use kafka_protocol::messages::{ApiVersionsRequest, MetadataRequest};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use shardgate::kafka::{ClientCertificate, Listener, Mechanism, Tls, TlsFiles};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, advance};
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
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(self.client(shown)).connect(name, pipe).await.unwrap()
    }

    fn client(&self, shown: Option<&(rcgen::Certificate, KeyPair)>) -> Arc<ClientConfig> {
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
        Arc::new(config)
    }

    /// What a client says first.
    fn hello(&self) -> Vec<u8> {
        let mut client = ClientConnection::new(self.client(None), ServerName::try_from("localhost").unwrap()).unwrap();
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        hello
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

/// As many handshakes as there may be at once, and some more, of which none goes on behind `sent`.
async fn half_done(gateway: &Gateway, listener: &Listener, sent: &[u8]) -> Vec<DuplexStream> {
    let mut pipes = Vec::new();
    for _ in 0..300 {
        let mut pipe = gateway.pipe_to(listener.clone());
        pipe.write_all(sent).await.unwrap();
        pipes.push(pipe);
    }
    pipes
}

#[tokio::test(start_paused = true)]
async fn handshakes_that_are_not_finished_keep_nobody_out() {
    let directory = tempfile::tempdir().unwrap();
    let (authority, gateway) = (Authority::new(), Gateway::with(|config| config.connections_max = 1_000));
    for mechanisms in [vec![], vec![Mechanism::Plain]] {
        let hello = authority.hello();
        // Nothing, half of what a client says first, and all of it: the gateway has answered then.
        for sent in [&[][..], &hello[..hello.len() / 2], &hello] {
            let tls = Tls::open(authority.files(directory.path(), None)).unwrap();
            let listener = Listener { tls: Some(tls), mechanisms: mechanisms.clone(), ..Listener::default() };
            let attackers = half_done(&gateway, &listener, sent).await;
            let begun = Instant::now();
            let mut kafka = Kafka::over(authority.connect(gateway.pipe_to(listener), None).await);
            let software = ApiVersionsRequest::default().with_client_software_name("a".into());
            assert!(kafka.call(4, software.with_client_software_version("1".into())).await.api_keys.len() > 20);
            assert!(begun.elapsed() < Duration::from_secs(2), "{} bytes: {:?}", sent.len(), begun.elapsed());
            drop(attackers);
        }
    }
}

/// Each of them would like its place.
#[tokio::test(start_paused = true)]
async fn a_handshake_that_goes_on_is_not_cut_off_however_many_come() {
    let (directory, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let gateway = Gateway::with(|config| config.connections_max = 1_000);
    let tls = Tls::open(authority.files(directory.path(), None)).unwrap();
    let listener = Listener { tls: Some(tls), ..Listener::default() };
    let mut pipe = gateway.pipe_to(listener.clone());
    let mut client = ClientConnection::new(authority.client(None), ServerName::try_from("localhost").unwrap()).unwrap();
    say(&mut client, &mut pipe).await;
    while client.is_handshaking() {
        hear(&mut client, &mut pipe).await;
    }
    // The gateway waits for the client's last word.
    let mut attackers = Vec::new();
    for _ in 0..6 {
        attackers.extend(half_done(&gateway, &listener, &[]).await);
        advance(Duration::from_millis(150)).await;
        attackers.drain(..attackers.len() / 2);
    }
    let request = b"\x00\x00\x00\x0a\x00\x12\x00\x00\x00\x00\x00\x07\xff\xff";
    client.writer().write_all(request).unwrap();
    say(&mut client, &mut pipe).await;
    let mut answer = [0; 8];
    while client.reader().read_exact(&mut answer).is_err() {
        hear(&mut client, &mut pipe).await;
    }
    assert_eq!(answer[4..], [0, 0, 0, 7]);
}

async fn say(client: &mut ClientConnection, pipe: &mut DuplexStream) {
    let mut said = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut said).unwrap();
    }
    pipe.write_all(&said).await.unwrap();
}

async fn hear(client: &mut ClientConnection, pipe: &mut DuplexStream) {
    let mut heard = vec![0; 4_096];
    let read = AsyncReadExt::read(pipe, &mut heard).await.unwrap();
    assert!(read > 0, "the connection is cut off");
    client.read_tls(&mut &heard[..read]).unwrap();
    client.process_new_packets().unwrap();
}
