//! What clients count: each number is what happened, and each is documented.

use std::collections::BTreeSet;
use std::time::Duration;

use ottla::config::Acks;
use ottla::{
    Admin, Code, Kind, Metric, Metrics, Producer, ProducerBuilder, ProducerInterceptor, Record, TopicPartition,
};
use ottla_broker::{ApiKey, Broker};

use crate::{SOON, pipes};

const SECOND: Duration = Duration::from_secs(1);
/// Of a batch, before its records.
const HEADER: usize = 61;

async fn orders(partitions: u16) -> Broker {
    Broker::start().topic("orders", partitions).in_memory_only().await
}

fn builder(broker: &Broker) -> ProducerBuilder {
    Producer::builder(broker.address())
        .connector(pipes(broker))
        .runtime(tokio::runtime::Handle::current())
        .seed(7)
        .client_id("shop")
}

/// A metric of the producer as a whole.
fn number(metrics: &Metrics, name: &str) -> f64 {
    metrics.find("producer-metrics", name, &[]).unwrap_or_else(|| panic!("no {name}")).as_f64()
}

fn of_topic(metrics: &Metrics, topic: &str, name: &str) -> f64 {
    let metric = metrics.find("producer-topic-metrics", name, &[("client-id", "shop"), ("topic", topic)]);
    metric.unwrap_or_else(|| panic!("no {name} of {topic}")).as_f64()
}

fn of_node(metrics: &Metrics, node: &str, name: &str) -> f64 {
    let metric = metrics.find("producer-node-metrics", name, &[("node-id", node)]);
    metric.unwrap_or_else(|| panic!("no {name} of {node}")).as_f64()
}

