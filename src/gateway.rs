//! **The gateway**: the only place where the parts meet.
//!
//! Builds the store, the log and the doors over it, binds the listeners, keeps house, and takes everything down again. The
//! library and the program start it the same way; the library's defaults are a gateway in memory on free ports of loopback.
//!
//! A supervisor task owns the parts. A [`Gateway`] owns nothing but the wish that it goes on: when the last handle is dropped,
//! or [`Gateway::shutdown`] is called, the listeners close, what was started is answered, and the data directory is released.

mod builder;
mod map;
mod site;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use uuid::Uuid;

use crate::aws::{self, Endpoint, Tls};
use crate::cloudwatch;
use crate::config::{Address, ClientCertificate, Config, Jwks, KafkaListener, Topic};
use crate::env::{Entropy, Env, LimitsInForce};
use crate::http;
use crate::kafka::{self, Door};
use crate::kinesis;
use crate::log::{self, Ages, Log};
use crate::metrics::Meter;
use crate::model::{Home, InvalidName, Limits, Settings, StreamName};
use crate::notebook::{Notebook, Page};
use crate::sigv4::Credentials;
use crate::store::{self, Journal, Ledger, MemoryStore, SegmentStore};

pub use builder::Builder;
pub(crate) use map::{Mapped, Place};

/// Time between two sweeps of what is past its retention. *Ours*: readers never see such records anyway; this frees their space.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);
/// How long the store is waited for to be given back by those who still use it when the gateway ends, and how often it is
/// looked at.
const RELEASE_TIME: Duration = Duration::from_millis(500);
const RELEASE_STEP: Duration = Duration::from_millis(1);
/// The room of the notebook that holds what belongs to no door, and its key of the cluster id.
const ROOM: &str = "gateway";
const CLUSTER_ID: &str = "cluster-id";
/// Its key of what the Kinesis door seals tokens with, and the Kafka door makes what strangers are told from.
const SEAL_KEY: &str = "seal-key";

/// A running gateway. Clones are handles to the same one; it ends when the last of them is dropped.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

struct Shared {
    /// Where each listener is, by name; there is one at least.
    kafka: Vec<(String, SocketAddr)>,
    kinesis: SocketAddr,
    http: Option<SocketAddr>,
    cluster_id: String,
    limits: LimitsInForce,
    /// `None` once it was shut down: it holds the data open.
    log: Mutex<Option<Log>>,
    /// Turned true, or dropped, it ends everything.
    stop: watch::Sender<bool>,
    ended: watch::Receiver<bool>,
}

/// Why a gateway did not start: what, where, and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error(
        "cannot listen on {address}: {error}; stop what uses it, or choose another with --{setting} HOST:PORT (port 0 picks a free one)"
    )]
    Listener {
        /// The setting that has the address.
        setting: &'static str,
        /// The address.
        address: Address,
        /// The system's words.
        error: std::io::Error,
    },
    /// The data directory cannot be used as it is.
    #[error("{0}")]
    Store(store::Error),
    /// The data directory holds bytes that are not what was written.
    #[error("{0}; put the file back from a copy, or give up what is damaged with --repair")]
    Damaged(String),
    /// The catalog of streams cannot be read.
    #[error("the log cannot be opened: {0}")]
    Log(#[from] log::Error),
    /// The consumer groups cannot be read.
    #[error(transparent)]
    Groups(#[from] kafka::Unreadable),
    /// Other machines could reach a Kafka listener that serves whoever connects.
    #[error(
        "other machines can reach the Kafka listener {name:?} at {address}, and nobody has to log in there; give it a login or a \
         client-ca in [[kafka-listeners]] of the config file, listen on 127.0.0.1, or allow it with --insecure-listener"
    )]
    Insecure {
        /// The listener.
        name: String,
        /// Where it is.
        address: SocketAddr,
    },
    /// A Kafka listener cannot be what it is to be.
    #[error("[[kafka-listeners]] {name:?}: {error}")]
    KafkaListener {
        /// The listener.
        name: String,
        /// What is wrong with it, and the mend.
        error: String,
    },
    /// TLS was asked for and cannot be had.
    #[error("--tls-self-signed: {0}")]
    Tls(#[from] aws::TlsFailed),
    /// A topic to be created has a name that no topic can have.
    #[error("the topic {name:?} cannot be created: {error}")]
    TopicName {
        /// The name.
        name: String,
        /// What is wrong with it.
        error: InvalidName,
    },
    /// A topic cannot be created.
    #[error("the topic {name} cannot be created: {error}")]
    Topic {
        /// The topic.
        name: StreamName,
        /// The log's words.
        error: log::Error,
    },
}

