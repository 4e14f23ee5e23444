//! The producer when things go wrong: nothing acknowledged is lost, nothing is written twice or out of order, and
//! nothing waits longer than it said.

use std::time::Duration;

use ottla::{Code, Kind, Producer, ProducerBuilder, Record};
use ottla_broker::{ApiKey, Broker};
use tokio::time::Instant;

use crate::{SOON, pipes};

async fn orders(nodes: u16, partitions: u16) -> Broker {
    Broker::start().nodes(nodes).topic("orders", partitions).in_memory_only().await
}

fn builder(broker: &Broker) -> ProducerBuilder {
    Producer::builder(broker.address()).connector(pipes(broker)).runtime(tokio::runtime::Handle::current()).seed(7)
}

/// Sends numbers 0.. to each partition in turn and waits for every ack.
async fn send_numbers(producer: &Producer, partitions: i32, count: i32) {
    let mut deliveries = Vec::new();
    for n in 0..count {
        for partition in 0..partitions {
            let record = Record::to("orders").partition(partition).value(n.to_string());
            deliveries.push(producer.enqueue(record).await.unwrap());
        }
        if n % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(7)).await;
        }
    }
    for delivery in deliveries {
        delivery.await.unwrap();
    }
}

fn assert_numbers(broker: &Broker, partitions: i32, count: i32) {
    let expected: Vec<_> = (0..count).map(|n| n.to_string()).collect();
    for partition in 0..partitions {
        assert_eq!(broker.log("orders", partition).values(), expected, "partition {partition}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_moved_leader_is_asked_for_and_followed() {
    let broker = orders(1, 1).await;
    let producer = builder(&broker).build().unwrap();
    producer.send(Record::to("orders").value("first")).await.unwrap();
    broker.forget_requests();
    broker.once(ApiKey::Produce, Code::NotLeaderOrFollower.to_wire());

    let ack = producer.send(Record::to("orders").value("tea")).await.unwrap();

    assert_eq!(ack.offset(), Some(1));
    assert_eq!(broker.seen([ApiKey::Metadata, ApiKey::Produce]), "Produce Metadata Produce");
    assert_eq!(broker.log("orders", 0).len(), 2, "the record is written once");
}

/// edge 5: a connection lost after the request was written says nothing of its fate.
#[tokio::test(start_paused = true)]
async fn a_lost_answer_does_not_write_a_record_twice() {
    let broker = orders(1, 1).await;
    let producer = builder(&broker).build().unwrap();
    broker.drop_after(ApiKey::Produce);
    let ack = producer.send(Record::to("orders").value("tea")).await.unwrap();
    assert_eq!(ack.offset(), Some(0), "the broker remembers where the batch stands");
    assert_eq!(broker.count(ApiKey::Produce), 2);
    assert_eq!(broker.log("orders", 0).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_came_twice_is_written_once() {
    let broker = orders(1, 1).await;
    let producer = builder(&broker).build().unwrap();
    broker.repeat(ApiKey::Produce);
    producer.send(Record::to("orders").value("tea")).await.unwrap();
    producer.send(Record::to("orders").value("milk")).await.unwrap();
    assert_eq!(broker.log("orders", 0).values(), ["tea", "milk"]);
}

/// edge 1: with five in flight, what follows a failed batch is refused and goes again in order.
#[tokio::test(start_paused = true)]
async fn order_holds_over_five_in_flight_when_the_first_fails() {
    let broker = orders(1, 1).await;
    let producer = builder(&broker).batch_size(200_usize).linger(Duration::ZERO).build().unwrap();
    producer.send(Record::to("orders").value("warm")).await.unwrap();
    broker.on(ApiKey::Produce).skip(3).times(2).error(Code::NotEnoughReplicas.to_wire());
    broker.on(ApiKey::Produce).skip(9).drop_after();
    send_numbers(&producer, 1, 300).await;
    let values = broker.log("orders", 0).values();
    assert_eq!(values[1..], (0..300).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn brokers_that_stop_and_start_lose_and_double_nothing() {
    let broker = orders(3, 6).await;
    let producer = builder(&broker).batch_size(500_usize).build().unwrap();
    let faults = async {
        for round in 0..12 {
            let node = broker.node(round % 3);
            tokio::time::sleep(Duration::from_millis(31)).await;
            node.stop().await;
            tokio::time::sleep(Duration::from_millis(53)).await;
            node.start().await.unwrap();
        }
    };
    tokio::join!(send_numbers(&producer, 6, 2_000), faults);
    assert_numbers(&broker, 6, 2_000);
}

#[tokio::test(start_paused = true)]
async fn leaders_that_move_lose_and_double_nothing() {
    let broker = orders(3, 6).await;
    let producer = builder(&broker).batch_size(500_usize).build().unwrap();
    let faults = async {
        for round in 0..60 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            broker.move_leader("orders", round % 6, (round * 7) % 3).unwrap();
        }
    };
    tokio::join!(send_numbers(&producer, 6, 2_000), faults);
    assert_numbers(&broker, 6, 2_000);
}

#[tokio::test(start_paused = true)]
async fn a_paused_leader_costs_a_second_once_there_is_another() {
    let broker = orders(3, 1).await;
    broker.move_leader("orders", 0, 1).unwrap();
    let producer = builder(&broker).build().unwrap();
    producer.send(Record::to("orders").value("before")).await.unwrap();
    broker.node(1).pause();
    let waiting = producer.enqueue(Record::to("orders").value("during")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    broker.move_leader("orders", 0, 2).unwrap();
    let elected = Instant::now();
    waiting.await.unwrap();
    assert!(elected.elapsed() <= Duration::from_secs(1), "{:?}", elected.elapsed());
    broker.node(1).resume();
    producer.send(Record::to("orders").value("after")).await.unwrap();
    assert_eq!(broker.log("orders", 0).values(), ["before", "during", "after"]);
}

/// edge 75: a topic that was just created is not known everywhere yet.
#[tokio::test(start_paused = true)]
async fn a_topic_that_a_broker_does_not_know_yet_is_waited_for() {
    let broker = orders(1, 1).await;
    broker.on(ApiKey::Metadata).topic("orders").times(5).error(Code::UnknownTopicOrPartition.to_wire());
    let producer = builder(&broker).build().unwrap();
    producer.send(Record::to("orders").value("tea")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_may_not_be_seen_is_an_error_at_once() {
    let broker = orders(1, 1).await;
    broker.on(ApiKey::Metadata).topic("orders").always().error(Code::TopicAuthorizationFailed.to_wire());
    let producer = builder(&broker).build().unwrap();
    let start = Instant::now();
    let error = producer.send(Record::to("orders").value("tea")).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::TopicAuthorizationFailed));
    assert!(error.to_string().contains("orders"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(1));
}

/// edge 80: a throttled connection is silent for as long as it was asked to be, and that is no timeout.
#[tokio::test(start_paused = true)]
async fn a_throttled_producer_waits_and_times_nothing_out() {
    let broker = orders(1, 1).await;
    let producer = builder(&broker).request_timeout(Duration::from_secs(2)).build().unwrap();
    broker.on(ApiKey::Produce).times(1).throttle(Duration::from_secs(9));
    producer.send(Record::to("orders").value("tea")).await.unwrap();
    let throttled = Instant::now();
    producer.send(Record::to("orders").value("milk")).await.unwrap();
    assert!((8..=10).contains(&throttled.elapsed().as_secs()), "{:?}", throttled.elapsed());
    assert_eq!(broker.count(ApiKey::Produce), 2, "nothing was sent twice");
}

#[tokio::test(start_paused = true)]
async fn a_full_buffer_gives_the_record_back_and_times_out_who_waits() {
    let broker = orders(1, 1).await;
    let producer = builder(&broker)
        .buffer_memory(4_000_usize)
        .batch_size(2_000_usize)
        .max_block(Duration::from_secs(3))
        .build()
        .unwrap();
    producer.send(Record::to("orders").value("first")).await.unwrap();
    broker.hold(ApiKey::Produce);
    let refused = loop {
        if let Err(refused) = producer.try_enqueue(Record::to("orders").value(vec![7; 1000])) {
            break refused;
        }
    };
    assert_eq!(refused.error.kind(), Kind::WouldBlock);
    let start = Instant::now();
    let error = producer.enqueue(refused.record).await.unwrap_err();
    assert_eq!((error.kind(), start.elapsed().as_secs()), (Kind::Timeout, 3), "edge 13: {error}");
    assert!(error.to_string().contains("`buffer.memory`"), "{error}");
    broker.release();
    producer.send(Record::to("orders").value("again")).await.unwrap();
}

/// edge 12: the delivery timeout ends what nobody answers, and says so once for each record.
#[tokio::test(start_paused = true)]
async fn records_nobody_acknowledges_fail_after_the_delivery_timeout() {
    let broker = orders(1, 1).await;
    let producer = builder(&broker)
        .request_timeout(Duration::from_secs(2))
        .delivery_timeout(Duration::from_secs(10))
        .build()
        .unwrap();
    producer.send(Record::to("orders").value("first")).await.unwrap();
    broker.on(ApiKey::Produce).always().ignore();
    let start = Instant::now();
    let watched = producer.enqueue(Record::to("orders").value("a")).await.unwrap();
    drop(producer.enqueue(Record::to("orders").value("b")).await.unwrap());
    assert_eq!(watched.await.unwrap_err().kind(), Kind::Timeout);
    assert_eq!(start.elapsed().as_secs(), 10);
    let error = producer.flush().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout, "the dropped delivery is reported: {error}");
    producer.flush().await.expect("once");
    broker.clear();
    producer.send(Record::to("orders").value("c")).await.expect("the producer goes on");
}

#[tokio::test(start_paused = true)]
async fn close_keeps_its_time_though_nobody_answers_and_reports_what_is_left() {
    let broker = orders(1, 1).await;
    let producer = builder(&broker).build().unwrap();
    producer.send(Record::to("orders").value("first")).await.unwrap();
    broker.on(ApiKey::Produce).always().ignore();
    let left = producer.enqueue(Record::to("orders").value("a")).await.unwrap();
    let start = Instant::now();
    let error = producer.close(Duration::from_secs(4)).await.unwrap_err();
    assert_eq!((error.kind(), start.elapsed().as_secs()), (Kind::Timeout, 4));
    assert!(error.to_string().contains("1 records"), "{error}");
    assert_eq!(left.await.unwrap_err().kind(), Kind::Closed);
}

/// edge 89: neither dropping a producer nor what it left behind blocks the thread it is dropped on.
#[tokio::test(start_paused = true)]
async fn dropping_a_producer_waits_for_nobody() {
    let broker = orders(1, 1).await;
    let producer = builder(&broker).build().unwrap();
    producer.send(Record::to("orders").value("first")).await.unwrap();
    broker.on(ApiKey::Produce).always().ignore();
    let delivery = producer.enqueue(Record::to("orders").value("a")).await.unwrap();
    let start = Instant::now();
    drop(producer);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(tokio::time::timeout(SOON * 2, delivery).await.unwrap().unwrap_err().kind(), Kind::Timeout);
}

/// edge 89: a client whose runtime ended says so, and hangs nobody.
#[test]
fn a_producer_whose_runtime_ended_is_closed() {
    let theirs = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let broker = theirs.block_on(orders(1, 1));
    let producer = {
        let _entered = theirs.enter();
        builder(&broker).build().unwrap()
    };
    theirs.block_on(producer.send(Record::to("orders").value("first"))).unwrap();
    broker.on(ApiKey::Produce).always().ignore();
    let delivery = theirs.block_on(producer.enqueue(Record::to("orders").value("a"))).unwrap();
    theirs.shutdown_background();

    let ours = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    ours.block_on(async {
        let outcome = tokio::time::timeout(Duration::from_secs(10), delivery).await.expect("an outcome");
        assert_eq!(outcome.unwrap_err().kind(), Kind::Closed);
        let error = producer.send(Record::to("orders").value("b")).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Closed);
        producer.close(Duration::from_secs(1)).await.expect("nothing is left to send");
    });
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_too_large_for_the_broker_fails_with_the_brokers_word() {
    let broker = orders(1, 1).await;
    broker.configure_topic("orders", "max.message.bytes", "1000").unwrap();
    let producer = builder(&broker).build().unwrap();
    let error = producer.send(Record::to("orders").value(vec![0; 5_000])).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::MessageTooLarge));
    assert!(error.to_string().contains("orders[0]"), "{error}");
    producer.send(Record::to("orders").value("small")).await.unwrap();
}
