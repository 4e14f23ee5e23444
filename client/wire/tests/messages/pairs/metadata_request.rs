//! `MetadataRequest`, versions 7 to 13.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::metadata_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::metadata_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::MetadataRequest> for ours::MetadataRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::MetadataRequest) {
        let (mut our, mut their) = (Self::default(), theirs::MetadataRequest::default());
        (our.topics, their.topics) = Pair::pair(random, version);
        (our.allow_auto_topic_creation, their.allow_auto_topic_creation) = Pair::pair(random, version);
        if (8..=10).contains(&version.number) {
            (our.include_cluster_authorized_operations, their.include_cluster_authorized_operations) =
                Pair::pair(random, version);
        }
        if version >= 8 {
            (our.include_topic_authorized_operations, their.include_topic_authorized_operations) =
                Pair::pair(random, version);
        }
        (our, their)
    }
}

impl Pair<theirs::MetadataRequestTopic> for ours::MetadataRequestTopic {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::MetadataRequestTopic) {
        let (mut our, mut their) = (Self::default(), theirs::MetadataRequestTopic::default());
        if version >= 10 {
            (our.topic_id, their.topic_id) = Pair::pair(random, version);
        }
        if version >= 10 {
            (our.name, their.name) = Pair::pair(random, version);
        } else {
            let (our_value, their_value) = Pair::pair(random, version);
            (our.name, their.name) = (Some(our_value), Some(their_value));
        }
        (our, their)
    }
}

#[test]
fn metadata_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::MetadataRequest, theirs::MetadataRequest>(7..=13);
}
