//! Everything goes wrong at once, as a seed says: no record may be skipped, and none committed that nobody is done with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ottla::config::{AssignmentStrategy, GroupProtocol};
use ottla::{Called, Consumer, RebalanceListener, Records, Subscription, TopicPartition};
use ottla_broker::{ApiKey, Broker};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::consume::builder;

const PARTITIONS: i32 = 5;
const NODES: i32 = 3;

/// A small generator: what a seed says must not change with a library.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: i32) -> i32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % sides as u64) as i32
    }
}

/// How the members of the group share out the partitions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sharing {
    Consumer,
    Cooperative,
    Eager,
}

/// A user who works on what a poll handed out until the next, and whose work is lost if he goes in the middle of it.
struct Member {
    consumer: Consumer,
    in_work: Vec<(i32, i64)>,
    /// None for one that does not listen.
    listener: Option<Listener>,
}

/// Knows what comes next in each partition, and commits what goes.
#[derive(Clone, Default)]
struct Listener {
    next: Arc<Mutex<BTreeMap<i32, i64>>>,
    takes: Duration,
}

impl Listener {
    fn forget(&self, partitions: &[TopicPartition]) {
        self.next.lock().retain(|number, _| partitions.iter().all(|partition| partition.partition != *number));
    }
}

impl RebalanceListener for Listener {
    fn on_partitions_assigned<'a>(&'a self, _: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
        self.forget(partitions);
        Box::pin(async {
            tokio::time::sleep(self.takes).await;
            Ok(())
        })
    }

    fn on_partitions_revoked<'a>(&'a self, consumer: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
        self.forget(partitions);
        Box::pin(async {
            tokio::time::sleep(self.takes).await;
            Ok(consumer.commit().await?)
        })
    }

    fn on_partitions_lost<'a>(&'a self, _: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
        self.forget(partitions);
        Box::pin(async { Ok(()) })
    }
}

impl Member {
    async fn new(broker: &Broker, sharing: Sharing, name: i32, dice: &mut Dice) -> Self {
        let builder = builder(broker)
            .seed(name as u64)
            .group("billing")
            .client_id(format!("m{name}"))
            .auto_commit_interval(Duration::from_millis(200))
            .default_api_timeout(Duration::from_secs(5))
            .max_poll_interval(Duration::from_secs(20))
            .metadata_max_age(Duration::from_secs(5))
            .max_partition_fetch_bytes(400_u32)
            .max_poll_records(7_usize)
            .client_rack(["", "a", "b"][dice.roll(3) as usize]);
        let builder = match sharing {
            Sharing::Consumer => builder.group_protocol(GroupProtocol::Consumer),
            Sharing::Cooperative | Sharing::Eager => {
                let strategy = match sharing {
                    Sharing::Cooperative => AssignmentStrategy::CooperativeSticky,
                    _ => AssignmentStrategy::Range,
                };
                builder
                    .partition_assignment_strategy(vec![strategy])
                    .session_timeout(Duration::from_secs(6))
                    .heartbeat_interval(Duration::from_secs(1))
            }
        };
        let takes = Duration::from_millis(dice.roll(50) as u64);
        let listener = (dice.roll(2) == 0).then(|| Listener { takes, ..Listener::default() });
        let member = Self { consumer: builder.build().unwrap(), in_work: Vec::new(), listener };
        member.subscribe().await;
        member
    }

    async fn subscribe(&self) {
        let subscription = Subscription::topics(["orders"]);
        let subscription = match self.listener.clone() {
            Some(listener) => subscription.listener(listener),
            None => subscription,
        };
        self.consumer.subscribe_to(subscription).await.unwrap();
    }

    /// What is handed out is done with.
    fn finish(&mut self, read: &mut [BTreeSet<i64>]) {
        for (partition, offset) in std::mem::take(&mut self.in_work) {
            read[partition as usize].insert(offset);
        }
    }

    fn works_on(&mut self, records: &Records, seed: u64) {
        let mut next: BTreeMap<i32, i64> = BTreeMap::new();
        for record in records {
            let (partition, offset) = (record.partition(), record.offset());
            let value = std::str::from_utf8(record.value().unwrap()).unwrap();
            assert_eq!(offset, value.parse::<i64>().unwrap(), "seed {seed}");
            let known = match &self.listener {
                Some(listener) => listener.next.lock().insert(partition, offset + 1),
                None => next.insert(partition, offset + 1),
            };
            // Out of range, it starts over.
            assert!(
                known.is_none_or(|known| offset == known || offset == 0),
                "seed {seed}: {offset} of {partition} after {known:?}"
            );
            self.in_work.push((partition, offset));
        }
    }
}

/// One thing that happens to the cluster; what it breaks is mended by the next.
async fn misfortune(broker: &Broker, sharing: Sharing, dice: &mut Dice) {
    mend(broker).await;
    let node = dice.roll(NODES);
    let is_classic = sharing != Sharing::Consumer;
    match dice.roll(12) {
        0 => broker.node(node).stop().await,
        1 => broker.node(node).pause(),
        2 => broker.node(node).disconnect_clients().await.unwrap(),
        3 | 4 => broker.move_leader("orders", dice.roll(PARTITIONS), node).unwrap(),
        5 => broker.move_coordinator("billing", node).unwrap(),
        6 => {
            let (beat, join) = match is_classic {
                true => (ApiKey::Heartbeat, ApiKey::JoinGroup),
                false => (ApiKey::ConsumerGroupHeartbeat, ApiKey::OffsetFetch),
            };
            broker.on([ApiKey::Fetch, beat, ApiKey::OffsetCommit, join][dice.roll(4) as usize]).drop_after();
        }
        7 => broker.times(2, ApiKey::Fetch, [6_i16, 74, 75, 3, 1, 70, 71][dice.roll(7) as usize]),
        8 if is_classic => broker.once(ApiKey::Heartbeat, [27_i16, 22, 25, 16][dice.roll(4) as usize]),
        8 => broker.once(ApiKey::ConsumerGroupHeartbeat, [110_i16, 25, 16, 14][dice.roll(4) as usize]),
        9 if is_classic => broker.once(ApiKey::OffsetCommit, [27_i16, 22, 16, 14][dice.roll(4) as usize]),
        9 => broker.once([ApiKey::OffsetCommit, ApiKey::OffsetFetch][dice.roll(2) as usize], 113_i16),
        10 => broker.on(ApiKey::OffsetCommit).hold(),
        _ => broker.on(ApiKey::Fetch).node(node).hold(),
    }
}

