//! **AlterUserScramCredentials** (51), v0: makes, changes and deletes SCRAM credentials (KIP-554).
//!
//! As Kafka does it: the client sends the salted password, so that nobody sees the password; each user has a result of its own,
//! and one that is named twice, for whatever mechanisms, is DUPLICATE_RESOURCE; iterations are 4,096 to 16,384. What is accepted is on disk when it is
//! answered, all of it together. A user of the config file can be given another password here, and gets the file's back when
//! that is deleted.
//!
//! *Ours*: a name has 255 bytes at most, a salt 64, and there are at most 10,000 credentials.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_user_scram_credentials_request::{ScramCredentialDeletion, ScramCredentialUpsertion};
use kafka_protocol::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use kafka_protocol::messages::{AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{ITERATIONS_MAX, ITERATIONS_MIN, Kind, Operation, Scram, ScramChange, ScramCredential, Users};
use crate::kafka::translate::Refusal;

/// Bytes of a user's name.
const NAME_BYTES_MAX: usize = 255;
/// Bytes of a salt. Clients send some 26.
const SALT_BYTES_MAX: usize = 64;

/// AlterUserScramCredentials.
pub(crate) struct AlterUserScramCredentials;

impl Api for AlterUserScramCredentials {
    type Request = AlterUserScramCredentialsRequest;
    type Response = AlterUserScramCredentialsResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle(cx: &Context, request: AlterUserScramCredentialsRequest) -> Reply<AlterUserScramCredentialsResponse> {
        let AlterUserScramCredentialsRequest { deletions, upsertions, .. } = request;
        let users = &cx.door.auth.users;
        let mut verdicts: BTreeMap<String, Result<(), Refusal>> = BTreeMap::new();
        let mut changes = Vec::new();
        let deleted = deletions.into_iter().map(|it| (it.name.to_string(), deleted(users, &it)));
        let altered = upsertions.into_iter().map(|it| (it.name.to_string(), altered(&it)));
        for (name, change) in deleted.chain(altered) {
            match verdicts.entry(name) {
                Entry::Vacant(verdict) => {
                    verdict.insert(change.map(|change| changes.push(change)));
                }
                // What was wrong first is told.
                Entry::Occupied(mut verdict) if verdict.get().is_ok() => {
                    let words = "the user is named more than once; one change of one credential is accepted in a request";
                    *verdict.get_mut() = Err(Refusal::new(ResponseError::DuplicateResource, words));
                }
                Entry::Occupied(_) => {}
            }
        }
        if !cx.allows_cluster(Operation::Alter) {
            verdicts.values_mut().for_each(|verdict| *verdict = Err(Refusal::denied(Kind::Cluster)));
        }
        // A user is changed as asked or not at all.
        changes.retain(|change| verdicts.get(&change.name).is_some_and(Result::is_ok));
        let failed = match users.change(changes).await {
            Ok(true) => None,
            Ok(false) => {
                Some(Refusal::new(ResponseError::PolicyViolation, "there are as many SCRAM credentials as there may be"))
            }
            Err(error) => Some(Refusal::new(ResponseError::KafkaStorageError, error.to_string())),
        };
        let results = verdicts.into_iter().map(|(name, verdict)| {
            let result = AlterUserScramCredentialsResult::default().with_user(StrBytes::from_string(name));
            match verdict.err().or_else(|| failed.clone()) {
                None => result.with_error_message(None),
                Some(Refusal { error, words }) => {
                    result.with_error_code(error.code()).with_error_message(Some(StrBytes::from_string(words)))
                }
            }
        });
        Reply::Send(AlterUserScramCredentialsResponse::default().with_results(results.collect()))
    }
}

fn check(name: &str, mechanism: i8) -> Result<Scram, Refusal> {
    let unacceptable = |words| Refusal::new(ResponseError::UnacceptableCredential, words);
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(unacceptable(format!("the user's name has {} bytes; 1 to {NAME_BYTES_MAX} are accepted", name.len())));
    }
    Scram::numbered(mechanism).ok_or_else(|| {
        let words = format!("the mechanism is {mechanism}; 1 (SCRAM-SHA-256) and 2 (SCRAM-SHA-512) are accepted");
        Refusal::new(ResponseError::UnsupportedSaslMechanism, words)
    })
}

fn deleted(users: &Users, deletion: &ScramCredentialDeletion) -> Result<ScramChange, Refusal> {
    let scram = check(&deletion.name, deletion.mechanism)?;
    if !users.is_made(&deletion.name, scram) {
        let words = "the user has no such SCRAM credential made at run time";
        return Err(Refusal::new(ResponseError::ResourceNotFound, words));
    }
    Ok(ScramChange { name: deletion.name.to_string(), scram, credential: None })
}

fn altered(upsertion: &ScramCredentialUpsertion) -> Result<ScramChange, Refusal> {
    let scram = check(&upsertion.name, upsertion.mechanism)?;
    let ScramCredentialUpsertion { iterations, salt, salted_password, .. } = upsertion;
    let unacceptable = |words| Err(Refusal::new(ResponseError::UnacceptableCredential, words));
    let iterations = match u32::try_from(*iterations) {
        Ok(iterations @ ITERATIONS_MIN..=ITERATIONS_MAX) => iterations,
        _ => return unacceptable(format!("iterations are {iterations}; {ITERATIONS_MIN} to {ITERATIONS_MAX} are accepted")),
    };
    if salt.is_empty() || salt.len() > SALT_BYTES_MAX {
        return unacceptable(format!("the salt has {} bytes; 1 to {SALT_BYTES_MAX} are accepted", salt.len()));
    }
    if salted_password.len() != scram.bytes() {
        let words = format!("the salted password has {} bytes; {} are accepted", salted_password.len(), scram.bytes());
        return unacceptable(words);
    }
    let credential = ScramCredential::of_salted(scram, salted_password, salt.to_vec(), iterations);
    Ok(ScramChange { name: upsertion.name.to_string(), scram, credential: Some(credential) })
}
