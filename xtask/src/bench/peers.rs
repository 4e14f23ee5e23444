//! `cargo xtask bench peers`: the same jobs through Ottla and other clients, interleaved in one run.
//!
//! ```text
//! rows.rs     the jobs         build.rs    the clients' programs, and their versions
//! clients.rs  who does them    brokers.rs  what they produce to, and how much of it arrived
//! job.rs      runs one         tables.rs   medians, ratios to rdkafka, Markdown
//! ```
//!
//! The programs are in `benches/peers/`, whose README says which settings they have and why.
#![expect(clippy::disallowed_methods, reason = "driver: names its files after the time")]

mod brokers;
mod build;
mod clients;
mod job;
mod rows;
mod tables;

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use serde_json::json;

use self::brokers::Broker;
use self::build::Built;
use self::clients::{CLIENTS, Client};
use self::job::Outcome;
use self::rows::{ROWS, Row};
use self::tables::Table;
use crate::command::{cargo, run as run_command};

#[derive(Args, Debug)]
pub(crate) struct Peers {
    /// Only 100 B uncompressed, written and read, with fewer records, and one line per client: its CPU time by rdkafka's first.
    #[arg(long)]
    quick: bool,
    /// A scenario, such as "100 B lz4"; may be repeated. All if left out.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Clients, such as ottla,rdkafka or ottla-dropped. All if left out.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    clients: Vec<String>,
    /// How often each client does each job; the medians count.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// What to produce to: one broker of Apache Kafka, Ottla's embedded broker that discards, or one after the other.
    #[arg(long, value_enum, default_value_t = Which::Both)]
    broker: Which,
    /// Records of each job that is not of latency, instead of the scenario's own number.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    records: Option<u64>,
    /// Tests what the jobs share and compiles Ottla's; measures nothing.
    #[arg(long)]
    check: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    Both,
    Embedded,
    Real,
}

/// What one client did in one row on one broker.
struct Measured<'a> {
    client: &'a Client,
    outcomes: Vec<Outcome>,
}

/// Runs the chore.
///
/// # Errors
/// If a name is unknown, a broker cannot be started, or a job of Ottla or rdkafka failed. Another client's failure is a
/// line in the output.
pub(crate) fn run(peers: &Peers) -> Result<()> {
    if peers.check {
        return check();
    }
    let (rows, clients) = (peers.rows()?, peers.clients()?);
    let built = Built::all(&clients)?;
    let mut notes = Notes::begin()?;
    notes.say(&format!("{}\n", machine(&built)?))?;

    let mut table = Table::new(&rows, &built);
    for which in [Which::Real, Which::Embedded] {
        if peers.broker != Which::Both && peers.broker != which {
            continue;
        }
        let mut broker = match which {
            Which::Real => Broker::real()?,
            _ => Broker::embedded(),
        };
        for (number, row) in rows.iter().enumerate() {
            if !broker.takes(row) {
                continue;
            }
            let measured = measure(peers, row, number, &clients, &mut broker, &built, &mut notes)?;
            if !peers.quick {
                notes.say(&table.row(row, broker.name(), &measured))?;
            }
            table.add(number, broker.name(), measured);
        }
        broker.stop()?;
    }
    notes.say(&if peers.quick { table.lines() } else { table.summary() })?;
    println!("{}", notes.whereabouts());
    let failed = table.failed();
    ensure!(failed.is_empty(), "what everything else is compared with failed: {}", failed.join(", "));
    Ok(())
}

impl Peers {
    fn rows(&self) -> Result<Vec<Row>> {
        let mut rows: Vec<Row> = ROWS.to_vec();
        if self.quick {
            rows.retain(|row| rows::QUICK.contains(&row.name));
        }
        if !self.only.is_empty() {
            rows.retain(|row| self.only.iter().any(|only| only == row.name));
            let unknown = self.only.iter().find(|only| ROWS.iter().all(|row| row.name != only.as_str()));
            if unknown.is_some() || rows.is_empty() {
                bail!("the scenarios are\n{}", ROWS.map(|row| row.name).join("\n"));
            }
        }
        for row in &mut rows {
            if self.quick {
                row.shorten(3);
            }
            if let Some(records) = self.records.filter(|_| row.has_any_length()) {
                row.records = records;
                row.warm_up = records / 3;
            }
        }
        Ok(rows)
    }

