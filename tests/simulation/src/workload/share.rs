//! A share group: records come in, members take them, acknowledge them in every way, leave, die and come back.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use ottla::config::ShareAcknowledgementMode;
use ottla::{AcknowledgeType, Error, Kind, ShareConsumer, ShareRecords, TopicIdPartition};
use ottla_broker::simulation::Simulation;
use ottla_broker::{ApiKey, SharedState};
use parking_lot::Mutex;
use tokio::time::timeout;

use super::Plan;
use crate::evidence::{SHARE_GROUP, value};
use crate::ledger::Operation;
use crate::stage::{Life, Stage};

const TOPIC: &str = "orders";
const MEMBERS: [&str; 3] = ["worker-0", "worker-1", "worker-2"];

/// What a member may take for an acknowledgement.
const API_TIMEOUT: Duration = Duration::from_secs(8);

/// Locks, sessions of members and connections that nobody answers on are over by then.
const RECOVERY: Duration = Duration::from_secs(60);

pub(super) fn plan(seed: u64) -> Plan {
    let mut random = fastrand::Rng::with_seed(seed);
    let partitions = *random.choice(&[1_u16, 2, 4]).unwrap();
    let simulation = Simulation::new()
        .topic(TOPIC, partitions)
        .groups([SHARE_GROUP])
        .apis([
            ApiKey::ApiVersions,
            ApiKey::FindCoordinator,
            ApiKey::Metadata,
            ApiKey::ShareAcknowledge,
            ApiKey::ShareFetch,
            ApiKey::ShareGroupHeartbeat,
        ])
        .processes(MEMBERS);
    Plan { simulation, topics: vec![(TOPIC.to_owned(), partitions)] }
}

pub(super) async fn run(stage: Stage) {
    let broker = stage.world().broker();
    let lock = if stage.world().random(fastrand::Rng::bool) { "2000" } else { "5000" };
    let settings = [
        ("share.auto.offset.reset", "earliest"),
        ("share.record.lock.duration.ms", lock),
        // Nothing is given up for having been delivered too often.
        ("share.delivery.count.limit", "10000"),
        ("share.session.timeout.ms", "6000"),
        ("share.heartbeat.interval.ms", "500"),
    ];
    for (key, value) in settings {
        broker.configure_share_group(SHARE_GROUP, key, value).unwrap();
    }
    let [first, second, third] = MEMBERS;
    let is_third = stage.world().random(fastrand::Rng::bool);
    let third = async {
        if is_third {
            stage.live(third, work).await;
        }
    };
    tokio::join!(write(&stage), stage.live(first, work), stage.live(second, work), third);
}

/// Records come in for as long as things go wrong.
async fn write(stage: &Stage) {
    let world = stage.world();
    while world.is_faulty() {
        let count = world.random(|random| random.u64(1..=5));
        let partition = world.random(|random| random.u64(..)) % partitions(stage) as u64;
        let values: Vec<String> = (0..count).map(|_| value(stage.new_id(), 1)).collect();
        world.broker().append(TOPIC, partition as i32, values).unwrap();
        tokio::time::sleep(Duration::from_millis(world.random(|random| random.u64(0..=400)))).await;
    }
}

fn partitions(stage: &Stage) -> i32 {
    (0..).find(|partition| stage.world().broker().leader_epoch(TOPIC, *partition).is_none()).unwrap_or(0)
}

/// The group is done with a record, for good.
fn is_record_done(stage: &Stage, partition: i32, offset: i64) -> bool {
    let broker = stage.world().broker();
    let start = broker.share_start_offset(SHARE_GROUP, TOPIC, partition).unwrap_or(0);
    let under_way = broker.shared_records(SHARE_GROUP, TOPIC, partition);
    offset < start || under_way.iter().any(|record| record.offset == offset && record.state == SharedState::Done)
}

/// The group is done with all that was written.
fn is_done(stage: &Stage) -> bool {
    let broker = stage.world().broker();
    (0..partitions(stage)).all(|partition| {
        let end = broker.log(TOPIC, partition).end_offset();
        end == 0 || broker.share_start_offset(SHARE_GROUP, TOPIC, partition) == Some(end)
    })
}

/// A share consumer, and what its last poll handed out.
struct Worker {
    life: Life,
    consumer: ShareConsumer,
    is_explicit: bool,
    open: Arc<Mutex<Vec<(i32, i64)>>>,
}

async fn work(life: Life) {
    let mut worker = Worker::new(&life).await;
    while life.stage().world().is_faulty() {
        worker.round(true).await;
        match life.random(|random| random.u8(..60)) {
            0 => {
                worker.close().await;
                worker = Worker::new(&life).await;
            }
            1 => {
                life.did(Operation::LetGo);
                worker = Worker::new(&life).await;
            }
            2 => {
                let unsubscribed = life.within("unsubscribe", API_TIMEOUT, worker.consumer.unsubscribe());
                // That the group could not be told is its affair.
                if !worker.gives_up(true) {
                    let _ = unsubscribed.await;
                } else if timeout(worker.patience(), unsubscribed).await.is_err() {
                    life.did(Operation::End { call: "unsubscribe".to_owned() });
                }
                worker.consumer.subscribe([TOPIC]).await.unwrap();
            }
            // Longer than records are locked, or than a poll may be away.
            3 => tokio::time::sleep(Duration::from_millis(life.random(|random| random.u64(2_000..=8_000)))).await,
            _ => tokio::time::sleep(Duration::from_millis(life.random(|random| random.u64(0..=150)))).await,
        }
    }
    life.stage().world().faults_over().await;
    let all_done = async {
        while !is_done(life.stage()) {
            worker.round(false).await;
        }
    };
    life.awaits("the end of the group's work", RECOVERY, all_done).await;
    worker.close().await;
}

