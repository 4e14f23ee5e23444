//! `OffsetForLeaderEpochRequest`, versions 2 to 4.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::offset_for_leader_epoch_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::offset_for_leader_epoch_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::OffsetForLeaderEpochRequest> for ours::OffsetForLeaderEpochRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::OffsetForLeaderEpochRequest) {
        let (mut our, mut their) = (Self::default(), theirs::OffsetForLeaderEpochRequest::default());
        if version >= 3 {
            (our.replica_id, their.replica_id) = Pair::pair(random, version);
        }
        (our.topics, their.topics) = Pair::pair(random, version);
        (our, their)
    }
}

impl Pair<theirs::OffsetForLeaderTopic> for ours::OffsetForLeaderTopic {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::OffsetForLeaderTopic) {
        let (mut our, mut their) = (Self::default(), theirs::OffsetForLeaderTopic::default());
        (our.topic, their.topic) = Pair::pair(random, version);
        (our.partitions, their.partitions) = Pair::pair(random, version);
        (our, their)
    }
}

impl Pair<theirs::OffsetForLeaderPartition> for ours::OffsetForLeaderPartition {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::OffsetForLeaderPartition) {
        let (mut our, mut their) = (Self::default(), theirs::OffsetForLeaderPartition::default());
        (our.partition, their.partition) = Pair::pair(random, version);
        (our.current_leader_epoch, their.current_leader_epoch) = Pair::pair(random, version);
        (our.leader_epoch, their.leader_epoch) = Pair::pair(random, version);
        (our, their)
    }
}

#[test]
fn offset_for_leader_epoch_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::OffsetForLeaderEpochRequest, theirs::OffsetForLeaderEpochRequest>(2..=4);
}
