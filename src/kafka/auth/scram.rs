//! SCRAM (RFC 5802, RFC 7677): a proof that the client knows a password, which neither side sends or keeps.
//!
//! As Kafka does it, and as all its clients do: without channel binding. Differs from Kafka in what strangers see: an unknown
//! name gets a salt too, always the same, and fails at the proof as a wrong password does.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::{digest, hmac, pbkdf2};
use serde::{Deserialize, Serialize};

use super::{Failed, Principal, Progress, Users};

/// The fewest iterations (Kafka, `ScramMechanism.minIterations`), which are also those of users in the config file.
pub(crate) const ITERATIONS_MIN: u32 = 4_096;
/// The most (Kafka, `ScramControlManager.MAX_ITERATIONS`).
pub(crate) const ITERATIONS_MAX: u32 = 16_384;
/// Longest message of a client. *Ours*: a name of 255 bytes, two nonces and a proof fit well.
const MESSAGE_BYTES_MAX: usize = 4 << 10;

/// One of the two hashes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(crate) enum Scram {
    /// SCRAM-SHA-256.
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}

impl Scram {
    /// Its number in the protocol (Kafka, `ScramMechanism.type`).
    pub(crate) fn number(self) -> i8 {
        match self {
            Self::Sha256 => 1,
            Self::Sha512 => 2,
        }
    }

    /// The one with this number.
    pub(crate) fn numbered(number: i8) -> Option<Self> {
        [Self::Sha256, Self::Sha512].into_iter().find(|scram| scram.number() == number)
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        }
    }

    fn sign(self, key: &[u8], text: &[u8]) -> Vec<u8> {
        hmac::sign(&hmac::Key::new(self.hmac(), key), text).as_ref().to_vec()
    }

    /// Bytes of its hash.
    pub(crate) fn bytes(self) -> usize {
        self.digest().output_len()
    }

    /// The salted password.
    fn salted(self, password: &str, salt: &[u8], iterations: u32) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        let mut salted = vec![0; self.bytes()];
        let iterations = iterations.try_into().unwrap_or(std::num::NonZeroU32::MIN);
        pbkdf2::derive(algorithm, iterations, salt, password.as_bytes(), &mut salted);
        salted
    }
}

/// What is kept of a password: enough to check a proof, too little to make one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Credential {
    salt: Vec<u8>,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
    /// Of the hash, when the password was salted.
    pub(crate) iterations: u32,
}

impl Credential {
    /// That of a password.
    pub(super) fn of_password(scram: Scram, password: &str, salt: Vec<u8>, iterations: u32) -> Self {
        let salted = scram.salted(password, &salt, iterations);
        Self::of_salted(scram, &salted, salt, iterations)
    }

    /// That of a password that the client has salted.
    pub(crate) fn of_salted(scram: Scram, salted: &[u8], salt: Vec<u8>, iterations: u32) -> Self {
        let client_key = scram.sign(salted, b"Client Key");
        let stored_key = digest::digest(scram.digest(), &client_key).as_ref().to_vec();
        Self { salt, stored_key, server_key: scram.sign(salted, b"Server Key"), iterations }
    }

    /// One that nobody has the password of.
    pub(super) fn of_nobody(scram: Scram, salt: Vec<u8>) -> Self {
        let nothing = vec![0; scram.bytes()];
        Self { salt, stored_key: nothing.clone(), server_key: nothing, iterations: ITERATIONS_MIN }
    }
}

/// The server's side of one login.
pub(super) enum Exchange {
    /// Nothing was said.
    Begun(Scram),
    /// The client has said its name.
    Named(Box<Named>),
}

/// What both sides have said, and what is needed to check the proof.
pub(super) struct Named {
    scram: Scram,
    name: String,
    /// Whether there is such a user.
    is_known: bool,
    credential: Credential,
    /// What the client said of channel binding and of whom it wants to be.
    header: String,
    nonce: String,
    /// Its first message without that, and ours.
    said: String,
}

impl Exchange {
    /// One more message of the client; `nonce` is ours, and new.
    pub(super) fn step(&mut self, users: &Users, nonce: &str, message: &[u8]) -> Result<Progress, Failed> {
        let text = std::str::from_utf8(message).ok().filter(|text| text.len() <= MESSAGE_BYTES_MAX);
        let text = text.ok_or(Failed("the message is no text, or too long"))?;
        match self {
            Self::Begun(scram) => {
                let (named, challenge) = first(*scram, users, nonce, text).ok_or(Failed("the first message is malformed"))?;
                *self = Self::Named(Box::new(named));
                Ok(Progress::Challenge(challenge.into_bytes()))
            }
            Self::Named(named) => named.last(text),
        }
    }
}

