//! Administration: topics, groups and offsets.
//!
//! ```text
//! Admin ─► call: who answers this? ─► controller | any broker | coordinator | leaders ─► an answer per item
//!            ▲                                                                              │
//!            └──── metadata or coordinator looked up anew, backoff ◄── those to try again ◄─┘
//! ```
//!
//! A call about many things answers for each of them: one that fails fails alone.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ottla_wire::Uuid;
use parking_lot::Mutex;
use tokio::sync::oneshot;

mod call;
mod groups;
mod offsets;
mod topics;

pub use groups::{GroupDescription, GroupListing, GroupListings, GroupState, GroupType, MemberDescription};
pub use offsets::OffsetSpec;
pub use topics::{CreatedTopic, NewTopic, PartitionDescription, TopicDescription, TopicListing};

use crate::cluster::Cluster;
use crate::config::AdminBuilder;
use crate::error::Error;
use crate::telemetry::push::{self, Source, Telemetry};
use crate::telemetry::{Metrics, Role};
use crate::watch;
use call::{Abort, Call};

/// Creates, describes and deletes what a cluster holds.
///
/// Cheap to clone; clones share their connections. Each call takes at most `default.api.timeout.ms`, retries included.
///
/// ```no_run
/// # async fn example() -> Result<(), ottla::Error> {
/// use ottla::{Admin, NewTopic};
///
/// let admin = Admin::builder("localhost:9092").build()?;
/// for (name, created) in admin.create_topics([NewTopic::new("orders").partitions(3)]).await {
///     println!("{name}: {:?}", created?.partitions);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Admin {
    core: Arc<Core>,
}

struct Core {
    /// None once the client is closed.
    cluster: Mutex<Option<Arc<Cluster>>>,
    closed: watch::Sender<bool>,
    timeout: Duration,
    retries: u32,
    telemetry: Option<Arc<Telemetry>>,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("timeout", &self.core.timeout).finish_non_exhaustive()
    }
}

impl Admin {
    /// Settings of an admin client for the cluster that `bootstrap` leads to: `host:port`, or several separated by
    /// commas.
    pub fn builder(bootstrap: impl Into<String>) -> AdminBuilder {
        AdminBuilder::new(bootstrap)
    }

    /// What the client counts, as it is now: the metrics that every client of Kafka has. None once it is closed.
    pub fn metrics(&self) -> Metrics {
        let cluster = self.core.cluster.lock().clone();
        cluster.map_or_else(Metrics::none, |cluster| Source::metrics(&*cluster))
    }

    /// The id that a broker gave this client, by which it knows the metrics that are pushed to it (KIP-714).
    ///
    /// # Errors
    /// [`Kind::Timeout`](crate::Kind::Timeout) after `timeout`, [`Kind::State`](crate::Kind::State) if
    /// `enable.metrics.push` is false, and [`Kind::UnsupportedVersion`](crate::Kind::UnsupportedVersion) if the brokers
    /// take no metrics of clients.
    pub async fn client_instance_id(&self, timeout: Duration) -> Result<Uuid, Error> {
        let telemetry = self.core.telemetry.clone();
        self.run(|call| async move { push::client_instance_id(telemetry.as_deref(), &call.cluster, timeout).await })
            .await?
    }

    /// Ends this client and all its clones, and their connections. A call under way fails with
    /// [`Kind::Closed`](crate::Kind::Closed), though it may have taken effect.
    pub fn close(&self) {
        let cluster = self.core.cluster.lock().take();
        self.core.closed.send_replace(true);
        if let (Some(cluster), Some(telemetry)) = (cluster, &self.core.telemetry) {
            telemetry.clone().close_behind(cluster);
        }
    }

    /// Runs a call on the client's own runtime, so that the caller may live on any; ends it when the caller no longer
    /// waits.
    async fn run<T, F>(&self, call: impl FnOnce(Call) -> F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let gone = || Error::closed("admin client");
        let mut closed = self.core.closed.subscribe();
        let cluster = self.core.cluster.lock().clone().ok_or_else(gone)?;
        let work = call(Call::new(cluster.clone(), self.core.timeout, self.core.retries));
        let (done, wait) = oneshot::channel();
        let _abort = Abort(cluster.runtime().spawn(async move {
            let _ = done.send(work.await);
        }));
        drop(cluster);
        tokio::select! {
            biased;
            result = wait => result.map_err(|_| gone()),
            _ = closed.wait_for(|closed| *closed) => Err(gone()),
        }
    }
}

/// All that an admin client counts are its connections.
impl Source for Cluster {
    fn metrics(&self) -> Metrics {
        let now = self.runtime().now();
        Cluster::metrics(self).read(now).counted(now)
    }
}

impl AdminBuilder {
    /// The admin client. Does not wait for the cluster: what is wrong there is reported by the first call.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::Kind::Config), naming the setting, its value and what is allowed.
    pub fn build(self) -> Result<Admin, Error> {
        let (config, environment) = self.validated()?;
        let cluster = Cluster::start(config.client.clone(), environment, false, Role::Admin)?;
        let weak = Arc::downgrade(&cluster);
        let telemetry = Telemetry::start(&cluster, weak).map(Arc::new);
        Ok(Admin {
            core: Arc::new(Core {
                cluster: Mutex::new(Some(cluster)),
                closed: watch::Sender::new(false),
                timeout: config.default_api_timeout,
                retries: config.retries,
                telemetry,
            }),
        })
    }
}
