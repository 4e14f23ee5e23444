//! A transactional producer: begins, adds, ends, in every way and at every pace.

use std::time::Duration;

use ottla::{Delivery, Error, Kind, Producer, Record, Retry, Transaction, TransactionalProducer};
use tokio::time::timeout;

use crate::evidence::value;
use crate::ledger::{Id, Operation};
use crate::stage::Life;

/// A process with one producer after the other, all of one transactional id.
struct Writer {
    life: Life,
    id: &'static str,
    topics: Vec<(String, u16)>,
    producer: TransactionalProducer,
    /// Producers built so far.
    built: u32,
    max_block: Duration,
}

/// Writes for as long as things go wrong, and commits a last transaction then.
pub(super) async fn run(life: Life, id: &'static str, topics: Vec<(String, u16)>) {
    let (producer, max_block) = build(&life, id);
    let mut writer = Writer { life, id, topics, producer, built: 1, max_block };
    while writer.life.stage().world().is_faulty() {
        writer.transaction(false).await;
        tokio::time::sleep(Duration::from_millis(writer.draw(400))).await;
        if writer.draw(99) < 6 {
            writer.rebuild().await;
        }
    }
    writer.life.stage().world().faults_over().await;
    // Whoever shares the id may come in between.
    while !writer.transaction(true).await {
        tokio::time::sleep(Duration::from_millis(writer.draw(2_000))).await;
    }
    writer.close(Duration::from_secs(30)).await;
    // What producers that were let go still have to say.
    tokio::time::sleep(Duration::from_secs(11)).await;
}

impl Writer {
    fn draw(&self, most: u64) -> u64 {
        self.life.random(|random| random.u64(0..=most))
    }

    /// One transaction. True if it was committed for certain. The last is not played with.
    async fn transaction(&mut self, is_last: bool) -> bool {
        let Some(transaction) = self.begin(is_last).await else { return false };
        let number = self.life.stage().new_id();
        self.life.did(Operation::Begins { transaction: number });
        for _ in 0..self.draw(8) {
            if is_last {
                self.enqueue(&transaction, number).await;
            } else {
                self.adds(&transaction, number).await;
            }
        }
        match if is_last { 0 } else { self.draw(19) } {
            0..12 => self.end(transaction, number, true, is_last).await,
            12..16 => self.end(transaction, number, false, is_last).await,
            16 => {
                // With the transaction at hand.
                self.rebuild().await;
                self.enqueue(&transaction, number).await;
                false
            }
            _ => false,
        }
    }

    async fn begin(&mut self, is_last: bool) -> Option<Transaction> {
        if self.draw(3) == 0 {
            let init = self.life.within("init", self.max_block, self.given_up(is_last, self.producer.init())).await;
            if let Some(Err(error)) = init {
                self.failed(&error).await;
                return None;
            }
        }
        let begin = self.given_up(is_last, self.producer.begin());
        match self.life.within("begin", self.max_block, begin).await? {
            Ok(transaction) => Some(transaction),
            Err(error) => {
                self.failed(&error).await;
                None
            }
        }
    }

    /// A call that may be given up at any moment: None.
    async fn given_up<T>(&self, is_last: bool, call: impl Future<Output = T>) -> Option<T> {
        if is_last || self.draw(5) > 0 {
            return Some(call.await);
        }
        let most = if self.draw(1) == 0 { 10 } else { 2_000 };
        timeout(Duration::from_millis(self.draw(most)), call).await.ok()
    }

    /// What a user may do in a transaction.
    async fn adds(&self, transaction: &Transaction, number: u64) {
        match self.draw(19) {
            0..12 => self.enqueue(transaction, number).await,
            12 | 13 => {
                let (id, record) = self.record(number);
                match transaction.try_enqueue(record) {
                    Ok(delivery) => included(&self.life, id, delivery),
                    Err(refused) => self.life.did(not_written(id, &refused.error)),
                }
            }
            14 | 15 => {
                let (id, record) = self.record(number);
                match self.given_up(false, transaction.send(record)).await {
                    Some(Ok(ack)) => {
                        self.life.did(Operation::Included { id });
                        self.life.did(acked(id, &ack));
                    }
                    Some(Err(error)) => self.life.did(not_written(id, &error)),
                    // It may be a part of the transaction.
                    None => self.life.did(Operation::Failed { id, error: "given up".to_owned() }),
                }
            }
            16 => drop(self.given_up(false, transaction.flush()).await),
            17 => tokio::time::sleep(Duration::from_millis(self.draw(4_000))).await,
            _ => tokio::time::sleep(Duration::from_millis(self.draw(50))).await,
        }
    }

    async fn enqueue(&self, transaction: &Transaction, number: u64) {
        let (id, record) = self.record(number);
        let enqueue = self.given_up(false, transaction.enqueue(record));
        match self.life.within("enqueue", self.max_block, enqueue).await {
            Some(Ok(delivery)) => included(&self.life, id, delivery),
            Some(Err(error)) => self.life.did(not_written(id, &error)),
            None => self.life.did(Operation::Failed { id, error: "given up".to_owned() }),
        }
    }

