//! Whose turn it is on a connection whose writes owe something.
//!
//! A write to a shard over its throughput is answered late. What the same connection writes to that shard next waits for that, so
//! that a client owes no more than one write; what it writes to other shards does not. Everything is still answered in the order
//! in which it came.
//!
//! The connection asks those who wait again whenever something is paid, in their order: so none of them overtakes another one
//! that writes to the same lane.

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::memory::Hold;
use crate::model::LaneId;

/// What the requests of one connection owe. Clones are handles to the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tab(Arc<Mutex<Sums>>);

#[derive(Debug, Default)]
struct Sums {
    /// When each lane's shard is paid. Only what a client has in flight is here, so it is bounded.
    owed: HashMap<LaneId, Instant>,
    /// Lanes that a request waits for.
    awaited: HashSet<LaneId>,
    /// Whether the request that was asked last waits.
    waits: bool,
    /// Whether nobody has to wait any more.
    is_closed: bool,
    /// Until when nothing more is read, if the client is over a quota.
    muted_until: Option<Instant>,
}

impl Tab {
    /// Whether something is owed, or waited for.
    pub(crate) fn is_open(&self) -> bool {
        let sums = self.0.lock();
        !(sums.owed.is_empty() && sums.awaited.is_empty())
    }

    /// When the next shard is paid, if one is owed.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.0.lock().owed.values().min().copied()
    }

    /// Until when nothing more is read, if that is still to come.
    pub(crate) fn muted_until(&self) -> Option<Instant> {
        self.0.lock().muted_until.filter(|until| *until > Instant::now())
    }

    /// Strikes what is paid; those who wait can be asked again, beginning with the first.
    pub(crate) fn strike(&self, now: Instant) {
        let mut sums = self.0.lock();
        sums.owed.retain(|_, paid_at| *paid_at > now);
        sums.awaited.clear();
    }

    /// Whether a request waits that was asked since this was called.
    pub(crate) fn waits(&self) -> bool {
        std::mem::take(&mut self.0.lock().waits)
    }

    /// Has nobody wait any more: the connection ends.
    pub(crate) fn close(&self) {
        self.0.lock().is_closed = true;
    }

    fn admits(&self, lanes: &[LaneId]) -> bool {
        let mut sums = self.0.lock();
        let is_owed = |lane| sums.owed.contains_key(lane) || sums.awaited.contains(lane);
        sums.waits = !sums.is_closed && lanes.iter().any(is_owed);
        if sums.waits {
            sums.awaited.extend(lanes);
        }
        !sums.waits
    }
}

/// What a request in flight takes beside its bytes.
pub(crate) const REQUEST_BYTES: usize = 1 << 10;

/// The memory that a request was counted in; empty when it is given back.
pub(crate) type Memory = Arc<Mutex<Option<Hold>>>;

/// One request's place on its connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turn {
    tab: Tab,
    memory: Memory,
}

impl Turn {
    pub(crate) fn new(tab: Tab, memory: Memory) -> Self {
        Self { tab, memory }
    }

    /// Whether [`comes`](Self::comes) may have to wait, whatever is written.
    pub(crate) fn may_wait(&self) -> bool {
        self.tab.is_open()
    }

    /// Returns when the connection owes nothing for these lanes, and no request before this one waits for one of them. To be
    /// awaited before anything else.
    pub(crate) async fn comes(&self, lanes: &[LaneId]) {
        poll_fn(|_| if self.tab.admits(lanes) { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    /// Notes that the shard of a lane is paid then, and not before.
    pub(crate) fn owe(&self, lane: LaneId, paid_at: Instant) {
        self.tab.0.lock().owed.insert(lane, paid_at);
    }

    /// Has the connection read nothing more until then: its client is over a quota.
    pub(crate) fn mute(&self, until: Instant) {
        let mut sums = self.tab.0.lock();
        sums.muted_until = sums.muted_until.max(Some(until));
    }

    /// Gives the memory of the request's bytes back before its answer: nobody keeps them any more.
    pub(crate) fn free(&self) {
        if let Some(hold) = self.memory.lock().as_mut() {
            drop(hold.split(hold.num_permits().saturating_sub(REQUEST_BYTES)));
        }
    }
}
