//! `CreateTopicsRequest`, versions 3 to 7.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::create_topics_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::create_topics_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::CreateTopicsRequest> for ours::CreateTopicsRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::CreateTopicsRequest) {
        let (mut our, mut their) = (Self::default(), theirs::CreateTopicsRequest::default());
        (our.topics, their.topics) = Pair::pair(random, version);
        (our.timeout_ms, their.timeout_ms) = Pair::pair(random, version);
        (our.validate_only, their.validate_only) = Pair::pair(random, version);
        (our, their)
    }
}

impl Pair<theirs::CreatableTopic> for ours::CreatableTopic {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::CreatableTopic) {
        let (mut our, mut their) = (Self::default(), theirs::CreatableTopic::default());
        (our.name, their.name) = Pair::pair(random, version);
        (our.num_partitions, their.num_partitions) = Pair::pair(random, version);
        (our.replication_factor, their.replication_factor) = Pair::pair(random, version);
        (our.assignments, their.assignments) = Pair::pair(random, version);
        (our.configs, their.configs) = Pair::pair(random, version);
        (our, their)
    }
}

impl Pair<theirs::CreatableReplicaAssignment> for ours::CreatableReplicaAssignment {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::CreatableReplicaAssignment) {
        let (mut our, mut their) = (Self::default(), theirs::CreatableReplicaAssignment::default());
        (our.partition_index, their.partition_index) = Pair::pair(random, version);
        (our.broker_ids, their.broker_ids) = Pair::pair(random, version);
        (our, their)
    }
}

impl Pair<theirs::CreatableTopicConfig> for ours::CreatableTopicConfig {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::CreatableTopicConfig) {
        let (mut our, mut their) = (Self::default(), theirs::CreatableTopicConfig::default());
        (our.name, their.name) = Pair::pair(random, version);
        (our.value, their.value) = Pair::pair(random, version);
        (our, their)
    }
}

#[test]
fn create_topics_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::CreateTopicsRequest, theirs::CreateTopicsRequest>(3..=7);
}
