//! The quotas that are kept, and what is used of them.
//!
//! Room "kafka" of the notebook, key `quota/ENTITY`: a [`Kept`].
//!
//! Who is meant is decided as in Kafka's `DefaultQuotaCallback`, for each limit by itself: a quota of the user with this client
//! goes before one of the user, that before one of all users, and that before one of the client alone. Who has a quota by the name
//! of a user alone shares it with all clients of that user; who has one by the name of a client, with all users of that client.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::entity::{Entity, Limit, NAME_BYTES_MAX, Name, address};
use super::rate::{Bucket, Rate, WHOLE_WINDOWS, WINDOW};
use crate::log::StoreError;
use crate::notebook::{Notebook, Page};

/// Entities with quotas. *Ours*: they are in memory, and each takes some 300 bytes, at most 1 KiB.
pub(crate) const ENTITIES_MAX: usize = 10_000;
/// Those of whom it is known how much they used, for each of rates and buckets: half of them are the ones that came last. *Ours*:
/// each takes at most 1 KiB. Who is forgotten begins anew.
const USERS_MAX: usize = 10_000;

/// Values of an entity, by what they limit.
type Values = BTreeMap<Limit, f64>;

/// An entity in the notebook.
#[derive(Serialize, Deserialize)]
struct Kept {
    entity: Entity,
    values: Values,
}

/// There would be more entities than there may be.
#[derive(Debug)]
pub(crate) struct TooMany;

/// Who asks.
#[derive(Clone, Copy)]
pub(crate) struct Who<'a> {
    /// The name of its principal.
    pub(crate) user: &'a str,
    /// Its name for itself.
    pub(crate) client: &'a str,
}

/// Says how long somebody has to wait.
pub(crate) struct Quotas {
    rules: RwLock<Rules>,
    rates: Mutex<Recent<Owner, Rate>>,
    buckets: Mutex<Recent<Owner, Bucket>>,
    /// Held while they change.
    changing: tokio::sync::Mutex<Notebook>,
}

#[derive(Default)]
struct Rules {
    values: BTreeMap<Entity, Values>,
    /// What of it is for addresses.
    ips: HashMap<IpAddr, f64>,
    any_ip: Option<f64>,
}

/// Those who share a quota.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Owner {
    Client { limit: Limit, user: Option<Box<str>>, client: Option<Box<str>> },
    Ip(IpAddr),
}

impl Rules {
    fn new(values: BTreeMap<Entity, Values>) -> Self {
        let (mut ips, mut any_ip) = (HashMap::new(), None);
        for (entity, values) in &values {
            let (Entity::Ip(name), Some(value)) = (entity, values.get(&Limit::ConnectionCreationRate)) else { continue };
            match name.text() {
                None => any_ip = Some(*value),
                Some(name) => ips.extend(address(name).map(|ip| (ip, *value))),
            }
        }
        Self { values, ips, any_ip }
    }

    /// What limits `who`, and with whom it is shared.
    fn bound(&self, limit: Limit, who: Who<'_>) -> Option<(f64, Owner)> {
        if self.values.is_empty() {
            return None;
        }
        let named = |name: &str| Some(Name::Of(name.to_owned()));
        let (user, client, any) = (named(who.user), named(who.client), Some(Name::Default));
        let levels = [
            (&user, &client),
            (&user, &any),
            (&user, &None),
            (&any, &client),
            (&any, &any),
            (&any, &None),
            (&None, &client),
            (&None, &any),
        ];
        levels.into_iter().find_map(|(user, client)| {
            let entity = Entity::Client { user: user.clone(), client: client.clone() };
            let bound = *self.values.get(&entity)?.get(&limit)?;
            let user = user.is_some().then(|| short(who.user));
            let client = client.is_some().then(|| short(who.client));
            Some((bound, Owner::Client { limit, user, client }))
        })
    }
}

/// As much of a name as is kept of those who use something: who has the same beginning counts as the same.
fn short(name: &str) -> Box<str> {
    name.get(..name.floor_char_boundary(NAME_BYTES_MAX)).unwrap_or(name).into()
}

impl Quotas {
    /// With what the notebook keeps.
    pub(crate) fn open(notebook: Notebook) -> Result<Self, StoreError> {
        let kept = notebook.read::<Kept>("quota/")?.into_iter();
        let rules = Rules::new(kept.map(|(_, Kept { entity, values })| (entity, values)).collect());
        let (rates, buckets) = (Mutex::default(), Mutex::default());
        Ok(Self { rules: RwLock::new(rules), rates, buckets, changing: tokio::sync::Mutex::new(notebook) })
    }

