//! PLAIN (RFC 4616): `[authzid] NUL authcid NUL passwd`.
//!
//! As Kafka does it: who wants to be somebody else than whose password it is, is refused (`PlainSaslServer`).

use super::{Failed, Principal, Progress, Users};

/// The one message of the client.
pub(super) fn step(users: &Users, message: &[u8]) -> Result<Progress, Failed> {
    let malformed = Failed("the message is not three texts with NUL between");
    let Ok(text) = std::str::from_utf8(message) else { return Err(malformed) };
    let parts: Vec<&str> = text.split('\0').collect();
    let &[wanted, name, password] = parts.as_slice() else { return Err(malformed) };
    if name.is_empty() || password.is_empty() {
        return Err(Failed("the name or the password is empty"));
    }
    if !users.is_password(name, password) {
        return Err(Failed("no such user, or another password"));
    }
    if !wanted.is_empty() && wanted != name {
        return Err(Failed("another name was asked for than the password's"));
    }
    Ok(Progress::Done { principal: Principal::user(name), message: Vec::new(), until: None })
}
