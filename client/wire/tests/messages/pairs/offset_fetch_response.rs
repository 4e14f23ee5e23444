//! `OffsetFetchResponse`, versions 5 to 10.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::offset_fetch_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::offset_fetch_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::OffsetFetchResponse> for ours::OffsetFetchResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::OffsetFetchResponse) {
        let (mut our, mut their) = (Self::default(), theirs::OffsetFetchResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        if version <= 7 {
            (our.topics, their.topics) = Pair::pair(random, version);
        }
        if version <= 7 {
            (our.error_code, their.error_code) = Pair::pair(random, version);
        }
        if version >= 8 {
            (our.groups, their.groups) = Pair::pair(random, version);
        }
        if version >= 6 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::OffsetFetchResponseTopic> for ours::OffsetFetchResponseTopic {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::OffsetFetchResponseTopic) {
        let (mut our, mut their) = (Self::default(), theirs::OffsetFetchResponseTopic::default());
        (our.name, their.name) = Pair::pair(random, version);
        (our.partitions, their.partitions) = Pair::pair(random, version);
        if version >= 6 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::OffsetFetchResponsePartition> for ours::OffsetFetchResponsePartition {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::OffsetFetchResponsePartition) {
        let (mut our, mut their) = (Self::default(), theirs::OffsetFetchResponsePartition::default());
        (our.partition_index, their.partition_index) = Pair::pair(random, version);
        (our.committed_offset, their.committed_offset) = Pair::pair(random, version);
        (our.committed_leader_epoch, their.committed_leader_epoch) = Pair::pair(random, version);
        (our.metadata, their.metadata) = Pair::pair(random, version);
        (our.error_code, their.error_code) = Pair::pair(random, version);
        if version >= 6 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::OffsetFetchResponseGroup> for ours::OffsetFetchResponseGroup {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::OffsetFetchResponseGroup) {
        let (mut our, mut their) = (Self::default(), theirs::OffsetFetchResponseGroup::default());
        (our.group_id, their.group_id) = Pair::pair(random, version);
        (our.topics, their.topics) = Pair::pair(random, version);
        (our.error_code, their.error_code) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

impl Pair<theirs::OffsetFetchResponseTopics> for ours::OffsetFetchResponseTopics {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::OffsetFetchResponseTopics) {
        let (mut our, mut their) = (Self::default(), theirs::OffsetFetchResponseTopics::default());
        if version <= 9 {
            (our.name, their.name) = Pair::pair(random, version);
        }
        if version >= 10 {
            (our.topic_id, their.topic_id) = Pair::pair(random, version);
        }
        (our.partitions, their.partitions) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

impl Pair<theirs::OffsetFetchResponsePartitions> for ours::OffsetFetchResponsePartitions {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::OffsetFetchResponsePartitions) {
        let (mut our, mut their) = (Self::default(), theirs::OffsetFetchResponsePartitions::default());
        (our.partition_index, their.partition_index) = Pair::pair(random, version);
        (our.committed_offset, their.committed_offset) = Pair::pair(random, version);
        (our.committed_leader_epoch, their.committed_leader_epoch) = Pair::pair(random, version);
        (our.metadata, their.metadata) = Pair::pair(random, version);
        (our.error_code, their.error_code) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

#[test]
fn offset_fetch_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<ottla_wire::messages::OffsetFetchRequest, ours::OffsetFetchResponse, theirs::OffsetFetchResponse>(
        5..=10,
    );
}
