//! Topics that go, and come again under the same name.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ottla::{Admin, NewTopic, TopicPartition};
use real::{Cluster, shared};

use super::{LIMIT, POLL, ensure_in_order, read, reading, write};

/// Else a consumer that is told that its topic is gone has the brokers create it.
const PASSIVE: &[(&str, &str)] = &[("allow.auto.create.topics", "false")];

async fn delete(admin: &Admin, topic: &str) -> Result<()> {
    Ok(admin.delete_topics([topic]).await.remove(topic).context("an answer")??)
}

async fn recreate(cluster: &Cluster, topic: &str) -> Result<()> {
    let admin = Admin::builder(cluster.bootstrap()).build()?;
    delete(&admin, topic).await?;
    let again = NewTopic::new(topic).partitions(1).replication_factor(3);
    admin.create_topics([again]).await.remove(topic).context("an answer")??;
    Ok(())
}

/// edge 50: the old position is in the middle of what is new, and yet nothing new is skipped. One consumer reads all the
/// while, another is paused.
#[tokio::test]
async fn a_topic_created_anew_is_read_from_its_start_also_by_a_paused_consumer() -> Result<()> {
    let cluster = shared();
    let topic = cluster.topic("anew", 1)?;
    let partition = TopicPartition::new(&*topic, 0);
    let running = reading(&cluster, &topic, 1, PASSIVE).await?;
    let paused = reading(&cluster, &topic, 1, PASSIVE).await?;
    write(&cluster, &topic, 0, 0..10).await?;
    ensure_in_order(&read(&running, 10).await?, 0, 0..10)?;
    ensure_in_order(&read(&paused, 10).await?, 0, 0..10)?;
    paused.pause([&partition]).await?;

    recreate(&cluster, &topic).await?;
    write(&cluster, &topic, 0, 100..150).await?;
    ensure_in_order(&read(&running, 50).await?, 0, 100..150)?;
    ensure!(paused.poll(POLL).await?.is_empty(), "it is paused");
    paused.resume([&partition]).await?;
    ensure_in_order(&read(&paused, 50).await?, 0, 100..150)?;
    Ok(())
}

/// edge 51: the polls after it say nothing or what is the matter, and closing takes no longer than ever.
#[tokio::test]
async fn a_deleted_topic_keeps_nothing_from_ending() -> Result<()> {
    let cluster = shared();
    let (kept, gone) = (cluster.topic("kept", 1)?, cluster.topic("gone", 1)?);
    let consumer = reading(&cluster, &gone, 1, PASSIVE).await?;
    write(&cluster, &gone, 0, 0..10).await?;
    read(&consumer, 10).await?;
    delete(&Admin::builder(cluster.bootstrap()).build()?, &gone).await?;
    let start = Instant::now();
    for _ in 0..10 {
        let _ = consumer.poll(POLL).await;
    }
    ensure!(start.elapsed() < LIMIT, "polls end when they are to");
    consumer.assign([TopicPartition::new(&*kept, 0)]).await?;
    write(&cluster, &kept, 0, 0..10).await?;
    ensure_in_order(&read(&consumer, 10).await?, 0, 0..10)?;
    consumer.assign([TopicPartition::new(&*gone, 0)]).await?;
    let start = Instant::now();
    consumer.close(Duration::from_secs(20)).await?;
    ensure!(start.elapsed() < Duration::from_secs(10), "it took {:?} to close", start.elapsed());
    Ok(())
}
