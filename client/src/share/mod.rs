//! Records of share groups, which their members take from common partitions like jobs from a queue (KIP-932).
//!
//! ```text
//!  caller                                  │ tasks
//!  poll ◄─ delivery ◄──── buffer ◄═════════╪═ reply ◄─ broker, one loop each ─► connection
//!    │ hands out                           │              ▲ what next: outbox, session
//!    ▼                                     │              │
//!  handed ─ acknowledge, commit, poll ═════╪══════════════╛   driver: membership, metadata
//! ```
//!
//! Nothing is fetched ahead: the broker locks what it delivers, and the lock's time runs (30 s by default). So brokers are
//! asked while a poll waits, or once after one found nothing; and acknowledgements ride on that fetch, if there is one.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ottla_wire::compression::Decompressor;
use ottla_wire::messages::ShareGroupHeartbeatRequest;
use parking_lot::Mutex;
use tokio::sync::Notify;

mod acknowledge;
mod broker;
mod delivery;
mod driver;
mod handed;
mod membership;
mod metrics;
mod outbox;
mod poll;
mod records;
mod reply;
mod runs;
mod session;
mod state;
#[cfg(test)]
mod tests;

pub use acknowledge::{AcknowledgeType, AcknowledgementCommitCallback, TopicIdPartition};
pub(crate) use metrics::{AcknowledgementSensors, ShareSensors};
pub use records::ShareRecords;
pub use state::CommitResults;

use crate::TopicPartition;
use crate::cluster::Cluster;
use crate::config::{ShareConsumerBuilder, ShareConsumerConfig};
use crate::consume::{self, ConsumedRecord, MAX_DECOMPRESSED, deadline};
use crate::error::{Error, Kind};
use crate::group::driver::again;
use crate::telemetry::push::{self, Source, Telemetry};
use crate::telemetry::{Metrics, Role};
use crate::watch;
use ottla_wire::{Code, Uuid};
use state::State;

/// How long the tasks that a dropped consumer leaves behind may take to end its sessions and to leave the group.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Takes records from topics as a member of a share group (Kafka 4.2 and later): each record goes to one member, whichever
/// asks first, and is delivered again unless that member acknowledges it in time.
///
/// With `share.acknowledgement.mode` `implicit`, the default, the next [`poll`](Self::poll) or [`commit`](Self::commit)
/// accepts all that the last poll handed out. With `explicit` each record is [acknowledged](Self::acknowledge) before the
/// next poll. A new group starts at the end of its topics; the group's `share.auto.offset.reset` says otherwise.
///
/// Cheap to clone; clones share one membership and what was handed out. When the last clone is dropped the sessions are
/// ended in the background; [`close`](Self::close) waits for that.
///
/// ```no_run
/// # async fn example() -> Result<(), ottla::Error> {
/// use std::time::Duration;
/// use ottla::ShareConsumer;
///
/// let consumer = ShareConsumer::builder("localhost:9092").group("jobs").build()?;
/// consumer.subscribe(["orders"]).await?;
/// loop {
///     for record in &consumer.poll(Duration::from_secs(1)).await? {
///         println!("{:?}, delivery {:?}", record.value(), record.delivery_count());
///     }
///     consumer.commit().await?;
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct ShareConsumer {
    core: Arc<Core>,
    handle: Arc<Handle>,
}

/// What callers and tasks share.
struct Core {
    config: ShareConsumerConfig,
    cluster: Arc<Cluster>,
    state: Mutex<State>,
    /// Whose turn it is to hand out records, and to keep the tables of the codecs.
    decompressor: Mutex<Decompressor>,
    callback: Mutex<Option<Arc<dyn AcknowledgementCommitCallback>>>,
    /// The version of the metadata last looked at for what is wrong with topics.
    seen: Mutex<u64>,
    /// There is something for polls.
    ready: Notify,
    /// There is something for the driver.
    work: Notify,
    closed: watch::Sender<bool>,
    /// No more last words.
    ended: watch::Sender<bool>,
    /// How many loops there are.
    running: watch::Sender<usize>,
}

