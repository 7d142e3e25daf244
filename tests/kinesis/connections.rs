//! Connections: HTTP/1.1, HTTP/2, TLS, and those who do not play by the rules. Over pipes in memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use shardgate::aws::Tls;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::time::Instant;

use crate::support::{AUTHORIZATION, Gateway};

fn list_streams(address: &str) -> Request<Full<Bytes>> {
    Request::post(address)
        .header("host", "localhost")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "Kinesis_20131202.ListStreams")
        .header("x-amz-date", "20231114T221320Z")
        .header("authorization", AUTHORIZATION)
        .body(Full::from("{}"))
        .unwrap()
}

async fn over_http_1(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Value {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut body = Bytes::new();
    // Twice, over the same connection.
    for _ in 0..2 {
        body = sender.send_request(list_streams("/")).await.unwrap().collect().await.unwrap().to_bytes();
    }
    serde_json::from_slice(&body).unwrap()
}

async fn over_http_2(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Value {
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let ask = || {
        let mut sender = sender.clone();
        async move {
            let answer = sender.send_request(list_streams("http://localhost/")).await.unwrap();
            answer.collect().await.unwrap().to_bytes()
        }
    };
    let (one, other) = tokio::join!(ask(), ask());
    assert_eq!(one, other);
    serde_json::from_slice(&one).unwrap()
}

fn empty() -> Value {
    json!({"StreamNames": [], "HasMoreStreams": false, "StreamSummaries": []})
}

#[tokio::test(start_paused = true)]
async fn one_port_speaks_http_1_and_http_2() {
    let gateway = Gateway::start();
    assert_eq!(over_http_1(gateway.kinesis_pipe(None)).await, empty());
    assert_eq!(over_http_2(gateway.kinesis_pipe(None)).await, empty());
}

/// Accepts any certificate, as those have to who connect to one that nobody has signed.
#[derive(Debug)]
struct Trusting(rustls::crypto::CryptoProvider);

impl rustls::client::danger::ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A TLS client on `stream` that offers `protocol`, and what was agreed on.
async fn secure(stream: DuplexStream, protocol: &[u8]) -> (tokio_rustls::client::TlsStream<DuplexStream>, Vec<u8>) {
    let provider = rustls::crypto::ring::default_provider();
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(provider.clone()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let name = "localhost".try_into().unwrap();
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let agreed = stream.get_ref().1.alpn_protocol().unwrap_or_default().to_vec();
    (stream, agreed)
}

#[tokio::test(start_paused = true)]
async fn the_same_port_speaks_tls_and_agrees_on_either_protocol() {
    let gateway = Gateway::start();
    let tls = Some(Tls::self_signed("127.0.0.1").unwrap());
    let (stream, agreed) = secure(gateway.kinesis_pipe(tls.clone()), b"http/1.1").await;
    assert_eq!((over_http_1(stream).await, agreed), (empty(), b"http/1.1".to_vec()));
    let (stream, agreed) = secure(gateway.kinesis_pipe(tls.clone()), b"h2").await;
    assert_eq!((over_http_2(stream).await, agreed), (empty(), b"h2".to_vec()));
    assert_eq!(over_http_1(gateway.kinesis_pipe(tls)).await, empty());
}

#[tokio::test(start_paused = true)]
async fn handshakes_that_are_not_finished_keep_nobody_out() {
    let gateway = Gateway::start();
    let tls = Some(Tls::self_signed("127.0.0.1").unwrap());
    let mut attackers = Vec::new();
    for _ in 0..300 {
        let mut pipe = gateway.kinesis_pipe(tls.clone());
        pipe.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await.unwrap();
        attackers.push(pipe);
    }
    let begun = Instant::now();
    let (stream, _) = secure(gateway.kinesis_pipe(tls), b"http/1.1").await;
    assert_eq!(over_http_1(stream).await, empty());
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

/// What comes back for `sent` until the connection is closed.
async fn talk(gateway: &Gateway, tls: Option<Tls>, sent: &[u8]) -> Vec<u8> {
    let mut pipe = gateway.kinesis_pipe(tls);
    // It may be closed before everything is sent.
    let _ = pipe.write_all(sent).await;
    let mut answer = Vec::new();
    let _ = pipe.read_to_end(&mut answer).await;
    answer
}

#[tokio::test(start_paused = true)]
async fn who_speaks_something_else_is_hung_up_on() {
    let gateway = Gateway::start();
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    assert!(talk(&gateway, None, hello).await.is_empty());
    let tls = Some(Tls::self_signed("localhost").unwrap());
    // A handshake that does not go on, and one that is none.
    assert!(talk(&gateway, tls.clone(), hello).await.is_empty());
    talk(&gateway, tls, &[0x16; 1_000]).await;
    for sent in [b"\0\0\0\x12\0\x03".as_slice(), b"PRI * HTTP/2.0\r\n\r\nnothing", b"\xff\xfe\r\n\r\n", b"GET\r\n\r\n"] {
        let answer = talk(&gateway, None, sent).await;
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
    let head = format!("POST / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    assert!(talk(&gateway, None, head.as_bytes()).await.starts_with(b"HTTP/1.1 431 "));
}

#[tokio::test(start_paused = true)]
async fn frames_of_http_2_that_break_its_rules_end_the_connection() {
    let gateway = Gateway::start();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".as_slice();
    for frame in [
        // Larger than agreed on, on stream 0, a setting of no size, a window that overflows, headers that are none.
        b"\xff\xff\xff\0\0\0\0\0\x01".as_slice(),
        b"\0\0\x01\0\0\0\0\0\0x",
        b"\0\0\x05\x04\0\0\0\0\0hello",
        b"\0\0\x04\x08\0\0\0\0\0\x7f\xff\xff\xff\0\0\x04\x08\0\0\0\0\0\x7f\xff\xff\xff",
        b"\0\0\x04\x01\x05\0\0\0\x01\xff\xff\xff\xff",
        b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0",
    ] {
        talk(&gateway, None, &[preface, frame].concat()).await;
    }
    assert_eq!(over_http_2(gateway.kinesis_pipe(None)).await, empty());
}

#[tokio::test(start_paused = true)]
async fn who_sends_too_slowly_is_given_up() {
    let gateway = Gateway::start();
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n";
    for (sent, most, answer) in [("", 130, ""), ("POST /", 130, ""), (&format!("{head}\r\nhalf"), 70, "HTTP/1.1 408 ")] {
        let begun = Instant::now();
        let found = talk(&gateway, None, sent.as_bytes()).await;
        assert!(begun.elapsed() <= Duration::from_secs(most) && found.starts_with(answer.as_bytes()), "{sent}: {found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_announced_too_large_is_refused_before_it_is_read() {
    let gateway = Gateway::start();
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n";
    assert!(talk(&gateway, None, head.as_bytes()).await.starts_with(b"HTTP/1.1 413 "));
}

#[tokio::test(start_paused = true)]
async fn connections_end_when_the_gateway_stops() {
    let gateway = Gateway::start();
    let mut silent = gateway.kinesis_pipe(None);
    let mut idle = gateway.kinesis_pipe(None);
    idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert_ne!(idle.read_u8().await.unwrap(), 0);
    gateway.stop();
    let begun = Instant::now();
    for pipe in [&mut silent, &mut idle] {
        pipe.read_to_end(&mut Vec::new()).await.unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(1));
}
