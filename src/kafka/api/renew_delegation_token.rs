//! **RenewDelegationToken** (39): refused, as by a broker without `delegation.token.secret.key`: there is no token that could be
//! renewed (see CreateDelegationToken).
//!
//! Versions: 2 is flexible.

use std::ops::RangeInclusive;

use kafka_protocol::messages::{RenewDelegationTokenRequest, RenewDelegationTokenResponse};

use super::contract::{Api, Context, Reply};
use super::create_delegation_token::{refusal, time};

/// RenewDelegationToken.
pub(crate) struct RenewDelegationToken;

impl Api for RenewDelegationToken {
    type Request = RenewDelegationTokenRequest;
    type Response = RenewDelegationTokenResponse;

    const VERSIONS: RangeInclusive<i16> = 1..=2;

    async fn handle(cx: &Context, _request: RenewDelegationTokenRequest) -> Reply<RenewDelegationTokenResponse> {
        let error = refusal(cx);
        let answer = RenewDelegationTokenResponse::default().with_error_code(error.code());
        Reply::Send(answer.with_expiry_timestamp_ms(time(error)))
    }
}
