//! `ConsumerGroupHeartbeatResponse`, API key 68: versions 0 to 1, flexible from 0.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{Code, Decode, DecodeError, Reader, Response, Str, Uuid, Version, tags::skip_tags};

/// The response to the request of the same name: versions 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConsumerGroupHeartbeatResponse {
    /// `ThrottleTimeMs`.
    pub throttle_time_ms: i32,
    /// `ErrorCode`.
    pub error_code: Code,
    /// `ErrorMessage`, may be null.
    pub error_message: Option<Str>,
    /// `MemberId`, may be null.
    pub member_id: Option<Str>,
    /// `MemberEpoch`.
    pub member_epoch: i32,
    /// `HeartbeatIntervalMs`.
    pub heartbeat_interval_ms: i32,
    /// `Assignment`, may be null.
    pub assignment: Option<Assignment>,
}

impl Response for ConsumerGroupHeartbeatResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for ConsumerGroupHeartbeatResponse {
    const MIN_SIZE: usize = 18;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            throttle_time_ms: Decode::decode(from, version)?,
            error_code: Decode::decode(from, version)?,
            error_message: Decode::decode(from, version)?,
            member_id: Decode::decode(from, version)?,
            member_epoch: Decode::decode(from, version)?,
            heartbeat_interval_ms: Decode::decode(from, version)?,
            assignment: if from.i8()? < 0 { None } else { Some(Decode::decode(from, version)?) },
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// The value of [`ConsumerGroupHeartbeatResponse::assignment`]: versions 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignment {
    /// `TopicPartitions`.
    pub topic_partitions: Vec<TopicPartitions>,
}

impl Decode for Assignment {
    const MIN_SIZE: usize = 2;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self { topic_partitions: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`Assignment::topic_partitions`]: versions 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicPartitions {
    /// `TopicId`.
    pub topic_id: Uuid,
    /// `Partitions`.
    pub partitions: Vec<i32>,
}

impl Decode for TopicPartitions {
    const MIN_SIZE: usize = 18;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self { topic_id: Decode::decode(from, version)?, partitions: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}
