//! Memory that all connections share, counted in bytes: one pool for bodies that come, one for answers that go.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory that is taken; dropped, it is given back.
pub(super) type Hold = OwnedSemaphorePermit;

/// Somebody who waits for memory.
pub(super) type Waiting = Pin<Box<dyn Future<Output = Option<Hold>> + Send>>;

/// Some bytes for everybody.
pub(super) struct Memory {
    /// One permit per byte.
    permits: Arc<Semaphore>,
    bytes: usize,
}

/// Bytes, and the memory taken for them.
struct Held {
    bytes: Bytes,
    _hold: Hold,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Memory {
    /// A pool of `bytes` bytes.
    pub(super) fn of(bytes: usize) -> Arc<Self> {
        let bytes = bytes.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        Arc::new(Self { permits: Arc::new(Semaphore::new(bytes)), bytes })
    }

    /// Whether as many bytes are left; more than all of them are all of them.
    pub(super) fn has(&self, bytes: usize) -> bool {
        self.permits.available_permits() >= bytes.min(self.bytes)
    }

    /// Takes `bytes` bytes as soon as they are there, first come, first served. More than all of them are all of them.
    pub(super) fn wait(self: Arc<Self>, bytes: usize) -> Waiting {
        let count = self.count(bytes);
        Box::pin(async move { self.permits.clone().acquire_many_owned(count).await.ok() })
    }

    /// `bytes`, whose memory is counted until the last of them is dropped. What is there already is not refused: if too little
    /// is left, all that is left is taken.
    pub(super) fn held(&self, bytes: Bytes) -> Bytes {
        let most = bytes.len().min(self.permits.available_permits());
        match self.permits.clone().try_acquire_many_owned(self.count(most)) {
            Ok(hold) => Bytes::from_owner(Held { bytes, _hold: hold }),
            Err(_) => bytes,
        }
    }

    fn count(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.min(self.bytes)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_counted_until_it_is_dropped() {
        let memory = Memory::of(100);
        let (one, other) = (memory.held(Bytes::from(vec![0; 60])), memory.held(Bytes::from(vec![1; 60])));
        assert_eq!((one.len(), other.len(), memory.has(1)), (60, 60, false));
        let copy = other.clone();
        drop(one);
        assert!(memory.has(60) && !memory.has(61));
        drop((other, copy));
        assert!(memory.has(1_000));
    }
}
