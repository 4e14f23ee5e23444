//! What a consumer costs at most, of each kind: requests while nothing comes, memory while nobody polls, time to close
//! when nobody is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ottla::config::GroupProtocol;
use ottla::net::MemoryConnector;
use ottla::{Consumer, Error, ShareConsumer, TopicPartition};
use ottla_broker::{ApiKey, Broker};
use tokio::time::Instant;

use crate::consume::builder;
use crate::{SOON, pipes};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Assigned,
    AssignedWithGroup,
    Classic,
    Modern,
    Share,
}

const KINDS: [Kind; 5] = [Kind::Assigned, Kind::AssignedWithGroup, Kind::Classic, Kind::Modern, Kind::Share];

/// A consumer of one of the kinds.
enum Reader {
    Consumer(Consumer),
    Share(ShareConsumer),
}

impl Reader {
    async fn start(broker: &Broker, kind: Kind) -> Self {
        let topics = ["orders"];
        match kind {
            Kind::Assigned | Kind::AssignedWithGroup => {
                let group = if kind == Kind::Assigned { "" } else { "billing" };
                let settings = builder(broker).set("group.id", group);
                let consumer = settings.build().unwrap();
                consumer.assign((0..4).map(|number| TopicPartition::new("orders", number))).await.unwrap();
                Self::Consumer(consumer)
            }
            Kind::Classic | Kind::Modern => {
                let protocol = if kind == Kind::Classic { GroupProtocol::Classic } else { GroupProtocol::Consumer };
                let consumer = builder(broker).group("billing").group_protocol(protocol).build().unwrap();
                consumer.subscribe(topics).await.unwrap();
                Self::Consumer(consumer)
            }
            Kind::Share => {
                let share = ShareConsumer::builder(broker.address())
                    .connector(pipes(broker))
                    .runtime(tokio::runtime::Handle::current())
                    .seed(7)
                    .group("packers")
                    .build()
                    .unwrap();
                share.subscribe(topics).await.unwrap();
                Self::Share(share)
            }
        }
    }

    async fn poll(&self) -> usize {
        match self {
            Self::Consumer(consumer) => consumer.poll(SECOND).await.unwrap().len(),
            Self::Share(share) => share.poll(SECOND).await.unwrap().len(),
        }
    }

    /// Polls until a record came, or so much time passed.
    async fn reads_one(&self) {
        let deadline = Instant::now() + SOON;
        while self.poll().await == 0 {
            assert!(Instant::now() < deadline, "nothing came");
        }
    }

    async fn close(&self, timeout: Duration) -> Result<(), Error> {
        match self {
            Self::Consumer(consumer) => consumer.close(timeout).await,
            Self::Share(share) => share.close(timeout).await,
        }
    }
}

async fn cluster() -> Broker {
    let broker = Broker::start()
        .nodes(2)
        .topic("orders", 4)
        .auto_create_topics(false)
        .group_initial_rebalance_delay(Duration::ZERO)
        .in_memory_only()
        .await;
    broker.configure_share_group("packers", "share.auto.offset.reset", "earliest").unwrap();
    broker
}

/// Of each kind one that has read a record, in partition 0.
async fn reading(kind: Kind) -> (Broker, Reader) {
    let broker = cluster().await;
    broker.append("orders", 0, ["tea"]).unwrap();
    let reader = Reader::start(&broker, kind).await;
    reader.reads_one().await;
    (broker, reader)
}

