//! `LeaveGroupRequest`, versions 2 to 5.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::leave_group_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::leave_group_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::LeaveGroupRequest> for ours::LeaveGroupRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::LeaveGroupRequest) {
        let (mut our, mut their) = (Self::default(), theirs::LeaveGroupRequest::default());
        (our.group_id, their.group_id) = Pair::pair(random, version);
        if version <= 2 {
            (our.member_id, their.member_id) = Pair::pair(random, version);
        }
        if version >= 3 {
            (our.members, their.members) = Pair::pair(random, version);
        }
        (our, their)
    }
}

impl Pair<theirs::MemberIdentity> for ours::MemberIdentity {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::MemberIdentity) {
        let (mut our, mut their) = (Self::default(), theirs::MemberIdentity::default());
        (our.member_id, their.member_id) = Pair::pair(random, version);
        (our.group_instance_id, their.group_instance_id) = Pair::pair(random, version);
        if version >= 5 {
            (our.reason, their.reason) = Pair::pair(random, version);
        }
        (our, their)
    }
}

#[test]
fn leave_group_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::LeaveGroupRequest, theirs::LeaveGroupRequest>(2..=5);
}
