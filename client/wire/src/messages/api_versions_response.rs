//! `ApiVersionsResponse`, API key 18: versions 0 to 4, flexible from 3.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{
    Code, Decode, DecodeError, Reader, Response, Str, Version,
    tags::{skip_tags, tags},
};

/// The response to the request of the same name: versions 0 to 4.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiVersionsResponse {
    /// `ErrorCode`.
    pub error_code: Code,
    /// `ApiKeys`.
    pub api_keys: Vec<ApiVersion>,
    /// `ThrottleTimeMs`, versions from 1.
    pub throttle_time_ms: i32,
    /// `SupportedFeatures`, versions from 3.
    pub supported_features: Vec<SupportedFeatureKey>,
    /// `FinalizedFeaturesEpoch`, versions from 3, by default -1.
    pub finalized_features_epoch: i64,
    /// `FinalizedFeatures`, versions from 3.
    pub finalized_features: Vec<FinalizedFeatureKey>,
    /// `ZkMigrationReady`, versions from 3.
    pub zk_migration_ready: bool,
}

impl Default for ApiVersionsResponse {
    fn default() -> Self {
        Self {
            error_code: Code::None,
            api_keys: Vec::new(),
            throttle_time_ms: 0,
            supported_features: Vec::new(),
            finalized_features_epoch: -1,
            finalized_features: Vec::new(),
            zk_migration_ready: false,
        }
    }
}

impl Response for ApiVersionsResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for ApiVersionsResponse {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let mut decoded = Self {
            error_code: Decode::decode(from, version)?,
            api_keys: Decode::decode(from, version)?,
            throttle_time_ms: if version >= 1 { Decode::decode(from, version)? } else { 0 },
            supported_features: Vec::new(),
            finalized_features_epoch: -1,
            finalized_features: Vec::new(),
            zk_migration_ready: false,
        };
        tags(from, version, |tag, from| {
            match tag {
                0 => decoded.supported_features = Decode::decode(from, version)?,
                1 => decoded.finalized_features_epoch = Decode::decode(from, version)?,
                2 => decoded.finalized_features = Decode::decode(from, version)?,
                3 => decoded.zk_migration_ready = Decode::decode(from, version)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(decoded)
    }
}

/// An element of [`ApiVersionsResponse::api_keys`]: versions 0 to 4.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApiVersion {
    /// `ApiKey`.
    pub api_key: i16,
    /// `MinVersion`.
    pub min_version: i16,
    /// `MaxVersion`.
    pub max_version: i16,
}

impl Decode for ApiVersion {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            api_key: Decode::decode(from, version)?,
            min_version: Decode::decode(from, version)?,
            max_version: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`ApiVersionsResponse::supported_features`]: versions 3 to 4.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SupportedFeatureKey {
    /// `Name`.
    pub name: Str,
    /// `MinVersion`.
    pub min_version: i16,
    /// `MaxVersion`.
    pub max_version: i16,
}

impl Decode for SupportedFeatureKey {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            name: Decode::decode(from, version)?,
            min_version: Decode::decode(from, version)?,
            max_version: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`ApiVersionsResponse::finalized_features`]: versions 3 to 4.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FinalizedFeatureKey {
    /// `Name`.
    pub name: Str,
    /// `MaxVersionLevel`.
    pub max_version_level: i16,
    /// `MinVersionLevel`.
    pub min_version_level: i16,
}

impl Decode for FinalizedFeatureKey {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            name: Decode::decode(from, version)?,
            max_version_level: Decode::decode(from, version)?,
            min_version_level: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}
