//! `ProduceResponse`, API key 0: versions 7 to 13, flexible from 9.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{
    Code, Decode, DecodeError, Reader, Response, Str, Uuid, Version,
    tags::{skip_tags, tags},
};

/// The response to the request of the same name: versions 7 to 13.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProduceResponse {
    /// `Responses`.
    pub responses: Vec<TopicProduceResponse>,
    /// `ThrottleTimeMs`.
    pub throttle_time_ms: i32,
    /// `NodeEndpoints`, versions from 10.
    pub node_endpoints: Vec<NodeEndpoint>,
}

impl Response for ProduceResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for ProduceResponse {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let mut decoded = Self {
            responses: Decode::decode(from, version)?,
            throttle_time_ms: Decode::decode(from, version)?,
            node_endpoints: Vec::new(),
        };
        tags(from, version, |tag, from| {
            if tag == 0 && version >= 10 {
                decoded.node_endpoints = Decode::decode(from, version)?;
            }
            Ok(())
        })?;
        Ok(decoded)
    }
}

/// An element of [`ProduceResponse::responses`]: versions 7 to 13.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicProduceResponse {
    /// `Name`, versions 7 to 12.
    pub name: Str,
    /// `TopicId`, versions from 13.
    pub topic_id: Uuid,
    /// `PartitionResponses`.
    pub partition_responses: Vec<PartitionProduceResponse>,
}

impl Decode for TopicProduceResponse {
    const MIN_SIZE: usize = 3;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            name: if version <= 12 { Decode::decode(from, version)? } else { Str::default() },
            topic_id: if version >= 13 { Decode::decode(from, version)? } else { Uuid::ZERO },
            partition_responses: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`TopicProduceResponse::partition_responses`]: versions 7 to 13.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionProduceResponse {
    /// `Index`.
    pub index: i32,
    /// `ErrorCode`.
    pub error_code: Code,
    /// `BaseOffset`.
    pub base_offset: i64,
    /// `LogAppendTimeMs`, by default -1.
    pub log_append_time_ms: i64,
    /// `LogStartOffset`, by default -1.
    pub log_start_offset: i64,
    /// `RecordErrors`, versions from 8.
    pub record_errors: Vec<BatchIndexAndErrorMessage>,
    /// `ErrorMessage`, versions from 8, may be null.
    pub error_message: Option<Str>,
    /// `CurrentLeader`, versions from 10.
    pub current_leader: LeaderIdAndEpoch,
}

impl Default for PartitionProduceResponse {
    fn default() -> Self {
        Self {
            index: 0,
            error_code: Code::None,
            base_offset: 0,
            log_append_time_ms: -1,
            log_start_offset: -1,
            record_errors: Vec::new(),
            error_message: None,
            current_leader: LeaderIdAndEpoch::default(),
        }
    }
}

impl Decode for PartitionProduceResponse {
    const MIN_SIZE: usize = 30;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let mut decoded = Self {
            index: Decode::decode(from, version)?,
            error_code: Decode::decode(from, version)?,
            base_offset: Decode::decode(from, version)?,
            log_append_time_ms: Decode::decode(from, version)?,
            log_start_offset: Decode::decode(from, version)?,
            record_errors: if version >= 8 { Decode::decode(from, version)? } else { Vec::new() },
            error_message: if version >= 8 { Decode::decode(from, version)? } else { None },
            current_leader: LeaderIdAndEpoch::default(),
        };
        tags(from, version, |tag, from| {
            if tag == 0 && version >= 10 {
                decoded.current_leader = Decode::decode(from, version)?;
            }
            Ok(())
        })?;
        Ok(decoded)
    }
}

/// An element of [`PartitionProduceResponse::record_errors`]: versions 8 to 13.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchIndexAndErrorMessage {
    /// `BatchIndex`.
    pub batch_index: i32,
    /// `BatchIndexErrorMessage`, may be null.
    pub batch_index_error_message: Option<Str>,
}

impl Decode for BatchIndexAndErrorMessage {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            batch_index: Decode::decode(from, version)?,
            batch_index_error_message: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// The value of [`PartitionProduceResponse::current_leader`]: versions 10 to 13.
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

/// An element of [`ProduceResponse::node_endpoints`]: versions 10 to 13.
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
