//! A member of the group that copies: what it read and what it wrote is committed together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ottla::config::{AssignmentStrategy, GroupProtocol, IsolationLevel, OffsetReset};
use ottla::{Consumer, Error, Kind, Producer, Record, Records, Retry, Transaction, TransactionalProducer};
use tokio::time::timeout;

use super::{FROM, GROUP, Settings, TO};
use crate::evidence::{id, value};
use crate::ledger::Operation;
use crate::stage::Life;
use crate::workload::transact::writer::{included, not_written};

/// A process with one consumer and one producer at a time.
struct Copier {
    life: Life,
    number: usize,
    settings: Settings,
    consumer: Consumer,
    producer: TransactionalProducer,
    /// Producers built so far.
    built: u32,
    /// Polls that failed since the last one that did not.
    failures: u32,
}

/// Polls in a row that may fail before a user builds another consumer.
const POLLS: u32 = 5;

/// `max.block.ms`.
const MAX_BLOCK: Duration = Duration::from_secs(8);

pub(super) async fn run(life: Life, number: usize, settings: Settings, is_over: Arc<AtomicBool>) {
    if life.number() == 1 {
        tokio::time::sleep(Duration::from_millis(life.random(|random| random.u64(0..=6_000)))).await;
    }
    let (consumer, producer) = (consumer(&life, number, &settings), producer(&life, number));
    consumer.subscribe([FROM]).await.unwrap();
    let mut copier = Copier { life, number, settings, consumer, producer, built: 1, failures: 0 };
    while !is_over.load(Ordering::Relaxed) {
        let is_faulty = copier.life.stage().world().is_faulty();
        copier.polls(is_faulty).await;
        if is_faulty && copier.draw(99) < 3 {
            copier.rejoins().await;
        }
    }
    let _ = copier.producer.close(Duration::from_secs(30)).await;
    let _ = copier.consumer.close(Duration::from_secs(30)).await;
    // What producers that were let go still have to say.
    tokio::time::sleep(Duration::from_secs(11)).await;
}

/// Why a transaction did not come to its end, if anybody said so.
type Failure = Option<Error>;

impl Copier {
    fn draw(&self, most: u64) -> u64 {
        self.life.random(|random| random.u64(0..=most))
    }

    async fn polls(&mut self, is_faulty: bool) {
        let polled = self.consumer.poll(Duration::from_millis(self.draw(1_000))).await;
        let records = match polled {
            Ok(records) => records,
            Err(error) => {
                self.life.stage().world().note(format!("{:?}: poll: {error}", self.life));
                self.failures += 1;
                if self.failures > POLLS || matches!(error.retry(), Retry::Restart | Retry::Never) {
                    self.rejoins().await;
                }
                return tokio::time::sleep(Duration::from_millis(self.draw(200))).await;
            }
        };
        self.failures = 0;
        if records.next_offsets().is_empty() {
            return;
        }
        let Err(failure) = self.copy(&records, is_faulty).await else { return };
        if let Some(error) = &failure {
            self.life.stage().world().note(format!("{:?}: {error}", self.life));
            assert!(error.kind() != Kind::State, "nothing was done out of turn: {error}");
        }
        // Nothing of it counts, or all of it: what is committed tells.
        self.consumer.seek_to_committed().await.unwrap();
        let is_finished = failure.is_some_and(|error| matches!(error.retry(), Retry::Restart | Retry::Never));
        if is_finished || self.draw(9) == 0 {
            self.built += 1;
            self.producer = producer(&self.life, self.number);
        }
        tokio::time::sleep(Duration::from_millis(self.draw(300))).await;
    }

    /// One transaction.
    async fn copy(&self, records: &Records, is_faulty: bool) -> Result<(), Failure> {
        let transaction = self.given_up(is_faulty, self.producer.begin()).await?.map_err(Some)?;
        let number = self.life.stage().new_id();
        self.life.did(Operation::Begins { transaction: number });
        for record in records {
            let copy = self.life.stage().new_id();
            let (of, partition) = (id(record.value().unwrap_or_default()), record.partition());
            self.life.did(Operation::Send { id: copy, topic: TO.to_owned(), producer: self.built });
            self.life.did(Operation::Includes { id: copy, transaction: number, of: Some(of) });
            // The clock here may be so far ahead that the cluster refuses its timestamps.
            let copied = Record::to(TO).partition(partition).timestamp(record.timestamp()).value(value(copy, 30));
            match transaction.enqueue(copied).await {
                Ok(delivery) => included(&self.life, copy, delivery),
                Err(error) => {
                    self.life.did(not_written(copy, &error));
                    return Err(Some(error));
                }
            }
        }
        self.dawdles(is_faulty).await;
        if is_faulty && self.draw(19) == 0 {
            // Dropped, and so aborted.
            return Err(None);
        }
        let group = self.consumer.group_metadata().map_err(Some)?;
        self.given_up(is_faulty, transaction.send_offsets(records.next_offsets(), &group)).await?.map_err(Some)?;
        self.dawdles(is_faulty).await;
        self.commit(transaction, number, is_faulty).await
    }

