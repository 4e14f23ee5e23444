//! `ShareAcknowledgeRequest`, version 1.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::share_acknowledge_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::share_acknowledge_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::ShareAcknowledgeRequest> for ours::ShareAcknowledgeRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ShareAcknowledgeRequest) {
        let (mut our, mut their) = (Self::default(), theirs::ShareAcknowledgeRequest::default());
        (our.group_id, their.group_id) = Pair::pair(random, version);
        (our.member_id, their.member_id) = Pair::pair(random, version);
        (our.share_session_epoch, their.share_session_epoch) = Pair::pair(random, version);
        (our.topics, their.topics) = Pair::pair(random, version);
        (our, their)
    }
}

impl Pair<theirs::AcknowledgeTopic> for ours::AcknowledgeTopic {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::AcknowledgeTopic) {
        let (mut our, mut their) = (Self::default(), theirs::AcknowledgeTopic::default());
        (our.topic_id, their.topic_id) = Pair::pair(random, version);
        (our.partitions, their.partitions) = Pair::pair(random, version);
        (our, their)
    }
}

impl Pair<theirs::AcknowledgePartition> for ours::AcknowledgePartition {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::AcknowledgePartition) {
        let (mut our, mut their) = (Self::default(), theirs::AcknowledgePartition::default());
        (our.partition_index, their.partition_index) = Pair::pair(random, version);
        (our.acknowledgement_batches, their.acknowledgement_batches) = Pair::pair(random, version);
        (our, their)
    }
}

impl Pair<theirs::AcknowledgementBatch> for ours::AcknowledgementBatch {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::AcknowledgementBatch) {
        let (mut our, mut their) = (Self::default(), theirs::AcknowledgementBatch::default());
        (our.first_offset, their.first_offset) = Pair::pair(random, version);
        (our.last_offset, their.last_offset) = Pair::pair(random, version);
        (our.acknowledge_types, their.acknowledge_types) = Pair::pair(random, version);
        (our, their)
    }
}

#[test]
fn share_acknowledge_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::ShareAcknowledgeRequest, theirs::ShareAcknowledgeRequest>(1..=1);
}
