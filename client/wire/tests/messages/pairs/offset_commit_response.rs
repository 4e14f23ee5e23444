//! `OffsetCommitResponse`, versions 6 to 10.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::offset_commit_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::offset_commit_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::OffsetCommitResponse> for ours::OffsetCommitResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::OffsetCommitResponse) {
        let (mut our, mut their) = (Self::default(), theirs::OffsetCommitResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        (our.topics, their.topics) = Pair::pair(random, version);
        if version >= 8 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::OffsetCommitResponseTopic> for ours::OffsetCommitResponseTopic {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::OffsetCommitResponseTopic) {
        let (mut our, mut their) = (Self::default(), theirs::OffsetCommitResponseTopic::default());
        if version <= 9 {
            (our.name, their.name) = Pair::pair(random, version);
        }
        if version >= 10 {
            (our.topic_id, their.topic_id) = Pair::pair(random, version);
        }
        (our.partitions, their.partitions) = Pair::pair(random, version);
        if version >= 8 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::OffsetCommitResponsePartition> for ours::OffsetCommitResponsePartition {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::OffsetCommitResponsePartition) {
        let (mut our, mut their) = (Self::default(), theirs::OffsetCommitResponsePartition::default());
        (our.partition_index, their.partition_index) = Pair::pair(random, version);
        (our.error_code, their.error_code) = Pair::pair(random, version);
        if version >= 8 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

#[test]
fn offset_commit_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<
        ottla_wire::messages::OffsetCommitRequest,
        ours::OffsetCommitResponse,
        theirs::OffsetCommitResponse,
    >(6..=10);
}
