//! `ottla consume`: records into lines.
//!
//! ```text
//! start ─► poll ─► print ─► flush ─► poll …      a poll says that what came before is done with: it is written by then
//! ```
#![expect(clippy::disallowed_methods, reason = "driver: measures how long nothing came")]

mod end;
mod print;
mod start;

use std::collections::BTreeSet;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, ProgressBar};
use ottla::{Consumer, Records};
use tokio::time::Instant;

use crate::failure::Failure;
use crate::output;
use crate::progress;
use crate::settings::Settings;
use crate::stop::Stop;
use end::End;
use print::Print;
use start::Start;

/// Bytes gathered before they are written.
const BUFFER: usize = 256 * 1024;

/// How long committing and leaving the group may take at the end.
const GRACE: Duration = Duration::from_secs(10);

/// How long one poll waits; with --exit-at-end, shorter.
const WAIT: Duration = Duration::from_secs(1);
const SHORT_WAIT: Duration = Duration::from_millis(100);

/// What differs from the client's own defaults: more records at once, no topic created by a slip of the pen, and an
/// answer in the time that people wait for one.
const DEFAULTS: &[(&str, &str)] =
    &[("allow.auto.create.topics", "false"), ("default.api.timeout.ms", "10000"), ("max.poll.records", "5000")];

/// Prints the records of topics.
///
/// Without a group it reads all partitions, from now on unless told otherwise. With -g it is one of the group's members,
/// and goes on where the group is; what was written to stdout is committed, when it ends and every
/// `auto.commit.interval.ms` (unless `enable.auto.commit=false`).
///
/// In text, a record is its value and a line's end; --key-separator and --headers print what `ottla produce` reads with
/// the same options. In JSON it is a line with topic, partition, offset, timestamp, key, value and headers; bytes that
/// are not UTF-8 stand in base64 in `key_base64` and `value_base64`.
///
/// Ends by Ctrl-C, or as the options say; it then commits and leaves the group.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The topics to read; the option may be repeated.
    #[arg(short, long = "topic", required = true, value_name = "TOPIC", value_delimiter = ',')]
    topics: Vec<String>,

    /// The group to be a member of; the property `group.id`.
    #[arg(short, long, conflicts_with_all = ["partitions", "offset", "from_time"])]
    group: Option<String>,

    /// Starts at the first record: of a group, where it has committed nothing.
    #[arg(long, conflicts_with_all = ["offset", "from_time"])]
    from_beginning: bool,

    /// Reads these partitions alone; the option may be repeated.
    #[arg(short, long = "partition", value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(i32).range(0..))]
    partitions: Vec<i32>,

    /// Starts at this offset in each partition: a number, `earliest`, `latest`, or -N for the last N records.
    #[arg(short, long, allow_hyphen_values = true, value_parser = Start::parse)]
    offset: Option<Start>,

    /// Starts at the first record of this time or later in each partition: RFC 3339, such as `2026-11-26T18:30:00Z`, or
    /// milliseconds since 1970. Where there is none, at the end.
    #[arg(long, value_name = "TIME", conflicts_with = "offset", value_parser = start::time)]
    from_time: Option<i64>,

    /// Ends after so many records.
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_messages: Option<u64>,

    /// Ends once all was read that was there when its partitions became known.
    #[arg(short, long)]
    exit_at_end: bool,

    /// Ends when nothing came for so long, such as `10s` or `500ms`.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,

    /// How records are printed; --json is the same as `--format json`.
    #[arg(long, value_enum)]
    format: Option<print::Format>,

    /// Prints keys as well, with this between key and value; `\t`, `\0`, `\\` and `\xHH` are understood.
    #[arg(short, long, value_name = "SEPARATOR")]
    key_separator: Option<String>,

    /// Prints headers as well, before the key: `name:value,name:value` and a tab.
    #[arg(long)]
    headers: bool,

    /// What is printed for null.
    #[arg(long, value_name = "TEXT", default_value = "null")]
    null_value: String,
}

