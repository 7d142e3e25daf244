//! What operations see besides their inputs.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::aws::{Caller, Found, Input, Performing, Refusal, Service};
use crate::log::{Log, StoreError, Stream};
use crate::metrics::Meter;
use crate::model::{Consumer, Home, Realm, Timestamp};
use crate::notebook::Notebook;

use super::address::{arn, owner_in};
use super::commitment::Commitment;
use super::operation;
use super::rates::Buckets;
use super::seal::Seal;
use super::subscriptions::Subscriptions;

/// What comes before an operation's name in `X-Amz-Target`.
const TARGET: &str = "Kinesis_20131202.";

/// How the Kinesis door is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// The region of callers whose signatures name none, and the account of those whose access key is none.
    pub home: Home,
    /// What tokens are sealed with; the same for as long as the data is kept.
    pub seal_key: [u8; 32],
}

/// What all requests of the Kinesis door share. Clones are handles to the same.
#[derive(Clone)]
pub struct Door {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    log: Log,
    /// What is counted of topics.
    pub(super) meter: Meter,
    /// The region and the account of those who name none.
    home: Home,
    /// What tokens are sealed with.
    pub(super) seal: Seal,
    /// How often operations were called.
    pub(super) buckets: Buckets,
    /// Held while a compressed batch is open.
    pub(super) opening: Semaphore,
    /// What the account committed itself to.
    pub(super) commitment: Commitment,
    /// Who is subscribed to which shard.
    pub(super) subscriptions: Subscriptions,
}

impl Door {
    /// The door to `log`.
    ///
    /// # Errors
    /// What the store says of what the door keeps in its `notebook`.
    pub fn open(log: Log, notebook: Notebook, meter: Meter, config: Config) -> Result<Self, StoreError> {
        let shared = Shared {
            log,
            meter,
            seal: Seal::new(&config.seal_key),
            home: config.home,
            buckets: Buckets::default(),
            opening: Semaphore::new(1),
            commitment: Commitment::open(notebook)?,
            subscriptions: Subscriptions::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }
}

impl Service for Door {
    fn target(&self) -> &'static str {
        TARGET
    }

    fn content_types(&self) -> &'static [&'static str] {
        &["application/x-amz-json-1.1", "application/x-amz-cbor-1.1"]
    }

    fn find(&self, target: &str) -> Result<Found, Refusal> {
        let name = target.strip_prefix(TARGET);
        let entry = name.and_then(operation::find).ok_or_else(Refusal::unknown_operation)?;
        let door = self.clone();
        let perform = |caller, input| -> Performing {
            let cx = Context::of(door, caller, &input);
            match cx.check_rate(entry.name, &input) {
                Ok(()) => (entry.perform)(cx, input),
                Err(refusal) => Box::pin(async { Err(refusal) }),
            }
        };
        Ok(Found { rules: entry.rules, answer_bytes: entry.answer_bytes, perform: Box::new(perform) })
    }
}

/// One request: the gateway behind the door, and in whose realm it is done: that of the stream whose ARN it names, or else the
/// caller's. Policies, which on AWS let an account to another's streams, are kept and not enforced.
#[derive(Clone)]
pub(crate) struct Context {
    /// The log.
    pub(crate) log: Log,
    /// The realm whose streams it is about.
    pub(crate) realm: Realm,
    /// Its region.
    pub(crate) region: String,
    /// Its account: 12 digits.
    pub(crate) account: String,
    /// Memory that the answer may take, where that may be much.
    pub(super) answer_bytes_max: usize,
    /// What all requests share.
    pub(super) shared: Arc<Shared>,
}

impl Context {
    fn of(door: Door, caller: Caller, input: &Input) -> Self {
        let Shared { log, home, .. } = &*door.shared;
        let answer_bytes_max = caller.answer_bytes_max;
        let (region, account) = match arn(input).and_then(owner_in) {
            Some((region, account)) => (region.to_owned(), account.to_owned()),
            None => {
                (caller.region.unwrap_or_else(|| home.region.clone()), caller.account.unwrap_or_else(|| home.account.clone()))
            }
        };
        let realm = home.realm(&region, &account);
        Self { log: log.clone(), realm, region, account, answer_bytes_max, shared: door.shared.clone() }
    }

    /// Now.
    pub(crate) fn now(&self) -> Timestamp {
        self.log.env().clock.now()
    }

    /// The name of a stream in all of AWS.
    pub(crate) fn arn(&self, stream: &Stream) -> String {
        let (realm, home) = (stream.realm(), &self.shared.home);
        format!("arn:aws:kinesis:{}:{}:stream/{}", realm.region(home), realm.account(home), stream.name())
    }

    /// The name of a consumer in all of AWS: its registration's second tells it from an earlier one of the same name.
    pub(crate) fn consumer_arn(&self, stream: &Stream, name: &str, consumer: &Consumer) -> String {
        format!("{}/consumer/{name}:{}", self.arn(stream), consumer.registered_at.seconds())
    }
}
