//! `ProduceRequest`, versions 7 to 13.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::produce_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::produce_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::ProduceRequest> for ours::ProduceRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ProduceRequest) {
        let (mut our, mut their) = (Self::default(), theirs::ProduceRequest::default());
        (our.transactional_id, their.transactional_id) = Pair::pair(random, version);
        (our.acks, their.acks) = Pair::pair(random, version);
        (our.timeout_ms, their.timeout_ms) = Pair::pair(random, version);
        (our.topic_data, their.topic_data) = Pair::pair(random, version);
        (our, their)
    }
}

impl Pair<theirs::TopicProduceData> for ours::TopicProduceData {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::TopicProduceData) {
        let (mut our, mut their) = (Self::default(), theirs::TopicProduceData::default());
        if version <= 12 {
            (our.name, their.name) = Pair::pair(random, version);
        }
        if version >= 13 {
            (our.topic_id, their.topic_id) = Pair::pair(random, version);
        }
        (our.partition_data, their.partition_data) = Pair::pair(random, version);
        (our, their)
    }
}

impl Pair<theirs::PartitionProduceData> for ours::PartitionProduceData {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::PartitionProduceData) {
        let (mut our, mut their) = (Self::default(), theirs::PartitionProduceData::default());
        (our.index, their.index) = Pair::pair(random, version);
        (our.records, their.records) = Pair::pair(random, version);
        (our, their)
    }
}

#[test]
fn produce_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::ProduceRequest, theirs::ProduceRequest>(7..=13);
}
