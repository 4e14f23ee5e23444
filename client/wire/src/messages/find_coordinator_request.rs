//! `FindCoordinatorRequest`, API key 10: versions 2 to 6, flexible from 3.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{
    ApiKey, Encode, EncodeError, Request, Str, Version, Writer, messages::FindCoordinatorResponse, tags::no_tags,
};

/// The request of the API FindCoordinator: versions 2 to 6.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FindCoordinatorRequest {
    /// `Key`, versions 2 to 3.
    pub key: Str,
    /// `KeyType`.
    pub key_type: i8,
    /// `CoordinatorKeys`, versions from 4.
    pub coordinator_keys: Vec<Str>,
}

impl Request for FindCoordinatorRequest {
    const API_KEY: ApiKey = ApiKey::FindCoordinator;
    const MIN_VERSION: i16 = 2;
    const MAX_VERSION: i16 = 6;
    const FLEXIBLE_FROM: i16 = 3;
    type Response = FindCoordinatorResponse;
}

impl Encode for FindCoordinatorRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        if version <= 3 {
            self.key.encode(out, version)?;
        } else if !self.key.is_empty() {
            return Err(version.has_no("FindCoordinatorRequest", "key"));
        }
        self.key_type.encode(out, version)?;
        if version >= 4 {
            self.coordinator_keys.encode(out, version)?;
        } else if !self.coordinator_keys.is_empty() {
            return Err(version.has_no("FindCoordinatorRequest", "coordinator_keys"));
        }
        no_tags(out, version);
        Ok(())
    }
}
