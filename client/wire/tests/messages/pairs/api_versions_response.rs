//! `ApiVersionsResponse`, versions 0 to 4.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::api_versions_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::api_versions_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::ApiVersionsResponse> for ours::ApiVersionsResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ApiVersionsResponse) {
        let (mut our, mut their) = (Self::default(), theirs::ApiVersionsResponse::default());
        (our.error_code, their.error_code) = Pair::pair(random, version);
        (our.api_keys, their.api_keys) = Pair::pair(random, version);
        if version >= 1 {
            (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        }
        if version >= 3 {
            (our.supported_features, their.supported_features) = Pair::pair(random, version);
        }
        if version >= 3 {
            (our.finalized_features_epoch, their.finalized_features_epoch) = Pair::pair(random, version);
        }
        if version >= 3 {
            (our.finalized_features, their.finalized_features) = Pair::pair(random, version);
        }
        if version >= 3 {
            (our.zk_migration_ready, their.zk_migration_ready) = Pair::pair(random, version);
        }
        if version >= 3 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::ApiVersion> for ours::ApiVersion {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ApiVersion) {
        let (mut our, mut their) = (Self::default(), theirs::ApiVersion::default());
        (our.api_key, their.api_key) = Pair::pair(random, version);
        (our.min_version, their.min_version) = Pair::pair(random, version);
        (our.max_version, their.max_version) = Pair::pair(random, version);
        if version >= 3 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::SupportedFeatureKey> for ours::SupportedFeatureKey {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::SupportedFeatureKey) {
        let (mut our, mut their) = (Self::default(), theirs::SupportedFeatureKey::default());
        (our.name, their.name) = Pair::pair(random, version);
        (our.min_version, their.min_version) = Pair::pair(random, version);
        (our.max_version, their.max_version) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

impl Pair<theirs::FinalizedFeatureKey> for ours::FinalizedFeatureKey {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::FinalizedFeatureKey) {
        let (mut our, mut their) = (Self::default(), theirs::FinalizedFeatureKey::default());
        (our.name, their.name) = Pair::pair(random, version);
        (our.max_version_level, their.max_version_level) = Pair::pair(random, version);
        (our.min_version_level, their.min_version_level) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

#[test]
fn api_versions_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<ottla_wire::messages::ApiVersionsRequest, ours::ApiVersionsResponse, theirs::ApiVersionsResponse>(
        0..=4,
    );
}