    fn clients(&self) -> Result<Vec<&'static Client>> {
        let mut clients: Vec<_> = CLIENTS.iter().collect();
        if !self.clients.is_empty() {
            let unknown = self.clients.iter().find(|name| CLIENTS.iter().all(|client| !client.is_called(name)));
            if let Some(unknown) = unknown {
                let names: Vec<_> = CLIENTS.iter().map(|client| client.name).collect();
                bail!("there is no client {unknown}: they are {}", names.join(", "));
            }
            clients.retain(|client| self.clients.iter().any(|name| client.is_called(name)));
        }
        Ok(clients)
    }
}

/// Every client does the row's job once, then every one again, each time another one first.
fn measure<'a>(
    peers: &Peers,
    row: &Row,
    number: usize,
    clients: &[&'a Client],
    broker: &mut Broker,
    built: &Built,
    notes: &mut Notes,
) -> Result<Vec<Measured<'a>>> {
    broker.prepare(row, number)?;
    if row.is_of_reading() || row.is_of_rebalancing() {
        job::fill(row, broker, built)?;
    }
    let mut measured: Vec<_> = clients
        .iter()
        .filter(|client| client.has_part_in(row))
        .map(|client| Measured { client, outcomes: Vec::new() })
        .collect();
    let count = measured.len();
    for repetition in 0..peers.repeat {
        for turn in 0..count {
            let Measured { client, outcomes } = &mut measured[(turn + repetition as usize) % count];
            if built.problem(client).is_some() || client.excused(row).is_some() {
                continue;
            }
            let outcome = job::run(client, row, broker, built)?;
            eprintln!(
                "{}, {}, {}/{}: {} {}",
                row.name,
                broker.name(),
                repetition + 1,
                peers.repeat,
                client.name,
                tables::brief(&outcome, row)
            );
            notes.keep(&json!({
                "row": row,
                "broker": broker.name(),
                "client": client.name,
                "version": built.version(client),
                "repetition": repetition + 1,
                "load": load(),
                "report": outcome.as_ref().ok(),
                "failure": outcome.as_ref().err(),
            }))?;
            outcomes.push(outcome);
        }
    }
    broker.clear()?;
    Ok(measured)
}

/// Keeps what was measured in files of `target/peers/results/`.
struct Notes {
    runs: File,
    tables: File,
    path: PathBuf,
}

impl Notes {
    fn begin() -> Result<Self> {
        let folder = build::target().join("peers/results");
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let path = folder.join(seconds.to_string());
        Ok(Self {
            runs: File::create(path.with_extension("jsonl"))?,
            tables: File::create(path.with_extension("md"))?,
            path,
        })
    }

    fn keep(&mut self, run: &serde_json::Value) -> Result<()> {
        Ok(writeln!(self.runs, "{run}")?)
    }

    fn say(&mut self, text: &str) -> Result<()> {
        println!("{text}");
        Ok(writeln!(self.tables, "{text}")?)
    }

    fn whereabouts(&self) -> String {
        format!("every run: {0}.jsonl\nthe tables: {0}.md", self.path.display())
    }
}

/// One line on what was measured, and where.
fn machine(built: &Built) -> Result<String> {
    let processor = fs::read_to_string("/proc/cpuinfo")?;
    let model = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, it)| it);
    Ok(format!(
        "{} × {}, load {} at the start. {}.",
        available_parallelism()?,
        model.unwrap_or("an unnamed processor"),
        load(),
        built.versions()
    ))
}

/// The load average of the last minute.
fn load() -> f64 {
    let average = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    average.split(' ').next().and_then(|minute| minute.parse().ok()).unwrap_or_default()
}

fn check() -> Result<()> {
    for words in [&["test", "--package", "peer-job", "--all-features"][..], &["check", "--package", "peer-ottla"]] {
        let mut command = cargo(words);
        command.arg("--target-dir").arg(build::target().join("peers")).current_dir(build::folder());
        run_command(command, |_| {})?;
    }
    Ok(())
}
