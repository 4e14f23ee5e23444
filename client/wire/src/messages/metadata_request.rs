//! `MetadataRequest`, API key 3: versions 7 to 13, flexible from 9.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{
    ApiKey, Encode, EncodeError, Request, Str, Uuid, Version, Writer, messages::MetadataResponse, tags::no_tags,
};

/// The request of the API Metadata: versions 7 to 13.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataRequest {
    /// `Topics`, may be null.
    pub topics: Option<Vec<MetadataRequestTopic>>,
    /// `AllowAutoTopicCreation`, by default true.
    pub allow_auto_topic_creation: bool,
    /// `IncludeClusterAuthorizedOperations`, versions 8 to 10.
    pub include_cluster_authorized_operations: bool,
    /// `IncludeTopicAuthorizedOperations`, versions from 8.
    pub include_topic_authorized_operations: bool,
}

impl Default for MetadataRequest {
    fn default() -> Self {
        Self {
            topics: Some(Vec::new()),
            allow_auto_topic_creation: true,
            include_cluster_authorized_operations: false,
            include_topic_authorized_operations: false,
        }
    }
}

impl Request for MetadataRequest {
    const API_KEY: ApiKey = ApiKey::Metadata;
    const MIN_VERSION: i16 = 7;
    const MAX_VERSION: i16 = 13;
    const FLEXIBLE_FROM: i16 = 9;
    type Response = MetadataResponse;
}

impl Encode for MetadataRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.topics.encode(out, version)?;
        self.allow_auto_topic_creation.encode(out, version)?;
        if (8..=10).contains(&version.number) {
            self.include_cluster_authorized_operations.encode(out, version)?;
        } else if self.include_cluster_authorized_operations {
            return Err(version.has_no("MetadataRequest", "include_cluster_authorized_operations"));
        }
        if version >= 8 {
            self.include_topic_authorized_operations.encode(out, version)?;
        } else if self.include_topic_authorized_operations {
            return Err(version.has_no("MetadataRequest", "include_topic_authorized_operations"));
        }
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`MetadataRequest::topics`]: versions 7 to 13.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataRequestTopic {
    /// `TopicId`, versions from 10.
    pub topic_id: Uuid,
    /// `Name`, may be null from version 10.
    pub name: Option<Str>,
}

impl Default for MetadataRequestTopic {
    fn default() -> Self {
        Self { topic_id: Uuid::ZERO, name: Some(Str::default()) }
    }
}

impl Encode for MetadataRequestTopic {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        if version >= 10 {
            self.topic_id.encode(out, version)?;
        }
        if version < 10 && self.name.is_none() {
            return Err(version.needs("MetadataRequestTopic", "name"));
        }
        self.name.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}
