//! **Who speaks, and what they may do.** Certificates and SASL mechanisms make a [`Principal`]; access rules say what it may do.
//!
//! A connection's [`Session`] knows how far its login is; the door's [`Auth`] knows whom it may believe. Nothing here reads or
//! writes a frame: `api` hands over the bytes of a login, `connection` asks which requests may be read.

mod acl;
mod authorizer;
mod certificate;
mod fetch;
mod iam;
mod keys;
mod mechanism;
mod oauth;
mod plain;
mod principal;
mod scram;
mod session;
mod tls;
mod users;

pub(crate) use acl::{CLUSTER, Filter, Kind, Operation, Pattern, PatternFilter, Rule, Verdict};
pub(crate) use authorizer::{Authorizer, RULES_MAX, TooMany};
pub use keys::Jwks;
pub use mechanism::Mechanism;
pub(crate) use mechanism::{Failed, Progress};
use oauth::Oauth;
pub use oauth::OauthSettings;
pub use principal::Principal;
pub(crate) use scram::{Credential as ScramCredential, ITERATIONS_MAX, ITERATIONS_MIN, Scram};
pub(crate) use session::{Handshake, LOGIN_TIME, Session, Step};
pub use tls::{ClientCertificate, Failed as TlsFailed, Files as TlsFiles, Tls};
pub(crate) use users::{ScramChange, Users};

use std::time::Duration;

use crate::env::Env;
use crate::log::StoreError;
use crate::notebook::Notebook;
use crate::sigv4::Credentials;

/// Whom the Kafka door believes, and what for.
#[derive(Clone, Default)]
pub struct Security {
    /// Names and passwords of PLAIN and SCRAM.
    pub users: Vec<(String, String)>,
    /// Access keys of AWS and their secrets, for AWS_MSK_IAM.
    pub credentials: Credentials,
    /// Whose tokens OAUTHBEARER believes; `None`: nobody's.
    pub oauth: Option<OauthSettings>,
    /// Whether only what access rules allow is allowed (Kafka: `authorizer.class.name`, with
    /// `allow.everyone.if.no.acl.found=false`).
    pub authorizer: bool,
    /// Who may do everything (Kafka: `super.users`).
    pub super_users: Vec<Principal>,
    /// How long a login holds (Kafka: `connections.max.reauth.ms`); `None`: as long as its connection.
    pub login_lifetime: Option<Duration>,
    /// A secret of these data, from which what is told to strangers is made.
    pub secret: [u8; 32],
}

/// What all connections share of it.
pub(crate) struct Auth {
    pub(crate) users: Users,
    pub(crate) authorizer: Authorizer,
    credentials: Credentials,
    oauth: Option<Oauth>,
    env: Env,
    login_lifetime: Option<Duration>,
}

impl Auth {
    /// With what `notebook` keeps of it.
    ///
    /// # Errors
    /// What cannot be read, and the mend.
    pub(crate) fn open(notebook: Notebook, env: Env, security: &Security) -> Result<Self, String> {
        let unreadable = |error: StoreError| error.to_string();
        let oauth = security.oauth.clone().map(Oauth::open).transpose()?;
        let authorizer = Authorizer::open(notebook.clone(), security.authorizer, &security.super_users).map_err(unreadable)?;
        let users = Users::open(notebook, &security.users, security.secret).map_err(unreadable)?;
        let credentials = security.credentials.clone();
        Ok(Self { users, authorizer, credentials, oauth, env, login_lifetime: security.login_lifetime })
    }

    /// Follows the keys of tokens, if somebody else gives them; does not return then.
    pub(crate) async fn follow_keys(&self) {
        if let Some(oauth) = &self.oauth {
            oauth.follow_keys().await;
        }
    }
}
