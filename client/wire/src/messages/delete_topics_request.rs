//! `DeleteTopicsRequest`, API key 20: versions 3 to 6, flexible from 4.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{
    ApiKey, Encode, EncodeError, Request, Str, Uuid, Version, Writer, messages::DeleteTopicsResponse, tags::no_tags,
};

/// The request of the API DeleteTopics: versions 3 to 6.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeleteTopicsRequest {
    /// `Topics`, versions from 6.
    pub topics: Vec<DeleteTopicState>,
    /// `TopicNames`, versions 3 to 5.
    pub topic_names: Vec<Str>,
    /// `TimeoutMs`.
    pub timeout_ms: i32,
}

impl Request for DeleteTopicsRequest {
    const API_KEY: ApiKey = ApiKey::DeleteTopics;
    const MIN_VERSION: i16 = 3;
    const MAX_VERSION: i16 = 6;
    const FLEXIBLE_FROM: i16 = 4;
    type Response = DeleteTopicsResponse;
}

impl Encode for DeleteTopicsRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        if version >= 6 {
            self.topics.encode(out, version)?;
        } else if !self.topics.is_empty() {
            return Err(version.has_no("DeleteTopicsRequest", "topics"));
        }
        if version <= 5 {
            self.topic_names.encode(out, version)?;
        }
        self.timeout_ms.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`DeleteTopicsRequest::topics`]: version 6.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeleteTopicState {
    /// `Name`, may be null.
    pub name: Option<Str>,
    /// `TopicId`.
    pub topic_id: Uuid,
}

impl Encode for DeleteTopicState {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.name.encode(out, version)?;
        self.topic_id.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}
