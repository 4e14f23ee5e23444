//! `InitProducerIdRequest`, API key 22: versions 1 to 5, flexible from 2.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{
    ApiKey, Encode, EncodeError, Request, Str, Version, Writer, messages::InitProducerIdResponse, tags::no_tags,
};

/// The request of the API InitProducerId: versions 1 to 5.
#[derive(Clone, Debug, PartialEq)]
pub struct InitProducerIdRequest {
    /// `TransactionalId`, may be null.
    pub transactional_id: Option<Str>,
    /// `TransactionTimeoutMs`.
    pub transaction_timeout_ms: i32,
    /// `ProducerId`, versions from 3, by default -1.
    pub producer_id: i64,
    /// `ProducerEpoch`, versions from 3, by default -1.
    pub producer_epoch: i16,
}

impl Default for InitProducerIdRequest {
    fn default() -> Self {
        Self { transactional_id: Some(Str::default()), transaction_timeout_ms: 0, producer_id: -1, producer_epoch: -1 }
    }
}

impl Request for InitProducerIdRequest {
    const API_KEY: ApiKey = ApiKey::InitProducerId;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 5;
    const FLEXIBLE_FROM: i16 = 2;
    type Response = InitProducerIdResponse;
}

impl Encode for InitProducerIdRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.transactional_id.encode(out, version)?;
        self.transaction_timeout_ms.encode(out, version)?;
        if version >= 3 {
            self.producer_id.encode(out, version)?;
        } else if self.producer_id != -1 {
            return Err(version.has_no("InitProducerIdRequest", "producer_id"));
        }
        if version >= 3 {
            self.producer_epoch.encode(out, version)?;
        } else if self.producer_epoch != -1 {
            return Err(version.has_no("InitProducerIdRequest", "producer_epoch"));
        }
        no_tags(out, version);
        Ok(())
    }
}
