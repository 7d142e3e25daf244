//! Users: those of the config file, and the SCRAM credentials that were made at run time.
//!
//! Room "kafka" of the notebook, key `scram/NUMBER`: a [`Kept`]. The number is given by this gateway, because a name may be any
//! text. Passwords are not in memory: PLAIN keeps a keyed hash of each, SCRAM what RFC 5802 says.

use std::collections::{BTreeMap, HashMap};

use parking_lot::Mutex;
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::scram::{Credential, ITERATIONS_MIN, Scram};
use crate::log::StoreError as Error;
use crate::notebook::{Notebook, Page};

/// SCRAM credentials made at run time. *Ours*: they are in memory, and each takes some 500 bytes.
const CREDENTIALS_MAX: usize = 10_000;
/// Characters of a salt, and what they are (Kafka, `ScramFormatter.secureRandomString`): strangers cannot tell one that is made
/// up from one that Java's admin client has sent.
const SALT_CHARS: usize = 26;
const SALT_ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// Who may log in with a password.
pub(crate) struct Users {
    /// Makes what is told to strangers, and hashes the passwords of PLAIN.
    key: hmac::Key,
    plain: HashMap<String, hmac::Tag>,
    /// From the config file.
    fixed: HashMap<(Scram, String), Credential>,
    /// Made at run time; they go before those of the file.
    made: Mutex<Made>,
    /// Held while they change.
    changing: tokio::sync::Mutex<Notebook>,
}

#[derive(Default)]
struct Made {
    by_name: BTreeMap<String, BTreeMap<Scram, (u64, Credential)>>,
    next: u64,
}

/// A credential in the notebook.
#[derive(Serialize, Deserialize)]
struct Kept {
    name: String,
    scram: Scram,
    credential: Credential,
}

/// A change of one user's credentials.
pub(crate) struct ScramChange {
    /// The user.
    pub(crate) name: String,
    /// Of which kind.
    pub(crate) scram: Scram,
    /// The new one; `None`: it is deleted.
    pub(crate) credential: Option<Credential>,
}

impl Users {
    /// The users of the file, and what the notebook keeps.
    pub(super) fn open(notebook: Notebook, users: &[(String, String)], secret: [u8; 32]) -> Result<Self, Error> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let (mut plain, mut fixed) = (HashMap::new(), HashMap::new());
        for (name, password) in users {
            plain.insert(name.clone(), hmac::sign(&key, password.as_bytes()));
            for scram in [Scram::Sha256, Scram::Sha512] {
                let credential = Credential::of_password(scram, password, salt(&key, scram, name), ITERATIONS_MIN);
                fixed.insert((scram, name.clone()), credential);
            }
        }
        let mut made = Made::default();
        for (key, Kept { name, scram, credential }) in notebook.read::<Kept>("scram/")? {
            let number = key.strip_prefix("scram/").and_then(|number| u64::from_str_radix(number, 16).ok());
            let number = number.ok_or_else(|| Error::Damaged(format!("the ledger's key {key} is not one of a credential")))?;
            made.next = made.next.max(number + 1);
            made.by_name.entry(name).or_default().insert(scram, (number, credential));
        }
        Ok(Self { key, plain, fixed, made: Mutex::new(made), changing: tokio::sync::Mutex::new(notebook) })
    }

    /// Whether a user of the file has this password. It takes the same time whether there is such a user or not.
    pub(super) fn is_password(&self, name: &str, password: &str) -> bool {
        // What nobody's password hashes to.
        let nobody = [0; 32];
        let tag = self.plain.get(name);
        let is_right = hmac::verify(&self.key, password.as_bytes(), tag.map_or(&nobody[..], AsRef::as_ref)).is_ok();
        is_right && tag.is_some()
    }

    /// The credential of a user.
    pub(super) fn scram(&self, scram: Scram, name: &str) -> Option<Credential> {
        let made = self.made.lock().by_name.get(name).and_then(|of| of.get(&scram)).map(|(_, credential)| credential.clone());
        made.or_else(|| self.fixed.get(&(scram, name.to_owned())).cloned())
    }

    /// What a stranger is asked with.
    pub(super) fn scram_of_nobody(&self, scram: Scram, name: &str) -> Credential {
        Credential::of_nobody(scram, salt(&self.key, scram, name))
    }

    /// The users with credentials made at run time, by name, and the kinds and iterations of each.
    pub(crate) fn made(&self) -> BTreeMap<String, Vec<(Scram, u32)>> {
        let made = self.made.lock();
        let kinds = |of: &BTreeMap<Scram, (u64, Credential)>| {
            of.iter().map(|(&scram, (_, credential))| (scram, credential.iterations)).collect()
        };
        made.by_name.iter().map(|(name, of)| (name.clone(), kinds(of))).collect()
    }

    /// Whether a credential was made at run time.
    pub(crate) fn is_made(&self, name: &str, scram: Scram) -> bool {
        self.made.lock().by_name.get(name).is_some_and(|of| of.contains_key(&scram))
    }

    /// Carries out `changes` together; durable when it returns `true`. `false`: there would be too many.
    pub(crate) async fn change(&self, changes: Vec<ScramChange>) -> Result<bool, Error> {
        let notebook = self.changing.lock().await;
        let (mut page, mut numbers) = (Page::default(), Vec::new());
        {
            let made = self.made.lock();
            let count: usize = made.by_name.values().map(BTreeMap::len).sum();
            if count + changes.iter().filter(|change| change.credential.is_some()).count() > CREDENTIALS_MAX {
                return Ok(false);
            }
            let mut next = made.next;
            for ScramChange { name, scram, credential } in &changes {
                let known = made.by_name.get(name).and_then(|of| of.get(scram)).map(|(number, _)| *number);
                let number = known.unwrap_or_else(|| {
                    next += 1;
                    next - 1
                });
                numbers.push(number);
                let key = format!("scram/{number:016x}");
                match credential.clone() {
                    Some(credential) => page.put(key, &Kept { name: name.clone(), scram: *scram, credential }),
                    None => page.remove(key),
                }
            }
        }
        notebook.commit(page).await?;
        let mut made = self.made.lock();
        for (ScramChange { name, scram, credential }, number) in changes.into_iter().zip(numbers) {
            made.next = made.next.max(number + 1);
            match credential {
                Some(credential) => {
                    made.by_name.entry(name).or_default().insert(scram, (number, credential));
                }
                None => {
                    let is_left = made.by_name.get_mut(&name).is_some_and(|of| {
                        of.remove(&scram);
                        !of.is_empty()
                    });
                    if !is_left {
                        made.by_name.remove(&name);
                    }
                }
            }
        }
        Ok(true)
    }
}

