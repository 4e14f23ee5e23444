//! Groups whose coordinator shares out the partitions (KIP-848), Java's members among ours.
#![expect(clippy::disallowed_methods, reason = "real brokers take real time")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ottla::config::{GroupProtocol, OffsetReset};
use ottla::{Consumer, ConsumerBuilder, Producer, Record, Subscription};
use real::{Cluster, Signal, older, send_signal, shared, unique, until};
use tokio::time::Instant;

const PARTITIONS: u16 = 6;
/// Sessions last 45 s, unless the brokers are told otherwise.
const LIMIT: Duration = Duration::from_secs(120);

/// Java's console consumer, as a member of such a group.
struct Java {
    child: Child,
    output: std::path::PathBuf,
}

impl Java {
    fn join(cluster: &Cluster, topic: &str, group: &str) -> Result<Self> {
        let output = std::env::temp_dir().join(unique("java-modern-member"));
        let child = cluster
            .java("org.apache.kafka.tools.consumer.ConsoleConsumer")?
            .args(["--bootstrap-server", &cluster.bootstrap(), "--topic", topic, "--group", group])
            .args(["--command-property", "auto.offset.reset=earliest"])
            .args(["--command-property", "group.protocol=consumer"])
            .stdin(Stdio::null())
            .stdout(File::create(&output)?)
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { child, output })
    }

    fn lines(&self) -> Result<Vec<String>> {
        Ok(fs::read_to_string(&self.output)?.lines().map(str::to_owned).collect())
    }

    /// Ends it as Ctrl-C does: it commits and leaves.
    fn interrupt(mut self) -> Result<Vec<String>> {
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

fn builder(cluster: &Cluster, group: &str) -> ConsumerBuilder {
    Consumer::builder(cluster.bootstrap())
        .group(group)
        .group_protocol(GroupProtocol::Consumer)
        .auto_offset_reset(OffsetReset::Earliest)
        .metadata_max_age(Duration::from_secs(5))
}

async fn member(cluster: &Cluster, group: &str, topic: &str) -> Result<Consumer> {
    let consumer = builder(cluster, group).build()?;
    consumer.subscribe([topic]).await?;
    Ok(consumer)
}

/// Polls all of them until it is so; what they read is added to `read`.
async fn poll_until(
    members: &[&Consumer],
    read: &mut Vec<String>,
    mut is_so: impl FnMut(&[String]) -> Result<bool>,
) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    while !is_so(read)? {
        let shares: Vec<_> = members.iter().map(|member| member.assignment().len()).collect();
        ensure!(Instant::now() < deadline, "partitions {shares:?}, {} records", read.len());
        for member in members {
            let records = member.poll(Duration::from_millis(50)).await?;
            read.extend(
                records.iter().map(|record| String::from_utf8_lossy(record.value().unwrap_or_default()).into_owned()),
            );
        }
    }
    Ok(())
}

fn shares(members: &[&Consumer]) -> Vec<usize> {
    members.iter().map(|member| member.assignment().len()).collect()
}

