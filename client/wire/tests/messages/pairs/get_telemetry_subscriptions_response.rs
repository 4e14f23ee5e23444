//! `GetTelemetrySubscriptionsResponse`, version 0.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use kafka_protocol::messages::get_telemetry_subscriptions_response as theirs;
use ottla_wire::Version;
use ottla_wire::messages::get_telemetry_subscriptions_response as ours;

use crate::check;
use crate::pair::{Pair, Random, unknown_tags};

impl Pair<theirs::GetTelemetrySubscriptionsResponse> for ours::GetTelemetrySubscriptionsResponse {
    fn pair(random: &mut Random, version: Version) -> (Self, theirs::GetTelemetrySubscriptionsResponse) {
        let (mut our, mut their) = (Self::default(), theirs::GetTelemetrySubscriptionsResponse::default());
        (our.throttle_time_ms, their.throttle_time_ms) = Pair::pair(random, version);
        (our.error_code, their.error_code) = Pair::pair(random, version);
        (our.client_instance_id, their.client_instance_id) = Pair::pair(random, version);
        (our.subscription_id, their.subscription_id) = Pair::pair(random, version);
        (our.accepted_compression_types, their.accepted_compression_types) = Pair::pair(random, version);
        (our.push_interval_ms, their.push_interval_ms) = Pair::pair(random, version);
        (our.telemetry_max_bytes, their.telemetry_max_bytes) = Pair::pair(random, version);
        (our.delta_temporality, their.delta_temporality) = Pair::pair(random, version);
        (our.requested_metrics, their.requested_metrics) = Pair::pair(random, version);
        unknown_tags(random, &mut their.unknown_tagged_fields);
        (our, their)
    }
}

#[test]
fn get_telemetry_subscriptions_response_is_read_as_the_other_implementation_wrote_it() {
    check::response::<
        ottla_wire::messages::GetTelemetrySubscriptionsRequest,
        ours::GetTelemetrySubscriptionsResponse,
        theirs::GetTelemetrySubscriptionsResponse,
    >(0..=0);
}
