//! The producer of transactions against real brokers; Java tells what came of it.
//!
//! ```text
//! outcomes.rs   what is seen of transactions that end       broken.rs    brokers that die under them
//! refusals.rs   producers that are fenced, late or greedy   upgraded.rs  transaction.version while a producer lives
//! ```

mod broken;
mod outcomes;
mod refusals;
mod upgraded;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ottla::{Producer, Record, Transaction, TransactionalProducer};
use real::{Cluster, until};

const LIMIT: Duration = Duration::from_secs(60);

/// Value of the last record of each partition.
const END: &str = "end";

/// Each flow with the protocol of KIP-890, on the shared cluster, and with the one before it, on a broker of Kafka 3.9.
macro_rules! with_both_protocols {
    ($($flow:ident)*) => {
        mod of_kip_890 {
            $(#[tokio::test] async fn $flow() -> anyhow::Result<()> { super::$flow(&real::shared()).await })*
        }
        mod before_kip_890 {
            $(#[tokio::test] async fn $flow() -> anyhow::Result<()> { super::$flow(&real::older()).await })*
        }
    };
}
use with_both_protocols;

/// Whether the cluster's finalized `transaction.version` is 2: of those under test, from Kafka 4 on.
fn speaks_kip_890(cluster: &Cluster) -> bool {
    !cluster.version().starts_with("3.")
}

fn producer(cluster: &Cluster, id: &str) -> Result<TransactionalProducer> {
    Ok(Producer::builder(cluster.bootstrap()).transactional_id(id).build_transactional()?)
}

/// Values that no other purpose has.
fn values(purpose: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{purpose} {n}")).collect()
}

/// Adds the values to the partitions in turn, and waits until they are in the log: an abort gives up what was not sent.
async fn write(transaction: &Transaction, topic: &str, partitions: i32, values: &[String]) -> Result<()> {
    for (n, value) in (0..).zip(values) {
        transaction.enqueue(Record::to(topic).partition(n % partitions).value(value)).await?;
    }
    Ok(transaction.flush().await?)
}

/// Commits, however long that takes.
async fn commit(mut transaction: Transaction) -> Result<()> {
    loop {
        match transaction.commit().await {
            Ok(()) => return Ok(()),
            Err(unfinished) if unfinished.error().is_retriable() => transaction = unfinished.into_transaction(),
            Err(unfinished) => return Err(unfinished.into()),
        }
    }
}

fn until_aborted(cluster: &Cluster, id: &str) -> Result<()> {
    until("the coordinator to abort", LIMIT, || {
        Ok((cluster.transactional_state(id)?.name == "CompleteAbort").then_some(()))
    })
}

/// A topic to which nothing is added any more.
struct Finished<'a> {
    cluster: &'a Cluster,
    topic: &'a str,
    partitions: usize,
}

impl<'a> Finished<'a> {
    /// Ends each partition with a record that shows how far to read.
    async fn topic(cluster: &'a Cluster, topic: &'a str) -> Result<Self> {
        let producer = Producer::builder(cluster.bootstrap()).build()?;
        let partitions = producer.partitions_for(topic).await?;
        for partition in 0..partitions {
            producer.send(Record::to(topic).partition(i32::try_from(partition)?).value(END)).await?;
        }
        Ok(Self { cluster, topic, partitions })
    }

    /// Fails unless Java's consumer of committed records reads exactly these, in any order, and the ends behind them.
    fn is_committed(&self, due: &[String]) -> Result<()> {
        self.reads("read_committed", due)
    }

    /// The same of a consumer that reads every record.
    fn is_written(&self, due: &[String]) -> Result<()> {
        self.reads("read_uncommitted", due)
    }

    fn reads(&self, isolation: &str, due: &[String]) -> Result<()> {
        let mut due = [due, &vec![END.to_owned(); self.partitions]].concat();
        let (bootstrap, count) = (self.cluster.bootstrap(), due.len().to_string());
        // One too many takes the place of an end. One too few, or a transaction left open, ends in the timeout.
        let output = self.cluster.tool(
            "org.apache.kafka.tools.consumer.ConsoleConsumer",
            [
                "--bootstrap-server",
                &bootstrap,
                "--topic",
                self.topic,
                "--from-beginning",
                "--isolation-level",
                isolation,
                "--max-messages",
                &count,
                "--timeout-ms",
                "30000",
            ],
        )?;
        let mut read: Vec<_> = String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect();
        due.sort();
        read.sort();
        ensure!(
            read == due,
            "{}, {isolation}: {} of {} values; more, or less, than once: {:?}; {}",
            self.topic,
            read.len(),
            due.len(),
            difference(&due, &read),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }
}

/// The first values that are not as often read as is due.
fn difference<'a>(due: &'a [String], read: &'a [String]) -> Vec<&'a String> {
    let count = |values: &[String], value: &String| values.iter().filter(|other| *other == value).count();
    let differs = |value: &&String| count(due, value) != count(read, value);
    due.iter().chain(read).filter(differs).take(10).collect()
}

fn unfinished(result: Result<(), ottla::Unfinished>, what: &str) -> Result<ottla::Unfinished> {
    result.err().with_context(|| format!("{what} should have failed"))
}