/// The salt of a name: the same for as long as the data are kept, whether there is such a user or not.
fn salt(key: &hmac::Key, scram: Scram, name: &str) -> Vec<u8> {
    let seed = hmac::sign(key, format!("salt {} {name}", scram.number()).as_bytes());
    let letter = |byte: &u8| SALT_ALPHABET.get(usize::from(*byte) % SALT_ALPHABET.len()).copied().unwrap_or_default();
    seed.as_ref().iter().take(SALT_CHARS).map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;
    use std::sync::Arc;

    #[tokio::test]
    async fn credentials_made_at_run_time_are_kept_and_go_before_those_of_the_file() {
        let store = Arc::new(MemoryStore::default());
        let open = || {
            let file = [("alice".to_owned(), "file".to_owned())];
            Users::open(Notebook::new(store.clone(), "kafka"), &file, [1; 32]).unwrap()
        };
        let users = open();
        let of_file = users.scram(Scram::Sha256, "alice").unwrap();
        let change = |name: &str, scram, password: Option<&str>| ScramChange {
            name: name.to_owned(),
            scram,
            credential: password.map(|password| Credential::of_password(scram, password, b"salt".to_vec(), 5_000)),
        };
        let changes = vec![
            change("alice", Scram::Sha256, Some("a")),
            change("bob", Scram::Sha256, Some("b")),
            change("bob", Scram::Sha512, Some("b")),
        ];
        assert!(users.change(changes).await.unwrap());
        assert!(users.change(vec![change("bob", Scram::Sha256, None)]).await.unwrap());
        for users in [&users, &open()] {
            assert!(users.scram(Scram::Sha256, "alice").unwrap() != of_file);
            assert!(users.scram(Scram::Sha256, "bob").is_none() && users.is_made("bob", Scram::Sha512));
            let expected = [("alice".to_owned(), vec![(Scram::Sha256, 5_000)]), ("bob".to_owned(), vec![(Scram::Sha512, 5_000)])];
            assert_eq!(users.made(), expected.into());
            assert!(users.is_password("alice", "file") && !users.is_password("alice", "a"));
        }
        let again = open();
        assert!(again.change(vec![change("alice", Scram::Sha256, None), change("bob", Scram::Sha512, None)]).await.unwrap());
        assert!(again.made().is_empty() && again.scram(Scram::Sha256, "alice").unwrap() == of_file);
        assert!(open().made().is_empty());
    }

    #[test]
    fn a_password_is_that_of_its_user_alone() {
        let file = [("alice".to_owned(), "a".to_owned()), ("bob".to_owned(), "b".to_owned())];
        let users = Users::open(Notebook::new(Arc::new(MemoryStore::default()), "kafka"), &file, [1; 32]).unwrap();
        for (name, password, is_right) in [("alice", "a", true), ("bob", "b", true), ("alice", "b", false), ("carol", "a", false)]
        {
            assert_eq!(users.is_password(name, password), is_right, "{name}");
        }
    }
}
