//! `ListOffsetsRequest`, versions 4 to 10.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::list_offsets_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::list_offsets_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::ListOffsetsRequest> for ours::ListOffsetsRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ListOffsetsRequest) {
        let (mut our, mut their) = (Self::default(), theirs::ListOffsetsRequest::default());
        (our.replica_id, their.replica_id) = Pair::pair(random, version);
        (our.isolation_level, their.isolation_level) = Pair::pair(random, version);
        (our.topics, their.topics) = Pair::pair(random, version);
        if version >= 10 {
            (our.timeout_ms, their.timeout_ms) = Pair::pair(random, version);
        }
        (our, their)
    }
}

impl Pair<theirs::ListOffsetsTopic> for ours::ListOffsetsTopic {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ListOffsetsTopic) {
        let (mut our, mut their) = (Self::default(), theirs::ListOffsetsTopic::default());
        (our.name, their.name) = Pair::pair(random, version);
        (our.partitions, their.partitions) = Pair::pair(random, version);
        (our, their)
    }
}

impl Pair<theirs::ListOffsetsPartition> for ours::ListOffsetsPartition {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ListOffsetsPartition) {
        let (mut our, mut their) = (Self::default(), theirs::ListOffsetsPartition::default());
        (our.partition_index, their.partition_index) = Pair::pair(random, version);
        (our.current_leader_epoch, their.current_leader_epoch) = Pair::pair(random, version);
        (our.timestamp, their.timestamp) = Pair::pair(random, version);
        (our, their)
    }
}

#[test]
fn list_offsets_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::ListOffsetsRequest, theirs::ListOffsetsRequest>(4..=10);
}
