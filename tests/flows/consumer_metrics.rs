//! What a consumer counts: fetches, polls, distances to the ends of logs, and its group.

use std::time::Duration;

use ottla::{Called, Code, Consumer, Metrics, RebalanceListener, Subscription, TopicPartition};
use ottla_broker::{ApiKey, Broker};

use crate::SOON;
use crate::consume::{builder, partition, read};
use crate::groups::{join, member};

const SECOND: Duration = Duration::from_secs(1);
const FETCH: &str = "consumer-fetch-manager-metrics";

async fn orders(partitions: u16) -> Broker {
    let broker = Broker::start().topic("orders", partitions).group_initial_rebalance_delay(Duration::ZERO);
    broker.in_memory_only().await
}

fn append(broker: &Broker, number: i32, records: usize) {
    broker.append("orders", number, vec![vec![b'x'; 100]; records]).unwrap();
}

fn of_all(metrics: &Metrics, group: &str, name: &str) -> f64 {
    let all = metrics.iter().find(|metric| {
        metric.group() == group && metric.name() == name && metric.tags().all(|(key, _)| key == "client-id")
    });
    all.unwrap_or_else(|| panic!("no {name}")).as_f64()
}

fn fetched(consumer: &Consumer, name: &str) -> f64 {
    of_all(&consumer.metrics(), FETCH, name)
}

fn polled(consumer: &Consumer, name: &str) -> f64 {
    of_all(&consumer.metrics(), "consumer-metrics", name)
}

fn grouped(consumer: &Consumer, name: &str) -> f64 {
    of_all(&consumer.metrics(), "consumer-coordinator-metrics", name)
}

fn of_topic(consumer: &Consumer, name: &str) -> f64 {
    let metrics = consumer.metrics();
    let of_topic = metrics.iter().find(|metric| {
        metric.name() == name && metric.tag("topic") == Some("orders") && metric.tag("partition").is_none()
    });
    of_topic.unwrap_or_else(|| panic!("no {name}")).as_f64()
}

fn of_partition(consumer: &Consumer, number: i32, name: &str) -> Option<f64> {
    let tags = [("topic", "orders"), ("partition", &*number.to_string())];
    consumer.metrics().find(FETCH, name, &tags).map(ottla::Metric::as_f64)
}

#[tokio::test(start_paused = true)]
async fn what_is_fetched_and_handed_out_is_counted_in_all_and_by_topic() {
    let broker = orders(1).await;
    append(&broker, 0, 10);
    let consumer = builder(&broker).max_poll_records(4_usize).build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    read(&consumer, 4).await;
    assert_eq!(
        (fetched(&consumer, "records-consumed-total"), of_topic(&consumer, "records-consumed-total")),
        (4.0, 4.0)
    );
    assert_eq!(fetched(&consumer, "records-per-request-avg"), 10.0, "one answer brought all");
    read(&consumer, 6).await;
    assert_eq!(
        (fetched(&consumer, "records-consumed-total"), of_topic(&consumer, "records-consumed-total")),
        (10.0, 10.0)
    );
    let bytes = fetched(&consumer, "bytes-consumed-total");
    assert!((1_060.0..1_100.0).contains(&bytes), "a few bytes beside each value: {bytes}");
    let size = fetched(&consumer, "fetch-size-max");
    assert_eq!(size, bytes + 61.0, "the header of the one batch besides");
    assert_eq!((fetched(&consumer, "fetch-size-avg"), of_topic(&consumer, "fetch-size-max")), (size, size));
    assert_eq!(fetched(&consumer, "records-consumed-rate"), 10.0 / 30.0);
}

#[tokio::test(start_paused = true)]
async fn fetches_are_counted_with_the_time_to_their_answers_and_what_throttled_them() {
    let broker = orders(1).await;
    append(&broker, 0, 1);
    let consumer = builder(&broker).fetch_max_wait(SECOND).build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    read(&consumer, 1).await;
    tokio::time::sleep(5 * SECOND).await;
    let (fetches, longest) = (fetched(&consumer, "fetch-total"), fetched(&consumer, "fetch-latency-max"));
    assert!((4.0..=7.0).contains(&fetches), "{fetches}");
    assert!((1_000.0..1_100.0).contains(&longest), "it waited at the broker: {longest}");
    broker.throttle(ApiKey::Fetch, 3 * SECOND);
    tokio::time::sleep(3 * SECOND).await;
    assert_eq!(fetched(&consumer, "fetch-throttle-time-max"), 3_000.0);
}

#[tokio::test(start_paused = true)]
async fn lag_and_lead_are_those_of_each_partition_and_their_extremes_those_of_all() {
    let broker = orders(2).await;
    append(&broker, 0, 10);
    append(&broker, 1, 30);
    let consumer = builder(&broker).max_poll_records(4_usize).build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    read(&consumer, 4).await;
    let of = |name| of_partition(&consumer, 0, name);
    assert_eq!((of("records-lag"), of("records-lead")), (Some(6.0), Some(4.0)));
    read(&consumer, 6).await;
    assert_eq!((of("records-lag"), of("records-lead")), (Some(0.0), Some(10.0)));
    assert_eq!((of("records-lag-max"), of("records-lead-min")), (Some(6.0), Some(4.0)));
    assert_eq!(of("records-lag-avg"), Some((6.0 + 2.0 + 0.0) / 3.0), "after three polls");

    consumer.assign([partition(1)]).await.unwrap();
    assert_eq!(of("records-lag"), None, "it is not read any more");
    read(&consumer, 4).await;
    assert_eq!(of_partition(&consumer, 1, "records-lag"), Some(26.0));
    assert_eq!((fetched(&consumer, "records-lag-max"), fetched(&consumer, "records-lead-min")), (26.0, 4.0));
}

