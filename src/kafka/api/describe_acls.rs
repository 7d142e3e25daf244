//! **DescribeAcls** (29): access rules that match a filter.
//!
//! As Kafka does it: who may not describe the cluster is told CLUSTER_AUTHORIZATION_FAILED, and without `--authorizer` the answer
//! is SECURITY_DISABLED. Rules are shown by their resources. A filter with a number that nobody knows matches none.
//!
//! Versions: 1 has patterns of names (KIP-290) · 2 is flexible · 3 has users as resources.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_acls_response::{AclDescription, DescribeAclsResource};
use kafka_protocol::messages::{DescribeAclsRequest, DescribeAclsResponse};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Filter, Kind, Operation, Pattern, PatternFilter, Rule, Verdict};
use crate::kafka::translate::Refusal;

/// "Whatever", in every field of a filter.
const ANY: i8 = 1;
/// The pattern type "whatever would hold for this name".
const MATCH: i8 = 2;

/// DescribeAcls.
pub(crate) struct DescribeAcls;

impl Api for DescribeAcls {
    type Request = DescribeAclsRequest;
    type Response = DescribeAclsResponse;

    const VERSIONS: RangeInclusive<i16> = 1..=3;
    const IS_BULKY: bool = true;

    async fn handle(cx: &Context, request: DescribeAclsRequest) -> Reply<DescribeAclsResponse> {
        let answer = DescribeAclsResponse::default();
        Reply::Send(match found(cx, &request) {
            Ok(rules) => answer.with_error_message(Some(StrBytes::default())).with_resources(shown(&rules)),
            Err(Refusal { error, words }) => {
                answer.with_error_code(error.code()).with_error_message(Some(StrBytes::from_string(words)))
            }
        })
    }
}

fn found(cx: &Context, request: &DescribeAclsRequest) -> Result<Vec<Arc<Rule>>, Refusal> {
    check(cx, Operation::Describe)?;
    let texts = [&request.resource_name_filter, &request.principal_filter, &request.host_filter];
    let numbers = [request.resource_type_filter, request.pattern_type_filter, request.operation, request.permission_type];
    Ok(filter(numbers, texts).map_or_else(|_| Vec::new(), |filter| cx.door.auth.authorizer.find(&filter)))
}

/// Whether access rules count here, and this client may see or change them.
pub(super) fn check(cx: &Context, operation: Operation) -> Result<(), Refusal> {
    if !cx.allows_cluster(operation) {
        return Err(Refusal::denied(Kind::Cluster));
    }
    if !cx.door.auth.authorizer.is_on() {
        let words = "there are no access rules; start shardgate with --authorizer to have them";
        return Err(Refusal::new(ResponseError::SecurityDisabled, words));
    }
    Ok(())
}

/// What a filter of the protocol means: its resource type, pattern type, operation and permission, and its resource name, principal
/// and host. INVALID_REQUEST if it has numbers that nobody knows.
pub(super) fn filter(
    [kind, pattern, operation, verdict]: [i8; 4],
    [name, principal, host]: [&Option<StrBytes>; 3],
) -> Result<Filter, Refusal> {
    fn known<T>(number: i8, numbered: fn(i8) -> Option<T>, what: &str) -> Result<Option<T>, Refusal> {
        let unknown = || Refusal::request(format!("the {what} of the filter is {number}, which is none"));
        if number == ANY { Ok(None) } else { numbered(number).map(Some).ok_or_else(unknown) }
    }
    let text = |text: &Option<StrBytes>| text.as_ref().map(ToString::to_string);
    let pattern = match pattern {
        MATCH => PatternFilter::Match,
        number => known(number, Pattern::numbered, "pattern type")?.map_or(PatternFilter::Any, PatternFilter::Only),
    };
    Ok(Filter {
        kind: known(kind, Kind::numbered, "resource type")?,
        pattern,
        name: text(name),
        principal: text(principal),
        host: text(host),
        operation: known(operation, Operation::numbered, "operation")?,
        verdict: known(verdict, Verdict::numbered, "permission type")?,
    })
}

fn shown(rules: &[Arc<Rule>]) -> Vec<DescribeAclsResource> {
    let mut resources: BTreeMap<(Kind, Pattern, &str), Vec<AclDescription>> = BTreeMap::new();
    for rule in rules {
        let description = AclDescription::default()
            .with_principal(StrBytes::from_string(rule.principal.clone()))
            .with_host(StrBytes::from_string(rule.host.clone()))
            .with_operation(rule.operation.number())
            .with_permission_type(rule.verdict.number());
        resources.entry((rule.kind, rule.pattern, &rule.name)).or_default().push(description);
    }
    let resource = |((kind, pattern, name), acls): ((Kind, Pattern, &str), Vec<AclDescription>)| {
        DescribeAclsResource::default()
            .with_resource_type(kind.number())
            .with_pattern_type(pattern.number())
            .with_resource_name(StrBytes::from_string(name.to_owned()))
            .with_acls(acls)
    };
    resources.into_iter().map(resource).collect()
}
