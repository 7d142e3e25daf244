//! **SaslHandshake** (17): chooses how to log in, where there is a login.
//!
//! As Kafka does it: a mechanism that the listener does not offer is answered with those it does, and the connection is closed.
//! Where there is no login, and while one is under way, the answer is ILLEGAL_SASL_STATE and no mechanisms, which every client
//! takes for final. Who has logged in for a while may do so again (KIP-368).
//!
//! Versions: 0 goes on with bare messages, which are frames without a request around them · 1 with SaslAuthenticate requests.

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{SaslHandshakeRequest, SaslHandshakeResponse};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::Handshake;

/// SaslHandshake.
pub(crate) struct SaslHandshake;

impl Api for SaslHandshake {
    type Request = SaslHandshakeRequest;
    type Response = SaslHandshakeResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=1;
    /// *Ours*: strangers send it, and it has one short text.
    const FRAME_BYTES_MAX: usize = 4 << 10;

    async fn handle(cx: &Context, request: SaslHandshakeRequest) -> Reply<SaslHandshakeResponse> {
        let offered = cx.session.listener().mechanisms.iter();
        let offered = offered.map(|mechanism| StrBytes::from_static_str(mechanism.name())).collect();
        let answer = SaslHandshakeResponse::default();
        match cx.session.choose(&request.mechanism, cx.version == 0) {
            Handshake::Accepted => Reply::Send(answer.with_mechanisms(offered)),
            Handshake::OutOfPlace => Reply::Send(answer.with_error_code(ResponseError::IllegalSaslState.code())),
            Handshake::Unsupported => {
                cx.door.meter.login_failed("unsupported");
                let error = ResponseError::UnsupportedSaslMechanism.code();
                let reason = "a SASL mechanism was asked for that this listener does not offer".to_owned();
                Reply::Last(answer.with_error_code(error).with_mechanisms(offered), reason)
            }
        }
    }
}
