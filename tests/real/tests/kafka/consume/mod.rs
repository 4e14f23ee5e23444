//! The consumer against real brokers: what only Kafka itself can put it through.
#![expect(clippy::disallowed_methods, reason = "real brokers take real time: waits end at a deadline")]

mod followers;
mod recreated;
mod reset;
mod sessions;
mod truncation;

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ottla::{Consumer, Metric, Producer, Record, TopicPartition};
use real::Cluster;

/// Time for whatever a test waits for, on a machine that does much else.
const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(200);

/// A consumer of all of these partitions, from their beginning unless `settings` say otherwise.
async fn reading(cluster: &Cluster, topic: &str, partitions: u16, settings: &[(&str, &str)]) -> Result<Consumer> {
    let consumer = Consumer::builder(cluster.bootstrap())
        .set("auto.offset.reset", "earliest")
        .set_all(settings.iter().copied())
        .build()?;
    consumer.assign((0..partitions.into()).map(|partition| TopicPartition::new(topic, partition))).await?;
    Ok(consumer)
}

/// Appends these numbers to one partition, in their order, and waits until all replicas in sync have them.
async fn write(cluster: &Cluster, topic: &str, partition: i32, numbers: Range<usize>) -> Result<()> {
    let producer = Producer::builder(cluster.bootstrap()).build()?;
    for number in numbers {
        producer.enqueue(Record::to(topic).partition(partition).value(number.to_string())).await?;
    }
    producer.flush().await?;
    Ok(producer.close(LIMIT).await?)
}

/// Polls until `count` records came, and once more: their partitions, offsets and numbers.
///
/// # Errors
/// If a poll fails with what does not pass, they do not come, or more do.
async fn read(consumer: &Consumer, count: usize) -> Result<Vec<(i32, i64, usize)>> {
    let start = Instant::now();
    let mut seen: Vec<(i32, i64, usize)> = Vec::new();
    let mut had_all = false;
    while !had_all {
        ensure!(start.elapsed() < LIMIT, "{} of {count} came, the last {:?}", seen.len(), seen.last());
        had_all = seen.len() == count;
        match consumer.poll(POLL).await {
            Ok(records) => {
                for record in &records {
                    let number = str::from_utf8(record.value().unwrap_or_default())?.parse()?;
                    seen.push((record.partition(), record.offset(), number));
                }
            }
            Err(error) => ensure!(error.is_retriable(), "{error}"),
        }
    }
    ensure!(seen.len() == count, "{} of {count} came, the last {:?}", seen.len(), seen.last());
    Ok(seen)
}

/// Nothing skipped, nothing twice, nothing of another: `numbers`, at offsets from `offset` on.
fn ensure_in_order(seen: &[(i32, i64, usize)], offset: i64, numbers: Range<usize>) -> Result<()> {
    let numbered: Vec<_> = seen.iter().map(|(_, offset, number)| (*offset, *number)).collect();
    let expected: Vec<_> = (offset..).zip(numbers).collect();
    let differs = numbered.iter().zip(&expected).find(|(seen, expected)| seen != expected);
    ensure!(numbered.len() == expected.len() && differs.is_none(), "{differs:?} in {numbered:?}");
    Ok(())
}

/// What a consumer counts of one broker, by Java's name for it; not a number where it has had nothing to do with it.
fn of_node(consumer: &Consumer, broker: u16, name: &str) -> f64 {
    let metrics = consumer.metrics();
    let node = format!("node-{broker}");
    metrics.find("consumer-node-metrics", name, &[("node-id", &node)]).map_or(f64::NAN, Metric::as_f64)
}
