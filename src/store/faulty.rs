//! **A store that misbehaves on demand**, for tests of everything above one.
//!
//! It passes every call on to real engines, except the one that a test picked. While a write is stalled, every later write
//! of either contract waits behind it, as behind one slow disk, so the order of calls is kept and nothing held is visible.
//! Kafka's tests mock each store by hand; here one wrapper does for all engines.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::{Block, Done, Error, Extent, Journal, LaneHead, Ledger, Portion, Search, Volume, Write};
use crate::batch::ProducerWindow;
use crate::model::{LaneId, Offset};

/// The calls that can be picked. `trim` is not among them, since it answers nothing; it does wait behind a stalled write.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Call {
    /// [`Journal::append`].
    Append,
    /// [`Journal::remove`].
    Remove,
    /// [`Journal::read`].
    Read,
    /// [`Journal::find`].
    Find,
    /// [`Ledger::get`].
    Get,
    /// [`Ledger::scan`].
    Scan,
    /// [`Ledger::commit`].
    Commit,
}

/// What happens to a picked call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Nothing is done; the answer is `Failed`.
    Fail,
    /// Nothing is done; an append's answer is `Fenced`, any other call's is `Failed`.
    Refuse,
    /// Nothing is done, and a write is said to be done, as by a disk that lies; a read fails.
    Pretend,
    /// Nothing is done until [`Faults::release`]: a write returns and is held with its `Done`, a read blocks its thread.
    Stall,
}

/// The test's hand on a [`FaultyStore`].
#[derive(Clone, Default)]
pub struct Faults(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    released: Condvar,
}

#[derive(Default)]
struct State {
    /// The calls still to come until a picked one, by kind: at 1 it is the next.
    picked: HashMap<Call, Vec<(u64, Fault)>>,
    stalled: bool,
    is_cut: bool,
    /// How often [`Faults::release`] was called: a read that waits is let go by the next one.
    releases: u64,
    held: VecDeque<Box<dyn FnOnce() + Send>>,
}

impl Faults {
    /// Picks the `nth` call of this kind from now on; 1 is the next. Several may be picked.
    pub fn pick(&self, call: Call, nth: u64, fault: Fault) {
        self.state().picked.entry(call).or_default().push((nth, fault));
    }

    /// Number of writes that are held.
    pub fn held(&self) -> usize {
        self.state().held.len()
    }

    /// Lets everything go on that is stalled: held writes are carried out here, in the order of their calls.
    pub fn release(&self) {
        self.state().releases += 1;
        self.0.released.notify_all();
        while let Some(write) = self.next_held() {
            write();
        }
    }

    /// Drops what is held, as a crash would: it never happened, and its `Done` is never called.
    pub fn forget(&self) {
        let mut state = self.state();
        state.stalled = false;
        let held = std::mem::take(&mut state.held);
        // A dropped `Done` may wake somebody who comes back here.
        drop(state);
        drop(held);
    }

    /// Cuts the store off, as the end of its process would: what is held never happened, nor does any later write, whose `Done`
    /// is never called; every read fails.
    pub fn cut(&self) {
        self.state().is_cut = true;
        self.forget();
    }

    /// Whether a read of records will wait to be released.
    fn stalls_reads(&self) -> bool {
        let state = self.state();
        let picked = [Call::Read, Call::Find].iter().filter_map(|call| state.picked.get(call));
        picked.flatten().any(|(_, fault)| *fault == Fault::Stall)
    }

    /// The next write to carry out. The stall ends only with the last one, so that no newer write overtakes a held one.
    fn next_held(&self) -> Option<Box<dyn FnOnce() + Send>> {
        let mut state = self.state();
        let next = state.held.pop_front();
        state.stalled &= next.is_some();
        next
    }

    /// Counts a call, and says what is to happen to it.
    fn draw(&self, call: Call) -> Option<Fault> {
        let mut state = self.state();
        let picked = state.picked.get_mut(&call)?;
        picked.iter_mut().for_each(|(left, _)| *left = left.saturating_sub(1));
        let due = picked.iter().position(|(left, _)| *left == 0)?;
        Some(picked.swap_remove(due).1)
    }

    /// Carries out `write` now, or behind what is held.
    fn write(&self, stall: bool, write: impl FnOnce() + Send + 'static) {
        let mut state = self.state();
        if state.is_cut {
            // A dropped `Done` may wake somebody who comes back here.
            drop(state);
            return;
        }
        state.stalled |= stall;
        if state.stalled {
            state.held.push_back(Box::new(write));
        } else {
            drop(state);
            write();
        }
    }