#[tokio::test(start_paused = true)]
async fn the_lag_grows_between_polls() {
    let broker = orders(1).await;
    append(&broker, 0, 1);
    let consumer = builder(&broker).build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    read(&consumer, 1).await;
    assert_eq!(of_partition(&consumer, 0, "records-lag"), Some(0.0));
    append(&broker, 0, 5);
    tokio::time::sleep(SECOND).await;
    assert_eq!(of_partition(&consumer, 0, "records-lag"), Some(5.0));
}

#[tokio::test(start_paused = true)]
async fn polls_and_the_time_between_them_are_counted() {
    let broker = orders(1).await;
    let consumer = builder(&broker).build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    assert_eq!(polled(&consumer, "last-poll-seconds-ago"), -1.0);
    consumer.poll(SECOND).await.unwrap();
    tokio::time::sleep(3 * SECOND).await;
    assert_eq!(polled(&consumer, "last-poll-seconds-ago"), 4.0);
    consumer.poll(SECOND).await.unwrap();
    assert_eq!(polled(&consumer, "time-between-poll-max"), 4_000.0);
    assert_eq!(polled(&consumer, "poll-idle-ratio-avg"), (1.0 + 1.0 / 5.0) / 2.0);
}

#[tokio::test(start_paused = true)]
async fn calls_that_commit_and_ask_for_commits_take_the_time_they_take() {
    let broker = orders(1).await;
    append(&broker, 0, 1);
    let consumer = join(member(&broker, "one").enable_auto_commit(false)).await;
    read(&consumer, 1).await;
    broker.on(ApiKey::OffsetCommit).delay(2 * SECOND);
    broker.on(ApiKey::OffsetFetch).delay(3 * SECOND);
    consumer.commit().await.unwrap();
    consumer.committed([&partition(0)]).await.unwrap();
    let about = |value: f64, seconds: f64| (value - seconds).abs() < 0.1;
    let (commit, committed) =
        (polled(&consumer, "commit-sync-time-ns-total"), polled(&consumer, "committed-time-ns-total"));
    assert!(about(commit / 1e9, 2.0) && about(committed / 1e9, 3.0), "{commit} {committed}");
    assert_eq!(grouped(&consumer, "commit-total"), 1.0);
    let latency = grouped(&consumer, "commit-latency-max");
    assert!(about(latency / 1e3, 2.0), "{latency}");
}

#[tokio::test(start_paused = true)]
async fn what_a_member_does_is_counted() {
    let broker = orders(4).await;
    let consumer = builder(&broker).group("billing").heartbeat_interval(SECOND).build().unwrap();
    assert_eq!(grouped(&consumer, "last-heartbeat-seconds-ago"), -1.0);
    assert_eq!(grouped(&consumer, "last-rebalance-seconds-ago"), -1.0);
    broker.on(ApiKey::SyncGroup).error(Code::CoordinatorLoadInProgress.to_wire());
    consumer.subscribe(["orders"]).await.unwrap();
    while consumer.assignment().is_empty() {
        consumer.poll(SECOND / 10).await.unwrap();
    }
    for _ in 0..10 {
        consumer.poll(SECOND).await.unwrap();
    }
    let is = |name| grouped(&consumer, name);
    assert_eq!((is("assigned-partitions"), is("rebalance-total")), (4.0, 1.0));
    assert_eq!((is("failed-rebalance-total"), is("sync-total")), (1.0, 1.0), "the first attempt to sync");
    assert!(is("join-total") >= 1.0);
    assert!((8.0..=11.0).contains(&is("heartbeat-total")), "{}", is("heartbeat-total"));
    assert!(is("last-heartbeat-seconds-ago") <= 1.0);
    assert!((9.0..=11.0).contains(&is("last-rebalance-seconds-ago")), "{}", is("last-rebalance-seconds-ago"));
    assert!(is("rebalance-latency-max") >= is("join-time-max"));
    let rate = is("rebalance-rate-per-hour");
    assert!((60.0..=120.0).contains(&rate), "one in half a minute to a minute: {rate}");
    consumer.close(SOON).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_consumer_without_a_group_has_none_of_a_group() {
    let broker = orders(1).await;
    let consumer = builder(&broker).build().unwrap();
    consumer.assign([TopicPartition::new("orders", 0)]).await.unwrap();
    assert!(consumer.metrics().iter().all(|metric| metric.group() != "consumer-coordinator-metrics"));
}

/// Takes as long as it is told to.
struct Slow(Duration);

impl RebalanceListener for Slow {
    fn on_partitions_assigned<'a>(&'a self, _: &'a Consumer, _: &'a [TopicPartition]) -> Called<'a> {
        Box::pin(async {
            tokio::time::sleep(self.0).await;
            Ok(())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn how_long_a_listener_takes_is_counted_by_what_it_is_told() {
    let broker = orders(1).await;
    append(&broker, 0, 1);
    let consumer = builder(&broker).group("billing").build().unwrap();
    consumer.subscribe_to(Subscription::topics(["orders"]).listener(Slow(2 * SECOND))).await.unwrap();
    read(&consumer, 1).await;
    assert_eq!(grouped(&consumer, "partition-assigned-latency-max"), 2_000.0);
    assert!(grouped(&consumer, "partition-revoked-latency-max").is_nan());
    consumer.unsubscribe().await.unwrap();
    assert_eq!(grouped(&consumer, "partition-revoked-latency-avg"), 0.0);
}
