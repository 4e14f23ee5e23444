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

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ottla_wire::Uuid;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

mod ack;
mod append;
mod availability;
mod batch;
mod compress;
mod delivery;
mod driver;
mod identify;
mod inbox;
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
use crate::telemetry::push::{self, Source, Telemetry};
use crate::telemetry::{Metrics, Role};
use append::Append;
use batch::Limits;
use delivery::Unreported;
use driver::Event;
use inbox::Inbox;
use memory::Memory;
use metrics::{Call, ProducerMetrics};
use topics::Topics;

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
    handle: Arc<Handle>,
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

/// Dropped with the last clone of a producer.
#[derive(Debug)]
struct Handle {
    core: Arc<Core>,
    telemetry: Option<Telemetry>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.core.closing.store(true, Ordering::SeqCst);
        self.core.inbox.wake.notify_one();
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
        let left = wait.await;
        if let Some(telemetry) = &self.handle.telemetry {
            let now = self.core.cluster.runtime().now();
            telemetry.close(deadline.map_or(timeout, |deadline| deadline.saturating_duration_since(now))).await;
        }
        match left {
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
        self.core.metrics()
    }

    /// The id that a broker gave this producer, by which it knows the metrics that are pushed to it (KIP-714).
    ///
    /// # Errors
    /// [`Kind::Timeout`] after `timeout`, [`Kind::State`] if `enable.metrics.push` is false, and
    /// [`Kind::UnsupportedVersion`] if the brokers take no metrics of clients.
    pub async fn client_instance_id(&self, timeout: Duration) -> Result<Uuid, Error> {
        push::client_instance_id(self.handle.telemetry.as_ref(), &self.core.cluster, timeout).await
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
        let weak = Arc::downgrade(&core);
        let telemetry = Telemetry::start(&core.cluster, weak);
        Ok(Self { handle: Arc::new(Handle { core: core.clone(), telemetry }), core })
    }
}

impl Source for Core {
    fn metrics(&self) -> Metrics {
        let now = self.cluster.runtime().now();
        let mut metrics = self.cluster.metrics().read(now);
        self.metrics.read(&mut metrics, self.memory.level(), now);
        metrics.counted(now)
    }

    fn labels(&self) -> Vec<(&'static str, String)> {
        let id = &self.config.transactional_id;
        if id.is_empty() { Vec::new() } else { vec![("transactional_id", id.clone())] }
    }
}

impl Core {
    /// Why nothing can be added to the transaction, if so.
    fn check_transaction(&self) -> Result<(), Error> {
        if self.transaction_failed.load(Ordering::Acquire)
            && let Some(error) = &*self.transaction_failure.lock()
        {
            return Err(error.clone());
        }
        Ok(())
    }

    /// True if it is news, or what to do about it is.
    fn set_transaction_failure(&self, failure: Option<&Error>) -> bool {
        let mut known = self.transaction_failure.lock();
        let is_news = known.as_ref().map(Error::retry) != failure.map(Error::retry);
        if is_news {
            *known = failure.cloned();
            self.transaction_failed.store(failure.is_some(), Ordering::Release);
        }
        is_news
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
