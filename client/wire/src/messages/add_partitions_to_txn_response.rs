//! `AddPartitionsToTxnResponse`, API key 24: versions 1 to 5, flexible from 3.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use crate::{Code, Decode, DecodeError, Reader, Response, Str, Version, tags::skip_tags};

/// The response to the request of the same name: versions 1 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddPartitionsToTxnResponse {
    /// `ThrottleTimeMs`.
    pub throttle_time_ms: i32,
    /// `ErrorCode`, versions from 4.
    pub error_code: Code,
    /// `ResultsByTransaction`, versions from 4.
    pub results_by_transaction: Vec<AddPartitionsToTxnResult>,
    /// `ResultsByTopicV3AndBelow`, versions 1 to 3.
    pub results_by_topic_v3_and_below: Vec<AddPartitionsToTxnTopicResult>,
}

impl Response for AddPartitionsToTxnResponse {
    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Decode for AddPartitionsToTxnResponse {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            throttle_time_ms: Decode::decode(from, version)?,
            error_code: if version >= 4 { Decode::decode(from, version)? } else { Code::None },
            results_by_transaction: if version >= 4 { Decode::decode(from, version)? } else { Vec::new() },
            results_by_topic_v3_and_below: if version <= 3 { Decode::decode(from, version)? } else { Vec::new() },
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`AddPartitionsToTxnResponse::results_by_transaction`]: versions 4 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddPartitionsToTxnResult {
    /// `TransactionalId`.
    pub transactional_id: Str,
    /// `TopicResults`.
    pub topic_results: Vec<AddPartitionsToTxnTopicResult>,
}

impl Decode for AddPartitionsToTxnResult {
    const MIN_SIZE: usize = 3;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded =
            Self { transactional_id: Decode::decode(from, version)?, topic_results: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`AddPartitionsToTxnResult::topic_results`] and An element of [`AddPartitionsToTxnResponse::results_by_topic_v3_and_below`]: versions 1 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddPartitionsToTxnTopicResult {
    /// `Name`.
    pub name: Str,
    /// `ResultsByPartition`.
    pub results_by_partition: Vec<AddPartitionsToTxnPartitionResult>,
}

impl Decode for AddPartitionsToTxnTopicResult {
    const MIN_SIZE: usize = 3;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded =
            Self { name: Decode::decode(from, version)?, results_by_partition: Decode::decode(from, version)? };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}

/// An element of [`AddPartitionsToTxnTopicResult::results_by_partition`]: versions 1 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddPartitionsToTxnPartitionResult {
    /// `PartitionIndex`.
    pub partition_index: i32,
    /// `PartitionErrorCode`.
    pub partition_error_code: Code,
}

impl Decode for AddPartitionsToTxnPartitionResult {
    const MIN_SIZE: usize = 6;

    fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        let decoded = Self {
            partition_index: Decode::decode(from, version)?,
            partition_error_code: Decode::decode(from, version)?,
        };
        skip_tags(from, version)?;
        Ok(decoded)
    }
}
