//! A text file through Kafka and back: sent line by line, read by a consumer group, its words counted.
//!
//! ```sh
//! cargo run --release --example quickstart                          # a broker in this process, and this README
//! cargo run --release --example quickstart -- notes.txt             # a file of yours, or `-` for standard input
//! cargo run --release --example quickstart -- -b localhost:9092     # a cluster of yours
//! ```
#![expect(clippy::disallowed_methods, reason = "an example measures how long it took")]

use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, Instant};

use ottla::config::OffsetReset;
use ottla::{Admin, Consumer, NewTopic, Producer, Record};
use ottla_broker::Broker;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
const LINES_PER_PAGE: usize = 10;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (bootstrap, file) = arguments()?;
    let text = if file == "-" { std::io::read_to_string(std::io::stdin())? } else { std::fs::read_to_string(&file)? };

    // Without a cluster, a broker in this process will do.
    let embedded = if bootstrap.is_none() { Some(Broker::start().await) } else { None };
    let bootstrap = bootstrap.or(embedded.as_ref().map(Broker::address)).unwrap_or_default();
    println!("broker     {bootstrap}");

    // A topic of our own, with three partitions.
    let topic = format!("quickstart-{}", std::process::id());
    let admin = Admin::builder(&bootstrap).build()?;
    for (_, created) in admin.create_topics([NewTopic::new(&topic).partitions(3)]).await {
        created?;
    }
    println!("created    topic {topic}, 3 partitions");

    // Each line is a record. Its key is its page: records of one key stay in order, in one partition.
    let producer = Producer::builder(&bootstrap).build()?;
    let (start, mut sent) = (Instant::now(), 0);
    for (number, line) in text.lines().enumerate() {
        let page = number / LINES_PER_PAGE;
        // What `enqueue` gives tells where the record went. Dropped, `flush` tells of any that failed.
        drop(producer.enqueue(Record::to(&topic).key(page.to_string()).value(line)).await?);
        sent += 1;
    }
    producer.flush().await?;
    report("sent", sent, text.len(), start);

    // A member of a group gets its share of the partitions: alone, all three.
    let group = format!("{topic}-readers");
    let consumer =
        Consumer::builder(&bootstrap).group(group.clone()).auto_offset_reset(OffsetReset::Earliest).build()?;
    consumer.subscribe([&topic]).await?;
    let (start, mut read, mut bytes) = (Instant::now(), 0, 0);
    let mut counts: BTreeMap<i32, Counts> = BTreeMap::new();
    while read < sent {
        for record in &consumer.poll(Duration::from_secs(1)).await? {
            let line = record.value().unwrap_or_default();
            counts.entry(record.partition()).or_default().add(&String::from_utf8_lossy(line));
            read += 1;
            bytes += line.len() + 1;
        }
    }
    report("read", read, bytes, start);

    // Whoever joins the group next goes on from here.
    consumer.commit().await?;
    let assignment = consumer.assignment();
    for (partition, committed) in consumer.committed(&assignment).await? {
        let offset = committed.map_or(0, |committed| committed.offset);
        println!("committed  {partition} up to offset {offset}, group {group}");
    }

    println!("\npartition  lines  words  most frequent");
    for (partition, counts) in &counts {
        println!("{partition:>9} {:>6} {:>6}  {}", counts.lines, counts.total(), counts.most_frequent(5));
    }

    consumer.close(Duration::from_secs(5)).await?;
    for (_, deleted) in admin.delete_topics([&topic]).await {
        deleted?;
    }
    Ok(())
}

/// The broker after `-b`, if one is given, and the file to send.
fn arguments() -> Result<(Option<String>, String), String> {
    let (mut bootstrap, mut file) = (None, README.to_owned());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-b" => bootstrap = Some(arguments.next().ok_or("-b needs HOST:PORT")?),
            "-" => file = argument,
            option if option.starts_with('-') => return Err(format!("{option}? quickstart [-b HOST:PORT] [FILE|-]")),
            _ => file = argument,
        }
    }
    Ok((bootstrap, file))
}

fn report(did: &str, records: u64, bytes: usize, start: Instant) {
    let took = start.elapsed();
    let rate = records as f64 / took.as_secs_f64();
    println!("{did:<9}  {records} records, {bytes} bytes in {took:.1?}: {rate:.0} records/s");
}

/// Words and how often they come.
#[derive(Default)]
struct Counts {
    lines: usize,
    words: BTreeMap<String, usize>,
}

impl Counts {
    fn add(&mut self, line: &str) {
        self.lines += 1;
        let words = line.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        for word in words {
            *self.words.entry(word.to_lowercase()).or_default() += 1;
        }
    }

    fn total(&self) -> usize {
        self.words.values().sum()
    }

    fn most_frequent(&self, how_many: usize) -> String {
        let mut words: Vec<_> = self.words.iter().collect();
        words.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        words.iter().take(how_many).map(|(word, count)| format!("{word} ({count})")).collect::<Vec<_>>().join(", ")
    }
}
