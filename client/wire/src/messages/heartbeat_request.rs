//! `HeartbeatRequest`, API key 12: versions 2 to 4, flexible from 4.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{ApiKey, Encode, EncodeError, Request, Str, Version, Writer, messages::HeartbeatResponse, tags::no_tags};

/// The request of the API Heartbeat: versions 2 to 4.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeartbeatRequest {
    /// `GroupId`.
    pub group_id: Str,
    /// `GenerationId`.
    pub generation_id: i32,
    /// `MemberId`.
    pub member_id: Str,
    /// `GroupInstanceId`, versions from 3, may be null.
    pub group_instance_id: Option<Str>,
}

impl Request for HeartbeatRequest {
    const API_KEY: ApiKey = ApiKey::Heartbeat;
    const MIN_VERSION: i16 = 2;
    const MAX_VERSION: i16 = 4;
    const FLEXIBLE_FROM: i16 = 4;
    type Response = HeartbeatResponse;
}

impl Encode for HeartbeatRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.group_id.encode(out, version)?;
        self.generation_id.encode(out, version)?;
        self.member_id.encode(out, version)?;
        if version >= 3 {
            self.group_instance_id.encode(out, version)?;
        } else if self.group_instance_id.is_some() {
            return Err(version.has_no("HeartbeatRequest", "group_instance_id"));
        }
        no_tags(out, version);
        Ok(())
    }
}
