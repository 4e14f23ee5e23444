//! Transactions that Java's producers wrote, as they are read here and by Java.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ottla::config::{IsolationLevel, OffsetReset};
use ottla::{Consumer, TopicPartition};
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
