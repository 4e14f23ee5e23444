//! `FetchResponse`, API key 1: versions 10 to 18, flexible from 12.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use bytes::Bytes;

use crate::{
    Code, Decode, DecodeError, Reader, Response, Str, Uuid, Version,
    tags::{skip_tags, tags},
};

/// The response to the request of the same name: versions 10 to 18.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchResponse {
    /// `ThrottleTimeMs`.
    pub throttle_time_ms: i32,
    /// `ErrorCode`.
    pub error_code: Code,
    /// `SessionId`.
    pub session_id: i32,
    /// `Responses`.
    pub responses: Vec<FetchableTopicResponse>,
    /// `NodeEndpoints`, versions from 16.
    pub node_endpoints: Vec<NodeEndpoint>,
}

impl Response for FetchResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for FetchResponse {
    const MIN_SIZE: usize = 12;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let mut decoded = Self {
            throttle_time_ms: Decode::decode(from, version)?,
            error_code: Decode::decode(from, version)?,
            session_id: Decode::decode(from, version)?,
            responses: Decode::decode(from, version)?,
            node_endpoints: Vec::new(),
        };
        tags(from, version, |tag, from| {
            if tag == 0 && version >= 16 {
                decoded.node_endpoints = Decode::decode(from, version)?;
            }
            Ok(())
        })?;
        Ok(decoded)
    }
}

/// An element of [`FetchResponse::responses`]: versions 10 to 18.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchableTopicResponse {
    /// `Topic`, versions 10 to 12.
    pub topic: Str,
    /// `TopicId`, versions from 13.
    pub topic_id: Uuid,
    /// `Partitions`.
    pub partitions: Vec<PartitionData>,
}

impl Decode for FetchableTopicResponse {
    const MIN_SIZE: usize = 3;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            topic: if version <= 12 { Decode::decode(from, version)? } else { Str::default() },
            topic_id: if version >= 13 { Decode::decode(from, version)? } else { Uuid::ZERO },
            partitions: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`FetchableTopicResponse::partitions`]: versions 10 to 18.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionData {
    /// `PartitionIndex`.
    pub partition_index: i32,
    /// `ErrorCode`.
    pub error_code: Code,
    /// `HighWatermark`.
    pub high_watermark: i64,
    /// `LastStableOffset`, by default -1.
    pub last_stable_offset: i64,
    /// `LogStartOffset`, by default -1.
    pub log_start_offset: i64,
    /// `DivergingEpoch`, versions from 12.
    pub diverging_epoch: EpochEndOffset,
    /// `CurrentLeader`, versions from 12.
    pub current_leader: LeaderIdAndEpoch,
    /// `SnapshotId`, versions from 12.
    pub snapshot_id: SnapshotId,
    /// `AbortedTransactions`, may be null.
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    /// `PreferredReadReplica`, versions from 11, by default -1.
    pub preferred_read_replica: i32,
    /// `Records`, may be null.
    pub records: Option<Bytes>,
}

impl Default for PartitionData {
    fn default() -> Self {
        Self {
            partition_index: 0,
            error_code: Code::None,
            high_watermark: 0,
            last_stable_offset: -1,
            log_start_offset: -1,
            diverging_epoch: EpochEndOffset::default(),
            current_leader: LeaderIdAndEpoch::default(),
            snapshot_id: SnapshotId::default(),
            aborted_transactions: Some(Vec::new()),
            preferred_read_replica: -1,
            records: None,
        }
    }
}

impl Decode for PartitionData {
    const MIN_SIZE: usize = 37;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let mut decoded = Self {
            partition_index: Decode::decode(from, version)?,
            error_code: Decode::decode(from, version)?,
            high_watermark: Decode::decode(from, version)?,
            last_stable_offset: Decode::decode(from, version)?,
            log_start_offset: Decode::decode(from, version)?,
            diverging_epoch: EpochEndOffset::default(),
            current_leader: LeaderIdAndEpoch::default(),
            snapshot_id: SnapshotId::default(),
            aborted_transactions: Decode::decode(from, version)?,
            preferred_read_replica: if version >= 11 { Decode::decode(from, version)? } else { -1 },
            records: Decode::decode(from, version)?,
        };
        tags(from, version, |tag, from| {
            match tag {
                0 => decoded.diverging_epoch = Decode::decode(from, version)?,
                1 => decoded.current_leader = Decode::decode(from, version)?,
                2 => decoded.snapshot_id = Decode::decode(from, version)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(decoded)
    }
}

/// The value of [`PartitionData::diverging_epoch`]: versions 12 to 18.
#[derive(Clone, Debug, PartialEq)]
pub struct EpochEndOffset {
    /// `Epoch`, by default -1.
    pub epoch: i32,
    /// `EndOffset`, by default -1.
    pub end_offset: i64,
}

impl Default for EpochEndOffset {
    fn default() -> Self {
        Self { epoch: -1, end_offset: -1 }
    }
}

impl Decode for EpochEndOffset {
    const MIN_SIZE: usize = 13;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self { epoch: Decode::decode(from, version)?, end_offset: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// The value of [`PartitionData::current_leader`]: versions 12 to 18.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaderIdAndEpoch {
    /// `LeaderId`, by default -1.
    pub leader_id: i32,
    /// `LeaderEpoch`, by default -1.
    pub leader_epoch: i32,
}

impl Default for LeaderIdAndEpoch {
    fn default() -> Self {
        Self { leader_id: -1, leader_epoch: -1 }
    }
}

impl Decode for LeaderIdAndEpoch {
    const MIN_SIZE: usize = 9;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self { leader_id: Decode::decode(from, version)?, leader_epoch: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// The value of [`PartitionData::snapshot_id`]: versions 12 to 18.
#[derive(Clone, Debug, PartialEq)]
pub struct SnapshotId {
    /// `EndOffset`, by default -1.
    pub end_offset: i64,
    /// `Epoch`, by default -1.
    pub epoch: i32,
}

impl Default for SnapshotId {
    fn default() -> Self {
        Self { end_offset: -1, epoch: -1 }
    }
}

impl Decode for SnapshotId {
    const MIN_SIZE: usize = 13;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self { end_offset: Decode::decode(from, version)?, epoch: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`PartitionData::aborted_transactions`]: versions 10 to 18.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AbortedTransaction {
    /// `ProducerId`.
    pub producer_id: i64,
    /// `FirstOffset`.
    pub first_offset: i64,
}

impl Decode for AbortedTransaction {
    const MIN_SIZE: usize = 16;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded =
            Self { producer_id: Decode::decode(from, version)?, first_offset: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`FetchResponse::node_endpoints`]: versions 16 to 18.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeEndpoint {
    /// `NodeId`.
    pub node_id: i32,
    /// `Host`.
    pub host: Str,
    /// `Port`.
    pub port: i32,
    /// `Rack`, may be null.
    pub rack: Option<Str>,
}

impl Decode for NodeEndpoint {
    const MIN_SIZE: usize = 11;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            node_id: Decode::decode(from, version)?,
            host: Decode::decode(from, version)?,
            port: Decode::decode(from, version)?,
            rack: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}
