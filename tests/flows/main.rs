//! The client's flows against the embedded broker: real requests and answers, in memory, on paused time.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests own the clock and the tasks")]

mod admin;
mod bounds;
mod cluster;
mod consume;
mod consume_chaos;
mod consume_epochs;
mod consume_faults;
mod consume_followers;
mod consume_lag;
mod consume_resets;
mod consume_sessions;
mod consume_stream;
mod consumer_interceptors;
mod consumer_metrics;
mod group_cooperative;
mod group_faults;
mod group_leaving;
mod group_listener;
mod group_modern;
mod group_patterns;
mod groups;
mod interceptors;
mod lifetimes;
mod metrics;
mod partitioning;
mod produce;
mod produce_chaos;
mod retries;
mod sequences;
mod share;
mod share_chaos;
mod share_metrics;
mod spans;
mod telemetry;
mod transaction_chaos;
mod transactions;
mod transactions_consume;

use std::time::Duration;

use ottla::net::MemoryConnector;
use ottla_broker::Broker;

/// Reaches the broker's nodes through in-process pipes.
fn pipes(broker: &Broker) -> MemoryConnector {
    let broker = broker.clone();
    MemoryConnector::new(move |host, port| broker.connect(&format!("{host}:{port}")))
}

/// What a test waits for must come within this time of the runtime's clock, which is paused: no real time passes.
const SOON: Duration = Duration::from_secs(100);
