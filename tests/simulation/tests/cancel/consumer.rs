//! Calls of a consumer.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream;
use ottla::config::{GroupProtocol, OffsetReset};
use ottla::{
    Called, CloseOptions, Consumer, Error, Kind, OwnedRecord, RebalanceListener, RecordStream, Subscription,
    TopicPartition,
};
use ottla_broker::simulation::World;
use tokio::time::Instant;

use crate::Call;
use crate::scene::{PARTITIONS, SOON, Scene, TOPIC, anywhere, soon};

const GROUP: &str = "billing";

/// Records in each partition before the call.
const BEFORE: i64 = 5;

pub(crate) const CALLS: &[Call] = &[
    ("Consumer::subscribe", || {
        reading(async |scene, reader| {
            scene.dropped(reader.consumer.subscribe([TOPIC])).await.transpose().unwrap();
        });
    }),
    ("Consumer::subscribe_to", || {
        reading(async |scene, reader| {
            let pattern = Subscription::pattern("ord.*").unwrap().listener(Slow);
            scene.dropped(reader.consumer.subscribe_to(pattern)).await.transpose().unwrap();
        });
    }),
    ("Consumer::unsubscribe", || {
        reading(async |scene, reader| {
            // Says that all before is done with.
            reader.poll().await;
            scene.dropped(reader.consumer.unsubscribe()).await.transpose().unwrap();
            assert!(reader.consumer.assignment().is_empty() && reader.consumer.subscription().is_empty());
            scene.until("the group is empty", has_no_member).await;
            // What is done with is committed: nothing of it comes again.
            reader.subscribe().await;
        });
    }),
    ("Consumer::enforce_rebalance", || {
        reading(async |scene, reader| {
            scene.dropped(reader.consumer.enforce_rebalance("why not")).await.transpose().unwrap();
        });
    }),
    ("Consumer::assign", || {
        alone(async |scene, reader| {
            scene.dropped(reader.consumer.assign(partitions())).await.transpose().unwrap();
        });
    }),
    ("Consumer::poll", || {
        joining(async |scene, reader| reader.poll_dropped(scene).await);
        reading(async |scene, reader| {
            reader.append_soon(scene);
            reader.poll_dropped(scene).await;
        });
    }),
    ("Consumer::client_instance_id", || {
        reading(async |scene, reader| {
            scene.dropped(reader.consumer.client_instance_id(SOON)).await.transpose().unwrap();
        });
    }),
    ("Consumer::seek", || {
        reading(async |scene, reader| {
            if scene.dropped(reader.consumer.seek(&place(0), 2)).await.transpose().unwrap().is_some() {
                reader.next.insert(0, 2);
            }
        });
    }),
    ("Consumer::seek_to_beginning", || {
        reading(async |scene, reader| {
            if scene.dropped(reader.consumer.seek_to_beginning(&partitions())).await.transpose().unwrap().is_some() {
                reader.next.clear();
            }
        });
    }),
    ("Consumer::seek_to_end", || {
        reading(async |scene, reader| {
            scene.dropped(reader.consumer.seek_to_end(&partitions())).await.transpose().unwrap();
            for partition in partitions() {
                soon("position", reader.consumer.position(&partition)).await.unwrap();
            }
        });
    }),
    ("Consumer::seek_to_committed", || {
        reading(async |scene, reader| {
            let offsets = [(place(0), 3_i64), (place(1), BEFORE), (place(2), BEFORE)];
            soon("commit_offsets", reader.consumer.commit_offsets(offsets)).await.unwrap();
            if scene.dropped(reader.consumer.seek_to_committed()).await.transpose().unwrap().is_some() {
                reader.next.insert(0, 3);
            }
        });
    }),
    ("Consumer::pause", || {
        reading(async |scene, reader| {
            scene.dropped(reader.consumer.pause(&partitions())).await.transpose().unwrap();
            reader.consumer.resume(&partitions()).await.unwrap();
        });
    }),
    ("Consumer::resume", || {
        reading(async |scene, reader| {
            reader.consumer.pause(&partitions()).await.unwrap();
            scene.dropped(reader.consumer.resume(&partitions())).await.transpose().unwrap();
            reader.consumer.resume(&partitions()).await.unwrap();
        });
    }),
    ("Consumer::position", || {
        reading(async |scene, reader| {
            let position = scene.dropped(reader.consumer.position(&place(1))).await.transpose().unwrap();
            assert!(position.is_none_or(|position| position == BEFORE));
        });
        alone(async |scene, reader| {
            reader.consumer.assign(partitions()).await.unwrap();
            let position = scene.dropped(reader.consumer.position(&place(1))).await.transpose().unwrap();
            assert!(position.is_none_or(|position| position == 0));
        });
    }),
    ("Consumer::commit", || {
        reading(async |scene, reader| {
            let is_done = scene.dropped(reader.consumer.commit()).await.transpose().unwrap().is_some();
            reader.is_committed_or(scene, is_done, None);
        });
    }),
    ("Consumer::commit_offsets", || {
        reading(async |scene, reader| {
            let offsets = [(place(0), 2_i64), (place(1), 2), (place(2), 2)];
            let call = reader.consumer.commit_offsets(offsets);
            let is_done = scene.dropped(call).await.transpose().unwrap().is_some();
            reader.is_committed_or(scene, is_done, Some(2));
        });
    }),
    ("Consumer::committed", || {
        reading(async |scene, reader| {
            soon("commit", reader.consumer.commit()).await.unwrap();
            let all = partitions();
            let committed = scene.dropped(reader.consumer.committed(&all)).await.transpose().unwrap();
            let is_right = |offsets: BTreeMap<_, Option<ottla::OffsetAndMetadata>>| {
                offsets.values().all(|offset| offset.as_ref().is_some_and(|offset| offset.offset == BEFORE))
            };
            assert!(committed.is_none_or(is_right));
        });
    }),
    ("Consumer::beginning_offsets", || {
        reading(async |scene, reader| {
            let all = partitions();
            let found = scene.dropped(reader.consumer.beginning_offsets(&all)).await.transpose().unwrap();
            assert!(found.is_none_or(|found| found.values().eq(&[0, 0, 0])));
        });
    }),
    ("Consumer::end_offsets", || {
        reading(async |scene, reader| {
            let all = partitions();
            let found = scene.dropped(reader.consumer.end_offsets(&all)).await.transpose().unwrap();
            assert!(found.is_none_or(|found| found.values().eq(&[BEFORE; 3])));
        });
    }),
    ("Consumer::offsets_for_times", || {
        reading(async |scene, reader| {
            let times = partitions().map(|partition| (partition, 1));
            let found = scene.dropped(reader.consumer.offsets_for_times(times)).await.transpose().unwrap();
            let is_first = |found: &Option<ottla::OffsetAndTimestamp>| found.as_ref().is_some_and(|at| at.offset == 0);
            assert!(found.is_none_or(|found| found.len() == 3 && found.values().all(is_first)));
        });
    }),
    ("Consumer::partitions_for", || {
        reading(async |scene, reader| {
            let found = scene.dropped(reader.consumer.partitions_for(TOPIC)).await.transpose().unwrap();
            assert!(found.is_none_or(|found| found == partitions()));
        });
    }),
    ("Consumer::close", || closing(async |scene, consumer| scene.dropped(consumer.close(SOON)).await)),
    ("Consumer::close_with", || {
        closing(async |scene, consumer| scene.dropped(consumer.close_with(CloseOptions::new().timeout(SOON))).await);
    }),
    ("PendingCommit::poll", || {
        reading(async |scene, reader| {
            let pending = reader.consumer.enqueue_commit().unwrap();
            scene.dropped(pending).await.transpose().unwrap();
            // Goes on if it is dropped.
            scene.until("the commit is made", |world| committed(world) == [Some(BEFORE); 3]).await;
        });
    }),
    ("RecordStream::poll_next", || {
        joining(async |scene, reader| {
            let mut stream = reader.consumer.stream();
            if let Some(record) = scene.dropped(next(&mut stream)).await {
                reader.has(&record);
            }
        });
        reading(async |scene, reader| {
            reader.append_soon(scene);
            let mut stream = reader.consumer.stream();
            if let Some(record) = scene.dropped(next(&mut stream)).await {
                reader.has(&record);
            }
        });
    }),
];

