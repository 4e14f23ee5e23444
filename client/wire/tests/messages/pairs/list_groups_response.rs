//! `ListGroupsResponse`, versions 2 to 5.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::list_groups_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::list_groups_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::ListGroupsResponse> for ours::ListGroupsResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ListGroupsResponse) {
        let (mut our, mut their) = (Self::default(), theirs::ListGroupsResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        (our.error_code, their.error_code) = Pair::pair(random, version);
        (our.groups, their.groups) = Pair::pair(random, version);
        if version >= 3 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::ListedGroup> for ours::ListedGroup {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ListedGroup) {
        let (mut our, mut their) = (Self::default(), theirs::ListedGroup::default());
        (our.group_id, their.group_id) = Pair::pair(random, version);
        (our.protocol_type, their.protocol_type) = Pair::pair(random, version);
        if version >= 4 {
            (our.group_state, their.group_state) = Pair::pair(random, version);
        }
        if version >= 5 {
            (our.group_type, their.group_type) = Pair::pair(random, version);
        }
        if version >= 3 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

#[test]
fn list_groups_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<ottla_wire::messages::ListGroupsRequest, ours::ListGroupsResponse, theirs::ListGroupsResponse>(
        2..=5,
    );
}
