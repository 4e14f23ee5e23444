//! The task that asks what to push, and pushes it.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::sync::{Arc, Weak};

use ottla_wire::Request;
use ottla_wire::compression::{Compression, Compressor};
use ottla_wire::messages::{GetTelemetrySubscriptionsRequest, PushTelemetryRequest};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::payload::{self, Payload, Totals};
use super::state::{Reporting, Step, Subscription};
use super::{Close, Source, Standing};
use crate::cluster::{Cluster, Lane};
use crate::deadline::sleep_until;
use crate::error::{Error, Kind};
use crate::watch;

pub(super) fn start(
    cluster: &Arc<Cluster>,
    source: Weak<dyn Source>,
    standing: watch::Sender<Standing>,
    closing: mpsc::Receiver<Close>,
) {
    let driver = Driver {
        cluster: Arc::downgrade(cluster),
        source,
        standing,
        began_ms: cluster.runtime().epoch_ms(),
        totals: Totals::since(cluster.runtime().epoch_ms()),
        reporting: Reporting::new(cluster.runtime().now()),
    };
    let views = cluster.watch();
    cluster.runtime().spawn(async move {
        let mut driver = driver;
        let mut closing = closing;
        // Whichever way it ends, whoever asks for the id is told.
        if !known(views, &mut closing).await || !driver.is_wanted() {
            driver.standing.send_replace(Standing::Off);
            return;
        }
        driver.run(&mut closing).await;
        if driver.reporting.client().is_none() {
            driver.standing.send_replace(Standing::Off);
        }
    });
}

/// Waits until some broker has answered. False if the client ends first.
async fn known(mut views: watch::Receiver<crate::cluster::View>, closing: &mut mpsc::Receiver<Close>) -> bool {
    tokio::select! {
        biased;
        _ = closing.recv() => false,
        view = views.wait_for(|view| view.metadata.version > 0) => view.is_ok(),
    }
}

struct Driver {
    cluster: Weak<Cluster>,
    source: Weak<dyn Source>,
    standing: watch::Sender<Standing>,
    /// When counting began.
    began_ms: i64,
    /// As they were pushed last.
    totals: Totals,
    reporting: Reporting,
}

impl Driver {
    /// Whether any broker takes metrics, as far as they have said what they speak.
    fn is_wanted(&self) -> bool {
        self.cluster.upgrade().is_some_and(|cluster| cluster.features().takes_telemetry)
    }

    async fn run(&mut self, closing: &mut mpsc::Receiver<Close>) {
        while let Some(wake_at) = self.reporting.wake_at() {
            let close = tokio::select! {
                biased;
                close = closing.recv() => close,
                () = sleep_until(Some(wake_at)) => {
                    let step = self.reporting.next(Instant::now());
                    let Some(step) = step else { continue };
                    tokio::select! {
                        biased;
                        close = closing.recv() => close,
                        () = self.take(step) => continue,
                    }
                }
            };
            // Dropped, there is nobody to wait for a last push, and nothing of the client is to be held.
            let Some(Close { within, done }) = close else { return };
            if let Some(step) = self.reporting.last() {
                let _ = tokio::time::timeout(within, self.take_last(step)).await;
            }
            let _ = done.send(());
            return;
        }
    }