/// Takes its time in every call.
struct Slow;

impl RebalanceListener for Slow {
    fn on_partitions_assigned<'a>(&'a self, consumer: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
        Box::pin(async move {
            for partition in partitions {
                consumer.position(partition).await?;
            }
            Ok(())
        })
    }

    fn on_partitions_revoked<'a>(&'a self, _: &'a Consumer, _: &'a [TopicPartition]) -> Called<'a> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(3)).await;
            Ok(())
        })
    }
}

/// What a consumer was handed out: each record once, and in order.
struct Reader {
    consumer: Consumer,
    /// The offset that comes next.
    next: BTreeMap<i32, i64>,
}

impl Reader {
    fn new(scene: &Scene, protocol: GroupProtocol) -> Self {
        let consumer = Consumer::builder(scene.bootstrap())
            .process(scene.process())
            .group(GROUP)
            .group_protocol(protocol)
            .auto_offset_reset(OffsetReset::Earliest)
            .max_poll_records(4_usize)
            .build()
            .unwrap();
        for partition in 0..PARTITIONS {
            append(scene.world(), partition, 0..BEFORE);
        }
        Self { consumer, next: BTreeMap::new() }
    }

    async fn subscribe(&self) {
        self.consumer.subscribe_to(Subscription::topics([TOPIC]).listener(Slow)).await.unwrap();
    }

    fn has(&mut self, record: &OwnedRecord) {
        let partition = record.partition;
        let next = self.next.entry(partition).or_default();
        assert_eq!(record.offset, *next, "of partition {partition}");
        assert_eq!(record.value.as_deref(), Some(record.offset.to_string().as_bytes()));
        *next += 1;
    }

