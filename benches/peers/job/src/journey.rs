//! Records on their way from a producer to a consumer of the same process, and how long that took.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::{Failure, Feed, Job, Latencies, Meter, Report, Tally, Work, paced};

/// Bytes at the front of a value: its number, and when its latency began.
const STAMP: usize = 16;

/// The longest that a job waits for the last of its records.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is sent at a fixed rate, and what has come back.
///
/// The records of the warm-up may be missed by a consumer that begins at the end while they are sent; the others may not.
#[derive(Clone, Debug)]
pub struct Journey {
    epoch: Instant,
    rate: u64,
    warm_up: u64,
    all: u64,
    feed: Feed,
    topic: Arc<str>,
}

/// What a consumer has seen of it.
#[derive(Debug)]
pub struct Arrivals {
    journey: Journey,
    seen: Vec<bool>,
    latencies: Vec<Duration>,
    measured: Option<Meter>,
    doubles: u64,
    limit: Instant,
}

impl Journey {
    /// The job's.
    ///
    /// # Errors
    /// If the job is another one, or its values cannot be read.
    pub fn of(job: &Job) -> Result<Self, Failure> {
        let Work::EndToEnd { rate, records, warm_up } = job.work else { return Err("not a job of both ends".into()) };
        let topic = job.topics.first().ok_or("no topic")?.as_str().into();
        Ok(Self { epoch: Instant::now(), rate, warm_up, all: records + warm_up, feed: Feed::load(job)?, topic })
    }

    /// Sends all records from this thread: `send` is given the topic and a value.
    ///
    /// # Errors
    /// The first one of `send`.
    pub fn send(&self, mut send: impl FnMut(&str, Vec<u8>) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut number = 0_u64;
        paced(self.rate, self.feed.clone().take(usize::try_from(self.all)?), |item, begin| {
            let mut value = item.value.to_vec();
            let begin = u64::try_from(begin.saturating_duration_since(self.epoch).as_nanos())?;
            value[..8].copy_from_slice(&number.to_le_bytes());
            value[8..STAMP].copy_from_slice(&begin.to_le_bytes());
            number += 1;
            send(&self.topic, value)
        })
    }

    /// Nothing has come yet.
    #[must_use]
    pub fn arrivals(&self) -> Arrivals {
        let sending = Duration::from_secs(self.all / self.rate);
        Arrivals {
            journey: self.clone(),
            seen: vec![false; usize::try_from(self.all - self.warm_up).unwrap_or_default()],
            latencies: Vec::new(),
            measured: None,
            doubles: 0,
            limit: Instant::now() + sending + PATIENCE,
        }
    }
}

impl Arrivals {
    /// A record has come.
    ///
    /// # Errors
    /// If it is none of this journey's, or the system does not tell what was used.
    pub fn arrived(&mut self, value: &[u8]) -> Result<(), Failure> {
        let word = |at: usize| Some(u64::from_le_bytes(value.get(at..at + 8)?.try_into().ok()?));
        let (number, begin) = word(0).zip(word(8)).ok_or("a value without a stamp")?;
        let now = self.journey.epoch.elapsed();
        let Some(index) = number.checked_sub(self.journey.warm_up) else { return Ok(()) };
        if self.measured.is_none() {
            self.measured = Some(Meter::start()?);
        }
        let seen = self.seen.get_mut(usize::try_from(index)?).ok_or("a record of another journey")?;
        if std::mem::replace(seen, true) {
            self.doubles += 1;
        } else {
            self.latencies.push(now.saturating_sub(Duration::from_nanos(begin)));
        }
        Ok(())
    }

    /// Whether there are more to come.
    ///
    /// # Errors
    /// If they ought to have been here long ago.
    pub fn go_on(&self) -> Result<bool, Failure> {
        if Instant::now() > self.limit {
            return Err(format!("{} of {} records came", self.latencies.len(), self.seen.len()).into());
        }
        Ok(self.latencies.len() < self.seen.len())
    }

    /// What the measured part took.
    ///
    /// # Errors
    /// If a record came twice, or none came.
    pub fn report(self) -> Result<Report, Failure> {
        if self.doubles > 0 {
            return Err(format!("{} records came twice", self.doubles).into());
        }
        let cost = self.measured.ok_or("nothing came")?.stop()?;
        let tally = Tally { acked: self.latencies.len() as u64, failed: 0 };
        Ok(Report::new(tally, self.journey.warm_up, cost, &self.journey.feed)
            .latencies(self.latencies.into_iter().collect::<Latencies>()))
    }
}
