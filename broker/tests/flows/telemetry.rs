//! Metrics that clients push, through their requests (KIP-714).

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse, PushTelemetryRequest,
};
use ottla_broker::{ApiKey, Broker, Code, Telemetry};

use super::client::{Client, broker, offered, text};

/// What `printf metrics | gzip -n` writes.
const METRICS: &[u8] = &[
    0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xcb, 0x4d, 0x2d, 0x29, 0xca, 0x4c, 0x2e, 6, 0, 0xe7, 0xaa, 0x8a, 0x22, 7, 0,
    0, 0,
];

const GZIP: i8 = 1;

fn push(told: &GetTelemetrySubscriptionsResponse) -> PushTelemetryRequest {
    PushTelemetryRequest::default()
        .with_client_instance_id(told.client_instance_id)
        .with_subscription_id(told.subscription_id)
        .with_compression_type(GZIP)
        .with_metrics(Bytes::from_static(METRICS))
}

#[tokio::test]
async fn metrics_are_not_asked_for_unless_someone_wants_them() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    assert_eq!(offered(&mut client, ApiKey::GetTelemetrySubscriptions).await, None);
    assert_eq!(offered(&mut client, ApiKey::PushTelemetry).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_client_asks_and_pushes_and_says_when_it_was_the_last_time() {
    let wanted = Telemetry::new(["org.apache.kafka.producer."]).interval(Duration::from_secs(10)).delta(false);
    let broker = Broker::builder().in_memory_only().telemetry(wanted).await;
    let mut client = Client::of(&broker);
    let told = client.call(0, GetTelemetrySubscriptionsRequest::default()).await;
    assert_eq!((told.error_code, told.push_interval_ms, told.delta_temporality), (0, 10_000, false));
    assert_eq!(told.requested_metrics[0], *"org.apache.kafka.producer.");
    assert_eq!(told.accepted_compression_types, [4, 3, 1, 2]);

    assert_eq!(client.call(0, push(&told)).await.error_code, 0);
    let throttled = ResponseError::ThrottlingQuotaExceeded.code();
    assert_eq!(client.call(0, push(&told)).await.error_code, throttled);
    assert_eq!(client.call(0, push(&told).with_terminating(true)).await.error_code, 0);
    let pushed = broker.pushed();
    assert_eq!(pushed.iter().map(|push| push.is_terminating).collect::<Vec<_>>(), [false, true]);
    assert_eq!(pushed[0].client_instance_id, told.client_instance_id.as_u128());
    assert_eq!(pushed[0].metrics().unwrap(), "metrics");
}

#[tokio::test(start_paused = true)]
async fn a_client_is_told_when_something_else_is_wanted() {
    let broker = Broker::builder().in_memory_only().telemetry(Telemetry::new(["*", "some"])).await;
    let mut client = Client::of(&broker);
    let told = client.call(0, GetTelemetrySubscriptionsRequest::default()).await;
    assert_eq!(told.requested_metrics, [text("*")]);
    broker.set_telemetry(Telemetry::new(["org."]));
    assert_eq!(client.call(0, push(&told)).await.error_code, ResponseError::UnknownSubscriptionId.code());
    let request = GetTelemetrySubscriptionsRequest::default().with_client_instance_id(told.client_instance_id);
    let told_anew = client.call(0, request).await;
    assert_eq!((told_anew.error_code, told_anew.client_instance_id), (0, told.client_instance_id));
    assert_ne!(told_anew.subscription_id, told.subscription_id);

    broker.once(ApiKey::PushTelemetry, Code::TelemetryTooLarge);
    assert_eq!(client.call(0, push(&told_anew)).await.error_code, ResponseError::TelemetryTooLarge.code());
    assert_eq!(broker.pushed().len(), 0);
}
