//! `EndTxnResponse`, versions 1 to 5.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::end_txn_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::end_txn_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::EndTxnResponse> for ours::EndTxnResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::EndTxnResponse) {
        let (mut our, mut their) = (Self::default(), theirs::EndTxnResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        (our.error_code, their.error_code) = Pair::pair(random, version);
        if version >= 5 {
            (our.producer_id, their.producer_id) = Pair::pair(random, version);
        }
        if version >= 5 {
            (our.producer_epoch, their.producer_epoch) = Pair::pair(random, version);
        }
        if version >= 3 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

#[test]
fn end_txn_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<ottla_wire::messages::EndTxnRequest, ours::EndTxnResponse, theirs::EndTxnResponse>(1..=5);
}
