//! A gateway over a store that outlives it, and what its clients note down.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kafka_protocol::protocol::Request;
use serde_json::Value;
use shardgate::env::{Env, LimitsInForce, PausedClock, SeededEntropy};
use shardgate::log::Options;
use shardgate::model::{Limits, SequenceNumber};
use shardgate::store::{Faults, FaultyStore, MemoryStore};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{advance, sleep, timeout};

use super::chance::Chance;
use super::history::{History, Moment, What};
use super::support::{Gateway, Kafka, Kinesis, START};

/// How long a client waits for an answer: longer than any that the gateway may take its time for.
const PATIENCE: Duration = Duration::from_secs(100);
/// Between two attempts to reach a gateway that is not there.
const RETRY: Duration = Duration::from_millis(200);
/// Of the requests of a Kafka client, one in so many is cut off in the middle of its frame, and of the others one in so many
/// before its answer.
const CUT_ONE_IN: u64 = 60;
/// Between two sweeps of what is past its retention, as the program has it.
const SWEEP: Duration = Duration::from_secs(60);

/// Everything of one run.
pub(crate) struct World {
    store: Arc<MemoryStore>,
    env: Env,
    running: Mutex<Option<Running>>,
    /// How many gateways have ended so far, and who waits for the next end: woken in their order.
    lives: AtomicU64,
    ended: Notify,
    /// How often the clock was moved on.
    jumps: AtomicU64,
    history: Mutex<History>,
    /// What shards are called and which lanes they are of, by stream.
    lanes: Mutex<HashMap<(u32, String), u32>>,
    ids: AtomicU64,
    is_over: AtomicBool,
}

struct Running {
    gateway: Arc<Gateway>,
    faults: Faults,
    house: JoinHandle<()>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        let env = Env {
            clock: Arc::new(PausedClock::starting_at(START)),
            entropy: Arc::new(SeededEntropy::new(seed)),
            limits: LimitsInForce::new(Limits::off()),
        };
        Arc::new(Self {
            store: Arc::default(),
            env,
            running: Mutex::new(None),
            lives: AtomicU64::new(0),
            ended: Notify::new(),
            jumps: AtomicU64::new(0),
            history: Mutex::default(),
            lanes: Mutex::default(),
            ids: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        })
    }

    /// Opens a gateway over what the store has.
    pub(crate) fn open(&self) {
        let (store, faults) = FaultyStore::new(self.store.clone(), self.store.clone());
        let gateway = Arc::new(Gateway::over_store(Arc::new(store), self.env.clone(), |_| {}, Options::default()));
        let log = gateway.log.clone();
        let house = tokio::spawn(async move {
            loop {
                sleep(SWEEP).await;
                log.sweep().await;
            }
        });
        *self.running.lock().unwrap() = Some(Running { gateway, faults, house });
    }

    /// Ends it as signal 9 does: nothing reaches the store any more, and its clients are cut off.
    pub(crate) fn kill(&self) {
        if let Some(Running { gateway, faults, house }) = self.running.lock().unwrap().take() {
            faults.cut();
            house.abort();
            gateway.stop();
        }
        self.lives.fetch_add(1, Ordering::Relaxed);
        self.ended.notify_waiters();
    }

    /// Moves the clock on while everybody waits.
    pub(crate) async fn jump(&self, span: Duration) {
        self.jumps.fetch_add(1, Ordering::Relaxed);
        advance(span).await;
    }

    /// Lets it finish what it has begun, then ends it.
    pub(crate) async fn stop(&self) {
        if let Some(gateway) = self.gateway() {
            self.faults(Faults::release);
            gateway.stop();
            drop(gateway);
            sleep(Duration::from_secs(1)).await;
        }
        self.kill();
    }

    pub(crate) fn gateway(&self) -> Option<Arc<Gateway>> {
        self.running.lock().unwrap().as_ref().map(|running| running.gateway.clone())
    }

    /// Does something to the store, if there is a gateway.
    pub(crate) fn faults(&self, act: impl FnOnce(&Faults)) {
        let faults = self.running.lock().unwrap().as_ref().map(|running| running.faults.clone());
        if let Some(faults) = faults {
            act(&faults);
        }
    }

    /// Tells everybody to come to an end.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// A number that nobody else has.
    pub(crate) fn fresh(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn millis(&self) -> i64 {
        self.env.clock.now().0
    }

    pub(crate) fn moment(&self) -> Moment {
        self.history.lock().unwrap().moment(self.millis())
    }

    pub(crate) fn enter(&self, start: Moment, what: What) {
        self.history.lock().unwrap().enter(start, self.millis(), what);
    }

    pub(crate) fn event(&self, words: impl Into<String>) {
        self.enter(self.moment(), What::Event(words.into()));
    }

    pub(crate) fn fault(&self, words: impl Into<String>) {
        self.enter(self.moment(), What::Fault(words.into()));
    }

    pub(crate) fn trouble(&self, words: impl Into<String>) {
        self.enter(self.moment(), What::Trouble(words.into()));
    }

    pub(crate) fn history(&self) -> History {
        self.history.lock().unwrap().clone()
    }

    /// The lane of a shard, if that can be told now.
    pub(crate) fn lane(&self, stream: u32, name: &str, shard: &str) -> Option<u32> {
        let mut lanes = self.lanes.lock().unwrap();
        let key = (stream, shard.to_owned());
        if !lanes.contains_key(&key)
            && let Some(found) = self.gateway().and_then(|gateway| gateway.log.stream(name))
        {
            lanes.extend(found.shards().iter().map(|shard| ((stream, shard.id.to_string()), shard.lane.0)));
        }
        lanes.get(&key).copied()
    }

    /// Waits until there is a gateway.
    async fn reached(&self) -> Arc<Gateway> {
        loop {
            match self.gateway() {
                Some(gateway) => return gateway,
                None => sleep(RETRY).await,
            }
        }
    }

    /// What a request comes to, unless its gateway ends first or takes too long.
    async fn unless_killed<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        let jumps = self.jumps.load(Ordering::Relaxed);
        tokio::select! {
            biased;
            () = self.ended.notified() => None,
            answer = timeout(PATIENCE, answer) => {
                if answer.is_err() && jumps == self.jumps.load(Ordering::Relaxed) {
                    self.trouble("a client had no answer in time");
                }
                answer.ok()
            }
        }
    }
}

