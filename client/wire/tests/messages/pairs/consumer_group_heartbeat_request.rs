//! `ConsumerGroupHeartbeatRequest`, versions 0 to 1.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::consumer_group_heartbeat_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::consumer_group_heartbeat_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::ConsumerGroupHeartbeatRequest> for ours::ConsumerGroupHeartbeatRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ConsumerGroupHeartbeatRequest) {
        let (mut our, mut their) = (Self::default(), theirs::ConsumerGroupHeartbeatRequest::default());
        (our.group_id, their.group_id) = Pair::pair(random, version);
        (our.member_id, their.member_id) = Pair::pair(random, version);
        (our.member_epoch, their.member_epoch) = Pair::pair(random, version);
        (our.instance_id, their.instance_id) = Pair::pair(random, version);
        (our.rack_id, their.rack_id) = Pair::pair(random, version);
        (our.rebalance_timeout_ms, their.rebalance_timeout_ms) = Pair::pair(random, version);
        (our.subscribed_topic_names, their.subscribed_topic_names) = Pair::pair(random, version);
        if version >= 1 {
            (our.subscribed_topic_regex, their.subscribed_topic_regex) = Pair::pair(random, version);
        }
        (our.server_assignor, their.server_assignor) = Pair::pair(random, version);
        (our.topic_partitions, their.topic_partitions) = Pair::pair(random, version);
        (our, their)
    }
}

impl Pair<theirs::TopicPartitions> for ours::TopicPartitions {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::TopicPartitions) {
        let (mut our, mut their) = (Self::default(), theirs::TopicPartitions::default());
        (our.topic_id, their.topic_id) = Pair::pair(random, version);
        (our.partitions, their.partitions) = Pair::pair(random, version);
        (our, their)
    }
}

#[test]
fn consumer_group_heartbeat_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::ConsumerGroupHeartbeatRequest, theirs::ConsumerGroupHeartbeatRequest>(0..=1);
}
