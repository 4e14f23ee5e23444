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

use ottla_wire::compression::Decompressor;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

mod aborted;
mod arrive;
mod buffer;
mod call;
mod commit;
mod committer;
mod decode;
mod driver;
mod fetch;
mod fetcher;
mod list;
mod offset;
mod offsets;
mod position;
mod rebalance;
mod records;
mod session;
mod state;
mod stream;
mod take;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub(crate) use call::{PATIENCE, Questions, deadline};
pub(crate) use committer::commit_before_rebalance;
pub use offset::{OffsetAndMetadata, OffsetAndTimestamp};
pub(crate) use rebalance::GroupWork;
pub(crate) use records::known_epoch;
pub use records::{ConsumedRecord, HeaderRefs, OwnedRecord, RecordIter, Records, TimestampType};
pub use stream::RecordStream;

use crate::TopicPartition;
use crate::cluster::Cluster;
use crate::config::{ConsumerBuilder, ConsumerConfig};
use crate::error::{Error, Kind};
use crate::group::Identity;
use crate::group::metadata::GroupMetadata;
use crate::group::offsets::Offsets;
use crate::telemetry::{Metrics, Role};
use state::{Farewell, State};

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
#[derive(Clone)]
pub struct Consumer {
    core: Arc<Core>,
    _handle: Arc<Handle>,
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
    /// There is something for the driver: partitions, look-ups.
    pub(crate) work: Notify,
    /// There is something for the group's task.
    pub(crate) membership: Notify,
    /// A position may have become known.
    moved: Notify,
    /// Held by whoever commits.
    committing: tokio::sync::Mutex<()>,
    pub(crate) closed: watch::Sender<bool>,
}

/// Dropped with the last clone of a consumer.
struct Handle(Arc<Core>);

impl Drop for Handle {
    fn drop(&mut self) {
        let core = &self.0;
        // Nobody said that what was handed out last is done with.
        let Some(farewell) = core.close(false) else { return };
        if farewell.commit.is_some() || farewell.leave.is_some() {
            let core = core.clone();
            core.cluster.runtime().clone().spawn(async move {
                let outcome = committer::take_leave(&core, farewell, deadline(LAST_WORDS)).await;
                if let Err(error) = outcome {
                    tracing::debug!(%error, "the dropped consumer did not take its leave");
                }
            });
        }
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
        let topics: BTreeSet<Arc<str>> = topics.into_iter().map(|topic| topic.into().into()).collect();
        if topics.is_empty() {
            return self.unsubscribe().await;
        }
        if topics.iter().any(|topic| topic.trim().is_empty()) {
            return Err(Error::new(Kind::State, "subscribe: the name of a topic is empty"));
        }
        self.core.state.lock().subscribe(topics, self.core.cluster.runtime().now())?;
        self.core.changed();
        Ok(())
    }

