//! The jobs that read.

use std::time::Duration;

use bytes::Bytes;
use futures::executor::block_on;
use krafka::consumer::{AutoOffsetReset, ConsumerRebalanceListener, GroupProtocol, TopicPartition};
use krafka::producer::Producer;
use krafka::{Kafka, Record};
use peer_job::{Failure, HEARTBEAT, Job, Journey, Member, POLL_RECORDS, Protocol, Reading, Report};
use tokio::runtime::{Builder, Handle};

pub(crate) async fn consume(job: &Job) -> Result<Report, Failure> {
    let mut reading = Reading::start(job)?;
    let kafka = Kafka::builder(job.bootstrap.clone()).connect().await?;
    let topics: Vec<&str> = job.topics.iter().map(String::as_str).collect();
    let consumer = match &job.group {
        Some(group) => {
            let consumer = kafka
                .consumer(group.as_str())
                .group_protocol(protocol(job))
                .auto_offset_reset(AutoOffsetReset::Earliest)
                .max_poll_records(POLL_RECORDS)
                .max_buffered_records(10 * POLL_RECORDS);
            let consumer = consumer.build().await?;
            consumer.subscribe(topics).await?;
            consumer
        }
        None => {
            let consumer = kafka
                .consumer_without_group()
                .auto_offset_reset(AutoOffsetReset::Earliest)
                .enable_auto_commit(false)
                .max_poll_records(POLL_RECORDS)
                .max_buffered_records(10 * POLL_RECORDS);
            let consumer = consumer.build().await?;
            for topic in topics {
                consumer.assign(topic, (0..job.partitions.into()).collect()).await?;
                for partition in 0..job.partitions.into() {
                    consumer.seek_to_beginning(topic, partition).await?;
                }
            }
            consumer
        }
    };
    while reading.goes_on()? {
        for record in consumer.poll(Duration::from_secs(1)).await? {
            reading.touch(record.value.as_deref().unwrap_or_default());
        }
    }
    reading.report()
}

pub(crate) async fn end_to_end(job: &Job, producer: Producer) -> Result<Report, Failure> {
    let journey = Journey::of(job)?;
    // Not with the producer's connections: batches would wait behind fetches that wait for records.
    let kafka = Kafka::builder(job.bootstrap.clone()).connect().await?;
    let consumer = kafka.consumer_without_group().enable_auto_commit(false).build().await?;
    for topic in &job.topics {
        let partitions: Vec<_> = (0..job.partitions.into()).collect();
        consumer.assign(topic, partitions.clone()).await?;
        for partition in partitions {
            consumer.seek_to_end(topic, partition).await?;
        }
    }
    let mut arrivals = journey.arrivals();
    let runtime = Handle::current();
    let sender = std::thread::spawn(move || {
        // The client starts tasks.
        let _entered = runtime.enter();
        journey.send(|topic, value| {
            drop(block_on(producer.enqueue(Record::new(topic, Bytes::from(value))))?);
            Ok(())
        })?;
        Ok::<_, Failure>(())
    });
    while arrivals.go_on()? {
        for record in consumer.poll(Duration::from_secs(1)).await? {
            arrivals.arrived(record.value.as_deref().unwrap_or_default())?;
        }
    }
    sender.join().map_err(|_| "the sending thread panicked")??;
    arrivals.report()
}

/// One of two members of a group.
pub(crate) fn member(job: &Job, member: &Member) -> Result<(), Failure> {
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let kafka = Kafka::builder(job.bootstrap.clone()).connect().await?;
        let consumer = kafka
            .consumer(job.group.as_deref().ok_or("no group")?)
            .group_protocol(protocol(job))
            .auto_offset_reset(AutoOffsetReset::Earliest)
            .enable_auto_commit(false)
            .heartbeat_interval(HEARTBEAT)
            .rebalance_listener(Told(member.clone()));
        let consumer = consumer.build().await?;
        consumer.subscribe(&job.topics).await?;
        while member.goes_on() {
            for record in consumer.poll(Duration::from_millis(100)).await? {
                member.handed(record.partition);
            }
        }
        Ok(consumer.close().await?)
    })
}

fn protocol(job: &Job) -> GroupProtocol {
    match job.protocol {
        Protocol::Classic => GroupProtocol::Classic,
        Protocol::Consumer => GroupProtocol::Consumer,
    }
}

struct Told(Member);

impl ConsumerRebalanceListener for Told {
    async fn on_partitions_assigned(&self, partitions: &[TopicPartition]) {
        self.0.gains(partitions.len());
    }

    async fn on_partitions_revoked(&self, partitions: &[TopicPartition]) {
        self.0.loses(partitions.len());
    }

    async fn on_partitions_lost(&self, partitions: &[TopicPartition]) {
        self.0.loses(partitions.len());
    }
}
