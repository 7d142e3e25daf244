//! ApiVersions (key 18): what is served, asked before anything else.
//!
//! Served: 0 to 5. Version 3 brought tagged fields and the client's software name and version (KIP-511), 4 features with a
//! minimum of 0, 5 whom the client takes the broker for (KIP-1242): one that means another cluster or node is told
//! REBOOTSTRAP_REQUIRED, so that it looks for its brokers anew. The answer's header is always version 0, so that a client can read
//! it whatever it knows.
//!
//! A version that is not served is answered with UNSUPPORTED_VERSION in version 0 and all APIs, so that the client can step
//! down. The feature `transaction.version` tells clients that they may write in a transaction without naming partitions before
//! (KIP-890); `group.version` tells tools of the consumer protocol (KIP-848), and the Java client shares only where it finds
//! `share.version` (KIP-932), as Kafka Streams joins streams groups only where it finds `streams.version` (KIP-1071).

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::ApiVersionsResponse;
use kafka_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Config, Context, Reply};
use crate::kafka::wire::{ApiVersionsRequest, Unchanged};

pub(crate) struct ApiVersions;

/// The first version in which clients name their software.
const SOFTWARE: i16 = 3;
/// The first version with features, and the first whose clients know features with a minimum of 0.
const FEATURES: i16 = 3;
const MINIMUM_0: i16 = 4;
/// The node of a client that does not say whom it means.
const NO_NODE: i32 = -1;

/// Each feature with its highest level, which is in force: the second generation of transactions (KIP-890), the consumer
/// protocol (KIP-848), share groups (KIP-932), and streams groups (KIP-1071).
pub(super) const LEVELS: [(&str, i16); 4] =
    [("transaction.version", 2), ("group.version", 1), ("share.version", 1), ("streams.version", 1)];

impl Api for ApiVersions {
    type Request = ApiVersionsRequest;
    type Response = Unchanged<ApiVersionsResponse, 5>;

    const VERSIONS: RangeInclusive<i16> = 0..=5;

    async fn handle(cx: &Context, request: ApiVersionsRequest) -> Reply<Self::Response> {
        let (name, version) = (&request.client_software_name, &request.client_software_version);
        if cx.version >= SOFTWARE && !(is_software(name) && is_software(version)) {
            return refused(ResponseError::InvalidRequest);
        }
        if let Err(error) = check_destination(&request, &cx.door.config) {
            return refused(error);
        }
        if cx.version >= SOFTWARE {
            tracing::debug!(peer = %cx.peer, client_id = %cx.client_id, name = %**name, version = %**version, "client software");
        }
        Reply::Send(with_features(ApiVersionsResponse::default().with_api_keys(all()), cx.version).into())
    }

    fn refuse_version() -> Option<(Self::Response, i16)> {
        let error = ResponseError::UnsupportedVersion.code();
        Some((ApiVersionsResponse::default().with_error_code(error).with_api_keys(all()).into(), 0))
    }
}

fn refused(error: ResponseError) -> Reply<Unchanged<ApiVersionsResponse, 5>> {
    Reply::Send(ApiVersionsResponse::default().with_error_code(error.code()).into())
}

/// Whether the client means this broker, if it says whom: both cluster and node, or neither. REBOOTSTRAP_REQUIRED if not (KIP-1242).
fn check_destination(request: &ApiVersionsRequest, config: &Config) -> Result<(), ResponseError> {
    match (request.cluster_id.as_deref(), request.node_id) {
        (None, NO_NODE) => Ok(()),
        (Some(_), NO_NODE) | (None, _) => Err(ResponseError::InvalidRequest),
        (Some(cluster), node) if cluster == config.cluster_id && node == config.node_id => Ok(()),
        _ => Err(ResponseError::RebootstrapRequired),
    }
}

/// The features that are finalized. As in Kafka, a version whose clients cannot take a minimum of 0 is not told what is supported.
fn with_features(response: ApiVersionsResponse, version: i16) -> ApiVersionsResponse {
    if version < FEATURES {
        return response;
    }
    let supported = |(name, level)| {
        SupportedFeatureKey::default().with_name(StrBytes::from_static_str(name)).with_min_version(0).with_max_version(level)
    };
    let finalized = |(name, level)| {
        let feature = FinalizedFeatureKey::default().with_name(StrBytes::from_static_str(name));
        feature.with_max_version_level(level).with_min_version_level(level)
    };
    response
        .with_supported_features(LEVELS.map(supported).into_iter().filter(|_| version >= MINIMUM_0).collect())
        .with_finalized_features_epoch(0)
        .with_finalized_features(LEVELS.map(finalized).into())
}

fn all() -> Vec<ApiVersion> {
    super::TABLE
        .iter()
        .map(|entry| {
            ApiVersion::default()
                .with_api_key(entry.key)
                .with_min_version(*entry.advertised.start())
                .with_max_version(*entry.advertised.end())
        })
        .collect()
}

/// Letters, digits, dots and dashes, with a letter or digit at both ends (KIP-511).
fn is_software(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = bytes.first().zip(bytes.last());
    ends.is_some_and(|(first, last)| first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_names_are_those_of_kip_511() {
        for good in ["a", "apache-kafka-java", "librdkafka", "2.16.0", "4.0.0-SNAPSHOT", "confluent.kafka.go-2"] {
            assert!(is_software(good), "{good}");
        }
        for bad in ["", "-a", "a-", ".", "a b", "a_b", "ä", "a\n", "1.0.0+build"] {
            assert!(!is_software(bad), "{bad}");
        }
    }
}
