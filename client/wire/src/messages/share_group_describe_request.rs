//! `ShareGroupDescribeRequest`, API key 77: version 1, flexible from 1.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{
    ApiKey, Encode, EncodeError, Request, Str, Version, Writer, messages::ShareGroupDescribeResponse, tags::no_tags,
};

/// The request of the API ShareGroupDescribe: version 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShareGroupDescribeRequest {
    /// `GroupIds`.
    pub group_ids: Vec<Str>,
    /// `IncludeAuthorizedOperations`.
    pub include_authorized_operations: bool,
}

impl Request for ShareGroupDescribeRequest {
    const API_KEY: ApiKey = ApiKey::ShareGroupDescribe;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 1;
    const FLEXIBLE_FROM: i16 = 1;
    type Response = ShareGroupDescribeResponse;
}

impl Encode for ShareGroupDescribeRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.group_ids.encode(out, version)?;
        self.include_authorized_operations.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}
