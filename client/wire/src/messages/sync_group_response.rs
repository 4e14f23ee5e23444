//! `SyncGroupResponse`, API key 14: versions 2 to 5, flexible from 4.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use bytes::Bytes;

use crate::{Code, Decode, DecodeError, Reader, Response, Str, Version, tags::skip_tags};

/// The response to the request of the same name: versions 2 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SyncGroupResponse {
    /// `ThrottleTimeMs`.
    pub throttle_time_ms: i32,
    /// `ErrorCode`.
    pub error_code: Code,
    /// `ProtocolType`, versions from 5, may be null.
    pub protocol_type: Option<Str>,
    /// `ProtocolName`, versions from 5, may be null.
    pub protocol_name: Option<Str>,
    /// `Assignment`.
    pub assignment: Bytes,
}

impl Response for SyncGroupResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for SyncGroupResponse {
    const MIN_SIZE: usize = 8;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            throttle_time_ms: Decode::decode(from, version)?,
            error_code: Decode::decode(from, version)?,
            protocol_type: if version >= 5 { Decode::decode(from, version)? } else { None },
            protocol_name: if version >= 5 { Decode::decode(from, version)? } else { None },
            assignment: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}
