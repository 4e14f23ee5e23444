//! Finding the cluster, and staying with it: what is wrong is said at once, what passes is waited for.

use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use ottla::net::MemoryConnector;
use ottla::{Consumer, Error, Kind, Producer, Record, TopicPartition};
use ottla_broker::{ApiKey, Broker};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::Instant;

use crate::{SOON, pipes};

/// A connector to something that reads one request and answers with `bytes`, whatever was asked.
fn answering(bytes: &'static [u8]) -> MemoryConnector {
    MemoryConnector::new(move |_, _| {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        tokio::spawn(answer(theirs, bytes));
        Ok(ours)
    })
}

async fn answer(mut stream: DuplexStream, bytes: &'static [u8]) {
    let mut request = [0; 4];
    if stream.read_exact(&mut request).await.is_ok() {
        let _ = stream.write_all(bytes).await;
        // Open until the client has seen enough.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
}

/// How sending one record fails, and after how long.
async fn failure(connector: MemoryConnector) -> (Error, Duration) {
    let start = Instant::now();
    let producer = Producer::builder("kafka.example:9092")
        .connector(connector)
        .runtime(tokio::runtime::Handle::current())
        .seed(7)
        .max_block(Duration::from_secs(20))
        .build()
        .unwrap();
    let error = tokio::time::timeout(SOON, producer.send(Record::to("orders").value("x"))).await.unwrap().unwrap_err();
    (error, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_web_server_on_the_port_is_recognized_at_once() {
    let (error, waited) = failure(answering(b"HTTP/1.1 400 Bad Request\r\n\r\n")).await;
    assert_eq!(error.kind(), Kind::Protocol);
    assert!(error.to_string().contains("HTTP") && error.to_string().contains("kafka.example:9092"), "{error}");
    assert!(waited < Duration::from_secs(1), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_tls_port_is_recognized_at_once() {
    let (error, waited) = failure(answering(&[0x15, 3, 3, 0, 2, 2, 10])).await;
    assert_eq!(error.kind(), Kind::Protocol);
    assert!(error.to_string().contains("expects TLS"), "{error}");
    assert!(waited < Duration::from_secs(1), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_frame_of_gigabytes_is_not_waited_for() {
    let (error, waited) = failure(answering(&[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0])).await;
    assert_eq!(error.kind(), Kind::Protocol);
    assert!(error.to_string().contains("2147483647 bytes"), "{error}");
    assert!(waited < Duration::from_secs(1), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn garbage_in_a_frame_is_an_error_that_names_the_broker() {
    let (error, _) = failure(answering(&[0, 0, 0, 9, 255, 255, 255, 255, 1, 2, 3, 4, 5])).await;
    assert_eq!(error.kind(), Kind::Protocol);
    assert!(error.to_string().contains("kafka.example:9092"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn nobody_at_the_address_is_named_after_max_block() {
    let refused = || Err::<DuplexStream, _>(io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused"));
    let (error, waited) = failure(MemoryConnector::new(move |_, _| refused())).await;
    assert_eq!(error.kind(), Kind::Timeout);
    assert!(error.to_string().contains("kafka.example:9092"), "{error}");
    assert!(error.to_string().contains("connection refused"), "{error}");
    assert_eq!(waited.as_secs(), 20);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_named() {
    let producer =
        Producer::builder("no-such-host.invalid:9092").max_block(Duration::from_millis(300)).build().unwrap();
    let error = producer.send(Record::to("orders").value("x")).await.unwrap_err();
    assert!(error.to_string().contains("no-such-host.invalid:9092"), "{error}");
    assert!(error.is_retriable(), "it may resolve later");
}

#[tokio::test(start_paused = true)]
async fn an_advertised_address_that_cannot_be_reached_points_at_advertised_listeners() {
    let broker = Broker::start().topic("orders", 1).in_memory_only().advertised("kafka.internal", 9093).await;
    let reachable = broker.clone();
    let connector = MemoryConnector::new(move |host, _| match host {
        "kafka.internal" => Err(io::Error::new(io::ErrorKind::HostUnreachable, "no route to host")),
        _ => reachable.node(0).connect(),
    });
    let producer = Producer::builder("localhost:9092")
        .connector(connector)
        .runtime(tokio::runtime::Handle::current())
        .seed(7)
        .build()
        .unwrap();
    let error = producer.send(Record::to("orders").value("x")).await.unwrap_err();
    for part in ["broker 0", "kafka.internal:9093", "advertised.listeners", "localhost:9092"] {
        assert!(error.to_string().contains(part), "{part} in {error}");
    }
}

/// edge 71: the oldest handshake there is.
#[tokio::test(start_paused = true)]
async fn a_broker_that_knows_only_the_first_apiversions_is_understood() {
    let broker = Broker::start().topic("orders", 1).in_memory_only().max_version(ApiKey::ApiVersions, 0).await;
    let producer = builder(&broker).build().unwrap();
    producer.send(Record::to("orders").value("x")).await.unwrap();
}

/// edge 72: a broker whose versions do not meet the client's is named with both ranges, at once.
#[tokio::test(start_paused = true)]
async fn versions_that_do_not_meet_are_an_error_at_once() {
    let broker = Broker::start().topic("orders", 1).in_memory_only().versions(ApiKey::Metadata, 0..=1).await;
    let producer = builder(&broker).build().unwrap();
    let start = Instant::now();
    let error = producer.send(Record::to("orders").value("x")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::UnsupportedVersion);
    assert!(error.to_string().contains("Metadata 0 to 1"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(1));
}

fn builder(broker: &Broker) -> ottla::ProducerBuilder {
    Producer::builder(broker.address()).connector(pipes(broker)).runtime(tokio::runtime::Handle::current()).seed(7)
}

/// edge 79: a connection closed for idleness is no failure, and the next request opens another.
#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_and_opened_again_without_an_error() {
    let broker = Broker::start().topic("orders", 1).in_memory_only().await;
    let producer = builder(&broker).connections_max_idle(Duration::from_secs(10)).build().unwrap();
    for _ in 0..3 {
        producer.send(Record::to("orders").value("x")).await.unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let handshakes = broker.requests().iter().filter(|request| request.api == ApiKey::ApiVersions).count();
    assert_eq!(handshakes, 4, "the bootstrap connection, and one for each record");
}

/// edge 77: when no known broker can be reached, the bootstrap servers are asked again.
/// edge 78: their name is looked up anew.
#[tokio::test(start_paused = true)]
async fn a_cluster_that_moved_is_found_through_its_bootstrap_name() {
    let first = Broker::start().topic("orders", 1).in_memory_only().advertised("old.internal", 9092).await;
    let second = Broker::start().topic("orders", 1).in_memory_only().advertised("new.internal", 9092).await;
    let current = Arc::new(Mutex::new(("old.internal", first.clone())));
    let at = current.clone();
    let connector = MemoryConnector::new(move |host, _| {
        let (name, broker) = &*at.lock().unwrap();
        if host == "kafka.example" || host == *name {
            return broker.node(0).connect();
        }
        Err(io::Error::new(io::ErrorKind::ConnectionRefused, "nobody there"))
    });
    let producer = Producer::builder("kafka.example:9092")
        .connector(connector)
        .runtime(tokio::runtime::Handle::current())
        .seed(7)
        .connections_max_idle(Duration::from_secs(5))
        .build()
        .unwrap();
    producer.send(Record::to("orders").value("before")).await.unwrap();

    *current.lock().unwrap() = ("new.internal", second.clone());
    tokio::time::sleep(Duration::from_secs(10)).await;
    producer.send(Record::to("orders").value("after")).await.unwrap();

    assert_eq!(first.log("orders", 0).values(), ["before"]);
    assert_eq!(second.log("orders", 0).values(), ["after"]);
}

/// edge 81: a fetch that waits at the broker for records holds up nothing else that is asked of it.
#[tokio::test(start_paused = true)]
async fn a_waiting_fetch_holds_up_no_other_request() {
    let broker = Broker::start().topic("orders", 1).in_memory_only().await;
    let consumer = Consumer::builder(broker.address())
        .connector(pipes(&broker))
        .runtime(tokio::runtime::Handle::current())
        .seed(7)
        .set("auto.offset.reset", "earliest")
        .fetch_max_wait(Duration::from_secs(20))
        .build()
        .unwrap();
    let orders = TopicPartition::new("orders", 0);
    consumer.assign([orders.clone()]).await.unwrap();
    assert!(consumer.poll(Duration::from_secs(1)).await.unwrap().is_empty());
    assert_eq!(broker.count(ApiKey::Fetch), 1, "it waits");
    let start = Instant::now();
    assert_eq!(consumer.end_offsets([&orders]).await.unwrap()[&orders], 0);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(broker.count(ApiKey::Fetch), 1, "it still waits");
}
