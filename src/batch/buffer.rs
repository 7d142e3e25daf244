//! Large buffers, used again.
//!
//! Frames, batches, answers and what is read from segments are large and short-lived. The allocator gives such memory back to the
//! system at once, so that an attack leaves nothing behind; but then each of its pages costs a fault when it is written the next
//! time, and those were more than half of what a produce or a fetch took. So a little of it is kept here for whoever comes next.
//!
//! There is one store of them for the process, like the allocator before which it stands: it knows of no gateway and holds no data.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};

use bytes::Bytes;
use parking_lot::Mutex;

/// Bytes that are kept for those who come next. *Ours*: what a Fetch of everybody's usual size takes on its way.
const KEPT_BYTES_MAX: usize = 16 << 20;
/// Smaller buffers are left to the allocator, which has pages of its own for them.
const BYTES_MIN: usize = 16 << 10;
/// Sizes between one power of two and the next: few, so that what is asked for next fits; many, so that little is left over.
const SIZES: usize = 8;

static SPARE: Mutex<Spare> = Mutex::new(Spare::new());

/// Bytes that grow like a `Vec`'s. Dropped, they are kept for another one.
#[derive(Debug, Default)]
pub struct Buffer(Vec<u8>);

impl Buffer {
    /// An empty buffer with room for `bytes` bytes, and for no more than an eighth on top.
    pub fn with_capacity(bytes: usize) -> Self {
        let mut found = Self::taken(bytes);
        found.0.clear();
        found
    }

    /// A buffer of `bytes` bytes, whichever: they are to be written over.
    pub fn of_any(bytes: usize) -> Self {
        let mut found = Self::taken(bytes);
        found.0.resize(bytes, 0);
        found
    }

    fn taken(bytes: usize) -> Self {
        if bytes < BYTES_MIN {
            return Self(Vec::with_capacity(bytes));
        }
        let size = size(bytes);
        let spare = SPARE.lock().take(size);
        Self(spare.unwrap_or_else(|| Vec::with_capacity(size)))
    }

    /// The same bytes, to be shared.
    pub fn freeze(mut self) -> Bytes {
        if self.0.capacity() < BYTES_MIN { std::mem::take(&mut self.0).into() } else { Bytes::from_owner(self) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.0.capacity() >= BYTES_MIN {
            let gone = SPARE.lock().keep(std::mem::take(&mut self.0));
            // What goes back to the system does so while nobody waits for it.
            drop(gone);
        }
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The size of a buffer for `bytes` bytes.
fn size(bytes: usize) -> usize {
    bytes.checked_next_power_of_two().map_or(bytes, |power| bytes.next_multiple_of((power / 2 / SIZES).max(1)))
}

/// Buffers that nobody uses.
struct Spare {
    /// The one that lies here longest in front. What they hold is nobody's.
    kept: VecDeque<Vec<u8>>,
    /// Their capacities.
    bytes: usize,
}

impl Spare {
    const fn new() -> Self {
        Self { kept: VecDeque::new(), bytes: 0 }
    }

    /// One of this size, the newest: the processor may have it still.
    fn take(&mut self, size: usize) -> Option<Vec<u8>> {
        let newest = self.kept.iter().rposition(|buffer| buffer.capacity() == size)?;
        let found = self.kept.remove(newest)?;
        self.bytes -= found.capacity();
        Some(found)
    }

    /// Keeps a buffer, if it is not too large; those that have to go for it.
    fn keep(&mut self, buffer: Vec<u8>) -> Vec<Vec<u8>> {
        if buffer.capacity() > KEPT_BYTES_MAX {
            return vec![buffer];
        }
        self.bytes += buffer.capacity();
        self.kept.push_back(buffer);
        let mut gone = Vec::new();
        while self.bytes > KEPT_BYTES_MAX
            && let Some(oldest) = self.kept.pop_front()
        {
            self.bytes -= oldest.capacity();
            gone.push(oldest);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_of_the_size_is_used_again_and_no_other() {
        let mut spare = Spare::new();
        for capacity in [20_480, 40_960, 20_480] {
            assert!(spare.keep(Vec::with_capacity(capacity)).is_empty());
        }
        assert_eq!(spare.take(24_576), None);
        assert_eq!(spare.take(20_480).map(|buffer| buffer.capacity()), Some(20_480));
        assert!(spare.take(20_480).is_some() && spare.take(20_480).is_none());
        assert_eq!((spare.bytes, spare.kept.len()), (40_960, 1));
    }

    #[test]
    fn a_size_has_room_for_what_is_asked_and_little_more() {
        for bytes in (BYTES_MIN..3 << 20).step_by(997).chain([BYTES_MIN, 1 << 20, (1 << 20) + 1]) {
            let size = size(bytes);
            assert!(size >= bytes && size - bytes <= bytes / SIZES, "{size} for {bytes}");
        }
        // Powers of two are sizes, so what grows from one to the next is used again.
        assert_eq!((size(1 << 16), size(1 << 18)), (1 << 16, 1 << 18));
    }

    #[test]
    fn no_more_is_kept_than_may_be_and_the_oldest_goes() {
        let mut spare = Spare::new();
        assert!(spare.keep(Vec::with_capacity(1 << 20)).is_empty());
        let gone = spare.keep(Vec::with_capacity(KEPT_BYTES_MAX - 1));
        assert_eq!(gone.iter().map(Vec::capacity).collect::<Vec<_>>(), [1 << 20]);
        let too_large = spare.keep(Vec::with_capacity(KEPT_BYTES_MAX + 1));
        assert_eq!(too_large.len(), 1);
        assert_eq!((spare.bytes, spare.kept.len()), (KEPT_BYTES_MAX - 1, 1));
    }

    #[test]
    fn bytes_are_those_that_were_written_however_often_their_memory_was_used() {
        for round in 0..3 {
            for bytes in [0, 1, BYTES_MIN, 5 * BYTES_MIN] {
                let mut buffer = Buffer::with_capacity(bytes);
                assert!(buffer.is_empty() && buffer.capacity() >= bytes);
                buffer.extend(std::iter::repeat_n(round, bytes));
                let shared = buffer.freeze();
                assert_eq!(shared, vec![round; bytes]);
                drop(shared);
                assert_eq!(Buffer::of_any(bytes).len(), bytes);
            }
        }
    }
}
