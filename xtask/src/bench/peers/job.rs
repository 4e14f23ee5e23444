//! One job of one client.

use std::fs::{self, File};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use real::until;
use serde::{Deserialize, Serialize};

use super::brokers::Broker;
use super::build::{Built, target};
use super::clients::{CLIENTS, Client};
use super::rows::{Row, Work};

/// The most that waits to be sent or acknowledged, for every client.
const BUFFER_BYTES: u32 = 64 << 20;

/// The longest that a job may take.
const LIMIT: Duration = Duration::from_secs(300);

/// What a job reported; or why it counts for nothing.
pub(super) type Outcome = Result<Report, String>;

/// The line that a job prints.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Report {
    /// Records acknowledged in the measured part.
    pub(super) acked: u64,
    failed: u64,
    /// Records acknowledged in all.
    stored: u64,
    pub(super) seconds: f64,
    pub(super) cpu_seconds: f64,
    peak_rss_bytes: u64,
    feed_bytes: u64,
    pub(super) p50_us: Option<f64>,
    pub(super) p99_us: Option<f64>,
    pub(super) p999_us: Option<f64>,
    /// From the start of a consumer to its first record.
    pub(super) first_ms: Option<f64>,
    /// From the start of a member to the partitions' being shared out.
    pub(super) assigned_ms: Option<f64>,
}

impl Report {
    pub(super) fn records_per_second(&self) -> f64 {
        self.acked as f64 / self.seconds
    }

    pub(super) fn cpu_seconds_per_million(&self) -> f64 {
        self.cpu_seconds / (self.acked as f64 / 1e6)
    }

    /// The largest resident size, less the values that the job keeps ready.
    pub(super) fn rss_mb(&self) -> f64 {
        self.peak_rss_bytes.saturating_sub(self.feed_bytes) as f64 / f64::from(1 << 20)
    }

    /// Whether every record was acknowledged, and is in the broker once: `arrived` of them are.
    fn check(&self, records: u64, arrived: u64) -> Result<(), String> {
        let Self { acked, failed, stored, .. } = self;
        if (*acked, *failed) != (records, 0) {
            return Err(format!("{acked} of {records} records acknowledged, {failed} failed"));
        }
        if arrived != *stored {
            return Err(format!("{stored} records acknowledged, {arrived} of them are in the broker"));
        }
        Ok(())
    }

    /// Whether all that was written was read: `written` records.
    fn check_read(&self, written: u64) -> Result<(), String> {
        match self.stored {
            read if read == written => Ok(()),
            read => Err(format!("{read} records read, {written} are in the broker")),
        }
    }
}

/// Writes what a job will read.
///
/// # Errors
/// If it cannot be written.
pub(super) fn fill(row: &Row, broker: &Broker, built: &Built) -> Result<()> {
    let ottla = CLIENTS.iter().find(|client| client.is_ottla()).context("Ottla is not among the clients")?;
    let work = if row.is_of_rebalancing() { Work::OneEach } else { Work::Produce };
    report(ottla, &Row { work, ..*row }, broker, built).context("fill the topic").map(drop)
}

/// Runs a job to its end.
///
/// # Errors
/// If the broker does not say what arrived. What goes wrong with the job itself is its outcome.
pub(super) fn run(client: &Client, row: &Row, broker: &Broker, built: &Built) -> Result<Outcome> {
    let before = broker.stored()?;
    let report = match report(client, row, broker, built) {
        Ok(report) => report,
        Err(error) => return Ok(Err(format!("{error:#}"))),
    };
    if row.is_of_reading() {
        return Ok(report.check_read(before).map(|()| report));
    }
    if row.is_of_rebalancing() {
        return Ok(Ok(report));
    }
    let arrived = broker.stored()? - before;
    Ok(report.check(row.records, arrived).map(|()| report))
}

