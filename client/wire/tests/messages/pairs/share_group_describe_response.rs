//! `ShareGroupDescribeResponse`, version 1.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::share_group_describe_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::share_group_describe_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::ShareGroupDescribeResponse> for ours::ShareGroupDescribeResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ShareGroupDescribeResponse) {
        let (mut our, mut their) = (Self::default(), theirs::ShareGroupDescribeResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        (our.groups, their.groups) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

impl Pair<theirs::DescribedGroup> for ours::DescribedGroup {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::DescribedGroup) {
        let (mut our, mut their) = (Self::default(), theirs::DescribedGroup::default());
        (our.error_code, their.error_code) = Pair::pair(random, version);
        (our.error_message, their.error_message) = Pair::pair(random, version);
        (our.group_id, their.group_id) = Pair::pair(random, version);
        (our.group_state, their.group_state) = Pair::pair(random, version);
        (our.group_epoch, their.group_epoch) = Pair::pair(random, version);
        (our.assignment_epoch, their.assignment_epoch) = Pair::pair(random, version);
        (our.assignor_name, their.assignor_name) = Pair::pair(random, version);
        (our.members, their.members) = Pair::pair(random, version);
        (our.authorized_operations, their.authorized_operations) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

impl Pair<theirs::Member> for ours::Member {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::Member) {
        let (mut our, mut their) = (Self::default(), theirs::Member::default());
        (our.member_id, their.member_id) = Pair::pair(random, version);
        (our.rack_id, their.rack_id) = Pair::pair(random, version);
        (our.member_epoch, their.member_epoch) = Pair::pair(random, version);
        (our.client_id, their.client_id) = Pair::pair(random, version);
        (our.client_host, their.client_host) = Pair::pair(random, version);
        (our.subscribed_topic_names, their.subscribed_topic_names) = Pair::pair(random, version);
        (our.assignment, their.assignment) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

impl Pair<theirs::Assignment> for ours::Assignment {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::Assignment) {
        let (mut our, mut their) = (Self::default(), theirs::Assignment::default());
        (our.topic_partitions, their.topic_partitions) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

impl Pair<theirs::TopicPartitions> for ours::TopicPartitions {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::TopicPartitions) {
        let (mut our, mut their) = (Self::default(), theirs::TopicPartitions::default());
        (our.topic_id, their.topic_id) = Pair::pair(random, version);
        (our.topic_name, their.topic_name) = Pair::pair(random, version);
        (our.partitions, their.partitions) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

#[test]
fn share_group_describe_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<
        ottla_wire::messages::ShareGroupDescribeRequest,
        ours::ShareGroupDescribeResponse,
        theirs::ShareGroupDescribeResponse,
    >(1..=1);
}
