//! **SaslAuthenticate** (36): the messages of a login, where there is one.
//!
//! As Kafka does it: a failed login is answered with SASL_AUTHENTICATION_FAILED, later than a good one, and the connection is
//! closed. Differs from Kafka in the words, which are the same whatever was wrong, and in the time, which is counted from the
//! request: a stranger cannot tell a wrong name from a wrong password. Where there is no login the answer is
//! ILLEGAL_SASL_STATE; where there is one, and it was not begun, the connection is closed.
//!
//! Versions: 1 has the session's lifetime (KIP-368) · 2 is flexible. Behind version 0 of SaslHandshake the messages come bare.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::{BufMut, Bytes};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use tokio::time::{Instant, sleep_until};

use super::contract::{Api, Context, Origin, Reply};
use crate::batch::Buffer;
use crate::kafka::answer::Answer;
use crate::kafka::auth::Step;

/// How long a failed login is not answered (Kafka: `connection.failed.authentication.delay.ms`).
const FAILURE_DELAY: Duration = Duration::from_millis(100);
/// All that a failed login is told.
const FAILED: &str = "Authentication failed: the credentials are not valid for this SASL mechanism";

/// SaslAuthenticate.
pub(crate) struct SaslAuthenticate;

impl Api for SaslAuthenticate {
    type Request = SaslAuthenticateRequest;
    type Response = SaslAuthenticateResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=2;
    /// *Ours*: strangers send it. Kafka allows 512 KiB (`sasl.server.max.receive.size`), which are for Kerberos; tokens have a few.
    const FRAME_BYTES_MAX: usize = 64 << 10;
    /// It is one value.
    const MEMORY_PER_BYTE: usize = 4;

    async fn handle(cx: &Context, request: SaslAuthenticateRequest) -> Reply<SaslAuthenticateResponse> {
        let (begun, answer) = (Instant::now(), SaslAuthenticateResponse::default());
        match cx.session.step(&cx.door.auth, &request.auth_bytes).await {
            Step::Challenge(message) => Reply::Send(answer.with_auth_bytes(message.into())),
            Step::Welcome(message, lifetime) => {
                tracing::debug!(peer = %cx.peer, principal = %cx.session.principal(), ?lifetime, "logged in");
                let millis = lifetime.map_or(0, |lifetime| i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX));
                Reply::Send(answer.with_auth_bytes(message.into()).with_session_lifetime_ms(millis))
            }
            Step::OutOfPlace if cx.session.is_strange() => Reply::HangUp("SaslAuthenticate came before SaslHandshake".to_owned()),
            Step::OutOfPlace => {
                let words = "no login was begun; begin with SaslHandshake, or connect with security.protocol=PLAINTEXT";
                let error = ResponseError::IllegalSaslState.code();
                Reply::Send(answer.with_error_code(error).with_error_message(Some(words.into())))
            }
            Step::Refused(mechanism, reason) => {
                cx.door.meter.login_failed(mechanism.name());
                sleep_until(begun + FAILURE_DELAY).await;
                let error = ResponseError::SaslAuthenticationFailed.code();
                Reply::Last(answer.with_error_code(error).with_error_message(Some(FAILED.into())), reason)
            }
        }
    }
}

/// The answer to a bare message: as bare, or none and the end of the connection.
pub(crate) async fn raw(origin: Origin, message: Bytes) -> Reply<Answer> {
    let begun = Instant::now();
    match origin.session.step(&origin.door.auth, &message).await {
        Step::Challenge(message) | Step::Welcome(message, _) => {
            let mut answer = Buffer::with_capacity(4 + message.len());
            // No mechanism says more than a few hundred bytes.
            answer.put_u32(u32::try_from(message.len()).unwrap_or_default());
            answer.extend_from_slice(&message);
            Reply::Send(answer.into())
        }
        Step::OutOfPlace => Reply::HangUp("a message of a login that was not begun".to_owned()),
        Step::Refused(mechanism, reason) => {
            origin.door.meter.login_failed(mechanism.name());
            sleep_until(begun + FAILURE_DELAY).await;
            Reply::HangUp(reason)
        }
    }
}
