//! `AddOffsetsToTxnRequest`, API key 25: versions 1 to 4, flexible from 3.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{
    ApiKey, Encode, EncodeError, Request, Str, Version, Writer, messages::AddOffsetsToTxnResponse, tags::no_tags,
};

/// The request of the API AddOffsetsToTxn: versions 1 to 4.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddOffsetsToTxnRequest {
    /// `TransactionalId`.
    pub transactional_id: Str,
    /// `ProducerId`.
    pub producer_id: i64,
    /// `ProducerEpoch`.
    pub producer_epoch: i16,
    /// `GroupId`.
    pub group_id: Str,
}

impl Request for AddOffsetsToTxnRequest {
    const API_KEY: ApiKey = ApiKey::AddOffsetsToTxn;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 4;
    const FLEXIBLE_FROM: i16 = 3;
    type Response = AddOffsetsToTxnResponse;
}

impl Encode for AddOffsetsToTxnRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.transactional_id.encode(out, version)?;
        self.producer_id.encode(out, version)?;
        self.producer_epoch.encode(out, version)?;
        self.group_id.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}
