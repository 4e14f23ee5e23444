//! `TxnOffsetCommitResponse`, API key 28: versions 2 to 5, flexible from 3.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{Code, Decode, DecodeError, Reader, Response, Str, Version, tags::skip_tags};

/// The response to the request of the same name: versions 2 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TxnOffsetCommitResponse {
    /// `ThrottleTimeMs`.
    pub throttle_time_ms: i32,
    /// `Topics`.
    pub topics: Vec<TxnOffsetCommitResponseTopic>,
}

impl Response for TxnOffsetCommitResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for TxnOffsetCommitResponse {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self { throttle_time_ms: Decode::decode(from, version)?, topics: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`TxnOffsetCommitResponse::topics`]: versions 2 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TxnOffsetCommitResponseTopic {
    /// `Name`.
    pub name: Str,
    /// `Partitions`.
    pub partitions: Vec<TxnOffsetCommitResponsePartition>,
}

impl Decode for TxnOffsetCommitResponseTopic {
    const MIN_SIZE: usize = 3;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self { name: Decode::decode(from, version)?, partitions: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`TxnOffsetCommitResponseTopic::partitions`]: versions 2 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TxnOffsetCommitResponsePartition {
    /// `PartitionIndex`.
    pub partition_index: i32,
    /// `ErrorCode`.
    pub error_code: Code,
}

impl Decode for TxnOffsetCommitResponsePartition {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded =
            Self { partition_index: Decode::decode(from, version)?, error_code: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}
