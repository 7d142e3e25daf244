//! Connections from a socket, or from anything that reads and writes.
//!
//! Stopping: no connection is accepted any more, requests under way have 500 ms to be answered, then everything is closed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::endpoint::Endpoint;

/// For a request's head to arrive, and for the next request of a connection to begin.
const HEAD_TIME: Duration = Duration::from_secs(60);
/// For the answers under way when the gateway stops.
const DRAIN: Duration = Duration::from_millis(500);
/// The pause after an error of accept, which means that there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Turns true when the gateway is to stop; so does dropping the sender.
pub type Shutdown = watch::Receiver<bool>;

/// Serves the connections that come to `listener` until `shutdown`; less than a second later it returns.
pub async fn serve(listener: TcpListener, endpoint: Arc<Endpoint>, shutdown: Shutdown) {
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stopped(shutdown.clone()));
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // A connection that fails here is gone already.
                    if stream.set_nodelay(true).is_ok() {
                        connections.spawn(serve_connection(stream, endpoint.clone(), shutdown.clone()));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "no connection could be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    // Whoever is not finished by then is cut off with the set.
    let _ = timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await;
}

/// Serves one connection that is already there, such as a pipe in memory, until its end or `shutdown`.
pub async fn serve_connection<S>(stream: S, endpoint: Arc<Endpoint>, shutdown: Shutdown)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request: Request<_>| {
        let answer = endpoint.clone().answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    builder.http2().timer(TokioTimer::new());
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(shutdown) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

async fn stopped(mut shutdown: Shutdown) {
    // An error means that nobody is left to say it.
    let _ = shutdown.wait_for(|stop| *stop).await;
}
