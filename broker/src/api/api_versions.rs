//! ApiVersions: what this broker speaks, or pretends to.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse};

use super::SUPPORTED;
use crate::config::Config;
use crate::faults::Verdict;

/// The versions offered of an API; `None` if it isn't.
pub(crate) fn offered(config: &Config, api: ApiKey) -> Option<(i16, i16)> {
    let (_, min, max) = SUPPORTED.iter().find(|(supported, ..)| *supported == api)?;
    let Some((least, greatest)) = config.versions.get(&(api as i16)) else { return Some((*min, *max)) };
    let range = (*min.max(least), *max.min(greatest));
    (range.0 <= range.1).then_some(range)
}

pub(super) fn answer(config: &Config, verdict: &Verdict) -> ApiVersionsResponse {
    let versions = |(api, ..): &(ApiKey, i16, i16)| {
        let (min, max) = offered(config, *api)?;
        Some(ApiVersion::default().with_api_key(*api as i16).with_min_version(min).with_max_version(max))
    };
    ApiVersionsResponse::default()
        .with_error_code(verdict.error().unwrap_or(0))
        .with_api_keys(SUPPORTED.iter().filter_map(versions).collect())
}

/// The answer to a version that isn't spoken: the range that is.
pub(super) fn unsupported(config: &Config) -> ApiVersionsResponse {
    let (min, max) = offered(config, ApiKey::ApiVersions).unwrap_or((0, 0));
    let range = ApiVersion::default().with_api_key(ApiKey::ApiVersions as i16);
    ApiVersionsResponse::default()
        .with_error_code(ResponseError::UnsupportedVersion.code())
        .with_api_keys(vec![range.with_min_version(min).with_max_version(max)])
}
