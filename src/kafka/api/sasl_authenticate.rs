//! **SaslAuthenticate** (36): the bytes of a login, where there is one.
//!
//! No handshake succeeds on this listener, so none of these is ever in order: ILLEGAL_SASL_STATE, as on Kafka's own PLAINTEXT
//! listener.
//!
//! Versions: 1 has the session's lifetime · 2 is flexible.

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, SaslAuthenticateRequest, SaslAuthenticateResponse};

use super::contract::{Api, Context, Reply};

/// SaslAuthenticate.
pub(crate) struct SaslAuthenticate;

impl Api for SaslAuthenticate {
    type Request = SaslAuthenticateRequest;
    type Response = SaslAuthenticateResponse;

    const KEY: ApiKey = ApiKey::SaslAuthenticate;
    const VERSIONS: RangeInclusive<i16> = 0..=2;

    async fn handle(_cx: &Context, _request: SaslAuthenticateRequest) -> Reply<SaslAuthenticateResponse> {
        Reply::Send(
            SaslAuthenticateResponse::default()
                .with_error_code(ResponseError::IllegalSaslState.code())
                .with_error_message(Some("this listener has no login; connect with security.protocol=PLAINTEXT".into())),
        )
    }
}
