//! Transactions: what Java's producers wrote, as it is read here and by Java, and groups that read and write in them.
#![expect(clippy::disallowed_methods, reason = "a test that runs members beside each other starts tasks")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ottla::config::{IsolationLevel, OffsetReset};
use ottla::{Consumer, Producer, Record, Records, Retry, TopicPartition, TransactionalProducer};
use real::{Cluster, Program, need, shared};

const PARTITIONS: u16 = 3;
const CONSOLE_CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const LIMIT: Duration = Duration::from_secs(60);

/// What [`write`] wrote.
struct Written {
    /// All records, of whatever transaction.
    records: usize,
    /// Where the transaction begins in partition 0 that was left open.
    open: i64,
    /// The values to be seen by who reads committed records, by partition.
    committed: BTreeMap<String, Vec<String>>,
}

/// Runs the Java program beside this file.
fn write(cluster: &Cluster, topic: &str) -> Result<Written> {
    // Java runs a source file only where it has its compiler.
    need("javac", &["openjdk-17-jdk-headless"])?;
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafka/Transactions.java");
    let output = cluster.tool(source, [&*cluster.bootstrap(), topic])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let (records, rest) = text.split_once('\n').context("how many records")?;
    let (open, rest) = rest.split_once('\n').context("an offset")?;
    Ok(Written { records: records.parse()?, open: open.parse()?, committed: by_partition(rest) })
}

/// The values of each partition, which they begin with, in their order.
fn by_partition(lines: &str) -> BTreeMap<String, Vec<String>> {
    let mut partitions: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in lines.lines() {
        let partition = line.split('-').next().unwrap_or_default();
        partitions.entry(partition.to_owned()).or_default().push(line.to_owned());
    }
    partitions
}

fn sorted(mut partitions: BTreeMap<String, Vec<String>>) -> BTreeMap<String, Vec<String>> {
    partitions.values_mut().for_each(|values| values.sort());
    partitions
}

fn java(cluster: &Cluster, topic: &str) -> Result<BTreeMap<String, Vec<String>>> {
    let bootstrap = cluster.bootstrap();
    let arguments = ["--bootstrap-server", &bootstrap, "--topic", topic, "--from-beginning"];
    let committed = ["--isolation-level", "read_committed", "--timeout-ms", "5000"];
    let output = cluster.tool(CONSOLE_CONSUMER, arguments.into_iter().chain(committed))?;
    Ok(by_partition(&String::from_utf8(output.stdout)?))
}

#[tokio::test]
async fn committed_records_are_read_as_java_reads_them_and_no_others() -> Result<()> {
    let cluster = shared();
    let topic = cluster.topic("transactions", PARTITIONS)?;
    let written = write(&cluster, &topic)?;
    let bootstrap = cluster.bootstrap();
    let expected = java(&cluster, &topic)?;
    ensure!(sorted(expected.clone()) == sorted(written.committed), "Java reads {expected:?}");

    let consume = ["consume", "-b", &bootstrap, "-t", &topic, "--from-beginning", "--exit-at-end"];
    // In one fetch or two, and in many that each end somewhere inside of transactions.
    for bytes in ["1048576", "2000", "200"] {
        let settings = ["-X", "isolation.level=read_committed", "-X", &format!("max.partition.fetch.bytes={bytes}")];
        let read = by_partition(&Program::run(consume.into_iter().chain(settings))?.stdout);
        ensure!(read == expected, "with {bytes} bytes: {read:?}, Java reads {expected:?}");
    }
    let all = Program::run(consume)?.stdout;
    ensure!(all.lines().count() == written.records, "{} of {} records", all.lines().count(), written.records);

    ends_before_the_open_transaction(&bootstrap, &topic, written.open).await
}

/// Positions move past markers and aborted records up to there, and no further.
async fn ends_before_the_open_transaction(bootstrap: &str, topic: &str, open: i64) -> Result<()> {
    let consumer = Consumer::builder(bootstrap)
        .auto_offset_reset(OffsetReset::Earliest)
        .isolation_level(IsolationLevel::ReadCommitted)
        .max_poll_records(7_usize)
        .build()?;
    let partitions: Vec<_> = (0..i32::from(PARTITIONS)).map(|number| TopicPartition::new(topic, number)).collect();
    consumer.assign(partitions.clone()).await?;
    let ends = consumer.end_offsets(&partitions).await?;
    ensure!(ends[&partitions[0]] == open, "{ends:?}, open at {open}");
    let mut next = BTreeMap::new();
    let reached = async {
        while next != ends {
            let records = consumer.poll(LIMIT).await?;
            next.extend(records.next_offsets().into_iter().map(|(of, next)| (of, next.offset)));
        }
        Ok::<_, ottla::Error>(())
    };
    tokio::time::timeout(LIMIT, reached).await.context("positions stop before the end")??;
    consumer.seek_to_end(&partitions).await?;
    ensure!(consumer.position(&partitions[0]).await? == open);
    Ok(())
}

