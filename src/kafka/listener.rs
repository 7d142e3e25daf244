//! Connections from a socket, or from anything that reads and writes.
//!
//! Where there is TLS or a login, whoever comes is a stranger at first, for whom there are few places (`strangers`); all of them
//! together take no more of the places for connections.
//!
//! Stopping: no connection is accepted any more, what was started has 800 ms to be answered, then everything is closed.
//! A request that waits for other clients (Fetch) is not waited for.

use std::future::{Future, pending};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustix::net::sockopt::set_socket_recv_buffer_size;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{SemaphorePermit, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::api;
use super::api::contract::{Call, Door, Origin, Reply};
use super::auth::{LOGIN_TIME, Mechanism, Principal, Session, Tls};
use super::connection::{Bounds, Closed, Service, Terms, run};
use super::frame::Head;
use super::turn::Turn;
use crate::strangers::{Stranger, Strangers};

/// Turns true when the gateway is to stop; so does dropping the sender.
pub type Shutdown = watch::Receiver<bool>;

/// Kafka's default of `connections.max.idle.ms`. For sockets only: the end of a pipe cannot get lost unnoticed.
const IDLE_MAX: Duration = Duration::from_secs(600);
/// What a slowed-down client may send ahead into our side's buffer: less, and what it writes to other shards is sooner at the front.
/// The system may allow less. *Ours*: half of what a shard takes in a second.
const SLOW_RECEIVE_BYTES: usize = 512 << 10;
/// The pause after an error of accept, which means that the process or the machine has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// One address at which Kafka clients connect: what they are told of it, and what they have to show there.
#[derive(Clone, Default, Debug)]
pub struct Listener {
    /// What its name is in log lines.
    pub name: String,
    /// Host and port told to clients; `None`: the address their connection arrived at.
    pub advertised: Option<(String, u16)>,
    /// Its certificate; `None`: nothing is encrypted.
    pub tls: Option<Tls>,
    /// The ways to log in; if there are none, nobody has to.
    pub mechanisms: Vec<Mechanism>,
    /// The places for those of whom it is not known yet who they are.
    pub strangers: Strangers,
}

impl Listener {
    /// Kafka's name for what is spoken there (`SecurityProtocol`).
    pub(crate) fn protocol(&self) -> &'static str {
        match (self.tls.is_some(), self.mechanisms.is_empty()) {
            (false, true) => "PLAINTEXT",
            (true, true) => "SSL",
            (false, false) => "SASL_PLAINTEXT",
            (true, false) => "SASL_SSL",
        }
    }

    /// Whether there is more to do than to connect before requests are served.
    fn has_strangers(&self) -> bool {
        self.tls.is_some() || !self.mechanisms.is_empty()
    }

    /// Whether whoever connects has to say who they are, and to prove it.
    pub fn authenticates(&self) -> bool {
        !self.mechanisms.is_empty() || self.tls.as_ref().is_some_and(Tls::requires_certificate)
    }
}

