//! `DescribeGroupsResponse`, API key 15: versions 2 to 6, flexible from 5.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use bytes::Bytes;

use crate::{Code, Decode, DecodeError, Reader, Response, Str, Version, tags::skip_tags};

/// The response to the request of the same name: versions 2 to 6.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribeGroupsResponse {
    /// `ThrottleTimeMs`.
    pub throttle_time_ms: i32,
    /// `Groups`.
    pub groups: Vec<DescribedGroup>,
}

impl Response for DescribeGroupsResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for DescribeGroupsResponse {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self { throttle_time_ms: Decode::decode(from, version)?, groups: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`DescribeGroupsResponse::groups`]: versions 2 to 6.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribedGroup {
    /// `ErrorCode`.
    pub error_code: Code,
    /// `ErrorMessage`, versions from 6, may be null.
    pub error_message: Option<Str>,
    /// `GroupId`.
    pub group_id: Str,
    /// `GroupState`.
    pub group_state: Str,
    /// `ProtocolType`.
    pub protocol_type: Str,
    /// `ProtocolData`.
    pub protocol_data: Str,
    /// `Members`.
    pub members: Vec<DescribedGroupMember>,
    /// `AuthorizedOperations`, versions from 3, by default -2147483648.
    pub authorized_operations: i32,
}

impl Default for DescribedGroup {
    fn default() -> Self {
        Self {
            error_code: Code::None,
            error_message: None,
            group_id: Str::default(),
            group_state: Str::default(),
            protocol_type: Str::default(),
            protocol_data: Str::default(),
            members: Vec::new(),
            authorized_operations: i32::MIN,
        }
    }
}

impl Decode for DescribedGroup {
    const MIN_SIZE: usize = 12;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            error_code: Decode::decode(from, version)?,
            error_message: if version >= 6 { Decode::decode(from, version)? } else { None },
            group_id: Decode::decode(from, version)?,
            group_state: Decode::decode(from, version)?,
            protocol_type: Decode::decode(from, version)?,
            protocol_data: Decode::decode(from, version)?,
            members: Decode::decode(from, version)?,
            authorized_operations: if version >= 3 { Decode::decode(from, version)? } else { i32::MIN },
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`DescribedGroup::members`]: versions 2 to 6.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribedGroupMember {
    /// `MemberId`.
    pub member_id: Str,
    /// `GroupInstanceId`, versions from 4, may be null.
    pub group_instance_id: Option<Str>,
    /// `ClientId`.
    pub client_id: Str,
    /// `ClientHost`.
    pub client_host: Str,
    /// `MemberMetadata`.
    pub member_metadata: Bytes,
    /// `MemberAssignment`.
    pub member_assignment: Bytes,
}

impl Decode for DescribedGroupMember {
    const MIN_SIZE: usize = 7;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            member_id: Decode::decode(from, version)?,
            group_instance_id: if version >= 4 { Decode::decode(from, version)? } else { None },
            client_id: Decode::decode(from, version)?,
            client_host: Decode::decode(from, version)?,
            member_metadata: Decode::decode(from, version)?,
            member_assignment: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}
