//! **CreateDelegationToken** (38): refused, as by a broker without `delegation.token.secret.key`.
//!
//! As Kafka does it: who may not make tokens for another user is told DELEGATION_TOKEN_AUTHORIZATION_FAILED; who has not logged in
//! DELEGATION_TOKEN_REQUEST_NOT_ALLOWED; everybody else DELEGATION_TOKEN_AUTH_DISABLED.
//!
//! Left out on purpose: tokens. What they are for (workers of one job that share a login) users and SCRAM credentials do here.
//!
//! Versions: 2 is flexible · 3 has an owner (KIP-373).

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{CreateDelegationTokenRequest, CreateDelegationTokenResponse};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation, Principal};

/// The first version that says who asked.
const REQUESTERS: i16 = 3;

/// CreateDelegationToken.
pub(crate) struct CreateDelegationToken;

impl Api for CreateDelegationToken {
    type Request = CreateDelegationTokenRequest;
    type Response = CreateDelegationTokenResponse;

    const VERSIONS: RangeInclusive<i16> = 1..=3;

    async fn handle(cx: &Context, request: CreateDelegationTokenRequest) -> Reply<CreateDelegationTokenResponse> {
        let requester = cx.session.principal();
        let named = request.owner_principal_name.filter(|name| !name.is_empty());
        let owner = named.map_or_else(|| requester.clone(), |name| Principal::user(&name));
        let may = owner == requester || cx.allows(Operation::CreateTokens, Kind::User, &owner.to_string());
        let error = if may { refusal(cx) } else { Kind::DelegationToken.denied() };
        let (kind, name) = (|| StrBytes::from_static_str("User"), |of: &Principal| StrBytes::from_string(of.name().to_owned()));
        let time = time(error);
        let answer = CreateDelegationTokenResponse::default()
            .with_error_code(error.code())
            .with_principal_type(kind())
            .with_principal_name(name(&owner))
            .with_issue_timestamp_ms(time)
            .with_expiry_timestamp_ms(time)
            .with_max_timestamp_ms(time);
        Reply::Send(match cx.version {
            REQUESTERS.. => {
                answer.with_token_requester_principal_type(kind()).with_token_requester_principal_name(name(&requester))
            }
            _ => answer,
        })
    }
}

/// The times that stand beside an error: 0 where there are no tokens at all, else -1, as Kafka has it.
pub(super) fn time(error: ResponseError) -> i64 {
    if error == ResponseError::DelegationTokenAuthDisabled { 0 } else { -1 }
}

/// Why nothing can be done with tokens (Kafka, `KafkaApis.allowTokenRequests`).
pub(super) fn refusal(cx: &Context) -> ResponseError {
    let is_unknown = match cx.session.listener().protocol() {
        "PLAINTEXT" => true,
        "SSL" => cx.session.principal() == Principal::anonymous(),
        _ => false,
    };
    if is_unknown { ResponseError::DelegationTokenRequestNotAllowed } else { ResponseError::DelegationTokenAuthDisabled }
}
