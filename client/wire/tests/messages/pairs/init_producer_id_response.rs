//! `InitProducerIdResponse`, versions 1 to 5.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::init_producer_id_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::init_producer_id_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::InitProducerIdResponse> for ours::InitProducerIdResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::InitProducerIdResponse) {
        let (mut our, mut their) = (Self::default(), theirs::InitProducerIdResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        (our.error_code, their.error_code) = Pair::pair(random, version);
        (our.producer_id, their.producer_id) = Pair::pair(random, version);
        (our.producer_epoch, their.producer_epoch) = Pair::pair(random, version);
        if version >= 2 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

#[test]
fn init_producer_id_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<
        ottla_wire::messages::InitProducerIdRequest,
        ours::InitProducerIdResponse,
        theirs::InitProducerIdResponse,
    >(1..=5);
}
