//! `HeartbeatRequest`, versions 2 to 4.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::heartbeat_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::heartbeat_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::HeartbeatRequest> for ours::HeartbeatRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::HeartbeatRequest) {
        let (mut our, mut their) = (Self::default(), theirs::HeartbeatRequest::default());
        (our.group_id, their.group_id) = Pair::pair(random, version);
        (our.generation_id, their.generation_id) = Pair::pair(random, version);
        (our.member_id, their.member_id) = Pair::pair(random, version);
        if version >= 3 {
            (our.group_instance_id, their.group_instance_id) = Pair::pair(random, version);
        }
        (our, their)
    }
}

#[test]
fn heartbeat_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::HeartbeatRequest, theirs::HeartbeatRequest>(2..=4);
}