async fn mend(broker: &Broker) {
    for node in 0..NODES {
        broker.node(node).resume();
        broker.node(node).start().await.unwrap();
    }
    broker.release();
}

async fn run(sharing: Sharing, seed: u64) {
    let mut dice = Dice(seed);
    let broker = Broker::start()
        .nodes(NODES as u16)
        .replication_factor(NODES as u16)
        .racks(["a", "b", "c"])
        .rack_aware_reads(true)
        .topic("orders", PARTITIONS as u16)
        .group_initial_rebalance_delay(Duration::ZERO)
        .consumer_group_session_timeout(Duration::from_secs(6))
        .consumer_group_heartbeat_interval(Duration::from_secs(1))
        .in_memory_only()
        .await;
    let mut written = vec![0_usize; PARTITIONS as usize];
    let mut read = vec![BTreeSet::new(); PARTITIONS as usize];
    let mut members = vec![Member::new(&broker, sharing, 0, &mut dice).await];
    let deadline = Instant::now() + Duration::from_secs(800);
    let mut round = 0;
    loop {
        round += 1;
        let is_over = round > 400;
        if !is_over {
            for partition in 0..PARTITIONS {
                broker.append("orders", partition, [written[partition as usize].to_string()]).unwrap();
                written[partition as usize] += 1;
            }
            if round % 10 == 0 {
                misfortune(&broker, sharing, &mut dice).await;
            }
            let one = dice.roll(members.len() as i32) as usize;
            match dice.roll(60) {
                0 | 1 if members.len() < 4 => members.push(Member::new(&broker, sharing, round, &mut dice).await),
                2 if members.len() > 1 => drop(members.remove(one)),
                3 if members.len() > 1 => {
                    let mut member = members.remove(one);
                    member.finish(&mut read);
                    // Whether the cluster hears of it is its affair.
                    let _ = member.consumer.close(Duration::from_secs(2)).await;
                }
                4 => {
                    let member = &mut members[one];
                    member.finish(&mut read);
                    let _ = tokio::time::timeout(Duration::from_secs(2), member.consumer.unsubscribe()).await;
                    member.subscribe().await;
                }
                // Longer than a poll may be away.
                5 => tokio::time::sleep(Duration::from_secs(21)).await,
                6 | 7 => {
                    let partition = TopicPartition::new("orders", dice.roll(PARTITIONS));
                    let _ = members[one].consumer.pause(&[partition]).await;
                }
                8 | 9 => {
                    members[one].finish(&mut read);
                    if let Ok(commit) = members[one].consumer.enqueue_commit() {
                        drop(commit);
                    }
                }
                10 => {
                    members[one].finish(&mut read);
                    let _ = members[one].consumer.commit().await;
                }
                _ => {}
            }
        } else if round == 401 {
            misfortune(&broker, sharing, &mut dice).await;
            mend(&broker).await;
        }
        for member in &mut members {
            if is_over || dice.roll(20) == 0 {
                let assignment = member.consumer.assignment();
                let _ = member.consumer.resume(&assignment).await;
            }
            member.finish(&mut read);
            let poll = member.consumer.poll(Duration::from_millis(20));
            // Now and then the future is dropped, also amid the listener.
            let patience = if dice.roll(8) == 0 { dice.roll(20) as u64 } else { 30_000 };
            let polled = tokio::time::timeout(Duration::from_millis(patience), poll).await;
            // Errors are for people; reading goes on.
            let Ok(Ok(records)) = polled else { continue };
            member.works_on(&records, seed);
        }
        for partition in 0..PARTITIONS {
            let committed = broker.committed("billing", "orders", partition).map_or(0, |committed| committed.offset);
            let done = &read[partition as usize];
            let is_done = |offset: &i64| done.contains(offset);
            let first = (0..committed).find(|offset| !is_done(offset));
            assert!(first.is_none(), "{sharing:?}, seed {seed}: {committed} of {partition}, but {first:?} is not done");
        }
        if is_over && read.iter().zip(&written).all(|(read, written)| read.len() == *written) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{sharing:?}, seed {seed}: read {:?} of {written:?}, assigned {:?}",
            read.iter().map(BTreeSet::len).collect::<Vec<_>>(),
            members.iter().map(|member| member.consumer.assignment()).collect::<Vec<_>>()
        );
    }
}

const SEEDS: std::ops::RangeInclusive<u64> = 1..=8;

#[tokio::test(start_paused = true)]
async fn no_record_is_skipped_whatever_happens() {
    for seed in SEEDS {
        run(Sharing::Eager, seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_record_is_skipped_by_a_group_that_rebalances_by_and_by() {
    for seed in SEEDS {
        run(Sharing::Cooperative, seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_record_is_skipped_by_a_group_whose_coordinator_assigns() {
    for seed in SEEDS {
        run(Sharing::Consumer, seed).await;
    }
}
