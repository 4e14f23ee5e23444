//! The jobs by Ottla. The results of producing are taken in three ways.

use std::time::Duration;

use futures::executor::block_on;
use ottla::{Consumer, Producer, Record, TopicPartition};
use peer_job::{
    Deliveries, Failure, Feed, Item, Job, Journey, Meter, POLL_RECORDS, Reading, Report, Tally, Window, Work, at_rate,
};

/// Does the job in this program's arguments, and prints what it cost.
///
/// # Errors
/// If the job cannot be done.
pub fn run() -> Result<(), Failure> {
    let job = Job::from_args()?;
    match job.work {
        Work::Consume { .. } => block_on(consume(&job)),
        Work::EndToEnd { .. } => block_on(end_to_end(&job)),
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

async fn consume(job: &Job) -> Result<Report, Failure> {
    let mut reading = Reading::start(job)?;
    let consumer = Consumer::builder(&job.bootstrap)
        .set("auto.offset.reset", "earliest")
        .set("group.id", job.group.as_deref().unwrap_or_default())
        .set("max.poll.records", POLL_RECORDS.to_string())
        .build()?;
    match job.group {
        Some(_) => consumer.subscribe(&job.topics).await?,
        None => consumer.assign(job.topics.iter().flat_map(|topic| of(topic, job.partitions))).await?,
    }
    while reading.goes_on()? {
        for record in &consumer.poll(Duration::from_secs(1)).await? {
            reading.touch(record.value().unwrap_or_default());
        }
    }
    reading.report()
}

async fn end_to_end(job: &Job) -> Result<Report, Failure> {
    let (journey, producer) = (Journey::of(job)?, writer(job)?);
    let consumer = Consumer::builder(&job.bootstrap).set("auto.offset.reset", "latest").build()?;
    consumer.assign(job.topics.iter().flat_map(|topic| of(topic, job.partitions))).await?;
    let mut arrivals = journey.arrivals();
    let sender = std::thread::spawn(move || {
        journey.send(|topic, value| {
            drop(block_on(producer.enqueue(Record::to(topic).value(value)))?);
            Ok(())
        })?;
        Ok::<_, Failure>(block_on(producer.flush())?)
    });
    while arrivals.go_on()? {
        for record in &consumer.poll(Duration::from_secs(1)).await? {
            arrivals.arrived(record.value().unwrap_or_default())?;
        }
    }
    sender.join().map_err(|_| "the sending thread panicked")??;
    arrivals.report()
}

fn of(topic: &str, partitions: u16) -> impl Iterator<Item = TopicPartition> {
    (0..partitions).map(move |partition| TopicPartition::new(topic, partition.into()))
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
