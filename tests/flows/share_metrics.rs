//! What a share consumer counts, and pushes to brokers that ask for it (KIP-714).

use std::time::Duration;

use ottla::{Code, Metric, ShareConsumer};
use ottla_broker::{ApiKey, Broker, Telemetry};
use tokio::time::Instant;

use crate::SOON;
use crate::share::{append, builder, orders};

const SECOND: Duration = Duration::from_secs(1);

fn read(consumer: &ShareConsumer, group: &str, name: &str) -> f64 {
    let metrics = consumer.metrics();
    metrics.find(group, name, &[]).map_or_else(|| panic!("no {name}"), Metric::as_f64)
}

async fn poll(consumer: &ShareConsumer, count: usize) {
    let deadline = Instant::now() + SOON;
    let mut seen = 0;
    while seen < count {
        assert!(Instant::now() < deadline, "{seen}");
        seen += consumer.poll(SECOND).await.unwrap().len();
    }
}

#[tokio::test(start_paused = true)]
async fn records_acknowledgements_polls_and_heartbeats_are_counted() {
    let broker = orders(1, 1).await;
    broker.append("orders", 0, vec!["x"; 5]).unwrap();
    let consumer = builder(&broker).build().unwrap();
    consumer.subscribe(["orders"]).await.unwrap();
    poll(&consumer, 5).await;
    let fetched = |name: &str| read(&consumer, "consumer-share-fetch-manager-metrics", name);
    assert_eq!((fetched("records-consumed-total"), fetched("records-per-request-avg")), (5.0, 5.0));
    assert_eq!(fetched("records-per-request-max"), 5.0);
    assert_eq!(
        (fetched("bytes-consumed-total"), fetched("fetch-size-max")),
        (fetched("fetch-size-avg"), fetched("fetch-size-avg"))
    );
    assert!(fetched("fetch-total") >= 1.0 && fetched("fetch-size-avg") > 61.0);
    assert_eq!(fetched("acknowledgements-send-total"), 0.0);
    consumer.commit().await.unwrap();
    assert_eq!((fetched("acknowledgements-send-total"), fetched("acknowledgements-error-total")), (5.0, 0.0));

    append(&broker, 0, 5..6);
    poll(&consumer, 1).await;
    broker.once(ApiKey::ShareAcknowledge, Code::InvalidRecordState.to_wire());
    consumer.commit().await.unwrap();
    assert_eq!((fetched("acknowledgements-send-total"), fetched("acknowledgements-error-total")), (6.0, 1.0));

    tokio::time::sleep(11 * SECOND).await;
    let grouped = |name: &str| read(&consumer, "consumer-share-coordinator-metrics", name);
    assert_eq!((grouped("heartbeat-total"), grouped("rebalance-total")), (3.0, 1.0));
    assert!(grouped("last-heartbeat-seconds-ago") <= 5.0);
    let polled = |name: &str| read(&consumer, "consumer-share-metrics", name);
    assert_eq!(polled("last-poll-seconds-ago"), 11.0);
    assert!(polled("time-between-poll-avg") >= 0.0);
}

/// As Kafka's `ShareFetchMetricsRegistry`, `KafkaShareConsumerMetrics`, `HeartbeatMetricsManager` and
/// `ShareRebalanceMetricsManager` have them.
#[tokio::test(start_paused = true)]
async fn names_are_javas_and_the_page_lists_them() {
    let broker = orders(1, 1).await;
    append(&broker, 0, 0..1);
    let consumer = builder(&broker).build().unwrap();
    consumer.subscribe(["orders"]).await.unwrap();
    poll(&consumer, 1).await;
    let page = include_str!("../../docs/metrics.md");
    let metrics = consumer.metrics();
    for (group, count) in [
        ("consumer-share-fetch-manager-metrics", 18),
        ("consumer-share-metrics", 4),
        ("consumer-share-coordinator-metrics", 6),
    ] {
        let (_, section) = page.split_once(&format!("### `{group}` (`client-id`)")).expect(group);
        let (section, _) = section.split_once("\n#").unwrap();
        let listed: Vec<_> =
            section.lines().filter(|line| line.starts_with("| ") && !line.contains("| says |")).collect();
        let mut has: Vec<_> = metrics.iter().filter(|metric| metric.group() == group).collect();
        has.sort_by_key(|metric| metric.name());
        let has: Vec<_> =
            has.into_iter().map(|metric| format!("| {} | {} |", metric.name(), metric.description())).collect();
        assert_eq!(
            (has.len(), listed),
            (count, has.iter().map(String::as_str).collect()),
            "{group}:\n{}",
            has.join("\n")
        );
    }
    assert!(metrics.iter().any(|metric| metric.group() == "consumer-metrics"), "connections");
}

#[tokio::test(start_paused = true)]
async fn a_share_consumer_pushes_its_metrics_and_once_more_when_it_closes() {
    let broker = Broker::start().topic("orders", 1).telemetry(Telemetry::new(["*"]).interval(60 * SECOND));
    let broker = broker.in_memory_only().await;
    let consumer = builder(&broker).build().unwrap();
    consumer.subscribe(["orders"]).await.unwrap();
    consumer.poll(SECOND).await.unwrap();
    let id = consumer.client_instance_id(SOON).await.unwrap();
    tokio::time::timeout(SOON, broker.until(|broker| !broker.pushed().is_empty())).await.unwrap();
    let before = Instant::now();
    consumer.close(SOON).await.unwrap();
    assert!(before.elapsed() < SECOND, "{:?}", before.elapsed());
    let pushed = broker.pushed();
    assert_eq!(pushed.len(), 2);
    assert!(pushed[1].is_terminating);
    assert!(pushed.iter().all(|push| push.client_instance_id == u128::from_be_bytes(id.0)));
}

#[tokio::test(start_paused = true)]
async fn a_last_push_that_nobody_answers_delays_no_close_and_keeps_no_client() {
    for closes in [true, false] {
        let broker = Broker::start().topic("orders", 1).telemetry(Telemetry::new(["*"]).interval(SECOND));
        let broker = broker.in_memory_only().await;
        let consumer = builder(&broker).build().unwrap();
        consumer.subscribe(["orders"]).await.unwrap();
        consumer.poll(SECOND).await.unwrap();
        broker.on(ApiKey::PushTelemetry).always().hold();
        tokio::time::sleep(5 * SECOND).await;
        let before = Instant::now();
        if closes {
            consumer.close(SOON).await.unwrap();
            assert!(before.elapsed() <= SECOND, "{:?}", before.elapsed());
        }
        drop(consumer);
        tokio::time::sleep(SECOND).await;
        let asked = broker.requests().len();
        tokio::time::sleep(60 * SECOND).await;
        assert_eq!(broker.requests().len(), asked, "nothing is left of it");
    }
}
