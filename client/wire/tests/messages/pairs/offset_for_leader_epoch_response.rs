//! `OffsetForLeaderEpochResponse`, versions 2 to 4.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::offset_for_leader_epoch_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::offset_for_leader_epoch_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::OffsetForLeaderEpochResponse> for ours::OffsetForLeaderEpochResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::OffsetForLeaderEpochResponse) {
        let (mut our, mut their) = (Self::default(), theirs::OffsetForLeaderEpochResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        (our.topics, their.topics) = Pair::pair(random, version);
        if version >= 4 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::OffsetForLeaderTopicResult> for ours::OffsetForLeaderTopicResult {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::OffsetForLeaderTopicResult) {
        let (mut our, mut their) = (Self::default(), theirs::OffsetForLeaderTopicResult::default());
        (our.topic, their.topic) = Pair::pair(random, version);
        (our.partitions, their.partitions) = Pair::pair(random, version);
        if version >= 4 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::EpochEndOffset> for ours::EpochEndOffset {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::EpochEndOffset) {
        let (mut our, mut their) = (Self::default(), theirs::EpochEndOffset::default());
        (our.error_code, their.error_code) = Pair::pair(random, version);
        (our.partition, their.partition) = Pair::pair(random, version);
        (our.leader_epoch, their.leader_epoch) = Pair::pair(random, version);
        (our.end_offset, their.end_offset) = Pair::pair(random, version);
        if version >= 4 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

#[test]
fn offset_for_leader_epoch_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<
        ottla_wire::messages::OffsetForLeaderEpochRequest,
        ours::OffsetForLeaderEpochResponse,
        theirs::OffsetForLeaderEpochResponse,
    >(2..=4);
}
