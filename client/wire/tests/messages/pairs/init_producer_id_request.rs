//! `InitProducerIdRequest`, versions 1 to 5.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::init_producer_id_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::init_producer_id_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::InitProducerIdRequest> for ours::InitProducerIdRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::InitProducerIdRequest) {
        let (mut our, mut their) = (Self::default(), theirs::InitProducerIdRequest::default());
        (our.transactional_id, their.transactional_id) = Pair::pair(random, version);
        (our.transaction_timeout_ms, their.transaction_timeout_ms) = Pair::pair(random, version);
        if version >= 3 {
            (our.producer_id, their.producer_id) = Pair::pair(random, version);
        }
        if version >= 3 {
            (our.producer_epoch, their.producer_epoch) = Pair::pair(random, version);
        }
        (our, their)
    }
}

#[test]
fn init_producer_id_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::InitProducerIdRequest, theirs::InitProducerIdRequest>(1..=5);
}
