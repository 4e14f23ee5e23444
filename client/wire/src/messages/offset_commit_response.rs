//! `OffsetCommitResponse`, API key 8: versions 6 to 10, flexible from 8.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{Code, Decode, DecodeError, Reader, Response, Str, Uuid, Version, tags::skip_tags};

/// The response to the request of the same name: versions 6 to 10.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetCommitResponse {
    /// `ThrottleTimeMs`.
    pub throttle_time_ms: i32,
    /// `Topics`.
    pub topics: Vec<OffsetCommitResponseTopic>,
}

impl Response for OffsetCommitResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for OffsetCommitResponse {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self { throttle_time_ms: Decode::decode(from, version)?, topics: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`OffsetCommitResponse::topics`]: versions 6 to 10.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetCommitResponseTopic {
    /// `Name`, versions 6 to 9.
    pub name: Str,
    /// `TopicId`, versions from 10.
    pub topic_id: Uuid,
    /// `Partitions`.
    pub partitions: Vec<OffsetCommitResponsePartition>,
}

impl Decode for OffsetCommitResponseTopic {
    const MIN_SIZE: usize = 3;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            name: if version <= 9 { Decode::decode(from, version)? } else { Str::default() },
            topic_id: if version >= 10 { Decode::decode(from, version)? } else { Uuid::ZERO },
            partitions: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`OffsetCommitResponseTopic::partitions`]: versions 6 to 10.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetCommitResponsePartition {
    /// `PartitionIndex`.
    pub partition_index: i32,
    /// `ErrorCode`.
    pub error_code: Code,
}

impl Decode for OffsetCommitResponsePartition {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded =
            Self { partition_index: Decode::decode(from, version)?, error_code: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}
