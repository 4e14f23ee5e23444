//! `ApiVersionsRequest`, API key 18: versions 0 to 4, flexible from 3.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{ApiKey, Encode, EncodeError, Request, Str, Version, Writer, messages::ApiVersionsResponse, tags::no_tags};

/// The request of the API ApiVersions: versions 0 to 4.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApiVersionsRequest {
    /// `ClientSoftwareName`, versions from 3.
    pub client_software_name: Str,
    /// `ClientSoftwareVersion`, versions from 3.
    pub client_software_version: Str,
}

impl Request for ApiVersionsRequest {
    const API_KEY: ApiKey = ApiKey::ApiVersions;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 4;
    const FLEXIBLE_FROM: i16 = 3;
    type Response = ApiVersionsResponse;
}

impl Encode for ApiVersionsRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        if version >= 3 {
            self.client_software_name.encode(out, version)?;
        }
        if version >= 3 {
            self.client_software_version.encode(out, version)?;
        }
        no_tags(out, version);
        Ok(())
    }
}