fn report(client: &Client, row: &Row, broker: &Broker, built: &Built) -> Result<Report> {
    let folder = target().join("peers/jobs");
    fs::create_dir_all(&folder)?;
    let file = |part: &str| folder.join(format!("{}.{part}", client.name));
    // Files, not pipes: nothing has to be emptied while it runs.
    let mut child = built
        .program(client)
        .args(words(client, row, broker))
        .stdout(File::create(file("out"))?)
        .stderr(File::create(file("err"))?)
        .spawn()
        .context("start it")?;
    let ended = until("the job to end", LIMIT, || Ok(child.try_wait()?));
    if ended.is_err() {
        child.kill()?;
    }
    // What `try_wait` found stays found.
    let status = child.wait()?;
    let (out, err) = (fs::read_to_string(file("out"))?, String::from_utf8_lossy(&fs::read(file("err"))?).into_owned());
    let said = err.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it wrote nothing");
    ended.with_context(|| said.to_owned())?;
    anyhow::ensure!(status.success(), "{status}: {said}");
    let line = out.lines().rev().find(|line| line.starts_with('{')).context("it printed no report")?;
    serde_json::from_str(line).with_context(|| format!("read {line}"))
}

/// The job, as every program is told it.
fn words(client: &Client, row: &Row, broker: &Broker) -> Vec<String> {
    vec![
        format!("bootstrap={}", broker.bootstrap()),
        format!("topic={}", broker.topic()),
        format!("topics={}", row.topics),
        format!("partitions={}", row.partitions),
        format!("values={}", Built::values_file(row.size).display()),
        format!("size={}", row.size),
        format!("keyed={}", row.keyed),
        format!("compression={}", row.compression),
        format!("linger_ms={}", row.linger_ms),
        format!("batch_bytes={}", row.batch_bytes),
        format!("buffer_bytes={BUFFER_BYTES}"),
        format!("deliveries={}", client.deliveries),
        format!("records={}", row.records),
        // Whoever filled the topic wrote one more, to open its connections.
        format!("warm_up={}", row.warm_up + u64::from(row.is_of_reading())),
        format!("rate={}", row.rate),
        format!("work={}", work(row)),
        format!("group={}", group(row)),
        format!("protocol={}", row.protocol),
    ]
}

fn work(row: &Row) -> &'static str {
    match row.work {
        Work::Consume | Work::ConsumeInGroup => "consume",
        Work::EndToEnd => "end-to-end",
        Work::OneEach => "one-each",
        Work::Produce => "produce",
        Work::Rebalance => "rebalance",
    }
}

/// A group that nobody was in before.
fn group(row: &Row) -> String {
    match row.work {
        Work::ConsumeInGroup | Work::Rebalance => format!("bench-{}", NEXT_GROUP.fetch_add(1, Ordering::Relaxed)),
        Work::Consume | Work::EndToEnd | Work::OneEach | Work::Produce => String::new(),
    }
}

static NEXT_GROUP: AtomicU32 = AtomicU32::new(0);

#[cfg(test)]
impl Report {
    /// A report of a million records in a second.
    pub(super) fn of(cpu_seconds: f64) -> Self {
        Self {
            acked: 1_000_000,
            failed: 0,
            stored: 1_000_001,
            seconds: 1.0,
            cpu_seconds,
            peak_rss_bytes: 74 << 20,
            feed_bytes: 32 << 20,
            p50_us: None,
            p99_us: None,
            p999_us: None,
            first_ms: None,
            assigned_ms: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_counts_only_if_everything_arrived_once() {
        let report = Report::of(0.2);
        assert_eq!(report.check(1_000_000, 1_000_001), Ok(()));
        let failed = Report { acked: 999_990, failed: 10, ..report.clone() };
        let why = failed.check(1_000_000, 999_991).unwrap_err();
        assert_eq!(why, "999990 of 1000000 records acknowledged, 10 failed");
        let why = report.check(1_000_000, 1_000_000).unwrap_err();
        assert_eq!(why, "1000001 records acknowledged, 1000000 of them are in the broker");
    }

    #[test]
    fn costs_are_per_million_records_and_without_the_values() {
        let report = Report { acked: 500_000, ..Report::of(0.2) };
        assert!((report.cpu_seconds_per_million() - 0.4).abs() < 1e-9);
        assert!((report.records_per_second() - 500_000.0).abs() < 1e-6);
        assert!((report.rss_mb() - 42.0).abs() < 1e-9);
    }
}
