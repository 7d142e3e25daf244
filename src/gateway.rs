//! **The gateway**: the only place where the parts meet.
//!
//! Builds the store, the log and the doors over it, binds the listeners, keeps house, and takes everything down again. The
//! library and the program start it the same way; the library's defaults are a gateway in memory on free ports of loopback.
//!
//! A supervisor task owns the parts. A [`Gateway`] owns nothing but the wish that it goes on: when the last handle is dropped,
//! or [`Gateway::shutdown`] is called, the listeners close, what was started is answered, and the data directory is released.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use uuid::Uuid;

use crate::aws::{self, Endpoint, Tls};
use crate::cloudwatch;
use crate::config::{Address, ClientCertificate, Config, Jwks, KafkaListener, Topic};
use crate::env::{Entropy, Env, LimitsInForce};
use crate::http::{self, Question, Refusal, Site};
use crate::kafka::{self, Door};
use crate::kinesis;
use crate::log::{self, Ages, Log, Stream};
use crate::metrics::{GROUP_OFFSETS_MAX, GroupOffset, GroupState, LaneState, Meter, Snapshot, StreamState, TopicState};
use crate::model::{Home, InvalidName, Limits, Offset, Realm, SequenceNumber, Settings, Shard, StreamName, Timestamp};
use crate::notebook::{Notebook, Page};
use crate::sigv4::Credentials;
use crate::store::{self, Journal, Ledger, MemoryStore, SegmentStore};

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

/// How a gateway is to be: in memory, on free ports of loopback, unless told otherwise.
#[derive(Clone)]
pub struct Builder {
    config: Config,
    topics: Vec<(String, u32)>,
    /// `None`: the machine's.
    env: Option<Env>,
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

impl Builder {
    /// Creates a topic of `partitions` partitions if it is not there.
    #[must_use]
    pub fn topic(mut self, name: impl Into<String>, partitions: u32) -> Self {
        self.topics.push((name.into(), partitions));
        self
    }

    /// Partitions of a topic created without a number, 1 to [`SHARDS_MAX`](crate::model::limits::SHARDS_MAX); 1 by default.
    #[must_use]
    pub fn default_partitions(mut self, partitions: u32) -> Self {
        self.config.default_partitions = partitions;
        self
    }

    /// Whether a topic that a client asks for is created if it is not there; `true` by default.
    #[must_use]
    pub fn auto_create_topics(mut self, on: bool) -> Self {
        self.config.auto_create_topics = on;
        self
    }

    /// What streams may carry when the gateway starts; [`Limits::off`] by default.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Keeps everything in this directory, which is made if it is not there, instead of in memory.
    #[must_use]
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        (self.config.ephemeral, self.config.data_dir) = (false, path.into());
        self
    }

    /// Where Kafka clients connect, instead of a free port of loopback.
    #[must_use]
    pub fn kafka_listener(mut self, address: SocketAddr) -> Self {
        self.config.kafka_listener = address.into();
        self
    }

    /// Whether Kafka clients on other machines may connect, who need no login; `false` by default.
    #[must_use]
    pub fn insecure_listener(mut self, on: bool) -> Self {
        self.config.insecure_listener = on;
        self
    }

    /// Where AWS clients connect, instead of a free port of loopback.
    #[must_use]
    pub fn kinesis_listener(mut self, address: SocketAddr) -> Self {
        self.config.kinesis_listener = address.into();
        self
    }

    /// Serves health and metrics there; port 0 is a free one.
    #[must_use]
    pub fn http_listener(mut self, address: SocketAddr) -> Self {
        self.config.http_listener = Some(address.into());
        self
    }

    /// Where time, chance and limits come from, instead of the machine and [`limits`](Self::limits).
    #[must_use]
    pub fn env(mut self, env: Env) -> Self {
        self.env = Some(env);
        self
    }

    /// Starts it, inside a Tokio runtime. When this returns, clients can connect and the topics are there.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left behind then.
    pub async fn start(mut self) -> Result<Gateway, StartError> {
        for (name, partitions) in self.topics {
            let name = StreamName::new(&name).map_err(|error| StartError::TopicName { name, error })?;
            self.config.topics.push(Topic { name, partitions: Some(partitions) });
        }
        let env = self.env.unwrap_or_else(|| Env::system(self.config.limits));
        start(self.config, env).await
    }
}

