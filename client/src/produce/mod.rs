//! Records to brokers: send → partition → batch → compress → request → ack.
//!
//! ```text
//!  caller                      │ driver (one task)
//!  enqueue ─► partition ─► batch ═► closed ─► compress ─► request ─► connection
//!     ▲          (topics)  (slot)    inbox                   ▲            │
//!     └── memory ◄───────────────────────────────────────── ack ◄─────────┘
//!                                                  settles the deliveries
//! ```
//!
//! The caller's thread does the work per record, the driver the work per batch. Between them stands one lock per
//! partition, held for one append, and the [`Inbox`], which batches enter and records never do.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ottla_wire::records::HEADER_LEN;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

mod ack;
mod availability;
mod batch;
mod compress;
mod delivery;
mod driver;
mod identify;
mod intercept;
mod memory;
mod metrics;
mod overdue;
pub(crate) mod partition;
mod partitioner;
mod queue;
mod request;
mod seal;
mod sender;
mod split;
mod topics;
mod transact;
mod transaction;

pub use delivery::{Ack, Delivery};
pub use intercept::{Acknowledgement, Interceptors, ProducerInterceptor};
pub(crate) use metrics::{Sensors, TopicSensors};
pub use partitioner::{PartitionInput, Partitioner, PartitionerClass, RoundRobinPartitioner};
pub use transaction::{Transaction, TransactionalProducer, Unfinished};

use crate::cluster::Cluster;
use crate::config::{ProducerBuilder, ProducerConfig};
use crate::deadline::after;
use crate::error::{Error, Kind};
use crate::record::Record;
use crate::runtime::Environment;
use crate::telemetry::{Metrics, Role};
use batch::{Limits, NeedsMemory, Opening, Slot, Source};
use delivery::{Outcome, Unreported};
use driver::Event;
use memory::{Memory, Reserved};
use metrics::{Call, ProducerMetrics};
use topics::{TopicSlots, Topics};

/// Sends records.
///
/// Cheap to clone; clones share one connection pool, one buffer and one sequence of batches. When the last clone is
/// dropped, what was enqueued is still sent in the background as long as the process lives; [`close`](Self::close)
/// waits for it.
///
/// ```no_run
/// # async fn example() -> Result<(), ottla::Error> {
/// use ottla::{Producer, Record};
///
/// let producer = Producer::builder("localhost:9092").build()?;
/// let ack = producer.send(Record::to("orders").key("user-7").value("tea")).await?;
/// println!("{}[{}] at {:?}", ack.topic(), ack.partition(), ack.offset());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Producer {
    core: Arc<Core>,
    _handle: Arc<Handle>,
}

/// A record that [`Producer::try_enqueue`] could not take.
#[derive(Debug)]
pub struct Refused<'a> {
    /// The record, untouched.
    pub record: Record<'a>,
    /// Why: [`Kind::WouldBlock`] if trying again later may help.
    pub error: Error,
}

/// What callers and the driver share.
struct Core {
    config: ProducerConfig,
    limits: Limits,
    cluster: Arc<Cluster>,
    topics: Topics,
    memory: Arc<Memory>,
    metrics: ProducerMetrics,
    inbox: Inbox,
    unreported: Arc<Unreported>,
    next_batch: AtomicU64,
    /// The last handle is gone, or `close` was called: what is there is sent, nothing is added.
    closing: AtomicBool,
    /// The driver is gone: nothing will be sent.
    closed: AtomicBool,
    /// Nothing can be added to the transaction, and why.
    transaction_failed: AtomicBool,
    transaction_failure: Mutex<Option<Error>>,
    events: mpsc::UnboundedSender<Event>,
}

/// News for the driver: of batches, not of records.
#[derive(Debug, Default)]
struct Inbox {
    news: Mutex<News>,
    wake: Notify,
    /// The driver has a timer for an earlier linger: a batch that opens need not wake it.
    timer_is_set: AtomicBool,
    /// Nothing can be sent before an answer comes: a batch that fills need not wake it.
    is_saturated: AtomicBool,
}

#[derive(Debug, Default)]
struct News {
    /// Batches that linger, by when that ends: always the same time, so the list is in order.
    opened: VecDeque<(Instant, Arc<Slot>, u64)>,
    filled: Vec<Arc<Slot>>,
}

