//! DescribeUserScramCredentials and AlterUserScramCredentials (keys 50 and 51).

use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_user_scram_credentials_request::{ScramCredentialDeletion, ScramCredentialUpsertion};
use kafka_protocol::messages::describe_user_scram_credentials_request::UserName;
use kafka_protocol::messages::{AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest};

use crate::support::{Gateway, Kafka, text};

fn upsertion(name: &str, mechanism: i8) -> ScramCredentialUpsertion {
    ScramCredentialUpsertion::default()
        .with_name(text(name))
        .with_mechanism(mechanism)
        .with_iterations(4_096)
        .with_salt("salt".into())
        .with_salted_password(vec![1; 32 * usize::try_from(mechanism).unwrap_or(1)].into())
}

fn deletion(name: &str, mechanism: i8) -> ScramCredentialDeletion {
    ScramCredentialDeletion::default().with_name(text(name)).with_mechanism(mechanism)
}

/// Each user's error.
async fn alter(
    kafka: &mut Kafka,
    deletions: Vec<ScramCredentialDeletion>,
    upsertions: Vec<ScramCredentialUpsertion>,
) -> Vec<(String, i16)> {
    let request = AlterUserScramCredentialsRequest::default().with_deletions(deletions).with_upsertions(upsertions);
    let results = kafka.call(0, request).await.results;
    assert!(results.iter().all(|result| result.error_message.is_some() == (result.error_code != 0)));
    results.iter().map(|result| (result.user.to_string(), result.error_code)).collect()
}

/// Each user's error, and the mechanisms and iterations.
async fn describe(kafka: &mut Kafka, users: Option<&[&str]>) -> Vec<(String, i16, Vec<(i8, i32)>)> {
    let users = users.map(|users| users.iter().map(|name| UserName::default().with_name(text(name))).collect());
    let results = kafka.call(0, DescribeUserScramCredentialsRequest::default().with_users(users)).await.results;
    let infos = results.iter().map(|result| {
        let infos = result.credential_infos.iter().map(|info| (info.mechanism, info.iterations)).collect();
        (result.user.to_string(), result.error_code, infos)
    });
    infos.collect()
}

#[tokio::test(start_paused = true)]
async fn credentials_are_made_shown_and_deleted_and_outlive_a_restart() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    let made = alter(&mut kafka, vec![], vec![upsertion("bob", 2), upsertion("alice", 1)]).await;
    assert_eq!(made, [("alice".to_owned(), 0), ("bob".to_owned(), 0)]);
    assert_eq!(alter(&mut kafka, vec![], vec![upsertion("bob", 1)]).await, [("bob".to_owned(), 0)]);
    let gateway = gateway.restarted();
    let mut kafka = gateway.kafka();
    let alice = ("alice".to_owned(), 0, vec![(1, 4_096)]);
    assert_eq!(describe(&mut kafka, None).await, [alice.clone(), ("bob".to_owned(), 0, vec![(1, 4_096), (2, 4_096)])]);
    let missing = ("carol".to_owned(), ResponseError::ResourceNotFound.code(), vec![]);
    assert_eq!(describe(&mut kafka, Some(&["carol", "alice"])).await, [alice.clone(), missing]);
    let twice = describe(&mut kafka, Some(&["alice", "alice"])).await;
    assert_eq!(twice, [("alice".to_owned(), ResponseError::DuplicateResource.code(), vec![])]);
    let gone = alter(&mut kafka, vec![deletion("bob", 1), deletion("carol", 1)], vec![]).await;
    assert_eq!(gone, [("bob".to_owned(), 0), ("carol".to_owned(), ResponseError::ResourceNotFound.code())]);
    assert_eq!(alter(&mut kafka, vec![deletion("bob", 2)], vec![]).await, [("bob".to_owned(), 0)]);
    assert_eq!(describe(&mut gateway.restarted().kafka(), None).await, [alice]);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_changes_nothing_of_its_user_and_something_of_others() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    let unacceptable = ResponseError::UnacceptableCredential.code();
    for (wrong, code) in [
        (upsertion("", 1), unacceptable),
        (upsertion(&"u".repeat(256), 1), unacceptable),
        (upsertion("u", 0), ResponseError::UnsupportedSaslMechanism.code()),
        (upsertion("u", 3), ResponseError::UnsupportedSaslMechanism.code()),
        (upsertion("u", 1).with_iterations(4_095), unacceptable),
        (upsertion("u", 1).with_iterations(16_385), unacceptable),
        (upsertion("u", 1).with_iterations(-1), unacceptable),
        (upsertion("u", 1).with_salt(vec![].into()), unacceptable),
        (upsertion("u", 1).with_salted_password(vec![1; 31].into()), unacceptable),
    ] {
        let name = wrong.name.to_string();
        let answer = alter(&mut kafka, vec![], vec![wrong, upsertion(&name, 2), upsertion("good", 1)]).await;
        assert!(answer.contains(&(name, code)) && answer.contains(&("good".to_owned(), 0)), "{answer:?}");
    }
    assert_eq!(describe(&mut kafka, None).await, [("good".to_owned(), 0, vec![(1, 4_096)])]);
}

#[tokio::test(start_paused = true)]
async fn a_user_is_named_once_in_a_request_whatever_is_changed() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    let (make, remove) = (|mechanism| upsertion("good", mechanism), |mechanism| deletion("good", mechanism));
    assert_eq!(alter(&mut kafka, vec![], vec![make(1)]).await, [("good".to_owned(), 0)]);
    let twice = ResponseError::DuplicateResource.code();
    for (deletions, upsertions, code) in [
        (vec![remove(1)], vec![make(1)], twice),
        (vec![remove(1)], vec![make(2)], twice),
        (vec![], vec![make(1), make(1)], twice),
        (vec![], vec![make(1), make(2)], twice),
        (vec![], vec![make(2), make(1).with_iterations(1)], twice),
        (vec![remove(1), remove(1), remove(1)], vec![], twice),
        // What was wrong first is told.
        (vec![], vec![make(1).with_iterations(1), make(2)], ResponseError::UnacceptableCredential.code()),
        (vec![remove(2), remove(1)], vec![make(1)], ResponseError::ResourceNotFound.code()),
    ] {
        let shown = format!("{deletions:?} {upsertions:?}");
        let answer = alter(&mut kafka, deletions, [upsertions, vec![upsertion("other", 1)]].concat()).await;
        assert_eq!(answer, [("good".to_owned(), code), ("other".to_owned(), 0)], "{shown}");
        let other = ("other".to_owned(), 0, vec![(1, 4_096)]);
        assert_eq!(describe(&mut kafka, None).await, [("good".to_owned(), 0, vec![(1, 4_096)]), other], "{shown}");
    }
}
