//! SaslHandshake and SaslAuthenticate: a listener without a login, and what strangers can do at one with a login.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, MetadataRequest, SaslAuthenticateRequest, SaslHandshakeRequest};
use ring::{digest, hmac, pbkdf2};
use shardgate::kafka::{Listener, Mechanism};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, advance};

use crate::support::{Gateway, Kafka, text};

/// A gateway with one user.
fn gateway() -> Gateway {
    Gateway::with(|config| config.security.users = vec![("alice".to_owned(), "secret".to_owned())])
}

fn listener() -> Listener {
    Listener { mechanisms: Mechanism::ALL.to_vec(), ..Listener::default() }
}

async fn handshake(kafka: &mut Kafka, mechanism: &str) {
    let answer = kafka.call(1, SaslHandshakeRequest::default().with_mechanism(text(mechanism))).await;
    assert_eq!((answer.error_code, answer.mechanisms.len()), (0, Mechanism::ALL.len()));
}

fn message(bytes: impl AsRef<[u8]>) -> SaslAuthenticateRequest {
    SaslAuthenticateRequest::default().with_auth_bytes(bytes.as_ref().to_vec().into())
}

async fn is_served(kafka: &mut Kafka) -> bool {
    kafka.call(1, MetadataRequest::default()).await.brokers.len() == 1
}

#[tokio::test(start_paused = true)]
async fn a_login_where_there_is_none_is_refused_and_costs_nothing() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for version in 0..=1 {
        let answer = kafka.call(version, SaslHandshakeRequest::default().with_mechanism("PLAIN".into())).await;
        assert_eq!((answer.error_code, answer.mechanisms.len()), (ResponseError::IllegalSaslState.code(), 0));
    }
    for version in 0..=2 {
        let answer = kafka.call(version, message("\0user\0secret")).await;
        assert_eq!(answer.error_code, ResponseError::IllegalSaslState.code());
        assert!(!answer.error_message.unwrap().contains("secret"));
    }
    assert!(is_served(&mut kafka).await);
}

#[tokio::test(start_paused = true)]
async fn plain_lets_in_who_has_the_password() {
    let gateway = gateway();
    for (message_of, version) in [("\0alice\0secret", 0), ("alice\0alice\0secret", 1), ("\0alice\0secret", 2)] {
        let mut kafka = gateway.kafka_at(listener());
        handshake(&mut kafka, "PLAIN").await;
        let answer = kafka.call(version, message(message_of)).await;
        assert_eq!((answer.error_code, answer.session_lifetime_ms), (0, 0));
        assert!(is_served(&mut kafka).await);
    }
}

/// What a client of SCRAM-SHA-256 says last.
fn proof(password: &str, bare: &str, challenge: &str) -> String {
    let part = |at: usize| &challenge.split(',').nth(at).unwrap()[2..];
    let (nonce, salt) = (part(0), BASE64.decode(part(1)).unwrap());
    let mut salted = [0; 32];
    let iterations = part(2).parse().unwrap();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, password.as_bytes(), &mut salted);
    let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
    let client_key = sign(&salted, b"Client Key");
    let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
    let without_proof = format!("c=biws,r={nonce}");
    let signature = sign(stored_key.as_ref(), format!("{bare},{challenge},{without_proof}").as_bytes());
    let proof: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(key, signature)| key ^ signature).collect();
    format!("{without_proof},p={}", BASE64.encode(proof))
}

