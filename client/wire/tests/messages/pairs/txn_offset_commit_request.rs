//! `TxnOffsetCommitRequest`, versions 2 to 5.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::txn_offset_commit_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::txn_offset_commit_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::TxnOffsetCommitRequest> for ours::TxnOffsetCommitRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::TxnOffsetCommitRequest) {
        let (mut our, mut their) = (Self::default(), theirs::TxnOffsetCommitRequest::default());
        (our.transactional_id, their.transactional_id) = Pair::pair(random, version);
        (our.group_id, their.group_id) = Pair::pair(random, version);
        (our.producer_id, their.producer_id) = Pair::pair(random, version);
        (our.producer_epoch, their.producer_epoch) = Pair::pair(random, version);
        if version >= 3 {
            (our.generation_id, their.generation_id) = Pair::pair(random, version);
        }
        if version >= 3 {
            (our.member_id, their.member_id) = Pair::pair(random, version);
        }
        if version >= 3 {
            (our.group_instance_id, their.group_instance_id) = Pair::pair(random, version);
        }
        (our.topics, their.topics) = Pair::pair(random, version);
        (our, their)
    }
}

impl Pair<theirs::TxnOffsetCommitRequestTopic> for ours::TxnOffsetCommitRequestTopic {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::TxnOffsetCommitRequestTopic) {
        let (mut our, mut their) = (Self::default(), theirs::TxnOffsetCommitRequestTopic::default());
        (our.name, their.name) = Pair::pair(random, version);
        (our.partitions, their.partitions) = Pair::pair(random, version);
        (our, their)
    }
}

impl Pair<theirs::TxnOffsetCommitRequestPartition> for ours::TxnOffsetCommitRequestPartition {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::TxnOffsetCommitRequestPartition) {
        let (mut our, mut their) = (Self::default(), theirs::TxnOffsetCommitRequestPartition::default());
        (our.partition_index, their.partition_index) = Pair::pair(random, version);
        (our.committed_offset, their.committed_offset) = Pair::pair(random, version);
        (our.committed_leader_epoch, their.committed_leader_epoch) = Pair::pair(random, version);
        (our.committed_metadata, their.committed_metadata) = Pair::pair(random, version);
        (our, their)
    }
}

#[test]
fn txn_offset_commit_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::TxnOffsetCommitRequest, theirs::TxnOffsetCommitRequest>(2..=5);
}
