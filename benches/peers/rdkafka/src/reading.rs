//! The jobs that read.

use std::time::Duration;

use peer_job::{Failure, HEARTBEAT, Job, Journey, Member, Protocol, Reading, Report};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext, Message, Offset, TopicPartitionList};

use super::{Counts, PATIENCE};

pub(crate) fn consume(job: &Job) -> Result<Report, Failure> {
    let mut reading = Reading::start(job)?;
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &job.bootstrap)
        // It wants one, member or not.
        .set("group.id", job.group.as_deref().unwrap_or("none"))
        .set("group.protocol", job.protocol.name())
        .set("enable.auto.commit", job.group.is_some().to_string())
        .set("auto.offset.reset", "earliest");
    let consumer: BaseConsumer = config.create()?;
    let topics: Vec<&str> = job.topics.iter().map(String::as_str).collect();
    if job.group.is_some() {
        consumer.subscribe(&topics)?;
    } else {
        let mut partitions = TopicPartitionList::new();
        for topic in topics {
            for partition in 0..job.partitions {
                partitions.add_partition_offset(topic, partition.into(), Offset::Beginning)?;
            }
        }
        consumer.assign(&partitions)?;
    }
    // It hands out one by one.
    while reading.goes_on()? {
        if let Some(record) = consumer.poll(Duration::from_secs(1)) {
            reading.touch(record?.payload().unwrap_or_default());
        }
    }
    reading.report()
}

pub(crate) fn end_to_end(job: &Job, producer: ThreadedProducer<Counts>) -> Result<Report, Failure> {
    let journey = Journey::of(job)?;
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", &job.bootstrap).set("group.id", "none").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = settings.create()?;
    let mut partitions = TopicPartitionList::new();
    for partition in 0..job.partitions {
        partitions.add_partition_offset(&job.topics[0], partition.into(), Offset::End)?;
    }
    consumer.assign(&partitions)?;
    let mut arrivals = journey.arrivals();
    let sender = std::thread::spawn(move || {
        journey.send(|topic, value| {
            let record = BaseRecord::<[u8], [u8]>::to(topic).payload(&value);
            producer.send(record).map_err(|(error, _)| error.into())
        })?;
        Ok::<_, Failure>(producer.flush(PATIENCE)?)
    });
    while arrivals.go_on()? {
        if let Some(record) = consumer.poll(Duration::from_secs(1)) {
            arrivals.arrived(record?.payload().unwrap_or_default())?;
        }
    }
    sender.join().map_err(|_| "the sending thread panicked")??;
    arrivals.report()
}

/// One of two members of a group.
pub(crate) fn member(job: &Job, member: &Member) -> Result<(), Failure> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &job.bootstrap)
        .set("group.id", job.group.as_deref().ok_or("no group")?)
        .set("group.protocol", job.protocol.name())
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest");
    if job.protocol == Protocol::Classic {
        config.set("heartbeat.interval.ms", HEARTBEAT.as_millis().to_string());
    }
    let consumer: BaseConsumer<Told> = config.create_with_context(Told(member.clone()))?;
    let topics: Vec<&str> = job.topics.iter().map(String::as_str).collect();
    consumer.subscribe(&topics)?;
    while member.goes_on() {
        if let Some(record) = consumer.poll(Duration::from_millis(100)) {
            member.handed(record?.partition());
        }
    }
    Ok(())
}

struct Told(Member);

impl ClientContext for Told {}

impl ConsumerContext for Told {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance {
            self.0.loses(partitions.count());
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(partitions) = rebalance {
            self.0.gains(partitions.count());
        }
    }
}
