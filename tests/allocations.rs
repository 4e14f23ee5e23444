//! What a record costs in allocations: nothing, once buffers and batches have their size.

use ottla::{Producer, Record};
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
    let measured = allocation_counter::measure(|| {
        // On this thread, whose allocations are counted.
        runtime.block_on(async {
            for _ in 0..RECORDS {
                producer.enqueue(Record::to("orders").key("user-7").value(&[b'x'; 100])).await.expect("enqueue");
            }
        });
    });
    // A batch of 128 KiB holds over a thousand of them; opening one allocates its outcome and little else.
    let batches = RECORDS as u64 / 1_000;
    assert!(measured.count_total < 10 * batches, "{} allocations for {RECORDS} records", measured.count_total);
}