impl Worker {
    async fn new(life: &Life) -> Self {
        let draw = |of: &[u64]| life.random(|random| *random.choice(of).unwrap());
        let is_explicit = life.random(fastrand::Rng::bool);
        let mode = if is_explicit { ShareAcknowledgementMode::Explicit } else { ShareAcknowledgementMode::Implicit };
        let consumer = ShareConsumer::builder(life.stage().world().bootstrap())
            .process(life.process())
            .client_id(life.name())
            .group(SHARE_GROUP)
            .share_acknowledgement_mode(mode)
            .max_poll_records(draw(&[1, 7, 500]) as usize)
            .max_poll_interval(Duration::from_millis(draw(&[5_000, 60_000])))
            .fetch_max_wait(Duration::from_millis(draw(&[100, 500])))
            .metadata_max_age(Duration::from_millis(draw(&[2_000, 300_000])))
            .request_timeout(Duration::from_millis(draw(&[1_500, 4_000])))
            .default_api_timeout(API_TIMEOUT)
            .build()
            .unwrap();
        let told = life.clone();
        consumer.set_acknowledgement_commit_callback(
            move |partition: &TopicIdPartition, offsets: &[RangeInclusive<i64>], outcome: &Result<(), Error>| {
                let error = outcome.as_ref().err().map(ToString::to_string);
                let of = &partition.topic_partition;
                for offset in offsets.iter().cloned().flatten() {
                    let place = (of.topic.to_string(), of.partition);
                    let is_done = is_record_done(told.stage(), of.partition, offset);
                    told.did(Operation::Acknowledged { place, offset, error: error.clone(), is_done });
                }
            },
        );
        consumer.subscribe([TOPIC]).await.unwrap();
        Self { life: life.clone(), consumer, is_explicit, open: Arc::default() }
    }

    /// A poll, what is done with its records, and perhaps a commit; each perhaps given up.
    async fn round(&self, is_faulty: bool) {
        let wait = Duration::from_millis(self.life.random(|random| *random.choice(&[0, 20, 200, 1_000]).unwrap()));
        self.accept();
        let poll = self.life.within("poll", wait, self.consumer.poll(wait));
        let polled = if self.gives_up(is_faulty) {
            let polled = timeout(self.patience(), poll).await;
            if polled.is_err() {
                self.life.did(Operation::End { call: "poll".to_owned() });
            }
            polled.ok()
        } else {
            Some(poll.await)
        };
        match polled {
            None => {}
            Some(Ok(records)) => self.take(&records, is_faulty),
            Some(Err(error)) if error.kind() == Kind::Protocol => self.life.did(Operation::Unreadable),
            // Errors are for people; reading goes on.
            Some(Err(error)) => assert_ne!(error.kind(), Kind::State, "{error}"),
        }
        match self.life.random(|random| random.u8(..10)) {
            0 => {
                self.accept();
                let commit = self.life.within("commit", API_TIMEOUT, self.consumer.commit());
                if !self.gives_up(is_faulty) {
                    commit.await.unwrap();
                } else if timeout(self.patience(), commit).await.is_err() {
                    self.life.did(Operation::End { call: "commit".to_owned() });
                }
            }
            1 => {
                self.accept();
                self.consumer.commit_async().unwrap();
            }
            _ => {}
        }
    }

    fn take(&self, records: &ShareRecords, is_faulty: bool) {
        for record in records {
            let place = (TOPIC.to_owned(), record.partition());
            let offset = record.offset();
            self.life.did(Operation::Took { place: place.clone(), offset });
            if !self.is_explicit {
                self.open.lock().push((record.partition(), offset));
                continue;
            }
            let kind = match self.life.random(|random| random.u8(..12)) {
                0 if is_faulty => AcknowledgeType::Release,
                1 if is_faulty => AcknowledgeType::Reject,
                _ => AcknowledgeType::Accept,
            };
            self.life.did(Operation::Acknowledge { place, offset, comes_again: kind == AcknowledgeType::Release });
            self.consumer.acknowledge(&record, kind).unwrap();
        }
    }

    /// A poll or commit accepts what the last poll handed out, unless that is said record by record.
    fn accept(&self) {
        for (partition, offset) in std::mem::take(&mut *self.open.lock()) {
            let place = (TOPIC.to_owned(), partition);
            self.life.did(Operation::Acknowledge { place, offset, comes_again: false });
        }
    }

    async fn close(&self) {
        let limit = Duration::from_millis(self.life.random(|random| random.u64(100..=8_000)));
        // Whether the cluster hears of it is its affair.
        let _ = self.life.within("close", limit, self.consumer.close(limit)).await;
    }

    fn gives_up(&self, is_faulty: bool) -> bool {
        is_faulty && self.life.random(|random| random.u8(..8) == 0)
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(self.life.random(|random| random.u64(0..=30)))
    }
}
