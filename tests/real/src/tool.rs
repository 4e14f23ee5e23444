//! Kafka's own tools and clients, run beside a cluster.

use std::fs::{self, File};
use std::process::{self, Command, Output};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cluster::Cluster;
use crate::java::{Archive, Role};
use crate::process::recorded;
use crate::wait::until;

/// Time that a tool is given.
const LIMIT: Duration = Duration::from_secs(90);

/// The longest that a tool's heap grows, in MiB.
const HEAP_MIB: u32 = 256;

/// Java's consumer for the command line.
pub(crate) const CONSOLE_CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";

impl Cluster {
    /// Runs a class of Kafka's jars to its end, such as `org.apache.kafka.tools.TopicCommand`.
    ///
    /// # Errors
    /// If it cannot be started or takes more than 90 s. How it ended is in the output's status.
    pub fn tool<'a>(&self, class: &str, arguments: impl IntoIterator<Item = &'a str>) -> Result<Output> {
        self.tool_with_input(class, arguments, "")
    }

    /// [`Cluster::tool`] with `input` on its standard input.
    ///
    /// # Errors
    /// As [`Cluster::tool`].
    pub fn tool_with_input<'a>(
        &self,
        class: &str,
        arguments: impl IntoIterator<Item = &'a str>,
        input: &str,
    ) -> Result<Output> {
        let (mut command, name) = self.named(class)?;
        let file = |part: &str| self.folder.join("tmp").join(format!("{name}-{part}"));
        fs::write(file("in"), input)?;
        // Files, not pipes: nothing has to be emptied while it runs.
        let mut child = command
            .args(arguments)
            .stdin(File::open(file("in"))?)
            .stdout(File::create(file("out"))?)
            .stderr(File::create(file("err"))?)
            .spawn()
            .context("start sh")?;
        let ended = until(&format!("{class} to end"), LIMIT, || Ok(child.try_wait()?));
        if ended.is_err() {
            child.kill()?;
        }
        // What `try_wait` found stays found.
        let status = child.wait()?;
        let output = Output { status, stdout: fs::read(file("out"))?, stderr: fs::read(file("err"))? };
        for part in ["in", "out", "err"] {
            fs::remove_file(file(part))?;
        }
        fs::remove_file(self.folder.join("pids").join(&name))?;
        ended.with_context(|| format!("it wrote: {}", String::from_utf8_lossy(&output.stderr)))?;
        Ok(output)
    }

    /// A JVM that runs a class of Kafka's jars, to add arguments to and to start: for a Java client that runs beside a
    /// test. It ends with the cluster at the latest.
    ///
    /// # Errors
    /// If the jars cannot be read.
    pub fn java(&self, class: &str) -> Result<Command> {
        Ok(self.named(class)?.0)
    }

    /// Sends each line as a record's value by Java's console producer.
    ///
    /// # Errors
    /// If it fails: with what it wrote.
    pub fn java_produce(&self, topic: &str, lines: &[&str]) -> Result<()> {
        let class = self.release.console_producer();
        let arguments = ["--bootstrap-server", &self.bootstrap(), "--topic", topic];
        succeeded(class, &self.tool_with_input(class, arguments, &(lines.join("\n") + "\n"))?)
    }

    /// The values of the first `count` records of `topic`, as Java's console consumer reads them: partition by partition
    /// in order. Waits for them, 90 s at most.
    ///
    /// # Errors
    /// If it fails, or they do not come.
    pub fn java_consume(&self, topic: &str, count: usize) -> Result<Vec<String>> {
        let (bootstrap, count) = (self.bootstrap(), count.to_string());
        let arguments =
            ["--bootstrap-server", &bootstrap, "--topic", topic, "--from-beginning", "--max-messages", &count];
        let output = self.tool(CONSOLE_CONSUMER, arguments)?;
        succeeded(CONSOLE_CONSUMER, &output)?;
        Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
    }

    /// The command, and the name of its file among the pids.
    fn named(&self, class: &str) -> Result<(Command, String)> {
        let name = format!("tool-{}-{}", process::id(), self.tools.fetch_add(1, Ordering::Relaxed));
        let java = self.release.java(Role::Tool, Archive::Use, HEAP_MIB, &self.folder.join("tmp"), class)?;
        Ok((recorded(&java, &self.folder.join("pids").join(&name)), name))
    }
}

fn succeeded(class: &str, output: &Output) -> Result<()> {
    ensure!(output.status.success(), "{class}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(())
}
