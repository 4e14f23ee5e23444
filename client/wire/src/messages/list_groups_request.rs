//! `ListGroupsRequest`, API key 16: versions 2 to 5, flexible from 3.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{ApiKey, Encode, EncodeError, Request, Str, Version, Writer, messages::ListGroupsResponse, tags::no_tags};

/// The request of the API ListGroups: versions 2 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListGroupsRequest {
    /// `StatesFilter`, versions from 4.
    pub states_filter: Vec<Str>,
    /// `TypesFilter`, versions from 5.
    pub types_filter: Vec<Str>,
}

impl Request for ListGroupsRequest {
    const API_KEY: ApiKey = ApiKey::ListGroups;
    const MIN_VERSION: i16 = 2;
    const MAX_VERSION: i16 = 5;
    const FLEXIBLE_FROM: i16 = 3;
    type Response = ListGroupsResponse;
}

impl Encode for ListGroupsRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        if version >= 4 {
            self.states_filter.encode(out, version)?;
        } else if !self.states_filter.is_empty() {
            return Err(version.has_no("ListGroupsRequest", "states_filter"));
        }
        if version >= 5 {
            self.types_filter.encode(out, version)?;
        } else if !self.types_filter.is_empty() {
            return Err(version.has_no("ListGroupsRequest", "types_filter"));
        }
        no_tags(out, version);
        Ok(())
    }
}
