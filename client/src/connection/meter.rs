//! What is counted of a link: its connections, its requests, and the bytes of both.
#![expect(clippy::disallowed_methods, reason = "driver: says when what it counts happens")]

use std::sync::Arc;
use std::time::Duration;

use ottla_wire::{ApiKey, DecodeError};
use tokio::time::Instant;
use tracing::Span;

use super::exchange::{Exchange, Outcome};
use crate::telemetry::{ClientMetrics, spans};

/// Counts for one broker, and for the client as a whole.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    metrics: Arc<ClientMetrics>,
    broker: i32,
}

impl Meter {
    pub(super) fn new(metrics: Arc<ClientMetrics>, broker: i32) -> Self {
        Self { metrics, broker }
    }

    /// A connection was made; it is closed when the guard is dropped.
    pub(super) fn opened(&self) -> Open {
        self.metrics.opened(Instant::now());
        Open(self.metrics.clone())
    }

    /// So many bytes were read.
    pub(super) fn received(&self, bytes: usize) {
        self.metrics.received(self.broker, bytes, Instant::now());
    }

    /// A request of so many bytes was written.
    pub(super) fn written(&self, bytes: usize) {
        self.metrics.written(self.broker, bytes, Instant::now());
    }

    /// An answer was read that belongs to no [`Sent`]: one of the handshake.
    pub(super) fn answered(&self) {
        self.metrics.answered(self.broker, None, Instant::now());
    }

    /// A request is about to be written.
    pub(super) fn sends(&self, exchange: Box<dyn Exchange>, span: Span) -> Sent {
        self.metrics.begun();
        Sent { exchange, span, at: Instant::now(), in_flight: InFlight(self.metrics.clone()) }
    }

    /// The answer to a request was read: hands it over.
    pub(super) fn finish(&self, sent: Sent, outcome: Outcome) -> Result<Duration, DecodeError> {
        let now = Instant::now();
        // What joins a group, say, waits for others: it says nothing of the broker.
        let is_data = matches!(sent.exchange.api(), ApiKey::Produce | ApiKey::Fetch | ApiKey::ShareFetch);
        self.metrics.answered(self.broker, is_data.then(|| now.saturating_duration_since(sent.at)), now);
        let throttle = sent.finish(outcome)?;
        self.metrics.throttled(throttle, now);
        Ok(throttle)
    }
}

/// A connection as long as it is open.
#[derive(Debug)]
pub(super) struct Open(Arc<ClientMetrics>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.closed(Instant::now());
    }
}

/// A request that is written, or being written, until its outcome is known.
pub(super) struct Sent {
    pub(super) exchange: Box<dyn Exchange>,
    span: Span,
    at: Instant,
    in_flight: InFlight,
}

struct InFlight(Arc<ClientMetrics>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.ended();
    }
}

impl Sent {
    pub(super) fn finish(self, outcome: Outcome) -> Result<Duration, DecodeError> {
        // Whoever waits for the outcome finds it no longer in flight.
        drop(self.in_flight);
        if let Outcome::Failed(error) = &outcome {
            spans::failed(&self.span, error);
        }
        self.exchange.finish(outcome)
    }
}
