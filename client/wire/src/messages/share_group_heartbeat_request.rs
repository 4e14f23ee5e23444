//! `ShareGroupHeartbeatRequest`, API key 76: version 1, flexible from 1.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{
    ApiKey, Encode, EncodeError, Request, Str, Version, Writer, messages::ShareGroupHeartbeatResponse, tags::no_tags,
};

/// The request of the API ShareGroupHeartbeat: version 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShareGroupHeartbeatRequest {
    /// `GroupId`.
    pub group_id: Str,
    /// `MemberId`.
    pub member_id: Str,
    /// `MemberEpoch`.
    pub member_epoch: i32,
    /// `RackId`, may be null.
    pub rack_id: Option<Str>,
    /// `SubscribedTopicNames`, may be null.
    pub subscribed_topic_names: Option<Vec<Str>>,
}

impl Request for ShareGroupHeartbeatRequest {
    const API_KEY: ApiKey = ApiKey::ShareGroupHeartbeat;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 1;
    const FLEXIBLE_FROM: i16 = 1;
    type Response = ShareGroupHeartbeatResponse;
}

impl Encode for ShareGroupHeartbeatRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.group_id.encode(out, version)?;
        self.member_id.encode(out, version)?;
        self.member_epoch.encode(out, version)?;
        self.rack_id.encode(out, version)?;
        self.subscribed_topic_names.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}
