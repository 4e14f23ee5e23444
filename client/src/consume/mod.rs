//! Records from brokers: assign → fetch → decode → poll → commit.
//!
//! ```text
//!  caller                                 │ tasks
//!  poll ◄─ take ◄─ decode ◄─ buffer ◄═════╪═ arrive ◄─ fetcher, one per broker ─► connection
//!    │                          positions │ ▲              ▲ leaders
//!    │  release                           │ └ look-ups ◄─ driver ◄─ metadata
//!    ▼                                    │
//!  commit ────────────────────────────────┼─► committer ─► coordinator ◄─ group's driver ◄─ membership
//! ```
//!
//! One lock, the [`State`], stands between them; it is held for moments, and never while records are decoded.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ottla_wire::Uuid;
use ottla_wire::compression::Decompressor;
use parking_lot::Mutex;
use tokio::sync::Notify;

mod aborted;
mod alarm;
mod arrive;
mod buffer;
mod call;
mod close;
mod commit;
mod committer;
mod decode;
mod driver;
mod epochs;
mod fetch;
mod fetcher;
mod intercept;
mod jitter;
mod list;
mod listener;
mod listening;
mod metrics;
mod offset;
mod offsets;
mod position;
mod rebalance;
mod records;
mod session;
mod state;
mod stream;
mod subscription;
mod take;
mod tell;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use call::{PATIENCE, Questions, ask_leader, deadline, run, timer};
pub use close::CloseOptions;
pub use committer::PendingCommit;
pub(crate) use committer::commit_before_rebalance;
pub(crate) use decode::MAX_DECOMPRESSED;
pub use intercept::{ConsumerInterceptor, ConsumerInterceptors};
pub use listener::{Called, RebalanceListener};
pub(crate) use metrics::{CoordinatorSensors, Distances, FetchSensors, PollSensors, TopicFetchSensors, milliseconds};
pub use offset::{OffsetAndMetadata, OffsetAndTimestamp};
pub(crate) use rebalance::GroupWork;
pub use records::{ConsumedRecord, HeaderRefs, OwnedRecord, RecordIter, Records, TimestampType};
pub(crate) use records::{Part, known_epoch};
pub use stream::RecordStream;
pub use subscription::Subscription;

use crate::TopicPartition;
use crate::cluster::Cluster;
use crate::config::{ConsumerBuilder, ConsumerConfig};
use crate::error::{Error, Kind};
use crate::group::assign::Assignors;
use crate::group::metadata::GroupMetadata;
use crate::group::offsets::Offsets;
use crate::group::{GroupMembershipOperation, Identity};
use crate::telemetry::push::{self, Source, Telemetry};
use crate::telemetry::{Metrics, Role, spans};
use crate::watch;
use alarm::Alarm;
use close::Parting;
use committer::Turn;
use state::State;

/// How long the tasks that a dropped consumer leaves behind may take to commit and to leave the group.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Reads records, alone or as a member of a group.
///
/// Cheap to clone; clones share one assignment and its positions. Membership and fetching go on between polls, in the
/// background; a member must poll every `max.poll.interval.ms` all the same. When the last clone is dropped the group
/// is left in the background, as far as the process lives on; [`close`](Self::close) waits for that.
///
/// ```no_run
/// # async fn example() -> Result<(), ottla::Error> {
/// use std::time::Duration;
/// use ottla::Consumer;
///
/// let consumer = Consumer::builder("localhost:9092").group("billing").build()?;
/// consumer.subscribe(["orders"]).await?;
/// loop {
///     let records = consumer.poll(Duration::from_secs(1)).await?;
///     for record in &records {
///         println!("{:?}", record.value());
///     }
///     consumer.commit().await?;
/// }
/// # }
/// ```
///
/// # What it costs
///
/// **Memory**: of each broker that is read from, `fetch.max.bytes` of records as they were sent, however slow the
/// application is, fetches in flight included; and of each partition `max.partition.fetch.bytes`, at most twice. Beside it:
/// a batch for each answer, since a broker sends one however large it is; the decompressed batch of each partition that
/// polls have begun to hand out; what [paused](Self::pause) partitions hold; and some kilobytes for each connection. What
/// a broker sent in one answer is let go of when all of its records were handed out. Records that were handed out are
/// yours: [`Records`] hold them as long as they live.
///
/// **Idle**: a fetch to each broker that has nothing new waits there for `fetch.max.wait.ms`, then comes the next; a
/// member of a group sends heartbeats. Nothing else wakes up: with the defaults that is some 0.03 % of a core.
#[derive(Clone)]
pub struct Consumer {
    core: Arc<Core>,
    handle: Arc<Handle>,
}