/// The client's first message, and the answer to it.
fn first(scram: Scram, users: &Users, nonce: &str, text: &str) -> Option<(Named, String)> {
    let (binding, rest) = text.split_once(',')?;
    let (wanted, bare) = rest.split_once(',')?;
    // No channel can be bound, and the client does not ask for it.
    if !matches!(binding, "n" | "y") {
        return None;
    }
    let mut parts = bare.split(',');
    let name = unescape(parts.next()?.strip_prefix("n=")?)?;
    let client_nonce = parts.next()?.strip_prefix("r=").filter(|nonce| is_printable(nonce))?;
    // Of delegation tokens, of which there are none.
    let is_token = parts.any(|extension| extension == "tokenauth=true");
    let is_other = match wanted {
        "" => false,
        wanted => unescape(wanted.strip_prefix("a=")?)? != name,
    };
    let found = users.scram(scram, &name).filter(|_| !is_token && !is_other);
    let is_known = found.is_some();
    let credential = found.unwrap_or_else(|| users.scram_of_nobody(scram, &name));
    let nonce = format!("{client_nonce}{nonce}");
    let challenge = format!("r={nonce},s={},i={}", BASE64.encode(&credential.salt), credential.iterations);
    let (header, said) = (format!("{binding},{wanted},"), format!("{bare},{challenge}"));
    Some((Named { scram, name, is_known, credential, header, nonce, said }, challenge))
}

impl Named {
    /// The client's last message.
    fn last(&self, text: &str) -> Result<Progress, Failed> {
        let malformed = || Failed("the last message is malformed");
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or_else(malformed)?;
        let proof = BASE64.decode(proof).map_err(|_| malformed())?;
        let mut parts = without_proof.split(',');
        let bound = parts.next().and_then(|part| part.strip_prefix("c=")).and_then(|part| BASE64.decode(part).ok());
        if bound.as_deref() != Some(self.header.as_bytes()) {
            return Err(malformed());
        }
        if parts.next().and_then(|part| part.strip_prefix("r=")) != Some(&self.nonce) || proof.len() != self.scram.bytes() {
            return Err(malformed());
        }
        let said = format!("{},{without_proof}", self.said);
        let signature = self.scram.sign(&self.credential.stored_key, said.as_bytes());
        let client_key: Vec<u8> = proof.iter().zip(&signature).map(|(proof, signature)| proof ^ signature).collect();
        let stored_key = digest::digest(self.scram.digest(), &client_key);
        let is_right = is_same(stored_key.as_ref(), &self.credential.stored_key);
        let message = format!("v={}", BASE64.encode(self.scram.sign(&self.credential.server_key, said.as_bytes())));
        if !is_right || !self.is_known {
            return Err(Failed("no such user, or another password"));
        }
        Ok(Progress::Done { principal: Principal::user(&self.name), message: message.into_bytes(), until: None })
    }
}

/// Whether they are the same, in a time that does not tell how far they are.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differing, (one, other)| differing | (one ^ other)) == 0
}

