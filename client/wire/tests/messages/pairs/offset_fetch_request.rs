//! `OffsetFetchRequest`, versions 5 to 9.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::offset_fetch_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::offset_fetch_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::OffsetFetchRequest> for ours::OffsetFetchRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::OffsetFetchRequest) {
        let (mut our, mut their) = (Self::default(), theirs::OffsetFetchRequest::default());
        if version <= 7 {
            (our.group_id, their.group_id) = Pair::pair(random, version);
        }
        if version <= 7 {
            (our.topics, their.topics) = Pair::pair(random, version);
        }
        if version >= 8 {
            (our.groups, their.groups) = Pair::pair(random, version);
        }
        if version >= 7 {
            (our.require_stable, their.require_stable) = Pair::pair(random, version);
        }
        (our, their)
    }
}

impl Pair<theirs::OffsetFetchRequestTopic> for ours::OffsetFetchRequestTopic {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::OffsetFetchRequestTopic) {
        let (mut our, mut their) = (Self::default(), theirs::OffsetFetchRequestTopic::default());
        (our.name, their.name) = Pair::pair(random, version);
        (our.partition_indexes, their.partition_indexes) = Pair::pair(random, version);
        (our, their)
    }
}

impl Pair<theirs::OffsetFetchRequestGroup> for ours::OffsetFetchRequestGroup {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::OffsetFetchRequestGroup) {
        let (mut our, mut their) = (Self::default(), theirs::OffsetFetchRequestGroup::default());
        (our.group_id, their.group_id) = Pair::pair(random, version);
        if version >= 9 {
            (our.member_id, their.member_id) = Pair::pair(random, version);
        }
        if version >= 9 {
            (our.member_epoch, their.member_epoch) = Pair::pair(random, version);
        }
        (our.topics, their.topics) = Pair::pair(random, version);
        (our, their)
    }
}

impl Pair<theirs::OffsetFetchRequestTopics> for ours::OffsetFetchRequestTopics {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::OffsetFetchRequestTopics) {
        let (mut our, mut their) = (Self::default(), theirs::OffsetFetchRequestTopics::default());
        (our.name, their.name) = Pair::pair(random, version);
        (our.partition_indexes, their.partition_indexes) = Pair::pair(random, version);
        (our, their)
    }
}

#[test]
fn offset_fetch_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::OffsetFetchRequest, theirs::OffsetFetchRequest>(5..=9);
}
