//! The jobs by rdkafka: its producer and its consumer with the least between the caller and librdkafka.
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

mod reading;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use peer_job::{Failure, Feed, Item, Job, Latencies, Meter, Report, Tally, Work, paced, share};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext};

/// The longest that a job waits for what is left of it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> Result<(), Failure> {
    let job = Job::from_args()?;
    let feed = || Feed::load(&job);
    match job.work {
        Work::Consume { .. } => reading::consume(&job),
        Work::EndToEnd { .. } => {
            let producer: ThreadedProducer<Counts> = config(&job).create_with_context(Counts::default())?;
            reading::end_to_end(&job, producer)
        }
        Work::OneEach => Err("not a job of this client".into()),
        Work::Rebalance => share(&job, reading::member),
        Work::Produce { records, warm_up } => produce(&job, feed()?, records, warm_up),
        Work::Latency { rate, records, warm_up } => latency(&job, feed()?, rate, records, warm_up),
    }?
    .print()
}

fn config(job: &Job) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &job.bootstrap)
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("compression.type", job.compression.name())
        .set("linger.ms", job.linger.as_millis().to_string())
        .set("batch.size", job.batch_bytes.to_string())
        .set("queue.buffering.max.kbytes", (job.buffer_bytes / 1024).to_string())
        // Bytes limit batches and the buffer, not numbers of records.
        .set("batch.num.messages", "1000000")
        .set("queue.buffering.max.messages", "10000000");
    config
}

/// Counts deliveries, in the thread that polls.
#[derive(Default)]
pub(crate) struct Counts {
    acked: AtomicU64,
    failed: AtomicU64,
}

impl Counts {
    fn settled(&self) -> u64 {
        self.acked.load(Ordering::Relaxed) + self.failed.load(Ordering::Relaxed)
    }

    fn take(&self) -> Tally {
        Tally { acked: self.acked.swap(0, Ordering::Relaxed), failed: self.failed.swap(0, Ordering::Relaxed) }
    }

    fn count(&self, result: &DeliveryResult<'_>) {
        match result {
            Ok(_) => self.acked.fetch_add(1, Ordering::Relaxed),
            Err((error, _)) => {
                let before = self.failed.fetch_add(1, Ordering::Relaxed);
                if before == 0 {
                    eprintln!("failed: {error}");
                }
                before
            }
        };
    }
}

impl ClientContext for Counts {}

impl ProducerContext for Counts {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        self.count(result);
    }
}

fn produce(job: &Job, mut feed: Feed, records: u64, warm_up: u64) -> Result<Report, Failure> {
    let producer: BaseProducer<Counts> = config(job).create_with_context(Counts::default())?;
    let first = send_all(&producer, job, &mut feed, 1)?;
    let before = send_all(&producer, job, &mut feed, warm_up)?;
    let meter = Meter::start()?;
    let tally = send_all(&producer, job, &mut feed, records)?;
    Ok(Report::new(tally, first.acked + before.acked, meter.stop()?, &feed))
}

fn send_all(producer: &BaseProducer<Counts>, job: &Job, feed: &mut Feed, records: u64) -> Result<Tally, Failure> {
    for (number, item) in feed.take(usize::try_from(records)?).enumerate() {
        let mut record = record(job, item, ());
        loop {
            match producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                    record = refused;
                    producer.poll(Duration::from_millis(10));
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
        if number % 1024 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    let counts = producer.context();
    let limit = Instant::now() + PATIENCE;
    while counts.settled() < records {
        if Instant::now() > limit {
            return Err(format!("{} of {records} records settled", counts.settled()).into());
        }
        producer.poll(Duration::from_millis(50));
    }
    Ok(counts.take())
}

/// Notes how long each delivery took.
struct Stopwatch {
    counts: Counts,
    epoch: Instant,
    latencies: Mutex<Vec<Duration>>,
}

impl ClientContext for Stopwatch {}

impl ProducerContext for Stopwatch {
    /// When the record's latency begins, in nanoseconds since the epoch.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, begin: usize) {
        let latency = self.epoch.elapsed().saturating_sub(Duration::from_nanos(begin as u64));
        self.counts.count(result);
        if let Ok(mut latencies) = self.latencies.lock() {
            latencies.push(latency);
        }
    }
}

fn latency(job: &Job, mut feed: Feed, rate: u64, records: u64, warm_up: u64) -> Result<Report, Failure> {
    let context = Stopwatch { counts: Counts::default(), epoch: Instant::now(), latencies: Mutex::default() };
    let producer: ThreadedProducer<Stopwatch> = config(job).create_with_context(context)?;
    let (_, first) = at_rate(&producer, job, &mut feed, rate, 1)?;
    let (_, before) = at_rate(&producer, job, &mut feed, rate, warm_up)?;
    let meter = Meter::start()?;
    let (latencies, tally) = at_rate(&producer, job, &mut feed, rate, records)?;
    Ok(Report::new(tally, first.acked + before.acked, meter.stop()?, &feed).latencies(latencies))
}

fn at_rate(
    producer: &ThreadedProducer<Stopwatch>,
    job: &Job,
    feed: &mut Feed,
    rate: u64,
    records: u64,
) -> Result<(Latencies, Tally), Failure> {
    let context = producer.context();
    paced(rate, feed.take(usize::try_from(records)?), |item, begin| {
        let begin = begin.saturating_duration_since(context.epoch).as_nanos() as usize;
        producer.send(record(job, item, begin)).map_err(|(error, _)| error)
    })?;
    producer.flush(PATIENCE)?;
    let latencies = std::mem::take(&mut *context.latencies.lock().map_err(|_| "the delivery callback panicked")?);
    Ok((latencies.into_iter().collect(), context.counts.take()))
}

#[inline]
fn record<O: rdkafka::util::IntoOpaque>(job: &Job, item: Item, opaque: O) -> BaseRecord<'_, [u8], [u8], O> {
    let record = BaseRecord::with_opaque_to(&job.topics[item.topic], opaque).payload(item.value);
    match item.key {
        Some(key) => record.key(key),
        None => record,
    }
}
