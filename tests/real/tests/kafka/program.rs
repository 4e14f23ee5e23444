//! The program `ottla` and real Kafka: what it writes Java reads, what Java writes it reads.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use real::{Cluster, Lines, Program, shared, shared_to_break, until};

const PARTITIONS: u16 = 3;
const LINES: usize = 10_000;
const CONSOLE_CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";

#[test]
fn every_line_reaches_java_with_every_codec_and_every_acks() -> Result<()> {
    let cluster = shared();
    let lines: Vec<_> = (0..LINES).map(|n| format!("{n} {}", "green tea and milk ".repeat(n % 9))).collect();
    let file = Lines::write("every-codec", &lines)?;
    let path = file.path().to_str().context("a path")?;
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        for acks in ["0", "1", "all"] {
            let topic = cluster.topic("lines", PARTITIONS)?;
            let bootstrap = cluster.bootstrap();
            Program::run(["produce", "-b", &bootstrap, "-t", &topic, "-z", codec, "--acks", acks, path])?;
            let mut read = cluster.java_consume(&topic, LINES)?;
            read.sort_by_key(|line| number(line));
            ensure!(read == lines, "{codec}, acks={acks}");
        }
        let topic = cluster.topic("dumped", PARTITIONS)?;
        Program::run(["produce", "-b", &cluster.bootstrap(), "-t", &topic, "-z", codec, path])?;
        every_batch_is_valid(&cluster, &topic)?;
    }
    Ok(())
}

#[test]
fn every_record_of_javas_performance_tool_is_read() -> Result<()> {
    let cluster = shared();
    let topic = cluster.topic("performance", PARTITIONS)?;
    let bootstrap = cluster.bootstrap();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let output = cluster.tool(
            "org.apache.kafka.tools.ProducerPerformance",
            [
                "--topic",
                &topic,
                "--num-records",
                "20000",
                "--record-size",
                "100",
                "--throughput",
                "-1",
                "--producer-props",
                &format!("bootstrap.servers={bootstrap}"),
                &format!("compression.type={codec}"),
            ],
        )?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let read = Program::run(["consume", "-b", &bootstrap, "-t", &topic, "--from-beginning", "--exit-at-end"])?;
    ensure!(read.stdout.lines().count() == 100_000, "{} lines", read.stdout.lines().count());
    ensure!(read.stdout.lines().all(|line| line.len() == 100));
    Ok(())
}

#[test]
fn a_broker_killed_under_the_program_costs_no_line_and_doubles_none() -> Result<()> {
    let cluster = shared_to_break();
    let topic = cluster.topic("killed-under", PARTITIONS)?;
    let mut producing = Program::start(["produce", "-b", &cluster.bootstrap(), "-t", &topic])?;
    let mut written = 0;
    let mut write = |program: &mut Program, lines: usize| {
        let text: String = (written..written + lines).map(|n| format!("{n}\n")).collect();
        written += lines;
        program.write(&text)
    };
    write(&mut producing, 50_000)?;
    let victim = cluster.leader(&topic, 0)?.context("a leader")?;
    cluster.kill(victim)?;
    write(&mut producing, 50_000)?;
    until("another leader", Duration::from_secs(60), || {
        Ok(cluster.leader(&topic, 0)?.filter(|leader| *leader != victim))
    })?;
    write(&mut producing, 50_000)?;
    cluster.restart(victim)?;
    write(&mut producing, 50_000)?;
    producing.end_of_input();
    producing.succeed()?;

    let total = written.to_string();
    let arguments = [
        "--bootstrap-server",
        &cluster.bootstrap(),
        "--topic",
        &topic,
        "--from-beginning",
        "--timeout-ms",
        "10000",
        "--formatter-property",
        "print.partition=true",
    ];
    let output = cluster.tool(CONSOLE_CONSUMER, arguments)?;
    let text = String::from_utf8(output.stdout)?;
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for line in text.lines() {
        let (partition, n) = line.split_once('\t').context("a tab")?;
        let n = number(n);
        ensure!(last.insert(partition, n).is_none_or(|before| before < n), "{partition}: {n} out of order");
    }
    ensure!(text.lines().count() == written, "{} lines of {total}", text.lines().count());
    Ok(())
}

fn number(line: &str) -> usize {
    line.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(usize::MAX)
}

/// Kafka's own tool reads every batch of the topic, record by record, on every broker.
fn every_batch_is_valid(cluster: &Cluster, topic: &str) -> Result<()> {
    let segments = cluster.segments(topic)?;
    ensure!(segments.len() == 3 * usize::from(PARTITIONS), "{segments:?}");
    let output =
        cluster.tool("org.apache.kafka.tools.DumpLogSegments", ["--deep-iteration", "--files", &segments.join(",")])?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(output.status.success() && !text.contains("isvalid: false"), "{text}");
    let records = text.lines().filter(|line| line.starts_with('|')).count();
    ensure!(records == 3 * LINES, "{records} records on three brokers");
    Ok(())
}
