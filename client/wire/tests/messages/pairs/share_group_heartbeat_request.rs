//! `ShareGroupHeartbeatRequest`, version 1.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::share_group_heartbeat_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::share_group_heartbeat_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::ShareGroupHeartbeatRequest> for ours::ShareGroupHeartbeatRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ShareGroupHeartbeatRequest) {
        let (mut our, mut their) = (Self::default(), theirs::ShareGroupHeartbeatRequest::default());
        (our.group_id, their.group_id) = Pair::pair(random, version);
        (our.member_id, their.member_id) = Pair::pair(random, version);
        (our.member_epoch, their.member_epoch) = Pair::pair(random, version);
        (our.rack_id, their.rack_id) = Pair::pair(random, version);
        (our.subscribed_topic_names, their.subscribed_topic_names) = Pair::pair(random, version);
        (our, their)
    }
}

#[test]
fn share_group_heartbeat_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::ShareGroupHeartbeatRequest, theirs::ShareGroupHeartbeatRequest>(1..=1);
}
