//! `ShareAcknowledgeResponse`, version 1.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::share_acknowledge_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::share_acknowledge_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::ShareAcknowledgeResponse> for ours::ShareAcknowledgeResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ShareAcknowledgeResponse) {
        let (mut our, mut their) = (Self::default(), theirs::ShareAcknowledgeResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        (our.error_code, their.error_code) = Pair::pair(random, version);
        (our.error_message, their.error_message) = Pair::pair(random, version);
        (our.responses, their.responses) = Pair::pair(random, version);
        (our.node_endpoints, their.node_endpoints) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

impl Pair<theirs::ShareAcknowledgeTopicResponse> for ours::ShareAcknowledgeTopicResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ShareAcknowledgeTopicResponse) {
        let (mut our, mut their) = (Self::default(), theirs::ShareAcknowledgeTopicResponse::default());
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
        (our.current_leader, their.current_leader) = Pair::pair(random, version);
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
fn share_acknowledge_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<
        ottla_wire::messages::ShareAcknowledgeRequest,
        ours::ShareAcknowledgeResponse,
        theirs::ShareAcknowledgeResponse,
    >(1..=1);
}
