//! `ProduceRequest`, API key 0: versions 7 to 13, flexible from 9.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{
    ApiKey, Chunks, Encode, EncodeError, Request, Str, Uuid, Version, Writer, messages::ProduceResponse, tags::no_tags,
};

/// The request of the API Produce: versions 7 to 13.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProduceRequest {
    /// `TransactionalId`, may be null.
    pub transactional_id: Option<Str>,
    /// `Acks`.
    pub acks: i16,
    /// `TimeoutMs`.
    pub timeout_ms: i32,
    /// `TopicData`.
    pub topic_data: Vec<TopicProduceData>,
}

impl Request for ProduceRequest {
    const API_KEY: ApiKey = ApiKey::Produce;
    const MIN_VERSION: i16 = 7;
    const MAX_VERSION: i16 = 13;
    const FLEXIBLE_FROM: i16 = 9;
    type Response = ProduceResponse;
}

impl Encode for ProduceRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.transactional_id.encode(out, version)?;
        self.acks.encode(out, version)?;
        self.timeout_ms.encode(out, version)?;
        self.topic_data.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`ProduceRequest::topic_data`]: versions 7 to 13.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicProduceData {
    /// `Name`, versions 7 to 12.
    pub name: Str,
    /// `TopicId`, versions from 13.
    pub topic_id: Uuid,
    /// `PartitionData`.
    pub partition_data: Vec<PartitionProduceData>,
}

impl Encode for TopicProduceData {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        if version <= 12 {
            self.name.encode(out, version)?;
        }
        if version >= 13 {
            self.topic_id.encode(out, version)?;
        }
        self.partition_data.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`TopicProduceData::partition_data`]: versions 7 to 13.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartitionProduceData {
    /// `Index`.
    pub index: i32,
    /// `Records`, may be null.
    pub records: Option<Chunks>,
}

impl Encode for PartitionProduceData {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.index.encode(out, version)?;
        self.records.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}