impl From<store::Error> for StartError {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Damaged(what) => Self::Damaged(what),
            error => Self::Store(error),
        }
    }
}

impl Gateway {
    /// Starts a gateway that is set up as the program's is.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left behind then.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let env = Env::system(config.limits);
        start(config, env).await
    }

    /// What a Kafka client on this machine needs as its `bootstrap.servers`.
    pub fn bootstrap_servers(&self) -> String {
        reachable(self.kafka_address()).to_string()
    }

    /// Where Kafka clients connect: the first listener, if there are several.
    pub fn kafka_address(&self) -> SocketAddr {
        let first = self.shared.kafka.first();
        first.map_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), |(_, address)| *address)
    }

    /// Every Kafka listener, by name.
    pub fn kafka_listeners(&self) -> &[(String, SocketAddr)] {
        &self.shared.kafka
    }

    /// What an AWS client on this machine needs as its `AWS_ENDPOINT_URL_KINESIS`.
    pub fn kinesis_endpoint(&self) -> String {
        format!("http://{}", reachable(self.shared.kinesis))
    }

    /// Where AWS clients connect.
    pub fn kinesis_address(&self) -> SocketAddr {
        self.shared.kinesis
    }

    /// Where health and metrics are served, if they are.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.shared.http
    }

    /// The cluster's id: 22 characters, the same for as long as its data is kept.
    pub fn cluster_id(&self) -> &str {
        &self.shared.cluster_id
    }

    /// What streams may carry now.
    pub fn limits(&self) -> Limits {
        self.shared.limits.get()
    }

    /// Changes what streams may carry, for everything that is decided from now on.
    pub fn set_limits(&self, limits: Limits) {
        self.shared.limits.set(limits);
    }

    /// The log under both doors: what Kinesis can do to a stream and Kafka cannot, such as splitting and merging its shards, can
    /// be done there without a client. `None` after [`shutdown`](Self::shutdown).
    ///
    /// Whoever holds it holds the data open; drop it before the data directory is opened again.
    pub fn log(&self) -> Option<Log> {
        self.shared.log.lock().clone()
    }

    /// Ends the gateway, whoever else holds it; returns when its data directory can be opened again.
    pub async fn shutdown(&self) {
        self.shared.stop.send_replace(true);
        self.shared.log.lock().take();
        // An error means that the supervisor went down with its runtime.
        let _ = self.shared.ended.clone().wait_for(|ended| *ended).await;
    }
}

/// The address at which a program on this machine reaches a listener.
pub(crate) fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

async fn start(config: Config, env: Env) -> Result<Gateway, StartError> {
    // First, so that a port in use is told before any file is touched. Clients that come now wait.
    let kafka_listeners = bind_kafka(&config).await?;
    let kinesis_listener = bind("kinesis-listener", &config.kinesis_listener, config.credentials.is_empty()).await?;
    let tls = config.tls_self_signed.then(|| Tls::self_signed(&config.kinesis_listener.host)).transpose()?;
    let http_listener = match &config.http_listener {
        Some(address) => Some(bind("http-listener", address, true).await?),
        None => None,
    };
    let (stop, stopping) = watch::channel(false);
    let limits = env.limits.clone();
    let (store, parts) = Parts::open(&config, env, stopping.clone()).await?;
    let cluster_id = parts.door.config.cluster_id.clone();
    let kafka = kafka_listeners.iter().map(|(listener, address, _)| (listener.name.clone(), *address)).collect();
    let (kinesis, http) = (kinesis_listener.0, http_listener.as_ref().map(|listener| listener.0));

    let mut tasks = JoinSet::new();
    for (listener, _, socket) in kafka_listeners {
        tasks.spawn(kafka::serve(socket, Arc::new(listener), parts.door.clone(), stopping.clone()));
    }
    tasks.spawn(aws::serve(kinesis_listener.1, parts.endpoint.clone(), tls, stopping.clone()));
    if let Some((_, listener)) = http_listener {
        tasks.spawn(http::serve(listener, parts.clone(), stopping.clone()));
    }
    tasks.spawn(keep_house(parts.log.clone(), stopping.clone()));
    tasks.spawn(follow_keys(parts.door.clone(), stopping));
    let log = Mutex::new(Some(parts.log.clone()));
    drop(parts);
    let (ending, ended) = watch::channel(false);
    tokio::spawn(supervise(tasks, store, ending));
    Ok(Gateway { shared: Arc::new(Shared { kafka, kinesis, http, cluster_id, limits, log, stop, ended }) })
}

