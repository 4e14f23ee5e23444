//! `TxnOffsetCommitRequest`, API key 28: versions 2 to 5, flexible from 3.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{
    ApiKey, Encode, EncodeError, Request, Str, Version, Writer, messages::TxnOffsetCommitResponse, tags::no_tags,
};

/// The request of the API TxnOffsetCommit: versions 2 to 5.
#[derive(Clone, Debug, PartialEq)]
pub struct TxnOffsetCommitRequest {
    /// `TransactionalId`.
    pub transactional_id: Str,
    /// `GroupId`.
    pub group_id: Str,
    /// `ProducerId`.
    pub producer_id: i64,
    /// `ProducerEpoch`.
    pub producer_epoch: i16,
    /// `GenerationId`, versions from 3, by default -1.
    pub generation_id: i32,
    /// `MemberId`, versions from 3.
    pub member_id: Str,
    /// `GroupInstanceId`, versions from 3, may be null.
    pub group_instance_id: Option<Str>,
    /// `Topics`.
    pub topics: Vec<TxnOffsetCommitRequestTopic>,
}

impl Default for TxnOffsetCommitRequest {
    fn default() -> Self {
        Self {
            transactional_id: Str::default(),
            group_id: Str::default(),
            producer_id: 0,
            producer_epoch: 0,
            generation_id: -1,
            member_id: Str::default(),
            group_instance_id: None,
            topics: Vec::new(),
        }
    }
}

impl Request for TxnOffsetCommitRequest {
    const API_KEY: ApiKey = ApiKey::TxnOffsetCommit;
    const MIN_VERSION: i16 = 2;
    const MAX_VERSION: i16 = 5;
    const FLEXIBLE_FROM: i16 = 3;
    type Response = TxnOffsetCommitResponse;
}

impl Encode for TxnOffsetCommitRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.transactional_id.encode(out, version)?;
        self.group_id.encode(out, version)?;
        self.producer_id.encode(out, version)?;
        self.producer_epoch.encode(out, version)?;
        if version >= 3 {
            self.generation_id.encode(out, version)?;
        } else if self.generation_id != -1 {
            return Err(version.has_no("TxnOffsetCommitRequest", "generation_id"));
        }
        if version >= 3 {
            self.member_id.encode(out, version)?;
        } else if !self.member_id.is_empty() {
            return Err(version.has_no("TxnOffsetCommitRequest", "member_id"));
        }
        if version >= 3 {
            self.group_instance_id.encode(out, version)?;
        } else if self.group_instance_id.is_some() {
            return Err(version.has_no("TxnOffsetCommitRequest", "group_instance_id"));
        }
        self.topics.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`TxnOffsetCommitRequest::topics`]: versions 2 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TxnOffsetCommitRequestTopic {
    /// `Name`.
    pub name: Str,
    /// `Partitions`.
    pub partitions: Vec<TxnOffsetCommitRequestPartition>,
}

impl Encode for TxnOffsetCommitRequestTopic {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.name.encode(out, version)?;
        self.partitions.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`TxnOffsetCommitRequestTopic::partitions`]: versions 2 to 5.
#[derive(Clone, Debug, PartialEq)]
pub struct TxnOffsetCommitRequestPartition {
    /// `PartitionIndex`.
    pub partition_index: i32,
    /// `CommittedOffset`.
    pub committed_offset: i64,
    /// `CommittedLeaderEpoch`, by default -1.
    pub committed_leader_epoch: i32,
    /// `CommittedMetadata`, may be null.
    pub committed_metadata: Option<Str>,
}

impl Default for TxnOffsetCommitRequestPartition {
    fn default() -> Self {
        Self {
            partition_index: 0,
            committed_offset: 0,
            committed_leader_epoch: -1,
            committed_metadata: Some(Str::default()),
        }
    }
}

impl Encode for TxnOffsetCommitRequestPartition {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.partition_index.encode(out, version)?;
        self.committed_offset.encode(out, version)?;
        self.committed_leader_epoch.encode(out, version)?;
        self.committed_metadata.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}
