//! `SyncGroupRequest`, API key 14: versions 2 to 5, flexible from 4.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use bytes::Bytes;

use crate::{ApiKey, Encode, EncodeError, Request, Str, Version, Writer, messages::SyncGroupResponse, tags::no_tags};

/// The request of the API SyncGroup: versions 2 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SyncGroupRequest {
    /// `GroupId`.
    pub group_id: Str,
    /// `GenerationId`.
    pub generation_id: i32,
    /// `MemberId`.
    pub member_id: Str,
    /// `GroupInstanceId`, versions from 3, may be null.
    pub group_instance_id: Option<Str>,
    /// `ProtocolType`, versions from 5, may be null.
    pub protocol_type: Option<Str>,
    /// `ProtocolName`, versions from 5, may be null.
    pub protocol_name: Option<Str>,
    /// `Assignments`.
    pub assignments: Vec<SyncGroupRequestAssignment>,
}

impl Request for SyncGroupRequest {
    const API_KEY: ApiKey = ApiKey::SyncGroup;
    const MIN_VERSION: i16 = 2;
    const MAX_VERSION: i16 = 5;
    const FLEXIBLE_FROM: i16 = 4;
    type Response = SyncGroupResponse;
}

impl Encode for SyncGroupRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.group_id.encode(out, version)?;
        self.generation_id.encode(out, version)?;
        self.member_id.encode(out, version)?;
        if version >= 3 {
            self.group_instance_id.encode(out, version)?;
        } else if self.group_instance_id.is_some() {
            return Err(version.has_no("SyncGroupRequest", "group_instance_id"));
        }
        if version >= 5 {
            self.protocol_type.encode(out, version)?;
        }
        if version >= 5 {
            self.protocol_name.encode(out, version)?;
        }
        self.assignments.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`SyncGroupRequest::assignments`]: versions 2 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SyncGroupRequestAssignment {
    /// `MemberId`.
    pub member_id: Str,
    /// `Assignment`.
    pub assignment: Bytes,
}

impl Encode for SyncGroupRequestAssignment {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.member_id.encode(out, version)?;
        self.assignment.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}
