//! The example `transactional_copy` on a cluster where everything dies: does each record arrive once?
//!
//! ```text
//!  source.rs                                copier.rs: kill -9 or pause, again
//!  numbers, one after another ─► topic ─► transactional_copy ─► topic ─► a reader of committed records
//!                                        brokers.rs: kill -9, again          verdict.rs: each number once?
//! ```
//!
//! After the given time all is mended, and a last run of the copy has to come to its end. Then Java reads both topics.
#![expect(clippy::disallowed_methods, reason = "driver: runs for a given time")]

mod brokers;
mod copier;
mod groups;
mod guest;
mod source;
mod verdict;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::cluster::Cluster;
use crate::options::ClusterOptions;
use crate::program::{binary, built};
use crate::release::VERSION;
use crate::sharing::unique;
use crate::wait::until;
use copier::{Copier, Copies, Lives};
pub use groups::{GroupChaos, GroupProtocol, GroupReport};
use guest::Guest;
use verdict::{Reading, Transactions};

/// The longest that nothing may be committed, whatever died.
const PATIENCE: Duration = Duration::from_secs(70);

/// Time for what is left to be written, copied and read once all is mended.
const REST: Duration = Duration::from_secs(180);

const PARTITIONS: u16 = 6;

/// What to do to the copy, and for how long: by default 200,000 records in 300 s.
#[derive(Clone, Debug)]
#[must_use]
pub struct CopyChaos {
    duration: Duration,
    records: usize,
    seed: u64,
    copies: usize,
    version: String,
    is_optimized: bool,
    is_told: bool,
}

/// What was done, and what came of it.
#[derive(Debug)]
pub struct Report {
    options: CopyChaos,
    brokers_killed: usize,
    copies: Copies,
    transactions: Transactions,
    standstill: Duration,
    readings: Vec<Reading>,
    folder: PathBuf,
}

/// What happens, told as it does or kept for a failure.
struct Events {
    begin: Instant,
    is_told: bool,
    lines: Mutex<Vec<String>>,
}

impl CopyChaos {
    /// Random kills that follow from this seed; when they meet what, does not.
    pub fn seeded(seed: u64) -> Self {
        let duration = Duration::from_secs(300);
        let version = VERSION.to_owned();
        Self { duration, records: 200_000, seed, copies: 1, version, is_optimized: false, is_told: false }
    }

