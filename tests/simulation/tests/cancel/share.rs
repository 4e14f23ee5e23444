//! Calls of a share consumer.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla::config::ShareAcknowledgementMode;
use ottla::{AcknowledgeType, CommitResults, Kind, ShareConsumer, ShareRecords};
use ottla_broker::simulation::World;
use tokio::time::Instant;

use crate::Call;
use crate::scene::{PARTITIONS, SOON, Scene, TOPIC, anywhere, soon};

const GROUP: &str = "packers";

/// Records in each partition before the call.
const BEFORE: i64 = 5;

pub(crate) const CALLS: &[Call] = &[
    ("ShareConsumer::subscribe", || {
        reading(async |scene, worker| {
            scene.dropped(worker.consumer.subscribe([TOPIC])).await.transpose().unwrap();
        });
    }),
    ("ShareConsumer::unsubscribe", || {
        reading(async |scene, worker| {
            // Brokers release what a member that leaves has not acknowledged.
            all_taken(&soon("commit", worker.consumer.commit()).await.unwrap());
            scene.dropped(worker.consumer.unsubscribe()).await.transpose().unwrap();
            assert!(worker.consumer.subscription().is_empty());
            scene.until("the group is empty", has_no_member).await;
            worker.consumer.subscribe([TOPIC]).await.unwrap();
        });
    }),
    ("ShareConsumer::poll", || {
        joining(async |scene, worker| worker.poll_dropped(scene).await);
        reading(async |scene, worker| {
            let world = scene.world().clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(7)).await;
                (0..PARTITIONS).for_each(|partition| append(&world, partition, BEFORE + 1));
            });
            worker.poll_dropped(scene).await;
        });
    }),
    ("ShareConsumer::commit", || {
        reading(async |scene, worker| {
            if let Some(results) = scene.dropped(worker.consumer.commit()).await {
                all_taken(&results.unwrap());
            }
            // Dropped or not, it is sent.
            scene.until("the commit is made", |world| starts(world) == [Some(BEFORE); 3]).await;
        });
    }),
    ("ShareConsumer::client_instance_id", || {
        reading(async |scene, worker| {
            scene.dropped(worker.consumer.client_instance_id(SOON)).await.transpose().unwrap();
        });
    }),
    ("ShareConsumer::close", || {
        for mode in [ShareAcknowledgementMode::Implicit, ShareAcknowledgementMode::Explicit] {
            anywhere(async |scene| {
                let mut worker = Worker::new(scene, mode);
                worker.takes_to(BEFORE).await;
                scene.dropped(worker.consumer.close(SOON)).await.transpose().unwrap();
                assert_eq!(worker.consumer.poll(SOON).await.unwrap_err().kind(), Kind::Closed);
                soon("close", worker.consumer.close(SOON)).await.unwrap();
                scene.until("the group is empty", has_no_member).await;
                scene.until("the sessions are over", |world| world.broker().share_sessions().is_empty()).await;
                // What was acknowledged is done with; what was not is released, and comes to others at once.
                let mut other = Worker::new(scene, mode);
                other.released = worker.unacknowledged.clone();
                other.goes_on(scene).await;
            });
        }
    }),
];

/// What a share consumer was handed out, and did about it.
struct Worker {
    consumer: ShareConsumer,
    is_explicit: bool,
    /// How often each record was handed out.
    seen: BTreeMap<(i32, i64), i16>,
    /// Handed out by the last poll.
    unacknowledged: Vec<(i32, i64)>,
    /// What another let go of: it comes a second time.
    released: Vec<(i32, i64)>,
}

impl Worker {
    fn new(scene: &Scene, mode: ShareAcknowledgementMode) -> Self {
        scene.broker().configure_share_group(GROUP, "share.auto.offset.reset", "earliest").unwrap();
        let consumer = ShareConsumer::builder(scene.bootstrap())
            .process(scene.process())
            .group(GROUP)
            .share_acknowledgement_mode(mode)
            .max_poll_records(4_usize)
            .build()
            .unwrap();
        (0..PARTITIONS).for_each(|partition| append(scene.world(), partition, BEFORE));
        let is_explicit = mode == ShareAcknowledgementMode::Explicit;
        Self { consumer, is_explicit, seen: BTreeMap::new(), unacknowledged: Vec::new(), released: Vec::new() }
    }

