//! **DescribeClientQuotas** (48), v0–1: what clients may use (KIP-546).
//!
//! As Kafka does it: without components every entity is shown; a strict filter shows those that have just the parts it names. A
//! part that is named twice, or an address beside a user or a client, is INVALID_REQUEST, another kind of part
//! UNSUPPORTED_VERSION.
//!
//! Versions: 1 is flexible.

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::describe_client_quotas_response::{EntityData, EntryData, ValueData};
use kafka_protocol::messages::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::quota::{Entity, Name};
use crate::kafka::translate::{Refusal, quoted};

/// DescribeClientQuotas.
pub(crate) struct DescribeClientQuotas;

impl Api for DescribeClientQuotas {
    type Request = DescribeClientQuotasRequest;
    type Response = DescribeClientQuotasResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=1;
    const IS_BULKY: bool = true;

    async fn handle(cx: &Context, request: DescribeClientQuotasRequest) -> Reply<DescribeClientQuotasResponse> {
        let may = if cx.allows_cluster(Operation::DescribeConfigs) { Ok(()) } else { Err(Refusal::denied(Kind::Cluster)) };
        let response = DescribeClientQuotasResponse::default();
        Reply::Send(match may.and_then(|()| parts(&request.components)) {
            Ok(parts) => {
                let found = cx.door.quotas.find(|entity| is_meant(entity, &parts, request.strict));
                let entry = |(entity, values): (Entity, _)| EntryData::default().with_entity(shown(&entity)).with_values(values);
                let values = |values: std::collections::BTreeMap<_, _>| values.into_iter().map(value).collect();
                let found = found.into_iter().map(|(entity, of)| entry((entity, values(of))));
                response.with_error_message(Some(StrBytes::default())).with_entries(Some(found.collect()))
            }
            Err(Refusal { error, words }) => {
                let response = response.with_error_code(error.code()).with_entries(None);
                response.with_error_message(Some(StrBytes::from_string(words)))
            }
        })
    }
}

/// A part that an entity has to have, and what it is called, if that is said.
type Part<'a> = (&'static str, Option<Option<&'a str>>);

fn parts(components: &[ComponentData]) -> Result<Vec<Part<'_>>, Refusal> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    for ComponentData { entity_type, match_type, _match, .. } in components {
        let known = [Entity::USER, Entity::CLIENT, Entity::IP].into_iter().find(|of| *of == &**entity_type);
        let name = match (match_type, _match.as_deref()) {
            (0, Some(name)) => Some(Some(name)),
            (1, None) => Some(None),
            (2, None) => None,
            (0, None) => return Err(Refusal::request("a match of type 0 (exact) needs a name")),
            (1 | 2, Some(name)) => {
                let words = format!("a match of type {match_type} has the name {}; only type 0 (exact) has one", quoted(name));
                return Err(Refusal::request(words));
            }
            (other, _) => {
                let words = format!("the type of a match is {other}; 0 (exact), 1 (default) and 2 (any) are accepted");
                return Err(Refusal::request(words));
            }
        };
        match known {
            None if entity_type.is_empty() => return Err(Refusal::request("the type of an entity is empty")),
            None => {
                let words = format!("the type of an entity is {}; user, client-id and ip are accepted", quoted(entity_type));
                return Err(Refusal::new(ResponseError::UnsupportedVersion, words));
            }
            Some(of) if parts.iter().any(|(other, _)| *other == of) => {
                return Err(Refusal::request(format!("the filter names {of} more than once")));
            }
            Some(of) => parts.push((of, name)),
        }
    }
    if parts.len() > 1 && parts.iter().any(|(of, _)| *of == Entity::IP) {
        return Err(Refusal::request("the filter names ip beside user or client-id; no entity has both"));
    }
    Ok(parts)
}

fn is_meant(entity: &Entity, parts: &[Part<'_>], is_strict: bool) -> bool {
    let has = |(of, name): &Part<'_>| entity.parts().any(|(it, named)| it == *of && name.is_none_or(|name| name == named.text()));
    parts.iter().all(has) && !(is_strict && entity.parts().count() != parts.len())
}

fn shown(entity: &Entity) -> Vec<EntityData> {
    let name = |name: &Name| name.text().map(|name| StrBytes::from_string(name.to_owned()));
    let part = |(of, named)| EntityData::default().with_entity_type(StrBytes::from_static_str(of)).with_entity_name(name(named));
    entity.parts().map(part).collect()
}

fn value((limit, value): (crate::kafka::quota::Limit, f64)) -> ValueData {
    ValueData::default().with_key(StrBytes::from_static_str(limit.name())).with_value(value)
}
