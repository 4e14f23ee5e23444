//! Records while everything goes wrong at once, as a seed says: each has one outcome, is written at most once, and in order.

use std::time::Duration;

use ottla::{Delivery, Producer, Record};
use ottla_broker::{ApiKey, Broker};

use crate::consume_chaos::Dice;
use crate::pipes;

const PARTITIONS: i32 = 4;
const NODES: i32 = 3;
const RECORDS: usize = 400;

fn producer(broker: &Broker, dice: &mut Dice) -> Producer {
    Producer::builder(broker.address())
        .connector(pipes(broker))
        .runtime(tokio::runtime::Handle::current())
        .seed(dice.roll(i32::MAX) as u64)
        .linger(Duration::from_millis(dice.roll(3) as u64 * 10))
        .batch_size([200_usize, 1_000, 100_000][dice.roll(3) as usize])
        .set("compression.type", ["none", "lz4"][dice.roll(2) as usize])
        .set("max.in.flight.requests.per.connection", ["1", "2", "5"][dice.roll(3) as usize])
        .set("buffer.memory", ["4000", "33554432"][dice.roll(2) as usize])
        .max_block(Duration::from_secs(3))
        .request_timeout(Duration::from_secs(2))
        .delivery_timeout(Duration::from_secs([3, 30][dice.roll(2) as usize]))
        .metadata_max_age(Duration::from_secs(5))
        .build()
        .unwrap()
}

/// One thing that happens to the cluster; what stands still because of it is mended by the next.
async fn misfortune(broker: &Broker, dice: &mut Dice) {
    mend(broker).await;
    let node = dice.roll(NODES);
    let faults = broker.on([ApiKey::Produce, ApiKey::Produce, ApiKey::Metadata][dice.roll(3) as usize]);
    let codes = [2_i16, 3, 6, 7, 19, 20, 56, 87];
    match dice.roll(12) {
        0 => broker.node(node).stop().await,
        1 => broker.node(node).pause(),
        2 => broker.node(node).disconnect_clients().await.unwrap(),
        3 | 4 => broker.move_leader("orders", dice.roll(PARTITIONS), node).unwrap(),
        5 => faults.drop_after(),
        6 => faults.refuse(),
        7 => faults.hold(),
        8 => faults.repeat(),
        9 => faults.ignore(),
        10 => faults.delay(Duration::from_millis(dice.roll(1_500) as u64)),
        _ => broker.times(1 + dice.roll(3) as u32, ApiKey::Produce, codes[dice.roll(codes.len() as i32) as usize]),
    }
}

async fn mend(broker: &Broker) {
    for node in 0..NODES {
        broker.node(node).resume();
        broker.node(node).start().await.unwrap();
    }
    broker.release();
}

async fn run(seed: u64) {
    let mut dice = Dice(seed);
    let broker = Broker::start()
        .nodes(NODES as u16)
        .replication_factor(NODES as u16)
        .topic("orders", PARTITIONS as u16)
        .in_memory_only()
        .await;
    if dice.roll(3) == 0 {
        broker.configure_topic("orders", "max.message.bytes", "600").unwrap();
    }
    let producer = producer(&broker, &mut dice);
    let (mut bad_luck, around) = (Dice(seed + 1), broker.clone());
    let misfortunes = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(bad_luck.roll(900) as u64)).await;
            misfortune(&around, &mut bad_luck).await;
        }
    });
    let mut sent: Vec<(i32, String, Option<Delivery>)> = Vec::new();
    for n in 0..RECORDS {
        let partition = dice.roll(PARTITIONS);
        let value = format!("{n}:{}", "x".repeat(dice.roll(150) as usize));
        let record = Record::to("orders").partition(partition).value(value.as_str());
        // What waited for too long was not taken.
        let delivery = producer.enqueue(record).await.ok();
        sent.push((partition, value, delivery));
        if dice.roll(8) == 0 {
            tokio::time::sleep(Duration::from_millis(dice.roll(200) as u64)).await;
        }
    }
    misfortunes.abort();
    let _ = misfortunes.await;
    broker.clear();
    mend(&broker).await;
    let flushed = tokio::time::timeout(Duration::from_secs(60), producer.flush()).await;
    assert!(flushed.is_ok(), "seed {seed}: a flush hangs");
    let logs: Vec<_> = (0..PARTITIONS).map(|partition| broker.log("orders", partition).values()).collect();
    let mut expected = vec![Vec::new(); PARTITIONS as usize];
    for (partition, value, delivery) in sent {
        let log = &logs[partition as usize];
        let is_written = log.contains(&value);
        match delivery {
            None => assert!(!is_written, "seed {seed}: {value} was not taken, but written"),
            Some(mut delivery) => match delivery.now().unwrap_or_else(|| panic!("seed {seed}: {value} is not settled"))
            {
                Ok(ack) => {
                    let found = ack.offset().map(|offset| &log[offset as usize]);
                    assert!(is_written && found.is_none_or(|found| *found == value), "seed {seed}: {ack:?}, {found:?}");
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            },
        }
        if is_written {
            expected[partition as usize].push(value);
        }
    }
    assert_eq!(logs, expected, "seed {seed}");
    let metrics = producer.metrics();
    let bytes = |name: &str| metrics.iter().find(|metric| metric.name() == name).unwrap().value().clone();
    assert_eq!(bytes("buffer-available-bytes"), bytes("buffer-total-bytes"), "seed {seed}: all memory came back");
    producer.close(Duration::from_secs(1)).await.ok();
}

#[tokio::test(start_paused = true)]
async fn every_record_has_one_outcome_and_is_written_at_most_once_and_in_order() {
    for seed in 1..=60 {
        run(seed).await;
    }
}
