//! `ShareAcknowledgeResponse`, API key 79: versions 1 to 2, flexible from 1.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{Code, Decode, DecodeError, Reader, Response, Str, Uuid, Version, tags::skip_tags};

/// The response to the request of the same name: versions 1 to 2.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShareAcknowledgeResponse {
    /// `ThrottleTimeMs`.
    pub throttle_time_ms: i32,
    /// `ErrorCode`.
    pub error_code: Code,
    /// `ErrorMessage`, may be null.
    pub error_message: Option<Str>,
    /// `AcquisitionLockTimeoutMs`, versions from 2.
    pub acquisition_lock_timeout_ms: i32,
    /// `Responses`.
    pub responses: Vec<ShareAcknowledgeTopicResponse>,
    /// `NodeEndpoints`.
    pub node_endpoints: Vec<NodeEndpoint>,
}

impl Response for ShareAcknowledgeResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for ShareAcknowledgeResponse {
    const MIN_SIZE: usize = 10;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            throttle_time_ms: Decode::decode(from, version)?,
            error_code: Decode::decode(from, version)?,
            error_message: Decode::decode(from, version)?,
            acquisition_lock_timeout_ms: if version >= 2 { Decode::decode(from, version)? } else { 0 },
            responses: Decode::decode(from, version)?,
            node_endpoints: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`ShareAcknowledgeResponse::responses`]: versions 1 to 2.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShareAcknowledgeTopicResponse {
    /// `TopicId`.
    pub topic_id: Uuid,
    /// `Partitions`.
    pub partitions: Vec<PartitionData>,
}

impl Decode for ShareAcknowledgeTopicResponse {
    const MIN_SIZE: usize = 18;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self { topic_id: Decode::decode(from, version)?, partitions: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`ShareAcknowledgeTopicResponse::partitions`]: versions 1 to 2.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartitionData {
    /// `PartitionIndex`.
    pub partition_index: i32,
    /// `ErrorCode`.
    pub error_code: Code,
    /// `ErrorMessage`, may be null.
    pub error_message: Option<Str>,
    /// `CurrentLeader`.
    pub current_leader: LeaderIdAndEpoch,
}

impl Decode for PartitionData {
    const MIN_SIZE: usize = 17;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            partition_index: Decode::decode(from, version)?,
            error_code: Decode::decode(from, version)?,
            error_message: Decode::decode(from, version)?,
            current_leader: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// The value of [`PartitionData::current_leader`]: versions 1 to 2.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LeaderIdAndEpoch {
    /// `LeaderId`.
    pub leader_id: i32,
    /// `LeaderEpoch`.
    pub leader_epoch: i32,
}

impl Decode for LeaderIdAndEpoch {
    const MIN_SIZE: usize = 9;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self { leader_id: Decode::decode(from, version)?, leader_epoch: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`ShareAcknowledgeResponse::node_endpoints`]: versions 1 to 2.
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
