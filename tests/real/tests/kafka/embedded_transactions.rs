//! Java's transactional producer and its readers of committed records against the embedded broker, in both protocols.

use std::collections::BTreeMap;
use std::process::Output;

use anyhow::{Context, Result, ensure};
use ottla_broker::{ApiKey, Broker};
use real::{shared, unique};
use tokio::runtime::Runtime;

/// The program beside this file that begins, aborts, commits and is fenced.
const TRANSACTIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafka/java/Transactions.java");

/// Both levels of `transaction.version` that clients tell apart.
const VERSIONS: [u16; 2] = [1, 2];

/// A broker in this process, so that what Java asked and what it left can be looked at.
struct Embedded {
    broker: Broker,
    /// What the broker runs on.
    _runtime: Runtime,
}

impl Embedded {
    fn start(transaction_version: u16) -> Result<Self> {
        let runtime = Runtime::new()?;
        let builder = Broker::start().topic("ready", 3).transaction_version(transaction_version);
        let broker = runtime.block_on(builder.try_start())?;
        Ok(Self { broker, _runtime: runtime })
    }

    /// Runs a class of Kafka's, or a source file, and returns what it prints.
    fn java(&self, class: &str, arguments: &[&str]) -> Result<String> {
        text(shared().tool(class, arguments.iter().copied())?)
    }

    fn tool(&self, class: &str, arguments: &[&str]) -> Result<String> {
        let address = self.broker.address();
        let arguments = [&["--bootstrap-server", &address][..], arguments].concat();
        self.java(&format!("org.apache.kafka.tools.{class}"), &arguments)
    }

    /// Fails unless Java used the requests of the protocol that goes with the version.
    fn ensure_protocol(&self, transaction_version: u16) -> Result<()> {
        let added = self.broker.count(ApiKey::AddPartitionsToTxn) + self.broker.count(ApiKey::AddOffsetsToTxn);
        let requests = self.broker.requests();
        let ends = requests.iter().filter(|request| request.api == ApiKey::EndTxn).map(|request| request.version);
        let ends: Vec<i16> = ends.collect();
        if transaction_version == 2 {
            ensure!(added == 0 && ends.iter().all(|version| *version == 5), "{added} additions, ends {ends:?}");
        } else {
            ensure!(added > 0 && ends.iter().all(|version| *version < 5), "{added} additions, ends {ends:?}");
        }
        Ok(())
    }
}

fn text(output: Output) -> Result<String> {
    ensure!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn javas_performance_tool_commits_transactions_that_the_console_consumer_reads() -> Result<()> {
    for version in VERSIONS {
        let embedded = Embedded::start(version)?;
        let written = ["--topic", "ready", "--num-records", "600", "--record-size", "20", "--throughput", "2000"];
        let transactional = ["--transactional-id", "tx", "--transaction-duration-ms", "50"];
        embedded.tool("ProducerPerformance", &[&written[..], &transactional].concat())?;
        embedded.ensure_protocol(version)?;

        let transaction = embedded.broker.transaction("tx").context("no producer was initialized")?;
        ensure!(transaction.state == "CompleteCommit", "{transaction:?}");
        let logs: Vec<_> = (0..3).map(|partition| embedded.broker.log("ready", partition)).collect();
        let markers: usize = logs.iter().map(|log| log.markers().len()).sum();
        ensure!(markers > 1, "{markers} markers: the duration asks for several transactions");
        ensure!(logs.iter().map(|log| log.committed_records().len()).sum::<usize>() == 600);

        let read = ["--topic", "ready", "--from-beginning", "--max-messages", "600"];
        let committed = ["--isolation-level", "read_committed"];
        let read = embedded.tool("consumer.ConsoleConsumer", &[&read[..], &committed].concat())?;
        ensure!(read.lines().count() == 600, "version {version}: {} lines", read.lines().count());
    }
    Ok(())
}

#[test]
fn javas_producer_aborts_commits_with_offsets_and_is_fenced() -> Result<()> {
    for version in VERSIONS {
        let embedded = Embedded::start(version)?;
        let printed = embedded.java(TRANSACTIONS, &[&embedded.broker.address(), "ready", "tx", "billing"])?;
        embedded.ensure_protocol(version)?;
        let mut lines = printed.lines();
        let fenced = lines.next().unwrap_or_default();
        ensure!(fenced.starts_with("fenced: "), "version {version}: {printed}");
        ensure!(lines.next() == Some("offset: 7"), "version {version}: {printed}");
        let mut read: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (partition, value) in lines.filter_map(|line| line.split_once(' ')) {
            read.entry(partition).or_default().push(value);
        }
        let expected = ["0", "1", "2"].map(|partition| (partition, vec!["committed", "end"]));
        ensure!(read == BTreeMap::from(expected), "version {version}: {printed}");

        let log = embedded.broker.log("ready", 0);
        ensure!(log.values() == ["aborted", "committed", "zombie", "end"], "{:?}", log.values());
        let ends: Vec<bool> = log.markers().iter().map(|(_, marker)| marker.is_commit).collect();
        ensure!(ends == [false, true, false, true], "version {version}: {ends:?}");
    }
    Ok(())
}

#[test]
fn javas_producer_finds_kafka_and_the_embedded_broker_alike() -> Result<()> {
    let cluster = shared();
    let topic = cluster.topic("transactions", 3)?;
    let kafka = text(
        cluster
            .tool(TRANSACTIONS, [&cluster.bootstrap(), &topic, &unique("tx"), &unique("group")].map(String::as_str))?,
    )?;
    let embedded = Embedded::start(2)?;
    let printed = embedded.java(TRANSACTIONS, &[&embedded.broker.address(), "ready", "tx", "billing"])?;
    let sorted = |printed: &str| {
        let mut lines: Vec<String> = printed.lines().map(str::to_owned).collect();
        // Partitions come in any order.
        lines.sort();
        lines
    };
    ensure!(sorted(&kafka) == sorted(&printed), "Kafka: {kafka}\nembedded: {printed}");
    Ok(())
}

#[test]
fn javas_transactions_command_lists_describes_and_terminates() -> Result<()> {
    let embedded = Embedded::start(2)?;
    embedded.java(TRANSACTIONS, &[&embedded.broker.address(), "ready", "tx", "billing"])?;
    let listed = embedded.tool("TransactionsCommand", &["list"])?;
    ensure!(listed.lines().any(|line| line.starts_with("tx ") && line.contains("CompleteCommit")), "{listed}");
    let described = embedded.tool("TransactionsCommand", &["describe", "--transactional-id", "tx"])?;
    ensure!(described.contains("CompleteCommit"), "{described}");
    let producers =
        embedded.tool("TransactionsCommand", &["describe-producers", "--topic", "ready", "--partition", "0"])?;
    ensure!(producers.lines().count() > 1, "{producers}");
    let before = embedded.broker.transaction("tx").context("tx")?.producer_epoch;
    embedded.tool("TransactionsCommand", &["forceTerminateTransaction", "--transactionalId", "tx"])?;
    let after = embedded.broker.transaction("tx").context("tx")?;
    ensure!(after.producer_epoch > before, "{after:?}");
    Ok(())
}
