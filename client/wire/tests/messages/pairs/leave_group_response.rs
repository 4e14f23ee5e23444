//! `LeaveGroupResponse`, versions 2 to 5.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::leave_group_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::leave_group_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::LeaveGroupResponse> for ours::LeaveGroupResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::LeaveGroupResponse) {
        let (mut our, mut their) = (Self::default(), theirs::LeaveGroupResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        (our.error_code, their.error_code) = Pair::pair(random, version);
        if version >= 3 {
            (our.members, their.members) = Pair::pair(random, version);
        }
        if version >= 4 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::MemberResponse> for ours::MemberResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::MemberResponse) {
        let (mut our, mut their) = (Self::default(), theirs::MemberResponse::default());
        (our.member_id, their.member_id) = Pair::pair(random, version);
        (our.group_instance_id, their.group_instance_id) = Pair::pair(random, version);
        (our.error_code, their.error_code) = Pair::pair(random, version);
        if version >= 4 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

#[test]
fn leave_group_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<ottla_wire::messages::LeaveGroupRequest, ours::LeaveGroupResponse, theirs::LeaveGroupResponse>(
        2..=5,
    );
}