    fn record(&self, transaction: u64) -> (Id, Record<'static>) {
        let id = self.life.stage().new_id();
        let (topic, partitions) = self.life.random(|random| random.choice(&self.topics).cloned()).unwrap();
        self.life.did(Operation::Send { id, topic: topic.clone(), producer: self.built });
        self.life.did(Operation::Includes { id, transaction, of: None });
        let partition = self.draw(u64::from(partitions) - 1) as i32;
        let record = Record::to(topic).partition(partition).value(value(id, self.draw(60) as usize));
        // The clock may be so far ahead that the cluster refuses what it says, to the end.
        let world = self.life.stage().world();
        (id, if world.is_faulty() { record } else { record.timestamp(world.now().as_millis() as i64) })
    }

    /// Ends a transaction, as often as it takes, or gives up. True if it is committed for certain.
    async fn end(&mut self, mut transaction: Transaction, number: u64, mut commit: bool, is_last: bool) -> bool {
        loop {
            self.life.did(Operation::Ends { transaction: number, commit });
            let (call, max_block) = (if commit { "commit" } else { "abort" }, self.max_block);
            let ended = if commit {
                let call_ = self.given_up(is_last, transaction.commit());
                self.life.within(call, max_block, call_).await
            } else {
                let call_ = self.given_up(is_last, transaction.abort());
                self.life.within(call, max_block, call_).await
            };
            let unfinished = match ended {
                Some(Ok(())) => {
                    self.life.did(Operation::Ended { transaction: number, commit });
                    return commit;
                }
                Some(Err(unfinished)) => unfinished,
                None => return false,
            };
            let (error, kind, retry) =
                (unfinished.error().clone(), unfinished.error().kind(), unfinished.error().retry());
            let is_aborted = commit && retry == Retry::Abort;
            self.life.did(Operation::NotEnded { transaction: number, is_aborted, error: error.to_string() });
            match (kind, retry) {
                // It goes on: only the same again will tell.
                (Kind::Timeout, Retry::Backoff) if is_last || self.draw(2) > 0 => {}
                (_, Retry::Abort) if commit && self.draw(3) > 0 => commit = false,
                _ => {
                    drop(unfinished);
                    self.failed(&error).await;
                    return false;
                }
            }
            transaction = unfinished.into_transaction();
        }
    }

    /// Does what an error says.
    async fn failed(&mut self, error: &Error) {
        self.life.stage().world().note(format!("{:?}: {error}", self.life));
        assert!(error.kind() != Kind::State, "nothing was done out of turn: {error}");
        match error.retry() {
            Retry::Restart | Retry::Never => {
                tokio::time::sleep(Duration::from_millis(self.draw(1_500))).await;
                self.rebuild().await;
            }
            _ => tokio::time::sleep(Duration::from_millis(self.draw(200))).await,
        }
    }

    /// Another producer in place of this one, which is closed, or let go.
    async fn rebuild(&mut self) {
        if self.draw(2) > 0 {
            self.close(Duration::from_millis(self.draw(3_000))).await;
        }
        self.built += 1;
        (self.producer, self.max_block) = build(&self.life, self.id);
    }

    /// At any moment, with whatever is still on its way.
    async fn close(&self, within: Duration) {
        let _ = self.life.within("close", within, self.producer.close(within)).await;
        // Outcomes are told by tasks of their own, which have their turn now.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A record is a part of its transaction; what becomes of it is told when it is known.
pub(in crate::workload) fn included(life: &Life, id: Id, delivery: Delivery) {
    life.did(Operation::Included { id });
    let told = life.clone();
    life.spawn(async move {
        told.did(match delivery.await {
            Ok(ack) => acked(id, &ack),
            Err(error) => not_written(id, &error),
        });
    });
}

fn acked(id: Id, ack: &ottla::Ack) -> Operation {
    Operation::Acked { id, place: (ack.topic().to_owned(), ack.partition()), offset: ack.offset().unwrap_or(-1) }
}

pub(in crate::workload) fn not_written(id: Id, error: &Error) -> Operation {
    Operation::Failed { id, error: error.to_string() }
}

fn build(life: &Life, id: &str) -> (TransactionalProducer, Duration) {
    let draw = |of: &[u32]| Duration::from_millis(life.random(|random| *random.choice(of).unwrap()).into());
    let max_block = draw(&[1_000, 20_000]);
    let delivery = draw(&[2_000, 10_000]);
    let builder = Producer::builder(life.stage().world().bootstrap())
        .process(life.process())
        .client_id(life.name())
        .transactional_id(id)
        .transaction_timeout(draw(&[1_500, 10_000, 60_000]))
        .max_block(max_block)
        .delivery_timeout(delivery)
        .request_timeout(draw(&[800, 1_500]))
        .linger(draw(&[0, 5, 50]))
        .batch_size(draw(&[100, 16_384]).as_millis() as usize)
        .max_in_flight(draw(&[1, 5]).as_millis() as u32)
        .metadata_max_age(draw(&[2_000, 300_000]));
    (builder.build_transactional().unwrap(), max_block)
}
