//! `CreateTopicsResponse`, API key 19: versions 3 to 7, flexible from 5.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{
    Code, Decode, DecodeError, Reader, Response, Str, Uuid, Version,
    tags::{skip_tags, tags},
};

/// The response to the request of the same name: versions 3 to 7.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CreateTopicsResponse {
    /// `ThrottleTimeMs`.
    pub throttle_time_ms: i32,
    /// `Topics`.
    pub topics: Vec<CreatableTopicResult>,
}

impl Response for CreateTopicsResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for CreateTopicsResponse {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self { throttle_time_ms: Decode::decode(from, version)?, topics: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`CreateTopicsResponse::topics`]: versions 3 to 7.
#[derive(Clone, Debug, PartialEq)]
pub struct CreatableTopicResult {
    /// `Name`.
    pub name: Str,
    /// `TopicId`, versions from 7.
    pub topic_id: Uuid,
    /// `ErrorCode`.
    pub error_code: Code,
    /// `ErrorMessage`, may be null.
    pub error_message: Option<Str>,
    /// `TopicConfigErrorCode`, versions from 5.
    pub topic_config_error_code: Code,
    /// `NumPartitions`, versions from 5, by default -1.
    pub num_partitions: i32,
    /// `ReplicationFactor`, versions from 5, by default -1.
    pub replication_factor: i16,
    /// `Configs`, versions from 5, may be null.
    pub configs: Option<Vec<CreatableTopicConfigs>>,
}

impl Default for CreatableTopicResult {
    fn default() -> Self {
        Self {
            name: Str::default(),
            topic_id: Uuid::ZERO,
            error_code: Code::None,
            error_message: Some(Str::default()),
            topic_config_error_code: Code::None,
            num_partitions: -1,
            replication_factor: -1,
            configs: Some(Vec::new()),
        }
    }
}

impl Decode for CreatableTopicResult {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let mut decoded = Self {
            name: Decode::decode(from, version)?,
            topic_id: if version >= 7 { Decode::decode(from, version)? } else { Uuid::ZERO },
            error_code: Decode::decode(from, version)?,
            error_message: Decode::decode(from, version)?,
            topic_config_error_code: Code::None,
            num_partitions: if version >= 5 { Decode::decode(from, version)? } else { -1 },
            replication_factor: if version >= 5 { Decode::decode(from, version)? } else { -1 },
            configs: if version >= 5 { Decode::decode(from, version)? } else { Some(Vec::new()) },
        };
        tags(from, version, |tag, from| {
            if tag == 0 {
                decoded.topic_config_error_code = Decode::decode(from, version)?;
            }
            Ok(())
        })?;
        Ok(decoded)
    }
}

/// An element of [`CreatableTopicResult::configs`]: versions 5 to 7.
#[derive(Clone, Debug, PartialEq)]
pub struct CreatableTopicConfigs {
    /// `Name`.
    pub name: Str,
    /// `Value`, may be null.
    pub value: Option<Str>,
    /// `ReadOnly`.
    pub read_only: bool,
    /// `ConfigSource`, by default -1.
    pub config_source: i8,
    /// `IsSensitive`.
    pub is_sensitive: bool,
}

impl Default for CreatableTopicConfigs {
    fn default() -> Self {
        Self {
            name: Str::default(),
            value: Some(Str::default()),
            read_only: false,
            config_source: -1,
            is_sensitive: false,
        }
    }
}

impl Decode for CreatableTopicConfigs {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            name: Decode::decode(from, version)?,
            value: Decode::decode(from, version)?,
            read_only: Decode::decode(from, version)?,
            config_source: Decode::decode(from, version)?,
            is_sensitive: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}
