//! `FetchRequest`, versions 10 to 18.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::fetch_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::fetch_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::FetchRequest> for ours::FetchRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::FetchRequest) {
        let (mut our, mut their) = (Self::default(), theirs::FetchRequest::default());
        if version >= 12 {
            (our.cluster_id, their.cluster_id) = Pair::pair(random, version);
        }
        if version <= 14 {
            (our.replica_id, their.replica_id) = Pair::pair(random, version);
        }
        if version >= 15 {
            (our.replica_state, their.replica_state) = Pair::pair(random, version);
        }
        (our.max_wait_ms, their.max_wait_ms) = Pair::pair(random, version);
        (our.min_bytes, their.min_bytes) = Pair::pair(random, version);
        (our.max_bytes, their.max_bytes) = Pair::pair(random, version);
        (our.isolation_level, their.isolation_level) = Pair::pair(random, version);
        (our.session_id, their.session_id) = Pair::pair(random, version);
        (our.session_epoch, their.session_epoch) = Pair::pair(random, version);
        (our.topics, their.topics) = Pair::pair(random, version);
        (our.forgotten_topics_data, their.forgotten_topics_data) = Pair::pair(random, version);
        if version >= 11 {
            (our.rack_id, their.rack_id) = Pair::pair(random, version);
        }
        (our, their)
    }
}

impl Pair<theirs::ReplicaState> for ours::ReplicaState {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ReplicaState) {
        let (mut our, mut their) = (Self::default(), theirs::ReplicaState::default());
        (our.replica_id, their.replica_id) = Pair::pair(random, version);
        (our.replica_epoch, their.replica_epoch) = Pair::pair(random, version);
        (our, their)
    }
}

impl Pair<theirs::FetchTopic> for ours::FetchTopic {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::FetchTopic) {
        let (mut our, mut their) = (Self::default(), theirs::FetchTopic::default());
        if version <= 12 {
            (our.topic, their.topic) = Pair::pair(random, version);
        }
        if version >= 13 {
            (our.topic_id, their.topic_id) = Pair::pair(random, version);
        }
        (our.partitions, their.partitions) = Pair::pair(random, version);
        (our, their)
    }
}

impl Pair<theirs::FetchPartition> for ours::FetchPartition {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::FetchPartition) {
        let (mut our, mut their) = (Self::default(), theirs::FetchPartition::default());
        (our.partition, their.partition) = Pair::pair(random, version);
        (our.current_leader_epoch, their.current_leader_epoch) = Pair::pair(random, version);
        (our.fetch_offset, their.fetch_offset) = Pair::pair(random, version);
        if version >= 12 {
            (our.last_fetched_epoch, their.last_fetched_epoch) = Pair::pair(random, version);
        }
        (our.log_start_offset, their.log_start_offset) = Pair::pair(random, version);
        (our.partition_max_bytes, their.partition_max_bytes) = Pair::pair(random, version);
        if version >= 17 {
            (our.replica_directory_id, their.replica_directory_id) = Pair::pair(random, version);
        }
        if version >= 18 {
            (our.high_watermark, their.high_watermark) = Pair::pair(random, version);
        }
        (our, their)
    }
}

impl Pair<theirs::ForgottenTopic> for ours::ForgottenTopic {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ForgottenTopic) {
        let (mut our, mut their) = (Self::default(), theirs::ForgottenTopic::default());
        if version <= 12 {
            (our.topic, their.topic) = Pair::pair(random, version);
        }
        if version >= 13 {
            (our.topic_id, their.topic_id) = Pair::pair(random, version);
        }
        (our.partitions, their.partitions) = Pair::pair(random, version);
        (our, their)
    }
}

#[test]
fn fetch_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::FetchRequest, theirs::FetchRequest>(10..=18);
}
