//! `PushTelemetryRequest`, version 0.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::push_telemetry_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::push_telemetry_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::PushTelemetryRequest> for ours::PushTelemetryRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::PushTelemetryRequest) {
        let (mut our, mut their) = (Self::default(), theirs::PushTelemetryRequest::default());
        (our.client_instance_id, their.client_instance_id) = Pair::pair(random, version);
        (our.subscription_id, their.subscription_id) = Pair::pair(random, version);
        (our.terminating, their.terminating) = Pair::pair(random, version);
        (our.compression_type, their.compression_type) = Pair::pair(random, version);
        (our.metrics, their.metrics) = Pair::pair(random, version);
        (our, their)
    }
}

#[test]
fn push_telemetry_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::PushTelemetryRequest, theirs::PushTelemetryRequest>(0..=0);
}
