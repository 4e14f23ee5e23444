//! Reading when things go wrong: no record is skipped, none comes twice, and nothing waits longer than it must.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use ottla::config::OffsetReset;
use ottla::{Code, Consumer, Kind};
use ottla_broker::{ApiKey, Broker};
use ottla_wire::records::{BatchHeader, BodyCrc, BodyEncoder};
use tokio::time::Instant;

use crate::SOON;
use crate::consume::{builder, partition, read, values};

async fn cluster(nodes: u16, partitions: u16) -> Broker {
    Broker::start().nodes(nodes).replication_factor(nodes).topic("orders", partitions).in_memory_only().await
}

fn append(broker: &Broker, number: i32, values: std::ops::Range<usize>) {
    broker.append("orders", number, values.map(|n| n.to_string())).unwrap();
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

async fn reading(broker: &Broker, partitions: i32) -> Consumer {
    let consumer = builder(broker).build().unwrap();
    consumer.assign((0..partitions).map(partition)).await.unwrap();
    consumer
}

/// A batch of these values, its header changed before its checksum is computed.
fn batch(values: &[&str], change: impl FnOnce(&mut BatchHeader)) -> Bytes {
    let mut encoder = BodyEncoder::new(1_000);
    let mut body = Vec::new();
    for value in values {
        encoder.push(&mut body, 1_000, None, Some(value.as_bytes()), [].into_iter()).unwrap();
    }
    let mut header = encoder.header();
    change(&mut header);
    [&header.encode(&BodyCrc::of(&body)), body.as_slice()].concat().into()
}

#[tokio::test(start_paused = true)]
async fn a_partition_is_followed_to_its_new_leader_at_once() {
    let broker = cluster(3, 1).await;
    append(&broker, 0, 0..5);
    let consumer = reading(&broker, 1).await;
    read(&consumer, 5).await;
    for (round, node) in [1, 2, 0, 1].into_iter().enumerate() {
        broker.move_leader("orders", 0, node).unwrap();
        append(&broker, 0, 5 + round..6 + round);
        let start = Instant::now();
        assert_eq!(read(&consumer, 1).await[&0], numbers(5 + round..6 + round));
        assert!(start.elapsed() < Duration::from_millis(250), "to node {node}: {:?}", start.elapsed());
    }
}

/// edges 43, 44, 49: what the leader's answers say of epochs and leaders, each of them passing.
#[tokio::test(start_paused = true)]
async fn every_passing_refusal_is_tried_again_and_loses_nothing() {
    for code in [
        Code::NotLeaderOrFollower,
        Code::FencedLeaderEpoch,
        Code::UnknownLeaderEpoch,
        Code::UnknownTopicOrPartition,
        Code::UnknownTopicId,
        Code::InconsistentTopicId,
        Code::ReplicaNotAvailable,
        Code::OffsetNotAvailable,
        Code::KafkaStorageError,
        Code::UnknownServerError,
    ] {
        let broker = cluster(1, 2).await;
        append(&broker, 0, 0..5);
        append(&broker, 1, 0..5);
        let consumer = reading(&broker, 2).await;
        read(&consumer, 10).await;
        broker.times(3, ApiKey::Fetch, code.to_wire());
        append(&broker, 0, 5..6);
        let start = Instant::now();
        assert_eq!(read(&consumer, 1).await[&0], ["5"], "{code}");
        assert!(start.elapsed() < Duration::from_secs(5), "{code}: {:?}", start.elapsed());
        assert!(consumer.poll(Duration::from_secs(5)).await.unwrap().is_empty(), "{code}");
    }
}

/// edge 42
#[tokio::test(start_paused = true)]
async fn an_offset_out_of_range_is_reset_as_the_policy_says() {
    for (policy, next) in
        [(OffsetReset::Earliest, Some(20)), (OffsetReset::Latest, Some(30)), (OffsetReset::None, None)]
    {
        let broker = cluster(1, 2).await;
        append(&broker, 0, 0..30);
        append(&broker, 1, 0..1);
        broker.delete_records("orders", 0, 20).unwrap();
        let consumer = builder(&broker).auto_offset_reset(policy).build().unwrap();
        consumer.assign([partition(0), partition(1)]).await.unwrap();
        consumer.seek(&partition(0), 7).await.unwrap();
        consumer.seek(&partition(1), 0).await.unwrap();
        let mut all = BTreeMap::new();
        let mut errors = Vec::new();
        for _ in 0..8 {
            match consumer.poll(Duration::from_secs(1)).await {
                Ok(records) => values(&records, &mut all),
                Err(error) => errors.push(error),
            }
        }
        assert_eq!(all[&1], ["0"], "the other partition goes on");
        match next {
            Some(next) => {
                assert!(errors.is_empty(), "{errors:?}");
                assert_eq!(all.get(&0).map_or(30, |values| 30 - values.len()), next);
            }
            None => {
                assert!(errors.len() > 1, "said again and again");
                assert_eq!(errors[0].code(), Some(Code::OffsetOutOfRange));
                assert!(errors[0].to_string().contains("orders[0] at offset 7"), "{}", errors[0]);
                consumer.seek(&partition(0), 28).await.unwrap();
                assert_eq!(read(&consumer, 2).await[&0], ["28", "29"]);
            }
        }
    }
}

/// edge 50: another topic under the same name, another id: nothing of it is skipped, nothing hangs.
#[tokio::test(start_paused = true)]
async fn a_topic_created_anew_is_read_from_its_start() {
    let broker = cluster(1, 1).await;
    append(&broker, 0, 0..10);
    let consumer = reading(&broker, 1).await;
    read(&consumer, 10).await;
    broker.recreate_topic("orders").unwrap();
    // More than before: the old position would be found in the middle.
    append(&broker, 0, 0..50);
    assert_eq!(read(&consumer, 50).await[&0], numbers(0..50));
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_restarts_is_read_on_from_where_reading_stood() {
    let broker = cluster(1, 3).await;
    let consumer = reading(&broker, 3).await;
    let mut all = BTreeMap::new();
    for round in 0..6 {
        for number in 0..3 {
            append(&broker, number, round * 10..round * 10 + 10);
        }
        match round {
            1 => broker.node(0).restart().await.unwrap(),
            3 => broker.node(0).disconnect_clients().await.unwrap(),
            _ => {}
        }
        for (number, values) in read(&consumer, 30).await {
            all.entry(number).or_insert_with(Vec::new).extend(values);
        }
    }
    assert!(all.values().all(|values| *values == numbers(0..60)), "{all:?}");
}

/// A leader that hangs, without closing anything: reading goes on within a second of the cluster having another.
#[tokio::test(start_paused = true)]
async fn a_silent_leader_costs_less_than_a_second_once_there_is_another() {
    for patience in [0, 3, 4, 5, 17] {
        let broker = cluster(3, 3).await;
        let consumer = reading(&broker, 3).await;
        assert!(consumer.poll(Duration::from_secs(2)).await.unwrap().is_empty());
        let silent = broker.leader("orders", 0).unwrap();
        let other = [0, 1, 2].into_iter().find(|node| *node != silent).unwrap();
        broker.node(silent).pause();
        tokio::time::sleep(Duration::from_secs(patience)).await;
        for number in 0..3 {
            if broker.leader("orders", number) == Some(silent) {
                broker.move_leader("orders", number, other).unwrap();
            }
            append(&broker, number, 0..1);
        }
        let elected = Instant::now();
        read(&consumer, 3).await;
        // A broker that fell silent this moment is only found to be after a fetch's wait and half a second.
        let limit = if patience == 0 { 1_100 } else { 900 };
        assert!(elected.elapsed() < Duration::from_millis(limit), "{:?} after {patience} s", elected.elapsed());
        // Once it wakes up, what it says is stale.
        broker.node(silent).resume();
        append(&broker, 0, 1..2);
        assert_eq!(read(&consumer, 1).await[&0], ["1"]);
    }
}

/// The request that a leader owes an answer to is given up with its connection, so that nothing waits for it later.
#[tokio::test(start_paused = true)]
async fn a_fetch_that_was_given_up_is_not_waited_for_when_the_partition_comes_back() {
    let broker = cluster(2, 1).await;
    let consumer = reading(&broker, 1).await;
    assert!(consumer.poll(Duration::from_secs(1)).await.unwrap().is_empty());
    let (first, other) = (broker.leader("orders", 0).unwrap(), 1 - broker.leader("orders", 0).unwrap());
    broker.on(ApiKey::Fetch).node(first).ignore();
    tokio::time::sleep(Duration::from_secs(3)).await;
    broker.move_leader("orders", 0, other).unwrap();
    append(&broker, 0, 0..1);
    read(&consumer, 1).await;
    broker.move_leader("orders", 0, first).unwrap();
    for n in 1..6 {
        append(&broker, 0, n..n + 1);
        let start = Instant::now();
        assert_eq!(read(&consumer, 1).await[&0], numbers(n..n + 1));
        assert!(start.elapsed() < Duration::from_secs(1), "record {n}: {:?}", start.elapsed());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// A broker that hangs holds back its own partitions, and no others.
#[tokio::test(start_paused = true)]
async fn a_silent_broker_does_not_hold_back_the_others() {
    let broker = cluster(3, 3).await;
    let consumer = reading(&broker, 3).await;
    assert!(consumer.poll(Duration::from_secs(1)).await.unwrap().is_empty());
    broker.node(broker.leader("orders", 0).unwrap()).pause();
    for round in 0..20 {
        append(&broker, 1, round..round + 1);
        append(&broker, 2, round..round + 1);
        let start = Instant::now();
        read(&consumer, 2).await;
        assert!(start.elapsed() < Duration::from_millis(100), "{:?}", start.elapsed());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// edge 35: the others flow, what came before is handed out, the position stays, and every attempt says so.
#[tokio::test(start_paused = true)]
async fn a_damaged_batch_is_named_and_holds_up_its_partition_alone() {
    let broker = cluster(1, 2).await;
    append(&broker, 0, 0..3);
    let mut damaged = batch(&["3", "4"], |_| {}).to_vec();
    // The value of the last record: nothing but the checksum tells.
    let value = damaged.len() - 2;
    damaged[value] ^= 1;
    broker.append_batch("orders", 0, damaged).unwrap();
    append(&broker, 0, 5..7);
    let consumer = reading(&broker, 2).await;
    let mut all = BTreeMap::new();
    let mut errors = Vec::new();
    for round in 0..10 {
        append(&broker, 1, round..round + 1);
        tokio::time::sleep(Duration::from_millis(300)).await;
        match consumer.poll(Duration::from_secs(1)).await {
            Ok(records) => values(&records, &mut all),
            Err(error) => errors.push(error),
        }
    }
    assert_eq!(all[&0], numbers(0..3));
    assert!(all[&1].len() >= 4, "{all:?}");
    assert!(errors.len() >= 2);
    assert_eq!(errors[0].kind(), Kind::Protocol);
    assert!(
        errors[0].to_string().starts_with("orders[0] at offset 3 cannot be read: batch at offset 3"),
        "{}",
        errors[0]
    );
    assert_eq!(consumer.position(&partition(0)).await.unwrap(), 3);
    consumer.pause(&[partition(1)]).await.unwrap();
    consumer.seek(&partition(0), 5).await.unwrap();
    assert_eq!(read(&consumer, 2).await[&0], ["5", "6"]);

    let trusting = builder(&broker).check_crcs(false).build().unwrap();
    trusting.assign([partition(0)]).await.unwrap();
    assert_eq!(read(&trusting, 7).await[&0].len(), 7);
}

/// edges 31, 32: markers are not records, and what compaction took leaves gaps; the position goes past both.
#[tokio::test(start_paused = true)]
async fn markers_and_gaps_are_passed_over() {
    let broker = cluster(1, 1).await;
    append(&broker, 0, 0..2);
    broker.append_batch("orders", 0, batch(&["marker"], |header| header.control = true)).unwrap();
    // A header without records, and a batch whose last ones are gone.
    broker.append_batch("orders", 0, batch(&[], |header| header.last_offset_delta = 9)).unwrap();
    broker.append_batch("orders", 0, batch(&["13"], |header| header.last_offset_delta = 6)).unwrap();
    let consumer = reading(&broker, 1).await;
    let mut offsets = Vec::new();
    while offsets.len() < 3 {
        offsets.extend(consumer.poll(SOON).await.unwrap().iter().map(|record| record.offset()));
    }
    assert_eq!(offsets, [0, 1, 13]);
    assert!(consumer.poll(Duration::from_secs(1)).await.unwrap().is_empty());
    assert_eq!(consumer.position(&partition(0)).await.unwrap(), 20);
    append(&broker, 0, 20..21);
    assert_eq!(read(&consumer, 1).await[&0], ["20"]);
}

/// edge 34: a batch over every limit comes all the same.
#[tokio::test(start_paused = true)]
async fn a_batch_larger_than_every_limit_is_read() {
    let broker = cluster(1, 1).await;
    let large = "x".repeat(300_000);
    for _ in 0..3 {
        broker.append("orders", 0, [large.clone()]).unwrap();
    }
    let consumer = builder(&broker).fetch_max_bytes(1_000_u32).max_partition_fetch_bytes(1_000_u32).build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    assert_eq!(read(&consumer, 3).await[&0], [large.clone(), large.clone(), large]);
}

/// What is fetched ahead of a user who takes his time is bounded.
#[tokio::test(start_paused = true)]
async fn no_more_is_fetched_than_there_is_room_for() {
    let broker = cluster(1, 1).await;
    for _ in 0..100 {
        broker.append("orders", 0, ["x".repeat(10_000)]).unwrap();
    }
    let consumer = builder(&broker).max_partition_fetch_bytes(50_000_u32).max_poll_records(1_usize).build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    assert_eq!(consumer.poll(SOON).await.unwrap().len(), 1);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let fetched = broker.count(ApiKey::Fetch);
    assert!(fetched <= 3, "{fetched} fetches of 50 kB");
    // While one partition is full, another is still looked after.
    let mut all = BTreeMap::new();
    for _ in 1..100 {
        values(&consumer.poll(SOON).await.unwrap(), &mut all);
    }
    assert_eq!(all[&0].len(), 99);
    assert!(broker.count(ApiKey::Fetch) <= 50, "{} fetches", broker.count(ApiKey::Fetch));
}

/// A full partition does not hold up one that waits for its next record, nor the other way round.
#[tokio::test(start_paused = true)]
async fn a_full_partition_and_an_empty_one_do_not_wait_for_each_other() {
    let broker = cluster(1, 2).await;
    for _ in 0..100 {
        broker.append("orders", 0, ["x".repeat(10_000)]).unwrap();
    }
    let consumer = builder(&broker).max_partition_fetch_bytes(30_000_u32).max_poll_records(1_usize).build().unwrap();
    consumer.assign([partition(0), partition(1)]).await.unwrap();
    // The user takes a tenth of a second for each record.
    let mut all = BTreeMap::new();
    let mut waited = Duration::ZERO;
    let mut late = None;
    for round in 0..100 {
        if round == 50 {
            append(&broker, 1, 0..1);
            late = Some(round);
        }
        let start = Instant::now();
        let records = consumer.poll(SOON).await.unwrap();
        waited += start.elapsed();
        if records.iter().any(|record| record.partition() == 1) {
            assert!(round - late.unwrap() <= 4, "partition 1 waited for {} polls", round - late.unwrap());
        }
        values(&records, &mut all);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(all[&1], ["0"]);
    assert!(waited < Duration::from_secs(1), "partition 0 waited for {waited:?} in all");
}

/// edge 51
#[tokio::test(start_paused = true)]
async fn closing_does_not_wait_for_a_topic_that_is_gone() {
    let broker = cluster(1, 1).await;
    append(&broker, 0, 0..3);
    let consumer = builder(&broker).group("billing").build().unwrap();
    consumer.subscribe(["orders"]).await.unwrap();
    read(&consumer, 3).await;
    broker.delete_topic("orders");
    broker.always(ApiKey::OffsetCommit, Code::UnknownTopicOrPartition.to_wire());
    let start = Instant::now();
    consumer.close(SOON).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

/// Nor does a rebalance, for what was read of it.
#[tokio::test(start_paused = true)]
async fn a_rebalance_does_not_wait_for_a_topic_that_is_gone() {
    let broker = Broker::start().topic("orders", 1).topic("bills", 1).auto_create_topics(false).in_memory_only().await;
    append(&broker, 0, 0..3);
    let consumer = builder(&broker).group("billing").metadata_max_age(Duration::from_secs(5)).build().unwrap();
    consumer.subscribe(["orders", "bills"]).await.unwrap();
    read(&consumer, 3).await;
    broker.always(ApiKey::OffsetCommit, Code::UnknownTopicOrPartition.to_wire());
    broker.delete_topic("orders");
    let deadline = Instant::now() + Duration::from_secs(20);
    while consumer.assignment().len() != 1 {
        assert!(Instant::now() < deadline);
        consumer.poll(Duration::from_secs(1)).await.unwrap();
    }
    broker.append("bills", 0, ["b"]).unwrap();
    assert_eq!(read(&consumer, 1).await[&0], ["b"]);
}

#[tokio::test(start_paused = true)]
async fn a_broker_as_old_as_kafka_2_1_is_read_by_topic_names() {
    let broker = Broker::start()
        .topic("orders", 2)
        .max_version(ApiKey::Fetch, 10)
        .max_version(ApiKey::ListOffsets, 4)
        .max_version(ApiKey::OffsetFetch, 5)
        .max_version(ApiKey::OffsetCommit, 6)
        .max_version(ApiKey::JoinGroup, 3)
        .max_version(ApiKey::SyncGroup, 2)
        .max_version(ApiKey::Heartbeat, 2)
        .max_version(ApiKey::LeaveGroup, 2)
        .max_version(ApiKey::FindCoordinator, 2)
        .max_version(ApiKey::Metadata, 7)
        .in_memory_only()
        .await;
    append(&broker, 0, 0..5);
    append(&broker, 1, 0..5);
    let consumer = builder(&broker).group("billing").build().unwrap();
    consumer.subscribe(["orders"]).await.unwrap();
    assert_eq!(read(&consumer, 10).await.len(), 2);
    consumer.close(SOON).await.unwrap();
    assert_eq!(broker.committed("billing", "orders", 1).unwrap().offset, 5);
    assert!(broker.group("billing").unwrap().members.is_empty());
}

/// edge 35: also where nothing else of the broker is read, and so no other fetch comes back.
#[tokio::test(start_paused = true)]
async fn a_damaged_batch_is_fetched_again_though_no_other_partition_is_read() {
    /// Where the number of records is in a batch: too many are found to be as it arrives, a wrong value by its checksum.
    const COUNT: usize = 57;
    for is_counted_wrong in [false, true] {
        let broker = cluster(1, 1).await;
        append(&broker, 0, 0..3);
        let mut damaged = batch(&["3", "4"], |_| {}).to_vec();
        let at = if is_counted_wrong { COUNT } else { damaged.len() - 2 };
        damaged[at] ^= 1;
        broker.append_batch("orders", 0, damaged).unwrap();
        let consumer = reading(&broker, 1).await;
        assert_eq!(read(&consumer, 3).await[&0], numbers(0..3));
        for attempt in 0..3 {
            let start = Instant::now();
            let error = consumer.poll(SOON).await.map(|records| records.len()).unwrap_err();
            assert_eq!(error.kind(), Kind::Protocol, "{attempt}");
            assert!(start.elapsed() < Duration::from_secs(2), "{attempt}: {:?}", start.elapsed());
        }
    }
}
