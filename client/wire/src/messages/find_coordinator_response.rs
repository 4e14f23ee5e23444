//! `FindCoordinatorResponse`, API key 10: versions 2 to 6, flexible from 3.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{Code, Decode, DecodeError, Reader, Response, Str, Version, tags::skip_tags};

/// The response to the request of the same name: versions 2 to 6.
#[derive(Clone, Debug, PartialEq)]
pub struct FindCoordinatorResponse {
    /// `ThrottleTimeMs`.
    pub throttle_time_ms: i32,
    /// `ErrorCode`, versions 2 to 3.
    pub error_code: Code,
    /// `ErrorMessage`, versions 2 to 3, may be null.
    pub error_message: Option<Str>,
    /// `NodeId`, versions 2 to 3.
    pub node_id: i32,
    /// `Host`, versions 2 to 3.
    pub host: Str,
    /// `Port`, versions 2 to 3.
    pub port: i32,
    /// `Coordinators`, versions from 4.
    pub coordinators: Vec<Coordinator>,
}

impl Default for FindCoordinatorResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: Code::None,
            error_message: Some(Str::default()),
            node_id: 0,
            host: Str::default(),
            port: 0,
            coordinators: Vec::new(),
        }
    }
}

impl Response for FindCoordinatorResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for FindCoordinatorResponse {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            throttle_time_ms: Decode::decode(from, version)?,
            error_code: if version <= 3 { Decode::decode(from, version)? } else { Code::None },
            error_message: if version <= 3 { Decode::decode(from, version)? } else { Some(Str::default()) },
            node_id: if version <= 3 { Decode::decode(from, version)? } else { 0 },
            host: if version <= 3 { Decode::decode(from, version)? } else { Str::default() },
            port: if version <= 3 { Decode::decode(from, version)? } else { 0 },
            coordinators: if version >= 4 { Decode::decode(from, version)? } else { Vec::new() },
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`FindCoordinatorResponse::coordinators`]: versions 4 to 6.
#[derive(Clone, Debug, PartialEq)]
pub struct Coordinator {
    /// `Key`.
    pub key: Str,
    /// `NodeId`.
    pub node_id: i32,
    /// `Host`.
    pub host: Str,
    /// `Port`.
    pub port: i32,
    /// `ErrorCode`.
    pub error_code: Code,
    /// `ErrorMessage`, may be null.
    pub error_message: Option<Str>,
}

impl Default for Coordinator {
    fn default() -> Self {
        Self {
            key: Str::default(),
            node_id: 0,
            host: Str::default(),
            port: 0,
            error_code: Code::None,
            error_message: Some(Str::default()),
        }
    }
}

impl Decode for Coordinator {
    const MIN_SIZE: usize = 14;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            key: Decode::decode(from, version)?,
            node_id: Decode::decode(from, version)?,
            host: Decode::decode(from, version)?,
            port: Decode::decode(from, version)?,
            error_code: Decode::decode(from, version)?,
            error_message: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}