/// A member of the group that copies `source` to `sink`, transaction by transaction; every third one it aborts.
struct Copier {
    consumer: Consumer,
    producer: TransactionalProducer,
    sink: String,
    is_over: Arc<AtomicBool>,
    begun: u32,
}

impl Copier {
    async fn start(bootstrap: &str, source: &str, sink: &str, name: &str) -> Result<Worker> {
        let consumer = Consumer::builder(bootstrap)
            .group(format!("{source}-copied"))
            .auto_offset_reset(OffsetReset::Earliest)
            .isolation_level(IsolationLevel::ReadCommitted)
            .enable_auto_commit(false)
            .max_poll_records(20_usize)
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "300")
            .build()?;
        consumer.subscribe([source]).await?;
        let producer = Producer::builder(bootstrap).transactional_id(format!("{sink}-{name}")).build_transactional()?;
        let is_over = Arc::new(AtomicBool::new(false));
        let copier = Self { consumer, producer, sink: sink.to_owned(), is_over: is_over.clone(), begun: 0 };
        Ok(Worker { is_over, task: tokio::spawn(copier.run()) })
    }

    async fn run(mut self) -> Result<()> {
        self.producer.init().await?;
        while !self.is_over.load(Ordering::Relaxed) {
            let records = self.consumer.poll(Duration::from_millis(200)).await?;
            if records.next_offsets().is_empty() {
                continue;
            }
            if let Err(error) = self.copy(&records).await {
                ensure!(error.retry() == Retry::Abort, "{error}");
                self.consumer.seek_to_committed().await?;
            }
        }
        self.consumer.close(LIMIT).await?;
        Ok(self.producer.close(LIMIT).await?)
    }

    /// One transaction.
    async fn copy(&mut self, records: &Records) -> Result<(), ottla::Error> {
        self.begun += 1;
        let transaction = self.producer.begin().await?;
        for record in records {
            transaction.enqueue(Record::to(&self.sink).value(record.value().unwrap_or_default())).await?;
        }
        let sent = transaction.send_offsets(records.next_offsets(), &self.consumer.group_metadata()?).await;
        if sent.is_ok() && !self.begun.is_multiple_of(3) {
            return Ok(transaction.commit().await?);
        }
        transaction.abort().await?;
        self.consumer.seek_to_committed().await?;
        Ok(())
    }
}

/// A running [`Copier`].
struct Worker {
    is_over: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Result<()>>,
}

impl Worker {
    async fn stop(self) -> Result<()> {
        self.is_over.store(true, Ordering::Relaxed);
        self.task.await?
    }
}

#[tokio::test]
async fn members_that_copy_in_transactions_copy_every_record_once() -> Result<()> {
    const RECORDS: usize = 3_000;
    let cluster = shared();
    let bootstrap = cluster.bootstrap();
    let (source, sink) = (cluster.topic("copied-from", PARTITIONS)?, cluster.topic("copied-to", PARTITIONS)?);
    let producer = Producer::builder(&*bootstrap).build()?;
    for number in 0..RECORDS {
        let number = number.to_string();
        producer.enqueue(Record::to(&source).key(&*number).value(&*number)).await?;
    }
    producer.close(LIMIT).await?;

    let first = Copier::start(&bootstrap, &source, &sink, "first").await?;
    let reader = Consumer::builder(&*bootstrap)
        .auto_offset_reset(OffsetReset::Earliest)
        .isolation_level(IsolationLevel::ReadCommitted)
        .build()?;
    reader.assign((0..i32::from(PARTITIONS)).map(|number| TopicPartition::new(&*sink, number))).await?;
    let mut copied = BTreeMap::<String, usize>::new();
    read_until(&reader, &mut copied, RECORDS / 4).await?;
    let second = Copier::start(&bootstrap, &source, &sink, "second").await?;
    read_until(&reader, &mut copied, RECORDS / 2).await?;
    first.stop().await?;
    let third = Copier::start(&bootstrap, &source, &sink, "third").await?;
    read_until(&reader, &mut copied, RECORDS).await?;
    second.stop().await?;
    third.stop().await?;

    // What was written twice would be there by now.
    read_until(&reader, &mut copied, RECORDS).await?;
    copied.extend(values(&reader.poll(Duration::from_secs(2)).await?).map(|value| (value, 2)));
    let twice: Vec<_> = copied.iter().filter(|(_, times)| **times > 1).collect();
    ensure!(copied.len() == RECORDS && twice.is_empty(), "{} records, twice: {twice:?}", copied.len());
    Ok(())
}

fn values(records: &Records) -> impl Iterator<Item = String> {
    records.iter().map(|record| String::from_utf8_lossy(record.value().unwrap_or_default()).into_owned())
}

/// Reads until so many different values were there.
async fn read_until(reader: &Consumer, copied: &mut BTreeMap<String, usize>, count: usize) -> Result<()> {
    let read = async {
        while copied.len() < count {
            for value in values(&reader.poll(LIMIT).await?) {
                *copied.entry(value).or_default() += 1;
            }
        }
        Ok(())
    };
    let outcome = tokio::time::timeout(2 * LIMIT, read).await;
    outcome.with_context(|| format!("only {} records were copied", copied.len()))?
}
