//! `FindCoordinatorResponse`, versions 2 to 6.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::find_coordinator_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::find_coordinator_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::FindCoordinatorResponse> for ours::FindCoordinatorResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::FindCoordinatorResponse) {
        let (mut our, mut their) = (Self::default(), theirs::FindCoordinatorResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        if version <= 3 {
            (our.error_code, their.error_code) = Pair::pair(random, version);
        }
        if version <= 3 {
            (our.error_message, their.error_message) = Pair::pair(random, version);
        }
        if version <= 3 {
            (our.node_id, their.node_id) = Pair::pair(random, version);
        }
        if version <= 3 {
            (our.host, their.host) = Pair::pair(random, version);
        }
        if version <= 3 {
            (our.port, their.port) = Pair::pair(random, version);
        }
        if version >= 4 {
            (our.coordinators, their.coordinators) = Pair::pair(random, version);
        }
        if version >= 3 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::Coordinator> for ours::Coordinator {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::Coordinator) {
        let (mut our, mut their) = (Self::default(), theirs::Coordinator::default());
        (our.key, their.key) = Pair::pair(random, version);
        (our.node_id, their.node_id) = Pair::pair(random, version);
        (our.host, their.host) = Pair::pair(random, version);
        (our.port, their.port) = Pair::pair(random, version);
        (our.error_code, their.error_code) = Pair::pair(random, version);
        (our.error_message, their.error_message) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

#[test]
fn find_coordinator_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<
        ottla_wire::messages::FindCoordinatorRequest,
        ours::FindCoordinatorResponse,
        theirs::FindCoordinatorResponse,
    >(2..=6);
}
