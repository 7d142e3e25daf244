//! Memory that all connections share, counted in bytes.
//!
//! There is one pool for requests, where who comes too late waits, and one for answers, where nobody waits: a Fetch asks for
//! less, and a client that does not take its answers is closed. Kafka bounds requests in this way
//! (`queued.max.request.bytes`), and answers not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory that is taken; dropped, it is given back.
pub(crate) type Hold = OwnedSemaphorePermit;

/// Some bytes for everybody.
#[derive(Debug)]
pub(crate) struct Pool {
    /// One permit per byte.
    permits: Arc<Semaphore>,
    bytes: usize,
    /// Who waits for memory.
    waiting: AtomicUsize,
}

impl Pool {
    /// A pool of `bytes` bytes.
    pub(crate) fn of(bytes: usize) -> Arc<Self> {
        let bytes = bytes.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        Arc::new(Self { permits: Arc::new(Semaphore::new(bytes)), bytes, waiting: AtomicUsize::new(0) })
    }

    /// Takes `bytes` bytes if they are there. More than all of them are all of them: whoever needs so much has to be alone.
    pub(crate) fn try_hold(&self, bytes: usize) -> Option<Hold> {
        self.permits.clone().try_acquire_many_owned(self.count(bytes)).ok()
    }

    /// Takes `bytes` bytes as soon as they are there, first come, first served.
    pub(crate) async fn hold(self: Arc<Self>, bytes: usize) -> Option<Hold> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _queued = Queued(&self);
        self.permits.clone().acquire_many_owned(self.count(bytes)).await.ok()
    }

    /// Takes `bytes` bytes or fewer, never more than a quarter of those left, so that nobody takes the last; and how many.
    pub(crate) fn share(&self, bytes: usize) -> (usize, Option<Hold>) {
        let share = bytes.min(self.permits.available_permits() / 4);
        match self.try_hold(share) {
            Some(hold) => (share, Some(hold)),
            None => (0, None),
        }
    }

    /// Whether somebody waits for memory.
    pub(crate) fn is_short(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Bytes that nobody has taken.
    #[cfg(test)]
    pub(crate) fn left(&self) -> usize {
        self.permits.available_permits()
    }

    fn count(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.min(self.bytes)).unwrap_or(u32::MAX)
    }
}

/// Somebody who waits, or has just stopped waiting.
struct Queued<'a>(&'a Pool);

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_get_smaller_and_never_take_the_last() {
        let pool = Pool::of(100);
        let shares: Vec<_> = (0..4).map(|_| pool.share(1_000)).collect();
        assert_eq!(shares.iter().map(|share| share.0).collect::<Vec<_>>(), [25, 18, 14, 10]);
        drop(shares);
        assert_eq!(pool.share(7).0, 7);
        assert_eq!(pool.left(), 100);
    }

    #[tokio::test]
    async fn a_pool_is_short_while_somebody_waits() {
        let pool = Pool::of(10);
        let all = pool.try_hold(99).unwrap();
        assert!(pool.try_hold(1).is_none() && !pool.is_short());
        let waits = tokio::spawn(pool.clone().hold(1));
        tokio::task::yield_now().await;
        assert!(pool.is_short());
        drop(all);
        assert!(waits.await.unwrap().is_some());
        assert!(!pool.is_short());
    }
}
