//! Records out of partitions: positions, fetching, handing out.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla::config::OffsetReset;
use ottla::{Consumer, ConsumerBuilder, Kind, Records, TopicPartition};
use ottla_broker::{ApiKey, Broker};
use tokio::time::Instant;

use crate::{SOON, pipes};

pub(crate) fn builder(broker: &Broker) -> ConsumerBuilder {
    Consumer::builder(broker.address())
        .connector(pipes(broker))
        .runtime(tokio::runtime::Handle::current())
        .seed(7)
        .auto_offset_reset(OffsetReset::Earliest)
}

pub(crate) fn partition(number: i32) -> TopicPartition {
    TopicPartition::new("orders", number)
}

async fn orders(partitions: u16) -> Broker {
    Broker::start().topic("orders", partitions).in_memory_only().await
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

/// The values, by partition, in the order they were handed out.
pub(crate) fn values(records: &Records, into: &mut BTreeMap<i32, Vec<String>>) {
    for record in records {
        let value = String::from_utf8(record.value().unwrap().to_vec()).unwrap();
        into.entry(record.partition()).or_default().push(value);
    }
}

/// Polls until so many records were handed out.
pub(crate) async fn read(consumer: &Consumer, count: usize) -> BTreeMap<i32, Vec<String>> {
    let mut all = BTreeMap::new();
    let deadline = Instant::now() + SOON;
    while all.values().map(Vec::len).sum::<usize>() < count {
        assert!(Instant::now() < deadline, "only {all:?}");
        values(&consumer.poll(Duration::from_secs(1)).await.unwrap(), &mut all);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn records_of_an_assigned_partition_come_in_order_with_all_they_have() {
    let broker = orders(1).await;
    broker.append("orders", 0, numbers(0..3)).unwrap();
    let consumer = builder(&broker).build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();

    let records = consumer.poll(SOON).await.unwrap();

    let seen: Vec<_> =
        records.iter().map(|record| (record.topic(), record.offset(), record.value().unwrap())).collect();
    assert_eq!(seen, [("orders", 0, &b"0"[..]), ("orders", 1, b"1"), ("orders", 2, b"2")]);
    let logged = broker.log("orders", 0).records();
    assert!(records.iter().zip(&logged).all(|(record, logged)| record.timestamp() == logged.timestamp));
    assert_eq!(consumer.position(&partition(0)).await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn every_record_of_many_partitions_on_many_brokers_is_read_once() {
    let broker = Broker::start().nodes(3).topic("orders", 12).in_memory_only().await;
    for number in 0..12 {
        for batch in 0..20 {
            broker.append("orders", number, numbers(batch * 50..batch * 50 + 50)).unwrap();
        }
    }
    let consumer = builder(&broker).build().unwrap();
    consumer.assign((0..12).map(partition)).await.unwrap();

    let read = read(&consumer, 12_000).await;

    assert!(read.values().all(|values| *values == numbers(0..1000)));
    assert!(consumer.poll(Duration::from_secs(2)).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_poll_hands_out_no_more_than_it_may_and_the_next_goes_on() {
    let broker = orders(1).await;
    broker.append("orders", 0, numbers(0..10)).unwrap();
    let consumer = builder(&broker).max_poll_records(4_usize).build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();

    let mut sizes = Vec::new();
    let mut all = BTreeMap::new();
    for _ in 0..3 {
        let records = consumer.poll(SOON).await.unwrap();
        sizes.push(records.len());
        values(&records, &mut all);
    }

    assert_eq!(sizes, [4, 4, 2]);
    assert_eq!(all[&0], numbers(0..10));
    assert_eq!(broker.log("orders", 0).batches().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_poll_returns_as_soon_as_something_is_written() {
    let broker = orders(1).await;
    let consumer = builder(&broker).build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    let poll = tokio::spawn({
        let consumer = consumer.clone();
        async move { (consumer.poll(SOON).await.unwrap().len(), Instant::now()) }
    });
    tokio::time::sleep(Duration::from_millis(3_210)).await;
    broker.append("orders", 0, ["x"]).unwrap();
    let written = Instant::now();
    let (count, returned) = poll.await.unwrap();
    assert_eq!(count, 1);
    assert!(returned - written < Duration::from_millis(50), "{:?}", returned - written);
}

#[tokio::test(start_paused = true)]
async fn a_poll_without_records_lasts_as_long_as_it_was_told() {
    let broker = orders(1).await;
    let consumer = builder(&broker).build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    let start = Instant::now();
    assert!(consumer.poll(Duration::from_millis(1_234)).await.unwrap().is_empty());
    assert_eq!(start.elapsed().as_millis(), 1_234);
}

/// A poll that is dropped while it waits, or before it is looked at, takes nothing with it.
#[tokio::test(start_paused = true)]
async fn a_dropped_poll_loses_no_record() {
    let broker = orders(2).await;
    let consumer = builder(&broker).max_poll_records(3_usize).build().unwrap();
    consumer.assign([partition(0), partition(1)]).await.unwrap();
    let writer = tokio::spawn({
        let broker = broker.clone();
        async move {
            for n in 0..200 {
                broker.append("orders", n % 2, [(n / 2).to_string()]).unwrap();
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        }
    });
    let mut all = BTreeMap::new();
    while all.values().map(Vec::len).sum::<usize>() < 200 {
        // Most are dropped.
        if let Ok(records) = tokio::time::timeout(Duration::from_millis(2), consumer.poll(SOON)).await {
            values(&records.unwrap(), &mut all);
        }
    }
    writer.await.unwrap();
    assert_eq!(all[&0], numbers(0..100));
    assert_eq!(all[&1], numbers(0..100));
}

#[tokio::test(start_paused = true)]
async fn seeking_goes_on_elsewhere_and_drops_what_was_fetched_before() {
    let broker = orders(1).await;
    broker.append("orders", 0, numbers(0..1000)).unwrap();
    let consumer = builder(&broker).max_poll_records(5_usize).build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    assert_eq!(consumer.poll(SOON).await.unwrap().iter().next().unwrap().offset(), 0);

    for target in [900, 17, 17, 999] {
        consumer.seek(&partition(0), target).await.unwrap();
        assert_eq!(consumer.position(&partition(0)).await.unwrap(), target);
        assert_eq!(consumer.poll(SOON).await.unwrap().iter().next().unwrap().offset(), target);
    }
    consumer.seek_to_beginning(&[partition(0)]).await.unwrap();
    assert_eq!(consumer.position(&partition(0)).await.unwrap(), 0);
    consumer.seek_to_end(&[partition(0)]).await.unwrap();
    assert_eq!(consumer.position(&partition(0)).await.unwrap(), 1000);
    assert!(consumer.poll(Duration::from_secs(1)).await.unwrap().is_empty());
}

/// A fetch that waits for records of one partition does not hold up another of the same broker.
#[tokio::test(start_paused = true)]
async fn what_becomes_fetchable_is_fetched_beside_a_fetch_that_waits() {
    let broker = orders(3).await;
    broker.append("orders", 0, numbers(0..10)).unwrap();
    let consumer = builder(&broker).build().unwrap();
    consumer.assign([partition(0), partition(1)]).await.unwrap();
    read(&consumer, 10).await;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(333)).await;
        let start = Instant::now();
        consumer.seek(&partition(0), 5).await.unwrap();
        assert_eq!(read(&consumer, 5).await[&0], numbers(5..10));
        assert!(start.elapsed() < Duration::from_millis(20), "{:?}", start.elapsed());
    }
    let start = Instant::now();
    broker.append("orders", 2, ["x"]).unwrap();
    consumer.assign([partition(0), partition(1), partition(2)]).await.unwrap();
    read(&consumer, 1).await;
    assert!(start.elapsed() < Duration::from_millis(20), "{:?}", start.elapsed());
}

/// edge 48: the answer to a fetch that was in flight during the seek is stale.
#[tokio::test(start_paused = true)]
async fn a_seek_while_a_fetch_is_in_flight_wins() {
    let broker = orders(1).await;
    broker.append("orders", 0, numbers(0..10)).unwrap();
    let consumer = builder(&broker).build().unwrap();
    broker.hold(ApiKey::Fetch);
    consumer.assign([partition(0)]).await.unwrap();
    broker.until(|broker| broker.held() > 0).await;
    consumer.seek(&partition(0), 7).await.unwrap();
    broker.release();
    assert_eq!(read(&consumer, 3).await[&0], numbers(7..10));
}

#[tokio::test(start_paused = true)]
async fn where_to_start_is_as_the_reset_policy_says() {
    let broker = orders(1).await;
    broker.append("orders", 0, numbers(0..10)).unwrap();
    let latest = builder(&broker).auto_offset_reset(OffsetReset::Latest).build().unwrap();
    latest.assign([partition(0)]).await.unwrap();
    assert_eq!(latest.position(&partition(0)).await.unwrap(), 10);
    broker.append("orders", 0, ["new"]).unwrap();
    assert_eq!(read(&latest, 1).await[&0], ["new"]);

    let none = builder(&broker).auto_offset_reset(OffsetReset::None).build().unwrap();
    none.assign([partition(0)]).await.unwrap();
    let error = none.poll(SOON).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NoOffset);
    assert!(error.to_string().contains("orders[0]"), "{error}");
    none.seek(&partition(0), 9).await.unwrap();
    assert_eq!(read(&none, 2).await[&0], ["9", "new"]);
}

#[tokio::test(start_paused = true)]
async fn offsets_are_found_by_place_and_by_time() {
    let broker = orders(2).await;
    broker.append("orders", 0, numbers(0..5)).unwrap();
    broker.delete_records("orders", 0, 2).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let later = broker.append("orders", 0, ["late"]).unwrap();
    let consumer = builder(&broker).build().unwrap();
    let both = [partition(0), partition(1)];

    assert_eq!(
        consumer.beginning_offsets(&both).await.unwrap(),
        BTreeMap::from([(partition(0), 2), (partition(1), 0)])
    );
    assert_eq!(consumer.end_offsets(&both).await.unwrap(), BTreeMap::from([(partition(0), 6), (partition(1), 0)]));
    let time = broker.log("orders", 0).records()[3].timestamp;
    let found = consumer.offsets_for_times(both.clone().map(|partition| (partition, time - 1))).await.unwrap();
    assert_eq!(found[&partition(0)].map(|found| (found.offset, found.timestamp)), Some((later, time)));
    assert_eq!(found[&partition(1)], None);
    assert_eq!(consumer.partitions_for("orders").await.unwrap(), both);
}

/// edge 47: what is buffered is kept, and not handed out; resuming what is not paused does nothing.
#[tokio::test(start_paused = true)]
async fn a_paused_partition_rests_and_the_other_goes_on() {
    let broker = orders(2).await;
    let consumer = builder(&broker).max_poll_records(2_usize).build().unwrap();
    consumer.assign([partition(0), partition(1)]).await.unwrap();
    broker.append("orders", 0, numbers(0..4)).unwrap();
    assert_eq!(consumer.poll(SOON).await.unwrap().len(), 2);
    consumer.pause(&[partition(0)]).await.unwrap();
    assert!(consumer.poll(Duration::from_secs(1)).await.unwrap().is_empty());
    broker.append("orders", 1, numbers(0..2)).unwrap();
    assert_eq!(read(&consumer, 2).await, BTreeMap::from([(1, numbers(0..2))]));
    let fetched = broker.count(ApiKey::Fetch);
    consumer.resume(&[partition(0), partition(1)]).await.unwrap();
    let rest = consumer.poll(Duration::ZERO).await.unwrap();
    assert_eq!(rest.iter().map(|record| record.offset()).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(broker.count(ApiKey::Fetch), fetched, "nothing is fetched twice");
}

#[tokio::test(start_paused = true)]
async fn an_idle_consumer_asks_twice_a_second_and_no_more() {
    let broker = orders(6).await;
    let consumer = builder(&broker).build().unwrap();
    consumer.assign((0..6).map(partition)).await.unwrap();
    assert!(consumer.poll(Duration::from_secs(5)).await.unwrap().is_empty());
    broker.forget_requests();
    assert!(consumer.poll(Duration::from_secs(60)).await.unwrap().is_empty());
    let requests = broker.requests().len();
    assert!((119..=121).contains(&requests), "{requests} requests in a minute");
}

#[tokio::test(start_paused = true)]
async fn calls_out_of_place_say_what_is_wrong() {
    let broker = orders(1).await;
    let consumer = builder(&broker).build().unwrap();
    assert_eq!(consumer.poll(SOON).await.unwrap_err().kind(), Kind::State);
    assert_eq!(consumer.subscribe(["orders"]).await.unwrap_err().kind(), Kind::Config);
    assert_eq!(consumer.commit().await.unwrap_err().kind(), Kind::Config);
    let error = consumer.seek(&partition(0), 0).await.unwrap_err();
    assert!(error.to_string().contains("orders[0] is not assigned"), "{error}");
    consumer.close(SOON).await.unwrap();
    assert_eq!(consumer.poll(SOON).await.unwrap_err().kind(), Kind::Closed);
    assert_eq!(consumer.position(&partition(0)).await.unwrap_err().kind(), Kind::Closed);
}
