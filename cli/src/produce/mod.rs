//! `ottla produce`: lines into records.
//!
//! ```text
//! input (a thread): files ─► blocks of whole lines ─► mod: line ─► record ─► enqueue ─► tally
//! ```
#![expect(clippy::disallowed_methods, reason = "driver: measures how long it took")]

mod blocks;
mod input;
mod json;
mod tally;
mod text;

use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, ProgressBar};
use memchr::memmem::Finder;
use ottla::{Kind, Producer, Record};
use serde::Serialize;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::output;
use crate::progress;
use crate::settings::Settings;
use crate::stop::Stop;
use input::{Input, Reader};
use tally::Tally;
use text::Layout;

/// How long after Ctrl-C what was read is still sent.
const GRACE: Duration = Duration::from_secs(10);

/// How often the last acknowledgements are counted for the terminal.
const LOOK: Duration = Duration::from_millis(100);

/// Sends each line of files, or of stdin, as a record.
///
/// A line is a value. With --key-separator it is `KEY SEPARATOR VALUE`; with --headers it begins with
/// `name:value,name:value` and a tab. Only a line feed ends a line, and the last line needs none. With --format json a
/// line is what `ottla consume --format json` prints, and bytes that are no text, or contain line feeds, pass unharmed.
///
/// Ends with the number of records, the bytes of their lines and the rate on stderr (JSON: on stdout). Exit code 1 if any record was
/// not written. A line that cannot be read ends the command; what came before it is sent. Ctrl-C ends the reading: the
/// whole lines that were read are sent, for 10 seconds at most.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The topic to send to.
    #[arg(short, long)]
    topic: String,

    /// Files to send, in this order; `-` is stdin.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Sends everything to this partition. Without it the key decides.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,

    /// How a line is laid out.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// What stands between key and value; `\t`, `\0`, `\\` and `\xHH` are understood.
    #[arg(short, long, value_name = "SEPARATOR")]
    key_separator: Option<String>,

    /// Lines begin with headers: `name:value,name:value` and a tab.
    #[arg(long)]
    headers: bool,

    /// A key, value or header value that is this text is null.
    #[arg(long, value_name = "TEXT")]
    null_value: Option<String>,

    /// How many replicas must hold a record: `all`, `1` or `0`; the property `acks`.
    #[arg(long, value_name = "ACKS")]
    acks: Option<String>,

    /// `none`, `gzip`, `snappy`, `lz4` or `zstd`; the property `compression.type`.
    #[arg(short = 'z', long, value_name = "CODEC")]
    compression: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

/// How lines become records.
#[derive(Debug)]
enum Lines {
    Json,
    Text(Box<Layout>),
}

/// What it came to.
#[derive(Debug, Serialize)]
struct Summary {
    records: u64,
    bytes: u64,
    failed: u64,
    seconds: f64,
    records_per_second: f64,
    bytes_per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(crate) async fn run(args: Box<Args>, settings: &Settings, stop: Stop, json: bool) -> Result<(), Failure> {
    let lines = args.lines()?;
    let mut options = Vec::new();
    options.extend(args.acks.clone().map(|acks| ("acks", acks)));
    options.extend(args.compression.clone().map(|codec| ("compression.type", codec)));
    let producer = settings.producer(&options)?.build()?;
    let reader = input::start(&args.files)?;

    let start = Instant::now();
    let bar = progress::start(reader.total);
    let mut sender = Sender {
        producer: producer.clone(),
        topic: &args.topic,
        partition: args.partition,
        lines,
        tally: Tally::default(),
        file: "".into(),
        line: 0,
        bar: bar.clone(),
    };
    let mut patience = pin!(async {
        stop.asked().await;
        tokio::time::sleep(GRACE).await;
    });
    let ended = sender.send_all(reader, &stop, patience.as_mut()).await;
    if !matches!(ended, Err(Halt::OutOfPatience)) {
        // The tally knows the errors, record by record.
        let mut flush = pin!(producer.flush());
        loop {
            tokio::select! {
                biased;
                _ = &mut flush => break,
                () = patience.as_mut() => break,
                () = tokio::time::sleep(LOOK) => sender.count(),
            }
        }
    }
    let _ = producer.close(Duration::ZERO).await;
    bar.finish_and_clear();

    let mut tally = sender.tally;
    let first = tally.close();
    let lost = first.map(|first| format!("{} records failed, the first: {first}", HumanCount(tally.failed)));
    let error = match ended {
        Err(Halt::Failed(why)) => Some(lost.map_or_else(|| why.clone(), |lost| format!("{why}; {lost}"))),
        _ => lost,
    };
    let summary = Summary::new(&tally, start.elapsed(), error);
    if json {
        output::json(&summary)?;
    } else {
        output::note(summary.text());
    }
    summary.error.map_or(Ok(()), |error| Err(Failure::Failed(error)))
}

impl Args {
    fn lines(&self) -> Result<Lines, Failure> {
        if self.format == Format::Json {
            if self.key_separator.is_some() || self.headers || self.null_value.is_some() {
                let rule = "--key-separator, --headers and --null-value are of --format text: JSON needs none of them";
                return Err(Failure::usage(rule));
            }
            return Ok(Lines::Json);
        }
        let key_separator = self.key_separator.as_deref().map(separator).transpose()?;
        Ok(Lines::Text(Box::new(Layout {
            key_separator: key_separator.map(|bytes| Finder::new(&bytes).into_owned()),
            headers: self.headers,
            null: self.null_value.clone().map(String::into_bytes),
        })))
    }
}

/// What `--key-separator` says, here and in `ottla consume`.
pub(crate) fn separator(text: &str) -> Result<Vec<u8>, Failure> {
    text::separator(text).map_err(|rule| Failure::usage(format!("--key-separator: {rule}")))
}

/// Why no more lines are sent.
enum Halt {
    Failed(String),
    /// The time after Ctrl-C is over.
    OutOfPatience,
}

struct Sender<'a> {
    producer: Producer,
    topic: &'a str,
    partition: Option<i32>,
    lines: Lines,
    tally: Tally,
    /// Where we are, for messages.
    file: std::sync::Arc<str>,
    line: u64,
    bar: ProgressBar,
}