impl Gateway {
    /// A gateway in memory, on free ports of loopback, unless the builder is told otherwise.
    pub fn builder() -> Builder {
        let any_port = Address::new("127.0.0.1", 0);
        let config = Config {
            ephemeral: true,
            kafka_listener: any_port.clone(),
            kinesis_listener: any_port,
            http_listener: None,
            limits: Limits::off(),
            ..Config::default()
        };
        Builder { config, topics: Vec::new(), env: None }
    }

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

/// What a sequence number stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Place {
    /// The beginning of a shard: before its first record.
    Start,
    /// A record.
    Record,
    /// The end of a closed shard: behind its last record.
    End,
}

/// A place in both worlds, as `/map` answers it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Mapped {
    /// What is there.
    pub(crate) place: Place,
    /// The region and the account of its stream, if that is not at home and therefore no topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) realm: Option<String>,
    /// Its topic.
    pub(crate) topic: String,
    /// Its partition.
    pub(crate) partition: u32,
    /// The record's offset; at the start of a shard the first one of it, at its end the first one behind it.
    pub(crate) offset: i64,
    /// Its shard, as Kinesis writes it.
    pub(crate) shard: String,
    /// When that was opened.
    pub(crate) shard_created_at: Timestamp,
    /// When that was closed; `None` while it is open.
    pub(crate) shard_closed_at: Option<Timestamp>,
    /// The shards it was split or merged from.
    pub(crate) parents: Vec<String>,
    /// The shards it was split or merged into.
    pub(crate) children: Vec<String>,
    /// When the record arrived; at the ends of a shard, when that was opened or closed.
    pub(crate) arrived_at: Timestamp,
    /// Its sequence number.
    pub(crate) sequence_number: String,
}

impl Mapped {
    fn of(stream: &Stream, shard: &Shard, place: Place, offset: Offset, arrived_at: Timestamp, number: SequenceNumber) -> Self {
        let parents = [shard.parent, shard.adjacent_parent].into_iter().flatten();
        Self {
            place,
            realm: Some(stream.realm()).filter(|realm| !realm.is_home()).map(Realm::to_string),
            topic: stream.name().to_string(),
            partition: shard.lane.0,
            offset: offset.0,
            shard: shard.id.to_string(),
            shard_created_at: shard.created_at,
            shard_closed_at: shard.closed_at,
            parents: parents.map(|parent| parent.to_string()).collect(),
            children: stream.children(shard.id).iter().map(|child| child.id.to_string()).collect(),
            arrived_at,
            sequence_number: number.to_string(),
        }
    }
}

impl Site for Parts {
    fn ready(&self) -> Result<(), String> {
        if *self.stopping.borrow() { Err("the gateway is stopping".to_owned()) } else { Ok(()) }
    }

    async fn metrics(&self) -> (String, &'static str) {
        let (topics, streams, groups) = (self.topics().await, self.streams(), self.groups().await);
        let snapshot = Snapshot { node_id: self.door.config.node_id, topics, streams, groups };
        let scraped = self.meter.scrape(&snapshot);
        (scraped.text, scraped.content_type)
    }

    async fn map(&self, question: Question) -> Result<String, Refusal> {
        let mapped = match question {
            Question::Offset { topic, partition, offset } => vec![self.of_offset(&topic, partition, Offset(offset)).await?],
            Question::Sequence(number) => self.of_sequence(&number).await?,
        };
        serde_json::to_string(&mapped).map_err(|error| Refusal::Failed(error.to_string()))
    }
}

impl Parts {
    async fn topics(&self) -> Vec<TopicState> {
        let mut topics = Vec::new();
        for stream in self.log.streams() {
            let mut lanes = Vec::new();
            for lane in 0..stream.lanes() {
                // A stream that is deleted meanwhile is left out from here on.
                let Ok(reach) = self.log.reach(stream.lane(lane)).await else { break };
                lanes.push(LaneState { horizon: reach.horizon.0, tip: reach.tip.0 });
            }
            topics.push(TopicState { name: stream.name().to_string(), lanes });
        }
        topics
    }

