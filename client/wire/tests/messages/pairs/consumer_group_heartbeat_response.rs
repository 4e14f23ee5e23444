//! `ConsumerGroupHeartbeatResponse`, versions 0 to 1.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::consumer_group_heartbeat_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::consumer_group_heartbeat_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::ConsumerGroupHeartbeatResponse> for ours::ConsumerGroupHeartbeatResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ConsumerGroupHeartbeatResponse) {
        let (mut our, mut their) = (Self::default(), theirs::ConsumerGroupHeartbeatResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        (our.error_code, their.error_code) = Pair::pair(random, version);
        (our.error_message, their.error_message) = Pair::pair(random, version);
        (our.member_id, their.member_id) = Pair::pair(random, version);
        (our.member_epoch, their.member_epoch) = Pair::pair(random, version);
        (our.heartbeat_interval_ms, their.heartbeat_interval_ms) = Pair::pair(random, version);
        (our.assignment, their.assignment) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

impl Pair<theirs::Assignment> for ours::Assignment {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::Assignment) {
        let (mut our, mut their) = (Self::default(), theirs::Assignment::default());
        (our.topic_partitions, their.topic_partitions) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

impl Pair<theirs::TopicPartitions> for ours::TopicPartitions {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::TopicPartitions) {
        let (mut our, mut their) = (Self::default(), theirs::TopicPartitions::default());
        (our.topic_id, their.topic_id) = Pair::pair(random, version);
        (our.partitions, their.partitions) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

#[test]
fn consumer_group_heartbeat_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<
        ottla_wire::messages::ConsumerGroupHeartbeatRequest,
        ours::ConsumerGroupHeartbeatResponse,
        theirs::ConsumerGroupHeartbeatResponse,
    >(0..=1);
}
