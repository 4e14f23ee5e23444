//! `ShareFetchRequest`, API key 78: versions 1 to 2, flexible from 1.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{
    ApiKey, Encode, EncodeError, Request, Str, Uuid, Version, Writer, messages::ShareFetchResponse, tags::no_tags,
};

/// The request of the API ShareFetch: versions 1 to 2.
#[derive(Clone, Debug, PartialEq)]
pub struct ShareFetchRequest {
    /// `GroupId`, may be null.
    pub group_id: Option<Str>,
    /// `MemberId`, may be null.
    pub member_id: Option<Str>,
    /// `ShareSessionEpoch`.
    pub share_session_epoch: i32,
    /// `MaxWaitMs`.
    pub max_wait_ms: i32,
    /// `MinBytes`.
    pub min_bytes: i32,
    /// `MaxBytes`, by default 2147483647.
    pub max_bytes: i32,
    /// `MaxRecords`.
    pub max_records: i32,
    /// `BatchSize`.
    pub batch_size: i32,
    /// `ShareAcquireMode`, versions from 2.
    pub share_acquire_mode: i8,
    /// `IsRenewAck`, versions from 2.
    pub is_renew_ack: bool,
    /// `Topics`.
    pub topics: Vec<FetchTopic>,
    /// `ForgottenTopicsData`.
    pub forgotten_topics_data: Vec<ForgottenTopic>,
}

impl Default for ShareFetchRequest {
    fn default() -> Self {
        Self {
            group_id: None,
            member_id: Some(Str::default()),
            share_session_epoch: 0,
            max_wait_ms: 0,
            min_bytes: 0,
            max_bytes: i32::MAX,
            max_records: 0,
            batch_size: 0,
            share_acquire_mode: 0,
            is_renew_ack: false,
            topics: Vec::new(),
            forgotten_topics_data: Vec::new(),
        }
    }
}

impl Request for ShareFetchRequest {
    const API_KEY: ApiKey = ApiKey::ShareFetch;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 2;
    const FLEXIBLE_FROM: i16 = 1;
    type Response = ShareFetchResponse;
}

impl Encode for ShareFetchRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.group_id.encode(out, version)?;
        self.member_id.encode(out, version)?;
        self.share_session_epoch.encode(out, version)?;
        self.max_wait_ms.encode(out, version)?;
        self.min_bytes.encode(out, version)?;
        self.max_bytes.encode(out, version)?;
        self.max_records.encode(out, version)?;
        self.batch_size.encode(out, version)?;
        if version >= 2 {
            self.share_acquire_mode.encode(out, version)?;
        }
        if version >= 2 {
            self.is_renew_ack.encode(out, version)?;
        } else if self.is_renew_ack {
            return Err(version.has_no("ShareFetchRequest", "is_renew_ack"));
        }
        self.topics.encode(out, version)?;
        self.forgotten_topics_data.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`ShareFetchRequest::topics`]: versions 1 to 2.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchTopic {
    /// `TopicId`.
    pub topic_id: Uuid,
    /// `Partitions`.
    pub partitions: Vec<FetchPartition>,
}

impl Encode for FetchTopic {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.topic_id.encode(out, version)?;
        self.partitions.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`FetchTopic::partitions`]: versions 1 to 2.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchPartition {
    /// `PartitionIndex`.
    pub partition_index: i32,
    /// `AcknowledgementBatches`.
    pub acknowledgement_batches: Vec<AcknowledgementBatch>,
}

impl Encode for FetchPartition {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.partition_index.encode(out, version)?;
        self.acknowledgement_batches.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`FetchPartition::acknowledgement_batches`]: versions 1 to 2.
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

/// An element of [`ShareFetchRequest::forgotten_topics_data`]: versions 1 to 2.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ForgottenTopic {
    /// `TopicId`.
    pub topic_id: Uuid,
    /// `Partitions`.
    pub partitions: Vec<i32>,
}

impl Encode for ForgottenTopic {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.topic_id.encode(out, version)?;
        self.partitions.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}
