//! `ConsumerGroupDescribeRequest`, API key 69: versions 0 to 1, flexible from 0.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{
    ApiKey, Encode, EncodeError, Request, Str, Version, Writer, messages::ConsumerGroupDescribeResponse, tags::no_tags,
};

/// The request of the API ConsumerGroupDescribe: versions 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConsumerGroupDescribeRequest {
    /// `GroupIds`.
    pub group_ids: Vec<Str>,
    /// `IncludeAuthorizedOperations`.
    pub include_authorized_operations: bool,
}

impl Request for ConsumerGroupDescribeRequest {
    const API_KEY: ApiKey = ApiKey::ConsumerGroupDescribe;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 1;
    const FLEXIBLE_FROM: i16 = 0;
    type Response = ConsumerGroupDescribeResponse;
}

impl Encode for ConsumerGroupDescribeRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.group_ids.encode(out, version)?;
        self.include_authorized_operations.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}
