//! What the jobs produce to, and how much of it arrived.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use real::{Cluster, ClusterOptions, until};
use serde::Deserialize;

use super::build::ottla;
use super::rows::Row;

/// Heap of the broker. It has nothing else to do.
const HEAP_MIB: u32 = 1024;

/// Members of a group join it at once, and hear from it as often as the jobs' own heartbeats are.
const GROUPS: [(&str, &str); 3] = [
    ("group.initial.rebalance.delay.ms", "0"),
    ("group.consumer.heartbeat.interval.ms", "500"),
    ("group.consumer.min.heartbeat.interval.ms", "500"),
];

/// Time that a topic's leaders are given.
const LEADERS: Duration = Duration::from_secs(60);

/// A run produces more than a disk may hold: a partition keeps its last quarter GiB or so.
const RETENTION: [(&str, &str); 4] = [
    ("log.segment.bytes", "134217728"),
    ("log.retention.bytes", "268435456"),
    ("log.retention.check.interval.ms", "5000"),
    ("log.segment.delete.delay.ms", "1000"),
];

/// A broker, and the topics of one scenario in it.
pub(super) struct Broker {
    kind: Kind,
    /// The topic, or what the names of several begin with.
    topic: String,
    topics: Vec<String>,
}

enum Kind {
    Real(Cluster),
    /// A process for each scenario.
    Embedded(Option<Apart>),
}

/// The embedded broker in a process of its own. It ends when this is dropped.
struct Apart {
    child: Child,
    bootstrap: String,
}

/// What `ottla topics describe --json` prints of a topic.
#[derive(Deserialize)]
struct Described {
    partitions: Vec<Partition>,
}

#[derive(Deserialize)]
struct Partition {
    end_offset: Option<u64>,
}

/// What `ottla broker --json` prints.
#[derive(Deserialize)]
struct Ready {
    bootstrap: String,
}

impl Broker {
    /// Starts one broker of Apache Kafka.
    ///
    /// # Errors
    /// If it does not start.
    pub(super) fn real() -> Result<Self> {
        let mut options = ClusterOptions::default().brokers(1).heap_mib(HEAP_MIB);
        for (key, value) in RETENTION.into_iter().chain(GROUPS) {
            options = options.property(key, value);
        }
        Ok(Self::of(Kind::Real(Cluster::start(&options)?)))
    }

    /// The embedded broker, which takes everything, and keeps only what is to be read.
    pub(super) fn embedded() -> Self {
        Self::of(Kind::Embedded(None))
    }

    fn of(kind: Kind) -> Self {
        Self { kind, topic: String::new(), topics: Vec::new() }
    }

    /// What the tables call it.
    pub(super) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Real(_) => "Apache Kafka",
            Kind::Embedded(_) => "embedded",
        }
    }

    /// Whether a scenario is for it: the embedded broker has no setting for how often members hear from it.
    pub(super) fn takes(&self, row: &Row) -> bool {
        matches!(self.kind, Kind::Real(_)) || !row.is_of_rebalancing()
    }

    /// Where it is.
    pub(super) fn bootstrap(&self) -> String {
        match &self.kind {
            Kind::Real(cluster) => cluster.bootstrap(),
            Kind::Embedded(apart) => apart.as_ref().map(|apart| apart.bootstrap.clone()).unwrap_or_default(),
        }
    }

    /// What the job's argument `topic` says: the topic's name, or what those of several begin with.
    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    /// Creates a scenario's topics.
    ///
    /// # Errors
    /// If the embedded broker does not start, or the topics cannot be created.
    pub(super) fn prepare(&mut self, row: &Row, number: usize) -> Result<()> {
        self.topic = format!("scenario-{number}");
        self.topics = match row.topics {
            1 => vec![self.topic.clone()],
            topics => (0..topics).map(|topic| format!("{}-{topic}", self.topic)).collect(),
        };
        match &mut self.kind {
            Kind::Real(_) => {
                let partitions = row.partitions.to_string();
                self.admin(&["create", "--partitions", &partitions])?;
                // A broker learns a little later what the controller has created.
                until("the topics' leaders", LEADERS, || Ok(self.stored().ok()))?;
            }
            Kind::Embedded(apart) => *apart = Some(Apart::start(&self.topics, row)?),
        }
        Ok(())
    }

    /// How many records the scenario's topics have taken so far.
    ///
    /// # Errors
    /// If the broker does not say.
    pub(super) fn stored(&self) -> Result<u64> {
        let described: Vec<Described> = serde_json::from_str(&self.admin(&["describe"])?)?;
        ensure!(described.len() == self.topics.len(), "{} of {} topics", described.len(), self.topics.len());
        let ends = described.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.end_offset);
        ends.sum::<Option<u64>>().context("a partition's end is not known")
    }

    /// Removes the scenario's topics.
    ///
    /// # Errors
    /// If they cannot be deleted.
    pub(super) fn clear(&mut self) -> Result<()> {
        match &mut self.kind {
            Kind::Real(_) => drop(self.admin(&["delete"])?),
            Kind::Embedded(apart) => *apart = None,
        }
        Ok(())
    }

    /// Ends the broker.
    ///
    /// # Errors
    /// If its files cannot be removed.
    pub(super) fn stop(self) -> Result<()> {
        match self.kind {
            Kind::Real(cluster) => cluster.down(),
            Kind::Embedded(_) => Ok(()),
        }
    }

    /// Runs `ottla topics` on the scenario's topics, and returns what it prints.
    fn admin(&self, words: &[&str]) -> Result<String> {
        let mut command = Command::new(ottla());
        command.args(["--json", "--bootstrap", &self.bootstrap(), "topics"]).args(words).args(&self.topics);
        let output = command.output().with_context(|| format!("start {}", ottla().display()))?;
        if !output.status.success() {
            bail!("ottla topics {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}

impl Apart {
    fn start(topics: &[String], row: &Row) -> Result<Self> {
        let mut command = Command::new(ottla());
        command.args(["--json", "broker", "--listen", "127.0.0.1:0"]);
        if !row.is_of_reading() {
            command.arg("--discard");
        }
        for topic in topics {
            command.arg("--topic").arg(format!("{topic}:{}", row.partitions));
        }
        let mut child = command.stdout(Stdio::piped()).spawn().context("start the embedded broker")?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let mut apart = Self { child, bootstrap: String::new() };
        let ready: Ready = serde_json::from_str(&line).context("the embedded broker did not start")?;
        apart.bootstrap = ready.bootstrap;
        Ok(apart)
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
