//! `ShareFetchResponse`, version 1.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::share_fetch_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::share_fetch_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::ShareFetchResponse> for ours::ShareFetchResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ShareFetchResponse) {
        let (mut our, mut their) = (Self::default(), theirs::ShareFetchResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        (our.error_code, their.error_code) = Pair::pair(random, version);
        (our.error_message, their.error_message) = Pair::pair(random, version);
        (our.acquisition_lock_timeout_ms, their.acquisition_lock_timeout_ms) = Pair::pair(random, version);
        (our.responses, their.responses) = Pair::pair(random, version);
        (our.node_endpoints, their.node_endpoints) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

impl Pair<theirs::ShareFetchableTopicResponse> for ours::ShareFetchableTopicResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ShareFetchableTopicResponse) {
        let (mut our, mut their) = (Self::default(), theirs::ShareFetchableTopicResponse::default());
        (our.topic_id, their.topic_id) = Pair::pair(random, version);
        (our.partitions, their.partitions) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

impl Pair<theirs::PartitionData> for ours::PartitionData {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::PartitionData) {
        let (mut our, mut their) = (Self::default(), theirs::PartitionData::default());
        (our.partition_index, their.partition_index) = Pair::pair(random, version);
        (our.error_code, their.error_code) = Pair::pair(random, version);
        (our.error_message, their.error_message) = Pair::pair(random, version);
        (our.acknowledge_error_code, their.acknowledge_error_code) = Pair::pair(random, version);
        (our.acknowledge_error_message, their.acknowledge_error_message) = Pair::pair(random, version);
        (our.current_leader, their.current_leader) = Pair::pair(random, version);
        let (our_value, their_value) = Pair::pair(random, version);
        (our.records, their.records) = (our_value, Some(their_value));
        (our.acquired_records, their.acquired_records) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

impl Pair<theirs::LeaderIdAndEpoch> for ours::LeaderIdAndEpoch {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::LeaderIdAndEpoch) {
        let (mut our, mut their) = (Self::default(), theirs::LeaderIdAndEpoch::default());
        (our.leader_id, their.leader_id) = Pair::pair(random, version);
        (our.leader_epoch, their.leader_epoch) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

impl Pair<theirs::AcquiredRecords> for ours::AcquiredRecords {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::AcquiredRecords) {
        let (mut our, mut their) = (Self::default(), theirs::AcquiredRecords::default());
        (our.first_offset, their.first_offset) = Pair::pair(random, version);
        (our.last_offset, their.last_offset) = Pair::pair(random, version);
        (our.delivery_count, their.delivery_count) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

impl Pair<theirs::NodeEndpoint> for ours::NodeEndpoint {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::NodeEndpoint) {
        let (mut our, mut their) = (Self::default(), theirs::NodeEndpoint::default());
        (our.node_id, their.node_id) = Pair::pair(random, version);
        (our.host, their.host) = Pair::pair(random, version);
        (our.port, their.port) = Pair::pair(random, version);
        (our.rack, their.rack) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

#[test]
fn share_fetch_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<ottla_wire::messages::ShareFetchRequest, ours::ShareFetchResponse, theirs::ShareFetchResponse>(
        1..=1,
    );
}
