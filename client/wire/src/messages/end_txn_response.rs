//! `EndTxnResponse`, API key 26: versions 1 to 5, flexible from 3.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{Code, Decode, DecodeError, Reader, Response, Version, tags::skip_tags};

/// The response to the request of the same name: versions 1 to 5.
#[derive(Clone, Debug, PartialEq)]
pub struct EndTxnResponse {
    /// `ThrottleTimeMs`.
    pub throttle_time_ms: i32,
    /// `ErrorCode`.
    pub error_code: Code,
    /// `ProducerId`, versions from 5, by default -1.
    pub producer_id: i64,
    /// `ProducerEpoch`, versions from 5, by default -1.
    pub producer_epoch: i16,
}

impl Default for EndTxnResponse {
    fn default() -> Self {
        Self { throttle_time_ms: 0, error_code: Code::None, producer_id: -1, producer_epoch: -1 }
    }
}

impl Response for EndTxnResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for EndTxnResponse {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            throttle_time_ms: Decode::decode(from, version)?,
            error_code: Decode::decode(from, version)?,
            producer_id: if version >= 5 { Decode::decode(from, version)? } else { -1 },
            producer_epoch: if version >= 5 { Decode::decode(from, version)? } else { -1 },
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}
