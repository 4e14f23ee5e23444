//! `FetchRequest`, API key 1: versions 10 to 18, flexible from 12.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{
    ApiKey, Encode, EncodeError, Request, Str, Uuid, Version, Writer,
    messages::FetchResponse,
    tags::{Tags, no_tags},
};

/// The request of the API Fetch: versions 10 to 18.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchRequest {
    /// `ClusterId`, versions from 12, may be null.
    pub cluster_id: Option<Str>,
    /// `ReplicaId`, versions 10 to 14, by default -1.
    pub replica_id: i32,
    /// `ReplicaState`, versions from 15.
    pub replica_state: ReplicaState,
    /// `MaxWaitMs`.
    pub max_wait_ms: i32,
    /// `MinBytes`.
    pub min_bytes: i32,
    /// `MaxBytes`, by default 2147483647.
    pub max_bytes: i32,
    /// `IsolationLevel`.
    pub isolation_level: i8,
    /// `SessionId`.
    pub session_id: i32,
    /// `SessionEpoch`, by default -1.
    pub session_epoch: i32,
    /// `Topics`.
    pub topics: Vec<FetchTopic>,
    /// `ForgottenTopicsData`.
    pub forgotten_topics_data: Vec<ForgottenTopic>,
    /// `RackId`, versions from 11.
    pub rack_id: Str,
}

impl Default for FetchRequest {
    fn default() -> Self {
        Self {
            cluster_id: None,
            replica_id: -1,
            replica_state: ReplicaState::default(),
            max_wait_ms: 0,
            min_bytes: 0,
            max_bytes: i32::MAX,
            isolation_level: 0,
            session_id: 0,
            session_epoch: -1,
            topics: Vec::new(),
            forgotten_topics_data: Vec::new(),
            rack_id: Str::default(),
        }
    }
}

impl Request for FetchRequest {
    const API_KEY: ApiKey = ApiKey::Fetch;
    const MIN_VERSION: i16 = 10;
    const MAX_VERSION: i16 = 18;
    const FLEXIBLE_FROM: i16 = 12;
    type Response = FetchResponse;
}

impl Encode for FetchRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        if version <= 14 {
            self.replica_id.encode(out, version)?;
        } else if self.replica_id != -1 {
            return Err(version.has_no("FetchRequest", "replica_id"));
        }
        self.max_wait_ms.encode(out, version)?;
        self.min_bytes.encode(out, version)?;
        self.max_bytes.encode(out, version)?;
        self.isolation_level.encode(out, version)?;
        self.session_id.encode(out, version)?;
        self.session_epoch.encode(out, version)?;
        self.topics.encode(out, version)?;
        self.forgotten_topics_data.encode(out, version)?;
        if version >= 11 {
            self.rack_id.encode(out, version)?;
        }
        if version < 15 && self.replica_state != ReplicaState::default() {
            return Err(version.has_no("FetchRequest", "replica_state"));
        }
        if version.flexible {
            let mut tags = Tags::default();
            if self.cluster_id.is_some() {
                tags.add(0, &self.cluster_id, version)?;
            }
            if version >= 15 && self.replica_state != ReplicaState::default() {
                tags.add(1, &self.replica_state, version)?;
            }
            tags.write(out);
        }
        Ok(())
    }
}

/// The value of [`FetchRequest::replica_state`]: versions 15 to 18.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplicaState {
    /// `ReplicaId`, by default -1.
    pub replica_id: i32,
    /// `ReplicaEpoch`, by default -1.
    pub replica_epoch: i64,
}

impl Default for ReplicaState {
    fn default() -> Self {
        Self { replica_id: -1, replica_epoch: -1 }
    }
}

impl Encode for ReplicaState {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.replica_id.encode(out, version)?;
        self.replica_epoch.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`FetchRequest::topics`]: versions 10 to 18.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchTopic {
    /// `Topic`, versions 10 to 12.
    pub topic: Str,
    /// `TopicId`, versions from 13.
    pub topic_id: Uuid,
    /// `Partitions`.
    pub partitions: Vec<FetchPartition>,
}

impl Encode for FetchTopic {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        if version <= 12 {
            self.topic.encode(out, version)?;
        }
        if version >= 13 {
            self.topic_id.encode(out, version)?;
        }
        self.partitions.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`FetchTopic::partitions`]: versions 10 to 18.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchPartition {
    /// `Partition`.
    pub partition: i32,
    /// `CurrentLeaderEpoch`, by default -1.
    pub current_leader_epoch: i32,
    /// `FetchOffset`.
    pub fetch_offset: i64,
    /// `LastFetchedEpoch`, versions from 12, by default -1.
    pub last_fetched_epoch: i32,
    /// `LogStartOffset`, by default -1.
    pub log_start_offset: i64,
    /// `PartitionMaxBytes`.
    pub partition_max_bytes: i32,
    /// `ReplicaDirectoryId`, versions from 17.
    pub replica_directory_id: Uuid,
    /// `HighWatermark`, versions from 18, by default 9223372036854775807.
    pub high_watermark: i64,
}

impl Default for FetchPartition {
    fn default() -> Self {
        Self {
            partition: 0,
            current_leader_epoch: -1,
            fetch_offset: 0,
            last_fetched_epoch: -1,
            log_start_offset: -1,
            partition_max_bytes: 0,
            replica_directory_id: Uuid::ZERO,
            high_watermark: i64::MAX,
        }
    }
}

impl Encode for FetchPartition {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.partition.encode(out, version)?;
        self.current_leader_epoch.encode(out, version)?;
        self.fetch_offset.encode(out, version)?;
        if version >= 12 {
            self.last_fetched_epoch.encode(out, version)?;
        } else if self.last_fetched_epoch != -1 {
            return Err(version.has_no("FetchPartition", "last_fetched_epoch"));
        }
        self.log_start_offset.encode(out, version)?;
        self.partition_max_bytes.encode(out, version)?;
        if version.flexible {
            let mut tags = Tags::default();
            if version >= 17 && !self.replica_directory_id.is_zero() {
                tags.add(0, &self.replica_directory_id, version)?;
            }
            if version >= 18 && self.high_watermark != i64::MAX {
                tags.add(1, &self.high_watermark, version)?;
            }
            tags.write(out);
        }
        Ok(())
    }
}

/// An element of [`FetchRequest::forgotten_topics_data`]: versions 10 to 18.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ForgottenTopic {
    /// `Topic`, versions 10 to 12.
    pub topic: Str,
    /// `TopicId`, versions from 13.
    pub topic_id: Uuid,
    /// `Partitions`.
    pub partitions: Vec<i32>,
}

impl Encode for ForgottenTopic {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        if version <= 12 {
            self.topic.encode(out, version)?;
        }
        if version >= 13 {
            self.topic_id.encode(out, version)?;
        }
        self.partitions.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}