/// Dropped with the last clone.
struct Handle {
    core: Arc<Core>,
    telemetry: Option<Telemetry>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        let core = &self.core;
        if let Some(leave) = core.close() {
            let core = core.clone();
            core.cluster.runtime().clone().spawn(async move {
                if let Err(error) = core.take_leave(leave, LAST_WORDS).await {
                    tracing::debug!(%error, "the dropped share consumer did not take its leave");
                }
            });
        }
    }
}

impl ShareConsumer {
    /// Settings of a share consumer for the cluster that `bootstrap` leads to: `host:port`, or several separated by commas.
    pub fn builder(bootstrap: impl Into<String>) -> ShareConsumerBuilder {
        ShareConsumerBuilder::new(bootstrap)
    }

    /// Takes records of these topics, and of no others. Returns at once; the group is joined in the background.
    ///
    /// An empty list is [`unsubscribe`](Self::unsubscribe).
    ///
    /// # Errors
    /// [`Kind::State`] if the name of a topic is empty, [`Kind::Closed`] after [`close`](Self::close).
    pub async fn subscribe<T: Into<String>>(&self, topics: impl IntoIterator<Item = T>) -> Result<(), Error> {
        let topics: BTreeSet<Arc<str>> = topics.into_iter().map(|topic| topic.into().into()).collect();
        if topics.is_empty() {
            return self.unsubscribe().await;
        }
        if topics.iter().any(|topic| topic.trim().is_empty()) {
            return Err(Error::new(Kind::State, "subscribe: the name of a topic is empty"));
        }
        self.core.state.lock().subscribe(topics, self.core.cluster.runtime().now())?;
        self.core.work.notify_one();
        Ok(())
    }

    /// Takes no more records and leaves the group. What was handed out can still be acknowledged and committed.
    ///
    /// # Errors
    /// Why the group could not be told. Nothing is taken any more all the same.
    pub async fn unsubscribe(&self) -> Result<(), Error> {
        let leave = self.core.state.lock().unsubscribe(self.core.cluster.runtime().now())?;
        self.core.work.notify_one();
        let (core, timeout) = (self.core.clone(), self.core.config.default_api_timeout);
        let work = async move { core.leave(leave, deadline(timeout)).await };
        let done = consume::run(&self.core.cluster, work).detached();
        done.await.unwrap_or_else(|| Err(Error::closed("share consumer")))
    }

    /// The topics subscribed to, sorted.
    pub fn subscription(&self) -> Vec<Arc<str>> {
        self.core.state.lock().membership.topics().iter().cloned().collect()
    }

    /// Waits until there are records, at most `timeout`, and hands them out: `max.poll.records`, and as many more as share
    /// a batch with them.
    ///
    /// In implicit mode the records of the poll before are accepted. Dropping the future loses no record: what has not
    /// been handed out comes with the next poll. A member must poll every `max.poll.interval.ms`.
    ///
    /// # Errors
    /// What is wrong with the group, a topic or a partition, each once; records are not lost by it. [`Kind::Protocol`]
    /// names the partition and offset of a batch that cannot be read, whose records are rejected, and not delivered again;
    /// in explicit mode [`acknowledge_offset`](Self::acknowledge_offset) decides otherwise. [`Kind::State`] if nothing is
    /// subscribed to, or a record is unacknowledged in explicit mode; [`Kind::Closed`] after [`close`](Self::close).
    pub async fn poll(&self, timeout: Duration) -> Result<ShareRecords, Error> {
        self.core.poll(timeout).await
    }

    /// Says what is to become of a record of the last poll; the next poll or commit sends it. Until then it can be changed.
    ///
    /// # Errors
    /// [`Kind::State`] in implicit mode, and if the record is not to be acknowledged any more.
    pub fn acknowledge(&self, record: &ConsumedRecord<'_>, kind: AcknowledgeType) -> Result<(), Error> {
        self.acknowledge_offset(record.topic_partition(), record.offset(), kind)
    }

