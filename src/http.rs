//! **Health, metrics and the map over HTTP**: a handful of GET requests, one per connection.
//!
//! Bounded in every direction: connections, bytes and time of a request's head, time of a whole connection. Bodies are not
//! read. No connection is kept open: nobody asks often enough for that to matter, and none can be held.
//!
//! Knows paths and nothing behind them: what it serves is handed in as a [`Site`].

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Connections at once; further ones wait to be accepted. *Ours*.
const CONNECTIONS_MAX: usize = 64;
/// Headers of one request, and bytes of its head (hyper takes 8 KiB or more).
const HEADERS_MAX: usize = 64;
const HEAD_BYTES_MAX: usize = 16 << 10;
/// For a request's head to arrive.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// For everything, so that nobody can take an answer byte by byte.
const CONNECTION_TIME: Duration = Duration::from_secs(30);
/// For the answers under way when the gateway stops.
const DRAIN: Duration = Duration::from_millis(500);
/// The pause after an error of accept, which means that there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The paths that are served, as a person who asked for another one is told.
const PATHS: &str = "/health/live, /health/ready, /metrics, /map?topic=T&partition=P&offset=O, /map?sequence=S";

/// What is behind the paths.
pub(crate) trait Site: Send + Sync + 'static {
    /// Whether clients can be served; if not, why.
    fn ready(&self) -> Result<(), String>;
    /// The metrics, and their content type.
    fn metrics(&self) -> impl Future<Output = (String, &'static str)> + Send;
    /// The answer to `/map`, as JSON.
    fn map(&self, question: Question) -> impl Future<Output = Result<String, Refusal>> + Send;
}

/// What `/map` is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Question {
    /// Which sequence number a record has.
    Offset {
        /// Its topic.
        topic: String,
        /// Its partition.
        partition: u32,
        /// Its offset.
        offset: i64,
    },
    /// Which record has a sequence number.
    Sequence(String),
}

/// Why `/map` has no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// The question is not one.
    Wrong(String),
    /// What was asked for is not there.
    Absent(String),
    /// The store failed.
    Failed(String),
}

