//! Client metrics pushed to brokers that ask for them (KIP-714).
//!
//! ```text
//! driver ──► Reporting: ask, or push, when? ──► GetTelemetrySubscriptions │ PushTelemetry, to any broker
//!   │                                                                      ▲
//!   └──────► Source: Metrics, labels ──► payload: names, deltas ──► otlp ──┘ compressed as the broker likes
//! ```
//!
//! Where no broker offers it, which is told with the versions of the first connection, the task ends and nothing was sent.
//! It holds weak references alone: a client ends with its last handle, whatever is on its way.

use std::sync::{Arc, Weak};
use std::time::Duration;

use ottla_wire::Uuid;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

mod driver;
mod otlp;
mod payload;
mod state;

use super::Metrics;
use crate::cluster::Cluster;
use crate::deadline::after;
use crate::error::{Error, Kind};
use crate::watch;

/// How long the last push may keep a client from ending.
const LAST_PUSH: Duration = Duration::from_millis(500);

/// What is pushed.
pub(crate) trait Source: Send + Sync + 'static {
    /// As it is now.
    fn metrics(&self) -> Metrics;

    /// Who the client is, by the names that KIP-714 has for it.
    fn labels(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

/// The way to the task that pushes. The task ends when this is dropped, without a last push.
#[derive(Debug)]
pub(crate) struct Telemetry {
    standing: watch::Receiver<Standing>,
    /// Taken by whoever closes the client.
    close: Mutex<Option<mpsc::Sender<Close>>>,
}

/// What became of a client's id.
#[derive(Clone, Copy, Debug)]
enum Standing {
    Unknown,
    Known(Uuid),
    /// No broker gives ids.
    Off,
}

/// Asks for the last push, within this time, and hears when it is over.
#[derive(Debug)]
struct Close {
    within: Duration,
    done: oneshot::Sender<()>,
}

impl Telemetry {
    /// Starts to push what `source` has, if that is what `enable.metrics.push` says.
    pub(crate) fn start(cluster: &Arc<Cluster>, source: Weak<dyn Source>) -> Option<Self> {
        if !cluster.config().enable_metrics_push {
            return None;
        }
        let (said, standing) = watch::channel(Standing::Unknown);
        let (close, closing) = mpsc::channel(1);
        driver::start(cluster, source, said, closing);
        Some(Self { standing, close: Mutex::new(Some(close)) })
    }

    /// The id that a broker gave this client, as soon as one did.
    ///
    /// # Errors
    /// [`Kind::Timeout`], and [`Kind::UnsupportedVersion`] if brokers give none.
    async fn client_instance_id(&self, cluster: &Cluster, timeout: Duration) -> Result<Uuid, Error> {
        let deadline = after(cluster.runtime().now(), timeout);
        // Else a client that has nothing to do yet would not connect to any broker.
        cluster.any_metadata(deadline).await.map_err(|error| error.within("client instance id"))?;
        let mut standing = self.standing.clone();
        let told = cluster.until(deadline, standing.wait_for(|standing| !matches!(standing, Standing::Unknown))).await;
        let told = told.and_then(Result::ok).map(|()| *standing.borrow());
        match told {
            Some(Standing::Known(id)) => Ok(id),
            Some(Standing::Off) => Err(Error::new(
                Kind::UnsupportedVersion,
                "client instance id: the brokers take no metrics of clients (they need a plugin that does, KIP-714)",
            )),
            Some(Standing::Unknown) | None => Err(Error::new(Kind::Timeout, "client instance id: none came in time")),
        }
    }

    /// Pushes for the last time, if a broker waits for that, and ends. Takes no longer than `timeout`, and never long.
    pub(crate) async fn close(&self, timeout: Duration) {
        let close = self.close.lock().take();
        let (done, wait) = oneshot::channel();
        let within = timeout.min(LAST_PUSH);
        if let Some(close) = close
            && !within.is_zero()
            && close.try_send(Close { within, done }).is_ok()
        {
            // An error: the task had ended before.
            let _ = wait.await;
        }
    }

    /// As [`close`](Self::close), in the background. `cluster` is held as long as that takes.
    pub(crate) fn close_behind(self: Arc<Self>, cluster: Arc<Cluster>) {
        let runtime = cluster.runtime().clone();
        runtime.spawn(async move {
            self.close(LAST_PUSH).await;
            drop(cluster);
        });
    }
}

/// The id that a client has, by the brokers: for [`Producer`](crate::Producer), [`Consumer`](crate::Consumer) and
/// [`Admin`](crate::Admin).
pub(crate) async fn client_instance_id(
    telemetry: Option<&Telemetry>,
    cluster: &Cluster,
    timeout: Duration,
) -> Result<Uuid, Error> {
    match telemetry {
        Some(telemetry) => telemetry.client_instance_id(cluster, timeout).await,
        None => Err(Error::new(Kind::State, "client instance id: there is none while `enable.metrics.push` is false")),
    }
}