    async fn poll(&mut self) {
        let records = soon("poll", self.consumer.poll(Duration::from_secs(1))).await.unwrap();
        records.iter().for_each(|record| self.has(&record.to_owned()));
    }

    async fn poll_dropped(&mut self, scene: &Scene) {
        if let Some(records) = scene.dropped(self.consumer.poll(Duration::from_secs(5))).await {
            records.unwrap().iter().for_each(|record| self.has(&record.to_owned()));
        }
    }

    async fn reads_to(&mut self, end: i64) {
        let deadline = Instant::now() + 3 * SOON;
        while !(0..PARTITIONS).all(|partition| self.next.get(&partition) == Some(&end)) {
            assert!(Instant::now() < deadline, "stuck at {:?} of {end}", self.next);
            self.poll().await;
        }
    }

    /// One more record in each partition, in a moment.
    fn append_soon(&self, scene: &Scene) {
        let world = scene.world().clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(7)).await;
            (0..PARTITIONS).for_each(|partition| append(&world, partition, BEFORE..BEFORE + 1));
        });
    }

    /// A commit was made, if it is done; else it may have been.
    fn is_committed_or(&self, scene: &Scene, is_done: bool, offset: Option<i64>) {
        let offset = Some(offset.unwrap_or(BEFORE));
        for committed in committed(scene.world()) {
            assert!(committed == offset || !is_done && committed.is_none(), "{committed:?}");
        }
    }

    /// Reads what is there and what comes, commits it, and closes: the group is left, at the end of everything.
    async fn goes_on(mut self, scene: &Scene) {
        let end = BEFORE + 3;
        for partition in 0..PARTITIONS {
            let from = scene.broker().log(TOPIC, partition).end_offset();
            append(scene.world(), partition, from..from + 1);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        for partition in 0..PARTITIONS {
            let from = scene.broker().log(TOPIC, partition).end_offset();
            append(scene.world(), partition, from..end);
        }
        self.reads_to(end).await;
        for _ in 0..3 {
            self.poll().await;
        }
        soon("commit", self.consumer.commit()).await.unwrap();
        assert_eq!(committed(scene.world()), [Some(end); 3]);
        soon("close", self.consumer.close(SOON)).await.unwrap();
        assert!(has_no_member(scene.world()));
    }
}

/// A member of a group that has just subscribed.
fn joining(call: impl AsyncFn(&Scene, &mut Reader)) {
    for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        anywhere(async |scene| {
            let mut reader = Reader::new(scene, protocol);
            reader.subscribe().await;
            call(scene, &mut reader).await;
            reader.goes_on(scene).await;
        });
    }
}

/// One that was handed out all that is there.
fn reading(call: impl AsyncFn(&Scene, &mut Reader)) {
    joining(async |scene, reader| {
        reader.reads_to(BEFORE).await;
        call(scene, reader).await;
    });
}

/// A consumer that chooses its partitions by itself.
fn alone(call: impl AsyncFn(&Scene, &mut Reader)) {
    anywhere(async |scene| {
        let mut reader = Reader::new(scene, GroupProtocol::Classic);
        call(scene, &mut reader).await;
        reader.consumer.assign(partitions()).await.unwrap();
        reader.goes_on(scene).await;
    });
}

/// Closed, wherever the call was dropped: what was handed out is committed, the group is left, and another goes on there.
fn closing(close: impl AsyncFn(&Scene, &Consumer) -> Option<Result<(), Error>>) {
    for is_reading in [true, false] {
        for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
            anywhere(async |scene| {
                let mut reader = Reader::new(scene, protocol);
                reader.subscribe().await;
                if is_reading {
                    reader.reads_to(BEFORE).await;
                }
                close(scene, &reader.consumer).await.transpose().unwrap();
                assert_eq!(reader.consumer.poll(SOON).await.unwrap_err().kind(), Kind::Closed);
                soon("close", reader.consumer.close(SOON)).await.unwrap();
                scene.until("the group is empty", has_no_member).await;
                let other = Reader { consumer: Reader::new(scene, protocol).consumer, next: reader.next };
                other.subscribe().await;
                other.goes_on(scene).await;
            });
        }
    }
}

async fn next(stream: &mut RecordStream) -> OwnedRecord {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await.unwrap().unwrap()
}

fn append(world: &World, partition: i32, offsets: std::ops::Range<i64>) {
    let from = offsets.start;
    // Another may have done it already.
    if world.broker().log(TOPIC, partition).end_offset() == from && !offsets.is_empty() {
        world.broker().append(TOPIC, partition, offsets.map(|offset| offset.to_string())).unwrap();
    }
}

fn committed(world: &World) -> [Option<i64>; 3] {
    [0, 1, 2].map(|partition| world.broker().committed(GROUP, TOPIC, partition).map(|committed| committed.offset))
}

fn has_no_member(world: &World) -> bool {
    world.broker().group(GROUP).is_none_or(|group| group.members.is_empty())
}

fn place(partition: i32) -> TopicPartition {
    TopicPartition::new(TOPIC, partition)
}

fn partitions() -> [TopicPartition; 3] {
    [0, 1, 2].map(place)
}
