//! `ApiVersionsRequest`, versions 0 to 4.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::api_versions_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::api_versions_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::ApiVersionsRequest> for ours::ApiVersionsRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::ApiVersionsRequest) {
        let (mut our, mut their) = (Self::default(), theirs::ApiVersionsRequest::default());
        if version >= 3 {
            (our.client_software_name, their.client_software_name) = Pair::pair(random, version);
        }
        if version >= 3 {
            (our.client_software_version, their.client_software_version) = Pair::pair(random, version);
        }
        (our, their)
    }
}

#[test]
fn api_versions_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::ApiVersionsRequest, theirs::ApiVersionsRequest>(0..=4);
}
