//! `AddPartitionsToTxnResponse`, versions 1 to 5.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::add_partitions_to_txn_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::add_partitions_to_txn_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::AddPartitionsToTxnResponse> for ours::AddPartitionsToTxnResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::AddPartitionsToTxnResponse) {
        let (mut our, mut their) = (Self::default(), theirs::AddPartitionsToTxnResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        if version >= 4 {
            (our.error_code, their.error_code) = Pair::pair(random, version);
        }
        if version >= 4 {
            (our.results_by_transaction, their.results_by_transaction) = Pair::pair(random, version);
        }
        if version <= 3 {
            (our.results_by_topic_v3_and_below, their.results_by_topic_v3_and_below) = Pair::pair(random, version);
        }
        if version >= 3 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::AddPartitionsToTxnResult> for ours::AddPartitionsToTxnResult {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::AddPartitionsToTxnResult) {
        let (mut our, mut their) = (Self::default(), theirs::AddPartitionsToTxnResult::default());
        (our.transactional_id, their.transactional_id) = Pair::pair(random, version);
        (our.topic_results, their.topic_results) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

impl Pair<theirs::AddPartitionsToTxnTopicResult> for ours::AddPartitionsToTxnTopicResult {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::AddPartitionsToTxnTopicResult) {
        let (mut our, mut their) = (Self::default(), theirs::AddPartitionsToTxnTopicResult::default());
        (our.name, their.name) = Pair::pair(random, version);
        (our.results_by_partition, their.results_by_partition) = Pair::pair(random, version);
        if version >= 3 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::AddPartitionsToTxnPartitionResult> for ours::AddPartitionsToTxnPartitionResult {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::AddPartitionsToTxnPartitionResult) {
        let (mut our, mut their) = (Self::default(), theirs::AddPartitionsToTxnPartitionResult::default());
        (our.partition_index, their.partition_index) = Pair::pair(random, version);
        (our.partition_error_code, their.partition_error_code) = Pair::pair(random, version);
        if version >= 3 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

#[test]
fn add_partitions_to_txn_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<
        ottla_wire::messages::AddPartitionsToTxnRequest,
        ours::AddPartitionsToTxnResponse,
        theirs::AddPartitionsToTxnResponse,
    >(1..=5);
}
