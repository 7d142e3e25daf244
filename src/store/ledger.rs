//! The contract for small keyed state.

use bytes::Bytes;

use super::{Done, Error};

/// One change of a commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Write {
    /// Sets a key.
    Put {
        /// At most 512 bytes.
        key: Bytes,
        /// Any size that fits a log entry; engines split what their tree holds badly.
        value: Bytes,
    },
    /// Removes a key, which may be absent.
    Delete {
        /// The key.
        key: Bytes,
    },
}

/// Small keyed state with atomic commits.
pub trait Ledger: Send + Sync {
    /// The value of `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error>;

    /// Visits every key that starts with `prefix`, in order.
    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Error>;

    /// Carries out all of `writes` or none. When `done` hears of success they are durable and `get` and `scan` see them.
    /// Commits take effect in call order.
    fn commit(&self, writes: Vec<Write>, done: Done);
}
