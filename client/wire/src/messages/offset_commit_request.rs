//! `OffsetCommitRequest`, API key 8: versions 6 to 10, flexible from 8.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{
    ApiKey, Encode, EncodeError, Request, Str, Uuid, Version, Writer, messages::OffsetCommitResponse, tags::no_tags,
};

/// The request of the API OffsetCommit: versions 6 to 10.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetCommitRequest {
    /// `GroupId`.
    pub group_id: Str,
    /// `GenerationIdOrMemberEpoch`, by default -1.
    pub generation_id_or_member_epoch: i32,
    /// `MemberId`.
    pub member_id: Str,
    /// `GroupInstanceId`, versions from 7, may be null.
    pub group_instance_id: Option<Str>,
    /// `Topics`.
    pub topics: Vec<OffsetCommitRequestTopic>,
}

impl Default for OffsetCommitRequest {
    fn default() -> Self {
        Self {
            group_id: Str::default(),
            generation_id_or_member_epoch: -1,
            member_id: Str::default(),
            group_instance_id: None,
            topics: Vec::new(),
        }
    }
}

impl Request for OffsetCommitRequest {
    const API_KEY: ApiKey = ApiKey::OffsetCommit;
    const MIN_VERSION: i16 = 6;
    const MAX_VERSION: i16 = 10;
    const FLEXIBLE_FROM: i16 = 8;
    type Response = OffsetCommitResponse;
}

impl Encode for OffsetCommitRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.group_id.encode(out, version)?;
        self.generation_id_or_member_epoch.encode(out, version)?;
        self.member_id.encode(out, version)?;
        if version >= 7 {
            self.group_instance_id.encode(out, version)?;
        } else if self.group_instance_id.is_some() {
            return Err(version.has_no("OffsetCommitRequest", "group_instance_id"));
        }
        self.topics.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`OffsetCommitRequest::topics`]: versions 6 to 10.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetCommitRequestTopic {
    /// `Name`, versions 6 to 9.
    pub name: Str,
    /// `TopicId`, versions from 10.
    pub topic_id: Uuid,
    /// `Partitions`.
    pub partitions: Vec<OffsetCommitRequestPartition>,
}

impl Encode for OffsetCommitRequestTopic {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        if version <= 9 {
            self.name.encode(out, version)?;
        }
        if version >= 10 {
            self.topic_id.encode(out, version)?;
        }
        self.partitions.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`OffsetCommitRequestTopic::partitions`]: versions 6 to 10.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetCommitRequestPartition {
    /// `PartitionIndex`.
    pub partition_index: i32,
    /// `CommittedOffset`.
    pub committed_offset: i64,
    /// `CommittedLeaderEpoch`, by default -1.
    pub committed_leader_epoch: i32,
    /// `CommittedMetadata`, may be null.
    pub committed_metadata: Option<Str>,
}

impl Default for OffsetCommitRequestPartition {
    fn default() -> Self {
        Self {
            partition_index: 0,
            committed_offset: 0,
            committed_leader_epoch: -1,
            committed_metadata: Some(Str::default()),
        }
    }
}

impl Encode for OffsetCommitRequestPartition {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.partition_index.encode(out, version)?;
        self.committed_offset.encode(out, version)?;
        self.committed_leader_epoch.encode(out, version)?;
        self.committed_metadata.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}