/// Serves `site` until `shutdown` turns true or nobody is left to turn it.
pub(crate) async fn serve<S: Site>(listener: TcpListener, site: Arc<S>, shutdown: watch::Receiver<bool>) {
    let mut stop = std::pin::pin!(stopped(shutdown));
    let (places, mut connections) = (Arc::new(Semaphore::new(CONNECTIONS_MAX)), JoinSet::new());
    loop {
        let accepted = async {
            // The semaphore is never closed.
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            (place, accepted) = accepted => match accepted {
                Ok((stream, _)) => {
                    let site = site.clone();
                    connections.spawn(async move {
                        converse(stream, site).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "no HTTP connection could be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    // Whoever is not finished by then is cut off with the set.
    let _ = timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await;
}

async fn stopped(mut shutdown: watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

async fn converse<S: Site>(stream: TcpStream, site: Arc<S>) {
    let service = service_fn(|request: Request<_>| {
        let site = site.clone();
        async move { Ok::<_, Infallible>(answer(&*site, request.method(), request.uri().path(), request.uri().query()).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_headers(HEADERS_MAX).max_buf_size(HEAD_BYTES_MAX);
    let connection = builder.keep_alive(false).serve_connection(TokioIo::new(stream), service);
    match timeout(CONNECTION_TIME, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an HTTP connection broke off"),
        Err(_) => tracing::debug!("an HTTP connection took too long"),
    }
}

async fn answer<S: Site>(site: &S, method: &Method, path: &str, query: Option<&str>) -> Response<Full<Bytes>> {
    if method != Method::GET && method != Method::HEAD {
        let mut refused = json(StatusCode::METHOD_NOT_ALLOWED, &error(format!("{method} is not served; GET is")));
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match path {
        "/health/live" => json(StatusCode::OK, r#"{"status":"live"}"#),
        "/health/ready" => match site.ready() {
            Ok(()) => json(StatusCode::OK, r#"{"status":"ready"}"#),
            Err(why) => json(StatusCode::SERVICE_UNAVAILABLE, &error(why)),
        },
        "/metrics" => {
            let (metrics, content_type) = site.metrics().await;
            response(StatusCode::OK, content_type, metrics)
        }
        "/map" => match question(query.unwrap_or_default()) {
            Ok(question) => mapped(site.map(question).await),
            Err(wrong) => mapped(Err(Refusal::Wrong(wrong))),
        },
        _ => json(StatusCode::NOT_FOUND, &error(format!("there is nothing at this path; served are {PATHS}"))),
    }
}

fn mapped(answer: Result<String, Refusal>) -> Response<Full<Bytes>> {
    match answer {
        Ok(body) => json(StatusCode::OK, &body),
        Err(Refusal::Wrong(why)) => json(StatusCode::BAD_REQUEST, &error(why)),
        Err(Refusal::Absent(why)) => json(StatusCode::NOT_FOUND, &error(why)),
        Err(Refusal::Failed(why)) => json(StatusCode::INTERNAL_SERVER_ERROR, &error(why)),
    }
}

/// What a query asks. Topic names and numbers need no percent signs, so none are decoded.
fn question(query: &str) -> Result<Question, String> {
    let value =
        |name: &str| query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|pair| pair.1);
    if let Some(number) = value("sequence") {
        return Ok(Question::Sequence(number.to_owned()));
    }
    let (topic, partition, offset) = (value("topic"), value("partition"), value("offset"));
    match (topic, partition.map(str::parse), offset.map(str::parse)) {
        (Some(topic), Some(Ok(partition)), Some(Ok(offset))) => {
            Ok(Question::Offset { topic: topic.to_owned(), partition, offset })
        }
        _ => Err("topic, partition and offset are needed, the last two as whole numbers; or sequence".to_owned()),
    }
}

fn error(why: String) -> String {
    serde_json::json!({ "error": why }).to_string()
}

fn json(status: StatusCode, body: &str) -> Response<Full<Bytes>> {
    response(status, "application/json", body.to_owned())
}

fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    struct Fake;

    impl Site for Fake {
        fn ready(&self) -> Result<(), String> {
            Err("stopping".to_owned())
        }

        async fn metrics(&self) -> (String, &'static str) {
            ("kafka_brokers 1\n".to_owned(), "text/plain")
        }

        async fn map(&self, question: Question) -> Result<String, Refusal> {
            match question {
                Question::Offset { offset: 0, .. } => Ok("{}".to_owned()),
                _ => Err(Refusal::Absent("not there".to_owned())),
            }
        }
    }

    /// What comes back for the bytes `sent`.
    async fn talk(sent: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (_stop, shutdown) = watch::channel(false);
        tokio::spawn(serve(listener, Arc::new(Fake), shutdown));
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The server may answer and close before everything is sent.
        let _ = stream.write_all(sent.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn each_path_has_its_answer() {
        for (request, status, body) in [
            ("GET /health/live", "200", "live"),
            ("GET /health/ready", "503", "stopping"),
            ("GET /metrics", "200", "kafka_brokers 1"),
            ("GET /map?topic=t&partition=0&offset=0", "200", "{}"),
            ("GET /map?topic=t&partition=0&offset=1", "404", "not there"),
            ("GET /map?topic=t&partition=x&offset=1", "400", "whole numbers"),
            ("GET /map", "400", "are needed"),
            ("GET /nothing", "404", "/health/live, /health/ready, /metrics"),
            ("POST /metrics", "405", "GET is"),
        ] {
            let answer = talk(&format!("{request} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(body), "{request}: {answer}");
        }
    }

    #[tokio::test]
    async fn a_head_that_is_too_large_is_refused() {
        let answer = talk(&format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(HEAD_BYTES_MAX * 2))).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }

    #[tokio::test]
    async fn serving_ends_when_it_is_told_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, shutdown) = watch::channel(false);
        let serving = tokio::spawn(serve(listener, Arc::new(Fake), shutdown));
        // One that never asks anything does not hold up the end for long.
        let _silent = TcpStream::connect(address).await.unwrap();
        stop.send_replace(true);
        timeout(Duration::from_secs(2), serving).await.unwrap().unwrap();
    }
}