/// Listens where Kafka clients connect: each listener, its address, its socket.
async fn bind_kafka(config: &Config) -> Result<Vec<(kafka::Listener, SocketAddr, TcpListener)>, StartError> {
    let place = |address: &Address| (address.host.clone(), address.port);
    let mut listeners = Vec::new();
    if config.kafka_listeners.is_empty() {
        let advertised = config.advertised_listener.as_ref().map(place);
        let listener = kafka::Listener { name: "kafka".to_owned(), advertised, ..kafka::Listener::default() };
        listeners.push((listener, "kafka-listener", &config.kafka_listener));
    }
    for table in &config.kafka_listeners {
        let advertised = table.advertised.as_ref().map(place);
        let secured = secured(config, table).map_err(|error| StartError::KafkaListener { name: table.name.clone(), error })?;
        listeners.push((kafka::Listener { advertised, ..secured }, "kafka-listeners", &table.address));
    }
    let mut bound = Vec::new();
    for (listener, setting, address) in listeners {
        let (address, socket) = bind(setting, address, false).await?;
        if !listener.authenticates() && !address.ip().is_loopback() && !config.insecure_listener {
            return Err(StartError::Insecure { name: listener.name, address });
        }
        bound.push((listener, address, socket));
    }
    let open = bound.iter().filter(|(listener, address, _)| !listener.authenticates() && !address.ip().is_loopback());
    let open: Vec<_> = open.map(|(listener, address, _)| format!("{:?} at {address}", listener.name)).collect();
    if !open.is_empty() {
        let open = open.join(", ");
        tracing::warn!(
            "other machines can reach the Kafka listener {open}, and --insecure-listener lets whoever connects be served"
        );
    }
    Ok(bound)
}

/// What a listener asks of its clients.
fn secured(config: &Config, table: &KafkaListener) -> Result<kafka::Listener, String> {
    let tls = table.certificate.clone().zip(table.key.clone()).map(|(certificate, key)| {
        let client_certificate = match table.client_certificate {
            ClientCertificate::Required => kafka::ClientCertificate::Required,
            ClientCertificate::Requested => kafka::ClientCertificate::Requested,
        };
        kafka::Tls::open(kafka::TlsFiles { certificate, key, client_ca: table.client_ca.clone(), client_certificate })
    });
    let tls = tls.transpose().map_err(|failed| failed.to_string())?;
    let mechanism = |name: &String| name.parse().map_err(|accepted| format!("there is no login {name:?}; {accepted}"));
    let mechanisms = table.login.iter().map(mechanism).collect::<Result<Vec<kafka::Mechanism>, String>>()?;
    for (mechanism, is_set, setting) in [
        (kafka::Mechanism::Plain, !config.users.is_empty(), "[[users]] in the config file"),
        (kafka::Mechanism::OauthBearer, config.oauth_jwks.is_some(), "--oauth-jwks FILE_OR_URL"),
        (kafka::Mechanism::AwsMskIam, !config.credentials.is_empty(), "[[credentials]] in the config file"),
    ] {
        if mechanisms.contains(&mechanism) && !is_set {
            return Err(format!("nobody could log in with {mechanism}; it needs {setting}"));
        }
    }
    Ok(kafka::Listener { name: table.name.clone(), tls, mechanisms, ..kafka::Listener::default() })
}

/// Listens on an address; whoever serves `everybody` there is told who that may be.
async fn bind(setting: &'static str, address: &Address, everybody: bool) -> Result<(SocketAddr, TcpListener), StartError> {
    let failed = |error| StartError::Listener { setting, address: address.clone(), error };
    let listener = TcpListener::bind((address.host.as_str(), address.port)).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    if everybody && !bound.ip().is_loopback() {
        tracing::warn!(%bound, "--{setting} can be reached from other machines, and whoever connects is served");
    }
    Ok((bound, listener))
}

