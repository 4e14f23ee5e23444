//! `MetadataResponse`, versions 7 to 13.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::metadata_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::metadata_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::MetadataResponse> for ours::MetadataResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::MetadataResponse) {
        let (mut our, mut their) = (Self::default(), theirs::MetadataResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        (our.brokers, their.brokers) = Pair::pair(random, version);
        (our.cluster_id, their.cluster_id) = Pair::pair(random, version);
        (our.controller_id, their.controller_id) = Pair::pair(random, version);
        (our.topics, their.topics) = Pair::pair(random, version);
        if (8..=10).contains(&version.number) {
            (our.cluster_authorized_operations, their.cluster_authorized_operations) = Pair::pair(random, version);
        }
        if version >= 13 {
            (our.error_code, their.error_code) = Pair::pair(random, version);
        }
        if version >= 9 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::MetadataResponseBroker> for ours::MetadataResponseBroker {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::MetadataResponseBroker) {
        let (mut our, mut their) = (Self::default(), theirs::MetadataResponseBroker::default());
        (our.node_id, their.node_id) = Pair::pair(random, version);
        (our.host, their.host) = Pair::pair(random, version);
        (our.port, their.port) = Pair::pair(random, version);
        (our.rack, their.rack) = Pair::pair(random, version);
        if version >= 9 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::MetadataResponseTopic> for ours::MetadataResponseTopic {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::MetadataResponseTopic) {
        let (mut our, mut their) = (Self::default(), theirs::MetadataResponseTopic::default());
        (our.error_code, their.error_code) = Pair::pair(random, version);
        if version >= 12 {
            (our.name, their.name) = Pair::pair(random, version);
        } else {
            let (our_value, their_value) = Pair::pair(random, version);
            (our.name, their.name) = (Some(our_value), Some(their_value));
        }
        if version >= 10 {
            (our.topic_id, their.topic_id) = Pair::pair(random, version);
        }
        (our.is_internal, their.is_internal) = Pair::pair(random, version);
        (our.partitions, their.partitions) = Pair::pair(random, version);
        if version >= 8 {
            (our.topic_authorized_operations, their.topic_authorized_operations) = Pair::pair(random, version);
        }
        if version >= 9 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::MetadataResponsePartition> for ours::MetadataResponsePartition {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::MetadataResponsePartition) {
        let (mut our, mut their) = (Self::default(), theirs::MetadataResponsePartition::default());
        (our.error_code, their.error_code) = Pair::pair(random, version);
        (our.partition_index, their.partition_index) = Pair::pair(random, version);
        (our.leader_id, their.leader_id) = Pair::pair(random, version);
        (our.leader_epoch, their.leader_epoch) = Pair::pair(random, version);
        (our.replica_nodes, their.replica_nodes) = Pair::pair(random, version);
        (our.isr_nodes, their.isr_nodes) = Pair::pair(random, version);
        (our.offline_replicas, their.offline_replicas) = Pair::pair(random, version);
        if version >= 9 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

#[test]
fn metadata_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<ottla_wire::messages::MetadataRequest, ours::MetadataResponse, theirs::MetadataResponse>(7..=13);
}
