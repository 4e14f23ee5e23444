//! Copies one topic to another, each record exactly once, whatever dies on the way: consume, transform, produce.
//!
//! ```sh
//! cargo run --release --example transactional_copy -- \
//!     -b HOST:PORT --from TOPIC --to TOPIC --group G --transactional-id T --transaction-size N --exit-at-end
//! ```
//!
//! What was read and what was written are committed together: a crash in between leaves neither. Run it again, with the
//! same `--transactional-id`, and it goes on where the last committed transaction ended; another one still running is
//! fenced. Several may share the work, each with an id of its own. Without `--exit-at-end` it runs until it is killed.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla::config::{IsolationLevel, OffsetReset};
use ottla::{ConsumedRecord, Consumer, Error, Producer, Record, Records, Retry, TopicPartition, TransactionalProducer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::from_arguments(std::env::args().skip(1))?;

    // Only what is committed is read, and only the producer commits offsets. A member of a name comes back at once
    // after a crash, instead of when the session of the dead one times out.
    let consumer = Consumer::builder(&options.bootstrap)
        .group(options.group.clone())
        .group_instance_id(options.transactional_id.clone())
        .isolation_level(IsolationLevel::ReadCommitted)
        .auto_offset_reset(OffsetReset::Earliest)
        .enable_auto_commit(false)
        .max_poll_records(options.transaction_size)
        .build()?;
    consumer.subscribe([options.from.as_str()]).await?;

    // Ends what a producer of the same id left open, and fences it.
    let producer = Producer::builder(&options.bootstrap)
        .transactional_id(options.transactional_id.clone())
        .build_transactional()?;
    producer.init().await?;

    let partitions = consumer.partitions_for(&options.from).await?;
    let ends = consumer.end_offsets(&partitions).await?;
    let mut copied = 0;
    loop {
        let records = consumer.poll(Duration::from_secs(1)).await?;
        if records.is_empty() {
            if options.exit_at_end && is_through(&consumer, &ends).await? {
                break;
            }
            continue;
        }
        match copy(&consumer, &producer, &records, &options.to).await {
            Ok(()) => copied += records.len(),
            Err(error) if matches!(error.retry(), Retry::Never | Retry::Restart) => return Err(error.into()),
            Err(error) => {
                // Nothing of it counts: not what was written, and not what was read.
                eprintln!("again: {error}");
                consumer.seek_to_committed().await?;
            }
        }
    }
    producer.close(Duration::from_secs(30)).await?;
    consumer.close(Duration::from_secs(30)).await?;
    println!("copied {copied} records from {} to {}", options.from, options.to);
    Ok(())
}

/// One transaction: the records, and how far they were read. An error drops the transaction, which aborts it.
async fn copy(consumer: &Consumer, producer: &TransactionalProducer, records: &Records, to: &str) -> Result<(), Error> {
    let mut transaction = producer.begin().await?;
    for record in records {
        // A failure makes the commit fail: nobody has to wait for each acknowledgement.
        drop(transaction.enqueue(transformed(&record, to)).await?);
    }
    transaction.send_offsets(records.next_offsets(), &consumer.group_metadata()?).await?;
    loop {
        match transaction.commit().await {
            Ok(()) => return Ok(()),
            // It is still under way, and may have happened: only its outcome tells.
            Err(unfinished) if unfinished.error().is_retriable() => transaction = unfinished.into_transaction(),
            Err(unfinished) => return Err(unfinished.into()),
        }
    }
}

/// The record to write for one that was read: here, the same.
fn transformed<'a>(read: &ConsumedRecord<'a>, to: &'a str) -> Record<'a> {
    let mut record = Record::to(to).timestamp(read.timestamp());
    if let Some(key) = read.key() {
        record = record.key(key);
    }
    if let Some(value) = read.value() {
        record = record.value(value);
    }
    for (name, value) in read.headers() {
        record = match value {
            Some(value) => record.header(name, value),
            None => record.null_header(name),
        };
    }
    record
}

/// Whether the group has committed all that was there at the start, whichever member read it.
async fn is_through(consumer: &Consumer, ends: &BTreeMap<TopicPartition, i64>) -> Result<bool, Error> {
    let committed = consumer.committed(ends.keys()).await?;
    let reached = |partition| committed.get(partition).and_then(Option::as_ref).map_or(0, |committed| committed.offset);
    Ok(ends.iter().all(|(partition, end)| reached(partition) >= *end))
}

/// What the command line says.
struct Options {
    bootstrap: String,
    from: String,
    to: String,
    group: String,
    transactional_id: String,
    transaction_size: usize,
    exit_at_end: bool,
}

impl Options {
    fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut values = BTreeMap::new();
        let mut exit_at_end = false;
        while let Some(name) = arguments.next() {
            if name == "--exit-at-end" {
                exit_at_end = true;
            } else {
                let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
                values.insert(name, value);
            }
        }
        let mut take = |name: &str| values.remove(name).ok_or_else(|| format!("{name} is missing"));
        let options = Self {
            bootstrap: take("-b")?,
            from: take("--from")?,
            to: take("--to")?,
            group: take("--group")?,
            transactional_id: take("--transactional-id")?,
            transaction_size: take("--transaction-size")?.parse().map_err(|_| "--transaction-size is a number")?,
            exit_at_end,
        };
        match values.keys().next() {
            Some(unknown) => Err(format!("{unknown} is unknown")),
            None => Ok(options),
        }
    }
}
