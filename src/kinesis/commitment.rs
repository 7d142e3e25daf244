//! What the account committed itself to: billing for minimum throughput, which On-demand Advantage comes with. Kept and shown; it
//! raises the number of fan-out consumers, and nothing here has a price.

use std::time::Duration;

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use crate::aws::Structure;
use crate::log::StoreError;
use crate::model::Timestamp;
use crate::notebook::{Notebook, Page};

/// The key in the notebook.
const KEY: &str = "commitment";
/// The least that a commitment lasts (Kinesis API reference, UpdateAccountSettings, 2026-11).
const SHORTEST: Duration = Duration::from_secs(86_400);

/// The account's commitment.
pub(super) struct Commitment {
    notebook: Notebook,
    terms: RwLock<Terms>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
struct Terms {
    started_at: Option<Timestamp>,
    /// When it was told to end; it ends no earlier than its shortest span.
    ended_at: Option<Timestamp>,
}

impl Terms {
    fn is_in_force(self, now: Timestamp) -> bool {
        self.started_at.is_some() && self.ended_at.is_none_or(|ended_at| now < ended_at)
    }

    fn earliest_end(self) -> Option<Timestamp> {
        self.started_at.map(|started_at| started_at.plus(SHORTEST))
    }
}

impl Commitment {
    /// As the notebook has it.
    pub(super) fn open(notebook: Notebook) -> Result<Self, StoreError> {
        let terms = notebook.read(KEY)?.into_iter().next().map(|(_, terms)| terms).unwrap_or_default();
        Ok(Self { notebook, terms: RwLock::new(terms) })
    }

    /// Whether it is in force.
    pub(super) fn is_in_force(&self, now: Timestamp) -> bool {
        self.terms.read().is_in_force(now)
    }

    /// Begins or ends it; where that is so already, nothing changes. Durable when it returns.
    pub(super) async fn set(&self, is_wanted: bool, now: Timestamp) -> Result<(), StoreError> {
        let before = *self.terms.read();
        let after = match (is_wanted, before.is_in_force(now)) {
            (true, true) => Terms { ended_at: None, ..before },
            (true, false) => Terms { started_at: Some(now), ended_at: None },
            (false, true) if before.ended_at.is_none() => Terms { ended_at: before.earliest_end().max(Some(now)), ..before },
            (false, _) => before,
        };
        if after != before {
            let mut page = Page::default();
            page.put(KEY, &after);
            self.notebook.commit(page).await?;
            *self.terms.write() = after;
        }
        Ok(())
    }

    /// As answers have it.
    pub(super) fn shown(&self, now: Timestamp) -> Structure {
        let terms = *self.terms.read();
        let status = match (terms.is_in_force(now), terms.ended_at) {
            (true, None) => "ENABLED",
            (true, Some(_)) => "ENABLED_UNTIL_EARLIEST_ALLOWED_END",
            (false, _) => "DISABLED",
        };
        Structure::with_capacity(4)
            .with("Status", status)
            .with("StartedAt", terms.started_at)
            .with("EndedAt", terms.ended_at.filter(|_| !terms.is_in_force(now)))
            .with("EarliestAllowedEndAt", terms.earliest_end().filter(|_| terms.is_in_force(now)))
    }
}