/// Dropped with the last clone of a producer.
#[derive(Debug)]
struct Handle(Arc<Core>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.closing.store(true, Ordering::SeqCst);
        self.0.inbox.wake.notify_one();
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("client_id", &self.config.client.client_id).finish_non_exhaustive()
    }
}

impl Producer {
    /// Settings of a producer for the cluster that `bootstrap` leads to: `host:port`, or several separated by commas.
    pub fn builder(bootstrap: impl Into<String>) -> ProducerBuilder {
        ProducerBuilder::new(bootstrap)
    }

    /// Sends a record and waits for its acknowledgement.
    ///
    /// For one record at a time; [`enqueue`](Self::enqueue) is for many.
    ///
    /// # Errors
    /// Those of [`enqueue`](Self::enqueue), and the reason why the record could not be written within
    /// `delivery.timeout.ms`. Dropping the future does not take back a record that was enqueued.
    pub async fn send(&self, record: Record<'_>) -> Result<Ack, Error> {
        self.enqueue(record).await?.await
    }

    /// Adds a record to the batch of its partition. The [`Delivery`] resolves when it is written; it may be dropped.
    ///
    /// Waits, at most `max.block.ms` in all, while the topic's metadata is not known and while `buffer.memory` is full.
    ///
    /// # Errors
    /// [`Kind::TooLarge`] over `max.request.size`, [`Kind::Timeout`] after `max.block.ms`, [`Kind::Closed`], or what
    /// the cluster says of the topic. The record was then not enqueued.
    pub async fn enqueue(&self, record: Record<'_>) -> Result<Delivery, Error> {
        if !self.core.config.interceptors.is_empty() {
            // Boxed, so that those who have none do not carry its state.
            return Box::pin(self.enqueue_intercepted(record)).await;
        }
        let enqueued = match self.core.append(&record, None) {
            Append::Done(delivery) => return Ok(delivery),
            Append::Failed(error) => Err(error),
            blocked => self.core.append_waiting(record, blocked).await,
        };
        enqueued.inspect_err(|_| self.core.refused())
    }

    async fn enqueue_intercepted<'a>(&'a self, mut record: Record<'a>) -> Result<Delivery, Error> {
        let untold = self.core.config.interceptors.on_send(&mut record);
        let result = match self.core.append(&record, None) {
            Append::Done(delivery) => Ok(delivery),
            Append::Failed(error) => Err(error),
            blocked => self.core.append_waiting(record, blocked).await,
        };
        untold.ended(&result);
        result.inspect_err(|_| self.core.refused())
    }

    /// Adds a record if that needs no waiting, and gives it back if it does.
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue); [`Kind::WouldBlock`] while the buffer is full, or the topic's metadata is on its
    /// way.
    pub fn try_enqueue<'a>(&self, record: Record<'a>) -> Result<Delivery, Box<Refused<'a>>> {
        let result = if self.core.config.interceptors.is_empty() {
            self.core.try_append(&record)
        } else {
            let mut sent = record.clone();
            let untold = self.core.config.interceptors.on_send(&mut sent);
            let result = self.core.try_append(&sent);
            untold.ended(&result);
            result
        };
        result.map_err(|error| Box::new(Refused { record, error }))
    }

    /// Sends what is enqueued, without lingering, and waits until each record is written or has failed.
    ///
    /// # Errors
    /// The first failure, since the last call, of a record whose [`Delivery`] was dropped: nothing is lost silently.
    pub async fn flush(&self) -> Result<(), Error> {
        let _timed = self.core.timed(Call::Flush);
        let (done, wait) = oneshot::channel();
        if self.core.events.send(Event::Flush(done)).is_err() || wait.await.is_err() {
            self.core.unnoticed()?;
            return Err(Error::closed("producer"));
        }
        self.core.unnoticed()
    }

    /// Sends what is enqueued, waits for it as long as `timeout` allows, and ends the producer and all its clones.
    ///
    /// # Errors
    /// [`Kind::Timeout`] if records were left: they fail with [`Kind::Closed`], though some may have been written. Else
    /// as [`flush`](Self::flush).
    pub async fn close(&self, timeout: Duration) -> Result<(), Error> {
        self.core.closing.store(true, Ordering::SeqCst);
        let (done, wait) = oneshot::channel();
        let deadline = self.core.cluster.runtime().now().checked_add(timeout);
        if self.core.events.send(Event::Close { deadline, done }).is_err() {
            return self.core.unnoticed();
        }
        match wait.await {
            Ok(0) => self.core.unnoticed(),
            Ok(records) => {
                let _ = self.core.unnoticed();
                let waited = timeout.as_millis();
                Err(Error::new(
                    Kind::Timeout,
                    format!(
                        "close of the producer timed out after {waited} ms: {records} records were not acknowledged"
                    ),
                ))
            }
            Err(_) => self.core.unnoticed(),
        }
    }

    /// What the producer counts, as it is now: the metrics of Kafka's Java client.
    pub fn metrics(&self) -> Metrics {
        let now = self.core.cluster.runtime().now();
        let mut metrics = self.core.cluster.metrics().read(now);
        self.core.metrics.read(&mut metrics, self.core.memory.level(), now);
        metrics.counted(now)
    }

    /// How many partitions a topic has.
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue) for metadata.
    pub async fn partitions_for(&self, topic: &str) -> Result<usize, Error> {
        let deadline = after(self.core.cluster.runtime().now(), self.core.config.max_block);
        Ok(self.core.cluster.topic(topic, deadline).await?.partitions.len())
    }
}

