//! A member of a group that writes down what it reads before it commits, and a source of what there is to read.
//!
//! ```text
//! group_member read  BOOTSTRAP TOPIC GROUP FILE [PROPERTY=VALUE …] [--commit-first]
//! group_member write BOOTSTRAP TOPIC PARTITIONS FILE RECORDS_PER_SECOND
//! ```
//!
//! Both end in good order at the end of their standard input. Lines of a reader: `R partition offset number time generation`
//! for each record, then `C time` once all before it is committed, `F time` if that failed. Lines of a writer, for each
//! record that was acknowledged: `partition offset number time`. Times are in milliseconds since 1970.
#![expect(clippy::disallowed_methods, reason = "driver: a program of its own")]

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ottla::{Consumer, Producer, Record};
use tokio::sync::{mpsc, watch};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let texts: Vec<_> = arguments.iter().map(String::as_str).collect();
    match texts.as_slice() {
        ["read", bootstrap, topic, group, file, settings @ ..] => read(bootstrap, topic, group, file, settings).await,
        ["write", bootstrap, topic, partitions, file, rate] => {
            write(bootstrap, topic, partitions.parse()?, file, rate.parse()?).await
        }
        _ => {
            Err("read BOOTSTRAP TOPIC GROUP FILE [PROPERTY=VALUE …], or write BOOTSTRAP TOPIC PARTITIONS FILE RATE"
                .into())
        }
    }
}

/// True once standard input has ended.
fn end() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    std::thread::spawn(move || {
        // An error is an end too.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        sender.send_replace(true);
    });
    receiver
}

fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
}

async fn read(bootstrap: &str, topic: &str, group: &str, file: &str, settings: &[&str]) -> Result<()> {
    let end = end();
    let mut file = File::create(file)?;
    // What a consumer must not do: a record that it dies with is committed already.
    let commits_first = settings.contains(&"--commit-first");
    let settings = settings.iter().filter_map(|setting| setting.split_once('='));
    let consumer = Consumer::builder(bootstrap)
        .group(group)
        .set("auto.offset.reset", "earliest")
        .enable_auto_commit(false)
        .set_all(settings)
        .build()?;
    consumer.subscribe([topic]).await?;
    while !*end.borrow() {
        let records = match consumer.poll(Duration::from_millis(500)).await {
            Ok(records) => records,
            Err(error) => {
                eprintln!("poll: {error}");
                if !error.is_retriable() {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                continue;
            }
        };
        if records.is_empty() {
            continue;
        }
        let generation = consumer.group_metadata()?.generation_id();
        let mut lines = String::new();
        let time = now();
        for record in &records {
            let number = std::str::from_utf8(record.value().unwrap_or_default())?;
            let (partition, offset) = (record.partition(), record.offset());
            lines.push_str(&format!("R {partition} {offset} {number} {time} {generation}\n"));
        }
        if !commits_first {
            file.write_all(lines.as_bytes())?;
        }
        let committed = match consumer.commit().await {
            Ok(()) => "C",
            Err(error) => {
                eprintln!("not committed: {error}");
                "F"
            }
        };
        if commits_first {
            tokio::time::sleep(Duration::from_millis(200)).await;
            file.write_all(lines.as_bytes())?;
        }
        file.write_all(format!("{committed} {}\n", now()).as_bytes())?;
    }
    // It leaves all the same: what is not told to a coordinator that is down, the session's end tells.
    if let Err(error) = consumer.close(Duration::from_secs(10)).await {
        eprintln!("close: {error}");
    }
    Ok(())
}

async fn write(bootstrap: &str, topic: &str, partitions: i32, file: &str, rate: u64) -> Result<()> {
    let end = end();
    let mut file = File::create(file)?;
    let producer = Producer::builder(bootstrap).build()?;
    let (sender, mut sent) = mpsc::unbounded_channel::<(i32, u64, ottla::Delivery)>();
    let acknowledged = tokio::spawn(async move {
        while let Some((partition, number, delivery)) = sent.recv().await {
            match delivery.await {
                Ok(ack) => {
                    let line = format!("{partition} {} {number} {}\n", ack.offset().unwrap_or(-1), now());
                    file.write_all(line.as_bytes()).map_err(|error| error.to_string())?;
                }
                Err(error) => eprintln!("not acknowledged: {partition} {number}: {error}"),
            }
        }
        Ok::<_, String>(())
    });
    let mut tick = tokio::time::interval(Duration::from_secs(1) / u32::try_from(rate.max(1))?);
    let mut number = 0;
    while !*end.borrow() {
        tick.tick().await;
        let partition = (number % partitions.unsigned_abs() as u64) as i32;
        let record = Record::to(topic).partition(partition).value(number.to_string());
        sender.send((partition, number, producer.enqueue(record).await?)).map_err(|_| "the file cannot be written")?;
        number += 1;
    }
    drop(sender);
    producer.close(Duration::from_secs(120)).await?;
    acknowledged.await??;
    Ok(())
}
