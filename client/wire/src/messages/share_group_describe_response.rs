//! `ShareGroupDescribeResponse`, API key 77: version 1, flexible from 1.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{Code, Decode, DecodeError, Reader, Response, Str, Uuid, Version, tags::skip_tags};

/// The response to the request of the same name: version 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShareGroupDescribeResponse {
    /// `ThrottleTimeMs`.
    pub throttle_time_ms: i32,
    /// `Groups`.
    pub groups: Vec<DescribedGroup>,
}

impl Response for ShareGroupDescribeResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for ShareGroupDescribeResponse {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self { throttle_time_ms: Decode::decode(from, version)?, groups: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`ShareGroupDescribeResponse::groups`]: version 1.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribedGroup {
    /// `ErrorCode`.
    pub error_code: Code,
    /// `ErrorMessage`, may be null.
    pub error_message: Option<Str>,
    /// `GroupId`.
    pub group_id: Str,
    /// `GroupState`.
    pub group_state: Str,
    /// `GroupEpoch`.
    pub group_epoch: i32,
    /// `AssignmentEpoch`.
    pub assignment_epoch: i32,
    /// `AssignorName`.
    pub assignor_name: Str,
    /// `Members`.
    pub members: Vec<Member>,
    /// `AuthorizedOperations`, by default -2147483648.
    pub authorized_operations: i32,
}

impl Default for DescribedGroup {
    fn default() -> Self {
        Self {
            error_code: Code::None,
            error_message: None,
            group_id: Str::default(),
            group_state: Str::default(),
            group_epoch: 0,
            assignment_epoch: 0,
            assignor_name: Str::default(),
            members: Vec::new(),
            authorized_operations: i32::MIN,
        }
    }
}

impl Decode for DescribedGroup {
    const MIN_SIZE: usize = 20;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            error_code: Decode::decode(from, version)?,
            error_message: Decode::decode(from, version)?,
            group_id: Decode::decode(from, version)?,
            group_state: Decode::decode(from, version)?,
            group_epoch: Decode::decode(from, version)?,
            assignment_epoch: Decode::decode(from, version)?,
            assignor_name: Decode::decode(from, version)?,
            members: Decode::decode(from, version)?,
            authorized_operations: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`DescribedGroup::members`]: version 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Member {
    /// `MemberId`.
    pub member_id: Str,
    /// `RackId`, may be null.
    pub rack_id: Option<Str>,
    /// `MemberEpoch`.
    pub member_epoch: i32,
    /// `ClientId`.
    pub client_id: Str,
    /// `ClientHost`.
    pub client_host: Str,
    /// `SubscribedTopicNames`.
    pub subscribed_topic_names: Vec<Str>,
    /// `Assignment`.
    pub assignment: Assignment,
}

impl Decode for Member {
    const MIN_SIZE: usize = 12;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            member_id: Decode::decode(from, version)?,
            rack_id: Decode::decode(from, version)?,
            member_epoch: Decode::decode(from, version)?,
            client_id: Decode::decode(from, version)?,
            client_host: Decode::decode(from, version)?,
            subscribed_topic_names: Decode::decode(from, version)?,
            assignment: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// The value of [`Member::assignment`]: version 1.
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

/// An element of [`Assignment::topic_partitions`]: version 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicPartitions {
    /// `TopicId`.
    pub topic_id: Uuid,
    /// `TopicName`.
    pub topic_name: Str,
    /// `Partitions`.
    pub partitions: Vec<i32>,
}

impl Decode for TopicPartitions {
    const MIN_SIZE: usize = 19;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            topic_id: Decode::decode(from, version)?,
            topic_name: Decode::decode(from, version)?,
            partitions: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}
