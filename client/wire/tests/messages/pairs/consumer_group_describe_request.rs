//! `ConsumerGroupDescribeRequest`, versions 0 to 1.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::consumer_group_describe_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::consumer_group_describe_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::ConsumerGroupDescribeRequest> for ours::ConsumerGroupDescribeRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ConsumerGroupDescribeRequest) {
        let (mut our, mut their) = (Self::default(), theirs::ConsumerGroupDescribeRequest::default());
        (our.group_ids, their.group_ids) = Pair::pair(random, version);
        (our.include_authorized_operations, their.include_authorized_operations) = Pair::pair(random, version);
        (our, their)
    }
}

#[test]
fn consumer_group_describe_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::ConsumerGroupDescribeRequest, theirs::ConsumerGroupDescribeRequest>(0..=1);
}