    /// Does what is due, and takes in the answer.
    async fn take(&mut self, step: Step) {
        let outcome = match step {
            Step::Ask(request) => self.ask(request).await,
            Step::Push(subscription, codec) => self.push(subscription, codec, false).await,
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, "metrics not pushed");
            self.reporting.on_failed(&error, Instant::now());
        }
    }

    async fn take_last(&mut self, step: Step) {
        if let Step::Push(subscription, codec) = step
            && let Err(error) = self.push(subscription, codec, true).await
        {
            tracing::debug!(%error, "the last metrics were not pushed");
        }
    }

    async fn ask(&mut self, request: GetTelemetrySubscriptionsRequest) -> Result<(), Error> {
        let answer = self.call(request).await?;
        let now = Instant::now();
        let Some(cluster) = self.cluster.upgrade() else { return Ok(()) };
        let reporting = &mut self.reporting;
        if cluster.runtime().random(|random| reporting.on_subscription(&answer, now, random)) {
            self.totals = Totals::since(self.began_ms);
        }
        if let Some(client) = self.reporting.client() {
            self.standing.send_replace(Standing::Known(client));
        }
        Ok(())
    }

    async fn push(&mut self, subscription: Subscription, codec: Compression, is_last: bool) -> Result<(), Error> {
        let (client_instance_id, subscription_id) = (subscription.client, subscription.id);
        let Some((pressed, totals)) = self.pressed(subscription, codec).await else { return Ok(()) };
        let Pressed { bytes, codec: used, has_failed } = pressed;
        if has_failed {
            self.reporting.cannot_use(codec);
        }
        let request = PushTelemetryRequest {
            client_instance_id,
            subscription_id,
            terminating: is_last,
            compression_type: i8::try_from(used.code()).unwrap_or_default(),
            metrics: bytes.into(),
        };
        // Of a push whose fate is unknown nothing is told twice.
        let before = std::mem::replace(&mut self.totals, totals);
        let code = self.call(request).await?.error_code;
        if !code.is_none() {
            self.totals = before;
        }
        self.reporting.on_pushed(code, used, Instant::now());
        Ok(())
    }

    /// The metrics as they are now, in the bytes to send. Thousands of partitions make megabytes of them: that is not
    /// for the task that serves the sockets.
    async fn pressed(&self, subscription: Subscription, codec: Compression) -> Option<(Pressed, Totals)> {
        let cluster = self.cluster.upgrade()?;
        let source = self.source.upgrade()?;
        let (metrics, labels) = (source.metrics(), source.labels());
        drop(source);
        let times = (self.began_ms, cluster.runtime().epoch_ms());
        let before = self.totals.clone();
        let (done, wait) = oneshot::channel();
        cluster.runtime().offload(move || {
            let Subscription { metrics: selection, is_delta, .. } = subscription;
            let Payload { bytes, totals } = payload::payload(&metrics, &labels, &selection, is_delta, &before, times);
            let _ = done.send((Pressed::new(bytes, codec), totals));
        });
        wait.await.ok()
    }

    /// One attempt, at whichever broker has the least to do.
    async fn call<R: Request + Send + 'static>(&self, request: R) -> Result<R::Response, Error>
    where
        R::Response: Send,
    {
        let cluster = self.cluster.upgrade().ok_or_else(|| Error::closed("client"))?;
        let broker = cluster.least_loaded().ok_or_else(|| Error::new(Kind::Connection, "no broker is known"))?;
        let timeout = cluster.config().request_timeout;
        let asked =
            cluster.call::<R>(broker, Lane::Main, move |versions| Ok((request, versions.choose::<R>()?)), timeout);
        Ok(asked.await?.0)
    }
}

/// A payload as it is sent.
struct Pressed {
    bytes: Vec<u8>,
    codec: Compression,
    /// The codec that was to be used cannot be.
    has_failed: bool,
}

impl Pressed {
    /// Compressed with `codec`, or not at all if that fails, or there is nothing to compress.
    fn new(bytes: Vec<u8>, codec: Compression) -> Self {
        if codec == Compression::None || bytes.is_empty() {
            return Self { bytes, codec: Compression::None, has_failed: false };
        }
        let mut compressed = Vec::new();
        let pressed = Compressor::new(codec, None)
            .map_err(|error| error.to_string())
            .and_then(|mut press| press.compress(&bytes, &mut compressed).map_err(|error| error.to_string()));
        match pressed {
            Ok(()) => Self { bytes: compressed, codec, has_failed: false },
            Err(error) => {
                tracing::debug!(codec = codec.name(), error, "metrics go uncompressed");
                Self { bytes, codec: Compression::None, has_failed: true }
            }
        }
    }
}
