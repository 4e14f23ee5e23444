//! `FindCoordinatorRequest`, versions 2 to 6.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::find_coordinator_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::find_coordinator_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::FindCoordinatorRequest> for ours::FindCoordinatorRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::FindCoordinatorRequest) {
        let (mut our, mut their) = (Self::default(), theirs::FindCoordinatorRequest::default());
        if version <= 3 {
            (our.key, their.key) = Pair::pair(random, version);
        }
        (our.key_type, their.key_type) = Pair::pair(random, version);
        if version >= 4 {
            (our.coordinator_keys, their.coordinator_keys) = Pair::pair(random, version);
        }
        (our, their)
    }
}

#[test]
fn find_coordinator_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::FindCoordinatorRequest, theirs::FindCoordinatorRequest>(2..=6);
}
