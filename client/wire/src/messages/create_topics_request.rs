//! `CreateTopicsRequest`, API key 19: versions 3 to 7, flexible from 5.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{
    ApiKey, Encode, EncodeError, Request, Str, Version, Writer, messages::CreateTopicsResponse, tags::no_tags,
};

/// The request of the API CreateTopics: versions 3 to 7.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTopicsRequest {
    /// `Topics`.
    pub topics: Vec<CreatableTopic>,
    /// `timeoutMs`, by default 60000.
    pub timeout_ms: i32,
    /// `validateOnly`.
    pub validate_only: bool,
}

impl Default for CreateTopicsRequest {
    fn default() -> Self {
        Self { topics: Vec::new(), timeout_ms: 60000, validate_only: false }
    }
}

impl Request for CreateTopicsRequest {
    const API_KEY: ApiKey = ApiKey::CreateTopics;
    const MIN_VERSION: i16 = 3;
    const MAX_VERSION: i16 = 7;
    const FLEXIBLE_FROM: i16 = 5;
    type Response = CreateTopicsResponse;
}

impl Encode for CreateTopicsRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.topics.encode(out, version)?;
        self.timeout_ms.encode(out, version)?;
        self.validate_only.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`CreateTopicsRequest::topics`]: versions 3 to 7.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CreatableTopic {
    /// `Name`.
    pub name: Str,
    /// `NumPartitions`.
    pub num_partitions: i32,
    /// `ReplicationFactor`.
    pub replication_factor: i16,
    /// `Assignments`.
    pub assignments: Vec<CreatableReplicaAssignment>,
    /// `Configs`.
    pub configs: Vec<CreatableTopicConfig>,
}

impl Encode for CreatableTopic {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.name.encode(out, version)?;
        self.num_partitions.encode(out, version)?;
        self.replication_factor.encode(out, version)?;
        self.assignments.encode(out, version)?;
        self.configs.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`CreatableTopic::assignments`]: versions 3 to 7.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CreatableReplicaAssignment {
    /// `PartitionIndex`.
    pub partition_index: i32,
    /// `BrokerIds`.
    pub broker_ids: Vec<i32>,
}

impl Encode for CreatableReplicaAssignment {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.partition_index.encode(out, version)?;
        self.broker_ids.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`CreatableTopic::configs`]: versions 3 to 7.
#[derive(Clone, Debug, PartialEq)]
pub struct CreatableTopicConfig {
    /// `Name`.
    pub name: Str,
    /// `Value`, may be null.
    pub value: Option<Str>,
}

impl Default for CreatableTopicConfig {
    fn default() -> Self {
        Self { name: Str::default(), value: Some(Str::default()) }
    }
}

impl Encode for CreatableTopicConfig {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.name.encode(out, version)?;
        self.value.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}
