//! What accounts committed themselves to, region by region: billing for minimum throughput, which On-demand Advantage comes with. Kept and shown; it
//! raises the number of fan-out consumers, and nothing here has a price.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use crate::aws::Structure;
use crate::log::StoreError;
use crate::model::{Realm, Timestamp};
use crate::notebook::{Notebook, Page};

/// The key in the notebook; those of realms that are not home have their names behind it.
const KEY: &str = "commitment";
/// Realms with a commitment, or that had one. *Ours*: anybody may say that they are somebody else.
const REALMS_MAX: usize = 1_000;
/// The least that a commitment lasts (Kinesis API reference, UpdateAccountSettings, 2026-11).
const SHORTEST: Duration = Duration::from_secs(86_400);

/// The commitment of each account in each region.
pub(super) struct Commitment {
    notebook: Notebook,
    terms: RwLock<HashMap<Realm, Terms>>,
}

/// What the notebook has of one.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(default, skip_serializing_if = "Realm::is_home")]
    realm: Realm,
    #[serde(flatten)]
    terms: Terms,
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
        let kept = notebook.read::<Kept>(KEY)?.into_iter().map(|(_, Kept { realm, terms })| (realm, terms)).collect();
        Ok(Self { notebook, terms: RwLock::new(kept) })
    }

    fn terms(&self, realm: &Realm) -> Terms {
        self.terms.read().get(realm).copied().unwrap_or_default()
    }

    /// Whether that of the realm is in force.
    pub(super) fn is_in_force(&self, realm: &Realm, now: Timestamp) -> bool {
        self.terms(realm).is_in_force(now)
    }

    /// Whether the realm may have one.
    pub(super) fn has_room(&self, realm: &Realm) -> bool {
        let terms = self.terms.read();
        terms.len() < REALMS_MAX || terms.contains_key(realm) || realm.is_home()
    }

    /// Begins or ends it; where that is so already, nothing changes. Durable when it returns.
    pub(super) async fn set(&self, realm: &Realm, is_wanted: bool, now: Timestamp) -> Result<(), StoreError> {
        let before = self.terms(realm);
        let after = match (is_wanted, before.is_in_force(now)) {
            (true, true) => Terms { ended_at: None, ..before },
            (true, false) => Terms { started_at: Some(now), ended_at: None },
            (false, true) if before.ended_at.is_none() => Terms { ended_at: before.earliest_end().max(Some(now)), ..before },
            (false, _) => before,
        };
        if after != before {
            let mut page = Page::default();
            let key = if realm.is_home() { KEY.to_owned() } else { format!("{KEY}/{realm}") };
            page.put(key, &Kept { realm: realm.clone(), terms: after });
            self.notebook.commit(page).await?;
            self.terms.write().insert(realm.clone(), after);
        }
        Ok(())
    }

    /// As answers have it.
    pub(super) fn shown(&self, realm: &Realm, now: Timestamp) -> Structure {
        let terms = self.terms(realm);
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