impl ProducerBuilder {
    /// The producer. Does not wait for the cluster: what is wrong there is reported by the first call that needs it.
    ///
    /// # Errors
    /// [`Kind::Config`], naming the setting, its value and what is allowed.
    pub fn build(self) -> Result<Producer, Error> {
        let (config, environment) = self.validated()?;
        if !config.transactional_id.is_empty() {
            let rule = "is for transactions: `build_transactional` makes a producer of them";
            return Err(crate::config::invalid("transactional.id", &config.transactional_id, rule));
        }
        Producer::start(config, environment)
    }
}

impl Producer {
    fn start(config: ProducerConfig, environment: Environment) -> Result<Self, Error> {
        let cluster = Cluster::start(config.client.clone(), environment, true, Role::Producer)?;
        let (events, receiver) = mpsc::unbounded_channel();
        let core = Arc::new(Core {
            limits: Limits::new(config.batch_size, config.max_request_size),
            memory: Arc::new(Memory::new(config.buffer_memory)),
            metrics: ProducerMetrics::new(cluster.metrics().windows()),
            topics: Topics::default(),
            inbox: Inbox::default(),
            unreported: Arc::default(),
            next_batch: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            transaction_failed: AtomicBool::new(false),
            transaction_failure: Mutex::default(),
            events,
            cluster,
            config,
        });
        driver::start(&core, receiver);
        Ok(Self { _handle: Arc::new(Handle(core.clone())), core })
    }
}

/// What became of an attempt to append.
enum Append {
    Done(Delivery),
    Failed(Error),
    /// So many bytes, for a partition that a partitioner chose: it is not asked again.
    NeedsMemory(usize, Option<i32>),
    /// The topic, or the partition asked for, is not known yet.
    NeedsTopic,
}

/// A partition that the topic does not have, and who wants it.
#[derive(Clone, Copy)]
enum Misplaced {
    ByPartitioner(i32),
    ByRecord(i32),
}

impl Core {
    /// One attempt: takes locks for moments only, and waits for nothing.
    fn append(&self, record: &Record<'_>, reserved: Option<&mut Reserved>) -> Append {
        if self.closing.load(Ordering::Relaxed) {
            return Append::Failed(Error::closed("producer"));
        }
        if record.size_bound() + HEADER_LEN > self.config.max_request_size.min(self.memory.total())
            && let Err(error) = self.check_size(record)
        {
            return Append::Failed(error);
        }
        self.topics.with(record.topic(), |topic| self.append_to(topic, record, reserved)).unwrap_or(Append::NeedsTopic)
    }

    fn append_to(&self, topic: &TopicSlots, record: &Record<'_>, mut reserved: Option<&mut Reserved>) -> Append {
        let clock = self.cluster.runtime().epoch_ms();
        topic.touch(clock);
        let placed = match self.place(topic, record) {
            Ok(placed) => placed,
            Err(misplaced) => return self.misplaced(topic, record, misplaced),
        };
        loop {
            let partition = placed.unwrap_or_else(|| topic.sticky.partition(|| self.choose(topic)));
            let slot = &topic.slots[partition];
            let is_sticky = placed.is_none();
            let source = Source {
                limits: self.limits,
                memory: &self.memory,
                reserved: reserved.as_deref_mut(),
                closed: &self.closed,
                is_sticky,
                opening: &OpeningIn { core: self, topic, partition, is_sticky },
            };
            let appended = slot.append(record, record.chosen_timestamp().unwrap_or(clock), source);
            if let Some((id, opened)) = appended.opened {
                self.inbox.opened(after(opened, self.config.linger), slot, id);
            }
            if appended.filled {
                self.inbox.filled(slot);
            }
            return match appended.added {
                Ok(delivery) => Append::Done(delivery),
                Err(batch::Refusal::Elsewhere) => continue,
                Err(batch::Refusal::Memory(NeedsMemory(bytes))) => {
                    let chosen = self.config.partitioner.chosen().and(placed);
                    Append::NeedsMemory(bytes, chosen.map(|partition| partition as i32))
                }
                Err(batch::Refusal::Closed) => Append::Failed(Error::closed("producer")),
            };
        }
    }

