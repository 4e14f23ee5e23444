//! Everything goes wrong at once, as a seed says: no record may be skipped.

use std::collections::BTreeSet;
use std::time::Duration;

use ottla::Consumer;
use ottla_broker::{ApiKey, Broker};
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

/// A user who works on what a poll handed out until the next, and whose work is lost if he goes in the middle of it.
struct Member {
    consumer: Consumer,
    in_work: Vec<(i32, i64)>,
}

async fn member(broker: &Broker, name: i32) -> Member {
    let consumer = builder(broker)
        .group("billing")
        .client_id(format!("m{name}"))
        .auto_commit_interval(Duration::from_millis(200))
        .session_timeout(Duration::from_secs(6))
        .heartbeat_interval(Duration::from_secs(1))
        .max_poll_interval(Duration::from_secs(20))
        .metadata_max_age(Duration::from_secs(5))
        .max_poll_records(7_usize)
        .build()
        .unwrap();
    consumer.subscribe(["orders"]).await.unwrap();
    Member { consumer, in_work: Vec::new() }
}

/// One thing that happens to the cluster; what it breaks is mended by the next.
async fn misfortune(broker: &Broker, dice: &mut Dice) {
    for node in 0..NODES {
        broker.node(node).resume();
        broker.node(node).start().await.unwrap();
    }
    broker.release();
    let node = dice.roll(NODES);
    match dice.roll(10) {
        0 => broker.node(node).stop().await,
        1 => broker.node(node).pause(),
        2 => broker.node(node).disconnect_clients().await.unwrap(),
        3 | 4 => broker.move_leader("orders", dice.roll(PARTITIONS), node).unwrap(),
        5 => broker.move_coordinator("billing", node).unwrap(),
        6 => broker
            .on([ApiKey::Fetch, ApiKey::Heartbeat, ApiKey::OffsetCommit, ApiKey::JoinGroup][dice.roll(4) as usize])
            .drop_after(),
        7 => broker.times(2, ApiKey::Fetch, [6_i16, 74, 75, 3, 1][dice.roll(5) as usize]),
        8 => broker.once(ApiKey::Heartbeat, [27_i16, 22, 25, 16][dice.roll(4) as usize]),
        _ => broker.on(ApiKey::Fetch).node(node).hold(),
    }
}

async fn run(seed: u64) {
    let mut dice = Dice(seed);
    let broker = Broker::start()
        .nodes(NODES as u16)
        .replication_factor(NODES as u16)
        .topic("orders", PARTITIONS as u16)
        .group_initial_rebalance_delay(Duration::ZERO)
        .in_memory_only()
        .await;
    let mut written = vec![0_usize; PARTITIONS as usize];
    let mut read = vec![BTreeSet::new(); PARTITIONS as usize];
    let mut members = vec![member(&broker, 0).await];
    let deadline = Instant::now() + Duration::from_secs(400);
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
                misfortune(&broker, &mut dice).await;
            }
            match dice.roll(60) {
                0 if members.len() < 3 => members.push(member(&broker, round).await),
                1 if members.len() > 1 => drop(members.remove(0)),
                2 if members.len() > 1 => {
                    let Member { consumer, in_work } = members.remove(0);
                    finish(&mut read, in_work);
                    // Whether the cluster hears of it is its affair.
                    let _ = consumer.close(Duration::from_secs(2)).await;
                }
                // Longer than a poll may be away.
                3 => tokio::time::sleep(Duration::from_secs(21)).await,
                _ => {}
            }
        } else if round == 401 {
            misfortune(&broker, &mut dice).await;
            for node in 0..NODES {
                broker.node(node).resume();
                broker.node(node).start().await.unwrap();
            }
            broker.release();
        }
        for member in &mut members {
            finish(&mut read, std::mem::take(&mut member.in_work));
            // Errors are for people; reading goes on.
            let Ok(records) = member.consumer.poll(Duration::from_millis(20)).await else { continue };
            for record in &records {
                let value = std::str::from_utf8(record.value().unwrap()).unwrap();
                assert_eq!(record.offset(), value.parse::<i64>().unwrap(), "seed {seed}");
                member.in_work.push((record.partition(), record.offset()));
            }
        }
        if is_over && read.iter().zip(&written).all(|(read, written)| read.len() == *written) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "seed {seed}: read {:?} of {written:?}, assigned {:?}",
            read.iter().map(BTreeSet::len).collect::<Vec<_>>(),
            members.iter().map(|member| member.consumer.assignment()).collect::<Vec<_>>()
        );
    }
}

fn finish(read: &mut [BTreeSet<i64>], work: Vec<(i32, i64)>) {
    for (partition, offset) in work {
        read[partition as usize].insert(offset);
    }
}

#[tokio::test(start_paused = true)]
async fn no_record_is_skipped_whatever_happens() {
    for seed in 1..=20 {
        run(seed).await;
    }
}