    /// As [`acknowledge`](Self::acknowledge), for a record that is at hand as a copy, or that could not be read.
    ///
    /// # Errors
    /// As [`acknowledge`](Self::acknowledge).
    pub fn acknowledge_offset(
        &self,
        partition: &TopicPartition,
        offset: i64,
        kind: AcknowledgeType,
    ) -> Result<(), Error> {
        self.core.state.lock().acknowledge(partition, offset, kind)
    }

    /// Sends what was acknowledged, in implicit mode that all that was handed out is accepted, and waits for the outcome of
    /// each partition, at most `default.api.timeout.ms`. Empty if there was nothing to send.
    ///
    /// What failed with `INVALID_RECORD_STATE` was acknowledged too late, and may be delivered again. Dropping the future
    /// takes nothing back.
    ///
    /// # Errors
    /// [`Kind::Closed`] after [`close`](Self::close). What goes for one partition is in the result.
    pub async fn commit(&self) -> Result<CommitResults, Error> {
        self.core.commit().await
    }

    /// Sends what was acknowledged, in implicit mode that all that was handed out is accepted, in the background. A
    /// [callback](Self::set_acknowledgement_commit_callback) hears the outcome.
    ///
    /// # Errors
    /// [`Kind::Closed`] after [`close`](Self::close).
    pub fn commit_async(&self) -> Result<(), Error> {
        self.core.state.lock().commit(false, self.core.cluster.runtime().now()).map(drop)
    }

    /// Tells `callback` from now on what becomes of acknowledgements: within later polls, commits and `close`, on the
    /// caller's task.
    pub fn set_acknowledgement_commit_callback(&self, callback: impl AcknowledgementCommitCallback) {
        *self.core.callback.lock() = Some(Arc::new(callback));
        self.core.state.lock().has_callback = true;
    }

    /// How long the records that came last are this member's, counted from when the broker delivered them. None before the
    /// first.
    pub fn acquisition_lock_timeout(&self) -> Option<Duration> {
        self.core.state.lock().lock_timeout
    }

    /// What the consumer counts, as it is now: the metrics of Kafka's Java client.
    pub fn metrics(&self) -> Metrics {
        self.core.metrics()
    }

    /// The id that a broker gave this consumer, by which it knows the metrics that are pushed to it (KIP-714).
    ///
    /// # Errors
    /// [`Kind::Timeout`] after `timeout`, [`Kind::State`] if `enable.metrics.push` is false, and
    /// [`Kind::UnsupportedVersion`] if the brokers take no metrics of clients.
    pub async fn client_instance_id(&self, timeout: Duration) -> Result<Uuid, Error> {
        push::client_instance_id(self.handle.telemetry.as_ref(), &self.core.cluster, timeout).await
    }

    /// Sends what was acknowledged, releases the rest (in implicit mode all that the last poll handed out: poll or
    /// [`commit`](Self::commit) before accepts it), leaves the group, and ends the consumer and all its clones.
    ///
    /// Takes at most `timeout`; the consumer is closed whatever comes of it, also if the future is dropped. Where the
    /// coordinator has moved or cannot be reached it is told again until then.
    ///
    /// # Errors
    /// Why the group could not be told, or [`Kind::Timeout`].
    pub async fn close(&self, timeout: Duration) -> Result<(), Error> {
        let Some(leave) = self.core.close() else { return Ok(()) };
        let until = deadline(timeout);
        let core = self.core.clone();
        let done = consume::run(&self.core.cluster, async move { core.take_leave(leave, timeout).await }).detached();
        let outcome = done.await.unwrap_or_else(|| Err(Error::closed("share consumer")));
        self.core.tell();
        if let Some(telemetry) = &self.handle.telemetry {
            telemetry.close(until.saturating_duration_since(self.core.cluster.runtime().now())).await;
        }
        outcome
    }
}

impl fmt::Debug for ShareConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShareConsumer")
            .field("group", &self.core.config.group)
            .field("client_id", &self.core.config.client.client_id)
            .finish_non_exhaustive()
    }
}

