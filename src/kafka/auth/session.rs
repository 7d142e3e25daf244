//! The login of one connection, and what it may ask before and after.
//!
//! ```text
//! Stranger ──handshake──► Logging in ──┬─ done ──► Known ──handshake──► Logging in (again, if it holds for a while: KIP-368)
//!                             ▲  │     └─ failed ─► Refused (the connection is closed)
//!                             └──┘ challenge
//! ```
//!
//! A listener without a login begins with Known: whoever the certificate names, or nobody.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::ApiKey;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::kafka::listener::Listener;
use crate::strangers::Stranger;

use super::scram::{Exchange as ScramExchange, Scram};
use super::{Auth, Failed, Mechanism, Principal, Progress, iam, oauth, plain};

/// For a login to begin and to end. *Ours*: strangers do not keep places of others.
pub(crate) const LOGIN_TIME: Duration = Duration::from_secs(30);

/// How far the login of a connection is.
pub(crate) struct Session {
    listener: Arc<Listener>,
    state: Mutex<State>,
    /// Its place among strangers, until it is known who it is.
    stranger: Mutex<Option<Stranger>>,
}

enum State {
    /// Nothing was said.
    Stranger,
    /// A mechanism was chosen.
    LoggingIn(Login),
    /// It is known who it is.
    Known(Known),
    /// Nothing more is said.
    Refused,
}

struct Login {
    mechanism: Mechanism,
    exchange: Exchange,
    /// Whether the messages come without requests around them, as behind version 0 of the handshake.
    is_raw: bool,
    /// Who it was before, if it logs in again.
    before: Option<Known>,
}

#[derive(Clone)]
struct Known {
    principal: Principal,
    /// `None`: there was no login.
    mechanism: Option<Mechanism>,
    until: Option<Instant>,
}

enum Exchange {
    Plain,
    Scram(ScramExchange),
    Oauth(oauth::Exchange),
    Iam,
}

/// What comes of choosing a mechanism.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Handshake {
    /// The login begins.
    Accepted,
    /// This mechanism is not offered here.
    Unsupported,
    /// There is no login here, it is under way, or it lasts as long as the connection.
    OutOfPlace,
}

/// What comes of a message of the client.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// It has to say more.
    Challenge(Vec<u8>),
    /// It is logged in, for so long; `None`: as long as its connection.
    Welcome(Vec<u8>, Option<Duration>),
    /// It is not, with this mechanism; for the log, why.
    Refused(Mechanism, String),
    /// There is no login here, or none was begun.
    OutOfPlace,
}

impl Session {
    /// That of a new connection, whose certificate names `certificate`, and which was a stranger until now if that is possible there.
    pub(crate) fn open(listener: Arc<Listener>, certificate: Option<Principal>, stranger: Option<Stranger>) -> Self {
        let (state, stranger) = if listener.mechanisms.is_empty() {
            let principal = certificate.unwrap_or_else(Principal::anonymous);
            (State::Known(Known { principal, mechanism: None, until: None }), None)
        } else {
            (State::Stranger, stranger)
        };
        Self { listener, state: Mutex::new(state), stranger: Mutex::new(stranger) }
    }

    /// Where the connection arrived.
    pub(crate) fn listener(&self) -> &Listener {
        &self.listener
    }

    /// Who it is, as far as it is known.
    pub(crate) fn principal(&self) -> Principal {
        match &*self.state.lock() {
            State::Known(known) => known.principal.clone(),
            State::Stranger | State::LoggingIn(_) | State::Refused => Principal::anonymous(),
        }
    }

    /// Whether a request with this key may be read now, or why not.
    pub(crate) fn admits(&self, key: i16) -> Result<(), String> {
        let is_of_login =
            [ApiKey::SaslHandshake, ApiKey::SaslAuthenticate, ApiKey::ApiVersions].map(|key| key as i16).contains(&key);
        match &*self.state.lock() {
            State::Refused => Err("the login has failed".to_owned()),
            _ if is_of_login => {
                if let Some(stranger) = &*self.stranger.lock() {
                    stranger.begin();
                }
                Ok(())
            }
            State::Stranger | State::LoggingIn(_) => {
                Err(format!("API key {key} was asked for before the login; this listener needs one: {}", self.offered()))
            }
            State::Known(Known { until: Some(until), .. }) if *until <= Instant::now() => {
                Err("the login has expired, and the client has not logged in again".to_owned())
            }
            State::Known(_) => Ok(()),
        }
    }

