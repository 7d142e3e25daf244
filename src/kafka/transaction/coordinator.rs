//! **The coordinator**: one turn per transactional id, and what happens to transactions by themselves.
//!
//! Who has the turn may change the transactional id's state and begin to write in its transaction; nobody else does meanwhile.
//! Changes that were begun are carried out also if nobody waits for them any more: what the notebook says and what is in memory
//! must not part because a client hung up.
//!
//! While a transaction is open or its end is prepared, all are looked through once a second: those whose time is up are
//! aborted, those whose end could not be written are ended again. Dropping the last handle ends that.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, Notify, OwnedMutexGuard};
use tokio::time::timeout;

use super::decide::{self, End, Incarnation, Refusal};
use super::journal;
use super::state::Transaction;
use crate::batch::{Marker, Outcome};
use crate::kafka::group;
use crate::log::{Error, Log};
use crate::model::{Lane, LaneId, StreamId, Timestamp};
use crate::notebook::Notebook;

/// The epoch in markers. There is one coordinator, and its term never ends.
pub(crate) const COORDINATOR_EPOCH: i32 = 0;
/// Transactional ids held. *Ours*: a bound on what made-up ids can take.
const IDS_MAX: usize = 50_000;
/// Memory for all of them beyond which none is added, and nothing to their transactions. *Ours*.
const BYTES_MAX: usize = 24 << 20;
/// Time between looks at transactions that are under way (Kafka: 10 s).
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// The same while none is (Kafka: `transaction.remove.expired.transaction.cleanup.interval.ms`, 4.4).
const REST_INTERVAL: Duration = Duration::from_secs(3_600);

/// What becomes part of a transaction, or has to be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Part<'a> {
    /// The lanes of partitions.
    pub(crate) lanes: &'a [LaneId],
    /// The group whose offsets are committed.
    pub(crate) group: Option<&'a str>,
}

/// All transactional ids of a gateway. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Coordinator {
    shared: Arc<Shared>,
}

struct Shared {
    log: Log,
    groups: group::Coordinator,
    notebook: Notebook,
    /// By transactional id: those that are due at once have their turns in the same order in each run.
    desks: Mutex<BTreeMap<Arc<str>, Arc<Desk>>>,
    next_number: AtomicU64,
    /// Memory that all of them take.
    bytes: AtomicUsize,
    /// Whether a transaction may be under way.
    is_busy: AtomicBool,
    /// Rung when one is, and none was.
    bell: Arc<Notify>,
}

/// One transactional id.
#[derive(Default)]
struct Desk {
    turn: Arc<AsyncMutex<()>>,
    /// `None` before it is durable.
    state: Mutex<Option<Transaction>>,
}

/// The turn at a transactional id.
pub(crate) struct Turn {
    desk: Arc<Desk>,
    _held: OwnedMutexGuard<()>,
}

impl Turn {
    /// Whether something is part of the transaction.
    pub(crate) fn verify(&self, who: Incarnation, part: Part<'_>) -> Result<(), Refusal> {
        decide::verify(&self.state()?, who, part.lanes, part.group)
    }

    fn state(&self) -> Result<Transaction, Refusal> {
        self.desk.state.lock().clone().ok_or(Refusal::UnknownProducer)
    }
}

impl Coordinator {
    /// Loads all transactional ids, and goes on with ends that were prepared. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// What the notebook says, in words.
    pub(crate) fn open(log: Log, groups: group::Coordinator, notebook: Notebook) -> Result<Self, String> {
        let found = journal::load(&notebook)?;
        let next_number = found.last().map_or(0, |last| last.number + 1);
        let bytes = found.iter().map(Transaction::bytes).sum();
        let desks = found.into_iter().map(|transaction| {
            (transaction.name.clone(), Arc::new(Desk { state: Mutex::new(Some(transaction)), ..Desk::default() }))
        });
        let shared = Arc::new(Shared {
            log,
            groups,
            notebook,
            desks: Mutex::new(desks.collect()),
            next_number: AtomicU64::new(next_number),
            bytes: AtomicUsize::new(bytes),
            is_busy: AtomicBool::new(false),
            bell: Arc::default(),
        });
        tokio::spawn(look_now_and_then(Arc::downgrade(&shared)));
        Ok(Self { shared })
    }