pub(crate) async fn run(args: Box<Args>, settings: &Settings, stop: Stop, json: bool) -> Result<(), Failure> {
    let print = Print::new(&args, json)?;
    let consumer = settings.consumer(DEFAULTS, &options(&args, settings))?.build()?;
    // A bar and records on one terminal would destroy each other.
    let bar = if io::stdout().is_terminal() { ProgressBar::hidden() } else { progress::start(None) };
    let mut reading = Reading {
        consumer: &consumer,
        out: BufWriter::with_capacity(BUFFER, io::stdout().lock()),
        print,
        end: args.exit_at_end.then(End::default),
        left: args.max_messages,
        timeout: args.timeout,
        records: 0,
        bytes: 0,
        bar: bar.clone(),
    };
    let begun = tokio::select! {
        biased;
        () = stop.asked() => Ok(false),
        begun = start::begin(&consumer, &args, settings.value("group.id").is_some()) => begun.map(|()| true),
    };
    let ended = match begun {
        Ok(true) => reading.read(&stop).await,
        Ok(false) => Ok(()),
        Err(failure) => Err(failure),
    };
    // Whatever came of it, the group is told.
    let closed = consumer.close(GRACE).await;
    bar.finish_and_clear();
    if !bar.is_hidden() {
        output::note(format_args!("{} records, {}", HumanCount(reading.records), HumanBytes(reading.bytes)));
    }
    ended.and(closed.map_err(Failure::from))
}

/// The properties that the options stand for.
fn options(args: &Args, settings: &Settings) -> Vec<(&'static str, String)> {
    let mut options = Vec::new();
    options.extend(args.group.clone().map(|group| ("group.id", group)));
    if args.from_beginning {
        options.push(("auto.offset.reset", "earliest".to_owned()));
    }
    // More than are wanted need not be taken.
    let poll: u64 = settings.value("max.poll.records").and_then(|value| value.parse().ok()).unwrap_or(5_000);
    options.extend(args.max_messages.filter(|max| *max < poll).map(|max| ("max.poll.records", max.to_string())));
    options
}

/// Records on their way to stdout.
struct Reading<'a> {
    consumer: &'a Consumer,
    out: BufWriter<StdoutLock<'static>>,
    print: Print,
    end: Option<End>,
    /// Records still wanted, if that is bounded.
    left: Option<u64>,
    timeout: Option<Duration>,
    records: u64,
    bytes: u64,
    bar: ProgressBar,
}

impl Reading<'_> {
    async fn read(&mut self, stop: &Stop) -> Result<(), Failure> {
        let mut last = Instant::now();
        loop {
            let at_end = async {
                match &mut self.end {
                    Some(end) => end.is_reached(self.consumer).await,
                    None => Ok(false),
                }
            };
            let at_end = tokio::select! {
                biased;
                () = stop.asked() => return Ok(()),
                at_end = at_end => at_end?,
            };
            if at_end || self.left == Some(0) {
                return Ok(());
            }
            let mut wait = if self.end.is_some() { SHORT_WAIT } else { WAIT };
            if let Some(timeout) = self.timeout {
                let Some(left) = timeout.checked_sub(last.elapsed()).filter(|left| !left.is_zero()) else {
                    return Ok(());
                };
                wait = wait.min(left);
            }
            let polled = tokio::select! {
                biased;
                () = stop.asked() => return Ok(()),
                polled = self.consumer.poll(wait) => polled,
            };
            match polled {
                Ok(records) => {
                    if !records.is_empty() {
                        last = Instant::now();
                        self.write(&records).await?;
                    } else if let Some(end) = &mut self.end {
                        end.nothing_came();
                    }
                    if let Some(end) = &mut self.end {
                        end.saw(&records);
                    }
                }
                // It says so once, and goes on trying.
                Err(error) if error.is_retriable() => tracing::warn!("{error}"),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Writes records down to the last byte: the next poll says that they are done with.
    async fn write(&mut self, records: &Records) -> Result<(), Failure> {
        let mut written = 0;
        let mut result = Ok(());
        for record in records {
            if self.left == Some(0) {
                break;
            }
            result = self.print.record(&mut self.out, &record);
            if result.is_err() {
                break;
            }
            self.left = self.left.map(|left| left - 1);
            self.bytes += record.value().map_or(0, <[u8]>::len) as u64;
            written += 1;
        }
        if result.is_ok() {
            result = self.out.flush();
        }
        if result.is_err() {
            // Nobody knows how much of it was read.
            written = 0;
        }
        self.records += written as u64;
        if written < records.len() {
            self.hand_back(records, written).await;
        }
        self.bar.set_position(self.bytes);
        self.bar.set_message(format!("{} records", HumanCount(self.records)));
        Ok(result?)
    }

    /// Goes back to the first record of each partition that was not written: it will not be committed.
    async fn hand_back(&self, records: &Records, written: usize) {
        let mut seen = BTreeSet::new();
        for record in records.iter().skip(written) {
            if seen.insert(record.topic_partition()) {
                // A partition that was given to another member meanwhile is not ours to commit.
                let _ = self.consumer.seek(record.topic_partition(), record.offset()).await;
            }
        }
    }
}
