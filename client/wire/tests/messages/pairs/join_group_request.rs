//! `JoinGroupRequest`, versions 3 to 9.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::join_group_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::join_group_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::JoinGroupRequest> for ours::JoinGroupRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::JoinGroupRequest) {
        let (mut our, mut their) = (Self::default(), theirs::JoinGroupRequest::default());
        (our.group_id, their.group_id) = Pair::pair(random, version);
        (our.session_timeout_ms, their.session_timeout_ms) = Pair::pair(random, version);
        (our.rebalance_timeout_ms, their.rebalance_timeout_ms) = Pair::pair(random, version);
        (our.member_id, their.member_id) = Pair::pair(random, version);
        if version >= 5 {
            (our.group_instance_id, their.group_instance_id) = Pair::pair(random, version);
        }
        (our.protocol_type, their.protocol_type) = Pair::pair(random, version);
        (our.protocols, their.protocols) = Pair::pair(random, version);
        if version >= 8 {
            (our.reason, their.reason) = Pair::pair(random, version);
        }
        (our, their)
    }
}

impl Pair<theirs::JoinGroupRequestProtocol> for ours::JoinGroupRequestProtocol {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::JoinGroupRequestProtocol) {
        let (mut our, mut their) = (Self::default(), theirs::JoinGroupRequestProtocol::default());
        (our.name, their.name) = Pair::pair(random, version);
        (our.metadata, their.metadata) = Pair::pair(random, version);
        (our, their)
    }
}

#[test]
fn join_group_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::JoinGroupRequest, theirs::JoinGroupRequest>(3..=9);
}
