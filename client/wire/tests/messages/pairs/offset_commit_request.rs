//! `OffsetCommitRequest`, versions 6 to 9.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::offset_commit_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::offset_commit_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::OffsetCommitRequest> for ours::OffsetCommitRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::OffsetCommitRequest) {
        let (mut our, mut their) = (Self::default(), theirs::OffsetCommitRequest::default());
        (our.group_id, their.group_id) = Pair::pair(random, version);
        (our.generation_id_or_member_epoch, their.generation_id_or_member_epoch) = Pair::pair(random, version);
        (our.member_id, their.member_id) = Pair::pair(random, version);
        if version >= 7 {
            (our.group_instance_id, their.group_instance_id) = Pair::pair(random, version);
        }
        (our.topics, their.topics) = Pair::pair(random, version);
        (our, their)
    }
}

impl Pair<theirs::OffsetCommitRequestTopic> for ours::OffsetCommitRequestTopic {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::OffsetCommitRequestTopic) {
        let (mut our, mut their) = (Self::default(), theirs::OffsetCommitRequestTopic::default());
        (our.name, their.name) = Pair::pair(random, version);
        (our.partitions, their.partitions) = Pair::pair(random, version);
        (our, their)
    }
}

impl Pair<theirs::OffsetCommitRequestPartition> for ours::OffsetCommitRequestPartition {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::OffsetCommitRequestPartition) {
        let (mut our, mut their) = (Self::default(), theirs::OffsetCommitRequestPartition::default());
        (our.partition_index, their.partition_index) = Pair::pair(random, version);
        (our.committed_offset, their.committed_offset) = Pair::pair(random, version);
        (our.committed_leader_epoch, their.committed_leader_epoch) = Pair::pair(random, version);
        (our.committed_metadata, their.committed_metadata) = Pair::pair(random, version);
        (our, their)
    }
}

#[test]
fn offset_commit_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::OffsetCommitRequest, theirs::OffsetCommitRequest>(6..=9);
}