    /// Lets a read pass, wait or fail.
    fn read<T>(&self, call: Call, read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        match self.draw(call) {
            _ if self.state().is_cut => Err(failed(call)),
            None => read(),
            Some(Fault::Stall) => {
                let state = self.state();
                let releases = state.releases;
                let waited = self.0.released.wait_while(state, |state| state.releases == releases);
                drop(waited);
                read()
            }
            Some(Fault::Fail | Fault::Refuse | Fault::Pretend) => Err(failed(call)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(call: Call) -> Error {
    Error::Failed(format!("the test lets this call fail: {call:?}"))
}

/// Journal and ledger that do what their [`Faults`] say, and otherwise what the engines behind them do.
pub struct FaultyStore {
    journal: Arc<dyn Journal>,
    ledger: Arc<dyn Ledger>,
    faults: Faults,
}

impl FaultyStore {
    /// Wraps two engines, or one twice. Without picked calls it behaves as they do.
    pub fn new(journal: Arc<dyn Journal>, ledger: Arc<dyn Ledger>) -> (Self, Faults) {
        let faults = Faults::default();
        (Self { journal, ledger, faults: faults.clone() }, faults)
    }
}

impl Journal for FaultyStore {
    fn lanes(&self) -> Vec<LaneId> {
        self.journal.lanes()
    }

    fn extent(&self, lane: LaneId) -> Extent {
        self.journal.extent(lane)
    }

    fn append(&self, lane: LaneId, block: Block, done: Done) {
        let (fault, journal) = (self.faults.draw(Call::Append), Arc::clone(&self.journal));
        self.faults.write(fault == Some(Fault::Stall), move || match fault {
            Some(Fault::Fail) => done(Err(failed(Call::Append))),
            Some(Fault::Refuse) => done(Err(Error::Fenced { next: journal.extent(lane).next })),
            Some(Fault::Pretend) => done(Ok(())),
            Some(Fault::Stall) | None => journal.append(lane, block, done),
        });
    }

    fn read(&self, lane: LaneId, from: Offset, portion: Portion) -> Result<Vec<Block>, Error> {
        self.faults.read(Call::Read, || self.journal.read(lane, from, portion))
    }

    fn find(&self, lane: LaneId, search: Search) -> Result<Option<Block>, Error> {
        self.faults.read(Call::Find, || self.journal.find(lane, search))
    }

    fn producer(&self, lane: LaneId, id: i64) -> Option<ProducerWindow> {
        self.journal.producer(lane, id)
    }

    fn look(&self, lane: LaneId, see: &mut dyn FnMut(&LaneHead)) {
        self.journal.look(lane, see);
    }

    fn bytes(&self, lane: LaneId) -> Result<u64, Error> {
        self.journal.bytes(lane)
    }

    fn waits(&self) -> bool {
        self.journal.waits() || self.faults.stalls_reads()
    }

    fn volume(&self) -> Option<Volume> {
        self.journal.volume()
    }

    fn trim(&self, lane: LaneId, before: Offset) {
        let journal = Arc::clone(&self.journal);
        self.faults.write(false, move || journal.trim(lane, before));
    }

    fn remove(&self, lanes: &[LaneId], done: Done) {
        let (fault, journal, lanes) = (self.faults.draw(Call::Remove), Arc::clone(&self.journal), lanes.to_vec());
        self.faults.write(fault == Some(Fault::Stall), move || match fault {
            Some(Fault::Fail | Fault::Refuse) => done(Err(failed(Call::Remove))),
            Some(Fault::Pretend) => done(Ok(())),
            Some(Fault::Stall) | None => journal.remove(&lanes, done),
        });
    }
}

impl Ledger for FaultyStore {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.faults.read(Call::Get, || self.ledger.get(key))
    }

    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Error> {
        self.faults.read(Call::Scan, || self.ledger.scan(prefix, visit))
    }

    fn commit(&self, writes: Vec<Write>, done: Done) {
        let (fault, ledger) = (self.faults.draw(Call::Commit), Arc::clone(&self.ledger));
        self.faults.write(fault == Some(Fault::Stall), move || match fault {
            Some(Fault::Fail | Fault::Refuse) => done(Err(failed(Call::Commit))),
            Some(Fault::Pretend) => done(Ok(())),
            Some(Fault::Stall) | None => ledger.commit(writes, done),
        });
    }
}
