//! Where a consumer begins.

use std::time::{Duration, SystemTime};

use anyhow::{Result, ensure};
use ottla::{Producer, Record};
use real::shared;

use super::{ensure_in_order, read, reading, write};

/// KIP-1106: at the first record that is no older, and at the end where there is none.
#[tokio::test]
async fn a_duration_begins_at_the_first_record_that_is_no_older() -> Result<()> {
    let cluster = shared();
    let topic = cluster.topic("by-duration", 1)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let producer = Producer::builder(cluster.bootstrap()).build()?;
    for number in 0..20_u32 {
        // One each ten minutes: the last is ten minutes old.
        let age = Duration::from_secs(600) * (20 - number);
        let timestamp = i64::try_from((now - age).as_millis())?;
        producer.enqueue(Record::to(&topic).value(number.to_string()).timestamp(timestamp)).await?;
    }
    producer.flush().await?;

    // Number 8 is two hours old by now, and a moment.
    let hours = reading(&cluster, &topic, 1, &[("auto.offset.reset", "by_duration:PT2H")]).await?;
    ensure_in_order(&read(&hours, 11).await?, 9, 9..20)?;
    let days = reading(&cluster, &topic, 1, &[("auto.offset.reset", "by_duration:P1D")]).await?;
    ensure_in_order(&read(&days, 20).await?, 0, 0..20)?;
    let minute = reading(&cluster, &topic, 1, &[("auto.offset.reset", "by_duration:PT1M")]).await?;
    let partition = minute.assignment().remove(0);
    ensure!(minute.position(&partition).await? == 20);
    write(&cluster, &topic, 0, 20..22).await?;
    ensure_in_order(&read(&minute, 2).await?, 20, 20..22)
}
