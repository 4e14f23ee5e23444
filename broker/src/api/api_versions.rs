//! ApiVersions: what this broker speaks, or pretends to.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};

use super::{Context, SUPPORTED};
use crate::config::Config;
use crate::faults::Verdict;

/// The first version in which a client says what software it is.
const SOFTWARE_NAMES_FROM: i16 = 3;

/// The versions offered of an API; `None` if it isn't.
pub(crate) fn offered(config: &Config, api: ApiKey) -> Option<(i16, i16)> {
    let (_, min, max) = SUPPORTED.iter().find(|(supported, ..)| *supported == api)?;
    let (least, greatest) = match config.versions.get(&(api as i16)) {
        None => (*min, *max),
        Some(limits) => limits.map(|(least, greatest)| (least.max(*min), greatest.min(*max)))?,
    };
    (least <= greatest).then_some((least, greatest))
}

pub(super) fn answer(
    config: &Config,
    context: &Context,
    request: &ApiVersionsRequest,
    verdict: &Verdict,
) -> ApiVersionsResponse {
    let is_named = is_legal(&request.client_software_name) && is_legal(&request.client_software_version);
    if context.version >= SOFTWARE_NAMES_FROM && !is_named {
        return ApiVersionsResponse::default().with_error_code(ResponseError::InvalidRequest.code());
    }
    let versions = |(api, ..): &(ApiKey, i16, i16)| {
        let (min, max) = offered(config, *api)?;
        Some(ApiVersion::default().with_api_key(*api as i16).with_min_version(min).with_max_version(max))
    };
    ApiVersionsResponse::default()
        .with_error_code(verdict.error().unwrap_or(0))
        .with_api_keys(SUPPORTED.iter().filter_map(versions).collect())
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
