//! What operations see besides their inputs.

use std::sync::Arc;

use crate::aws::{Caller, Found, Refusal, Service};
use crate::log::{Log, Stream};
use crate::model::Timestamp;

use super::operation;

/// What comes before an operation's name in `X-Amz-Target`.
const TARGET: &str = "Kinesis_20131202.";

/// How the Kinesis door is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// The region of callers whose signatures name none.
    pub region: String,
    /// The account of callers whose access key is none: 12 digits.
    pub account: String,
}

/// What all requests of the Kinesis door share. Clones are handles to the same.
#[derive(Clone)]
pub struct Door {
    shared: Arc<Shared>,
}

struct Shared {
    log: Log,
    config: Config,
}

impl Door {
    /// The door to `log`.
    pub fn open(log: Log, config: Config) -> Self {
        Self { shared: Arc::new(Shared { log, config }) }
    }
}

impl Service for Door {
    fn find(&self, target: &str) -> Result<Found, Refusal> {
        let name = target.strip_prefix(TARGET);
        let entry = name.and_then(operation::find).ok_or_else(Refusal::unknown_operation)?;
        let door = self.clone();
        let perform = |caller, input| (entry.perform)(Context::of(door, caller), input);
        Ok(Found { rules: entry.rules, answer_bytes: entry.answer_bytes, perform: Box::new(perform) })
    }
}

/// One request: the gateway behind the door, and who asks.
#[derive(Clone)]
pub(crate) struct Context {
    /// The log.
    pub(crate) log: Log,
    /// The caller's region.
    pub(crate) region: String,
    /// The caller's account: 12 digits.
    pub(crate) account: String,
}

impl Context {
    fn of(door: Door, caller: Caller) -> Self {
        let Shared { log, config } = &*door.shared;
        Self {
            log: log.clone(),
            region: caller.region.unwrap_or_else(|| config.region.clone()),
            account: caller.account.unwrap_or_else(|| config.account.clone()),
        }
    }

    /// Now.
    pub(crate) fn now(&self) -> Timestamp {
        self.log.env().clock.now()
    }

    /// The name of a stream in all of AWS, in the caller's region and account: there is one set of streams for all of them.
    pub(crate) fn arn(&self, stream: &Stream) -> String {
        format!("arn:aws:kinesis:{}:{}:stream/{}", self.region, self.account, stream.name())
    }
}
