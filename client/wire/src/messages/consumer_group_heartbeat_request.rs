//! `ConsumerGroupHeartbeatRequest`, API key 68: versions 0 to 1, flexible from 0.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{
    ApiKey, Encode, EncodeError, Request, Str, Uuid, Version, Writer, messages::ConsumerGroupHeartbeatResponse,
    tags::no_tags,
};

/// The request of the API ConsumerGroupHeartbeat: versions 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerGroupHeartbeatRequest {
    /// `GroupId`.
    pub group_id: Str,
    /// `MemberId`.
    pub member_id: Str,
    /// `MemberEpoch`.
    pub member_epoch: i32,
    /// `InstanceId`, may be null.
    pub instance_id: Option<Str>,
    /// `RackId`, may be null.
    pub rack_id: Option<Str>,
    /// `RebalanceTimeoutMs`, by default -1.
    pub rebalance_timeout_ms: i32,
    /// `SubscribedTopicNames`, may be null.
    pub subscribed_topic_names: Option<Vec<Str>>,
    /// `SubscribedTopicRegex`, versions from 1, may be null.
    pub subscribed_topic_regex: Option<Str>,
    /// `ServerAssignor`, may be null.
    pub server_assignor: Option<Str>,
    /// `TopicPartitions`, may be null.
    pub topic_partitions: Option<Vec<TopicPartitions>>,
}

impl Default for ConsumerGroupHeartbeatRequest {
    fn default() -> Self {
        Self {
            group_id: Str::default(),
            member_id: Str::default(),
            member_epoch: 0,
            instance_id: None,
            rack_id: None,
            rebalance_timeout_ms: -1,
            subscribed_topic_names: None,
            subscribed_topic_regex: None,
            server_assignor: None,
            topic_partitions: None,
        }
    }
}

impl Request for ConsumerGroupHeartbeatRequest {
    const API_KEY: ApiKey = ApiKey::ConsumerGroupHeartbeat;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 1;
    const FLEXIBLE_FROM: i16 = 0;
    type Response = ConsumerGroupHeartbeatResponse;
}

impl Encode for ConsumerGroupHeartbeatRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.group_id.encode(out, version)?;
        self.member_id.encode(out, version)?;
        self.member_epoch.encode(out, version)?;
        self.instance_id.encode(out, version)?;
        self.rack_id.encode(out, version)?;
        self.rebalance_timeout_ms.encode(out, version)?;
        self.subscribed_topic_names.encode(out, version)?;
        if version >= 1 {
            self.subscribed_topic_regex.encode(out, version)?;
        } else if self.subscribed_topic_regex.is_some() {
            return Err(version.has_no("ConsumerGroupHeartbeatRequest", "subscribed_topic_regex"));
        }
        self.server_assignor.encode(out, version)?;
        self.topic_partitions.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`ConsumerGroupHeartbeatRequest::topic_partitions`]: versions 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicPartitions {
    /// `TopicId`.
    pub topic_id: Uuid,
    /// `Partitions`.
    pub partitions: Vec<i32>,
}

impl Encode for TopicPartitions {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.topic_id.encode(out, version)?;
        self.partitions.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}