    fn takes(&mut self, records: &ShareRecords) {
        // A poll accepts what the last one handed out.
        self.unacknowledged.clear();
        for record in records {
            let place = (record.partition(), record.offset());
            let times = self.seen.entry(place).or_default();
            *times += 1;
            let before = i16::from(self.released.contains(&place));
            assert_eq!((*times, record.delivery_count()), (1, Some(1 + before)), "{place:?}");
            if self.is_explicit {
                self.consumer.acknowledge(&record, AcknowledgeType::Accept).unwrap();
            } else {
                self.unacknowledged.push(place);
            }
        }
    }

    async fn poll(&mut self) {
        let records = soon("poll", self.consumer.poll(Duration::from_secs(1))).await.unwrap();
        self.takes(&records);
    }

    async fn poll_dropped(&mut self, scene: &Scene) {
        if let Some(records) = scene.dropped(self.consumer.poll(Duration::from_secs(5))).await {
            self.takes(&records.unwrap());
        }
    }

    /// Everything before `end` was handed out, to this consumer or one before.
    async fn takes_to(&mut self, end: i64) {
        self.consumer.subscribe([TOPIC]).await.unwrap();
        let deadline = Instant::now() + 3 * SOON;
        while self.seen.keys().filter(|(_, offset)| *offset < end).count() < (end * i64::from(PARTITIONS)) as usize {
            assert!(Instant::now() < deadline, "stuck at {:?} of {end}", self.seen);
            self.poll().await;
        }
    }

    /// Takes what is there and what comes, each record once, accepts all, and closes.
    async fn goes_on(mut self, scene: &Scene) {
        let end = BEFORE + 3;
        self.consumer.subscribe([TOPIC]).await.unwrap();
        for partition in 0..PARTITIONS {
            append(scene.world(), partition, end - 1);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        for partition in 0..PARTITIONS {
            append(scene.world(), partition, end);
        }
        let deadline = Instant::now() + 3 * SOON;
        while starts(scene.world()) != [Some(end); 3] {
            assert!(Instant::now() < deadline, "stuck: {:?} of {end}, {:?}", starts(scene.world()), self.seen);
            self.poll().await;
        }
        if let Some(results) = soon("commit", self.consumer.commit()).await.ok().filter(|all| !all.is_empty()) {
            all_taken(&results);
        }
        soon("close", self.consumer.close(SOON)).await.unwrap();
        assert!(has_no_member(scene.world()));
    }
}

/// A member of a group that has just subscribed.
fn joining(call: impl AsyncFn(&Scene, &mut Worker)) {
    for mode in [ShareAcknowledgementMode::Implicit, ShareAcknowledgementMode::Explicit] {
        anywhere(async |scene| {
            let mut worker = Worker::new(scene, mode);
            worker.consumer.subscribe([TOPIC]).await.unwrap();
            call(scene, &mut worker).await;
            worker.goes_on(scene).await;
        });
    }
}

/// One that was handed out all that is there; the last of it is not committed.
fn reading(call: impl AsyncFn(&Scene, &mut Worker)) {
    joining(async |scene, worker| {
        worker.takes_to(BEFORE).await;
        call(scene, worker).await;
    });
}

fn all_taken(results: &CommitResults) {
    assert!(results.values().all(Result::is_ok), "{results:?}");
}

fn append(world: &World, partition: i32, end: i64) {
    for offset in world.broker().log(TOPIC, partition).end_offset()..end {
        world.broker().append(TOPIC, partition, [offset.to_string()]).unwrap();
    }
}

/// Where the group is done with everything before.
fn starts(world: &World) -> [Option<i64>; 3] {
    [0, 1, 2].map(|partition| world.broker().share_start_offset(GROUP, TOPIC, partition))
}

fn has_no_member(world: &World) -> bool {
    world.broker().share_group(GROUP).is_none_or(|group| group.members.is_empty())
}
