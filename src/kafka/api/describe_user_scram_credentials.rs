//! **DescribeUserScramCredentials** (50), v0: which SCRAM credentials were made at run time (KIP-554).
//!
//! As Kafka does it: without names all users are shown, a name that has none is RESOURCE_NOT_FOUND, one that is asked for twice
//! DUPLICATE_RESOURCE. Users of the config file are not shown: no request can change them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_user_scram_credentials_response::{CredentialInfo, DescribeUserScramCredentialsResult};
use kafka_protocol::messages::{DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation, Scram};
use crate::kafka::translate::{Refusal, repeated};

/// DescribeUserScramCredentials.
pub(crate) struct DescribeUserScramCredentials;

impl Api for DescribeUserScramCredentials {
    type Request = DescribeUserScramCredentialsRequest;
    type Response = DescribeUserScramCredentialsResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const IS_BULKY: bool = true;

    async fn handle(cx: &Context, request: DescribeUserScramCredentialsRequest) -> Reply<DescribeUserScramCredentialsResponse> {
        if !cx.allows_cluster(Operation::Describe) {
            let refusal = Refusal::denied(Kind::Cluster);
            let answer = DescribeUserScramCredentialsResponse::default().with_error_code(refusal.error.code());
            return Reply::Send(answer.with_error_message(Some(StrBytes::from_string(refusal.words))));
        }
        let made = cx.door.auth.users.made();
        let results = match request.users.filter(|users| !users.is_empty()) {
            None => made.iter().map(|(name, kinds)| shown(StrBytes::from_string(name.clone()), kinds)).collect(),
            Some(asked) => some(&made, asked.into_iter().map(|user| user.name).collect()),
        };
        Reply::Send(DescribeUserScramCredentialsResponse::default().with_results(results))
    }
}

/// Each of the names once.
fn some(made: &BTreeMap<String, Vec<(Scram, u32)>>, mut names: Vec<StrBytes>) -> Vec<DescribeUserScramCredentialsResult> {
    let twice = repeated(names.iter().cloned());
    names.sort_unstable();
    names.dedup();
    let result = |name: StrBytes| {
        if twice.contains(&name) {
            let words = "the user is asked for more than once; each name is accepted once";
            return refused(name, ResponseError::DuplicateResource, words);
        }
        match made.get(&*name) {
            Some(kinds) => shown(name, kinds),
            None => refused(name, ResponseError::ResourceNotFound, "the user has no SCRAM credentials made at run time"),
        }
    };
    names.into_iter().map(result).collect()
}

fn shown(name: StrBytes, kinds: &[(Scram, u32)]) -> DescribeUserScramCredentialsResult {
    let info = |&(scram, iterations): &(Scram, u32)| {
        CredentialInfo::default().with_mechanism(scram.number()).with_iterations(iterations.cast_signed())
    };
    DescribeUserScramCredentialsResult::default().with_user(name).with_credential_infos(kinds.iter().map(info).collect())
}

fn refused(name: StrBytes, error: ResponseError, words: &'static str) -> DescribeUserScramCredentialsResult {
    let words = Some(StrBytes::from_static_str(words));
    DescribeUserScramCredentialsResult::default().with_user(name).with_error_code(error.code()).with_error_message(words)
}
