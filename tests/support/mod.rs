//! A gateway in memory, and who speaks to it.

mod aggregates;
mod batches;
mod disk;
pub(crate) mod hostile;
mod kafka;
mod kinesis;
mod members;
mod transactions;
mod words;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shardgate::aws::{Endpoint, Options as Bounds, Tls};
use shardgate::env::{Env, LimitsInForce, PausedClock, SeededEntropy};
use shardgate::kafka::{Config, Door, Listener, Security, serve, serve_connection};
use shardgate::log::{Log, Options, Stream};
use shardgate::metrics::Meter;
use shardgate::model::{Home, Limits, Settings, StreamName, Timestamp};
use shardgate::notebook::Notebook;
use shardgate::sigv4::Credentials;
use shardgate::store::{Journal, Ledger, MemoryStore};
use tokio::io::{DuplexStream, duplex};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) use aggregates::{UserRecord, aggregate};
pub(crate) use batches::{batch, build, records, stamped};
pub(crate) use disk::{Kind, Sick};
pub(crate) use kafka::{Kafka, name, produce, text};
pub(crate) use kinesis::{AUTHORIZATION, Answered, EventStream, Kinesis};
pub(crate) use members::{Member, commit, committed, join_request, subscription};
pub(crate) use transactions::{Generation, Transactional, init_request};
pub(crate) use words::Words;

/// What the clock shows when a gateway starts.
pub(crate) const START: Timestamp = Timestamp(1_700_000_000_000);
/// Where clients come from and arrive, as the gateway sees it.
pub(crate) const PEER: ([u8; 4], u16) = ([10, 0, 0, 9], 50_000);
pub(crate) const LOCAL: ([u8; 4], u16) = ([10, 0, 0, 1], 9_092);

/// A gateway that keeps everything in memory.
pub(crate) struct Gateway {
    pub(crate) log: Log,
    pub(crate) meter: Meter,
    door: Arc<Door>,
    endpoint: Arc<Endpoint>,
    journal: Arc<dyn Journal>,
    ledger: Arc<dyn Ledger>,
    config: Config,
    options: Options,
    /// One for each who is to stop: a channel wakes those who wait at it in an order of its own.
    stops: Mutex<Vec<watch::Sender<bool>>>,
}