async fn send(producer: &Producer, topic: &str, records: usize, bytes: usize) {
    for _ in 0..records {
        producer.enqueue(Record::to(topic).value(vec![b'x'; bytes])).await.unwrap();
    }
    producer.flush().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn records_batches_and_bytes_are_counted_as_they_were_sent() {
    let broker = orders(1).await;
    let producer = builder(&broker).build().unwrap();
    send(&producer, "orders", 100, 50).await;
    send(&producer, "orders", 20, 50).await;

    let metrics = producer.metrics();
    let batches = broker.log("orders", 0).batches();
    let sizes: Vec<_> = batches.iter().map(|batch| batch.bytes().len() as f64).collect();
    assert_eq!(sizes.len(), 2);
    assert_eq!(number(&metrics, "record-send-total"), 120.0);
    assert_eq!(number(&metrics, "records-per-request-avg"), 60.0);
    assert_eq!(number(&metrics, "batch-size-avg"), (sizes[0] + sizes[1]) / 2.0);
    assert_eq!(number(&metrics, "batch-size-max"), sizes[0]);
    assert_eq!(number(&metrics, "record-size-max"), (sizes[0] - HEADER as f64) / 100.0);
    assert_eq!(number(&metrics, "compression-rate-avg"), 1.0);
    assert_eq!((number(&metrics, "record-error-total"), number(&metrics, "record-retry-total")), (0.0, 0.0));
    assert_eq!(of_topic(&metrics, "orders", "record-send-total"), 120.0);
    assert_eq!(of_topic(&metrics, "orders", "byte-total"), sizes[0] + sizes[1]);
    // 120 records, spread over the 30 s that every rate is at least taken over.
    assert!((3.9..=4.0).contains(&number(&metrics, "record-send-rate")), "{}", number(&metrics, "record-send-rate"));
    assert_eq!(number(&metrics, "buffer-total-bytes"), 33_554_432.0);
    assert_eq!(number(&metrics, "buffer-available-bytes"), 33_554_432.0, "all was given back");
}

#[tokio::test(start_paused = true)]
async fn requests_connections_and_bytes_are_counted_per_client_and_per_broker() {
    let broker = Broker::start().nodes(2).topic("orders", 2).in_memory_only().await;
    let producer = builder(&broker).build().unwrap();
    send(&producer, "orders", 300, 1_000).await;

    let metrics = producer.metrics();
    let requests = broker.requests().len() as f64;
    assert_eq!(number(&metrics, "request-total"), requests, "the handshakes included");
    assert_eq!(number(&metrics, "response-total"), requests);
    let nodes: BTreeSet<_> = metrics.iter().filter_map(|metric| metric.tag("node-id")).collect();
    for name in ["request-total", "response-total", "incoming-byte-total", "outgoing-byte-total"] {
        let sum: f64 = nodes.iter().map(|node| of_node(&metrics, node, name)).sum();
        assert_eq!(number(&metrics, name), sum, "{name}");
    }
    assert!(number(&metrics, "outgoing-byte-total") > 300_000.0);
    assert!(number(&metrics, "request-size-max") > 100_000.0);
    assert!(number(&metrics, "network-io-total") > requests, "a write for each, and reads");
    assert_eq!(number(&metrics, "requests-in-flight"), 0.0);
    let made = number(&metrics, "connection-creation-total");
    assert_eq!(number(&metrics, "connection-count"), made - number(&metrics, "connection-close-total"));
    assert!(nodes.contains("node--1"), "the bootstrap server: {nodes:?}");

    for node in [0, 1] {
        broker.node(node).stop().await;
    }
    tokio::time::sleep(SECOND / 100).await;
    assert_eq!(number(&producer.metrics(), "connection-count"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn the_time_to_an_answer_is_that_of_produce_alone() {
    let broker = orders(1).await;
    let producer = builder(&broker).linger(Duration::ZERO).build().unwrap();
    broker.delay(ApiKey::Metadata, 3 * SECOND);
    broker.delay(ApiKey::Produce, SECOND / 4);
    send(&producer, "orders", 1, 10).await;
    broker.clear();
    broker.delay(ApiKey::Produce, SECOND / 2);
    send(&producer, "orders", 1, 10).await;

    let metrics = producer.metrics();
    let node = broker.node(0).id();
    for (avg, max) in [
        (number(&metrics, "request-latency-avg"), number(&metrics, "request-latency-max")),
        (
            of_node(&metrics, &format!("node-{node}"), "request-latency-avg"),
            of_node(&metrics, &format!("node-{node}"), "request-latency-max"),
        ),
    ] {
        assert!((375.0..380.0).contains(&avg) && (500.0..505.0).contains(&max), "{avg} {max}");
    }
    let waited = number(&metrics, "metadata-wait-time-ns-total");
    assert!((3e9..4e9).contains(&waited), "{waited}");
    assert!(number(&metrics, "metadata-age") < 2.0, "it came before the first record was sent");
    tokio::time::sleep(10 * SECOND).await;
    assert!((10.0..12.0).contains(&number(&producer.metrics(), "metadata-age")));
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_and_how_long_a_batch_was_queued_shows() {
    let broker = orders(1).await;
    let producer = builder(&broker).linger(SECOND / 5).build().unwrap();
    producer.send(Record::to("orders").value("warm")).await.unwrap();
    broker.hold(ApiKey::Produce);
    let delivery = producer.enqueue(Record::to("orders").value("x")).await.unwrap();
    tokio::time::sleep(SECOND / 4).await;
    assert_eq!(number(&producer.metrics(), "requests-in-flight"), 1.0);
    assert!(number(&producer.metrics(), "buffer-available-bytes") < 33_554_432.0);
    broker.release();
    delivery.await.unwrap();
    let metrics = producer.metrics();
    assert_eq!(number(&metrics, "requests-in-flight"), 0.0);
    for name in ["record-queue-time-avg", "record-queue-time-max"] {
        assert!((200.0..210.0).contains(&number(&metrics, name)), "{name}: {}", number(&metrics, name));
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_memory_shows_while_it_lasts_and_in_the_ratio_after_it() {
    let broker = orders(1).await;
    let producer = builder(&broker).buffer_memory(10_000_usize).max_block(10 * SECOND).build().unwrap();
    producer.send(Record::to("orders").value("warm")).await.unwrap();
    assert_eq!(number(&producer.metrics(), "bufferpool-wait-ratio"), 0.0);
    broker.hold(ApiKey::Produce);
    let held = producer.enqueue(Record::to("orders").value(vec![0; 9_000])).await.unwrap();
    let waiting = tokio::spawn({
        let producer = producer.clone();
        async move { producer.enqueue(Record::to("orders").value(vec![0; 9_000])).await.unwrap().await }
    });
    tokio::time::sleep(6 * SECOND).await;
    assert_eq!(number(&producer.metrics(), "waiting-threads"), 1.0);

    broker.release();
    held.await.unwrap();
    waiting.await.unwrap().unwrap();
    let metrics = producer.metrics();
    assert_eq!(number(&metrics, "waiting-threads"), 0.0);
    let (ratio, total) = (number(&metrics, "bufferpool-wait-ratio"), number(&metrics, "bufferpool-wait-time-ns-total"));
    assert!((6e9..6.1e9).contains(&total), "{total}");
    // 6 of the 30 s that every rate is at least taken over.
    assert!((0.19..=0.21).contains(&ratio), "{ratio}");
    assert_eq!(number(&metrics, "buffer-exhausted-total"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_waited_in_vain_is_exhausted_memory_and_an_error() {
    let broker = orders(1).await;
    let producer = builder(&broker).buffer_memory(10_000_usize).max_block(SECOND).build().unwrap();
    producer.send(Record::to("orders").value("warm")).await.unwrap();
    broker.hold(ApiKey::Produce);
    let held = producer.enqueue(Record::to("orders").value(vec![0; 9_000])).await.unwrap();
    let error = producer.enqueue(Record::to("orders").value(vec![0; 9_000])).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);

    let metrics = producer.metrics();
    assert_eq!(number(&metrics, "buffer-exhausted-total"), 1.0);
    assert!(number(&metrics, "buffer-exhausted-rate") > 0.0);
    assert_eq!(number(&metrics, "record-error-total"), 1.0);
    broker.release();
    held.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn retries_and_errors_are_counted_in_records_by_topic() {
    let broker = Broker::start().topic("orders", 1).topic("bills", 1).in_memory_only().await;
    let producer = builder(&broker).build().unwrap();
    broker.once(ApiKey::Produce, Code::NotEnoughReplicas.to_wire());
    send(&producer, "orders", 7, 10).await;
    broker.once(ApiKey::Produce, Code::InvalidTimestamp.to_wire());
    for _ in 0..5 {
        producer.enqueue(Record::to("bills").value("x")).await.unwrap();
    }
    producer.flush().await.unwrap_err();
    producer.enqueue(Record::to("bills").value(vec![0; 2_000_000])).await.unwrap_err();

    let metrics = producer.metrics();
    assert_eq!((number(&metrics, "record-retry-total"), number(&metrics, "record-error-total")), (7.0, 6.0));
    assert_eq!(number(&metrics, "record-send-total"), 7.0 * 2.0 + 5.0, "repetitions included");
    assert_eq!(of_topic(&metrics, "orders", "record-retry-total"), 7.0);
    assert_eq!(of_topic(&metrics, "orders", "record-error-total"), 0.0);
    assert_eq!(of_topic(&metrics, "bills", "record-retry-total"), 0.0);
    assert_eq!(of_topic(&metrics, "bills", "record-error-total"), 5.0);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_interceptors_saw_and_that_was_refused_is_an_error_too() {
    struct Silent;
    impl ProducerInterceptor for Silent {}
    let broker = orders(1).await;
    let producer = builder(&broker).interceptor(Silent).build().unwrap();
    producer.enqueue(Record::to("orders").value(vec![0; 2_000_000])).await.unwrap_err();
    assert_eq!(number(&producer.metrics(), "record-error-total"), 1.0);
}

/// edge 10.
#[tokio::test(start_paused = true)]
async fn a_batch_that_was_split_is_counted() {
    let broker = orders(1).await;
    let producer = builder(&broker).build().unwrap();
    broker.once(ApiKey::Produce, Code::MessageTooLarge.to_wire());
    send(&producer, "orders", 8, 100).await;
    let metrics = producer.metrics();
    assert_eq!(number(&metrics, "batch-split-total"), 1.0);
    assert_eq!((number(&metrics, "record-error-total"), number(&metrics, "record-retry-total")), (0.0, 0.0));
}

#[tokio::test(start_paused = true)]
async fn compression_is_what_the_batch_became_of_what_it_was() {
    let broker = orders(1).await;
    let producer = builder(&broker).set("compression.type", "lz4").build().unwrap();
    send(&producer, "orders", 100, 100).await;
    let metrics = producer.metrics();
    let sent = broker.log("orders", 0).batches()[0].bytes().len() - HEADER;
    let ratio = number(&metrics, "compression-rate-avg");
    let uncompressed = number(&metrics, "record-size-avg") * 100.0;
    assert!(ratio < 0.2 && (ratio - sent as f64 / uncompressed).abs() < 1e-9, "{ratio}");
    assert_eq!(of_topic(&metrics, "orders", "compression-rate"), ratio);
}

#[tokio::test(start_paused = true)]
async fn throttling_and_flushing_take_the_time_they_take() {
    let broker = orders(1).await;
    let producer = builder(&broker).linger(60 * SECOND).build().unwrap();
    producer.enqueue(Record::to("orders").value("warm")).await.unwrap();
    assert!(number(&producer.metrics(), "produce-throttle-time-max") == 0.0);
    broker.throttle(ApiKey::Produce, SECOND / 5);
    broker.delay(ApiKey::Produce, SECOND);
    producer.flush().await.unwrap();
    let metrics = producer.metrics();
    assert!((1e9..1.1e9).contains(&number(&metrics, "flush-time-ns-total")));
    assert_eq!(number(&metrics, "produce-throttle-time-max"), 200.0);
    let answers = number(&metrics, "response-total") - number(&metrics, "connection-creation-total");
    assert_eq!(number(&metrics, "produce-throttle-time-avg"), 200.0 / answers, "of each answer but a handshake's");
}

#[tokio::test(start_paused = true)]
async fn a_call_of_transactions_counts_the_time_until_it_gives_up() {
    let broker = orders(1).await;
    let producer = builder(&broker).transactional_id("shop-1").max_block(3 * SECOND).build_transactional().unwrap();
    broker.on(ApiKey::FindCoordinator).always().ignore();
    producer.init().await.unwrap_err();
    let metrics = producer.metrics();
    let (init, commit) = (number(&metrics, "txn-init-time-ns-total"), number(&metrics, "txn-commit-time-ns-total"));
    assert!((3e9..3.1e9).contains(&init) && commit == 0.0, "{init} {commit}");
}

#[tokio::test(start_paused = true)]
async fn each_call_of_a_transaction_counts_its_time() {
    let broker = orders(1).await;
    let producer = builder(&broker).transactional_id("shop-1").build_transactional().unwrap();
    broker.delay(ApiKey::InitProducerId, SECOND);
    producer.init().await.unwrap();
    broker.delay(ApiKey::EndTxn, 2 * SECOND);
    for commits in [true, false] {
        let transaction = producer.begin().await.unwrap();
        transaction.send(Record::to("orders").value("tea")).await.unwrap();
        if commits { transaction.commit().await.unwrap() } else { transaction.abort().await.unwrap() }
    }
    let metrics = producer.metrics();
    for (name, least) in [("init", 1e9), ("begin", 0.0), ("commit", 2e9), ("abort", 2e9), ("send-offsets", 0.0)] {
        let time = number(&metrics, &format!("txn-{name}-time-ns-total"));
        assert!((least..least + 1e8).contains(&time), "{name}: {time}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_acks_requests_are_written_and_none_is_in_flight() {
    let broker = orders(1).await;
    let producer = builder(&broker).acks(Acks::None).build().unwrap();
    send(&producer, "orders", 10, 10).await;
    let metrics = producer.metrics();
    assert_eq!((number(&metrics, "record-send-total"), number(&metrics, "requests-in-flight")), (10.0, 0.0));
    assert!(number(&metrics, "request-latency-avg").is_nan());
}

#[tokio::test(start_paused = true)]
async fn windows_are_as_the_settings_say() {
    let broker = orders(1).await;
    let producer = builder(&broker)
        .set("metrics.num.samples", "3")
        .set("metrics.sample.window.ms", "1000")
        .set("metrics.recording.level", "DEBUG")
        .build()
        .unwrap();
    send(&producer, "orders", 10, 10).await;
    tokio::time::sleep(2 * SECOND).await;
    let metrics = producer.metrics();
    assert!((4.9..=5.0).contains(&number(&metrics, "record-send-rate")), "10 over 2 s and a moment");
    assert!(number(&metrics, "batch-size-avg") > 100.0);
    tokio::time::sleep(SECOND).await;
    let metrics = producer.metrics();
    assert_eq!((number(&metrics, "record-send-rate"), number(&metrics, "record-send-total")), (0.0, 10.0));
    assert!(number(&metrics, "batch-size-avg").is_nan());
}

#[test]
fn settings_that_make_no_window_are_refused() {
    for (key, value) in
        [("metrics.num.samples", "0"), ("metrics.sample.window.ms", "0"), ("metrics.recording.level", "LOUD")]
    {
        let error = Producer::builder("a:1").set(key, value).build().unwrap_err();
        assert!(error.to_string().contains(&format!("`{key}`: `{value}`")), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_or_broker_that_rests_for_an_hour_is_forgotten() {
    let broker = orders(1).await;
    let producer = builder(&broker).build().unwrap();
    send(&producer, "orders", 3, 10).await;
    let rests = |metrics: &Metrics| {
        let tags = [("topic", "orders"), ("node-id", "node--1")];
        tags.map(|(key, value)| metrics.iter().any(|metric| metric.tag(key) == Some(value)))
    };
    tokio::time::sleep(3_590 * SECOND).await;
    assert_eq!(rests(&producer.metrics()), [true, true]);
    tokio::time::sleep(20 * SECOND).await;
    let metrics = producer.metrics();
    assert_eq!(rests(&metrics), [false, false]);
    assert_eq!(number(&metrics, "record-send-total"), 3.0, "the producer's own totals stay");
    let node = format!("node-{}", broker.node(0).id());
    assert!(of_node(&metrics, &node, "request-total") > 0.0, "it is asked for metadata");
    send(&producer, "orders", 2, 10).await;
    assert_eq!(of_topic(&producer.metrics(), "orders", "record-send-total"), 2.0, "begins anew");
}

#[tokio::test(start_paused = true)]
async fn clients_without_a_name_are_told_apart() {
    let broker = orders(1).await;
    let ids: BTreeSet<_> = (0..2)
        .map(|_| {
            let producer = builder(&broker).client_id("").build().unwrap();
            let metrics = producer.metrics();
            metrics.iter().next().and_then(|metric| metric.tag("client-id")).unwrap().to_owned()
        })
        .collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.iter().all(|id| id.starts_with("producer-")), "{ids:?}");
}

/// A group, its tags, and a metric of it with what it says.
type Documented = (String, BTreeSet<String>, String, String);

/// What `docs/metrics.md` lists of these groups.
fn documented(groups: &BTreeSet<&str>) -> BTreeSet<Documented> {
    let mut listed = BTreeSet::new();
    let mut heading = (Vec::new(), BTreeSet::new());
    for line in include_str!("../../docs/metrics.md").lines() {
        let names = |part: &str| part.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        if line.starts_with('#') {
            let (before, tags) = line.split_once('(').unwrap_or((line, ""));
            heading = (names(before), names(tags).into_iter().collect());
        } else if let Some(row) = line.strip_prefix("| ").filter(|row| !row.starts_with("metric ")) {
            let (name, about) = row.split_once(" | ").unwrap();
            for group in heading.0.iter().filter(|group| groups.contains(group.as_str())) {
                let about = about.trim_end_matches(" |").to_owned();
                assert!(listed.insert((group.clone(), heading.1.clone(), name.to_owned(), about)), "twice: {line}");
            }
        }
    }
    listed
}

/// What Java has and the page says is not here: names, `*` and `…` standing for anything.
fn left_out() -> Vec<String> {
    let page = include_str!("../../docs/metrics.md");
    let (_, section) = page.split_once("## What Java has and Ottla has not").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")).filter_map(|row| row.split(" | ").next());
    rows.flat_map(|names| names.split('`').skip(1).step_by(2).map(|name| name.replace('…', "*"))).collect()
}

/// Whether `name` is what `pattern` stands for.
fn is_like(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => name == pattern,
        Some((start, rest)) => name
            .strip_prefix(start)
            .is_some_and(|name| (0..=name.len()).any(|at| name.is_char_boundary(at) && is_like(&name[at..], rest))),
    }
}

/// Against the metrics of Java's clients, written down when they had done the same.
#[tokio::test(start_paused = true)]
async fn groups_names_and_tags_are_javas_and_what_is_missing_is_said_to_be() {
    let broker = orders(1).await;
    let producer = builder(&broker).build().unwrap();
    send(&producer, "orders", 1, 100).await;
    let consumer = crate::groups::join(crate::consume::builder(&broker).group("billing")).await;
    crate::consume::read(&consumer, 1).await;
    consumer.commit().await.unwrap();
    let admin =
        Admin::builder(broker.address()).connector(pipes(&broker)).runtime(tokio::runtime::Handle::current()).build();
    let admin = admin.unwrap();
    tokio::time::timeout(SOON, admin.list_topics()).await.unwrap().unwrap();

    let javas: BTreeSet<String> = include_str!("../vectors/java_metrics.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    let mut ours = BTreeSet::new();
    for (client, metrics) in
        [("producer", producer.metrics()), ("consumer", consumer.metrics()), ("admin", admin.metrics())]
    {
        ours.extend(metrics.iter().map(|metric| {
            let tags: BTreeSet<_> = metric.tags().map(|(key, _)| key).collect();
            let tags = tags.into_iter().collect::<Vec<_>>().join(",");
            format!("{client} {} {tags} {}", metric.group(), metric.name())
        }));
    }
    let invented: Vec<_> = ours.difference(&javas).collect();
    assert!(invented.is_empty(), "Java has none of these: {invented:#?}");
    let left_out = left_out();
    let missing = javas.difference(&ours).filter(|line| {
        let name = line.rsplit(' ').next().unwrap();
        !left_out.iter().any(|pattern| is_like(name, pattern))
    });
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "docs/metrics.md does not say why these are missing: {missing:#?}");
    admin.close();
}

#[tokio::test(start_paused = true)]
async fn the_documented_list_is_the_list() {
    let broker = orders(1).await;
    let producer = builder(&broker).build().unwrap();
    send(&producer, "orders", 1, 10).await;
    let consumer = crate::consume::builder(&broker).group("billing").build().unwrap();
    consumer.assign([TopicPartition::new("orders", 0)]).await.unwrap();
    assert_eq!(consumer.poll(SECOND).await.unwrap().len(), 1);
    let admin =
        Admin::builder(broker.address()).connector(pipes(&broker)).runtime(tokio::runtime::Handle::current()).build();
    let admin = admin.unwrap();
    tokio::time::timeout(SOON, admin.list_topics()).await.unwrap().unwrap();

    for metrics in [producer.metrics(), consumer.metrics(), admin.metrics()] {
        let groups: BTreeSet<_> = metrics.iter().map(Metric::group).collect();
        let has: BTreeSet<Documented> = metrics
            .iter()
            .map(|metric| {
                let tags = metric.tags().map(|(key, _)| key.to_owned()).collect();
                (metric.group().to_owned(), tags, metric.name().to_owned(), metric.description().to_owned())
            })
            .collect();
        let listed = documented(&groups);
        let lines = |of: std::collections::btree_set::Difference<'_, Documented>| {
            of.map(|(group, _, name, about)| format!("{group}: | {name} | {about} |\n")).collect::<String>()
        };
        let (missing, wrong) = (lines(has.difference(&listed)), lines(listed.difference(&has)));
        assert!(missing.is_empty() && wrong.is_empty(), "docs/metrics.md lacks\n{missing}and has too much\n{wrong}");
        let count = metrics.find("kafka-metrics-count", "count", &[]).unwrap().as_f64();
        assert_eq!(count, metrics.len() as f64);
        let version = metrics.find("app-info", "version", &[]).unwrap();
        assert_eq!(version.value().to_string(), env!("CARGO_PKG_VERSION"));
    }
    admin.close();
    assert!(admin.metrics().is_empty());
}
