//! Everything goes wrong at once, as a seed says: each record of a share group is accepted in the end, and by one member.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ottla::config::ShareAcknowledgementMode;
use ottla::{AcknowledgeType, Error, ShareConsumer, TopicIdPartition};
use ottla_broker::{ApiKey, Broker};
use tokio::time::Instant;

use crate::consume_chaos::Dice;
use crate::share::{append, builder, orders};

const PARTITIONS: i32 = 4;
const NODES: i32 = 3;
const ROUNDS: i32 = 150;

type Place = (i32, i64);

/// How often a broker has confirmed that a record was accepted.
type Accepted = Arc<Mutex<BTreeMap<Place, usize>>>;

struct Member {
    consumer: ShareConsumer,
    is_explicit: bool,
    /// What it once released: a confirmation may be of that.
    released: Arc<Mutex<BTreeSet<Place>>>,
}

async fn member(broker: &Broker, seed: u64, name: i32, is_explicit: bool, accepted: &Accepted) -> Member {
    let mode = if is_explicit { ShareAcknowledgementMode::Explicit } else { ShareAcknowledgementMode::Implicit };
    let consumer = builder(broker)
        .client_id(format!("m{name}"))
        .seed(seed * 1_000 + u64::from(name.unsigned_abs()))
        .share_acknowledgement_mode(mode)
        .max_poll_records(7_usize)
        .max_poll_interval(Duration::from_secs(20))
        .metadata_max_age(Duration::from_secs(5))
        .request_timeout(Duration::from_secs(4))
        .default_api_timeout(Duration::from_secs(8))
        .build()
        .unwrap();
    let released: Arc<Mutex<BTreeSet<Place>>> = Arc::default();
    let (into, but) = (accepted.clone(), released.clone());
    consumer.set_acknowledgement_commit_callback(
        move |partition: &TopicIdPartition, offsets: &[std::ops::RangeInclusive<i64>], outcome: &Result<(), Error>| {
            for offset in offsets.iter().cloned().flatten().filter(|_| outcome.is_ok()) {
                let place = (partition.topic_partition.partition, offset);
                if !but.lock().unwrap().contains(&place) {
                    *into.lock().unwrap().entry(place).or_default() += 1;
                }
            }
        },
    );
    consumer.subscribe(["orders"]).await.unwrap();
    Member { consumer, is_explicit, released }
}

async fn mend(broker: &Broker) {
    for node in 0..NODES {
        broker.node(node).resume();
        broker.node(node).start().await.unwrap();
    }
    broker.set_share_session_slots(100);
    broker.release();
}

/// One thing that happens to the cluster; what it breaks is mended by the next.
async fn misfortune(broker: &Broker, dice: &mut Dice) {
    mend(broker).await;
    let node = dice.roll(NODES);
    let api = [ApiKey::ShareFetch, ApiKey::ShareAcknowledge, ApiKey::ShareGroupHeartbeat][dice.roll(3) as usize];
    match dice.roll(12) {
        0 => broker.node(node).stop().await,
        1 => broker.node(node).pause(),
        2 => broker.node(node).disconnect_clients().await.unwrap(),
        3 | 4 => broker.move_leader("orders", dice.roll(PARTITIONS), node).unwrap(),
        5 => broker.move_coordinator("packers", node).unwrap(),
        6 => broker.on(api).drop_after(),
        7 => broker.times(2, ApiKey::ShareFetch, [6_i16, 3, 122, 123, 133, 100, -1][dice.roll(7) as usize]),
        8 => broker.times(2, ApiKey::ShareAcknowledge, [6_i16, 121, 122, 123, 14, 100][dice.roll(6) as usize]),
        9 => broker.once(ApiKey::ShareGroupHeartbeat, [25_i16, 110, 14, 15, 16][dice.roll(5) as usize]),
        10 => broker.on(api).node(node).hold(),
        _ if dice.roll(2) == 0 => broker.set_share_session_slots(0),
        _ => broker.drop_share_sessions(),
    }
}

