//! `AddOffsetsToTxnResponse`, versions 1 to 4.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::add_offsets_to_txn_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::add_offsets_to_txn_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::AddOffsetsToTxnResponse> for ours::AddOffsetsToTxnResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::AddOffsetsToTxnResponse) {
        let (mut our, mut their) = (Self::default(), theirs::AddOffsetsToTxnResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        (our.error_code, their.error_code) = Pair::pair(random, version);
        if version >= 3 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

#[test]
fn add_offsets_to_txn_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<
        ottla_wire::messages::AddOffsetsToTxnRequest,
        ours::AddOffsetsToTxnResponse,
        theirs::AddOffsetsToTxnResponse,
    >(1..=4);
}