/// The store, for whoever has to wait until nobody uses it any more. Memory needs no such care.
type Kept = Option<Arc<SegmentStore>>;

/// What the listeners serve.
struct Parts {
    log: Log,
    home: Home,
    door: Arc<Door>,
    endpoint: Arc<Endpoint>,
    meter: Meter,
    ages: Ages,
    stopping: watch::Receiver<bool>,
}

impl Parts {
    async fn open(config: &Config, env: Env, stopping: watch::Receiver<bool>) -> Result<(Kept, Arc<Self>), StartError> {
        let (kept, log, ledger) = open_log(config, env.clone()).await?;
        let cluster_id = cluster_id(&Notebook::new(ledger.clone(), ROOM), &*env.entropy).await?;
        let meter = Meter::default();
        let endpoint = aws::Options { credentials: credentials(config), bodies_bytes_max: config.frames_in_flight_bytes_max / 2 };
        let seal_key = seal_key(&Notebook::new(ledger.clone(), ROOM), &*env.entropy).await?;
        let home = Home { region: config.region.clone(), account: config.account_id.clone() };
        let kinesis_config = kinesis::Config { home: home.clone(), seal_key };
        let kinesis = kinesis::Door::open(log.clone(), Notebook::new(ledger.clone(), "kinesis"), meter.clone(), kinesis_config)?;
        let services: [Arc<dyn aws::Service>; 2] =
            [Arc::new(kinesis), Arc::new(cloudwatch::Watch::of(log.clone(), home.clone()))];
        let endpoint = Endpoint::new(services.into(), env.clone(), endpoint);
        let door =
            Door::open(log.clone(), Notebook::new(ledger, "kafka"), meter.clone(), door_config(config, cluster_id, seal_key))?;
        door.forget_deleted_topics().await;
        for topic in &config.topics {
            create(&log, topic, config.default_partitions).await?;
        }
        let (door, endpoint) = (Arc::new(door), Arc::new(endpoint));
        Ok((kept, Arc::new(Self { log, home, door, endpoint, meter, ages: Ages::default(), stopping })))
    }
}

/// Opens the store and the log over it, where blocking on the disk holds up nobody.
async fn open_log(config: &Config, env: Env) -> Result<(Kept, Log, Arc<dyn Ledger>), StartError> {
    let log_options = log::Options {
        tail_bytes_max: config.tail_bytes_max,
        state_change_delay: config.state_change_delay,
        shard_quota: config.shard_quota,
    };
    if config.ephemeral {
        let store = Arc::new(MemoryStore::default());
        return Ok((None, Log::open(store.clone(), store.clone(), env, log_options)?, store));
    }
    let (directory, options) = (config.data_dir.clone(), store::Options { repair: config.repair, ..store::Options::default() });
    let opening = tokio::task::spawn_blocking(move || {
        let store = Arc::new(SegmentStore::open(&directory, options)?);
        let journal: Arc<dyn Journal> = store.clone();
        let log = Log::open(journal, store.clone(), env, log_options)?;
        Ok((Some(store.clone()), log, store as Arc<dyn Ledger>))
    });
    opening
        .await
        .unwrap_or_else(|error| Err(store::Error::Failed(format!("opening the data directory did not end: {error}")).into()))
}

fn credentials(config: &Config) -> Credentials {
    config.credentials.iter().cloned().map(|one| (one.access_key, one.secret_key)).collect()
}

