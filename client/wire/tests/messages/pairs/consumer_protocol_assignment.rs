//! `ConsumerProtocolAssignment`, versions 0 to 3.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::consumer_protocol_assignment as theirs;
use ottla_wire::Version;
use ottla_wire::messages::consumer_protocol_assignment as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::ConsumerProtocolAssignment> for ours::ConsumerProtocolAssignment {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ConsumerProtocolAssignment) {
        let (mut our, mut their) = (Self::default(), theirs::ConsumerProtocolAssignment::default());
        (our.assigned_partitions, their.assigned_partitions) = Pair::pair(random, version);
        (our.user_data, their.user_data) = Pair::pair(random, version);
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
fn consumer_protocol_assignment_is_written_and_read_as_by_the_other_implementation() {
    check::data::<ours::ConsumerProtocolAssignment, theirs::ConsumerProtocolAssignment>(0..=3);
}
