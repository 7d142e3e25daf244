//! Connections from a socket, or from anything that reads and writes.
//!
//! Stopping: no connection is accepted any more, what was started has 800 ms to be answered, then everything is closed.
//! A request that waits for other clients (Fetch) is not waited for.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustix::net::sockopt::set_socket_recv_buffer_size;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::api;
use super::api::contract::{Call, Door, Origin, Reply};
use super::connection::{Bounds, Closed, Service, Terms, run};
use super::frame::Head;
use super::turn::Turn;

/// Turns true when the gateway is to stop; so does dropping the sender.
pub type Shutdown = watch::Receiver<bool>;

/// Kafka's default of `connections.max.idle.ms`. For sockets only: the end of a pipe cannot get lost unnoticed.
const IDLE_MAX: Duration = Duration::from_secs(600);
/// What a slowed-down client may send ahead into our side's buffer: less, and what it writes to other shards is sooner at the front.
/// The system may allow less. *Ours*: half of what a shard takes in a second.
const SLOW_RECEIVE_BYTES: usize = 512 << 10;
/// The pause after an error of accept, which means that the process or the machine has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the connections that come to `listener` until `shutdown`; less than a second later it returns.
pub async fn serve(listener: TcpListener, door: Arc<Door>, shutdown: Shutdown) {
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stopped(shutdown.clone()));
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(ended) = connections.join_next() => report(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    if let Some(connection) = admit(stream, peer, &door, &shutdown) {
                        connections.spawn(connection);
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
    // Each of them keeps the deadline itself.
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
}

/// Serves one connection that is already there, such as a pipe in memory, until its end or `shutdown`.
///
/// `peer` and `local` are the ends' addresses; a client is told `local` unless another address is advertised.
pub async fn serve_connection<S>(stream: S, peer: SocketAddr, local: SocketAddr, door: Arc<Door>, shutdown: Shutdown)
where
    S: AsyncRead + AsyncWrite + Send,
{
    let (reader, writer) = tokio::io::split(stream);
    converse(std::pin::pin!(reader), std::pin::pin!(writer), Origin { door, peer, local, shutdown }, None).await;
}

/// The conversation on a socket, unless its addresses are lost already.
fn admit(stream: TcpStream, peer: SocketAddr, door: &Arc<Door>, shutdown: &Shutdown) -> Option<impl Future<Output = ()> + use<>> {
    // A connection that fails here is gone already.
    let local = stream.set_nodelay(true).and_then(|()| stream.local_addr()).ok()?;
    if door.log.env().limits.get().throughput.is_some() {
        // What the system cannot do costs fairness among one client's partitions only.
        let _ = set_socket_recv_buffer_size(&stream, SLOW_RECEIVE_BYTES);
    }
    let origin = Origin { door: door.clone(), peer, local, shutdown: shutdown.clone() };
    Some(async move {
        let (reader, writer) = stream.into_split();
        converse(reader, writer, origin, Some(IDLE_MAX)).await;
    })
}

async fn converse<R, W>(reader: R, writer: W, origin: Origin, idle_max: Option<Duration>)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (peer, door, shutdown) = (origin.peer, origin.door.clone(), origin.shutdown.clone());
    let Ok(_place) = door.connections.try_acquire() else {
        tracing::warn!(%peer, max = door.config.connections_max, "connection closed: there are as many as there may be");
        return;
    };
    tracing::debug!(%peer, "connection opened");
    let _open = door.meter.connection();
    let bounds = Bounds {
        frame_bytes_max: door.config.frame_bytes_max,
        records: door.records.clone(),
        requests: door.requests.clone(),
        owing: door.owing.clone(),
        answers: door.answers.clone(),
        idle_max,
    };
    match run(reader, writer, &origin, bounds, shutdown).await {
        Ok(()) => tracing::debug!(%peer, "connection closed"),
        Err(reason @ Closed::Idle(_)) => tracing::debug!(%peer, %reason, "connection closed"),
        Err(reason) => tracing::info!(%peer, %reason, "connection closed"),
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection ended in a panic");
    }
}

/// Returns when `shutdown` says so.
pub(crate) async fn stopped(mut shutdown: Shutdown) {
    // An error means that nobody is left to say it.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

impl Service for Origin {
    fn terms(&self, head: &Head) -> Result<Terms, String> {
        let entry = api::find(head.key).ok_or_else(|| format!("API key {} version {} is not served", head.key, head.version))?;
        Ok(Terms {
            frame_bytes_max: entry.frame_bytes_max,
            memory_per_byte: entry.memory_per_byte,
            has_records: entry.has_records,
            is_handed_over: entry.is_handed_over,
            pipelined: entry.pipelined,
            waits: entry.waits,
        })
    }

    fn call(&self, head: Head, frame: Bytes, turn: Turn) -> Call {
        match api::find(head.key) {
            Some(entry) => (entry.call)(self, head, frame, turn),
            // Terms has refused it.
            None => Box::pin(async { Reply::HangUp("unknown key".to_owned()) }),
        }
    }
}
