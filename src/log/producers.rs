//! Producer ids: given out once, whatever happens.

use bytes::Bytes;

use crate::store::{self, Ledger, Write};

use super::handle::ticket;
use super::{Error, Log};

const KEY: &[u8] = b"producer-ids";
/// Ids reserved with one commit; a crash skips the rest of them.
const BLOCK: i64 = 1_000;

/// The ids that are reserved and not yet given out.
pub(super) struct ProducerIds {
    next: i64,
    reserved: i64,
}

impl ProducerIds {
    pub(super) fn load(ledger: &dyn Ledger) -> Result<Self, Error> {
        let reserved = match ledger.get(KEY)? {
            None => 0,
            Some(value) => i64::from_be_bytes(value.as_ref().try_into().map_err(|_| {
                store::Error::Damaged(format!(
                    "the ledger's value of {} has {} bytes instead of 8",
                    KEY.escape_ascii(),
                    value.len()
                ))
            })?),
        };
        Ok(Self { next: reserved, reserved })
    }
}

impl Log {
    /// A producer id that was never given out before and never will be again.
    pub async fn new_producer(&self) -> Result<i64, Error> {
        let mut ids = self.inner.producer_ids.lock().await;
        if ids.next == ids.reserved {
            let reserved = ids.reserved + BLOCK;
            let value = Bytes::copy_from_slice(&reserved.to_be_bytes());
            let (done, durable) = ticket();
            self.inner.ledger.commit(vec![Write::Put { key: Bytes::from_static(KEY), value }], done);
            durable.await?;
            ids.reserved = reserved;
        }
        ids.next += 1;
        Ok(ids.next - 1)
    }
}