    fn streams(&self) -> Vec<StreamState> {
        let now = self.log.env().clock.now();
        let told = self.log.all_streams().into_iter().map(|stream| {
            let realm = stream.realm();
            let owner = (realm.region(&self.home).to_owned(), realm.account(&self.home).to_owned());
            let owner = Some(owner).filter(|_| !realm.is_home());
            StreamState { name: stream.name().to_string(), owner, minute: stream.meter().last_minute(now) }
        });
        told.collect()
    }

    async fn groups(&self) -> Vec<GroupState> {
        let coordinator = &self.door.groups;
        let mut groups = Vec::new();
        for listed in coordinator.list().await.unwrap_or_default() {
            let (name, members) = (listed.group, listed.members);
            let committed = coordinator.committed(&name).await.unwrap_or_default();
            let offsets = committed.into_iter().flat_map(|(topic, partitions)| {
                let kept = partitions.into_iter().filter_map(|(partition, committed)| Some((partition, committed?.offset)));
                kept.map(move |(partition, offset)| GroupOffset { topic: topic.clone(), partition, offset, age: None })
            });
            let offsets = offsets.collect();
            groups.push(GroupState { name, members, offsets });
        }
        self.add_ages(&mut groups).await;
        groups
    }

    /// Adds how long the oldest record that a group has not committed has been there, as far as that is shown.
    async fn add_ages(&self, groups: &mut [GroupState]) {
        let offsets = groups.iter_mut().flat_map(|group| &mut group.offsets).take(GROUP_OFFSETS_MAX);
        let (mut behind, mut places) = (Vec::new(), Vec::new());
        for offset in offsets {
            if let (Some(stream), Ok(lane)) = (self.log.stream(&offset.topic), u32::try_from(offset.partition)) {
                places.push((stream.lane(lane), Offset(offset.offset)));
                behind.push(offset);
            }
        }
        for (offset, age) in behind.into_iter().zip(self.ages.at(&self.log, &places).await) {
            offset.age = age;
        }
    }

    async fn of_offset(&self, topic: &str, partition: u32, offset: Offset) -> Result<Mapped, Refusal> {
        let stream = self.log.stream(topic).ok_or_else(|| Refusal::Absent(format!("there is no topic {topic}")))?;
        self.mapped(&stream, partition, offset).await
    }

    async fn mapped(&self, stream: &Stream, partition: u32, offset: Offset) -> Result<Mapped, Refusal> {
        let arrived_at = self.log.arrived_at(stream.lane(partition), offset).await.map_err(|error| match error {
            log::Error::Store(error) => Refusal::Failed(error.to_string()),
            error => Refusal::Absent(error.to_string()),
        })?;
        let shards = stream.shards();
        let shard = shards.iter().find(|shard| shard.lane.0 == partition && shard.holds(offset));
        let shard = shard.ok_or_else(|| Refusal::Absent(format!("no shard of {} holds offset {offset}", stream.name())))?;
        let number = SequenceNumber::of(shard.id, shard.created_at, offset, arrived_at);
        Ok(Mapped::of(stream, shard, Place::Record, offset, arrived_at, number))
    }

