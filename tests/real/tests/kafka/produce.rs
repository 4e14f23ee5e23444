//! The producer against real brokers: every codec, and brokers that die, pause and hand over.
#![expect(clippy::disallowed_methods, reason = "a test that measures reads the clock")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ottla::{Producer, Record};
use real::{Cluster, shared, shared_to_break, until};

const PARTITIONS: u16 = 6;
const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn java_reads_every_codec_and_every_acks() -> Result<()> {
    let cluster = shared();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        for acks in ["0", "1", "all"] {
            let topic = cluster.topic("codecs", 1)?;
            let producer =
                Producer::builder(cluster.bootstrap()).set("compression.type", codec).set("acks", acks).build()?;
            let lines: Vec<_> = (0..2_000).map(|n| format!("{codec} {acks} {n} {}", "tea".repeat(n % 50))).collect();
            for line in &lines {
                producer.enqueue(Record::to(&topic).value(line)).await?;
            }
            producer.close(LIMIT).await?;
            ensure!(cluster.java_consume(&topic, lines.len())? == lines, "{codec}, acks={acks}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_killed_leader_loses_and_doubles_nothing() -> Result<()> {
    let cluster = shared_to_break();
    let topic = cluster.topic("killed", PARTITIONS)?;
    let load = Load::start(&cluster, &topic);
    load.reach(20_000)?;
    let victim = cluster.leader(&topic, 0)?.context("a leader")?;
    cluster.kill(victim)?;
    let at_death = load.acknowledged();
    load.reach(at_death + 100_000)?;
    cluster.restart(victim)?;
    load.reach(load.acknowledged() + 20_000)?;
    let sent = load.stop().await?;
    exactly_once_in_order(&cluster, &topic, &sent)
}

#[tokio::test]
async fn a_moved_leader_loses_and_doubles_nothing() -> Result<()> {
    let cluster = shared_to_break();
    let topic = cluster.topic("moved", PARTITIONS)?;
    let load = Load::start(&cluster, &topic);
    for broker in cluster.brokers() {
        load.reach(load.acknowledged() + 20_000)?;
        for partition in 0..3 {
            cluster.move_leader(&topic, partition, broker)?;
        }
    }
    load.reach(load.acknowledged() + 20_000)?;
    let sent = load.stop().await?;
    exactly_once_in_order(&cluster, &topic, &sent)
}

#[tokio::test]
async fn a_paused_leader_holds_nothing_up_once_there_is_another() -> Result<()> {
    let cluster = shared_to_break();
    let topic = cluster.topic("paused", PARTITIONS)?;
    let load = Load::start(&cluster, &topic);
    load.reach(20_000)?;
    let victim = cluster.leader(&topic, 0)?.context("a leader")?;
    cluster.pause(victim)?;
    let paused = Instant::now();
    until("another leader", LIMIT, || Ok(cluster.leader(&topic, 0)?.filter(|leader| *leader != victim)))?;
    let elected = Instant::now();
    // Acknowledged in the partition whose leader is still paused.
    let before = load.acknowledged_in(0);
    until("traffic to the new leader", LIMIT, || Ok((load.acknowledged_in(0) > before).then_some(())))?;
    let resumed = Instant::now();
    eprintln!("new leader after {:?}, traffic {:?} later", elected - paused, resumed - elected);
    ensure!(resumed - elected < Duration::from_secs(10), "ten times the second it may take");
    std::iter::repeat_with(|| load.reach(load.acknowledged() + 1_000))
        .take_while(|_| paused.elapsed() < Duration::from_secs(12))
        .collect::<Result<()>>()?;
    cluster.resume(victim)?;
    load.reach(load.acknowledged() + 20_000)?;
    let sent = load.stop().await?;
    exactly_once_in_order(&cluster, &topic, &sent)
}

/// Numbered records, as fast as they are acknowledged, until it is stopped.
struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Vec<AtomicU64>>,
    sending: tokio::task::JoinHandle<Result<Vec<u64>>>,
    _runtime: Owned,
}

/// A runtime of its own: the test blocks its own while it waits.
struct Owned(Option<tokio::runtime::Runtime>);

impl Drop for Owned {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Load {
    fn start(cluster: &Cluster, topic: &str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged: Arc<Vec<AtomicU64>> = Arc::new((0..PARTITIONS).map(|_| AtomicU64::new(0)).collect());
        let sending = runtime.spawn(send(cluster.bootstrap(), topic.to_owned(), stop.clone(), acknowledged.clone()));
        Self { stop, acknowledged, sending, _runtime: Owned(Some(runtime)) }
    }

    fn acknowledged(&self) -> u64 {
        self.acknowledged.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    fn acknowledged_in(&self, partition: usize) -> u64 {
        self.acknowledged[partition].load(Ordering::Relaxed)
    }

    fn reach(&self, count: u64) -> Result<()> {
        until("acknowledgements", LIMIT, || {
            ensure!(!self.sending.is_finished(), "the producer ended");
            Ok((self.acknowledged() >= count).then_some(()))
        })
    }

    /// How many records each partition was sent.
    async fn stop(self) -> Result<Vec<u64>> {
        self.stop.store(true, Ordering::Relaxed);
        self.sending.await?
    }
}

async fn send(
    bootstrap: String,
    topic: String,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Vec<AtomicU64>>,
) -> Result<Vec<u64>> {
    let producer = Producer::builder(bootstrap).batch_size(4_000_usize).build()?;
    let mut sent = vec![0_u64; PARTITIONS.into()];
    let mut deliveries = std::collections::VecDeque::new();
    while !stop.load(Ordering::Relaxed) {
        for (partition, sent) in (0..).zip(&mut sent) {
            let record = Record::to(&topic).partition(partition).value(sent.to_string());
            deliveries.push_back(producer.enqueue(record).await?);
            *sent += 1;
        }
        while deliveries.len() > 10_000
            || deliveries.front_mut().is_some_and(|first: &mut ottla::Delivery| first.now().is_some())
        {
            let ack = deliveries.pop_front().context("one is there")?.await?;
            acknowledged[ack.partition() as usize].fetch_add(1, Ordering::Relaxed);
        }
        tokio::task::yield_now().await;
    }
    producer.close(LIMIT).await?;
    for delivery in deliveries {
        delivery.await?;
    }
    Ok(sent)
}

/// What Java reads of each partition are the numbers from 0, each once, in order.
fn exactly_once_in_order(cluster: &Cluster, topic: &str, sent: &[u64]) -> Result<()> {
    let (bootstrap, total) = (cluster.bootstrap(), sent.iter().sum::<u64>().to_string());
    let output = cluster.tool(
        "org.apache.kafka.tools.consumer.ConsoleConsumer",
        [
            "--bootstrap-server",
            &bootstrap,
            "--topic",
            topic,
            "--from-beginning",
            "--max-messages",
            &total,
            "--timeout-ms",
            "20000",
            "--formatter-property",
            "print.partition=true",
        ],
    )?;
    let mut next: BTreeMap<String, u64> = BTreeMap::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let (partition, value) = line.split_once('\t').with_context(|| format!("a tab in {line}"))?;
        let expected = next.entry(partition.to_owned()).or_default();
        ensure!(value == expected.to_string(), "{partition}: {value} where {expected} was due");
        *expected += 1;
    }
    let read: Vec<u64> =
        (0..sent.len()).map(|partition| next.get(&format!("Partition:{partition}")).copied().unwrap_or(0)).collect();
    ensure!(read == sent, "sent {sent:?}, read {read:?}");
    eprintln!("{} records exactly once, in order", sent.iter().sum::<u64>());
    Ok(())
}
