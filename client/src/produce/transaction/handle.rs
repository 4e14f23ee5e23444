//! What users hold: a producer of transactions, and one transaction.

use std::fmt;
use std::time::Duration;

use ottla_wire::Uuid;
use tokio::sync::{mpsc, oneshot};

use super::Reply;
use crate::TopicPartition;
use crate::config::ProducerBuilder;
use crate::consume::OffsetAndMetadata;
use crate::deadline::after;
use crate::error::{Error, Kind};
use crate::group::metadata::GroupMetadata;
use crate::produce::driver::{Command, Event};
use crate::produce::metrics::Call;
use crate::produce::{Ack, Delivery, Producer, Refused};
use crate::record::Record;
use crate::telemetry::Metrics;

/// Sends records in transactions: those of one become visible together, or not at all, to consumers with
/// `isolation.level=read_committed`.
///
/// Made by [`ProducerBuilder::build_transactional`] with a `transactional.id`, which names the producer across restarts:
/// whoever [`init`](Self::init)s it next ends what the one before left open, and fences it.
///
/// ```no_run
/// # async fn example() -> Result<(), ottla::Error> {
/// use ottla::{Producer, Record};
///
/// let producer = Producer::builder("localhost:9092").transactional_id("orders-1").build_transactional()?;
/// let transaction = producer.begin().await?;
/// transaction.enqueue(Record::to("orders").value("tea")).await?;
/// transaction.enqueue(Record::to("stock").value("-1")).await?;
/// transaction.commit().await?;
/// # Ok(()) }
/// ```
///
/// An error says by [`Error::retry`] what to do: [`Retry::Abort`](crate::Retry::Abort), the transaction is to be aborted and may be tried
/// anew; [`Retry::Restart`](crate::Retry::Restart), the producer is finished, since another took over; else the call may be repeated.
///
/// Both protocols are spoken: the one of KIP-890 where the cluster's finalized `transaction.version` is 2, the older one
/// elsewhere.
#[derive(Debug)]
pub struct TransactionalProducer {
    producer: Producer,
}

/// An open transaction. Dropped without a [`commit`](Self::commit), it is aborted.
///
/// Nothing can be sent before it is begun or after it is ended, since there is no transaction to send it with.
#[must_use = "a transaction that is dropped is aborted"]
pub struct Transaction {
    producer: Producer,
    begun: Begun,
    /// What was asked for to end it.
    end: Option<&'static str>,
}

/// The number of a transaction that began. Dropped before its end it is abandoned, so that none is lost on its way to
/// whoever asked for it.
#[derive(Debug)]
pub(in crate::produce) struct Begun {
    pub(in crate::produce) number: u64,
    pub(in crate::produce) events: mpsc::UnboundedSender<Event>,
    pub(in crate::produce) is_over: bool,
}

/// A transaction that did not end, and why. Converts into the [`Error`], which drops the transaction.
///
/// After a [`Kind::Timeout`] the end is still under way, and may have happened: wait for it by the same call again.
/// Dropping it then does not change what was asked for.
#[derive(Debug)]
pub struct Unfinished {
    error: Error,
    transaction: Transaction,
}

impl TransactionalProducer {
    /// Gets the producer an id of its own, after ending what an earlier producer of the same `transactional.id` left
    /// open, and fencing it. [`begin`](Self::begin) does it if this was not called.
    ///
    /// # Errors
    /// [`Kind::Timeout`] after `max.block.ms` (call it again, it goes on), and what the coordinator says: no
    /// authorization, an unknown version, a `transaction.timeout.ms` over the broker's maximum.
    pub async fn init(&self) -> Result<(), Error> {
        self.producer.command("init", Call::TxnInit, Command::Init).await
    }

    /// Begins a transaction, as soon as the one before is over.
    ///
    /// # Errors
    /// [`Kind::State`] while another is open; those of [`init`](Self::init); and, once, why an earlier commit that was
    /// not waited for did not happen.
    pub async fn begin(&self) -> Result<Transaction, Error> {
        let begun = self.producer.command("begin", Call::TxnBegin, Command::Begin).await?;
        Ok(Transaction { producer: self.producer.clone(), begun, end: None })
    }

