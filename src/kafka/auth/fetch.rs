//! One document from somewhere else, over HTTP/1.1 with or without TLS: bounded in size and in time.
//!
//! Left out on purpose: redirects, because whoever set the address has to know who answers there; proxies; compressed answers.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::{ACCEPT, HOST, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// For the whole of it. *Ours*: logins wait for it.
pub(super) const FETCH_TIME: Duration = Duration::from_secs(5);

/// The document at an address, with TLS or without, which has at most `bytes_max` bytes.
///
/// # Errors
/// Why there is none. Neither the address nor what was answered is in the words.
pub(super) async fn fetch(from: &Uri, tls: Option<&Arc<ClientConfig>>, bytes_max: usize) -> Result<Bytes, String> {
    let fetched = timeout(FETCH_TIME, async {
        let host = from.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let port = from.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
        let stream = TcpStream::connect((host, port)).await.map_err(|error| said(&"nobody can be reached there", &error))?;
        if let Some(tls) = tls {
            let name =
                ServerName::try_from(host.to_owned()).map_err(|error| said(&"its host cannot have a certificate", &error))?;
            let stream = TlsConnector::from(tls.clone()).connect(name, stream).await;
            get(stream.map_err(|error| said(&"no TLS", &error))?, from, bytes_max).await
        } else {
            get(stream, from, bytes_max).await
        }
    });
    fetched.await.unwrap_or_else(|_| Err(format!("it took longer than {FETCH_TIME:?}")))
}

async fn get<S>(stream: S, from: &Uri, bytes_max: usize) -> Result<Bytes, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let no_http = |error: hyper::Error| said(&"no HTTP", &error);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(no_http)?;
    // Ends with this call.
    let mut driving = JoinSet::new();
    driving.spawn(connection);
    let request = Request::get(from.path_and_query().map_or("/", |asked| asked.as_str()))
        .header(HOST, from.authority().map_or("", |authority| authority.as_str()))
        .header(ACCEPT, "application/json, application/jwk-set+json")
        .header(USER_AGENT, concat!("shardgate/", env!("CARGO_PKG_VERSION")));
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| said(&"it cannot be asked for", &error))?;
    let answer = sender.send_request(request).await.map_err(no_http)?;
    if answer.status() != StatusCode::OK {
        return Err(format!("the answer is {}, not 200", answer.status()));
    }
    let body = Limited::new(answer.into_body(), bytes_max).collect().await;
    body.map(|body| body.to_bytes()).map_err(|error| said(&"the answer cannot be read", &error))
}

fn said(what: &dyn Display, error: &dyn Display) -> String {
    format!("{what}: {error}")
}

/// What connections are trusted with: the authorities of this machine, or those of the file that `SSL_CERT_FILE` names.
///
/// # Errors
/// There are none, and the mend.
pub(super) fn authorities() -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        let mend = "install the system's CA certificates, or name a PEM file of them in SSL_CERT_FILE";
        return Err(format!("no authority is known for https ({}); {mend}", errors.join(", ")));
    }
    trusting(roots)
}

/// What connections are trusted with: these authorities.
pub(super) fn trusting(roots: RootCertStore) -> Result<Arc<ClientConfig>, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
