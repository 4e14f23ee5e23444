//! Which partition a record goes to: turns, slow brokers, and partitioners of the user's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ottla::{Kind, PartitionInput, Partitioner, Producer, ProducerBuilder, Record, RoundRobinPartitioner};
use ottla_broker::{ApiKey, Broker};

use crate::{SOON, pipes};

const PARTITIONS: i32 = 6;

async fn orders(nodes: u16) -> Broker {
    Broker::start().nodes(nodes).topic("orders", PARTITIONS as u16).in_memory_only().await
}

fn builder(broker: &Broker) -> ProducerBuilder {
    Producer::builder(broker.address()).connector(pipes(broker)).runtime(tokio::runtime::Handle::current()).seed(7)
}

/// A producer whose batches hold ten records of 90 bytes, and no more.
fn small_batches(broker: &Broker) -> ProducerBuilder {
    builder(broker).batch_size(1_080_usize).delivery_timeout(100 * SOON)
}

/// Sends `rounds` times 100 records without a key, leaving time to send them; says how many each partition got.
async fn send_rounds(producer: &Producer, rounds: usize) -> BTreeMap<i32, usize> {
    let mut sent = BTreeMap::new();
    for _ in 0..rounds {
        for _ in 0..100 {
            let delivery = producer.enqueue(Record::to("orders").value(vec![b'x'; 90])).await.unwrap();
            *sent.entry(delivery.partition()).or_default() += 1;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    sent
}

/// How many of the records went to partitions that `node` leads.
fn led_by(broker: &Broker, node: i32, sent: &BTreeMap<i32, usize>) -> usize {
    sent.iter().filter(|(partition, _)| broker.leader("orders", **partition) == Some(node)).map(|(_, n)| n).sum()
}

#[tokio::test(start_paused = true)]
async fn without_load_every_partition_gets_the_same() {
    let broker = orders(3).await;
    for adaptive in [true, false] {
        let producer = small_batches(&broker).adaptive_partitioning(adaptive).build().unwrap();
        let sent = send_rounds(&producer, 300).await;
        // 3,000 turns: a share of 500 of them has a standard deviation of 20.
        for partition in 0..PARTITIONS {
            assert!((4_000..6_000).contains(&sent[&partition]), "{sent:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_batch_is_full_whatever_lingers() {
    let broker = orders(1).await;
    let producer = small_batches(&broker).linger(SOON).build().unwrap();
    for _ in 0..1_000 {
        producer.enqueue(Record::to("orders").value(vec![b'x'; 90])).await.unwrap();
    }
    producer.flush().await.unwrap();
    let batches: Vec<_> = (0..PARTITIONS)
        .flat_map(|partition| broker.log("orders", partition).batches())
        .map(|batch| batch.len())
        .collect();
    assert_eq!(batches, [10; 100]);
}

/// Threads that race for the end of a turn open no batch that nobody fills.
#[test]
fn every_batch_is_full_though_many_threads_send() {
    const THREADS: usize = 4;
    const RECORDS: usize = 20_000;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let broker = runtime.block_on(async { orders(1).await });
    let producer = Producer::builder(broker.address())
        .connector(pipes(&broker))
        .runtime(runtime.handle().clone())
        .batch_size(1_080_usize)
        .linger(SOON)
        .delivery_timeout(100 * SOON)
        .build()
        .unwrap();
    runtime.block_on(producer.partitions_for("orders")).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..RECORDS / THREADS {
                    runtime.block_on(producer.enqueue(Record::to("orders").value(vec![b'x'; 90]))).unwrap();
                }
            });
        }
    });
    runtime.block_on(producer.flush()).unwrap();
    let batches: Vec<_> = (0..PARTITIONS)
        .flat_map(|partition| broker.log("orders", partition).batches())
        .map(|batch| batch.len())
        .collect();
    assert_eq!(batches.iter().sum::<usize>(), RECORDS);
    assert_eq!(batches.len(), RECORDS / 10, "every batch has ten records");
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_takes_nothing_gets_few_records() {
    let broker = orders(3).await;
    let producer = small_batches(&broker).build().unwrap();
    send_rounds(&producer, 10).await;
    broker.node(1).pause();
    let sent = send_rounds(&producer, 300).await;
    let slow = led_by(&broker, 1, &sent);
    assert!(slow > 0, "some, or nobody would notice that it is back: {sent:?}");
    assert!(slow < 3_000, "an even share is 10,000 of 30,000: {sent:?}");
    for partition in (0..PARTITIONS).filter(|partition| broker.leader("orders", *partition) != Some(1)) {
        assert!((5_500..8_500).contains(&sent[&partition]), "the others share the rest: {sent:?}");
    }

    broker.node(1).resume();
    producer.flush().await.unwrap();
    let sent = send_rounds(&producer, 300).await;
    assert!((8_500..11_500).contains(&led_by(&broker, 1, &sent)), "an even share again: {sent:?}");
}

#[tokio::test(start_paused = true)]
async fn without_adaptive_partitioning_a_slow_broker_gets_its_share_all_the_same() {
    let broker = orders(3).await;
    let producer = small_batches(&broker)
        .adaptive_partitioning(false)
        .partitioner_availability_timeout(Duration::from_millis(100))
        .build()
        .unwrap();
    send_rounds(&producer, 10).await;
    broker.node(1).pause();
    let sent = send_rounds(&producer, 300).await;
    assert!((8_500..11_500).contains(&led_by(&broker, 1, &sent)), "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn after_the_availability_timeout_a_broker_that_takes_nothing_gets_none_until_it_does() {
    let broker = orders(3).await;
    // Only full batches are sent.
    let producer = small_batches(&broker)
        .linger(SOON)
        .partitioner_availability_timeout(Duration::from_millis(500))
        .build()
        .unwrap();
    send_rounds(&producer, 10).await;
    broker.node(1).pause();
    // Five requests find room; from then on nothing is taken.
    send_rounds(&producer, 100).await;
    let sent = send_rounds(&producer, 100).await;
    assert_eq!(led_by(&broker, 1, &sent), 0, "{sent:?}");

    broker.node(1).resume();
    producer.flush().await.unwrap();
    let sent = send_rounds(&producer, 300).await;
    assert!((8_500..11_500).contains(&led_by(&broker, 1, &sent)), "an even share again: {sent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_cannot_be_reached_gets_none_after_the_availability_timeout() {
    let broker = orders(2).await;
    // Metadata goes on naming the leaders: nobody else takes over.
    let producer = small_batches(&broker).partitioner_availability_timeout(Duration::from_millis(500)).build().unwrap();
    send_rounds(&producer, 10).await;
    broker.on(ApiKey::Produce).node(1).always().drop_after();
    send_rounds(&producer, 100).await;
    let sent = send_rounds(&producer, 100).await;
    assert_eq!(led_by(&broker, 1, &sent), 0, "{sent:?}");
}

/// A partition's first batch is sent alone: the rest waits behind it, though the broker has room for others.
#[tokio::test(start_paused = true)]
async fn a_broker_that_never_took_anything_gets_none_after_the_availability_timeout() {
    let broker = orders(3).await;
    let producer = small_batches(&broker)
        .linger(SOON)
        .partitioner_availability_timeout(Duration::from_millis(500))
        .build()
        .unwrap();
    producer.partitions_for("orders").await.unwrap();
    broker.on(ApiKey::Produce).node(1).always().hold();
    send_rounds(&producer, 100).await;
    let sent = send_rounds(&producer, 100).await;
    assert_eq!(led_by(&broker, 1, &sent), 0, "{sent:?}");
    broker.clear();
    broker.release();
    producer.flush().await.unwrap();
}

/// Batches that have lingered stay open while their broker has no room: they wait for it all the same.
#[tokio::test(start_paused = true)]
async fn a_broker_that_takes_nothing_gets_none_however_little_is_sent() {
    let broker = orders(2).await;
    let producer = builder(&broker).partitioner_availability_timeout(Duration::from_millis(500)).build().unwrap();
    let slow = (0..PARTITIONS).find(|partition| broker.leader("orders", *partition) == Some(1)).unwrap();
    producer.send(Record::to("orders").partition(slow).value("x")).await.unwrap();
    broker.node(1).pause();
    for _ in 0..50 {
        producer.enqueue(Record::to("orders").partition(slow).value("x")).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let sent = send_rounds(&producer, 100).await;
    assert_eq!(led_by(&broker, 1, &sent), 0, "{sent:?}");
    broker.node(1).resume();
    producer.flush().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn when_every_broker_takes_nothing_records_still_find_a_partition() {
    let broker = orders(2).await;
    let producer = small_batches(&broker).partitioner_availability_timeout(Duration::from_millis(500)).build().unwrap();
    send_rounds(&producer, 10).await;
    broker.node(0).pause();
    broker.node(1).pause();
    send_rounds(&producer, 100).await;
    let sent = send_rounds(&producer, 10).await;
    assert_eq!(sent.values().sum::<usize>(), 1_000);
    broker.node(0).resume();
    broker.node(1).resume();
    producer.flush().await.unwrap();
}

/// edge 16: the partition of a key is computed when it is sent, and turns reach new partitions.
#[tokio::test(start_paused = true)]
async fn partitions_that_are_added_get_keys_and_turns() {
    let broker = Broker::start().topic("orders", 2).in_memory_only().await;
    let producer = small_batches(&broker).metadata_max_age(Duration::from_secs(1)).build().unwrap();
    send_rounds(&producer, 10).await;
    broker.add_partitions("orders", PARTITIONS as u16).unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let sent = send_rounds(&producer, 100).await;
    assert_eq!(sent.len(), PARTITIONS as usize, "{sent:?}");
    let mut places = BTreeSet::new();
    for n in 0..100 {
        places.insert(producer.send(Record::to("orders").key(n.to_string())).await.unwrap().partition());
    }
    assert_eq!(places.len(), PARTITIONS as usize);
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_ignored_take_turns() {
    let broker = orders(1).await;
    let producer = small_batches(&broker).partitioner_ignore_keys(true).build().unwrap();
    let mut places = BTreeSet::new();
    for _ in 0..1_000 {
        let record = Record::to("orders").key("always the same").value(vec![b'x'; 90]);
        places.insert(producer.enqueue(record).await.unwrap().partition());
    }
    assert_eq!(places.len(), PARTITIONS as usize);
}

/// Chooses by the first byte of the value: a digit is the partition, `-` one before the first, `?` the built-in way.
#[derive(Default)]
struct ByValue {
    calls: Arc<AtomicUsize>,
}

impl Partitioner for ByValue {
    fn partition(&self, input: &PartitionInput<'_>) -> Option<i32> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        assert_eq!((input.topic(), input.all_partitions()), ("orders", 0..PARTITIONS));
        match input.value()?.first()? {
            b'-' => Some(-1),
            b'!' => panic!("as it was told"),
            b'?' => None,
            digit => Some(i32::from(digit - b'0')),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_partitioner_places_what_names_no_partition_itself() {
    let broker = orders(1).await;
    let producer = builder(&broker).partitioner(ByValue::default()).build().unwrap();
    let place = async |record: Record<'static>| producer.send(record).await.unwrap().partition();
    assert_eq!(place(Record::to("orders").value("4").key("k")).await, 4);
    assert_eq!(place(Record::to("orders").value("4").partition(2)).await, 2);
    let by_key = place(Record::to("orders").value("?").key("k")).await;
    let built_in = builder(&broker).build().unwrap();
    let expected = built_in.send(Record::to("orders").key("k")).await.unwrap().partition();
    assert_eq!(by_key, expected, "what it leaves open goes the built-in way");
    place(Record::to("orders").value("?")).await;
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_is_not_there_is_an_error_with_both_names() {
    let broker = orders(1).await;
    let producer = builder(&broker).partitioner(ByValue::default()).build().unwrap();
    for (value, partition) in [("-", "-1"), ("6", "6")] {
        let error = producer.send(Record::to("orders").value(value)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::State);
        assert_eq!(
            error.to_string(),
            format!("enqueue to orders: the partitioner chose {partition}, and partitions go from 0 to 5")
        );
    }
    producer.send(Record::to("orders").value("5")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_partitioner_that_panics_fails_its_own_call_alone() {
    let broker = orders(1).await;
    let producer = builder(&broker).partitioner(ByValue::default()).build().unwrap();
    producer.send(Record::to("orders").value("0")).await.unwrap();
    let other = producer.clone();
    let failed = tokio::spawn(async move { other.send(Record::to("orders").value("!")).await }).await;
    assert!(failed.unwrap_err().is_panic());
    producer.send(Record::to("orders").value("0")).await.unwrap();
    producer.close(SOON).await.unwrap();
    assert_eq!(broker.log("orders", 0).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_waits_for_memory_is_placed_once() {
    let broker = orders(1).await;
    let partitioner = ByValue::default();
    let calls = partitioner.calls.clone();
    let producer =
        builder(&broker).partitioner(partitioner).buffer_memory(3_000_usize).batch_size(1_000_usize).build().unwrap();
    let mut value = vec![b'x'; 900];
    for n in 0..20 {
        value[0] = b'0' + n % 6;
        producer.enqueue(Record::to("orders").value(&value)).await.unwrap();
    }
    producer.flush().await.unwrap();
    // The first waited for the topic, and was not placed before.
    assert_eq!(calls.load(Ordering::Relaxed), 20);
}

#[tokio::test(start_paused = true)]
async fn round_robin_goes_from_one_partition_to_the_next_whatever_the_key() {
    let broker = orders(1).await;
    let by_name = builder(&broker).set("partitioner.class", "org.apache.kafka.clients.producer.RoundRobinPartitioner");
    for builder in [by_name, builder(&broker).partitioner(RoundRobinPartitioner::default())] {
        let producer = builder.build().unwrap();
        let mut places = Vec::new();
        for _ in 0..12 {
            places.push(producer.send(Record::to("orders").key("always the same")).await.unwrap().partition());
        }
        assert_eq!(places, [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]);
    }
}
