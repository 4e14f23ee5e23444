//! Calls of a producer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ottla::{Delivery, Error, Kind, Producer, Record};
use ottla_broker::ApiKey;
use parking_lot::Mutex;

use crate::Call;
use crate::scene::{PARTITIONS, SOON, Scene, TOPIC, anywhere, number, soon};

pub(crate) const CALLS: &[Call] = &[
    ("Producer::send", || {
        anywhere(async |scene| send(scene, &build(scene)).await);
        anywhere(async |scene| send(scene, &warm(scene).await).await);
        anywhere(async |scene| with_memory_full(scene, async |producer| send(scene, producer).await).await);
    }),
    ("Producer::enqueue", || {
        anywhere(async |scene| enqueue(scene, &build(scene)).await);
        anywhere(async |scene| with_memory_full(scene, async |producer| enqueue(scene, producer).await).await);
    }),
    ("Producer::flush", || {
        anywhere(async |scene| {
            let producer = warm(scene).await;
            let deliveries = several(&producer).await;
            if let Some(flushed) = scene.dropped(producer.flush()).await {
                flushed.unwrap();
            }
            all_written(deliveries).await;
            goes_on(scene, &producer, &[]).await;
        });
    }),
    ("Producer::close", || {
        anywhere(async |scene| close(scene, &warm(scene).await).await);
        anywhere(async |scene| close(scene, &build(scene)).await);
    }),
    ("Producer::partitions_for", || {
        anywhere(async |scene| {
            let producer = build(scene);
            if let Some(partitions) = scene.dropped(producer.partitions_for(TOPIC)).await {
                assert_eq!(partitions.unwrap(), PARTITIONS as usize);
            }
            assert_eq!(soon("partitions_for", producer.partitions_for(TOPIC)).await.unwrap(), PARTITIONS as usize);
            goes_on(scene, &producer, &[]).await;
        });
    }),
    ("Producer::client_instance_id", || {
        anywhere(async |scene| {
            let producer = build(scene);
            let first = scene.dropped(producer.client_instance_id(SOON)).await;
            let id = soon("client_instance_id", producer.client_instance_id(SOON)).await.unwrap();
            assert!(first.is_none_or(|first| first.unwrap() == id));
            goes_on(scene, &producer, &[]).await;
        });
    }),
    ("Delivery::poll", || {
        anywhere(async |scene| {
            let producer = warm(scene).await;
            let delivery = producer.enqueue(Record::to(TOPIC).value("a")).await.unwrap();
            if let Some(ack) = scene.dropped(delivery).await {
                assert!(ack.unwrap().offset().is_some());
            }
            goes_on(scene, &producer, &["a"]).await;
        });
    }),
];

fn build(scene: &Scene) -> Producer {
    Producer::builder(scene.bootstrap())
        .process(scene.process())
        .linger(Duration::from_millis(3))
        .batch_size(500_usize)
        .buffer_memory(4_000_usize)
        .build()
        .unwrap()
}

/// One that knows the topic and has its number.
async fn warm(scene: &Scene) -> Producer {
    let producer = build(scene);
    soon("a first record", producer.send(Record::to(TOPIC).value("first"))).await.unwrap();
    producer
}

async fn several(producer: &Producer) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for nth in 0..5 {
        deliveries.push(producer.enqueue(Record::to(TOPIC).value(format!("several-{nth}"))).await.unwrap());
    }
    deliveries
}

async fn all_written(deliveries: Vec<Delivery>) {
    for delivery in deliveries {
        soon("a delivery", delivery).await.unwrap();
    }
}

async fn send(scene: &Scene, producer: &Producer) {
    match scene.dropped(producer.send(Record::to(TOPIC).value("a"))).await {
        Some(ack) => {
            ack.unwrap();
            goes_on(scene, producer, &["a"]).await;
        }
        None => goes_on(scene, producer, &[]).await,
    }
}