/// edge 86: a fetch waits at each broker for `fetch.max.wait.ms`, a heartbeat goes out at its interval; the rest is metadata
/// by its age, and what is left of the beginning. A task that woke without end would let no time pass here at all.
#[tokio::test(start_paused = true)]
async fn a_consumer_of_an_idle_topic_sends_a_fetch_per_wait_and_its_heartbeats() {
    for kind in KINDS {
        let (broker, reader) = reading(kind).await;
        let start = Instant::now();
        while start.elapsed() < MINUTE {
            assert_eq!(reader.poll().await, 0);
        }
        broker.forget_requests();
        let start = Instant::now();
        while start.elapsed() < MINUTE {
            assert_eq!(reader.poll().await, 0);
        }
        let minutes = start.elapsed().as_secs_f64() / 60.0;
        let requests = broker.requests();
        let count =
            |of: &[ApiKey]| requests.iter().filter(|request| of.contains(&request.api)).count() as f64 / minutes;
        let fetches = count(&[ApiKey::Fetch, ApiKey::ShareFetch]);
        let beats = count(&[ApiKey::Heartbeat, ApiKey::ConsumerGroupHeartbeat, ApiKey::ShareGroupHeartbeat]);
        let all = requests.len() as f64 / minutes;
        assert!(
            fetches <= 2.0 * 120.0 + 2.0,
            "{kind:?}: {fetches} fetches a minute of two brokers, waiting half a second"
        );
        assert!(beats <= 21.0, "{kind:?}: {beats} heartbeats a minute");
        assert!(all <= fetches + beats + 2.0, "{kind:?}: {all} requests a minute");
    }
}

/// The size of a value, and how many make a batch.
const VALUE: usize = 1_000;
const BATCH: usize = 10;

/// What is allowed of each broker.
const MAX: usize = 256 * 1024;

fn append(broker: &Broker, number: i32, batches: usize) {
    for _ in 0..batches {
        broker.append("orders", number, vec![vec![b'x'; VALUE]; BATCH]).unwrap();
    }
}

/// What came in and was not handed out, answers without records included.
fn held(consumer: &Consumer, read: usize) -> usize {
    let metrics = consumer.metrics();
    let received = metrics.iter().find(|metric| metric.name() == "incoming-byte-total").unwrap().as_f64();
    received as usize - read * VALUE
}

/// However slow the application is, no more is fetched than `fetch.max.bytes` of each broker, and a batch.
#[tokio::test(start_paused = true)]
async fn what_is_fetched_and_not_read_stays_within_its_bound() {
    let broker = cluster().await;
    for number in 0..4 {
        append(&broker, number, 300);
    }
    for of_partition in [MAX / 8, MAX / 2, 4 * MAX] {
        let consumer = builder(&broker)
            .fetch_max_bytes(MAX as u32)
            .max_partition_fetch_bytes(of_partition as u32)
            .max_poll_records(BATCH)
            .build()
            .unwrap();
        consumer.assign((0..4).map(|number| TopicPartition::new("orders", number))).await.unwrap();
        let (mut read, mut most) = (0, 0);
        for _ in 0..200 {
            read += consumer.poll(SECOND).await.unwrap().len();
            tokio::time::sleep(SECOND).await;
            most = most.max(held(&consumer, read));
        }
        assert_eq!(read, 200 * BATCH);
        // Two brokers, two batches of each, and a hundredth of framing; 200 answers to heartbeats of the fetch session.
        assert!(
            most <= 2 * (MAX + 2 * BATCH * VALUE) * 101 / 100 + 200 * 600,
            "{most} bytes, {of_partition} per partition"
        );
        assert!(most >= MAX / 8, "something is read ahead");
    }
}

/// One partition is refilled as it is read, while the fetch of another, which rests, goes on waiting.
#[tokio::test(start_paused = true)]
async fn a_partition_at_rest_does_not_keep_another_from_being_refilled() {
    let broker = Broker::start().topic("orders", 2).in_memory_only().await;
    append(&broker, 0, 300);
    let consumer = builder(&broker)
        .fetch_max_bytes(MAX as u32)
        .max_partition_fetch_bytes(MAX as u32 / 2)
        .max_poll_records(BATCH)
        .fetch_max_wait(MINUTE)
        .build()
        .unwrap();
    consumer.assign((0..2).map(|number| TopicPartition::new("orders", number))).await.unwrap();
    let mut read = 0;
    for round in 0..60 {
        read += consumer.poll(SECOND).await.unwrap().len();
        tokio::time::sleep(SECOND / 10).await;
        let held = held(&consumer, read);
        assert!(held >= MAX / 2 - BATCH * VALUE, "{held} bytes after {round} polls");
    }
}

