//! Fetch sessions (KIP-227) on a broker with many partitions.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{BrokerId, FetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use ottla::{Consumer, Producer, Record};
use real::{Cluster, ClusterOptions, call};

use super::{LIMIT, POLL, of_node, read, reading, write};

const PARTITIONS: u16 = 200;
const BROKER: u16 = 1;
/// A fetch that names all partitions is larger, by 33 bytes for each; their look-up by ListOffsets is smaller, with 17.
const FULL: f64 = PARTITIONS as f64 * 30.0;
/// A fetch that names a few of them is smaller.
const INCREMENTAL: f64 = 500.0;
/// The broker shares them out among eight shards: one in each.
const SLOTS: &str = "8";

/// What was sent to the broker, in requests and bytes.
#[derive(Clone, Copy)]
struct Sent {
    requests: f64,
    bytes: f64,
}

impl Sent {
    fn by(consumer: &Consumer) -> Self {
        let of = |name| of_node(consumer, BROKER, name);
        Self { requests: of("request-total"), bytes: of("outgoing-byte-total") }
    }

    /// Bytes of an average request since `before`.
    fn average_since(self, before: Self) -> f64 {
        (self.bytes - before.bytes) / (self.requests - before.requests)
    }
}

/// Writes its number into each partition. Then the broker knows of all of them that it leads them.
async fn fill(cluster: &Cluster, topic: &str) -> Result<()> {
    let producer = Producer::builder(cluster.bootstrap()).build()?;
    for partition in 0..PARTITIONS.into() {
        producer.enqueue(Record::to(topic).partition(partition).value(partition.to_string())).await?;
    }
    Ok(producer.close(LIMIT).await?)
}

/// Polls until the broker was asked `count` times more, and nothing came.
async fn idle(consumer: &Consumer, count: f64) -> Result<()> {
    let (start, before) = (Instant::now(), Sent::by(consumer));
    while Sent::by(consumer).requests < before.requests + count {
        ensure!(start.elapsed() < LIMIT, "it asks no more");
        ensure!(consumer.poll(POLL).await?.is_empty());
    }
    Ok(())
}

/// Lets records trickle into a few partitions, and reads each of them once.
async fn trickle(cluster: &Cluster, topic: &str, consumer: &Consumer, round: usize) -> Result<()> {
    let mut expected = BTreeMap::new();
    for partition in [3, 77, 199] {
        write(cluster, topic, partition, round * 10..round * 10 + 2).await?;
        expected.insert(partition, vec![round * 10, round * 10 + 1]);
    }
    let mut seen: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    for (partition, _, number) in read(consumer, 6).await? {
        seen.entry(partition).or_default().push(number);
    }
    ensure!(seen == expected, "{seen:?}");
    Ok(())
}

/// Takes every slot, as followers may at any time: sessions of theirs come before those of consumers.
fn evict(cluster: &Cluster, topic: &str) -> Result<()> {
    let partition = FetchPartition::default().with_current_leader_epoch(-1);
    let topic = FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_partitions(vec![partition]);
    let request = FetchRequest::default().with_replica_id(BrokerId(BROKER.into())).with_topics(vec![topic]);
    let mut taken = 0;
    // More than there are shards: those take turns, and the consumer may have a turn between two of these.
    for _ in 0..24 {
        let response = call(cluster.address(BROKER)?, 12, &request.clone().with_session_epoch(0))?;
        taken += usize::from(response.session_id != 0);
    }
    ensure!(taken == 8, "{taken} slots of 8 were taken");
    Ok(())
}

/// edge 46.
#[tokio::test]
async fn of_many_partitions_a_fetch_names_those_that_changed_until_its_session_is_evicted() -> Result<()> {
    let options = ClusterOptions::default().brokers(1).property("max.incremental.fetch.session.cache.slots", SLOTS);
    let cluster = Cluster::start(&options)?;
    let topic = cluster.topic("many", PARTITIONS)?;
    fill(&cluster, &topic).await?;
    let settings = [("fetch.max.wait.ms", "50"), ("enable.metrics.push", "false")];
    let consumer = reading(&cluster, &topic, PARTITIONS, &settings).await?;
    let mut seen = read(&consumer, PARTITIONS.into()).await?;
    seen.sort_unstable();
    ensure!(seen == (0..PARTITIONS.into()).map(|number| (number, 0, number as usize)).collect::<Vec<_>>());
    let largest = of_node(&consumer, BROKER, "request-size-max");
    ensure!(largest > FULL, "the first one names them all: {largest} bytes");

    idle(&consumer, 3.0).await?;
    let before = Sent::by(&consumer);
    idle(&consumer, 10.0).await?;
    for round in 1..4 {
        trickle(&cluster, &topic, &consumer, round).await?;
    }
    let average = Sent::by(&consumer).average_since(before);
    println!("{average:.0} bytes a fetch with a session");
    ensure!(average < INCREMENTAL, "{average} bytes a request");

    evict(&cluster, &topic)?;
    let before = Sent::by(&consumer);
    for round in 4..7 {
        trickle(&cluster, &topic, &consumer, round).await?;
    }
    idle(&consumer, 5.0).await?;
    let average = Sent::by(&consumer).average_since(before);
    println!("{average:.0} bytes a fetch without one");
    ensure!(average > FULL / 2.0, "without a session each one names them all: {average} bytes a request");
    let start = Instant::now();
    consumer.close(Duration::from_secs(20)).await?;
    ensure!(start.elapsed() < Duration::from_secs(10), "it took {:?} to close", start.elapsed());
    Ok(())
}
