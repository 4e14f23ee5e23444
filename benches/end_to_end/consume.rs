//! End to end out of a broker: records per second, the client's own CPU time, and its memory.
//!
//! `cargo bench --bench consume` starts the broker in a process of its own, fills it, and reads everything: each value's
//! first byte is touched. Settings are the defaults but for what a scenario names.
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::time::{Duration, Instant};

use ottla::{Consumer, Producer, Record, TopicPartition};

mod process;

use process::{Apart, SERVE, cpu_seconds, peak_mb, serve};

const PARTITIONS: u16 = 6;

struct Scenario {
    name: &'static str,
    records: usize,
    value_bytes: usize,
    compression: &'static str,
    group: bool,
    settings: &'static [(&'static str, &'static str)],
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "100 B, none, assigned",
        records: 2_000_000,
        value_bytes: 100,
        compression: "none",
        group: false,
        settings: &[],
    },
    Scenario {
        name: "100 B, none, in a group, 10,000 a poll",
        records: 2_000_000,
        value_bytes: 100,
        compression: "none",
        group: true,
        settings: &[("max.poll.records", "10000")],
    },
    Scenario {
        name: "100 B, lz4, assigned",
        records: 2_000_000,
        value_bytes: 100,
        compression: "lz4",
        group: false,
        settings: &[],
    },
    Scenario {
        name: "1 KiB, none, assigned",
        records: 400_000,
        value_bytes: 1024,
        compression: "none",
        group: false,
        settings: &[],
    },
];

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == SERVE) {
        return serve("bench", PARTITIONS, false);
    }
    println!("{:48} {:>12} {:>14} {:>10}", "scenario", "records/s", "CPU s/million", "RSS MB");
    let filter = arguments.get(1).filter(|argument| !argument.starts_with('-'));
    for scenario in SCENARIOS.iter().filter(|scenario| filter.is_none_or(|text| scenario.name.contains(text.as_str())))
    {
        let broker = Apart::start(&[]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(fill(scenario, &broker.address));
        runtime.block_on(run(scenario, &broker.address));
        broker.stop();
    }
}

async fn fill(scenario: &Scenario, address: &str) {
    let producer = Producer::builder(address).set("compression.type", scenario.compression).build().expect("settings");
    let mut value = vec![b'x'; scenario.value_bytes];
    for n in 0..scenario.records {
        // No two values alike, half of each incompressible: a repeated one would make a codec look free.
        let mut state = n as u64;
        for byte in value.iter_mut().take(scenario.value_bytes / 2) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 56) as u8;
        }
        producer.enqueue(Record::to("bench").value(&value)).await.expect("enqueue");
    }
    producer.close(Duration::from_secs(60)).await.expect("every ack");
}

async fn run(scenario: &Scenario, address: &str) {
    let mut builder =
        Consumer::builder(address).set("auto.offset.reset", "earliest").set_all(scenario.settings.iter().copied());
    if scenario.group {
        builder = builder.group("bench".to_owned());
    }
    let consumer = builder.build().expect("settings");
    if scenario.group {
        consumer.subscribe(["bench"]).await.expect("subscribe");
    } else {
        let partitions = (0..PARTITIONS.into()).map(|partition| TopicPartition::new("bench", partition));
        consumer.assign(partitions).await.expect("assign");
    }
    let mut read = consumer.poll(Duration::from_secs(30)).await.expect("the first records").len();

    let (start, cpu) = (Instant::now(), cpu_seconds());
    let first = read;
    let mut touched = 0_u64;
    while read < scenario.records {
        let records = consumer.poll(Duration::from_secs(30)).await.expect("records");
        assert!(!records.is_empty(), "{read} records came, then none");
        for record in &records {
            touched += u64::from(record.value().map_or(0, |value| value[0]));
        }
        read += records.len();
    }
    std::hint::black_box(touched);

    let (elapsed, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let measured = (read - first) as f64;
    println!("{:48} {:>12.0} {:>14.3} {:>10.0}", scenario.name, measured / elapsed, cpu / (measured / 1e6), peak_mb());
}
