//! Idempotent producers, at all settings that matter for what becomes of a record.

use std::time::Duration;

use ottla::config::Compression;
use ottla::{Producer, Record};
use ottla_broker::simulation::Simulation;

use super::Plan;
use crate::evidence::value;
use crate::ledger::Operation;
use crate::stage::{Life, Stage};

const TOPIC: &str = "orders";

/// Records that are sent at once in the end.
const TOGETHER: u32 = 30;

/// 2026-01-01, in milliseconds since 1970.
const TIMESTAMP_MS: i64 = 1_767_225_600_000;

pub(super) fn plan(seed: u64) -> Plan {
    let partitions = *fastrand::Rng::with_seed(seed).choice(&[1_u16, 3, 6, 100]).unwrap();
    let simulation = Simulation::new().topic(TOPIC, partitions).processes(["producer-0", "producer-1"]);
    Plan { simulation, topics: vec![(TOPIC.to_owned(), partitions)] }
}

pub(super) async fn run(stage: Stage) {
    tokio::join!(stage.live("producer-0", produce), stage.live("producer-1", produce));
}

/// Sends for as long as things go wrong, perhaps through several producers, one after the other; then all that was sent
/// must have an outcome.
async fn produce(life: Life) {
    let (mut producer, mut request_timeout) = build(&life);
    let (records, bytes) = life.random(|random| (random.u32(20..=200), random.usize(1..=400)));
    let is_keyed = life.random(fastrand::Rng::bool);
    let (mut sent, mut built) = (0, 1);
    while sent < records || life.stage().world().is_faulty() {
        for _ in 0..life.random(|random| random.u32(1..=20)) {
            send(&life, &producer, built, is_keyed, bytes).await;
            sent += 1;
        }
        tokio::time::sleep(Duration::from_millis(life.random(|random| random.u64(0..=500)))).await;
        look_at_memory(&life, &producer, false);
        if life.random(|random| random.u8(..) < 4) {
            close(&life, &producer, Duration::from_millis(life.random(|random| random.u64(0..=3_000)))).await;
            (producer, request_timeout) = build(&life);
            built += 1;
        }
    }
    life.stage().world().faults_over().await;
    // Longer than any record may take.
    let _ = life.within("flush", Duration::from_secs(61), producer.flush()).await;
    look_at_memory(&life, &producer, true);
    goes_on(&life, &producer, request_timeout).await;
    close(&life, &producer, Duration::from_secs(30)).await;
}

/// At any moment, with whatever is still on its way.
async fn close(life: &Life, producer: &Producer, timeout: Duration) {
    // What was not written has failed, and each record tells so by itself.
    let _ = life.within("close", timeout, producer.close(timeout)).await;
    // Outcomes are told by tasks of their own, which have their turn now.
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Where nothing goes wrong any more, records get through: a connection that nobody answers on is given up after
/// `request.timeout.ms` at the latest, and a look at the metadata as well.
async fn goes_on(life: &Life, producer: &Producer, request_timeout: Duration) {
    let written = async {
        // More than small buffers hold: some wait for others' memory.
        let tasks: Vec<_> =
            (0..TOGETHER).map(|nth| life.spawn(gets_through(life.clone(), producer.clone(), nth))).collect();
        for task in tasks {
            task.await.unwrap();
        }
    };
    life.awaits("the way of some records", 2 * request_timeout + Duration::from_secs(10), written).await;
}

/// Each is on its own: they have no order among them.
async fn gets_through(life: Life, producer: Producer, nth: u32) {
    loop {
        let id = life.stage().new_id();
        life.did(Operation::Send { id, topic: TOPIC.to_owned(), producer: 1_000 + nth });
        // Brokers take none from a process whose clock is hours ahead.
        let record = Record::to(TOPIC).timestamp(TIMESTAMP_MS);
        match producer.send(record.value(value(id, 1_000))).await {
            Ok(ack) => break life.did(acked(id, &ack)),
            Err(error) => life.did(Operation::Failed { id, error: error.to_string() }),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn acked(id: u64, ack: &ottla::Ack) -> Operation {
    Operation::Acked { id, place: (TOPIC.to_owned(), ack.partition()), offset: ack.offset().unwrap_or(-1) }
}

fn look_at_memory(life: &Life, producer: &Producer, is_idle: bool) {
    let metrics = producer.metrics();
    let bytes = |name| metrics.find("producer-metrics", name, &[]).map_or(0, |bytes| bytes.as_f64() as u64);
    let (available, total) = (bytes("buffer-available-bytes"), bytes("buffer-total-bytes"));
    life.did(Operation::Memory { available, total, is_idle });
}

/// A producer, and its `request.timeout.ms`.
fn build(life: &Life) -> (Producer, Duration) {
    let draw = |of: &[u32]| life.random(|random| *random.choice(of).unwrap());
    let timeout = draw(&[3_000, 10_000, 60_000]);
    let request_timeout = Duration::from_millis(draw(&[1_000, timeout - 500]).into());
    let compression = [Compression::None, Compression::Lz4, Compression::Zstd, Compression::Snappy];
    let producer = Producer::builder(life.stage().world().bootstrap())
        .process(life.process())
        .client_id(life.name())
        .linger(Duration::from_millis(draw(&[0, 5, 50]).into()))
        .batch_size(draw(&[100, 1_000, 16_384]) as usize)
        .buffer_memory(draw(&[20_000, 1_000_000]) as usize)
        .max_block(Duration::from_millis(draw(&[500, 60_000]).into()))
        .compression(compression[draw(&[0, 1, 2, 3]) as usize])
        .delivery_timeout(Duration::from_millis(timeout.into()))
        .request_timeout(request_timeout)
        .max_in_flight(draw(&[1, 5]))
        .metadata_max_age(Duration::from_secs(draw(&[2, 300]).into()))
        .build()
        .unwrap();
    (producer, request_timeout)
}

async fn send(life: &Life, producer: &Producer, built: u32, is_keyed: bool, bytes: usize) {
    let id = life.stage().new_id();
    life.did(Operation::Send { id, topic: TOPIC.to_owned(), producer: built });
    let mut record = Record::to(TOPIC).value(value(id, bytes));
    if is_keyed {
        record = record.key(format!("{}", id % 17));
    }
    let failed = move |error: &ottla::Error| Operation::Failed { id, error: error.to_string() };
    let delivery = match producer.enqueue(record).await {
        Ok(delivery) => delivery,
        Err(error) => return life.did(failed(&error)),
    };
    let told = life.clone();
    life.spawn(async move {
        told.did(match delivery.await {
            Ok(ack) => acked(id, &ack),
            Err(error) => failed(&error),
        });
    });
}
