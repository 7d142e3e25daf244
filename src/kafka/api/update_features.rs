//! **UpdateFeatures** (57), v0–2: which levels of features are in force (KIP-584).
//!
//! As Kafka does it: a level that is in force already may be asked for again, and one wrong feature fails the whole request with
//! INVALID_UPDATE_VERSION.
//!
//! How we differ from Kafka: the levels are those that ApiVersions names and stay; a lower one is refused whatever kind of
//! downgrade it is.
//!
//! Versions: 1 tells kinds of downgrades and may only ask (KIP-778) · 2 has no results of single features.

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::update_features_response::UpdatableFeatureResult;
use kafka_protocol::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use kafka_protocol::protocol::StrBytes;

use super::api_versions::LEVELS;
use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::translate::{Refusal, quoted};

/// The first version that tells kinds of changes, and the last with results of single features.
const KINDS: i16 = 1;
const RESULTS: i16 = 1;
/// Upgrade, safe downgrade and unsafe downgrade (Kafka, `FeatureUpdate.UpgradeType`).
const KINDS_KNOWN: RangeInclusive<i8> = 1..=3;

/// UpdateFeatures.
pub(crate) struct UpdateFeatures;

impl Api for UpdateFeatures {
    type Request = UpdateFeaturesRequest;
    type Response = UpdateFeaturesResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=2;

    async fn handle(cx: &Context, request: UpdateFeaturesRequest) -> Reply<UpdateFeaturesResponse> {
        let may = if cx.allows_cluster(Operation::Alter) { Ok(()) } else { Err(Refusal::denied(Kind::Cluster)) };
        let checked = may.and_then(|()| request.feature_updates.iter().try_for_each(|update| check(update, cx.version)));
        let response = UpdateFeaturesResponse::default().with_error_message(None);
        Reply::Send(match checked {
            Ok(()) if cx.version <= RESULTS => {
                let result = |update: FeatureUpdateKey| UpdatableFeatureResult::default().with_feature(update.feature);
                // Kafka says it in words that nothing is wrong.
                let good = || Some(StrBytes::from_static_str("NONE"));
                let results = request.feature_updates.into_iter().map(|update| result(update).with_error_message(good()));
                response.with_results(results.collect())
            }
            Ok(()) => response,
            Err(Refusal { error, words }) => {
                response.with_error_code(error.code()).with_error_message(Some(StrBytes::from_string(words)))
            }
        })
    }
}

/// Whether the level is the one in force.
fn check(update: &FeatureUpdateKey, version: i16) -> Result<(), Refusal> {
    let FeatureUpdateKey { feature, max_version_level: asked, upgrade_type, .. } = update;
    let wrong = |words: String| {
        let words = format!("nothing is changed, because of the feature {}: {words}", quoted(feature));
        Err(Refusal::new(ResponseError::InvalidUpdateVersion, words))
    };
    match LEVELS.into_iter().find(|(name, _)| *name == &**feature) {
        _ if version >= KINDS && !KINDS_KNOWN.contains(upgrade_type) => {
            wrong(format!("its upgrade type is {upgrade_type}; 1 (upgrade), 2 and 3 (downgrades) are accepted"))
        }
        None => wrong("it is not one of this gateway".to_owned()),
        Some((_, level)) if level == *asked => Ok(()),
        Some((_, level)) => wrong(format!("the level is {asked}; {level} is in force, and no other one is accepted")),
    }
}