    /// What the producer counts, as [`Producer::metrics`].
    pub fn metrics(&self) -> Metrics {
        self.producer.metrics()
    }

    /// As [`Producer::client_instance_id`].
    ///
    /// # Errors
    /// Those of it.
    pub async fn client_instance_id(&self, timeout: Duration) -> Result<Uuid, Error> {
        self.producer.client_instance_id(timeout).await
    }

    /// How many partitions a topic has.
    ///
    /// # Errors
    /// As [`Producer::partitions_for`].
    pub async fn partitions_for(&self, topic: &str) -> Result<usize, Error> {
        self.producer.partitions_for(topic).await
    }

    /// Sends what is enqueued, aborts a transaction that is still open, and ends the producer, all within `timeout`.
    ///
    /// # Errors
    /// As [`Producer::close`].
    pub async fn close(&self, timeout: Duration) -> Result<(), Error> {
        self.producer.close(timeout).await
    }
}

impl Producer {
    /// Asks the driver, and waits for what it says, for at most `max.block.ms`.
    async fn command<T>(&self, what: &str, call: Call, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Error> {
        let core = &self.core;
        let _timed = core.timed(call);
        let (reply, wait) = oneshot::channel();
        let closed = || Error::closed("producer");
        core.events.send(Event::Transaction(command(reply))).map_err(|_| closed())?;
        let deadline = after(core.cluster.runtime().now(), core.config.max_block);
        match core.cluster.until(deadline, wait).await {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(closed()),
            None => {
                let id = &core.config.transactional_id;
                let waited = core.config.max_block.as_millis();
                let context = format!(
                    "{what} of transactional id {id}: not done within max.block.ms, {waited} ms; it goes on, wait for it \
                     by the same call again"
                );
                Err(match core.cluster.failure() {
                    Some(failure) => Error::caused_by(Kind::Timeout, context, failure),
                    None => Error::new(Kind::Timeout, context),
                })
            }
        }
    }
}

impl Transaction {
    /// Sends a record and waits for its acknowledgement, as [`Producer::send`].
    ///
    /// # Errors
    /// Those of [`enqueue`](Self::enqueue), and the reason why the record could not be written.
    pub async fn send(&self, record: Record<'_>) -> Result<Ack, Error> {
        self.enqueue(record).await?.await
    }

    /// Adds a record to the transaction and to the batch of its partition, as [`Producer::enqueue`].
    ///
    /// # Errors
    /// As there; [`Retry::Abort`](crate::Retry::Abort) if something failed before; and [`Kind::State`] once its end was asked for. A record that
    /// was not taken, or could not be written, forbids the commit: a transaction is all or nothing.
    pub async fn enqueue(&self, record: Record<'_>) -> Result<Delivery, Error> {
        self.check().inspect_err(|_| self.producer.core.refused())?;
        self.producer.enqueue(record).await.inspect_err(|error| self.refused(error))
    }

