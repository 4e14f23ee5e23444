//! `SyncGroupRequest`, versions 2 to 5.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::sync_group_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::sync_group_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::SyncGroupRequest> for ours::SyncGroupRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::SyncGroupRequest) {
        let (mut our, mut their) = (Self::default(), theirs::SyncGroupRequest::default());
        (our.group_id, their.group_id) = Pair::pair(random, version);
        (our.generation_id, their.generation_id) = Pair::pair(random, version);
        (our.member_id, their.member_id) = Pair::pair(random, version);
        if version >= 3 {
            (our.group_instance_id, their.group_instance_id) = Pair::pair(random, version);
        }
        if version >= 5 {
            (our.protocol_type, their.protocol_type) = Pair::pair(random, version);
        }
        if version >= 5 {
            (our.protocol_name, their.protocol_name) = Pair::pair(random, version);
        }
        (our.assignments, their.assignments) = Pair::pair(random, version);
        (our, their)
    }
}

impl Pair<theirs::SyncGroupRequestAssignment> for ours::SyncGroupRequestAssignment {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::SyncGroupRequestAssignment) {
        let (mut our, mut their) = (Self::default(), theirs::SyncGroupRequestAssignment::default());
        (our.member_id, their.member_id) = Pair::pair(random, version);
        (our.assignment, their.assignment) = Pair::pair(random, version);
        (our, their)
    }
}

#[test]
fn sync_group_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::SyncGroupRequest, theirs::SyncGroupRequest>(2..=5);
}
