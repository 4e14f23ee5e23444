//! `EndTxnRequest`, API key 26: versions 1 to 5, flexible from 3.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{ApiKey, Encode, EncodeError, Request, Str, Version, Writer, messages::EndTxnResponse, tags::no_tags};

/// The request of the API EndTxn: versions 1 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EndTxnRequest {
    /// `TransactionalId`.
    pub transactional_id: Str,
    /// `ProducerId`.
    pub producer_id: i64,
    /// `ProducerEpoch`.
    pub producer_epoch: i16,
    /// `Committed`.
    pub committed: bool,
}

impl Request for EndTxnRequest {
    const API_KEY: ApiKey = ApiKey::EndTxn;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 5;
    const FLEXIBLE_FROM: i16 = 3;
    type Response = EndTxnResponse;
}

impl Encode for EndTxnRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.transactional_id.encode(out, version)?;
        self.producer_id.encode(out, version)?;
        self.producer_epoch.encode(out, version)?;
        self.committed.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}
