//! `InitProducerIdResponse`, API key 22: versions 1 to 5, flexible from 2.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{Code, Decode, DecodeError, Reader, Response, Version, tags::skip_tags};

/// The response to the request of the same name: versions 1 to 5.
#[derive(Clone, Debug, PartialEq)]
pub struct InitProducerIdResponse {
    /// `ThrottleTimeMs`.
    pub throttle_time_ms: i32,
    /// `ErrorCode`.
    pub error_code: Code,
    /// `ProducerId`, by default -1.
    pub producer_id: i64,
    /// `ProducerEpoch`.
    pub producer_epoch: i16,
}

impl Default for InitProducerIdResponse {
    fn default() -> Self {
        Self { throttle_time_ms: 0, error_code: Code::None, producer_id: -1, producer_epoch: 0 }
    }
}

impl Response for InitProducerIdResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for InitProducerIdResponse {
    const MIN_SIZE: usize = 16;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            throttle_time_ms: Decode::decode(from, version)?,
            error_code: Decode::decode(from, version)?,
            producer_id: Decode::decode(from, version)?,
            producer_epoch: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}
