//! `OffsetFetchRequest`, API key 9: versions 5 to 10, flexible from 6.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{
    ApiKey, Encode, EncodeError, Request, Str, Uuid, Version, Writer, messages::OffsetFetchResponse, tags::no_tags,
};

/// The request of the API OffsetFetch: versions 5 to 10.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetFetchRequest {
    /// `GroupId`, versions 5 to 7.
    pub group_id: Str,
    /// `Topics`, versions 5 to 7, may be null.
    pub topics: Option<Vec<OffsetFetchRequestTopic>>,
    /// `Groups`, versions from 8.
    pub groups: Vec<OffsetFetchRequestGroup>,
    /// `RequireStable`, versions from 7.
    pub require_stable: bool,
}

impl Default for OffsetFetchRequest {
    fn default() -> Self {
        Self { group_id: Str::default(), topics: Some(Vec::new()), groups: Vec::new(), require_stable: false }
    }
}

impl Request for OffsetFetchRequest {
    const API_KEY: ApiKey = ApiKey::OffsetFetch;
    const MIN_VERSION: i16 = 5;
    const MAX_VERSION: i16 = 10;
    const FLEXIBLE_FROM: i16 = 6;
    type Response = OffsetFetchResponse;
}

impl Encode for OffsetFetchRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        if version <= 7 {
            self.group_id.encode(out, version)?;
        } else if !self.group_id.is_empty() {
            return Err(version.has_no("OffsetFetchRequest", "group_id"));
        }
        if version <= 7 {
            self.topics.encode(out, version)?;
        } else if self.topics != Some(Vec::new()) {
            return Err(version.has_no("OffsetFetchRequest", "topics"));
        }
        if version >= 8 {
            self.groups.encode(out, version)?;
        } else if !self.groups.is_empty() {
            return Err(version.has_no("OffsetFetchRequest", "groups"));
        }
        if version >= 7 {
            self.require_stable.encode(out, version)?;
        } else if self.require_stable {
            return Err(version.has_no("OffsetFetchRequest", "require_stable"));
        }
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`OffsetFetchRequest::topics`]: versions 5 to 7.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetFetchRequestTopic {
    /// `Name`.
    pub name: Str,
    /// `PartitionIndexes`.
    pub partition_indexes: Vec<i32>,
}

impl Encode for OffsetFetchRequestTopic {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.name.encode(out, version)?;
        self.partition_indexes.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`OffsetFetchRequest::groups`]: versions 8 to 10.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetFetchRequestGroup {
    /// `GroupId`.
    pub group_id: Str,
    /// `MemberId`, versions from 9, may be null.
    pub member_id: Option<Str>,
    /// `MemberEpoch`, versions from 9, by default -1.
    pub member_epoch: i32,
    /// `Topics`, may be null.
    pub topics: Option<Vec<OffsetFetchRequestTopics>>,
}

impl Default for OffsetFetchRequestGroup {
    fn default() -> Self {
        Self { group_id: Str::default(), member_id: None, member_epoch: -1, topics: Some(Vec::new()) }
    }
}

impl Encode for OffsetFetchRequestGroup {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.group_id.encode(out, version)?;
        if version >= 9 {
            self.member_id.encode(out, version)?;
        }
        if version >= 9 {
            self.member_epoch.encode(out, version)?;
        }
        self.topics.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`OffsetFetchRequestGroup::topics`]: versions 8 to 10.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetFetchRequestTopics {
    /// `Name`, versions 8 to 9.
    pub name: Str,
    /// `TopicId`, versions from 10.
    pub topic_id: Uuid,
    /// `PartitionIndexes`.
    pub partition_indexes: Vec<i32>,
}

impl Encode for OffsetFetchRequestTopics {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        if version <= 9 {
            self.name.encode(out, version)?;
        }
        if version >= 10 {
            self.topic_id.encode(out, version)?;
        }
        self.partition_indexes.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}