async fn run(seed: u64) {
    let mut dice = Dice(seed);
    let broker = orders(NODES as u16, PARTITIONS as u16).await;
    let settings = [
        ("share.record.lock.duration.ms", "5000"),
        ("share.delivery.count.limit", "10000"),
        ("share.session.timeout.ms", "6000"),
        ("share.heartbeat.interval.ms", "500"),
    ];
    for (key, value) in settings {
        broker.configure_share_group("packers", key, value).unwrap();
    }
    let accepted = Accepted::default();
    let mut written = [0_i32; PARTITIONS as usize];
    let mut seen: BTreeMap<Place, usize> = BTreeMap::new();
    let mut members = vec![member(&broker, seed, 0, dice.roll(2) == 0, &accepted).await];
    let deadline = Instant::now() + Duration::from_secs(600);
    for round in 1.. {
        let is_over = round > ROUNDS;
        if !is_over {
            for partition in 0..PARTITIONS {
                let count = &mut written[partition as usize];
                append(&broker, partition, *count..*count + 1);
                *count += 1;
            }
            if round % 8 == 0 {
                misfortune(&broker, &mut dice).await;
            }
            match dice.roll(50) {
                0 if members.len() < 3 => {
                    members.push(member(&broker, seed, round, dice.roll(2) == 0, &accepted).await);
                }
                1 if members.len() > 1 => drop(members.remove(0)),
                2 if members.len() > 1 => {
                    // Whether the cluster hears of it is its affair.
                    let _ = members.remove(0).consumer.close(Duration::from_secs(2)).await;
                }
                // Longer than records are locked, or than a poll may be away.
                3 => tokio::time::sleep(Duration::from_secs(6)).await,
                4 => tokio::time::sleep(Duration::from_secs(21)).await,
                _ => {}
            }
        } else if round == ROUNDS + 1 {
            misfortune(&broker, &mut dice).await;
            mend(&broker).await;
            broker.clear();
        }
        for Member { consumer, is_explicit, released } in &members {
            let wait = Duration::from_millis([20, 100][dice.roll(2) as usize]);
            let polled = match dice.roll(10) {
                0 => match tokio::time::timeout(wait / 2, consumer.poll(wait)).await {
                    Ok(polled) => polled,
                    Err(_) => continue,
                },
                _ => consumer.poll(wait).await,
            };
            // Errors are for people; reading goes on.
            let records = match polled {
                Ok(records) => records,
                Err(error) => {
                    assert_ne!(error.kind(), ottla::Kind::State, "seed {seed}: {error}");
                    continue;
                }
            };
            for record in &records {
                let value = std::str::from_utf8(record.value().unwrap()).unwrap();
                assert_eq!(record.offset(), value.parse::<i64>().unwrap(), "seed {seed}");
                let place = (record.partition(), record.offset());
                *seen.entry(place).or_default() += 1;
                if *is_explicit {
                    let mut kind = AcknowledgeType::Accept;
                    if !is_over && dice.roll(10) == 0 {
                        kind = AcknowledgeType::Release;
                        released.lock().unwrap().insert(place);
                    }
                    consumer.acknowledge(&record, kind).unwrap();
                }
            }
            match dice.roll(12) {
                0 => drop(consumer.commit().await.unwrap()),
                1 => consumer.commit_async().unwrap(),
                2 => drop(tokio::time::timeout(Duration::from_millis(3), consumer.commit()).await),
                _ => {}
            }
        }
        let starts = (0..PARTITIONS).map(|it| broker.share_start_offset("packers", "orders", it).unwrap_or(0));
        if is_over && starts.zip(&written).all(|(start, written)| start == i64::from(*written)) {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "seed {seed}: stuck at {:?}, sessions {:?}, group {:?}",
            (0..PARTITIONS).map(|it| broker.shared_records("packers", "orders", it)).collect::<Vec<_>>(),
            broker.share_sessions(),
            broker.share_group("packers"),
        );
    }
    for member in &members {
        let _ = member.consumer.close(Duration::from_secs(5)).await;
    }
    assert_eq!(seen.len(), written.iter().sum::<i32>() as usize, "seed {seed}: each record was handed out");
    // More than one may say so of a record that came again: brokers take what is said of records that are done with.
    for (place, times) in accepted.lock().unwrap().iter() {
        assert!(times <= &seen[place], "seed {seed}: {place:?} came {} times, accepted {times} times", seen[place]);
    }
}

#[tokio::test(start_paused = true)]
async fn each_record_is_accepted_once_whatever_happens() {
    for seed in 1..=40 {
        run(seed).await;
    }
}
