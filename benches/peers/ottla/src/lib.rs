//! The jobs by Ottla. The results of producing are taken in three ways.

mod reading;

use futures::executor::block_on;
use ottla::{Producer, Record};
use peer_job::{Deliveries, Failure, Feed, Item, Job, Meter, Report, Tally, Window, Work, at_rate, share};

/// Does the job in this program's arguments, and prints what it cost.
///
/// # Errors
/// If the job cannot be done.
pub fn run() -> Result<(), Failure> {
    let job = Job::from_args()?;
    match job.work {
        Work::Consume { .. } => block_on(reading::consume(&job)),
        Work::EndToEnd { .. } => block_on(reading::end_to_end(&job, writer(&job)?)),
        Work::OneEach => block_on(one_each(&job)),
        Work::Rebalance => share(&job, reading::member),
        Work::Produce { records, warm_up } => {
            let (producer, feed) = producer(&job)?;
            block_on(produce(&producer, &job, feed, records, warm_up))
        }
        Work::Latency { rate, records, warm_up } => {
            let (producer, feed) = producer(&job)?;
            block_on(latency(producer, job, feed, rate, records, warm_up))
        }
    }?
    .print()
}

fn producer(job: &Job) -> Result<(Producer, Feed), Failure> {
    let feed = Feed::load(job)?;
    Ok((writer(job)?, feed))
}

fn writer(job: &Job) -> Result<Producer, Failure> {
    let producer = Producer::builder(&job.bootstrap)
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("compression.type", job.compression.name())
        .set("linger.ms", job.linger.as_millis().to_string())
        .set("batch.size", job.batch_bytes.to_string())
        .set("buffer.memory", job.buffer_bytes.to_string())
        .build()?;
    Ok(producer)
}

/// A record to each partition, for those who will read them.
async fn one_each(job: &Job) -> Result<Report, Failure> {
    let (producer, feed) = producer(job)?;
    let meter = Meter::start()?;
    let mut tally = Tally::default();
    let mut deliveries = Vec::new();
    for (partition, item) in (0..job.partitions).zip(feed.clone()) {
        deliveries.push(producer.enqueue(record(job, item).partition(partition.into())).await?);
    }
    for delivery in deliveries {
        tally.count(delivery.await);
    }
    Ok(Report::new(tally, 0, meter.stop()?, &feed))
}

async fn produce(
    producer: &Producer,
    job: &Job,
    mut feed: Feed,
    records: u64,
    warm_up: u64,
) -> Result<Report, Failure> {
    first(producer, job, &mut feed).await?;
    let before = send_all(producer, job, &mut feed, warm_up).await?;
    let meter = Meter::start()?;
    let tally = send_all(producer, job, &mut feed, records).await?;
    Ok(Report::new(tally, 1 + before.acked, meter.stop()?, &feed))
}

/// Waits for the first ack: connections are open then, and the topic is known.
async fn first(producer: &Producer, job: &Job, feed: &mut Feed) -> Result<(), Failure> {
    if let Some(item) = feed.next() {
        producer.send(record(job, item)).await?;
    }
    Ok(())
}

async fn send_all(producer: &Producer, job: &Job, feed: &mut Feed, records: u64) -> Result<Tally, Failure> {
    let items = feed.take(usize::try_from(records)?);
    match job.deliveries {
        Deliveries::Awaited => awaited(producer, job, items).await,
        Deliveries::Bulk => bulk(producer, job, items).await,
        Deliveries::Dropped => dropped(producer, job, items, records).await,
    }
}

async fn awaited(producer: &Producer, job: &Job, items: impl Iterator<Item = Item>) -> Result<Tally, Failure> {
    let mut window = Window::new(job);
    for item in items {
        window.push(producer.enqueue(record(job, item)).await?).await;
    }
    Ok(window.finish().await)
}

async fn bulk(producer: &Producer, job: &Job, items: impl Iterator<Item = Item>) -> Result<Tally, Failure> {
    let mut deliveries = Vec::with_capacity(job.window());
    let mut tally = Tally::default();
    let mut items = items.peekable();
    while let Some(item) = items.next() {
        deliveries.push(producer.enqueue(record(job, item)).await?);
        if deliveries.len() == job.window() || items.peek().is_none() {
            producer.flush().await?;
            for mut delivery in deliveries.drain(..) {
                tally.count(delivery.now().ok_or("a flush left a record unsettled")?);
            }
        }
    }
    Ok(tally)
}

async fn dropped(
    producer: &Producer,
    job: &Job,
    items: impl Iterator<Item = Item>,
    records: u64,
) -> Result<Tally, Failure> {
    for item in items {
        producer.enqueue(record(job, item)).await?;
    }
    // It fails if any record has: then nobody knows how many, and the job counts for nothing.
    producer.flush().await?;
    Ok(Tally { acked: records, failed: 0 })
}

async fn latency(
    producer: Producer,
    job: Job,
    mut feed: Feed,
    rate: u64,
    records: u64,
    warm_up: u64,
) -> Result<Report, Failure> {
    first(&producer, &job, &mut feed).await?;
    let send = move |item| Ok(block_on(producer.enqueue(record(&job, item)))?);
    let (_, before) = at_rate(rate, feed.clone().take(usize::try_from(warm_up)?), send.clone()).await?;
    let meter = Meter::start()?;
    let (latencies, tally) = at_rate(rate, feed.clone().take(usize::try_from(records)?), send).await?;
    Ok(Report::new(tally, 1 + before.acked, meter.stop()?, &feed).latencies(latencies))
}

#[inline]
fn record(job: &Job, item: Item) -> Record<'_> {
    let record = Record::to(job.topics[item.topic].as_str()).value(item.value);
    match item.key {
        Some(key) => record.key(key),
        None => record,
    }
}