/// What callers and tasks share.
pub(crate) struct Core {
    pub(crate) config: ConsumerConfig,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) state: Mutex<State>,
    /// Whose turn it is to hand out records, and to keep the tables of the codecs.
    decompressor: Mutex<Decompressor>,
    /// There is something for polls.
    pub(crate) ready: Notify,
    /// Ends the waits of polls.
    alarm: Alarm,
    /// There is something for the driver: partitions, look-ups.
    pub(crate) work: Notify,
    /// There is something for the group's task.
    pub(crate) membership: Notify,
    /// A position may have become known.
    moved: Notify,
    /// Held by whoever calls the listener.
    calling: tokio::sync::Mutex<()>,
    /// Held by whoever commits.
    committing: Arc<tokio::sync::Mutex<()>>,
    pub(crate) closed: watch::Sender<bool>,
}

/// Dropped with the last clone of a consumer.
struct Handle {
    core: Arc<Core>,
    telemetry: Option<Telemetry>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        let core = &self.core;
        // Nobody said that what was handed out last is done with.
        let Some(farewell) = core.close(false, GroupMembershipOperation::Default) else { return };
        core.say(farewell);
    }
}

impl Consumer {
    /// Settings of a consumer for the cluster that `bootstrap` leads to: `host:port`, or several separated by commas.
    pub fn builder(bootstrap: impl Into<String>) -> ConsumerBuilder {
        ConsumerBuilder::new(bootstrap)
    }

    /// Reads these topics, and no others, as a member of the group: its members share out the partitions.
    ///
    /// Returns at once; the group is joined in the background. An empty list is [`unsubscribe`](Self::unsubscribe).
    ///
    /// # Errors
    /// [`Kind::Config`] without `group.id`, [`Kind::State`] while partitions are [assigned](Self::assign).
    pub async fn subscribe<T: Into<String>>(&self, topics: impl IntoIterator<Item = T>) -> Result<(), Error> {
        self.subscribe_to(Subscription::topics(topics)).await
    }