async fn enqueue(scene: &Scene, producer: &Producer) {
    match scene.dropped(producer.enqueue(Record::to(TOPIC).value("a"))).await {
        Some(delivery) => {
            drop(delivery.unwrap());
            goes_on(scene, producer, &["a"]).await;
        }
        None => goes_on(scene, producer, &[]).await,
    }
}

/// Nothing is answered for some milliseconds, and all memory is taken; others wait for it as well.
async fn with_memory_full(scene: &Scene, call: impl AsyncFn(&Producer)) {
    let producer = warm(scene).await;
    scene.broker().hold(ApiKey::Produce);
    let mut nth = 0;
    let mut deliveries = Vec::new();
    let full = loop {
        nth += 1;
        match producer.try_enqueue(Record::to(TOPIC).value(format!("{nth} {}", "x".repeat(200)))) {
            Ok(delivery) => deliveries.push(delivery),
            Err(refused) => break refused.error,
        }
    };
    assert_eq!(full.kind(), Kind::WouldBlock);
    let waiting = [1, 2].map(|nth| {
        let producer = producer.clone();
        let value = format!("waiting-{nth} {}", "x".repeat(200));
        tokio::spawn(async move { producer.send(Record::to(TOPIC).value(value)).await })
    });
    let broker = scene.broker().clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(12)).await;
        broker.clear();
        broker.release();
    });
    tokio::time::sleep(Duration::from_millis(1)).await;
    call(&producer).await;
    for sent in waiting {
        soon("a record that waits for memory", sent).await.unwrap().unwrap();
    }
    all_written(deliveries).await;
}

/// What was enqueued is sent, close or no close; nothing is added any more.
async fn close(scene: &Scene, producer: &Producer) {
    let deliveries = several(producer).await;
    if let Some(closed) = scene.dropped(producer.close(SOON)).await {
        closed.unwrap();
    }
    all_written(deliveries).await;
    let refused = soon("a record after close", producer.send(Record::to(TOPIC).value("late"))).await;
    assert_eq!(refused.unwrap_err().kind(), Kind::Closed);
    soon("close", producer.close(SOON)).await.unwrap();
    let written = written(scene);
    assert!((0..5).all(|nth| written.get(&format!("several-{nth}")) == Some(&1)), "{written:?}");
}

/// How often each value is in the logs.
fn written(scene: &Scene) -> BTreeMap<String, usize> {
    let mut written = BTreeMap::new();
    for value in (0..PARTITIONS).flat_map(|partition| scene.broker().log(TOPIC, partition).values()) {
        *written.entry(value).or_default() += 1;
    }
    written
}

/// What is known to be enqueued is written, nothing is twice, all memory is given back, new records are written, and close
/// ends.
async fn goes_on(scene: &Scene, producer: &Producer, enqueued: &[&str]) {
    let acks: Arc<Mutex<Vec<Result<(), Error>>>> = Arc::default();
    for nth in 0..6 {
        let (producer, acks) = (producer.clone(), acks.clone());
        tokio::spawn(async move {
            let ack = producer.send(Record::to(TOPIC).value(format!("then-{nth} {}", "x".repeat(700)))).await;
            acks.lock().push(ack.map(drop));
        });
    }
    tokio::time::sleep(SOON).await;
    assert!(acks.lock().len() == 6 && acks.lock().iter().all(Result::is_ok), "{acks:?}");
    soon("flush", producer.flush()).await.unwrap();
    let level = |name| number(&producer.metrics(), "producer-metrics", name);
    assert_eq!(level("buffer-available-bytes"), level("buffer-total-bytes"));
    assert_eq!(level("waiting-threads"), 0.0);
    soon("close", producer.close(SOON)).await.unwrap();
    let written = written(scene);
    assert!(enqueued.iter().all(|value| written.contains_key(*value)), "{enqueued:?} of {written:?}");
    assert!(written.values().all(|times| *times == 1), "{written:?}");
    assert_eq!(written.keys().filter(|value| value.starts_with("then-")).count(), 6, "{written:?}");
}