    /// Reads nothing any more, and leaves the group: what is to be committed automatically is committed first.
    ///
    /// # Errors
    /// Why the group could not be told. Nothing is read any more all the same.
    pub async fn unsubscribe(&self) -> Result<(), Error> {
        let farewell = self.core.state.lock().unsubscribe(self.core.cluster.runtime().now())?;
        self.core.changed();
        self.part(farewell, self.core.config.default_api_timeout).await
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
    /// A poll says that what earlier polls handed out is done with: that is what automatic commits commit, and what
    /// a rebalance of the group waits for. Dropping the future loses no record. Several tasks may poll one consumer, and
    /// get each record once between them; the poll of one then says so for what another was handed out.
    ///
    /// # Errors
    /// What is wrong with the group, a topic or a partition, each once; records are not lost by it, they come with the
    /// next poll. [`Kind::Protocol`] names the partition and offset of a damaged batch: the position stays before it,
    /// and it is fetched again. [`Kind::NoOffset`], or `OFFSET_OUT_OF_RANGE`, where `auto.offset.reset` is `none`.
    /// [`Kind::State`] if nothing is subscribed to or assigned, [`Kind::Closed`] after [`close`](Self::close).
    pub async fn poll(&self, timeout: Duration) -> Result<Records, Error> {
        let _polling = Polling::begin(&self.core)?;
        self.core.wait(self.core.config.max_poll_records, timeout).await
    }

    /// A stream of records, each a copy of its own.
    ///
    /// Asking for the next record says that the one before is done with; the stream polls as far as needed. It goes on
    /// after errors, and ends with [`close`](Self::close).
    pub fn stream(&self) -> RecordStream {
        RecordStream::new(self.core.clone(), self.clone())
    }

    /// What the client counts, as it is now: the metrics that every client of Kafka has.
    pub fn metrics(&self) -> Metrics {
        let now = self.core.cluster.runtime().now();
        self.core.cluster.metrics().read(now).counted(now)
    }

    /// Commits what was handed out, if that is automatic, leaves the group, and ends the consumer and all its clones.
    ///
    /// Closing says that all records handed out are done with. Takes at most `timeout`; the consumer is closed whatever
    /// comes of it, also if the future is dropped.
    ///
    /// # Errors
    /// Why the last commit failed, or the group could not be told.
    pub async fn close(&self, timeout: Duration) -> Result<(), Error> {
        let Some(farewell) = self.core.close(true) else { return Ok(()) };
        self.part(farewell, timeout).await
    }

    async fn part(&self, farewell: Farewell, timeout: Duration) -> Result<(), Error> {
        if farewell.commit.is_none() && farewell.leave.is_none() {
            return Ok(());
        }
        let core = self.core.clone();
        let work = async move { committer::take_leave(&core, farewell, deadline(timeout)).await };
        // Goes on in the background: what was given up is to be told either way.
        let done = call::run(&self.core.cluster, work).detached();
        done.await.unwrap_or_else(|| Err(Error::closed("consumer")))
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
        let auto_create = config.allow_auto_create_topics;
        let cluster = Cluster::start(config.client.clone(), environment, auto_create, Role::Consumer)?;
        let random = cluster.runtime().random(fastrand::Rng::fork);
        let core = Arc::new(Core {
            state: Mutex::new(State::new(&config, random, cluster.runtime().now())),
            decompressor: Mutex::new(Decompressor::new(decode::MAX_DECOMPRESSED)),
            ready: Notify::new(),
            work: Notify::new(),
            membership: Notify::new(),
            moved: Notify::new(),
            committing: tokio::sync::Mutex::new(()),
            closed: watch::Sender::new(false),
            cluster,
            config,
        });
        driver::start(&core);
        Ok(Consumer { _handle: Arc::new(Handle(core.clone())), core })
    }
}

impl Core {
    /// Waits until there are records.
    async fn wait(self: &Arc<Self>, max: usize, timeout: Duration) -> Result<Records, Error> {
        let mut timer = None;
        loop {
            let mut ready = std::pin::pin!(self.ready.notified());
            ready.as_mut().enable();
            let records = self.take(max, self.cluster.runtime().now())?;
            // Also after `close`: nobody else will be handed these.
            if !records.tells_nothing() {
                return Ok(records);
            }
            self.state.lock().check_open()?;
            if timeout.is_zero() {
                // Once, for tasks of the client that share a thread with a caller who polls and polls.
                tokio::task::yield_now().await;
                return self.take(max, self.cluster.runtime().now());
            }
            let timer = timer.get_or_insert_with(|| call::timer(&self.cluster, timeout));
            tokio::select! {
                biased;
                () = ready => {}
                ended = timer => {
                    ended.ok_or_else(|| Error::closed("consumer"))?;
                    return self.take(max, self.cluster.runtime().now());
                }
            }
        }
    }

    /// Commits in the background what is to be committed automatically.
    fn commit_by_itself(self: &Arc<Self>, commit: Option<(Identity, Offsets)>) {
        if let Some((identity, offsets)) = commit {
            self.cluster.runtime().spawn(committer::commit_by_itself(self.clone(), identity, offsets));
        }
    }

    /// The assignment, or what is wanted of it, changed.
    fn changed(&self) {
        self.work.notify_one();
        self.membership.notify_one();
    }

    /// Ends everything but what remains to be said, which is returned. None if that was done before.
    fn close(&self, handed_out: bool) -> Option<Farewell> {
        let mut state = self.state.lock();
        if state.is_closed {
            return None;
        }
        let farewell = state.close(handed_out, self.cluster.runtime().now());
        state.wake_fetchers();
        self.closed.send_replace(true);
        self.ready.notify_waiters();
        self.moved.notify_waiters();
        Some(farewell)
    }
}

/// A poll, from its begin to its end, however it ends.
struct Polling(Arc<Core>);

impl Polling {
    fn begin(core: &Arc<Core>) -> Result<Self, Error> {
        let began = core.state.lock().poll_began(core.cluster.runtime().now())?;
        if began.wakes_group {
            core.membership.notify_one();
        }
        core.commit_by_itself(began.commit);
        Ok(Self(core.clone()))
    }
}

impl Drop for Polling {
    fn drop(&mut self) {
        let now = self.0.cluster.runtime().now();
        self.0.state.lock().poll_ended(now);
    }
}