impl Gateway {
    /// One with topics created on demand and small limits.
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    /// One whose settings `change` has changed.
    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::open(change, Options::default())
    }

    /// One whose log is opened with these options.
    pub(crate) fn with_options(options: Options) -> Self {
        Self::open(|_| {}, options)
    }

    fn open(change: impl FnOnce(&mut Config), options: Options) -> Self {
        let env = Env {
            clock: Arc::new(PausedClock::starting_at(START)),
            entropy: Arc::new(SeededEntropy::new(1)),
            limits: LimitsInForce::new(Limits::off()),
        };
        Self::over_store(Arc::new(MemoryStore::default()), env, change, options)
    }

    /// One over a store that somebody else may keep.
    pub(crate) fn over_store<S>(store: Arc<S>, env: Env, change: impl FnOnce(&mut Config), options: Options) -> Self
    where
        S: Journal + Ledger + 'static,
    {
        let mut config = config();
        change(&mut config);
        let log = Log::open(store.clone(), store.clone(), env, options).unwrap();
        Self::over(log, store.clone(), store, config, options)
    }

    /// The only place where tests put the parts together.
    fn over(log: Log, journal: Arc<dyn Journal>, ledger: Arc<dyn Ledger>, config: Config, options: Options) -> Self {
        let notebook = Notebook::new(ledger.clone(), "kafka");
        let meter = Meter::default();
        let door = Arc::new(Door::open(log.clone(), notebook, meter.clone(), config.clone()).unwrap());
        let endpoint = endpoint(&log, ledger.clone(), meter.clone(), Credentials::default());
        Self { log, meter, door, endpoint, journal, ledger, config, options, stops: Mutex::default() }
    }

    /// One over a log that somebody else keeps, and opens again.
    pub(crate) fn over_log(log: Log) -> Self {
        let store = Arc::new(MemoryStore::default());
        Self::over(log, store.clone(), store, config(), Options::default())
    }

    /// The gateway after a restart: nothing but what was stored is left.
    pub(crate) fn restarted(self) -> Self {
        self.stop();
        let log = Log::open(self.journal.clone(), self.ledger.clone(), self.log.env().clone(), self.options).unwrap();
        Self::over(log, self.journal, self.ledger, self.config, self.options)
    }

    /// A new connection to the Kafka door.
    pub(crate) fn kafka(&self) -> Kafka {
        Kafka::over(self.pipe())
    }

    /// Somebody at the Kinesis door.
    pub(crate) fn kinesis(&self) -> Kinesis {
        Kinesis::over(self.endpoint.clone())
    }

    /// Somebody at a Kinesis door at which only these access keys and secrets are served.
    pub(crate) fn kinesis_for(&self, credentials: impl IntoIterator<Item = (String, String)>) -> Kinesis {
        Kinesis::over(endpoint(&self.log, self.ledger.clone(), self.meter.clone(), credentials.into_iter().collect()))
    }

    /// The client's end of a new connection to the Kinesis door.
    pub(crate) fn kinesis_pipe(&self, tls: Option<Tls>) -> DuplexStream {
        let (client, server) = duplex(1 << 16);
        tokio::spawn(shardgate::aws::serve_connection(server, PEER.0.into(), self.endpoint.clone(), tls, self.stopping()));
        client
    }

    /// A new connection to the Kafka door under this `client.id`.
    pub(crate) fn kafka_named(&self, client_id: &'static str) -> Kafka {
        Kafka::named(client_id, self.pipe())
    }

    /// The client's end of a new connection to the Kafka door.
    pub(crate) fn pipe(&self) -> DuplexStream {
        self.pipe_to(Listener::default())
    }

    /// The client's end of a new connection to a listener of the Kafka door.
    pub(crate) fn pipe_to(&self, listener: Listener) -> DuplexStream {
        let (client, server) = duplex(1 << 20);
        let (ends, listener) = ((PEER.into(), LOCAL.into()), Arc::new(listener));
        tokio::spawn(serve_connection(server, ends, listener, self.door.clone(), self.stopping()));
        client
    }

    /// A new connection to a listener of the Kafka door.
    pub(crate) fn kafka_at(&self, listener: Listener) -> Kafka {
        Kafka::over(self.pipe_to(listener))
    }

    /// Opens a real socket on a free port, and returns its address and what ends when the gateway has stopped.
    pub(crate) async fn listen(&self) -> (SocketAddr, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (address, tokio::spawn(serve(listener, Arc::default(), self.door.clone(), self.stopping())))
    }

    /// Creates a stream.
    pub(crate) async fn stream(&self, name: &str, lanes: u32) -> Arc<Stream> {
        self.stream_with(name, lanes, Settings::default()).await
    }

    /// Creates a stream with these settings.
    pub(crate) async fn stream_with(&self, name: &str, lanes: u32, settings: Settings) -> Arc<Stream> {
        self.log.create_stream(StreamName::new(name).unwrap(), lanes, settings).await.unwrap()
    }

    /// Tells all connections to end.
    pub(crate) fn stop(&self) {
        for stop in &*self.stops.lock().unwrap() {
            stop.send_replace(true);
        }
    }

    /// What tells a connection to end.
    fn stopping(&self) -> watch::Receiver<bool> {
        let (stop, stopping) = watch::channel(false);
        self.stops.lock().unwrap().push(stop);
        stopping
    }
}

/// What a gateway is set up with unless a test says otherwise.
fn config() -> Config {
    Config {
        node_id: 0,
        cluster_id: "shardgate-tests-000000".to_owned(),
        arn_prefix: "arn:aws:kinesis:us-east-1:000000000000:stream/".to_owned(),
        default_partitions: 2,
        auto_create_topics: true,
        frame_bytes_max: 100 << 20,
        frames_in_flight_bytes_max: 200 << 20,
        connections_max: 100,
        log_dir: "memory".to_owned(),
        initial_rebalance_delay: Duration::ZERO,
        offsets_retention: Duration::from_secs(7 * 24 * 3_600),
        security: Security::default(),
    }
}

/// The Kinesis door to a log.
fn endpoint(log: &Log, ledger: Arc<dyn Ledger>, meter: Meter, credentials: Credentials) -> Arc<Endpoint> {
    let home = Home { region: "us-east-1".to_owned(), account: "000000000000".to_owned() };
    let config = shardgate::kinesis::Config { home: home.clone(), seal_key: [7; 32] };
    let door = shardgate::kinesis::Door::open(log.clone(), Notebook::new(ledger, "kinesis"), meter, config).unwrap();
    let watch = shardgate::cloudwatch::Watch::of(log.clone(), home);
    let services: [Arc<dyn shardgate::aws::Service>; 2] = [Arc::new(door), Arc::new(watch)];
    Arc::new(Endpoint::new(services.into(), log.env().clone(), Bounds { credentials, bodies_bytes_max: 64 << 20 }))
}
