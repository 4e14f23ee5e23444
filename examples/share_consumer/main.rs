//! Jobs from a share group: each record goes to one worker, and comes again if that worker could not do it.
//!
//! ```sh
//! cargo run --example share_consumer -- localhost:9092 jobs             # several of them, in as many terminals
//! ```
//!
//! Needs Kafka 4.2 or later. A record that has been tried three times is given up.

use std::error::Error;
use std::time::Duration;

use ottla::config::ShareAcknowledgementMode;
use ottla::{AcknowledgeType, ConsumedRecord, ShareConsumer};

const TRIES: i16 = 3;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(bootstrap), Some(topic)) = (arguments.next(), arguments.next()) else {
        return Err("usage: share_consumer HOST:PORT TOPIC".into());
    };
    let worker = ShareConsumer::builder(bootstrap)
        .group("workers")
        .share_acknowledgement_mode(ShareAcknowledgementMode::Explicit)
        .build()?;
    worker.subscribe([topic]).await?;
    loop {
        for job in &worker.poll(Duration::from_secs(1)).await? {
            let outcome = match work(&job) {
                Ok(()) => AcknowledgeType::Accept,
                Err(error) if job.delivery_count() < Some(TRIES) => {
                    eprintln!("{}: {error}, another may try", job.offset());
                    AcknowledgeType::Release
                }
                Err(error) => {
                    eprintln!("{}: {error}, given up", job.offset());
                    AcknowledgeType::Reject
                }
            };
            worker.acknowledge(&job, outcome)?;
        }
        for (partition, outcome) in worker.commit().await? {
            if let Err(error) = outcome {
                eprintln!("{partition}: {error}; these may come again");
            }
        }
    }
}

/// A job is a number to find the square of.
fn work(job: &ConsumedRecord<'_>) -> Result<(), Box<dyn Error>> {
    let number: i64 = std::str::from_utf8(job.value().unwrap_or_default())?.trim().parse()?;
    println!("{number} squared is {}", number.checked_mul(number).ok_or("too large")?);
    Ok(())
}