/// The offset that a sequence number stands for.
pub(crate) fn offset_of(number: &Value) -> i64 {
    let number: SequenceNumber = number.as_str().unwrap().parse().unwrap();
    number.offset().unwrap().0
}

/// A client of the Kafka door: it connects when it has to.
pub(crate) struct Line {
    pub(crate) world: Arc<World>,
    pub(crate) chance: Chance,
    kafka: Option<Kafka>,
    /// How many gateways had ended when it connected.
    life: u64,
    /// Changes with every connection.
    pub(crate) number: u64,
}

impl Line {
    pub(crate) fn new(world: &Arc<World>, chance: Chance) -> Self {
        let number = world.fresh();
        Self { world: world.clone(), chance, kafka: None, life: 0, number }
    }

    /// Hangs up.
    pub(crate) fn drop_connection(&mut self) {
        self.kafka = None;
        self.number = self.world.fresh();
    }

    async fn connect(&mut self) {
        if self.kafka.is_some() && self.life != self.world.lives.load(Ordering::Relaxed) {
            self.drop_connection();
        }
        if self.kafka.is_none() {
            // Also a gateway that hangs up at once lets time go by.
            self.pause(40).await;
            let gateway = self.world.reached().await;
            self.life = self.world.lives.load(Ordering::Relaxed);
            self.kafka = Some(gateway.kafka());
        }
    }

    /// Connects if there is no connection, and sends; whether all of it was sent.
    pub(crate) async fn send<R: Request>(&mut self, version: i16, request: &R) -> bool {
        self.connect().await;
        let Some(kafka) = &mut self.kafka else { return false };
        let frame = kafka.frame_of(version, request);
        let is_cut = !self.world.is_over() && self.chance.one_in(CUT_ONE_IN);
        let end = if is_cut { self.chance.below(frame.len() as u64) as usize } else { frame.len() };
        let sent = kafka.pipe.write_all(&frame[..end]).await;
        if is_cut || sent.is_err() {
            self.drop_connection();
            return false;
        }
        true
    }

    /// The next answer; `None` if the connection ends before.
    pub(crate) async fn receive<R: Request>(&mut self, version: i16) -> Option<R::Response> {
        if self.life != self.world.lives.load(Ordering::Relaxed) {
            self.drop_connection();
        }
        let kafka = self.kafka.as_mut()?;
        let answer = kafka.try_receive::<R::Response>(version);
        let answered = if !self.world.is_over() && self.chance.one_in(CUT_ONE_IN) {
            timeout(Duration::from_millis(self.chance.below(3)), answer).await.ok()
        } else {
            self.world.unless_killed(answer).await
        };
        if !matches!(answered, Some(Ok(_))) {
            self.drop_connection();
        }
        answered?.ok()
    }

    /// Sends, and waits for the answer.
    pub(crate) async fn call<R: Request>(&mut self, version: i16, request: R) -> Option<R::Response> {
        if !self.send(version, &request).await {
            return None;
        }
        self.receive::<R>(version).await
    }

    /// Waits for up to so many milliseconds.
    pub(crate) async fn pause(&self, millis: u64) {
        sleep(Duration::from_millis(1 + self.chance.below(millis))).await;
    }
}

/// What became of a request of a Kinesis client.
pub(crate) enum Told {
    Done(Value),
    Refused,
    Unknown,
}

/// A client of the Kinesis door.
pub(crate) struct Caller {
    pub(crate) world: Arc<World>,
    pub(crate) chance: Chance,
}

impl Caller {
    pub(crate) fn new(world: &Arc<World>, chance: Chance) -> Self {
        Self { world: world.clone(), chance }
    }

    pub(crate) async fn call(&self, operation: &str, input: Value) -> Told {
        self.pause(20).await;
        let kinesis: Kinesis = self.world.reached().await.kinesis();
        let answer = kinesis.ask(operation, input);
        let answered = if !self.world.is_over() && self.chance.one_in(CUT_ONE_IN) {
            timeout(Duration::from_millis(self.chance.below(3)), answer).await.ok()
        } else {
            self.world.unless_killed(answer).await
        };
        match answered {
            Some(answered) if answered.status == 200 => Told::Done(answered.json()),
            Some(answered) if answered.status < 500 => Told::Refused,
            _ => Told::Unknown,
        }
    }

    /// Waits for up to so many milliseconds.
    pub(crate) async fn pause(&self, millis: u64) {
        sleep(Duration::from_millis(1 + self.chance.below(millis))).await;
    }
}