    /// What is said of the entities that are meant, in order.
    pub(crate) fn find(&self, is_meant: impl Fn(&Entity) -> bool) -> Vec<(Entity, BTreeMap<Limit, f64>)> {
        let rules = self.rules.read();
        rules
            .values
            .iter()
            .filter(|(entity, _)| is_meant(entity))
            .map(|(entity, values)| (entity.clone(), values.clone()))
            .collect()
    }

    /// Sets and removes quotas, all of it together; durable when it returns.
    pub(crate) async fn alter(
        &self,
        changes: BTreeMap<Entity, BTreeMap<Limit, Option<f64>>>,
    ) -> Result<Result<(), TooMany>, StoreError> {
        let notebook = self.changing.lock().await;
        let (mut page, mut altered) = (Page::default(), self.rules.read().values.clone());
        for (entity, changes) in changes {
            let mut values = altered.remove(&entity).unwrap_or_default();
            let before = values.clone();
            for (limit, value) in changes {
                match value {
                    Some(value) => values.insert(limit, value),
                    None => values.remove(&limit),
                };
            }
            let key = format!("quota/{entity}");
            match values.is_empty() {
                true if before.is_empty() => {}
                true => page.remove(key),
                false => {
                    if values != before {
                        page.put(key, &Kept { entity: entity.clone(), values: values.clone() });
                    }
                    altered.insert(entity, values);
                }
            }
        }
        if altered.len() > ENTITIES_MAX {
            return Ok(Err(TooMany));
        }
        if !page.is_empty() {
            notebook.commit(page).await?;
            *self.rules.write() = Rules::new(altered);
        }
        Ok(Ok(()))
    }

    /// Counts what `who` has used of a limit; how long it has to wait.
    pub(crate) fn charge(&self, limit: Limit, who: Who<'_>, amount: f64, now: Instant) -> Duration {
        let Some((bound, owner)) = self.rules.read().bound(limit, who) else { return Duration::ZERO };
        let mut rates = self.rates.lock();
        let rate = rates.entry(owner, Rate::default);
        rate.record(amount, now);
        let delay = rate.delay(bound, now);
        // Kafka, `ClientRequestQuotaManager`: time that was used is not to be waited for any longer.
        if limit == Limit::RequestPercentage { delay.min(WINDOW) } else { delay }
    }

    /// How much of a limit fits into the windows that are counted, if `who` has one (Kafka, `maxValueInQuotaWindow`).
    pub(crate) fn most(&self, limit: Limit, who: Who<'_>) -> Option<f64> {
        let (bound, _) = self.rules.read().bound(limit, who)?;
        Some(bound * f64::from(WHOLE_WINDOWS) * WINDOW.as_secs_f64())
    }

    /// Counts partitions that `who` creates or deletes; how long it has to wait. Where it `is_strict`, who has to wait already is
    /// refused, and nothing is counted: the error is how long it has to wait.
    pub(crate) fn mutate(&self, who: Who<'_>, partitions: u32, is_strict: bool, now: Instant) -> Result<Duration, Duration> {
        let Some((bound, owner)) = self.rules.read().bound(Limit::ControllerMutationRate, who) else { return Ok(Duration::ZERO) };
        let mut buckets = self.buckets.lock();
        let bucket = buckets.entry(owner, || Bucket::full(bound, now));
        bucket.fill(bound, now);
        let delay = bucket.delay(bound);
        if is_strict && delay > Duration::ZERO {
            return Err(delay);
        }
        bucket.take(partitions.into());
        // Strictly, who was let pass has not to wait, but to ask again.
        Ok(if is_strict { Duration::ZERO } else { bucket.delay(bound) })
    }

    /// Counts a connection from `ip`, unless there are too many: then the error is how long it has to wait for its end.
    pub(crate) fn connect(&self, ip: IpAddr, now: Instant) -> Result<(), Duration> {
        let ip = ip.to_canonical();
        let bound = {
            let rules = self.rules.read();
            rules.ips.get(&ip).copied().or(rules.any_ip)
        };
        let Some(bound) = bound else { return Ok(()) };
        let mut rates = self.rates.lock();
        let rate = rates.entry(Owner::Ip(ip), Rate::default);
        rate.record(1.0, now);
        match rate.delay(bound, now) {
            Duration::ZERO => Ok(()),
            delay => {
                // What is refused does not count (Kafka, `ConnectionQuotas`).
                rate.record(-1.0, now);
                Err(delay.min(WINDOW))
            }
        }
    }
}

