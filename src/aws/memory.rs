//! Memory that all connections share, counted in bytes: pools for bodies that come, and one for answers that go.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::crowd::Peer;

/// Memory that is taken; dropped, it is given back.
pub(super) type Hold = OwnedSemaphorePermit;

/// Somebody who waits for memory.
pub(super) type Waiting = Pin<Box<dyn Future<Output = Option<Hold>> + Send>>;

/// Some bytes for everybody.
pub(super) struct Memory {
    /// One permit per byte.
    permits: Arc<Semaphore>,
    bytes: usize,
    /// Who waits for some.
    waiting: AtomicUsize,
}

/// Bytes for a peer, and the memory taken for them.
struct Held {
    bytes: Bytes,
    peer: Arc<Peer>,
    _hold: Option<Hold>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.peer.let_go(self.bytes.len());
    }
}

impl Memory {
    /// A pool of `bytes` bytes.
    pub(super) fn of(bytes: usize) -> Arc<Self> {
        let bytes = bytes.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        Arc::new(Self { permits: Arc::new(Semaphore::new(bytes)), bytes, waiting: AtomicUsize::new(0) })
    }

    /// Takes `bytes` bytes as soon as they are there, first come, first served. More than all of them are all of them.
    pub(super) fn wait(self: Arc<Self>, bytes: usize) -> Waiting {
        let count = self.count(bytes);
        Box::pin(async move {
            if let Ok(hold) = self.permits.clone().try_acquire_many_owned(count) {
                return Some(hold);
            }
            let queued = Queued::of(&self);
            let hold = queued.0.permits.clone().acquire_many_owned(count).await;
            hold.ok()
        })
    }

    /// Takes `bytes` bytes if they are there.
    pub(super) fn try_hold(&self, bytes: usize) -> Option<Hold> {
        self.permits.clone().try_acquire_many_owned(self.count(bytes)).ok()
    }

    /// Takes `bytes` bytes if that leaves a quarter of all of them to others, or else a quarter of those left.
    pub(super) fn share(&self, bytes: usize) -> Option<Hold> {
        let left = self.permits.available_permits();
        let share = if left.saturating_sub(bytes) >= self.bytes / 4 { bytes } else { bytes.min(left / 4) };
        self.try_hold(share)
    }

    /// How many wait for memory.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// `bytes` for `peer`, whose memory is counted until the last of them is dropped: of `hold`, if that is enough, and of what is
    /// left. `None`: there is too little.
    pub(super) fn held(&self, bytes: impl Into<Bytes>, peer: &Arc<Peer>, hold: Option<Hold>) -> Option<Bytes> {
        let bytes = bytes.into();
        if bytes.is_empty() {
            return Some(bytes);
        }
        let hold = match hold {
            Some(mut hold) if hold.num_permits() >= bytes.len() => hold.split(bytes.len()),
            Some(mut hold) => {
                hold.merge(self.try_hold(bytes.len() - hold.num_permits())?);
                Some(hold)
            }
            // What is small is there already, and has to go out.
            None if bytes.len() <= SMALL_BYTES => self.try_hold(bytes.len()),
            None => Some(self.try_hold(bytes.len())?),
        };
        peer.hold(bytes.len());
        Some(Bytes::from_owner(Held { bytes, peer: peer.clone(), _hold: hold }))
    }

    fn count(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.min(self.bytes)).unwrap_or(u32::MAX)
    }
}

/// An answer of this size goes out although there is no memory left.
const SMALL_BYTES: usize = 16 << 10;

/// Somebody who waits, or has just stopped waiting.
struct Queued(Arc<Memory>);

impl Queued {
    fn of(memory: &Arc<Memory>) -> Self {
        memory.waiting.fetch_add(1, Ordering::Relaxed);
        Self(memory.clone())
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_counted_until_it_is_dropped() {
        let (memory, peer) = (Memory::of(100_000), Arc::default());
        let one = memory.held(vec![0; 60_000], &peer, memory.try_hold(90_000)).unwrap();
        assert!(memory.try_hold(40_001).is_none() && memory.try_hold(40_000).is_some());
        assert!(memory.held(vec![0; 60_000], &peer, memory.try_hold(1)).is_none());
        let small = memory.held(vec![0; 10], &peer, memory.try_hold(40_000)).unwrap();
        let copy = one.clone();
        drop(one);
        assert!(memory.try_hold(40_000).is_none());
        drop((small, copy));
        assert!(memory.try_hold(1_000_000).is_some());
    }

    #[test]
    fn a_share_leaves_something_to_others() {
        let memory = Memory::of(100);
        let shares: Vec<_> = (0..4)
            .map(|_| {
                memory.share(60).map_or(0, |hold| {
                    let permits = hold.num_permits();
                    hold.forget();
                    permits
                })
            })
            .collect();
        assert_eq!(shares, [60, 10, 7, 5]);
    }

    #[tokio::test]
    async fn who_waits_is_counted_as_long_as_that_lasts() {
        let memory = Memory::of(10);
        let all = memory.try_hold(99).unwrap();
        assert_eq!(memory.waiting(), 0);
        let waits = tokio::spawn(memory.clone().wait(1));
        let gives_up = tokio::spawn(memory.clone().wait(1));
        tokio::task::yield_now().await;
        assert_eq!(memory.waiting(), 2);
        gives_up.abort();
        assert!(gives_up.await.is_err());
        drop(all);
        assert!(waits.await.unwrap().is_some());
        assert_eq!(memory.waiting(), 0);
    }
}
