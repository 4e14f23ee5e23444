//! `PushTelemetryRequest`, API key 72: version 0, flexible from 0.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use bytes::Bytes;

use crate::{
    ApiKey, Encode, EncodeError, Request, Uuid, Version, Writer, messages::PushTelemetryResponse, tags::no_tags,
};

/// The request of the API PushTelemetry: version 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PushTelemetryRequest {
    /// `ClientInstanceId`.
    pub client_instance_id: Uuid,
    /// `SubscriptionId`.
    pub subscription_id: i32,
    /// `Terminating`.
    pub terminating: bool,
    /// `CompressionType`.
    pub compression_type: i8,
    /// `Metrics`.
    pub metrics: Bytes,
}

impl Request for PushTelemetryRequest {
    const API_KEY: ApiKey = ApiKey::PushTelemetry;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 0;
    const FLEXIBLE_FROM: i16 = 0;
    type Response = PushTelemetryResponse;
}

impl Encode for PushTelemetryRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.client_instance_id.encode(out, version)?;
        self.subscription_id.encode(out, version)?;
        self.terminating.encode(out, version)?;
        self.compression_type.encode(out, version)?;
        self.metrics.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}