    /// The partition that the record, the partitioner or the key says. None if any will do.
    fn place(&self, topic: &TopicSlots, record: &Record<'_>) -> Result<Option<usize>, Misplaced> {
        let partitions = topic.slots.len();
        let within = |chosen: i32| usize::try_from(chosen).ok().filter(|chosen| *chosen < partitions);
        if let Some(chosen) = record.chosen_partition() {
            return within(chosen).map(Some).ok_or(Misplaced::ByRecord(chosen));
        }
        if let Some(partitioner) = self.config.partitioner.chosen()
            && let Some(chosen) = partitioner.partition(&PartitionInput::new(record, partitions, &topic.available))
        {
            return within(chosen).map(Some).ok_or(Misplaced::ByPartitioner(chosen));
        }
        let key = record.key_bytes().filter(|_| !self.config.partitioner_ignore_keys);
        Ok(key.map(|key| partition::of_key(key, partitions)))
    }

    #[cold]
    fn misplaced(&self, topic: &TopicSlots, record: &Record<'_>, misplaced: Misplaced) -> Append {
        let what = match misplaced {
            // It may be added.
            Misplaced::ByRecord(0..) => return Append::NeedsTopic,
            Misplaced::ByRecord(chosen) => format!("there is no partition {chosen}"),
            Misplaced::ByPartitioner(chosen) => {
                format!("the partitioner chose {chosen}, and partitions go from 0 to {}", topic.slots.len() - 1)
            }
        };
        Append::Failed(Error::new(Kind::State, format!("enqueue to {}: {what}", record.topic())))
    }

    /// Whose turn it is next.
    #[cold]
    fn choose(&self, topic: &TopicSlots) -> usize {
        self.cluster.runtime().random(|random| topic.choose(self.config.adaptive_partitioning, random))
    }

    /// Appends if that needs no waiting.
    fn try_append(&self, record: &Record<'_>) -> Result<Delivery, Error> {
        match self.append(record, None) {
            Append::Done(delivery) => Ok(delivery),
            Append::Failed(error) => Err(error),
            Append::NeedsMemory(..) => {
                self.memory.press();
                self.inbox.wake.notify_one();
                Err(Error::new(Kind::WouldBlock, format!("enqueue to {}: `buffer.memory` is full", record.topic())))
            }
            Append::NeedsTopic => {
                self.cluster.want(record.topic());
                Err(Error::new(Kind::WouldBlock, format!("enqueue to {}: its metadata is on its way", record.topic())))
            }
        }
    }

    /// Appends after waiting for what was missing, within `max.block.ms` in all (edge 13).
    async fn append_waiting(self: &Arc<Self>, mut record: Record<'_>, mut blocked: Append) -> Result<Delivery, Error> {
        let start = self.cluster.runtime().now();
        let deadline = after(start, self.config.max_block);
        loop {
            let mut reserved = None;
            match blocked {
                Append::Done(delivery) => return Ok(delivery),
                Append::Failed(error) => return Err(error),
                Append::NeedsTopic => {
                    let _timed = self.timed(Call::Metadata);
                    self.wait_for_topic(&record, deadline).await?;
                }
                Append::NeedsMemory(bytes, chosen) => {
                    let _timed = self.timed(Call::Memory);
                    if let Some(chosen) = chosen {
                        record = record.partition(chosen);
                    }
                    // The driver sends what lingers: it is what holds the memory.
                    let take = self.memory.take(bytes);
                    self.inbox.wake.notify_one();
                    reserved = Some(self.cluster.until(deadline, take).await.ok_or_else(|| {
                        self.metrics.exhausted(deadline);
                        let waited = self.config.max_block.as_millis();
                        let context = format!(
                            "enqueue to {}: `buffer.memory` stayed full for max.block.ms, {waited} ms",
                            record.topic()
                        );
                        match self.cluster.failure() {
                            Some(failure) => Error::caused_by(Kind::Timeout, context, failure),
                            None => Error::new(Kind::Timeout, context),
                        }
                    })?);
                }
            }
            blocked = self.append(&record, reserved.as_mut());
        }
    }

