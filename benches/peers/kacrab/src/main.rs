//! The jobs by kacrab, on the runtime on which it costs least.

mod reading;

use std::sync::Arc;

use bytes::Bytes;
use kacrab::producer::{Producer, ProducerError, ProducerRecord, SendFuture};
use peer_job::{Failure, Feed, Item, Job, Meter, Report, Tally, Window, Work, at_rate, share};
use tokio::runtime::Builder;

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
    let producer = Producer::builder()
        .set("bootstrap.servers", job.bootstrap.as_str())
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("compression.type", job.compression.name())
        .set("linger.ms", job.linger.as_millis().to_string())
        .set("batch.size", job.batch_bytes.to_string())
        .set("buffer.memory", job.buffer_bytes.to_string())
        .build()
        .await?;
    let client = Client { producer, topics: job.topics.iter().map(|topic| topic.as_str().into()).collect() };
    match job.work {
        Work::EndToEnd { .. } => reading::end_to_end(&job, client).await,
        Work::Consume { .. } | Work::OneEach | Work::Rebalance => Err("not a job of this client".into()),
        Work::Produce { records, warm_up } => produce(&client, &job, feed, records, warm_up).await,
        Work::Latency { rate, records, warm_up } => latency(client, &job, feed, rate, records, warm_up).await,
    }
}

pub(crate) struct Client {
    pub(crate) producer: Producer,
    pub(crate) topics: Vec<Arc<str>>,
}

impl Client {
    #[inline]
    fn send(&self, item: Item) -> Result<SendFuture, ProducerError> {
        let record = ProducerRecord::topic_value(self.topics[item.topic].clone(), Bytes::from_static(item.value));
        self.producer.send(match item.key {
            Some(key) => record.key(Bytes::from_static(key)),
            None => record,
        })
    }
}

async fn produce(client: &Client, job: &Job, mut feed: Feed, records: u64, warm_up: u64) -> Result<Report, Failure> {
    let first = send_all(client, job, &mut feed, 1).await?;
    let before = send_all(client, job, &mut feed, warm_up).await?;
    let meter = Meter::start()?;
    let tally = send_all(client, job, &mut feed, records).await?;
    Ok(Report::new(tally, first.acked + before.acked, meter.stop()?, &feed))
}

async fn send_all(client: &Client, job: &Job, feed: &mut Feed, records: u64) -> Result<Tally, Failure> {
    let mut window = Window::new(job);
    for (number, item) in feed.take(usize::try_from(records)?).enumerate() {
        let delivery = loop {
            match client.send(item) {
                // Its buffer is full.
                Err(ProducerError::Backpressure) => window.settle_oldest().await,
                sent => break sent?,
            }
        };
        window.push(delivery).await;
        if number % 1024 == 0 {
            // The client's own tasks run in this thread.
            tokio::task::yield_now().await;
        }
    }
    Ok(window.finish().await)
}

async fn latency(
    client: Client,
    job: &Job,
    mut feed: Feed,
    rate: u64,
    records: u64,
    warm_up: u64,
) -> Result<Report, Failure> {
    let first = send_all(&client, job, &mut feed, 1).await?;
    let client = Arc::new(client);
    let send = move |item| {
        let client = client.clone();
        // Not in the thread that calls this: sent from another thread than the one that dispatches, a record now and then
        // has its delivery dropped.
        Ok(async move { client.send(item)?.await })
    };
    let (_, before) = at_rate(rate, feed.clone().take(usize::try_from(warm_up)?), send.clone()).await?;
    let meter = Meter::start()?;
    let (latencies, tally) = at_rate(rate, feed.clone().take(usize::try_from(records)?), send).await?;
    Ok(Report::new(tally, first.acked + before.acked, meter.stop()?, &feed).latencies(latencies))
}
