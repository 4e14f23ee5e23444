//! `PushTelemetryResponse`, version 0.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::push_telemetry_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::push_telemetry_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::PushTelemetryResponse> for ours::PushTelemetryResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::PushTelemetryResponse) {
        let (mut our, mut their) = (Self::default(), theirs::PushTelemetryResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        (our.error_code, their.error_code) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

#[test]
fn push_telemetry_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<
        ottla_wire::messages::PushTelemetryRequest,
        ours::PushTelemetryResponse,
        theirs::PushTelemetryResponse,
    >(0..=0);
}