    /// So that others may take its place in the group, or its transaction time out.
    async fn dawdles(&self, is_faulty: bool) {
        if is_faulty && self.draw(9) == 0 {
            tokio::time::sleep(Duration::from_millis(self.draw(5_000))).await;
        }
    }

    async fn commit(&self, mut transaction: Transaction, number: u64, is_faulty: bool) -> Result<(), Failure> {
        loop {
            self.life.did(Operation::Ends { transaction: number, commit: true });
            let commit = self.given_up(is_faulty, transaction.commit());
            let Err(unfinished) = self.life.within("commit", MAX_BLOCK, commit).await? else {
                self.life.did(Operation::Ended { transaction: number, commit: true });
                return Ok(());
            };
            let error = unfinished.error().clone();
            let is_aborted = error.retry() == Retry::Abort;
            self.life.did(Operation::NotEnded { transaction: number, is_aborted, error: error.to_string() });
            if error.kind() != Kind::Timeout || error.retry() != Retry::Backoff {
                return Err(Some(error));
            }
            // It is still under way, and may have happened: only its outcome tells.
            transaction = unfinished.into_transaction();
        }
    }

    /// A call that may be given up at any moment: a failure of which nobody said anything.
    async fn given_up<T>(&self, is_faulty: bool, call: impl Future<Output = T>) -> Result<T, Failure> {
        if !is_faulty || self.draw(19) > 0 {
            return Ok(call.await);
        }
        let most = if self.draw(1) == 0 { 10 } else { 2_000 };
        timeout(Duration::from_millis(self.draw(most)), call).await.map_err(|_| None)
    }

    /// Another consumer in place of this one, which is closed, or let go.
    async fn rejoins(&mut self) {
        if self.draw(1) == 0 {
            let _ = self.consumer.close(Duration::from_millis(self.draw(3_000))).await;
        }
        self.failures = 0;
        self.consumer = consumer(&self.life, self.number, &self.settings);
        self.consumer.subscribe([FROM]).await.unwrap();
    }
}

fn consumer(life: &Life, number: usize, settings: &Settings) -> Consumer {
    let max_poll_records = life.random(|random| *random.choice(&[1_usize, 5, 500]).unwrap());
    let mut builder = Consumer::builder(life.stage().world().bootstrap())
        .process(life.process())
        .client_id(life.name())
        .group(GROUP)
        .group_protocol(settings.protocol)
        .isolation_level(IsolationLevel::ReadCommitted)
        .auto_offset_reset(OffsetReset::Earliest)
        .enable_auto_commit(false)
        .max_poll_records(max_poll_records)
        .max_poll_interval(settings.max_poll_interval)
        .request_timeout(Duration::from_secs(2));
    if settings.is_static {
        builder = builder.group_instance_id(format!("copier-{number}"));
    }
    if settings.protocol == GroupProtocol::Classic {
        builder = builder.session_timeout(settings.session_timeout).heartbeat_interval(settings.session_timeout / 4);
        if settings.is_cooperative {
            builder = builder.partition_assignment_strategy(vec![AssignmentStrategy::CooperativeSticky]);
        }
    }
    builder.build().unwrap()
}

fn producer(life: &Life, number: usize) -> TransactionalProducer {
    let draw = |of: &[u64]| Duration::from_millis(life.random(|random| *random.choice(of).unwrap()));
    Producer::builder(life.stage().world().bootstrap())
        .process(life.process())
        .client_id(life.name())
        .transactional_id(format!("copier-{number}"))
        .transaction_timeout(draw(&[2_000, 20_000]))
        .max_block(MAX_BLOCK)
        .delivery_timeout(draw(&[3_000, 10_000]))
        .request_timeout(draw(&[800, 2_000]))
        .linger(draw(&[0, 5]))
        .build_transactional()
        .unwrap()
}
