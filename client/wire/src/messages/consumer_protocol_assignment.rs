//! `ConsumerProtocolAssignment`, which members of a group exchange: versions 0 to 3.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use bytes::Bytes;

use crate::{Data, Decode, DecodeError, Encode, EncodeError, Reader, Str, Version, Writer};

/// What Kafka calls `ConsumerProtocolAssignment`: versions 0 to 3.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConsumerProtocolAssignment {
    /// `AssignedPartitions`.
    pub assigned_partitions: Vec<TopicPartition>,
    /// `UserData`, may be null.
    pub user_data: Option<Bytes>,
}

impl Data for ConsumerProtocolAssignment {
    const NAME: &'static str = "ConsumerProtocolAssignment";
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 3;
}

impl Encode for ConsumerProtocolAssignment {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.assigned_partitions.encode(out, version)?;
        self.user_data.encode(out, version)?;
        Ok(())
    }
}

impl Decode for ConsumerProtocolAssignment {
    const MIN_SIZE: usize = 8;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        Ok(Self { assigned_partitions: Decode::decode(from, version)?, user_data: Decode::decode(from, version)? })
    }
}

/// An element of [`ConsumerProtocolAssignment::assigned_partitions`]: versions 0 to 3.
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
