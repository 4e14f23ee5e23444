//! At least once: what was read is committed after it was worked on.
//!
//! ```sh
//! cargo run --example at_least_once                       # a broker in this process
//! cargo run --example at_least_once -- localhost:9092     # a cluster of yours
//! ```
//!
//! A crash loses nothing; what was worked on since the last commit is done again, so the work should bear that: an upsert,
//! say, rather than an addition. So that little is repeated, polls hand out little: `max.poll.records`.
//!
//! Without `commit`, and with `enable.auto.commit` as it is by default, it is at least once as well: a poll says that what
//! earlier polls handed out is done with, and only that is committed, every `auto.commit.interval.ms`, when partitions go
//! to another member, and by `close`. Records that outlive a poll, in tasks of their own, are not to be left to that.

use std::error::Error;
use std::time::Duration;

use ottla::config::OffsetReset;
use ottla::{Admin, Consumer, NewTopic, Producer, Record};
use ottla_broker::Broker;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let embedded = if std::env::args().nth(1).is_none() { Some(Broker::start().await) } else { None };
    let bootstrap = std::env::args().nth(1).or(embedded.as_ref().map(Broker::address)).unwrap_or_default();
    let done = crash_and_go_on(&bootstrap, &format!("at-least-once-{}", std::process::id())).await?;
    println!("done: {}", done.join(" "));
    Ok(())
}

/// Ten jobs; the first worker dies in the middle of the third, another goes on. Says which were done.
pub(crate) async fn crash_and_go_on(bootstrap: &str, topic: &str) -> Result<Vec<String>, Box<dyn Error>> {
    jobs(bootstrap, topic).await?;
    let mut done = Vec::new();
    work(bootstrap, topic, Some("2"), &mut done).await?;
    work(bootstrap, topic, None, &mut done).await?;
    Ok(done)
}

/// Works until job 9 is done, or dies at the job `dies_at`.
async fn work(
    bootstrap: &str,
    topic: &str,
    dies_at: Option<&str>,
    done: &mut Vec<String>,
) -> Result<(), Box<dyn Error>> {
    let consumer = Consumer::builder(bootstrap)
        .group(format!("{topic}-workers"))
        .auto_offset_reset(OffsetReset::Earliest)
        .enable_auto_commit(false)
        .max_poll_records(4_usize)
        .build()?;
    consumer.subscribe([topic]).await?;
    loop {
        let records = consumer.poll(Duration::from_secs(1)).await?;
        for record in &records {
            let job = String::from_utf8_lossy(record.value().unwrap_or_default()).into_owned();
            if dies_at == Some(job.as_str()) {
                return Ok(()); // a crash: the jobs before it in these records were done, and will be done again
            }
            done.push(job);
        }
        consumer.commit().await?; // ← here the commit stands: after the work. If it fails, the work may be repeated.
        if done.last().is_some_and(|job| job == "9") {
            return Ok(consumer.close(Duration::from_secs(5)).await?);
        }
    }
}

/// A topic with the jobs 0 to 9.
async fn jobs(bootstrap: &str, topic: &str) -> Result<(), Box<dyn Error>> {
    for (_, created) in Admin::builder(bootstrap).build()?.create_topics([NewTopic::new(topic)]).await {
        created?;
    }
    let producer = Producer::builder(bootstrap).build()?;
    for job in 0..10 {
        drop(producer.enqueue(Record::to(topic).value(job.to_string())).await?);
    }
    Ok(producer.close(Duration::from_secs(30)).await?)
}
