//! The line that a job prints when it is done.

use std::fmt::Write as _;
use std::time::Duration;

use crate::meter::peak_rss_bytes;
use crate::{Cost, Failure, Feed, Latencies, Tally};

/// What came out of a job.
#[derive(Debug)]
pub struct Report {
    tally: Tally,
    stored: u64,
    cost: Cost,
    feed_bytes: usize,
    latencies: Option<Latencies>,
    first: Option<Duration>,
    assigned: Option<Duration>,
}

impl Report {
    /// A report of the measured part. `before` is the number of records that were acknowledged before it.
    #[must_use]
    pub fn new(tally: Tally, before: u64, cost: Cost, feed: &Feed) -> Self {
        Self {
            tally,
            stored: before + tally.acked,
            cost,
            feed_bytes: feed.bytes(),
            latencies: None,
            first: None,
            assigned: None,
        }
    }

    /// A report of what was read. The first record came `first` after the start of the client.
    #[must_use]
    pub fn read(tally: Tally, before: u64, cost: Cost, first: Duration) -> Self {
        Self {
            tally,
            stored: before + tally.acked,
            cost,
            feed_bytes: 0,
            latencies: None,
            first: Some(first),
            assigned: None,
        }
    }

    /// A report of partitions that were shared out. The members owned what they were to `assigned` after the start of
    /// the second.
    #[must_use]
    pub fn shared(partitions: u64, cost: Cost, assigned: Duration) -> Self {
        let tally = Tally { acked: partitions, failed: 0 };
        let stored = partitions;
        Self { tally, stored, cost, feed_bytes: 0, latencies: None, first: None, assigned: Some(assigned) }
    }

    /// Adds how long acknowledgements took.
    #[must_use]
    pub fn latencies(mut self, latencies: Latencies) -> Self {
        self.latencies = Some(latencies);
        self
    }

    /// Prints it.
    ///
    /// # Errors
    /// If the system does not tell how much memory was used.
    pub fn print(&self) -> Result<(), Failure> {
        println!("{}", self.line(peak_rss_bytes()?));
        Ok(())
    }

    fn line(&self, peak_rss_bytes: u64) -> String {
        let Self { tally, stored, cost, feed_bytes, latencies, first, assigned } = self;
        let mut line = format!(
            r#"{{"acked":{},"failed":{},"stored":{stored},"seconds":{:.6},"cpu_seconds":{:.6},"peak_rss_bytes":{},"feed_bytes":{feed_bytes}"#,
            tally.acked, tally.failed, cost.seconds, cost.cpu_seconds, peak_rss_bytes
        );
        if let Some(latencies) = latencies {
            let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|part| latencies.percentile(part).as_secs_f64() * 1e6);
            let _ = write!(line, r#","p50_us":{p50:.1},"p99_us":{p99:.1},"p999_us":{p999:.1}"#);
        }
        if let Some(first) = first {
            let _ = write!(line, r#","first_ms":{:.1}"#, first.as_secs_f64() * 1e3);
        }
        if let Some(assigned) = assigned {
            let _ = write!(line, r#","assigned_ms":{:.1}"#, assigned.as_secs_f64() * 1e3);
        }
        line.push('}');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_line_of_json() {
        let report = Report {
            tally: Tally { acked: 3, failed: 1 },
            stored: 5,
            cost: Cost { seconds: 0.5, cpu_seconds: 0.25 },
            feed_bytes: 100,
            latencies: None,
            first: None,
            assigned: None,
        };
        let line = r#"{"acked":3,"failed":1,"stored":5,"seconds":0.500000,"cpu_seconds":0.250000,"peak_rss_bytes":4096,"feed_bytes":100"#;
        assert_eq!(report.line(4096), format!("{line}}}"));

        let report = report.latencies([Duration::from_micros(20), Duration::from_micros(10)].into_iter().collect());
        assert_eq!(report.line(4096), format!(r#"{line},"p50_us":10.0,"p99_us":20.0,"p999_us":20.0}}"#));

        let report = Report { latencies: None, first: Some(Duration::from_millis(7)), ..report };
        assert_eq!(report.line(4096), format!(r#"{line},"first_ms":7.0}}"#));

        let report = Report { first: None, assigned: Some(Duration::from_millis(9)), ..report };
        assert_eq!(report.line(4096), format!(r#"{line},"assigned_ms":9.0}}"#));
    }
}
