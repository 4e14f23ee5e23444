//! A log that loses its end to an unclean election (KIP-320).

use std::time::Instant;

use anyhow::{Result, ensure};
use ottla::{Consumer, Error, Kind, TopicPartition};
use real::{shared_to_break, until};

use super::{LIMIT, POLL, ensure_in_order, read, reading, write};

/// The first error of a poll that does not pass.
async fn fails(consumer: &Consumer) -> Result<Error> {
    let start = Instant::now();
    loop {
        ensure!(start.elapsed() < LIMIT, "polls do not fail");
        match consumer.poll(POLL).await {
            Err(error) if !error.is_retriable() => return Ok(error),
            Err(_) => {}
            Ok(records) => ensure!(records.is_empty(), "read on in another log"),
        }
    }
}

/// edge 43: what was read is gone, and other records have its offsets. Who has a reset policy goes back to where the
/// logs part; who has none is told.
#[tokio::test]
async fn a_consumer_notices_that_what_it_read_is_gone() -> Result<()> {
    const FIRST: u16 = 2;
    const SECOND: u16 = 3;
    let cluster = shared_to_break();
    let topic = cluster.topic_on("cut", &[FIRST, SECOND], &[("min.insync.replicas", "1")])?;
    let partition = TopicPartition::new(&*topic, 0);
    let lenient = reading(&cluster, &topic, 1, &[]).await?;
    let strict = reading(&cluster, &topic, 1, &[("auto.offset.reset", "none")]).await?;
    strict.seek(&partition, 0).await?;
    let newest = reading(&cluster, &topic, 1, &[("auto.offset.reset", "latest")]).await?;
    newest.seek(&partition, 0).await?;
    let all = [&lenient, &strict, &newest];
    write(&cluster, &topic, 0, 0..10).await?;
    for consumer in all {
        ensure_in_order(&read(consumer, 10).await?, 0, 0..10)?;
    }

    // The second stands still until the first has what nobody else has, and is not there any more.
    cluster.pause(SECOND)?;
    // By then nothing is under way to it: what waits in a socket would be appended when it goes on.
    until("the second to be out of sync", LIMIT, || Ok((cluster.in_sync(&topic, 0)? == [FIRST]).then_some(())))?;
    write(&cluster, &topic, 0, 10..20).await?;
    for consumer in all {
        ensure_in_order(&read(consumer, 10).await?, 10, 10..20)?;
    }
    cluster.kill(FIRST)?;
    cluster.resume(SECOND)?;
    ensure!(cluster.elect_uncleanly(&topic, 0)? == SECOND);
    // More than was lost: the old position is in the middle of it.
    write(&cluster, &topic, 0, 100..130).await?;

    for consumer in [&lenient, &newest] {
        ensure_in_order(&read(consumer, 30).await?, 10, 100..130)?;
    }
    let error = fails(&strict).await?;
    ensure!(error.kind() == Kind::LogTruncation { position: 20, diverging_offset: Some(10) }, "{error}");
    ensure!(error.partition() == Some(&partition), "{error}");
    strict.seek(&partition, 10).await?;
    ensure_in_order(&read(&strict, 30).await?, 10, 100..130)
}
