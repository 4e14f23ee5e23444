//! One group of several programs, Java's among them: they share the partitions, and no record is skipped.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use real::{Cluster, Lines, Program, Signal, send_signal, shared, unique, until};

pub(crate) const PARTITIONS: u16 = 6;
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

/// Java's console consumer, as a member of a group.
pub(crate) struct Java {
    child: Child,
    output: std::path::PathBuf,
}

impl Java {
    fn join(cluster: &Cluster, topic: &str, group: &str) -> Result<Self> {
        Self::join_with(cluster, topic, group, &[])
    }

    pub(crate) fn join_with(cluster: &Cluster, topic: &str, group: &str, properties: &[&str]) -> Result<Self> {
        let output = std::env::temp_dir().join(unique("java-member"));
        let child = cluster
            .java("org.apache.kafka.tools.consumer.ConsoleConsumer")?
            .args(["--bootstrap-server", &cluster.bootstrap(), "--topic", topic, "--group", group])
            .args(["--command-property", "auto.offset.reset=earliest"])
            .args(["--command-property", "session.timeout.ms=6000", "--command-property", "heartbeat.interval.ms=500"])
            .args(properties.iter().flat_map(|property| ["--command-property", *property]))
            .stdin(Stdio::null())
            .stdout(File::create(&output)?)
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { child, output })
    }

    pub(crate) fn lines(&self) -> Result<Vec<String>> {
        Ok(fs::read_to_string(&self.output)?.lines().map(str::to_owned).collect())
    }

    /// Ends it as Ctrl-C does: it commits and leaves.
    pub(crate) fn interrupt(mut self) -> Result<Vec<String>> {
        send_signal(&self.child, Signal::INT)?;
        until("Java to end", LIMIT, || Ok(self.child.try_wait()?))?;
        let lines = self.lines()?;
        fs::remove_file(&self.output)?;
        Ok(lines)
    }
}

impl Drop for Java {
    fn drop(&mut self) {
        // It has ended by itself if all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn member(cluster: &Cluster, topic: &str, group: &str) -> Result<Program> {
    member_with(cluster, topic, group, &[])
}

pub(crate) fn member_with(cluster: &Cluster, topic: &str, group: &str, properties: &[&str]) -> Result<Program> {
    let bootstrap = cluster.bootstrap();
    let settings = ["session.timeout.ms=6000", "heartbeat.interval.ms=500"].iter().chain(properties);
    let arguments = ["consume", "-b", &bootstrap, "-t", topic, "-g", group, "--from-beginning"];
    Program::start(arguments.into_iter().chain(settings.flat_map(|setting| ["-X", *setting])))
}

/// How many partitions each member of the group has, once all of them are shared out among `members`.
pub(crate) fn shared_among(cluster: &Cluster, group: &str, members: usize) -> Result<Vec<usize>> {
    let bootstrap = cluster.bootstrap();
    until(&format!("{members} members"), LIMIT, || {
        let Ok(described) = Program::run(["groups", "describe", group, "-b", &bootstrap, "--json"]) else {
            return Ok(None);
        };
        let shares = shares(&described.stdout)?;
        let all = shares.iter().sum::<usize>() == usize::from(PARTITIONS);
        Ok((shares.len() == members && all && shares.iter().all(|share| *share > 0)).then_some(shares))
    })
}

/// The partitions of each member, from `ottla groups describe --json`.
fn shares(json: &str) -> Result<Vec<usize>> {
    let described: serde_json::Value = serde_json::from_str(json)?;
    let group = &described[0];
    if group["state"] != "Stable" {
        return Ok(Vec::new());
    }
    let members = group["members"].as_array().context("members")?;
    Ok(members.iter().map(|member| member["partitions"].as_u64().unwrap_or(0) as usize).collect())
}

pub(crate) fn send(cluster: &Cluster, topic: &str, numbers: std::ops::Range<usize>) -> Result<()> {
    let lines = Lines::write(&unique("numbers"), numbers.map(|n| n.to_string()))?;
    let path = lines.path().to_str().context("a path")?;
    // Small batches: every partition gets some.
    Program::run(["produce", "-b", &cluster.bootstrap(), "-t", topic, "-X", "batch.size=500", path])?;
    Ok(())
}

pub(crate) fn count(lines: &[String]) -> BTreeMap<usize, usize> {
    let mut seen = BTreeMap::new();
    for line in lines {
        *seen.entry(line.parse().unwrap_or(usize::MAX)).or_default() += 1;
    }
    seen
}

pub(crate) fn lines(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines().map(str::to_owned)
}

#[test]
fn members_that_come_and_go_cleanly_read_every_record_once_java_among_them() -> Result<()> {
    let cluster = shared();
    let (topic, group) = (cluster.topic("shared-out", PARTITIONS)?, unique("clean"));
    let mut read = Vec::new();

    let first = member(&cluster, &topic, &group)?;
    let second = member(&cluster, &topic, &group)?;
    shared_among(&cluster, &group, 2)?;
    send(&cluster, &topic, 0..2_000)?;
    let java = Java::join(&cluster, &topic, &group)?;
    shared_among(&cluster, &group, 3)?;
    send(&cluster, &topic, 2_000..4_000)?;
    let third = member(&cluster, &topic, &group)?;
    shared_among(&cluster, &group, 4)?;
    send(&cluster, &topic, 4_000..6_000)?;
    read.extend(lines(&first.interrupt()?.stdout));
    shared_among(&cluster, &group, 3)?;
    send(&cluster, &topic, 6_000..8_000)?;
    // All of it is read before the last ones leave.
    until("all records", LIMIT, || {
        let total =
            read.len() + java.lines()?.len() + second.stdout()?.lines().count() + third.stdout()?.lines().count();
        Ok((total >= 8_000).then_some(()))
    })?;
    read.extend(java.interrupt()?);
    read.extend(lines(&second.interrupt()?.stdout));
    read.extend(lines(&third.interrupt()?.stdout));

    let seen = count(&read);
    ensure!(seen.len() == 8_000, "{} of 8000 were read", seen.len());
    let twice: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).collect();
    ensure!(twice.is_empty(), "read twice: {} of them, {:?} …", twice.len(), &twice[..twice.len().min(5)]);
    Ok(())
}

#[test]
fn a_member_killed_costs_no_record() -> Result<()> {
    let cluster = shared();
    let (topic, group) = (cluster.topic("one-dies", PARTITIONS)?, unique("killed"));
    let first = member(&cluster, &topic, &group)?;
    let second = member(&cluster, &topic, &group)?;
    let java = Java::join(&cluster, &topic, &group)?;
    shared_among(&cluster, &group, 3)?;
    send(&cluster, &topic, 0..3_000)?;
    second.signal(Signal::KILL)?;
    send(&cluster, &topic, 3_000..6_000)?;
    shared_among(&cluster, &group, 2)?;
    let killed: Vec<_> = lines(&second.stdout()?).collect();
    until("all records", LIMIT, || {
        let read: Vec<_> = killed.iter().cloned().chain(lines(&first.stdout()?)).chain(java.lines()?).collect();
        Ok((count(&read).len() >= 6_000).then_some(()))
    })?;
    java.interrupt()?;
    first.interrupt()?;
    Ok(())
}
