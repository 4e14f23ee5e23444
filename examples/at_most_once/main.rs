//! At most once: what was read is committed before it is worked on.
//!
//! ```sh
//! cargo run --example at_most_once                       # a broker in this process
//! cargo run --example at_most_once -- localhost:9092     # a cluster of yours
//! ```
//!
//! A crash loses what was handed out by the last poll and not worked on yet; nothing is done twice. So that little is
//! lost, polls hand out little: `max.poll.records`. For work that is worse done twice than not at all.

use std::error::Error;
use std::time::Duration;

use ottla::config::OffsetReset;
use ottla::{Admin, Consumer, NewTopic, Producer, Record};
use ottla_broker::Broker;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let embedded = if std::env::args().nth(1).is_none() { Some(Broker::start().await) } else { None };
    let bootstrap = std::env::args().nth(1).or(embedded.as_ref().map(Broker::address)).unwrap_or_default();
    let done = crash_and_go_on(&bootstrap, &format!("at-most-once-{}", std::process::id())).await?;
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
        consumer.commit().await?; // ← here the commit stands: before the work. If it fails, nothing is worked on.
        for record in &records {
            let job = String::from_utf8_lossy(record.value().unwrap_or_default()).into_owned();
            if dies_at == Some(job.as_str()) {
                return Ok(()); // a crash: this job and those behind it were committed, and nobody will do them
            }
            done.push(job);
        }
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