/// What a nonce is made of (RFC 5802, section 7).
fn is_printable(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

/// A name as it is written in messages; `None` if it is empty or written wrongly.
fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('=');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let (escaped, rest) = part.split_at_checked(2)?;
        name.push(match escaped {
            "2C" => ',',
            "3D" => '=',
            _ => return None,
        });
        name.push_str(rest);
    }
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::notebook::Notebook;
    use crate::store::MemoryStore;
    use std::sync::Arc;

    /// What a client says last.
    pub(in crate::kafka::auth) fn proof(scram: Scram, password: &str, bare: &str, challenge: &str) -> String {
        let part = |at: usize| challenge.split(',').nth(at).unwrap()[2..].to_owned();
        let (nonce, salt, iterations) = (part(0), BASE64.decode(part(1)).unwrap(), part(2).parse().unwrap());
        let salted = scram.salted(password, &salt, iterations);
        let client_key = scram.sign(&salted, b"Client Key");
        let stored_key = digest::digest(scram.digest(), &client_key);
        let without_proof = format!("c=biws,r={nonce}");
        let signature = scram.sign(stored_key.as_ref(), format!("{bare},{challenge},{without_proof}").as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(key, signature)| key ^ signature).collect();
        format!("{without_proof},p={}", BASE64.encode(proof))
    }

    fn users() -> Users {
        let users = [("user".to_owned(), "pencil".to_owned()), ("a,b=c".to_owned(), "pencil".to_owned())];
        Users::open(Notebook::new(Arc::new(MemoryStore::default()), "tests"), &users, [7; 32]).unwrap()
    }

    /// The example of RFC 7677, section 3.
    #[test]
    fn the_example_of_the_rfc_passes() {
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let credential = Credential::of_password(Scram::Sha256, "pencil", salt, 4_096);
        let challenge = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let named = Named {
            scram: Scram::Sha256,
            name: "user".to_owned(),
            is_known: true,
            credential,
            header: "n,,".to_owned(),
            nonce: "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".to_owned(),
            said: format!("n=user,r=rOprNGfwEbeRWgbNEkqO,{challenge}"),
        };
        let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let Ok(Progress::Done { principal, message, .. }) = named.last(last) else { panic!("refused") };
        assert_eq!(principal, Principal::user("user"));
        assert_eq!(message, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert!(named.last(&last.replace("p=dHzb", "p=dHzc")).is_err());
        assert!(named.last(&last.replace("c=biws", "c=eSws")).is_err());
        assert!(named.last(&last.replace("$k0", "$k1")).is_err());
    }

    #[test]
    fn the_right_password_passes_and_no_other() {
        let users = users();
        for scram in [Scram::Sha256, Scram::Sha512] {
            for (name, written, password, passes) in [
                ("user", "user", "pencil", true),
                ("a,b=c", "a=2Cb=3Dc", "pencil", true),
                ("user", "user", "pencil2", false),
                ("nobody", "nobody", "pencil", false),
            ] {
                let bare = format!("n={written},r=abc");
                let mut exchange = Exchange::Begun(scram);
                let first = exchange.step(&users, "xyz", format!("n,,{bare}").as_bytes());
                let Ok(Progress::Challenge(challenge)) = first else { panic!("{first:?}") };
                let challenge = String::from_utf8(challenge).unwrap();
                assert!(challenge.starts_with("r=abcxyz,s=") && challenge.ends_with(",i=4096"), "{challenge}");
                let done = exchange.step(&users, "", proof(scram, password, &bare, &challenge).as_bytes());
                match done {
                    Ok(Progress::Done { principal, .. }) => assert!(passes && principal == Principal::user(name)),
                    done => assert!(!passes && done == Err(Failed("no such user, or another password"))),
                }
            }
        }
    }

    #[test]
    fn a_stranger_is_asked_as_a_user_is_and_always_the_same() {
        let users = users();
        let salt = |name: &str| {
            let first = Exchange::Begun(Scram::Sha256).step(&users, "x", format!("n,,n={name},r=a").as_bytes());
            let Ok(Progress::Challenge(challenge)) = first else { panic!("{first:?}") };
            String::from_utf8(challenge).unwrap().split(",s=").nth(1).unwrap().to_owned()
        };
        assert_eq!(salt("nobody"), salt("nobody"));
        assert_ne!(salt("nobody"), salt("noone"));
        assert_eq!(salt("nobody").len(), salt("user").len());
    }

    #[test]
    fn malformed_messages_are_refused() {
        let users = users();
        for wrong in [
            "",
            "n",
            "n,",
            "n,,",
            "n,,n=user",
            "n,,n=,r=a",
            "n,,n=user,r=",
            "p=tls-unique,,n=user,r=a",
            "n,,n=us=er,r=a",
            "n,,n=us=2,r=a",
            "n,b=user,n=user,r=a",
            "x,,n=user,r=a",
            "n,,r=a,n=user",
        ] {
            assert!(Exchange::Begun(Scram::Sha256).step(&users, "x", wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(Exchange::Begun(Scram::Sha256).step(&users, "x", b"n,,n=\xff,r=a").is_err());
        let long = format!("n,,n={},r=a", "u".repeat(MESSAGE_BYTES_MAX));
        assert!(Exchange::Begun(Scram::Sha256).step(&users, "x", long.as_bytes()).is_err());
        // Who wants to be somebody else, or shows a token, is nobody.
        for (first, bare) in
            [("n,a=other,n=user,r=a", "n=user,r=a"), ("n,,n=user,r=a,tokenauth=true", "n=user,r=a,tokenauth=true")]
        {
            let mut exchange = Exchange::Begun(Scram::Sha256);
            let Ok(Progress::Challenge(challenge)) = exchange.step(&users, "x", first.as_bytes()) else { panic!("{first}") };
            let last = proof(Scram::Sha256, "pencil", bare, std::str::from_utf8(&challenge).unwrap());
            assert!(exchange.step(&users, "x", last.as_bytes()).is_err());
        }
    }
}