    /// How long things die.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = duration;
        self
    }

    /// Number of records, spread over nine tenths of the time.
    pub fn records(mut self, records: usize) -> Self {
        self.records = records;
        self
    }

    /// Number of copies that share the work; 1 by default.
    pub fn copies(mut self, copies: usize) -> Self {
        self.copies = copies;
        self
    }

    /// Version of Apache Kafka.
    pub fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }

    /// Builds the example as users do, with `--release`.
    pub fn optimized(mut self) -> Self {
        self.is_optimized = true;
        self
    }

    /// Prints each kill.
    pub fn told(mut self) -> Self {
        self.is_told = true;
        self
    }

    /// Does it, on a cluster of three brokers of its own.
    ///
    /// # Errors
    /// If something else fails than what the report is about: a broker that does not start again, say.
    pub fn run(self) -> Result<Report> {
        let release: &[&str] = if self.is_optimized { &["--release"] } else { &[] };
        let path = if self.is_optimized { "release" } else { "debug" };
        let example = [&["--package", "ottla", "--example", "transactional_copy"], release].concat();
        let example = built(&example, &format!("{path}/examples/transactional_copy"))?;

        let cluster = Cluster::start(&ClusterOptions::default().version(&self.version))?;
        let report = self.run_on(&cluster, &example);
        // Whoever asks why finds the logs.
        if !report.as_ref().is_ok_and(Report::is_good) {
            cluster.keep_files()?;
        }
        report.with_context(|| format!("see {}", cluster.folder.display()))
    }

    fn run_on(self, cluster: &Cluster, example: &Path) -> Result<Report> {
        let (from, to) = (cluster.topic("from", PARTITIONS)?, cluster.topic("to", PARTITIONS)?);
        let (example, program) = (guest::admit(cluster, example)?, guest::admit(cluster, binary())?);
        let events = Events { begin: Instant::now(), is_told: self.is_told, lines: Mutex::default() };
        let group = unique("copy");
        let ids: Vec<_> = (0..self.copies).map(|_| unique("copy")).collect();
        // A handful of transactions a second: what was killed is behind for some time, and goes from one to the next.
        let transaction_size = self.records as f32 / self.duration.as_secs_f32() / 4.0 / self.copies as f32;
        let transaction_size = (transaction_size as usize).max(1).to_string();
        let copier = Copier {
            cluster,
            events: &events,
            example: &example,
            from: &from,
            to: &to,
            group: &group,
            transaction_size: &transaction_size,
        };
        let bootstrap = cluster.bootstrap();
        let read = ["consume", "-b", &bootstrap, "-t", &to, "--from-beginning", "-X", "isolation.level=read_committed"];
        let mut reader = Guest::start(cluster, "reader", &program, &read)?;
        let source = Guest::start(cluster, "source", &program, &["produce", "-b", &bootstrap, "-t", &from])?;

        let is_over = AtomicBool::new(false);
        let outcome = thread::scope(|scope| {
            let standstill = scope.spawn(|| standstill(&mut reader, &is_over));
            let outcome = self.kill_and_mend(copier, source, &ids);
            is_over.store(true, Ordering::Relaxed);
            outcome.and_then(|(brokers_killed, copies)| Ok((brokers_killed, copies, joined(standstill)?)))
        });
        let (brokers_killed, copies, standstill) = outcome.with_context(|| events.text())?;

        let expected = self.records;
        let read_live =
            until("the reader to read all", REST, || Ok((reader.output()?.lines().count() >= expected).then_some(())));
        reader.interrupt()?;
        let mut readings = vec![Reading::of("the reader that ran beside it", &reader.output()?, expected)];
        if let Err(error) = read_live {
            events.tell(&format!("{error:#}: {}", reader.complaints()?));
        }
        for (who, topic) in [("Java, of the source", &from), ("Java, of the copy", &to)] {
            readings.push(Reading::of(who, &verdict::read_by_java(cluster, topic)?, expected));
        }
        let mut again = Guest::start(cluster, "again", &program, &[&read[..], &["--exit-at-end"]].concat())?;
        ensure!(again.wait(REST)?.success(), "{}", again.complaints()?);
        readings.push(Reading::of("ottla, of the copy", &again.output()?, expected));

        let transactions = verdict::transactions(cluster, &ids)?;
        fs::write(cluster.folder.join("events"), events.text())?;
        let folder = cluster.folder.clone();
        Ok(Report { options: self, brokers_killed, copies, transactions, standstill, readings, folder })
    }

    /// Lets everything die until the time is over, and the copy come to its end then. Returns how many brokers died.
    fn kill_and_mend(&self, copier: Copier<'_>, source: Guest, ids: &[String]) -> Result<(usize, Copies)> {
        let Copier { cluster, events, .. } = copier;
        let mut random = fastrand::Rng::with_seed(self.seed);
        let end = events.begin + self.duration;
        let mut lives: Vec<_> = ids.iter().map(|id| Lives::of(copier, id)).collect();
        let brokers_killed = thread::scope(|scope| -> Result<_> {
            let writing = scope.spawn(|| source::write(source, self.records, events.begin, self.duration * 9 / 10));
            let chance = random.fork();
            let breaking = scope.spawn(move || brokers::kill(cluster, events, ids, end, chance));
            let mut copying = Vec::new();
            for lives in &mut lives {
                let chance = random.fork();
                copying.push(scope.spawn(move || lives.live_until(end, chance)));
            }
            copying.into_iter().try_for_each(joined)?;
            joined(writing).context("what writes the source")?;
            joined(breaking)
        })?;
        events.tell("all is mended; the last run");
        let limit = self.duration + REST;
        let copies = thread::scope(|scope| -> Result<_> {
            let last: Vec<_> =
                lives.into_iter().map(|lives| scope.spawn(move || lives.come_to_the_end(limit))).collect();
            let mut copies = Copies::default();
            last.into_iter().try_for_each(|last| joined(last).map(|of| copies.add(of)))?;
            Ok(copies)
        })?;
        events.tell("the copy came to its end");
        Ok((brokers_killed, copies))
    }
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Watches what the reader reads until all `is_over`, and returns the longest time without a new record.
fn standstill(reader: &mut Guest, is_over: &AtomicBool) -> Result<Duration> {
    let (mut longest, mut last, mut size) = (Duration::ZERO, Instant::now(), 0);
    while !is_over.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(50));
        let now = fs::metadata(&reader.out)?.len();
        if now > size {
            (size, last) = (now, Instant::now());
        }
        longest = longest.max(last.elapsed());
        if reader.ended()?.is_some() {
            bail!("the reader ended: {}", reader.complaints()?);
        }
    }
    Ok(longest)
}

impl Report {
    /// Whether each record arrived once, no copy gave up, and none stood still for long.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.standstill < PATIENCE && self.copies.gave_up.is_empty() && self.readings.iter().all(Reading::is_good)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CopyChaos { duration, records, seed, copies, version, .. } = &self.options;
        writeln!(f, "{records} records in {} s, copies: {copies}, Kafka {version}, seed {seed}", duration.as_secs())?;
        writeln!(f, "brokers killed: {}", self.brokers_killed)?;
        writeln!(f, "{}", self.copies)?;
        writeln!(f, "{}", self.transactions)?;
        writeln!(f, "longest time without a committed record: {:.1} s", self.standstill.as_secs_f32())?;
        for reading in &self.readings {
            writeln!(f, "{reading}")?;
        }
        if self.is_good() {
            write!(f, "GOOD: each record exactly once")
        } else {
            write!(f, "BAD: see {}", self.folder.display())
        }
    }
}

impl Events {
    fn tell(&self, what: &str) {
        let line = format!("{:>6.1} s  {what}", self.begin.elapsed().as_secs_f32());
        if self.is_told {
            eprintln!("{line}");
        }
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn text(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }
}