    /// The places that have the number: usually one, but streams created within one second may share theirs.
    async fn of_sequence(&self, text: &str) -> Result<Vec<Mapped>, Refusal> {
        let number: SequenceNumber = text.parse().map_err(|error| Refusal::Wrong(format!("{error}")))?;
        let now = self.log.env().clock.now();
        let mut found = Vec::new();
        for stream in self.log.all_streams() {
            for shard in stream.listed_shards(now).iter().filter(|shard| shard.id == number.shard) {
                if shard.start() == number {
                    found.push(Mapped::of(&stream, shard, Place::Start, shard.first, shard.created_at, number));
                } else if let (Some(end), Some(closed_at)) = (shard.end, shard.closed_at)
                    && shard.ending() == Some(number)
                {
                    found.push(Mapped::of(&stream, shard, Place::End, end, closed_at, number));
                } else if let Some(offset) = number.offset().filter(|offset| shard.holds(*offset))
                    && let Ok(mapped) = self.mapped(&stream, shard.lane.0, offset).await
                    && mapped.sequence_number == text
                {
                    found.push(mapped);
                }
            }
        }
        if found.is_empty() {
            Err(Refusal::Absent("no record and no end of a shard has that sequence number".to_owned()))
        } else {
            Ok(found)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Builder, Draft};
    use crate::env::{PausedClock, SeededEntropy};
    use crate::model::{Mode, ShardId};
    use tokio::time::advance;

    /// Nothing a gateway is given to may be bound to a thread.
    const fn shared_between_threads<T: Send + Sync + Clone>() {}
    const _: () = shared_between_threads::<Gateway>();

    #[test]
    fn a_cluster_id_is_its_uuid_in_base64() {
        for (id, text) in [
            (Uuid::nil(), "AAAAAAAAAAAAAAAAAAAAAA"),
            (Uuid::max(), "_____________________w"),
            (Uuid::from_u128(0x6ba7_b810_9dad_11d1_80b4_00c0_4fd4_30c8), "a6e4EJ2tEdGAtADAT9QwyA"),
        ] {
            assert_eq!(base64url(id), text);
        }
    }

    #[tokio::test]
    async fn the_cluster_id_is_made_once() {
        let notebook = Notebook::new(Arc::new(MemoryStore::default()), ROOM);
        let entropy = SeededEntropy::new(1);
        let id = cluster_id(&notebook, &entropy).await.unwrap();
        assert!(id.len() == 22 && !id.starts_with('-'), "{id}");
        assert_eq!(cluster_id(&notebook, &entropy).await.unwrap(), id);
    }

    #[tokio::test]
    async fn many_gateways_live_in_one_process_and_none_stays_after_its_last_handle() {
        let (one, other) = (Gateway::builder().start().await.unwrap(), Gateway::builder().start().await.unwrap());
        assert_ne!(one.bootstrap_servers(), other.bootstrap_servers());
        let (address, clone) = (one.kafka_address(), one.clone());
        drop(one);
        assert!(tokio::net::TcpStream::connect(address).await.is_ok());
        let mut ended = clone.shared.ended.clone();
        drop(clone);
        ended.wait_for(|ended| *ended).await.unwrap();
        assert!(tokio::net::TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn a_directory_keeps_its_id_and_its_topics_and_is_free_after_shutdown() {
        let directory = tempfile::tempdir().unwrap();
        let start = |partitions| Gateway::builder().data_dir(directory.path()).topic("orders", partitions).start();
        let first = start(3).await.unwrap();
        let id = first.cluster_id().to_owned();
        let refused = start(3).await.err().unwrap().to_string();
        assert!(refused.contains("in use by another process") && refused.contains("--data-dir"), "{refused}");
        first.shutdown().await;
        // The topic is left as it is, although more partitions are asked for.
        let second = start(5).await.unwrap();
        assert_eq!(second.cluster_id(), id);
        second.shutdown().await;
    }

    #[tokio::test]
    async fn a_port_in_use_names_the_flag_to_change() {
        let taken = Gateway::builder().start().await.unwrap();
        let error = Gateway::builder().kafka_listener(taken.kafka_address()).start().await.err().unwrap().to_string();
        assert!(error.starts_with(&format!("cannot listen on {}", taken.kafka_address())), "{error}");
        assert!(error.contains("--kafka-listener"), "{error}");
    }

    #[tokio::test]
    async fn a_topic_that_cannot_be_is_refused_by_name() {
        let error = Gateway::builder().topic("a b", 1).start().await.err().unwrap().to_string();
        assert!(error.starts_with("the topic \"a b\" cannot be created"), "{error}");
        let error = Gateway::builder().topic("orders", 0).start().await.err().unwrap().to_string();
        assert!(error.starts_with("the topic orders cannot be created"), "{error}");
    }

    /// The parts of a gateway in memory, at the time of the vectors below.
    async fn parts(topic: &str, lanes: u32) -> (Arc<Parts>, watch::Sender<bool>) {
        let env = Env {
            clock: Arc::new(PausedClock::starting_at(Timestamp(1_700_000_000_000))),
            entropy: Arc::new(SeededEntropy::new(1)),
            limits: LimitsInForce::new(Limits::off()),
        };
        let (stop, stopping) = watch::channel(false);
        let (_, parts) = Parts::open(&Config { ephemeral: true, ..Config::default() }, env, stopping).await.unwrap();
        parts.log.create_stream(StreamName::new(topic).unwrap(), lanes, Settings::default()).await.unwrap();
        (parts, stop)
    }

    async fn put(parts: &Parts, lane: u32) {
        let batch = Builder::default().record(Draft { value: Some(b"a"), ..Draft::default() }).build().unwrap();
        let lane = parts.log.stream("orders").unwrap().lane(lane);
        parts.log.append(lane, &batch, log::Patience::Refuse).unwrap().durable().await.unwrap();
    }

    /// The one answer to a sequence number.
    async fn found(parts: &Parts, number: &str) -> Mapped {
        let answer = parts.map(Question::Sequence(number.to_owned())).await.unwrap();
        let mut found: Vec<Mapped> = serde_json::from_str(&answer).unwrap();
        assert_eq!((found.len(), found[0].sequence_number.as_str()), (1, number));
        found.remove(0)
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_that_is_in_no_topic_is_mapped_with_its_realm() {
        let (parts, _stop) = parts("orders", 1).await;
        let realm = parts.home.realm("eu-west-1", "123456789012");
        // A second later, so that the numbers of the two streams are not the same.
        advance(Duration::from_secs(1)).await;
        let name = StreamName::new("orders").unwrap();
        let stream = parts.log.create_stream_in(realm, name, 1, Settings::default()).await.unwrap();
        let batch = Builder::default().record(Draft { value: Some(b"a"), ..Draft::default() }).build().unwrap();
        parts.log.append(stream.lane(0), &batch, log::Patience::Refuse).unwrap().durable().await.unwrap();
        let now = parts.log.env().clock.now();
        let number = SequenceNumber::of(ShardId(0), stream.created_at(), Offset(0), now);
        assert_eq!(found(&parts, &number.to_string()).await.realm.as_deref(), Some("eu-west-1/123456789012"));
        put(&parts, 0).await;
        let answer = parts.map(Question::Offset { topic: "orders".to_owned(), partition: 0, offset: 0 }).await.unwrap();
        assert!(!answer.contains("realm"), "{answer}");
    }

    /// The vectors of AWS's layout: two shards of one second, the first closed 100 s later, and its child.
    #[tokio::test(start_paused = true)]
    async fn the_ends_of_split_shards_are_mapped_by_their_sequence_numbers() {
        let (parts, _stop) = parts("orders", 2).await;
        put(&parts, 0).await;
        put(&parts, 0).await;
        advance(Duration::from_secs(100)).await;
        let stream = parts.log.stream("orders").unwrap();
        let middle = stream.shards()[0].keys.split().unwrap().1.start;
        parts.log.split_shard(stream.id(), ShardId(0), middle).await.unwrap();
        for (number, place, shard, partition, offset, at) in [
            ("49646437577108476416916876405825929425585429676275269634", Place::Start, 0, 0, 0, 0),
            ("49646437577130777162115407028967465143858078037781250066", Place::Start, 1, 1, 0, 0),
            ("49646437577119626789516141717395488358902146099801227266", Place::End, 0, 0, 2, 100),
            ("49646437613191082148139424648830721590730485533618733090", Place::Start, 2, 0, 2, 101),
        ] {
            let mapped = found(&parts, number).await;
            assert_eq!((mapped.place, mapped.shard, mapped.topic.as_str()), (place, ShardId(shard).to_string(), "orders"));
            assert_eq!((mapped.partition, mapped.offset), (partition, offset));
            assert_eq!(mapped.arrived_at, Timestamp(1_700_000_000_000 + 1_000 * at));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn records_of_closed_and_merged_shards_are_mapped_both_ways_until_they_are_gone() {
        let (parts, _stop) = parts("orders", 2).await;
        for lane in [0, 1, 1] {
            put(&parts, lane).await;
        }
        advance(Duration::from_secs(10)).await;
        let stream = parts.log.stream("orders").unwrap();
        parts.log.merge_shards(stream.id(), ShardId(0), ShardId(1)).await.unwrap();
        // To the sealed lane: it goes to the other one.
        put(&parts, 1).await;
        let (one, other, child) = (ShardId(0).to_string(), ShardId(1).to_string(), ShardId(2).to_string());
        let closed_at = Some(Timestamp(1_700_000_010_000));
        let mut numbers = Vec::new();
        for (partition, offset, shard, closed_at) in
            [(0, 0, &one, closed_at), (1, 0, &other, closed_at), (1, 1, &other, closed_at), (0, 1, &child, None)]
        {
            let question = Question::Offset { topic: "orders".to_owned(), partition, offset };
            let forth: Vec<Mapped> = serde_json::from_str(&parts.map(question).await.unwrap()).unwrap();
            let [mapped] = forth.as_slice() else { panic!("{forth:?}") };
            assert_eq!((&mapped.shard, mapped.shard_closed_at, mapped.place), (shard, closed_at, Place::Record));
            let (parents, children) =
                if closed_at.is_some() { (vec![], vec![child.clone()]) } else { (vec![one.clone(), other.clone()], vec![]) };
            assert_eq!((&mapped.parents, &mapped.children), (&parents, &children));
            assert_eq!(&found(&parts, &mapped.sequence_number).await, mapped);
            numbers.push(mapped.sequence_number.clone());
        }
        let sealed = Question::Offset { topic: "orders".to_owned(), partition: 1, offset: 2 };
        assert_eq!(parts.map(sealed).await, Err(Refusal::Absent("offset 2 is outside 0 to 2".to_owned())));
        let ending = stream.shards()[1].ending().unwrap().to_string();
        assert_eq!((found(&parts, &ending).await.offset, found(&parts, &ending).await.place), (2, Place::End));
        advance(Duration::from_secs(86_400 + 1)).await;
        for number in numbers.iter().chain([&ending]) {
            let gone = parts.map(Question::Sequence(number.clone())).await;
            assert!(matches!(gone, Err(Refusal::Absent(_))), "{gone:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn streams_follow_their_traffic_while_the_house_is_kept() {
        let (parts, stop) = parts("orders", 1).await;
        parts.log.env().limits.set(Limits::kinesis());
        let settings = Settings { mode: Mode::OnDemand, ..Settings::default() };
        let stream = parts.log.create_stream(StreamName::new("s").unwrap(), 4, settings).await.unwrap();
        let house = tokio::spawn(keep_house(parts.log.clone(), stop.subscribe()));
        // It is watched from the first minute on.
        sleep(SWEEP_INTERVAL * 3 / 2).await;
        let draft = |builder: Builder, _| builder.record(Draft { value: Some(b"a"), ..Draft::default() });
        let batch = (0..40_000).fold(Builder::default(), draft).build().unwrap();
        let patience = log::Patience::WaitUpTo(Duration::from_secs(10));
        parts.log.append(stream.lane(0), &batch, patience).unwrap().durable().await.unwrap();
        sleep(SWEEP_INTERVAL * 16).await;
        assert_eq!(stream.open_shards(), 5);
        stop.send_replace(true);
        house.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_metrics_know_a_record_to_the_last_millisecond_of_its_retention() {
        let (parts, _stop) = parts("orders", 1).await;
        put(&parts, 0).await;
        for (later, oldest) in [(86_400_000 - 1, 0), (1, 1)] {
            advance(Duration::from_millis(later)).await;
            let (metrics, _) = parts.metrics().await;
            for (name, value) in [("oldest", oldest), ("current", 1)] {
                let line = format!("kafka_topic_partition_{name}_offset{{topic=\"orders\",partition=\"0\"}} {value}");
                assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
            }
        }
    }

    #[tokio::test]
    async fn an_ended_gateway_can_be_shut_down_again() {
        let gateway = Gateway::builder().start().await.unwrap();
        gateway.shutdown().await;
        gateway.clone().shutdown().await;
    }
}
