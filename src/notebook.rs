//! **A room's own durable scraps**: typed values under string keys in the ledger, one name space per room.
//!
//! Imports `store` and `model`; never the log or a door.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use crate::store::{Error, Ledger, Write};

/// One room's pages of the ledger.
#[derive(Clone)]
pub struct Notebook {
    ledger: Arc<dyn Ledger>,
    room: &'static str,
}

/// Changes that a notebook carries out together.
#[derive(Default, Debug)]
pub struct Page {
    changes: Vec<(String, Option<Vec<u8>>)>,
}

impl Page {
    /// Sets `key`.
    pub fn put(&mut self, key: impl Into<String>, value: &impl Serialize) {
        // Plain structs of strings and numbers always serialize; an absent value would be a bug shown by its test.
        if let Ok(bytes) = serde_json::to_vec(value) {
            self.changes.push((key.into(), Some(bytes)));
        }
    }

    /// Removes `key`.
    pub fn remove(&mut self, key: impl Into<String>) {
        self.changes.push((key.into(), None));
    }

    /// Whether there is anything to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

impl Notebook {
    /// The pages of `room`, a name without `/`.
    pub fn new(ledger: Arc<dyn Ledger>, room: &'static str) -> Self {
        Self { ledger, room }
    }

    /// Every value whose key starts with `prefix`, with its key, in key order.
    pub fn read<T: DeserializeOwned>(&self, prefix: &str) -> Result<Vec<(String, T)>, Error> {
        let (start, mut found, mut wrong) = (format!("n/{}/", self.room), Vec::new(), None);
        self.ledger.scan(format!("{start}{prefix}").as_bytes(), &mut |key, value| {
            let key = String::from_utf8_lossy(&key[start.len()..]).into_owned();
            match serde_json::from_slice(value) {
                Ok(value) => found.push((key, value)),
                Err(error) => wrong = Some(Error::Damaged(format!("the ledger's value of {start}{key} does not parse: {error}"))),
            }
        })?;
        wrong.map_or(Ok(found), Err)
    }

    /// Carries out `page`; durable when it returns. Commits take effect in the order of the calls, each made at first poll.
    pub async fn commit(&self, page: Page) -> Result<(), Error> {
        let writes = page.changes.into_iter().map(|(key, value)| {
            let key = Bytes::from(format!("n/{}/{key}", self.room));
            match value {
                Some(value) => Write::Put { key, value: value.into() },
                None => Write::Delete { key },
            }
        });
        let (done, durable) = oneshot::channel();
        self.ledger.commit(writes.collect(), Box::new(move |result| drop(done.send(result))));
        durable.await.unwrap_or_else(|_| Err(Error::Failed("the store stopped before the commit was durable".to_owned())))
    }
}
