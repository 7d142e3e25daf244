//! **CreateAcls** (30): adds access rules.
//!
//! As Kafka does it: each rule has a result of its own, one that is there already is added again without a word, and the cluster
//! has one name, `kafka-cluster`. A principal is TYPE:NAME; whoever logs in is of the type User, so a rule for another type never
//! holds. Those that are accepted are on disk together when they are answered.
//!
//! *Ours*: a name, a principal and a host have 512 bytes at most, and there are at most 10,000 rules.
//!
//! Versions: 1 has patterns of names (KIP-290) · 2 is flexible · 3 has users as resources.

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::create_acls_response::AclCreationResult;
use kafka_protocol::messages::{CreateAclsRequest, CreateAclsResponse};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use super::describe_acls::check;
use crate::kafka::auth::{CLUSTER, Kind, Operation, Pattern, RULES_MAX, Rule, TooMany, Verdict};
use crate::kafka::translate::Refusal;

/// Bytes of each text of a rule.
const TEXT_BYTES_MAX: usize = 512;

/// CreateAcls.
pub(crate) struct CreateAcls;

impl Api for CreateAcls {
    type Request = CreateAclsRequest;
    type Response = CreateAclsResponse;

    const VERSIONS: RangeInclusive<i16> = 1..=3;

    async fn handle(cx: &Context, request: CreateAclsRequest) -> Reply<CreateAclsResponse> {
        let may = check(cx, Operation::Alter);
        let mut verdicts: Vec<Result<(), Refusal>> = Vec::with_capacity(request.creations.len());
        let mut rules = Vec::new();
        for creation in &request.creations {
            verdicts.push(may.clone().and_then(|()| rule(creation)).map(|rule| rules.push(rule)));
        }
        let failed = match cx.door.auth.authorizer.add(rules).await {
            Ok(Ok(())) => None,
            Ok(Err(TooMany)) => {
                let words = format!("there would be more access rules than the {RULES_MAX} there may be; delete some first");
                Some(Refusal::new(ResponseError::PolicyViolation, words))
            }
            Err(error) => Some(Refusal::new(ResponseError::KafkaStorageError, error.to_string())),
        };
        let result = |verdict: Result<(), Refusal>| match verdict.err().or_else(|| failed.clone()) {
            None => AclCreationResult::default().with_error_message(Some(StrBytes::default())),
            Some(Refusal { error, words }) => {
                let words = Some(StrBytes::from_string(words));
                AclCreationResult::default().with_error_code(error.code()).with_error_message(words)
            }
        };
        Reply::Send(CreateAclsResponse::default().with_results(verdicts.into_iter().map(result).collect()))
    }
}

fn rule(creation: &AclCreation) -> Result<Rule, Refusal> {
    let AclCreation { resource_name, principal, host, .. } = creation;
    let unknown = |what: &str, number: i8| Refusal::request(format!("the {what} of the rule is {number}, which is none"));
    let kind = Kind::numbered(creation.resource_type).ok_or_else(|| unknown("resource type", creation.resource_type))?;
    let pattern = creation.resource_pattern_type;
    let pattern = Pattern::numbered(pattern).ok_or_else(|| unknown("pattern type", pattern))?;
    let operation = Operation::numbered(creation.operation).ok_or_else(|| unknown("operation", creation.operation))?;
    let verdict = creation.permission_type;
    let verdict = Verdict::numbered(verdict).ok_or_else(|| unknown("permission type", verdict))?;
    for (what, text) in [("resource name", resource_name), ("principal", principal), ("host", host)] {
        if text.is_empty() || text.len() > TEXT_BYTES_MAX {
            let bytes = text.len();
            return Err(Refusal::request(format!("the {what} has {bytes} bytes; 1 to {TEXT_BYTES_MAX} are accepted")));
        }
    }
    if !principal.contains(':') {
        return Err(Refusal::request(
            "the principal has no type; TYPE:NAME is accepted, such as User:alice, and User:* for everybody",
        ));
    }
    if kind == Kind::Cluster && &**resource_name != CLUSTER {
        return Err(Refusal::request(format!("the only name of the cluster is {CLUSTER}")));
    }
    let (name, principal, host) = (resource_name.to_string(), principal.to_string(), host.to_string());
    Ok(Rule { kind, pattern, name, principal, host, operation, verdict })
}