/// Serves the connections that come to `socket` until `shutdown`; less than a second later it returns.
pub async fn serve(socket: TcpListener, listener: Arc<Listener>, door: Arc<Door>, shutdown: Shutdown) {
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stopped(shutdown.clone()));
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(ended) = connections.join_next() => report(ended),
            accepted = socket.accept() => match accepted {
                Ok((stream, peer)) => {
                    if let Some(connection) = admit(stream, peer, &listener, &door, &shutdown) {
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
    drop(socket);
    // Each of them keeps the deadline itself.
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
}

/// Serves one connection that is already there, such as a pipe in memory, until its end or `shutdown`.
///
/// `peer` and `local` are the ends' addresses; a client is told `local` unless another address is advertised.
pub async fn serve_connection<S>(
    stream: S,
    (peer, local): (SocketAddr, SocketAddr),
    listener: Arc<Listener>,
    door: Arc<Door>,
    shutdown: Shutdown,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    Ends { peer, local, listener, door, shutdown }.serve(stream, tokio::io::split, None).await;
}

/// The conversation on a socket, unless its addresses are lost already.
fn admit(
    stream: TcpStream,
    peer: SocketAddr,
    listener: &Arc<Listener>,
    door: &Arc<Door>,
    shutdown: &Shutdown,
) -> Option<impl Future<Output = ()> + use<>> {
    // A connection that fails here is gone already.
    let local = stream.set_nodelay(true).and_then(|()| stream.local_addr()).ok()?;
    if door.log.env().limits.get().throughput.is_some() {
        // What the system cannot do costs fairness among one client's partitions only.
        let _ = set_socket_recv_buffer_size(&stream, SLOW_RECEIVE_BYTES);
    }
    let ends = Ends { peer, local, listener: listener.clone(), door: door.clone(), shutdown: shutdown.clone() };
    Some(ends.serve(stream, TcpStream::into_split, Some(IDLE_MAX)))
}

/// A place for a connection, if there is one.
fn place(door: &Door, peer: SocketAddr) -> Option<SemaphorePermit<'_>> {
    let place = door.connections.try_acquire().ok();
    if place.is_none() {
        tracing::warn!(%peer, max = door.config.connections_max, "connection closed: there are as many as there may be");
    }
    place
}

/// A connection of which nothing is known yet but where it goes from and to.
struct Ends {
    peer: SocketAddr,
    local: SocketAddr,
    listener: Arc<Listener>,
    door: Arc<Door>,
    shutdown: Shutdown,
}

impl Ends {
    /// Serves the connection until its end, if there is a place for it, and unless others need that before it is known who it is.
    async fn serve<S, R, W>(self, stream: S, split: fn(S) -> (R, W), idle_max: Option<Duration>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let (peer, listener, door) = (self.peer, self.listener.clone(), self.door.clone());
        let stranger = if listener.has_strangers() {
            let Some(stranger) = self.stranger().await else { return };
            Some(stranger)
        } else {
            None
        };
        let Some(_place) = place(&door, peer) else { return };
        let cut = stranger.as_ref().map(Stranger::cut);
        let cut = async { if let Some(cut) = cut { cut.await } else { pending().await } };
        let mut served = std::pin::pin!(async {
            if self.is_too_soon().await {
                return;
            }
            if self.listener.tls.is_some() {
                // What TLS takes is taken by those who speak it.
                Box::pin(self.secure(stream, stranger, idle_max)).await;
            } else {
                let (reader, writer) = split(stream);
                converse(reader, writer, self.origin(None, stranger), idle_max).await;
            }
        });
        tokio::select! {
            biased;
            () = &mut served => {}
            () = cut => {
                let reason = "others needed its place before it had shown who it is";
                tracing::info!(%peer, listener = listener.name, reason, "connection closed");
            }
        }
    }

    /// A place among strangers, when there is one.
    async fn stranger(&self) -> Option<Stranger> {
        let stranger = tokio::select! {
            stranger = self.listener.strangers.enter(self.peer.ip()) => stranger,
            () = stopped(self.shutdown.clone()) => return None,
        };
        if stranger.is_none() {
            let reason = "too many others have not shown who they are";
            tracing::debug!(peer = %self.peer, listener = self.listener.name, reason, "connection closed");
        }
        stranger
    }

    /// Whether more connections come from there than its quota allows. Then the client is kept waiting until this returns, so that
    /// it does not come again at once (KIP-612).
    async fn is_too_soon(&self) -> bool {
        let Err(delay) = self.door.quotas.connect(self.peer.ip(), Instant::now()) else { return false };
        tracing::debug!(peer = %self.peer, ?delay, "connection closed: too many come from there");
        tokio::select! {
            () = sleep(delay) => {}
            () = stopped(self.shutdown.clone()) => {}
        }
        true
    }

    fn origin(self, certificate: Option<Principal>, stranger: Option<Stranger>) -> Origin {
        let Self { peer, local, listener, door, shutdown } = self;
        Origin { door, peer, local, session: Arc::new(Session::open(listener, certificate, stranger)), shutdown }
    }

    /// The conversation behind a handshake of TLS.
    async fn secure<S>(self, stream: S, stranger: Option<Stranger>, idle_max: Option<Duration>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (Some(tls), Some(stranger)) = (self.listener.tls.clone(), stranger) else { return };
        let accepted = tokio::select! {
            accepted = tls.accept(stream, &stranger) => accepted,
            () = stopped(self.shutdown.clone()) => return,
        };
        match accepted {
            Ok((stream, certificate)) => {
                let (reader, writer) = tokio::io::split(stream);
                converse(reader, writer, self.origin(certificate, Some(stranger)), idle_max).await;
            }
            Err(reason) => {
                self.door.meter.login_failed("TLS");
                tracing::info!(peer = %self.peer, listener = self.listener.name, %reason, "connection closed");
            }
        }
    }
}

async fn converse<R, W>(reader: R, writer: W, origin: Origin, idle_max: Option<Duration>)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (peer, door, shutdown) = (origin.peer, origin.door.clone(), origin.shutdown.clone());
    let listener = &origin.session.listener().name;
    tracing::debug!(%peer, listener, "connection opened");
    let _open = door.meter.connection();
    let bounds = Bounds {
        frame_bytes_max: door.config.frame_bytes_max,
        records: door.records.clone(),
        requests: door.requests.clone(),
        owing: door.owing.clone(),
        answers: door.answers.clone(),
        idle_max,
    };
    let ended = tokio::select! {
        biased;
        ended = run(reader, writer, &origin, bounds, shutdown) => ended,
        () = strange(&origin.session) => Err(Closed::HungUp(format!("no login within {LOGIN_TIME:?}"))),
    };
    match ended {
        Ok(()) => tracing::debug!(%peer, "connection closed"),
        Err(reason @ Closed::Idle(_)) => tracing::debug!(%peer, %reason, "connection closed"),
        Err(reason) => tracing::info!(%peer, listener, %reason, "connection closed"),
    }
}

/// Returns when the time to log in is over, if the client has not.
async fn strange(session: &Session) {
    if session.is_strange() {
        sleep(LOGIN_TIME).await;
    }
    if !session.is_strange() {
        pending::<()>().await;
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

    fn admits(&self, head: &Head) -> Result<(), String> {
        self.session.admits(head.key)
    }

    fn is_raw(&self) -> bool {
        self.session.is_raw()
    }

    fn call(&self, head: Head, frame: Bytes, turn: Turn) -> Call {
        if self.session.is_raw() {
            return Box::pin(api::raw_login(self.clone(), frame));
        }
        match api::find(head.key) {
            Some(entry) => (entry.call)(self, head, frame, turn),
            // Terms has refused it.
            None => Box::pin(async { Reply::HangUp("unknown key".to_owned()) }),
        }
    }
}
