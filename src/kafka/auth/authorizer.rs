//! The access rules that are kept, and whether they count.
//!
//! Room "kafka" of the notebook, key `acl/NUMBER`: a [`Rule`]. The number is given by this gateway, because a name may be any text.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::RwLock;

use super::Principal;
use super::acl::{Asker, Filter, Kind, Operation, Rule, Rules};
use crate::log::StoreError;
use crate::notebook::{Notebook, Page};

/// Rules at once. *Ours*: each takes some 500 bytes, and at most 2 KiB.
pub(crate) const RULES_MAX: usize = 10_000;

/// Says what somebody may do.
pub(crate) struct Authorizer {
    is_on: bool,
    super_users: HashSet<Principal>,
    kept: RwLock<Kept>,
    /// Held while rules change.
    changing: tokio::sync::Mutex<Notebook>,
}

#[derive(Default)]
struct Kept {
    numbers: BTreeMap<Arc<Rule>, u64>,
    next: u64,
    rules: Rules,
}

/// There would be more rules than there may be.
pub(crate) struct TooMany;

impl Authorizer {
    /// With the rules that the notebook keeps; they count if it `is_on`.
    pub(super) fn open(notebook: Notebook, is_on: bool, super_users: &[Principal]) -> Result<Self, StoreError> {
        let mut kept = Kept::default();
        for (key, rule) in notebook.read::<Rule>("acl/")? {
            let number = key.strip_prefix("acl/").and_then(|number| u64::from_str_radix(number, 16).ok());
            let wrong = || StoreError::Damaged(format!("the ledger's key {key} is not one of an access rule"));
            let number = number.ok_or_else(wrong)?;
            kept.next = kept.next.max(number + 1);
            kept.numbers.insert(Arc::new(rule), number);
        }
        kept.rules = kept.numbers.keys().cloned().collect();
        let super_users = super_users.iter().cloned().collect();
        Ok(Self { is_on, super_users, kept: RwLock::new(kept), changing: tokio::sync::Mutex::new(notebook) })
    }

    /// Whether rules count. If they do not, everybody may do everything, and there are none.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on
    }

    /// Whether `principal`, at `host`, may do `operation` with the resource.
    pub(crate) fn allows(&self, principal: &Principal, host: IpAddr, operation: Operation, kind: Kind, name: &str) -> bool {
        self.ask(principal, host, |rules, asker| rules.allow(asker, operation, kind, name))
    }

    /// Whether it may do `operation` with any resource of a kind.
    pub(crate) fn allows_any(&self, principal: &Principal, host: IpAddr, operation: Operation, kind: Kind) -> bool {
        self.ask(principal, host, |rules, asker| rules.allow_any(asker, operation, kind))
    }

    /// What it may do with the resource, as a bit for the number of each operation.
    pub(crate) fn operations(&self, principal: &Principal, host: IpAddr, kind: Kind, name: &str) -> i32 {
        let may = |operation: &&Operation| self.allows(principal, host, **operation, kind, name);
        kind.operations().iter().filter(may).fold(0, |bits, operation| bits | 1 << operation.number())
    }

    fn ask(&self, principal: &Principal, host: IpAddr, answer: impl Fn(&Rules, Asker<'_>) -> bool) -> bool {
        if !self.is_on || self.super_users.contains(principal) {
            return true;
        }
        let (principal, host) = (principal.to_string(), host.to_canonical().to_string());
        answer(&self.kept.read().rules, Asker { principal: &principal, host: &host })
    }

    /// The rules that are meant, in order.
    pub(crate) fn find(&self, filter: &Filter) -> Vec<Arc<Rule>> {
        self.kept.read().numbers.keys().filter(|rule| filter.matches(rule)).cloned().collect()
    }

    /// Adds rules, of which those that are there already stay; durable when it returns.
    pub(crate) async fn add(&self, rules: Vec<Rule>) -> Result<Result<(), TooMany>, StoreError> {
        let notebook = self.changing.lock().await;
        let (mut page, mut added) = (Page::default(), BTreeMap::new());
        {
            let kept = self.kept.read();
            for rule in rules.into_iter().filter(|rule| !kept.numbers.contains_key(rule)) {
                let next = kept.next + added.len() as u64;
                added.entry(Arc::new(rule)).or_insert(next);
            }
            if kept.numbers.len() + added.len() > RULES_MAX {
                return Ok(Err(TooMany));
            }
        }
        for (rule, number) in &added {
            page.put(key(*number), rule.as_ref());
        }
        if !page.is_empty() {
            notebook.commit(page).await?;
            let mut kept = self.kept.write();
            kept.next += added.len() as u64;
            kept.numbers.extend(added);
            kept.rules = kept.numbers.keys().cloned().collect();
        }
        Ok(Ok(()))
    }

    /// Removes the rules that filters mean; they are gone for good when it returns. Which they were, each with the first filter that
    /// means it.
    pub(crate) async fn remove(&self, filters: &[Filter]) -> Result<Vec<Vec<Arc<Rule>>>, StoreError> {
        let notebook = self.changing.lock().await;
        let mut seen = HashSet::new();
        let mut find = |filter| {
            let mut found = self.find(filter);
            found.retain(|rule| seen.insert(rule.clone()));
            found
        };
        let found: Vec<_> = filters.iter().map(&mut find).collect();
        let mut page = Page::default();
        {
            let kept = self.kept.read();
            let gone = found.iter().flatten().filter_map(|rule| kept.numbers.get(rule));
            gone.for_each(|number| page.remove(key(*number)));
        }
        if !page.is_empty() {
            notebook.commit(page).await?;
            let mut kept = self.kept.write();
            for rule in found.iter().flatten() {
                kept.numbers.remove(rule);
            }
            kept.rules = kept.numbers.keys().cloned().collect();
        }
        Ok(found)
    }
}

fn key(number: u64) -> String {
    format!("acl/{number:016x}")
}