/// What is known of a bounded number of those who came last.
struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new() }
    }
}

impl<K: Eq + Hash + Clone, V> Recent<K, V> {
    /// What is known of `key`; what is `new`, if nothing is.
    fn entry(&mut self, key: K, new: impl FnOnce() -> V) -> &mut V {
        if !self.young.contains_key(&key) && self.young.len() >= USERS_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        let old = &mut self.old;
        self.young.entry(key).or_insert_with_key(|key| old.remove(key).unwrap_or_else(new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;
    use std::sync::Arc;

    const SECOND: Duration = Duration::from_secs(1);

    fn named(name: &str) -> Option<Name> {
        Some(if name == "*" { Name::Default } else { Name::Of(name.to_owned()) })
    }

    fn client(user: Option<Name>, client: Option<Name>) -> Entity {
        Entity::Client { user, client }
    }

    async fn set(quotas: &Quotas, entity: Entity, limit: Limit, value: impl Into<Option<f64>>) {
        let change = BTreeMap::from([(entity, BTreeMap::from([(limit, value.into())]))]);
        quotas.alter(change).await.unwrap().unwrap();
    }

    fn open(store: &Arc<MemoryStore>) -> Quotas {
        Quotas::open(Notebook::new(store.clone(), "kafka")).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn quotas_are_kept_until_they_are_removed() {
        let store = Arc::new(MemoryStore::default());
        let quotas = open(&store);
        set(&quotas, client(named("a"), None), Limit::ProducerByteRate, 10.0).await;
        set(&quotas, client(named("a"), None), Limit::RequestPercentage, 0.5).await;
        set(&quotas, Entity::Ip(Name::Default), Limit::ConnectionCreationRate, 3.0).await;
        set(&quotas, client(named("a"), None), Limit::ProducerByteRate, None).await;
        set(&quotas, client(named("b"), None), Limit::ProducerByteRate, None).await;
        for quotas in [&quotas, &open(&store)] {
            let expected = [
                (client(named("a"), None), BTreeMap::from([(Limit::RequestPercentage, 0.5)])),
                (Entity::Ip(Name::Default), BTreeMap::from([(Limit::ConnectionCreationRate, 3.0)])),
            ];
            assert_eq!(quotas.find(|_| true), expected);
        }
        set(&open(&store), client(named("a"), None), Limit::RequestPercentage, None).await;
        assert_eq!(open(&store).find(|_| true).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_no_more_entities_than_there_may_be() {
        let quotas = open(&Arc::default());
        let entity = |number: usize| client(named(&number.to_string()), None);
        let values = BTreeMap::from([(Limit::ProducerByteRate, Some(1.0))]);
        let many = (0..ENTITIES_MAX).map(|number| (entity(number), values.clone())).collect();
        quotas.alter(many).await.unwrap().unwrap();
        let more = BTreeMap::from([(entity(ENTITIES_MAX), values.clone())]);
        assert!(quotas.alter(more.clone()).await.unwrap().is_err());
        set(&quotas, entity(0), Limit::ProducerByteRate, None).await;
        quotas.alter(more).await.unwrap().unwrap();
    }

    /// Each line takes a quota away, beginning with the one that goes before all others.
    #[tokio::test(start_paused = true)]
    async fn the_quota_that_says_most_of_somebody_counts() {
        let quotas = open(&Arc::default());
        let levels = [
            (named("u"), named("c")),
            (named("u"), named("*")),
            (named("u"), None),
            (named("*"), named("c")),
            (named("*"), named("*")),
            (named("*"), None),
            (None, named("c")),
            (None, named("*")),
        ];
        for ((user, of), value) in levels.iter().zip(1..) {
            set(&quotas, client(user.clone(), of.clone()), Limit::ConsumerByteRate, f64::from(value)).await;
        }
        let who = Who { user: "u", client: "c" };
        for ((user, of), value) in levels.into_iter().zip(1..) {
            assert_eq!(quotas.most(Limit::ConsumerByteRate, who), Some(f64::from(value) * 10.0));
            set(&quotas, client(user, of), Limit::ConsumerByteRate, None).await;
        }
        assert_eq!(quotas.most(Limit::ConsumerByteRate, who), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_quota_is_shared_by_all_whom_its_name_means() {
        let (quotas, now) = (open(&Arc::default()), Instant::now());
        let charge = |user, client| quotas.charge(Limit::ProducerByteRate, Who { user, client }, 1_000.0, now);
        assert_eq!(charge("a", "x"), Duration::ZERO);
        set(&quotas, client(named("*"), None), Limit::ProducerByteRate, 100.0).await;
        // Each user has it, with all of its clients.
        assert_eq!([charge("a", "x"), charge("a", "y"), charge("b", "x")], [Duration::ZERO, 10 * SECOND, Duration::ZERO]);
        set(&quotas, client(None, named("*")), Limit::ProducerByteRate, 100.0).await;
        set(&quotas, client(named("*"), None), Limit::ProducerByteRate, None).await;
        // Each client has it, with all of its users.
        assert_eq!([charge("a", "x"), charge("b", "x"), charge("a", "y")], [Duration::ZERO, 10 * SECOND, Duration::ZERO]);
        set(&quotas, client(named("*"), named("*")), Limit::ProducerByteRate, 100.0).await;
        assert_eq!([charge("a", "x"), charge("b", "x"), charge("a", "x")], [Duration::ZERO, Duration::ZERO, 10 * SECOND]);
        // A higher quota makes them wait less.
        set(&quotas, client(named("*"), named("*")), Limit::ProducerByteRate, 150.0).await;
        assert_eq!(quotas.charge(Limit::ProducerByteRate, Who { user: "a", client: "x" }, 0.0, now), 10 * SECOND / 3);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_more_than_a_second_for_time_used() {
        let (quotas, now) = (open(&Arc::default()), Instant::now());
        set(&quotas, client(named("a"), None), Limit::RequestPercentage, 1.0).await;
        let who = Who { user: "a", client: "x" };
        assert_eq!(quotas.charge(Limit::RequestPercentage, who, 10.0, now), Duration::ZERO);
        assert_eq!(quotas.charge(Limit::RequestPercentage, who, 0.5, now), SECOND / 2);
        assert_eq!(quotas.charge(Limit::RequestPercentage, who, 100.0, now), SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn who_creates_too_many_partitions_waits_or_is_refused() {
        let (quotas, now) = (open(&Arc::default()), Instant::now());
        set(&quotas, client(named("a"), None), Limit::ControllerMutationRate, 1.0).await;
        let who = Who { user: "a", client: "x" };
        assert_eq!(quotas.mutate(who, 14, true, now), Ok(Duration::ZERO));
        assert_eq!(quotas.mutate(who, 1, true, now), Err(3 * SECOND));
        assert_eq!(quotas.mutate(who, 1, false, now), Ok(4 * SECOND));
        assert_eq!(quotas.mutate(who, 1, true, now + 4 * SECOND), Ok(Duration::ZERO));
        assert_eq!(quotas.mutate(Who { user: "b", ..who }, 1_000, true, now), Ok(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_are_counted_each_by_itself() {
        let (quotas, now) = (open(&Arc::default()), Instant::now());
        set(&quotas, Entity::Ip(Name::Default), Limit::ConnectionCreationRate, 1.0).await;
        set(&quotas, Entity::Ip(Name::Of("127.0.0.2".to_owned())), Limit::ConnectionCreationRate, 2.0).await;
        for (ip, places) in [("127.0.0.1", 10), ("127.0.0.2", 20), ("::ffff:127.0.0.3", 10)] {
            let ip: IpAddr = ip.parse().unwrap();
            let accepted = (0..50).filter(|_| quotas.connect(ip, now).is_ok()).count();
            assert_eq!(accepted, places, "{ip}");
        }
        let ip = "127.0.0.1".parse().unwrap();
        assert_eq!(quotas.connect(ip, now), Err(SECOND));
        assert_eq!(quotas.connect(ip, now + 11 * SECOND), Ok(()));
    }

    #[test]
    fn what_is_known_is_bounded_and_of_those_who_came_last() {
        let mut recent = Recent::default();
        *recent.entry(0, || 7) += 1;
        for key in 1..3 * USERS_MAX {
            *recent.entry(0, || 7) += 1;
            recent.entry(key, || 0);
            assert!(recent.young.len() + recent.old.len() <= USERS_MAX);
        }
        assert_eq!(*recent.entry(0, || 7), 7 + 3 * USERS_MAX);
        assert_eq!(short(&"ä".repeat(200)).len(), 254);
    }
}