/// edges 51 and 68
#[tokio::test(start_paused = true)]
async fn closing_ends_in_time_when_the_whole_cluster_is_dead() {
    for kind in KINDS {
        for refuses in [true, false] {
            for is_deleted in [false, true] {
                let (broker, reader) = reading(kind).await;
                if is_deleted {
                    broker.delete_topic("orders");
                }
                for node in 0..2 {
                    if refuses { broker.node(node).stop().await } else { broker.node(node).pause() }
                }
                let start = Instant::now();
                // It may have something to say, and then it says that it could not.
                let closed = reader.close(3 * SECOND).await;
                let took = start.elapsed();
                assert!(took <= 3 * SECOND, "{kind:?}: {took:?}");
                match closed {
                    Ok(()) => assert_eq!(kind, Kind::Assigned, "it alone had nothing to say"),
                    Err(error) if kind == Kind::Share => assert!(error.is_retriable(), "{error}"),
                    Err(error) => assert!(error.to_string().contains("leaving group billing"), "{error}"),
                }
            }
        }
    }
}

/// edge 86: it is tried again, and not without end: by the backoff of connections, which is a second in the long run.
#[tokio::test(start_paused = true)]
async fn closing_a_member_of_a_cluster_that_refuses_connections_is_no_busy_loop() {
    for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        let broker = cluster().await;
        broker.append("orders", 0, ["tea"]).unwrap();
        let attempts = Arc::new(AtomicUsize::new(0));
        let connector = MemoryConnector::new({
            let (broker, attempts) = (broker.clone(), attempts.clone());
            move |host, port| {
                attempts.fetch_add(1, Ordering::Relaxed);
                broker.connect(&format!("{host}:{port}"))
            }
        });
        let consumer = builder(&broker).connector(connector).group("billing").group_protocol(protocol).build().unwrap();
        consumer.subscribe(["orders"]).await.unwrap();
        while consumer.poll(SECOND).await.unwrap().is_empty() {}
        for node in 0..2 {
            broker.node(node).stop().await;
        }
        attempts.store(0, Ordering::Relaxed);
        let start = Instant::now();
        consumer.close(30 * SECOND).await.unwrap_err();
        assert!(start.elapsed() <= 30 * SECOND, "{protocol:?}");
        let attempts = attempts.load(Ordering::Relaxed);
        assert!((10..=150).contains(&attempts), "{protocol:?}: {attempts} connections");
    }
}

/// Nobody waits in a destructor, and what goes on behind it ends.
#[tokio::test(start_paused = true)]
async fn dropping_takes_no_time_when_the_whole_cluster_is_dead() {
    for kind in KINDS {
        let (broker, reader) = reading(kind).await;
        for node in 0..2 {
            broker.node(node).pause();
        }
        let start = Instant::now();
        drop(reader);
        assert_eq!(start.elapsed(), Duration::ZERO, "{kind:?}");
    }
}

/// edge 68: with nobody there who could share out the partitions.
#[tokio::test(start_paused = true)]
async fn closing_before_anything_was_assigned_ends_in_time_when_the_whole_cluster_is_dead() {
    for kind in KINDS {
        let broker = cluster().await;
        for node in 0..2 {
            broker.node(node).stop().await;
        }
        let reader = Reader::start(&broker, kind).await;
        assert_eq!(reader.poll().await, 0);
        let start = Instant::now();
        let _ = reader.close(3 * SECOND).await;
        assert!(start.elapsed() <= 3 * SECOND, "{kind:?}: {:?}", start.elapsed());
    }
}

/// edge 51: there is nothing left to acknowledge, and the group is told all the same.
#[tokio::test(start_paused = true)]
async fn closing_does_not_wait_for_a_topic_that_was_deleted() {
    for kind in KINDS {
        let (broker, reader) = reading(kind).await;
        broker.delete_topic("orders");
        let start = Instant::now();
        // What was read may find no partition to be committed to.
        let _ = reader.close(SOON).await;
        assert!(start.elapsed() < 2 * SECOND, "{kind:?}: {:?}", start.elapsed());
    }
}
