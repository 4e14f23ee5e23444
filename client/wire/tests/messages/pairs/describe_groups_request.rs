//! `DescribeGroupsRequest`, versions 2 to 6.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::describe_groups_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::describe_groups_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::DescribeGroupsRequest> for ours::DescribeGroupsRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::DescribeGroupsRequest) {
        let (mut our, mut their) = (Self::default(), theirs::DescribeGroupsRequest::default());
        (our.groups, their.groups) = Pair::pair(random, version);
        if version >= 3 {
            (our.include_authorized_operations, their.include_authorized_operations) = Pair::pair(random, version);
        }
        (our, their)
    }
}

#[test]
fn describe_groups_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::DescribeGroupsRequest, theirs::DescribeGroupsRequest>(2..=6);
}
