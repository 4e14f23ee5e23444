//! Skipping and rewinding: by offset, to the ends, and by time.
//!
//! ```sh
//! cargo run --example rewind                       # a broker in this process
//! cargo run --example rewind -- localhost:9092     # a cluster of yours
//! ```
//!
//! A seek changes where this consumer reads on. Nobody else does until it is committed, with the next commit: committing
//! is how a whole group is rewound, by a consumer of that group while no member runs.

use std::error::Error;
use std::time::Duration;

use ottla::{Admin, Consumer, NewTopic, Producer, Record, TopicPartition};
use ottla_broker::Broker;

/// The first record's time, in milliseconds since 1970; each of the others is an hour later than the one before.
const MIDNIGHT: i64 = 1_767_225_600_000;
const HOUR: i64 = 3_600_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let embedded = if std::env::args().nth(1).is_none() { Some(Broker::start().await) } else { None };
    let bootstrap = std::env::args().nth(1).or(embedded.as_ref().map(Broker::address)).unwrap_or_default();
    for line in seek_and_read(&bootstrap, &format!("rewind-{}", std::process::id())).await? {
        println!("{line}");
    }
    Ok(())
}

/// Says what was read after each seek.
pub(crate) async fn seek_and_read(bootstrap: &str, topic: &str) -> Result<Vec<String>, Box<dyn Error>> {
    hours(bootstrap, topic).await?;
    let consumer = Consumer::builder(bootstrap).build()?;
    let partition = TopicPartition::new(topic, 0);
    consumer.assign([partition.clone()]).await?;
    let mut lines = Vec::new();

    // To an offset: to skip a record that cannot be worked on, seek behind it.
    consumer.seek(&partition, 7).await?;
    lines.push(format!("offset 7: {}", read(&consumer, 3).await?));

    // To the first record that is still there, and so many records before the end.
    consumer.seek_to_beginning([&partition]).await?;
    lines.push(format!("beginning: {}", read(&consumer, 2).await?));
    let end = consumer.end_offsets([&partition]).await?[&partition];
    consumer.seek(&partition, end - 2).await?;
    lines.push(format!("last two: {}", read(&consumer, 2).await?));

    // To a time: the first record at or after it. Where there is none, to the end, for what is yet to come.
    for (name, time) in [("half past two", MIDNIGHT + 2 * HOUR + HOUR / 2), ("tomorrow", MIDNIGHT + 24 * HOUR)] {
        match &consumer.offsets_for_times([(partition.clone(), time)]).await?[&partition] {
            Some(found) => {
                consumer.seek(&partition, found.offset).await?;
                lines.push(format!("{name}: {}", read(&consumer, 2).await?));
            }
            None => {
                consumer.seek_to_end([&partition]).await?;
                lines.push(format!("{name}: offset {}", consumer.position(&partition).await?));
            }
        }
    }
    consumer.close(Duration::from_secs(5)).await?;
    Ok(lines)
}

/// The next `count` values. Of more that a poll hands out, the rest is read again: the consumer seeks back.
async fn read(consumer: &Consumer, count: usize) -> Result<String, Box<dyn Error>> {
    let mut values = Vec::new();
    while values.len() < count {
        for record in &consumer.poll(Duration::from_secs(1)).await? {
            if values.len() == count {
                consumer.seek(record.topic_partition(), record.offset()).await?;
                break;
            }
            values.push(String::from_utf8_lossy(record.value().unwrap_or_default()).into_owned());
        }
    }
    Ok(values.join(" "))
}

/// A topic of one partition with ten records, an hour apart.
async fn hours(bootstrap: &str, topic: &str) -> Result<(), Box<dyn Error>> {
    for (_, created) in Admin::builder(bootstrap).build()?.create_topics([NewTopic::new(topic)]).await {
        created?;
    }
    let producer = Producer::builder(bootstrap).build()?;
    for hour in 0..10 {
        let record = Record::to(topic).value(format!("{hour}:00")).timestamp(MIDNIGHT + hour * HOUR);
        drop(producer.enqueue(record).await?);
    }
    Ok(producer.close(Duration::from_secs(30)).await?)
}
