//! `SyncGroupResponse`, versions 2 to 5.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::sync_group_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::sync_group_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::SyncGroupResponse> for ours::SyncGroupResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::SyncGroupResponse) {
        let (mut our, mut their) = (Self::default(), theirs::SyncGroupResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        (our.error_code, their.error_code) = Pair::pair(random, version);
        if version >= 5 {
            (our.protocol_type, their.protocol_type) = Pair::pair(random, version);
        }
        if version >= 5 {
            (our.protocol_name, their.protocol_name) = Pair::pair(random, version);
        }
        (our.assignment, their.assignment) = Pair::pair(random, version);
        if version >= 4 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

#[test]
fn sync_group_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<ottla_wire::messages::SyncGroupRequest, ours::SyncGroupResponse, theirs::SyncGroupResponse>(
        2..=5,
    );
}
