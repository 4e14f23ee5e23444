//! The jobs that read.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::channel::mpsc;
use kacrab::common::TopicPartition;
use kacrab::consumer::Consumer;
use kacrab::producer::ProducerRecord;
use peer_job::{Failure, HEARTBEAT, Job, Journey, Member, POLL_RECORDS, Protocol, Reading, Report};
use tokio::runtime::Builder;

use super::Client;

pub(crate) async fn consume(job: &Job) -> Result<Report, Failure> {
    let mut reading = Reading::start(job)?;
    let limit = POLL_RECORDS.to_string();
    let mut consumer = Consumer::from_map([
        ("bootstrap.servers", job.bootstrap.as_str()),
        ("group.id", job.group.as_deref().unwrap_or("none")),
        ("group.protocol", job.protocol.name()),
        ("enable.auto.commit", if job.group.is_some() { "true" } else { "false" }),
        ("auto.offset.reset", "earliest"),
        ("max.poll.records", limit.as_str()),
    ])
    .await?;
    if job.group.is_some() {
        consumer.subscribe(job.topics.iter().map(String::as_str))?;
    } else {
        consumer.assign(partitions(job))?;
    }
    while reading.goes_on()? {
        for record in consumer.poll(Duration::from_secs(1)).await?.iter() {
            reading.touch(record.value.as_deref().unwrap_or_default());
        }
    }
    reading.report()
}

pub(crate) async fn end_to_end(job: &Job, client: Client) -> Result<Report, Failure> {
    let journey = Journey::of(job)?;
    let mut consumer = Consumer::from_map([
        ("bootstrap.servers", job.bootstrap.as_str()),
        ("group.id", "none"),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", "latest"),
    ])
    .await?;
    consumer.assign(partitions(job))?;
    let mut arrivals = journey.arrivals();
    let (sender, mut records) = mpsc::unbounded();
    let sending = std::thread::spawn(move || {
        journey.send(|_, value| sender.unbounded_send(value).map_err(|_| "the producing task ended".into()))
    });
    // Not in the thread above: see the job of latency.
    tokio::spawn(async move {
        while let Some(value) = records.next().await {
            let record = ProducerRecord::topic_value(client.topics[0].clone(), Bytes::from(value));
            if let Err(error) = client.producer.send(record) {
                eprintln!("failed: {error:?}");
            }
        }
        // What it still holds would end with it.
        if let Err(error) = client.producer.flush().await {
            eprintln!("failed: {error:?}");
        }
    });
    while arrivals.go_on()? {
        for record in consumer.poll(Duration::from_secs(1)).await?.iter() {
            arrivals.arrived(record.value.as_deref().unwrap_or_default())?;
        }
    }
    sending.join().map_err(|_| "the sending thread panicked")??;
    arrivals.report()
}

/// One of two members of a group. What comes and goes is not told, so it is asked after each poll.
pub(crate) fn member(job: &Job, member: &Member) -> Result<(), Failure> {
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let heartbeat = HEARTBEAT.as_millis().to_string();
        let mut settings = vec![
            ("bootstrap.servers", job.bootstrap.as_str()),
            ("group.id", job.group.as_deref().ok_or("no group")?),
            ("group.protocol", job.protocol.name()),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "earliest"),
        ];
        if job.protocol == Protocol::Classic {
            settings.push(("heartbeat.interval.ms", heartbeat.as_str()));
        }
        let mut consumer = Consumer::from_map(settings).await?;
        consumer.subscribe(job.topics.iter().map(String::as_str))?;
        let mut owned = 0;
        while member.goes_on() {
            for record in consumer.poll(Duration::from_millis(10)).await?.iter() {
                member.handed(record.partition);
            }
            let now = consumer.assignment().len();
            if std::mem::replace(&mut owned, now) != now {
                member.owns(now);
            }
        }
        consumer.close().await;
        Ok(())
    })
}

fn partitions(job: &Job) -> impl Iterator<Item = TopicPartition> {
    job.topics
        .iter()
        .flat_map(|topic| (0..job.partitions).map(|partition| TopicPartition::new(topic.as_str(), partition.into())))
}