    /// Reads what is subscribed to, and nothing else, as a member of the group: topics by name or by a pattern, with a
    /// listener if there is one. It takes the place of an earlier subscription, with its listener.
    ///
    /// Returns at once; the group is joined, or rebalances, in the background. What is assigned stays until then.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    pub async fn subscribe_to(&self, subscription: Subscription) -> Result<(), Error> {
        if subscription.is_empty() {
            return self.unsubscribe().await;
        }
        subscription.check()?;
        if subscription.is_pattern() {
            // What was seen last may be about some topics alone.
            self.core.cluster.refresh();
        }
        self.core.state.lock().subscribe(subscription, self.core.cluster.runtime().now())?;
        self.core.changed();
        Ok(())
    }

    /// Asks the group to rebalance, for a reason that the coordinator logs (KIP-800): something changed that an assignor
    /// goes by, say. Returns at once. A rebalance that is on its way counts: no other is begun. With
    /// `group.protocol=consumer` the coordinator alone decides: then this has no effect but a line in the log.
    ///
    /// # Errors
    /// [`Kind::Config`] without `group.id`, [`Kind::State`] if nothing is [subscribed](Self::subscribe) to.
    pub async fn enforce_rebalance(&self, reason: impl Into<String>) -> Result<(), Error> {
        let reason = Some(reason.into()).filter(|reason| !reason.is_empty());
        let reason = reason.map_or("rebalance enforced by user".into(), Into::into);
        self.core.state.lock().enforce_rebalance(reason, self.core.cluster.runtime().now())?;
        self.core.changed();
        Ok(())
    }

    /// Reads nothing any more, and leaves the group: the listener hears of it first, then what is to be committed
    /// automatically is committed. Also if the future is dropped.
    ///
    /// # Errors
    /// That of the listener, or why the group could not be told. Nothing is read any more all the same.
    pub async fn unsubscribe(&self) -> Result<(), Error> {
        self.core.state.lock().check_open()?;
        self.part(Parting::unsubscribe(&self.core), None).await
    }

    /// Reads these partitions, and no others, whatever members of the group do.
    ///
    /// Partitions that are read already go on where they are. The others start at the committed offset, if there is a
    /// group, else as `auto.offset.reset` says. An empty list reads nothing any more.
    ///
    /// # Errors
    /// [`Kind::State`] while topics are [subscribed](Self::subscribe) to.
    pub async fn assign(&self, partitions: impl IntoIterator<Item = TopicPartition>) -> Result<(), Error> {
        let partitions: BTreeSet<_> = partitions.into_iter().collect();
        let commit = self.core.state.lock().assign(partitions, self.core.cluster.runtime().now())?;
        self.core.changed();
        self.core.commit_by_itself(commit);
        Ok(())
    }

    /// The partitions that are read now, sorted.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.core.state.lock().positions.partitions.keys().cloned().collect()
    }

    /// The topics subscribed to, sorted.
    pub fn subscription(&self) -> Vec<Arc<str>> {
        let state = self.core.state.lock();
        state.group.as_ref().map_or_else(Vec::new, |group| group.topics().iter().cloned().collect())
    }

    /// As whom the records were read that the last poll handed out: for a transaction that commits their offsets.
    ///
    /// What the group does between a poll and this call changes nothing about it: a member joins a rebalance only once
    /// its next poll has begun, and one that was taken out of its group meanwhile is still named as it was, so that the
    /// coordinator refuses the offsets. It is therefore to be asked for after the poll whose records the transaction
    /// holds, and before the next one. Before the group is joined, and where partitions are
    /// [assigned](Self::assign), the generation is -1 and the member's id empty: such offsets are not guarded.
    ///
    /// # Errors
    /// [`Kind::Config`] without `group.id`, [`Kind::Closed`] after [`close`](Self::close).
    pub fn group_metadata(&self) -> Result<GroupMetadata, Error> {
        self.core.state.lock().group_metadata()
    }

    /// Waits until there are records, at most `timeout`, and hands out up to `max.poll.records` of them.
    ///
    /// Comes back without a record before `timeout` where positions moved past what is never handed out, such as
    /// transaction markers: [`Records::next_offsets`] tells, and it can be committed.
    ///
    /// The [listener](RebalanceListener) of the subscription runs in it, however long that takes, before anything is
    /// handed out.
    ///
    /// A poll says that what earlier polls handed out is done with: that is what automatic commits commit, and what
    /// a rebalance of the group waits for. Dropping the future loses no record. Several tasks may poll one consumer, and
    /// get each record once between them; the poll of one then says so for what another was handed out.
    ///
    /// # Errors
    /// What is wrong with the group, a topic or a partition, each once; records are not lost by it, they come with the
    /// next poll. [`Kind::Protocol`] names the partition and offset of a damaged batch: the position stays before it,
    /// and it is fetched again. [`Kind::NoOffset`], or `OFFSET_OUT_OF_RANGE`, where `auto.offset.reset` is `none`.
    /// [`Kind::Listener`] is an error of the listener's.
    /// [`Kind::State`] if nothing is subscribed to or assigned, or if the listener polls; [`Kind::Closed`] after [`close`](Self::close).
    pub async fn poll(&self, timeout: Duration) -> Result<Records, Error> {
        let _polling = Polling::begin(&self.core)?;
        let config = &self.core.config;
        let span = spans::poll(&config.client.client_id, &config.group);
        let polled = self.core.wait(self, config.max_poll_records, timeout).await;
        spans::polled(&span, polled.as_ref().map(Records::len));
        polled
    }

    /// A stream of records, each a copy of its own.
    ///
    /// Asking for the next record says that the one before is done with; the stream polls as far as needed. It goes on
    /// after errors, and ends with [`close`](Self::close).
    ///
    /// It polls for as long as its next record is awaited. A stream that nobody awaits is a consumer that is not polled: after
    /// `max.poll.interval.ms` it leaves its group, and joins again when it is asked for the next record.
    pub fn stream(&self) -> RecordStream {
        RecordStream::new(self.core.clone(), self.clone())
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
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("group", &self.core.config.group)
            .field("client_id", &self.core.config.client.client_id)
            .finish_non_exhaustive()
    }
}

impl ConsumerBuilder {
    /// The consumer. Does not wait for the cluster: what is wrong there is reported by the first call that needs it.
    ///
    /// # Errors
    /// [`Kind::Config`], naming the setting, its value and what is allowed.
    pub fn build(self) -> Result<Consumer, Error> {
        let (config, environment) = self.validated()?;
        let assignors = Assignors::new(&environment.assignors, &config.partition_assignment_strategy)?;
        let auto_create = config.allow_auto_create_topics;
        let cluster = Cluster::start(config.client.clone(), environment, auto_create, Role::Consumer)?;
        let random = cluster.runtime().random(fastrand::Rng::fork);
        let core = Arc::new(Core {
            state: Mutex::new(State::new(&config, assignors, random, cluster.runtime().now())),
            decompressor: Mutex::new(Decompressor::new(decode::MAX_DECOMPRESSED)),
            ready: Notify::new(),
            alarm: Alarm::default(),
            work: Notify::new(),
            membership: Notify::new(),
            moved: Notify::new(),
            calling: tokio::sync::Mutex::new(()),
            committing: Arc::default(),
            closed: watch::Sender::new(false),
            cluster,
            config,
        });
        driver::start(&core);
        let weak = Arc::downgrade(&core);
        let telemetry = Telemetry::start(&core.cluster, weak);
        Ok(Consumer { handle: Arc::new(Handle { core: core.clone(), telemetry }), core })
    }
}

