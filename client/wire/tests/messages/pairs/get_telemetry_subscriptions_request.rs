//! `GetTelemetrySubscriptionsRequest`, version 0.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::get_telemetry_subscriptions_request as theirs;
use ottla_wire::Version;
use ottla_wire::messages::get_telemetry_subscriptions_request as ours;

use crate::check;
use crate::pair::{Pair, Random};

impl Pair<theirs::GetTelemetrySubscriptionsRequest> for ours::GetTelemetrySubscriptionsRequest {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::GetTelemetrySubscriptionsRequest) {
        let (mut our, mut their) = (Self::default(), theirs::GetTelemetrySubscriptionsRequest::default());
        (our.client_instance_id, their.client_instance_id) = Pair::pair(random, version);
        (our, their)
    }
}

#[test]
fn get_telemetry_subscriptions_request_is_written_as_the_other_implementation_writes_it() {
    check::request::<ours::GetTelemetrySubscriptionsRequest, theirs::GetTelemetrySubscriptionsRequest>(0..=0);
}
