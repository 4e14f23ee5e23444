//! `HeartbeatResponse`, versions 2 to 4.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::heartbeat_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::heartbeat_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::HeartbeatResponse> for ours::HeartbeatResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::HeartbeatResponse) {
        let (mut our, mut their) = (Self::default(), theirs::HeartbeatResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        (our.error_code, their.error_code) = Pair::pair(random, version);
        if version >= 4 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

#[test]
fn heartbeat_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<ottla_wire::messages::HeartbeatRequest, ours::HeartbeatResponse, theirs::HeartbeatResponse>(
        2..=4,
    );
}