    /// A producer begins with a transactional id, or begins anew: who it is from here on. What others, or it itself, left open is
    /// aborted before.
    pub(crate) async fn init(&self, name: &str, timeout_millis: i32, was: Option<Incarnation>) -> Result<Incarnation, Refusal> {
        if name.is_empty() {
            return Err(Refusal::InvalidRequest);
        }
        let timeout = decide::timeout(timeout_millis)?;
        let mut turn = self.shared.turn_or_new(name).await?;
        loop {
            turn = self.settled(turn).await?;
            let (before, now) = (turn.desk.state.lock().clone(), self.now());
            let next = match &before {
                None => {
                    let number = self.shared.next_number.fetch_add(1, Ordering::Relaxed);
                    decide::first(number, name.into(), self.fresh().await?, timeout, now)
                }
                Some(of) => {
                    let fresh = if of.is_used_up() { Some(self.fresh().await?) } else { None };
                    decide::init(of, was, timeout, fresh, now)?
                }
            };
            let (is_prepared, given) =
                (next.state.prepared().is_some(), Incarnation { producer: next.producer, epoch: next.epoch });
            turn = self.shared.clone().carry_out(turn, next).await?;
            if !is_prepared {
                return Ok(given);
            }
        }
    }

    /// The turn at a transactional id that exists. Whoever waits for it gets it in the order of asking.
    ///
    /// # Errors
    /// [`Refusal::UnknownProducer`], as Kafka says of an id that it does not know, and [`Refusal::InvalidRequest`] of none.
    pub(crate) async fn turn(&self, name: &str) -> Result<Turn, Refusal> {
        if name.is_empty() {
            return Err(Refusal::InvalidRequest);
        }
        loop {
            let desk = self.shared.desks.lock().get(name).cloned().ok_or(Refusal::UnknownProducer)?;
            if let Some(turn) = self.shared.turn_at(name, desk).await {
                return Ok(turn);
            }
        }
    }

    /// Makes something part of the transaction; durable when it returns.
    pub(crate) async fn add(&self, turn: Turn, who: Incarnation, part: Part<'_>, is_second: bool) -> Result<Turn, Refusal> {
        let next = decide::add(&turn.state()?, who, part.lanes, part.group, is_second, self.now())?;
        let Some(next) = next else { return Ok(turn) };
        if self.shared.bytes.load(Ordering::Relaxed) >= BYTES_MAX {
            return Err(Refusal::TooMany);
        }
        self.shared.clone().carry_out(turn, next).await
    }

    /// Ends the transaction: who its producer is from here on. It is certain when this returns, and as a rule done.
    pub(crate) async fn end(
        &self,
        name: &str,
        who: Incarnation,
        outcome: Outcome,
        is_second: bool,
    ) -> Result<Incarnation, Refusal> {
        let turn = self.turn(name).await?;
        // If an end could not be written before, that is what is asked for again.
        let turn = self.settled(turn).await?;
        let of = turn.state()?;
        let fresh = if of.is_used_up() { Some(self.fresh().await?) } else { None };
        match decide::end(&of, who, outcome, is_second, fresh, self.now())? {
            End::Done(incarnation) => Ok(incarnation),
            End::Prepared(next) => {
                let next_epoch = Incarnation { producer: next.producer, epoch: next.epoch };
                let given = next.producer_next.map_or(next_epoch, |producer| Incarnation { producer, epoch: 0 });
                let turn = self.shared.clone().carry_out(turn, *next).await?;
                // It is certain; if its markers cannot be written now, they are later.
                let _ = self.settled(turn).await;
                Ok(given)
            }
        }
    }

