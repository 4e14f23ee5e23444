//! `OffsetForLeaderEpochResponse`, API key 23: versions 2 to 4, flexible from 4.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{Code, Decode, DecodeError, Reader, Response, Str, Version, tags::skip_tags};

/// The response to the request of the same name: versions 2 to 4.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetForLeaderEpochResponse {
    /// `ThrottleTimeMs`.
    pub throttle_time_ms: i32,
    /// `Topics`.
    pub topics: Vec<OffsetForLeaderTopicResult>,
}

impl Response for OffsetForLeaderEpochResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for OffsetForLeaderEpochResponse {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self { throttle_time_ms: Decode::decode(from, version)?, topics: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`OffsetForLeaderEpochResponse::topics`]: versions 2 to 4.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetForLeaderTopicResult {
    /// `Topic`.
    pub topic: Str,
    /// `Partitions`.
    pub partitions: Vec<EpochEndOffset>,
}

impl Decode for OffsetForLeaderTopicResult {
    const MIN_SIZE: usize = 3;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self { topic: Decode::decode(from, version)?, partitions: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`OffsetForLeaderTopicResult::partitions`]: versions 2 to 4.
#[derive(Clone, Debug, PartialEq)]
pub struct EpochEndOffset {
    /// `ErrorCode`.
    pub error_code: Code,
    /// `Partition`.
    pub partition: i32,
    /// `LeaderEpoch`, by default -1.
    pub leader_epoch: i32,
    /// `EndOffset`, by default -1.
    pub end_offset: i64,
}

impl Default for EpochEndOffset {
    fn default() -> Self {
        Self { error_code: Code::None, partition: 0, leader_epoch: -1, end_offset: -1 }
    }
}

impl Decode for EpochEndOffset {
    const MIN_SIZE: usize = 18;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            error_code: Decode::decode(from, version)?,
            partition: Decode::decode(from, version)?,
            leader_epoch: Decode::decode(from, version)?,
            end_offset: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}
