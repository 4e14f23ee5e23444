//! What can be watched: metrics, and spans.
//!
//! ```text
//! connection ──► ClientMetrics ─┐
//! produce    ──► Sensors       ─┤                        ┌─► Metrics: iterate, find
//! consume    ──► State         ─┴─ read(now), by names ──┼─► record(): the crate `metrics`
//!                                                        └─► push: to brokers that ask for them
//! ```
//!
//! Numbers are kept per request, per batch and per call that waits, never per record. [`names`] lists every metric,
//! [`spans`] every span.

use std::time::Duration;

use tokio::time::Instant;

mod client;
#[cfg(feature = "metrics")]
mod export;
mod names;
pub(crate) mod push;
mod snapshot;
pub(crate) mod spans;
mod stats;

pub(crate) use client::ClientMetrics;
pub(crate) use names::{
    CONSUMER_GROUP, COORDINATOR, COORDINATOR_GROUP, FETCH, FETCH_GROUP, FETCH_PARTITION, FETCH_REPLICA, FETCH_TOPIC,
    POLL, PRODUCER, PRODUCER_GROUP, PRODUCER_TOPIC, Role, SHARE_ACKNOWLEDGEMENT, SHARE_COORDINATOR,
    SHARE_COORDINATOR_GROUP, SHARE_FETCH, SHARE_FETCH_GROUP, SHARE_GROUP, SHARE_POLL, TOPIC_GROUP,
};
pub use snapshot::{Metric, MetricValue, Metrics};
pub(crate) use stats::{Sensor, Windows};

// Its example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/metrics.md")]
mod page {}

/// What is kept per topic and per broker is forgotten when nothing was added to it for so long, as Kafka's brokers do with
/// what they keep per client. (Java's clients keep it for ever.)
const EXPIRES_AFTER: Duration = Duration::from_secs(3_600);

/// Whether something last used at `used` is to be forgotten.
pub(crate) fn is_over(used: Instant, now: Instant) -> bool {
    now.saturating_duration_since(used) >= EXPIRES_AFTER
}
