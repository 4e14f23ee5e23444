//! `FetchResponse`, versions 10 to 18.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::fetch_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::fetch_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::FetchResponse> for ours::FetchResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::FetchResponse) {
        let (mut our, mut their) = (Self::default(), theirs::FetchResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        (our.error_code, their.error_code) = Pair::pair(random, version);
        (our.session_id, their.session_id) = Pair::pair(random, version);
        (our.responses, their.responses) = Pair::pair(random, version);
        if version >= 16 {
            (our.node_endpoints, their.node_endpoints) = Pair::pair(random, version);
        }
        if version >= 12 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::FetchableTopicResponse> for ours::FetchableTopicResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::FetchableTopicResponse) {
        let (mut our, mut their) = (Self::default(), theirs::FetchableTopicResponse::default());
        if version <= 12 {
            (our.topic, their.topic) = Pair::pair(random, version);
        }
        if version >= 13 {
            (our.topic_id, their.topic_id) = Pair::pair(random, version);
        }
        (our.partitions, their.partitions) = Pair::pair(random, version);
        if version >= 12 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::PartitionData> for ours::PartitionData {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::PartitionData) {
        let (mut our, mut their) = (Self::default(), theirs::PartitionData::default());
        (our.partition_index, their.partition_index) = Pair::pair(random, version);
        (our.error_code, their.error_code) = Pair::pair(random, version);
        (our.high_watermark, their.high_watermark) = Pair::pair(random, version);
        (our.last_stable_offset, their.last_stable_offset) = Pair::pair(random, version);
        (our.log_start_offset, their.log_start_offset) = Pair::pair(random, version);
        if version >= 12 {
            (our.diverging_epoch, their.diverging_epoch) = Pair::pair(random, version);
        }
        if version >= 12 {
            (our.current_leader, their.current_leader) = Pair::pair(random, version);
        }
        if version >= 12 {
            (our.snapshot_id, their.snapshot_id) = Pair::pair(random, version);
        }
        (our.aborted_transactions, their.aborted_transactions) = Pair::pair(random, version);
        if version >= 11 {
            (our.preferred_read_replica, their.preferred_read_replica) = Pair::pair(random, version);
        }
        (our.records, their.records) = Pair::pair(random, version);
        if version >= 12 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::EpochEndOffset> for ours::EpochEndOffset {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::EpochEndOffset) {
        let (mut our, mut their) = (Self::default(), theirs::EpochEndOffset::default());
        (our.epoch, their.epoch) = Pair::pair(random, version);
        (our.end_offset, their.end_offset) = Pair::pair(random, version);
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

impl Pair<theirs::SnapshotId> for ours::SnapshotId {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::SnapshotId) {
        let (mut our, mut their) = (Self::default(), theirs::SnapshotId::default());
        (our.end_offset, their.end_offset) = Pair::pair(random, version);
        (our.epoch, their.epoch) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

impl Pair<theirs::AbortedTransaction> for ours::AbortedTransaction {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::AbortedTransaction) {
        let (mut our, mut their) = (Self::default(), theirs::AbortedTransaction::default());
        (our.producer_id, their.producer_id) = Pair::pair(random, version);
        (our.first_offset, their.first_offset) = Pair::pair(random, version);
        if version >= 12 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
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
fn fetch_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<ottla_wire::messages::FetchRequest, ours::FetchResponse, theirs::FetchResponse>(10..=18);
}
