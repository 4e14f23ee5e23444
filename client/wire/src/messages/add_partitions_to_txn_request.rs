//! `AddPartitionsToTxnRequest`, API key 24: versions 1 to 5, flexible from 3.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{
    ApiKey, Encode, EncodeError, Request, Str, Version, Writer, messages::AddPartitionsToTxnResponse, tags::no_tags,
};

/// The request of the API AddPartitionsToTxn: versions 1 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddPartitionsToTxnRequest {
    /// `Transactions`, versions from 4.
    pub transactions: Vec<AddPartitionsToTxnTransaction>,
    /// `V3AndBelowTransactionalId`, versions 1 to 3.
    pub v3_and_below_transactional_id: Str,
    /// `V3AndBelowProducerId`, versions 1 to 3.
    pub v3_and_below_producer_id: i64,
    /// `V3AndBelowProducerEpoch`, versions 1 to 3.
    pub v3_and_below_producer_epoch: i16,
    /// `V3AndBelowTopics`, versions 1 to 3.
    pub v3_and_below_topics: Vec<AddPartitionsToTxnTopic>,
}

impl Request for AddPartitionsToTxnRequest {
    const API_KEY: ApiKey = ApiKey::AddPartitionsToTxn;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 5;
    const FLEXIBLE_FROM: i16 = 3;
    type Response = AddPartitionsToTxnResponse;
}

impl Encode for AddPartitionsToTxnRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        if version >= 4 {
            self.transactions.encode(out, version)?;
        } else if !self.transactions.is_empty() {
            return Err(version.has_no("AddPartitionsToTxnRequest", "transactions"));
        }
        if version <= 3 {
            self.v3_and_below_transactional_id.encode(out, version)?;
        } else if !self.v3_and_below_transactional_id.is_empty() {
            return Err(version.has_no("AddPartitionsToTxnRequest", "v3_and_below_transactional_id"));
        }
        if version <= 3 {
            self.v3_and_below_producer_id.encode(out, version)?;
        } else if self.v3_and_below_producer_id != 0 {
            return Err(version.has_no("AddPartitionsToTxnRequest", "v3_and_below_producer_id"));
        }
        if version <= 3 {
            self.v3_and_below_producer_epoch.encode(out, version)?;
        } else if self.v3_and_below_producer_epoch != 0 {
            return Err(version.has_no("AddPartitionsToTxnRequest", "v3_and_below_producer_epoch"));
        }
        if version <= 3 {
            self.v3_and_below_topics.encode(out, version)?;
        } else if !self.v3_and_below_topics.is_empty() {
            return Err(version.has_no("AddPartitionsToTxnRequest", "v3_and_below_topics"));
        }
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`AddPartitionsToTxnRequest::transactions`]: versions 4 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddPartitionsToTxnTransaction {
    /// `TransactionalId`.
    pub transactional_id: Str,
    /// `ProducerId`.
    pub producer_id: i64,
    /// `ProducerEpoch`.
    pub producer_epoch: i16,
    /// `VerifyOnly`.
    pub verify_only: bool,
    /// `Topics`.
    pub topics: Vec<AddPartitionsToTxnTopic>,
}

impl Encode for AddPartitionsToTxnTransaction {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.transactional_id.encode(out, version)?;
        self.producer_id.encode(out, version)?;
        self.producer_epoch.encode(out, version)?;
        self.verify_only.encode(out, version)?;
        self.topics.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`AddPartitionsToTxnTransaction::topics`] and An element of [`AddPartitionsToTxnRequest::v3_and_below_topics`]: versions 1 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddPartitionsToTxnTopic {
    /// `Name`.
    pub name: Str,
    /// `Partitions`.
    pub partitions: Vec<i32>,
}

impl Encode for AddPartitionsToTxnTopic {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.name.encode(out, version)?;
        self.partitions.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}
