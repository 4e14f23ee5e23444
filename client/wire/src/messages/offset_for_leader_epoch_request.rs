//! `OffsetForLeaderEpochRequest`, API key 23: versions 2 to 4, flexible from 4.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{
    ApiKey, Encode, EncodeError, Request, Str, Version, Writer, messages::OffsetForLeaderEpochResponse, tags::no_tags,
};

/// The request of the API OffsetForLeaderEpoch: versions 2 to 4.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetForLeaderEpochRequest {
    /// `ReplicaId`, versions from 3, by default -2.
    pub replica_id: i32,
    /// `Topics`.
    pub topics: Vec<OffsetForLeaderTopic>,
}

impl Default for OffsetForLeaderEpochRequest {
    fn default() -> Self {
        Self { replica_id: -2, topics: Vec::new() }
    }
}

impl Request for OffsetForLeaderEpochRequest {
    const API_KEY: ApiKey = ApiKey::OffsetForLeaderEpoch;
    const MIN_VERSION: i16 = 2;
    const MAX_VERSION: i16 = 4;
    const FLEXIBLE_FROM: i16 = 4;
    type Response = OffsetForLeaderEpochResponse;
}

impl Encode for OffsetForLeaderEpochRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        if version >= 3 {
            self.replica_id.encode(out, version)?;
        }
        self.topics.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`OffsetForLeaderEpochRequest::topics`]: versions 2 to 4.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetForLeaderTopic {
    /// `Topic`.
    pub topic: Str,
    /// `Partitions`.
    pub partitions: Vec<OffsetForLeaderPartition>,
}

impl Encode for OffsetForLeaderTopic {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.topic.encode(out, version)?;
        self.partitions.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`OffsetForLeaderTopic::partitions`]: versions 2 to 4.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetForLeaderPartition {
    /// `Partition`.
    pub partition: i32,
    /// `CurrentLeaderEpoch`, by default -1.
    pub current_leader_epoch: i32,
    /// `LeaderEpoch`.
    pub leader_epoch: i32,
}

impl Default for OffsetForLeaderPartition {
    fn default() -> Self {
        Self { partition: 0, current_leader_epoch: -1, leader_epoch: 0 }
    }
}

impl Encode for OffsetForLeaderPartition {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.partition.encode(out, version)?;
        self.current_leader_epoch.encode(out, version)?;
        self.leader_epoch.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}
