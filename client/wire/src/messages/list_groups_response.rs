//! `ListGroupsResponse`, API key 16: versions 2 to 5, flexible from 3.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{Code, Decode, DecodeError, Reader, Response, Str, Version, tags::skip_tags};

/// The response to the request of the same name: versions 2 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListGroupsResponse {
    /// `ThrottleTimeMs`.
    pub throttle_time_ms: i32,
    /// `ErrorCode`.
    pub error_code: Code,
    /// `Groups`.
    pub groups: Vec<ListedGroup>,
}

impl Response for ListGroupsResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for ListGroupsResponse {
    const MIN_SIZE: usize = 8;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            throttle_time_ms: Decode::decode(from, version)?,
            error_code: Decode::decode(from, version)?,
            groups: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`ListGroupsResponse::groups`]: versions 2 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListedGroup {
    /// `GroupId`.
    pub group_id: Str,
    /// `ProtocolType`.
    pub protocol_type: Str,
    /// `GroupState`, versions from 4.
    pub group_state: Str,
    /// `GroupType`, versions from 5.
    pub group_type: Str,
}

impl Decode for ListedGroup {
    const MIN_SIZE: usize = 3;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            group_id: Decode::decode(from, version)?,
            protocol_type: Decode::decode(from, version)?,
            group_state: if version >= 4 { Decode::decode(from, version)? } else { Str::default() },
            group_type: if version >= 5 { Decode::decode(from, version)? } else { Str::default() },
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}
