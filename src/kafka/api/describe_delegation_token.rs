//! **DescribeDelegationToken** (41): refused, as by a broker without `delegation.token.secret.key`: there are no tokens (see
//! CreateDelegationToken).
//!
//! Versions: 2 is flexible · 3 has requesters (KIP-373).

use std::ops::RangeInclusive;

use kafka_protocol::messages::{DescribeDelegationTokenRequest, DescribeDelegationTokenResponse};

use super::contract::{Api, Context, Reply};
use super::create_delegation_token::refusal;

/// DescribeDelegationToken.
pub(crate) struct DescribeDelegationToken;

impl Api for DescribeDelegationToken {
    type Request = DescribeDelegationTokenRequest;
    type Response = DescribeDelegationTokenResponse;

    const VERSIONS: RangeInclusive<i16> = 1..=3;

    async fn handle(cx: &Context, _request: DescribeDelegationTokenRequest) -> Reply<DescribeDelegationTokenResponse> {
        Reply::Send(DescribeDelegationTokenResponse::default().with_error_code(refusal(cx).code()))
    }
}