impl ShareConsumerBuilder {
    /// The share consumer. Does not wait for the cluster: what is wrong there is reported by the first poll.
    ///
    /// # Errors
    /// [`Kind::Config`], naming the setting, its value and what is allowed.
    pub fn build(self) -> Result<ShareConsumer, Error> {
        let (config, environment) = self.validated()?;
        let auto_create = config.allow_auto_create_topics;
        let cluster = Cluster::start(config.client.clone(), environment, auto_create, Role::ShareConsumer)?;
        let random = cluster.runtime().random(fastrand::Rng::fork);
        let core = Arc::new(Core {
            state: Mutex::new(State::new(&config, random, cluster.runtime().now())),
            decompressor: Mutex::new(Decompressor::new(MAX_DECOMPRESSED)),
            callback: Mutex::new(None),
            seen: Mutex::new(0),
            ready: Notify::new(),
            work: Notify::new(),
            closed: watch::Sender::new(false),
            ended: watch::Sender::new(false),
            running: watch::Sender::new(0),
            cluster,
            config,
        });
        core.cluster.runtime().spawn(driver::run(core.clone()));
        let weak = Arc::downgrade(&core);
        let telemetry = Telemetry::start(&core.cluster, weak);
        Ok(ShareConsumer { handle: Arc::new(Handle { core: core.clone(), telemetry }), core })
    }
}

impl Source for Core {
    fn metrics(&self) -> Metrics {
        let now = self.cluster.runtime().now();
        let mut metrics = self.cluster.metrics().read(now);
        self.state.lock().metrics.read(&mut metrics, now);
        metrics.counted(now)
    }

    fn labels(&self) -> Vec<(&'static str, String)> {
        let member = self.state.lock().membership.member.to_string();
        let labels = [
            ("client_rack", self.config.client_rack.clone()),
            ("group_id", self.config.group.clone()),
            ("group_member_id", member),
        ];
        labels.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }
}

impl Core {
    /// Ends everything but the last words of the loops, and returns what the coordinator is to hear. None if that was
    /// done before.
    fn close(&self) -> Option<Option<ShareGroupHeartbeatRequest>> {
        let mut state = self.state.lock();
        if state.is_closed {
            return None;
        }
        let leave = state.close(self.cluster.runtime().now());
        drop(state);
        self.closed.send_replace(true);
        self.ready.notify_waiters();
        Some(leave)
    }

    /// Waits until the sessions are over, and leaves.
    async fn take_leave(&self, leave: Option<ShareGroupHeartbeatRequest>, timeout: Duration) -> Result<(), Error> {
        let deadline = deadline(timeout);
        let mut running = self.running.subscribe();
        let quiet = self.cluster.until(deadline, running.wait_for(|running| *running == 0)).await.is_some();
        self.ended.send_replace(true);
        self.state.lock().give_up(self.cluster.runtime().now());
        let left = self.leave(leave, deadline).await;
        if !quiet {
            return Err(Error::new(Kind::Timeout, "close: a broker did not confirm the end of its share session"));
        }
        left
    }

    async fn leave(
        &self,
        leave: Option<ShareGroupHeartbeatRequest>,
        deadline: tokio::time::Instant,
    ) -> Result<(), Error> {
        let Some(request) = leave else { return Ok(()) };
        let group = &self.config.group;
        let context = format!("leave share group {group}");
        let attempt = |left| {
            let told = driver::tell(&self.cluster, group, request.clone(), left);
            async {
                match told.await.map_err(|error| error.within(&context))?.error_code {
                    Code::None | Code::UnknownMemberId | Code::GroupIdNotFound => Ok(()),
                    code => Err(Error::broker(code, context.clone())),
                }
            }
        };
        let timeout = deadline.saturating_duration_since(self.cluster.runtime().now());
        let told = self.cluster.until(deadline, again(&self.cluster, timeout, attempt)).await;
        told.unwrap_or_else(|| Err(Error::new(Kind::Timeout, "timed out").within(&context)))
    }
}