impl Sender<'_> {
    /// Sends lines until there are no more; after Ctrl-C, those that were read.
    async fn send_all(
        &mut self,
        mut reader: Reader,
        stop: &Stop,
        mut patience: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(), Halt> {
        loop {
            let input = tokio::select! {
                biased;
                () = stop.asked(), if !reader.blocks.is_closed() => {
                    reader.blocks.close();
                    continue;
                }
                input = reader.blocks.recv() => input,
            };
            match input {
                Some(Input::Block { file, bytes }) => {
                    if file != self.file {
                        (self.file, self.line) = (file, 0);
                    }
                    self.send_block(&bytes, patience.as_mut()).await?;
                    self.count();
                    // The reader may have ended before us.
                    let _ = reader.spare.send(bytes);
                }
                Some(Input::Failed(why)) => return Err(Halt::Failed(why)),
                None => return Ok(()),
            }
        }
    }

    async fn send_block(&mut self, block: &[u8], mut patience: Pin<&mut impl Future<Output = ()>>) -> Result<(), Halt> {
        for line in blocks::lines(block) {
            self.line += 1;
            let mut record = Record::to(self.topic);
            if let Some(partition) = self.partition {
                record = record.partition(partition);
            }
            let read = match &self.lines {
                Lines::Text(layout) => layout.read(line, record),
                Lines::Json => json::read(line, record),
            };
            let record = read.map_err(|problem| Halt::Failed(self.at(problem)))?;
            let bytes = line.len();
            let added = match self.producer.try_enqueue(record) {
                Ok(delivery) => Ok(delivery),
                Err(refused) if refused.error.kind() == Kind::WouldBlock => tokio::select! {
                    biased;
                    added = self.producer.enqueue(refused.record) => added,
                    () = patience.as_mut() => return Err(Halt::OutOfPatience),
                },
                Err(refused) => Err(refused.error),
            };
            match added {
                Ok(delivery) => self.tally.sent(delivery, bytes),
                // The next line may fit.
                Err(error) if error.kind() == Kind::TooLarge => self.tally.refused(self.at(error)),
                Err(error) => return Err(Halt::Failed(self.at(error))),
            }
        }
        Ok(())
    }

    /// Counts what was acknowledged by now.
    fn count(&mut self) {
        self.tally.settle();
        // A line's end is read with it.
        self.bar.set_position(self.tally.bytes + self.tally.records);
        self.bar.set_message(format!("{} records acknowledged", HumanCount(self.tally.records)));
    }

    /// A problem with the line we are at.
    fn at(&self, problem: impl std::fmt::Display) -> String {
        format!("{}:{}: {problem}", self.file, self.line)
    }
}

impl Summary {
    fn new(tally: &Tally, took: Duration, error: Option<String>) -> Self {
        // A clock too coarse for so little must not divide by zero.
        let seconds = took.as_secs_f64().max(1e-6);
        Self {
            records: tally.records,
            bytes: tally.bytes,
            failed: tally.failed,
            seconds,
            records_per_second: tally.records as f64 / seconds,
            bytes_per_second: tally.bytes as f64 / seconds,
            error,
        }
    }

    fn text(&self) -> String {
        format!(
            "{} records, {} in {:.2} s: {} records/s, {}/s",
            HumanCount(self.records),
            HumanBytes(self.bytes),
            self.seconds,
            HumanCount(self.records_per_second as u64),
            HumanBytes(self.bytes_per_second as u64),
        )
    }
}