    /// What is known of a transactional id.
    pub(crate) fn describe(&self, name: &str) -> Result<Transaction, Refusal> {
        let desk = self.shared.desks.lock().get(name).cloned();
        desk.and_then(|desk| desk.state.lock().clone()).ok_or(Refusal::UnknownId)
    }

    /// What `show` makes of each transactional id, by name.
    pub(crate) fn list<T>(&self, show: impl Fn(&Transaction) -> Option<T>) -> Vec<T> {
        let desks: Vec<_> = self.shared.desks.lock().values().cloned().collect();
        desks.into_iter().filter_map(|desk| desk.state.lock().as_ref().and_then(&show)).collect()
    }

    /// Ends what is prepared to end.
    async fn settled(&self, turn: Turn) -> Result<Turn, Refusal> {
        if turn.desk.state.lock().as_ref().is_none_or(|state| state.state.prepared().is_none()) {
            return Ok(turn);
        }
        let ending = tokio::spawn(self.shared.clone().finish(turn));
        ending.await.unwrap_or(Err(Refusal::Unavailable))
    }

    async fn fresh(&self) -> Result<i64, Refusal> {
        self.shared.log.new_producer().await.map_err(|error| {
            tracing::warn!(%error, "no producer id could be given to a transactional id");
            Refusal::Unavailable
        })
    }

    fn now(&self) -> Timestamp {
        self.shared.now()
    }
}

impl Shared {
    fn now(&self) -> Timestamp {
        self.log.env().clock.now()
    }

    /// The turn at a desk; `None` if the desk was taken away meanwhile.
    async fn turn_at(&self, name: &str, desk: Arc<Desk>) -> Option<Turn> {
        let held = desk.turn.clone().lock_owned().await;
        let is_there = self.desks.lock().get(name).is_some_and(|there| Arc::ptr_eq(there, &desk));
        is_there.then_some(Turn { desk, _held: held })
    }

    async fn turn_or_new(&self, name: &str) -> Result<Turn, Refusal> {
        loop {
            let desk = {
                let mut desks = self.desks.lock();
                match desks.get(name) {
                    Some(desk) => desk.clone(),
                    None if desks.len() >= IDS_MAX || self.bytes.load(Ordering::Relaxed) >= BYTES_MAX => {
                        return Err(Refusal::TooMany);
                    }
                    None => desks.entry(name.into()).or_default().clone(),
                }
            };
            if let Some(turn) = self.turn_at(name, desk).await {
                return Ok(turn);
            }
        }
    }

    /// Makes `next` durable, and the state.
    async fn carry_out(self: Arc<Self>, turn: Turn, next: Transaction) -> Result<Turn, Refusal> {
        let carrying = tokio::spawn(async move {
            let page = journal::page(turn.desk.state.lock().as_ref(), &next);
            if let Err(error) = self.notebook.commit(page).await {
                tracing::warn!(transactional_id = &*next.name, %error, "a change of a transaction could not be stored");
                if turn.desk.state.lock().is_none() {
                    self.desks.lock().remove(&next.name);
                }
                return Err(Refusal::Unavailable);
            }
            self.apply(&turn.desk, Some(next));
            Ok(turn)
        });
        carrying.await.unwrap_or(Err(Refusal::Unavailable))
    }

    fn apply(&self, desk: &Desk, next: Option<Transaction>) {
        let is_busy = next.as_ref().is_some_and(|next| !next.state.is_idle());
        let mut state = desk.state.lock();
        self.bytes.fetch_add(next.as_ref().map_or(0, Transaction::bytes), Ordering::Relaxed);
        let before = std::mem::replace(&mut *state, next);
        self.bytes.fetch_sub(before.as_ref().map_or(0, Transaction::bytes), Ordering::Relaxed);
        drop(state);
        if is_busy && !self.is_busy.swap(true, Ordering::Relaxed) {
            self.bell.notify_one();
        }
    }