impl Source for Core {
    fn metrics(&self) -> Metrics {
        let now = self.cluster.runtime().now();
        let mut metrics = self.cluster.metrics().read(now);
        self.state.lock().read_metrics(&mut metrics, now);
        metrics.counted(now)
    }

    fn labels(&self) -> Vec<(&'static str, String)> {
        let config = &self.config;
        let member = self.state.lock().assigned_as.member_id.to_string();
        let labels = [
            ("client_rack", config.client_rack.clone()),
            ("group_id", config.group.clone()),
            ("group_instance_id", config.group_instance_id.clone()),
            ("group_member_id", member),
        ];
        labels.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }
}

impl Core {
    /// Waits until there are records.
    async fn wait(self: &Arc<Self>, consumer: &Consumer, max: usize, timeout: Duration) -> Result<Records, Error> {
        let runtime = self.cluster.runtime();
        let mut deadline = None;
        loop {
            let mut ready = std::pin::pin!(self.ready.notified());
            ready.as_mut().enable();
            let is_due = self.state.lock().listening.is_due();
            if is_due && self.tell_listener(consumer).await? {
                continue;
            }
            // Where another poll calls the listener, this one waits for that.
            let records = if is_due { Records::default() } else { self.hand_out(max)? };
            // Also after `close`: nobody else will be handed these.
            if !records.tells_nothing() {
                return Ok(records);
            }
            self.state.lock().check_open()?;
            if timeout.is_zero() {
                // Once, for tasks of the client that share a thread with a caller who polls and polls.
                tokio::task::yield_now().await;
                return self.take_unless_due(max);
            }
            let deadline = *deadline.get_or_insert_with(|| runtime.now().checked_add(timeout));
            tokio::select! {
                biased;
                () = ready => {}
                rung = self.alarm.rings(runtime, deadline) => {
                    rung.ok_or_else(|| Error::closed("consumer"))?;
                    return self.take_unless_due(max);
                }
            }
        }
    }

    /// What there is at a poll's end, unless the listener comes first: then that is for the next.
    fn take_unless_due(self: &Arc<Self>, max: usize) -> Result<Records, Error> {
        if self.state.lock().listening.is_due() {
            return Ok(Records::default());
        }
        self.hand_out(max)
    }

    /// What there is, as interceptors leave it.
    fn hand_out(self: &Arc<Self>, max: usize) -> Result<Records, Error> {
        let mut records = self.take(max, self.cluster.runtime().now())?;
        self.config.interceptors.on_consume(&mut records);
        Ok(records)
    }

    /// Commits in the background what is to be committed automatically.
    fn commit_by_itself(self: &Arc<Self>, commit: Option<(Identity, Offsets)>) {
        if let Some((identity, offsets)) = commit {
            let turn = Turn::take(self);
            self.cluster.runtime().spawn(committer::commit_by_itself(self.clone(), turn, identity, offsets));
        }
    }

    /// The assignment, or what is wanted of it, changed.
    fn changed(&self) {
        self.work.notify_one();
        self.membership.notify_one();
    }
}

/// A poll, from its begin to its end, however it ends.
struct Polling {
    core: Arc<Core>,
    /// Nobody looks after it now.
    rests: bool,
}

impl Polling {
    fn begin(core: &Arc<Core>) -> Result<Self, Error> {
        if core.is_in_listener() {
            return Err(Error::new(Kind::State, "poll: the rebalance listener must not poll its own consumer"));
        }
        let began = core.state.lock().poll_began(core.cluster.runtime().now())?;
        if began.wakes_group {
            core.membership.notify_one();
        }
        core.commit_by_itself(began.commit);
        Ok(Self { core: core.clone(), rests: false })
    }

    /// It waits, and may never be looked after again: until it [goes on](Self::goes_on) it is no poll for the group.
    fn rests(&mut self) {
        self.rests = self.core.state.lock().poll_rests(self.core.cluster.runtime().now());
    }

    fn goes_on(&mut self) {
        if std::mem::take(&mut self.rests) && self.core.state.lock().poll_goes_on() {
            self.core.membership.notify_one();
        }
    }
}

impl Drop for Polling {
    fn drop(&mut self) {
        let now = self.core.cluster.runtime().now();
        self.core.state.lock().poll_ended(self.rests, now);
    }
}
