//! `DeleteTopicsResponse`, API key 20: versions 3 to 6, flexible from 4.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{Code, Decode, DecodeError, Reader, Response, Str, Uuid, Version, tags::skip_tags};

/// The response to the request of the same name: versions 3 to 6.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeleteTopicsResponse {
    /// `ThrottleTimeMs`.
    pub throttle_time_ms: i32,
    /// `Responses`.
    pub responses: Vec<DeletableTopicResult>,
}

impl Response for DeleteTopicsResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for DeleteTopicsResponse {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded =
            Self { throttle_time_ms: Decode::decode(from, version)?, responses: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`DeleteTopicsResponse::responses`]: versions 3 to 6.
#[derive(Clone, Debug, PartialEq)]
pub struct DeletableTopicResult {
    /// `Name`, may be null from version 6.
    pub name: Option<Str>,
    /// `TopicId`, versions from 6.
    pub topic_id: Uuid,
    /// `ErrorCode`.
    pub error_code: Code,
    /// `ErrorMessage`, versions from 5, may be null.
    pub error_message: Option<Str>,
}

impl Default for DeletableTopicResult {
    fn default() -> Self {
        Self { name: Some(Str::default()), topic_id: Uuid::ZERO, error_code: Code::None, error_message: None }
    }
}

impl Decode for DeletableTopicResult {
    const MIN_SIZE: usize = 4;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            name: if version >= 6 { Decode::decode(from, version)? } else { Some(Decode::decode(from, version)?) },
            topic_id: if version >= 6 { Decode::decode(from, version)? } else { Uuid::ZERO },
            error_code: Decode::decode(from, version)?,
            error_message: if version >= 5 { Decode::decode(from, version)? } else { None },
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}
