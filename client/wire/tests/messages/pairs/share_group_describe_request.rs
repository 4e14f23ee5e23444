//! `ShareGroupDescribeRequest`, version 1.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::share_group_describe_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::share_group_describe_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::ShareGroupDescribeRequest> for ours::ShareGroupDescribeRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ShareGroupDescribeRequest) {
        let (mut our, mut their) = (Self::default(), theirs::ShareGroupDescribeRequest::default());
        (our.group_ids, their.group_ids) = Pair::pair(random, version);
        (our.include_authorized_operations, their.include_authorized_operations) = Pair::pair(random, version);
        (our, their)
    }
}

#[test]
fn share_group_describe_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::ShareGroupDescribeRequest, theirs::ShareGroupDescribeRequest>(1..=1);
}
