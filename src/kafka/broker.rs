//! **What requests have set of the broker's configs**, through restarts.
//!
//! Only what asks for less than always holds can be set (`translate::broker_config`), so nothing is steered by it.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use parking_lot::RwLock;
use tokio::sync::Mutex;

use super::translate::Refusal;
use crate::notebook::{Notebook, Page};

/// Names and values.
pub(crate) type Values = BTreeMap<String, String>;

/// The broker's configs that have been set.
pub(crate) struct BrokerConfigs {
    notebook: Notebook,
    set: RwLock<Values>,
    /// Held by the one who changes them.
    turn: Mutex<()>,
}

/// `broker/config/NAME` in the notebook is the value.
const CONFIG: &str = "broker/config/";

impl BrokerConfigs {
    /// As they were set before.
    pub(super) fn open(notebook: Notebook) -> Result<Self, String> {
        let kept = notebook.read::<String>(CONFIG).map_err(|error| error.to_string())?;
        let set = kept.into_iter().map(|(key, value)| (key.trim_start_matches(CONFIG).to_owned(), value)).collect();
        Ok(Self { notebook, set: RwLock::new(set), turn: Mutex::new(()) })
    }

    /// What is set.
    pub(crate) fn set(&self) -> Values {
        self.set.read().clone()
    }

    /// Sets configs, or gives them their defaults again; on the disk when it returns.
    ///
    /// # Errors
    /// KAFKA_STORAGE_ERROR if the store cannot write; then nothing has changed.
    pub(super) async fn change(&self, changes: Vec<(&'static str, Option<String>)>) -> Result<(), Refusal> {
        let _turn = self.turn.lock().await;
        let (mut after, mut page) = (self.set(), Page::default());
        for (name, value) in changes {
            let key = format!("{CONFIG}{name}");
            match value {
                Some(value) => {
                    page.put(key, &value);
                    after.insert(name.to_owned(), value);
                }
                None if after.remove(name).is_some() => page.remove(key),
                None => {}
            }
        }
        if !page.is_empty() {
            let committed = self.notebook.commit(page).await;
            committed.map_err(|error| Refusal::new(ResponseError::KafkaStorageError, error.to_string()))?;
            *self.set.write() = after;
        }
        Ok(())
    }
}
