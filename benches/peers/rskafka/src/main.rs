//! The jobs by rskafka. It reads partitions without a group. Its producing is a floor rather than a rival. It has no producer that takes records one by one at this pace,
//! so batches are formed here and partitions taken in turn, and it is not idempotent.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt};
use peer_job::{Failure, Feed, Item, Job, Meter, Reading, Report, Tally, Work, at_rate};
use rskafka::client::consumer::{StartOffset, StreamConsumerBuilder};
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::client::producer::aggregator::RecordAggregator;
use rskafka::client::producer::{BatchProducer, BatchProducerBuilder};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::Record;
use tokio::runtime::Builder;

/// What a record takes in a batch beside key and value, with something to spare.
const RECORD_OVERHEAD: usize = 12;

/// As many requests as an idempotent producer has in flight.
const IN_FLIGHT: usize = 5;

fn main() -> Result<(), Failure> {
    let job = Job::from_args()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    if let Work::Consume { .. } = job.work {
        return runtime.block_on(consume(&job))?.print();
    }
    let feed = Feed::load(&job)?;
    runtime.block_on(run(&job, feed))?.print()
}

async fn run(job: &Job, feed: Feed) -> Result<Report, Failure> {
    let client = ClientBuilder::new(vec![job.bootstrap.clone()]).build().await?;
    let partitions = partitions(&client, job).await?;
    match job.work {
        Work::Consume { .. } => consume(job).await,
        Work::EndToEnd { .. } | Work::OneEach | Work::Rebalance => Err("not a job of this client".into()),
        Work::Produce { records, warm_up } => produce(&partitions, job, feed, records, warm_up).await,
        Work::Latency { rate, records, warm_up } => latency(partitions, job, feed, rate, records, warm_up).await,
    }
}

async fn consume(job: &Job) -> Result<Report, Failure> {
    let mut reading = Reading::start(job)?;
    let client = ClientBuilder::new(vec![job.bootstrap.clone()]).build().await?;
    let streams = partitions(&client, job).await?.into_iter().map(|partition| {
        StreamConsumerBuilder::new(partition, StartOffset::Earliest).with_max_batch_size(1 << 20).build()
    });
    let mut records = stream::select_all(streams);
    while reading.goes_on()? {
        let (record, _) = records.next().await.ok_or("the stream ended")??;
        reading.touch(record.record.value.as_deref().unwrap_or_default());
    }
    reading.report()
}

/// Every partition of every topic.
async fn partitions(client: &Client, job: &Job) -> Result<Vec<Arc<PartitionClient>>, Failure> {
    let mut partitions = Vec::new();
    for topic in &job.topics {
        for partition in 0..job.partitions {
            let found = client.partition_client(topic, partition.into(), UnknownTopicHandling::Retry).await?;
            partitions.push(Arc::new(found));
        }
    }
    Ok(partitions)
}

async fn produce(
    partitions: &[Arc<PartitionClient>],
    job: &Job,
    mut feed: Feed,
    records: u64,
    warm_up: u64,
) -> Result<Report, Failure> {
    let first = send_all(partitions, job, &mut feed, 1).await?;
    let before = send_all(partitions, job, &mut feed, warm_up).await?;
    let meter = Meter::start()?;
    let tally = send_all(partitions, job, &mut feed, records).await?;
    Ok(Report::new(tally, first.acked + before.acked, meter.stop()?, &feed))
}

async fn send_all(
    partitions: &[Arc<PartitionClient>],
    job: &Job,
    feed: &mut Feed,
    records: u64,
) -> Result<Tally, Failure> {
    let compression = match job.compression {
        peer_job::Compression::Lz4 => Compression::Lz4,
        peer_job::Compression::None => Compression::NoCompression,
        peer_job::Compression::Zstd => Compression::Zstd,
    };
    let key_bytes = feed.clone().next().and_then(|item| item.key).map_or(0, <[u8]>::len);
    let a_batch = (job.batch_bytes / (job.size + key_bytes + RECORD_OVERHEAD)).max(1);
    let mut left = usize::try_from(records)?;
    let batches = std::iter::from_fn(|| {
        let now = Utc::now();
        let records: Vec<_> = feed.take(a_batch.min(left)).map(|item| record(item, now)).collect();
        left -= records.len();
        (!records.is_empty()).then_some(records)
    });
    let requests = batches.zip(partitions.iter().cycle()).map(|(batch, partition)| async move {
        let records = batch.len() as u64;
        (records, partition.produce(batch, compression).await)
    });
    let mut answers = stream::iter(requests).buffer_unordered(IN_FLIGHT.max(2 * partitions.len()));
    let mut tally = Tally::default();
    while let Some((records, answer)) = answers.next().await {
        match answer {
            Ok(offsets) => tally.acked += offsets.len() as u64,
            Err(error) => tally.fail(records, error),
        }
    }
    Ok(tally)
}

async fn latency(
    partitions: Vec<Arc<PartitionClient>>,
    job: &Job,
    mut feed: Feed,
    rate: u64,
    records: u64,
    warm_up: u64,
) -> Result<Report, Failure> {
    let first = send_all(&partitions, job, &mut feed, 1).await?;
    let producers: Vec<Arc<BatchProducer<RecordAggregator>>> = partitions
        .into_iter()
        .map(|partition| {
            let batches = BatchProducerBuilder::new(partition).with_linger(job.linger);
            Arc::new(batches.build(RecordAggregator::new(job.batch_bytes)))
        })
        .collect();
    let mut turn = 0;
    let send = move |item| {
        turn = (turn + 1) % producers.len();
        let producer = producers[turn].clone();
        let record = record(item, Utc::now());
        // It does nothing until whoever collects the deliveries polls it.
        Ok(async move { producer.produce(record).await })
    };
    let (_, before) = at_rate(rate, feed.clone().take(usize::try_from(warm_up)?), send.clone()).await?;
    let meter = Meter::start()?;
    let (latencies, tally) = at_rate(rate, feed.clone().take(usize::try_from(records)?), send).await?;
    Ok(Report::new(tally, first.acked + before.acked, meter.stop()?, &feed).latencies(latencies))
}

fn record(item: Item, now: DateTime<Utc>) -> Record {
    Record {
        key: item.key.map(<[u8]>::to_vec),
        value: Some(item.value.to_vec()),
        headers: BTreeMap::new(),
        timestamp: now,
    }
}
