//! `GetTelemetrySubscriptionsResponse`, API key 71: version 0, flexible from 0.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{Code, Decode, DecodeError, Reader, Response, Str, Uuid, Version, tags::skip_tags};

/// The response to the request of the same name: version 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GetTelemetrySubscriptionsResponse {
    /// `ThrottleTimeMs`.
    pub throttle_time_ms: i32,
    /// `ErrorCode`.
    pub error_code: Code,
    /// `ClientInstanceId`.
    pub client_instance_id: Uuid,
    /// `SubscriptionId`.
    pub subscription_id: i32,
    /// `AcceptedCompressionTypes`.
    pub accepted_compression_types: Vec<i8>,
    /// `PushIntervalMs`.
    pub push_interval_ms: i32,
    /// `TelemetryMaxBytes`.
    pub telemetry_max_bytes: i32,
    /// `DeltaTemporality`.
    pub delta_temporality: bool,
    /// `RequestedMetrics`.
    pub requested_metrics: Vec<Str>,
}

impl Response for GetTelemetrySubscriptionsResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for GetTelemetrySubscriptionsResponse {
    const MIN_SIZE: usize = 38;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            throttle_time_ms: Decode::decode(from, version)?,
            error_code: Decode::decode(from, version)?,
            client_instance_id: Decode::decode(from, version)?,
            subscription_id: Decode::decode(from, version)?,
            accepted_compression_types: Decode::decode(from, version)?,
            push_interval_ms: Decode::decode(from, version)?,
            telemetry_max_bytes: Decode::decode(from, version)?,
            delta_temporality: Decode::decode(from, version)?,
            requested_metrics: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}
