//! `ShareAcknowledgeRequest`, API key 79: versions 1 to 2, flexible from 1.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{
    ApiKey, Encode, EncodeError, Request, Str, Uuid, Version, Writer, messages::ShareAcknowledgeResponse, tags::no_tags,
};

/// The request of the API ShareAcknowledge: versions 1 to 2.
#[derive(Clone, Debug, PartialEq)]
pub struct ShareAcknowledgeRequest {
    /// `GroupId`, may be null.
    pub group_id: Option<Str>,
    /// `MemberId`, may be null.
    pub member_id: Option<Str>,
    /// `ShareSessionEpoch`.
    pub share_session_epoch: i32,
    /// `IsRenewAck`, versions from 2.
    pub is_renew_ack: bool,
    /// `Topics`.
    pub topics: Vec<AcknowledgeTopic>,
}

impl Default for ShareAcknowledgeRequest {
    fn default() -> Self {
        Self {
            group_id: None,
            member_id: Some(Str::default()),
            share_session_epoch: 0,
            is_renew_ack: false,
            topics: Vec::new(),
        }
    }
}

impl Request for ShareAcknowledgeRequest {
    const API_KEY: ApiKey = ApiKey::ShareAcknowledge;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 2;
    const FLEXIBLE_FROM: i16 = 1;
    type Response = ShareAcknowledgeResponse;
}

impl Encode for ShareAcknowledgeRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.group_id.encode(out, version)?;
        self.member_id.encode(out, version)?;
        self.share_session_epoch.encode(out, version)?;
        if version >= 2 {
            self.is_renew_ack.encode(out, version)?;
        } else if self.is_renew_ack {
            return Err(version.has_no("ShareAcknowledgeRequest", "is_renew_ack"));
        }
        self.topics.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`ShareAcknowledgeRequest::topics`]: versions 1 to 2.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AcknowledgeTopic {
    /// `TopicId`.
    pub topic_id: Uuid,
    /// `Partitions`.
    pub partitions: Vec<AcknowledgePartition>,
}

impl Encode for AcknowledgeTopic {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.topic_id.encode(out, version)?;
        self.partitions.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`AcknowledgeTopic::partitions`]: versions 1 to 2.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AcknowledgePartition {
    /// `PartitionIndex`.
    pub partition_index: i32,
    /// `AcknowledgementBatches`.
    pub acknowledgement_batches: Vec<AcknowledgementBatch>,
}

impl Encode for AcknowledgePartition {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.partition_index.encode(out, version)?;
        self.acknowledgement_batches.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`AcknowledgePartition::acknowledgement_batches`]: versions 1 to 2.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AcknowledgementBatch {
    /// `FirstOffset`.
    pub first_offset: i64,
    /// `LastOffset`.
    pub last_offset: i64,
    /// `AcknowledgeTypes`.
    pub acknowledge_types: Vec<i8>,
}

impl Encode for AcknowledgementBatch {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.first_offset.encode(out, version)?;
        self.last_offset.encode(out, version)?;
        self.acknowledge_types.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}