async fn send(cluster: &Cluster, topic: &str, numbers: std::ops::Range<usize>) -> Result<()> {
    let producer = Producer::builder(cluster.bootstrap()).build()?;
    for number in numbers {
        let record = Record::to(topic).partition(number as i32 % i32::from(PARTITIONS)).value(number.to_string());
        drop(producer.enqueue(record).await?);
    }
    producer.close(LIMIT).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_come_and_go_cleanly_read_every_record_once_java_among_them() -> Result<()> {
    let cluster = shared();
    let (topic, group) = (cluster.topic("shared-out-by-the-broker", PARTITIONS)?, unique("modern"));
    let mut read = Vec::new();
    let first = member(&cluster, &group, &topic).await?;
    let second = member(&cluster, &group, &topic).await?;
    poll_until(&[&first, &second], &mut read, |_| Ok(shares(&[&first, &second]) == [3, 3])).await?;
    send(&cluster, &topic, 0..1_000).await?;
    let java = Java::join(&cluster, &topic, &group)?;
    poll_until(&[&first, &second], &mut read, |_| Ok(shares(&[&first, &second]) == [2, 2])).await?;
    send(&cluster, &topic, 1_000..2_000).await?;
    poll_until(&[&first, &second], &mut read, |read| Ok(read.len() + java.lines()?.len() >= 2_000)).await?;
    second.close(LIMIT).await?;
    poll_until(&[&first], &mut read, |_| Ok(shares(&[&first]) == [3])).await?;
    send(&cluster, &topic, 2_000..3_000).await?;
    poll_until(&[&first], &mut read, |read| Ok(read.len() + java.lines()?.len() >= 3_000)).await?;
    read.extend(java.interrupt()?);
    poll_until(&[&first], &mut read, |_| Ok(shares(&[&first]) == [6])).await?;
    send(&cluster, &topic, 3_000..4_000).await?;
    poll_until(&[&first], &mut read, |read| Ok(read.len() >= 4_000)).await?;
    first.close(LIMIT).await?;

    let mut seen: BTreeMap<usize, usize> = BTreeMap::new();
    for line in &read {
        *seen.entry(line.parse().context("a number")?).or_default() += 1;
    }
    ensure!(seen.len() == 4_000, "{} of 4000 were read", seen.len());
    let twice: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).collect();
    ensure!(twice.is_empty(), "read twice: {} of them, {:?} …", twice.len(), &twice[..twice.len().min(5)]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_dies_is_missed_and_costs_no_record() -> Result<()> {
    let cluster = shared();
    let (topic, group) = (cluster.topic("one-dies-unseen", PARTITIONS)?, unique("modern-dies"));
    let mut read = Vec::new();
    let first = member(&cluster, &group, &topic).await?;
    let second = member(&cluster, &group, &topic).await?;
    // Its tasks end with its runtime: nothing is said any more, as when a process is killed.
    let doomed = std::thread::spawn(|| tokio::runtime::Builder::new_multi_thread().enable_all().build())
        .join()
        .map_err(|_| anyhow::anyhow!("no thread"))??;
    let third = builder(&cluster, &group).runtime(doomed.handle().clone()).build()?;
    third.subscribe([topic.as_str()]).await?;
    let all = [&first, &second, &third];
    poll_until(&all, &mut read, |_| Ok(shares(&all) == [2, 2, 2])).await?;
    doomed.shutdown_background();
    send(&cluster, &topic, 0..1_000).await?;
    let rest = [&first, &second];
    poll_until(&rest, &mut read, |read| Ok(shares(&rest) == [3, 3] && read.len() >= 1_000)).await?;
    let seen: BTreeSet<_> = read.iter().collect();
    ensure!(seen.len() == 1_000, "{} of 1000 were read", seen.len());
    first.close(LIMIT).await?;
    second.close(LIMIT).await?;
    Ok(())
}

/// edge 61: the coordinator finds the topics, and tells their ids.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pattern_finds_topics_that_come_later() -> Result<()> {
    let cluster = shared();
    let (prefix, group) = (unique("pattern"), unique("modern-pattern"));
    cluster.tool(
        "org.apache.kafka.tools.TopicCommand",
        [
            "--bootstrap-server",
            &cluster.bootstrap(),
            "--create",
            "--topic",
            &format!("{prefix}-a"),
            "--partitions",
            "2",
        ],
    )?;
    let consumer = builder(&cluster, &group).build()?;
    consumer.subscribe_to(Subscription::pattern(&format!("{prefix}-.*"))?).await?;
    let mut read = Vec::new();
    poll_until(&[&consumer], &mut read, |_| Ok(consumer.assignment().len() == 2)).await?;
    cluster.tool(
        "org.apache.kafka.tools.TopicCommand",
        [
            "--bootstrap-server",
            &cluster.bootstrap(),
            "--create",
            "--topic",
            &format!("{prefix}-b"),
            "--partitions",
            "1",
        ],
    )?;
    poll_until(&[&consumer], &mut read, |_| Ok(consumer.assignment().len() == 3)).await?;
    let producer = Producer::builder(cluster.bootstrap()).build()?;
    producer.send(Record::to(format!("{prefix}-b")).value("tea")).await?;
    poll_until(&[&consumer], &mut read, |read| Ok(read == ["tea"])).await?;
    consumer.close(LIMIT).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_assignors_of_the_broker_can_be_asked_for_and_no_other() -> Result<()> {
    let cluster = shared();
    let topic = cluster.topic("by-assignor", PARTITIONS)?;
    for assignor in ["uniform", "range"] {
        let group = unique(assignor);
        let mut read = Vec::new();
        let mut members = Vec::new();
        for _ in 0..2 {
            let consumer = builder(&cluster, &group).group_remote_assignor(assignor).build()?;
            consumer.subscribe([topic.as_str()]).await?;
            members.push(consumer);
        }
        let members: Vec<_> = members.iter().collect();
        poll_until(&members, &mut read, |_| Ok(shares(&members) == [3, 3])).await?;
        if assignor == "range" {
            let is_run = |member: &&Consumer| {
                let numbers: Vec<_> = member.assignment().iter().map(|partition| partition.partition).collect();
                numbers == [0, 1, 2] || numbers == [3, 4, 5]
            };
            ensure!(members.iter().all(is_run), "{:?}", members.iter().map(|m| m.assignment()).collect::<Vec<_>>());
        }
        for member in members {
            member.close(LIMIT).await?;
        }
    }
    let consumer = builder(&cluster, &unique("mine")).group_remote_assignor("mine").build()?;
    consumer.subscribe([topic.as_str()]).await?;
    let error = consumer.poll(LIMIT).await.err().context("the broker has no such assignor")?;
    ensure!(error.code() == Some(ottla::Code::UnsupportedAssignor), "{error}");
    Ok(())
}

/// edge 60, KIP-345: a restart moves nothing, and a name in use is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_static_member_comes_back_to_its_partitions() -> Result<()> {
    let cluster = shared();
    let (topic, group) = (cluster.topic("static-by-the-broker", PARTITIONS)?, unique("modern-static"));
    let named = async |name: &str| -> Result<Consumer> {
        let consumer = builder(&cluster, &group).group_instance_id(name).build()?;
        consumer.subscribe([topic.as_str()]).await?;
        Ok(consumer)
    };
    let mut read = Vec::new();
    let (first, second) = (named("first").await?, named("second").await?);
    poll_until(&[&first, &second], &mut read, |_| Ok(shares(&[&first, &second]) == [3, 3])).await?;
    let twin = named("first").await?;
    let error = twin.poll(LIMIT).await.err().context("the name is in use")?;
    ensure!(error.code() == Some(ottla::Code::UnreleasedInstanceId), "{error}");
    twin.close(LIMIT).await?;
    let before = first.assignment();
    first.close(LIMIT).await?;
    let first = named("first").await?;
    poll_until(&[&first, &second], &mut read, |_| Ok(first.assignment() == before)).await?;
    ensure!(second.assignment().len() == 3, "nothing moved meanwhile");
    first.close(LIMIT).await?;
    second.close(LIMIT).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_without_the_protocol_says_what_to_do() -> Result<()> {
    let consumer = builder(&older(), &unique("modern-on-older")).build()?;
    consumer.subscribe(["anything"]).await?;
    let error = consumer.poll(LIMIT).await.err().context("the protocol is not switched on there")?;
    ensure!(error.to_string().contains("set it to `classic`"), "{error}");
    consumer.close(LIMIT).await?;
    Ok(())
}
