//! **ExpireDelegationToken** (40): refused, as by a broker without `delegation.token.secret.key`: there is no token that could be
//! expired (see CreateDelegationToken).
//!
//! Versions: 2 is flexible.

use std::ops::RangeInclusive;

use kafka_protocol::messages::{ExpireDelegationTokenRequest, ExpireDelegationTokenResponse};

use super::contract::{Api, Context, Reply};
use super::create_delegation_token::{refusal, time};

/// ExpireDelegationToken.
pub(crate) struct ExpireDelegationToken;

impl Api for ExpireDelegationToken {
    type Request = ExpireDelegationTokenRequest;
    type Response = ExpireDelegationTokenResponse;

    const VERSIONS: RangeInclusive<i16> = 1..=2;

    async fn handle(cx: &Context, _request: ExpireDelegationTokenRequest) -> Reply<ExpireDelegationTokenResponse> {
        let error = refusal(cx);
        let answer = ExpireDelegationTokenResponse::default().with_error_code(error.code());
        Reply::Send(answer.with_expiry_timestamp_ms(time(error)))
    }
}
