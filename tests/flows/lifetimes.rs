//! The producer over time: topics that rest, clusters that are gone for long, and threads without a runtime.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ottla::net::MemoryConnector;
use ottla::{Producer, ProducerBuilder, Record};
use ottla_broker::{ApiKey, Broker};

use crate::pipes;

const SECOND: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(300);

fn builder(broker: &Broker) -> ProducerBuilder {
    Producer::builder(broker.address()).connector(pipes(broker)).runtime(tokio::runtime::Handle::current()).seed(7)
}

/// edge 5: sequence numbers belong to a partition for as long as the producer lives, or a new record would pass for an
/// old one.
#[tokio::test(start_paused = true)]
async fn a_topic_that_rested_goes_on_where_it_was() {
    let broker = Broker::start().topic("orders", 1).in_memory_only().await;
    let producer = builder(&broker).metadata_max_idle(5 * SECOND).metadata_max_age(3 * SECOND).build().unwrap();
    producer.send(Record::to("orders").value("first")).await.unwrap();
    tokio::time::sleep(20 * SECOND).await;
    let ack = producer.send(Record::to("orders").value("second")).await.unwrap();
    assert_eq!(ack.offset(), Some(1));
    assert_eq!(broker.log("orders", 0).values(), ["first", "second"]);
}

#[tokio::test(start_paused = true)]
async fn a_topic_in_use_is_followed_while_another_is_forgotten() {
    // Without the leader's name in its answer, which came with Produce 10.
    let broker = Broker::start().nodes(2).topic("a", 1).topic("b", 1).max_version(ApiKey::Produce, 9).in_memory_only();
    let broker = broker.await;
    let producer = builder(&broker).metadata_max_idle(5 * SECOND).build().unwrap();
    producer.send(Record::to("a").value("x")).await.unwrap();
    tokio::time::sleep(20 * SECOND).await;
    producer.send(Record::to("b").value("x")).await.unwrap();
    let other = 1 - broker.leader("b", 0).unwrap();
    broker.move_leader("b", 0, other).unwrap();
    tokio::time::timeout(SOON, producer.send(Record::to("b").value("y"))).await.unwrap().unwrap();
}

/// edge 77: however long nobody could be reached, the first broker that can be ends it.
#[tokio::test(start_paused = true)]
async fn an_outage_longer_than_the_rebootstrap_trigger_ends() {
    let broker = Broker::start().topic("orders", 1).in_memory_only().await;
    let is_up = Arc::new(AtomicBool::new(false));
    let (reached, looks) = (broker.clone(), is_up.clone());
    let connector = MemoryConnector::new(move |host, port| match looks.load(Ordering::SeqCst) {
        true => reached.connect(&format!("{host}:{port}")),
        false => Err(io::ErrorKind::ConnectionRefused.into()),
    });
    let runtime = tokio::runtime::Handle::current();
    let producer = Producer::builder(broker.address()).connector(connector).runtime(runtime).seed(7).build().unwrap();
    tokio::time::sleep(400 * SECOND).await;
    is_up.store(true, Ordering::SeqCst);
    tokio::time::timeout(SOON, producer.send(Record::to("orders").value("x"))).await.unwrap().unwrap();
}

/// edge 80: what throttling holds back is not forgotten when the connection is lost.
#[tokio::test(start_paused = true)]
async fn a_request_held_back_by_throttling_survives_a_lost_connection() {
    let broker = Broker::start().topic("orders", 1).in_memory_only().await;
    let producer = builder(&broker).max_in_flight(1_u32).build().unwrap();
    producer.send(Record::to("orders").value("0")).await.unwrap();
    broker.throttle(ApiKey::Produce, 5 * SECOND);
    producer.send(Record::to("orders").value("1")).await.unwrap();
    let second = producer.enqueue(Record::to("orders").value("2")).await.unwrap();
    tokio::time::sleep(SECOND).await;
    broker.clear();
    broker.node(0).disconnect_clients().await.unwrap();
    tokio::time::timeout(SOON, second).await.unwrap().unwrap();
    tokio::time::timeout(SOON, producer.send(Record::to("orders").value("3"))).await.unwrap().unwrap();
    assert_eq!(broker.log("orders", 0).values(), ["0", "1", "2", "3"]);
}

/// edge 76: a partition whose only broker was away is found again when that is back.
#[tokio::test(start_paused = true)]
async fn a_leader_that_comes_back_is_found() {
    let broker = Broker::start().nodes(2).replication_factor(1).topic("orders", 1).in_memory_only().await;
    let producer = builder(&broker).build().unwrap();
    producer.send(Record::to("orders").value("0")).await.unwrap();
    let leader = broker.leader("orders", 0).unwrap();
    broker.node(leader).stop().await;
    let waiting = producer.enqueue(Record::to("orders").value("1")).await.unwrap();
    tokio::time::sleep(30 * SECOND).await;
    broker.node(leader).start().await.unwrap();
    let back = tokio::time::Instant::now();
    waiting.await.unwrap();
    assert!(back.elapsed() < 5 * SECOND, "{:?}", back.elapsed());
}

#[test]
fn a_caller_needs_no_runtime_of_its_own() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let broker = runtime.block_on(async { Broker::start().topic("orders", 1).in_memory_only().await });
    let producer = Producer::builder(broker.address()).connector(pipes(&broker)).build().unwrap();
    let mut enqueue = Box::pin(producer.enqueue(Record::to("orders").value("x")));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(enqueue.as_mut().poll(&mut context).is_pending(), "its metadata is on its way");
}

#[test]
fn close_right_after_enqueue_sends_what_lingers() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let broker = Broker::start().topic("orders", 1).in_memory_only().await;
        for round in 0..100_u32 {
            let producer = builder(&broker).linger(Duration::from_millis(50)).build().unwrap();
            producer.send(Record::to("orders").value("warm")).await.unwrap();
            let delivery = producer.enqueue(Record::to("orders").value("x")).await.unwrap();
            // At another point of the driver's round each time.
            (0..round * 73 % 4_000).for_each(|_| std::hint::spin_loop());
            producer.close(5 * SECOND).await.unwrap();
            delivery.await.unwrap();
        }
    });
}
