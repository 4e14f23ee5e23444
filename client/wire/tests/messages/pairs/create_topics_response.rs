//! `CreateTopicsResponse`, versions 3 to 7.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::create_topics_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::create_topics_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::CreateTopicsResponse> for ours::CreateTopicsResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::CreateTopicsResponse) {
        let (mut our, mut their) = (Self::default(), theirs::CreateTopicsResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        (our.topics, their.topics) = Pair::pair(random, version);
        if version >= 5 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::CreatableTopicResult> for ours::CreatableTopicResult {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::CreatableTopicResult) {
        let (mut our, mut their) = (Self::default(), theirs::CreatableTopicResult::default());
        (our.name, their.name) = Pair::pair(random, version);
        if version >= 7 {
            (our.topic_id, their.topic_id) = Pair::pair(random, version);
        }
        (our.error_code, their.error_code) = Pair::pair(random, version);
        (our.error_message, their.error_message) = Pair::pair(random, version);
        if version >= 5 {
            (our.topic_config_error_code, their.topic_config_error_code) = Pair::pair(random, version);
        }
        if version >= 5 {
            (our.num_partitions, their.num_partitions) = Pair::pair(random, version);
        }
        if version >= 5 {
            (our.replication_factor, their.replication_factor) = Pair::pair(random, version);
        }
        if version >= 5 {
            (our.configs, their.configs) = Pair::pair(random, version);
        }
        if version >= 5 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::CreatableTopicConfigs> for ours::CreatableTopicConfigs {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::CreatableTopicConfigs) {
        let (mut our, mut their) = (Self::default(), theirs::CreatableTopicConfigs::default());
        (our.name, their.name) = Pair::pair(random, version);
        (our.value, their.value) = Pair::pair(random, version);
        (our.read_only, their.read_only) = Pair::pair(random, version);
        (our.config_source, their.config_source) = Pair::pair(random, version);
        (our.is_sensitive, their.is_sensitive) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

#[test]
fn create_topics_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<
        ottla_wire::messages::CreateTopicsRequest,
        ours::CreateTopicsResponse,
        theirs::CreateTopicsResponse,
    >(3..=7);
}
