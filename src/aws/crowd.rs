//! Who is connected, and who has to go when there are too many of them, or when they take too much memory.
//!
//! Of too many connections the one goes that has been idle the longest: clients keep idle connections only to save themselves a
//! new one. Before them go those that have asked for nothing although there was time. While somebody waits for memory for an
//! answer, those go who do not take theirs.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::memory::{Hold, Memory};

/// How often somebody who waits for memory looks who is slow. *Ours*.
const PACE: Duration = Duration::from_millis(500);
/// For a connection to ask for something, before it goes first. *Ours*.
const ASK_TIME: Duration = Duration::from_secs(1);
/// The part of what it holds that a connection must have taken meanwhile.
const PART: u64 = 16;

/// All connections.
#[derive(Default)]
pub(super) struct Crowd {
    peers: Mutex<HashMap<u64, Arc<Peer>>>,
    next: AtomicU64,
}

/// One connection, as seen from outside.
pub(super) struct Peer {
    /// Says that it has to go.
    cut: Notify,
    /// Bytes that its client has taken.
    taken: AtomicU64,
    /// Bytes of answers that its client has not taken.
    held: AtomicUsize,
    state: Mutex<State>,
}

struct State {
    /// Requests that are carried out or answered.
    busy: usize,
    /// When the last of them was finished, or when the connection began.
    idle_since: Instant,
    /// Whether there has been one.
    has_asked: bool,
    /// When it was looked at last while it held something, and how much it had taken by then.
    seen: (Instant, u64),
}

/// A place in the crowd, given back when it is dropped.
pub(super) struct Entered {
    crowd: Arc<Crowd>,
    number: u64,
    /// Who has it.
    pub(super) peer: Arc<Peer>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.crowd.peers.lock().remove(&self.number);
    }
}

impl Crowd {
    /// Lets another connection in.
    pub(super) fn enter(self: &Arc<Self>) -> Entered {
        let (number, peer) = (self.next.fetch_add(1, Ordering::Relaxed), Arc::<Peer>::default());
        self.peers.lock().insert(number, peer.clone());
        Entered { crowd: self.clone(), number, peer }
    }

    /// Cuts off the connection that has been idle the longest, if one is idle; first those that have not asked for anything.
    pub(super) fn cut_idlest(&self) {
        let (peers, now) = (self.peers.lock(), Instant::now());
        let idle = peers.iter().filter_map(|(number, peer)| Some((peer.rank(now)?, *number, peer)));
        if let Some((_, _, peer)) = idle.min_by_key(|(rank, number, _)| (*rank, *number)) {
            peer.cut.notify_one();
        }
    }

    /// Takes `bytes` bytes of `memory` as soon as they are there. Who does not take what it holds of it is cut off meanwhile.
    pub(super) async fn room(&self, memory: &Arc<Memory>, bytes: usize) -> Option<Hold> {
        let mut waiting = memory.clone().wait(bytes);
        loop {
            match timeout(PACE, &mut waiting).await {
                Ok(hold) => return hold,
                Err(_) => self.cut_slow(),
            }
        }
    }

    fn cut_slow(&self) {
        let now = Instant::now();
        self.peers.lock().values().filter(|peer| peer.is_slow(now)).for_each(|peer| peer.cut.notify_one());
    }
}

impl Default for Peer {
    fn default() -> Self {
        let now = Instant::now();
        let state = State { busy: 0, idle_since: now, has_asked: false, seen: (now, 0) };
        Self { cut: Notify::new(), taken: AtomicU64::new(0), held: AtomicUsize::new(0), state: Mutex::new(state) }
    }
}

impl Peer {
    /// Returns when the connection has to go.
    pub(super) async fn is_cut(&self) {
        self.cut.notified().await;
    }