#[tokio::test(start_paused = true)]
async fn a_bad_token_and_a_bad_signature_hear_what_a_bad_password_does() {
    let gateway = gateway();
    let mut kafka = gateway.kafka_at(listener());
    handshake(&mut kafka, "OAUTHBEARER").await;
    let answer = kafka.call(2, message("n,,\u{1}auth=Bearer e30.e30.AAAA\u{1}\u{1}")).await;
    assert_eq!((answer.error_code, &answer.auth_bytes[..]), (0, &b"{\"status\":\"invalid_token\"}"[..]));
    let failed = ResponseError::SaslAuthenticationFailed.code();
    assert_eq!(kafka.call(2, message("\u{1}")).await.error_code, failed);
    assert!(kafka.is_closed().await);
    let mut kafka = gateway.kafka_at(listener());
    handshake(&mut kafka, "AWS_MSK_IAM").await;
    assert_eq!(kafka.call(2, message("{\"version\":\"2020_10_22\"}")).await.error_code, failed);
    assert!(kafka.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn scram_lets_in_who_proves_to_have_the_password() {
    let gateway = gateway();
    let mut kafka = gateway.kafka_at(listener());
    handshake(&mut kafka, "SCRAM-SHA-256").await;
    let bare = "n=alice,r=abc";
    let challenge = kafka.call(2, message(format!("n,,{bare}"))).await;
    assert_eq!(challenge.error_code, 0);
    let challenge = String::from_utf8(challenge.auth_bytes.to_vec()).unwrap();
    let answer = kafka.call(2, message(proof("secret", bare, &challenge))).await;
    assert!(answer.error_code == 0 && answer.auth_bytes.starts_with(b"v="), "{answer:?}");
    assert!(is_served(&mut kafka).await);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_wrong_hears_the_same_at_the_same_time_and_is_hung_up_on() {
    let gateway = gateway();
    let mut heard = Vec::new();
    for wrong in ["\0alice\0secre", "\0alicf\0secret", "\0\0", "alice", "bob\0alice\0secret", "\0alice\0secret\0", ""] {
        let mut kafka = gateway.kafka_at(listener());
        handshake(&mut kafka, "PLAIN").await;
        let begun = Instant::now();
        let answer = kafka.call(2, message(wrong)).await;
        heard.push((answer.error_code, answer.error_message, answer.auth_bytes, begun.elapsed()));
        assert!(kafka.is_closed().await);
    }
    for name in ["alice", "nobody"] {
        let mut kafka = gateway.kafka_at(listener());
        handshake(&mut kafka, "SCRAM-SHA-256").await;
        let bare = format!("n={name},r=abc");
        let challenge = kafka.call(2, message(format!("n,,{bare}"))).await;
        let challenge = String::from_utf8(challenge.auth_bytes.to_vec()).unwrap();
        let begun = Instant::now();
        let answer = kafka.call(2, message(proof("wrong", &bare, &challenge))).await;
        heard.push((answer.error_code, answer.error_message, answer.auth_bytes, begun.elapsed()));
        assert!(kafka.is_closed().await);
    }
    assert!(heard.iter().all(|other| *other == heard[0]), "{heard:?}");
    assert_eq!((heard[0].0, heard[0].3), (ResponseError::SaslAuthenticationFailed.code(), Duration::from_millis(100)));
}

#[tokio::test(start_paused = true)]
async fn a_mechanism_that_is_not_offered_is_answered_with_those_that_are() {
    let gateway = gateway();
    let mut kafka = gateway.kafka_at(Listener { mechanisms: vec![Mechanism::ScramSha512], ..Listener::default() });
    let answer = kafka.call(1, SaslHandshakeRequest::default().with_mechanism("PLAIN".into())).await;
    assert_eq!(answer.error_code, ResponseError::UnsupportedSaslMechanism.code());
    assert_eq!(answer.mechanisms, [text("SCRAM-SHA-512")]);
    assert!(kafka.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn logins_that_fail_are_counted_by_their_mechanism() {
    let gateway = gateway();
    for (mechanism, messages) in [
        ("PLAIN", &["\0alice\0secre"][..]),
        ("PLAIN", &["\0nobody\0secret"]),
        ("PLAIN", &["\0alice\0secret"]),
        ("SCRAM-SHA-256", &["n,,n=alice,r=abc", "c=biws,r=abc,p=AAAA"]),
        ("OAUTHBEARER", &["n,,\u{1}auth=Bearer e30.e30.AAAA\u{1}\u{1}", "\u{1}"]),
        ("AWS_MSK_IAM", &["{}"]),
        // Somebody who goes has not failed.
        ("SCRAM-SHA-512", &["n,,n=alice,r=abc"]),
    ] {
        let mut kafka = gateway.kafka_at(listener());
        handshake(&mut kafka, mechanism).await;
        for text in messages {
            kafka.call(2, message(text)).await;
        }
    }
    // Bare, and not offered.
    let mut kafka = gateway.kafka_at(listener());
    kafka.call(0, SaslHandshakeRequest::default().with_mechanism(text("PLAIN"))).await;
    kafka.pipe.write_all(b"\0\0\0\x05wrong").await.unwrap();
    assert!(kafka.is_closed().await);
    gateway.kafka_at(listener()).call(1, SaslHandshakeRequest::default().with_mechanism(text("GSSAPI"))).await;
    let shown = gateway.meter.scrape(&Default::default()).text;
    let begin = "kafka_server_socketservermetrics_failed_authentication_total{mechanism=\"";
    let mut counted: Vec<_> = shown.lines().filter_map(|line| line.strip_prefix(begin)).collect();
    counted.sort_unstable();
    assert_eq!(
        counted,
        ["AWS_MSK_IAM\"} 1", "OAUTHBEARER\"} 1", "PLAIN\"} 3", "SCRAM-SHA-256\"} 1", "unsupported\"} 1"],
        "{shown}"
    );
}

/// The bodies are such that decoding them would be answered, or would take memory; none of it happens.
#[tokio::test(start_paused = true)]
async fn nothing_but_the_login_is_decoded_before_the_login() {
    let gateway = gateway();
    let of_login = [ApiKey::SaslHandshake, ApiKey::SaslAuthenticate, ApiKey::ApiVersions].map(|key| key as i16);
    let mut refused = 0;
    for api in shardgate::kafka::supported().filter(|api| !of_login.contains(&api.key)) {
        for version in [*api.served.start(), *api.served.end()] {
            for chosen in [false, true] {
                for body in [&[0; 64][..], &[0xff; 64], &[0x7f, 0xff, 0xff, 0xff]] {
                    let mut kafka = gateway.kafka_at(listener());
                    if chosen {
                        handshake(&mut kafka, "PLAIN").await;
                    }
                    kafka.send_body(api.key, version, 1, body).await;
                    assert!(kafka.is_closed().await, "{}", api.name);
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 300, "{refused}");
    // The head is enough: the body is not even waited for.
    let mut pipe = gateway.pipe_to(listener());
    pipe.write_all(b"\x00\x01\x00\x00\x00\x03\x00\x01\x00\x00\x00\x01").await.unwrap();
    assert_eq!(pipe.read(&mut [0; 64]).await.unwrap(), 0);
    let decoded = gateway.meter.scrape(&Default::default()).text;
    let decoded: Vec<_> =
        decoded.lines().filter(|line| line.starts_with("kafka_network_requestmetrics_requests_total{")).collect();
    assert!(decoded.iter().all(|line| line.contains("\"SaslHandshake\"")), "{decoded:?}");
}

#[tokio::test(start_paused = true)]
async fn strangers_may_ask_for_versions_and_send_little() {
    let gateway = gateway();
    let mut kafka = gateway.kafka_at(listener());
    let request = ApiVersionsRequest::default().with_client_software_name(text("a")).with_client_software_version(text("1"));
    assert!(kafka.call(4, request).await.api_keys.len() > 20);
    handshake(&mut kafka, "PLAIN").await;
    kafka.send(2, &message(vec![0; 70_000])).await;
    assert!(kafka.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn a_stranger_has_half_a_minute() {
    let gateway = gateway();
    let mut strange = gateway.kafka_at(listener());
    let mut known = gateway.kafka_at(listener());
    handshake(&mut strange, "PLAIN").await;
    handshake(&mut known, "PLAIN").await;
    known.call(2, message("\0alice\0secret")).await;
    let begun = Instant::now();
    assert!(strange.is_closed().await);
    assert_eq!(begun.elapsed().as_secs(), 30);
    assert!(is_served(&mut known).await);
}

/// They have begun to log in as far as each mechanism lets them without knowing anything.
#[tokio::test(start_paused = true)]
async fn strangers_who_do_not_log_in_keep_nobody_out() {
    let gateway = Gateway::with(|config| {
        config.security.users = vec![("alice".to_owned(), "secret".to_owned())];
        config.connections_max = 1_000;
    });
    for begun in [None, Some(("PLAIN", None)), Some(("SCRAM-SHA-256", Some("n,,n=alice,r=abc"))), Some(("OAUTHBEARER", None))] {
        let listener = listener();
        let mut known = gateway.kafka_at(listener.clone());
        handshake(&mut known, "PLAIN").await;
        known.call(2, message("\0alice\0secret")).await;
        let mut strangers = Vec::new();
        for _ in 0..255 {
            let mut kafka = gateway.kafka_at(listener.clone());
            if let Some((mechanism, said)) = begun {
                handshake(&mut kafka, mechanism).await;
                if let Some(said) = said {
                    assert_eq!(kafka.call(2, message(said)).await.error_code, 0);
                }
            }
            strangers.push(kafka);
        }
        let begun = Instant::now();
        for _ in 0..3 {
            let mut kafka = gateway.kafka_at(listener.clone());
            handshake(&mut kafka, "PLAIN").await;
            assert_eq!(kafka.call(2, message("\0alice\0secret")).await.error_code, 0);
            // Who is known is no stranger, and takes none of their places.
            strangers.push(gateway.kafka_at(listener.clone()));
        }
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
        assert!(is_served(&mut known).await);
    }
}

#[tokio::test(start_paused = true)]
async fn strangers_take_few_of_the_places_for_connections() {
    let gateway = Gateway::with(|config| config.connections_max = 300);
    let listener = listener();
    let strangers: Vec<_> = (0..1_000).map(|_| gateway.kafka_at(listener.clone())).collect();
    advance(Duration::from_millis(10)).await;
    assert!(is_served(&mut gateway.kafka()).await);
    drop(strangers);
}

#[tokio::test(start_paused = true)]
async fn a_login_ends_unless_the_client_logs_in_again() {
    let gateway = Gateway::with(|config| {
        config.security.users = ["alice", "bob"].map(|name| (name.to_owned(), "secret".to_owned())).to_vec();
        config.security.login_lifetime = Some(Duration::from_secs(60));
    });
    let mut kafka = gateway.kafka_at(listener());
    for _ in 0..3 {
        handshake(&mut kafka, "PLAIN").await;
        let answer = kafka.call(2, message("\0alice\0secret")).await;
        assert_eq!((answer.error_code, answer.session_lifetime_ms), (0, 60_000));
        advance(Duration::from_secs(59)).await;
        assert!(is_served(&mut kafka).await);
    }
    advance(Duration::from_secs(2)).await;
    kafka.send(1, &MetadataRequest::default()).await;
    assert!(kafka.is_closed().await);
    // Only the same one may log in again.
    let mut kafka = gateway.kafka_at(listener());
    handshake(&mut kafka, "PLAIN").await;
    kafka.call(2, message("\0alice\0secret")).await;
    handshake(&mut kafka, "PLAIN").await;
    let answer = kafka.call(2, message("\0bob\0secret")).await;
    assert_eq!(answer.error_code, ResponseError::SaslAuthenticationFailed.code());
    assert!(kafka.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn behind_version_0_of_the_handshake_messages_come_bare() {
    let gateway = gateway();
    for (sent, is_right) in [(&b"\0alice\0secret"[..], true), (b"\0alice\0wrong", false), (b"", false), (b"\0", false)] {
        let mut kafka = gateway.kafka_at(listener());
        kafka.call(0, SaslHandshakeRequest::default().with_mechanism("PLAIN".into())).await;
        kafka.pipe.write_i32(i32::try_from(sent.len()).unwrap()).await.unwrap();
        kafka.pipe.write_all(sent).await.unwrap();
        if is_right {
            assert_eq!(kafka.pipe.read_i32().await.unwrap(), 0);
            assert!(is_served(&mut kafka).await);
        } else {
            assert!(kafka.is_closed().await);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn messages_out_of_place_are_told_so() {
    let gateway = gateway();
    let mut kafka = gateway.kafka_at(listener());
    kafka.send(2, &message("\0alice\0secret")).await;
    assert!(kafka.is_closed().await, "no login was begun");
    let mut kafka = gateway.kafka_at(listener());
    handshake(&mut kafka, "PLAIN").await;
    let again = || SaslHandshakeRequest::default().with_mechanism("PLAIN".into());
    assert_eq!(kafka.call(1, again()).await.error_code, ResponseError::IllegalSaslState.code());
    assert_eq!(kafka.call(2, message("\0alice\0secret")).await.error_code, 0);
    // A login that holds as long as the connection is not done again.
    assert_eq!(kafka.call(1, again()).await.error_code, ResponseError::IllegalSaslState.code());
    assert_eq!(kafka.call(2, message("\0alice\0secret")).await.error_code, ResponseError::IllegalSaslState.code());
    assert!(is_served(&mut kafka).await);
}
