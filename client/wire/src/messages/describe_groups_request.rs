//! `DescribeGroupsRequest`, API key 15: versions 2 to 6, flexible from 5.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{
    ApiKey, Encode, EncodeError, Request, Str, Version, Writer, messages::DescribeGroupsResponse, tags::no_tags,
};

/// The request of the API DescribeGroups: versions 2 to 6.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribeGroupsRequest {
    /// `Groups`.
    pub groups: Vec<Str>,
    /// `IncludeAuthorizedOperations`, versions from 3.
    pub include_authorized_operations: bool,
}

impl Request for DescribeGroupsRequest {
    const API_KEY: ApiKey = ApiKey::DescribeGroups;
    const MIN_VERSION: i16 = 2;
    const MAX_VERSION: i16 = 6;
    const FLEXIBLE_FROM: i16 = 5;
    type Response = DescribeGroupsResponse;
}

impl Encode for DescribeGroupsRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.groups.encode(out, version)?;
        if version >= 3 {
            self.include_authorized_operations.encode(out, version)?;
        } else if self.include_authorized_operations {
            return Err(version.has_no("DescribeGroupsRequest", "include_authorized_operations"));
        }
        no_tags(out, version);
        Ok(())
    }
}
