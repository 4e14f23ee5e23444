//! `ProduceResponse`, versions 7 to 13.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::produce_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::produce_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::ProduceResponse> for ours::ProduceResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ProduceResponse) {
        let (mut our, mut their) = (Self::default(), theirs::ProduceResponse::default());
        (our.responses, their.responses) = Pair::pair(random, version);
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        if version >= 10 {
            (our.node_endpoints, their.node_endpoints) = Pair::pair(random, version);
        }
        if version >= 9 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::TopicProduceResponse> for ours::TopicProduceResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::TopicProduceResponse) {
        let (mut our, mut their) = (Self::default(), theirs::TopicProduceResponse::default());
        if version <= 12 {
            (our.name, their.name) = Pair::pair(random, version);
        }
        if version >= 13 {
            (our.topic_id, their.topic_id) = Pair::pair(random, version);
        }
        (our.partition_responses, their.partition_responses) = Pair::pair(random, version);
        if version >= 9 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::PartitionProduceResponse> for ours::PartitionProduceResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::PartitionProduceResponse) {
        let (mut our, mut their) = (Self::default(), theirs::PartitionProduceResponse::default());
        (our.index, their.index) = Pair::pair(random, version);
        (our.error_code, their.error_code) = Pair::pair(random, version);
        (our.base_offset, their.base_offset) = Pair::pair(random, version);
        (our.log_append_time_ms, their.log_append_time_ms) = Pair::pair(random, version);
        (our.log_start_offset, their.log_start_offset) = Pair::pair(random, version);
        if version >= 8 {
            (our.record_errors, their.record_errors) = Pair::pair(random, version);
        }
        if version >= 8 {
            (our.error_message, their.error_message) = Pair::pair(random, version);
        }
        if version >= 10 {
            (our.current_leader, their.current_leader) = Pair::pair(random, version);
        }
        if version >= 9 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::BatchIndexAndErrorMessage> for ours::BatchIndexAndErrorMessage {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::BatchIndexAndErrorMessage) {
        let (mut our, mut their) = (Self::default(), theirs::BatchIndexAndErrorMessage::default());
        (our.batch_index, their.batch_index) = Pair::pair(random, version);
        (our.batch_index_error_message, their.batch_index_error_message) = Pair::pair(random, version);
        if version >= 9 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
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
fn produce_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<ottla_wire::messages::ProduceRequest, ours::ProduceResponse, theirs::ProduceResponse>(7..=13);
}
