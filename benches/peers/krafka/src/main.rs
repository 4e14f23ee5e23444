//! The jobs by krafka, on the runtime on which it costs least.

mod reading;

use std::sync::Arc;

use bytes::Bytes;
use futures::executor::block_on;
use krafka::producer::{Acks, Producer};
use krafka::{Compression, Kafka, Record};
use peer_job::{Failure, Feed, Item, Job, Meter, Report, Tally, Window, Work, at_rate, share};
use tokio::runtime::{Builder, Handle};

fn main() -> Result<(), Failure> {
    let job = Job::from_args()?;
    if job.work == Work::Rebalance {
        return share(&job, reading::member)?.print();
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    if let Work::Consume { .. } = job.work {
        return runtime.block_on(reading::consume(&job))?.print();
    }
    let feed = Feed::load(&job)?;
    runtime.block_on(run(job, feed))?.print()
}

async fn run(job: Job, feed: Feed) -> Result<Report, Failure> {
    let kafka = Kafka::builder(job.bootstrap.clone()).connect().await?;
    let compression = match job.compression {
        peer_job::Compression::Lz4 => Compression::Lz4,
        peer_job::Compression::None => Compression::None,
        peer_job::Compression::Zstd => Compression::Zstd,
    };
    let producer = kafka
        .producer()
        .acks(Acks::All)
        .idempotent(true)
        .compression(compression)
        .linger(job.linger)
        .batch_size(job.batch_bytes)
        .buffer_memory(job.buffer_bytes)
        .build()
        .await?;
    match job.work {
        Work::EndToEnd { .. } => reading::end_to_end(&job, producer).await,
        Work::Consume { .. } | Work::OneEach | Work::Rebalance => Err("not a job of this client".into()),
        Work::Produce { records, warm_up } => produce(&producer, &job, feed, records, warm_up).await,
        Work::Latency { rate, records, warm_up } => {
            latency(Arc::new(producer), job, feed, rate, records, warm_up).await
        }
    }
}

async fn produce(
    producer: &Producer,
    job: &Job,
    mut feed: Feed,
    records: u64,
    warm_up: u64,
) -> Result<Report, Failure> {
    let first = send_all(producer, job, &mut feed, 1).await?;
    let before = send_all(producer, job, &mut feed, warm_up).await?;
    let meter = Meter::start()?;
    let tally = send_all(producer, job, &mut feed, records).await?;
    Ok(Report::new(tally, first.acked + before.acked, meter.stop()?, &feed))
}

async fn send_all(producer: &Producer, job: &Job, feed: &mut Feed, records: u64) -> Result<Tally, Failure> {
    let mut window = Window::new(job);
    for (number, item) in feed.take(usize::try_from(records)?).enumerate() {
        window.push(producer.enqueue(record(job, item)).await?).await;
        if number % 1024 == 0 {
            // The client's own tasks run in this thread.
            tokio::task::yield_now().await;
        }
    }
    Ok(window.finish().await)
}

async fn latency(
    producer: Arc<Producer>,
    job: Job,
    mut feed: Feed,
    rate: u64,
    records: u64,
    warm_up: u64,
) -> Result<Report, Failure> {
    let first = send_all(&producer, &job, &mut feed, 1).await?;
    let runtime = Handle::current();
    let send = move |item| {
        // The client starts tasks.
        let _entered = runtime.enter();
        Ok(block_on(producer.enqueue(record(&job, item)))?)
    };
    let (_, before) = at_rate(rate, feed.clone().take(usize::try_from(warm_up)?), send.clone()).await?;
    let meter = Meter::start()?;
    let (latencies, tally) = at_rate(rate, feed.clone().take(usize::try_from(records)?), send).await?;
    Ok(Report::new(tally, first.acked + before.acked, meter.stop()?, &feed).latencies(latencies))
}

#[inline]
fn record(job: &Job, item: Item) -> Record {
    let record = Record::new(job.topics[item.topic].as_str(), Bytes::from_static(item.value));
    match item.key {
        Some(key) => record.key(Bytes::from_static(key)),
        None => record,
    }
}
