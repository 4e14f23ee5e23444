//! `AddPartitionsToTxnRequest`, versions 1 to 5.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::add_partitions_to_txn_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::add_partitions_to_txn_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::AddPartitionsToTxnRequest> for ours::AddPartitionsToTxnRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::AddPartitionsToTxnRequest) {
        let (mut our, mut their) = (Self::default(), theirs::AddPartitionsToTxnRequest::default());
        if version >= 4 {
            (our.transactions, their.transactions) = Pair::pair(random, version);
        }
        if version <= 3 {
            (our.v3_and_below_transactional_id, their.v3_and_below_transactional_id) = Pair::pair(random, version);
        }
        if version <= 3 {
            (our.v3_and_below_producer_id, their.v3_and_below_producer_id) = Pair::pair(random, version);
        }
        if version <= 3 {
            (our.v3_and_below_producer_epoch, their.v3_and_below_producer_epoch) = Pair::pair(random, version);
        }
        if version <= 3 {
            (our.v3_and_below_topics, their.v3_and_below_topics) = Pair::pair(random, version);
        }
        (our, their)
    }
}

impl Pair<theirs::AddPartitionsToTxnTransaction> for ours::AddPartitionsToTxnTransaction {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::AddPartitionsToTxnTransaction) {
        let (mut our, mut their) = (Self::default(), theirs::AddPartitionsToTxnTransaction::default());
        (our.transactional_id, their.transactional_id) = Pair::pair(random, version);
        (our.producer_id, their.producer_id) = Pair::pair(random, version);
        (our.producer_epoch, their.producer_epoch) = Pair::pair(random, version);
        (our.verify_only, their.verify_only) = Pair::pair(random, version);
        (our.topics, their.topics) = Pair::pair(random, version);
        (our, their)
    }
}

impl Pair<theirs::AddPartitionsToTxnTopic> for ours::AddPartitionsToTxnTopic {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::AddPartitionsToTxnTopic) {
        let (mut our, mut their) = (Self::default(), theirs::AddPartitionsToTxnTopic::default());
        (our.name, their.name) = Pair::pair(random, version);
        (our.partitions, their.partitions) = Pair::pair(random, version);
        (our, their)
    }
}

#[test]
fn add_partitions_to_txn_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::AddPartitionsToTxnRequest, theirs::AddPartitionsToTxnRequest>(1..=5);
}
