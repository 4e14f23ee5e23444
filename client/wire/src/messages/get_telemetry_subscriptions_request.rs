//! `GetTelemetrySubscriptionsRequest`, API key 71: version 0, flexible from 0.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{
    ApiKey, Encode, EncodeError, Request, Uuid, Version, Writer, messages::GetTelemetrySubscriptionsResponse,
    tags::no_tags,
};

/// The request of the API GetTelemetrySubscriptions: version 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GetTelemetrySubscriptionsRequest {
    /// `ClientInstanceId`.
    pub client_instance_id: Uuid,
}

impl Request for GetTelemetrySubscriptionsRequest {
    const API_KEY: ApiKey = ApiKey::GetTelemetrySubscriptions;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 0;
    const FLEXIBLE_FROM: i16 = 0;
    type Response = GetTelemetrySubscriptionsResponse;
}

impl Encode for GetTelemetrySubscriptionsRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.client_instance_id.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}
