//! `DeleteTopicsRequest`, versions 3 to 6.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::delete_topics_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::delete_topics_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::DeleteTopicsRequest> for ours::DeleteTopicsRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::DeleteTopicsRequest) {
        let (mut our, mut their) = (Self::default(), theirs::DeleteTopicsRequest::default());
        if version >= 6 {
            (our.topics, their.topics) = Pair::pair(random, version);
        }
        if version <= 5 {
            (our.topic_names, their.topic_names) = Pair::pair(random, version);
        }
        (our.timeout_ms, their.timeout_ms) = Pair::pair(random, version);
        (our, their)
    }
}

impl Pair<theirs::DeleteTopicState> for ours::DeleteTopicState {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::DeleteTopicState) {
        let (mut our, mut their) = (Self::default(), theirs::DeleteTopicState::default());
        (our.name, their.name) = Pair::pair(random, version);
        (our.topic_id, their.topic_id) = Pair::pair(random, version);
        (our, their)
    }
}

#[test]
fn delete_topics_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::DeleteTopicsRequest, theirs::DeleteTopicsRequest>(3..=6);
}
