//! The jobs that read.

use std::time::Duration;

use futures::executor::block_on;
use ottla::{Called, Consumer, Producer, RebalanceListener, Record, Subscription, TopicPartition};
use peer_job::{Failure, HEARTBEAT, Job, Journey, Member, POLL_RECORDS, Protocol, Reading, Report};

pub(crate) async fn consume(job: &Job) -> Result<Report, Failure> {
    let mut reading = Reading::start(job)?;
    let consumer = Consumer::builder(&job.bootstrap)
        .set("auto.offset.reset", "earliest")
        .set("group.id", job.group.as_deref().unwrap_or_default())
        .set("group.protocol", job.protocol.name())
        .set("max.poll.records", POLL_RECORDS.to_string())
        .build()?;
    match job.group {
        Some(_) => consumer.subscribe(&job.topics).await?,
        None => consumer.assign(job.topics.iter().flat_map(|topic| of(topic, job.partitions))).await?,
    }
    while reading.goes_on()? {
        for record in &consumer.poll(Duration::from_secs(1)).await? {
            reading.touch(record.value().unwrap_or_default());
        }
    }
    reading.report()
}

pub(crate) async fn end_to_end(job: &Job, producer: Producer) -> Result<Report, Failure> {
    let journey = Journey::of(job)?;
    let consumer = Consumer::builder(&job.bootstrap).set("auto.offset.reset", "latest").build()?;
    consumer.assign(job.topics.iter().flat_map(|topic| of(topic, job.partitions))).await?;
    let mut arrivals = journey.arrivals();
    let sender = std::thread::spawn(move || {
        journey.send(|topic, value| {
            drop(block_on(producer.enqueue(Record::to(topic).value(value)))?);
            Ok(())
        })?;
        Ok::<_, Failure>(block_on(producer.flush())?)
    });
    while arrivals.go_on()? {
        for record in &consumer.poll(Duration::from_secs(1)).await? {
            arrivals.arrived(record.value().unwrap_or_default())?;
        }
    }
    sender.join().map_err(|_| "the sending thread panicked")??;
    arrivals.report()
}

fn of(topic: &str, partitions: u16) -> impl Iterator<Item = TopicPartition> {
    (0..partitions).map(move |partition| TopicPartition::new(topic, partition.into()))
}

/// One of two members of a group.
pub(crate) fn member(job: &Job, member: &Member) -> Result<(), Failure> {
    let mut settings = Consumer::builder(&job.bootstrap)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("group.id", job.group.as_deref().unwrap_or_default())
        .set("group.protocol", job.protocol.name());
    if job.protocol == Protocol::Classic {
        settings = settings.set("heartbeat.interval.ms", HEARTBEAT.as_millis().to_string());
    }
    let consumer = settings.build()?;
    block_on(async {
        consumer.subscribe_to(Subscription::topics(&job.topics).listener(Told(member.clone()))).await?;
        while member.goes_on() {
            for record in &consumer.poll(Duration::from_millis(100)).await? {
                member.handed(record.partition());
            }
        }
        Ok(consumer.close(Duration::from_secs(1)).await?)
    })
}

struct Told(Member);

impl RebalanceListener for Told {
    fn on_partitions_assigned<'a>(&'a self, _: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
        self.0.gains(partitions.len());
        Box::pin(async { Ok(()) })
    }

    fn on_partitions_revoked<'a>(&'a self, _: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
        self.0.loses(partitions.len());
        Box::pin(async { Ok(()) })
    }
}
