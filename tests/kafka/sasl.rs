//! SaslHandshake and SaslAuthenticate on a listener without a login.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{MetadataRequest, SaslAuthenticateRequest, SaslHandshakeRequest};

use crate::support::Gateway;

#[tokio::test(start_paused = true)]
async fn a_login_where_there_is_none_is_refused_and_costs_nothing() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for version in 0..=1 {
        let answer = kafka.call(version, SaslHandshakeRequest::default().with_mechanism("PLAIN".into())).await;
        assert_eq!((answer.error_code, answer.mechanisms.len()), (ResponseError::IllegalSaslState.code(), 0));
    }
    for version in 0..=2 {
        let answer = kafka.call(version, SaslAuthenticateRequest::default().with_auth_bytes("\0user\0secret".into())).await;
        assert_eq!(answer.error_code, ResponseError::IllegalSaslState.code());
        assert!(!answer.error_message.unwrap().contains("secret"));
    }
    assert_eq!(kafka.call(1, MetadataRequest::default()).await.brokers.len(), 1);
}
