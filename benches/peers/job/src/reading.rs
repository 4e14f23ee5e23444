//! Counts what a consumer is handed, and measures it.

use std::time::{Duration, Instant};

use crate::{Failure, Job, Meter, Report, Tally, Work};

/// The most records of one poll, where a client has such a limit.
pub const POLL_RECORDS: i32 = 50_000;

/// Counts records from the start of the job on, and measures those behind the warm-up.
///
/// Every value is touched: a client that hands out what it has not decoded yet has to do so.
#[derive(Debug)]
pub struct Reading {
    began: Instant,
    warm_up: u64,
    all: u64,
    read: u64,
    touched: u64,
    first: Option<Duration>,
    measured: Option<(Meter, u64)>,
}

impl Reading {
    /// Starts, before the client does.
    ///
    /// # Errors
    /// If the job is not one of reading.
    pub fn start(job: &Job) -> Result<Self, Failure> {
        let Work::Consume { records, warm_up } = job.work else { return Err("not a job of reading".into()) };
        let all = records + warm_up;
        Ok(Self { began: Instant::now(), warm_up, all, read: 0, touched: 0, first: None, measured: None })
    }

    /// Takes note of one record.
    #[inline]
    pub fn touch(&mut self, value: &[u8]) {
        self.read += 1;
        let ends = [value.first(), value.last()].map(|byte| byte.map_or(0, |byte| u64::from(*byte)));
        self.touched = self.touched.wrapping_add(ends[0] + ends[1]);
    }

    /// A poll is over. True if there is more to read.
    ///
    /// # Errors
    /// If the system does not tell what was used.
    pub fn goes_on(&mut self) -> Result<bool, Failure> {
        if self.read > 0 && self.first.is_none() {
            self.first = Some(self.began.elapsed());
        }
        if self.read >= self.warm_up && self.measured.is_none() {
            self.measured = Some((Meter::start()?, self.read));
        }
        Ok(self.read < self.all)
    }

    /// What the measured part took.
    ///
    /// # Errors
    /// If nothing was measured.
    pub fn report(self) -> Result<Report, Failure> {
        let (meter, before) = self.measured.ok_or("nothing was read")?;
        let cost = meter.stop()?;
        std::hint::black_box(self.touched);
        let tally = Tally { acked: self.read - before, failed: 0 };
        Ok(Report::read(tally, before, cost, self.first.unwrap_or_default()))
    }
}
