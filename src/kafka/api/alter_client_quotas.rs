//! **AlterClientQuotas** (49), v0–1: sets and removes what clients may use (KIP-546).
//!
//! As Kafka does it: each entity is changed as asked or not at all, and has a result of its own. What is accepted is on disk when
//! it is answered, all of it together, and counts from then on:
//! - `producer_byte_rate`, `consumer_byte_rate`: bytes of Produce requests and of Fetch and ShareFetch answers;
//! - `request_percentage`: time that a thread spends with requests; what a request waits for is not counted. 100 is one thread;
//! - `controller_mutation_rate` (KIP-599): partitions created and deleted. Who is over it waits; requests of versions that know
//!   THROTTLING_QUOTA_EXCEEDED are refused with it instead;
//! - `connection_creation_rate` (KIP-612), of addresses: who is over it waits up to a second, and then its connection is closed.
//!
//! How we differ from Kafka: a Fetch that is over its quota has its records, and the delay comes behind it; there it is empty and
//! has to be asked again. Names of hosts are not looked up: an `ip` is an address, or `localhost`. What each of a shard's writers
//! and readers gets is limited beside all that, and no quota changes it.
//!
//! *Ours*: a name has 255 bytes at most, there are at most 10,000 entities, and of the last 10,000 clients is known what they used.
//!
//! Versions: 1 is flexible.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_client_quotas_request::{EntityData, OpData};
use kafka_protocol::messages::alter_client_quotas_response::{EntityData as AnsweredEntity, EntryData as AnsweredEntry};
use kafka_protocol::messages::{AlterClientQuotasRequest, AlterClientQuotasResponse};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::quota::{ENTITIES_MAX, Entity, Limit, NAME_BYTES_MAX, Name, TooMany, address};
use crate::kafka::translate::{Refusal, quoted};

/// AlterClientQuotas.
pub(crate) struct AlterClientQuotas;

/// An entity as it is named: a part that is named twice counts as it is named last.
type Named = BTreeMap<StrBytes, Option<StrBytes>>;
/// The values of an entity, by what they limit; without one it is removed.
type Change = BTreeMap<Limit, Option<f64>>;

impl Api for AlterClientQuotas {
    type Request = AlterClientQuotasRequest;
    type Response = AlterClientQuotasResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=1;

    async fn handle(cx: &Context, request: AlterClientQuotasRequest) -> Reply<AlterClientQuotasResponse> {
        let may = if cx.allows_cluster(Operation::AlterConfigs) { Ok(()) } else { Err(Refusal::denied(Kind::Cluster)) };
        let mut verdicts: BTreeMap<Named, Result<(Entity, Change), Refusal>> = BTreeMap::new();
        for entry in request.entries {
            let named: Named =
                entry.entity.into_iter().map(|EntityData { entity_type, entity_name, .. }| (entity_type, entity_name)).collect();
            let verdict = match verdicts.contains_key(&named) {
                true => Err(Refusal::request("the entity is changed more than once; one change of each is accepted")),
                false => may.clone().and_then(|()| checked(&named, &entry.ops)),
            };
            verdicts.insert(named, verdict);
        }
        let accepted = verdicts.values().flatten().filter(|_| !request.validate_only).cloned().collect();
        let failed = match cx.door.quotas.alter(accepted).await {
            Ok(Ok(())) => None,
            Ok(Err(TooMany)) => {
                let words =
                    format!("there would be more entities with quotas than the {ENTITIES_MAX} there may be; remove some first");
                Some(Refusal::new(ResponseError::PolicyViolation, words))
            }
            Err(error) => Some(Refusal::new(ResponseError::KafkaStorageError, error.to_string())),
        };
        let entries = verdicts.into_iter().map(|(named, verdict)| {
            let part = |(of, name)| AnsweredEntity::default().with_entity_type(of).with_entity_name(name);
            let entry = AnsweredEntry::default().with_entity(named.into_iter().map(part).collect());
            match verdict.err().or_else(|| failed.clone()) {
                None => entry.with_error_message(None),
                Some(Refusal { error, words }) => {
                    entry.with_error_code(error.code()).with_error_message(Some(StrBytes::from_string(words)))
                }
            }
        });
        Reply::Send(AlterClientQuotasResponse::default().with_entries(entries.collect()))
    }
}

fn checked(named: &Named, ops: &[OpData]) -> Result<(Entity, Change), Refusal> {
    let entity = entity(named)?;
    let mut change = Change::new();
    let mut seen = BTreeSet::new();
    for OpData { key, value, remove, .. } in ops {
        if !seen.insert(key) {
            return Err(Refusal::request(format!("the quota {} is changed more than once", quoted(key))));
        }
        match Limit::named(key).filter(|limit| entity.takes(*limit)) {
            Some(limit) if *remove => drop(change.insert(limit, None)),
            Some(limit) => {
                limit.check(*value).map_err(Refusal::request)?;
                change.insert(limit, Some(*value));
            }
            // As in Kafka: what is not there need not be removed.
            None if *remove => {}
            None => {
                let known = Limit::ALL.into_iter().filter(|limit| entity.takes(*limit)).map(Limit::name);
                let known = known.collect::<Vec<_>>().join(", ");
                return Err(Refusal::request(format!("{} is no quota of {entity}; it can have {known}", quoted(key))));
            }
        }
    }
    Ok((entity, change))
}

fn entity(named: &Named) -> Result<Entity, Refusal> {
    let (mut user, mut client, mut ip) = (None, None, None);
    for (of, name) in named {
        let part = match &**of {
            Entity::USER => &mut user,
            Entity::CLIENT => &mut client,
            Entity::IP => &mut ip,
            _ => {
                let words = format!("the type of an entity is {}; user, client-id and ip are accepted", quoted(of));
                return Err(Refusal::request(words));
            }
        };
        *part = Some(match name {
            None => Name::Default,
            Some(name) if name.is_empty() || name.len() > NAME_BYTES_MAX => {
                let words = format!("the name of the {of} has {} bytes; 1 to {NAME_BYTES_MAX} are accepted", name.len());
                return Err(Refusal::request(words));
            }
            Some(name) => Name::Of(name.to_string()),
        });
    }
    match (user, client, ip) {
        (None, None, None) => Err(Refusal::request("the entity is empty; user, client-id and ip are its parts")),
        (user, client, None) => Ok(Entity::Client { user, client }),
        (None, None, Some(ip)) => match ip.text().filter(|ip| address(ip).is_none()) {
            None => Ok(Entity::Ip(ip)),
            Some(wrong) => {
                let words =
                    format!("the ip is {}; an address and localhost are accepted, names are not looked up", quoted(wrong));
                Err(Refusal::request(words))
            }
        },
        (_, _, Some(_)) => Err(Refusal::request("the entity has an ip and a user or client-id; an ip stands alone")),
    }
}
