//! `DeleteTopicsResponse`, versions 3 to 6.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::delete_topics_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::delete_topics_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::DeleteTopicsResponse> for ours::DeleteTopicsResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::DeleteTopicsResponse) {
        let (mut our, mut their) = (Self::default(), theirs::DeleteTopicsResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        (our.responses, their.responses) = Pair::pair(random, version);
        if version >= 4 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::DeletableTopicResult> for ours::DeletableTopicResult {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::DeletableTopicResult) {
        let (mut our, mut their) = (Self::default(), theirs::DeletableTopicResult::default());
        if version >= 6 {
            (our.name, their.name) = Pair::pair(random, version);
        } else {
            let (our_value, their_value) = Pair::pair(random, version);
            (our.name, their.name) = (Some(our_value), Some(their_value));
        }
        if version >= 6 {
            (our.topic_id, their.topic_id) = Pair::pair(random, version);
        }
        (our.error_code, their.error_code) = Pair::pair(random, version);
        if version >= 5 {
            (our.error_message, their.error_message) = Pair::pair(random, version);
        }
        if version >= 4 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

#[test]
fn delete_topics_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<
        ottla_wire::messages::DeleteTopicsRequest,
        ours::DeleteTopicsResponse,
        theirs::DeleteTopicsResponse,
    >(3..=6);
}
