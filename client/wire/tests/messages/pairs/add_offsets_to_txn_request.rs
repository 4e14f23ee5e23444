//! `AddOffsetsToTxnRequest`, versions 1 to 4.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::add_offsets_to_txn_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::add_offsets_to_txn_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::AddOffsetsToTxnRequest> for ours::AddOffsetsToTxnRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::AddOffsetsToTxnRequest) {
        let (mut our, mut their) = (Self::default(), theirs::AddOffsetsToTxnRequest::default());
        (our.transactional_id, their.transactional_id) = Pair::pair(random, version);
        (our.producer_id, their.producer_id) = Pair::pair(random, version);
        (our.producer_epoch, their.producer_epoch) = Pair::pair(random, version);
        (our.group_id, their.group_id) = Pair::pair(random, version);
        (our, their)
    }
}

#[test]
fn add_offsets_to_txn_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::AddOffsetsToTxnRequest, theirs::AddOffsetsToTxnRequest>(1..=4);
}
