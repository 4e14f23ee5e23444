//! Other clients against the embedded broker: Java's tools and kcat.

use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use real::{Program, need, shared, unique, until};

const LIMIT: Duration = Duration::from_secs(60);

/// `ottla broker`, and where it listens.
struct Embedded {
    _program: Program,
    address: String,
}

impl Embedded {
    fn start() -> Result<Self> {
        let program = Program::start(["broker", "--listen", "127.0.0.1:0", "--topic", "ready:3", "--json"])?;
        let address = until("the broker's address", LIMIT, || {
            let stdout = program.stdout()?;
            let Some(line) = stdout.lines().next() else { return Ok(None) };
            let started: serde_json::Value = serde_json::from_str(line)?;
            Ok(Some(started["bootstrap"].as_str().context("bootstrap")?.to_owned()))
        })?;
        Ok(Self { _program: program, address })
    }

    /// Runs a class of Kafka's against it.
    fn java(&self, class: &str, arguments: &[&str], input: &str) -> Result<String> {
        let cluster = shared();
        let arguments = ["--bootstrap-server", &self.address].into_iter().chain(arguments.iter().copied());
        text(cluster.tool_with_input(&format!("org.apache.kafka.tools.{class}"), arguments, input)?)
    }

    fn kcat(&self, arguments: &[&str], input: &str) -> Result<String> {
        let program = need("kcat", &["kcat"])?;
        let file = std::env::temp_dir().join(unique("kcat-input"));
        std::fs::write(&file, input)?;
        let output = Command::new(program)
            .args(["-b", &self.address])
            .args(arguments)
            .stdin(std::fs::File::open(&file)?)
            .output();
        std::fs::remove_file(&file)?;
        text(output?)
    }
}

fn text(output: Output) -> Result<String> {
    ensure!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn javas_topic_command_creates_lists_describes_and_deletes() -> Result<()> {
    let broker = Embedded::start()?;
    broker.java("TopicCommand", &["--create", "--topic", "tea", "--partitions", "4"], "")?;
    let listed = broker.java("TopicCommand", &["--list"], "")?;
    ensure!(listed.lines().collect::<Vec<_>>() == ["ready", "tea"], "{listed}");
    let described = broker.java("TopicCommand", &["--describe", "--topic", "tea"], "")?;
    ensure!(described.contains("PartitionCount: 4") && described.matches("Leader: 0").count() == 4, "{described}");
    broker.java("TopicCommand", &["--delete", "--topic", "tea"], "")?;
    let listed = broker.java("TopicCommand", &["--list"], "")?;
    ensure!(listed.lines().collect::<Vec<_>>() == ["ready"], "{listed}");
    Ok(())
}

#[test]
fn javas_console_tools_send_and_read_alone_and_in_a_group() -> Result<()> {
    let broker = Embedded::start()?;
    let sent: Vec<_> = (0..50).map(|n| format!("line {n}")).collect();
    broker.java("ConsoleProducer", &["--topic", "ready"], &(sent.join("\n") + "\n"))?;
    let read = ["--topic", "ready", "--from-beginning", "--max-messages", "50"];
    for group in [None, Some("billing")] {
        let group = group.map_or_else(Vec::new, |group| vec!["--group", group]);
        let read = broker.java("consumer.ConsoleConsumer", &[&read[..], &group].concat(), "")?;
        let mut lines: Vec<_> = read.lines().collect();
        lines.sort_by_key(|line| line.split(' ').nth(1).and_then(|n| n.parse::<usize>().ok()));
        ensure!(lines == sent, "{group:?}: {lines:?}");
    }
    let listed = broker.java("consumer.group.ConsumerGroupCommand", &["--list"], "")?;
    ensure!(listed.lines().any(|line| line == "billing"), "{listed}");
    let described = broker.java("consumer.group.ConsumerGroupCommand", &["--describe", "--group", "billing"], "")?;
    let committed: usize = described
        .lines()
        .filter(|line| line.starts_with("billing"))
        .filter_map(|line| line.split_whitespace().nth(3)?.parse::<usize>().ok())
        .sum();
    ensure!(committed == 50, "{described}");
    Ok(())
}

#[test]
fn kcat_lists_sends_and_reads_alone_and_in_a_group() -> Result<()> {
    let broker = Embedded::start()?;
    let listed = broker.kcat(&["-L"], "")?;
    ensure!(listed.contains("topic \"ready\" with 3 partitions"), "{listed}");
    broker.kcat(&["-P", "-t", "ready", "-K", ":", "-z", "gzip"], "a:green\nb:black\nc:white\n")?;
    let mut read: Vec<_> = broker.kcat(&["-C", "-t", "ready", "-e", "-q"], "")?.lines().map(str::to_owned).collect();
    read.sort();
    ensure!(read == ["black", "green", "white"], "{read:?}");
    let mut read: Vec<_> = broker
        .kcat(&["-G", "tasting", "-X", "auto.offset.reset=earliest", "-c", "3", "-q", "ready"], "")?
        .lines()
        .map(str::to_owned)
        .collect();
    read.sort();
    ensure!(read == ["black", "green", "white"], "{read:?}");
    Ok(())
}