    /// Writes the markers of an end that is prepared, has the groups keep or drop what is pending, and completes it.
    async fn finish(self: Arc<Self>, turn: Turn) -> Result<Turn, Refusal> {
        let of = turn.state()?;
        let Some(outcome) = of.state.prepared() else { return Ok(turn) };
        if let Err(error) = self.mark(&of, outcome).await {
            tracing::warn!(
                transactional_id = &*of.name,
                error,
                "the end of a transaction could not be written; it is tried again"
            );
            return Err(Refusal::Concurrent);
        }
        let next = decide::complete(&of, self.now());
        self.carry_out(turn, next).await
    }

    async fn mark(&self, of: &Transaction, outcome: Outcome) -> Result<(), String> {
        let marker = Marker { producer: of.producer, epoch: of.epoch, outcome, coordinator_epoch: COORDINATOR_EPOCH };
        let mut streams = BTreeMap::<StreamId, Vec<Lane>>::new();
        for lane in &of.lanes {
            streams.entry(lane.stream).or_default().push(lane.lane);
        }
        for (stream, lanes) in streams {
            match self.log.end_transaction(stream, &lanes, marker).await {
                // A topic that is gone has nothing to end. Nobody else writes as this producer, unless an administrator did.
                Ok(()) | Err(Error::UnknownStream(_) | Error::UnknownLane { .. } | Error::Fenced { .. }) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        for group in &of.groups {
            let ended = self.groups.end_transaction(group, of.producer, outcome == Outcome::Committed).await;
            ended.map_err(|refusal| refusal.to_string())?;
        }
        Ok(())
    }

    /// Does what is due of every transactional id.
    async fn look(self: &Arc<Self>) {
        self.is_busy.store(false, Ordering::Relaxed);
        let desks: Vec<_> = self.desks.lock().iter().map(|(name, desk)| (name.clone(), desk.clone())).collect();
        for (name, desk) in desks {
            let (now, mut is_busy) = (self.now(), false);
            let due = desk.state.lock().as_ref().is_none_or(|state| {
                is_busy = !state.state.is_idle();
                state.state.prepared().is_some() || decide::is_over(state, now) || state.deadline().is_some_and(|at| at <= now)
            });
            if is_busy {
                self.is_busy.store(true, Ordering::Relaxed);
            }
            // Whoever has the turn does something himself.
            if due && let Ok(held) = desk.turn.clone().try_lock_owned() {
                let _ = self.clone().tend(&name, Turn { desk, _held: held }).await;
            }
        }
    }

    async fn tend(self: Arc<Self>, name: &Arc<str>, mut turn: Turn) -> Result<(), Refusal> {
        let now = self.now();
        let Ok(of) = turn.state() else {
            // Whoever wanted it could not have it.
            self.desks.lock().remove(name);
            return Ok(());
        };
        if decide::is_over(&of, now) {
            return match self.notebook.commit(journal::removal(&of)).await {
                Ok(()) => {
                    self.apply(&turn.desk, None);
                    self.desks.lock().remove(name);
                    Ok(())
                }
                Err(error) => {
                    tracing::warn!(transactional_id = &**name, %error, "a transactional id could not be forgotten");
                    Err(Refusal::Unavailable)
                }
            };
        }
        if let Some(next) = decide::expire(&of, now) {
            tracing::info!(transactional_id = &**name, "a transaction took too long, and is aborted");
            turn = self.clone().carry_out(turn, next).await?;
        }
        self.finish(turn).await.map(drop)
    }
}

/// Looks through all transactional ids for as long as the coordinator lives, beginning at once.
async fn look_now_and_then(home: Weak<Shared>) {
    loop {
        let Some(shared) = home.upgrade() else { return };
        shared.look().await;
        let (is_busy, bell) = (shared.is_busy.load(Ordering::Relaxed), shared.bell.clone());
        // Who waits holds nothing.
        drop(shared);
        if is_busy {
            tokio::time::sleep(LOOK_INTERVAL).await;
        } else {
            // Whether it rang or not, they are looked through.
            let _ = timeout(REST_INTERVAL, bell.notified()).await;
        }
    }
}

#[cfg(test)]
mod tests;
