//! `ConsumerProtocolSubscription`, which members of a group exchange: versions 0 to 3.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use bytes::Bytes;

use crate::{Data, Decode, DecodeError, Encode, EncodeError, Reader, Str, Version, Writer};

/// What Kafka calls `ConsumerProtocolSubscription`: versions 0 to 3.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerProtocolSubscription {
    /// `Topics`.
    pub topics: Vec<Str>,
    /// `UserData`, may be null.
    pub user_data: Option<Bytes>,
    /// `OwnedPartitions`, versions from 1.
    pub owned_partitions: Vec<TopicPartition>,
    /// `GenerationId`, versions from 2, by default -1.
    pub generation_id: i32,
    /// `RackId`, versions from 3, may be null.
    pub rack_id: Option<Str>,
}

impl Default for ConsumerProtocolSubscription {
    fn default() -> Self {
        Self { topics: Vec::new(), user_data: None, owned_partitions: Vec::new(), generation_id: -1, rack_id: None }
    }
}

impl Data for ConsumerProtocolSubscription {
    const NAME: &'static str = "ConsumerProtocolSubscription";
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 3;
}

impl Encode for ConsumerProtocolSubscription {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.topics.encode(out, version)?;
        self.user_data.encode(out, version)?;
        if version >= 1 {
            self.owned_partitions.encode(out, version)?;
        }
        if version >= 2 {
            self.generation_id.encode(out, version)?;
        }
        if version >= 3 {
            self.rack_id.encode(out, version)?;
        }
        Ok(())
    }
}

impl Decode for ConsumerProtocolSubscription {
    const MIN_SIZE: usize = 8;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        Ok(Self {
            topics: Decode::decode(from, version)?,
            user_data: Decode::decode(from, version)?,
            owned_partitions: if version >= 1 { Decode::decode(from, version)? } else { Vec::new() },
            generation_id: if version >= 2 { Decode::decode(from, version)? } else { -1 },
            rack_id: if version >= 3 { Decode::decode(from, version)? } else { None },
        })
    }
}

/// An element of [`ConsumerProtocolSubscription::owned_partitions`]: versions 1 to 3.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicPartition {
    /// `Topic`.
    pub topic: Str,
    /// `Partitions`.
    pub partitions: Vec<i32>,
}

impl Encode for TopicPartition {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.topic.encode(out, version)?;
        self.partitions.encode(out, version)?;
        Ok(())
    }
}

impl Decode for TopicPartition {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        Ok(Self { topic: Decode::decode(from, version)?, partitions: Decode::decode(from, version)? })
    }
}
