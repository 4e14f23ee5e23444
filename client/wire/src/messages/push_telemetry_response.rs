//! `PushTelemetryResponse`, API key 72: version 0, flexible from 0.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{Code, Decode, DecodeError, Reader, Response, Version, tags::skip_tags};

/// The response to the request of the same name: version 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PushTelemetryResponse {
    /// `ThrottleTimeMs`.
    pub throttle_time_ms: i32,
    /// `ErrorCode`.
    pub error_code: Code,
}

impl Response for PushTelemetryResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for PushTelemetryResponse {
    const MIN_SIZE: usize = 7;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded =
            Self { throttle_time_ms: Decode::decode(from, version)?, error_code: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}
