//! ApiVersions: what this broker speaks, or pretends to.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::StrBytes;

use super::{Context, SUPPORTED};
use crate::cluster::{Cluster, Features};
use crate::config::{Config, LATEST_TRANSACTION_VERSION};
use crate::faults::Verdict;

/// The first version in which a client says what software it is.
const SOFTWARE_NAMES_FROM: i16 = 3;

/// The first version that tells of features (KIP-584).
const FEATURES_FROM: i16 = 3;

/// The first version whose clients read a supported feature that begins with level 0.
const LEVEL_0_FROM: i16 = 4;

const TRANSACTION_VERSION: StrBytes = StrBytes::from_static_str("transaction.version");

/// The versions offered of an API; `None` if it isn't.
pub(crate) fn offered(config: &Config, api: ApiKey) -> Option<(i16, i16)> {
    let is_telemetry = matches!(api, ApiKey::GetTelemetrySubscriptions | ApiKey::PushTelemetry);
    if is_telemetry && config.telemetry.is_none() {
        return None;
    }
    let (_, min, max) = SUPPORTED.iter().find(|(supported, ..)| *supported == api)?;
    let (least, greatest) = match config.versions.get(&(api as i16)) {
        None => (*min, *max),
        Some(limits) => limits.map(|(least, greatest)| (least.max(*min), greatest.min(*max)))?,
    };
    (least <= greatest).then_some((least, greatest))
}

pub(super) fn answer(
    cluster: &Cluster,
    context: &Context,
    request: &ApiVersionsRequest,
    verdict: &Verdict,
) -> ApiVersionsResponse {
    let is_named = is_legal(&request.client_software_name) && is_legal(&request.client_software_version);
    if context.version >= SOFTWARE_NAMES_FROM && !is_named {
        return ApiVersionsResponse::default().with_error_code(ResponseError::InvalidRequest.code());
    }
    let versions = |(api, ..): &(ApiKey, i16, i16)| {
        let (min, max) = offered(&cluster.config, *api)?;
        Some(ApiVersion::default().with_api_key(*api as i16).with_min_version(min).with_max_version(max))
    };
    let response = ApiVersionsResponse::default()
        .with_error_code(verdict.error().unwrap_or(0))
        .with_api_keys(SUPPORTED.iter().filter_map(versions).collect());
    if context.version >= FEATURES_FROM { with_features(response, context.version, cluster.features) } else { response }
}

/// Tells of `transaction.version`: which levels there could be, and which one holds. Level 0 is told by silence.
fn with_features(response: ApiVersionsResponse, version: i16, features: Features) -> ApiVersionsResponse {
    let Features { transaction_version: level, epoch } = features;
    let supported = SupportedFeatureKey::default().with_name(TRANSACTION_VERSION);
    let finalized = FinalizedFeatureKey::default().with_name(TRANSACTION_VERSION);
    let supported = (version >= LEVEL_0_FROM).then(|| supported.with_max_version(LATEST_TRANSACTION_VERSION));
    let finalized = (level > 0).then(|| finalized.with_min_version_level(level).with_max_version_level(level));
    response
        .with_supported_features(supported.into_iter().collect())
        .with_finalized_features_epoch(epoch)
        .with_finalized_features(finalized.into_iter().collect())
}

/// Whether a client's software may have this name or version: letters, digits, and inside also `-` and `.`.
fn is_legal(name: &str) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric();
    let is_legal = |byte: &u8| is_plain(byte) || matches!(byte, b'-' | b'.');
    let bytes = name.as_bytes();
    bytes.first().is_some_and(is_plain) && bytes.last().is_some_and(is_plain) && bytes.iter().all(is_legal)
}

/// The answer to a version that isn't spoken: the range that is.
pub(super) fn unsupported(config: &Config) -> ApiVersionsResponse {
    let (min, max) = offered(config, ApiKey::ApiVersions).unwrap_or((0, 0));
    let range = ApiVersion::default().with_api_key(ApiKey::ApiVersions as i16);
    ApiVersionsResponse::default()
        .with_error_code(ResponseError::UnsupportedVersion.code())
        .with_api_keys(vec![range.with_min_version(min).with_max_version(max)])
}
