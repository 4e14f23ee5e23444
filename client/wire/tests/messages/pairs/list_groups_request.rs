//! `ListGroupsRequest`, versions 2 to 5.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::list_groups_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::list_groups_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::ListGroupsRequest> for ours::ListGroupsRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ListGroupsRequest) {
        let (mut our, mut their) = (Self::default(), theirs::ListGroupsRequest::default());
        if version >= 4 {
            (our.states_filter, their.states_filter) = Pair::pair(random, version);
        }
        if version >= 5 {
            (our.types_filter, their.types_filter) = Pair::pair(random, version);
        }
        (our, their)
    }
}

#[test]
fn list_groups_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::ListGroupsRequest, theirs::ListGroupsRequest>(2..=5);
}
