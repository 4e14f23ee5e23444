//! `ListOffsetsRequest`, API key 2: versions 4 to 11, flexible from 6.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{ApiKey, Encode, EncodeError, Request, Str, Version, Writer, messages::ListOffsetsResponse, tags::no_tags};

/// The request of the API ListOffsets: versions 4 to 11.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListOffsetsRequest {
    /// `ReplicaId`.
    pub replica_id: i32,
    /// `IsolationLevel`.
    pub isolation_level: i8,
    /// `Topics`.
    pub topics: Vec<ListOffsetsTopic>,
    /// `TimeoutMs`, versions from 10.
    pub timeout_ms: i32,
}

impl Request for ListOffsetsRequest {
    const API_KEY: ApiKey = ApiKey::ListOffsets;
    const MIN_VERSION: i16 = 4;
    const MAX_VERSION: i16 = 11;
    const FLEXIBLE_FROM: i16 = 6;
    type Response = ListOffsetsResponse;
}

impl Encode for ListOffsetsRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.replica_id.encode(out, version)?;
        self.isolation_level.encode(out, version)?;
        self.topics.encode(out, version)?;
        if version >= 10 {
            self.timeout_ms.encode(out, version)?;
        }
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`ListOffsetsRequest::topics`]: versions 4 to 11.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListOffsetsTopic {
    /// `Name`.
    pub name: Str,
    /// `Partitions`.
    pub partitions: Vec<ListOffsetsPartition>,
}

impl Encode for ListOffsetsTopic {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.name.encode(out, version)?;
        self.partitions.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`ListOffsetsTopic::partitions`]: versions 4 to 11.
#[derive(Clone, Debug, PartialEq)]
pub struct ListOffsetsPartition {
    /// `PartitionIndex`.
    pub partition_index: i32,
    /// `CurrentLeaderEpoch`, by default -1.
    pub current_leader_epoch: i32,
    /// `Timestamp`.
    pub timestamp: i64,
}

impl Default for ListOffsetsPartition {
    fn default() -> Self {
        Self { partition_index: 0, current_leader_epoch: -1, timestamp: 0 }
    }
}

impl Encode for ListOffsetsPartition {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.partition_index.encode(out, version)?;
        self.current_leader_epoch.encode(out, version)?;
        self.timestamp.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}
