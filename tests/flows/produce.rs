//! Records into partitions: batching, retries, order, limits.

use std::time::Duration;

use ottla::{Kind, Producer, ProducerBuilder, Record};
use ottla_broker::Broker;

use crate::{SOON, pipes};

async fn orders(partitions: u16) -> Broker {
    Broker::start().topic("orders", partitions).in_memory_only().await
}

fn builder(broker: &Broker) -> ProducerBuilder {
    Producer::builder(broker.address()).connector(pipes(broker)).runtime(tokio::runtime::Handle::current()).seed(7)
}

#[tokio::test(start_paused = true)]
async fn a_record_is_acknowledged_with_its_offset() {
    let broker = orders(1).await;
    let producer = builder(&broker).build().unwrap();

    let first = producer.send(Record::to("orders").key("user-7").value("tea")).await.unwrap();
    let second = producer.send(Record::to("orders").value("milk").header("h", "1").null_header("h")).await.unwrap();

    assert_eq!((first.topic(), first.partition(), first.offset()), ("orders", 0, Some(0)));
    assert_eq!(second.offset(), Some(1));
    let records = broker.log("orders", 0).records();
    assert_eq!(records[0].key.as_deref(), Some(&b"user-7"[..]));
    assert_eq!(records[1].key, None);
    assert_eq!(records[1].headers.len(), 2, "both headers of one name");
    assert_eq!(records[0].timestamp, first.timestamp());
}

#[tokio::test(start_paused = true)]
async fn records_within_a_linger_share_a_batch() {
    let broker = orders(1).await;
    let producer = builder(&broker).linger(Duration::from_millis(20)).build().unwrap();

    let mut deliveries = Vec::new();
    for n in 0..100 {
        deliveries.push(producer.enqueue(Record::to("orders").value(n.to_string())).await.unwrap());
    }
    for (n, delivery) in (0..).zip(deliveries) {
        assert_eq!(delivery.await.unwrap().offset(), Some(n));
    }
    assert_eq!(broker.log("orders", 0).batches().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn flush_does_not_linger_and_close_ends_the_producer() {
    let broker = orders(3).await;
    let producer = builder(&broker).linger(Duration::from_secs(3600)).delivery_timeout(SOON * 100).build().unwrap();
    for n in 0..30 {
        producer.enqueue(Record::to("orders").partition(n % 3).value("x")).await.unwrap();
    }

    tokio::time::timeout(SOON, producer.flush()).await.unwrap().unwrap();
    let written: usize = (0..3).map(|partition| broker.log("orders", partition).len()).sum();
    assert_eq!(written, 30);

    producer.enqueue(Record::to("orders").value("last")).await.unwrap();
    producer.close(SOON).await.unwrap();
    let written: usize = (0..3).map(|partition| broker.log("orders", partition).len()).sum();
    assert_eq!(written, 31);
    let error = producer.clone().send(Record::to("orders").value("too late")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Closed);
}

#[tokio::test(start_paused = true)]
async fn what_was_enqueued_is_sent_though_the_producer_was_dropped() {
    let broker = orders(1).await;
    let producer = builder(&broker).build().unwrap();
    let delivery = producer.enqueue(Record::to("orders").value("x")).await.unwrap();
    drop(producer);
    assert_eq!(delivery.await.unwrap().offset(), Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_record_over_the_limit_is_refused_and_the_next_is_taken() {
    let broker = orders(1).await;
    let producer = builder(&broker).max_request_size(1000_usize).build().unwrap();
    let error = producer.send(Record::to("orders").value(vec![0; 1000])).await.unwrap_err();
    assert_eq!(error.kind(), Kind::TooLarge);
    assert!(error.to_string().contains("`max.request.size` is 1000"), "{error}");
    producer.send(Record::to("orders").value(vec![0; 900])).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_does_not_exist_is_named_after_max_block() {
    let broker = Broker::start().auto_create_topics(false).in_memory_only().await;
    let producer = builder(&broker).max_block(Duration::from_secs(2)).build().unwrap();
    let start = tokio::time::Instant::now();
    let error = producer.send(Record::to("nowhere").value("x")).await.unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
    assert!(error.to_string().contains("UNKNOWN_TOPIC_OR_PARTITION"), "{error}");
    assert!((1..10).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn every_record_of_one_key_goes_to_one_partition_in_order() {
    let broker = orders(6).await;
    let producer = builder(&broker).batch_size(500_usize).build().unwrap();
    for n in 0..500 {
        producer.enqueue(Record::to("orders").key(format!("user-{}", n % 7)).value(n.to_string())).await.unwrap();
    }
    producer.flush().await.unwrap();
    let mut seen = 0;
    let mut places = std::collections::BTreeMap::new();
    for partition in 0..6 {
        let mut last = std::collections::BTreeMap::new();
        for record in broker.log("orders", partition).records() {
            let key = record.key.clone().unwrap();
            let n: u32 = std::str::from_utf8(record.value.as_ref().unwrap()).unwrap().parse().unwrap();
            assert_eq!(*places.entry(key.clone()).or_insert(partition), partition);
            assert!(last.insert(key, n).is_none_or(|before| before < n), "order within a key");
            seen += 1;
        }
    }
    assert_eq!(seen, 500);
}

#[tokio::test(start_paused = true)]
async fn without_a_key_partitions_are_filled_one_after_another() {
    let broker = orders(6).await;
    let producer = builder(&broker).batch_size(1000_usize).build().unwrap();
    for _ in 0..600 {
        producer.enqueue(Record::to("orders").value(vec![0; 50])).await.unwrap();
    }
    producer.flush().await.unwrap();
    let lengths: Vec<_> = (0..6).map(|partition| broker.log("orders", partition).len()).collect();
    assert_eq!(lengths.iter().sum::<usize>(), 600);
    assert!(lengths.iter().all(|length| *length > 0), "{lengths:?}");
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded_and_waiting_callers_go_on() {
    let broker = orders(1).await;
    let producer = builder(&broker).buffer_memory(20_000_usize).batch_size(4_000_usize).build().unwrap();
    for _ in 0..500 {
        producer.enqueue(Record::to("orders").value(vec![0; 500])).await.unwrap();
    }
    producer.flush().await.unwrap();
    assert_eq!(broker.log("orders", 0).len(), 500);
}

#[tokio::test(start_paused = true)]
async fn acks_0_does_not_wait_and_knows_no_offset() {
    let broker = orders(1).await;
    let producer = builder(&broker).acks(ottla::config::Acks::None).build().unwrap();
    let ack = producer.send(Record::to("orders").value("x")).await.unwrap();
    assert_eq!(ack.offset(), None, "edge 19");
    producer.send(Record::to("orders").value("y")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_codec_arrives_as_it_was_sent() {
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let broker = orders(1).await;
        let producer = builder(&broker).set("compression.type", codec).build().unwrap();
        for n in 0..200 {
            producer.enqueue(Record::to("orders").value(format!("value number {n}"))).await.unwrap();
        }
        producer.flush().await.unwrap();
        let log = broker.log("orders", 0);
        assert_eq!(log.batches()[0].compression(), codec);
        let values = log.values();
        assert_eq!(values.len(), 200, "{codec}");
        assert_eq!(values[199], "value number 199", "{codec}");
    }
}
