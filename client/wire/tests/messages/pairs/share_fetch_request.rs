//! `ShareFetchRequest`, version 1.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::share_fetch_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::share_fetch_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::ShareFetchRequest> for ours::ShareFetchRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ShareFetchRequest) {
        let (mut our, mut their) = (Self::default(), theirs::ShareFetchRequest::default());
        (our.group_id, their.group_id) = Pair::pair(random, version);
        (our.member_id, their.member_id) = Pair::pair(random, version);
        (our.share_session_epoch, their.share_session_epoch) = Pair::pair(random, version);
        (our.max_wait_ms, their.max_wait_ms) = Pair::pair(random, version);
        (our.min_bytes, their.min_bytes) = Pair::pair(random, version);
        (our.max_bytes, their.max_bytes) = Pair::pair(random, version);
        (our.max_records, their.max_records) = Pair::pair(random, version);
        (our.batch_size, their.batch_size) = Pair::pair(random, version);
        (our.topics, their.topics) = Pair::pair(random, version);
        (our.forgotten_topics_data, their.forgotten_topics_data) = Pair::pair(random, version);
        (our, their)
    }
}

impl Pair<theirs::FetchTopic> for ours::FetchTopic {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::FetchTopic) {
        let (mut our, mut their) = (Self::default(), theirs::FetchTopic::default());
        (our.topic_id, their.topic_id) = Pair::pair(random, version);
        (our.partitions, their.partitions) = Pair::pair(random, version);
        (our, their)
    }
}

impl Pair<theirs::FetchPartition> for ours::FetchPartition {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::FetchPartition) {
        let (mut our, mut their) = (Self::default(), theirs::FetchPartition::default());
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

impl Pair<theirs::ForgottenTopic> for ours::ForgottenTopic {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ForgottenTopic) {
        let (mut our, mut their) = (Self::default(), theirs::ForgottenTopic::default());
        (our.topic_id, their.topic_id) = Pair::pair(random, version);
        (our.partitions, their.partitions) = Pair::pair(random, version);
        (our, their)
    }
}

#[test]
fn share_fetch_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::ShareFetchRequest, theirs::ShareFetchRequest>(1..=1);
}
