//! `LeaveGroupRequest`, API key 13: versions 2 to 5, flexible from 4.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{ApiKey, Encode, EncodeError, Request, Str, Version, Writer, messages::LeaveGroupResponse, tags::no_tags};

/// The request of the API LeaveGroup: versions 2 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LeaveGroupRequest {
    /// `GroupId`.
    pub group_id: Str,
    /// `MemberId`, version 2.
    pub member_id: Str,
    /// `Members`, versions from 3.
    pub members: Vec<MemberIdentity>,
}

impl Request for LeaveGroupRequest {
    const API_KEY: ApiKey = ApiKey::LeaveGroup;
    const MIN_VERSION: i16 = 2;
    const MAX_VERSION: i16 = 5;
    const FLEXIBLE_FROM: i16 = 4;
    type Response = LeaveGroupResponse;
}

impl Encode for LeaveGroupRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.group_id.encode(out, version)?;
        if version <= 2 {
            self.member_id.encode(out, version)?;
        } else if !self.member_id.is_empty() {
            return Err(version.has_no("LeaveGroupRequest", "member_id"));
        }
        if version >= 3 {
            self.members.encode(out, version)?;
        } else if !self.members.is_empty() {
            return Err(version.has_no("LeaveGroupRequest", "members"));
        }
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`LeaveGroupRequest::members`]: versions 3 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemberIdentity {
    /// `MemberId`.
    pub member_id: Str,
    /// `GroupInstanceId`, may be null.
    pub group_instance_id: Option<Str>,
    /// `Reason`, versions from 5, may be null.
    pub reason: Option<Str>,
}

impl Encode for MemberIdentity {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.member_id.encode(out, version)?;
        self.group_instance_id.encode(out, version)?;
        if version >= 5 {
            self.reason.encode(out, version)?;
        }
        no_tags(out, version);
        Ok(())
    }
}