    /// Adds a record if that needs no waiting, as [`Producer::try_enqueue`].
    ///
    /// # Errors
    /// As there, and those of [`enqueue`](Self::enqueue). [`Kind::WouldBlock`] forbids nothing.
    pub fn try_enqueue<'a>(&self, record: Record<'a>) -> Result<Delivery, Box<Refused<'a>>> {
        if let Err(error) = self.check() {
            return Err(Box::new(Refused { record, error }));
        }
        self.producer.try_enqueue(record).inspect_err(|refused| self.refused(&refused.error))
    }

    /// A record was not taken: unless it can be tried again, the transaction is not whole.
    fn refused(&self, error: &Error) {
        if !matches!(error.kind(), Kind::Closed | Kind::WouldBlock) {
            let refused = Command::Refused(self.begun.number, error.clone());
            // Whoever closed the producer has aborted the transaction.
            let _ = self.producer.core.events.send(Event::Transaction(refused));
        }
    }

    /// Whether records may still be added. What came behind the end would be part of the next transaction, or of none.
    fn check(&self) -> Result<(), Error> {
        self.producer.core.check_transaction()?;
        match self.end {
            None => Ok(()),
            Some(end) => {
                let id = &self.producer.core.config.transactional_id;
                Err(Error::new(Kind::State, format!("enqueue to a transaction of {id}: its {end} is under way")))
            }
        }
    }

    /// Sends what is enqueued, without lingering, and waits until each record is written or has failed.
    /// [`commit`](Self::commit) does it as well.
    ///
    /// # Errors
    /// As [`Producer::flush`].
    pub async fn flush(&self) -> Result<(), Error> {
        self.producer.flush().await
    }

    /// Commits a group's offsets as a part of the transaction: they count if it is committed (KIP-447).
    ///
    /// Each offset is the next to be read. `group` is [`Consumer::group_metadata`](crate::Consumer::group_metadata), taken
    /// after the poll that handed the records out: the coordinator then refuses offsets of partitions that have gone to
    /// another member since. The consumer must not commit by itself (`enable.auto.commit=false`).
    ///
    /// # Errors
    /// [`Retry::Abort`](crate::Retry::Abort) if the group has gone on without the member; [`Kind::Timeout`] after `max.block.ms`.
    pub async fn send_offsets(
        &self,
        offsets: impl IntoIterator<Item = (TopicPartition, OffsetAndMetadata)>,
        group: &GroupMetadata,
    ) -> Result<(), Error> {
        let offsets: crate::group::offsets::Offsets = offsets.into_iter().collect();
        if offsets.is_empty() {
            return Ok(());
        }
        let (number, group) = (self.begun.number, group.clone());
        let command = |reply| Command::Offsets { number, offsets, group, reply };
        self.producer.command("send_offsets", Call::TxnSendOffsets, command).await
    }

    /// Sends what is enqueued, waits for all of it, and commits.
    ///
    /// # Errors
    /// The transaction, to be ended otherwise: [`Retry::Abort`](crate::Retry::Abort) if a record or an offset failed, [`Kind::Timeout`] after
    /// `max.block.ms`: then the commit is still under way, and only another `commit` is allowed. Dropping the future does
    /// not take the commit back.
    pub async fn commit(self) -> Result<(), Unfinished> {
        self.end("commit", Call::TxnCommit, true).await
    }

    /// Aborts: no `read_committed` consumer will see its records, and its offsets do not count.
    ///
    /// # Errors
    /// The transaction, as for [`commit`](Self::commit). What cannot be aborted in time goes on to be.
    pub async fn abort(self) -> Result<(), Unfinished> {
        self.end("abort", Call::TxnAbort, false).await
    }

    async fn end(mut self, what: &'static str, call: Call, commit: bool) -> Result<(), Unfinished> {
        let number = self.begun.number;
        self.end.get_or_insert(what);
        match self.producer.command(what, call, |reply| Command::End { number, commit, reply }).await {
            Ok(()) => {
                // It is over: dropping it aborts nothing.
                self.begun.is_over = true;
                Ok(())
            }
            Err(error) => Err(Unfinished { error, transaction: self }),
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if !self.is_over {
            // Nobody is there to be told if the driver has ended, and nothing is open then.
            let _ = self.events.send(Event::Transaction(Command::Abandon(self.number)));
        }
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("transactional_id", &self.producer.core.config.transactional_id)
            .field("number", &self.begun.number)
            .finish_non_exhaustive()
    }
}

impl Unfinished {
    /// Why it did not end.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// The transaction, to be ended otherwise.
    pub fn into_transaction(self) -> Transaction {
        self.transaction
    }
}

impl From<Unfinished> for Error {
    fn from(unfinished: Unfinished) -> Self {
        unfinished.error
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Unfinished {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.error)
    }
}

impl ProducerBuilder {
    /// The producer of transactions that `transactional.id` names. Does not wait for the cluster.
    ///
    /// # Errors
    /// [`Kind::Config`], naming the setting, its value and what is allowed.
    pub fn build_transactional(self) -> Result<TransactionalProducer, Error> {
        let (config, environment) = self.validated()?;
        if config.transactional_id.is_empty() {
            return Err(Error::new(
                Kind::Config,
                "setting `transactional.id` must be set for a transactional producer",
            ));
        }
        Ok(TransactionalProducer { producer: Producer::start(config, environment)? })
    }
}
