//! `DescribeGroupsResponse`, versions 2 to 6.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::describe_groups_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::describe_groups_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::DescribeGroupsResponse> for ours::DescribeGroupsResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::DescribeGroupsResponse) {
        let (mut our, mut their) = (Self::default(), theirs::DescribeGroupsResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        (our.groups, their.groups) = Pair::pair(random, version);
        if version >= 5 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::DescribedGroup> for ours::DescribedGroup {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::DescribedGroup) {
        let (mut our, mut their) = (Self::default(), theirs::DescribedGroup::default());
        (our.error_code, their.error_code) = Pair::pair(random, version);
        if version >= 6 {
            (our.error_message, their.error_message) = Pair::pair(random, version);
        }
        (our.group_id, their.group_id) = Pair::pair(random, version);
        (our.group_state, their.group_state) = Pair::pair(random, version);
        (our.protocol_type, their.protocol_type) = Pair::pair(random, version);
        (our.protocol_data, their.protocol_data) = Pair::pair(random, version);
        (our.members, their.members) = Pair::pair(random, version);
        if version >= 3 {
            (our.authorized_operations, their.authorized_operations) = Pair::pair(random, version);
        }
        if version >= 5 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

impl Pair<theirs::DescribedGroupMember> for ours::DescribedGroupMember {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::DescribedGroupMember) {
        let (mut our, mut their) = (Self::default(), theirs::DescribedGroupMember::default());
        (our.member_id, their.member_id) = Pair::pair(random, version);
        if version >= 4 {
            (our.group_instance_id, their.group_instance_id) = Pair::pair(random, version);
        }
        (our.client_id, their.client_id) = Pair::pair(random, version);
        (our.client_host, their.client_host) = Pair::pair(random, version);
        (our.member_metadata, their.member_metadata) = Pair::pair(random, version);
        (our.member_assignment, their.member_assignment) = Pair::pair(random, version);
        if version >= 5 {
            unknown_tags(random, &mut their.unknown_tagged_fields);
        }
        (our, their)
    }
}

#[test]
fn describe_groups_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<
        ottla_wire::messages::DescribeGroupsRequest,
        ours::DescribeGroupsResponse,
        theirs::DescribeGroupsResponse,
    >(2..=6);
}
