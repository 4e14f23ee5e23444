//! GetTelemetrySubscriptions and PushTelemetry (KIP-714).

use std::time::Duration;

use kafka_protocol::messages::{
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse, PushTelemetryRequest, PushTelemetryResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::Context;
use crate::cluster::Cluster;
use crate::faults::Verdict;
use crate::telemetry::Push;

/// What asks for all metrics, whatever else is asked for.
const ALL: &str = "*";

pub(super) fn subscription(
    cluster: &mut Cluster,
    context: &Context,
    request: &GetTelemetrySubscriptionsRequest,
    verdict: &Verdict,
    now: Duration,
) -> GetTelemetrySubscriptionsResponse {
    let client = if request.client_instance_id.is_nil() { cluster.new_uuid() } else { request.client_instance_id };
    let refused =
        verdict.error().or_else(|| cluster.pushes.ask(context.node, client, now).err().map(|error| error.code()));
    if let Some(code) = refused {
        return GetTelemetrySubscriptionsResponse::default().with_error_code(code);
    }
    let asked = &cluster.pushes.subscription;
    let metrics = if asked.metrics.iter().any(|prefix| prefix == ALL) {
        vec![StrBytes::from_static_str(ALL)]
    } else {
        asked.metrics.iter().map(|prefix| StrBytes::from_string(prefix.clone())).collect()
    };
    GetTelemetrySubscriptionsResponse::default()
        .with_client_instance_id(client)
        .with_subscription_id(asked.id_for(client))
        .with_accepted_compression_types(asked.compression_types.clone())
        .with_push_interval_ms(i32::try_from(asked.interval.as_millis()).unwrap_or(i32::MAX))
        .with_telemetry_max_bytes(i32::try_from(asked.max_bytes).unwrap_or(i32::MAX))
        .with_delta_temporality(asked.is_delta)
        .with_requested_metrics(metrics)
}

pub(super) fn push(
    cluster: &mut Cluster,
    context: &Context,
    request: PushTelemetryRequest,
    verdict: &Verdict,
    now: Duration,
) -> PushTelemetryResponse {
    let push = Push {
        client_instance_id: request.client_instance_id.as_u128(),
        node: context.node,
        at: now,
        is_terminating: request.terminating,
        compression_type: request.compression_type,
        bytes: request.metrics,
    };
    let code = verdict
        .error()
        .unwrap_or_else(|| cluster.pushes.push(push, request.subscription_id).err().map_or(0, |error| error.code()));
    PushTelemetryResponse::default().with_error_code(code)
}
