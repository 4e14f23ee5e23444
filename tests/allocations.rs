//! What a record costs in allocations: nothing, once buffers and batches have their size.

use std::time::Duration;

use ottla::config::OffsetReset;
use ottla::{Consumer, Producer, Record, TopicPartition};
use ottla_broker::Broker;

const RECORDS: usize = 200_000;

/// A broker and a producer that has reached its steady state, both on threads of their own.
fn warm(runtime: &tokio::runtime::Runtime) -> (Broker, Producer) {
    let broker = runtime.block_on(async { Broker::start().topic("orders", 6).discard(true).await });
    let producer = Producer::builder(broker.address()).build().expect("settings");
    runtime.block_on(async {
        for _ in 0..2 * RECORDS {
            producer.enqueue(Record::to("orders").key("user-7").value(&[b'x'; 100])).await.expect("enqueue");
        }
        producer.flush().await.expect("every ack");
    });
    (broker, producer)
}

#[test]
fn a_record_allocates_nothing_on_its_way_into_a_batch() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let (_broker, producer) = warm(&runtime);
    let keyed = Record::to("orders").key("user-7").value(&[b'x'; 100]);
    let without_key = Record::to("orders").value(&[b'x'; 100]);
    for record in [keyed, without_key] {
        let measured = allocation_counter::measure(|| {
            // On this thread, whose allocations are counted.
            runtime.block_on(async {
                for _ in 0..RECORDS {
                    producer.enqueue(record.clone()).await.expect("enqueue");
                }
            });
        });
        // A batch of 128 KiB holds over a thousand of them; opening one allocates its outcome and little else.
        let batches = RECORDS as u64 / 1_000;
        assert!(measured.count_total < 10 * batches, "{} allocations for {RECORDS} records", measured.count_total);
    }
}

#[test]
fn a_record_allocates_nothing_on_its_way_out_of_a_batch() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let broker = runtime.block_on(async { Broker::start().topic("orders", 6).await });
    let batch: Vec<_> = (0..1_000).map(|_| vec![b'x'; 100]).collect();
    for number in 0..RECORDS as i32 / 1_000 {
        broker.append("orders", number % 6, batch.iter().cloned()).expect("append");
    }
    let consumer =
        Consumer::builder(broker.address()).auto_offset_reset(OffsetReset::Earliest).build().expect("settings");
    let mut polls = 0;
    let measured = allocation_counter::measure(|| {
        // On this thread, whose allocations are counted.
        runtime.block_on(async {
            consumer.assign((0..6).map(|number| TopicPartition::new("orders", number))).await.expect("assign");
            let (mut records, mut bytes) = (0, 0);
            while records < RECORDS {
                let polled = consumer.poll(Duration::from_secs(10)).await.expect("poll");
                bytes += polled.iter().map(|record| record.value().map_or(0, <[u8]>::len)).sum::<usize>();
                records += polled.len();
                polls += 1;
            }
            assert_eq!(bytes, RECORDS * 100);
        });
    });
    // A poll of 500 records allocates what it hands out, and a timer if it has to wait.
    assert!(measured.count_total < 20 * polls, "{} allocations in {polls} polls", measured.count_total);
}