fn door_config(config: &Config, cluster_id: String, secret: [u8; 32]) -> kafka::Config {
    let shown = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
    kafka::Config {
        node_id: config.node_id,
        cluster_id,
        arn_prefix: format!("arn:aws:kinesis:{}:{}:stream/", config.region, config.account_id),
        default_partitions: config.default_partitions,
        auto_create_topics: config.auto_create_topics,
        frame_bytes_max: config.frame_bytes_max,
        frames_in_flight_bytes_max: config.frames_in_flight_bytes_max,
        connections_max: config.connections_max,
        log_dir: if config.ephemeral { "memory".to_owned() } else { shown(&config.data_dir) },
        initial_rebalance_delay: config.initial_rebalance_delay,
        offsets_retention: config.offsets_retention,
        security: kafka::Security {
            users: config.users.iter().cloned().map(|user| (user.name, user.password)).collect(),
            credentials: credentials(config),
            oauth: config.oauth_jwks.clone().map(|jwks| kafka::OauthSettings {
                jwks: match jwks {
                    Jwks::File(path) => kafka::Jwks::File(path),
                    Jwks::Url(url) => kafka::Jwks::Url(url),
                },
                issuer: config.oauth_issuer.clone(),
                audience: config.oauth_audience.clone(),
            }),
            authorizer: config.authorizer,
            // The config has checked them.
            super_users: config.super_users.iter().filter_map(|principal| principal.parse().ok()).collect(),
            login_lifetime: config.login_lifetime,
            secret,
        },
    }
}

/// The key that the data carries; a new one for new data.
async fn seal_key(notebook: &Notebook, entropy: &dyn Entropy) -> Result<[u8; 32], StartError> {
    if let Some((_, key)) = notebook.read(SEAL_KEY)?.into_iter().next() {
        return Ok(key);
    }
    let mut key = [0; 32];
    key.chunks_exact_mut(16).for_each(|half| half.copy_from_slice(entropy.uuid().as_bytes()));
    let mut page = Page::default();
    page.put(SEAL_KEY, &key);
    notebook.commit(page).await?;
    Ok(key)
}

/// The id that the data carries; a new one for new data.
async fn cluster_id(notebook: &Notebook, entropy: &dyn Entropy) -> Result<String, store::Error> {
    if let Some((_, id)) = notebook.read::<String>(CLUSTER_ID)?.into_iter().next() {
        return Ok(id);
    }
    // As Kafka does: an id that begins with a dash would look like a flag on a command line.
    let id = std::iter::repeat_with(|| base64url(entropy.uuid())).find(|id| !id.starts_with('-')).unwrap_or_default();
    let mut page = Page::default();
    page.put(CLUSTER_ID, &id);
    notebook.commit(page).await?;
    Ok(id)
}

/// The 128 bits in base64 for URLs (RFC 4648, section 5) without padding: 22 characters.
fn base64url(id: Uuid) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = id.as_u128();
    let digit = |at: u32| {
        let digit = if at < 21 { bits >> (122 - 6 * at) } else { bits << 4 };
        char::from(ALPHABET[(digit & 63) as usize])
    };
    (0..22).map(digit).collect()
}

/// Creates the topic unless it is there, however many partitions it has.
async fn create(log: &Log, topic: &Topic, default_partitions: u32) -> Result<(), StartError> {
    let lanes = topic.partitions.unwrap_or(default_partitions);
    match log.create_stream(topic.name.clone(), lanes, Settings::default()).await {
        Ok(_) | Err(log::Error::StreamExists(_)) => Ok(()),
        Err(error) => Err(StartError::Topic { name: topic.name.clone(), error }),
    }
}

async fn keep_house(log: Log, mut stopping: watch::Receiver<bool>) {
    let sweeping = async {
        loop {
            sleep(SWEEP_INTERVAL).await;
            log.sweep().await;
            log.follow_demand().await;
        }
    };
    tokio::select! {
        _ = stopping.wait_for(|stop| *stop) => {}
        () = sweeping => {}
    }
}

async fn follow_keys(door: Arc<Door>, mut stopping: watch::Receiver<bool>) {
    tokio::select! {
        _ = stopping.wait_for(|stop| *stop) => {}
        () = door.follow_keys() => {}
    }
}

/// Waits for the end of everything that was started, then gives the store back.
async fn supervise(mut tasks: JoinSet<()>, store: Kept, ending: watch::Sender<bool>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a part of the gateway ended in a panic");
        }
    }
    if let Some(store) = store {
        // Tasks of consumer groups may take a moment to see that nobody is left.
        let mut waited = Duration::ZERO;
        while Arc::strong_count(&store) > 1 && waited < RELEASE_TIME {
            sleep(RELEASE_STEP).await;
            waited += RELEASE_STEP;
        }
        // Closing waits for the disk.
        let _ = tokio::task::spawn_blocking(move || drop(store)).await;
    }
    ending.send_replace(true);
}

#[cfg(test)]
mod tests;
