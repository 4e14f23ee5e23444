//! `LeaveGroupResponse`, API key 13: versions 2 to 5, flexible from 4.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{Code, Decode, DecodeError, Reader, Response, Str, Version, tags::skip_tags};

/// The response to the request of the same name: versions 2 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LeaveGroupResponse {
    /// `ThrottleTimeMs`.
    pub throttle_time_ms: i32,
    /// `ErrorCode`.
    pub error_code: Code,
    /// `Members`, versions from 3.
    pub members: Vec<MemberResponse>,
}

impl Response for LeaveGroupResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for LeaveGroupResponse {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            throttle_time_ms: Decode::decode(from, version)?,
            error_code: Decode::decode(from, version)?,
            members: if version >= 3 { Decode::decode(from, version)? } else { Vec::new() },
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`LeaveGroupResponse::members`]: versions 3 to 5.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberResponse {
    /// `MemberId`.
    pub member_id: Str,
    /// `GroupInstanceId`, may be null.
    pub group_instance_id: Option<Str>,
    /// `ErrorCode`.
    pub error_code: Code,
}

impl Default for MemberResponse {
    fn default() -> Self {
        Self { member_id: Str::default(), group_instance_id: Some(Str::default()), error_code: Code::None }
    }
}

impl Decode for MemberResponse {
    const MIN_SIZE: usize = 5;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            member_id: Decode::decode(from, version)?,
            group_instance_id: Decode::decode(from, version)?,
            error_code: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}
