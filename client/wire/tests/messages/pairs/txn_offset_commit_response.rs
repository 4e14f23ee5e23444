//! `TxnOffsetCommitResponse`, versions 2 to 5.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::txn_offset_commit_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::txn_offset_commit_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::TxnOffsetCommitResponse> for ours::TxnOffsetCommitResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::TxnOffsetCommitResponse) {
        let (mut our, mut their) = (Self::default(), theirs::TxnOffsetCommitResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        (our.topics, their.topics) = Pair::pair(random, version);
        if version >= 3 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::TxnOffsetCommitResponseTopic> for ours::TxnOffsetCommitResponseTopic {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::TxnOffsetCommitResponseTopic) {
        let (mut our, mut their) = (Self::default(), theirs::TxnOffsetCommitResponseTopic::default());
        (our.name, their.name) = Pair::pair(random, version);
        (our.partitions, their.partitions) = Pair::pair(random, version);
        if version >= 3 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::TxnOffsetCommitResponsePartition> for ours::TxnOffsetCommitResponsePartition {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::TxnOffsetCommitResponsePartition) {
        let (mut our, mut their) = (Self::default(), theirs::TxnOffsetCommitResponsePartition::default());
        (our.partition_index, their.partition_index) = Pair::pair(random, version);
        (our.error_code, their.error_code) = Pair::pair(random, version);
        if version >= 3 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

#[test]
fn txn_offset_commit_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<
        ottla_wire::messages::TxnOffsetCommitRequest,
        ours::TxnOffsetCommitResponse,
        theirs::TxnOffsetCommitResponse,
    >(2..=5);
}
