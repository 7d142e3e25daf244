//! **SaslHandshake** (17): chooses how to log in, where there is a login.
//!
//! This listener has none yet, and a client that wants one is told so in the words of Kafka's own PLAINTEXT listener:
//! ILLEGAL_SASL_STATE and no mechanisms, which every client takes for final.
//!
//! Versions: 1 goes on with SaslAuthenticate requests.

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, SaslHandshakeRequest, SaslHandshakeResponse};

use super::contract::{Api, Context, Reply};

/// SaslHandshake.
pub(crate) struct SaslHandshake;

impl Api for SaslHandshake {
    type Request = SaslHandshakeRequest;
    type Response = SaslHandshakeResponse;

    const KEY: ApiKey = ApiKey::SaslHandshake;
    const VERSIONS: RangeInclusive<i16> = 0..=1;

    async fn handle(_cx: &Context, _request: SaslHandshakeRequest) -> Reply<SaslHandshakeResponse> {
        Reply::Send(SaslHandshakeResponse::default().with_error_code(ResponseError::IllegalSaslState.code()))
    }
}
