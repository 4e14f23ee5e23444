//! `MetadataResponse`, API key 3: versions 7 to 13, flexible from 9.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{Code, Decode, DecodeError, Reader, Response, Str, Uuid, Version, tags::skip_tags};

/// The response to the request of the same name: versions 7 to 13.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataResponse {
    /// `ThrottleTimeMs`.
    pub throttle_time_ms: i32,
    /// `Brokers`.
    pub brokers: Vec<MetadataResponseBroker>,
    /// `ClusterId`, may be null.
    pub cluster_id: Option<Str>,
    /// `ControllerId`, by default -1.
    pub controller_id: i32,
    /// `Topics`.
    pub topics: Vec<MetadataResponseTopic>,
    /// `ClusterAuthorizedOperations`, versions 8 to 10, by default -2147483648.
    pub cluster_authorized_operations: i32,
    /// `ErrorCode`, versions from 13.
    pub error_code: Code,
}

impl Default for MetadataResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            brokers: Vec::new(),
            cluster_id: None,
            controller_id: -1,
            topics: Vec::new(),
            cluster_authorized_operations: i32::MIN,
            error_code: Code::None,
        }
    }
}

impl Response for MetadataResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for MetadataResponse {
    const MIN_SIZE: usize = 12;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            throttle_time_ms: Decode::decode(from, version)?,
            brokers: Decode::decode(from, version)?,
            cluster_id: Decode::decode(from, version)?,
            controller_id: Decode::decode(from, version)?,
            topics: Decode::decode(from, version)?,
            cluster_authorized_operations: if (8..=10).contains(&version.number) {
                Decode::decode(from, version)?
            } else {
                i32::MIN
            },
            error_code: if version >= 13 { Decode::decode(from, version)? } else { Code::None },
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`MetadataResponse::brokers`]: versions 7 to 13.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetadataResponseBroker {
    /// `NodeId`.
    pub node_id: i32,
    /// `Host`.
    pub host: Str,
    /// `Port`.
    pub port: i32,
    /// `Rack`, may be null.
    pub rack: Option<Str>,
}

impl Decode for MetadataResponseBroker {
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

/// An element of [`MetadataResponse::topics`]: versions 7 to 13.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataResponseTopic {
    /// `ErrorCode`.
    pub error_code: Code,
    /// `Name`, may be null from version 12.
    pub name: Option<Str>,
    /// `TopicId`, versions from 10.
    pub topic_id: Uuid,
    /// `IsInternal`.
    pub is_internal: bool,
    /// `Partitions`.
    pub partitions: Vec<MetadataResponsePartition>,
    /// `TopicAuthorizedOperations`, versions from 8, by default -2147483648.
    pub topic_authorized_operations: i32,
}

impl Default for MetadataResponseTopic {
    fn default() -> Self {
        Self {
            error_code: Code::None,
            name: Some(Str::default()),
            topic_id: Uuid::ZERO,
            is_internal: false,
            partitions: Vec::new(),
            topic_authorized_operations: i32::MIN,
        }
    }
}

impl Decode for MetadataResponseTopic {
    const MIN_SIZE: usize = 9;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            error_code: Decode::decode(from, version)?,
            name: if version >= 12 { Decode::decode(from, version)? } else { Some(Decode::decode(from, version)?) },
            topic_id: if version >= 10 { Decode::decode(from, version)? } else { Uuid::ZERO },
            is_internal: Decode::decode(from, version)?,
            partitions: Decode::decode(from, version)?,
            topic_authorized_operations: if version >= 8 { Decode::decode(from, version)? } else { i32::MIN },
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`MetadataResponseTopic::partitions`]: versions 7 to 13.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataResponsePartition {
    /// `ErrorCode`.
    pub error_code: Code,
    /// `PartitionIndex`.
    pub partition_index: i32,
    /// `LeaderId`.
    pub leader_id: i32,
    /// `LeaderEpoch`, by default -1.
    pub leader_epoch: i32,
    /// `ReplicaNodes`.
    pub replica_nodes: Vec<i32>,
    /// `IsrNodes`.
    pub isr_nodes: Vec<i32>,
    /// `OfflineReplicas`.
    pub offline_replicas: Vec<i32>,
}

impl Default for MetadataResponsePartition {
    fn default() -> Self {
        Self {
            error_code: Code::None,
            partition_index: 0,
            leader_id: 0,
            leader_epoch: -1,
            replica_nodes: Vec::new(),
            isr_nodes: Vec::new(),
            offline_replicas: Vec::new(),
        }
    }
}

impl Decode for MetadataResponsePartition {
    const MIN_SIZE: usize = 18;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            error_code: Decode::decode(from, version)?,
            partition_index: Decode::decode(from, version)?,
            leader_id: Decode::decode(from, version)?,
            leader_epoch: Decode::decode(from, version)?,
            replica_nodes: Decode::decode(from, version)?,
            isr_nodes: Decode::decode(from, version)?,
            offline_replicas: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}
