//! **DeleteAcls** (31): removes the access rules that match filters.
//!
//! As Kafka does it: each filter has a result of its own, with the rules that it removed; a filter that matches nothing is no
//! error. All of it is on disk when it is answered. Differs from Kafka in that a rule is answered with the first filter that
//! matches it, and with no other: filters are short, and all of them might match all rules.
//!
//! Versions: 1 has patterns of names (KIP-290) · 2 is flexible · 3 has users as resources.

use std::ops::RangeInclusive;
use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::delete_acls_response::{DeleteAclsFilterResult, DeleteAclsMatchingAcl};
use kafka_protocol::messages::{DeleteAclsRequest, DeleteAclsResponse};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use super::describe_acls::{check, filter};
use crate::kafka::auth::{Filter, Operation, Rule};
use crate::kafka::translate::Refusal;

/// Filters of one request. *Ours*: each looks at all rules.
const FILTERS_MAX: usize = 100;

/// DeleteAcls.
pub(crate) struct DeleteAcls;

impl Api for DeleteAcls {
    type Request = DeleteAclsRequest;
    type Response = DeleteAclsResponse;

    const VERSIONS: RangeInclusive<i16> = 1..=3;
    const IS_BULKY: bool = true;

    async fn handle(cx: &Context, request: DeleteAclsRequest) -> Reply<DeleteAclsResponse> {
        let may = check(cx, Operation::Alter);
        let mut asked: Vec<Result<(), Refusal>> = Vec::with_capacity(request.filters.len());
        let mut filters: Vec<Filter> = Vec::new();
        for (number, filter) in request.filters.iter().enumerate() {
            let checked = if number < FILTERS_MAX { may.clone().and_then(|()| meant(filter)) } else { Err(too_many()) };
            asked.push(checked.map(|filter| filters.push(filter)));
        }
        let removed = cx.door.auth.authorizer.remove(&filters).await;
        let removed = removed.map_err(|error| Refusal::new(ResponseError::KafkaStorageError, error.to_string()));
        let mut found = removed.as_ref().map(|found| found.iter()).unwrap_or_default();
        let results = asked.into_iter().map(|asked| match (asked, &removed) {
            (Ok(()), Ok(_)) => {
                let rules = found.next().map(Vec::as_slice).unwrap_or_default();
                DeleteAclsFilterResult::default().with_error_message(None).with_matching_acls(shown(rules))
            }
            (Err(refusal), _) => refused(refusal),
            (Ok(()), Err(refusal)) => refused(refusal.clone()),
        });
        Reply::Send(DeleteAclsResponse::default().with_filter_results(results.collect()))
    }
}

fn too_many() -> Refusal {
    Refusal::request(format!("at most {FILTERS_MAX} filters are accepted in one request; send the others in another"))
}

fn meant(asked: &DeleteAclsFilter) -> Result<Filter, Refusal> {
    let numbers = [asked.resource_type_filter, asked.pattern_type_filter, asked.operation, asked.permission_type];
    filter(numbers, [&asked.resource_name_filter, &asked.principal_filter, &asked.host_filter])
}

fn refused(Refusal { error, words }: Refusal) -> DeleteAclsFilterResult {
    DeleteAclsFilterResult::default().with_error_code(error.code()).with_error_message(Some(StrBytes::from_string(words)))
}

fn shown(rules: &[Arc<Rule>]) -> Vec<DeleteAclsMatchingAcl> {
    let matching = |rule: &Arc<Rule>| {
        DeleteAclsMatchingAcl::default()
            .with_error_message(None)
            .with_resource_type(rule.kind.number())
            .with_resource_name(StrBytes::from_string(rule.name.clone()))
            .with_pattern_type(rule.pattern.number())
            .with_principal(StrBytes::from_string(rule.principal.clone()))
            .with_host(StrBytes::from_string(rule.host.clone()))
            .with_operation(rule.operation.number())
            .with_permission_type(rule.verdict.number())
    };
    rules.iter().map(matching).collect()
}
