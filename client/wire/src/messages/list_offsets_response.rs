//! `ListOffsetsResponse`, API key 2: versions 4 to 11, flexible from 6.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{Code, Decode, DecodeError, Reader, Response, Str, Version, tags::skip_tags};

/// The response to the request of the same name: versions 4 to 11.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListOffsetsResponse {
    /// `ThrottleTimeMs`.
    pub throttle_time_ms: i32,
    /// `Topics`.
    pub topics: Vec<ListOffsetsTopicResponse>,
}

impl Response for ListOffsetsResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for ListOffsetsResponse {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self { throttle_time_ms: Decode::decode(from, version)?, topics: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`ListOffsetsResponse::topics`]: versions 4 to 11.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListOffsetsTopicResponse {
    /// `Name`.
    pub name: Str,
    /// `Partitions`.
    pub partitions: Vec<ListOffsetsPartitionResponse>,
}

impl Decode for ListOffsetsTopicResponse {
    const MIN_SIZE: usize = 3;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self { name: Decode::decode(from, version)?, partitions: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`ListOffsetsTopicResponse::partitions`]: versions 4 to 11.
#[derive(Clone, Debug, PartialEq)]
pub struct ListOffsetsPartitionResponse {
    /// `PartitionIndex`.
    pub partition_index: i32,
    /// `ErrorCode`.
    pub error_code: Code,
    /// `Timestamp`, by default -1.
    pub timestamp: i64,
    /// `Offset`, by default -1.
    pub offset: i64,
    /// `LeaderEpoch`, by default -1.
    pub leader_epoch: i32,
}

impl Default for ListOffsetsPartitionResponse {
    fn default() -> Self {
        Self { partition_index: 0, error_code: Code::None, timestamp: -1, offset: -1, leader_epoch: -1 }
    }
}

impl Decode for ListOffsetsPartitionResponse {
    const MIN_SIZE: usize = 26;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            partition_index: Decode::decode(from, version)?,
            error_code: Decode::decode(from, version)?,
            timestamp: Decode::decode(from, version)?,
            offset: Decode::decode(from, version)?,
            leader_epoch: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}
