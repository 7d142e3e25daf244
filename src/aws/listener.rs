//! Connections from a socket, or from anything that reads and writes: HTTP/1.1 or HTTP/2, plain or in TLS, told apart by their
//! first bytes.
//!
//! Bounded: connections, of which the idlest goes when there are too many; handshakes of TLS (`strangers`); bytes and time of a
//! request's head; streams and unread bytes of an HTTP/2 connection; the time in which nothing moves; the time of one answer.
//! Stopping: no connection is accepted any more, requests under way have 500 ms to be answered, then everything is closed.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper::{Request, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;

use super::crowd::Peer;
use super::endpoint::Endpoint;
use super::linger::Lingering;
use super::tls::{self, Tls};
use super::wire::Wire;

/// Connections at once; for a further one the idlest has to go. *Ours*.
const CONNECTIONS_MAX: usize = 1_000;
/// For a request's head to arrive, and for the next request of a connection to begin. *Ours*: SDKs keep idle connections for
/// 60 s.
const HEAD_TIME: Duration = Duration::from_secs(75);
/// Headers of one request, and bytes of its head.
const HEADERS_MAX: usize = 100;
const HEAD_BYTES_MAX: usize = 32 << 10;
/// Requests at once in one HTTP/2 connection.
const STREAMS_MAX: u32 = 128;
/// Bytes that one HTTP/2 connection may send before they are read. *Ours*: what all connections together may take is memory.
const WINDOW_BYTES: u32 = 128 << 10;
/// Bytes of one answer that HTTP/2 holds ready for its client.
const SEND_BYTES_MAX: usize = 128 << 10;
/// For one HTTP/2 request and its answer. *Ours*: the longest answer is a subscription of 5 minutes.
const STREAM_TIME: Duration = Duration::from_secs(6 * 60);
/// How often a silent HTTP/2 client is asked whether it is there, and how long it may take to say so.
const PING_INTERVAL: Duration = Duration::from_secs(60);
const PING_TIME: Duration = Duration::from_secs(20);
/// For the answers under way when the gateway stops.
const DRAIN: Duration = Duration::from_millis(500);
/// How often somebody is looked for who can go, while a new connection waits for a place.
const PLACE_PAUSE: Duration = Duration::from_millis(100);
/// The pause after an error of accept, which means that there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Turns true when the gateway is to stop; so does dropping the sender.
pub type Shutdown = watch::Receiver<bool>;

/// Serves the connections that come to `listener` until `shutdown`; less than a second later it returns.
pub async fn serve(listener: TcpListener, endpoint: Arc<Endpoint>, tls: Option<Tls>, shutdown: Shutdown) {
    let (places, mut connections) = (Arc::new(Semaphore::new(CONNECTIONS_MAX)), JoinSet::new());
    let mut stop = std::pin::pin!(stopped(shutdown.clone()));
    let mut newcomer = None;
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(ended) = connections.join_next() => report(ended),
            place = place(&places, &endpoint), if newcomer.is_some() => if let Some((stream, peer)) = newcomer.take() {
                let connection = serve_connection(stream, peer, endpoint.clone(), tls.clone(), shutdown.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            },
            accepted = listener.accept(), if newcomer.is_none() => match accepted {
                Ok((stream, peer)) => newcomer = Some((stream, peer.ip())),
                Err(error) => {
                    tracing::warn!(%error, "no connection could be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    // Whoever is not finished by then is cut off with the set.
    let _ = timeout(DRAIN, async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    })
    .await;
}

/// A place for another connection, for which the idlest one goes if there is none.
async fn place(places: &Arc<Semaphore>, endpoint: &Endpoint) -> Option<OwnedSemaphorePermit> {
    loop {
        if let Ok(place) = places.clone().try_acquire_owned() {
            return Some(place);
        }
        endpoint.crowd().cut_idlest();
        // The semaphore is never closed.
        if let Ok(place) = timeout(PLACE_PAUSE, places.clone().acquire_owned()).await {
            return place.ok();
        }
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection ended in a panic");
    }
}

/// Serves one connection that is already there, such as a pipe in memory, from `address`, until its end or `shutdown`.
pub async fn serve_connection<S>(stream: S, address: IpAddr, endpoint: Arc<Endpoint>, tls: Option<Tls>, shutdown: Shutdown)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let entered = endpoint.crowd().enter();
    let served = tokio::select! {
        served = open(stream, address, endpoint, entered.peer.clone(), tls, shutdown) => served,
        () = entered.peer.is_cut() => Err("others needed its place or its memory".into()),
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection broke off");
    }
}

async fn open<S>(
    stream: S,
    address: IpAddr,
    endpoint: Arc<Endpoint>,
    peer: Arc<Peer>,
    tls: Option<Tls>,
    shutdown: Shutdown,
) -> Result<(), Broken>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (first, wire) = tokio::select! {
        opened = Wire::open(stream, peer.clone()) => opened?,
        () = stopped(shutdown.clone()) => return Ok(()),
    };
    match (first, tls) {
        (Some(tls::FIRST_BYTE), Some(Tls(config))) => {
            // What TLS takes is taken by those who speak it.
            let secured = Box::pin(shake(wire, address, &endpoint, config)).await?;
            Box::pin(converse(secured, endpoint, peer, shutdown)).await
        }
        (Some(tls::FIRST_BYTE), None) => Err("TLS was spoken, which needs --tls-self-signed".into()),
        _ => converse(wire, endpoint, peer, shutdown).await,
    }
}

/// The connection behind a handshake of TLS.
async fn shake<S>(stream: S, address: IpAddr, endpoint: &Endpoint, config: Arc<ServerConfig>) -> Result<TlsStream<S>, Broken>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(stranger) = endpoint.strangers().enter(address).await else { return Err("too many handshakes wait".into()) };
    tokio::select! {
        biased;
        secured = stranger.handshake(stream, async { config }) => Ok(secured?),
        () = stranger.cut() => Err("others needed its place before its handshake was done".into()),
    }
}

type Broken = Box<dyn std::error::Error + Send + Sync>;

async fn converse<S>(stream: S, endpoint: Arc<Endpoint>, peer: Arc<Peer>, shutdown: Shutdown) -> Result<(), Broken>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let is_http2 = Arc::new(AtomicBool::new(false));
    let stream = Lingering::over(stream, is_http2.clone());
    let service = service_fn(move |request: Request<_>| {
        is_http2.store(request.version() == Version::HTTP_2, Ordering::Relaxed);
        let answer = endpoint.clone().answer_to(peer.clone(), request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut builder = auto::Builder::new(Spawner);
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    builder.http1().max_headers(HEADERS_MAX).max_buf_size(HEAD_BYTES_MAX);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(PING_INTERVAL).keep_alive_timeout(PING_TIME);
    builder.http2().max_concurrent_streams(STREAMS_MAX).max_send_buf_size(SEND_BYTES_MAX);
    builder.http2().initial_stream_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOW_BYTES);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(shutdown) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    }
}

async fn stopped(mut shutdown: Shutdown) {
    // An error means that nobody is left to say it.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// Runs the requests of HTTP/2 connections, and gives up those whose answers are not taken.
#[derive(Clone)]
struct Spawner;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Spawner {
    fn execute(&self, request: F) {
        tokio::spawn(async move {
            if timeout(STREAM_TIME, request).await.is_err() {
                tracing::debug!("an HTTP/2 request took too long");
            }
        });
    }
}
