//! `OffsetFetchResponse`, API key 9: versions 5 to 10, flexible from 6.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{Code, Decode, DecodeError, Reader, Response, Str, Uuid, Version, tags::skip_tags};

/// The response to the request of the same name: versions 5 to 10.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetFetchResponse {
    /// `ThrottleTimeMs`.
    pub throttle_time_ms: i32,
    /// `Topics`, versions 5 to 7.
    pub topics: Vec<OffsetFetchResponseTopic>,
    /// `ErrorCode`, versions 5 to 7.
    pub error_code: Code,
    /// `Groups`, versions from 8.
    pub groups: Vec<OffsetFetchResponseGroup>,
}

impl Response for OffsetFetchResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for OffsetFetchResponse {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            throttle_time_ms: Decode::decode(from, version)?,
            topics: if version <= 7 { Decode::decode(from, version)? } else { Vec::new() },
            error_code: if version <= 7 { Decode::decode(from, version)? } else { Code::None },
            groups: if version >= 8 { Decode::decode(from, version)? } else { Vec::new() },
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`OffsetFetchResponse::topics`]: versions 5 to 7.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetFetchResponseTopic {
    /// `Name`.
    pub name: Str,
    /// `Partitions`.
    pub partitions: Vec<OffsetFetchResponsePartition>,
}

impl Decode for OffsetFetchResponseTopic {
    const MIN_SIZE: usize = 3;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self { name: Decode::decode(from, version)?, partitions: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`OffsetFetchResponseTopic::partitions`]: versions 5 to 7.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetFetchResponsePartition {
    /// `PartitionIndex`.
    pub partition_index: i32,
    /// `CommittedOffset`.
    pub committed_offset: i64,
    /// `CommittedLeaderEpoch`, by default -1.
    pub committed_leader_epoch: i32,
    /// `Metadata`, may be null.
    pub metadata: Option<Str>,
    /// `ErrorCode`.
    pub error_code: Code,
}

impl Default for OffsetFetchResponsePartition {
    fn default() -> Self {
        Self {
            partition_index: 0,
            committed_offset: 0,
            committed_leader_epoch: -1,
            metadata: Some(Str::default()),
            error_code: Code::None,
        }
    }
}

impl Decode for OffsetFetchResponsePartition {
    const MIN_SIZE: usize = 20;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            partition_index: Decode::decode(from, version)?,
            committed_offset: Decode::decode(from, version)?,
            committed_leader_epoch: Decode::decode(from, version)?,
            metadata: Decode::decode(from, version)?,
            error_code: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`OffsetFetchResponse::groups`]: versions 8 to 10.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetFetchResponseGroup {
    /// `GroupId`.
    pub group_id: Str,
    /// `Topics`.
    pub topics: Vec<OffsetFetchResponseTopics>,
    /// `ErrorCode`.
    pub error_code: Code,
}

impl Decode for OffsetFetchResponseGroup {
    const MIN_SIZE: usize = 5;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            group_id: Decode::decode(from, version)?,
            topics: Decode::decode(from, version)?,
            error_code: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`OffsetFetchResponseGroup::topics`]: versions 8 to 10.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetFetchResponseTopics {
    /// `Name`, versions 8 to 9.
    pub name: Str,
    /// `TopicId`, versions from 10.
    pub topic_id: Uuid,
    /// `Partitions`.
    pub partitions: Vec<OffsetFetchResponsePartitions>,
}

impl Decode for OffsetFetchResponseTopics {
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

/// An element of [`OffsetFetchResponseTopics::partitions`]: versions 8 to 10.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetFetchResponsePartitions {
    /// `PartitionIndex`.
    pub partition_index: i32,
    /// `CommittedOffset`.
    pub committed_offset: i64,
    /// `CommittedLeaderEpoch`, by default -1.
    pub committed_leader_epoch: i32,
    /// `Metadata`, may be null.
    pub metadata: Option<Str>,
    /// `ErrorCode`.
    pub error_code: Code,
}

impl Default for OffsetFetchResponsePartitions {
    fn default() -> Self {
        Self {
            partition_index: 0,
            committed_offset: 0,
            committed_leader_epoch: -1,
            metadata: Some(Str::default()),
            error_code: Code::None,
        }
    }
}

impl Decode for OffsetFetchResponsePartitions {
    const MIN_SIZE: usize = 20;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            partition_index: Decode::decode(from, version)?,
            committed_offset: Decode::decode(from, version)?,
            committed_leader_epoch: Decode::decode(from, version)?,
            metadata: Decode::decode(from, version)?,
            error_code: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}