    /// Whether the client has still to log in.
    pub(crate) fn is_strange(&self) -> bool {
        match &*self.state.lock() {
            State::Stranger | State::Refused => true,
            State::LoggingIn(login) => login.before.is_none(),
            State::Known(_) => false,
        }
    }

    /// Whether what comes next is a message of the login without a request around it.
    pub(crate) fn is_raw(&self) -> bool {
        matches!(&*self.state.lock(), State::LoggingIn(login) if login.is_raw)
    }

    fn offered(&self) -> String {
        self.listener.mechanisms.iter().map(|mechanism| mechanism.name()).collect::<Vec<_>>().join(", ")
    }

    /// Begins a login with the mechanism of this name.
    pub(crate) fn choose(&self, name: &str, is_raw: bool) -> Handshake {
        let mut state = self.state.lock();
        let before = match &*state {
            State::Stranger => None,
            // A login that lasts as long as its connection is not done again.
            State::Known(known) if known.until.is_some() => Some(known.clone()),
            State::Known(_) | State::LoggingIn(_) | State::Refused => return Handshake::OutOfPlace,
        };
        let Some(&mechanism) = self.listener.mechanisms.iter().find(|mechanism| mechanism.name() == name) else {
            *state = State::Refused;
            return Handshake::Unsupported;
        };
        let exchange = match mechanism {
            Mechanism::Plain => Exchange::Plain,
            Mechanism::ScramSha256 => Exchange::Scram(ScramExchange::Begun(Scram::Sha256)),
            Mechanism::ScramSha512 => Exchange::Scram(ScramExchange::Begun(Scram::Sha512)),
            Mechanism::OauthBearer => Exchange::Oauth(oauth::Exchange::Begun),
            Mechanism::AwsMskIam => Exchange::Iam,
        };
        *state = State::LoggingIn(Login { mechanism, exchange, is_raw, before });
        self.went_on();
        Handshake::Accepted
    }

    /// Notes that the login is a step further. It has few of them.
    fn went_on(&self) {
        if let Some(stranger) = &*self.stranger.lock() {
            stranger.step();
        }
    }

    /// One more message of the client.
    pub(crate) async fn step(&self, auth: &Auth, message: &[u8]) -> Step {
        let is_token = matches!(&*self.state.lock(), State::LoggingIn(Login { exchange: Exchange::Oauth(_), .. }));
        if let Some(oauth) = auth.oauth.as_ref().filter(|_| is_token) {
            oauth.look_for_keys(message).await;
        }
        self.judge(auth, message)
    }

    fn judge(&self, auth: &Auth, message: &[u8]) -> Step {
        let mut state = self.state.lock();
        let State::LoggingIn(login) = &mut *state else { return Step::OutOfPlace };
        let now = auth.env.clock.now();
        let stepped = match &mut login.exchange {
            Exchange::Plain => plain::step(&auth.users, message),
            Exchange::Scram(exchange) => {
                let nonce = format!("{}{}", auth.env.entropy.uuid().simple(), auth.env.entropy.uuid().simple());
                exchange.step(&auth.users, &nonce, message)
            }
            Exchange::Oauth(exchange) => exchange.step(auth.oauth.as_ref(), now, message),
            Exchange::Iam => iam::step(&auth.credentials, now, message),
        };
        let stepped = stepped.and_then(|progress| match (&progress, &login.before) {
            (Progress::Done { principal, .. }, Some(before))
                if before.principal != *principal || before.mechanism != Some(login.mechanism) =>
            {
                Err(Failed("somebody else logged in again"))
            }
            _ => Ok(progress),
        });
        match stepped {
            Ok(Progress::Challenge(challenge)) => {
                self.went_on();
                Step::Challenge(challenge)
            }
            Ok(Progress::Done { principal, message, until }) => {
                let until = until.map(|until| until.since(now));
                let lifetime = until.into_iter().chain(auth.login_lifetime).min();
                let mechanism = Some(login.mechanism);
                let until = lifetime.map(|lifetime| Instant::now() + lifetime);
                *state = State::Known(Known { principal, mechanism, until });
                self.stranger.lock().take();
                Step::Welcome(message, lifetime)
            }
            Err(Failed(reason)) => {
                let mechanism = login.mechanism;
                *state = State::Refused;
                Step::Refused(mechanism, format!("the login with {mechanism} failed: {reason}"))
            }
        }
    }
}
