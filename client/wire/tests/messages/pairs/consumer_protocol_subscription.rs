//! `ConsumerProtocolSubscription`, versions 0 to 3.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::consumer_protocol_subscription as theirs;
use ottla_wire::Version;
use ottla_wire::messages::consumer_protocol_subscription as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::ConsumerProtocolSubscription> for ours::ConsumerProtocolSubscription {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ConsumerProtocolSubscription) {
        let (mut our, mut their) = (Self::default(), theirs::ConsumerProtocolSubscription::default());
        (our.topics, their.topics) = Pair::pair(random, version);
        (our.user_data, their.user_data) = Pair::pair(random, version);
        if version >= 1 {
            (our.owned_partitions, their.owned_partitions) = Pair::pair(random, version);
        }
        if version >= 2 {
            (our.generation_id, their.generation_id) = Pair::pair(random, version);
        }
        if version >= 3 {
            (our.rack_id, their.rack_id) = Pair::pair(random, version);
        }
        (our, their)
    }
}

impl Pair<theirs::TopicPartition> for ours::TopicPartition {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::TopicPartition) {
        let (mut our, mut their) = (Self::default(), theirs::TopicPartition::default());
        (our.topic, their.topic) = Pair::pair(random, version);
        (our.partitions, their.partitions) = Pair::pair(random, version);
        (our, their)
    }
}

#[test]
fn consumer_protocol_subscription_is_written_and_read_as_by_the_other_implementation() {
    check::data::<ours::ConsumerProtocolSubscription, theirs::ConsumerProtocolSubscription>(0..=3);
}
