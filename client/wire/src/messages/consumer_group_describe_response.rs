//! `ConsumerGroupDescribeResponse`, API key 69: versions 0 to 1, flexible from 0.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{Code, Decode, DecodeError, Reader, Response, Str, Uuid, Version, tags::skip_tags};

/// The response to the request of the same name: versions 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConsumerGroupDescribeResponse {
    /// `ThrottleTimeMs`.
    pub throttle_time_ms: i32,
    /// `Groups`.
    pub groups: Vec<DescribedGroup>,
}

impl Response for ConsumerGroupDescribeResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for ConsumerGroupDescribeResponse {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self { throttle_time_ms: Decode::decode(from, version)?, groups: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`ConsumerGroupDescribeResponse::groups`]: versions 0 to 1.
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

/// An element of [`DescribedGroup::members`]: versions 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// `MemberId`.
    pub member_id: Str,
    /// `InstanceId`, may be null.
    pub instance_id: Option<Str>,
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
    /// `SubscribedTopicRegex`, may be null.
    pub subscribed_topic_regex: Option<Str>,
    /// `Assignment`.
    pub assignment: Assignment,
    /// `TargetAssignment`.
    pub target_assignment: Assignment,
    /// `MemberType`, versions from 1, by default -1.
    pub member_type: i8,
}

impl Default for Member {
    fn default() -> Self {
        Self {
            member_id: Str::default(),
            instance_id: None,
            rack_id: None,
            member_epoch: 0,
            client_id: Str::default(),
            client_host: Str::default(),
            subscribed_topic_names: Vec::new(),
            subscribed_topic_regex: None,
            assignment: Assignment::default(),
            target_assignment: Assignment::default(),
            member_type: -1,
        }
    }
}

impl Decode for Member {
    const MIN_SIZE: usize = 16;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            member_id: Decode::decode(from, version)?,
            instance_id: Decode::decode(from, version)?,
            rack_id: Decode::decode(from, version)?,
            member_epoch: Decode::decode(from, version)?,
            client_id: Decode::decode(from, version)?,
            client_host: Decode::decode(from, version)?,
            subscribed_topic_names: Decode::decode(from, version)?,
            subscribed_topic_regex: Decode::decode(from, version)?,
            assignment: Decode::decode(from, version)?,
            target_assignment: Decode::decode(from, version)?,
            member_type: if version >= 1 { Decode::decode(from, version)? } else { -1 },
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// The value of [`Member::assignment`] and The value of [`Member::target_assignment`]: versions 0 to 1.
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
