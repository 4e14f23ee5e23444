//! `JoinGroupResponse`, API key 11: versions 3 to 9, flexible from 6.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use bytes::Bytes;

use crate::{Code, Decode, DecodeError, Reader, Response, Str, Version, tags::skip_tags};

/// The response to the request of the same name: versions 3 to 9.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinGroupResponse {
    /// `ThrottleTimeMs`.
    pub throttle_time_ms: i32,
    /// `ErrorCode`.
    pub error_code: Code,
    /// `GenerationId`, by default -1.
    pub generation_id: i32,
    /// `ProtocolType`, versions from 7, may be null.
    pub protocol_type: Option<Str>,
    /// `ProtocolName`, may be null from version 7.
    pub protocol_name: Option<Str>,
    /// `Leader`.
    pub leader: Str,
    /// `SkipAssignment`, versions from 9.
    pub skip_assignment: bool,
    /// `MemberId`.
    pub member_id: Str,
    /// `Members`.
    pub members: Vec<JoinGroupResponseMember>,
}

impl Default for JoinGroupResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: Code::None,
            generation_id: -1,
            protocol_type: None,
            protocol_name: Some(Str::default()),
            leader: Str::default(),
            skip_assignment: false,
            member_id: Str::default(),
            members: Vec::new(),
        }
    }
}

impl Response for JoinGroupResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for JoinGroupResponse {
    const MIN_SIZE: usize = 15;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            throttle_time_ms: Decode::decode(from, version)?,
            error_code: Decode::decode(from, version)?,
            generation_id: Decode::decode(from, version)?,
            protocol_type: if version >= 7 { Decode::decode(from, version)? } else { None },
            protocol_name: if version >= 7 {
                Decode::decode(from, version)?
            } else {
                Some(Decode::decode(from, version)?)
            },
            leader: Decode::decode(from, version)?,
            skip_assignment: if version >= 9 { Decode::decode(from, version)? } else { false },
            member_id: Decode::decode(from, version)?,
            members: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`JoinGroupResponse::members`]: versions 3 to 9.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JoinGroupResponseMember {
    /// `MemberId`.
    pub member_id: Str,
    /// `GroupInstanceId`, versions from 5, may be null.
    pub group_instance_id: Option<Str>,
    /// `Metadata`.
    pub metadata: Bytes,
}

impl Decode for JoinGroupResponseMember {
    const MIN_SIZE: usize = 4;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            member_id: Decode::decode(from, version)?,
            group_instance_id: if version >= 5 { Decode::decode(from, version)? } else { None },
            metadata: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}
