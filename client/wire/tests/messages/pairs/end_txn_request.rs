//! `EndTxnRequest`, versions 1 to 5.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::end_txn_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::end_txn_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::EndTxnRequest> for ours::EndTxnRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::EndTxnRequest) {
        let (mut our, mut their) = (Self::default(), theirs::EndTxnRequest::default());
        (our.transactional_id, their.transactional_id) = Pair::pair(random, version);
        (our.producer_id, their.producer_id) = Pair::pair(random, version);
        (our.producer_epoch, their.producer_epoch) = Pair::pair(random, version);
        (our.committed, their.committed) = Pair::pair(random, version);
        (our, their)
    }
}

#[test]
fn end_txn_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::EndTxnRequest, theirs::EndTxnRequest>(1..=5);
}
