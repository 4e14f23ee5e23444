//! `ListOffsetsResponse`, versions 4 to 10.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::list_offsets_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::list_offsets_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::ListOffsetsResponse> for ours::ListOffsetsResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ListOffsetsResponse) {
        let (mut our, mut their) = (Self::default(), theirs::ListOffsetsResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        (our.topics, their.topics) = Pair::pair(random, version);
        if version >= 6 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::ListOffsetsTopicResponse> for ours::ListOffsetsTopicResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ListOffsetsTopicResponse) {
        let (mut our, mut their) = (Self::default(), theirs::ListOffsetsTopicResponse::default());
        (our.name, their.name) = Pair::pair(random, version);
        (our.partitions, their.partitions) = Pair::pair(random, version);
        if version >= 6 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::ListOffsetsPartitionResponse> for ours::ListOffsetsPartitionResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ListOffsetsPartitionResponse) {
        let (mut our, mut their) = (Self::default(), theirs::ListOffsetsPartitionResponse::default());
        (our.partition_index, their.partition_index) = Pair::pair(random, version);
        (our.error_code, their.error_code) = Pair::pair(random, version);
        (our.timestamp, their.timestamp) = Pair::pair(random, version);
        (our.offset, their.offset) = Pair::pair(random, version);
        (our.leader_epoch, their.leader_epoch) = Pair::pair(random, version);
        if version >= 6 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

#[test]
fn list_offsets_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<ottla_wire::messages::ListOffsetsRequest, ours::ListOffsetsResponse, theirs::ListOffsetsResponse>(
        4..=10,
    );
}
