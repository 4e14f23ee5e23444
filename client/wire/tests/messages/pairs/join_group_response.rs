//! `JoinGroupResponse`, versions 3 to 9.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::join_group_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::join_group_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::JoinGroupResponse> for ours::JoinGroupResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::JoinGroupResponse) {
        let (mut our, mut their) = (Self::default(), theirs::JoinGroupResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        (our.error_code, their.error_code) = Pair::pair(random, version);
        (our.generation_id, their.generation_id) = Pair::pair(random, version);
        if version >= 7 {
            (our.protocol_type, their.protocol_type) = Pair::pair(random, version);
        }
        if version >= 7 {
            (our.protocol_name, their.protocol_name) = Pair::pair(random, version);
        } else {
            let (our_value, their_value) = Pair::pair(random, version);
            (our.protocol_name, their.protocol_name) = (Some(our_value), Some(their_value));
        }
        (our.leader, their.leader) = Pair::pair(random, version);
        if version >= 9 {
            (our.skip_assignment, their.skip_assignment) = Pair::pair(random, version);
        }
        (our.member_id, their.member_id) = Pair::pair(random, version);
        (our.members, their.members) = Pair::pair(random, version);
        if version >= 6 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::JoinGroupResponseMember> for ours::JoinGroupResponseMember {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::JoinGroupResponseMember) {
        let (mut our, mut their) = (Self::default(), theirs::JoinGroupResponseMember::default());
        (our.member_id, their.member_id) = Pair::pair(random, version);
        if version >= 5 {
            (our.group_instance_id, their.group_instance_id) = Pair::pair(random, version);
        }
        (our.metadata, their.metadata) = Pair::pair(random, version);
        if version >= 6 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

#[test]
fn join_group_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<ottla_wire::messages::JoinGroupRequest, ours::JoinGroupResponse, theirs::JoinGroupResponse>(
        3..=9,
    );
}
