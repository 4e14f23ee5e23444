//! A consumer outside of any group, which reads everything from the start.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ottla::config::{IsolationLevel, OffsetReset};
use ottla::{Consumer, TopicPartition};

use crate::evidence::id;
use crate::ledger::{Operation, Place};
use crate::stage::Life;

/// Longest time that reading what is there may take once nothing goes wrong any more.
const PATIENCE: Duration = Duration::from_secs(120);

/// Reads until all is written and read.
pub(in crate::workload) async fn run(
    life: Life,
    topics: Vec<(String, u16)>,
    is_committed: bool,
    is_written: Arc<AtomicBool>,
) {
    let places: Vec<Place> = topics
        .iter()
        .flat_map(|(topic, partitions)| (0..i32::from(*partitions)).map(|partition| (topic.clone(), partition)))
        .collect();
    let consumer = build(&life, is_committed);
    let partition = |(topic, partition): &Place| TopicPartition { topic: topic.as_str().into(), partition: *partition };
    consumer.assign(places.iter().map(partition)).await.unwrap();
    let pace = life.random(|random| *random.choice(&[0, 5, 200]).unwrap());
    let mut last: BTreeMap<Place, i64> = BTreeMap::new();
    let mut until = None;
    loop {
        if is_written.load(Ordering::Relaxed) {
            let until = *until.get_or_insert(life.stage().world().now() + PATIENCE);
            if has_all(&life, &places, is_committed, &last) || life.stage().world().now() > until {
                break;
            }
        }
        poll(&life, &consumer, is_committed, &mut last).await;
        if pace > 0 {
            tokio::time::sleep(Duration::from_millis(life.random(|random| random.u64(0..=pace)))).await;
        }
    }
    life.did(Operation::ReadAll { is_committed });
    let _ = life.within("close", Duration::from_secs(30), consumer.close(Duration::from_secs(30))).await;
}

async fn poll(life: &Life, consumer: &Consumer, is_committed: bool, last: &mut BTreeMap<Place, i64>) {
    let wait = Duration::from_millis(life.random(|random| random.u64(0..=1_000)));
    let polled = life.within("poll", wait, consumer.poll(wait)).await;
    let records = match polled {
        Ok(records) => records,
        // It says what is wrong, and goes on.
        Err(error) => return life.stage().world().note(format!("{life:?}: poll: {error}")),
    };
    for partition in records.partitions() {
        let place = (partition.topic.to_string(), partition.partition);
        let handed: Vec<_> =
            records.of(partition).map(|record| (record.offset(), id(record.value().unwrap_or_default()))).collect();
        last.extend(handed.last().map(|(offset, _)| (place.clone(), *offset)));
        let stable = life.stage().world().broker().log(&place.0, place.1).last_stable_offset();
        life.did(Operation::Read { place, is_committed, stable, records: handed });
    }
}

/// Whether it was handed the last record of each partition.
fn has_all(life: &Life, places: &[Place], is_committed: bool, last: &BTreeMap<Place, i64>) -> bool {
    places.iter().all(|place| {
        let log = life.stage().world().broker().log(&place.0, place.1);
        let records = if is_committed { log.committed_records() } else { log.records() };
        records.last().map(|record| record.offset) <= last.get(place).copied()
    })
}

fn build(life: &Life, is_committed: bool) -> Consumer {
    let draw = |of: &[u32]| life.random(|random| *random.choice(of).unwrap());
    let isolation = if is_committed { IsolationLevel::ReadCommitted } else { IsolationLevel::ReadUncommitted };
    Consumer::builder(life.stage().world().bootstrap())
        .process(life.process())
        .client_id(life.name())
        .isolation_level(isolation)
        .auto_offset_reset(OffsetReset::Earliest)
        .max_poll_records(draw(&[1, 7, 500]) as usize)
        .max_partition_fetch_bytes(draw(&[150, 1_000, 1_048_576]))
        .fetch_max_bytes(draw(&[500, 52_428_800]))
        .fetch_max_wait(Duration::from_millis(draw(&[50, 500]).into()))
        .request_timeout(Duration::from_millis(draw(&[2_000, 10_000]).into()))
        .build()
        .unwrap()
}