    async fn wait_for_topic(&self, record: &Record<'_>, deadline: Instant) -> Result<(), Error> {
        let mut views = self.cluster.watch();
        loop {
            views.mark_unchanged();
            let topic = self.cluster.topic(record.topic(), deadline).await?;
            self.topics.learn(&topic, self.cluster.runtime().epoch_ms());
            let partitions = topic.partitions.len();
            let Some(chosen) = record.chosen_partition().filter(|chosen| *chosen as usize >= partitions) else {
                return Ok(());
            };
            // It may have been added just now.
            self.cluster.refresh();
            if self.cluster.until(deadline, views.changed()).await.is_none() {
                let context = format!("enqueue to {}[{chosen}]: the topic has {partitions} partitions", record.topic());
                return Err(Error::new(Kind::Timeout, context));
            }
        }
    }

    fn check_size(&self, record: &Record<'_>) -> Result<(), Error> {
        let encoder = ottla_wire::records::BodyEncoder::new(0);
        let timestamp = record.chosen_timestamp().unwrap_or_default();
        let size =
            HEADER_LEN + encoder.size_of(timestamp, record.key_bytes(), record.value_bytes(), record.header_bytes());
        let (limit, setting) = if self.config.max_request_size <= self.memory.total() {
            (self.config.max_request_size, "max.request.size")
        } else {
            (self.memory.total(), "buffer.memory")
        };
        if size > limit {
            let context =
                format!("enqueue to {}: the record takes {size} bytes, `{setting}` is {limit}", record.topic());
            return Err(Error::new(Kind::TooLarge, context));
        }
        Ok(())
    }

    /// Why nothing can be added to the transaction, if so.
    fn check_transaction(&self) -> Result<(), Error> {
        if self.transaction_failed.load(Ordering::Acquire)
            && let Some(error) = &*self.transaction_failure.lock()
        {
            return Err(error.clone());
        }
        Ok(())
    }

    fn set_transaction_failure(&self, failure: Option<&Error>) {
        let mut known = self.transaction_failure.lock();
        if known.is_some() != failure.is_some() {
            *known = failure.cloned();
            self.transaction_failed.store(failure.is_some(), Ordering::Release);
        }
    }

    /// The failures that nobody was told of.
    fn unnoticed(&self) -> Result<(), Error> {
        match self.unreported.take() {
            Some((1, error)) => Err(error),
            Some((records, error)) => Err(error.within(format!("{records} records failed, the first"))),
            None => Ok(()),
        }
    }
}

/// A batch about to be opened in one partition.
struct OpeningIn<'a> {
    core: &'a Core,
    topic: &'a TopicSlots,
    partition: usize,
    is_sticky: bool,
}

impl Opening for OpeningIn<'_> {
    fn is_elsewhere(&self, is_over: bool) -> bool {
        let choose = || self.core.choose(self.topic);
        self.topic.sticky.is_elsewhere(self.partition, is_over, !self.is_sticky, choose)
    }

    fn next_id(&self) -> u64 {
        self.core.next_batch.fetch_add(1, Ordering::Relaxed)
    }

    fn now(&self) -> Instant {
        self.core.cluster.runtime().now()
    }

    fn outcome(&self, slot: &Arc<Slot>) -> Arc<Outcome> {
        let (slot, unreported) = (slot.clone(), self.core.unreported.clone());
        match self.core.config.interceptors.watch() {
            Some(watched) => Outcome::watched(slot, unreported, watched),
            None => Outcome::new(slot, unreported),
        }
    }
}

impl Inbox {
    fn opened(&self, until: Instant, slot: &Arc<Slot>, id: u64) {
        self.news.lock().opened.push_back((until, slot.clone(), id));
        if !self.timer_is_set.swap(true, Ordering::AcqRel) {
            self.wake.notify_one();
        }
    }

    fn filled(&self, slot: &Arc<Slot>) {
        self.news.lock().filled.push(slot.clone());
        if !self.is_saturated.load(Ordering::Acquire) {
            self.wake.notify_one();
        }
    }
}