    /// Notes that its client has taken as many bytes.
    pub(super) fn took(&self, bytes: usize) {
        self.taken.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Notes that as many bytes wait for its client.
    pub(super) fn hold(&self, bytes: usize) {
        if self.held.fetch_add(bytes, Ordering::Relaxed) == 0 {
            self.state.lock().seen = (Instant::now(), self.taken.load(Ordering::Relaxed));
        }
    }

    /// Notes that they do not any more.
    pub(super) fn let_go(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Notes that a request is carried out, until the guard is dropped.
    pub(super) fn work(self: &Arc<Self>) -> Work {
        let mut state = self.state.lock();
        state.busy += 1;
        state.has_asked = true;
        drop(state);
        Work(self.clone())
    }

    /// Where it stands among those that are idle, if it is: whether it has asked for something or still has time to, and since when it
    /// has been idle.
    fn rank(&self, now: Instant) -> Option<(bool, Instant)> {
        let state = self.state.lock();
        let is_a_client = state.has_asked || now.saturating_duration_since(state.idle_since) < ASK_TIME;
        (state.busy == 0 && self.held.load(Ordering::Relaxed) == 0).then_some((is_a_client, state.idle_since))
    }

    /// Whether it has taken too little since it was looked at last, if that was long enough ago.
    fn is_slow(&self, now: Instant) -> bool {
        let (held, taken) = (self.held.load(Ordering::Relaxed) as u64, self.taken.load(Ordering::Relaxed));
        let mut state = self.state.lock();
        let (at, before) = state.seen;
        if held == 0 || now.saturating_duration_since(at) < PACE {
            return false;
        }
        state.seen = (now, taken);
        taken.saturating_sub(before) <= held / PART
    }
}

/// A request that is carried out or answered.
pub(super) struct Work(Arc<Peer>);

impl Drop for Work {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.busy = state.busy.saturating_sub(1);
        state.idle_since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    async fn cut(entered: &[&Entered]) -> Vec<bool> {
        let mut found = Vec::new();
        for entered in entered {
            found.push(timeout(Duration::ZERO, entered.peer.is_cut()).await.is_ok());
        }
        found
    }

    #[tokio::test(start_paused = true)]
    async fn of_too_many_the_one_goes_that_has_been_idle_the_longest() {
        let crowd = Arc::new(Crowd::default());
        let (first, second, third) = (crowd.enter(), crowd.enter(), crowd.enter());
        let work = first.peer.work();
        advance(PACE).await;
        drop(second.peer.work());
        crowd.cut_idlest();
        assert_eq!(cut(&[&first, &second, &third]).await, [false, false, true]);
        drop(third);
        second.peer.hold(1);
        crowd.cut_idlest();
        assert_eq!(cut(&[&first, &second]).await, [false, false]);
        drop(work);
        crowd.cut_idlest();
        assert_eq!(cut(&[&first, &second]).await, [true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_for_nothing_goes_before_idler_ones() {
        for (wait, goes) in [(ASK_TIME, [false, true]), (PACE, [true, false])] {
            let crowd = Arc::new(Crowd::default());
            let client = crowd.enter();
            drop(client.peer.work());
            advance(PACE).await;
            let silent = crowd.enter();
            advance(wait).await;
            crowd.cut_idlest();
            assert_eq!(cut(&[&client, &silent]).await, goes);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_memory_gets_that_of_those_who_take_nothing() {
        let (crowd, memory) = (Arc::new(Crowd::default()), Memory::of(100));
        let (slow, quick) = (crowd.enter(), crowd.enter());
        slow.peer.hold(50);
        quick.peer.hold(50);
        let mut all = memory.try_hold(100);
        let begun = Instant::now();
        let (room, ()) = tokio::join!(crowd.room(&memory, 10), async {
            quick.peer.took(40);
            slow.peer.is_cut().await;
            all = None;
        });
        assert!(room.is_some() && begun.elapsed() < 3 * PACE);
        assert_eq!(cut(&[&quick]).await, [false]);
    }
}
